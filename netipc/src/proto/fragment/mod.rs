//! Messages cut into packets, and put together again.
//!
//! Owns: how a message is cut, and the proof that packets which arrive are those of one message, in order, each as long
//! as it must be, none beyond the limits. It refuses to hold payload bytes: it says where they go, and their owner moves
//! them.

mod assembler;
mod splitter;

pub use assembler::{Assembler, Next, Step};
pub use splitter::{Packet, Splitter};

use core::num::NonZeroU32;

use super::{Limit, LimitExceeded, Violation};
use crate::wire::{Batch, HEADER_LEN, Header, Kind, Status};

/// [`HEADER_LEN`] in the width of the lengths on the wire.
const HEAD: u32 = 32;

/// How the bodies of a message's packets follow from its length (docs/protocol.md, section 1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    /// Payload bytes of a full packet; more than 0.
    budget: NonZeroU32,
    /// Header and payload.
    total: u32,
    payload: u32,
    /// Packets, the first included.
    count: u32,
}

impl Cut {
    /// # Errors
    /// [`Limit::MessageLen`] where the total is more than a continuation could state.
    #[inline]
    fn new(header: &Header, budget: NonZeroU32) -> Result<Self, LimitExceeded> {
        let payload = header.payload_len();
        let Some(total) = payload.checked_add(HEAD) else { return Err(too_long(header, u32::MAX)) };
        let count = if payload <= budget.get() { 1 } else { payload.div_ceil(budget.get()) };
        Ok(Self { budget, total, payload, count })
    }

    /// The body of the packet that begins at byte `at` of the payload.
    #[inline]
    fn body_len(&self, at: u32) -> u32 {
        self.payload.saturating_sub(at).min(self.budget.get())
    }
}

#[cold]
fn too_long(header: &Header, allowed: u32) -> LimitExceeded {
    // Where the packet size is to blame, at least one byte behind a header was asked for.
    let asked = header.message_len().max(HEADER_LEN as u64 + 1);
    LimitExceeded { limit: Limit::MessageLen, asked, allowed: u64::from(allowed) }
}

/// Checks the directory of a batch, be it of one item, before the first item is handed out (docs/protocol.md, section
/// 1.3). A message without the batch flag has none, and neither has a response that reports an error.
///
/// # Errors
/// [`Violation::Envelope`], where [`Batch::parse`] refuses the payload.
pub fn check_batch(header: &Header, payload: &[u8]) -> Result<(), Violation> {
    if !header.is_batch() || is_error(header) {
        return Ok(());
    }
    Batch::parse(payload, header.item_count())?;
    Ok(())
}

/// Deployed servers send an error with the item count and the batch flag of its request, or without.
#[inline]
fn is_error(header: &Header) -> bool {
    header.kind() == Kind::Response && header.status() != Status::Ok
}

#[cfg(test)]
mod tests {
    use super::{HEAD, check_batch};
    use crate::proto::Violation;
    use crate::wire::{HEADER_LEN, Header, Method, Status, Structure};

    fn request(payload_len: u32) -> Header {
        Header::request(Method::new(3), 7, payload_len)
    }

    #[test]
    fn a_header_is_as_long_in_either_width() {
        assert_eq!(HEAD as usize, HEADER_LEN);
    }

    #[test]
    fn a_batch_is_checked_whatever_its_count_unless_it_is_an_error() {
        let response = Header::response(Method::new(3), 7, 8).with_batch(1);
        let bad = [4, 0, 0, 0, 0, 0, 0, 0];
        for header in [request(8).with_batch(1), request(8).with_batch(2), response] {
            let violation = check_batch(&header, &bad).unwrap_err();
            let Violation::Envelope(error) = violation else { panic!("{violation:?}") };
            assert_eq!(error.structure(), Structure::Batch);
            assert_eq!(violation.offset(), HEADER_LEN + error.offset());
        }
        let odd = request(8).with_batch(1).with_status(Status::InternalError);
        assert!(check_batch(&odd, &bad).is_err());
        assert_eq!(check_batch(&request(8), &bad), Ok(()));
        assert_eq!(check_batch(&response.with_status(Status::InternalError), &bad), Ok(()));
        assert_eq!(check_batch(&request(8).with_batch(1), &[0; 8]), Ok(()));
    }
}
