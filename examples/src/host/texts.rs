//! What stands in the files that `/proc` has for a process.
//!
//! Owns: the forms of these texts. It refuses to open a file. A text that is cut off or otherwise not of its form is `None`,
//! whatever bytes it is made of.

use std::cmp::Reverse;

use super::cgroups::Mounted;
use super::{components, number};

/// The longest name of a process.
const COMM: usize = 15;

/// What is read of `/proc/PID/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat<'a> {
    /// The process.
    pub pid: u32,
    /// Its name, 15 bytes at most, and possibly none. It may hold any byte but NUL: blanks, parentheses, line feeds too.
    pub comm: &'a [u8],
    /// Its parent; 0 where that is outside of the namespace.
    pub ppid: u32,
    /// When it started, in clock ticks since boot.
    pub starttime: u64,
}

impl<'a> Stat<'a> {
    /// Reads the text of the file.
    ///
    /// The name ends at the last parenthesis, because only numbers and the letter of the state stand behind it. Kernel
    /// threads of work queues have longer names here than anywhere else; they are cut to what they are elsewhere.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let opening = text.iter().position(|byte| *byte == b'(')?;
        let closing = text.iter().rposition(|byte| *byte == b')')?;
        let pid = number(text.get(..opening)?.strip_suffix(b" ")?)?;
        let comm = text.get(opening + 1..closing)?;
        // What stands behind the name are fields 3 (state), 4 (ppid) .. 22 (starttime) ..
        let rest = text.get(closing + 1..)?.strip_prefix(b" ")?;
        let mut fields = rest.split(|byte| matches!(byte, b' ' | b'\n'));
        fields.next().filter(|state| state.len() == 1)?;
        let ppid = number(fields.next()?)?;
        let starttime = number(fields.nth(17)?)?;
        // Without anything behind it, it might be the beginning of a number.
        fields.next()?;
        let comm = comm.get(..COMM).unwrap_or(comm);
        (!comm.contains(&0)).then_some(Self { pid, comm, ppid, starttime })
    }
}

/// What is read of `/proc/PID/status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The process that it is a thread of, itself for most; none before Linux 2.6.
    pub tgid: Option<u32>,
    /// The effective user: the one whom `ps` shows, and whom the kernel asks for when the process does something.
    pub uid: u32,
}

impl Status {
    /// Reads the text of the file.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut tgid = None;
        let mut lines = text.split_inclusive(|byte| *byte == b'\n');
        while let Some(line) = lines.next().and_then(|line| line.strip_suffix(b"\n")) {
            if let Some(value) = line.strip_prefix(b"Tgid:") {
                tgid = Some(number(value.trim_ascii())?);
            } else if let Some(users) = line.strip_prefix(b"Uid:") {
                // Real, effective, saved, of the file system.
                let mut users = users.trim_ascii().split(u8::is_ascii_whitespace);
                return Some(Self { tgid, uid: users.nth(1).and_then(number)? });
            }
        }
        None
    }
}

/// The path of a process's cgroup, from the text of `/proc/PID/cgroup`.
///
/// With version 2 it is the one of `0::`. In a hybrid host and with version 1 the process has a path in each hierarchy,
/// and they need not be the same: where nothing is measured, systemd leaves processes in a cgroup further up, and old
/// versions of runc leave containers in the cgroup of their service in the hierarchy of version 2. So it is the deepest
/// path among the hierarchies that [`cgroups`](super::cgroups) reads; of several that are as deep, that of the first one of
/// cpuacct, cpu, memory, blkio, pids, systemd, version 2.
/// Where nothing is mounted, it is the same, among whatever there is.
///
/// Where the cgroup has been removed, the kernel puts ` (deleted)` behind the path; that is left out. The root is `/`.
#[must_use]
pub fn cgroup_path(text: &[u8], mounted: Mounted) -> Option<&[u8]> {
    let paths = text.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut parts = line.splitn(3, |byte| *byte == b':');
        let (id, controllers, path) = (number(parts.next()?)?, parts.next()?, parts.next()?);
        let rank = mounted.rank(id, controllers)?;
        if path.first() != Some(&b'/') || path.contains(&0) {
            return None;
        }
        Some((rank, path.strip_suffix(b" (deleted)").unwrap_or(path)))
    });
    paths.max_by_key(|(rank, path)| (components(path).count(), Reverse(*rank))).map(|(_, path)| path)
}
