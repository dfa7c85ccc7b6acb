//! One batch: answered by its worker alone, or by all who have nothing else to do.
//!
//! Owns: who answers which item, and that the outcome is the one of answering them one after the other: the answers in
//! order, or the failure of the first item that fails. It refuses to wait for anybody who has not begun.
//!
//! ```text
//! owner:   in place | in place | .. | a buffer of its own ..        | appends what the buffers hold, in order
//! helper:                        '--> begins items, one buffer .. --'
//! ```

use core::ops::Range;
use core::time::Duration;
use std::time::Instant;

use super::crew::{Crew, grain, is_long, is_worth_waking};
use super::floor::Floor;
use super::seat::{Who, dispatch};
use crate::buf::{Writer, align_up};
use crate::service::{Call, Failure};
use crate::session::Ticket;
use crate::sync::{Arc, AtomicUsize, Condvar, Mutex, Ordering, PoisonError, lock};
use crate::wire::{BATCH_ALIGN, Batch, BatchBuilder};

/// How long a worker helps before it looks whether anybody else needs it.
const HELP: Duration = Duration::from_millis(1);

/// A batch, and where its request stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Order<'a> {
    pub(super) ticket: Ticket,
    pub(super) batch: Batch<'a>,
    pub(super) payload: &'a [u8],
    /// The most bytes that may be answered.
    pub(super) room: usize,
}

/// Answers a batch; the failure of its first item that fails.
pub(super) fn answer(
    floor: &Floor,
    who: &Who,
    call: &Call<'_>,
    order: &Order<'_>,
    answers: &mut BatchBuilder<'_, '_>,
) -> Result<(), Failure> {
    let Some(cost) = floor.crew.cost(order.ticket.method()) else {
        return Err(Failure::Unsupported(order.ticket.method()));
    };
    let (begin, items) = (Instant::now(), order.batch.len());
    let mut next_look = 0;
    for (index, item) in order.batch.iter().enumerate() {
        if index == next_look {
            let (taken, known) = if index == 0 {
                (Duration::ZERO, cost.known())
            } else {
                let taken = begin.elapsed();
                (taken, each(taken, index))
            };
            // One of those that are left is the owner's in any case.
            let is_worth = is_worth_waking(known, (items - index).saturating_sub(1));
            if is_worth && (index == 0 || is_long(taken)) && floor.crew.can_help(known) {
                if let Some((job, own)) = Job::new(&floor.crew, who, order, index, known) {
                    let led = job.lead(floor, call, order, answers, (own, begin));
                    return led.map(|(taken, answered)| cost.learn(taken, answered, answered < items));
                }
            }
            next_look += grain(known);
        }
        match answers.push_with(|writer| dispatch(floor, call, item, writer)) {
            Ok(dispatched) => dispatched?,
            // Beyond what 32 bits can say: there is no room for it, which the session is about to find.
            Err(_) => return Ok(()),
        }
    }
    cost.learn(begin.elapsed(), items, false);
    Ok(())
}

fn each(taken: Duration, items: usize) -> Duration {
    u32::try_from(items).ok().and_then(|items| taken.checked_div(items)).unwrap_or(taken)
}

/// Helps with a batch, if there is one, for a while.
pub(super) fn help(floor: &Floor) {
    let crew = &floor.crew;
    let Some(job) = crew.offered() else { return };
    let Some(mut hand) = Hand::lend(&job, crew) else { return };
    // The next one is woken by this one, so that an owner wakes but one, and nobody more than there is work for. Calls
    // of two owners may have been one edge.
    if is_worth_waking(job.cost, job.left()) || crew.has_other_offers(&job) {
        crew.wake();
    }
    let interest = job.who.interest(floor);
    let call = job.who.call(job.ticket, &interest);
    let until = Instant::now() + HELP;
    if let (Some(batch), Some(answers)) = (job.batch(), &mut hand.answers) {
        job.answer_some(floor, &call, batch, answers, || Instant::now() >= until);
    }
}

/// Helps whoever is not done yet, until there is nobody left: what is said to stop may still wait for help.
pub(super) fn see_off(floor: &Floor) {
    while floor.crew.await_offer(|| floor.is_deserted()) {
        help(floor);
    }
}

/// A batch that several answer.
#[derive(Debug)]
pub(super) struct Job {
    who: Who,
    ticket: Ticket,
    /// A copy of the request: its own stands where the owner's session has it.
    payload: Vec<u8>,
    payload_len: usize,
    items: u32,
    end: usize,
    room: usize,
    cost: Duration,
    /// Items that are begun at once.
    grain: usize,
    /// The first item that nobody has begun.
    next: AtomicUsize,
    /// The first item that is known to have failed; those behind it need no answer.
    failed: AtomicUsize,
    /// Bytes of all answers in buffers so far.
    answered: AtomicUsize,
    state: Mutex<State>,
    /// A helper has left.
    left: Condvar,
}

