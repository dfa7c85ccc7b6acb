//! A payload of many items, read.
//!
//! Owns: the proof that every entry of the directory lies inside the packed area behind it, given before any item is
//! handed out. It takes what deployed peers take: overlap, any order, missing or surplus bytes at the end.
//!
//! ```text
//! | offset length | offset length | … | item 0 | zeros to 8 | item 1 | zeros to 8 | …
//! '------------- directory -----------'------------- packed area ------------------
//! ```

use core::iter::FusedIterator;
use core::ops::Range;

use super::{BATCH_ALIGN, BATCH_ENTRY_LEN, Rule, Structure, WireError};
use crate::buf::Reader;

/// The items of a batch, all proven to lie inside it (docs/protocol.md, section 1.3).
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    directory: &'a [u8],
    packed: &'a [u8],
    len: usize,
}

impl<'a> Batch<'a> {
    /// Reads the payload of a message that has the batch flag and `item_count` items.
    ///
    /// A count of zero is an empty batch, whatever the payload holds.
    ///
    /// # Errors
    /// A payload shorter than its directory, or an item whose offset is no multiple of 8 or that leaves the packed area.
    pub fn parse(payload: &'a [u8], item_count: u32) -> Result<Self, WireError> {
        // 64 bits: on a 32-bit target the directory that a peer claims may not be addressable.
        let needed = u64::from(item_count) * BATCH_ENTRY_LEN as u64;
        let split = usize::try_from(needed).ok().and_then(|at| payload.split_at_checked(at));
        let Some((directory, packed)) = split else {
            let rule = Rule::Truncated { needed, found: payload.len() };
            return Err(WireError::new(Structure::Batch, "directory", payload.len(), rule));
        };
        let mut entries = Reader::new(directory);
        while let (Some(offset), Some(length)) = (entries.u32(), entries.u32()) {
            if let Err((field, rule)) = check_entry(offset, length, packed.len() as u64) {
                let after = entries.position();
                let at = if field == OFFSET { after - BATCH_ENTRY_LEN } else { after - size_of::<u32>() };
                return Err(WireError::new(Structure::Batch, field, at, rule));
            }
        }
        Ok(Self { directory, packed, len: directory.len() / BATCH_ENTRY_LEN })
    }

    /// The same again for a payload that [`parse`](Self::parse) has taken before, or a copy of it. Entries are not
    /// looked at: of a payload that would not be taken, some items are not there.
    pub(crate) fn of_proven(payload: &'a [u8], item_count: u32) -> Option<Self> {
        let len = usize::try_from(item_count).ok()?;
        let (directory, packed) = payload.split_at_checked(len.checked_mul(BATCH_ENTRY_LEN)?)?;
        Some(Self { directory, packed, len })
    }

    /// How many items there are.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes of item `index`, counted from 0; `None` beyond the last.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        let at = index.checked_mul(BATCH_ENTRY_LEN)?;
        let mut entry = Reader::new(self.directory.get(at..)?);
        let start = usize::try_from(entry.u32()?).ok()?;
        let length = usize::try_from(entry.u32()?).ok()?;
        self.packed.get(start..)?.get(..length)
    }

    /// All items, in the order of the directory.
    #[inline]
    #[must_use]
    pub const fn iter(&self) -> Items<'a> {
        Items { batch: *self, left: 0..self.len }
    }
}

impl<'a> IntoIterator for Batch<'a> {
    type Item = &'a [u8];
    type IntoIter = Items<'a>;

    #[inline]
    fn into_iter(self) -> Items<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Batch<'a> {
    type Item = &'a [u8];
    type IntoIter = Items<'a>;

    #[inline]
    fn into_iter(self) -> Items<'a> {
        self.iter()
    }
}

const OFFSET: &str = "entry offset";
const LENGTH: &str = "entry length";

#[inline]
const fn check_entry(offset: u32, length: u32, limit: u64) -> Result<(), (&'static str, Rule)> {
    if offset as usize % BATCH_ALIGN != 0 {
        return Err((OFFSET, Rule::Aligned { to: BATCH_ALIGN, found: offset }));
    }
    if offset as u64 > limit {
        return Err((OFFSET, Rule::InBounds { end: offset as u64, limit }));
    }
    // Two 32-bit numbers can't overflow 64 bits.
    let end = offset as u64 + length as u64;
    if end > limit { Err((LENGTH, Rule::InBounds { end, limit })) } else { Ok(()) }
}

