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
use super::shared::{Grounds, Permit};
use super::status::Fallback;
use crate::endpoint::Endpoint;
use crate::proto::{Answer, AwaitAck, AwaitHello, HandshakeError, Offer, Refusal, Terms, Violation, greet};
use crate::sync::{Arc, AtomicUsize, Weak};
use crate::sys::{Peer, SystemError};
use crate::transport::{self, AttachError, Deadline, Link, LinkError, Region, Room, Script, Watcher};
use crate::wire::{HEADER_LEN, HELLO_ACK_LEN, HELLO_LEN, Profiles, Status};

impl ClientConfig {
    /// Connects, and shakes hands.
    ///
    /// # Errors
    /// [`Error::System`] where nobody listens, [`Error::Refused`], [`Error::Incompatible`] or [`Error::Violation`] for what
    /// the server answers, [`Error::Closed`] where it does not, [`Error::TimedOut`], [`Error::Aborted`].
    pub fn connect(&self, endpoint: &Endpoint, deadline: Deadline) -> Result<ClientSession, Error> {
        let link = transport::connect(endpoint, self.wait, &self.abort, deadline)?.ok_or(Error::TimedOut)?;
        Connecting::start(link, self, Some(endpoint), deadline)?.finish(deadline)
    }

    /// Connects without waiting, and sends the hello. `None` where the server's queue is full; try again later.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), as far as it comes.
    pub fn try_connect(&self, endpoint: &Endpoint) -> Result<Option<Connecting>, Error> {
        let now = Deadline::after(Duration::ZERO);
        let Some(link) = transport::connect(endpoint, self.wait, &self.abort, now)? else { return Ok(None) };
        Connecting::start(link, self, Some(endpoint), now).map(Some)
    }
}

/// An answer to a hello, and one byte more, to see one that is too long.
const ACK_ROOM: usize = HEADER_LEN + HELLO_ACK_LEN + 1;

/// Between two looks at a region that is not complete yet, and how many there are.
const REGION_PAUSE: Duration = Duration::from_millis(5);
const REGION_LOOKS: u32 = 40;
/// Looks for a region that is not there at all: whoever has taken it back closes in that time.
const ABSENT_LOOKS: u32 = 2;

/// A client that has sent its hello and waits for the server's answer (docs/protocol.md, section 2).
///
/// Where the shared memory that was agreed on can't be used, it begins anew without, over another connection: then its
/// descriptor is another one, too.
#[derive(Debug)]
pub struct Connecting {
    link: Link,
    await_ack: AwaitAck,
    plan: Box<Plan>,
}

/// What it takes to begin anew.
#[derive(Debug)]
struct Plan {
    config: ClientConfig,
    /// Where to find regions, and the server once more; not inside one process.
    endpoint: Option<Endpoint>,
    /// Why shared memory is not proposed any more.
    struck: Option<AttachError>,
}

impl Plan {
    /// Says hello over `link`.
    fn greet(self: Box<Self>, mut link: Link, deadline: Deadline) -> Result<Connecting, Error> {
        let usable = usable_profiles(self.endpoint.is_some() && self.struck.is_none());
        let (packet, await_ack) = greet(self.config.hello(&link, usable));
        link.outgoing.send(&[IoSlice::new(&packet)], deadline)?;
        Ok(Connecting { link, await_ack, plan: self })
    }

    /// Connects anew, without shared memory.
    fn strike(mut self: Box<Self>, error: AttachError, deadline: Deadline) -> Result<Connecting, Error> {
        let config = &self.config;
        let endpoint = self.endpoint.as_ref().filter(|_| !config.proposed(usable_profiles(false)).is_empty());
        let endpoint = endpoint.ok_or(Error::SharedMemory(error))?;
        let link = transport::connect(endpoint, config.wait, &config.abort, deadline)?.ok_or(Error::TimedOut)?;
        self.struck = Some(error);
        self.greet(link, deadline)
    }
}

