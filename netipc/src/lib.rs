//! netipc.

// Generated code names the crate; inside it, this is how.
extern crate self as netipc;

pub mod buf;
pub mod codec;
#[doc(hidden)]
pub mod private;
pub mod wire;

pub use codec::{DecodeError, EncodeError, WireMessage};
pub use netipc_derive::WireMessage;
