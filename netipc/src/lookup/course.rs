//! A lookup on its way: calls, one after the other, until all keys have their items.
//!
//! Owns: what is asked again, and what makes an answer none. It refuses to believe one: items have to be those of the keys, in
//! their order, all of one generation (docs/protocol.md, section 6.1).

use core::cell::Cell;

use super::plan::{Plan, Planner};
use super::{Answer, Lookup, Mark, Sought};
use crate::client::{CallError, Client, LookupError, LookupLimits};
use crate::codec::Kept;
use crate::service;
use crate::session::{Limit, LimitExceeded};

/// Looks up all `keys`, of which `key` is the one inside each.
///
/// # Errors
/// See [`CallError`]; [`CallError::Lookup`] where calls were answered and don't make one answer.
pub fn look_up<L: Lookup, I>(
    client: &mut Client,
    keys: I,
    key: impl Fn(&I::Item) -> &L::Key,
) -> Result<Answer<L>, CallError>
where
    I: Iterator + Clone,
{
    let limits = client.begin_lookup();
    look_up_by(client, keys, key, limits)
}

/// The same, within limits that may be those of several.
pub(crate) fn look_up_by<L: Lookup, I>(
    client: &mut Client,
    keys: I,
    key: impl Fn(&I::Item) -> &L::Key,
    limits: LookupLimits,
) -> Result<Answer<L>, CallError>
where
    I: Iterator + Clone,
{
    // There may be no end to them.
    let count = keys.clone().take(limits.keys.saturating_add(1)).count();
    if count > limits.keys {
        return Err(client.give_up(LookupError::TooManyKeys { keys: count, most: limits.keys }));
    }
    let mark = keys.clone().next().map(|item| own_mark::<L>(key(&item)));
    let planner = Planner::new(mark.unwrap_or_default());
    let answer = Answer::new();
    Course { client, key, rest: keys, count, limits, planner, answer, bytes: 0, calls: 0 }.run()
}

/// A lookup on its way.
struct Course<'c, L: Lookup, I, F> {
    client: &'c mut Client,
    key: F,
    /// The keys without a final answer.
    rest: I,
    count: usize,
    limits: LookupLimits,
    planner: Planner,
    answer: Answer<L>,
    bytes: usize,
    calls: usize,
}

