//! Publishing and receiving over the words of a region (docs/protocol.md, section 4).
//!
//! Owns: the order in which the words change, who may sleep, and who must be woken. It refuses to touch payload bytes and
//! to decide how long to wait; it has no unsafe code, and stands on the mapping or on a model of it.
//!
//! Each direction has a sender and a receiver, and three words:
//!
//! ```text
//!  sender                                            receiver
//!  writes the area
//!  len    <- length              (Release)
//!  seq    <- seq + 1             (Release)  ------>  sees seq (Acquire), reads len, bounds it, copies the area out
//!  signal <- signal + 1          (AcqRel)            len <- CONSUMED (AcqRel)
//!  wakes who sleeps on signal                   ---> sender has room
//! ```
//!
//! Deployed peers know no more than the left side: they always wake, and send again when they have been answered. What
//! ours add stands where nobody else looks, so that both kinds get on with each other:
//!
//! | word | bit | set by | says |
//! |---|---|---|---|
//! | `len` | 31, alone | the receiver | `CONSUMED`: the area is free |
//! | `len` | 31, with a length | the sender, once it has seen such a mark | this sender reads marks |
//! | `len` | 30, with a length | the sender | it waits for room: wake it |
//! | `signal` | 31 | the receiver | it sleeps, or is about to |
//!
//! Who reads marks is woken only when it sleeps.

use core::time::Duration;

use crate::sync::{AtomicBool, AtomicU64, Ordering, Word};

/// In `len`: whoever wrote it reads marks. Alone: everything was received.
const MARKS: u32 = 1 << 31;
/// In `len`: the sender waits for room.
const AWAITED: u32 = 1 << 30;
/// The length in `len`.
const LENGTH: u32 = AWAITED - 1;
const CONSUMED: u32 = MARKS;
/// In `signal`: the receiver sleeps.
const ASLEEP: u32 = 1 << 31;

/// How often a signal that changes meanwhile is counted up.
const PATIENCE: u32 = 1000;
/// As many as futex(2) can be told.
const ALL: u32 = i32::MAX.unsigned_abs();

/// In `turns`: a sender of this process waits until an answer was received. The rest counts what was received.
const LISTENING: u64 = 1;
const TURN: u64 = 2;

/// The words of one direction.
#[derive(Debug)]
pub(super) struct Words<'a, U32, U64> {
    /// Messages so far. The sender's.
    pub(super) seq: &'a U64,
    /// The length of the last one, and marks. Both sides'.
    pub(super) len: &'a U32,
    /// What the receiver sleeps on. It counts up with each message, and whenever somebody is to look up.
    pub(super) signal: &'a U32,
}

/// What a lane stands on: memory that the peer has too, and how to sleep there.
pub(super) trait Ground {
    type U32: Word<u32>;
    type U64: Word<u64>;

    /// Where this side sends.
    fn outgoing(&self) -> Words<'_, Self::U32, Self::U64>;

    /// Where it receives.
    fn incoming(&self) -> Words<'_, Self::U32, Self::U64>;

    /// Bytes that the incoming area has.
    fn capacity(&self) -> u32;

    /// Sleeps while `word` holds `expected`, for `timeout` at most; perhaps for less, for no reason at all.
    fn sleep(word: &Self::U32, expected: u32, timeout: Option<Duration>);

    /// Wakes up to `most` of those that sleep on `word`.
    fn wake(word: &Self::U32, most: u32);
}

/// A word of the region that cannot be. The peer broke a rule, or is not what it seems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} at byte {offset} is {found:#x}")]
pub(crate) struct Corrupt {
    /// The word, by its name in docs/protocol.md.
    pub(crate) field: &'static str,
    /// Its first byte in the region.
    pub(crate) offset: usize,
    pub(crate) found: u64,
}

/// Which side this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// Both directions, seen from one side.
///
/// One thread sends and one receives, which may be the same; anybody may [`rouse`](Self::rouse) them.
#[derive(Debug)]
pub(super) struct Lane<G> {
    ground: G,
    side: Side,
    /// What `seq` was at first, and what it was made: the sending thread's alone.
    first_sent: u64,
    sent: AtomicU64,
    /// What `seq` was at first.
    first_received: u64,
    /// Messages that were received, times [`TURN`], and [`LISTENING`]. The receiving thread counts, the sending one listens.
    turns: AtomicU64,
    /// Whether the peer reads marks. Once true it stays so.
    peer_marks: AtomicBool,
}

