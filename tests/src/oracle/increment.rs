//! The payload of `increment`, both ways: one number (docs/protocol.md, section 5.2).
//!
//! Refuses: fewer than 8 bytes. Ignores what follows them.

use super::bytes::{Reason, u64_at};

/// The number to add one to, or the sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Increment {
    /// At 0.
    pub value: u64,
}

impl Increment {
    /// Decodes a payload.
    ///
    /// # Errors
    ///
    /// The rule that the payload breaks.
    pub fn decode(payload: &[u8]) -> Result<Self, Reason> {
        Ok(Self { value: u64_at(payload, 0)? })
    }

    /// The canonical payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        self.value.to_ne_bytes().to_vec()
    }
}
