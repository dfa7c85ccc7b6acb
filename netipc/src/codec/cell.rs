//! What a field, or an element of a list, is made of: [`Cell`].
//!
//! A cell has a place of fixed size and may own a tail in the variable part. Scalars, text, lists, options, tuples
//! and derived types are cells; the derive puts them together.

use core::fmt;

use super::build::Output;
use super::error::{DecodeError, Rule};
use super::prove::Prover;
use super::proven::Place;
use super::schema::Kind;
use crate::buf::Writer;

/// A value with a place of fixed size in a message.
///
/// Derived types implement it through the derive; it is not meant to be implemented by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no layout on the wire",
    label = "not a message, nor a type that one can hold",
    note = "derive `WireMessage` for it, or use one of the field types of the guide"
)]
pub trait Cell: 'static {
    /// Bytes in the fixed part.
    const SIZE: usize;
    /// Alignment in a natural layout, 8 at most.
    const ALIGN: usize;
    /// Whether every bit pattern is a value and nothing stands elsewhere: nothing to prove.
    const PLAIN: bool;
    /// Whether it may own bytes in the variable part.
    const TAIL: bool;
    /// The description in the schema.
    const KIND: Kind;
    /// How bytes behind an `{offset, length}` are to be read, for text.
    const TEXT: Option<Class> = None;
    /// Whether offsets inside it count from its own first byte.
    const ORIGIN: bool = false;
    /// Whether it can be proven without a slice of its own, inside another message.
    const SPREADS: bool = true;

    /// The value that owns its parts.
    type Owned;
    /// The value that borrows from the payload.
    type View<'a>: Copy;
    /// The value that a builder takes.
    type Part<'p>;
    /// The value that a `require` sees.
    type Probe;

    /// Proves the cell at byte `at` of the prover's bytes, whose offsets count from byte `base`.
    ///
    /// `cell` holds its `SIZE` bytes.
    ///
    /// # Errors
    /// The rule that does not hold.
    fn prove(cell: &[u8], at: usize, base: usize, prover: &mut Prover<'_>) -> Result<(), DecodeError>;

    /// The value at a proven place.
    fn view(place: Place<'_, Self>) -> Self::View<'_>;

    /// What a `require` sees of the cell's `SIZE` bytes.
    fn probe(cell: &[u8]) -> Self::Probe;

    /// Whether the bytes of a cell that nobody set are a value.
    ///
    /// # Errors
    /// The rule that they break.
    #[inline(always)]
    fn valid(cell: &[u8]) -> Result<(), Rule> {
        let _ = cell;
        Ok(())
    }

    /// An owned copy.
    fn to_owned(view: Self::View<'_>) -> Self::Owned;

    /// What a builder takes, borrowed from an owned value.
    fn part(owned: &Self::Owned) -> Self::Part<'_>;

    /// Writes the `SIZE` bytes of `cell`, which will stand at byte `at`, and the tail.
    fn write(part: Self::Part<'_>, cell: &mut [u8], at: usize, base: usize, out: &mut Output<'_>);

    /// Writes what has to stand in the tail of a cell that nobody set.
    fn write_unset(cell: &mut [u8], at: usize, base: usize, out: &mut Output<'_>) {
        let _ = (cell, at, base, out);
    }

    /// Subtracts `by` from all offsets of the cell at byte `at`, because its tail has moved down.
    fn lower(writer: &mut Writer<'_>, at: usize, by: u32) {
        let _ = (writer, at, by);
    }

    /// Prints a view for people.
    ///
    /// # Errors
    /// Those of the formatter.
    fn fmt(view: &Self::View<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// How the bytes of a text are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// UTF-8, a NUL behind it.
    Utf8,
    /// No NUL inside, a NUL behind it.
    CStr,
    /// Anything, a NUL behind it.
    NulBytes,
    /// Anything, nothing behind it.
    Bytes,
}

impl Class {
    /// The bytes behind the text that belong to it.
    #[inline]
    pub(crate) const fn terminator(self) -> usize {
        match self {
            Self::Bytes => 0,
            Self::Utf8 | Self::CStr | Self::NulBytes => 1,
        }
    }
}

/// What a `require` sees of a text or a list: how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent(pub(crate) u32);

impl Extent {
    /// Bytes of a text (without its NUL), elements of a list.
    #[inline]
    #[must_use]
    pub const fn len(self) -> usize {
        self.0 as usize
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The `N` bytes of `cell` from `at` on; zeros where it is too short, which no caller lets happen.
///
/// The callers' slices have a length that the compiler knows, so this is one load.
#[inline(always)]
pub(crate) fn load<const N: usize>(cell: &[u8], at: usize) -> [u8; N] {
    match cell.get(at..).and_then(<[u8]>::first_chunk::<N>) {
        Some(bytes) => *bytes,
        None => [0; N],
    }
}

/// The u32 of `cell` at byte `at`.
#[inline(always)]
pub(crate) fn load_u32(cell: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(load(cell, at))
}

/// The `{offset u32, length u32}` at the start of `cell`.
#[inline(always)]
pub(crate) fn slot(cell: &[u8]) -> (u32, u32) {
    (load_u32(cell, 0), load_u32(cell, 4))
}

/// Writes `bytes` into `cell` from byte `at` on, if they fit, as callers see to.
#[inline(always)]
pub(crate) fn store(cell: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(target) = cell.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len())) {
        target.copy_from_slice(bytes);
    }
}

/// Writes an `{offset u32, length u32}` at the start of `cell`.
#[inline(always)]
pub(crate) fn store_slot(cell: &mut [u8], offset: usize, length: usize) {
    store(cell, 0, &narrow(offset).to_ne_bytes());
    store(cell, 4, &narrow(length).to_ne_bytes());
}

/// A position as the wire has it. What does not fit saturates: such a message is refused as too large at its end.
#[inline(always)]
pub(crate) fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// A number from the wire as a position in memory; on machines where it has no room, one that no slice reaches.
#[inline(always)]
pub(crate) fn widen(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// What a `require` sees of the cell at byte `AT`.
#[inline(always)]
#[must_use]
pub fn probe<K: Cell, const AT: usize>(fixed: &[u8]) -> K::Probe {
    K::probe(fixed.get(AT..AT + K::SIZE).unwrap_or_default())
}

/// Prints a view through its cell.
pub struct Shown<'v, 'a, K: Cell>(&'v K::View<'a>);

/// A view to be printed.
#[must_use]
pub const fn shown<'v, 'a, K: Cell>(view: &'v K::View<'a>) -> Shown<'v, 'a, K> {
    Shown(view)
}

impl<K: Cell> fmt::Debug for Shown<'_, '_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        K::fmt(self.0, f)
    }
}
