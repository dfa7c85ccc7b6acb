//! What a process has spent so far: CPU time, and how often it went to sleep.
//!
//! Owns: two ways to read that. Of oneself, between two points, from the process's clock; of the server, from /proc while it sleeps, so that
//! it takes no part in being measured. The kernel brings a thread's figures up to date when it leaves its CPU, or offers to.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::thread::{NanosleepRelativeResult, clock_nanosleep_relative};
use rustix::time::{ClockId, Timespec, clock_gettime};

/// How many steps a server may take to go to sleep after its last answer: 10 s in all, for a machine with other work.
const SETTLING: u32 = 100_000;
const STEP: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000 };

/// CPU time and voluntary context switches of all threads of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    pub cpu: Duration,
    pub sleeps: u64,
}

impl Usage {
    /// What was spent since `before`.
    ///
    /// # Errors
    /// Less was spent since than before: a thread has ended, and what it spent is lost.
    pub fn since(self, before: Self) -> io::Result<Self> {
        let (cpu, sleeps) = (self.cpu.checked_sub(before.cpu), self.sleeps.checked_sub(before.sleeps));
        let (Some(cpu), Some(sleeps)) = (cpu, sleeps) else {
            return Err(io::Error::other("a thread ended while its process was measured"));
        };
        Ok(Self { cpu, sleeps })
    }
}

/// A point in the life of this process, from which on its spending is counted. The sleeps are the calling thread's, for a
/// client has no other.
#[derive(Debug)]
pub struct Own(Usage);

impl Own {
    /// Now: its clock is read last, so that what reading /proc costs is not counted.
    ///
    /// # Errors
    /// /proc could not be read.
    pub fn begin() -> io::Result<Self> {
        let sleeps = own_sleeps()?;
        Ok(Self(Usage { cpu: own_cpu()?, sleeps }))
    }

    /// What was spent since then, the clock being read first.
    ///
    /// # Errors
    /// /proc could not be read.
    pub fn end(&self) -> io::Result<Usage> {
        let cpu = own_cpu()?;
        Usage { cpu, sleeps: own_sleeps()? }.since(self.0)
    }
}

fn own_cpu() -> io::Result<Duration> {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).map_err(io::Error::other)
}

fn own_sleeps() -> io::Result<u64> {
    Ok(Thread::read(Path::new("/proc/thread-self"))?.sleeps)
}

/// Of another process: once all its threads sleep, if it `rests`, else at once.
///
/// What never sleeps gives its CPU away again and again, and its figures are brought up to date as often.
///
/// # Errors
/// The process is gone, does not sleep, or /proc could not be read.
pub fn of_other(pid: u32, rests: bool) -> io::Result<Usage> {
    for _ in 0..SETTLING {
        let threads = threads(pid)?;
        if !rests || threads.iter().all(|thread| thread.sleeping) {
            let total = |usage: Usage, thread: &Thread| Usage {
                cpu: usage.cpu + thread.cpu,
                sleeps: usage.sleeps + thread.sleeps,
            };
            return Ok(threads.iter().fold(Usage::default(), total));
        }
        if let NanosleepRelativeResult::Err(error) = clock_nanosleep_relative(ClockId::Monotonic, &STEP) {
            return Err(error.into());
        }
    }
    Err(io::Error::other("a server that nobody calls does not sleep"))
}

struct Thread {
    sleeping: bool,
    cpu: Duration,
    sleeps: u64,
}

fn threads(pid: u32) -> io::Result<Vec<Thread>> {
    let tasks = Path::new("/proc").join(pid.to_string()).join("task");
    let mut threads = Vec::new();
    for task in fs::read_dir(tasks)? {
        match Thread::read(&task?.path()) {
            // It has ended since it was listed, as threads of servers do that have nobody left to wait for.
            Err(error) if has_ended(&error) => {}
            thread => threads.push(thread?),
        }
    }
    Ok(threads)
}

/// Opening finds no file of a thread that has ended, and reading no thread.
fn has_ended(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(Errno::SRCH.raw_os_error())
}

impl Thread {
    fn read(task: &Path) -> io::Result<Self> {
        let status = fs::read_to_string(task.join("status"))?;
        let state = field(&status, "State:").ok_or_else(|| unknown("status"))?;
        let sleeps = field(&status, "voluntary_ctxt_switches:").and_then(|count| count.parse().ok());
        // Nanoseconds on a CPU, nanoseconds in a run queue, and how often it ran.
        let schedule = fs::read_to_string(task.join("schedstat"))?;
        let cpu = schedule.split(' ').next().and_then(|cpu| cpu.parse().ok());
        Ok(Self {
            sleeping: state.starts_with('S'),
            cpu: Duration::from_nanos(cpu.ok_or_else(|| unknown("schedstat"))?),
            sleeps: sleeps.ok_or_else(|| unknown("status"))?,
        })
    }
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn unknown(file: &str) -> io::Error {
    io::Error::other(format!("this kernel's /proc/PID/task/TID/{file} lacks what is measured"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;

    #[test]
    fn a_process_that_works_is_seen_to_spend_cpu_time() {
        let before = own_cpu().unwrap();
        // Bounded by what is asserted: the clock of the process's own work must advance.
        while own_cpu().unwrap() - before < Duration::from_millis(1) {}
    }

    #[test]
    fn threads_that_end_while_they_are_read_are_not_missed() {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            // Relaxed: the others are joined at the end of the scope.
            let churn = || {
                while !is_over.load(Ordering::Relaxed) {
                    thread::spawn(|| ()).join().unwrap();
                }
            };
            scope.spawn(churn);
            scope.spawn(churn);
            let failed = (0..5_000).find_map(|_| of_other(std::process::id(), false).err());
            is_over.store(true, Ordering::Relaxed);
            assert!(failed.is_none(), "{failed:?}");
        });
        assert_eq!(of_other(u32::MAX, false).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn spending_that_was_lost_is_not_counted() {
        let usage = |millis, sleeps| Usage { cpu: Duration::from_millis(millis), sleeps };
        assert_eq!(usage(5, 7).since(usage(2, 3)).unwrap(), usage(3, 4));
        assert!(usage(5, 2).since(usage(2, 3)).is_err());
        assert!(usage(1, 7).since(usage(2, 3)).is_err());
    }

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let status = "State:\tS (sleeping)\nnonvoluntary_ctxt_switches:\t3\nvoluntary_ctxt_switches:\t7\n";
        assert_eq!(field(status, "voluntary_ctxt_switches:"), Some("7"));
        assert_eq!(field(status, "State:"), Some("S (sleeping)"));
        assert_eq!(field(status, "Threads:"), None);
    }
}
