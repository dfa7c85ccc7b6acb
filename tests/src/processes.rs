//! Tests that take more than one process or thread: run directories, children that stop where they are told to, and
//! threads that are known to wait.
//!
//! A child is the test's own binary, run again for the same test alone; [`role`] tells the test that it is the child.
//! Both talk in lines, over the child's standard input and output. Nothing here sleeps to let something happen.
#![expect(unsafe_code, reason = "libc alone can set a signal handler that does not restart system calls")]

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use netipc::endpoint::Endpoint;
use netipc::session::{ClientConfig, ClientSession, Deadline, ServerConfig, ServerSession};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions};

const ROLE: &str = "NETIPC_TEST_ROLE";
const DIRECTORY: &str = "NETIPC_TEST_DIRECTORY";
/// In front of each line that a child says: the test harness prints lines of its own.
const MARK: char = '@';

/// A directory of its own for one test; it goes when the test does.
#[derive(Debug)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// A new one.
    ///
    /// # Panics
    /// Where it can't be made.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("netipc-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The service `name` in it.
    ///
    /// # Panics
    /// For a name that is none.
    #[must_use]
    pub fn endpoint(&self, name: &str) -> Endpoint {
        Endpoint::new(&self.0, name).expect("a name")
    }

    /// The names of all that is in it, in order.
    ///
    /// # Panics
    /// Where it can't be read.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("a directory");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }
}

impl Default for RunDir {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Both sides of a session in this process, over a socket.
///
/// # Panics
/// Where there is none to be had.
#[must_use]
pub fn pair(client: &ClientConfig, server: &ServerConfig) -> (ClientSession, ServerSession) {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("pair");
    let mut listener = server.listen(&endpoint).expect("a listener");
    let connecting = client.try_connect(&endpoint).expect("a connection").expect("room in the queue");
    let server = listener.accept(Deadline::NEVER).expect("a session");
    (connecting.finish(Deadline::NEVER).expect("a session"), server)
}

/// What this process is to do, if it was started by [`Child::start`], and where.
///
/// # Panics
/// Where it was started halfway.
#[must_use]
pub fn role() -> Option<(String, PathBuf)> {
    let role = std::env::var(ROLE).ok()?;
    Some((role, std::env::var_os(DIRECTORY).expect("both variables").into()))
}

/// Says a line to the test that started this process.
pub fn say(line: &str) {
    println!("\n{MARK}{line}");
}

/// What the test that started this process says next.
///
/// # Panics
/// Where it says nothing any more.
#[must_use]
pub fn hear() -> String {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line).expect("a line");
    assert!(read > 0, "the test is gone");
    line.trim_end().to_owned()
}

/// Stops this process, which a test that started it can see, until it is told to go on.
///
/// # Panics
/// Never, on Linux.
pub fn stop() {
    // To this very thread: if another one took the signal, this one would get a little further.
    assert!(tell(this_thread(), libc::SIGSTOP), "{}", std::io::Error::last_os_error());
}

/// The same server, but its process stops when a client has greeted it, before it answers.
#[must_use]
pub fn stopping_when_greeted(config: ServerConfig) -> ServerConfig {
    config.authorize(|_| {
        stop();
        true
    })
}

/// Sends a signal to a thread of this process; whether it is there.
fn tell(thread: Pid, signal: libc::c_int) -> bool {
    let (process, thread) = (rustix::process::getpid().as_raw_nonzero().get(), thread.as_raw_nonzero().get());
    // SAFETY: three integers, and nothing of this process is touched but by the signal's handler.
    let done = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal) };
    done == 0
}

