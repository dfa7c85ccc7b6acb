//! What a process costs, and whether that grows.

use core::fmt;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use crate::pause::pause;

/// How much more memory of its own than at the start a process may have after so long, in KiB, and twice as much of all:
/// what an allocator keeps for itself comes and goes, and at first each thread and each session comes to have what it needs.
pub(crate) const fn room(length: Duration) -> u64 {
    if length.as_secs() < 120 { 32 << 10 } else { 4 << 10 }
}

/// How long it may take until what was closed at one end is closed at the other.
const SETTLING: Duration = Duration::from_secs(10);
const SETTLED: Duration = Duration::from_millis(100);

/// What a process has at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Resident memory, in KiB: also of files, such as the regions of sessions, which are mapped as whole MiB.
    pub(crate) resident: u64,
    /// Of it, what is memory of its own.
    pub(crate) own: u64,
    pub(crate) descriptors: usize,
    pub(crate) threads: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8} {:>8} {:>5} {:>7}", self.resident, self.own, self.descriptors, self.threads)
    }
}

impl Figures {
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.split_whitespace().next()?.parse().ok()).ok_or(io::ErrorKind::InvalidData)
        };
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
        Ok(Self { resident: number("VmRSS:")?, own: number("RssAnon:")?, descriptors, threads: number("Threads:")? })
    }

    /// The same once nothing is on its way any more: no more descriptors and threads than at the start, or some time later.
    /// At the start, that is when there are as many for a while.
    pub(crate) fn settled(pid: u32, start: Option<Self>) -> io::Result<Self> {
        let until = Instant::now() + SETTLING;
        let mut before = start;
        loop {
            let now = Self::of(pid)?;
            if before.is_some_and(|before| !now.has_more(&before)) || Instant::now() > until {
                return Ok(now);
            }
            if start.is_none() {
                before = Some(now);
            }
            pause(SETTLED);
        }
    }

    const fn has_more(&self, start: &Self) -> bool {
        self.descriptors > start.descriptors || self.threads > start.threads
    }

    /// What has grown since the start, of `whom`.
    pub(crate) fn growth(&self, start: &Self, room: u64, whom: &str) -> Option<String> {
        let has_grown = self.has_more(start)
            || self.own > start.own.saturating_add(room)
            || self.resident > start.resident.saturating_add(room.saturating_mul(2));
        has_grown.then(|| format!("the {whom} grew: resident and own KiB, descriptors, threads:\n{start}\n{self}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_descriptor_one_thread_or_too_much_memory_is_growth() {
        let start = Figures { resident: 9000, own: 5000, descriptors: 20, threads: 4 };
        assert_eq!(start.growth(&start, 100, "server"), None);
        let less = Figures { resident: 9200, own: 5100, descriptors: 19, threads: 3 };
        assert_eq!(less.growth(&start, 100, "server"), None);
        for more in [
            Figures { own: 5101, ..start },
            Figures { resident: 9201, ..start },
            Figures { descriptors: 21, ..start },
            Figures { threads: 5, ..start },
        ] {
            assert!(more.growth(&start, 100, "server").is_some_and(|text| text.starts_with("the server grew: ")));
        }
    }

    #[test]
    fn what_a_process_has_is_read_of_the_kernel() {
        let before = Figures::of(std::process::id()).unwrap();
        let held = fs::File::open("/proc/self/status").unwrap();
        let now = Figures::of(std::process::id()).unwrap();
        assert!(before.resident > before.own && before.own > 0 && before.threads >= 1 && before.descriptors >= 3);
        assert!(now.descriptors > before.descriptors);
        drop(held);
        assert!(Figures::of(1 << 22).is_err());
    }
}
