//! A region that a model checks: its words, its areas, and sleeping on a signal.
//!
//! Owns: what a lane stands on in a model, and how that can be spoilt on purpose. An area is a number beside a cell that
//! sees two at it at once, so that a message that is read too early or overwritten too early fails the model.

use core::cell::Cell;
use core::time::Duration;
use std::rc::Rc;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, AtomicU64};
use loom::sync::{Condvar, Mutex};
use loom::thread::yield_now;

use super::super::{CONSUMED, Ground, Lane, Side, Words};
use crate::sync::{Ordering, Word};

/// What areas have room for.
pub(super) const CAPACITY: u32 = 8;

/// One thing that a lane must not do, and does in a model that has to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    None,
    /// `seq` is published Relaxed.
    Publication,
    /// `seq` is looked at Relaxed.
    Arrival,
    /// `len` is published Relaxed.
    Length,
    /// `len` is marked as received Relaxed.
    Consumption,
    /// `len` is looked at for room Relaxed.
    Room,
    /// A signal is marked Relaxed.
    Doze,
    /// A signal is counted up Relaxed.
    Bump,
    /// A signal is counted up by a load and a store.
    TornBump,
    /// A signal is marked by a load and a store.
    TornDoze,
    /// Nothing is looked at again once the signal was marked.
    Blindness,
    /// A signal is looked at Relaxed before a wait for room.
    Glance,
    /// Waiting for room is said Relaxed.
    Request,
    /// Waiting for room is said by a load and a store.
    TornRequest,
    /// The received message is marked by a load and a store.
    TornConsumption,
    /// A sleep does not ask what the signal holds.
    DeepSleep,
}

/// What the words and areas of a region hold at first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) seq: u64,
    pub(super) signal: u32,
    pub(super) len: u32,
    pub(super) flaw: Flaw,
}

impl Start {
    /// Neither peer knows anything of the other.
    pub(super) const FRESH: Self = Self { seq: 0, signal: 0, len: 0, flaw: Flaw::None };
    /// Both have received something before.
    pub(super) const KNOWN: Self = Self { len: CONSUMED, ..Self::FRESH };
}

/// What one word does wrong.
#[derive(Debug, Clone)]
struct Spoilt {
    flaw: Flaw,
    /// Whether the next look at `seq` shows what the last one did.
    is_blind: Rc<Cell<bool>>,
}

impl Spoilt {
    fn order(&self, relaxed: Flaw, order: Ordering) -> Ordering {
        if self.flaw == relaxed { Ordering::Relaxed } else { order }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Length,
    Signal,
}

#[derive(Debug)]
pub(super) struct Word32 {
    word: AtomicU32,
    role: Role,
    spoilt: Spoilt,
    /// Where the kernel keeps who sleeps on it.
    sleepers: Mutex<()>,
    woken: Condvar,
}

#[derive(Debug)]
pub(super) struct Word64 {
    word: AtomicU64,
    spoilt: Spoilt,
    seen: Cell<u64>,
}

/// One direction.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) seq: Word64,
    pub(super) len: Word32,
    pub(super) signal: Word32,
    guard: UnsafeCell<()>,
    area: Cell<u64>,
}

/// A region.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) request: Way,
    pub(super) response: Way,
}

/// A region, seen from one side.
#[derive(Debug, Clone)]
pub(super) struct View {
    region: Rc<Region>,
    side: Side,
}

impl Word<u32> for Word32 {
    fn load(&self, order: Ordering) -> u32 {
        let flaw = if self.role == Role::Length { Flaw::Room } else { Flaw::Glance };
        self.word.load(self.spoilt.order(flaw, order))
    }

    fn store(&self, value: u32, order: Ordering) {
        self.word.store(value, self.spoilt.order(Flaw::Length, order));
    }

    fn swap(&self, value: u32, order: Ordering) -> u32 {
        if self.role == Role::Length && self.spoilt.flaw == Flaw::TornConsumption {
            let old = self.word.load(Ordering::Acquire);
            self.word.store(value, Ordering::Release);
            return old;
        }
        self.word.swap(value, self.spoilt.order(Flaw::Consumption, order))
    }

    fn fetch_or(&self, bits: u32, order: Ordering) -> u32 {
        self.spoilt.is_blind.set(self.spoilt.flaw == Flaw::Blindness);
        if self.spoilt.flaw == Flaw::TornDoze {
            let old = self.word.load(Ordering::Acquire);
            self.word.store(old | bits, Ordering::Release);
            return old;
        }
        self.word.fetch_or(bits, self.spoilt.order(Flaw::Doze, order))
    }

    fn exchange(&self, current: u32, new: u32, success: Ordering, failure: Ordering) -> Result<u32, u32> {
        let torn = if self.role == Role::Signal { Flaw::TornBump } else { Flaw::TornRequest };
        if self.spoilt.flaw == torn {
            let old = self.word.load(Ordering::Acquire);
            if old != current {
                return Err(old);
            }
            self.word.store(new, Ordering::Release);
            return Ok(old);
        }
        let relaxed = if self.role == Role::Signal { Flaw::Bump } else { Flaw::Request };
        self.word.compare_exchange(current, new, self.spoilt.order(relaxed, success), failure)
    }
}

