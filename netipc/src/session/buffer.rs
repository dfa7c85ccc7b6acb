//! What a message is received into, and kept from.
//!
//! Owns: memory that is initialised once and handed out as it is, and the parts of it that were given away. It refuses to
//! move a payload, but for the first packet of a message that is longer than any before it.

use bytes::{Bytes, BytesMut};

use crate::wire::{HEADER_LEN, Header};

/// How much larger a buffer gets that messages are kept from, in messages of the largest size and in bytes.
const KEPT_MESSAGES: usize = 4;
const KEPT_BYTES: usize = 1 << 20;

/// What a message is received into: 32 bytes of header, and the payload.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    /// All of it is initialised, and handed out as it is: received bytes overwrite it.
    bytes: BytesMut,
    /// Whether parts of it have been given away.
    is_shared: bool,
}

impl Buffer {
    /// The first `len` bytes, whatever they hold.
    pub(super) fn room(&mut self, len: usize) -> &mut [u8] {
        if self.bytes.len() < len {
            self.replace(len);
        }
        self.bytes.get_mut(..len).unwrap_or_default()
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
    pub(super) fn extend(&mut self, len: usize, kept: usize) {
        if self.bytes.len() < len {
            // Zeroed memory comes untouched from the kernel; growing in place would write all of it.
            let mut longer = BytesMut::zeroed(len);
            if let (Some(to), Some(from)) = (longer.get_mut(..kept), self.bytes.get(..kept)) {
                to.copy_from_slice(from);
            }
            self.bytes = longer;
        }
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
}

/// Bytes of a message, its header included.
pub(super) fn message_len(header: &Header) -> usize {
    usize::try_from(header.message_len()).unwrap_or(usize::MAX)
}
