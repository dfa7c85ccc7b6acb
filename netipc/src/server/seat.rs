//! One session of a server, and one request of it.
//!
//! Owns: what a request is answered with, and whether the session goes on behind it (docs/protocol.md, section 6.1). It
//! refuses to know which thread that happens on, and who is next.

use core::panic::AssertUnwindSafe;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::catch_unwind;

use super::floor::Floor;
use super::report::Report;
use super::waiter::Lodging;
use crate::buf::Writer;
use crate::service::{Call, Failure, Liveness};
use crate::session::{BuildError, Deadline, Error, Lifeline, Message, Peer, ResponseSender, ServerSession};
use crate::wire::Status;

/// A session, and what is told of it.
#[derive(Debug)]
pub(super) struct Seat {
    session: ServerSession,
    who: Who,
    /// Where it lies down when it has nothing to do, if that is with a waiter.
    lodging: Option<Lodging>,
}

#[derive(Debug)]
struct Who {
    session_id: u64,
    peer: Peer,
    lifeline: Lifeline,
}

/// How long a request is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    /// Not at all.
    Now,
    Until(Deadline),
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Served {
    /// A request was answered.
    Request,
    /// There was none.
    Nothing,
    /// The session is over.
    End,
}

/// Whether the answer to a request is still wanted.
struct Interest<'a> {
    floor: &'a Floor,
    lifeline: &'a Lifeline,
}

impl Liveness for Interest<'_> {
    fn is_cancelled(&self) -> bool {
        self.floor.is_stopping() || self.lifeline.has_hung_up()
    }
}

impl AsFd for Seat {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.session.as_fd()
    }
}

impl Seat {
    pub(super) fn new(session: ServerSession) -> Self {
        let session_id = session.terms().session_id;
        let who = Who { session_id, peer: session.peer(), lifeline: session.lifeline() };
        Self { session, who, lodging: None }
    }

    /// Gives it a place with a waiter, or back to it.
    pub(super) fn lodge(&mut self, lodging: Lodging) {
        self.lodging = Some(lodging);
    }

    /// Takes that place, if it has one.
    pub(super) const fn take_lodging(&mut self) -> Option<Lodging> {
        self.lodging.take()
    }

    pub(super) const fn is_lodged(&self) -> bool {
        self.lodging.is_some()
    }

    pub(super) const fn id(&self) -> u64 {
        self.who.session_id
    }

    pub(super) const fn session(&self) -> &ServerSession {
        &self.session
    }

    /// Receives a request and answers it.
    pub(super) fn serve(&mut self, floor: &Floor, patience: Patience) -> Served {
        self.serve_if(floor, patience, || true)
    }

    /// The same if `is_wanted`, which is asked in between: else the session is over.
    pub(super) fn serve_if(&mut self, floor: &Floor, patience: Patience, is_wanted: impl FnOnce() -> bool) -> Served {
        // The message stands where it was received, and the answer goes out by the other half.
        let (requests, responses) = self.session.halves();
        let received = match patience {
            Patience::Now => requests.try_receive(),
            Patience::Until(deadline) => requests.receive(deadline).map(Some),
        };
        if !is_wanted() {
            return Served::End;
        }
        match received {
            Ok(Some(message)) => self.who.answer(floor, &message, responses),
            Ok(None) | Err(Error::TimedOut) => Served::Nothing,
            Err(error) => self.who.ended(floor, error),
        }
    }

    /// The session is over for this reason.
    pub(super) fn ended(&self, floor: &Floor, error: Error) {
        self.who.ended(floor, error);
    }
}

impl Who {
    fn answer(&self, floor: &Floor, message: &Message<'_>, responses: &mut ResponseSender) -> Served {
        let (ticket, timeout) = (message.ticket(), floor.response_timeout);
        let interest = Interest { floor, lifeline: &self.lifeline };
        let call = Call::new(self.peer, self.session_id, ticket, &interest);
        let answered = if floor.dispatch.service().method(ticket.method()).is_none() {
            Err(BuildError::Build(Failure::Unsupported(ticket.method())))
        } else if let Some(batch) = message.batch() {
            let items = message.header().item_count();
            responses.respond_batch_within(ticket, items, timeout, |answers| {
                for item in batch {
                    match answers.push_with(|writer| dispatch(floor, &call, item, writer)) {
                        Ok(dispatched) => dispatched?,
                        // Beyond what 32 bits can say: there is no room for it, which the session is about to find.
                        Err(_) => break,
                    }
                }
                Ok(())
            })
        } else {
            let payload = message.payload();
            responses.respond_within(ticket, timeout, |writer| dispatch(floor, &call, payload, writer))
        };
        let (status, is_over) = match answered {
            Ok(()) => return Served::Request,
            Err(BuildError::Build(failure)) => {
                let refusal = (failure.status(), failure.ends_session());
                floor.tell(Report::Failed { session_id: self.session_id, method: ticket.method(), failure });
                refusal
            }
            Err(BuildError::Session(error)) => {
                let status = match error {
                    Error::Limit(_) => Status::LimitExceeded,
                    Error::EmptyBatch | Error::Malformed(_) => Status::BadEnvelope,
                    error => return self.ended(floor, error),
                };
                self.ended(floor, error);
                (status, true)
            }
        };
        match responses.respond_status(ticket, status, Deadline::after(timeout)) {
            Err(error) if !is_over => self.ended(floor, error),
            // It was reported why this session ends.
            _ if is_over => Served::End,
            _ => Served::Request,
        }
    }

    /// The session is over; whether anybody should know depends on why.
    fn ended(&self, floor: &Floor, error: Error) -> Served {
        let is_usual = match error {
            Error::Closed { .. } => true,
            Error::Aborted => floor.is_stopping(),
            _ => false,
        };
        if !is_usual {
            floor.tell(Report::SessionEnded { session_id: self.session_id, peer: self.peer, error });
        }
        Served::End
    }
}

/// Has the handler write its answer. What it leaves behind when it panics are bytes that nobody will read.
fn dispatch(floor: &Floor, call: &Call<'_>, request: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure> {
    let handled = catch_unwind(AssertUnwindSafe(|| floor.dispatch.dispatch(call, request, reply)));
    handled.unwrap_or(Err(Failure::Panicked))
}
