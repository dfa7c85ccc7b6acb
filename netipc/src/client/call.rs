//! One call: a request, its answer, and what to do where there is none.
//!
//! Owns the policy, as two exhaustive matches: what a failure means ([`Trouble`]), and what is done about it.

use core::fmt::Display;

use super::state::Event;
use super::{CallError, Client, State};
use crate::buf::Writer;
use crate::codec::{EncodeError, WireMessage};
use crate::service::MethodInfo;
use crate::session::{BuildError, ClientSession, Deadline, Error, Limit, LimitExceeded, Terms};
use crate::trace::Watch;
use crate::wire::{Header, Method, Status};

/// How often limits grow for one call (docs/protocol.md, section 6.2).
const GROWTHS: u32 = 8;

/// What came between a request and its answer.
#[derive(Debug)]
enum Trouble {
    /// The connection ended before the request was sent: it can't have run.
    Unsent(Error),
    /// The connection ended after that.
    Unanswered(Error),
    /// The request is larger than was agreed on.
    LargeRequest(LimitExceeded),
    /// The server has an answer that is larger than was agreed on.
    LargeAnswer,
    /// Nothing can be done about it; the connection goes on, unless something happened to it.
    Final(CallError, Option<Event>),
}

impl Client {
    /// Calls a method: `fill` writes the request, once for each time that it is sent.
    ///
    /// # Errors
    /// See [`CallError`].
    #[inline]
    pub fn call<R: WireMessage>(
        &mut self,
        method: &'static MethodInfo,
        mut fill: impl FnMut(&mut Writer<'_>) -> Result<(), EncodeError>,
    ) -> Result<R::View<'_>, CallError> {
        let (watch, mut sent) = (Watch::of_client(), 0);
        let exchanged = self.exchange(method, &mut |writer: &mut Writer<'_>| {
            let filled = fill(writer);
            sent = writer.len();
            filled
        });
        let answer = exchanged.as_ref().map(Header::payload_len).map_err(|error| error as &dyn Display);
        watch.called(method.name, method.method.code(), sent, answer);
        let header = exchanged?;
        let Self { session, life, .. } = self;
        let Some(session) = session else { return Err(life.fail(CallError::NotReady(life.state))) };
        match R::decode(session.last(&header)) {
            Ok(view) => {
                life.answered += 1;
                Ok(view)
            }
            Err(error) => {
                life.on(Event::Breached);
                Err(life.fail(CallError::Answer(error)))
            }
        }
    }

    /// Has a request answered, over as many connections as that takes; the answer's header.
    fn exchange(
        &mut self,
        method: &'static MethodInfo,
        fill: &mut impl FnMut(&mut Writer<'_>) -> Result<(), EncodeError>,
    ) -> Result<Header, CallError> {
        // One for all of it: connecting anew, each packet, each repetition.
        let deadline = Deadline::after(self.timeout);
        let mut tries = Tries { growths: 0, was_lost: false };
        loop {
            let Some(session) = self.session.as_mut().filter(|_| self.life.state == State::Ready) else {
                return Err(self.life.fail(CallError::NotReady(self.life.state)));
            };
            let trouble = match attempt(session, method.method, deadline, fill) {
                Ok(header) => return Ok(header),
                Err(trouble) => trouble,
            };
            let terms = *session.terms();
            let again = self.recover(trouble, method, &terms, &mut tries).map_err(|error| self.life.fail(error))?;
            self.life.on(Event::Lost);
            self.connect(deadline).map_err(|error| self.life.fail(error))?;
            let Some(now) = self.session.as_ref().map(ClientSession::terms) else { continue };
            // A limit that did not grow will not the next time.
            match again {
                Again::WithLargerRequest(limit) if now.request_payload <= terms.request_payload => {
                    return Err(self.life.fail(CallError::Limit(limit)));
                }
                Again::ForLargerAnswer if now.response_payload <= terms.response_payload => {
                    return Err(self.life.fail(CallError::AnswerTooLarge { allowed: now.response_payload }));
                }
                Again::WithLargerRequest(_) | Again::ForLargerAnswer => self.life.grown += 1,
                Again::Repeated => self.life.repeated += 1,
            }
        }
    }

    /// What to do about it: something else with a new connection, or nothing.
    #[cold]
    fn recover(
        &mut self,
        trouble: Trouble,
        method: &MethodInfo,
        terms: &Terms,
        tries: &mut Tries,
    ) -> Result<Again, CallError> {
        match trouble {
            Trouble::Unsent(error) if tries.was_lost => {
                self.life.on(Event::Lost);
                Err(CallError::Lost(error))
            }
            Trouble::Unanswered(error) if tries.was_lost || !method.idempotent => {
                self.life.on(Event::Lost);
                Err(if method.idempotent { CallError::Lost(error) } else { CallError::OutcomeUnknown(error) })
            }
            Trouble::Unsent(_) | Trouble::Unanswered(_) => {
                tries.was_lost = true;
                Ok(Again::Repeated)
            }
            Trouble::LargeRequest(limit) => {
                tries.growths += 1;
                let grows = tries.growths <= GROWTHS && self.growth.grow_request(terms.request_payload, limit.asked);
                if grows { Ok(Again::WithLargerRequest(limit)) } else { Err(CallError::Limit(limit)) }
            }
            Trouble::LargeAnswer => {
                // The server closes the session, and the method has run.
                self.life.on(Event::Lost);
                tries.growths += 1;
                let may_grow = method.idempotent && tries.growths <= GROWTHS;
                if may_grow && self.growth.grow_response(terms.response_payload) {
                    return Ok(Again::ForLargerAnswer);
                }
                Err(CallError::AnswerTooLarge { allowed: terms.response_payload })
            }
            Trouble::Final(error, event) => {
                if let Some(event) = event {
                    self.life.on(event);
                }
                Err(error)
            }
        }
    }
}

