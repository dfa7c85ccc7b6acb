//! A server in the process of its clients, on their threads.
//!
//! Owns: the way in there. It refuses to serve: whoever sits at the server's end is told when to act.

use core::fmt::Debug;

use super::client::ClientSession;
use super::config::{ClientConfig, ServerConfig};
use super::error::Error;
use super::handshake::{Arriving, Connecting, Door, PACKET_SIZE};
use crate::sync::{Arc, AtomicU64, AtomicUsize, Ordering};
use crate::transport::{self, Counterpart, Deadline, Script};

/// A server that clients of this process reach without a socket.
pub(crate) trait Nearby: Debug + Send + Sync {
    /// Connects, and shakes hands.
    ///
    /// # Errors
    /// As [`ClientConfig::connect`].
    fn connect(&self, config: &ClientConfig, deadline: Deadline) -> Result<ClientSession, Error>;
}

/// Where clients of this process come in.
#[derive(Debug)]
pub(crate) struct Gate {
    config: Arc<ServerConfig>,
    taken: Arc<AtomicUsize>,
    /// The id of the next client's session. One who is refused uses it up.
    next_session: AtomicU64,
}

impl Gate {
    pub(crate) fn new(config: ServerConfig) -> Self {
        Self { config: Arc::new(config), taken: Arc::default(), next_session: AtomicU64::new(1) }
    }

    /// Connects over a link that meets the faults of `script`, with whoever `receive` has sit at its other end.
    ///
    /// # Errors
    /// As [`ClientConfig::connect`].
    pub(crate) fn connect(
        &self,
        client: &ClientConfig,
        script: &Script,
        deadline: Deadline,
        receive: impl FnOnce(Arriving) -> Arc<dyn Counterpart>,
    ) -> Result<ClientSession, Error> {
        let (ours, theirs) = transport::pair_on_one_thread(script, PACKET_SIZE, &client.abort, &self.config.abort)?;
        // Relaxed: a number that nobody else has, and no more.
        let session_id = self.next_session.fetch_add(1, Ordering::Relaxed);
        let door = Door::within(&self.config, &self.taken, session_id);
        let link = ours.driving(receive(Arriving::at(theirs, door)));
        Connecting::start(link, client, None, deadline)?.finish(deadline)
    }
}
