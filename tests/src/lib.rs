//! The tests of netipc.
pub mod vectors;

pub mod declared;
pub mod generate;
pub mod mutate;
pub mod oracle;
pub mod payload_vectors;
pub mod random;
pub mod seeds;
