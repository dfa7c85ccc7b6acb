//! Directories: a count in the fixed part, `{offset u32, length u32}` an item right behind it, then the packed area that
//! offsets count from. An item has a slice of its own, so its proof is that of a whole message or text.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use std::ffi::CString;

use super::build::{Core, Form};
use super::cell::{slot, widen};
use super::error::{Amplified, DecodeError, Rule as Broken};
use super::frame::Frame;
use super::list::{OpenList, RecordsBuilder};
use super::message::{Structure, prove_whole};
use super::prove::{Prover, check_no_nul, check_zero};
use super::proven::{Entries, Fields, Whole};
use super::rule::sealed::Sealed;
use super::rule::{self, unsigned};
use super::schema::Kind;
use super::spans::Spans;
use crate::buf::align_up;

/// How much larger than its payload an owned copy may be (docs/protocol.md, section 5.1).
const AMPLIFICATION: usize = 4;

/// What can stand in a directory: it has a slice of its own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't stand in a directory",
    note = "a directory holds messages or `CString`s"
)]
pub trait Item: 'static {
    /// The value that owns its parts.
    type Owned;
    /// The value that borrows from the payload.
    type View<'a>: Copy;
    /// The description in the schema.
    const KIND: Kind;
    /// Whether copies of it can be larger than its bytes.
    const AMPLIFIES: bool;
    /// Whether its proof looks at every byte of it, which items that overlap can't afford.
    const SCANS: bool;

    /// Proves that `bytes` are one item from the first to the last; text within `min..=max` bytes.
    ///
    /// # Errors
    /// The rule that does not hold, offsets counted from the start of `bytes`.
    fn prove(bytes: &[u8], exact: bool, min: usize, max: usize) -> Result<(), DecodeError>;
    /// The value of a proven item.
    fn view(whole: Whole<'_, Self>) -> Self::View<'_>;
    /// An owned copy.
    fn to_owned(view: Self::View<'_>) -> Self::Owned;
    /// Prints a view for people.
    ///
    /// # Errors
    /// Those of the formatter.
    fn fmt(view: &Self::View<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    /// Pushes an owned value.
    fn push(core: &mut Core<'_>, owned: &Self::Owned);
}

impl<M: Structure> Item for M {
    type Owned = M;
    type View<'a> = M::View<'a>;
    const KIND: Kind = Kind::Message(M::LAYOUT);
    const AMPLIFIES: bool = M::TOLERATE.item_overlap;
    const SCANS: bool = <M::Rules as super::rules::Rules>::SCANS;

    #[inline(always)]
    fn prove(bytes: &[u8], exact: bool, _: usize, _: usize) -> Result<(), DecodeError> {
        prove_whole::<M>(bytes, exact)
    }

    #[inline(always)]
    fn view(whole: Whole<'_, M>) -> M::View<'_> {
        M::view(whole.place())
    }

    fn to_owned(view: M::View<'_>) -> M {
        M::to_owned(view)
    }

    fn fmt(view: &M::View<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(view, f)
    }

    #[inline(always)]
    fn push(core: &mut Core<'_>, owned: &M) {
        RecordsBuilder::<M>::new(OpenList(core, Form::Directory)).push_value(owned);
    }
}

/// A text with its NUL, as keys of lookups are.
impl Item for CString {
    type Owned = Self;
    type View<'a> = &'a core::ffi::CStr;
    const KIND: Kind = Kind::CStr;
    const AMPLIFIES: bool = false;
    const SCANS: bool = true;

    #[inline]
    fn prove(bytes: &[u8], _: bool, min: usize, max: usize) -> Result<(), DecodeError> {
        let Some((nul, text)) = bytes.split_last() else {
            return Err(DecodeError::new(0, Broken::ItemLength(0)));
        };
        if text.len() < min || text.len() > max {
            return Err(DecodeError::new(0, Broken::ItemLength(bytes.len())));
        }
        if *nul != 0 {
            return Err(DecodeError::new(text.len(), Broken::MissingNul));
        }
        check_no_nul(bytes, 0, text.len())
    }

    #[inline(always)]
    fn view(whole: Whole<'_, Self>) -> &core::ffi::CStr {
        whole.c_str()
    }

    fn to_owned(view: &core::ffi::CStr) -> Self {
        view.into()
    }

    fn fmt(view: &&core::ffi::CStr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        <Self as super::cell::Cell>::fmt(view, f)
    }

    fn push(core: &mut Core<'_>, owned: &Self) {
        KeysBuilder { core }.push(owned);
    }
}

/// A directory of `I` whose count of `WIDTH` bytes stands at byte `COUNT_AT`; text items of `MIN..=MAX` bytes.
#[derive(Debug)]
pub struct Rule<
    const COUNT_AT: usize,
    const WIDTH: usize,
    const INDEX: u32,
    const MIN: usize,
    const MAX: usize,
    I: ?Sized,
>(PhantomData<I>);

#[cold]
fn fault<M: Structure>(error: DecodeError, count_at: usize) -> DecodeError {
    error.within(M::NAME, M::LAYOUT.field_at(count_at))
}

impl<const COUNT_AT: usize, const WIDTH: usize, const INDEX: u32, const MIN: usize, const MAX: usize, I: Item>
    Rule<COUNT_AT, WIDTH, INDEX, MIN, MAX, I>
{
    /// The proof of the entries; tells where the packed area begins and its last item ends.
    #[inline]
    fn prove_entries<M: Structure>(bytes: &[u8], count: u64, exact: bool) -> Result<usize, DecodeError> {
        let rest = bytes.get(M::SIZE..).unwrap_or_default();
        let room = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(8);
        let Some((entries, area)) = rest.split_at_checked(room) else {
            let needed = M::SIZE.saturating_add(room);
            return Err(DecodeError::new(COUNT_AT, Broken::Truncated { needed, len: bytes.len() }));
        };
        let packed = M::SIZE + room;
        let mut end = 0;
        for (index, entry) in entries.chunks_exact(8).enumerate() {
            let (offset, length) = slot(entry);
            let at = || M::SIZE + 8 * index;
            let start = widen(offset);
            if start % 8 != 0 {
                return Err(DecodeError::new(at(), Broken::Misaligned(offset)));
            }
            let Some(item) = start.checked_add(widen(length)).and_then(|end| area.get(start..end)) else {
                return Err(DecodeError::new(at(), Broken::OutOfBounds { offset, length }));
            };
            if !M::TOLERATE.item_order {
                if start < end {
                    return Err(DecodeError::new(at(), Broken::Descending));
                }
                if !M::TOLERATE.dirty_gaps {
                    strict_gap(area, end, start, packed)?;
                }
            }
            end = end.max(start + item.len());
            I::prove(item, exact, MIN, MAX).map_err(|error| error.shifted(packed + start))?;
        }
        Ok(packed + end)
    }
}

/// Between two items of a strict directory: zeros, and no more than alignment asks for.
#[inline]
fn strict_gap(area: &[u8], end: usize, start: usize, packed: usize) -> Result<(), DecodeError> {
    let expected = align_up(end, 8);
    if start != expected {
        return Err(DecodeError::new(packed + end, Broken::Misplaced { expected, found: start }));
    }
    check_zero(area.get(end..start).unwrap_or_default(), packed + end)
}

impl<const COUNT_AT: usize, const WIDTH: usize, const INDEX: u32, const MIN: usize, const MAX: usize, I: Item> Sealed
    for Rule<COUNT_AT, WIDTH, INDEX, MIN, MAX, I>
{
}

impl<const COUNT_AT: usize, const WIDTH: usize, const INDEX: u32, const MIN: usize, const MAX: usize, I: Item>
    rule::Rule for Rule<COUNT_AT, WIDTH, INDEX, MIN, MAX, I>
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
            assert!(!I::AMPLIFIES, "items that hold overlapping items could multiply without bound");
            assert!(
                !M::TOLERATE.item_overlap || !I::SCANS,
                "items that overlap are proven without a look at their text"
            );
            assert!(
                <M::Rules as super::rules::Rules>::TEXTS == 0
                    && <M::Rules as super::rules::Rules>::TAILS.count_ones() == 1,
                "beside a directory nothing else can vary in length: put the rest into a message of its own"
            );
        }
        let count = unsigned(fixed, COUNT_AT, WIDTH);
        prover.cursor = Self::prove_entries::<M>(prover.bytes(), count, prover.exact())
            .map_err(|error| fault::<M>(error, COUNT_AT))?;
        Ok(spans)
    }
}

/// The items of a directory.
///
/// An exact-size iterator from both ends, with random access by `get`. Everything was proven when the message was
/// decoded, so items cost a load and can't fail.
pub struct Items<'a, I: ?Sized>(Entries<'a, I>);

