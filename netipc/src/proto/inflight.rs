//! Ids that wait for an answer.
//!
//! Owns: which ids are taken. It refuses to make them up, and to be slow for ids that a peer chose: few are searched one
//! by one, many are hashed with a key of our own.

use std::collections::HashSet;

use super::{Breach, Limit, LimitExceeded, Violation};

/// As many as are searched one by one.
const FEW: usize = 32;
/// So few are left that searching is worth it again; well below [`FEW`], so that a session at its edge does not move to
/// and fro.
const FEW_AGAIN: usize = FEW / 4;

/// The ids of requests that have no response yet.
#[derive(Debug, Clone)]
pub struct InFlight {
    limit: usize,
    ids: Ids,
}

#[derive(Debug, Clone)]
enum Ids {
    Few(Vec<u64>),
    Many(HashSet<u64>),
}

impl InFlight {
    /// Room for `limit` ids; it is taken as it is needed.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { limit, ids: Ids::Few(Vec::new()) }
    }

    /// Takes `id`.
    ///
    /// # Errors
    /// [`Violation::DuplicateId`] where it is taken already, else [`Limit::InFlight`] where no more fit.
    #[inline]
    pub fn insert(&mut self, id: u64) -> Result<(), Breach> {
        if self.contains(id) {
            return Err(Violation::DuplicateId { id }.into());
        }
        let len = self.len();
        if len >= self.limit {
            let (asked, allowed) = ((len as u64).saturating_add(1), self.limit as u64);
            return Err(LimitExceeded { limit: Limit::InFlight, asked, allowed }.into());
        }
        match &mut self.ids {
            Ids::Few(ids) if len < FEW => ids.push(id),
            Ids::Few(ids) => self.ids = Ids::Many(ids.drain(..).chain([id]).collect()),
            Ids::Many(ids) => {
                ids.insert(id);
            }
        }
        Ok(())
    }

    /// Gives `id` back; whether it was taken.
    #[inline]
    pub fn remove(&mut self, id: u64) -> bool {
        match &mut self.ids {
            Ids::Few(ids) => {
                let at = ids.iter().position(|taken| *taken == id);
                at.map(|at| ids.swap_remove(at)).is_some()
            }
            Ids::Many(ids) => {
                let taken = ids.remove(&id);
                if ids.len() <= FEW_AGAIN {
                    self.ids = Ids::Few(ids.drain().collect());
                }
                taken
            }
        }
    }

    /// Whether `id` is taken.
    #[inline]
    #[must_use]
    pub fn contains(&self, id: u64) -> bool {
        match &self.ids {
            Ids::Few(ids) => ids.contains(&id),
            Ids::Many(ids) => ids.contains(&id),
        }
    }

    /// How many ids are taken.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.ids {
            Ids::Few(ids) => ids.len(),
            Ids::Many(ids) => ids.len(),
        }
    }

    /// Whether none is.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::{FEW, FEW_AGAIN, Ids, InFlight};
    use crate::proto::{Breach, Limit, LimitExceeded, Violation};

    #[test]
    fn an_id_is_taken_once_and_given_back_once() {
        let mut ids = InFlight::new(2);
        assert_eq!((ids.insert(5), ids.insert(5)), (Ok(()), Err(Violation::DuplicateId { id: 5 }.into())));
        assert_eq!((ids.remove(5), ids.remove(5), ids.is_empty()), (true, false, true));
        assert_eq!((ids.insert(5), ids.contains(5), ids.contains(6), ids.len()), (Ok(()), true, false, 1));
    }

    #[test]
    fn a_duplicate_is_one_even_where_no_more_fit() {
        let mut ids = InFlight::new(1);
        assert_eq!(ids.insert(1), Ok(()));
        assert_eq!(ids.insert(1), Err(Breach::Violation(Violation::DuplicateId { id: 1 })));
        let full = LimitExceeded { limit: Limit::InFlight, asked: 2, allowed: 1 };
        assert_eq!(ids.insert(2), Err(Breach::Limit(full)));
        let none = LimitExceeded { limit: Limit::InFlight, asked: 1, allowed: 0 };
        assert_eq!(InFlight::new(0).insert(1), Err(Breach::Limit(none)));
    }

    #[test]
    fn many_ids_are_hashed_and_few_again_are_not() {
        let many = 3 * FEW as u64;
        let mut ids = InFlight::new(usize::MAX);
        for id in 0..many {
            assert_eq!(ids.insert(id), Ok(()));
            assert_eq!(matches!(ids.ids, Ids::Many(_)), ids.len() > FEW);
            assert!((0..many).all(|other| ids.contains(other) == (other <= id)));
        }
        for id in 0..many {
            assert!(ids.remove(id));
            assert_eq!(matches!(ids.ids, Ids::Many(_)), ids.len() > FEW_AGAIN);
            assert!((0..many).all(|other| ids.contains(other) == (other > id)));
        }
    }
}
