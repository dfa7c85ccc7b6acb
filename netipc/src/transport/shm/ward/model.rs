//! Models of a ward: one side of a lane lies down, the other sends, somebody stops it all, in every order that the memory
//! model allows. A wake-up that is lost is a deadlock, since nobody sleeps here for a while only.
//!
//! Owns: words that can be slept on beside others, and how they can be spoilt on purpose. The lanes and the ward are what
//! the library uses.

use core::cell::Cell;
use core::iter::once;
use core::time::Duration;
use std::rc::Rc;

use loom::sync::atomic::{AtomicU32, AtomicU64};
use loom::sync::mpsc::{Sender, channel};
use loom::sync::{Condvar, Mutex};
use loom::thread::{JoinHandle, spawn};

use super::super::lane::{Ground, Lane, Side, Words};
use super::{Dormant, Pillow, Ward};
use crate::sync::{AtomicBool, Ordering, Word};
use crate::transport::LinkError;

/// In `len`: everything was received. Both sides know marks then.
const CONSUMED: u32 = 1 << 31;

/// One thing that must not be, and is in a model that has to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// A sleep does not ask what the words hold.
    DeepSleep,
    /// A word is counted up by a load and a store.
    TornBump,
    /// A word is marked by a load and a store.
    TornDoze,
    /// A word is marked Relaxed.
    Doze,
    /// A word is counted up Relaxed.
    Bump,
    /// Nobody is ever woken.
    Dumbness,
}

/// Where a kernel keeps who sleeps on what.
#[derive(Debug)]
struct Kernel {
    asleep: Mutex<Vec<(usize, Rc<Sleeper>)>>,
    words: Cell<usize>,
    flaw: Flaw,
}

#[derive(Debug)]
struct Sleeper {
    woken: Condvar,
    /// Told under the lock of the kernel.
    woken_on: Cell<Option<usize>>,
}

#[derive(Debug)]
struct Word32 {
    word: AtomicU32,
    number: usize,
    kernel: Rc<Kernel>,
}

impl Kernel {
    fn new(flaw: Flaw) -> Rc<Self> {
        Rc::new(Self { asleep: Mutex::new(Vec::new()), words: Cell::new(0), flaw })
    }

    fn word(self: &Rc<Self>, value: u32) -> Word32 {
        let number = self.words.replace(self.words.get() + 1);
        Word32 { word: AtomicU32::new(value), number, kernel: Rc::clone(self) }
    }

    fn order(&self, relaxed: Flaw, order: Ordering) -> Ordering {
        if self.flaw == relaxed { Ordering::Relaxed } else { order }
    }
}

impl Word<u32> for Word32 {
    fn load(&self, order: Ordering) -> u32 {
        self.word.load(order)
    }

    fn store(&self, value: u32, order: Ordering) {
        self.word.store(value, order);
    }

    fn swap(&self, value: u32, order: Ordering) -> u32 {
        self.word.swap(value, order)
    }

    fn fetch_or(&self, bits: u32, order: Ordering) -> u32 {
        if self.kernel.flaw == Flaw::TornDoze {
            let old = self.word.load(Ordering::Acquire);
            self.word.store(old | bits, Ordering::Release);
            return old;
        }
        self.word.fetch_or(bits, self.kernel.order(Flaw::Doze, order))
    }

    fn exchange(&self, current: u32, new: u32, success: Ordering, failure: Ordering) -> Result<u32, u32> {
        if self.kernel.flaw == Flaw::TornBump {
            let old = self.word.load(Ordering::Acquire);
            if old != current {
                return Err(old);
            }
            self.word.store(new, Ordering::Release);
            return Ok(old);
        }
        self.word.compare_exchange(current, new, self.kernel.order(Flaw::Bump, success), failure)
    }
}

impl Word32 {
    fn wake_up_to(&self, most: u32) {
        if self.kernel.flaw == Flaw::Dumbness {
            return;
        }
        let mut asleep = self.kernel.asleep.lock().unwrap();
        for _ in 0..most {
            let Some((_, sleeper)) = asleep.iter().find(|(number, _)| *number == self.number).cloned() else { return };
            asleep.retain(|(_, other)| !Rc::ptr_eq(other, &sleeper));
            sleeper.woken_on.set(Some(self.number));
            sleeper.woken.notify_one();
        }
    }
}

