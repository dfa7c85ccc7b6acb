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
//!  signal <- signal + 1          (AcqRel)
//!  wakes who sleeps on signal
//! ```
//!
//! Deployed peers know no more than the left side: they always wake, and send again when they have been answered. What
//! ours add stands where nobody else looks, so that both kinds get on with each other:
//!
//! | word | bit | set by | says |
//! |---|---|---|---|
//! | `len` | 31, alone | the receiver | `CONSUMED`: the area is free |
//! | `len` | 31, with a length | the sender, once it has seen such a mark or length | this sender reads marks |
//! | `len` | 30, with those | the sender, later | it waits for room: wake it |
//! | `len` | 29, with those | the client | it has asked ahead: earlier requests have not been answered |
//! | `signal` | 31 | the receiver | it sleeps, or is about to |
//!
//! Who reads marks is woken only when it sleeps.
//!
//! All six words share one line of the cache, and each write to it costs the other side a miss. So no mark is left where none
//! is needed: a client that asks without having asked ahead has read all answers, and one that was answered knows that it
//! was heard. Only while several requests are under way does every message have its mark, and for the first few of a
//! session; later, a server leaves the mark of a request that was not asked ahead until it receives once more without
//! having answered.

mod corrupt;
mod dormant;
mod farewell;
#[cfg(all(test, loom))]
mod model;
#[cfg(test)]
mod tests;

use core::time::Duration;

use crate::sync::{AtomicBool, AtomicU64, Ordering, Word, spin_loop};
pub(crate) use corrupt::{Corrupt, Place};

/// In `len`: whoever wrote it reads marks. Alone: everything was received.
const MARKS: u32 = 1 << 31;
/// In `len`: the sender waits for room.
const AWAITED: u32 = 1 << 30;
/// In `len`: the client has asked before it was answered.
const AHEAD: u32 = 1 << 29;
/// The length in `len`.
const LENGTH: u32 = AHEAD - 1;
const CONSUMED: u32 = MARKS;
/// In `signal`: the receiver sleeps.
const ASLEEP: u32 = 1 << 31;

/// How often to try what takes a moment at most.
const PATIENCE: u32 = 1000;
/// For how long to give the processor away after that.
const MOMENT: Duration = Duration::from_micros(100);
/// As many as futex(2) can be told.
const ALL: u32 = i32::MAX.unsigned_abs();
/// Requests in a row, none of them asked ahead, after which the mark of the next is left for later.
const ONE_BY_ONE: u64 = 64;

/// In `unanswered`: a sender of this process waits until an answer was received. The rest counts requests.
const LISTENING: u64 = 1;
const REQUEST: u64 = 2;

/// What has become of the mark of the last request.
const SETTLED: u64 = 0;
/// It was left for later.
const OWED: u64 = 1;
/// It is being made.
const SETTLING: u64 = 2;

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
    /// What `seq` was made: the sending thread's alone.
    sent: AtomicU64,
    /// What `seq` was seen to be: the receiving thread's. A client's sending thread looks at it.
    received: AtomicU64,
    /// What `len` was seen to be with the last message: the receiving thread's. The peer is busy with the next word of that
    /// line by then, and a second look would wait for it.
    seen: AtomicU64,
    /// Whether the peer reads marks. Once true it stays so.
    peer_marks: AtomicBool,
    /// A client's: requests that were not answered, times [`REQUEST`], and [`LISTENING`]. The sending thread counts up and
    /// listens, the receiving one counts down.
    unanswered: AtomicU64,
    /// A server's: whether the client has read all answers. The receiving thread finds out, the sending one ends it.
    is_heard: AtomicBool,
    /// A server's: requests in a row that were not asked ahead. The receiving thread's.
    one_by_one: AtomicU64,
    /// A server's: what has become of the mark of the last request. The receiving thread owes and settles, the sending one
    /// sees that it is not settled late.
    mark: AtomicU64,
}

impl<G: Ground> Lane<G> {
    pub(super) fn new(ground: G, side: Side) -> Self {
        // Acquire: pairs with the Release in `publish`. What was sent before was for somebody else.
        let sent = AtomicU64::new(ground.outgoing().seq.load(Ordering::Acquire));
        let received = AtomicU64::new(ground.incoming().seq.load(Ordering::Acquire));
        Self {
            ground,
            side,
            sent,
            received,
            seen: AtomicU64::new(0),
            peer_marks: AtomicBool::new(false),
            unanswered: AtomicU64::new(0),
            is_heard: AtomicBool::new(true),
            one_by_one: AtomicU64::new(0),
            mark: AtomicU64::new(SETTLED),
        }
    }

