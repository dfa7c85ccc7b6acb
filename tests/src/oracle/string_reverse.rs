//! The payload of `string-reverse`, both ways: one string (docs/protocol.md, section 5.2).
//!
//! Refuses: an offset other than 8, a string out of bounds or without NUL behind it. Tolerates NULs inside; ignores what
//! follows the string.

use super::bytes::{Reason, Text, append_text, text, u32_at};

/// The string to reverse, or the reverse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringReverse<'a> {
    /// Its field is at 0.
    pub text: Text<'a>,
}

impl<'a> StringReverse<'a> {
    /// Decodes a payload.
    ///
    /// # Errors
    ///
    /// The rule that the payload breaks.
    pub fn decode(payload: &'a [u8]) -> Result<Self, Reason> {
        if u32_at(payload, 0)? != 8 {
            return Err("the string's offset is not 8");
        }
        let (text, _) = text(payload, 0, 8)?;
        Ok(Self { text: Text::Borrowed(text) })
    }

    /// The canonical payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = vec![0; 8];
        append_text(&mut payload, 0, &self.text);
        payload
    }
}
