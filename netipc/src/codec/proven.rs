//! Bytes that are proven, and the loads that rest on it.
//!
//! A [`Place`] is made by the proof of a whole message and by nothing else. From there each step goes down the very
//! list of rules that the proof went down: no caller ever passes an offset, so no caller can pass a wrong one. All of
//! the unchecked access of the codec is in this file.
#![expect(unsafe_code, reason = "what is proven once is not checked again at every load")]

use core::ffi::CStr;
use core::marker::PhantomData;
use std::ffi::CString;

use bytes::Bytes;

use super::cell::{Cell, load, slot, widen};
use super::directory::Item;
use super::error::DecodeError;
use super::list::Element;
use super::message::{self, Structure};
use super::option;
use super::rule::{Field, Text, unsigned};
use super::rules::{Group, Rules};
use super::table;
use super::tagged::{Tag, Tagged, Variant, Variants};
use super::tuple;

/// A proven value of `K`.
///
/// # Invariants
/// 1. `at + SIZE <= bytes.len()`, with the `SIZE` of `K`.
/// 2. `K` was proven at `at` of `bytes`, with offsets that count from byte 0 of `bytes`.
/// 3. The bytes don't change for `'a`.
#[derive(Debug)]
pub struct Place<'a, K: ?Sized> {
    bytes: &'a [u8],
    at: usize,
    kind: PhantomData<fn() -> K>,
}

impl<K: ?Sized> Clone for Place<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: ?Sized> Copy for Place<'_, K> {}

impl<'a, K: ?Sized> Place<'a, K> {
    /// Callers uphold the invariants of the type.
    #[inline(always)]
    const fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, kind: PhantomData }
    }
}

/// Proves that `bytes` are one `M`, and nothing else than its tolerances allow.
#[inline]
pub(crate) fn decode<M: Structure>(bytes: &[u8]) -> Result<Place<'_, M>, DecodeError> {
    message::prove_whole::<M>(bytes, false).or_else(|error| message::name::<M>(bytes, error))?;
    // The whole of `bytes` was proven as `M` from byte 0 on: invariants 1 and 2. They are borrowed for 'a: 3.
    Ok(Place::new(bytes, 0))
}

/// A payload of an `M` that was proven, and is kept.
///
/// # Invariants
/// 1. `bytes` were proven as one `M`, from byte 0 on.
/// 2. They don't change: they were received, and whoever else holds the same memory holds it as `Bytes` too.
pub(crate) struct Kept<M> {
    bytes: Bytes,
    message: PhantomData<fn() -> M>,
}

impl<M: Structure> Kept<M> {
    /// Proves that `bytes` are one `M`, and keeps them.
    pub(crate) fn new(bytes: Bytes) -> Result<Self, DecodeError> {
        decode::<M>(&bytes)?;
        Ok(Self { bytes, message: PhantomData })
    }

    /// The message.
    #[inline]
    pub(crate) fn view(&self) -> M::View<'_> {
        // Invariants 1 and 2 are those of a place.
        M::view(Place::new(&self.bytes, 0))
    }

    /// The payload.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<'a, K: Cell> Place<'a, K> {
    /// The value.
    #[inline(always)]
    #[must_use]
    pub fn view(self) -> K::View<'a> {
        K::view(self)
    }

    /// The cell's own `SIZE` bytes.
    #[inline(always)]
    pub(crate) fn cell(self) -> &'a [u8] {
        // SAFETY: `at + SIZE <= bytes.len()` (invariant 1).
        unsafe { self.bytes.get_unchecked(self.at..self.at + K::SIZE) }
    }

    /// The place of a part of `T` at byte `at` of `bytes`, that was proven along with what surrounds it.
    #[inline(always)]
    fn part<T: Cell>(bytes: &'a [u8], at: usize) -> Place<'a, T> {
        if T::ORIGIN {
            // SAFETY: `at` lies inside `bytes`, because the part's `SIZE` bytes behind it do (invariant 1 of what
            // surrounds it, and the proof of the part inside it).
            Place::new(unsafe { bytes.get_unchecked(at..) }, 0)
        } else {
            Place::new(bytes, at)
        }
    }

    /// The bytes of a text, without its NUL.
    #[inline(always)]
    pub(super) fn text(self) -> &'a [u8] {
        const { assert!(K::TEXT.is_some()) };
        self.range().0
    }

    #[inline(always)]
    fn range(self) -> (&'a [u8], usize) {
        let (offset, length) = slot(self.cell());
        let start = widen(offset);
        // SAFETY: `K` is text, and the proof of text found `offset + length <= bytes.len()` (invariant 2), in these
        // very bytes (invariant 3).
        (unsafe { self.bytes.get_unchecked(start..start + widen(length)) }, start)
    }
}