impl<G: Ground> Lane<G> {
    pub(super) fn new(ground: G, side: Side) -> Self {
        // Acquire: pairs with the Release in `publish`. What was sent before was for somebody else.
        let first_sent = ground.outgoing().seq.load(Ordering::Acquire);
        let first_received = ground.incoming().seq.load(Ordering::Acquire);
        let (sent, turns, peer_marks) = (AtomicU64::new(first_sent), AtomicU64::new(0), AtomicBool::new(false));
        Self { ground, side, first_sent, sent, first_received, turns, peer_marks }
    }

    /// Whether the outgoing area is free. It stays so until something is published.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        // Acquire: pairs with the AcqRel in `consume`: the peer has read what is overwritten next.
        if self.ground.outgoing().len.load(Ordering::Acquire) == CONSUMED {
            // Relaxed, here and below: nothing but the flag itself depends on it.
            self.peer_marks.store(true, Ordering::Relaxed);
            return true;
        }
        // Relaxed: this thread's own.
        let sent = self.sent.load(Ordering::Relaxed).wrapping_sub(self.first_sent);
        if sent == 0 {
            return true;
        }
        if self.peer_marks.load(Ordering::Relaxed) {
            return false;
        }
        match self.side {
            // Acquire: pairs with the AcqRel in `consume`. A peer that has answered has read what it was asked.
            Side::Client => self.turns.load(Ordering::Acquire) / TURN >= sent,
            // A client that asks again without a mark has read what it was answered.
            Side::Server => true,
        }
    }

    /// Publishes the `len` bytes in the outgoing area, which [had room](Self::has_room) for them.
    #[inline]
    pub(super) fn publish(&self, len: u32) {
        let words = self.ground.outgoing();
        let marks = self.peer_marks.load(Ordering::Relaxed);
        // Release: pairs with the Acquire in `arrived`, for peers that look at this word first.
        words.len.store(if marks { len | MARKS } else { len }, Ordering::Release);
        let sent = self.sent.load(Ordering::Relaxed).wrapping_add(1);
        self.sent.store(sent, Ordering::Relaxed);
        // Release: pairs with the Acquire in `arrived`: whoever sees the number sees the length and the bytes.
        words.seq.store(sent, Ordering::Release);
        let was_asleep = bump(words.signal);
        if was_asleep || !marks {
            G::wake(words.signal, 1);
        }
    }

    /// The length of the message that is there to receive.
    #[inline]
    pub(super) fn arrived(&self) -> Result<Option<u32>, Corrupt> {
        let words = self.ground.incoming();
        // Relaxed: this thread's own.
        let expected = self.first_received.wrapping_add(self.turns.load(Ordering::Relaxed) / TURN);
        // Acquire: pairs with the Release in `publish`.
        let found = words.seq.load(Ordering::Acquire);
        if found == expected {
            return Ok(None);
        }
        if found != expected.wrapping_add(1) {
            return Err(self.corrupt_seq(found));
        }
        // Relaxed: the load of `seq` has seen to the order.
        let found = words.len.load(Ordering::Relaxed);
        let capacity = self.ground.capacity();
        match found & LENGTH {
            len if len == 0 || len > capacity => Err(self.corrupt_len(found)),
            len => Ok(Some(len)),
        }
    }

    #[cold]
    fn corrupt_seq(&self, found: u64) -> Corrupt {
        match self.side {
            Side::Client => Corrupt { field: "resp_seq", offset: 40, found },
            Side::Server => Corrupt { field: "req_seq", offset: 32, found },
        }
    }

    #[cold]
    fn corrupt_len(&self, found: u32) -> Corrupt {
        match self.side {
            Side::Client => Corrupt { field: "resp_len", offset: 52, found: found.into() },
            Side::Server => Corrupt { field: "req_len", offset: 48, found: found.into() },
        }
    }

    /// Whether something is there to receive, right or wrong.
    pub(super) fn has_arrived(&self) -> bool {
        !matches!(self.arrived(), Ok(None))
    }

    /// Gives the incoming area back, once the message of `len` bytes that [arrived](Self::arrived) was copied out.
    #[inline]
    pub(super) fn consume(&self, len: u32) -> Result<(), Corrupt> {
        let words = self.ground.incoming();
        // Release: pairs with the Acquire in `has_room`: what is overwritten next has been read. Acquire: with the
        // AcqRel in `wait_for_room`, so that the signals change after who waits has looked at them.
        let found = words.len.swap(CONSUMED, Ordering::AcqRel);
        if found & LENGTH != len {
            return Err(self.corrupt_len(found));
        }
        if found & MARKS != 0 {
            self.peer_marks.store(true, Ordering::Relaxed);
        }
        // AcqRel: pairs with the Acquire in `has_room`, and with the AcqRel in `wait_for_room`, as above.
        let turns = self.turns.fetch_add(TURN, Ordering::AcqRel);
        let outgoing = self.ground.outgoing().signal;
        if found & AWAITED != 0 {
            // Wherever it sleeps.
            wake_all::<G>(words.signal);
            wake_all::<G>(outgoing);
        } else if turns & LISTENING != 0 {
            wake_all::<G>(outgoing);
        }
        Ok(())
    }

    /// Sleeps until a message comes, `is_over` was made true before a [`rouse`](Self::rouse), or the time is up; perhaps
    /// for less.
    pub(super) fn wait_for_message(
        &self,
        timeout: Option<Duration>,
        is_over: impl Fn() -> bool,
    ) -> Result<Option<u32>, Corrupt> {
        let signal = self.ground.incoming().signal;
        let asleep = doze(signal);
        let mut arrived = self.arrived();
        if arrived == Ok(None) && !is_over() {
            G::sleep(signal, asleep, timeout);
            arrived = self.arrived();
        }
        awake(signal, asleep);
        arrived
    }

    /// Sleeps until there is room, or if so asked a message, `is_over` was made true before a [`rouse`](Self::rouse), or
    /// the time is up; perhaps for less.
    ///
    /// A peer that has not shown yet whether it leaves marks does not know of the wait either.
    pub(super) fn wait_for_room(&self, or_message: bool, timeout: Option<Duration>, is_over: impl Fn() -> bool) {
        let outgoing = self.ground.outgoing();
        // Two threads never sleep on one word: a deployed peer wakes one, and it might be the wrong one.
        let signal = if or_message { self.ground.incoming().signal } else { outgoing.signal };
        // Acquire: pairs with the AcqRel in `bump`: whatever changed before that is seen below.
        let expected = if or_message { doze(signal) } else { signal.load(Ordering::Acquire) };
        // AcqRel: pairs with the AcqRel in `consume`, whose `bump` comes after what was looked at above.
        self.turns.fetch_or(LISTENING, Ordering::AcqRel);
        if self.peer_marks.load(Ordering::Relaxed) {
            let len = outgoing.len.load(Ordering::Relaxed);
            if len != CONSUMED {
                // The same. It fails where the peer has just received the message.
                let _ = outgoing.len.exchange(len, len | AWAITED, Ordering::AcqRel, Ordering::Relaxed);
            }
        }
        if !(self.has_room() || or_message && self.has_arrived() || is_over()) {
            G::sleep(signal, expected, timeout);
        }
        self.turns.fetch_and(!LISTENING, Ordering::Relaxed);
        if or_message {
            awake(signal, expected);
        }
    }

    /// Whether the peer is known to say when there is room.
    pub(super) fn peer_marks(&self) -> bool {
        self.peer_marks.load(Ordering::Relaxed)
    }

    /// Has every thread of this process that waits look up.
    pub(super) fn rouse(&self) {
        wake_all::<G>(self.ground.incoming().signal);
        wake_all::<G>(self.ground.outgoing().signal);
    }
}

