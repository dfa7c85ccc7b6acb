//! A payload of many items, written.
//!
//! Owns: directory, padding and offsets of a batch under construction. It counts and never looks back: nothing is
//! decided from bytes that were written, because a peer may share the memory.

use super::{BATCH_ALIGN, BATCH_ENTRY_LEN};
use crate::buf::{Writer, align_up};

/// Why a batch can't be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// More items came than the directory was reserved for.
    #[error("the directory has room for {max_items} items only")]
    Full {
        /// The number it was reserved for.
        max_items: u32,
    },
    /// The payload would be longer than a header can say.
    #[error("an item would end at byte {end} of the payload, beyond what 32 bits can say")]
    TooLong {
        /// Where the item would have ended, counted from the start of the payload.
        end: usize,
    },
    /// The buffer is too small.
    #[error("the batch needs {needed} bytes, which its buffer lacks")]
    Overflow {
        /// Payload bytes that would have been enough, the whole reserved directory included.
        needed: usize,
    },
}

/// Builds the payload of a batch, from where a [`Writer`] stands (docs/protocol.md, section 1.3).
///
/// Items beyond the end of the buffer are counted, so that [`finish`](Self::finish) can say what would have been enough.
#[derive(Debug)]
pub struct BatchBuilder<'w, 'b> {
    writer: &'w mut Writer<'b>,
    base: usize,
    packed: usize,
    max_items: u32,
    items: u32,
}

impl<'w, 'b> BatchBuilder<'w, 'b> {
    /// Starts a batch of at most `max_items` items.
    #[inline]
    #[must_use]
    pub fn new(writer: &'w mut Writer<'b>, max_items: u32) -> Self {
        let base = writer.len();
        writer.skip(directory_len(max_items));
        let packed = writer.len();
        Self { writer, base, packed, max_items, items: 0 }
    }

    /// How many items there are so far.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.items
    }

    /// Whether there is none yet.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// Appends an item.
    ///
    /// # Errors
    /// As [`push_with`](Self::push_with).
    #[inline]
    pub fn push(&mut self, item: &[u8]) -> Result<(), BatchError> {
        self.push_with(|writer| writer.append(item))
    }

    /// Appends an item that `fill` writes from where the writer stands; it may take back only what it wrote itself.
    ///
    /// # Errors
    /// [`BatchError::Full`], without calling `fill`, and [`BatchError::TooLong`]. An item that was refused leaves
    /// nothing behind, and the batch can go on without it.
    #[inline]
    pub fn push_with<R>(&mut self, fill: impl FnOnce(&mut Writer<'b>) -> R) -> Result<R, BatchError> {
        if self.items == self.max_items {
            return Err(BatchError::Full { max_items: self.max_items });
        }
        let before = self.writer.len();
        let start = self.packed.saturating_add(align_up(before - self.packed, BATCH_ALIGN));
        self.writer.zero_to(start);
        let made = fill(self.writer);
        // Should `fill` have taken back more than it may, positions still rise, and every entry lies in the payload.
        self.writer.zero_to(start);

        let end = self.writer.len();
        let offset = u32::try_from(start - self.packed);
        let length = u32::try_from(end - start);
        let payload = u32::try_from(end - self.base);
        let (Ok(offset), Ok(length), Ok(_)) = (offset, length, payload) else {
            self.writer.close_gap(before, end);
            return Err(BatchError::TooLong { end: end - self.base });
        };
        let entry = self.base.saturating_add(directory_len(self.items));
        self.writer.put(entry, &offset.to_ne_bytes());
        self.writer.put(entry.saturating_add(size_of::<u32>()), &length.to_ne_bytes());
        self.items += 1;
        Ok(made)
    }

    /// Closes the directory up where fewer items came than it has room for, and pads the end where there is room to.
    /// The number of items.
    ///
    /// # Errors
    /// [`BatchError::Overflow`] where the buffer was too small at any time.
    #[inline]
    pub fn finish(self) -> Result<u32, BatchError> {
        let Self { writer, base, packed, max_items, items } = self;
        if items < max_items {
            writer.close_gap(base.saturating_add(directory_len(items)), packed);
        }
        if !writer.fits() {
            return Err(BatchError::Overflow { needed: writer.needed() - base });
        }
        // Deployed builders leave the padding out where the buffer ends, and readers don't ask for it.
        let padded = align_up(writer.len() - base, BATCH_ALIGN);
        if padded <= writer.capacity() - base && u32::try_from(padded).is_ok() {
            writer.zero_to(base + padded);
        }
        Ok(items)
    }
}

/// Bytes of a directory; saturates, where no buffer can hold it.
#[inline]
fn directory_len(items: u32) -> usize {
    usize::try_from(items).map_or(usize::MAX, |items| items.saturating_mul(BATCH_ENTRY_LEN))
}

#[cfg(test)]
mod tests {
    use super::{BatchBuilder, BatchError};
    use crate::buf::Writer;
    use crate::wire::Batch;

