//! Method 3, `string-reverse`: a text there, its mirror image back.

use netipc::WireMessage;

/// Request and response of `string-reverse`.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
#[wire(size = 8, tolerate(trailing))]
pub struct StringReverse {
    /// The text; it may hold NULs.
    #[wire(at = 0, nul)]
    pub text: Vec<u8>,
}
