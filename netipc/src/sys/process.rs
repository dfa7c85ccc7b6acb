//! Other processes, as far as this one can see them.
//!
//! Owns: whether an id is anybody's, and what /proc says of the process that has it. It refuses to take /proc for the
//! truth where that is the one of another pid namespace, whose ids are other processes'.

use rustix::io::Errno;
use rustix::process::Pid;

use super::clock::WallTime;
use super::file::{File, FileId};
use super::{During, SystemError};

/// Ticks of /proc in a second: part of the kernel's interface, whatever it counts in by itself.
const TICKS: u64 = 100;
/// More than the fields that are looked at can have, the name included.
const STAT_LEN: usize = 1024;

/// Whether no process that this one can see has the id `pid`, not even one that may not be signalled.
pub(crate) fn is_nobodys(pid: i32) -> bool {
    match Pid::from_raw(pid.max(0)) {
        Some(pid) => rustix::process::test_kill_process(pid) == Err(Errno::SRCH),
        None => true,
    }
}

/// What /proc/*/stat says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    pid: i32,
    state: u8,
    threads: u64,
    start: u64,
}

impl Life {
    pub(crate) fn of_this_process() -> Result<Self, SystemError> {
        Self::read("/proc/self/stat")
    }

    /// Of the process with the id `pid`, which must be somebody's.
    pub(crate) fn of(pid: i32) -> Result<Self, SystemError> {
        // With the /proc of another namespace this is another process's, or nobody's.
        if i32::try_from(std::process::id()) != Ok(Self::of_this_process()?.pid) {
            return Err(SystemError::new("open", Errno::NOENT));
        }
        Self::read(&format!("/proc/{pid}/stat"))
    }

    fn read(path: &str) -> Result<Self, SystemError> {
        let mut bytes = [0; STAT_LEN];
        let len = File::look(path.as_ref())?.read_start(&mut bytes)?;
        Self::parse(bytes.get(..len).unwrap_or_default()).ok_or(SystemError::new("read", Errno::INVAL))
    }

    fn parse(stat: &[u8]) -> Option<Self> {
        // The name, in brackets, may hold anything: brackets too, and it need not be UTF-8.
        let name_end = stat.iter().rposition(|&byte| byte == b')')?;
        let pid = stat.split(|&byte| byte == b' ').next()?;
        let behind = core::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
        // From field 3 on.
        let mut fields = behind.split_ascii_whitespace();
        Some(Self {
            pid: core::str::from_utf8(pid).ok()?.parse().ok()?,
            state: *fields.next()?.as_bytes().first()?,
            threads: fields.nth(16)?.parse().ok()?,
            start: fields.nth(1)?.parse().ok()?,
        })
    }

    /// Whether it has ended, and only waits for its parent to hear of it. The state alone is that of its first thread,
    /// which may end before the others.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads <= 1
    }

    /// Whether its first thread has ended, and with it what /proc can show of its memory.
    pub(crate) const fn is_headless(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && !self.is_over()
    }

    /// When it began, in ticks since the machine did.
    pub(crate) const fn start_ticks(&self) -> u64 {
        self.start
    }

    /// When it began, if the clock had always gone as it goes now.
    pub(crate) fn start(&self) -> WallTime {
        WallTime::of_boot().later(core::time::Duration::from_millis(self.start.saturating_mul(1_000 / TICKS)))
    }
}

/// Whether the process `pid` may have the file mapped. Devices are told by other numbers there on some file systems, so
/// another file with the same number on its own device counts.
pub(crate) fn may_have_mapped(pid: i32, file: FileId) -> Result<bool, SystemError> {
    let maps = std::fs::read(format!("/proc/{pid}/maps"));
    let maps = maps.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO)).during("read")?;
    let inode = file.inode().to_string();
    // Address, rights, offset, device, inode, path.
    Ok(maps.split(|&byte| byte == b'\n').any(|line| {
        let mut words = line.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
        words.nth(4) == Some(inode.as_bytes())
    }))
}

#[cfg(test)]
mod tests {
    use rustix::process::{Pid, WaitId, WaitIdOptions};

    use super::{Life, WallTime, is_nobodys, may_have_mapped};
    use crate::sys::FileId;
    use crate::sys::ground::Cat;

