//! What messages are received into.
//!
//! Owns: the memory, and how long it is used again. It refuses to know packets: it is told where their bytes go.

use core::hint::black_box;
use core::mem;

use bytes::{Bytes, BytesMut};

use crate::sys::SystemError;
use crate::wire::{HEADER_LEN, Header};

/// How much larger a buffer gets that messages are kept from, in messages of the largest size and in bytes.
const KEPT_MESSAGES: usize = 4;
const KEPT_BYTES: usize = 1 << 20;

/// A message in one piece that is longer stands in the buffer of large ones.
const SHORT: usize = 16 << 10;

/// Up to here memory is had, or the process ends, as everywhere else.
const MODEST: usize = 32 << 20;

/// What a message is received into: 32 bytes of header, and the payload.
#[derive(Default)]
pub(super) struct Buffer {
    /// All of it is initialised, and handed out as it is: received bytes overwrite it.
    bytes: BytesMut,
    /// Whether parts of it have been given away.
    is_shared: bool,
    /// Once it is shared, messages of many packets that it has no room for stand in a buffer of their own: a small one
    /// that is kept should not hold the memory of a large one. This is whichever of both is not in use.
    other: BytesMut,
    /// Whether the one in use is that of its own.
    is_apart: bool,
}

impl Buffer {
    /// The first `len` bytes, whatever they hold.
    pub(super) fn room(&mut self, len: usize) -> &mut [u8] {
        if self.is_apart {
            mem::swap(&mut self.bytes, &mut self.other);
            self.is_apart = false;
        }
        if self.bytes.len() < len {
            self.replace(len);
        }
        self.bytes.get_mut(..len).unwrap_or_default()
    }

    /// The first `len` bytes for a message that comes in one piece, where the largest has `most`.
    ///
    /// # Errors
    /// Where there is no memory for it.
    pub(super) fn room_for_whole(&mut self, len: usize, most: usize) -> Result<&mut [u8], SystemError> {
        self.room(SHORT.min(most));
        if self.bytes.len() < len {
            // Some room to grow into, or a message that is a little longer each time would have a new buffer each time.
            self.extend(len.checked_next_power_of_two().map_or(len, |longer| longer.min(most).max(len)), 0)?;
        }
        Ok(self.bytes.get_mut(..len).unwrap_or_default())
    }

    /// The first bytes of what was received, `len` of them or as many as there are.
    pub(super) fn front(&self, len: usize) -> &[u8] {
        self.bytes.get(..len).unwrap_or(&self.bytes)
    }

    #[cold]
    fn replace(&mut self, len: usize) {
        // Whoever keeps messages will go on keeping them: room for some more of them spares as many allocations.
        let most = len.saturating_mul(KEPT_MESSAGES).min(len.saturating_add(KEPT_BYTES));
        let len = if self.is_shared { most } else { len };
        self.bytes.clear();
        if self.is_shared && self.bytes.try_reclaim(len) {
            self.bytes.resize(len, 0);
        } else {
            self.bytes = BytesMut::zeroed(len);
        }
    }

    /// Makes the buffer `len` bytes long and keeps the first `kept`.
    ///
    /// # Errors
    /// Where there is no memory for it.
    pub(super) fn extend(&mut self, len: usize, kept: usize) -> Result<(), SystemError> {
        if self.bytes.len() < len {
            let mut longer = mem::take(&mut self.other);
            if !(len..=len.saturating_mul(KEPT_MESSAGES)).contains(&longer.len()) {
                look_for_memory(len)?;
                // Zeroed memory comes untouched from the kernel; growing in place would write all of it.
                longer = BytesMut::zeroed(len);
            }
            if let (Some(to), Some(from)) = (longer.get_mut(..kept), self.bytes.get(..kept)) {
                to.copy_from_slice(from);
            }
            let shorter = mem::replace(&mut self.bytes, longer);
            if self.is_shared {
                self.other = shorter;
                self.is_apart = true;
            }
        }
        Ok(())
    }

    /// Where `len` bytes of payload stand, from byte `at` of it.
    pub(super) fn body(&mut self, at: usize, len: usize) -> &mut [u8] {
        let start = HEADER_LEN.saturating_add(at);
        self.bytes.get_mut(start..start.saturating_add(len)).unwrap_or_default()
    }

    /// The payload of the message that stands here.
    pub(super) fn payload(&self, header: &Header) -> &[u8] {
        self.bytes.get(HEADER_LEN..message_len(header)).unwrap_or_default()
    }

    /// The same, taken out.
    pub(super) fn take(&mut self, header: &Header) -> Bytes {
        self.is_shared = true;
        let len = message_len(header).min(self.bytes.len());
        let mut message = self.bytes.split_to(len);
        message.split_off(HEADER_LEN.min(len)).freeze()
    }

