//! Which cgroups there are.
//!
//! Owns: the set of their paths, and a count of its changes. It refuses to know what a cgroup is for, and to watch: whoever
//! wants to know of changes asks again.
//!
//! What counts, below the root of the cgroup file system (`/sys/fs/cgroup`):
//!
//! - With `cgroup.controllers` at the root, version 2: every directory is a cgroup.
//! - Otherwise each directory at the root that holds `cgroup.controllers` is a hierarchy of version 2, and each one that is
//!   named after cpuacct, cpu, memory, blkio or pids (`cpu,cpuacct` too), or `systemd`, and holds `cgroup.procs`, one of
//!   version 1. Their paths are taken together: what stands in several hierarchies is one cgroup.
//!
//! The root itself is not among them: it is the host. Symbolic links, such as `cpu` for `cpu,cpuacct`, are not followed.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::directory::{Listing, open};
use super::mounted::hierarchies;
use super::walk::Walk;

pub use super::mounted::Mounted;

/// How much of a tree is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How deep a cgroup may lie; one right below the root is 1 deep.
    pub depth: usize,
    /// How many cgroups may be known. Of more, it is not said which ones are left out.
    pub cgroups: usize,
}

impl Default for Limits {
    /// 32 deep, 65,536 cgroups.
    fn default() -> Self {
        Self { depth: 32, cgroups: 1 << 16 }
    }
}

/// The cgroups of a host, as they were at the last refresh.
#[derive(Debug)]
pub struct Cgroups {
    root: PathBuf,
    limits: Limits,
    listing: Listing,
    mounted: Mounted,
    paths: BTreeSet<Box<[u8]>>,
    is_complete: bool,
    generation: u64,
}

impl Default for Cgroups {
    /// Those of this host, at `/sys/fs/cgroup`.
    fn default() -> Self {
        Self::new("/sys/fs/cgroup")
    }
}

impl Cgroups {
    /// Those below `root`; none are known before the first [`refresh`](Self::refresh).
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            limits: Limits::default(),
            listing: Listing::new(),
            mounted: Mounted::Nothing,
            paths: BTreeSet::new(),
            is_complete: true,
            generation: 0,
        }
    }

    /// Reads no more than this.
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Reads the tree again; true if the set of paths changed, and with it the generation.
    ///
    /// Cgroups that come or go meanwhile are in it or not. Where there is no cgroup file system, or it can't be read, the
    /// set is empty and [`mounted`](Self::mounted) says so.
    pub fn refresh(&mut self) -> bool {
        let mut walk = Walk::new(self.limits);
        self.mounted = Mounted::Nothing;
        if let Ok(root) = open(self.root.as_os_str().as_bytes()) {
            let (mounted, found) = hierarchies(root, &mut self.listing);
            self.mounted = mounted;
            for hierarchy in found {
                walk.take(hierarchy, &mut self.listing);
            }
        }
        self.is_complete = walk.is_complete;
        let has_changed = walk.paths != self.paths;
        if has_changed {
            self.paths = walk.paths;
            self.generation += 1;
        }
        has_changed
    }

    /// Where the cgroup file system is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Which versions of cgroups there are.
    #[must_use]
    pub const fn mounted(&self) -> Mounted {
        self.mounted
    }

    /// How often the set of paths has changed; 0 before anything was found.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether all cgroups are known: nothing went beyond the limits, nothing that was there could not be read.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The paths, each from the root of its hierarchy: `/system.slice/ssh.service`. In the order of their bytes, which
    /// need not be UTF-8, but hold no NUL.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.paths.iter().map(|path| &**path)
    }

    /// Whether there is a cgroup of this path.
    #[must_use]
    pub fn contains(&self, path: &[u8]) -> bool {
        self.paths.contains(path)
    }

    /// How many cgroups there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.paths.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }
}