impl<I: ?Sized> Clone for Items<'_, I> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I: ?Sized> Copy for Items<'_, I> {}

impl<'a, I: Item> Items<'a, I> {
    /// How many items there are (left, where some were taken).
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    /// Item number `index`, from 0.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<I::View<'a>> {
        self.0.get(index).map(I::view)
    }

    /// The bytes of item number `index`, which are such an item by themselves.
    pub(crate) fn bytes(&self, index: usize) -> Option<&'a [u8]> {
        self.0.bytes(index)
    }

    /// Owned copies.
    #[doc(hidden)]
    #[must_use]
    pub fn to_owned_items(self) -> Vec<I::Owned> {
        self.map(I::to_owned).collect()
    }

    /// Whether owned copies stay within four times the payload, of which `fixed` bytes stand before the entries.
    ///
    /// # Errors
    /// What the items' lengths add up to, where they don't.
    #[doc(hidden)]
    pub fn bounded(&self, message: &'static str, fixed: usize) -> Result<(), Amplified> {
        let (items, payload) = (self.0.total(), fixed.saturating_add(self.0.extent()));
        if items > payload.saturating_mul(AMPLIFICATION) { Err(Amplified { message, items, payload }) } else { Ok(()) }
    }
}

impl<'a, I: Item> Iterator for Items<'a, I> {
    type Item = I::View<'a>;

