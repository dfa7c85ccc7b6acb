//! The load driver: calls between two processes, each contender in turn with the others.
//!
//! The parent is the client. It starts its own program again as the server, which answers until the client hangs up:
//!
//! ```text
//!   client (parent)                               server (child: `--serve ..`)
//!   Contender::connect -> Caller  <-- socket -->  Contender::serve
//!   slice: times each call                        workload::Answers: what to answer
//!   usage: its own clock, and /proc of the child  process: placed, and killed if the parent dies
//! ```
//!
//! Owns: what a contender must be able to do, and the list of them. A contender moves bytes and waits for them; what
//! the bytes are, how many calls are in flight, where both sides run and what is counted is the same for all of them.

pub mod bare;
pub mod bare_shm;
pub mod placement;
pub mod process;
pub mod region;
pub mod session;
pub mod slice;
pub mod stats;
pub mod table;
pub mod usage;
pub mod workload;

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use process::Ready;
use workload::Workload;

/// A way to carry calls from one process to another.
pub trait Contender: Sync {
    /// The row's title, and what the child is told to serve.
    fn name(&self) -> &'static str;

    /// What the driver gives to both sides so that they meet.
    fn meeting(&self) -> Meeting;

    /// Whether tables leave it out unless `--only` asks for it: it is there to check the driver.
    fn is_control(&self) -> bool {
        false
    }

    /// Whether it can carry this load at all; tables leave it out of those that it cannot.
    fn runs(&self, workload: &Workload) -> bool {
        let _ = workload;
        true
    }

    /// Whether a server that nobody calls goes to sleep.
    fn rests(&self) -> bool {
        true
    }

    /// The server: says `ready` once a client can connect, then answers one client's requests, in order, with what
    /// [`workload::Answers`] says, until that client hangs up.
    ///
    /// # Errors
    /// Whatever keeps it from answering. A broken pipe and a reset connection count as the client's hanging up.
    fn serve(&self, end: End, workload: &Workload, ready: Ready) -> io::Result<()>;

    /// The client, connected: all buffers that `workload` needs are there, and faulted in.
    ///
    /// # Errors
    /// Whatever keeps it from connecting.
    fn connect(&self, end: End, workload: &Workload) -> io::Result<Box<dyn Caller>>;
}

/// The client's end of a connection; dropping it hangs up.
///
/// Payloads only: headers are the contender's own. Answers come in the order of the requests.
pub trait Caller {
    /// Sends one request; at most [`Workload::in_flight`] of them wait for their answers.
    ///
    /// # Errors
    /// The server is gone, or took no request of this length.
    fn send(&mut self, request: &[u8]) -> io::Result<()>;

    /// Waits for the next answer.
    ///
    /// # Errors
    /// The server is gone, or what came is no answer.
    fn receive(&mut self) -> io::Result<&[u8]>;

    /// One request and its answer, with nothing else in flight.
    ///
    /// # Errors
    /// As [`Caller::send`] and [`Caller::receive`].
    fn call(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        self.send(request)?;
        self.receive()
    }
}

/// How the two processes find each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meeting {
    /// Each side holds one end of an `AF_UNIX`, `SOCK_SEQPACKET` socket pair.
    Pair,
    /// The server makes a socket in a run directory of theirs alone.
    RunDir,
}

/// One side's means to meet the other.
#[derive(Debug)]
pub enum End {
    /// Of [`Meeting::Pair`].
    Socket(OwnedFd),
    /// Of [`Meeting::RunDir`]; the driver removes it with all that is in it.
    RunDir(PathBuf),
}

/// The rows that ratios refer to unless `--vs` says otherwise.
pub const REFERENCES: [&str; 4] =
    [bare::BLOCKING.name, bare::YIELDING.name, bare_shm::SPINS_8192.name, bare_shm::SPINS_128.name];

/// All contenders, in the order of the tables. A new one is added here, and nowhere else.
pub const CONTENDERS: &[&dyn Contender] = &[
    &bare::BLOCKING,
    &bare::YIELDING,
    &session::BLOCKING,
    &session::ADAPTIVE,
    &bare_shm::SPINS_8192,
    &bare_shm::SPINS_128,
    &bare_shm::FUTEX,
    &session::SHM_BLOCKING,
    &session::SHM_ADAPTIVE,
    &session::SHM_ALWAYS,
    &bare::BY_PATH,
];