impl<'a> Place<'a, String> {
    /// The text.
    #[inline(always)]
    pub(super) fn utf8(self) -> &'a str {
        // SAFETY: the proof of a `String` swept these bytes as UTF-8 (invariant 2), and they don't change (invariant
        // 3).
        unsafe { core::str::from_utf8_unchecked(self.text()) }
    }
}

impl<'a> Place<'a, CString> {
    /// The text, with its NUL.
    #[inline(always)]
    pub(super) fn c_str(self) -> &'a CStr {
        let (text, start) = self.range();
        // SAFETY: the proof of text found a NUL at `offset + length`, inside the bytes (invariant 2).
        let with_nul = unsafe { self.bytes.get_unchecked(start..start + text.len() + 1) };
        // SAFETY: there is a NUL at the end, and the proof of a `CString` found none before (invariant 2).
        unsafe { CStr::from_bytes_with_nul_unchecked(with_nul) }
    }
}

impl<'a, T: Cell> Place<'a, Option<T>> {
    /// The value, if there is one.
    #[inline(always)]
    pub(super) fn some(self) -> Option<Place<'a, T>> {
        let present = load::<1>(self.cell(), 0) == [1];
        // The proof of an option that is present proved its value at this very byte.
        present.then(|| Self::part(self.bytes, self.at + option::value_at::<T>()))
    }
}

impl<'a, K: Cell> Place<'a, K> {
    /// Part number `N` of a tuple.
    #[inline(always)]
    pub(super) fn element<const N: usize>(self) -> Place<'a, <K as tuple::Part<N>>::Part>
    where
        K: tuple::Part<N>,
    {
        const { assert!(K::AT + <<K as tuple::Part<N>>::Part as Cell>::SIZE <= K::SIZE) };
        // The proof of a tuple proved its part at this very byte, with offsets that count from the tuple's first: that
        // is byte 0 of `bytes`, since tuples have an origin of their own.
        const { assert!(K::ORIGIN) };
        Self::part(self.bytes, self.at + K::AT)
    }
}

impl<'a, E: Element> Place<'a, Vec<E>> {
    /// The elements.
    #[inline(always)]
    pub(super) fn rows(self) -> Rows<'a, E, true> {
        let (offset, count) = slot(self.cell());
        // The proof of a list proved `count` elements from byte `offset` on.
        Rows { bytes: self.bytes, at: widen(offset), len: widen(count), element: PhantomData }
    }
}

impl<'a, M: Structure> Place<'a, M> {
    /// What the message's rules proved, from the first rule on.
    #[inline(always)]
    #[must_use]
    pub const fn fields(self) -> Fields<'a, M, M::Rules> {
        Fields { bytes: self.bytes, at: self.at, rules: PhantomData }
    }
}

/// What the rest `R` of the rules of an `M` proved.
///
/// # Invariants
/// Those of [`Place`], and `R` is a part of the rules that were proven at `at`.
#[derive(Debug)]
pub struct Fields<'a, M, R> {
    bytes: &'a [u8],
    at: usize,
    rules: PhantomData<fn() -> (M, R)>,
}

impl<M, R> Clone for Fields<'_, M, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M, R> Copy for Fields<'_, M, R> {}

impl<'a, M: Structure, H, T> Fields<'a, M, (H, T)> {
    /// The rules behind the first.
    #[inline(always)]
    #[must_use]
    pub const fn tail(self) -> Fields<'a, M, T> {
        Fields { bytes: self.bytes, at: self.at, rules: PhantomData }
    }

    #[inline(always)]
    fn fixed(&self) -> &'a [u8] {
        // SAFETY: `at + SIZE <= bytes.len()` (invariant 1).
        unsafe { self.bytes.get_unchecked(self.at..self.at + M::SIZE) }
    }
}

impl<'a, M: Structure, R: Rules, T> Fields<'a, M, (Group<R>, T)> {
    /// What the rules of the group proved.
    #[inline(always)]
    #[must_use]
    pub const fn head(self) -> Fields<'a, M, R> {
        Fields { bytes: self.bytes, at: self.at, rules: PhantomData }
    }
}

