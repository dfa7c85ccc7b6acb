//! What a client asks for and a server grants.

use core::fmt;
use core::time::Duration;

use crate::proto::ServerPolicy;
use crate::sync::{Arc, AtomicUsize, Ordering};
use crate::sys::Peer;
use crate::transport::{Abort, Link, Wait};
use crate::wire::{AuthToken, Hello, Profiles};

/// Payload limits where none is configured, in bytes.
const DEFAULT_PAYLOAD: u32 = 1024;
/// The largest request payload that a server takes where no limit is configured, in bytes: what clients may grow to.
const REQUEST_CEILING: u32 = 1 << 20;
/// Items that a client proposes where none are configured.
const DEFAULT_ITEMS: u32 = 1024;
/// Requests that may wait for their answers.
const DEFAULT_IN_FLIGHT: usize = 16 * 1024;
/// Answers that a client holds that nobody has asked for yet, in bytes.
const DEFAULT_BACKLOG: usize = 64 << 20;
/// The largest response that a client takes, whatever the server says, in bytes.
const DEFAULT_CEILING: u32 = 64 << 20;
const DEFAULT_HANDSHAKE: Duration = Duration::from_secs(5);
/// Clients that may be in the middle of their handshakes.
const DEFAULT_HANDSHAKES: usize = 128;
/// Clients that may wait to be accepted.
const DEFAULT_QUEUE: u32 = 16;

/// 0 stands for the default.
const fn or_default(configured: u32, default: u32) -> u32 {
    if configured == 0 { default } else { configured }
}

/// What messages may travel over.
#[derive(Debug, Clone, Copy)]
struct Ways {
    profiles: Profiles,
    /// Those of them that are rather used; others count for nothing.
    preferred: Profiles,
}

impl Ways {
    /// The socket alone; whatever else is allowed is preferred.
    const SOCKET: Self = Self { profiles: Profiles::BASELINE, preferred: Profiles::from_bits(u32::MAX) };

    /// As far as these are usable.
    fn among(self, usable: Profiles) -> Self {
        let profiles = self.profiles & usable;
        Self { profiles, preferred: self.preferred & profiles }
    }
}

/// How a client connects, and what it proposes.
///
/// In the limits that a hello states, 0 stands for the default (docs/protocol.md, section 2).
#[derive(Debug, Clone)]
pub struct ClientConfig {
    ways: Ways,
    auth_token: AuthToken,
    max_request_payload: u32,
    max_request_items: u32,
    max_response_payload: u32,
    packet_size: u32,
    pub(super) response_ceiling: u32,
    pub(super) max_in_flight: usize,
    pub(super) max_backlog: usize,
    pub(super) wait: Wait,
    pub(super) abort: Abort,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl ClientConfig {
    /// Sockets alone, payloads of 1,024 bytes, 1,024 items, no token, [`Wait::Block`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            ways: Ways::SOCKET,
            auth_token: AuthToken::new(0),
            max_request_payload: 0,
            max_request_items: 0,
            max_response_payload: 0,
            packet_size: 0,
            response_ceiling: DEFAULT_CEILING,
            max_in_flight: DEFAULT_IN_FLIGHT,
            max_backlog: DEFAULT_BACKLOG,
            wait: Wait::default(),
            abort: Abort::new(),
        }
    }

    /// What messages may travel over: [`Profiles::BASELINE`] is the socket, [`Profiles::SHM_HYBRID`] shared memory; others
    /// are left out. Where a region can't be used, a client that proposed both connects anew with the first alone.
    ///
    /// Over shared memory a session's descriptor tells of its end alone, and not of messages.
    #[must_use]
    pub fn profiles(self, profiles: Profiles) -> Self {
        Self { ways: Ways { profiles, ..self.ways }, ..self }
    }

    /// Which of these profiles the client would rather use; all of them unless set. The server takes the highest that
    /// both prefer, else the highest that both have.
    #[must_use]
    pub fn preferred_profiles(self, preferred: Profiles) -> Self {
        Self { ways: Ways { preferred, ..self.ways }, ..self }
    }

    /// What the server asks to be shown.
    #[must_use]
    pub fn auth_token(self, auth_token: AuthToken) -> Self {
        Self { auth_token, ..self }
    }

    /// The largest request payload, in bytes. A server refuses more than it is ready for.
    #[must_use]
    pub fn max_request_payload(self, bytes: u32) -> Self {
        Self { max_request_payload: bytes, ..self }
    }

    /// The most items of a batch.
    #[must_use]
    pub fn max_request_items(self, items: u32) -> Self {
        Self { max_request_items: items, ..self }
    }

    /// The largest response payload that is expected, in bytes: a hint, the server decides.
    #[must_use]
    pub fn max_response_payload(self, bytes: u32) -> Self {
        Self { max_response_payload: bytes, ..self }
    }

    /// The longest packet, in bytes, 32 bytes of header included; at most what the socket can send in one piece.
    #[must_use]
    pub fn packet_size(self, bytes: u32) -> Self {
        Self { packet_size: bytes, ..self }
    }

    /// The largest response payload that is received, in bytes, whatever the server decides. 64 MiB by default; room
    /// is made for what comes, not for what could.
    #[must_use]
    pub fn response_ceiling(self, bytes: u32) -> Self {
        Self { response_ceiling: bytes, ..self }
    }

    /// The most requests that may wait for their answers; 16,384 by default.
    #[must_use]
    pub fn max_in_flight(self, requests: usize) -> Self {
        Self { max_in_flight: requests, ..self }
    }

    /// The most bytes of answers, headers included, that are put by while a request finds no room; 64 MiB by default.
    #[must_use]
    pub fn max_backlog(self, bytes: usize) -> Self {
        Self { max_backlog: bytes, ..self }
    }

    /// What to do while an answer has not come.
    #[must_use]
    pub fn wait(self, wait: Wait) -> Self {
        Self { wait, ..self }
    }

    /// What ends attempts to connect, and the sessions that come of them.
    #[must_use]
    pub fn abort(self, abort: &Abort) -> Self {
        Self { abort: abort.clone(), ..self }
    }

    /// The profiles that are proposed where `usable` are.
    pub(super) fn proposed(&self, usable: Profiles) -> Profiles {
        self.ways.among(usable).profiles
    }

    /// The proposal for this link, on which `usable` profiles are.
    pub(super) fn hello(&self, link: &Link, usable: Profiles) -> Hello {
        let items = or_default(self.max_request_items, DEFAULT_ITEMS);
        let Ways { profiles, preferred } = self.ways.among(usable);
        Hello {
            flags: 0,
            supported_profiles: profiles,
            preferred_profiles: preferred,
            max_request_payload: or_default(self.max_request_payload, DEFAULT_PAYLOAD),
            max_request_items: items,
            max_response_payload: or_default(self.max_response_payload, DEFAULT_PAYLOAD),
            max_response_items: items,
            auth_token: self.auth_token,
            packet_size: or_default(self.packet_size, link.packet_size).min(link.packet_size),
        }
    }
}