/// Another process; it is killed when the test is done with it.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Child {
    /// Runs the test of this name, which it is called from, in a process of its own.
    ///
    /// # Panics
    /// Where it can't be started.
    #[must_use]
    pub fn start(test: &str, role: &str, run_dir: &Path) -> Self {
        Self::run(Command::new(std::env::current_exe().expect("a path")), test, role, run_dir)
    }

    /// The same where the shell commands `mount` have mounted something in the run directory, which they begin in; that
    /// goes with the process, however it ends. Only root can.
    ///
    /// # Panics
    /// Where it can't be started.
    #[must_use]
    pub fn start_among_mounts(mount: &str, test: &str, role: &str, run_dir: &Path) -> Self {
        let script = format!("cd \"$1\" && {mount} && shift && exec \"$@\"");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--", "sh", "-c", &script, "sh"]).arg(run_dir);
        command.arg(std::env::current_exe().expect("a path"));
        Self::run(command, test, role, run_dir)
    }

    fn run(mut command: Command, test: &str, role: &str, run_dir: &Path) -> Self {
        let mut process = command
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(DIRECTORY, run_dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let lines = BufReader::new(process.stdout.take().expect("a pipe"));
        Self { process, lines }
    }

    /// Its process id.
    ///
    /// # Panics
    /// Never, on Linux.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// What it says next.
    ///
    /// # Panics
    /// Where it ends before.
    pub fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).expect("a line") > 0, "the child has nothing more to say");
            if let Some(said) = line.strip_prefix(MARK) {
                return said.trim_end().to_owned();
            }
        }
    }

    /// Says a line to it.
    ///
    /// # Panics
    /// Where it does not listen.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.process.stdin.as_mut().expect("a pipe"), "{line}").expect("a child that listens");
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// Where it is gone.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).expect("a child");
    }

    /// Waits until it has stopped.
    ///
    /// # Panics
    /// Where it ends instead.
    pub fn wait_until_stopped(&self) {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let status = rustix::process::waitid(WaitId::Pid(self.pid()), options).expect("a child").expect("a status");
        assert!(status.stopped(), "the child ended: {:?}", status.exit_status());
    }

    /// Stops it.
    ///
    /// # Panics
    /// Where it is gone.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
        self.wait_until_stopped();
    }

    /// Kills it, and waits until it is gone.
    ///
    /// # Panics
    /// Where that fails.
    pub fn kill(mut self) {
        self.process.kill().expect("a child");
        self.process.wait().expect("a child");
    }

    /// Waits until it has ended.
    ///
    /// # Panics
    /// Where it failed.
    pub fn finish(mut self) {
        // Whatever it prints from here on must not fill the pipe.
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut self.lines, &mut rest).expect("its last words");
        let status = self.process.wait().expect("a child");
        let rest = String::from_utf8_lossy(&rest);
        // With the name of no test it would succeed at nothing.
        assert!(status.success() && rest.contains("1 passed"), "{status}: {rest}");
    }

    /// Whether it has ended.
    ///
    /// # Panics
    /// Where that can't be told.
    pub fn has_ended(&mut self) -> bool {
        self.process.try_wait().expect("a child").is_some()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// This thread, for [`wait_until_asleep`].
#[must_use]
pub fn this_thread() -> Pid {
    rustix::thread::gettid()
}

/// Waits until a thread of this process sleeps in a system call.
pub fn wait_until_asleep(thread: Pid) {
    while !is_asleep(thread) {
        thread::yield_now();
    }
}

/// Whether a thread of this process sleeps in a system call; one that is gone does not.
///
/// # Panics
/// Where /proc is not mounted.
#[must_use]
pub fn is_asleep(thread: Pid) -> bool {
    let path = format!("/proc/self/task/{}/stat", thread.as_raw_nonzero());
    let Ok(stat) = fs::read_to_string(&path) else { return false };
    // The name before it may hold anything.
    stat.rsplit_once(") ").expect("a state").1.starts_with('S')
}

/// Waits until something can be read from a descriptor.
///
/// # Panics
/// For a descriptor that is none.
pub fn wait_until_readable(descriptor: impl AsFd) {
    let mut fds = [PollFd::new(&descriptor, PollFlags::IN)];
    while let Err(errno) = poll(&mut fds, None) {
        assert_eq!(errno, Errno::INTR);
    }
    assert!(fds[0].revents().contains(PollFlags::IN), "nothing will ever be there");
}

/// Waits until nothing more can be written to a socket of packets, because some other thread does so.
///
/// # Panics
/// For a descriptor that is none.
pub fn wait_until_full(socket: impl AsFd) {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    loop {
        let mut fds = [PollFd::new(&socket, PollFlags::OUT)];
        if poll(&mut fds, Some(&at_once)).expect("a socket") == 0 {
            return;
        }
        assert!(!fds[0].revents().contains(PollFlags::HUP), "the peer is gone");
        thread::yield_now();
    }
}

static SIGNALS: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::Relaxed);
}