/// What a call has tried already.
#[derive(Debug)]
struct Tries {
    growths: u32,
    was_lost: bool,
}

/// Why a call is sent again.
#[derive(Debug)]
enum Again {
    Repeated,
    WithLargerRequest(LimitExceeded),
    ForLargerAnswer,
}

/// Sends a request and receives its answer, once.
#[inline]
fn attempt(
    session: &mut ClientSession,
    method: Method,
    deadline: Deadline,
    fill: &mut impl FnMut(&mut Writer<'_>) -> Result<(), EncodeError>,
) -> Result<Header, Trouble> {
    let allowed = session.terms().request_payload;
    let sent = session.send_with(method, deadline, |writer| fill(writer));
    let ticket = sent.map_err(|error| unsent(error, allowed))?;
    loop {
        let header = *session.receive(deadline).map_err(unanswered)?.header();
        // An answer to a call that has timed out comes late.
        if header.message_id() == ticket.id() {
            judge(&header, method)?;
            return Ok(header);
        }
    }
}

/// Whether an answer is one.
#[inline]
fn judge(header: &Header, method: Method) -> Result<(), Trouble> {
    if header.status() == Status::Ok && header.code() == method.code() && !header.is_batch() {
        return Ok(());
    }
    Err(misfit(header, method))
}

#[cold]
fn misfit(header: &Header, method: Method) -> Trouble {
    match header.status() {
        // Deployed servers close after some of these and not after others, so this end does.
        Status::BadEnvelope => Trouble::Final(CallError::Malformed, Some(Event::Lost)),
        Status::InternalError => Trouble::Final(CallError::Internal, Some(Event::Lost)),
        Status::LimitExceeded => Trouble::LargeAnswer,
        Status::Unsupported => Trouble::Final(CallError::Unsupported, None),
        Status::Ok => {
            let (asked, answered) = (method.code(), header.code());
            Trouble::Final(CallError::Mismatch { asked, answered }, Some(Event::Breached))
        }
        status @ (Status::AuthFailed | Status::Incompatible | Status::Other(_)) => {
            Trouble::Final(CallError::Status(status), Some(Event::Breached))
        }
    }
}

#[cold]
fn unsent(error: BuildError<EncodeError>, allowed: u32) -> Trouble {
    match error {
        BuildError::Build(EncodeError::Overflow { needed }) => Trouble::LargeRequest(LimitExceeded {
            limit: Limit::RequestPayload,
            asked: needed as u64,
            allowed: allowed.into(),
        }),
        BuildError::Build(error) => Trouble::Final(CallError::Request(error), None),
        BuildError::Session(Error::Limit(limit)) if limit.limit == Limit::RequestPayload => {
            Trouble::LargeRequest(limit)
        }
        // What was sent of it is not all of it.
        BuildError::Session(error @ (Error::Closed { .. } | Error::Unfinished)) => Trouble::Unsent(error),
        BuildError::Session(error) => hopeless(error),
    }
}

#[cold]
fn unanswered(error: Error) -> Trouble {
    match error {
        Error::Closed { .. } | Error::Unfinished => Trouble::Unanswered(error),
        error => hopeless(error),
    }
}

/// An error that another connection does not help against.
fn hopeless(error: Error) -> Trouble {
    match error {
        // The session goes on, or says itself that it does not.
        Error::TimedOut => Trouble::Final(CallError::TimedOut, None),
        Error::Aborted => Trouble::Final(CallError::Aborted, Some(Event::Lost)),
        Error::Violation(_) => Trouble::Final(CallError::Session(error), Some(Event::Breached)),
        Error::Limit(limit) => Trouble::Final(CallError::Limit(limit), Some(Event::Lost)),
        Error::Closed { .. }
        | Error::Refused(_)
        | Error::Incompatible(_)
        | Error::SharedMemory(_)
        | Error::System(_)
        | Error::InUse { .. }
        | Error::Unfinished
        | Error::NotInFlight { .. }
        | Error::Malformed(_)
        | Error::EmptyBatch => Trouble::Final(CallError::Session(error), Some(Event::Lost)),
    }
}
