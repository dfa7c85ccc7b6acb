//! Level 2, the client's side: typed calls, and what becomes of them when things go wrong.
//!
//! Owns: a client's life, from no connection through calls to the next one. It refuses to have threads, and to do anything
//! behind its user's back: it connects in `refresh`, and within a call that finds its connection lost
//! (docs/protocol.md, section 6).
//!
//! Users have a stub around it, made by `#[netipc::service]`.

mod call;
mod config;
mod error;
mod growth;
mod state;

use core::fmt;
use core::time::Duration;

pub use config::Config;
pub use error::CallError;
use growth::Growth;
use state::Event;
pub use state::State;

use crate::endpoint::{Endpoint, EndpointError};
use crate::service::Service;
use crate::session::{Abort, ClientConfig, ClientSession, Deadline, Error, SessionStatus};
use crate::wire::Status as WireStatus;

/// What generated clients are.
pub trait Stub: Sized {
    /// The service.
    const SERVICE: &'static Service;

    /// The stub over a client.
    fn over(client: Client) -> Self;
}

/// What a `refresh` has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refresh {
    /// What the client was.
    pub before: State,
    /// What it is: [`State::Ready`].
    pub after: State,
    /// Whether there is a new connection.
    pub reconnected: bool,
}

/// What a client is and has done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// What it is.
    pub state: State,
    /// What its connection travels over, if there is one.
    pub session: Option<SessionStatus>,
    /// Connections made.
    pub connections: u64,
    /// Calls that were answered, with whatever the method said.
    pub answered: u64,
    /// Calls that failed.
    pub failed: u64,
    /// Calls that were sent again over a new connection.
    pub repeated: u64,
    /// Connections that were made anew for a larger limit.
    pub grown: u64,
    /// What went wrong last.
    pub last_error: Option<CallError>,
}

/// A client of any service: what stubs are made of.
pub struct Client {
    endpoint: Result<Endpoint, EndpointError>,
    config: ClientConfig,
    abort: Abort,
    timeout: Duration,
    growth: Growth,
    session: Option<ClientSession>,
    life: Life,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("endpoint", &self.endpoint)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// What outlives connections. It stands beside the session, since answers borrow from that.
#[derive(Debug)]
struct Life {
    state: State,
    connections: u64,
    answered: u64,
    failed: u64,
    repeated: u64,
    grown: u64,
    last_error: Option<CallError>,
    /// What ends the connection that there is.
    end: Option<Abort>,
}

impl Life {
    const fn new() -> Self {
        Self {
            state: State::Disconnected,
            connections: 0,
            answered: 0,
            failed: 0,
            repeated: 0,
            grown: 0,
            last_error: None,
            end: None,
        }
    }

    /// Goes on to what it is after `event`, and lets go of a connection that is of no use any more.
    fn on(&mut self, event: Event) {
        self.state = self.state.on(event);
        if self.state != State::Ready {
            if let Some(end) = self.end.take() {
                end.abort();
            }
        }
    }

    /// A call has failed.
    #[cold]
    fn fail(&mut self, error: CallError) -> CallError {
        self.failed += 1;
        self.note(error)
    }

    fn note(&mut self, error: CallError) -> CallError {
        self.last_error = Some(error.clone());
        error
    }
}

impl Client {
    fn new(endpoint: Result<Endpoint, EndpointError>, config: ClientConfig, timeout: Duration, growth: Growth) -> Self {
        let abort = Abort::new();
        let config = config.abort(&abort);
        Self { endpoint, config, abort, timeout, growth, session: None, life: Life::new() }
    }

    /// Connects, if there is no connection or the server has closed it, within the timeout of a call.
    ///
    /// # Errors
    /// [`CallError::Endpoint`], [`CallError::Connect`], [`CallError::TimedOut`], [`CallError::Aborted`]; the state tells
    /// whether it is worth while to try again.
    pub fn refresh(&mut self) -> Result<Refresh, CallError> {
        let before = self.life.state;
        let has_ended = self.session.as_ref().is_none_or(ClientSession::has_hung_up);
        if before == State::Ready && !has_ended {
            return Ok(Refresh { before, after: before, reconnected: false });
        }
        self.life.on(Event::Lost);
        let connected = self.connect(Deadline::after(self.timeout));
        connected.map_err(|error| self.life.note(error))?;
        Ok(Refresh { before, after: self.life.state, reconnected: true })
    }

    /// Whether calls can be made, as far as is known: nobody is asked.
    #[must_use]
    pub const fn ready(&self) -> bool {
        matches!(self.life.state, State::Ready)
    }

    /// What it is and has done.
    #[must_use]
    pub fn status(&self) -> Status {
        let Life { state, connections, answered, failed, repeated, grown, ref last_error, .. } = self.life;
        let session = self.session.as_ref().filter(|_| self.ready()).map(ClientSession::status);
        let last_error = last_error.clone();
        Status { state, session, connections, answered, failed, repeated, grown, last_error }
    }

    /// What frees a call that waits, from any thread, at once. The connection ends with it, and so does every later attempt
    /// to make one until [`Abort::reset`].
    #[must_use]
    pub fn abort_handle(&self) -> Abort {
        self.abort.clone()
    }

    /// Makes a new connection in the place of whatever there is.
    fn connect(&mut self, deadline: Deadline) -> Result<(), CallError> {
        let endpoint = self.endpoint.as_ref().map_err(|error| CallError::Endpoint(error.clone()))?;
        self.session = None;
        self.life.on(Event::Begin);
        loop {
            let (request, response) = self.growth.proposed();
            let config = self.config.clone().max_request_payload(request).max_response_payload(response);
            match config.connect(endpoint, deadline) {
                Ok(session) => {
                    self.life.end = Some(session.abort_handle());
                    self.life.on(Event::Connected);
                    self.life.connections += 1;
                    self.session = Some(session);
                    return Ok(());
                }
                Err(Error::Refused(WireStatus::LimitExceeded)) if self.growth.retreat() => {}
                Err(error) => {
                    self.life.on(refused(&error));
                    return Err(match error {
                        Error::TimedOut => CallError::TimedOut,
                        Error::Aborted => CallError::Aborted,
                        error => CallError::Connect(error),
                    });
                }
            }
        }
    }
}

/// What it means for a client that it could not connect.
const fn refused(error: &Error) -> Event {
    match error {
        Error::System(error) if error.is_nothing_there() || error.is_unheard() || error.is_refusal() => Event::Absent,
        Error::Refused(WireStatus::AuthFailed) => Event::Unauthorized,
        Error::Refused(WireStatus::Incompatible | WireStatus::Unsupported)
        | Error::Incompatible(_)
        | Error::SharedMemory(_) => Event::NothingInCommon,
        Error::Violation(_) => Event::Breached,
        Error::System(_)
        | Error::Refused(
            WireStatus::Ok
            | WireStatus::BadEnvelope
            | WireStatus::LimitExceeded
            | WireStatus::InternalError
            | WireStatus::Other(_),
        )
        | Error::Closed { .. }
        | Error::Limit(_)
        | Error::TimedOut
        | Error::Aborted
        | Error::InUse { .. }
        | Error::Unfinished
        | Error::NotInFlight { .. }
        | Error::Malformed(_)
        | Error::EmptyBatch => Event::GaveUp,
    }
}
