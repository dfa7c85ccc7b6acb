//! What services are made of, and what that is made of: sessions and bare loops, which carry bytes.
//!
//! Owns: nothing of theirs. A row of [`driver`] is driven here by the loop that drives it there; batches,
//! which that driver has none of, are echoed item by item.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::time::Instant;

use netipc::session::{Abort, BuildError, ClientSession, Deadline, Error};

use super::load::{Load, Method};
use super::threads::{Client, alone, one_by_one};
use super::turn::Watch;
use super::{Contender, Group, same};
use crate::driver::bare::{self, Bare};
use crate::driver::process::Ready;
use crate::driver::session::{self, METHOD, Session, TIMEOUT, failed};
use crate::driver::slice::drive;
use crate::driver::stats::Figures;
use crate::driver::workload::{Requests, Workload};
use crate::driver::{self, Caller, End, Meeting, bare_shm};

/// See [`bare::BLOCKING`].
pub const BARE_BLOCKING: Level1 = Level1 { below: &BY_PATH_BLOCKING, name: bare::BLOCKING.name, ..BARE };
/// See [`bare::YIELDING`].
pub const BARE_YIELDING: Level1 = Level1 { below: &BY_PATH_YIELDING, name: bare::YIELDING.name, ..BARE };
/// See [`bare_shm::SPINS_8192`].
pub const BARE_SHM_8192: Level1 =
    Level1 { below: &bare_shm::SPINS_8192, name: bare_shm::SPINS_8192.name, group: Group::BareShm, ..BARE };
/// See [`bare_shm::FUTEX`].
pub const BARE_SHM_FUTEX: Level1 =
    Level1 { below: &bare_shm::FUTEX, name: bare_shm::FUTEX.name, group: Group::BareShm, ..BARE };
/// See [`session::BLOCKING`].
pub const BLOCKING: Level1 =
    Level1 { below: &session::BLOCKING, name: "session, block", group: Group::Socket, is_deep: true };
/// See [`session::ADAPTIVE`].
pub const ADAPTIVE: Level1 = Level1 { below: &session::ADAPTIVE, name: "session, adaptive", ..BLOCKING };
/// See [`session::SHM_BLOCKING`].
pub const SHM_BLOCKING: Level1 =
    Level1 { below: &session::SHM_BLOCKING, name: "session shm, block", group: Group::Shm, is_deep: true };
/// See [`session::SHM_ADAPTIVE`].
pub const SHM_ADAPTIVE: Level1 =
    Level1 { below: &session::SHM_ADAPTIVE, name: "session shm, adaptive", ..SHM_BLOCKING };

/// Batches over [`session::ADAPTIVE`].
pub const BATCHES: Batches =
    Batches { name: "session, adaptive, batches", session: &session::ADAPTIVE, group: Group::Socket };
/// Batches over [`session::SHM_ADAPTIVE`].
pub const SHM_BATCHES: Batches =
    Batches { name: "session shm, adaptive, batches", session: &session::SHM_ADAPTIVE, group: Group::Shm };

const BARE: Level1 =
    Level1 { below: &BY_PATH_BLOCKING, name: bare::BLOCKING.name, group: Group::BareSocket, is_deep: false };
// That sockets meet by a path makes no difference, and all contenders here do.
const BY_PATH_BLOCKING: Bare = Bare { meeting: Meeting::RunDir, ..bare::BLOCKING };
const BY_PATH_YIELDING: Bare = Bare { meeting: Meeting::RunDir, ..bare::YIELDING };

/// A contender of the driver below.
pub struct Level1 {
    below: &'static dyn driver::Contender,
    name: &'static str,
    group: Group,
    /// Whether it takes several requests before it answers, whatever the driver below makes of it.
    is_deep: bool,
}

impl Contender for Level1 {
    fn name(&self) -> &'static str {
        self.name
    }

    fn group(&self) -> Group {
        self.group
    }

    fn is_service(&self) -> bool {
        false
    }

    fn runs(&self, load: &Load) -> bool {
        // A session's batches are echoed by `Batches`; a bare loop does not know what its bytes are.
        load.clients == 1 && (load.items == 1 || !self.is_deep)
    }

    fn serve(&self, run_dir: &Path, load: &Load, ready: Ready) -> io::Result<()> {
        self.below.serve(End::RunDir(run_dir.to_owned()), &self.workload(load), ready)
    }

    fn drive(&self, run_dir: &Path, load: &Load, watch: &Watch) -> io::Result<Figures> {
        let workload = self.workload(load);
        let caller = self.below.connect(End::RunDir(run_dir.to_owned()), &workload)?;
        alone(&mut Bytes { caller, requests: Requests::new(&workload), workload }, watch)
    }
}

