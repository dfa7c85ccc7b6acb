//! Tables, as Netdata's lookups have them for labels: a count in the fixed part; rows of `{offset, length}` pairs at the
//! next multiple of 8 behind the text before them, zeros between; the rows' strings behind the rows, in their order.

use core::marker::PhantomData;

use super::build::Form;
use super::cell::Extent;
use super::error::{DecodeError, Rule as Broken};
use super::frame::Frame;
use super::list::{OpenList, RecordsBuilder, Table};
use super::message::{Structure, prove_spread};
use super::prove::Prover;
use super::proven::Fields;
use super::rule::sealed::Sealed;
use super::rule::{self, unsigned};
use super::rules::Rules;
use super::spans::Spans;
use crate::buf::align_up;

/// A table of `E` whose count of `WIDTH` bytes stands at byte `COUNT_AT`.
#[derive(Debug)]
pub struct Rule<const COUNT_AT: usize, const WIDTH: usize, const INDEX: u32, E>(PhantomData<E>);

/// Where the table of an `M` begins: proof and getter both ask here.
#[inline(always)]
pub(super) fn start<M: Structure>(fixed: &[u8]) -> usize {
    align_up(M::Rules::text_end(fixed).max(M::SIZE), 8)
}

#[cold]
fn fault<M: Structure>(error: DecodeError, count_at: usize) -> DecodeError {
    error.within(M::NAME, M::LAYOUT.field_at(count_at))
}

impl<const COUNT_AT: usize, const WIDTH: usize, const INDEX: u32, E: Structure> Rule<COUNT_AT, WIDTH, INDEX, E> {
    fn prove_rows<M: Structure>(fixed: &[u8], prover: &mut Prover<'_>, count: u64) -> Result<(), DecodeError> {
        let bytes = prover.bytes();
        let start = start::<M>(fixed);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let end = start.saturating_add(count.saturating_mul(E::SIZE));
        let Some(rows) = bytes.get(start..end) else {
            return Err(DecodeError::new(COUNT_AT, Broken::Truncated { needed: end, len: bytes.len() }));
        };
        prover.sweep()?;
        prover.padding(start)?;
        prover.cursor = end;
        let mut at = start;
        for row in rows.chunks_exact(E::SIZE) {
            prove_spread::<E>(row, at, 0, prover)?;
            at += E::SIZE;
        }
        Ok(())
    }
}

impl<const COUNT_AT: usize, const WIDTH: usize, const INDEX: u32, E: Structure> Sealed
    for Rule<COUNT_AT, WIDTH, INDEX, E>
{
}

impl<const COUNT_AT: usize, const WIDTH: usize, const INDEX: u32, E: Structure> rule::Rule
    for Rule<COUNT_AT, WIDTH, INDEX, E>
{
    type With<S: Spans> = S;
    const SPREADS: bool = false;
    const SCANS: bool = true;
    const TAILS: u64 = 1 << INDEX;

    #[inline(always)]
    fn prove<M: Structure, S: Spans>(
        fixed: &[u8],
        _: usize,
        _: usize,
        prover: &mut Prover<'_>,
        spans: S,
    ) -> Result<S, DecodeError> {
        const {
            assert!(COUNT_AT + WIDTH <= M::SIZE, "a count reaches beyond the fixed part");
            assert!(E::SIZE > 0, "a table of rows without size has no length in bytes");
            assert!(!E::Rules::OTHER_TAIL, "the rows of a table hold text and numbers only");
            assert!(M::Rules::TAILS.count_ones() == 1, "a message can hold one table");
        }
        let count = unsigned(fixed, COUNT_AT, WIDTH);
        if count != 0 {
            Self::prove_rows::<M>(fixed, prover, count).map_err(|error| fault::<M>(error, COUNT_AT))?;
        }
        Ok(spans)
    }
}

/// What a `require` sees of a table or a directory.
#[inline(always)]
#[must_use]
pub fn probe_count(fixed: &[u8], at: usize, width: usize) -> Extent {
    Extent(u32::try_from(unsigned(fixed, at, width)).unwrap_or(u32::MAX))
}

impl<'a, M, E, T, const COUNT_AT: usize, const WIDTH: usize, const INDEX: u32>
    Fields<'a, M, (Rule<COUNT_AT, WIDTH, INDEX, E>, T)>
where
    M: Structure,
    E: Structure,
{
    /// The table of the first rule.
    #[inline(always)]
    #[must_use]
    pub fn head(self) -> Table<'a, E> {
        Table(self.rows())
    }
}

impl<'w, M: Structure> Frame<'w, M> {
    /// Opens the table whose count of `WIDTH` bytes is at byte `COUNT_AT`, with room for `reserved` rows.
    #[inline(always)]
    pub fn table<E: Structure, const COUNT_AT: usize, const WIDTH: usize, const INDEX: u32>(
        &mut self,
        reserved: usize,
    ) -> RecordsBuilder<'_, 'w, E> {
        RecordsBuilder::new(OpenList(self.open::<E>(Form::Table, INDEX, COUNT_AT, WIDTH, reserved), Form::Table))
    }
}
