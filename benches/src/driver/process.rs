//! The server's process: this program, started again with hidden arguments.
//!
//! Owns: how it starts (its end of a socket pair as stdin, or a run directory by name), how it says that it is ready (a
//! byte on stdout), and how it ends: with the connection, else with the parent, whose death kills it, else by force. No
//! process is forked without exec, and none is left behind; nor is a run directory, but for those of a killed parent,
//! which the next run removes.

use std::fs::{self, DirBuilder};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Access, access};
use rustix::io::retry_on_intr;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use rustix::time::Timespec;

use super::workload::{WORKLOADS, Workload};
use super::{CONTENDERS, Caller, Contender, End, Meeting, placement};

/// The first argument of a server of the driver's own contenders.
pub const SERVE: &str = "--serve";
/// The first argument of a server of others: one program may have both.
pub const SERVE_AS: &str = "--serve-as";

const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
const NONE: &str = "-";
const READY: u8 = b'\n';

/// A server that runs; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    stdout: ChildStdout,
    run_dir: Option<RunDir>,
}

impl Server {
    /// Starts `program` as the server of `contender`, on `cpu` if given; returns when a client can connect, with the
    /// client's means to do so.
    ///
    /// The calling thread must live as long as the server: the kernel's parent of a process is a thread.
    ///
    /// # Errors
    /// The program does not start, or does not get ready.
    pub fn start(
        program: &Path,
        contender: &dyn Contender,
        workload: &Workload,
        cpu: Option<usize>,
    ) -> io::Result<(Self, End)> {
        let names = [SERVE, contender.name(), workload.name];
        Self::start_with(program, names, contender.meeting(), cpu)
    }

    /// The same for a contender and a load that `program` knows by these names.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_as(
        program: &Path,
        contender: &str,
        load: &str,
        meeting: Meeting,
        cpu: Option<usize>,
    ) -> io::Result<(Self, End)> {
        Self::start_with(program, [SERVE_AS, contender, load], meeting, cpu)
    }

    fn start_with(program: &Path, names: [&str; 3], meeting: Meeting, cpu: Option<usize>) -> io::Result<(Self, End)> {
        let (stdin, run_dir, end) = match meeting {
            Meeting::Pair => {
                let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
                (Stdio::from(far), None, End::Socket(near))
            }
            Meeting::RunDir => {
                let run_dir = RunDir::new()?;
                let end = End::RunDir(run_dir.path().to_owned());
                (Stdio::piped(), Some(run_dir), end)
            }
        };
        let mut command = Command::new(program);
        command.args(names);
        command.arg(std::process::id().to_string());
        command.arg(cpu.map_or(NONE.to_owned(), |cpu| cpu.to_string()));
        command.arg(run_dir.as_ref().map_or(Path::new(NONE), RunDir::path));
        let mut child = command.stdin(stdin).stdout(Stdio::piped()).spawn()?;
        // With the command goes this process's copy of the server's end: without that, neither side sees a hang-up.
        drop(command);
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut server = Self { child, stdout, run_dir };
        match server.next_byte()? {
            Some(READY) => Ok((server, end)),
            other => Err(io::Error::other(format!("{}: the server said {other:?} instead of ready", names[1]))),
        }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Hangs up, and waits for the server to end of itself.
    ///
    /// # Errors
    /// It does not, or had something to complain about.
    pub fn finish(self, caller: Box<dyn Caller>) -> io::Result<()> {
        drop(caller);
        self.end()
    }

    /// Waits for a server to end that nobody is connected to any more, or that ends with its stdin.
    ///
    /// # Errors
    /// As [`Server::finish`].
    pub fn end(mut self) -> io::Result<()> {
        drop(self.child.stdin.take());
        if let Some(byte) = self.next_byte()? {
            return Err(io::Error::other(format!("the server printed {byte}")));
        }
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("the server ended with {status}"))) }
    }

    /// What the server prints; `None` at its end.
    fn next_byte(&mut self) -> io::Result<Option<u8>> {
        let mut waiting = [PollFd::from_borrowed_fd(self.stdout.as_fd(), PollFlags::IN)];
        if retry_on_intr(|| poll(&mut waiting, Some(&PATIENCE)))? == 0 {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the server neither gets on nor ends"));
        }
        let mut byte = [0];
        Ok((self.stdout.read(&mut byte)? > 0).then_some(byte[0]))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail for a server that has ended and was waited for; nothing is left to do then.
        let _ = self.child.kill();
        let _ = self.child.wait();
        drop(self.run_dir.take());
    }
}

/// How a server says that a client can connect.
#[derive(Debug)]
pub struct Ready(());

impl Ready {
    /// Says it.
    ///
    /// # Errors
    /// The parent is gone.
    pub fn say(self) -> io::Result<()> {
        let mut stdout = io::stdout();
        stdout.write_all(&[READY])?;
        stdout.flush()
    }
}

/// The server's `main`; `args` are those behind [`SERVE`].
///
/// # Errors
/// The arguments are not those of [`Server::start`], or the contender fails.
pub fn serve(args: &[String]) -> io::Result<()> {
    let Some(Role { contender, load, run_dir, ready }) = role(args)? else { return Ok(()) };
    let contender = known(CONTENDERS.iter().find(|known| known.name() == contender), contender)?;
    let workload = known(WORKLOADS.iter().find(|known| known.name == load), load)?;
    let end = match contender.meeting() {
        Meeting::Pair => End::Socket(io::stdin().as_fd().try_clone_to_owned()?),
        Meeting::RunDir => End::RunDir(run_dir),
    };
    hung_up(contender.serve(end, workload, ready))
}