impl Level1 {
    /// What it carries of a load: where there is room for one message alone, one call after the other.
    fn workload(&self, load: &Load) -> Workload {
        let workload = load.in_bytes();
        if self.is_deep || self.below.runs(&workload) { workload } else { Workload { in_flight: 1, ..workload } }
    }
}

struct Bytes {
    caller: Box<dyn Caller>,
    requests: Requests,
    workload: Workload,
}

impl Client for Bytes {
    fn run(&mut self, until: Instant, samples: &mut [u32]) -> io::Result<usize> {
        let length = until.saturating_duration_since(Instant::now());
        let (calls, _) = drive(&mut *self.caller, &mut self.requests, &self.workload, length, samples)?;
        Ok(calls)
    }
}

/// A session that echoes batches, which are built in place on both sides.
pub struct Batches {
    name: &'static str,
    session: &'static Session,
    group: Group,
}

impl Contender for Batches {
    fn name(&self) -> &'static str {
        self.name
    }

    fn group(&self) -> Group {
        self.group
    }

    fn is_service(&self) -> bool {
        false
    }

    fn runs(&self, load: &Load) -> bool {
        load.clients == 1 && load.in_flight == 1 && load.items > 1 && load.method == Method::Increment
    }

    fn serve(&self, run_dir: &Path, load: &Load, ready: Ready) -> io::Result<()> {
        let abort = Abort::new();
        let mut listener = self.session.listen(End::RunDir(run_dir.to_owned()), &load.in_bytes(), &abort)?;
        ready.say()?;
        let mut session = listener.accept(Deadline::after(TIMEOUT)).map_err(io::Error::other)?;
        let (requests, responses) = session.halves();
        loop {
            let deadline = Deadline::after(TIMEOUT);
            let request = match requests.receive(deadline) {
                Ok(request) => request,
                Err(Error::Closed { mid_message: false }) => return Ok(()),
                Err(error) => return Err(io::Error::other(error)),
            };
            let ticket = request.ticket();
            let batch = request.batch().ok_or(io::ErrorKind::InvalidData)?;
            let answered = responses.respond_batch_with(ticket, load.items, deadline, |answers| {
                for item in batch {
                    // Where there is no room the session tells.
                    let _ = answers.push(item);
                }
                Ok::<_, Infallible>(())
            });
            answered.map_err(unsent)?;
        }
    }

    fn drive(&self, run_dir: &Path, load: &Load, watch: &Watch) -> io::Result<Figures> {
        let abort = Abort::new();
        let session = self.session.open(End::RunDir(run_dir.to_owned()), &load.in_bytes(), &abort)?;
        alone(&mut BatchCaller { session, items: load.items, next: 0, _abort: abort }, watch)
    }
}

fn unsent(error: BuildError<Infallible>) -> io::Error {
    match error {
        BuildError::Session(error) => failed(error),
        BuildError::Build(never) => match never {},
    }
}

struct BatchCaller {
    session: ClientSession,
    items: u32,
    next: u64,
    _abort: Abort,
}

impl Client for BatchCaller {
    fn run(&mut self, until: Instant, samples: &mut [u32]) -> io::Result<usize> {
        one_by_one(until, samples, || self.call())
    }
}

impl BatchCaller {
    fn call(&mut self) -> io::Result<()> {
        let numbers = self.next..self.next + u64::from(self.items);
        let deadline = Deadline::after(TIMEOUT);
        let sent = self.session.send_batch_with(METHOD, self.items, deadline, |requests| {
            for number in numbers.clone() {
                let _ = requests.push(&number.to_ne_bytes());
            }
            Ok::<_, Infallible>(())
        });
        sent.map_err(unsent)?;
        let message = self.session.receive(deadline).map_err(failed)?;
        let answers = message.batch().ok_or(io::ErrorKind::InvalidData)?;
        same("answers", answers.iter().count() as u64, u64::from(self.items))?;
        for (answer, number) in answers.iter().zip(numbers) {
            let answer = answer.try_into().map_err(io::Error::other)?;
            same("answer", u64::from_ne_bytes(answer), number)?;
        }
        self.next += u64::from(self.items);
        Ok(())
    }
}
