//! What goes wrong, and when.
//!
//! Owns: which packet of which direction meets which fault, and how many packets there were. It refuses to act: a lane
//! does, as the packet comes by.

use core::time::Duration;

use crate::sync::{Arc, AtomicUsize, Ordering};

/// What befalls a packet on its way between two sessions of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The connection ends instead of this packet, in both directions. What was sent before it arrives; whoever sends it
    /// is told that the connection is closed.
    Cut,
    /// The packet vanishes. Whoever sent it is not told.
    Drop,
    /// The packet arrives that much later, and nothing behind it in its direction overtakes it.
    Delay(Duration),
    /// The byte at `offset`, counted from 0 and taken modulo the packet's length, arrives as `byte ^ flip`. A `flip` of 0
    /// changes nothing.
    Corrupt {
        /// Where the byte stands.
        offset: usize,
        /// The bits of it that change.
        flip: u8,
    },
    /// Only so many of its first bytes arrive; all of them where it has no more.
    Truncate(usize),
    /// The packet arrives once more, right behind itself.
    Repeat,
}

/// The faults that the packets between two sessions of one process meet.
///
/// Packets are counted by direction, from 0: the client's hello is number 0 to the server, the answer to it number 0 to
/// the client. Each connection that is made with a script begins at 0 again.
///
/// A packet with several faults meets them in the order in which they were given.
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub(super) to_server: Route,
    pub(super) to_client: Route,
}

impl Script {
    /// One without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Packet `nth` to the server, counted from 0, meets `fault`.
    #[must_use]
    pub fn to_server(mut self, nth: usize, fault: Fault) -> Self {
        self.to_server.faults.push((nth, fault));
        self
    }

    /// Packet `nth` to the client, counted from 0, meets `fault`.
    #[must_use]
    pub fn to_client(mut self, nth: usize, fault: Fault) -> Self {
        self.to_client.faults.push((nth, fault));
        self
    }

    /// How many packets were sent to the server and to the client, whatever became of them, over all connections that
    /// were made with this script, with one that it was cloned from, or with a clone of it.
    ///
    /// Who runs a call without faults learns from this where a fault can strike:
    ///
    /// ```text
    /// let quiet = Script::new();                        // .. one call over a connection with it
    /// for nth in 0..quiet.counts().0 {
    ///     let cut = Script::new().to_server(nth, Fault::Cut);      // .. the same call again
    /// }
    /// ```
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        // Relaxed: a number alone; whoever compares it with something has been told of that by other means.
        (self.to_server.count.load(Ordering::Relaxed), self.to_client.count.load(Ordering::Relaxed))
    }
}

/// One direction of a script.
#[derive(Debug, Clone, Default)]
pub(super) struct Route {
    faults: Vec<(usize, Fault)>,
    count: Arc<AtomicUsize>,
}

impl Route {
    /// One more packet was sent.
    pub(super) fn count(&self) {
        // Relaxed: as in `counts`.
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// What packet `nth` meets.
    pub(super) fn faults_of(&self, nth: usize) -> impl Iterator<Item = Fault> {
        self.faults.iter().filter(move |(at, _)| *at == nth).map(|(_, fault)| *fault)
    }

    /// Whether packets may be under way that have not arrived.
    pub(super) fn has_delays(&self) -> bool {
        self.faults.iter().any(|(_, fault)| matches!(fault, Fault::Delay(_)))
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{Fault, Script};

    #[test]
    fn a_packet_meets_its_own_faults_in_their_order() {
        let delay = Fault::Delay(Duration::ZERO);
        let script = Script::new().to_server(1, Fault::Repeat).to_client(1, delay).to_server(1, Fault::Truncate(2));
        let to_server = |nth| script.to_server.faults_of(nth).collect::<Vec<_>>();
        assert_eq!((to_server(0), to_server(1)), (vec![], vec![Fault::Repeat, Fault::Truncate(2)]));
        assert_eq!(script.to_client.faults_of(1).collect::<Vec<_>>(), [delay]);
        assert_eq!((script.to_server.has_delays(), script.to_client.has_delays()), (false, true));
    }

    #[test]
    fn clones_count_together_and_directions_apart() {
        let script = Script::new();
        script.clone().to_server(0, Fault::Drop).to_server.count();
        script.to_client.count();
        script.clone().to_client.count();
        assert_eq!(script.counts(), (1, 2));
        assert_eq!(Script::new().counts(), (0, 0));
    }
}
