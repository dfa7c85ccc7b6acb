//! A write-only cursor over memory that may be shared with a peer.
//!
//! Owns: every byte that a message writes. It refuses to write past the end, and counts instead. It decides
//! nothing from what it reads back: [`close_gap`](Writer::close_gap), [`insert`](Writer::insert),
//! [`peek`](Writer::peek) and [`lower_u32`](Writer::lower_u32) move bytes that a peer may have changed meanwhile, and whatever they find there
//! goes back to that same peer.
#![expect(unsafe_code, reason = "a Writer may stand over shared memory, where no reference may exist")]

use core::marker::PhantomData;
use core::ptr;

/// Writes bytes front to back, and counts past the end of its buffer instead of failing.
///
/// # Invariants
/// 1. `base` is valid for reads and writes of `capacity` bytes for `'a`, and nothing in this process holds a
///    reference to them.
/// 2. Bytes below `len` that lie inside the buffer have been written, or claimed by [`skip`](Self::skip).
#[derive(Debug)]
pub struct Writer<'a> {
    base: *mut u8,
    capacity: usize,
    len: usize,
    peak: usize,
    buffer: PhantomData<&'a mut [u8]>,
}

// SAFETY: a writer is as exclusive as the `&mut [u8]` that it stands for (invariant 1); which thread writes doesn't matter.
unsafe impl Send for Writer<'_> {}

// SAFETY: through a shared reference it only reads, and nothing in this process writes meanwhile (invariant 1).
unsafe impl Sync for Writer<'_> {}

