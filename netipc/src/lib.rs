//! netipc.
pub mod buf;
pub mod wire;
pub use netipc_derive::WireMessage;
