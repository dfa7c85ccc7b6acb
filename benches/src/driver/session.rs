//! Level 1 sessions of netipc, which meet over a socket in a run directory.
//!
//! Owns: nothing but the calls that a user makes. Every call has a deadline, and every session an abort handle that
//! somebody else holds: that is how a program would use them.

use std::io;
use std::time::Duration;

use netipc::endpoint::Endpoint;
use netipc::session::{Abort, ClientConfig, ClientSession, Deadline, Error, Listener, ServerConfig, Wait};
use netipc::wire::{Method, Profiles};

use super::process::Ready;
use super::workload::{Answers, Workload};
use super::{Caller, Contender, End, Meeting};

/// A session that sleeps until a message comes.
pub const BLOCKING: Session = Session { name: "session, block", wait: Wait::Block, over: Over::Socket };
/// A session that looks for the message again and again for as long as that is worth while.
pub const ADAPTIVE: Session = Session { name: "session, adaptive", wait: Wait::Adaptive, over: Over::Socket };

/// [`BLOCKING`] over shared memory.
pub const SHM_BLOCKING: Session = Session { name: "session shm, block", over: Over::SharedMemory, ..BLOCKING };
/// [`ADAPTIVE`] over shared memory.
pub const SHM_ADAPTIVE: Session = Session { name: "session shm, adaptive", over: Over::SharedMemory, ..ADAPTIVE };
/// A session over shared memory that never sleeps.
pub const SHM_ALWAYS: Session = Session { name: "session shm, always", wait: Wait::Always, over: Over::SharedMemory };

pub(crate) const METHOD: Method = Method::new(1);
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// A session.
#[derive(Debug)]
pub struct Session {
    name: &'static str,
    wait: Wait,
    over: Over,
}

/// What carries the messages of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The socket that it began on.
    Socket,
    /// A region that both sides map, which holds one message each way.
    SharedMemory,
}

impl Over {
    /// No other is proposed or taken: where it can't be had, the run fails, and does not measure something else.
    pub(crate) fn profiles(self) -> Profiles {
        match self {
            Self::Socket => Profiles::BASELINE,
            Self::SharedMemory => Profiles::SHM_HYBRID,
        }
    }
}

impl Session {
    /// Listens for what `workload` needs.
    ///
    /// # Errors
    /// It can't.
    pub(crate) fn listen(&self, end: End, workload: &Workload, abort: &Abort) -> io::Result<Listener> {
        let config = ServerConfig::new()
            .profiles(self.over.profiles())
            .max_request_payload(limit(workload.request_len))
            .max_response_payload(limit(workload.response_len))
            .wait(self.wait)
            .abort(abort);
        config.listen(&endpoint(end)?).map_err(io::Error::other)
    }

    /// Connects for what `workload` needs.
    ///
    /// # Errors
    /// It can't, or not over what it is to travel over.
    pub(crate) fn open(&self, end: End, workload: &Workload, abort: &Abort) -> io::Result<ClientSession> {
        let config = ClientConfig::new()
            .profiles(self.over.profiles())
            .max_request_payload(limit(workload.request_len))
            .max_response_payload(limit(workload.response_len))
            .wait(self.wait)
            .abort(abort);
        let session = config.connect(&endpoint(end)?, Deadline::after(TIMEOUT)).map_err(io::Error::other)?;
        let profile = session.status().profile;
        if profile != self.over.profiles() {
            return Err(io::Error::other(format!("the session came to travel over {profile:?}")));
        }
        Ok(session)
    }
}

impl Contender for Session {
    fn name(&self) -> &'static str {
        self.name
    }

    fn meeting(&self) -> Meeting {
        Meeting::RunDir
    }

    fn runs(&self, workload: &Workload) -> bool {
        self.over == Over::Socket || workload.in_flight == 1
    }

    fn rests(&self) -> bool {
        self.wait != Wait::Always
    }

    fn serve(&self, end: End, workload: &Workload, ready: Ready) -> io::Result<()> {
        let abort = Abort::new();
        let mut listener = self.listen(end, workload, &abort)?;
        ready.say()?;
        let mut session = listener.accept(Deadline::after(TIMEOUT)).map_err(io::Error::other)?;
        let mut answers = Answers::new(workload);
        let (requests, responses) = session.halves();
        loop {
            let deadline = Deadline::after(TIMEOUT);
            let request = match requests.receive(deadline) {
                Ok(request) => request,
                Err(Error::Closed { mid_message: false }) => return Ok(()),
                Err(error) => return Err(io::Error::other(error)),
            };
            let ticket = request.ticket();
            let answer = answers.to(request.payload())?;
            responses.respond(ticket, answer, deadline).map_err(failed)?;
        }
    }

    fn connect(&self, end: End, workload: &Workload) -> io::Result<Box<dyn Caller>> {
        let abort = Abort::new();
        let session = self.open(end, workload, &abort)?;
        Ok(Box::new(SessionCaller { session, _abort: abort }))
    }
}

struct SessionCaller {
    session: ClientSession,
    _abort: Abort,
}

impl Caller for SessionCaller {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.session.send(METHOD, request, Deadline::after(TIMEOUT)).map(drop).map_err(failed)
    }

    fn receive(&mut self) -> io::Result<&[u8]> {
        let message = self.session.receive(Deadline::after(TIMEOUT)).map_err(failed)?;
        Ok(message.into_payload())
    }

    fn call(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        let deadline = Deadline::after(TIMEOUT);
        self.session.send(METHOD, request, deadline).map_err(failed)?;
        let message = self.session.receive(deadline).map_err(failed)?;
        Ok(message.into_payload())
    }
}

fn endpoint(end: End) -> io::Result<Endpoint> {
    let End::RunDir(directory) = end else { return Err(io::ErrorKind::InvalidInput.into()) };
    Endpoint::new(directory, "bench").map_err(io::Error::other)
}

/// What the workload needs, and not less than the default.
fn limit(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX).max(1024)
}

pub(crate) fn failed(error: Error) -> io::Error {
    match error {
        Error::Closed { .. } => io::ErrorKind::BrokenPipe.into(),
        error => io::Error::other(error),
    }
}
