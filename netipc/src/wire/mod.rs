//! The envelope's bytes: what stands in front of every payload, and around the items of a batch.
//!
//! Owns: the layouts of the outer header, the chunk continuation header, hello, hello-ack and the batch directory, each
//! as a type whose `parse` proves what the bytes alone can show and whose `encode` gives them back. It refuses to know
//! more: negotiated limits, the order of messages and what a handshake answers are rules of the conversation and live
//! in the layer above. It neither allocates nor does I/O.

mod batch;
mod batch_builder;
mod chunk;
mod error;
mod fields;
mod header;
mod hello;

pub use batch::{Batch, Items};
pub use batch_builder::{BatchBuilder, BatchError};
pub use chunk::ChunkHeader;
pub use error::{Rule, Structure, WireError};
pub use header::Header;
pub use hello::{AuthToken, Hello, HelloAck};

use core::fmt;
use core::ops::{BitAnd, BitOr};

/// First word of an outer header (docs/protocol.md, section 1.1).
pub const MAGIC: u32 = 0x4e49_5043;
/// First word of a chunk continuation header (docs/protocol.md, section 1.4).
pub const CHUNK_MAGIC: u32 = 0x4e43_484b;
/// Version of both headers (docs/protocol.md, sections 1.1 and 1.4).
pub const VERSION: u16 = 1;
/// Layout version of hello and hello-ack (docs/protocol.md, section 2).
pub const LAYOUT_VERSION: u16 = 1;
/// Bytes of an outer header, and of a chunk continuation header.
pub const HEADER_LEN: usize = 32;
/// Bytes of a hello (docs/protocol.md, section 2).
pub const HELLO_LEN: usize = 44;
/// Bytes of a hello-ack (docs/protocol.md, section 2).
pub const HELLO_ACK_LEN: usize = 48;
/// Bytes of one entry of a batch directory (docs/protocol.md, section 1.3).
pub const BATCH_ENTRY_LEN: usize = 8;
/// What offsets of batch items are multiples of (docs/protocol.md, section 1.3).
pub const BATCH_ALIGN: usize = 8;
/// Flag of a header whose payload is a batch (docs/protocol.md, section 1.1).
pub const FLAG_BATCH: u16 = 1;

/// What a message is (docs/protocol.md, section 1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u16)]
pub enum Kind {
    /// Asks for something.
    Request = 1,
    /// Answers a request.
    Response = 2,
    /// Belongs to the handshake.
    Control = 3,
}

impl Kind {
    /// The kind that `raw` stands for, if any.
    #[inline]
    #[must_use]
    pub const fn from_raw(raw: u16) -> Option<Self> {
        match raw {
            1 => Some(Self::Request),
            2 => Some(Self::Response),
            3 => Some(Self::Control),
            _ => None,
        }
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn raw(self) -> u16 {
        self as u16
    }
}

/// Which control message a control message is (docs/protocol.md, section 1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u16)]
pub enum Control {
    /// A client's proposal.
    Hello = 1,
    /// A server's answer to it.
    HelloAck = 2,
}

impl Control {
    /// The control message that `raw` stands for, if any.
    #[inline]
    #[must_use]
    pub const fn from_raw(raw: u16) -> Option<Self> {
        match raw {
            1 => Some(Self::Hello),
            2 => Some(Self::HelloAck),
            _ => None,
        }
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn raw(self) -> u16 {
        self as u16
    }
}

/// The code of a method (docs/protocol.md, section 1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Method(u16);

impl Method {
    /// The method of this code.
    #[inline]
    #[must_use]
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn code(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "method {}", self.0)
    }
}

/// How the transport of a message went; never a business outcome (docs/protocol.md, section 1.2).
///
/// Open: deployed peers hand on numbers they do not know, and so does this type. [`from_raw`](Self::from_raw) gives
/// every known number its name, so [`Other`](Self::Other) never holds one of them unless it was written by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// Nothing went wrong.
    Ok,
    /// The message is malformed.
    BadEnvelope,
    /// The token is not the server's.
    AuthFailed,
    /// The peers have no version or packet size in common.
    Incompatible,
    /// The method, or every proposed profile, is unknown.
    Unsupported,
    /// A limit would be exceeded.
    LimitExceeded,
    /// The handler failed.
    InternalError,
    /// A number without a name.
    Other(u16),
}

