//! A message, cut into packets.
//!
//! Owns: the head of each packet and its share of the payload. It refuses to copy payload bytes, and to allocate.

use core::iter::FusedIterator;
use core::num::NonZeroU32;
use core::ops::Range;

use super::{Cut, HEAD, too_long};
use crate::proto::LimitExceeded;
use crate::wire::{ChunkHeader, HEADER_LEN, Header};

/// Cuts a message into packets (docs/protocol.md, section 1.4).
///
/// It yields heads and ranges of the payload; the payload itself stays where it is.
#[derive(Debug, Clone)]
pub struct Splitter {
    header: Header,
    cut: Cut,
    index: u32,
    at: u32,
}

/// A packet to send: `head`, and behind it the bytes `body` of the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a packet is a head and a body")]
pub struct Packet {
    /// The outer header in the first packet, a continuation header in every other.
    pub head: [u8; HEADER_LEN],
    /// Where the packet's share of the payload stands in it; empty only if the payload is.
    pub body: Range<usize>,
}

impl Splitter {
    /// Cuts the message of this header into packets of at most `packet_size` bytes.
    ///
    /// # Errors
    /// [`Limit::MessageLen`](crate::proto::Limit) where header and payload have more bytes than 32 bits can say, or where
    /// a packet has no room behind its header.
    #[inline]
    pub fn new(header: Header, packet_size: u32) -> Result<Self, LimitExceeded> {
        let Some(budget) = packet_size.checked_sub(HEAD).and_then(NonZeroU32::new) else {
            return Err(too_long(&header, packet_size));
        };
        Ok(Self { header, cut: Cut::new(&header, budget)?, index: 0, at: 0 })
    }
}

impl Iterator for Splitter {
    type Item = Packet;

    #[inline]
    fn next(&mut self) -> Option<Packet> {
        if self.index == self.cut.count {
            return None;
        }
        let len = self.cut.body_len(self.at);
        let head = if self.index == 0 {
            self.header.encode()
        } else {
            let chunk = ChunkHeader {
                message_id: self.header.message_id(),
                total_message_len: self.cut.total,
                chunk_index: self.index,
                chunk_count: self.cut.count,
                chunk_payload_len: NonZeroU32::new(len)?,
            };
            chunk.encode()
        };
        let start = self.at as usize;
        self.index += 1;
        self.at += len;
        Some(Packet { head, body: start..self.at as usize })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.cut.count - self.index) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Splitter {}
impl FusedIterator for Splitter {}

#[cfg(test)]
mod tests {
    use super::Splitter;
    use crate::proto::{Assembler, Limit, LimitExceeded, Role, Step, Terms};
    use crate::wire::{Header, Method, Profiles};

    fn terms() -> Terms {
        Terms {
            profile: Profiles::BASELINE,
            request_payload: u32::MAX,
            request_items: 1,
            response_payload: 0,
            response_items: 1,
            packet_size: u32::MAX,
            session_id: 1,
        }
    }

    fn request(payload_len: u32) -> Header {
        Header::request(Method::new(3), 7, payload_len)
    }

    #[test]
    fn a_message_that_no_continuation_could_state_is_too_long_for_both_sides() {
        let terms = terms();
        for (payload, total) in [(0xffff_ffe0, 0x1_0000_0000), (u32::MAX, 0x1_0000_001f)] {
            let expected = LimitExceeded { limit: Limit::MessageLen, asked: total, allowed: 0xffff_ffff };
            for packet_size in [33, u32::MAX] {
                assert_eq!(Splitter::new(request(payload), packet_size).err(), Some(expected));
            }
            let mut assembler = Assembler::new(Role::Server, &terms);
            assert_eq!(assembler.on_first(&request(payload).encode(), 32), Err(expected.into()));
        }
        let longest = request(0xffff_ffdf);
        let mut packets = Splitter::new(longest, u32::MAX).unwrap();
        assert_eq!(packets.next().unwrap().body, 0..0xffff_ffdf);
        assert_eq!(packets.next(), None);
        assert_eq!(Splitter::new(longest, 33).unwrap().len(), 0xffff_ffdf);
        assert_eq!(
            Assembler::new(Role::Server, &terms).on_first(&longest.encode(), 0xffff_ffff),
            Ok(Step::Complete(longest))
        );
    }

    #[test]
    fn a_packet_needs_room_behind_its_header() {
        for packet_size in [0, 1, 31, 32] {
            let refused = |payload_len, asked| {
                let allowed = u64::from(packet_size);
                let expected = LimitExceeded { limit: Limit::MessageLen, asked, allowed };
                assert_eq!(Splitter::new(request(payload_len), packet_size).err(), Some(expected));
            };
            refused(0, 33);
            refused(8, 40);
        }
    }
}
