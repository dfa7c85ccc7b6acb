//! A link that sleeps without a thread of its own.
//!
//! Owns: what is said to the peer, and to whoever tells of its end, while a link lies in a [ward](crate::transport::Ward).

use super::Shared;
use crate::sync::mapped::AtomicU32;
use crate::sync::{Arc, Ordering};
use crate::transport::{Dormant, LinkError};

/// Where the receiving half of a link sleeps without a thread. It is to be used by whoever receives, and then only.
///
/// It keeps the region mapped, and the word with it.
#[derive(Debug)]
pub(crate) struct Berth {
    shared: Arc<Shared>,
    /// What the word holds until the sleeper is woken, who sleeps if there is any.
    asleep: Option<u32>,
}

impl Berth {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, asleep: None }
    }
}

impl Dormant<AtomicU32> for Berth {
    fn lie_down(&mut self) -> Result<bool, LinkError> {
        self.get_up();
        let shared = &self.shared;
        shared.lane.settle()?;
        // SeqCst: as in `Shared::asleep`. Whoever tells of the end finds it here, or it sees the end.
        shared.sleepers.fetch_add(1, Ordering::SeqCst);
        self.asleep = shared.lane.lie_down(|| shared.is_over());
        if self.asleep.is_none() {
            shared.sleepers.fetch_sub(1, Ordering::SeqCst);
        }
        Ok(self.asleep.is_some())
    }

    fn word(&self) -> (&AtomicU32, u32) {
        (self.shared.lane.pillow(), self.asleep.unwrap_or_default())
    }

    fn stirs(&self) -> bool {
        // Also at the end: a peer can write to the word what it held before.
        self.asleep.is_none_or(|asleep| self.shared.lane.is_disturbed(asleep)) || self.shared.is_over()
    }

    fn looks_for_itself(&self) -> bool {
        !self.shared.is_watched()
    }

    fn glance(&self) {
        if !self.shared.is_over() {
            self.shared.glance();
        }
    }

    fn get_up(&mut self) {
        if let Some(asleep) = self.asleep.take() {
            self.shared.lane.get_up(asleep);
            self.shared.sleepers.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        self.get_up();
    }
}