impl<'a> Writer<'a> {
    /// Writes into `buffer`, from its first byte on.
    #[inline]
    #[must_use]
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { base: buffer.as_mut_ptr(), capacity: buffer.len(), len: 0, peak: 0, buffer: PhantomData }
    }

    /// Writes over `capacity` bytes from `base` on, which a peer may read and write meanwhile.
    ///
    /// # Safety
    /// They are valid for reads and writes for `'a`, no reference to them exists in this process, and nothing else in it
    /// writes them.
    #[inline]
    #[must_use]
    pub(crate) const unsafe fn over(base: *mut u8, capacity: usize) -> Self {
        // Invariant 1 is what the caller promises.
        Self { base, capacity, len: 0, peak: 0, buffer: PhantomData }
    }

    /// A writer without memory, past the end of everything: whatever is done with it, it reports no room.
    ///
    /// It stands in for a writer that a nested builder holds, should that builder never come back.
    #[inline]
    #[must_use]
    pub fn spent() -> Self {
        Self { base: ptr::NonNull::dangling().as_ptr(), capacity: 0, len: usize::MAX, peak: 0, buffer: PhantomData }
    }

    /// A writer that goes on where this one stands, and what moves this one up to its end. Without that, this one stays
    /// where it is, and what was written counts for nothing.
    #[inline]
    pub(crate) const fn branch(&mut self) -> (Writer<'_>, Reach<'_>) {
        let Self { base, capacity, len, ref mut peak, .. } = *self;
        // Invariant 1 holds for both, which are lent out of this one: `Reach` has no way to its bytes.
        let part = Writer { base, capacity, len, peak: 0, buffer: PhantomData };
        (part, Reach { len: &mut self.len, peak })
    }

    /// The bytes claimed so far, beyond the end of the buffer too.
    #[inline]
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was claimed yet.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes that the buffer has in all.
    #[inline]
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// The smallest buffer that would have held everything so far, gaps that were closed later included.
    #[inline]
    #[must_use]
    pub const fn needed(&self) -> usize {
        if self.peak > self.len { self.peak } else { self.len }
    }

    /// Whether all that was written found room.
    #[inline]
    #[must_use]
    pub const fn fits(&self) -> bool {
        self.needed() <= self.capacity
    }

    /// Appends `bytes`.
    #[inline]
    pub fn append(&mut self, bytes: &[u8]) {
        let at = self.len;
        self.len = at.saturating_add(bytes.len());
        self.put(at, bytes);
    }

    /// Appends `bytes` and a NUL.
    #[inline]
    pub fn append_with_nul(&mut self, bytes: &[u8]) {
        let at = self.len;
        let nul = at.saturating_add(bytes.len());
        self.len = nul.saturating_add(1);
        if nul < self.capacity {
            // SAFETY: `at <= nul < capacity`, so source and destination hold `bytes.len()` bytes (invariant 1); they
            // can't overlap, because no reference to the buffer exists.
            unsafe { copy_text(bytes, self.base.wrapping_add(at)) };
            // SAFETY: `nul < capacity` (invariant 1).
            unsafe { self.base.wrapping_add(nul).write(0) };
        }
    }

    /// Claims `n` bytes for a later [`put`](Self::put).
    #[inline]
    pub const fn skip(&mut self, n: usize) {
        self.len = self.len.saturating_add(n);
    }

    /// Appends zeros up to position `end`; nothing where the cursor is there or beyond.
    #[inline]
    pub fn zero_to(&mut self, end: usize) {
        self.zero_bytes_to(end);
        self.len = self.len.max(end);
    }

    /// The same, for an `end` at most 8 bytes ahead that more will be written behind: up to 8 bytes behind it may be zeroed
    /// too, where they lie inside the buffer.
    ///
    /// One store, where the exact few bytes would be a loop.
    #[inline(always)]
    pub(crate) fn zero_word_to(&mut self, end: usize) {
        const ZEROS: [u8; 8] = [0; 8];
        if self.len < self.capacity && self.capacity - self.len >= ZEROS.len() {
            self.put(self.len, &ZEROS);
        } else {
            self.zero_bytes_to(end);
        }
        self.len = self.len.max(end);
    }

    /// Zeros from the cursor up to `end`, as far as the buffer goes.
    fn zero_bytes_to(&mut self, end: usize) {
        for at in self.len..end.min(self.capacity) {
            // SAFETY: `at < capacity` (invariant 1).
            unsafe { self.base.wrapping_add(at).write(0) };
        }
    }

    /// Writes `bytes` at position `at`, if all of them fit the buffer; the cursor stays.
    #[inline]
    pub fn put(&mut self, at: usize, bytes: &[u8]) {
        if at <= self.capacity && bytes.len() <= self.capacity - at {
            // SAFETY: `at + bytes.len() <= capacity`, so the destination is inside the buffer (invariant 1); it can't
            // overlap the source, because no reference to the buffer exists.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.wrapping_add(at), bytes.len()) };
        }
    }

    /// Where it stands, and what did not find room so far.
    #[inline]
    pub(crate) const fn checkpoint(&self) -> Checkpoint {
        Checkpoint { len: self.len, peak: self.peak }
    }

    /// Goes back there: what was written since then counts for nothing.
    #[inline]
    pub(crate) const fn rewind(&mut self, checkpoint: Checkpoint) {
        // Bytes below an earlier `len` were claimed then (invariant 2).
        if checkpoint.len <= self.len {
            self.len = checkpoint.len;
            self.peak = checkpoint.peak;
        }
    }

    /// Moves all bytes from `from` on down to `to`, and the cursor with them.
    ///
    /// Does nothing unless `to <= from <= self.len()`.
    pub fn close_gap(&mut self, to: usize, from: usize) {
        if to > from || from > self.len {
            return;
        }
        self.peak = self.needed();
        let n = self.len - from;
        if self.len <= self.capacity {
            // SAFETY: `to <= from` and `from + n == len <= capacity`, so both ranges are inside the buffer (invariant
            // 1); `copy` allows them to overlap.
            unsafe { ptr::copy(self.base.wrapping_add(from), self.base.wrapping_add(to), n) };
        }
        self.len = to + n;
    }

    /// Inserts `bytes` at position `at`, and a NUL behind them if `nul`, moving up what stands there.
    ///
    /// Does nothing unless `at <= self.len()`.
    pub fn insert(&mut self, at: usize, bytes: &[u8], nul: bool) {
        if at > self.len {
            return;
        }
        let tail = self.len - at;
        let room = bytes.len().saturating_add(usize::from(nul));
        self.len = self.len.saturating_add(room);
        if self.len <= self.capacity {
            // SAFETY: `at + room + tail == len <= capacity`, so both ranges are inside the buffer (invariant 1);
            // `copy` allows them to overlap.
            unsafe { ptr::copy(self.base.wrapping_add(at), self.base.wrapping_add(at + room), tail) };
            self.put(at, bytes);
            if nul {
                self.put(at + bytes.len(), &[0]);
            }
        }
    }

    /// The `N` bytes at position `at` as they stand now; zeros where they lie outside the buffer.
    ///
    /// A peer may have changed them: right for finding what to hand back to that peer, and for nothing else.
    #[must_use]
    pub fn peek<const N: usize>(&self, at: usize) -> [u8; N] {
        if at <= self.capacity && self.capacity - at >= N {
            // SAFETY: `at + N <= capacity` (invariant 1), and a byte array has no alignment. Volatile: see above.
            unsafe { self.base.wrapping_add(at).cast::<[u8; N]>().read_volatile() }
        } else {
            [0; N]
        }
    }

    /// Subtracts `by` from the u32 at position `at`, unless it is zero.
    pub fn lower_u32(&mut self, at: usize, by: u32) {
        let old = u32::from_ne_bytes(self.peek(at));
        if old != 0 {
            self.put(at, &old.wrapping_sub(by).to_ne_bytes());
        }
    }
}

