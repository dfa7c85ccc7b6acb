//! Level 2: a service, served.
//!
//! Owns: the threads of a server, which session each serves and when, and what is answered where there is no answer. It
//! refuses to look into payloads, which a [`Dispatch`] does, and to know how they travel, which is the session's matter.
//!
//! # Threads
//!
//! One thread accepts clients: the caller's in [`Bound::run`], one of the server's own after [`Bound::spawn`]. As many
//! [workers](Server::workers) serve the sessions, all of them: a client costs a descriptor, not a thread. The descriptor of
//! a session over shared memory does not tell of messages, so a thread of its own waits for those, 127 sessions to each:
//! `futex_waitv(2)`. Before Linux 5.16, which had no such call, each session over shared memory has a thread that serves it.
//!
//! The requests of one session are answered one after the other, in the order in which they came; those of different
//! sessions at the same time, so a handler is called by several threads at once. A handler that calls its own
//! service waits for another worker: there must be one.
//!
//! The items of a batch are begun in order, and workers with nothing else to do join in: at once where its method is
//! known to be slow or nothing is known of it, later where that takes longer than expected, not at all for items that are
//! done before anybody would be awake. So two items that wait for each other meet where a second worker is idle. The
//! answers are in order, and a batch fails with its first item that does, whoever had it. A batch of calls of the service
//! itself may take all workers that there are, as so many clients would.
//!
//! # What a client is told where something goes wrong
//!
//! | what | status | and then |
//! |---|---|---|
//! | there is no such method | unsupported | the session goes on |
//! | the request does not decode | bad envelope | it ends |
//! | the answer is larger than agreed | limit exceeded | it ends; later ones may have [more room](Server::response_ceiling) |
//! | the handler fails or panics | internal error | it ends |
//!
//! Whatever goes wrong with one item of a batch goes wrong with the batch. A [`Report`] says what happened in more
//! detail, to whoever runs the server.

mod batch;
mod bound;
mod crew;
mod error;
mod floor;
mod growth;
mod in_process;
mod line;
mod report;
mod seat;
mod waiter;
mod worker;

pub use bound::{Bound, Running, Stop};
pub use error::ServeError;
pub use in_process::InProcess;
pub use report::Report;

use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;
use std::path::PathBuf;

use crate::client::Stub;
use crate::endpoint::Endpoint;
use crate::service::Dispatch;
use crate::session::{Abort, Peer, ServerConfig, Wait};
use crate::sys::SystemError;
use crate::wire::{AuthToken, Profiles};
use floor::Floor;
use growth::Growth;
use report::Reporter;

/// The largest response where no limit is configured, in bytes.
const RESPONSE_CEILING: u32 = 1 << 20;
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// A server that is being set up. `S` is the stub of its clients, by which it gives [some](Self::in_process) in its own
/// process; `()` where it has none.
pub struct Server<S = ()> {
    dispatch: Box<dyn Dispatch>,
    config: ServerConfig,
    /// What responses may have at first, and in the end.
    response: (u32, u32),
    workers: usize,
    response_timeout: Duration,
    report: Option<Box<Reporter>>,
    stub: PhantomData<fn() -> S>,
}

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("service", &self.dispatch.service().name)
            .field("workers", &self.workers)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Over sockets alone, with as many workers as there are processors to run on, for any number of sessions;
    /// requests and responses of up to 1 MiB; no token; [`Wait::Adaptive`]; reports go nowhere.
    #[must_use]
    pub fn new(dispatch: impl Dispatch) -> Self {
        Self::without_stub(dispatch)
    }
}

impl<S: Stub> Server<S> {
    /// The same as [`Server::new`], for a service whose clients are `S`.
    #[must_use]
    pub fn with_stub(dispatch: impl Dispatch) -> Self {
        Self::without_stub(dispatch)
    }

    /// A client of this server in this process, without a socket and without a thread: see [`InProcess`], which also gives
    /// more than one. It has tried to connect; where a token or a limit was set that it does not meet, its
    /// [state](crate::client::State) tells.
    #[must_use]
    pub fn in_process(self) -> S {
        InProcess::new(self).client()
    }
}

impl<S> Server<S> {
    fn without_stub(dispatch: impl Dispatch) -> Self {
        Self {
            dispatch: Box::new(dispatch),
            config: ServerConfig::new().wait(Wait::Adaptive),
            response: (RESPONSE_CEILING, 0),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            response_timeout: RESPONSE_TIMEOUT,
            report: None,
            stub: PhantomData,
        }
    }

