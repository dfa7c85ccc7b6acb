//! What came between a request and its answer, and what is done about it.
//!
//! Owns the policy, as two exhaustive matches for calls of every kind: what a failure means ([`Trouble`]), and what follows
//! from it ([`recover`]). It refuses to do it: whoever made the call connects anew and sends.

use core::time::Duration;

use super::growth::Growth;
use super::state::Event;
use super::{CallError, Life};
use crate::codec::EncodeError;
use crate::service::MethodInfo;
use crate::session::{BuildError, ClientSession, Error, Limit, LimitExceeded, Terms};
use crate::wire::{Header, Status};

/// How often limits grow for one call (docs/protocol.md, section 6).
const GROWTHS: u32 = 8;

/// Between two attempts to have a busy server take a request.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What came between a request and its answer.
#[derive(Debug, Clone)]
pub(super) enum Trouble {
    /// The connection ended before it brought any answer, and the request was not read: the server is full, or about to
    /// end (docs/protocol.md, section 7). It can't have run.
    Busy(Error),
    /// The connection ended before the request was sent or read: it can't have run.
    Unsent(Error),
    /// The connection ended after that.
    Unanswered(Error),
    /// The connection was given up for the sake of another call.
    Cut,
    /// The request is larger than was agreed on.
    LargeRequest(LimitExceeded),
    /// The server has an answer that is larger than was agreed on.
    LargeAnswer,
    /// Nothing can be done about it; the connection goes on, unless something happened to it.
    Final(CallError, Option<Event>),
}

/// What a call has tried already.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tries {
    growths: u32,
    was_lost: bool,
    pauses: u32,
}

/// Why a call is sent again, over another connection.
#[derive(Debug, Clone)]
pub(super) enum Again {
    Repeated,
    /// Not at once.
    Later(Duration, Error),
    WithLargerRequest(LimitExceeded),
    ForLargerAnswer {
        allowed: u32,
    },
}

impl Again {
    /// Whether it is worth while with these terms: a limit that did not grow will not the next time.
    pub(super) const fn check(&self, now: &Terms) -> Result<(), CallError> {
        match self {
            Self::Repeated | Self::Later(..) => Ok(()),
            Self::WithLargerRequest(limit) => {
                let now = match limit.limit {
                    Limit::RequestItems => now.request_items,
                    _ => now.request_payload,
                };
                if now as u64 > limit.allowed { Ok(()) } else { Err(CallError::Limit(*limit)) }
            }
            Self::ForLargerAnswer { allowed } if now.response_payload > *allowed => Ok(()),
            Self::ForLargerAnswer { .. } => Err(CallError::AnswerTooLarge { allowed: now.response_payload }),
        }
    }

    /// Whether it is for a larger limit.
    pub(super) const fn is_growth(&self) -> bool {
        matches!(self, Self::WithLargerRequest(_) | Self::ForLargerAnswer { .. })
    }
}

/// What to do about it: something else with a new connection, or nothing.
#[cold]
pub(super) fn recover(
    trouble: Trouble,
    method: &MethodInfo,
    terms: &Terms,
    tries: &mut Tries,
    life: &mut Life,
    growth: &mut Growth,
) -> Result<Again, CallError> {
    match trouble {
        Trouble::Busy(error) => {
            let pause = FIRST_PAUSE.saturating_mul(1 << tries.pauses.min(8)).min(LONGEST_PAUSE);
            tries.pauses += 1;
            Ok(Again::Later(pause, error))
        }
        Trouble::Unsent(error) if tries.was_lost => {
            life.on(Event::Lost);
            Err(CallError::Lost(error))
        }
        Trouble::Unanswered(error) if tries.was_lost || !method.idempotent => {
            life.on(Event::Lost);
            Err(if method.idempotent { CallError::Lost(error) } else { CallError::OutcomeUnknown(error) })
        }
        Trouble::Unsent(_) | Trouble::Unanswered(_) => {
            tries.was_lost = true;
            Ok(Again::Repeated)
        }
        // Not its own fault, so it has all its tries left.
        Trouble::Cut if method.idempotent => Ok(Again::Repeated),
        Trouble::Cut => Err(CallError::OutcomeUnknown(Error::Closed { mid_message: false })),
        Trouble::LargeRequest(limit) => {
            tries.growths += 1;
            let grows = tries.growths <= GROWTHS && growth.make_room(terms, &limit);
            if grows { Ok(Again::WithLargerRequest(limit)) } else { Err(CallError::Limit(limit)) }
        }
        Trouble::LargeAnswer => {
            // The server closes the session, and the method has run.
            life.on(Event::Lost);
            tries.growths += 1;
            let (allowed, may_grow) = (terms.response_payload, method.idempotent && tries.growths <= GROWTHS);
            if may_grow && growth.grow_response(allowed) {
                return Ok(Again::ForLargerAnswer { allowed });
            }
            Err(CallError::AnswerTooLarge { allowed })
        }
        Trouble::Final(error, event) => {
            if let Some(event) = event {
                life.on(event);
            }
            Err(error)
        }
    }
}

