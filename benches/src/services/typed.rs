//! Calls of generated clients that go on at the same time.
//!
//! Owns: which loads those are, and the clients that carry them. Generated clients call one by one so far, so there are
//! none.

use super::generated::BenchClient;
use super::load::Load;
use super::threads::Client;

/// What carries such a load over this client, if something does.
type Make = fn(BenchClient, &Load) -> Box<dyn Client + Send>;

/// What carries a load that is not one by one, if anything does.
pub fn caller(load: &Load) -> Option<Make> {
    let _ = load;
    None
}
