//! netipc.
pub mod buf;
pub mod wire;
