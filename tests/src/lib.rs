//! The tests of netipc.
pub mod vectors;

pub mod conversation;
pub mod declared;
pub mod envelope;
pub mod generate;
pub mod hygiene;
pub mod mutate;
pub mod natural;
pub mod oracle;
pub mod payload_vectors;
pub mod random;
pub mod seeds;
