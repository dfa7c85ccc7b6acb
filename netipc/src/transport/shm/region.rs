//! A region in memory: its words, and its two areas (docs/protocol.md, section 4).
//!
//! Owns: every access to memory that a peer can write at any moment. It refuses to make references to bytes there: words
//! are atomics, areas are copied from or written to, and nothing is decided from what an area holds.
#![expect(unsafe_code, reason = "words and areas lie in a mapping that other processes have too")]

use core::ptr::{self, NonNull};
use core::time::Duration;

use super::header::{Area, HEADER_LEN, Header};
use super::lane::{Ground, Side, Words};
use crate::buf::Writer;
use crate::sync::Arc;
use crate::sync::mapped::{AtomicU32, AtomicU64};
use crate::sys::{Mapping, sleep_on, wake_at};

/// Where the words of each direction stand.
const REQUEST: Offsets = Offsets { seq: 32, len: 48, signal: 56 };
const RESPONSE: Offsets = Offsets { seq: 40, len: 52, signal: 60 };

#[derive(Debug, Clone, Copy)]
struct Offsets {
    seq: usize,
    len: usize,
    signal: usize,
}

/// A region, seen from one side.
///
/// # Invariants
/// 1. The mapping has a header's 64 bytes, and both areas lie in it behind them without overlapping, at multiples of 64.
/// 2. Nothing in this process holds a reference to any byte of it but the six words, which are atomics.
/// 3. There is one [`Outbox`] and one [`Inbox`] to it.
#[derive(Debug)]
pub(super) struct Region {
    mapping: Mapping,
    side: Side,
    outgoing: Area,
    incoming: Area,
}

/// The area that this side writes. There is one to a region.
#[derive(Debug)]
pub(super) struct Outbox(Arc<Region>);

/// The area that the peer writes. There is one to a region.
#[derive(Debug)]
pub(super) struct Inbox(Arc<Region>);

impl Region {
    /// The region in `mapping`, with the way to each of its areas; `None` where the mapping is too short for this header.
    pub(super) fn new(mapping: Mapping, header: &Header, side: Side) -> Option<(Arc<Self>, Outbox, Inbox)> {
        // What makes a `Header` has seen to the rest of invariant 1.
        if mapping.len() < header.region_len() || mapping.len() < HEADER_LEN {
            return None;
        }
        let (outgoing, incoming) = match side {
            Side::Client => (header.request, header.response),
            Side::Server => (header.response, header.request),
        };
        let region = Arc::new(Self { mapping, side, outgoing, incoming });
        let (outbox, inbox) = (Outbox(Arc::clone(&region)), Inbox(Arc::clone(&region)));
        Some((region, outbox, inbox))
    }

    fn at(&self, offset: usize) -> NonNull<u8> {
        debug_assert!(offset < self.mapping.len(), "inside of the mapping");
        // SAFETY: all callers pass offsets of words, or of areas, which lie in the mapping (invariant 1).
        unsafe { self.mapping.base().add(offset) }
    }

    fn word32(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: the offsets of the words are multiples of 4 below 64, and the mapping begins at a page, so it is 4
        // aligned bytes in it (invariant 1), accessed as an atomic alone (invariant 2), for as long as `self` lives.
        unsafe { AtomicU32::from_ptr(self.at(offset).as_ptr().cast()) }
    }

    fn word64(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: the same with multiples of 8.
        unsafe { AtomicU64::from_ptr(self.at(offset).as_ptr().cast()) }
    }

    fn words(&self, offsets: Offsets) -> Words<'_, AtomicU32, AtomicU64> {
        Words { seq: self.word64(offsets.seq), len: self.word32(offsets.len), signal: self.word32(offsets.signal) }
    }
}

impl Ground for Arc<Region> {
    type U32 = AtomicU32;
    type U64 = AtomicU64;

    #[inline]
    fn outgoing(&self) -> Words<'_, AtomicU32, AtomicU64> {
        self.words(if self.side == Side::Client { REQUEST } else { RESPONSE })
    }

    #[inline]
    fn incoming(&self) -> Words<'_, AtomicU32, AtomicU64> {
        self.words(if self.side == Side::Client { RESPONSE } else { REQUEST })
    }

    #[inline]
    fn capacity(&self) -> u32 {
        self.incoming.capacity
    }

    fn sleep(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
        // It fails for a word outside of memory, which a reference is not; who woke looks for the reason.
        let _ = sleep_on(word, expected, timeout);
    }

    fn wake(word: &AtomicU32, most: u32) {
        wake_at(word, most);
    }
}

impl Outbox {
    /// Bytes that there are.
    pub(super) fn capacity(&self) -> usize {
        self.0.outgoing.capacity as usize
    }

    /// Writes up to `most` bytes to the area, from byte `at` on. Nothing that was written is read back to decide anything.
    #[expect(clippy::needless_pass_by_ref_mut, reason = "one writer at a time: invariant 3")]
    pub(super) fn writer(&mut self, at: usize, most: usize) -> Writer<'_> {
        let Area { offset, capacity } = self.0.outgoing;
        let at = at.min(capacity as usize);
        let base = self.0.at(offset as usize).as_ptr().wrapping_add(at);
        // SAFETY: these bytes lie in the mapping (invariant 1), no reference to them exists (invariant 2), and this is
        // the one way to write them (invariant 3), borrowed for as long as the writer lives.
        unsafe { Writer::over(base, most.min(capacity as usize - at)) }
    }
}

impl Inbox {
    /// Copies as many bytes as `into` has, from byte `at` of the area on; as many as there are.
    pub(super) fn copy(&self, at: usize, into: &mut [u8]) {
        let Area { offset, capacity } = self.0.incoming;
        let at = at.min(capacity as usize);
        let len = into.len().min(capacity as usize - at);
        let from = self.0.at(offset as usize).as_ptr().wrapping_add(at);
        // SAFETY: `at + len <= capacity`, so the source lies in the mapping (invariant 1), and `into` is other memory, for
        // no reference to the mapping exists (invariant 2). The peer may write meanwhile: then any bytes may arrive, which
        // is what a byte may be, and nothing is decided from them before they are proven in private memory.
        unsafe { ptr::copy_nonoverlapping(from, into.as_mut_ptr(), len) };
    }
}
