//! The benches of netipc: every codec works on the same two messages, gives the same checksum, and is timed in turn with
//! the others.

pub mod contender;
pub mod contenders;
pub mod data;
pub mod measure;
pub mod netdata;
