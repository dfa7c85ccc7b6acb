//! The tests of netipc.

pub mod oracle;
pub mod payload_vectors;
