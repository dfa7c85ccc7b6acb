//! Which processes there are, and what is known of one.
//!
//! Owns: the files of `/proc`, read so that what is told of a process is told of that process alone. It refuses to keep
//! anything about processes: each is read when it is asked for.
//!
//! A number is given to another process once its own is gone. Therefore the files of a process are opened in the
//! directory that was opened first: the kernel ties that to the process, not to its number. And because not everything that
//! looks like `/proc` does so, its `stat` is read before and after the others: a process is known only if it started at the
//! same time in both.

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};

use super::cgroups::Mounted;
use super::directory::{Listing, open};
use super::number;
use super::texts::{Stat, Status, cgroup_path};

/// What a file is read into at first.
const ROOM: usize = 16 << 10;

/// The longest file: `status` names all groups of a process, of which there may be 65,536.
const LONGEST: usize = 1 << 20;

/// What is known of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process<'a> {
    /// The process.
    pub pid: u32,
    /// Its name as the kernel has it: 15 bytes at most, of any kind but NUL, and possibly none.
    pub comm: &'a [u8],
    /// Its parent; 0 where that is outside of the namespace.
    pub ppid: u32,
    /// Its effective user.
    pub uid: u32,
    /// When it started, in clock ticks since boot.
    pub starttime: u64,
    /// The path of its cgroup, `/` for the root; see [`cgroup_path`] for which one it is where there are several. None
    /// where the kernel has no cgroups, or where nobody may know.
    pub cgroup: Option<&'a [u8]>,
}

/// The processes of a host.
///
/// All is read into the same memory, so a process that was found is known until the next one is asked for.
#[derive(Debug)]
pub struct Processes {
    /// The root, and behind it the name of what is looked at.
    path: Vec<u8>,
    root_len: usize,
    listing: Listing,
    text: Vec<u8>,
    /// The text with the cgroups; apart from the others, because another one is read behind it.
    cgroups: Vec<u8>,
}

impl Default for Processes {
    /// Those of this host, at `/proc`.
    fn default() -> Self {
        Self::new("/proc")
    }
}

impl Processes {
    /// Those in `root`.
    #[must_use]
    pub fn new(root: impl AsRef<Path>) -> Self {
        let path = root.as_ref().as_os_str().as_bytes().to_vec();
        let root_len = path.len();
        Self { path, root_len, listing: Listing::new(), text: vec![0; ROOM], cgroups: vec![0; ROOM] }
    }

    /// Replaces what is in `pids` by the numbers of all processes, in order: those that whoever asks may see.
    ///
    /// A host without `/proc` has none. Processes that come or go meanwhile are among them or not.
    pub fn list(&mut self, pids: &mut Vec<u32>) {
        pids.clear();
        self.path.truncate(self.root_len);
        let Ok(root) = open(&self.path) else { return };
        // What can't be read to its end has no more.
        let _ = self.listing.directories(root.as_fd(), |name| {
            pids.extend(number::<u32>(name.to_bytes()));
            true
        });
        pids.sort_unstable();
    }

    /// The process `pid`; none if there is no such process, if nobody may know of it, if it ended meanwhile, or if that is
    /// the number of a mere thread.
    ///
    /// `mounted` says which of its cgroups is meant: [`Cgroups::mounted`](super::cgroups::Cgroups::mounted).
    pub fn find(&mut self, pid: u32, mounted: Mounted) -> Option<Process<'_>> {
        self.path.truncate(self.root_len);
        write!(self.path, "/{pid}").ok()?;
        let dir = open(&self.path).ok()?;
        let dir = dir.as_fd();

        let before = Stat::parse(read(dir, "stat", &mut self.text)?)?.starttime;
        let status = Status::parse(read(dir, "status", &mut self.text)?)?;
        let cgroups = read(dir, "cgroup", &mut self.cgroups);
        // What is told is what was read last.
        let stat = Stat::parse(read(dir, "stat", &mut self.text)?)?;

        if stat.pid != pid || stat.starttime != before || status.tgid.is_some_and(|tgid| tgid != pid) {
            return None;
        }
        let Stat { comm, ppid, starttime, .. } = stat;
        let cgroup = cgroups.and_then(|text| cgroup_path(text, mounted));
        Some(Process { pid, comm, ppid, uid: status.uid, starttime, cgroup })
    }
}

/// The text of the file `name` in `dir`, if it can be read, and is none of the largest.
///
/// It is read by one call, which is how the kernel writes it at one moment; if it fills the room, by another one with more.
fn read<'a>(dir: BorrowedFd<'_>, name: &str, room: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let file = openat(dir, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let len = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut **room)).ok()?;
        if len < room.len() {
            return room.get(..len);
        }
        if room.len() >= LONGEST {
            return None;
        }
        room.resize(room.len() * 2, 0);
    }
}
