//! The rules of a layout, as types: what the derive writes, and what proof, getters and builders all go by.
//!
//! A message's rules are a list `(First, (Second, (.., ())))`. The proof walks it once; a getter walks down the same
//! list to its field. There is no second place where an offset could be written differently.
#![expect(
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::exhaustive_structs,
    reason = "named by generated code alone; every error is the rule that does not hold"
)]

use core::marker::PhantomData;

use super::build::Core;
use super::cell::{Cell, Class, load_u32, slot, widen};
use super::error::{DecodeError, Rule as Broken};
use super::message::Structure;
use super::prove::{Prover, check_no_nul, check_nul, check_utf8, check_zero};
use super::spans::{Span, Spans};
use crate::buf::Writer;

/// Keeps rules to those that are written here and beside their views: the proof and the getters of a message both ask
/// them, and have to get the same answer.
pub(super) mod sealed {
    /// Implemented in this library and nowhere else.
    #[expect(unnameable_types, reason = "that is the point of a seal")]
    pub trait Sealed {}

    impl Sealed for () {}
    impl<H: Sealed, T: Sealed> Sealed for (H, T) {}
}

use sealed::Sealed;

/// One rule of a layout. Sealed.
pub trait Rule: Sealed + 'static {
    /// The strings to keep apart, with this one's added.
    type With<S: Spans>: Spans;
    /// Whether the rule can be kept without a slice of the message's own.
    const SPREADS: bool = true;
    /// Whether it owns a tail that is neither text nor a directory or table.
    const OTHER_TAIL: bool = false;
    /// Whether its proof looks at every byte of a tail.
    const SCANS: bool = false;
    /// Whether it is the tag of an enum that carries data.
    const TAGGED: bool = false;
    /// One bit for each field with a tail that is text.
    const TEXTS: u64 = 0;
    /// One bit for each other field with a tail.
    const TAILS: u64 = 0;

    /// Proves the rule for the fixed part `fixed`, which stands at byte `at` and counts offsets from byte `base`.
    fn prove<M: Structure, S: Spans>(
        fixed: &[u8],
        at: usize,
        base: usize,
        prover: &mut Prover<'_>,
        spans: S,
    ) -> Result<Self::With<S>, DecodeError>;

    /// Where the text of this field ends, its NUL included; 0 for anything else.
    #[inline(always)]
    fn text_end(fixed: &[u8]) -> usize {
        let _ = fixed;
        0
    }

    /// Whether a fixed part that was put together field by field has a value here.
    #[inline(always)]
    fn valid(fixed: &[u8]) -> Result<(), (usize, Broken)> {
        let _ = fixed;
        Ok(())
    }

    /// Writes what stands in the tail of a field below `limit` that nobody set.
    fn settle<M: Structure>(fixed: &mut [u8], core: &mut Core<'_>, limit: u32) {
        let _ = (fixed, core, limit);
    }

    /// The offset of this text, if it is field `index`.
    fn text_start(fixed: &[u8], index: u32) -> usize {
        let _ = (fixed, index);
        0
    }

    /// Makes room for text of `by` bytes in front of this one, if it is text behind field `index`.
    fn raise_text(fixed: &mut [u8], index: u32, set: u64, by: i64) {
        let _ = (fixed, index, set, by);
    }

    /// Subtracts `by` from the offsets of the fixed part at byte `at`.
    fn lower(writer: &mut Writer<'_>, at: usize, by: u32) {
        let _ = (writer, at, by);
    }
}

/// `fixed[AT..AT + K::SIZE]`.
#[inline(always)]
pub(super) fn cell_at<K: Cell, const AT: usize>(fixed: &[u8]) -> &[u8] {
    fixed.get(AT..AT + K::SIZE).unwrap_or_default()
}

#[cold]
fn in_field<M: Structure>(error: DecodeError, fixed: &[u8], at: usize) -> DecodeError {
    if error.field.is_empty() {
        error.within(M::NAME, M::field_at(fixed, at))
    } else {
        let field = error.field;
        error.within(M::NAME, field)
    }
}

/// A cell at byte `AT`; `INDEX` is its place among the fields that may have a tail.
#[derive(Debug)]
pub struct Field<const AT: usize, const INDEX: u32, K>(PhantomData<K>);

impl<const AT: usize, const INDEX: u32, K: Cell> Sealed for Field<AT, INDEX, K> {}

impl<const AT: usize, const INDEX: u32, K: Cell> Rule for Field<AT, INDEX, K> {
    type With<S: Spans> = S;
    const OTHER_TAIL: bool = K::TAIL;
    const SCANS: bool = K::TAIL;
    const TAILS: u64 = if K::TAIL { 1 << INDEX } else { 0 };