type Authorize = dyn Fn(&Peer) -> bool + Send + Sync;

/// How a server listens, and what it grants.
///
/// In the limits that a hello-ack states, 0 stands for the default (docs/protocol.md, section 2).
#[derive(Clone)]
pub struct ServerConfig {
    ways: Ways,
    auth_token: AuthToken,
    authorize: Option<Arc<Authorize>>,
    max_request_payload: u32,
    max_response_payload: u32,
    /// Instead of that, for each session as it begins.
    response_payload: Option<Arc<AtomicUsize>>,
    packet_size: u32,
    pub(super) max_in_flight: usize,
    pub(super) max_sessions: usize,
    pub(super) max_handshakes: usize,
    pub(super) handshake_timeout: Duration,
    pub(super) queue: u32,
    pub(super) wait: Wait,
    pub(super) abort: Abort,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("profiles", &self.ways.profiles)
            .field("auth_token", &self.auth_token)
            .field("authorize", &self.authorize.is_some())
            .field("max_request_payload", &self.max_request_payload)
            .field("max_response_payload", &self.max_response_payload)
            .field("packet_size", &self.packet_size)
            .field("max_in_flight", &self.max_in_flight)
            .field("max_sessions", &self.max_sessions)
            .field("wait", &self.wait)
            .finish_non_exhaustive()
    }
}

