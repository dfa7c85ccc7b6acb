//! Shaking hands, from either side (docs/protocol.md, section 2).
//!
//! Owns: a connection between its first packet and the session that comes of it. It refuses to judge packets: the
//! machines of `proto` do.
//!
//! ```text
//! Connecting -- finish --> ClientSession         Arriving -- meet --> ServerSession
//! ```

use core::time::Duration;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};

use super::client::ClientSession;
use super::config::{ClientConfig, ServerConfig};
use super::error::Error;
use super::receive::Patience;
use super::rejected::{Cause, Rejected};
use super::server::ServerSession;
use super::shared::Permit;
use crate::endpoint::Endpoint;
use crate::proto::{Answer, AwaitAck, AwaitHello, HandshakeError, Violation, greet};
use crate::sync::{Arc, AtomicUsize};
use crate::sys::Peer;
use crate::transport::{self, Deadline, Link, LinkError, Script};
use crate::wire::{HEADER_LEN, HELLO_ACK_LEN, HELLO_LEN, Status};

impl ClientConfig {
    /// Connects, and shakes hands.
    ///
    /// # Errors
    /// [`Error::System`] where nobody listens, [`Error::Refused`], [`Error::Incompatible`] or [`Error::Violation`] for what
    /// the server answers, [`Error::Closed`] where it does not, [`Error::TimedOut`], [`Error::Aborted`].
    pub fn connect(&self, endpoint: &Endpoint, deadline: Deadline) -> Result<ClientSession, Error> {
        let link = transport::connect(endpoint, self.wait, &self.abort, deadline)?.ok_or(Error::TimedOut)?;
        Connecting::start(link, self, deadline)?.finish(deadline)
    }

    /// Connects without waiting, and sends the hello. `None` where the server's queue is full; try again later.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), as far as it comes.
    pub fn try_connect(&self, endpoint: &Endpoint) -> Result<Option<Connecting>, Error> {
        let now = Deadline::after(Duration::ZERO);
        let Some(link) = transport::connect(endpoint, self.wait, &self.abort, now)? else { return Ok(None) };
        Connecting::start(link, self, now).map(Some)
    }
}

/// An answer to a hello, and one byte more, to see one that is too long.
const ACK_ROOM: usize = HEADER_LEN + HELLO_ACK_LEN + 1;

/// A client that has sent its hello and waits for the server's answer (docs/protocol.md, section 2).
#[derive(Debug)]
pub struct Connecting {
    link: Link,
    await_ack: AwaitAck,
    config: ClientConfig,
}

/// How far a handshake has come.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "it is finished, or it is not")]
pub enum Progress {
    /// There is a session.
    Done(Box<ClientSession>),
    /// The server has not answered yet.
    Waiting(Connecting),
}

impl AsFd for Connecting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.wire.as_fd()
    }
}

impl Connecting {
    pub(super) fn start(mut link: Link, config: &ClientConfig, deadline: Deadline) -> Result<Self, Error> {
        let (packet, await_ack) = greet(config.hello(&link));
        link.outgoing.send(&[IoSlice::new(&packet)], deadline)?;
        Ok(Self { link, await_ack, config: config.clone() })
    }

    /// Who listens there.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.link.wire.peer()
    }

    /// Waits for the server's answer.
    ///
    /// # Errors
    /// As [`ClientConfig::connect`].
    pub fn finish(mut self, deadline: Deadline) -> Result<ClientSession, Error> {
        let mut packet = [0; ACK_ROOM];
        let len = self.link.incoming.receive(&mut packet, &mut [], deadline)?;
        self.on_packet(packet.get(..len).unwrap_or(&packet), len)
    }

    /// Looks for the server's answer.
    ///
    /// # Errors
    /// As [`ClientConfig::connect`].
    pub fn try_finish(mut self) -> Result<Progress, Error> {
        let mut packet = [0; ACK_ROOM];
        match self.link.incoming.try_receive(&mut packet, &mut [])? {
            None => Ok(Progress::Waiting(self)),
            Some(len) => {
                let session = self.on_packet(packet.get(..len).unwrap_or(&packet), len)?;
                Ok(Progress::Done(Box::new(session)))
            }
        }
    }

    /// Takes what was received of a packet of `len` bytes.
    fn on_packet(self, packet: &[u8], len: usize) -> Result<ClientSession, Error> {
        let terms = self.await_ack.on_packet(packet).map_err(|error| match error {
            HandshakeError::Violation(violation) => Error::Violation(of_length(violation, len)),
            error => error.into(),
        })?;
        Ok(ClientSession::new(self.link, terms, &self.config))
    }
}

/// A hello, and one byte more, to see one that is too long.
const HELLO_ROOM: usize = HEADER_LEN + HELLO_LEN + 1;

/// Who comes in, and under which number.
#[derive(Debug)]
pub(super) struct Door {
    config: Arc<ServerConfig>,
    taken: Arc<AtomicUsize>,
    /// The id of the next session. Those who are refused use none up.
    next_session: u64,
}

impl Door {
    pub(super) fn new(config: &ServerConfig) -> Self {
        Self { config: Arc::new(config.clone()), taken: Arc::default(), next_session: 1 }
    }

