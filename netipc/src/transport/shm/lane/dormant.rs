//! Sleeping on a lane without a thread of its own.
//!
//! Owns: saying that this side sleeps, and that it does no more, by the very steps of
//! [`wait_for_message`](Lane::wait_for_message). It refuses to sleep: that is left to whoever sleeps on many lanes.

use super::{Ground, Lane, awake, doze};
use crate::sync::{Ordering, Word};

impl<G: Ground> Lane<G> {
    /// Says that this side sleeps from now on; what its [word](Self::pillow) holds until it is woken. `None` where a
    /// message is there, right or wrong, or `is_over` was made true before a [`rouse`](Self::rouse): then it does not.
    pub(in crate::transport::shm) fn lie_down(&self, is_over: impl Fn() -> bool) -> Option<u32> {
        let signal = self.pillow();
        let asleep = doze(signal);
        if self.has_arrived() || is_over() {
            awake(signal, asleep);
            return None;
        }
        Some(asleep)
    }

    /// Whether the word holds something else than it did when this side lay down.
    pub(in crate::transport::shm) fn is_disturbed(&self, asleep: u32) -> bool {
        // Relaxed: whoever sees it looks for a message in order, and whoever does not goes to sleep only on the old value.
        self.pillow().load(Ordering::Relaxed) != asleep
    }

    /// Says that this side sleeps no more.
    pub(in crate::transport::shm) fn get_up(&self, asleep: u32) {
        awake(self.pillow(), asleep);
    }

    /// What to sleep on.
    pub(in crate::transport::shm) fn pillow(&self) -> &G::U32 {
        self.ground.incoming().signal
    }
}
