//! Checked cursors over bytes: [`Reader`] for what arrived, [`Writer`] for what goes out.
//!
//! A `Reader` never panics and never reads past its end. A `Writer` never writes past its end: it goes on
//! counting instead, so that the caller learns the size that would have been enough.

mod raw;
mod reader;

pub use raw::Writer;
pub(crate) use raw::{Checkpoint, Reach};
pub use reader::Reader;

/// Rounds `n` up to a multiple of `to`, a power of two.
///
/// Saturates at the last multiple that fits, which no buffer can hold.
#[must_use]
pub const fn align_up(n: usize, to: usize) -> usize {
    n.saturating_add(to - 1) & !(to - 1)
}