/// What a server was started for.
#[derive(Debug)]
pub struct Role<'a> {
    /// The contender's name.
    pub contender: &'a str,
    /// The load's.
    pub load: &'a str,
    /// Of [`Meeting::RunDir`].
    pub run_dir: PathBuf,
    /// To be said once a client can connect.
    pub ready: Ready,
}

/// Reads the arguments behind [`SERVE`] or [`SERVE_AS`], and places this process; `None` where its client is gone already.
///
/// # Errors
/// The arguments are not those of [`Server::start_as`], or the kernel refuses.
pub fn role(args: &[String]) -> io::Result<Option<Role<'_>>> {
    let [contender, load, parent, cpu, run_dir] = args else {
        return Err(io::Error::other("a server is started by its client"));
    };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The signal is for what happens from here on.
    if getppid().map(|parent| parent.as_raw_nonzero().to_string()).as_ref() != Some(parent) {
        return Ok(None);
    }
    if cpu != NONE {
        placement::pin(cpu.parse().map_err(io::Error::other)?)?;
    }
    Ok(Some(Role { contender, load, run_dir: PathBuf::from(run_dir), ready: Ready(()) }))
}

/// What was found under a name.
///
/// # Errors
/// Nothing was.
pub fn known<T>(found: Option<T>, name: &str) -> io::Result<T> {
    found.ok_or_else(|| io::Error::other(format!("{name}: not known")))
}

/// A broken pipe and a reset connection count as the client's hanging up.
///
/// # Errors
/// All others.
pub fn hung_up(served: io::Result<()>) -> io::Result<()> {
    match served {
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Ok(()),
        served => served,
    }
}

/// Where run directories are made: where `TMPDIR` says, else in memory, else where temporary files go.
///
/// A mapped file on a disk costs write-back, which is no part of what shared memory costs.
pub fn ground() -> PathBuf {
    let in_memory = Path::new("/dev/shm");
    if std::env::var_os("TMPDIR").is_none() && access(in_memory, Access::WRITE_OK | Access::EXEC_OK).is_ok() {
        return in_memory.to_owned();
    }
    std::env::temp_dir()
}

/// A directory of one server and its client; removed when dropped.
#[derive(Debug)]
pub(super) struct RunDir(PathBuf);

const RUN_DIR: &str = "netipc-sessions-";

impl RunDir {
    pub(super) fn new() -> io::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let all = ground();
        remove_abandoned(&all)?;
        // Shared memory by name has no other place.
        remove_abandoned(Path::new(SHARED_MEMORY)).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })?;
        // Relaxed: a number that nobody else gets is all that is asked.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = all.join(format!("{RUN_DIR}{}-{number}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        // What can't be removed is left to the next run.
        let _ = fs::remove_dir_all(&self.0);
        let (Ok(shared), Some(prefix)) = (fs::read_dir(SHARED_MEMORY), shared_memory_prefix(&self.0)) else { return };
        for entry in shared.flatten() {
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(&prefix)) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Where Linux keeps shared memory that has a name.
const SHARED_MEMORY: &str = "/dev/shm";

/// What all names of shared memory begin with that a server or client makes who meet in this run directory: they are
/// removed along with it.
pub fn shared_memory_prefix(run_dir: &Path) -> Option<String> {
    Some(format!("{}_", run_dir.file_name()?.to_str()?))
}

/// Removes the run directories of processes that were killed, and their shared memory.
fn remove_abandoned(all: &Path) -> io::Result<()> {
    for entry in fs::read_dir(all)? {
        let entry = entry?;
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(RUN_DIR)?.split_once('-')?.0.parse::<u32>().ok());
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner.to_string()).exists()) {
            // Another run may be at the same work, and other users' directories are theirs.
            let _ = if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())
            } else {
                fs::remove_file(entry.path())
            };
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_directories_of_the_dead_are_removed_and_no_others() {
        let all = RunDir::new().unwrap();
        // No process has this number: Linux counts to 2^22 at most.
        let [dead, alive, foreign] = [
            format!("{RUN_DIR}{}-0", u32::MAX),
            format!("{RUN_DIR}{}-7", std::process::id()),
            format!("{RUN_DIR}notes-0"),
        ]
        .map(|name| all.0.join(name));
        for path in [&dead, &alive, &foreign] {
            fs::create_dir(path).unwrap();
            fs::write(path.join("bare.sock"), []).unwrap();
        }
        let shared = all.0.join(format!("{RUN_DIR}{}-0_memory", u32::MAX));
        fs::write(&shared, []).unwrap();
        remove_abandoned(&all.0).unwrap();
        assert_eq!([dead, alive, foreign, shared].map(|path| path.exists()), [false, true, true, false]);
        let path = all.0.clone();
        drop(all);
        assert!(!path.exists());
    }

    #[test]
    fn shared_memory_goes_with_the_run_directory_that_it_is_named_after() {
        let [one, other] = [(); 2].map(|()| RunDir::new().unwrap());
        let memory = |run_dir: &RunDir| {
            let path = Path::new(SHARED_MEMORY).join(shared_memory_prefix(run_dir.path()).unwrap() + "memory");
            fs::write(&path, []).unwrap();
            path
        };
        let [ours, theirs] = [&one, &other].map(memory);
        drop(one);
        assert_eq!([&ours, &theirs].map(|path| path.exists()), [false, true]);
        drop(other);
        assert!(!theirs.exists());
    }

    #[test]
    fn a_server_that_was_not_started_by_its_client_ends_at_once() {
        assert!(serve(&[]).is_err());
    }
}