    #[inline(always)]
    fn next(&mut self) -> Option<I::View<'a>> {
        self.0.next().map(I::view)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.len(), Some(self.0.len()))
    }
}

impl<I: Item> DoubleEndedIterator for Items<'_, I> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(I::view)
    }
}

impl<I: Item> ExactSizeIterator for Items<'_, I> {}
impl<I: Item> FusedIterator for Items<'_, I> {}

/// Prints the items.
struct Printed<'v, 'a, I: Item>(&'v I::View<'a>);

impl<I: Item> fmt::Debug for Printed<'_, '_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        I::fmt(self.0, f)
    }
}

impl<I: Item> fmt::Debug for Items<'_, I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        for item in *self {
            list.entry(&Printed::<I>(&item));
        }
        list.finish()
    }
}

impl<'a, M, I, T, const COUNT_AT: usize, const WIDTH: usize, const INDEX: u32, const MIN: usize, const MAX: usize>
    Fields<'a, M, (Rule<COUNT_AT, WIDTH, INDEX, MIN, MAX, I>, T)>
where
    M: Structure,
    I: Item,
{
    /// The directory of the first rule.
    #[inline(always)]
    #[must_use]
    pub fn head(self) -> Items<'a, I> {
        Items(self.entries())
    }
}

/// Fills a directory of texts.
#[derive(Debug)]
pub struct KeysBuilder<'p, 'w> {
    core: &'p mut Core<'w>,
}

impl<'p, 'w> KeysBuilder<'p, 'w> {
    #[inline]
    pub(crate) const fn new(list: OpenList<'p, 'w>) -> Self {
        Self { core: list.0 }
    }

    /// Appends a text. Beyond what was reserved the message becomes an error, which `finish` reports.
    #[inline]
    pub fn push(&mut self, text: &core::ffi::CStr) -> &mut Self {
        if self.core.claim_entry() {
            let start = self.core.begin_item();
            self.core.check_item(text.count_bytes());
            self.core.out.writer.append(text.to_bytes_with_nul());
            self.core.end_item(start);
        }
        self
    }
}

impl<'w, M: Structure> Frame<'w, M> {
    /// Opens the directory whose count of `WIDTH` bytes is at byte `COUNT_AT`, with room for `reserved` items.
    #[inline(always)]
    pub fn directory<const COUNT_AT: usize, const WIDTH: usize, const INDEX: u32>(
        &mut self,
        reserved: usize,
        each: (usize, usize),
    ) -> OpenList<'_, 'w> {
        let core = self.open::<super::text::Bytes>(Form::Directory, INDEX, COUNT_AT, WIDTH, reserved);
        core.bound_items(each);
        OpenList(core, Form::Directory)
    }

    /// The same, filled from owned values.
    #[inline(always)]
    pub fn directory_of<I: Item, const COUNT_AT: usize, const WIDTH: usize, const INDEX: u32>(
        &mut self,
        items: &[I::Owned],
        each: (usize, usize),
    ) {
        let OpenList(core, _) = self.directory::<COUNT_AT, WIDTH, INDEX>(items.len(), each);
        for item in items {
            I::push(core, item);
        }
    }

    /// Opens a table and fills it from owned rows.
    #[inline(always)]
    pub fn table_of<E: Structure, const COUNT_AT: usize, const WIDTH: usize, const INDEX: u32>(&mut self, rows: &[E]) {
        let mut table = self.table::<E, COUNT_AT, WIDTH, INDEX>(rows.len());
        for row in rows {
            table.push_value(row);
        }
    }
}