impl<'a, M: Structure, K: Cell, const AT: usize, const INDEX: u32, T> Fields<'a, M, (Field<AT, INDEX, K>, T)> {
    /// The cell of the first rule.
    #[inline(always)]
    #[must_use]
    pub fn head(self) -> Place<'a, K> {
        const { assert!(AT + K::SIZE <= M::SIZE) };
        Place::<K>::part(self.bytes, self.at + AT)
    }
}

impl<'a, M: Structure, K: Cell, const AT: usize, const INDEX: u32, T> Fields<'a, M, (Text<AT, INDEX, K>, T)> {
    /// The text of the first rule.
    #[inline(always)]
    #[must_use]
    pub const fn head(self) -> Place<'a, K> {
        const { assert!(AT + K::SIZE <= M::SIZE && K::TEXT.is_some() && !K::ORIGIN) };
        Place::new(self.bytes, self.at + AT)
    }
}

impl<'a, M: Structure, R: Tag, V: Variants, T> Fields<'a, M, (Tagged<R, V>, T)> {
    /// The variant that the tag names, among `V`.
    #[inline(always)]
    #[must_use]
    pub fn head(self) -> OneOf<'a, M, V> {
        OneOf { tag: Some(R::tag(self.fixed())), bytes: self.bytes, at: self.at, variants: PhantomData }
    }
}

/// The variant that a tag names, if it is among `V`.
#[derive(Debug)]
pub struct OneOf<'a, M, V> {
    /// None once the variant that it named was passed by: the proof stopped there too.
    tag: Option<i128>,
    bytes: &'a [u8],
    at: usize,
    variants: PhantomData<fn() -> (M, V)>,
}

impl<M, V> Clone for OneOf<'_, M, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M, V> Copy for OneOf<'_, M, V> {}

impl<'a, M: Structure, R: Rules, T, const TAG: i128> OneOf<'a, M, (Variant<TAG, R>, T)> {
    /// The fields of the first variant, if it is that one.
    #[inline(always)]
    #[must_use]
    pub fn head(&self) -> Option<Fields<'a, M, R>> {
        // The proof went by the same tag to the same rules: those of the first variant that has it.
        (self.tag == Some(TAG)).then_some(Fields { bytes: self.bytes, at: self.at, rules: PhantomData })
    }

    /// The variants behind the first.
    #[inline(always)]
    #[must_use]
    pub fn tail(self) -> OneOf<'a, M, T> {
        let tag = self.tag.filter(|&tag| tag != TAG);
        OneOf { tag, bytes: self.bytes, at: self.at, variants: PhantomData }
    }
}

/// Proven elements of one size, one behind the other.
///
/// # Invariants
/// 1. `at + len * E::SIZE <= bytes.len()`, and there is an `E` proven at each of these places.
/// 2. Offsets count from the first byte of each element where `OWN`, else from byte 0 of `bytes`.
#[derive(Debug)]
pub(super) struct Rows<'a, E, const OWN: bool> {
    bytes: &'a [u8],
    at: usize,
    len: usize,
    element: PhantomData<fn() -> E>,
}

impl<E, const OWN: bool> Clone for Rows<'_, E, OWN> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E, const OWN: bool> Copy for Rows<'_, E, OWN> {}

impl<'a, E: Cell, const OWN: bool> Rows<'a, E, OWN> {
    #[inline(always)]
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    pub(super) fn get(&self, index: usize) -> Option<Place<'a, E>> {
        (index < self.len).then(|| {
            let at = self.at + index * E::SIZE;
            if OWN {
                // SAFETY: `index < len`, so the element and its first byte are inside `bytes` (invariant 1).
                Place::new(unsafe { self.bytes.get_unchecked(at..) }, 0)
            } else {
                Place::new(self.bytes, at)
            }
        })
    }

    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<Place<'a, E>> {
        let first = self.get(0)?;
        self.at += E::SIZE;
        self.len -= 1;
        Some(first)
    }

    #[inline(always)]
    pub(super) fn next_back(&mut self) -> Option<Place<'a, E>> {
        let last = self.get(self.len.checked_sub(1)?)?;
        self.len -= 1;
        Some(last)
    }
}

impl<'a, M, E, T, const COUNT_AT: usize, const WIDTH: usize, const INDEX: u32>
    Fields<'a, M, (table::Rule<COUNT_AT, WIDTH, INDEX, E>, T)>
