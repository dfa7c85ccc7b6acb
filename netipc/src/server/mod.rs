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
//! # What a client is told where something goes wrong
//!
//! | what | status | and then |
//! |---|---|---|
//! | there is no such method | unsupported | the session goes on |
//! | the request does not decode | bad envelope | it ends |
//! | the answer is larger than agreed | limit exceeded | it ends |
//! | the handler fails or panics | internal error | it ends |
//!
//! Whatever goes wrong with one item of a batch goes wrong with the batch. A [`Report`] says what happened in more
//! detail, to whoever runs the server.

mod bound;
mod error;
mod floor;
mod line;
mod report;
mod seat;
mod waiter;
mod worker;

pub use bound::{Bound, Running, Stop};
pub use error::ServeError;
pub use report::Report;

use core::fmt;
use core::time::Duration;
use std::path::PathBuf;

use crate::endpoint::Endpoint;
use crate::service::Dispatch;
use crate::session::{Abort, Peer, ServerConfig, Wait};
use crate::wire::{AuthToken, Profiles};
use floor::Floor;
use report::Reporter;

/// The largest response where no limit is configured, in bytes.
const RESPONSE_CEILING: u32 = 1 << 20;
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// A server that is being set up.
pub struct Server {
    dispatch: Box<dyn Dispatch>,
    config: ServerConfig,
    workers: usize,
    response_timeout: Duration,
    report: Option<Box<Reporter>>,
}

impl fmt::Debug for Server {
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
        Self {
            dispatch: Box::new(dispatch),
            config: ServerConfig::new().max_response_payload(RESPONSE_CEILING).wait(Wait::Adaptive),
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            response_timeout: RESPONSE_TIMEOUT,
            report: None,
        }
    }

    fn with(self, set: impl FnOnce(ServerConfig) -> ServerConfig) -> Self {
        Self { config: set(self.config), ..self }
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

    /// The largest response payload, in bytes.
    #[must_use]
    pub fn max_response_payload(self, bytes: u32) -> Self {
        let bytes = if bytes == 0 { RESPONSE_CEILING } else { bytes };
        self.with(|config| config.max_response_payload(bytes))
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
        let abort = Abort::new();
        let looks_always = self.config.looks_always();
        let listener = self.config.abort(&abort).listen(&endpoint)?;
        let floor = Floor::new(self.dispatch, self.report, self.workers, self.response_timeout, looks_always, abort)?;
        Bound::new(listener, floor)
    }
}
