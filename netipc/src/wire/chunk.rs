//! The header of a continuation packet.
//!
//! Owns: its 32 bytes. It refuses what contradicts itself there; whether index, count and total belong to the message
//! that is being received is for the assembler to say.

use core::num::NonZeroU32;

use super::fields::{Fields, join};
use super::{CHUNK_MAGIC, HEADER_LEN, Rule, Structure, VERSION, WireError};

/// The header of every packet of a message but its first (docs/protocol.md, section 1.4).
///
/// Every value of this type is well formed, so its fields are free to set. As deployed codecs do, it takes a
/// `chunk_index` at or beyond `chunk_count`, and zeros in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the layout is fixed for good by deployed peers")]
pub struct ChunkHeader {
    /// That of the message's outer header.
    pub message_id: u64,
    /// Outer header and payload of the whole message, in bytes.
    pub total_message_len: u32,
    /// Which packet of the message this is; 0 is the first, which carries the outer header instead.
    pub chunk_index: u32,
    /// How many packets the message has, the first included.
    pub chunk_count: u32,
    /// Payload bytes that follow in this packet.
    pub chunk_payload_len: NonZeroU32,
}

impl ChunkHeader {
    /// Reads a continuation header from the start of `bytes`; what follows is not looked at.
    ///
    /// # Errors
    /// Fewer than 32 bytes, a wrong magic or version, flags that are not zero, or a payload length of zero.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut fields = Fields::new(Structure::ChunkHeader, HEADER_LEN, bytes);
        let magic = fields.u32("magic")?;
        let version = fields.u16("version")?;
        let flags = fields.u16("flags")?;
        let message_id = fields.u64("message_id")?.value;
        let total_message_len = fields.u32("total_message_len")?.value;
        let chunk_index = fields.u32("chunk_index")?.value;
        let chunk_count = fields.u32("chunk_count")?.value;
        let payload = fields.u32("chunk_payload_len")?;

        magic.magic(CHUNK_MAGIC)?;
        version.version(VERSION)?;
        flags.zero()?;
        let chunk_payload_len = NonZeroU32::new(payload.value).ok_or_else(|| payload.breaks(Rule::NotZero))?;
        Ok(Self { message_id, total_message_len, chunk_index, chunk_count, chunk_payload_len })
    }

    /// The 32 bytes of this header.
    #[inline]
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        join(&[
            &CHUNK_MAGIC.to_ne_bytes(),
            &VERSION.to_ne_bytes(),
            &0_u16.to_ne_bytes(),
            &self.message_id.to_ne_bytes(),
            &self.total_message_len.to_ne_bytes(),
            &self.chunk_index.to_ne_bytes(),
            &self.chunk_count.to_ne_bytes(),
            &self.chunk_payload_len.get().to_ne_bytes(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU32;

    use super::ChunkHeader;
    use crate::wire::{CHUNK_MAGIC, MAGIC, Rule, Structure};

    fn chunk() -> ChunkHeader {
        ChunkHeader {
            message_id: 0x0102_0304_0506_0708,
            total_message_len: 300,
            chunk_index: 1,
            chunk_count: 3,
            chunk_payload_len: NonZeroU32::new(96).unwrap(),
        }
    }

    #[test]
    fn every_field_stands_at_its_offset() {
        let bytes = chunk().encode();
        assert_eq!(bytes[0..4], CHUNK_MAGIC.to_ne_bytes());
        assert_eq!(bytes[4..6], 1_u16.to_ne_bytes());
        assert_eq!(bytes[6..8], [0; 2]);
        assert_eq!(bytes[8..16], 0x0102_0304_0506_0708_u64.to_ne_bytes());
        assert_eq!(bytes[16..20], 300_u32.to_ne_bytes());
        assert_eq!(bytes[20..24], 1_u32.to_ne_bytes());
        assert_eq!(bytes[24..28], 3_u32.to_ne_bytes());
        assert_eq!(bytes[28..32], 96_u32.to_ne_bytes());
        assert_eq!(ChunkHeader::parse(&bytes), Ok(chunk()));
    }

    #[test]
    fn each_broken_rule_is_named_with_its_field() {
        let two = u16::from_ne_bytes([2, 0]);
        let cases: [(usize, &[u8], &str, Rule); 4] = [
            (0, &MAGIC.to_ne_bytes(), "magic", Rule::Magic { expected: CHUNK_MAGIC, found: MAGIC }),
            (4, &[2, 0], "version", Rule::Version { expected: 1, found: two }),
            (6, &[2, 0], "flags", Rule::Zero { found: u32::from(two) }),
            (28, &[0; 4], "chunk_payload_len", Rule::NotZero),
        ];
        for (offset, patch, field, rule) in cases {
            let mut bytes = chunk().encode();
            bytes[offset..offset + patch.len()].copy_from_slice(patch);
            let error = ChunkHeader::parse(&bytes).unwrap_err();
            assert_eq!((error.structure(), error.field()), (Structure::ChunkHeader, field));
            assert_eq!((error.offset(), error.rule()), (offset, rule));
        }
    }

    #[test]
    fn every_shorter_length_is_truncated() {
        let bytes = chunk().encode();
        for len in 0..bytes.len() {
            let error = ChunkHeader::parse(&bytes[..len]).unwrap_err();
            assert_eq!((error.offset(), error.rule()), (len, Rule::Truncated { needed: 32, found: len }));
        }
    }
}