#[derive(Debug)]
struct State {
    /// Nobody may begin to help any more.
    is_closed: bool,
    helpers: usize,
    /// Of helpers that have left.
    answers: Vec<Answers>,
    failure: Option<(usize, Failure)>,
}

/// What one thread has answered.
#[derive(Debug)]
struct Answers {
    buffer: Vec<u8>,
    len: usize,
    /// In ascending order of items.
    parts: Vec<Part>,
    /// Parts that were handed on.
    taken: usize,
}

#[derive(Debug)]
struct Part {
    item: usize,
    start: usize,
    /// What it needs; there is no room for it where that ends beyond the buffer.
    len: usize,
}

impl Job {
    /// What is left of a batch from item `first` on, and where its owner answers what is not in turn; `None` where there is
    /// no memory for it.
    fn new(crew: &Crew, who: &Who, order: &Order<'_>, first: usize, cost: Duration) -> Option<(Arc<Self>, Answers)> {
        let own = Answers::new(crew, order.room)?;
        let mut payload = crew.buffer(order.payload.len())?;
        payload.get_mut(..order.payload.len())?.copy_from_slice(order.payload);
        let (items, end) = (u32::try_from(order.batch.len()).ok()?, order.batch.len());
        let job = Self {
            who: who.clone(),
            ticket: order.ticket,
            payload,
            payload_len: order.payload.len(),
            items,
            end,
            room: order.room,
            cost,
            grain: grain(cost),
            next: AtomicUsize::new(first),
            failed: AtomicUsize::new(usize::MAX),
            answered: AtomicUsize::new(0),
            state: Mutex::new(State { is_closed: false, helpers: 0, answers: Vec::new(), failure: None }),
            left: Condvar::new(),
        };
        Some((Arc::new(job), own))
    }

    fn batch(&self) -> Option<Batch<'_>> {
        Batch::of_proven(self.payload.get(..self.payload_len)?, self.items)
    }

    fn left(&self) -> usize {
        self.end.saturating_sub(self.next.load(Ordering::Relaxed))
    }

    /// The next items to answer. They are begun in order, so when one fails all before it have been begun.
    fn claim(&self, crew: &Crew) -> Option<Range<usize>> {
        // Relaxed: who has which item depends on the number alone; answers are handed on under the lock.
        let start = self.next.fetch_add(self.grain, Ordering::Relaxed);
        let end = start.saturating_add(self.grain).min(self.end);
        if end == self.end {
            crew.withdraw(self);
        }
        (start < end && start < self.failed.load(Ordering::Relaxed)).then_some(start..end)
    }

    /// Item `item` has failed, so nothing behind it is begun any more.
    fn fail(&self, item: usize, failure: Failure, crew: &Crew) {
        {
            let mut state = lock(&self.state);
            if state.failure.as_ref().is_none_or(|(first, _)| item < *first) {
                state.failure = Some((item, failure));
                // Relaxed: who does not see it yet only does what nobody needs.
                self.failed.store(item, Ordering::Relaxed);
            }
        }
        crew.withdraw(self);
    }

    /// Answers items into a buffer until there are none left, or `is_enough`.
    fn answer_some(
        &self,
        floor: &Floor,
        call: &Call<'_>,
        batch: Batch<'_>,
        answers: &mut Answers,
        is_enough: impl Fn() -> bool,
    ) {
        while let Some(claimed) = self.claim(&floor.crew) {
            for item in claimed {
                self.answer_one(floor, call, batch, item, answers);
            }
            if is_enough() {
                return;
            }
        }
    }

    fn answer_one(&self, floor: &Floor, call: &Call<'_>, batch: Batch<'_>, item: usize, answers: &mut Answers) {
        let Some(request) = batch.get(item).filter(|_| item < self.failed.load(Ordering::Relaxed)) else { return };
        // Where all of it is too large already, the rest is counted and not kept.
        let is_too_large = self.answered.load(Ordering::Relaxed) > self.room;
        match answers.push(item, is_too_large, self.room, |writer| dispatch(floor, call, request, writer)) {
            Ok(len) => {
                self.answered.fetch_add(len, Ordering::Relaxed);
            }
            Err(failure) => self.fail(item, failure, &floor.crew),
        }
    }

    /// Answers the batch as its owner: in place as long as nobody helps, then like a helper, and in the end puts together
    /// what all have answered. What its own part took, and how many items that was.
    fn lead(
        self: Arc<Self>,
        floor: &Floor,
        call: &Call<'_>,
        order: &Order<'_>,
        in_place: &mut BatchBuilder<'_, '_>,
        (mut own, begin): (Answers, Instant),
    ) -> Result<(Duration, usize), Failure> {
        let crew = &floor.crew;
        let mut is_too_long = false;
        let (mut appended, mut answered) = (in_place.len() as usize, in_place.len() as usize);
        // Before anybody else can have all: a worker that only waits for others is missed where their items wait for it.
        let mut first = self.claim(crew);
        if self.left() > 0 {
            crew.offer(&self, || floor.is_stopping());
        }
        while let Some(claimed) = first.take().or_else(|| self.claim(crew)) {
            answered += claimed.len();
            for item in claimed {
                if item == appended {
                    let Some(request) = order.batch.get(item) else { break };
                    match in_place.push_with(|writer| dispatch(floor, call, request, writer)) {
                        Ok(Ok(())) => appended += 1,
                        Ok(Err(failure)) => self.fail(item, failure, crew),
                        Err(_) => {
                            // As where it is answered in place: nobody needs the rest.
                            is_too_long = true;
                            self.failed.store(item, Ordering::Relaxed);
                            crew.withdraw(&self);
                        }
                    }
                } else {
                    self.answer_one(floor, call, order.batch, item, &mut own);
                }
            }
        }
        let taken = begin.elapsed();
        let (mut all, failure) = self.close();
        all.push(own);
        let put_together = match failure {
            // Whatever failed stands behind what was too long.
            _ if is_too_long => Ok(()),
            Some((_, failure)) => Err(failure),
            None => put_together(&mut all, appended..self.end, in_place),
        };
        all.into_iter().for_each(|answers| crew.put_back(answers.buffer));
        if let Some(job) = Arc::into_inner(self) {
            crew.put_back(job.payload);
        }
        put_together.map(|()| (taken, answered))
    }

    /// Lets nobody help any more, and waits for those who do.
    fn close(&self) -> (Vec<Answers>, Option<(usize, Failure)>) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        while state.helpers > 0 {
            state = self.left.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        (core::mem::take(&mut state.answers), state.failure.take())
    }
}