    #[inline(always)]
    fn prove<M: Structure, S: Spans>(
        fixed: &[u8],
        at: usize,
        base: usize,
        prover: &mut Prover<'_>,
        spans: S,
    ) -> Result<S, DecodeError> {
        const { assert!(AT + K::SIZE <= M::SIZE, "a field reaches beyond the fixed part") };
        const { assert!(INDEX < u64::BITS, "at most 64 fields of one message can have a tail") };
        if !K::PLAIN {
            K::prove(cell_at::<K, AT>(fixed), at + AT, base, prover)
                .map_err(|error| in_field::<M>(error, fixed, AT))?;
        }
        Ok(spans)
    }

    #[inline(always)]
    fn valid(fixed: &[u8]) -> Result<(), (usize, Broken)> {
        K::valid(cell_at::<K, AT>(fixed)).map_err(|broken| (AT, broken))
    }

    fn settle<M: Structure>(fixed: &mut [u8], core: &mut Core<'_>, limit: u32) {
        if !K::TAIL || INDEX >= limit || core.is_set(INDEX) {
            return;
        }
        if let Some(cell) = fixed.get_mut(AT..AT + K::SIZE) {
            K::write_unset(cell, core.at + AT, core.base, &mut core.out);
        }
        core.mark(INDEX);
    }

    fn lower(writer: &mut Writer<'_>, at: usize, by: u32) {
        K::lower(writer, at + AT, by);
    }
}

/// Text whose `{offset, length}` stands at byte `AT`.
#[derive(Debug)]
pub struct Text<const AT: usize, const INDEX: u32, K>(PhantomData<K>);

impl<const AT: usize, const INDEX: u32, K: Cell> Text<AT, INDEX, K> {
    const CLASS: Class = match K::TEXT {
        Some(class) => class,
        None => panic!("not text"),
    };

    /// The proof where strings may stand in any order, or with anything between them; right for whole messages only.
    #[inline(always)]
    fn prove_loose<M: Structure, S: Spans>(
        cell: &[u8],
        prover: &mut Prover<'_>,
        spans: S,
    ) -> Result<(Span, S), DecodeError> {
        let bytes = prover.bytes();
        let (offset, length) = slot(cell);
        let start = widen(offset);
        let end = start.saturating_add(widen(length));
        if start < M::SIZE {
            return Err(DecodeError::new(AT, Broken::OutOfBounds { offset, length }));
        }
        match Self::CLASS {
            Class::Bytes if end > bytes.len() => {
                return Err(DecodeError::new(AT, Broken::OutOfBounds { offset, length }));
            }
            Class::Bytes => {}
            _ => check_nul(bytes, AT, offset, length, end)?,
        }
        match Self::CLASS {
            Class::Utf8 => check_utf8(bytes, start, end)?,
            Class::CStr => check_no_nul(bytes, start, end)?,
            Class::Bytes | Class::NulBytes => {}
        }
        let end = end + Self::CLASS.terminator();
        if M::TOLERATE.string_order {
            if !spans.clear_of(start, end) {
                return Err(DecodeError::new(start, Broken::Overlap));
            }
            prover.cursor = prover.cursor.max(end);
        } else {
            if start < prover.cursor {
                return Err(DecodeError::new(start, Broken::Overlap));
            }
            prover.cursor = end;
        }
        prover.claimed += end - start;
        Ok(((start, end), spans))
    }
}

impl<const AT: usize, const INDEX: u32, K: Cell> Sealed for Text<AT, INDEX, K> {}

impl<const AT: usize, const INDEX: u32, K: Cell> Rule for Text<AT, INDEX, K> {
    type With<S: Spans> = (Span, S);
    const SCANS: bool = matches!(Self::CLASS, Class::Utf8 | Class::CStr);
    const TEXTS: u64 = 1 << INDEX;

    #[inline(always)]
    fn prove<M: Structure, S: Spans>(
        fixed: &[u8],
        at: usize,
        base: usize,
        prover: &mut Prover<'_>,
        spans: S,
    ) -> Result<(Span, S), DecodeError> {
        const { assert!(AT + K::SIZE <= M::SIZE, "a field reaches beyond the fixed part") };
        const { assert!(INDEX < u64::BITS, "at most 64 fields of one message can have a tail") };
        let cell = cell_at::<K, AT>(fixed);
        if M::TOLERATE.loose_text() {
            Self::prove_loose::<M, S>(cell, prover, spans).map_err(|error| in_field::<M>(error, fixed, AT))
        } else {
            prover.text(Self::CLASS, cell, at + AT, base).map_err(|error| in_field::<M>(error, fixed, AT))?;
            Ok(((0, 0), spans))
        }
    }

    #[inline(always)]
    fn text_end(fixed: &[u8]) -> usize {
        let (offset, length) = slot(cell_at::<K, AT>(fixed));
        widen(offset).saturating_add(widen(length)).saturating_add(Self::CLASS.terminator())
    }

