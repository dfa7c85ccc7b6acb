//! Which versions of cgroups a host has, and where their hierarchies stand.
//!
//! Owns: that question alone, and which of the hierarchies of version 1 count. It refuses to look into a hierarchy.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::FileType;

use super::directory::{Listing, open_below, type_of};

/// The hierarchies of version 1 that are read. A path that stands in several of them is one cgroup, and where they
/// disagree about a process, the first ones go before the last ones.
///
/// These are the ones whose cgroups somebody measures, and the one in which systemd keeps its units. Hierarchies that
/// only restrict (devices, freezer, cpuset ..) have either the same cgroups or ones that nobody has a name for.
const CONTROLLERS: [&[u8]; 6] = [b"cpuacct", b"cpu", b"memory", b"blkio", b"pids", b"systemd"];

/// How many directories of the root are looked at: more than there are controllers.
const MOST: usize = 64;

/// Which versions of cgroups are mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Mounted {
    /// None, or none that can be read.
    #[default]
    Nothing,
    /// Version 1: one hierarchy for each controller, or for a few.
    V1,
    /// Version 2: one hierarchy for all.
    V2,
    /// Hierarchies of version 1, and beside them one of version 2.
    Hybrid,
}

impl Mounted {
    /// Whether this has a hierarchy of version 1 that counts.
    ///
    /// Where nothing is mounted, processes are in cgroups all the same, and any hierarchy is as good as another.
    const fn has_v1(self) -> bool {
        matches!(self, Self::V1 | Self::Hybrid | Self::Nothing)
    }

    /// Whether this has a hierarchy of version 2.
    const fn has_v2(self) -> bool {
        matches!(self, Self::V2 | Self::Hybrid | Self::Nothing)
    }

    /// The rank of the hierarchy that /proc/PID/cgroup names by `id` and `controllers`, lower is better; none where it is
    /// not read.
    pub(super) fn rank(self, id: u32, controllers: &[u8]) -> Option<usize> {
        if id == 0 && controllers.is_empty() {
            return self.has_v2().then_some(CONTROLLERS.len());
        }
        let controllers = if controllers == b"name=systemd" { b"systemd" } else { controllers };
        rank_of(controllers).filter(|_| self.has_v1())
    }
}

/// The rank of the hierarchy of version 1 that has these controllers.
fn rank_of(controllers: &[u8]) -> Option<usize> {
    let ranks = controllers.split(|byte| *byte == b',');
    ranks.filter_map(|name| CONTROLLERS.iter().position(|known| *known == name)).min()
}

fn has_file(dir: BorrowedFd<'_>, name: &CStr) -> bool {
    type_of(dir, name).is_ok_and(|kind| kind == FileType::RegularFile)
}

/// The hierarchies at or below `root`, and what they are together.
pub(super) fn hierarchies(root: OwnedFd, listing: &mut Listing) -> (Mounted, Vec<OwnedFd>) {
    if has_file(root.as_fd(), c"cgroup.controllers") {
        return (Mounted::V2, vec![root]);
    }
    let mut names: Vec<CString> = Vec::new();
    // What can't be listed has no names.
    let _ = listing.directories(root.as_fd(), |name| {
        names.push(name.to_owned());
        names.len() < MOST
    });
    names.sort_unstable();
    let (mut found, mut has_v1, mut has_v2) = (Vec::new(), false, false);
    for name in names {
        let Ok(dir) = open_below(root.as_fd(), &name) else { continue };
        if has_file(dir.as_fd(), c"cgroup.controllers") {
            has_v2 = true;
        } else if rank_of(name.to_bytes()).is_some() && has_file(dir.as_fd(), c"cgroup.procs") {
            has_v1 = true;
        } else {
            continue;
        }
        found.push(dir);
    }
    let mounted = match (has_v1, has_v2) {
        (true, true) => Mounted::Hybrid,
        (true, false) => Mounted::V1,
        (false, true) => Mounted::V2,
        (false, false) => Mounted::Nothing,
    };
    (mounted, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hierarchy_ranks_as_the_best_of_its_controllers() {
        assert_eq!(Mounted::V1.rank(4, b"cpu,cpuacct"), Some(0));
        assert_eq!(Mounted::V1.rank(4, b"cpu"), Some(1));
        assert_eq!(Mounted::V1.rank(1, b"name=systemd"), Some(5));
        assert_eq!(Mounted::V1.rank(2, b"freezer"), None);
        assert_eq!(Mounted::V1.rank(2, b""), None);
        assert_eq!(Mounted::V1.rank(2, b"name=memory"), None);
    }

    #[test]
    fn only_what_is_mounted_ranks() {
        for (mounted, v1, v2) in [
            (Mounted::V1, true, false),
            (Mounted::V2, false, true),
            (Mounted::Hybrid, true, true),
            (Mounted::Nothing, true, true),
        ] {
            assert_eq!(mounted.rank(3, b"memory").is_some(), v1, "{mounted:?}");
            assert_eq!(mounted.rank(0, b"").is_some(), v2, "{mounted:?}");
        }
    }
}