impl Word<u64> for Word64 {
    fn load(&self, order: Ordering) -> u64 {
        if !self.spoilt.is_blind.take() {
            self.seen.set(self.word.load(self.spoilt.order(Flaw::Arrival, order)));
        }
        self.seen.get()
    }

    fn store(&self, value: u64, order: Ordering) {
        self.word.store(value, self.spoilt.order(Flaw::Publication, order));
    }

    fn swap(&self, value: u64, order: Ordering) -> u64 {
        self.word.swap(value, order)
    }

    fn fetch_or(&self, bits: u64, order: Ordering) -> u64 {
        self.word.fetch_or(bits, order)
    }

    fn exchange(&self, current: u64, new: u64, success: Ordering, failure: Ordering) -> Result<u64, u64> {
        self.word.compare_exchange(current, new, success, failure)
    }
}

impl Word32 {
    fn new(value: u32, role: Role, spoilt: &Spoilt) -> Self {
        let (sleepers, woken) = (Mutex::new(()), Condvar::new());
        Self { word: AtomicU32::new(value), role, spoilt: spoilt.clone(), sleepers, woken }
    }

    /// What futex(2) does with FUTEX_WAIT: it looks and lies down in one step, as far as who wakes is concerned. A sleep
    /// that has an end is over at once; one that has none lasts until somebody wakes.
    fn sleep(&self, expected: u32, timeout: Option<Duration>) {
        if timeout.is_some() {
            yield_now();
            return;
        }
        let sleepers = self.sleepers.lock().unwrap();
        if self.spoilt.flaw == Flaw::DeepSleep || self.word.load(Ordering::Relaxed) == expected {
            drop(self.woken.wait(sleepers).unwrap());
        }
    }

    fn wake(&self, most: u32) {
        let _sleepers = self.sleepers.lock().unwrap();
        if most == 1 { self.woken.notify_one() } else { self.woken.notify_all() }
    }
}

impl Way {
    fn new(start: Start) -> Self {
        let spoilt = Spoilt { flaw: start.flaw, is_blind: Rc::new(Cell::new(false)) };
        Self {
            seq: Word64 { word: AtomicU64::new(start.seq), spoilt: spoilt.clone(), seen: Cell::new(start.seq) },
            len: Word32::new(start.len, Role::Length, &spoilt),
            signal: Word32::new(start.signal, Role::Signal, &spoilt),
            guard: UnsafeCell::new(()),
            area: Cell::new(0),
        }
    }

    pub(super) fn write(&self, message: u64) {
        self.guard.with_mut(|_| self.area.set(message));
    }

    pub(super) fn read(&self) -> u64 {
        self.guard.with(|_| self.area.get())
    }

    /// What a deployed sender does.
    pub(super) fn send_plainly(&self, message: u64) {
        self.write(message);
        self.len.word.store(length(message), Ordering::Release);
        self.seq.word.fetch_add(1, Ordering::Release);
        self.signal.word.fetch_add(1, Ordering::Release);
        self.signal.wake(1);
    }

    /// What a deployed receiver does that has received up to `seq`.
    pub(super) fn receive_plainly(&self, seq: u64) -> u64 {
        while self.seq.word.load(Ordering::Acquire) == seq {
            let signal = self.signal.word.load(Ordering::Acquire);
            if self.seq.word.load(Ordering::Acquire) != seq {
                break;
            }
            self.signal.sleep(signal, None);
        }
        assert_eq!(self.seq.word.load(Ordering::Acquire), seq.wrapping_add(1));
        let message = self.read();
        assert_eq!(self.len.word.load(Ordering::Acquire), length(message), "a plain length");
        message
    }

    fn words(&self) -> Words<'_, Word32, Word64> {
        Words { seq: &self.seq, len: &self.len, signal: &self.signal }
    }
}

impl Region {
    pub(super) fn new(start: Start) -> Rc<Self> {
        Rc::new(Self { request: Way::new(start), response: Way::new(start) })
    }

    pub(super) fn lane(self: &Rc<Self>, side: Side) -> Lane<View> {
        Lane::new(View { region: Rc::clone(self), side }, side)
    }
}

impl View {
    pub(super) fn ways(&self) -> (&Way, &Way) {
        let Region { request, response } = &*self.region;
        if self.side == Side::Client { (request, response) } else { (response, request) }
    }
}

impl Ground for View {
    type U32 = Word32;
    type U64 = Word64;

    fn outgoing(&self) -> Words<'_, Word32, Word64> {
        self.ways().0.words()
    }

    fn incoming(&self) -> Words<'_, Word32, Word64> {
        self.ways().1.words()
    }

    fn capacity(&self) -> u32 {
        CAPACITY
    }

    fn sleep(word: &Word32, expected: u32, timeout: Option<Duration>) {
        word.sleep(expected, timeout);
    }

    fn wake(word: &Word32, most: u32) {
        word.wake(most);
    }
}

/// Every message has a length of its own.
pub(super) fn length(message: u64) -> u32 {
    u32::try_from(message).unwrap()
}
