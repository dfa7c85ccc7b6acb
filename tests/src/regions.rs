//! Sessions over shared memory, and what they hold: descriptors, mappings, threads, files.

use core::time::Duration;
use std::fs;
use std::thread;
use std::time::Instant;

use netipc::session::{ClientConfig, ClientSession, Deadline, ServerConfig, ServerSession, Wait};
use netipc::wire::{Method, Profiles};
use rustix::process::Pid;

use crate::processes::{descriptors, is_asleep, pair};

/// The ways to wait.
pub const WAITS: [Wait; 3] = [Wait::Block, Wait::Adaptive, Wait::Always];
/// More than anything takes here: who has waited that long hangs.
const HANGING: Duration = Duration::from_secs(10);

/// A deadline that is there to show a hang, and that nothing should come near.
#[must_use]
pub fn within() -> Deadline {
    Deadline::after(HANGING)
}

/// Sockets, and rather shared memory.
#[must_use]
pub fn both() -> Profiles {
    Profiles::BASELINE | Profiles::SHM_HYBRID
}

/// A client that proposes both.
#[must_use]
pub fn client(wait: Wait) -> ClientConfig {
    ClientConfig::new().profiles(both()).wait(wait)
}

/// A server that has both.
#[must_use]
pub fn server(wait: Wait) -> ServerConfig {
    ServerConfig::new().profiles(both()).wait(wait)
}

/// Both sides of a session in this process, over shared memory.
///
/// # Panics
/// Where there is none to be had.
#[must_use]
pub fn shared_pair(client: &ClientConfig, server: &ServerConfig) -> (ClientSession, ServerSession) {
    let (client, server) = pair(client, server);
    assert_eq!(client.status().profile, Profiles::SHM_HYBRID, "{:?}", server.status());
    (client, server)
}

/// A call, answered by the same thread.
///
/// # Panics
/// Where any of it fails.
pub fn call_across(client: &mut ClientSession, server: &mut ServerSession) {
    let ticket = client.send(Method::new(7), b"still there?", within()).expect("room");
    let asked = server.receive(within()).expect("a request");
    assert_eq!((asked.ticket(), asked.payload()), (ticket, &b"still there?"[..]));
    server.respond(ticket, b"yes", within()).expect("room");
    let answer = client.receive(within()).expect("an answer");
    assert_eq!((answer.ticket(), answer.payload()), (ticket, &b"yes"[..]));
}

/// What this process holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdings {
    /// Descriptors that are open.
    pub descriptors: Vec<i32>,
    /// Regions that are mapped, also such as have no name any more.
    pub mappings: usize,
    /// Threads that run.
    pub threads: usize,
}

impl Holdings {
    /// As it is.
    ///
    /// # Panics
    /// Where /proc is not mounted.
    #[must_use]
    pub fn now() -> Self {
        let maps = fs::read_to_string("/proc/self/maps").expect("/proc");
        let mappings = maps.lines().filter(|line| line.contains(".ipcshm")).count();
        let threads = fs::read_dir("/proc/self/task").expect("/proc").count();
        Self { descriptors: descriptors(), mappings, threads }
    }

    /// Waits until this process holds neither more nor less: a thread that was told to end takes a moment.
    ///
    /// # Panics
    /// Where it does not come to that.
    pub fn wait_for(&self) {
        if !comes_true(|| Self::now() == *self) {
            assert_eq!(Self::now(), *self);
        }
    }
}

/// Whether something that must come true does.
pub fn comes_true(mut is_true: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    while !is_true() {
        if begin.elapsed() > HANGING {
            return false;
        }
        thread::yield_now();
    }
    true
}

/// Nanoseconds for which a thread of this process has run.
fn run_time(thread: Pid) -> u64 {
    let path = format!("/proc/self/task/{}/schedstat", thread.as_raw_nonzero());
    let schedstat = fs::read_to_string(path).unwrap_or_default();
    schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
}

/// Waits until a thread that has just begun a call waits in it: asleep, or, where that is how it waits, running.
pub fn wait_until_waiting(thread: Pid, wait: Wait) {
    let begin = run_time(thread);
    while !is_asleep(thread) {
        // No call that does not wait takes as long.
        if wait == Wait::Always && run_time(thread) > begin + 2_000_000 {
            return;
        }
        thread::yield_now();
    }
}

/// Whether a thread of another process sleeps in a system call.
#[must_use]
pub fn is_asleep_in(process: Pid, thread: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/task/{thread}/stat", process.as_raw_nonzero()));
    stat.is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('S')))
}