    /// Builds into `buffer` behind `base` bytes of something else; the payload.
    fn build<'a>(buffer: &'a mut [u8], base: usize, max_items: u32, items: &[&[u8]]) -> Result<&'a [u8], BatchError> {
        let mut writer = Writer::new(buffer);
        writer.skip(base);
        let mut batch = BatchBuilder::new(&mut writer, max_items);
        for item in items {
            batch.push(item)?;
        }
        assert_eq!(batch.finish()?, u32::try_from(items.len()).unwrap());
        let end = writer.len();
        Ok(&buffer[base..end])
    }

    #[test]
    fn what_was_built_parses_to_its_items_wherever_it_stands() {
        let items: [&[u8]; 5] = [b"", b"a", b"12345678", b"123456789", b""];
        for base in [0, 3, 32] {
            for max_items in [5, 6, 100] {
                let mut buffer = [0xaa; 1024];
                let bytes = build(&mut buffer, base, max_items, &items).unwrap();
                assert_eq!(bytes.len(), 5 * 8 + 8 + 8 + 16);
                assert_eq!(Batch::parse(bytes, 5).unwrap().iter().collect::<Vec<_>>(), items);
                assert!(buffer[..base].iter().all(|&byte| byte == 0xaa));
            }
        }
    }

    #[test]
    fn padding_is_zero_and_nothing_behind_it_is_touched() {
        let mut buffer = [0xaa; 64];
        let bytes = build(&mut buffer, 0, 2, &[b"abc", b"de"]).unwrap().to_vec();
        assert_eq!(bytes[16..], *b"abc\0\0\0\0\0de\0\0\0\0\0\0");
        assert_eq!(buffer[32..], [0xaa; 32]);
    }

    #[test]
    fn tail_padding_is_left_out_where_it_finds_no_room() {
        for (len, expected) in [(11, 11), (12, 11), (15, 11), (16, 16), (17, 16)] {
            let mut memory = [0xaa; 32];
            assert_eq!(build(&mut memory[..len], 0, 1, &[b"abc"]).unwrap().len(), expected, "{len}");
            assert_eq!(memory[expected..], [0xaa; 32][expected..]);
        }
    }

    #[test]
    fn a_buffer_too_small_reports_what_would_have_been_enough() {
        let items: [&[u8]; 3] = [b"abc", b"", b"12345678901"];
        let base = 5;
        let Err(BatchError::Overflow { needed }) = build(&mut [], base, 4, &items) else { panic!("no overflow") };
        assert_eq!(needed, 4 * 8 + 8 + 11);
        for len in 0..base + needed {
            let mut buffer = vec![0; len];
            assert_eq!(build(&mut buffer, base, 4, &items), Err(BatchError::Overflow { needed }), "{len}");
        }
        assert!(build(&mut vec![0; base + needed], base, 4, &items).is_ok());
    }

    #[test]
    fn no_more_items_are_taken_than_were_reserved() {
        let mut buffer = [0; 32];
        let mut writer = Writer::new(&mut buffer);
        let mut batch = BatchBuilder::new(&mut writer, 1);
        assert!(batch.is_empty());
        batch.push(b"x").unwrap();
        assert_eq!(batch.push_with(|_| unreachable!("no room")), Err::<(), _>(BatchError::Full { max_items: 1 }));
        assert_eq!((batch.len(), batch.finish()), (1, Ok(1)));
        assert_eq!(writer.len(), 16);
    }

    #[test]
    fn no_items_are_no_bytes() {
        assert_eq!(build(&mut [0; 80], 0, 10, &[]), Ok(&[][..]));
        assert_eq!(build(&mut [], 0, 0, &[]), Ok(&[][..]));
    }

    #[test]
    fn an_item_is_written_in_place_and_hands_on_what_its_writer_returns() {
        let mut buffer = [0; 32];
        let mut writer = Writer::new(&mut buffer);
        let mut batch = BatchBuilder::new(&mut writer, 2);
        batch.push(b"a").unwrap();
        let at = batch.push_with(|writer| {
            let at = writer.len();
            writer.append_with_nul(b"bc");
            at
        });
        assert_eq!((at, batch.finish()), (Ok(24), Ok(2)));
        assert_eq!(Batch::parse(&buffer, 2).unwrap().get(1), Some(&b"bc\0"[..]));
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn an_offset_beyond_32_bits_is_an_error_and_leaves_the_rest_whole() {
        let mut buffer = [0; 64];
        let mut writer = Writer::new(&mut buffer);
        let mut batch = BatchBuilder::new(&mut writer, 3);
        batch.push(b"abc").unwrap();
        let room = usize::try_from(u32::MAX).unwrap() - 24 - 8;
        assert_eq!(batch.push_with(|writer| writer.skip(room + 1)), Err(BatchError::TooLong { end: 1 << 32 }));
        assert_eq!(batch.push_with(|writer| writer.skip(room)), Ok(()));
        assert_eq!(batch.push(b""), Err(BatchError::TooLong { end: 1 << 32 }));
        assert_eq!(batch.len(), 2);
        assert_eq!(batch.finish(), Err(BatchError::Overflow { needed: 1 << 32 }));
    }

    #[test]
    fn a_closure_that_takes_back_too_much_makes_an_empty_item() {
        let mut buffer = [0; 64];
        let mut writer = Writer::new(&mut buffer);
        let mut batch = BatchBuilder::new(&mut writer, 2);
        batch.push(b"abcdefgh").unwrap();
        batch.push_with(|writer| writer.close_gap(0, writer.len())).unwrap();
        batch.push(b"refused").unwrap_err();
        assert_eq!(batch.finish(), Ok(2));
        assert_eq!((writer.len(), writer.fits()), (24, true));
    }

    #[test]
    fn a_directory_beyond_all_memory_is_an_error() {
        let mut buffer = [0; 16];
        let overflow = build(&mut buffer, 8, (1 << 29) - 10, &[b"a"]);
        assert_eq!(overflow, Err(BatchError::Overflow { needed: ((1 << 29) - 10) * 8 + 1 }));
        // Which error it is depends on the width of a pointer.
        build(&mut buffer, 8, u32::MAX, &[b"a"]).unwrap_err();
    }
}
