//! What can go wrong with a session.

use crate::endpoint::Endpoint;
use crate::proto::{Breach, HandshakeError, LimitExceeded, Violation};
use crate::sys::SystemError;
use crate::transport::{AttachError, ClaimError, Corrupt, LinkError};
use crate::wire::{Status, WireError};

/// Why a call on a session, a listener or a configuration failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The peer closed the connection, or ended. A deployed server that is full closes right after the handshake
    /// (docs/protocol.md, section 7).
    #[error("the peer closed the connection{}", if *.mid_message { " in the middle of a message" } else { "" })]
    Closed {
        /// Whether a message had come in part.
        mid_message: bool,
    },
    /// The server refused the handshake, for the reason that the status names (docs/protocol.md, section 2).
    #[error("the server refused: {0}")]
    Refused(Status),
    /// The server speaks another version of the protocol.
    #[error("the server is incompatible: {0}")]
    Incompatible(WireError),
    /// A message, or the number of them, is beyond what was agreed or configured.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// The peer broke a rule of the protocol.
    #[error("protocol violation: {0}")]
    Violation(#[from] Violation),
    /// The session's shared memory could not be used, and the client proposes nothing else
    /// (docs/protocol.md, section 4).
    #[error("shared memory can't be used: {0}")]
    SharedMemory(AttachError),
    /// A call into the kernel failed.
    #[error(transparent)]
    System(#[from] SystemError),
    /// The deadline passed.
    #[error("timed out")]
    TimedOut,
    /// Somebody used the [`Abort`](super::Abort).
    #[error("aborted")]
    Aborted,
    /// Somebody else serves at the endpoint, or it could not be found out (docs/protocol.md, section 3).
    #[error("{endpoint} is in use{}", .doubt.map(|error| format!(", or so it seems: {error}")).unwrap_or_default())]
    InUse {
        /// Where.
        endpoint: Endpoint,
        /// Why it could not be found out.
        doubt: Option<SystemError>,
    },
    /// A message of ours was cut off by its deadline before, so that the peer can make nothing of what would follow.
    #[error("an earlier message was cut off in the middle")]
    Unfinished,
    /// There is no such request, or it has been answered.
    #[error("request {id} is not waiting for an answer")]
    NotInFlight {
        /// The id of the ticket.
        id: u64,
    },
    /// The payload of a batch that was to be sent is none (docs/protocol.md, section 1.3).
    #[error("not sent: {0}")]
    Malformed(WireError),
    /// A batch has at least one item (docs/protocol.md, section 1.3).
    #[error("a batch without items cannot be sent")]
    EmptyBatch,
}

impl Error {
    /// Whether the connection is at fault and not what was asked of it: a new one may do better.
    #[must_use]
    pub const fn is_disconnect(&self) -> bool {
        matches!(self, Self::Closed { .. } | Self::Unfinished | Self::Violation(_))
    }
}

impl From<Breach> for Error {
    fn from(breach: Breach) -> Self {
        match breach {
            Breach::Violation(violation) => Self::Violation(violation),
            Breach::Limit(limit) => Self::Limit(limit),
        }
    }
}

impl From<Corrupt> for Violation {
    fn from(Corrupt { place, found }: Corrupt) -> Self {
        Self::Region { field: place.field(), offset: place.offset(), found }
    }
}

impl From<LinkError> for Error {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Closed => Self::Closed { mid_message: false },
            LinkError::EmptyPacket => Self::Violation(Violation::EmptyPacket),
            LinkError::TimedOut => Self::TimedOut,
            LinkError::Aborted => Self::Aborted,
            LinkError::Corrupt(corrupt) => Self::Violation(corrupt.into()),
            LinkError::System(error) => Self::System(error),
        }
    }
}

impl From<HandshakeError> for Error {
    fn from(error: HandshakeError) -> Self {
        match error {
            HandshakeError::Refused(status) => Self::Refused(status),
            HandshakeError::Incompatible(error) => Self::Incompatible(error),
            HandshakeError::Violation(violation) => Self::Violation(violation),
        }
    }
}

impl Error {
    pub(super) fn claim(error: ClaimError, endpoint: &Endpoint) -> Self {
        match error {
            ClaimError::InUse { doubt } => Self::InUse { endpoint: endpoint.clone(), doubt },
            ClaimError::Link(error) => error.into(),
        }
    }
}

/// Why a message that was to be built in place was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "building failed, or sending did")]
pub enum BuildError<E> {
    /// Whoever built it gave up; nothing was sent.
    #[error("the message was not built")]
    Build(E),
    /// It could not be sent.
    #[error(transparent)]
    Session(#[from] Error),
}