/// How many answers there should be in one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One that is no batch.
    One,
    /// A batch of so many.
    Batch(u32),
}

/// Whether an answer is one.
#[inline]
pub(super) fn judge(header: &Header, method: &MethodInfo, shape: Shape) -> Result<(), Trouble> {
    let fits = match shape {
        Shape::One => !header.is_batch(),
        Shape::Batch(items) => header.is_batch() && header.item_count() == items,
    };
    if header.status() == Status::Ok && header.code() == method.method.code() && fits {
        return Ok(());
    }
    Err(misfit(header, method, shape))
}

#[cold]
fn misfit(header: &Header, method: &MethodInfo, shape: Shape) -> Trouble {
    let (asked, answered) = (method.method.code(), header.code());
    match (header.status(), shape) {
        // Deployed servers close after some of these and not after others, so this end does.
        (Status::BadEnvelope, _) => Trouble::Final(CallError::Malformed, Some(Event::Lost)),
        (Status::InternalError, _) => Trouble::Final(CallError::Internal, Some(Event::Lost)),
        (Status::LimitExceeded, _) => Trouble::LargeAnswer,
        (Status::Unsupported, _) => Trouble::Final(CallError::Unsupported, None),
        (Status::Ok, Shape::Batch(items)) if asked == answered => {
            let error = CallError::Miscounted { asked: items, answered: header.item_count() };
            Trouble::Final(error, Some(Event::Breached))
        }
        (Status::Ok, Shape::One | Shape::Batch(_)) => {
            Trouble::Final(CallError::Mismatch { asked, answered }, Some(Event::Breached))
        }
        (status @ (Status::AuthFailed | Status::Incompatible | Status::Other(_)), _) => {
            Trouble::Final(CallError::Status(status), Some(Event::Breached))
        }
    }
}

/// What it means that a request could not be sent over `session`.
#[cold]
pub(super) fn unsent(error: BuildError<EncodeError>, session: &ClientSession) -> Trouble {
    match error {
        BuildError::Build(EncodeError::Overflow { needed }) => Trouble::LargeRequest(LimitExceeded {
            limit: Limit::RequestPayload,
            asked: needed as u64,
            allowed: session.terms().request_payload.into(),
        }),
        BuildError::Build(error) => Trouble::Final(CallError::Request(error), None),
        BuildError::Session(Error::Limit(limit))
            if matches!(limit.limit, Limit::RequestPayload | Limit::RequestItems) =>
        {
            Trouble::LargeRequest(limit)
        }
        // What was sent of it is not all of it.
        BuildError::Session(error @ (Error::Closed { .. } | Error::Unfinished)) => not_run(error, session),
        BuildError::Session(error) => hopeless(error),
    }
}

/// What it means that the answer to a request did not come over `session`, which may be the last that was sent.
#[cold]
pub(super) fn unanswered(error: Error, session: &ClientSession, is_last: bool) -> Trouble {
    match error {
        Error::Closed { .. } if is_last && session.was_left_unread() => not_run(error, session),
        Error::Closed { .. } | Error::Unfinished => Trouble::Unanswered(error),
        error => hopeless(error),
    }
}

fn not_run(error: Error, session: &ClientSession) -> Trouble {
    if session.received() == 0 { Trouble::Busy(error) } else { Trouble::Unsent(error) }
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