    #[cfg(test)]
    pub(super) const fn ground(&self) -> &G {
        &self.ground
    }

    /// Whether the outgoing area is free. It stays so until something is published.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        let is_free = match self.side {
            Side::Client => self.is_answered(),
            // Acquire: pairs with the Release in `consume`. A client that does not ask ahead has read what it was answered.
            Side::Server => self.is_heard.load(Ordering::Acquire),
        };
        // Relaxed, here and elsewhere: nothing but the flag itself depends on it.
        if is_free && self.peer_marks.load(Ordering::Relaxed) {
            return true;
        }
        // Acquire: pairs with the AcqRel in `leave_mark`: the peer has read what is overwritten next.
        if self.ground.outgoing().len.load(Ordering::Acquire) == CONSUMED {
            self.peer_marks.store(true, Ordering::Relaxed);
            return true;
        }
        is_free
    }

    /// Whether a client knows by the answers that its requests were read.
    #[inline]
    fn is_answered(&self) -> bool {
        // Acquire: pairs with the AcqRel in `consume`. A peer that has answered has read what it was asked.
        match self.unanswered.load(Ordering::Acquire) / REQUEST {
            0 => true,
            // The answer to it may have come without having been received. A peer without marks would overwrite that.
            1 if self.peer_marks.load(Ordering::Relaxed) => {
                // Acquire: pairs with the Release in `publish`.
                let answered = self.ground.incoming().seq.load(Ordering::Acquire);
                // Relaxed: the load of `unanswered` has seen all that was received before. One more: of what this has seen.
                answered == self.received.load(Ordering::Relaxed).wrapping_add(1)
            }
            _ => false,
        }
    }

    /// Publishes the `len` bytes in the outgoing area, which [had room](Self::has_room) for them.
    #[inline]
    pub(super) fn publish(&self, len: u32) {
        let words = self.ground.outgoing();
        let marks = self.peer_marks.load(Ordering::Relaxed);
        let ahead = match self.side {
            // AcqRel: whichever of this and the one in `consume` comes later sees the other, so that an answer has its
            // mark whenever this says that it was asked ahead.
            Side::Client => self.unanswered.fetch_add(REQUEST, Ordering::AcqRel) >= REQUEST,
            Side::Server => {
                // Relaxed: it is made true only after the client has seen what is published below.
                self.is_heard.store(false, Ordering::Relaxed);
                self.cancel_mark();
                false
            }
        };
        let value = match (marks, ahead) {
            (true, true) => len | MARKS | AHEAD,
            (true, false) => len | MARKS,
            (false, _) => len,
        };
        // Release: pairs with the Acquire in `arrived`, for peers that look at this word first.
        words.len.store(value, Ordering::Release);
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
        let expected = self.received.load(Ordering::Relaxed);
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
        self.seen.store(found.into(), Ordering::Relaxed);
        let capacity = self.ground.capacity();
        match found & LENGTH {
            len if len == 0 || len > capacity => Err(self.corrupt_len(found)),
            len => Ok(Some(len)),
        }
    }

    #[cold]
    const fn corrupt_seq(&self, found: u64) -> Corrupt {
        let place = match self.side {
            Side::Client => Place::RespSeq,
            Side::Server => Place::ReqSeq,
        };
        Corrupt { place, found }
    }

    #[cold]
    fn corrupt_len(&self, found: u32) -> Corrupt {
        let place = match self.side {
            Side::Client => Place::RespLen,
            Side::Server => Place::ReqLen,
        };
        Corrupt { place, found: found.into() }
    }

    /// Whether something is there to receive, right or wrong.
    pub(super) fn has_arrived(&self) -> bool {
        !matches!(self.arrived(), Ok(None))
    }

    /// Gives the incoming area back, once the message of `len` bytes that [arrived](Self::arrived) was copied out.
    #[inline]
    pub(super) fn consume(&self, len: u32) -> Result<(), Corrupt> {
        // Relaxed: what it says of the sender was written before `seq`; what came later is seen when the mark is made.
        let found = u32::try_from(self.seen.load(Ordering::Relaxed)).unwrap_or_default();
        self.received.store(self.received.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        if found & MARKS != 0 {
            self.peer_marks.store(true, Ordering::Relaxed);
        }
        match self.side {
            Side::Client => {
                // AcqRel: pairs with the AcqRel in `publish` and `wait_for_room`, and with the Acquire in `has_room`.
                let unanswered = self.unanswered.fetch_sub(REQUEST, Ordering::AcqRel);
                if unanswered & LISTENING != 0 {
                    wake_all::<G>(self.ground.outgoing().signal);
                }
                // The next request says the same as a mark, unless it was sent already.
                if unanswered >= 2 * REQUEST { self.leave_mark(len) } else { Ok(()) }
            }
            Side::Server => {
                if found & (AHEAD | AWAITED) != 0 {
                    self.one_by_one.store(0, Ordering::Relaxed);
                } else {
                    self.one_by_one.store(self.one_by_one.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
                }
                if found & AHEAD == 0 {
                    // Release: pairs with the Acquire in `has_room`.
                    self.is_heard.store(true, Ordering::Release);
                }
                if self.one_by_one.load(Ordering::Relaxed) <= ONE_BY_ONE {
                    return self.leave_mark(len);
                }
                // Release: pairs with the Acquire in `cancel_mark`.
                self.mark.store(OWED, Ordering::Release);
                Ok(())
            }
        }
    }

    /// Marks the incoming area as free.
    fn leave_mark(&self, len: u32) -> Result<(), Corrupt> {
        let words = self.ground.incoming();
        // Release: pairs with the Acquire in `has_room`: what is overwritten next has been read. Acquire: with the
        // AcqRel in `wait_for_room`, so that the signals change after who waits has looked at them.
        let found = words.len.swap(CONSUMED, Ordering::AcqRel);
        if found & LENGTH != len {
            return Err(self.corrupt_len(found));
        }
        if found & AWAITED != 0 {
            // Wherever it sleeps.
            wake_all::<G>(words.signal);
            wake_all::<G>(self.ground.outgoing().signal);
        }
        Ok(())
    }

    /// Makes the mark of the last request that was received, if it was left for later: who receives again without having
    /// answered can have more.
    #[inline]
    pub(super) fn settle(&self) -> Result<(), Corrupt> {
        // Relaxed: this thread's own, or taken back.
        if self.mark.load(Ordering::Relaxed) != OWED {
            return Ok(());
        }
        // AcqRel: pairs with the AcqRel in `cancel_mark`: one of both sees the other.
        if self.mark.exchange(OWED, SETTLING, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return Ok(());
        }
        let len = self.ground.incoming().len.load(Ordering::Relaxed) & LENGTH;
        let left = self.leave_mark(len);
        // Release: pairs with the Acquire in `cancel_mark`.
        self.mark.store(SETTLED, Ordering::Release);
        left
    }

    /// Sees to it that no mark comes after the answer: the client may have sent its next request by then.
    #[inline]
    fn cancel_mark(&self) {
        let mut looks = 0;
        // Acquire: pairs with the Release in `consume` and `settle`.
        while self.mark.load(Ordering::Acquire) != SETTLED {
            // AcqRel: pairs with the AcqRel in `settle`.
            if self.mark.exchange(OWED, SETTLED, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return;
            }
            // The receiving thread is at it, which takes a moment, unless it waits for this very processor.
            spin_loop();
            looks += 1;
            if looks > PATIENCE {
                let signal = self.ground.outgoing().signal;
                G::sleep(signal, signal.load(Ordering::Relaxed), Some(MOMENT));
            }
        }
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
    /// A peer that has not shown yet whether it leaves marks does not know of the wait either. Nobody tells of an answer
    /// that makes room without being received.
    pub(super) fn wait_for_room(&self, or_message: bool, timeout: Option<Duration>, is_over: impl Fn() -> bool) {
        let outgoing = self.ground.outgoing();
        // Two threads never sleep on one word: a deployed peer wakes one, and it might be the wrong one.
        let signal = if or_message { self.ground.incoming().signal } else { outgoing.signal };
        // Acquire: pairs with the AcqRel in `bump`: whatever changed before that is seen below.
        let expected = if or_message { doze(signal) } else { signal.load(Ordering::Acquire) };
        // AcqRel: pairs with the AcqRel in `consume`, whose `bump` comes after what was looked at above.
        self.unanswered.fetch_or(LISTENING, Ordering::AcqRel);
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
        self.unanswered.fetch_and(!LISTENING, Ordering::Relaxed);
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
pub(super) fn bump(signal: &impl Word<u32>) -> bool {
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
pub(super) fn doze(signal: &impl Word<u32>) -> u32 {
    // AcqRel: pairs with the AcqRel in `bump`.
    signal.fetch_or(ASLEEP, Ordering::AcqRel) | ASLEEP
}

/// Takes the mark back, unless whoever sent has.
pub(super) fn awake(signal: &impl Word<u32>, asleep: u32) {
    // Relaxed: who sees the mark too long wakes nobody for nothing.
    let _ = signal.exchange(asleep, asleep & !ASLEEP, Ordering::Relaxed, Ordering::Relaxed);
}