    fn settle<M: Structure>(fixed: &mut [u8], core: &mut Core<'_>, limit: u32) {
        if INDEX >= limit || core.is_set(INDEX) {
            return;
        }
        core.splice::<M>(fixed, AT, INDEX, &[], Self::CLASS.terminator() == 1);
    }

    fn text_start(fixed: &[u8], index: u32) -> usize {
        if index == INDEX { widen(load_u32(fixed, AT)) } else { 0 }
    }

    fn raise_text(fixed: &mut [u8], index: u32, set: u64, by: i64) {
        if INDEX > index && set & (1 << INDEX) != 0 {
            let offset = i64::from(load_u32(fixed, AT)).saturating_add(by);
            super::cell::store(fixed, AT, &u32::try_from(offset).unwrap_or(u32::MAX).to_ne_bytes());
        }
    }

    fn lower(writer: &mut Writer<'_>, at: usize, by: u32) {
        K::lower(writer, at + AT, by);
    }
}

/// `u16 layout_version = VERSION, u16 flags = 0` in the first four bytes.
#[derive(Debug)]
pub struct Version<const VERSION: u16>;

impl<const VERSION: u16> Version<VERSION> {
    #[cold]
    fn broken<M: Structure>(fixed: &[u8], at: usize) -> DecodeError {
        let found = u16::from_ne_bytes(super::cell::load(fixed, 0));
        if found == VERSION {
            DecodeError::new(at + 2, Broken::NotZero).within(M::NAME, "flags")
        } else {
            DecodeError::new(at, Broken::Version { expected: VERSION, found }).within(M::NAME, "layout_version")
        }
    }
}

impl<const VERSION: u16> Sealed for Version<VERSION> {}

impl<const VERSION: u16> Rule for Version<VERSION> {
    type With<S: Spans> = S;

    #[inline(always)]
    fn prove<M: Structure, S: Spans>(
        fixed: &[u8],
        at: usize,
        _: usize,
        _: &mut Prover<'_>,
        spans: S,
    ) -> Result<S, DecodeError> {
        const { assert!(M::SIZE >= 4, "no room for a version") };
        let mut expected = [0; 4];
        (expected[0], expected[1]) = (VERSION.to_ne_bytes()[0], VERSION.to_ne_bytes()[1]);
        if load_u32(fixed, 0) == u32::from_ne_bytes(expected) { Ok(spans) } else { Err(Self::broken::<M>(fixed, at)) }
    }
}

/// An unsigned integer of `WIDTH` bytes at byte `AT` that is always `VALUE`.
#[derive(Debug)]
pub struct Constant<const AT: usize, const WIDTH: usize, const VALUE: u64>;

impl<const AT: usize, const WIDTH: usize, const VALUE: u64> Sealed for Constant<AT, WIDTH, VALUE> {}

impl<const AT: usize, const WIDTH: usize, const VALUE: u64> Rule for Constant<AT, WIDTH, VALUE> {
    type With<S: Spans> = S;

    #[inline(always)]
    fn prove<M: Structure, S: Spans>(
        fixed: &[u8],
        at: usize,
        _: usize,
        _: &mut Prover<'_>,
        spans: S,
    ) -> Result<S, DecodeError> {
        const { assert!(AT + WIDTH <= M::SIZE, "a constant reaches beyond the fixed part") };
        let found = unsigned(fixed, AT, WIDTH);
        if found == VALUE {
            Ok(spans)
        } else {
            Err(in_field::<M>(DecodeError::new(at + AT, Broken::Constant { expected: VALUE, found }), fixed, AT))
        }
    }
}

/// The unsigned integer of `width` bytes at byte `at`.
#[inline(always)]
pub(super) fn unsigned(fixed: &[u8], at: usize, width: usize) -> u64 {
    match width {
        1 => fixed.get(at).copied().unwrap_or_default().into(),
        2 => u16::from_ne_bytes(super::cell::load(fixed, at)).into(),
        4 => load_u32(fixed, at).into(),
        _ => u64::from_ne_bytes(super::cell::load(fixed, at)),
    }
}

/// Zeros from byte `AT` up to byte `END`: reserved bytes, or padding.
#[derive(Debug)]
pub struct Zero<const AT: usize, const END: usize>;

impl<const AT: usize, const END: usize> Sealed for Zero<AT, END> {}

impl<const AT: usize, const END: usize> Rule for Zero<AT, END> {
    type With<S: Spans> = S;

    #[inline(always)]
    fn prove<M: Structure, S: Spans>(
        fixed: &[u8],
        at: usize,
        _: usize,
        _: &mut Prover<'_>,
        spans: S,
    ) -> Result<S, DecodeError> {
        const { assert!(AT <= END && END <= M::SIZE, "padding reaches beyond the fixed part") };
        if AT < END {
            check_zero(fixed.get(AT..END).unwrap_or_default(), at + AT)
                .map_err(|error| in_field::<M>(error, fixed, AT))?;
        }
        Ok(spans)
    }
}
