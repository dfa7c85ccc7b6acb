//! A server's no.
//!
//! Owns: why a client is refused, which status tells it so, and the packet that does. It refuses to tell the client
//! more than the status: the reason is for the server's own log.

use core::fmt;

use super::LimitExceeded;
use super::control;
use crate::wire::{HEADER_LEN, HELLO_ACK_LEN, HelloAck, Profiles, Rule, Status, WireError};

/// Why a server refuses a client (docs/protocol.md, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The envelope or the hello is of another version, or padding is not zero.
    #[error(transparent)]
    Envelope(WireError),
    /// The hello has flags.
    #[error("hello: flags at byte 2 must be zero, is {found:#x}")]
    Flags {
        /// The flags that came.
        found: u16,
    },
    /// There is no profile that both can use.
    #[error("no common profile: {offered:?} offered, {supported:?} supported")]
    Profiles {
        /// What the client can use.
        offered: Profiles,
        /// What the server can use.
        supported: Profiles,
    },
    /// The token is not the server's.
    #[error("wrong token")]
    Token,
    /// The token is right, and the client is still not one to be served.
    #[error("not authorized")]
    NotAuthorized,
    /// The client wants a higher limit than the server has.
    #[error(transparent)]
    Limit(LimitExceeded),
    /// A packet would have no room behind its header.
    #[error("packet size: {offered} offered, {supported} supported, more than 32 needed")]
    PacketSize {
        /// The client's packet size.
        offered: u32,
        /// The server's packet size.
        supported: u32,
    },
    /// The server has its own reason.
    #[error("{0}")]
    Server(Status),
}

impl Reason {
    /// What the client is told.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Envelope(error) => match error.rule() {
                Rule::Version { .. } => Status::Incompatible,
                _ => Status::BadEnvelope,
            },
            Self::Flags { .. } => Status::BadEnvelope,
            Self::Profiles { .. } => Status::Unsupported,
            Self::Token | Self::NotAuthorized => Status::AuthFailed,
            Self::Limit(_) => Status::LimitExceeded,
            Self::PacketSize { .. } => Status::Incompatible,
            Self::Server(status) => *status,
        }
    }
}

/// A client that is not served: send [`packet`](Self::packet), then close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the client waits for it"]
pub struct Refusal {
    reason: Reason,
}

impl Refusal {
    pub(super) const fn new(reason: Reason) -> Self {
        Self { reason }
    }

    /// What the client is told.
    #[must_use]
    pub const fn status(&self) -> Status {
        self.reason.status()
    }

    /// What the server's log may tell.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// A hello-ack whose header has the status, and whose payload is a layout version and zeros.
    #[must_use]
    pub fn packet(&self) -> [u8; HEADER_LEN + HELLO_ACK_LEN] {
        control::hello_ack(self.status(), &HelloAck::refusal())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Reason::Server(status) => write!(f, "refused with {status}"),
            reason => write!(f, "refused with {}: {reason}", self.status()),
        }
    }
}