/// Counts a signal up; whether somebody slept on it. It wraps around below the mark.
#[inline]
fn bump(signal: &impl Word<u32>) -> bool {
    let next = |signal: u32| signal.wrapping_add(1) & !ASLEEP;
    let mut old = signal.load(Ordering::Relaxed);
    for _ in 0..PATIENCE {
        // AcqRel: pairs with the AcqRel in `doze`. Either that sees the new number, and what was done before, or this sees
        // the mark.
        match signal.exchange(old, next(old), Ordering::AcqRel, Ordering::Relaxed) {
            Ok(_) => return old & ASLEEP != 0,
            Err(now) => old = now,
        }
    }
    // A peer that changes the word all the time has no right to be woken rightly.
    signal.swap(next(old), Ordering::AcqRel);
    true
}

fn wake_all<G: Ground>(signal: &G::U32) {
    bump(signal);
    G::wake(signal, ALL);
}

/// Marks that somebody is about to sleep on a signal; what it holds then.
fn doze(signal: &impl Word<u32>) -> u32 {
    // AcqRel: pairs with the AcqRel in `bump`.
    signal.fetch_or(ASLEEP, Ordering::AcqRel) | ASLEEP
}

/// Takes the mark back, unless whoever sent has.
fn awake(signal: &impl Word<u32>, asleep: u32) {
    // Relaxed: who sees the mark too long wakes nobody for nothing.
    let _ = signal.exchange(asleep, asleep & !ASLEEP, Ordering::Relaxed, Ordering::Relaxed);
}
