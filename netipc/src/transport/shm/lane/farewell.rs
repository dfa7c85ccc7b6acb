//! The end of a session, for peers that look at nothing but the words.
//!
//! Owns: what is left in the words then, and who needs it. It refuses to tell peers of ours anything: the kernel does.

use super::{CONSUMED, Ground, Lane, Side, wake_all};
use crate::sync::{Ordering, Word};

impl<G: Ground> Lane<G> {
    /// Tells a deployed peer that nothing comes from this side any more. It looks at nothing but the words, and would wait
    /// until its time is up, or for as long as it runs.
    ///
    /// There is one message more by number, and none: a client finds its last answer again, which is to nothing that it
    /// has asked since, and a server one without a length. Both give the session up. An answer that the client has not
    /// read yet stays.
    pub(in crate::transport::shm) fn say_farewell(&self) {
        if !self.is_among_deployed() {
            return;
        }
        let words = self.ground.outgoing();
        if self.side == Side::Client {
            words.len.store(0, Ordering::Relaxed);
        }
        // Release: pairs with the Acquire of who looks at this word first.
        words.seq.store(self.sent.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
        wake_all::<G>(words.signal);
    }

    /// Whether the peer has shown that it leaves no marks, where one of ours would have.
    fn is_among_deployed(&self) -> bool {
        // Relaxed: nobody else is left who changes what is this side's own.
        let has_shown = match self.side {
            // A server of ours marks the first request before it answers it.
            Side::Client => {
                let was_answered = self.seen.load(Ordering::Relaxed) != 0;
                was_answered && self.ground.outgoing().len.load(Ordering::Relaxed) != CONSUMED
            }
            // A client of ours has seen that mark by its second request.
            Side::Server => self.one_by_one.load(Ordering::Relaxed) >= 2,
        };
        has_shown && !self.peer_marks()
    }
}