/// Where a writer stood.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checkpoint {
    len: usize,
    peak: usize,
}

/// How far a writer has come that another one [goes on](Writer::branch) for.
#[derive(Debug)]
pub(crate) struct Reach<'a> {
    len: &'a mut usize,
    peak: &'a mut usize,
}

impl Reach<'_> {
    /// The same again, for as long as it is lent.
    pub(crate) const fn again(&mut self) -> Reach<'_> {
        Reach { len: self.len, peak: self.peak }
    }

    /// Moves the writer up to where `part` stands, and has it know of what did not find room.
    #[inline]
    pub(crate) fn advance(self, part: &Writer<'_>) {
        *self.peak = part.needed().max(*self.peak).max(*self.len);
        *self.len = part.len;
    }
}

/// Copies text, most of which is short.
///
/// A call of the library's copy costs more than such a copy itself, and mispredicts where lengths vary. So lengths from
/// 16 up to 96 bytes go in three blocks of one size, which overlap as much as the length asks for: two classes, no loop.
///
/// # Safety
/// `target` is valid for writes of `text.len()` bytes, which don't overlap `text`.
#[inline(always)]
unsafe fn copy_text(text: &[u8], target: *mut u8) {
    match text.len() {
        // SAFETY: as the caller says, and 16 bytes are there.
        16..=48 => unsafe { copy_thrice::<16>(text, target) },
        // SAFETY: as the caller says, and 32 bytes are there.
        49..=96 => unsafe { copy_thrice::<32>(text, target) },
        // SAFETY: as the caller says.
        n => unsafe { ptr::copy_nonoverlapping(text.as_ptr(), target, n) },
    }
}

/// Copies `N..=3 * N` bytes in three blocks of `N`.
///
/// # Safety
/// `text` holds `N..=3 * N` bytes, `target` is valid for as many, and they don't overlap.
#[inline(always)]
unsafe fn copy_thrice<const N: usize>(text: &[u8], target: *mut u8) {
    let last = text.len() - N;
    for at in [0, last.min(N), last] {
        let source = text.as_ptr().wrapping_add(at).cast::<[u8; N]>();
        // SAFETY: `at + N <= text.len()`, because `at <= last`; a byte array has no alignment.
        let block = unsafe { source.read() };
        // SAFETY: the same, for the target.
        unsafe { target.wrapping_add(at).cast::<[u8; N]>().write(block) };
    }
}

#[cfg(test)]
mod tests {
    use super::Writer;

    #[test]
    fn text_of_every_length_is_copied_as_it_is() {
        let text: Vec<u8> = (0..300_u16).map(|i| (i % 251) as u8 + 1).collect();
        for len in 0..text.len() {
            let mut buffer = vec![0xee; len + 2];
            let mut writer = Writer::new(&mut buffer);
            writer.append_with_nul(&text[..len]);
            assert_eq!(writer.len(), len + 1);
            assert_eq!(buffer[..len], text[..len]);
            assert_eq!(buffer[len..], [0, 0xee]);
        }
    }

    #[test]
    fn goes_where_a_mutable_slice_can_go() {
        fn sendable<T: Send + Sync>() {}
        sendable::<Writer<'_>>();
    }

    #[test]
    fn counts_past_the_end_and_writes_nothing_there() {
        let mut memory = [0xaa_u8; 8];
        let (buffer, guard) = memory.split_at_mut(5);
        let mut writer = Writer::new(buffer);
        writer.append(b"abc");
        writer.append(b"def");
        writer.append_with_nul(b"ghi");
        assert_eq!((writer.len(), writer.needed(), writer.fits()), (10, 10, false));
        assert_eq!(writer.capacity(), 5);
        assert_eq!(guard, [0xaa; 3]);
        assert_eq!(&buffer[..3], b"abc");
    }

