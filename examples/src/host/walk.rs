//! A walk through one hierarchy of cgroups.
//!
//! Owns: going down, within limits, and what was found on the way. It refuses to know which hierarchies there are.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::cgroups::Limits;
use super::directory::{Listing, is_gone, open_below};

/// What was found so far, in all hierarchies.
#[derive(Debug)]
pub(super) struct Walk {
    limits: Limits,
    /// The paths, each once.
    pub(super) paths: BTreeSet<Box<[u8]>>,
    /// Whether nothing was left out.
    pub(super) is_complete: bool,
}

/// A directory on the way down.
struct Level {
    dir: OwnedFd,
    /// What is in it and still to be looked at, the next one last.
    names: Vec<CString>,
    /// The length of its path.
    len: usize,
}

impl Walk {
    pub(super) const fn new(limits: Limits) -> Self {
        Self { limits, paths: BTreeSet::new(), is_complete: true }
    }

    /// Adds all below `hierarchy`. At a time, as many descriptors are open as the limit of the depth says, and one more.
    pub(super) fn take(&mut self, hierarchy: OwnedFd, listing: &mut Listing) {
        let mut path = Vec::new();
        let mut levels = Vec::new();
        levels.extend(self.level(hierarchy, 0, &path, listing));
        while let Some(level) = levels.last_mut() {
            let Some(name) = level.names.pop() else {
                levels.pop();
                continue;
            };
            path.truncate(level.len);
            path.push(b'/');
            path.extend_from_slice(name.to_bytes());
            if !self.add(&path) {
                return;
            }
            match open_below(level.dir.as_fd(), &name) {
                Ok(dir) => {
                    let deeper = self.level(dir, levels.len(), &path, listing);
                    levels.extend(deeper);
                }
                // A cgroup that was there a moment ago: it counts, as it would have if it had gone a moment later.
                Err(error) if is_gone(error) => {}
                Err(_) => self.is_complete = false,
            }
        }
    }

    /// The directory `dir`, which is `depth` below the root of its hierarchy, if there is anything in it to look at.
    fn level(&mut self, dir: OwnedFd, depth: usize, path: &[u8], listing: &mut Listing) -> Option<Level> {
        let names = self.names(dir.as_fd(), listing);
        if names.is_empty() {
            return None;
        }
        if depth >= self.limits.depth {
            self.is_complete = false;
            return None;
        }
        Some(Level { dir, names, len: path.len() })
    }

    /// The names in `dir`, the first one last.
    fn names(&mut self, dir: BorrowedFd<'_>, listing: &mut Listing) -> Vec<CString> {
        // One more than there may be, for `add` to notice.
        let most = self.limits.cgroups.saturating_add(1);
        let mut names: Vec<CString> = Vec::new();
        let listed = listing.directories(dir, |name| {
            names.push(name.to_owned());
            names.len() < most
        });
        self.is_complete &= listed.is_ok();
        names.sort_unstable_by(|one, other| other.cmp(one));
        names
    }

    /// Whether there was room for it.
    fn add(&mut self, path: &[u8]) -> bool {
        if self.paths.contains(path) {
            return true;
        }
        if self.paths.len() >= self.limits.cgroups {
            self.is_complete = false;
            return false;
        }
        self.paths.insert(path.into())
    }
}