/// Appends the answers of `items`, in order.
fn put_together(all: &mut [Answers], items: Range<usize>, in_place: &mut BatchBuilder<'_, '_>) -> Result<(), Failure> {
    for item in items {
        let Some((answers, start, len)) = all.iter_mut().find_map(|answers| answers.take(item)) else {
            // Nobody says why: whoever had it is gone.
            return Err(Failure::Panicked);
        };
        let pushed = in_place.push_with(|writer| match answers.get(start..start.saturating_add(len)) {
            Some(answer) => writer.append(answer),
            None => writer.skip(len),
        });
        if pushed.is_err() {
            // As where it is answered in place.
            return Ok(());
        }
    }
    Ok(())
}

impl Answers {
    fn new(crew: &Crew, room: usize) -> Option<Self> {
        Some(Self { buffer: crew.buffer(room)?, len: 0, parts: Vec::new(), taken: 0 })
    }

    /// Has `fill` answer an item; the bytes that takes.
    fn push(
        &mut self,
        item: usize,
        is_too_large: bool,
        room: usize,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), Failure>,
    ) -> Result<usize, Failure> {
        let start = align_up(self.len, BATCH_ALIGN);
        let place = if is_too_large { None } else { self.buffer.get_mut(start..room) };
        let mut writer = Writer::new(place.unwrap_or_default());
        fill(&mut writer)?;
        if writer.fits() {
            let len = writer.len();
            self.len = start.saturating_add(len);
            self.parts.push(Part { item, start, len });
            Ok(align_up(len, BATCH_ALIGN))
        } else {
            let len = writer.needed();
            self.parts.push(Part { item, start: usize::MAX, len });
            Ok(align_up(len, BATCH_ALIGN))
        }
    }

    /// The answer to `item`, if it is the next one here: where it stands, and how long it is.
    fn take(&mut self, item: usize) -> Option<(&[u8], usize, usize)> {
        let part = self.parts.get(self.taken).filter(|part| part.item == item)?;
        self.taken += 1;
        Some((&self.buffer, part.start, part.len))
    }
}

/// A helper's part in a job: what it has answered is the owner's when this is dropped.
struct Hand<'a> {
    job: &'a Job,
    answers: Option<Answers>,
}

impl<'a> Hand<'a> {
    fn lend(job: &'a Job, crew: &Crew) -> Option<Self> {
        let resting = {
            let mut state = lock(&job.state);
            if state.is_closed {
                return None;
            }
            state.helpers += 1;
            // What a helper before this one has answered comes before what is left.
            state.answers.pop()
        };
        let mut hand = Self { job, answers: resting };
        if hand.answers.is_none() {
            hand.answers = Answers::new(crew, job.room);
            if hand.answers.is_none() {
                // The offer would go on calling for somebody with memory.
                crew.withdraw(job);
            }
        }
        Some(hand)
    }
}

impl Drop for Hand<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.job.state);
        state.helpers -= 1;
        state.answers.extend(self.answers.take());
        if state.helpers == 0 {
            self.job.left.notify_one();
        }
    }
}
