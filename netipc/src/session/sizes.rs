//! How large payloads and batches may be, and a batch whose items stay where they are.
//!
//! Owns the arithmetic of limits, and the order of a batch's bytes. It refuses to send.

use core::mem;
use std::io::IoSlice;

use super::error::Error;
use crate::buf::align_up;
use crate::proto::{Limit, LimitExceeded};
use crate::wire::{BATCH_ALIGN, BATCH_ENTRY_LEN, Batch, HEADER_LEN};

/// Bytes of the payload of a batch (docs/protocol.md, section 1.3).
pub(super) fn batch_len<T: AsRef<[u8]>>(items: &[T]) -> u64 {
    let packed = items.iter().map(|item| align_up(item.as_ref().len(), BATCH_ALIGN) as u64);
    (items.len() as u64).saturating_mul(BATCH_ENTRY_LEN as u64).saturating_add(packed.sum())
}

/// Only for a batch whose length fits into 32 bits.
pub(super) fn write_directory<T: AsRef<[u8]>>(directory: &mut Vec<u8>, items: &[T]) {
    directory.clear();
    let mut offset = 0;
    for item in items {
        let len = item.as_ref().len();
        for number in [offset, len] {
            directory.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_ne_bytes());
        }
        offset += align_up(len, BATCH_ALIGN);
    }
}

/// The bytes of a batch, from where they stand: its directory, and item by item with its padding.
pub(super) struct Pieces<'a, T> {
    pub(super) rest: &'a [u8],
    pub(super) items: core::slice::Iter<'a, T>,
    /// Zeros behind `rest`.
    pub(super) padding: usize,
}

impl<'a, T: AsRef<[u8]>> Pieces<'a, T> {
    /// Adds the next `len` bytes to `parts`.
    pub(super) fn take<'p>(&mut self, mut len: usize, parts: &mut Vec<IoSlice<'p>>)
    where
        'a: 'p,
    {
        const ZEROS: &[u8] = &[0; BATCH_ALIGN];
        while len > 0 {
            if self.rest.is_empty() {
                if self.padding > 0 {
                    self.rest = ZEROS.get(..mem::take(&mut self.padding)).unwrap_or_default();
                } else if let Some(item) = self.items.next() {
                    self.rest = item.as_ref();
                    self.padding = align_up(self.rest.len(), BATCH_ALIGN) - self.rest.len();
                } else {
                    return;
                }
                continue;
            }
            let (piece, rest) = self.rest.split_at(len.min(self.rest.len()));
            parts.push(IoSlice::new(piece));
            self.rest = rest;
            len -= piece.len();
        }
    }
}

/// Payload bytes as a header states them.
pub(super) fn payload_len(len: u64, limit: Limit, allowed: u32) -> Result<u32, Error> {
    match u32::try_from(len) {
        Ok(stated) if stated <= allowed && len <= (u32::MAX as u64) - HEADER_LEN as u64 => Ok(stated),
        _ => Err(LimitExceeded { limit, asked: len, allowed: allowed.into() }.into()),
    }
}

/// Whether a batch may have so many items.
pub(super) fn bounded_items(items: u32, limit: Limit, allowed: u32) -> Result<(), Error> {
    if items <= allowed {
        return Ok(());
    }
    Err(LimitExceeded { limit, asked: items.into(), allowed: allowed.into() }.into())
}

/// Items as a header states them.
pub(super) fn item_count<T>(items: &[T], limit: Limit, allowed: u32) -> Result<u32, Error> {
    match u32::try_from(items.len()) {
        Ok(0) => Err(Error::EmptyBatch),
        Ok(count) if count <= allowed => Ok(count),
        _ => Err(LimitExceeded { limit, asked: items.len() as u64, allowed: allowed.into() }.into()),
    }
}

/// Whether `payload` is that of a batch of so many items.
pub(super) fn check_items(items: u32, payload: &[u8], limit: Limit, allowed: u32) -> Result<(), Error> {
    if items == 0 {
        return Err(Error::EmptyBatch);
    }
    bounded_items(items, limit, allowed)?;
    Batch::parse(payload, items).map(drop).map_err(Error::Malformed)
}
