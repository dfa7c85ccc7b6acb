//! The answer to a lookup, in the parts in which it came.
//!
//! Owns: which part has the item of a key. It refuses to know how the parts were had.

use core::fmt;

use super::Lookup;
use crate::codec::private::Structure;
use crate::codec::{Items, Kept};

/// The view of what was found for a key.
pub type Found<'a, L> = <<L as Lookup>::Item as Structure>::View<'a>;

/// One answer of the server's, to some of the keys.
struct Part<L: Lookup> {
    /// The first key that it answers.
    first: usize,
    payload: Kept<L::Reply>,
}

impl<L: Lookup> Part<L> {
    fn items(&self) -> Items<'_, L::Item> {
        L::items(self.payload.view())
    }
}

/// What was found: an item for each key, in their order.
///
/// It stands as it came, and is its own: the client may go on meanwhile.
pub struct Answer<L: Lookup> {
    /// By their keys; each answers some, beginning with its first item.
    parts: Vec<Part<L>>,
    len: usize,
    generation: Option<u64>,
}

impl<L: Lookup> fmt::Debug for Answer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("message", &L::Item::NAME)
            .field("len", &self.len)
            .field("generation", &self.generation)
            .field("parts", &self.parts.len())
            .finish()
    }
}

impl<L: Lookup> Answer<L> {
    /// How many keys there were.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there were no keys.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What the server counts as the generation of what it knows; 0 where it was not asked, since all keys are too long.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.unwrap_or_default()
    }

    /// How many calls it took, as far as they brought anything.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// What was found for key number `index`, from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Found<'_, L>> {
        let (part, position) = self.place(index)?;
        part.items().get(position)
    }

    /// What was found, in the order of the keys.
    #[must_use]
    pub const fn iter(&self) -> Iter<'_, L> {
        Iter { answer: self, part: 0, index: 0 }
    }

    /// The bytes of the item of key number `index`.
    pub(super) fn bytes(&self, index: usize) -> Option<&[u8]> {
        let (part, position) = self.place(index)?;
        part.items().bytes(position)
    }

    /// Where the item of key number `index` is: the part, and the position in it.
    fn place(&self, index: usize) -> Option<(&Part<L>, usize)> {
        let behind = self.parts.partition_point(|part| part.first <= index);
        let part = self.parts.get(behind.checked_sub(1)?).filter(|_| index < self.len)?;
        Some((part, index - part.first))
    }

    /// One that has answered nothing yet.
    pub(super) const fn new() -> Self {
        Self { parts: Vec::new(), len: 0, generation: None }
    }

    /// Goes on with the first `items` items of a payload.
    pub(super) fn append(&mut self, payload: Kept<L::Reply>, items: usize) {
        self.parts.push(Part { first: self.len, payload });
        self.len += items;
    }

    /// The generation of all parts, if the server was asked.
    pub(super) const fn known_generation(&self) -> Option<u64> {
        self.generation
    }

    /// All parts are of this generation.
    pub(super) const fn settle_generation(&mut self, generation: u64) {
        self.generation = Some(generation);
    }
}

impl<'r, L: Lookup> IntoIterator for &'r Answer<L> {
    type Item = Found<'r, L>;
    type IntoIter = Iter<'r, L>;

    fn into_iter(self) -> Iter<'r, L> {
        self.iter()
    }
}

/// What was found, in the order of the keys.
pub struct Iter<'r, L: Lookup> {
    answer: &'r Answer<L>,
    part: usize,
    index: usize,
}

impl<L: Lookup> fmt::Debug for Iter<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").field("left", &self.len()).finish()
    }
}

impl<L: Lookup> Clone for Iter<'_, L> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<'r, L: Lookup> Iterator for Iter<'r, L> {
    type Item = Found<'r, L>;

    fn next(&mut self) -> Option<Found<'r, L>> {
        let Answer { parts, len, .. } = self.answer;
        if self.index >= *len {
            return None;
        }
        while parts.get(self.part + 1).is_some_and(|next| next.first <= self.index) {
            self.part += 1;
        }
        let part = parts.get(self.part)?;
        let found = part.items().get(self.index - part.first);
        self.index += 1;
        found
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.answer.len - self.index;
        (left, Some(left))
    }
}

impl<L: Lookup> ExactSizeIterator for Iter<'_, L> {}
impl<L: Lookup> core::iter::FusedIterator for Iter<'_, L> {}
