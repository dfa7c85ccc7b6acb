//! Enums that carry data, as a rule: a tag, then the fields of the variant that it names.
#![expect(
    clippy::missing_errors_doc,
    reason = "named by generated code alone; every error is the rule that does not hold"
)]

use core::marker::PhantomData;

use super::build::Core;
use super::cell::Cell;
use super::error::{DecodeError, Rule as Broken};
use super::message::Structure;
use super::prove::Prover;
use super::rule::Rule;
use super::rule::sealed::Sealed;
use super::rules::Rules;
use super::spans::Spans;
use crate::buf::Writer;

/// An enum that carries data: a tag of the integer `R`, then the fields of one of the variants `V`.
#[derive(Debug)]
pub struct Tagged<R, V>(PhantomData<(R, V)>);

/// The variant with the tag `TAG`, whose fields are `R`.
#[derive(Debug)]
pub struct Variant<const TAG: i128, R>(PhantomData<R>);

/// An integer that tells variants apart.
///
/// Sealed, as rules are.
pub trait Tag: Cell + Sealed {
    /// The tag that a cell holds.
    fn tag(cell: &[u8]) -> i128;
    /// The tag that was written at byte `at`.
    fn written(writer: &Writer<'_>, at: usize) -> i128;
}

/// A list of variants. Sealed, as rules are.
pub trait Variants: Sealed + 'static {
    /// Whether any variant has a tail.
    const TAIL: bool;
    /// Proves the variant that `tag` names.
    fn prove<M: Structure>(
        tag: i128,
        fixed: &[u8],
        at: usize,
        base: usize,
        prover: &mut Prover<'_>,
    ) -> Result<(), DecodeError>;
    /// Writes what stands in the tails of the variant that `tag` names, none of its fields being set.
    fn settle<M: Structure>(tag: i128, fixed: &mut [u8], core: &mut Core<'_>);
    /// See [`Rule::valid`].
    fn valid(tag: i128, fixed: &[u8]) -> Result<(), (usize, Broken)>;
    /// Lowers the offsets of the variant that `tag` names.
    fn lower(tag: i128, writer: &mut Writer<'_>, at: usize, by: u32);
}

impl<const TAG: i128, R: Rules> Sealed for Variant<TAG, R> {}
impl<R: Tag, V: Variants> Sealed for Tagged<R, V> {}

impl Variants for () {
    const TAIL: bool = false;

    fn prove<M: Structure>(tag: i128, _: &[u8], at: usize, _: usize, _: &mut Prover<'_>) -> Result<(), DecodeError> {
        Err(DecodeError::new(at, Broken::UnknownValue(tag)).within(M::NAME, "tag"))
    }

    fn settle<M: Structure>(_: i128, _: &mut [u8], _: &mut Core<'_>) {}

    fn valid(tag: i128, _: &[u8]) -> Result<(), (usize, Broken)> {
        Err((0, Broken::UnknownValue(tag)))
    }

    fn lower(_: i128, _: &mut Writer<'_>, _: usize, _: u32) {}
}

impl<const TAG: i128, R: Rules, T: Variants> Variants for (Variant<TAG, R>, T) {
    const TAIL: bool = R::OTHER_TAIL || R::TEXTS != 0 || T::TAIL;

    #[inline]
    fn prove<M: Structure>(
        tag: i128,
        fixed: &[u8],
        at: usize,
        base: usize,
        prover: &mut Prover<'_>,
    ) -> Result<(), DecodeError> {
        const { assert!(R::SPREADS) };
        if tag == TAG {
            R::prove::<M, ()>(fixed, at, base, prover, ()).map(|_| ())
        } else {
            T::prove::<M>(tag, fixed, at, base, prover)
        }
    }

    fn settle<M: Structure>(tag: i128, fixed: &mut [u8], core: &mut Core<'_>) {
        if tag == TAG { R::settle::<M>(fixed, core, u64::BITS) } else { T::settle::<M>(tag, fixed, core) }
    }

    fn valid(tag: i128, fixed: &[u8]) -> Result<(), (usize, Broken)> {
        if tag == TAG { R::valid(fixed) } else { T::valid(tag, fixed) }
    }

    fn lower(tag: i128, writer: &mut Writer<'_>, at: usize, by: u32) {
        if tag == TAG { R::lower(writer, at, by) } else { T::lower(tag, writer, at, by) }
    }
}

impl<R: Tag, V: Variants> Rule for Tagged<R, V> {
    type With<S: Spans> = S;
    const OTHER_TAIL: bool = V::TAIL;
    const SCANS: bool = V::TAIL;
    const TAGGED: bool = true;

    #[inline]
    fn prove<M: Structure, S: Spans>(
        fixed: &[u8],
        at: usize,
        base: usize,
        prover: &mut Prover<'_>,
        spans: S,
    ) -> Result<S, DecodeError> {
        const { assert!(R::SIZE <= M::SIZE) };
        V::prove::<M>(R::tag(fixed), fixed, at, base, prover)?;
        Ok(spans)
    }

    fn settle<M: Structure>(fixed: &mut [u8], core: &mut Core<'_>, _: u32) {
        if !core.chosen {
            V::settle::<M>(R::tag(fixed), fixed, core);
        }
    }

    fn valid(fixed: &[u8]) -> Result<(), (usize, Broken)> {
        V::valid(R::tag(fixed), fixed)
    }

    fn lower(writer: &mut Writer<'_>, at: usize, by: u32) {
        V::lower(R::written(writer, at), writer, at, by);
    }
}

/// Where a getter of an enum with data ends up when no variant has the tag: the proof let no such tag pass.
///
/// # Panics
/// Always; it can't be reached.
#[cold]
#[expect(clippy::panic, reason = "can't be reached: the proof of a tag is that one variant has it")]
pub fn no_variant() -> ! {
    panic!("a proven tag names no variant")
}
