//! Requests that wait for their answers, as both halves of a session see them.
//!
//! Owns: doing without the lock while there is one of them at most, which is how most clients ask: then the lock would
//! cost more than all else that a session does. It refuses to know more than [`InFlight`], which it falls back on.
//!
//! ```text
//!             insert               another insert (under the lock)
//!   NONE <------------> one id  -------------------------------> MANY: all ids are behind the lock
//!    ^        remove                                               |
//!    '-------------- the last one is removed (under the lock) -----'
//! ```

use crate::proto::{Breach, InFlight};
use crate::sync::{AtomicU64, Mutex, Ordering, lock};

/// No request waits.
const NONE: u64 = 0;
/// Look behind the lock.
const MANY: u64 = u64::MAX;

/// The ids of requests that have no response yet.
#[derive(Debug)]
pub(super) struct Asked {
    /// [`NONE`], [`MANY`], or the only id. It comes to be `MANY`, and ceases to be, under the lock alone.
    only: AtomicU64,
    limit: usize,
    many: Mutex<InFlight>,
}

impl Asked {
    /// Room for `limit` ids.
    pub(super) fn new(limit: usize) -> Self {
        Self { only: AtomicU64::new(NONE), limit, many: Mutex::new(InFlight::new(limit)) }
    }

    /// Takes `id`; whether others wait, too.
    ///
    /// # Errors
    /// As [`InFlight::insert`].
    #[inline]
    pub(super) fn insert(&self, id: u64) -> Result<bool, Breach> {
        // Two ids have other meanings there, and a peer may choose them.
        let is_plain = id != NONE && id != MANY && self.limit > 0;
        // Relaxed, here and below: an id orders nothing but itself; messages travel by other ways.
        if is_plain && self.only.compare_exchange(NONE, id, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return Ok(false);
        }
        self.insert_behind_the_lock(id)
    }

    #[cold]
    fn insert_behind_the_lock(&self, id: u64) -> Result<bool, Breach> {
        let mut many = lock(&self.many);
        let only = self.only.swap(MANY, Ordering::Relaxed);
        if only != NONE && only != MANY {
            // There is room for it: it was let in.
            many.insert(only)?;
        }
        let inserted = many.insert(id);
        let len = many.len();
        if len == 0 {
            self.only.store(NONE, Ordering::Relaxed);
        }
        inserted.map(|()| len > 1)
    }

    /// Gives `id` back; whether it was taken.
    #[inline]
    pub(super) fn remove(&self, id: u64) -> bool {
        let is_plain = id != NONE && id != MANY;
        if is_plain && self.only.compare_exchange(id, NONE, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return true;
        }
        self.remove_behind_the_lock(id)
    }

    #[cold]
    fn remove_behind_the_lock(&self, id: u64) -> bool {
        let mut many = lock(&self.many);
        // While the lock is held it stays `MANY`, or another.
        if self.only.load(Ordering::Relaxed) != MANY {
            // It may have come to be the only one since it was looked for.
            let is_plain = id != NONE && id != MANY;
            return is_plain && self.only.compare_exchange(id, NONE, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        }
        let was_taken = many.remove(id);
        if many.is_empty() {
            self.only.store(NONE, Ordering::Relaxed);
        }
        was_taken
    }

    /// Whether `id` is taken.
    #[inline]
    pub(super) fn contains(&self, id: u64) -> bool {
        let is_plain = id != NONE && id != MANY;
        if is_plain && self.only.load(Ordering::Relaxed) == id {
            return true;
        }
        let many = lock(&self.many);
        match self.only.load(Ordering::Relaxed) {
            MANY => many.contains(id),
            only => only != NONE && only == id,
        }
    }

    /// How many ids are taken.
    #[inline]
    pub(super) fn len(&self) -> usize {
        match self.only.load(Ordering::Relaxed) {
            NONE => 0,
            MANY => self.len_behind_the_lock(),
            _ => 1,
        }
    }

    #[cold]
    fn len_behind_the_lock(&self) -> usize {
        let many = lock(&self.many);
        match self.only.load(Ordering::Relaxed) {
            NONE => 0,
            MANY => many.len(),
            _ => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, MANY, NONE};
    use crate::proto::InFlight;

    /// Every sequence of so many calls with these ids.
    const CALLS: u32 = 5;
    const IDS: [u64; 4] = [NONE, 1, 2, MANY];

    #[test]
    fn every_sequence_of_calls_has_the_outcomes_that_it_has_behind_the_lock() {
        for limit in 0..=3 {
            for sequence in 0..8_u32.pow(CALLS) {
                let (asked, mut slow) = (Asked::new(limit), InFlight::new(limit));
                for nth in 0..CALLS {
                    let call = sequence / 8_u32.pow(nth) % 8;
                    let id = IDS[call as usize % 4];
                    if call < 4 {
                        let inserted = slow.insert(id);
                        assert_eq!(asked.insert(id), inserted.map(|()| slow.len() > 1), "{sequence:o} {nth}");
                    } else {
                        assert_eq!(asked.remove(id), slow.remove(id), "{sequence:o} {nth}");
                    }
                    assert_eq!(asked.len(), slow.len(), "{sequence:o} {nth}");
                    for id in IDS {
                        assert_eq!(asked.contains(id), slow.contains(id), "{sequence:o} {nth}");
                    }
                }
            }
        }
    }

    #[test]
    fn threads_that_insert_and_remove_lose_none() {
        const EACH: u64 = 20_000;
        let asked = Asked::new(usize::MAX);
        std::thread::scope(|scope| {
            for thread in 1..=4 {
                let asked = &asked;
                scope.spawn(move || {
                    for nth in 0..EACH {
                        let id = thread + 4 * nth;
                        asked.insert(id).unwrap();
                        assert!(asked.insert(id).is_err());
                        assert!(asked.contains(id) && asked.remove(id) && !asked.remove(id));
                    }
                });
            }
        });
        assert_eq!(asked.len(), 0);
    }
}
