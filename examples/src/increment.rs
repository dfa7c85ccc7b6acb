//! Method 1, `increment`: a number there, the next one back.

use netipc::WireMessage;

/// Request and response of `increment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[wire(size = 8, tolerate(trailing))]
pub struct Increment {
    /// The number.
    #[wire(at = 0)]
    pub value: u64,
}
