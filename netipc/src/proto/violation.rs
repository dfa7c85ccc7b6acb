//! What a peer did wrong, and what it asked too much of.
//!
//! Owns: the names of the broken rules, each with its place in the packet. It refuses to say what follows from one:
//! a session closes, a handshake may answer first.

use core::fmt;

use crate::wire::{Control, HEADER_LEN, Kind, Structure, WireError};

/// A rule of the conversation that the peer broke (docs/protocol.md, sections 1 and 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The bytes alone are wrong.
    #[error(transparent)]
    Envelope(#[from] WireError),
    /// A message is of another kind than the one whose turn it is.
    #[error("header: kind at byte 8 must be {} ({expected:?}), is {} ({found:?})", expected.raw(), found.raw())]
    UnexpectedKind {
        /// The kind whose turn it was.
        expected: Kind,
        /// The kind that came.
        found: Kind,
    },
    /// A control message is not the one whose turn it is.
    #[error("header: code at byte 12 must be {} ({expected:?}), is {found}", expected.raw())]
    UnexpectedControl {
        /// The control message whose turn it was.
        expected: Control,
        /// The code that came.
        found: u16,
    },
    /// The payload of a control message has another length than its structure.
    #[error("header: payload_len at byte 16 must be {expected}, is {found}")]
    PayloadLength {
        /// Bytes of the structure.
        expected: u32,
        /// Bytes that the header states.
        found: u32,
    },
    /// A message has no items, or is no batch and has other than one.
    #[error("header: item_count at byte 20 is {found}, which the flags do not allow")]
    ItemCount {
        /// The count that came.
        found: u32,
    },
    /// A packet is shorter or longer than its header says, or not full although it is not the last of its message.
    #[error("packet: {found} bytes, where its header makes it {stated}")]
    PacketLength {
        /// Bytes that the packet must have by its header and the packet size.
        stated: u64,
        /// Bytes that it has.
        found: usize,
    },
    /// A continuation is not the one that comes next.
    #[error("chunk header: {field} at byte {offset} must be {expected}, is {found}")]
    Chunk {
        /// The guilty field, by its name in docs/protocol.md.
        field: &'static str,
        /// Its first byte in the packet.
        offset: usize,
        /// What follows from the packets before.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// A packet has no bytes at all.
    #[error("packet: no bytes")]
    EmptyPacket,
    /// A word of shared memory is what it cannot be (docs/protocol.md, section 4).
    #[error("region: {field} at byte {offset} is {found:#x}, which cannot be")]
    Region {
        /// The guilty word, by its name in docs/protocol.md.
        field: &'static str,
        /// Its first byte in the region.
        offset: usize,
        /// What stood there.
        found: u64,
    },
    /// A response answers no request that is in flight.
    #[error("header: message_id at byte 24 is {id}, which is not in flight")]
    UnknownId {
        /// The id that came.
        id: u64,
    },
    /// A request has the id of another one that is in flight.
    #[error("header: message_id at byte 24 is {id}, which is in flight already")]
    DuplicateId {
        /// The id that came.
        id: u64,
    },
    /// A hello-ack does not follow from the hello.
    #[error("hello-ack: {field} at byte {offset} does not follow from the hello, is {found:#x}")]
    Ack {
        /// The guilty field, by its name in docs/protocol.md.
        field: &'static str,
        /// Its first byte in the packet.
        offset: usize,
        /// What came.
        found: u64,
    },
}

impl Violation {
    /// The byte of the packet where the rule is broken: the first of the guilty field, or the first that is missing or
    /// too many. For a batch, a byte of the whole message, be it cut into packets or not.
    #[must_use]
    pub fn offset(&self) -> usize {
        match *self {
            Self::Envelope(error) => match error.structure() {
                Structure::Header | Structure::ChunkHeader => error.offset(),
                Structure::Hello | Structure::HelloAck | Structure::Batch => HEADER_LEN.saturating_add(error.offset()),
            },
            Self::UnexpectedKind { .. } => 8,
            Self::UnexpectedControl { .. } => 12,
            Self::PayloadLength { .. } => 16,
            Self::ItemCount { .. } => 20,
            Self::PacketLength { stated, found } => usize::try_from(stated).map_or(found, |stated| stated.min(found)),
            Self::Chunk { offset, .. } | Self::Ack { offset, .. } | Self::Region { offset, .. } => offset,
            Self::EmptyPacket => 0,
            Self::UnknownId { .. } | Self::DuplicateId { .. } => 24,
        }
    }
}

/// Something that there may only be so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// Payload bytes of a request, by the session's terms.
    RequestPayload,
    /// Payload bytes of a response, by the session's terms.
    ResponsePayload,
    /// Items of a request, by the session's terms.
    RequestItems,
    /// Items of a response, by the session's terms.
    ResponseItems,
    /// Requests that wait for their response.
    InFlight,
    /// Bytes of responses that were put by while a request found no room.
    Backlog,
    /// Bytes of a message, by what its headers and packets can carry.
    MessageLen,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RequestPayload => "bytes of a request's payload",
            Self::ResponsePayload => "bytes of a response's payload",
            Self::RequestItems => "items of a request",
            Self::ResponseItems => "items of a response",
            Self::InFlight => "requests in flight",
            Self::Backlog => "bytes of responses put by",
            Self::MessageLen => "bytes of a message",
        })
    }
}

