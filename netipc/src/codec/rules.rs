//! Lists of rules: `(First, (Second, (.., ())))`, walked by the proof, and by getters on their way down to a field.
#![expect(
    clippy::missing_errors_doc,
    reason = "named by generated code alone; every error is the rule that does not hold"
)]

use core::marker::PhantomData;

use super::build::Core;
use super::error::{DecodeError, Rule as Broken};
use super::message::Structure;
use super::prove::Prover;
use super::rule::Rule;
use super::rule::sealed::Sealed;
use super::spans::Spans;
use crate::buf::Writer;

/// A list of rules. Sealed.
pub trait Rules: Sealed + 'static {
    /// See [`Rule::SPREADS`].
    const SPREADS: bool;
    /// See [`Rule::OTHER_TAIL`].
    const OTHER_TAIL: bool;
    /// See [`Rule::SCANS`].
    const SCANS: bool;
    /// See [`Rule::TAGGED`].
    const TAGGED: bool;
    /// See [`Rule::TEXTS`].
    const TEXTS: u64;
    /// See [`Rule::TAILS`].
    const TAILS: u64;
    /// See [`Rule::With`].
    type With<S: Spans>: Spans;

    /// See [`Rule::prove`].
    fn prove<M: Structure, S: Spans>(
        fixed: &[u8],
        at: usize,
        base: usize,
        prover: &mut Prover<'_>,
        spans: S,
    ) -> Result<Self::With<S>, DecodeError>;
    /// Where the last text of the fixed part ends.
    fn text_end(fixed: &[u8]) -> usize;
    /// See [`Rule::valid`].
    fn valid(fixed: &[u8]) -> Result<(), (usize, Broken)>;
    /// See [`Rule::settle`].
    fn settle<M: Structure>(fixed: &mut [u8], core: &mut Core<'_>, limit: u32);
    /// See [`Rule::text_start`].
    fn text_start(fixed: &[u8], index: u32) -> usize;
    /// See [`Rule::raise_text`].
    fn raise_text(fixed: &mut [u8], index: u32, set: u64, by: i64);
    /// See [`Rule::lower`].
    fn lower(writer: &mut Writer<'_>, at: usize, by: u32);
}

impl Rules for () {
    const SPREADS: bool = true;
    const OTHER_TAIL: bool = false;
    const SCANS: bool = false;
    const TAGGED: bool = false;
    const TEXTS: u64 = 0;
    const TAILS: u64 = 0;
    type With<S: Spans> = S;

    #[inline(always)]
    fn prove<M: Structure, S: Spans>(
        _: &[u8],
        _: usize,
        _: usize,
        _: &mut Prover<'_>,
        spans: S,
    ) -> Result<S, DecodeError> {
        Ok(spans)
    }

    #[inline(always)]
    fn text_end(_: &[u8]) -> usize {
        0
    }

    #[inline(always)]
    fn valid(_: &[u8]) -> Result<(), (usize, Broken)> {
        Ok(())
    }

    fn settle<M: Structure>(_: &mut [u8], _: &mut Core<'_>, _: u32) {}
    fn text_start(_: &[u8], _: u32) -> usize {
        0
    }
    fn raise_text(_: &mut [u8], _: u32, _: u64, _: i64) {}
    fn lower(_: &mut Writer<'_>, _: usize, _: u32) {}
}

impl<H: Rule, T: Rules> Rules for (H, T) {
    const SPREADS: bool = H::SPREADS && T::SPREADS;
    const OTHER_TAIL: bool = H::OTHER_TAIL || T::OTHER_TAIL;
    const SCANS: bool = H::SCANS || T::SCANS;
    const TAGGED: bool = H::TAGGED || T::TAGGED;
    const TEXTS: u64 = H::TEXTS | T::TEXTS;
    const TAILS: u64 = H::TAILS | T::TAILS;
    type With<S: Spans> = T::With<H::With<S>>;

    #[inline(always)]
    fn prove<M: Structure, S: Spans>(
        fixed: &[u8],
        at: usize,
        base: usize,
        prover: &mut Prover<'_>,
        spans: S,
    ) -> Result<Self::With<S>, DecodeError> {
        let spans = H::prove::<M, S>(fixed, at, base, prover, spans)?;
        T::prove::<M, H::With<S>>(fixed, at, base, prover, spans)
    }

    #[inline(always)]
    fn text_end(fixed: &[u8]) -> usize {
        H::text_end(fixed).max(T::text_end(fixed))
    }

    #[inline(always)]
    fn valid(fixed: &[u8]) -> Result<(), (usize, Broken)> {
        H::valid(fixed)?;
        T::valid(fixed)
    }

    fn settle<M: Structure>(fixed: &mut [u8], core: &mut Core<'_>, limit: u32) {
        H::settle::<M>(fixed, core, limit);
        T::settle::<M>(fixed, core, limit);
    }

    fn text_start(fixed: &[u8], index: u32) -> usize {
        H::text_start(fixed, index).max(T::text_start(fixed, index))
    }

    fn raise_text(fixed: &mut [u8], index: u32, set: u64, by: i64) {
        H::raise_text(fixed, index, set, by);
        T::raise_text(fixed, index, set, by);
    }

    fn lower(writer: &mut Writer<'_>, at: usize, by: u32) {
        H::lower(writer, at, by);
        T::lower(writer, at, by);
    }
}

/// Some of a message's rules as one: a list of lists is not as deep as the compiler's patience.
#[derive(Debug)]
pub struct Group<R>(PhantomData<R>);

impl<R: Rules> Sealed for Group<R> {}

impl<R: Rules> Rule for Group<R> {
    type With<S: Spans> = R::With<S>;
    const SPREADS: bool = R::SPREADS;
    const OTHER_TAIL: bool = R::OTHER_TAIL;
    const SCANS: bool = R::SCANS;
    const TAGGED: bool = R::TAGGED;
    const TEXTS: u64 = R::TEXTS;
    const TAILS: u64 = R::TAILS;

    #[inline(always)]
    fn prove<M: Structure, S: Spans>(
        fixed: &[u8],
        at: usize,
        base: usize,
        prover: &mut Prover<'_>,
        spans: S,
    ) -> Result<R::With<S>, DecodeError> {
        R::prove::<M, S>(fixed, at, base, prover, spans)
    }

    #[inline(always)]
    fn text_end(fixed: &[u8]) -> usize {
        R::text_end(fixed)
    }

    #[inline(always)]
    fn valid(fixed: &[u8]) -> Result<(), (usize, Broken)> {
        R::valid(fixed)
    }

    fn settle<M: Structure>(fixed: &mut [u8], core: &mut Core<'_>, limit: u32) {
        R::settle::<M>(fixed, core, limit);
    }

    fn text_start(fixed: &[u8], index: u32) -> usize {
        R::text_start(fixed, index)
    }

    fn raise_text(fixed: &mut [u8], index: u32, set: u64, by: i64) {
        R::raise_text(fixed, index, set, by);
    }

    fn lower(writer: &mut Writer<'_>, at: usize, by: u32) {
        R::lower(writer, at, by);
    }
}