/// What the server's answer has led to.
enum Acked {
    Session(Box<ClientSession>),
    /// There is a region, and it can't be used. The server learns at once that the session is over.
    Unusable(Box<Plan>, AttachError),
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
    pub(super) fn start(
        link: Link,
        config: &ClientConfig,
        endpoint: Option<&Endpoint>,
        deadline: Deadline,
    ) -> Result<Self, Error> {
        let plan = Plan { config: config.clone(), endpoint: endpoint.cloned(), struck: None };
        Box::new(plan).greet(link, deadline)
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
    pub fn finish(self, deadline: Deadline) -> Result<ClientSession, Error> {
        let mut connecting = self;
        loop {
            let mut packet = [0; ACK_ROOM];
            let len = connecting.link.incoming.receive(&mut packet, &mut [], deadline)?;
            let acked = connecting.on_packet(packet.get(..len).unwrap_or(&packet), len, REGION_LOOKS, deadline)?;
            connecting = match acked {
                Acked::Session(session) => return Ok(*session),
                Acked::Unusable(plan, error) => plan.strike(error, deadline)?,
            };
        }
    }

    /// Looks for the server's answer.
    ///
    /// # Errors
    /// As [`ClientConfig::connect`]; [`Error::TimedOut`] where it has to connect anew and the server's queue is full.
    pub fn try_finish(mut self) -> Result<Progress, Error> {
        let mut packet = [0; ACK_ROOM];
        match self.link.incoming.try_receive(&mut packet, &mut [])? {
            None => Ok(Progress::Waiting(self)),
            Some(len) => {
                let now = Deadline::after(Duration::ZERO);
                match self.on_packet(packet.get(..len).unwrap_or(&packet), len, 1, now)? {
                    Acked::Session(session) => Ok(Progress::Done(session)),
                    Acked::Unusable(plan, error) => plan.strike(error, now).map(Progress::Waiting),
                }
            }
        }
    }

    /// Takes what was received of a packet of `len` bytes, and looks for a region so many times.
    fn on_packet(self, packet: &[u8], len: usize, looks: u32, deadline: Deadline) -> Result<Acked, Error> {
        let terms = self.await_ack.on_packet(packet).map_err(|error| match error {
            HandshakeError::Violation(violation) => Error::Violation(of_length(violation, len)),
            error => error.into(),
        })?;
        let Self { link, plan, .. } = self;
        let grounds = Grounds { terms, fallback: plan.struck.map(Fallback::NotAttached) };
        let link = match plan.endpoint.as_ref().filter(|_| terms.profile == Profiles::SHM_HYBRID) {
            None => link,
            Some(endpoint) => {
                let attached = plan.attach(endpoint, &terms, looks, deadline)?;
                // A deployed server that is full takes the region back and closes: it lacks nothing but room. And the next
                // server gives its regions the names of one that has ended: this may be another client's.
                if link.wire.has_hung_up() {
                    return Err(LinkError::Closed.into());
                }
                match attached {
                    Ok(region) => region.join(link, plan.config.wait, &plan.config.abort, None)?,
                    Err(error) => return Ok(Acked::Unusable(plan, error)),
                }
            }
        };
        Ok(Acked::Session(Box::new(ClientSession::new(link, grounds, &plan.config))))
    }
}

impl Plan {
    /// Attaches to the session's region, which may have to be waited for.
    fn attach(
        &self,
        endpoint: &Endpoint,
        terms: &Terms,
        looks: u32,
        deadline: Deadline,
    ) -> Result<Result<Region, AttachError>, Error> {
        let attempt = self.config.abort.attempt().map_err(LinkError::from)?;
        let mut looked = 1;
        loop {
            match Region::attach(endpoint, terms.session_id, room(terms)) {
                Err(error)
                    if (error.is_unready() && looked < looks
                        || error.is_absent() && looked < looks.min(ABSENT_LOOKS))
                        && !deadline.has_passed() =>
                {
                    let pause = deadline.left().map_or(REGION_PAUSE, |left| left.min(REGION_PAUSE));
                    attempt.sleep(pause).map_err(LinkError::from)?;
                    looked += 1;
                }
                attached => return Ok(attached),
            }
        }
    }
}

/// The profiles that sessions of ours can have.
fn usable_profiles(with_regions: bool) -> Profiles {
    if with_regions { Profiles::BASELINE | Profiles::SHM_HYBRID } else { Profiles::BASELINE }
}

/// What a region must have room for.
const fn room(terms: &Terms) -> Room {
    Room { request: terms.request_payload, response: terms.response_payload }
}

/// A hello, and one byte more, to see one that is too long.
const HELLO_ROOM: usize = HEADER_LEN + HELLO_LEN + 1;

/// Names that are tried for the region of one session, should they be taken.
const NAMES: u32 = 16;

/// Who comes in, and under which number.
#[derive(Debug)]
pub(super) struct Door {
    config: Arc<ServerConfig>,
    /// Where regions are made; not inside one process.
    endpoint: Option<Endpoint>,
    /// For as long as a session needs it.
    watcher: Weak<Watcher>,
    taken: Arc<AtomicUsize>,
    /// The id of the next session. Those who are refused use none up.
    next_session: u64,
}

impl Door {
    pub(super) fn new(config: &ServerConfig, endpoint: Option<&Endpoint>) -> Self {
        let (config, endpoint) = (Arc::new(config.clone()), endpoint.cloned());
        Self { config, endpoint, watcher: Weak::new(), taken: Arc::default(), next_session: 1 }
    }