/// The items of a [`Batch`], in the order of its directory.
#[derive(Debug, Clone)]
pub struct Items<'a> {
    batch: Batch<'a>,
    left: Range<usize>,
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.left.next().and_then(|index| self.batch.get(index))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<&'a [u8]> {
        self.left.nth(n).and_then(|index| self.batch.get(index))
    }
}

impl DoubleEndedIterator for Items<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left.next_back().and_then(|index| self.batch.get(index))
    }
}

impl ExactSizeIterator for Items<'_> {}
impl FusedIterator for Items<'_> {}

#[cfg(test)]
mod tests {
    use super::Batch;
    use crate::wire::{Rule, Structure};

    /// The bytes of a directory with these entries, and `packed` behind it.
    fn payload(entries: &[(u32, u32)], packed: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (offset, length) in entries {
            bytes.extend(offset.to_ne_bytes());
            bytes.extend(length.to_ne_bytes());
        }
        bytes.extend(packed);
        bytes
    }

    #[test]
    fn items_come_in_the_order_of_the_directory() {
        let bytes = payload(&[(8, 3), (0, 2), (16, 0)], b"abcdefghijklmnop");
        let batch = Batch::parse(&bytes, 3).unwrap();
        assert_eq!(batch.iter().collect::<Vec<_>>(), [&b"ijk"[..], b"ab", b""]);
        assert_eq!((batch.len(), batch.is_empty()), (3, false));
        assert_eq!((batch.get(1), batch.get(3), batch.get(usize::MAX)), (Some(&b"ab"[..]), None, None));
    }

    #[test]
    fn the_iterator_knows_its_length_from_both_ends() {
        let bytes = payload(&[(0, 1), (0, 2), (0, 3), (0, 4)], b"abcdefgh");
        let mut items = Batch::parse(&bytes, 4).unwrap().into_iter();
        assert_eq!((items.next(), items.len()), (Some(&b"a"[..]), 3));
        let again = items.clone();
        assert_eq!((items.next_back(), items.len()), (Some(&b"abcd"[..]), 2));
        assert_eq!((items.nth(1), items.len()), (Some(&b"abc"[..]), 0));
        assert_eq!((items.next(), items.next_back()), (None, None));
        assert_eq!(again.len(), 3);
    }

    #[test]
    fn no_items_are_an_empty_batch() {
        for bytes in [&b""[..], b"surplus"] {
            let batch = Batch::parse(bytes, 0).unwrap();
            assert!(batch.is_empty() && batch.iter().next().is_none() && batch.get(0).is_none());
        }
    }

    #[test]
    fn a_directory_that_is_not_all_there_is_truncated() {
        for (len, count, needed) in [(0, 1, 8), (15, 2, 16), (64, 9, 72), (64, u32::MAX, 0x7_ffff_fff8)] {
            let error = Batch::parse(&[0; 64][..len], count).unwrap_err();
            assert_eq!((error.structure(), error.field(), error.offset()), (Structure::Batch, "directory", len));
            assert_eq!(error.rule(), Rule::Truncated { needed, found: len });
        }
    }

    #[test]
    fn one_bad_entry_refuses_the_batch_and_is_named() {
        let outside = |end| Rule::InBounds { end, limit: 16 };
        let cases = [
            ((4, 1), "entry offset", 8, Rule::Aligned { to: 8, found: 4 }),
            ((u32::MAX, 1), "entry offset", 8, Rule::Aligned { to: 8, found: u32::MAX }),
            ((24, 0), "entry offset", 8, outside(24)),
            ((0xffff_fff8, 0x10), "entry offset", 8, outside(0xffff_fff8)),
            ((8, 9), "entry length", 12, outside(17)),
            ((16, 1), "entry length", 12, outside(17)),
            ((16, u32::MAX), "entry length", 12, outside(0x1_0000_000f)),
        ];
        for (entry, field, offset, rule) in cases {
            let bytes = payload(&[(0, 16), entry, (1, 1)], &[0; 16]);
            let error = Batch::parse(&bytes, 3).unwrap_err();
            assert_eq!((error.field(), error.offset(), error.rule()), (field, offset, rule), "{entry:?}");
        }
    }

    #[test]
    fn an_item_may_end_where_the_payload_ends() {
        let bytes = payload(&[(0, 16), (8, 8), (16, 0)], &[7; 16]);
        let batch = Batch::parse(&bytes, 3).unwrap();
        assert_eq!(batch.iter().map(<[u8]>::len).collect::<Vec<_>>(), [16, 8, 0]);
        assert!(Batch::parse(&bytes[..bytes.len() - 1], 3).is_err());
    }
}