impl Pillow for Word32 {
    #[expect(single_use_lifetimes, reason = "it can't be left out here yet")]
    fn sleep_on_any<'a>(
        words: impl Iterator<Item = (&'a Self, u32)> + Clone,
        timeout: Option<Duration>,
    ) -> Option<usize> {
        assert_eq!(timeout, None, "nobody is ignored here");
        let kernel = &words.clone().next()?.0.kernel;
        let mut asleep = kernel.asleep.lock().unwrap();
        // It looks and lies down in one step, as far as who wakes is concerned.
        let is_so = |(word, expected): (&Self, u32)| word.word.load(Ordering::Relaxed) == expected;
        if kernel.flaw != Flaw::DeepSleep && !words.clone().all(is_so) {
            return None;
        }
        let this = Rc::new(Sleeper { woken: Condvar::new(), woken_on: Cell::new(None) });
        asleep.extend(words.clone().map(|(word, _)| (word.number, Rc::clone(&this))));
        while this.woken_on.get().is_none() {
            asleep = this.woken.wait(asleep).unwrap();
        }
        words.clone().position(|(word, _)| Some(word.number) == this.woken_on.get())
    }

    fn wake(&self) {
        self.wake_up_to(1);
    }
}

#[derive(Debug)]
struct Way {
    seq: AtomicU64,
    len: Word32,
    signal: Word32,
}

/// A region, seen from one side.
#[derive(Debug)]
struct View {
    outgoing: Rc<Way>,
    incoming: Rc<Way>,
}

impl Way {
    fn words(&self) -> Words<'_, Word32, AtomicU64> {
        Words { seq: &self.seq, len: &self.len, signal: &self.signal }
    }
}

impl Ground for View {
    type U32 = Word32;
    type U64 = AtomicU64;

    fn outgoing(&self) -> Words<'_, Word32, AtomicU64> {
        self.outgoing.words()
    }

    fn incoming(&self) -> Words<'_, Word32, AtomicU64> {
        self.incoming.words()
    }

    fn capacity(&self) -> u32 {
        8
    }

    fn sleep(word: &Word32, expected: u32, timeout: Option<Duration>) {
        Word32::sleep_on_any(once((word, expected)), timeout);
    }

    fn wake(word: &Word32, most: u32) {
        word.wake_up_to(most);
    }
}

/// What lies down: the link's way, over a lane of the model.
struct Cot {
    lane: Rc<Lane<View>>,
    is_over: Rc<AtomicBool>,
    asleep: Option<u32>,
}

impl Dormant<Word32> for Cot {
    fn lie_down(&mut self) -> Result<bool, LinkError> {
        self.lane.settle().unwrap();
        self.asleep = self.lane.lie_down(|| self.is_over.load(Ordering::Acquire));
        Ok(self.asleep.is_some())
    }

    fn word(&self) -> (&Word32, u32) {
        (self.lane.pillow(), self.asleep.unwrap())
    }

    fn stirs(&self) -> bool {
        self.lane.is_disturbed(self.asleep.unwrap()) || self.is_over.load(Ordering::Acquire)
    }

    fn looks_for_itself(&self) -> bool {
        false
    }

    fn glance(&self) {}

    fn get_up(&mut self) {
        if let Some(asleep) = self.asleep.take() {
            self.lane.get_up(asleep);
        }
    }
}

/// Both sides of a lane, of which the server's has a ward to lie down in.
struct Stage {
    client: Lane<View>,
    cot: Cot,
    ward: Rc<Ward<(), Cot, Word32>>,
}

impl Stage {
    fn new(flaw: Flaw, knows_marks: bool) -> Self {
        let kernel = Kernel::new(flaw);
        let len = if knows_marks { CONSUMED } else { 0 };
        let way = || Rc::new(Way { seq: AtomicU64::new(0), len: kernel.word(len), signal: kernel.word(0) });
        let (request, response) = (way(), way());
        let client = View { outgoing: Rc::clone(&request), incoming: Rc::clone(&response) };
        let server = View { outgoing: response, incoming: request };
        let lane = Rc::new(Lane::new(server, Side::Server));
        let cot = Cot { lane, is_over: Rc::new(AtomicBool::new(false)), asleep: None };
        let ward = Rc::new(Ward::with_bell(kernel.word(0)));
        Self { client: Lane::new(client, Side::Client), cot, ward }
    }
}

fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}

/// Somebody watches the ward, and sends whoever gets up to the workers.
fn watch(ward: &Rc<Ward<(), Cot, Word32>>, workers: Sender<Cot>) -> JoinHandle<()> {
    let ward = Rc::clone(ward);
    spawn(move || ward.watch(|(), cot| workers.send(cot).unwrap()))
}

