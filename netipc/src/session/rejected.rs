//! Clients that were not let in.

use core::fmt;

use crate::proto::{Refusal, Violation};
use crate::sys::{Peer, SystemError};
use crate::transport::LinkError;

/// Why a client was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// It was told so (docs/protocol.md, section 2).
    #[error("{0}")]
    Refused(Refusal),
    /// What it sent is no hello, so it was not answered.
    #[error("protocol violation: {0}")]
    Violation(Violation),
    /// It closed the connection.
    #[error("it closed the connection")]
    Closed,
    /// It did not say hello in time.
    #[error("it said nothing in time")]
    TimedOut,
    /// It had been silent for the longest time when too many were.
    #[error("too many clients were silent")]
    Crowded,
    /// It was refused as unsupported: it can use nothing but shared memory, and that could not be made.
    #[error("no shared memory could be made for it: {0}")]
    NoRegion(SystemError),
    /// The server was aborted.
    #[error("aborted")]
    Aborted,
    /// There was no file descriptor, or other resource, for it.
    #[error(transparent)]
    System(SystemError),
}

impl From<LinkError> for Cause {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Closed => Self::Closed,
            LinkError::EmptyPacket => Self::Violation(Violation::EmptyPacket),
            LinkError::TimedOut => Self::TimedOut,
            LinkError::Aborted => Self::Aborted,
            LinkError::Corrupt(corrupt) => Self::Violation(corrupt.into()),
            LinkError::System(error) => Self::System(error),
        }
    }
}

/// A client that was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejected {
    peer: Option<Peer>,
    cause: Cause,
}

impl Rejected {
    pub(super) const fn new(peer: Option<Peer>, cause: Cause) -> Self {
        Self { peer, cause }
    }

    /// Who it was, if it could be found out.
    #[must_use]
    pub const fn peer(&self) -> Option<Peer> {
        self.peer
    }

    /// Why.
    #[must_use]
    pub const fn cause(&self) -> &Cause {
        &self.cause
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer.and_then(|peer| peer.pid) {
            Some(pid) => write!(f, "a client (pid {pid}) was not let in: {}", self.cause),
            None => write!(f, "a client was not let in: {}", self.cause),
        }
    }
}

impl core::error::Error for Rejected {}