impl Status {
    /// The status that `raw` stands for.
    #[inline]
    #[must_use]
    pub const fn from_raw(raw: u16) -> Self {
        match raw {
            0 => Self::Ok,
            1 => Self::BadEnvelope,
            2 => Self::AuthFailed,
            3 => Self::Incompatible,
            4 => Self::Unsupported,
            5 => Self::LimitExceeded,
            6 => Self::InternalError,
            other => Self::Other(other),
        }
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn raw(self) -> u16 {
        match self {
            Self::Ok => 0,
            Self::BadEnvelope => 1,
            Self::AuthFailed => 2,
            Self::Incompatible => 3,
            Self::Unsupported => 4,
            Self::LimitExceeded => 5,
            Self::InternalError => 6,
            Self::Other(raw) => raw,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::BadEnvelope => "bad envelope",
            Self::AuthFailed => "auth failed",
            Self::Incompatible => "incompatible",
            Self::Unsupported => "unsupported",
            Self::LimitExceeded => "limit exceeded",
            Self::InternalError => "internal error",
            Self::Other(raw) => return write!(f, "status {raw}"),
        })
    }
}

/// A set of transport profiles, as bits (docs/protocol.md, section 2).
///
/// Bits without a name are kept: a peer may know more profiles than we do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Profiles(u32);

impl Profiles {
    /// No profile at all.
    pub const NONE: Self = Self(0);
    /// Packets over the socket or pipe.
    pub const BASELINE: Self = Self(0x01);
    /// Shared memory: spin, then wait on a futex or event.
    pub const SHM_HYBRID: Self = Self(0x02);
    /// Shared memory: wait on a futex (on Windows: busy wait).
    pub const SHM_FUTEX: Self = Self(0x04);

    /// The set of these bits.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// The bits on the wire.
    #[inline]
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether the set has no bit.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether every bit of `other` is in this set.
    #[inline]
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both sets.
    #[inline]
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The bits of either set.
    #[inline]
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The bits of this set that `other` lacks.
    #[inline]
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The set of the highest bit alone; empty for an empty set.
    #[inline]
    #[must_use]
    pub const fn highest(self) -> Self {
        match self.0.checked_ilog2() {
            Some(bit) => Self(1 << bit),
            None => Self::NONE,
        }
    }
}

impl BitAnd for Profiles {
    type Output = Self;

    #[inline]
    fn bitand(self, other: Self) -> Self {
        self.intersection(other)
    }
}

impl BitOr for Profiles {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        self.union(other)
    }
}

impl fmt::Debug for Profiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Profiles({:#x})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Control, Kind, Method, Profiles, Status};

    #[test]
    fn every_number_of_a_status_survives_and_known_ones_have_names() {
        for raw in 0..=u16::MAX {
            let status = Status::from_raw(raw);
            assert_eq!(status.raw(), raw);
            assert_eq!(matches!(status, Status::Other(_)), raw > 6, "{raw}");
        }
        assert_eq!(Status::LimitExceeded.to_string(), "limit exceeded");
        assert_eq!(Status::from_raw(77).to_string(), "status 77");
    }

    #[test]
    fn kinds_and_control_codes_are_closed() {
        for raw in 0..=u16::MAX {
            assert_eq!(Kind::from_raw(raw).map(Kind::raw), (1..=3).contains(&raw).then_some(raw));
            assert_eq!(Control::from_raw(raw).map(Control::raw), (1..=2).contains(&raw).then_some(raw));
        }
    }

    #[test]
    fn the_highest_profile_is_one_bit_of_the_set() {
        for (bits, highest) in [(0, 0), (1, 1), (3, 2), (5, 4), (7, 4), (0x12, 0x10), (u32::MAX, 0x8000_0000)] {
            assert_eq!(Profiles::from_bits(bits).highest(), Profiles::from_bits(highest));
        }
    }

    #[test]
    fn profiles_are_sets() {
        let both = Profiles::BASELINE | Profiles::SHM_HYBRID;
        assert_eq!(both.bits(), 3);
        assert_eq!(both & Profiles::from_bits(6), Profiles::SHM_HYBRID);
        assert_eq!(both.without(Profiles::SHM_HYBRID), Profiles::BASELINE);
        assert!(both.contains(Profiles::BASELINE) && !both.contains(Profiles::SHM_FUTEX));
        assert!(Profiles::NONE.is_empty() && both.contains(Profiles::NONE) && !both.is_empty());
        assert_eq!(format!("{both:?}"), "Profiles(0x3)");
    }

    #[test]
    fn a_method_is_its_code() {
        assert_eq!((Method::new(9).code(), Method::new(9).to_string()), (9, "method 9".to_owned()));
    }
}
