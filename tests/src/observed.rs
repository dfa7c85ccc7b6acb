//! Other processes from outside: what they hold, as /proc tells; and tests that must not hang.

use core::time::Duration;
use std::fs;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use rustix::process::Pid;

/// How long nothing may happen before a test has failed. Where all is well nobody waits.
pub const HANGING: Duration = Duration::from_secs(60);

/// What a process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Descriptors that are open.
    pub descriptors: usize,
    /// Regions that are mapped, also such as have no name any more.
    pub regions: usize,
    /// Threads that run.
    pub threads: usize,
}

impl Held {
    /// By the process with this id, now.
    ///
    /// # Panics
    /// Where there is none, or /proc is not mounted.
    #[must_use]
    pub fn by(pid: Pid) -> Self {
        let of = |what: &str| format!("/proc/{}/{what}", pid.as_raw_nonzero());
        let maps = fs::read_to_string(of("maps")).expect("a process");
        Self {
            descriptors: fs::read_dir(of("fd")).expect("a process").count(),
            regions: maps.lines().filter(|line| line.contains(".ipcshm")).count(),
            threads: fs::read_dir(of("task")).expect("a process").count(),
        }
    }
}

/// KiB of a line of /proc/*/status, such as `VmRSS`.
///
/// # Panics
/// Where there is no such line.
#[must_use]
pub fn kibibytes(pid: Pid, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).expect("a process");
    let value = status.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':')).expect("such a line");
    value.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Waits until something is so.
///
/// # Panics
/// Where it does not come to that.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < HANGING, "never: {what}");
        thread::yield_now();
    }
}

/// Does `what` on a thread of its own.
///
/// # Panics
/// Where it panics, or hangs: then its thread is left behind, and ends with the process.
pub fn unless_it_hangs<R: Send + 'static>(name: &str, what: impl FnOnce() -> R + Send + 'static) -> R {
    let (done, is_done) = channel();
    let doing = thread::spawn(move || {
        let outcome = what();
        // Nobody listens who has given up.
        let _ = done.send(());
        outcome
    });
    assert_ne!(is_done.recv_timeout(HANGING), Err(RecvTimeoutError::Timeout), "{name} hangs");
    doing.join().unwrap_or_else(|_| panic!("{name}"))
}
