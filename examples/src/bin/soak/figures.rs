//! What a process costs, and whether that grows.

use core::fmt;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use crate::pause::pause;

/// How much more memory than at the start a process may have after so long, in KiB: what an allocator keeps for itself
/// comes and goes, and in the first minute each thread and each session comes to have what it needs.
pub(crate) const fn room(length: Duration) -> u64 {
    if length.as_secs() < 120 { 32 << 10 } else { 4 << 10 }
}

/// How long it may take until what was closed at one end is closed at the other.
const SETTLING: Duration = Duration::from_secs(10);
const SETTLED: Duration = Duration::from_millis(100);

/// What a process has at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Resident memory, in KiB.
    pub(crate) memory: u64,
    pub(crate) descriptors: usize,
    pub(crate) threads: u64,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>8} {:>5} {:>7}", self.memory, self.descriptors, self.threads)
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
        Ok(Self { memory: number("VmRSS:")?, descriptors, threads: number("Threads:")? })
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
        let has_grown = self.has_more(start) || self.memory > start.memory + room;
        has_grown.then(|| {
            let (Self { memory, descriptors, threads }, was) = (self, start);
            format!(
                "the {whom} grew: {} to {memory} KiB, {} to {descriptors} descriptors, {} to {threads} threads",
                was.memory, was.descriptors, was.threads
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_descriptor_one_thread_or_too_much_memory_is_growth() {
        let start = Figures { memory: 5000, descriptors: 20, threads: 4 };
        assert_eq!(start.growth(&start, 100, "server"), None);
        let less = Figures { memory: 5100, descriptors: 19, threads: 3 };
        assert_eq!(less.growth(&start, 100, "server"), None);
        for more in
            [Figures { memory: 5101, ..start }, Figures { descriptors: 21, ..start }, Figures { threads: 5, ..start }]
        {
            assert!(
                more.growth(&start, 100, "server").is_some_and(|text| text.starts_with("the server grew: 5000 to "))
            );
        }
    }

    #[test]
    fn what_a_process_has_is_read_of_the_kernel() {
        let before = Figures::of(std::process::id()).unwrap();
        let held = fs::File::open("/proc/self/status").unwrap();
        let now = Figures::of(std::process::id()).unwrap();
        assert!(before.memory > 100 && before.threads >= 1 && before.descriptors >= 3);
        assert!(now.descriptors > before.descriptors);
        drop(held);
        assert!(Figures::of(1 << 22).is_err());
    }
}