/// A worker lays it down, unless there is no use in that.
fn lay_down(ward: &Ward<(), Cot, Word32>, mut cot: Cot) -> Option<Cot> {
    if cot.lie_down().unwrap() { ward.admit((), cot).map(|((), cot)| cot) } else { Some(cot) }
}

fn take(cot: &Cot) -> u32 {
    let len = cot.lane.arrived().unwrap().expect("who is woken has something to do");
    cot.lane.consume(len).unwrap();
    len
}

/// A client sends, while the server lies down before each message.
fn messages(flaw: Flaw, knows_marks: bool, count: u32) {
    let Stage { client, mut cot, ward } = Stage::new(flaw, knows_marks);
    let (send, workers) = channel();
    let watcher = watch(&ward, send);
    let client = spawn(move || {
        for len in 1..=count {
            while !client.has_room() {
                client.wait_for_room(false, None, || false);
            }
            client.publish(len);
        }
    });
    for len in 1..=count {
        cot = lay_down(&ward, cot).unwrap_or_else(|| workers.recv().unwrap());
        assert_eq!(take(&cot), len);
    }
    ward.close();
    watcher.join().unwrap();
    client.join().unwrap();
}

#[test]
fn model_who_lies_in_a_ward_is_woken_by_a_message() {
    for knows_marks in [false, true] {
        check(3, move || messages(Flaw::None, knows_marks, 1));
    }
}

#[test]
fn model_who_lies_down_again_is_woken_again() {
    check(2, || messages(Flaw::None, true, 2));
}

#[test]
fn model_an_end_wakes_who_lies_in_a_ward() {
    check(3, || {
        let Stage { cot, ward, .. } = Stage::new(Flaw::None, true);
        let (send, workers) = channel();
        let watcher = watch(&ward, send);
        let (lane, is_over) = (Rc::clone(&cot.lane), Rc::clone(&cot.is_over));
        let whoever_ends_it = spawn(move || {
            is_over.store(true, Ordering::Release);
            lane.rouse();
        });
        let cot = lay_down(&ward, cot).unwrap_or_else(|| workers.recv().unwrap());
        assert!(cot.asleep.is_none() && cot.is_over.load(Ordering::Acquire));
        ward.close();
        watcher.join().unwrap();
        whoever_ends_it.join().unwrap();
    });
}

/// All is to stop while somebody lies down and a message comes: nobody is left behind, and the message is received.
fn stop(flaw: Flaw) {
    let Stage { client, cot, ward } = Stage::new(flaw, true);
    let (send, workers) = channel();
    let watcher = watch(&ward, send);
    assert!(client.has_room());
    let client = spawn(move || client.publish(1));
    let closing = Rc::clone(&ward);
    let closing = spawn(move || closing.close());
    let cot = lay_down(&ward, cot).unwrap_or_else(|| workers.recv().unwrap());
    client.join().unwrap();
    assert_eq!(take(&cot), 1);
    closing.join().unwrap();
    watcher.join().unwrap();
}

#[test]
fn model_a_stop_leaves_nobody_behind() {
    check(2, || stop(Flaw::None));
}

macro_rules! spoilt {
    ($($name:ident: $flaw:ident, $model:expr;)*) => {$(
        #[test]
        #[should_panic(expected = "deadlock")]
        fn $name() {
            let model: fn(Flaw) = $model;
            check(3, move || model(Flaw::$flaw));
        }
    )*};
}

spoilt! {
    model_fails_where_a_ward_does_not_look_before_it_sleeps: DeepSleep, |flaw| messages(flaw, true, 1);
    model_fails_where_the_words_of_a_ward_are_counted_in_two_steps: TornBump, |flaw| messages(flaw, true, 1);
    model_fails_where_the_words_of_a_ward_are_marked_in_two_steps: TornDoze, |flaw| messages(flaw, true, 1);
    model_fails_where_the_words_of_a_ward_are_marked_relaxed: Doze, |flaw| messages(flaw, true, 1);
    model_fails_where_the_words_of_a_ward_are_counted_relaxed: Bump, |flaw| messages(flaw, true, 1);
    model_fails_where_a_ward_is_not_woken: Dumbness, |flaw| messages(flaw, true, 1);
    model_fails_where_a_ward_that_stops_does_not_look_before_it_sleeps: DeepSleep, stop;
}
