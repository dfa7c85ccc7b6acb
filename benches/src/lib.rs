//! The benches of netipc.