/// Interrupts the system calls of these threads of this process, again and again, until `call` is done or they are.
pub fn interrupting<R>(threads: &[Pid], call: impl FnOnce() -> R) -> R {
    handle();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                for thread in threads {
                    // It may have ended.
                    let _ = tell(*thread, libc::SIGUSR1);
                }
                thread::yield_now();
            }
        });
        // Also if it panics, so that the scope ends.
        let _end = OnDrop(&is_done);
        call()
    })
}

struct OnDrop<'a>(&'a AtomicBool);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// From now on SIGUSR1 interrupts system calls of this process, which are not restarted.
fn handle() {
    let handler: extern "C" fn(libc::c_int) = count;
    // SAFETY: a `sigaction` is integers and an optional function, for which zeros are a value: no flags, so no SA_RESTART.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    // SAFETY: `action` is valid, and the handler does nothing but an atomic addition, which a signal may interrupt anything
    // for.
    let set = unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, core::ptr::null_mut()) };
    assert_eq!(set, 0);
}

/// How many signals have come.
#[must_use]
pub fn interruptions() -> u64 {
    SIGNALS.load(Ordering::Relaxed)
}

/// The descriptors that this process has open, but for the one that they are listed by.
///
/// # Panics
/// Where /proc is not mounted.
#[must_use]
pub fn descriptors() -> Vec<i32> {
    let listed: Vec<_> = fs::read_dir("/proc/self/fd")
        .expect("/proc")
        .map(|entry| {
            entry.expect("an entry").file_name().to_str().and_then(|name| name.parse().ok()).expect("a number")
        })
        .collect();
    let mut open: Vec<i32> =
        listed.into_iter().filter(|fd| fs::read_link(format!("/proc/self/fd/{fd}")).is_ok()).collect();
    open.sort_unstable();
    open
}

/// Lets this process have so many bytes of memory, whether it uses them or not.
///
/// # Panics
/// Where it may not have as many.
pub fn limit_memory(bytes: u64) {
    let Rlimit { maximum, .. } = rustix::process::getrlimit(Resource::As);
    rustix::process::setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum }).expect("the soft limit");
}

/// Takes all descriptors but `left`: more can't be opened until what is returned is dropped.
///
/// # Panics
/// Where there are not as many.
#[must_use]
pub fn take_descriptors(left: usize) -> Vec<fs::File> {
    let highest = descriptors().into_iter().max().expect("standard output");
    limit_descriptors(Some(u64::try_from(highest).expect("no descriptor is negative") + 20));
    let mut taken: Vec<_> = core::iter::from_fn(|| fs::File::open("/dev/null").ok()).collect();
    taken.truncate(taken.len() - left);
    taken
}

/// Lets this process have descriptors below `limit` alone; `None` for as many as it may have.
///
/// # Panics
/// Never: it is the soft limit.
pub fn limit_descriptors(limit: Option<u64>) {
    let Rlimit { maximum, .. } = rustix::process::getrlimit(Resource::Nofile);
    let current = limit.or(maximum);
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current, maximum }).expect("the soft limit");
}
