//! What can be wrong with a payload, said exactly: which message, which field, at which byte, which rule.

use thiserror::Error;

/// A payload was refused: the field, the byte and the rule that it broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{message}.{field}, byte {offset}: {rule}")]
#[non_exhaustive]
pub struct DecodeError {
    /// The message, as declared.
    pub message: &'static str,
    /// Its field, or the part of the layout (`layout_version`, `flags`, `reserved`, `padding`, `end`).
    pub field: &'static str,
    /// The byte that is wrong, counted from the start of the payload.
    pub offset: usize,
    /// What is wrong with it.
    pub rule: Rule,
}

impl DecodeError {
    /// A fault whose field is not known yet; [`within`](Self::within) tells it on the way up.
    #[cold]
    pub(crate) const fn new(offset: usize, rule: Rule) -> Self {
        Self { message: "", field: "", offset, rule }
    }

    /// Names message and field, unless something further in has done so.
    #[cold]
    pub(crate) fn within(mut self, message: &'static str, field: &'static str) -> Self {
        if self.message.is_empty() {
            self.message = message;
            self.field = field;
        }
        self
    }

    /// Counts the offset from an enclosing structure that begins `by` bytes earlier.
    #[cold]
    pub(crate) const fn shifted(mut self, by: usize) -> Self {
        self.offset = self.offset.saturating_add(by);
        self
    }
}

/// A rule of a layout, with what was found instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rule {
    /// The fixed part, a directory or a table does not fit the bytes that are there.
    #[error("needs {needed} bytes, has {len}")]
    Truncated {
        /// Bytes that the structure needs.
        needed: usize,
        /// Bytes that are there.
        len: usize,
    },
    /// Another layout version than the declared one.
    #[error("must be {expected}, is {found}")]
    Version {
        /// The declared version.
        expected: u16,
        /// The version on the wire.
        found: u16,
    },
    /// A constant of the layout has another value.
    #[error("must be {expected}, is {found}")]
    Constant {
        /// The declared value.
        expected: u64,
        /// The value on the wire.
        found: u64,
    },
    /// Flags, reserved bytes, padding or the value of an absent option are not zero.
    #[error("must be zero")]
    NotZero,
    /// A bool or the flag of an option is neither 0 nor 1.
    #[error("must be 0 or 1, is {0}")]
    NotBool(u8),
    /// A closed enum has no variant of this value.
    #[error("no variant has the value {0}")]
    UnknownValue(i128),
    /// An offset or a length leads outside the structure, or into its fixed part.
    #[error("offset {offset} with length {length} leaves the structure")]
    OutOfBounds {
        /// The offset on the wire, counted as the layout counts it.
        offset: u32,
        /// The length (or number of elements) on the wire.
        length: u32,
    },
    /// A strict layout wants this part directly behind the one before.
    #[error("must stand at offset {expected}, stands at {found}")]
    Misplaced {
        /// The only offset that the layout allows here.
        expected: usize,
        /// The offset on the wire.
        found: usize,
    },
    /// An item's offset is no multiple of 8.
    #[error("offset {0} is no multiple of 8")]
    Misaligned(u32),
    /// The byte behind a string is not NUL.
    #[error("no NUL behind it")]
    MissingNul,
    /// A NUL inside a string that may hold none.
    #[error("NUL inside")]
    InteriorNul,
    /// Text that is not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Two strings or items share bytes.
    #[error("overlaps another part")]
    Overlap,
    /// Items do not ascend.
    #[error("out of order")]
    Descending,
    /// Bytes that belong to nothing.
    #[error("{0} bytes belong to nothing")]
    Unclaimed(usize),
    /// Shorter than `min` (bytes of text, elements of a list), or a number below it.
    #[error("below the minimum of {0}")]
    BelowMin(&'static str),
    /// Longer than `max`, or a number above it.
    #[error("above the maximum of {0}")]
    AboveMax(&'static str),
    /// An item of a directory has a length that the layout excludes.
    #[error("an item of {0} bytes")]
    ItemLength(usize),
    /// An owned copy would multiply in memory, because items overlap (docs/protocol.md, section 5.1).
    #[error("items of {0} bytes in all would multiply in an owned copy")]
    Amplified(usize),
    /// A `require` of the message does not hold.
    #[error("requires {0}")]
    Requires(&'static str),
    /// A text or list was set after something that stands behind it.
    #[error("set after something that stands behind it")]
    SetTooLate,
    /// More elements were pushed than were reserved, or than the count on the wire can tell.
    #[error("room for {0} elements only")]
    TooMany(usize),
}

/// A message could not be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The buffer is too small.
    #[error("needs a buffer of {needed} bytes")]
    Overflow {
        /// A buffer of this many bytes would have been enough.
        needed: usize,
    },
    /// The message is larger than offsets of 32 bits can tell.
    #[error("a message of {0} bytes is beyond 32-bit offsets")]
    TooLarge(usize),
    /// A field breaks a rule of the layout: nobody could decode the message.
    #[error("{message}.{field}: {rule}")]
    Invalid {
        /// The message, as declared.
        message: &'static str,
        /// Its field.
        field: &'static str,
        /// What is wrong with it.
        rule: Rule,
    },
}

/// An owned copy would be more than four times as large as the payload, because its items overlap.
///
/// Only layouts that tolerate `item_overlap` can do this (docs/protocol.md, section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{message}: {items} bytes of items in a payload of {payload}")]
#[non_exhaustive]
pub struct Amplified {
    /// The message, as declared.
    pub message: &'static str,
    /// What the items' lengths add up to.
    pub items: usize,
    /// The payload's length.
    pub payload: usize,
}