    #[test]
    fn closing_a_gap_moves_the_tail_and_remembers_the_peak() {
        let mut buffer = [0_u8; 16];
        let mut writer = Writer::new(&mut buffer);
        writer.append(b"ab");
        writer.skip(4);
        writer.append(b"xyz");
        writer.close_gap(2, 6);
        assert_eq!((writer.len(), writer.needed(), writer.fits()), (5, 9, true));
        assert_eq!(&buffer[..5], b"abxyz");
    }

    #[test]
    fn an_overflow_is_remembered_when_a_gap_closes_below_the_end() {
        let mut buffer = [0_u8; 4];
        let mut writer = Writer::new(&mut buffer);
        writer.skip(4);
        writer.append(b"xyz");
        writer.close_gap(0, 4);
        assert_eq!((writer.len(), writer.needed(), writer.fits()), (3, 7, false));
    }

    #[test]
    fn inserts_in_front_of_what_stands_there() {
        let mut buffer = [0_u8; 8];
        let mut writer = Writer::new(&mut buffer);
        writer.append_with_nul(b"yz");
        writer.insert(0, b"wx", true);
        writer.insert(3, b"-", false);
        assert_eq!(&buffer[..7], b"wx\0-yz\0");
    }

    #[test]
    fn a_branch_counts_from_where_it_began_once_it_is_taken_over() {
        let mut buffer = [0_u8; 8];
        let mut writer = Writer::new(&mut buffer);
        writer.append(b"ab");
        let (mut part, _) = writer.branch();
        part.append(b"??????????");
        assert_eq!((writer.len(), writer.needed()), (2, 2));
        let (mut part, reach) = writer.branch();
        part.append(b"cd");
        reach.advance(&part);
        assert_eq!((writer.len(), writer.needed(), writer.fits()), (4, 4, true));
        let (mut part, reach) = writer.branch();
        part.append(b"efghijk");
        part.close_gap(4, 10);
        assert_eq!((part.len(), part.needed()), (5, 11));
        reach.advance(&part);
        assert_eq!((writer.len(), writer.needed(), writer.fits()), (5, 11, false));
        let (part, reach) = writer.branch();
        assert_eq!((part.needed(), part.fits()), (5, true));
        reach.advance(&part);
        assert_eq!((writer.needed(), writer.fits()), (11, false));
    }

    #[test]
    fn what_was_written_since_a_checkpoint_can_be_taken_back() {
        let mut buffer = [0_u8; 8];
        let mut writer = Writer::new(&mut buffer);
        writer.append(b"ab");
        let checkpoint = writer.checkpoint();
        writer.append(b"0123456789");
        writer.close_gap(2, 12);
        assert_eq!((writer.len(), writer.needed(), writer.fits()), (2, 12, false));
        writer.rewind(checkpoint);
        assert_eq!((writer.len(), writer.needed(), writer.fits()), (2, 2, true));
        writer.append(b"cd");
        let ahead = writer.checkpoint();
        writer.rewind(checkpoint);
        writer.rewind(ahead);
        assert_eq!(writer.len(), 2);
    }

    #[test]
    fn lowers_words_that_are_not_zero() {
        let mut buffer = [0_u8; 8];
        let mut writer = Writer::new(&mut buffer);
        writer.append(&7_u32.to_ne_bytes());
        writer.append(&0_u32.to_ne_bytes());
        writer.lower_u32(0, 3);
        writer.lower_u32(4, 3);
        writer.lower_u32(5, 3);
        writer.lower_u32(usize::MAX, 3);
        assert_eq!(buffer, [4_u32.to_ne_bytes(), 0_u32.to_ne_bytes()].concat()[..]);
    }

    #[test]
    fn positions_beyond_all_memory_saturate() {
        let mut writer = Writer::new(&mut []);
        writer.skip(usize::MAX);
        writer.append_with_nul(b"abc");
        writer.insert(1, b"abc", true);
        writer.put(usize::MAX, b"abc");
        assert_eq!((writer.len(), writer.fits()), (usize::MAX, false));
    }

    #[test]
    fn zeroes_up_to_a_position() {
        let mut buffer = [0xff_u8; 24];
        let mut writer = Writer::new(&mut buffer);
        writer.append(b"a");
        writer.zero_to(20);
        writer.zero_to(3);
        assert_eq!(writer.len(), 20);
        assert_eq!(buffer[1..20], [0; 19]);
        assert!(buffer[20..].iter().all(|byte| [0, 0xff].contains(byte)));
        Writer::new(&mut buffer[..3]).zero_to(9);
    }
}