/// More was asked than a limit allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{limit}: {asked} asked, {allowed} allowed")]
#[expect(clippy::exhaustive_structs, reason = "which limit, how much, of how much: there is no more to say")]
pub struct LimitExceeded {
    /// Which limit.
    pub limit: Limit,
    /// How much was asked.
    pub asked: u64,
    /// How much is allowed.
    pub allowed: u64,
}

/// Why a session can't go on with what its peer sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "a peer does what it never may, or too much of what it may")]
pub enum Breach {
    /// The peer broke a rule.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The peer went beyond a limit.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
}

impl From<WireError> for Breach {
    fn from(error: WireError) -> Self {
        Self::Violation(Violation::Envelope(error))
    }
}

#[cfg(test)]
mod tests {
    use super::{Breach, Limit, LimitExceeded, Violation};
    use crate::wire::{Batch, ChunkHeader, Control, Header, Hello, HelloAck, Kind};

    #[test]
    fn a_violation_says_where_in_the_packet_and_why() {
        let cases = [
            (Violation::EmptyPacket, 0, "packet: no bytes"),
            (
                Violation::UnexpectedKind { expected: Kind::Request, found: Kind::Control },
                8,
                "header: kind at byte 8 must be 1 (Request), is 3 (Control)",
            ),
            (
                Violation::UnexpectedControl { expected: Control::HelloAck, found: 9 },
                12,
                "header: code at byte 12 must be 2 (HelloAck), is 9",
            ),
            (
                Violation::PayloadLength { expected: 44, found: 45 },
                16,
                "header: payload_len at byte 16 must be 44, is 45",
            ),
            (Violation::ItemCount { found: 0 }, 20, "header: item_count at byte 20 is 0, which the flags do not allow"),
            (Violation::PacketLength { stated: 100, found: 41 }, 41, "packet: 41 bytes, where its header makes it 100"),
            (Violation::PacketLength { stated: 40, found: 41 }, 40, "packet: 41 bytes, where its header makes it 40"),
            (
                Violation::Chunk { field: "chunk_index", offset: 20, expected: 1, found: 2 },
                20,
                "chunk header: chunk_index at byte 20 must be 1, is 2",
            ),
            (Violation::UnknownId { id: 7 }, 24, "header: message_id at byte 24 is 7, which is not in flight"),
            (Violation::DuplicateId { id: 7 }, 24, "header: message_id at byte 24 is 7, which is in flight already"),
            (
                Violation::Ack { field: "padding", offset: 68, found: 16 },
                68,
                "hello-ack: padding at byte 68 does not follow from the hello, is 0x10",
            ),
            (
                Violation::Region { field: "req_len", offset: 48, found: 0 },
                48,
                "region: req_len at byte 48 is 0x0, which cannot be",
            ),
        ];
        for (violation, offset, text) in cases {
            assert_eq!((violation.offset(), violation.to_string().as_str()), (offset, text));
            assert_eq!(Breach::from(violation).to_string(), text);
        }
    }

    #[test]
    fn the_place_in_a_structure_becomes_the_place_in_its_packet() {
        let errors = [
            (Header::parse(&[0; 32]).unwrap_err(), 0),
            (Header::parse(&[0; 31]).unwrap_err(), 31),
            (ChunkHeader::parse(&[0; 30]).unwrap_err(), 30),
            (Hello::parse(&[0; 44]).unwrap_err(), 32),
            (HelloAck::parse(&[0; 47]).unwrap_err(), 79),
            (Batch::parse(&[0; 7], 1).unwrap_err(), 39),
        ];
        for (error, offset) in errors {
            let breach = Breach::from(error);
            assert_eq!(breach, Breach::Violation(Violation::Envelope(error)));
            assert_eq!(Violation::from(error).offset(), offset);
            assert_eq!(breach.to_string(), error.to_string());
        }
    }

    #[test]
    fn a_limit_says_what_was_asked_and_what_is_allowed() {
        let cases = [
            (Limit::RequestPayload, "bytes of a request's payload"),
            (Limit::ResponsePayload, "bytes of a response's payload"),
            (Limit::RequestItems, "items of a request"),
            (Limit::ResponseItems, "items of a response"),
            (Limit::InFlight, "requests in flight"),
            (Limit::Backlog, "bytes of responses put by"),
            (Limit::MessageLen, "bytes of a message"),
        ];
        for (limit, text) in cases {
            let breach = Breach::from(LimitExceeded { limit, asked: 9, allowed: 8 });
            assert_eq!(breach.to_string(), format!("{text}: 9 asked, 8 allowed"));
        }
    }
}
