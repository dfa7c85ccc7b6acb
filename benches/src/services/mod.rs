//! The driver of services: generated clients and servers between two processes, beside what they are made of and what
//! others make.
//!
//! As in [`driver`](crate::driver), the parent is the client and starts its own program again as the server; what differs
//! is what a contender does: whole calls, checked, by as many clients as the load has. Blocking clients are threads of the
//! one client process, each with a connection of its own; asynchronous ones are tasks.
//!
//! Owns: what a contender must be able to do, and the list of them.

pub mod generated;
#[cfg(feature = "neighbours")]
pub mod iceoryx2;
pub mod keyed;
pub mod level1;
pub mod load;
#[cfg(feature = "neighbours")]
pub mod shelf;
pub mod table;
#[cfg(feature = "neighbours")]
pub mod tarpc;
#[cfg(feature = "neighbours")]
pub mod tasks;
pub mod threads;
#[cfg(feature = "neighbours")]
pub mod tonic;
pub mod turn;
pub mod typed;

use std::io::{self, Read};
use std::path::Path;

use crate::driver::process::{Ready, Role, hung_up, known, role};
use crate::driver::stats::Figures;
use load::{LOADS, Load};
use turn::Watch;

/// A way to serve calls to other processes.
pub trait Contender: Sync {
    /// The row's title, and what the child is told to serve.
    fn name(&self) -> &'static str;

    /// What kind it is.
    fn group(&self) -> Group;

    /// Whether it serves typed methods, rather than carrying what such calls are made of.
    fn is_service(&self) -> bool {
        true
    }

    /// The row of the same transport and the same waiting at Level 1, where there is one.
    fn level1(&self, load: &Load) -> Option<&'static str> {
        let _ = load;
        None
    }

    /// Whether a server that nobody calls goes to sleep.
    fn rests(&self) -> bool {
        true
    }

    /// Whether it can carry this load at all.
    fn runs(&self, load: &Load) -> bool;

    /// The server: says `ready` once clients can connect, and serves until its stdin ends, or its only client hangs up.
    ///
    /// # Errors
    /// Whatever keeps it from serving. A broken pipe and a reset connection count as the client's hanging up.
    fn serve(&self, run_dir: &Path, load: &Load, ready: Ready) -> io::Result<()>;

    /// The clients: connect, call for a while, and then for as long as `watch` says, between its beginning and its end.
    ///
    /// # Errors
    /// Whatever keeps one from connecting; a call failed, or had the wrong answer.
    fn drive(&self, run_dir: &Path, load: &Load, watch: &Watch) -> io::Result<Figures>;
}

/// What contenders are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Bare loops over a socket.
    BareSocket,
    /// Bare loops over shared memory.
    BareShm,
    /// Ours over a socket.
    Socket,
    /// Ours over shared memory.
    Shm,
    /// tarpc's.
    Tarpc,
    /// tonic's.
    Tonic,
    /// iceoryx2's.
    Iceoryx2,
}

impl Group {
    /// The bare loops over the same transport.
    pub fn limit(self) -> Option<Self> {
        match self {
            Self::Socket => Some(Self::BareSocket),
            Self::Shm => Some(Self::BareShm),
            Self::BareSocket | Self::BareShm | Self::Tarpc | Self::Tonic | Self::Iceoryx2 => None,
        }
    }
}

/// All contenders, in the order of the tables. A new one is added here, and nowhere else.
pub const CONTENDERS: &[&dyn Contender] = &[
    &level1::BARE_BLOCKING,
    &level1::BARE_YIELDING,
    &level1::BLOCKING,
    &level1::ADAPTIVE,
    &level1::BATCHES,
    &generated::BLOCKING,
    &generated::ADAPTIVE,
    &level1::BARE_SHM_8192,
    &level1::BARE_SHM_FUTEX,
    &level1::SHM_BLOCKING,
    &level1::SHM_ADAPTIVE,
    &level1::SHM_BATCHES,
    &generated::SHM_BLOCKING,
    &generated::SHM_ADAPTIVE,
    #[cfg(feature = "neighbours")]
    &tarpc::ONE_THREAD,
    #[cfg(feature = "neighbours")]
    &tarpc::ALL_THREADS,
    #[cfg(feature = "neighbours")]
    &tonic::ONE_THREAD,
    #[cfg(feature = "neighbours")]
    &tonic::ALL_THREADS,
    #[cfg(feature = "neighbours")]
    &iceoryx2::LOOKING,
    #[cfg(feature = "neighbours")]
    &iceoryx2::EVENTS,
];

/// The server's `main`; `args` are those behind [`SERVE_AS`](crate::driver::process::SERVE_AS).
///
/// # Errors
/// The arguments are not those of a client of ours, or the contender fails.
pub fn serve(args: &[String]) -> io::Result<()> {
    let Some(Role { contender, load, run_dir, ready }) = role(args)? else { return Ok(()) };
    let contender = known(CONTENDERS.iter().find(|known| known.name() == contender), contender)?;
    let load = known(LOADS.iter().find(|known| known.name == load), load)?;
    hung_up(contender.serve(&run_dir, load, ready))
}

/// Returns when the client has closed this process's stdin, which it does when it has nothing more to ask.
fn client_is_done() -> io::Result<()> {
    io::stdin().read_to_end(&mut Vec::new()).map(drop)
}

/// What a call came to, where its answer is to be this.
fn same(what: &str, found: u64, expected: u64) -> io::Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(io::Error::other(format!("{what}: {found} came instead of {expected}")))
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn a_wrong_answer_is_an_error_that_tells_of_it() {
        assert!(same("answer", 7, 7).is_ok());
        let error = same("answer", 8, 7).unwrap_err().to_string();
        assert_eq!(error, "answer: 8 came instead of 7");
    }
}