    pub(super) const fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }
}

/// A client that has connected and has not said hello yet (docs/protocol.md, section 2).
#[derive(Debug)]
pub struct Arriving {
    link: Link,
    door: Door,
}

/// How far a handshake has come.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a client is in, out, or neither yet")]
pub enum Met {
    /// There is a session.
    Session(Box<ServerSession>),
    /// The client was not let in.
    Rejected(Rejected),
    /// It has said nothing yet.
    Waiting(Arriving),
}

impl AsFd for Arriving {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.wire.as_fd()
    }
}

impl Arriving {
    /// Waits for the client's hello, and answers it.
    ///
    /// # Errors
    /// Why the client was not let in.
    pub fn meet(self, deadline: Deadline) -> Result<ServerSession, Rejected> {
        let Self { link, mut door } = self;
        match hear(link, &mut door, Patience::Until(deadline)) {
            Heard::Session(session) => Ok(*session),
            Heard::Rejected(rejected) => Err(rejected),
            Heard::Nothing(link) => Err(Rejected::new(Some(link.wire.peer()), Cause::TimedOut)),
        }
    }

    /// Looks for the client's hello, and answers it if there is one.
    #[must_use]
    pub fn try_meet(self) -> Met {
        let Self { link, mut door } = self;
        match hear(link, &mut door, Patience::Try) {
            Heard::Session(session) => Met::Session(session),
            Heard::Rejected(rejected) => Met::Rejected(rejected),
            Heard::Nothing(link) => Met::Waiting(Self { link, door }),
        }
    }
}

/// What a client has said.
pub(super) enum Heard {
    Session(Box<ServerSession>),
    Rejected(Rejected),
    Nothing(Link),
}

/// Listens for the hello on `link`, and answers it.
pub(super) fn hear(mut link: Link, door: &mut Door, patience: Patience) -> Heard {
    let peer = link.wire.peer();
    let rejected = |cause| Heard::Rejected(Rejected::new(Some(peer), cause));
    let mut packet = [0; HELLO_ROOM];
    let received = match patience {
        Patience::Until(deadline) => link.incoming.receive(&mut packet, &mut [], deadline).map(Some),
        Patience::Try => link.incoming.try_receive(&mut packet, &mut []),
    };
    let len = match received {
        Ok(None) => return Heard::Nothing(link),
        Ok(Some(len)) => len,
        Err(error) => return rejected(error.into()),
    };
    let config = Arc::clone(&door.config);
    let policy = config.policy(&link);
    let hello = packet.get(..len).unwrap_or(&packet);
    let offer = match AwaitHello::new(&policy).on_packet(hello, || config.allows(&peer)) {
        Answer::Offer(offer) => offer,
        Answer::Refuse(refusal) => {
            // Whether it arrives or not, the client is not served.
            let _ = answer(&mut link, &refusal.packet());
            return rejected(Cause::Refused(refusal));
        }
        Answer::Close(violation) => return rejected(Cause::Violation(of_length(violation, len))),
    };
    let Some(permit) = Permit::take(&door.taken, config.max_sessions) else {
        let refusal = offer.refuse(Status::LimitExceeded);
        let _ = answer(&mut link, &refusal.packet());
        return rejected(Cause::Refused(refusal));
    };
    let (terms, ack) = offer.grant(door.next_session);
    if let Err(error) = answer(&mut link, &ack) {
        return rejected(error.into());
    }
    door.next_session += 1;
    Heard::Session(Box::new(ServerSession::new(link, terms, &config, permit)))
}

/// The socket of a client that has only said hello has room for an answer.
fn answer(link: &mut Link, packet: &[u8]) -> Result<(), LinkError> {
    link.outgoing.send(&[IoSlice::new(packet)], Deadline::after(Duration::ZERO))
}

/// Both sides of a session in this process, over a link without sockets that meets the faults of `script`.
///
/// The client has sent its hello; [`Arriving::meet`] answers it, and then [`Connecting::finish`] has its answer.
///
/// The descriptors of these sessions are readable also when there is room again for what found none, and always
/// writable: a loop over them calls `try_flush` whenever either is told.
///
/// # Errors
/// [`Error::Closed`] where the script cuts the hello off, [`Error::System`] where there is no file descriptor left.
pub fn in_process(
    client: &ClientConfig,
    server: &ServerConfig,
    script: &Script,
) -> Result<(Connecting, Arriving), Error> {
    /// What sockets have by default on Linux.
    const PACKET_SIZE: u32 = 212_960;
    let (ours, theirs) = transport::pair(script, PACKET_SIZE, &client.abort, &server.abort)?;
    let arriving = Arriving { link: theirs, door: Door::new(server) };
    let connecting = Connecting::start(ours, client, Deadline::NEVER)?;
    Ok((connecting, arriving))
}

/// A violation in the beginning of a packet of `len` bytes, which knows how long the packet was.
pub(super) const fn of_length(violation: Violation, len: usize) -> Violation {
    match violation {
        Violation::PacketLength { stated, .. } => Violation::PacketLength { stated, found: len },
        violation => violation,
    }
}