where
    M: Structure,
    E: Structure,
{
    /// The rows of the table.
    #[inline(always)]
    pub(super) fn rows(self) -> Rows<'a, E, false> {
        let count = unsigned(self.fixed(), COUNT_AT, WIDTH);
        let at = table::start::<M>(self.fixed());
        // The proof of a table proved that many rows at the place that the same function told it.
        Rows { bytes: self.bytes, at, len: usize::try_from(count).unwrap_or(0), element: PhantomData }
    }
}

/// An item that was proven together with the slice that it fills.
#[derive(Debug)]
pub struct Whole<'a, I: ?Sized> {
    bytes: &'a [u8],
    item: PhantomData<fn() -> I>,
}

impl<'a, M: Structure> Whole<'a, M> {
    /// The message.
    #[inline(always)]
    pub(super) const fn place(self) -> Place<'a, M> {
        Place::new(self.bytes, 0)
    }
}

impl<'a> Whole<'a, CString> {
    #[inline(always)]
    pub(super) fn c_str(self) -> &'a CStr {
        // SAFETY: the proof of such an item found a NUL at its end and none before.
        unsafe { CStr::from_bytes_with_nul_unchecked(self.bytes) }
    }
}

/// The items of a directory.
///
/// # Invariants
/// 1. `entries` holds whole `{offset, length}` entries, each of which lies inside `area`.
/// 2. Each such range was proven to be an `I`.
#[derive(Debug)]
pub(super) struct Entries<'a, I: ?Sized> {
    entries: &'a [u8],
    area: &'a [u8],
    item: PhantomData<fn() -> I>,
}

impl<I: ?Sized> Clone for Entries<'_, I> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<I: ?Sized> Copy for Entries<'_, I> {}

impl<'a, M, I, T, const COUNT_AT: usize, const WIDTH: usize, const INDEX: u32, const MIN: usize, const MAX: usize>
    Fields<'a, M, (super::directory::Rule<COUNT_AT, WIDTH, INDEX, MIN, MAX, I>, T)>
where
    M: Structure,
    I: Item,
{
    /// The items of the directory.
    #[inline(always)]
    pub(super) fn entries(self) -> Entries<'a, I> {
        let count = usize::try_from(unsigned(self.fixed(), COUNT_AT, WIDTH)).unwrap_or(0);
        // SAFETY: a message with a directory is proven as a whole, from byte 0 of `bytes`, and the proof found
        // `SIZE + 8 * count` bytes there.
        let entries = unsafe { self.bytes.get_unchecked(M::SIZE..M::SIZE + 8 * count) };
        // SAFETY: the same.
        let area = unsafe { self.bytes.get_unchecked(M::SIZE + 8 * count..) };
        Entries { entries, area, item: PhantomData }
    }
}

impl<'a, I: Item + ?Sized> Entries<'a, I> {
    #[inline(always)]
    pub(super) const fn len(&self) -> usize {
        self.entries.len() / 8
    }

    #[inline(always)]
    fn item(&self, entry: &[u8]) -> Whole<'a, I> {
        let (offset, length) = slot(entry);
        let start = widen(offset);
        // SAFETY: `entry` is one of `entries`, so its range lies inside `area` (invariant 1).
        Whole { bytes: unsafe { self.area.get_unchecked(start..start + widen(length)) }, item: PhantomData }
    }

    #[inline(always)]
    pub(super) fn get(&self, index: usize) -> Option<Whole<'a, I>> {
        let at = index.checked_mul(8)?;
        self.entries.get(at..)?.first_chunk::<8>().map(|entry| self.item(entry))
    }

    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<Whole<'a, I>> {
        let (entry, rest) = self.entries.split_first_chunk::<8>()?;
        self.entries = rest;
        Some(self.item(entry))
    }

    #[inline(always)]
    pub(super) fn next_back(&mut self) -> Option<Whole<'a, I>> {
        let (rest, entry) = self.entries.split_last_chunk::<8>()?;
        self.entries = rest;
        Some(self.item(entry))
    }

    /// The bytes of entries and area.
    pub(super) const fn extent(&self) -> usize {
        self.entries.len() + self.area.len()
    }

    /// The bytes of one item.
    pub(super) fn bytes(&self, index: usize) -> Option<&'a [u8]> {
        self.get(index).map(|whole| whole.bytes)
    }

    /// What the lengths of all items add up to.
    pub(super) fn total(&self) -> usize {
        self.entries.chunks_exact(8).fold(0, |sum, entry| sum.saturating_add(widen(slot(entry).1)))
    }
}