impl ServerConfig {
    /// Sockets alone, requests of up to 1 MiB, as the client proposes, responses of 1,024 bytes, no token, any number of
    /// sessions, five seconds for a handshake, [`Wait::Block`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            ways: Ways::SOCKET,
            auth_token: AuthToken::new(0),
            authorize: None,
            max_request_payload: 0,
            max_response_payload: 0,
            response_payload: None,
            packet_size: 0,
            max_in_flight: DEFAULT_IN_FLIGHT,
            max_sessions: usize::MAX,
            max_handshakes: DEFAULT_HANDSHAKES,
            handshake_timeout: DEFAULT_HANDSHAKE,
            queue: DEFAULT_QUEUE,
            wait: Wait::default(),
            abort: Abort::new(),
        }
    }

    /// What messages may travel over: [`Profiles::BASELINE`] is the socket, [`Profiles::SHM_HYBRID`] shared memory; others
    /// are left out. For a session over shared memory a file is made in the run directory, as large as one request and one
    /// response of the largest size; where that can't be done, the session is offered without.
    ///
    /// Over shared memory a session's descriptor tells of its end alone, and not of messages.
    #[must_use]
    pub fn profiles(self, profiles: Profiles) -> Self {
        Self { ways: Ways { profiles, ..self.ways }, ..self }
    }

    /// Which of these profiles the server would rather use; all of them unless set.
    #[must_use]
    pub fn preferred_profiles(self, preferred: Profiles) -> Self {
        Self { ways: Ways { preferred, ..self.ways }, ..self }
    }

    /// What clients must show; compared in constant time, never printed.
    #[must_use]
    pub fn auth_token(self, auth_token: AuthToken) -> Self {
        Self { auth_token, ..self }
    }

    /// Who may come in, by what the kernel says of them. Asked when everything else about a client is right; it runs
    /// on the thread that accepts.
    #[must_use]
    pub fn authorize(self, authorize: impl Fn(&Peer) -> bool + Send + Sync + 'static) -> Self {
        Self { authorize: Some(Arc::new(authorize)), ..self }
    }

    /// The largest request payload that a client may propose, in bytes.
    #[must_use]
    pub fn max_request_payload(self, bytes: u32) -> Self {
        Self { max_request_payload: bytes, ..self }
    }

    /// The largest response payload, in bytes.
    #[must_use]
    pub fn max_response_payload(self, bytes: u32) -> Self {
        Self { max_response_payload: bytes, ..self }
    }

    /// Each session has the largest response payload that `bytes` says when it begins.
    pub(crate) fn response_payload_of(self, bytes: &Arc<AtomicUsize>) -> Self {
        Self { response_payload: Some(Arc::clone(bytes)), ..self }
    }

    /// The longest packet, in bytes, 32 bytes of header included; at most what the socket can send in one piece.
    #[must_use]
    pub fn packet_size(self, bytes: u32) -> Self {
        Self { packet_size: bytes, ..self }
    }

    /// The most requests of a session that may wait for their answers; 16,384 by default. A client that sends more
    /// is disconnected.
    #[must_use]
    pub fn max_in_flight(self, requests: usize) -> Self {
        Self { max_in_flight: requests, ..self }
    }

    /// The most sessions at a time; one client more is refused with limit exceeded.
    #[must_use]
    pub fn max_sessions(self, sessions: usize) -> Self {
        Self { max_sessions: sessions, ..self }
    }

    /// The most clients in the middle of their handshakes; 128 by default. One more, and whoever has been silent for
    /// the longest time is disconnected.
    #[must_use]
    pub fn max_handshakes(self, clients: usize) -> Self {
        Self { max_handshakes: clients.max(1), ..self }
    }

    /// How long a client has for its hello; [`Duration::MAX`] is for ever.
    #[must_use]
    pub fn handshake_timeout(self, timeout: Duration) -> Self {
        Self { handshake_timeout: timeout, ..self }
    }

    /// How many clients may wait to be accepted; 16 by default (listen(2)).
    #[must_use]
    pub fn queue(self, clients: u32) -> Self {
        Self { queue: clients, ..self }
    }

    /// What to do while a request has not come.
    #[must_use]
    pub fn wait(self, wait: Wait) -> Self {
        Self { wait, ..self }
    }

    /// What ends listeners and the sessions that they accept.
    #[must_use]
    pub fn abort(self, abort: &Abort) -> Self {
        Self { abort: abort.clone(), ..self }
    }

    /// What is granted on this link, on which `usable` profiles are.
    pub(super) fn policy(&self, link: &Link, usable: Profiles) -> ServerPolicy {
        let mut policy = ServerPolicy::new();
        Ways { profiles: policy.profiles, preferred: policy.preferred } = self.ways.among(usable);
        policy.auth_token = self.auth_token;
        policy.request_payload = or_default(self.max_request_payload, REQUEST_CEILING);
        // Relaxed: see `Growth` of the server.
        let now = self.response_payload.as_ref().and_then(|bytes| u32::try_from(bytes.load(Ordering::Relaxed)).ok());
        policy.response_payload = or_default(now.unwrap_or(self.max_response_payload), DEFAULT_PAYLOAD);
        policy.packet_size = or_default(self.packet_size, link.packet_size).min(link.packet_size);
        policy
    }

    /// Whether a thread in shared memory never sleeps.
    pub(crate) fn looks_always(&self) -> bool {
        self.wait == Wait::Always
    }

    pub(super) fn allows(&self, peer: &Peer) -> bool {
        self.authorize.as_ref().is_none_or(|authorize| authorize(peer))
    }
}