    /// For one client of this process, to whom this session falls if it is let in.
    pub(super) fn within(config: &Arc<ServerConfig>, taken: &Arc<AtomicUsize>, next_session: u64) -> Self {
        let (config, taken) = (Arc::clone(config), Arc::clone(taken));
        Self { config, endpoint: None, watcher: Weak::new(), taken, next_session }
    }

    /// Whoever tells sessions over shared memory that their client is gone. Without, they look for themselves.
    fn watcher(&mut self) -> Option<Arc<Watcher>> {
        self.watcher.upgrade().or_else(|| {
            let watcher = Watcher::start().ok()?;
            self.watcher = Arc::downgrade(&watcher);
            Some(watcher)
        })
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
    pub(super) const fn at(link: Link, door: Door) -> Self {
        Self { link, door }
    }

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
    let policy = config.policy(&link, usable_profiles(door.endpoint.is_some()));
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
    let (offer, region, fallback) = match with_region(offer, door) {
        Ok(made) => made,
        Err((refusal, error)) => {
            let _ = answer(&mut link, &refusal.packet());
            return rejected(Cause::NoRegion(error));
        }
    };
    let (terms, ack) = offer.grant(door.next_session);
    if let Err(error) = answer(&mut link, &ack) {
        return rejected(error.into());
    }
    door.next_session += 1;
    let link = match region {
        None => link,
        Some(region) => match region.join(link, config.wait, &config.abort, door.watcher().as_ref()) {
            Ok(link) => link,
            Err(error) => return rejected(error.into()),
        },
    };
    Heard::Session(Box::new(ServerSession::new(link, Grounds { terms, fallback }, &config, permit)))
}

type Granted<'p> = (Offer<'p>, Option<Region>, Option<Fallback>);

/// Makes the region that an offer needs; without one, the offer that needs none. Ids are passed over whose names somebody
/// has who lives, such as the sessions of a listener before this one.
fn with_region<'p>(offer: Offer<'p>, door: &mut Door) -> Result<Granted<'p>, (Refusal, SystemError)> {
    let terms = offer.terms();
    let Some(endpoint) = door.endpoint.as_ref().filter(|_| terms.profile == Profiles::SHM_HYBRID) else {
        return Ok((offer, None, None));
    };
    let mut names = NAMES;
    let created = loop {
        match Region::create(endpoint, door.next_session, room(&terms)) {
            Err(error) if error.is_there_already() => {
                door.next_session += 1;
                names -= 1;
                if names == 0 {
                    break Err(error);
                }
            }
            created => break created,
        }
    };
    match created {
        Ok(region) => Ok((offer, Some(region), None)),
        Err(error) => match offer.without(Profiles::SHM_HYBRID) {
            Ok(offer) => Ok((offer, None, Some(Fallback::NoRegion(error)))),
            Err(refusal) => Err((refusal, error)),
        },
    }
}

/// The socket of a client that has only said hello has room for an answer.
fn answer(link: &mut Link, packet: &[u8]) -> Result<(), LinkError> {
    link.outgoing.send(&[IoSlice::new(packet)], Deadline::after(Duration::ZERO))
}

/// The longest packet inside one process: what sockets have by default on Linux.
pub(super) const PACKET_SIZE: u32 = 212_960;

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
    let (ours, theirs) = transport::pair(script, PACKET_SIZE, &client.abort, &server.abort)?;
    let arriving = Arriving::at(theirs, Door::new(server, None));
    let connecting = Connecting::start(ours, client, None, Deadline::NEVER)?;
    Ok((connecting, arriving))
}

/// A violation in the beginning of a packet of `len` bytes, which knows how long the packet was.
pub(super) const fn of_length(violation: Violation, len: usize) -> Violation {
    match violation {
        Violation::PacketLength { stated, .. } => Violation::PacketLength { stated, found: len },
        violation => violation,
    }
}