    const TAIL: &str = "0 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 {threads} 0 {start} 99 98";

    fn stat(name: &str, state: char, threads: u64, start: u64) -> Vec<u8> {
        let tail = TAIL.replace("{threads}", &threads.to_string()).replace("{start}", &start.to_string());
        format!("41 ({name}) {state} 1 41 {tail}").into_bytes()
    }

    #[test]
    fn a_name_may_hold_what_looks_like_the_rest() {
        for name in ["", "sh", "a b", ") R 1 1 (", "))) Z 1 2 3", "\n) Z"] {
            let life = Life::parse(&stat(name, 'S', 3, 7)).unwrap();
            assert_eq!(life, Life { pid: 41, state: b'S', threads: 3, start: 7 }, "{name:?}");
        }
        let mut odd = stat("x", 'S', 3, u64::MAX);
        odd[4] = 0xff;
        assert_eq!(Life::parse(&odd).unwrap().start_ticks(), u64::MAX);
    }

    #[test]
    fn what_is_cut_off_or_no_number_says_nothing() {
        let whole = stat("sh", 'R', 1, 12);
        let needed = whole.len() - " 99 98".len() - "2".len();
        for len in 0..whole.len() {
            assert_eq!(Life::parse(&whole[..len]).is_some(), len >= needed, "{len}");
        }
        assert_eq!(Life::parse(b"1 (a) S a b c d e f g h i j k l m n o p q r s t u v w"), None);
    }

    #[test]
    fn a_process_is_over_when_its_last_thread_is() {
        let is_over = |state, threads| Life::parse(&stat("sh", state, threads, 7)).unwrap().is_over();
        assert!(is_over('Z', 1) && is_over('Z', 0) && is_over('X', 0));
        // Its first thread has ended, and another one goes on.
        assert!(!is_over('Z', 2));
        let is_headless = |state, threads| Life::parse(&stat("sh", state, threads, 7)).unwrap().is_headless();
        assert!(is_headless('Z', 2) && !is_headless('Z', 1) && !is_headless('S', 2));
        assert!(!is_over('S', 1) && !is_over('R', 1) && !is_over('D', 0) && !is_over('T', 1));
    }

    #[test]
    fn a_child_is_there_while_it_runs_and_while_its_end_is_not_heard_of() {
        let mut cat = Cat::new();
        let pid = cat.pid();
        assert!(!is_nobodys(pid));
        let life = Life::of(pid).unwrap();
        assert!(!life.is_over());
        assert!(life.start_ticks() >= Life::of_this_process().unwrap().start_ticks());
        cat.hang_up();
        // Waits for the end without asking for its outcome.
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        rustix::process::waitid(WaitId::Pid(Pid::from_raw(pid).unwrap()), ended).unwrap();
        assert!(!is_nobodys(pid) && Life::of(pid).unwrap().is_over());
        drop(cat);
        assert!(is_nobodys(pid));
        assert_eq!(Life::of(pid).unwrap_err().errno(), libc::ENOENT);
    }

    #[test]
    fn there_is_no_process_without_an_id() {
        for pid in [0, -1, i32::MIN, i32::MAX] {
            assert!(is_nobodys(pid), "{pid}");
        }
        // Not ours to signal, perhaps, but there.
        assert!(!is_nobodys(1));
    }

    #[test]
    fn a_process_began_before_now_and_after_the_machine() {
        let life = Life::of_this_process().unwrap();
        assert!(life.start() < WallTime::now() && life.start() > WallTime::of_boot());
        // By the clock that /proc itself shows for this process's directory, within what a slow machine needs to make it.
        assert!(life.start().later(core::time::Duration::from_secs(3_600)) > WallTime::now());
    }

    #[test]
    fn a_file_that_is_mapped_is_found_and_one_that_is_not_is_not() {
        let this = i32::try_from(std::process::id()).unwrap();
        let program = std::fs::canonicalize("/proc/self/exe").unwrap();
        let mapped = FileId::at(&program).unwrap().unwrap();
        let other = FileId::at("/".as_ref()).unwrap().unwrap();
        assert_eq!((may_have_mapped(this, mapped), may_have_mapped(this, other)), (Ok(true), Ok(false)));
        assert!(may_have_mapped(i32::MAX, other).is_err());
    }
}
