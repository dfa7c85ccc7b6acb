//! What users write who have calls and no cache: a map behind a lock, filled from what a call brought.
//!
//! Owns: the map, that it is swapped whole, and the look into it that proves each time that it was.

use std::collections::HashMap;
use std::io;
use std::sync::{PoisonError, RwLock};

use super::load::CGROUPS;
use super::same;
use crate::data::{Cgroup, Snapshot};

/// Cgroups by hash and name.
pub type Table = HashMap<(u32, String), Cgroup>;

/// The map, and what must be in it.
#[derive(Debug)]
pub struct Shelf {
    map: RwLock<Table>,
    sample: Snapshot,
}

impl Default for Shelf {
    fn default() -> Self {
        Self { map: RwLock::default(), sample: Snapshot::sample(CGROUPS) }
    }
}

impl Shelf {
    /// Puts `table` there instead of the one before.
    ///
    /// # Errors
    /// It is not the snapshot.
    pub fn put(&self, table: Table) -> io::Result<()> {
        same("cgroups", table.len() as u64, self.sample.items.len() as u64)?;
        *self.map.write().unwrap_or_else(PoisonError::into_inner) = table;
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let Some(last) = self.sample.items.last() else { return Ok(()) };
        let found = map.get(&(last.hash, last.name.clone())).map_or(0, Cgroup::digest);
        same("cgroup", found, last.digest())
    }
}

/// The table of these cgroups.
pub fn table(cgroups: impl IntoIterator<Item = Cgroup>) -> Table {
    cgroups.into_iter().map(|cgroup| ((cgroup.hash, cgroup.name.clone()), cgroup)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_is_not_the_snapshot_is_refused() {
        let (shelf, sample) = (Shelf::default(), Snapshot::sample(CGROUPS).items);
        shelf.put(table(sample.clone())).unwrap();
        assert!(shelf.put(table(sample[1..].to_vec())).is_err());
        let mut other = sample;
        other.last_mut().unwrap().options += 1;
        assert!(shelf.put(table(other)).is_err());
    }
}
