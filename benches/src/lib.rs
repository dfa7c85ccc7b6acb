//! The benches of netipc: every codec works on the same two messages, gives the same checksum, and is timed in turn with
//! the others; every way to carry calls between two processes ([`driver`]) carries the same ones, in turn with the others;
//! every way to make services of that ([`services`]) answers the same calls.

pub mod caches;
#[cfg(feature = "neighbours")]
pub mod codecs;
pub mod contender;
#[cfg(feature = "neighbours")]
pub mod contenders;
pub mod counting;
pub mod data;
#[cfg(feature = "neighbours")]
pub mod document;
pub mod driver;
pub mod lookups;
pub mod measure;
#[cfg(feature = "neighbours")]
pub mod netdata;
pub mod paths;
pub mod round_trips;
pub mod rounds;
pub mod services;
