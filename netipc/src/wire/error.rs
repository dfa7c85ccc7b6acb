//! Why bytes are no envelope.
//!
//! Owns: the one error of every parser here. It names the structure, the field, the byte and the rule, so that a
//! handshake can pick its answer from [`Rule`] alone. It refuses to guess who is guilty: the session knows the peer.

use core::fmt;

/// Bytes that break the layout of an envelope structure (docs/protocol.md, sections 1 and 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{structure}: {field} at byte {offset} {rule}")]
#[non_exhaustive]
pub struct WireError {
    structure: Structure,
    field: &'static str,
    offset: usize,
    rule: Rule,
}

impl WireError {
    pub(super) const fn new(structure: Structure, field: &'static str, offset: usize, rule: Rule) -> Self {
        Self { structure, field, offset, rule }
    }

    /// What was parsed.
    #[must_use]
    pub const fn structure(&self) -> Structure {
        self.structure
    }

    /// The guilty field, by its name in docs/protocol.md; for people, the rule is for programs.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        self.field
    }

    /// The field's first byte, counted from the start of the structure; the first missing byte where the rule is
    /// [`Rule::Truncated`].
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// The broken rule.
    #[must_use]
    pub const fn rule(&self) -> Rule {
        self.rule
    }
}

/// A structure of the envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Structure {
    /// The header in front of every message (docs/protocol.md, section 1.1).
    Header,
    /// The directory and items of a batch (docs/protocol.md, section 1.3).
    Batch,
    /// The header of a continuation packet (docs/protocol.md, section 1.4).
    ChunkHeader,
    /// A client's proposal (docs/protocol.md, section 2).
    Hello,
    /// A server's answer to it (docs/protocol.md, section 2).
    HelloAck,
}

impl fmt::Display for Structure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Batch => "batch",
            Self::ChunkHeader => "chunk header",
            Self::Hello => "hello",
            Self::HelloAck => "hello-ack",
        })
    }
}

/// A rule that a field of the envelope must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rule {
    /// All of the structure must be there.
    #[error("is cut off: {found} bytes are there, {needed} are needed")]
    Truncated {
        /// Bytes of the whole structure; of a batch, its directory.
        needed: u64,
        /// Bytes that arrived.
        found: usize,
    },
    /// The first word must say what follows.
    #[error("must be {expected:#010x}, is {found:#010x}")]
    Magic {
        /// The word of this structure.
        expected: u32,
        /// The word that arrived.
        found: u32,
    },
    /// A version must be the one that exists; a handshake answers with incompatible.
    #[error("must be {expected}, is {found}")]
    Version {
        /// The version of this structure.
        expected: u16,
        /// The version that arrived.
        found: u16,
    },
    /// A header must state its true length.
    #[error("must be {expected}, is {found}")]
    HeaderLen {
        /// The length of this header.
        expected: u16,
        /// The length that it states.
        found: u16,
    },
    /// A message must be a request, a response or a control message.
    #[error("must be 1, 2 or 3, is {found}")]
    Kind {
        /// The kind that arrived.
        found: u16,
    },
    /// A reserved field must be zero.
    #[error("must be zero, is {found:#x}")]
    Zero {
        /// What stood there.
        found: u32,
    },
    /// A length must not be zero.
    #[error("must not be zero")]
    NotZero,
    /// An offset must be a multiple of `to`.
    #[error("must be a multiple of {to}, is {found}")]
    Aligned {
        /// The alignment.
        to: usize,
        /// The offset that arrived.
        found: u32,
    },
    /// An item must end inside the packed area.
    #[error("reaches byte {end} of a packed area of {limit}")]
    InBounds {
        /// Where the item would begin or end.
        end: u64,
        /// The bytes that are there.
        limit: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::{Rule, Structure, WireError};

    #[test]
    fn an_error_says_where_and_why() {
        let error = WireError::new(Structure::Hello, "padding", 28, Rule::Zero { found: 7 });
        assert_eq!(error.to_string(), "hello: padding at byte 28 must be zero, is 0x7");
        let error = WireError::new(Structure::Header, "message_id", 31, Rule::Truncated { needed: 32, found: 31 });
        assert_eq!(error.to_string(), "header: message_id at byte 31 is cut off: 31 bytes are there, 32 are needed");
    }
}