impl<L: Lookup, I, F> Course<'_, L, I, F>
where
    I: Iterator + Clone,
    F: Fn(&I::Item) -> &L::Key,
{
    fn run(mut self) -> Result<Answer<L>, CallError> {
        loop {
            let keys = self.planned()?;
            if keys == 0 && self.answer.len() < self.count {
                self.leave_out()?;
            } else {
                self.ask(keys)?;
            }
            if self.answer.len() >= self.count {
                return Ok(self.answer);
            }
        }
    }

    /// How many keys to ask for next, with limits as wide as they can be where that is worth while; none where not even one
    /// fits a request.
    fn planned(&mut self) -> Result<usize, CallError> {
        loop {
            let budget = self.client.budget()?;
            let lens = self.rest.clone().map(|item| (self.key)(&item).sought_len());
            match self.planner.plan(lens, self.count - self.answer.len(), &budget) {
                Plan::Ask(keys) => return Ok(keys),
                Plan::WidenRequests(needed) => {
                    self.call()?;
                    if !self.client.widen_requests(needed, self.limits.deadline)? {
                        self.planner.keep_requests();
                    }
                }
                Plan::WidenAnswers => {
                    self.call()?;
                    if !self.client.widen_answers(self.limits.deadline)? {
                        self.planner.keep_answers();
                    }
                }
            }
        }
    }

    /// Counts a call, or what takes as long.
    fn call(&mut self) -> Result<(), CallError> {
        if self.calls >= self.limits.calls {
            return Err(self.client.give_up(LookupError::TooManyCalls { most: self.limits.calls }));
        }
        self.calls += 1;
        Ok(())
    }

    fn ask(&mut self, keys: usize) -> Result<(), CallError> {
        self.call()?;
        let (asked, key, pushed) = (self.rest.clone().take(keys), &self.key, Cell::new(0));
        let before = self.client.mishaps();
        let fetched = self.client.fetch_by::<L::Reply>(
            L::METHOD,
            |writer| {
                pushed.set(0);
                L::request(writer, keys, &mut |push| {
                    for item in asked.clone() {
                        push(key(&item));
                        pushed.set(pushed.get() + 1);
                    }
                })
            },
            self.limits.deadline,
        );
        let payload = match fetched {
            Ok(payload) => payload,
            Err(error) if keys > 0 && is_about_answers(&error) => {
                let allowed = if let CallError::AnswerTooLarge { allowed } = error { Some(allowed) } else { None };
                self.client.forgive(before);
                self.client.settle_answers(allowed, self.limits.deadline)?;
                // One of them alone may be too long, and nobody knows which.
                self.planner.refuse(keys);
                // Not even that it is too long can be said of it.
                return if keys == 1 { self.leave_out() } else { Ok(()) };
            }
            // Another server, after the first one has gone, may take less: then it is planned anew.
            Err(CallError::Limit(_)) if self.client.ready() && self.planner.would_change(&self.client.budget()?) => {
                self.client.forgive(before);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        if pushed.get() < keys {
            return Err(self.keys_changed(pushed.get()));
        }
        self.count_bytes(&payload)?;
        let answered = match self.answered(&payload, keys) {
            Ok(answered) => answered,
            Err(error) => return Err(self.client.give_up(error)),
        };
        self.planner.learn(keys, answered, payload.bytes().len());
        if answered == 0 && keys == 1 {
            return Err(self.client.give_up(LookupError::NoProgress { index: self.answer.len() }));
        }
        if answered > 0 {
            self.append(payload, answered);
        }
        Ok(())
    }

    /// Counts what is kept of answers, or came along with it.
    fn count_bytes(&mut self, payload: &Kept<L::Reply>) -> Result<(), CallError> {
        self.bytes = self.bytes.saturating_add(payload.bytes().len());
        if self.bytes > self.limits.bytes {
            return Err(self.client.give_up(LookupError::TooLarge { most: self.limits.bytes }));
        }
        Ok(())
    }

    /// There is no such key behind those that are answered, although there was when all were counted.
    #[cold]
    fn keys_changed(&mut self, behind: usize) -> CallError {
        let index = self.answer.len() + behind;
        self.client.give_up(LookupError::KeysChanged { counted: self.count, index })
    }

    /// How many items of an answer are final: all up to the first for which there was no room.
    fn answered(&mut self, payload: &Kept<L::Reply>, keys: usize) -> Result<usize, LookupError> {
        let items = L::items(payload.view());
        if items.len() != keys {
            return Err(LookupError::Miscounted { asked: keys, answered: items.len() });
        }
        let (mut last, mut seen) = (None, 0);
        for (position, (item, asked)) in items.zip(self.rest.clone()).enumerate() {
            let index = self.answer.len() + position;
            seen = position + 1;
            if !L::echoes(item, (self.key)(&asked)) {
                return Err(LookupError::WrongKey { index });
            }
            match (L::marked(item), last) {
                (Some(Mark::Exceeded), None) => last = Some(position),
                (Some(Mark::Exceeded), Some(_)) | (Some(Mark::Oversized) | None, None) => {}
                (Some(Mark::Oversized) | None, Some(_)) => return Err(LookupError::OutOfOrder { index }),
            }
        }
        if seen < keys {
            return Err(LookupError::KeysChanged { counted: self.count, index: self.answer.len() + seen });
        }
        let now = L::generation(payload.view());
        match self.answer.known_generation() {
            Some(before) if before != now => return Err(LookupError::GenerationChanged { before, now }),
            _ => self.answer.settle_generation(now),
        }
        Ok(last.unwrap_or(keys))
    }

    /// Answers the next key here, since it fits no request, or its item no answer.
    fn leave_out(&mut self) -> Result<(), CallError> {
        let Some(item) = self.rest.clone().next() else { return Err(self.keys_changed(0)) };
        let payload = own_answer::<L>((self.key)(&item)).map_err(|error| self.client.give_up_key(error))?;
        self.count_bytes(&payload)?;
        self.append(payload, 1);
        Ok(())
    }

    fn append(&mut self, payload: Kept<L::Reply>, items: usize) {
        self.answer.append(payload, items);
        if items > 0 {
            let _ = self.rest.nth(items - 1);
        }
    }
}

/// Whether there is an answer, and it is longer than the server may send, or than what is taken here.
const fn is_about_answers(error: &CallError) -> bool {
    matches!(
        error,
        CallError::AnswerTooLarge { .. } | CallError::Limit(LimitExceeded { limit: Limit::ResponsePayload, .. })
    )
}

/// What an item takes that is only marked, without its key.
fn own_mark<L: Lookup>(key: &L::Key) -> usize {
    let mark = service::counted::<L::Item>(|item| {
        L::begin_own(item, key);
        L::mark(item, Mark::Exceeded);
    });
    mark.saturating_sub(key.sought_len())
}

/// An answer of ours that says of one key that it is too long.
fn own_answer<L: Lookup>(key: &L::Key) -> Result<Kept<L::Reply>, CallError> {
    let payload = service::own_answer::<L>(key).map_err(CallError::Request)?;
    Kept::new(payload.into()).map_err(CallError::Answer)
}
