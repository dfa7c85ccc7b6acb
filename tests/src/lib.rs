//! The tests of netipc.
pub mod vectors;