    fn with(self, set: impl FnOnce(ServerConfig) -> ServerConfig) -> Self {
        Self { config: set(self.config), ..self }
    }

    /// The same server, of a type that all services share.
    #[must_use]
    pub fn erased(self) -> Server {
        let Self { dispatch, config, response, workers, response_timeout, report, stub: _ } = self;
        Server { dispatch, config, response, workers, response_timeout, report, stub: PhantomData }
    }

    /// What turns requests into calls of the handler, for transports of one's own. Whatever else was set is of no use then.
    #[must_use]
    pub fn into_dispatch(self) -> Box<dyn Dispatch> {
        self.dispatch
    }

    /// The threads that serve sessions, at least one. So many handlers run at a time.
    #[must_use]
    pub fn workers(self, workers: usize) -> Self {
        Self { workers: workers.max(1), ..self }
    }

    /// The most sessions at a time; one client more is refused with limit exceeded.
    #[must_use]
    pub fn max_sessions(self, sessions: usize) -> Self {
        self.with(|config| config.max_sessions(sessions))
    }

    /// What clients must show.
    #[must_use]
    pub fn auth_token(self, auth_token: AuthToken) -> Self {
        self.with(|config| config.auth_token(auth_token))
    }

    /// Who may come in, by what the kernel says of them. It runs on the thread that accepts.
    #[must_use]
    pub fn authorize(self, authorize: impl Fn(&Peer) -> bool + Send + Sync + 'static) -> Self {
        self.with(|config| config.authorize(authorize))
    }

    /// What messages may travel over; see [`ServerConfig::profiles`].
    #[must_use]
    pub fn profiles(self, profiles: Profiles) -> Self {
        self.with(|config| config.profiles(profiles))
    }

    /// The largest request payload that a client may propose, in bytes.
    #[must_use]
    pub fn max_request_payload(self, bytes: u32) -> Self {
        self.with(|config| config.max_request_payload(bytes))
    }

    /// The largest response payload, in bytes: the law, unless a [ceiling](Self::response_ceiling) above it is set.
    #[must_use]
    pub fn max_response_payload(self, bytes: u32) -> Self {
        let bytes = if bytes == 0 { RESPONSE_CEILING } else { bytes };
        Self { response: (bytes, self.response.1), ..self }
    }

    /// How far the limit of response payloads may grow, in bytes. When an answer does not fit, its client is told so, and
    /// sessions that begin later are offered the power of two that would have been enough, or the ceiling itself. A client
    /// of ours connects anew and asks once more, by itself.
    ///
    /// What clients can make a server allocate is bounded: for each of
    /// [`max_sessions`](Self::max_sessions) a request and a response of the largest size (and over shared memory both
    /// once more), and for each worker three such pieces while batches are answered by several.
    #[must_use]
    pub fn response_ceiling(self, bytes: u32) -> Self {
        Self { response: (self.response.0, bytes), ..self }
    }

    /// What a thread does while a request has not come.
    #[must_use]
    pub fn wait(self, wait: Wait) -> Self {
        self.with(|config| config.wait(wait))
    }

    /// How long an answer may wait for a client that does not read: 30 seconds by default. The session ends then.
    #[must_use]
    pub fn response_timeout(self, timeout: Duration) -> Self {
        Self { response_timeout: timeout, ..self }
    }

    /// Is told what goes wrong, on the thread that it went wrong on, with no lock held.
    #[must_use]
    pub fn on_report(self, report: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        Self { report: Some(Box::new(report)), ..self }
    }

    /// Listens in `run_dir`, at the socket that the service's name makes. Clients can connect from now on, and are served
    /// by [`Bound::run`] or [`Bound::spawn`].
    ///
    /// # Errors
    /// Why it can't listen there.
    pub fn bind(self, run_dir: impl Into<PathBuf>) -> Result<Bound, ServeError> {
        let endpoint = Endpoint::new(run_dir, self.dispatch.service().name)?;
        let (config, floor) = self.set_up();
        Bound::new(config.listen(&endpoint)?, floor?)
    }

    /// What sessions are made with, and what they are served with.
    fn set_up(self) -> (ServerConfig, Result<Floor, SystemError>) {
        let abort = Abort::new();
        let growth = Growth::new(self.response.0, self.response.1);
        let looks_always = self.config.looks_always();
        let config = self.config.response_payload_of(growth.offered()).abort(&abort);
        let working = (self.workers, self.response_timeout, looks_always);
        (config, Floor::new(self.dispatch, self.report, working, growth, abort))
    }
}