    /// The same, in memory that nothing else stands in and that has no room for another: a copy, where that would waste
    /// more than half of the buffer.
    pub(super) fn give(&mut self, header: &Header) -> Bytes {
        let len = message_len(header).min(self.bytes.len());
        if len < self.bytes.len() / 2 {
            return Bytes::copy_from_slice(self.payload(header));
        }
        let mut message = mem::take(&mut self.bytes);
        message.truncate(len);
        message.split_off(HEADER_LEN.min(len)).freeze()
    }
}

pub(super) fn message_len(header: &Header) -> usize {
    usize::try_from(header.message_len()).unwrap_or(usize::MAX)
}

/// Asks for so many bytes before they are needed: a limit may be more than the machine has, and then it is one message
/// that fails, and not the process.
///
/// # Errors
/// Where they can't be had.
pub(crate) fn look_for_memory(len: usize) -> Result<(), SystemError> {
    if len <= MODEST {
        return Ok(());
    }
    let mut trial = Vec::<u8>::new();
    let found = trial.try_reserve_exact(len).map_err(|_| SystemError::out_of_memory());
    // What is never looked at need not be allocated.
    black_box(&mut trial);
    found
}

#[cfg(test)]
mod tests {
    use super::Buffer;
    use crate::wire::{HEADER_LEN, Header, Method};

    const ROOM: usize = HEADER_LEN + 100;

    fn received(buffer: &mut Buffer, len: u32, byte: u8) -> Header {
        let header = Header::request(Method::new(1), 1, len);
        let len = len as usize;
        buffer.room(ROOM).fill(byte);
        if HEADER_LEN + len > ROOM {
            buffer.extend(HEADER_LEN + len, ROOM).unwrap();
            buffer.body(ROOM - HEADER_LEN, HEADER_LEN + len - ROOM).fill(byte);
        }
        assert_eq!(buffer.payload(&header), vec![byte; len]);
        header
    }

    #[test]
    fn small_messages_that_are_kept_hold_no_memory_of_large_ones_between_them() {
        let mut buffer = Buffer::default();
        // The first of all finds a buffer for itself alone.
        let header = received(&mut buffer, 4, 0);
        let first = buffer.take(&header);
        let mut kept = Vec::new();
        for byte in 1..10 {
            let header = received(&mut buffer, 4, byte);
            kept.push(buffer.take(&header));
            received(&mut buffer, 5000, 0xff);
        }
        for (message, byte) in kept.iter().zip(1..) {
            assert_eq!(message.as_ref(), [byte; 4]);
        }
        for pair in kept.windows(2) {
            assert_eq!(pair[1].as_ptr() as usize - pair[0].as_ptr() as usize, HEADER_LEN + 4);
        }
        assert_eq!(first.as_ref(), [0; 4]);
    }

    #[test]
    fn what_is_given_away_is_nowhere_else_and_the_next_message_finds_room() {
        let mut buffer = Buffer::default();
        // Small in what has room, a packet that fills it, of many packets; whether others were kept before or not.
        for is_shared in [false, true] {
            let mut given = Vec::new();
            for (byte, len) in (1..).zip([4, 70, 5000, 4, 300_000, 299_000, 60, 101, 4]) {
                let header = received(&mut buffer, len, byte);
                let before = buffer.bytes.as_ptr_range();
                let message = buffer.give(&header);
                let is_copy = !before.contains(&message.as_ptr());
                let held = if is_copy { message.len() } else { before.end as usize - before.start as usize };
                assert!(held <= 2 * (HEADER_LEN + len as usize) + 1, "{held} for {len}");
                assert!(!is_copy || len < 5000, "{len} bytes are not copied");
                assert!(is_copy || !before.contains(&buffer.bytes.as_ptr()), "{len} bytes stand there alone");
                given.push((byte, len, message));
            }
            for (byte, len, message) in given {
                assert_eq!(message, vec![byte; len as usize], "shared: {is_shared}");
            }
            let header = received(&mut buffer, 4, 0);
            let _kept = buffer.take(&header);
        }
    }

    #[test]
    fn a_large_message_that_is_kept_holds_at_most_four_times_its_memory() {
        let mut buffer = Buffer::default();
        let header = received(&mut buffer, 4, 0);
        let _first = buffer.take(&header);
        let sizes = [500_000, 4000, 3000, 90_000, 30_000, 22_000, 500_000, 101];
        let kept: Vec<_> = (1..)
            .zip(sizes)
            .map(|(byte, len)| {
                received(&mut buffer, 600_000, 0xff);
                let header = received(&mut buffer, len, byte);
                // The last of the buffer that it stands in.
                let end = buffer.bytes.as_ptr() as usize + buffer.bytes.len();
                let message = buffer.take(&header);
                let held = end - message.as_ptr() as usize;
                assert!(held <= 4 * (HEADER_LEN + len as usize), "{held} for {len}");
                (byte, len, message)
            })
            .collect();
        for (byte, len, message) in kept {
            assert_eq!(message, vec![byte; len as usize]);
        }
    }
}
