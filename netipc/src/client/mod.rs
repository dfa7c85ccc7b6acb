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
mod lookup;
mod many;
mod method;
mod pending;
mod pipeline;
mod requests;
mod state;
#[cfg(test)]
mod tests;
mod trouble;

use core::fmt;
use core::time::Duration;

pub use config::Config;
pub use error::{CallError, LookupError};
use growth::Growth;
use lookup::Ceilings;
pub(crate) use lookup::{Budget, LookupLimits};
pub use many::Replies;
pub use method::TypedMethod;
use pending::Pending;
pub use pipeline::{Pipeline, Ticket};
use requests::Requests;
use state::Event;
pub use state::State;

use crate::codec::DecodeError;
use crate::endpoint::{Endpoint, EndpointError};
use crate::service::Service;
use crate::session::{Abort, ClientConfig, ClientSession, Deadline, Error, Nearby, SessionStatus};
use crate::sync::{self, Arc};
use crate::trace;
use crate::wire::Status as WireStatus;

/// What generated clients are.
pub trait Stub: Sized {
    /// The service.
    const SERVICE: &'static Service;

    /// The stub over a client.
    fn over(client: Client) -> Self;

    /// The client under the stub.
    fn into_client(self) -> Client;
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

/// Where a client's server is.
#[derive(Debug)]
enum Place {
    /// At a socket, if there can be such a one.
    Endpoint(Result<Endpoint, EndpointError>),
    /// In this process.
    Nearby(Arc<dyn Nearby>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(Ok(endpoint)) => endpoint.fmt(f),
            Self::Endpoint(Err(error)) => error.fmt(f),
            Self::Nearby(_) => f.write_str("this process"),
        }
    }
}

/// A client of any service: what stubs are made of.
pub struct Client {
    place: Place,
    config: ClientConfig,
    abort: Abort,
    timeout: Duration,
    /// That of the next call, where it is another.
    next_timeout: Option<Duration>,
    growth: Growth,
    ceilings: Ceilings,
    session: Option<ClientSession>,
    life: Life,
    /// Where batches are put together.
    requests: Requests,
    /// The calls of a pipeline.
    pending: Pending,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("place", &self.place).field("status", &self.status()).finish_non_exhaustive()
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
    end: Option<(Abort, trace::Connection)>,
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
            if let Some((end, _)) = self.end.take() {
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

    /// An answer has come: a good one, or one that ends the connection.
    #[inline]
    fn answer<T>(&mut self, decoded: Result<T, DecodeError>) -> Result<T, CallError> {
        match decoded {
            Ok(answer) => {
                self.answered += 1;
                Ok(answer)
            }
            Err(error) => {
                self.on(Event::Breached);
                Err(self.fail(CallError::Answer(error)))
            }
        }
    }

    fn note(&mut self, error: CallError) -> CallError {
        if let CallError::Session(Error::Violation(_))
        | CallError::Answer(_)
        | CallError::Mismatch { .. }
        | CallError::Status(_) = &error
        {
            trace::server_broke_a_rule(&error);
        } else if let CallError::Lookup(lookup) = &error {
            if lookup.is_breach() {
                trace::server_broke_a_rule(&error);
            }
        }
        self.last_error = Some(error.clone());
        error
    }
}

impl Client {
    fn new(place: Place, config: ClientConfig, timeout: Duration, (growth, ceilings): (Growth, Ceilings)) -> Self {
        let abort = Abort::new();
        let config = config.abort(&abort);
        let pending = Pending::new(sync::unique());
        let (requests, life) = (Requests::default(), Life::new());
        let (session, next_timeout) = (None, None);
        Self { place, config, abort, timeout, next_timeout, growth, ceilings, session, life, requests, pending }
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
        let deadline = self.deadline();
        self.renew(deadline)?;
        Ok(Refresh { before, after: self.life.state, reconnected: true })
    }

    /// Whether calls can be made, as far as is known: nobody is asked.
    #[must_use]
    pub const fn ready(&self) -> bool {
        matches!(self.life.state, State::Ready)
    }

    /// What it is, as far as is known: nobody is asked.
    #[must_use]
    pub const fn state(&self) -> State {
        self.life.state
    }

    /// What it is and has done.
    #[must_use]
    pub fn status(&self) -> Status {
        let Life { state, connections, answered, failed, repeated, grown, ref last_error, .. } = self.life;
        let session = self.session.as_ref().filter(|_| self.ready()).map(ClientSession::status);
        let last_error = last_error.clone();
        Status { state, session, connections, answered, failed, repeated, grown, last_error }
    }

    /// Gives the next call this time instead of the one that was configured, and no other: a call, a batch, a call of a
    /// pipeline, or a `refresh` that connects.
    pub fn within(&mut self, timeout: Duration) -> &mut Self {
        self.next_timeout = Some(timeout);
        self
    }

    /// When a call gives up that is made now.
    #[inline]
    fn deadline(&mut self) -> Deadline {
        Deadline::after(self.next_timeout.take().unwrap_or(self.timeout))
    }

    /// Waits before it connects anew, because of `error`.
    fn pause(&self, pause: Duration, deadline: Deadline, error: &Error) -> Result<(), CallError> {
        let attempt = self.abort.attempt().map_err(|_| CallError::Aborted)?;
        attempt.sleep(deadline.left().map_or(pause, |left| left.min(pause))).map_err(|_| CallError::Aborted)?;
        if deadline.has_passed() { Err(CallError::Lost(error.clone())) } else { Ok(()) }
    }

    /// What frees a call that waits, from any thread, at once. The connection ends with it, and so does every later attempt
    /// to make one until [`Abort::reset`].
    #[must_use]
    pub fn abort_handle(&self) -> Abort {
        self.abort.clone()
    }

    /// Connects because somebody asks for a connection, and not for a call of theirs.
    fn renew(&mut self, deadline: Deadline) -> Result<(), CallError> {
        self.life.on(Event::Lost);
        self.connect(deadline).map_err(|error| self.life.note(error))
    }

    /// Makes a new connection in the place of whatever there is.
    fn connect(&mut self, deadline: Deadline) -> Result<(), CallError> {
        if let Place::Endpoint(Err(error)) = &self.place {
            return Err(error.clone().into());
        }
        self.session = None;
        self.life.on(Event::Begin);
        loop {
            let (request, response) = self.growth.proposed();
            let config = self.config.clone().max_request_payload(request).max_response_payload(response);
            let config = config.max_request_items(self.growth.proposed_items());
            let connected = match &self.place {
                Place::Endpoint(Ok(endpoint)) => config.connect(endpoint, deadline),
                Place::Endpoint(Err(error)) => return Err(error.clone().into()),
                Place::Nearby(server) => server.connect(&config, deadline),
            };
            match connected {
                Ok(session) => {
                    let (terms, is_another) = (session.terms(), self.life.connections > 0);
                    let (session_id, profile) = (terms.session_id, terms.profile.bits());
                    let traced = trace::Connection::begin(is_another, &self.place, session_id, profile);
                    self.life.end = Some((session.abort_handle(), traced));
                    self.life.on(Event::Connected);
                    self.life.connections += 1;
                    self.session = Some(session);
                    return Ok(());
                }
                Err(Error::Refused(WireStatus::LimitExceeded)) if self.growth.retreat() => {}
                Err(error) => {
                    trace::not_connected(&self.place, &error);
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
