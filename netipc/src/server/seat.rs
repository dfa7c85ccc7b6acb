//! One session of a server, and one request of it.
//!
//! Owns: what a request is answered with, and whether the session goes on behind it (docs/protocol.md, section 6.1). It
//! refuses to know which thread that happens on, and who is next.

use core::fmt::Display;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::catch_unwind;

use super::batch::{self, Order};
use super::floor::Floor;
use super::report::Report;
use super::waiter::Lodging;
use crate::buf::Writer;
use crate::codec::EncodeError;
use crate::service::{Call, Failure, ServerSide};
use crate::session::{
    BuildError, Deadline, Error, Lifeline, Limit, Message, OwnedMessage, Peer, ResponseSender, ServerSession, Ticket,
};
use crate::trace::{self, Watch};
use crate::wire::{Batch, Status};

/// Requests of one session that are served in a row while others have something to do too.
const SHARE: u32 = 16;

/// A session, and what is told of it.
#[derive(Debug)]
pub(super) struct Seat {
    session: ServerSession,
    who: Who,
    /// A request that was received before its answer had room.
    pending: Option<OwnedMessage>,
    /// Where it lies down when it has nothing to do, if that is with a waiter.
    lodging: Option<Lodging>,
    stint: Stint,
    /// Tells of the end.
    _traced: trace::Session,
}

/// What a session had of the workers since it had nothing to do.
#[derive(Debug, Default)]
struct Stint {
    requests: u32,
    turns: usize,
    /// Turns of all sessions before that.
    before: usize,
}

/// Whose session it is.
#[derive(Debug, Clone)]
pub(super) struct Who {
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
    /// The client has to read its last answer first.
    Blocked,
    /// The session is over.
    End,
}

/// What is asked, wherever it stands.
struct Request<'m> {
    ticket: Ticket,
    payload: &'m [u8],
    /// Its items, and how many.
    batch: Option<(Batch<'m>, u32)>,
}

impl<'m> Request<'m> {
    fn fresh(message: &'m Message<'_>) -> Self {
        let batch = message.batch().map(|batch| (batch, message.header().item_count()));
        Self { ticket: message.ticket(), payload: message.payload(), batch }
    }

    fn kept(message: &'m OwnedMessage) -> Self {
        let batch = message.batch().map(|batch| (batch, message.header().item_count()));
        Self { ticket: message.ticket(), payload: message.payload(), batch }
    }
}

/// What a call asks of its server: whether the answer is still wanted, and how long answers may become.
pub(super) struct Interest<'a> {
    floor: &'a Floor,
    lifeline: &'a Lifeline,
}

impl ServerSide for Interest<'_> {
    fn is_cancelled(&self) -> bool {
        self.floor.is_stopping() || self.lifeline.has_hung_up()
    }

    fn ceiling(&self) -> usize {
        self.floor.growth.ceiling()
    }

    fn wish(&self, bytes: usize) {
        self.floor.growth.remember(bytes.min(self.ceiling()) as u64);
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
        let (peer, lifeline) = (session.peer(), session.lifeline());
        let traced = trace::Session::begin(session_id, peer.pid, session.status().profile.bits());
        let who = Who { session_id, peer, lifeline };
        Self { session, who, pending: None, lodging: None, stint: Stint::default(), _traced: traced }
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

    /// It has had nothing to do, or gives way to all others.
    pub(super) fn begin_stint(&mut self, floor: &Floor) {
        self.stint = Stint { requests: 0, turns: 0, before: floor.turns() };
    }

    /// A worker has it.
    pub(super) const fn begin_turn(&mut self) {
        self.stint.turns = self.stint.turns.wrapping_add(1);
    }

    /// Whether it has had so much that others, who have something to do too, should come first.
    pub(super) fn has_had_its_share(&self, floor: &Floor) -> bool {
        let Stint { requests, turns, before } = self.stint;
        requests >= SHARE && floor.turns().wrapping_sub(before) > turns
    }

    pub(super) const fn id(&self) -> u64 {
        self.who.session_id
    }

    /// Whether its client has hung up.
    pub(super) fn is_left(&self) -> bool {
        self.who.lifeline.has_hung_up()
    }

    pub(super) const fn session(&self) -> &ServerSession {
        &self.session
    }

    /// Receives a request and answers it, unless the client has to read something first.
    pub(super) fn serve(&mut self, floor: &Floor, patience: Patience) -> Served {
        let served = self.serve_one(floor, patience);
        if served == Served::Request {
            self.stint.requests = self.stint.requests.saturating_add(1);
        }
        served
    }

    fn serve_one(&mut self, floor: &Floor, patience: Patience) -> Served {
        // What is left of an answer goes out before anything else.
        match self.session.halves().1.try_flush() {
            Ok(true) => {}
            Ok(false) => return Served::Blocked,
            Err(error) => return self.who.ended(floor, error),
        }
        if let Some(request) = self.pending.take() {
            return self.who.answer(floor, &Request::kept(&request), self.session.halves().1);
        }
        // The message stands where it was received, and the answer goes out by the other half.
        let (requests, responses) = self.session.halves();
        let received = match patience {
            Patience::Now => requests.try_receive(),
            Patience::Until(deadline) => requests.receive(deadline).map(Some),
        };
        match received {
            Ok(Some(message)) if responses.is_unread() => {
                self.pending = Some(message.keep());
                Served::Blocked
            }
            Ok(Some(message)) => self.who.answer(floor, &Request::fresh(&message), responses),
            Ok(None) | Err(Error::TimedOut) => Served::Nothing,
            Err(error) => self.who.ended(floor, error),
        }
    }

    /// The same where nobody else needs this thread: it waits for a request for as long as that takes, and then for a client
    /// that does not read. The session is over if not `is_wanted`, which is asked in between.
    pub(super) fn serve_if(&mut self, floor: &Floor, is_wanted: impl FnOnce() -> bool) -> Served {
        let (requests, responses) = self.session.halves();
        let received = requests.receive(Deadline::NEVER);
        if !is_wanted() {
            return Served::End;
        }
        let message = match received {
            Ok(message) => message,
            Err(error) => return self.who.ended(floor, error),
        };
        match responses.unblock(Deadline::after(floor.response_timeout)) {
            Ok(()) => self.who.answer(floor, &Request::fresh(&message), responses),
            Err(error) => self.who.ended(floor, error),
        }
    }

    /// Waits until the client has read what it has to; whether it has, and the session goes on.
    pub(super) fn unblock(&mut self, floor: &Floor) -> bool {
        match self.unblock_within(floor, floor.response_timeout) {
            Served::Blocked => {
                self.ended(floor, Error::TimedOut);
                false
            }
            unblocked => unblocked == Served::Request,
        }
    }

    /// The same for a while: [`Served::Blocked`] where it still has to.
    pub(super) fn unblock_within(&mut self, floor: &Floor, patience: Duration) -> Served {
        match self.session.halves().1.unblock(Deadline::after(patience)) {
            Ok(()) => Served::Request,
            Err(Error::TimedOut) => Served::Blocked,
            Err(error) => self.who.ended(floor, error),
        }
    }

    /// Whether part of an answer still has to go out.
    pub(super) fn is_unsent(&mut self) -> bool {
        self.session.halves().1.wants_write()
    }

    /// Whether it has a request already.
    pub(super) const fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// The session is over for this reason.
    pub(super) fn ended(&self, floor: &Floor, error: Error) {
        self.who.ended(floor, error);
    }
}

impl Who {
    pub(super) const fn interest<'a>(&'a self, floor: &'a Floor) -> Interest<'a> {
        Interest { floor, lifeline: &self.lifeline }
    }

    pub(super) const fn call<'a>(&self, ticket: Ticket, interest: &'a Interest<'a>) -> Call<'a> {
        Call::new(self.peer, self.session_id, ticket, interest)
    }

    fn answer(&self, floor: &Floor, request: &Request<'_>, responses: &mut ResponseSender) -> Served {
        let &Request { ticket, payload, batch } = request;
        let interest = self.interest(floor);
        let call = self.call(ticket, &interest);
        let answered = if floor.dispatch.service().method(ticket.method()).is_none() {
            Err(BuildError::Build(Failure::Unsupported(ticket.method())))
        } else if let Some((batch, items)) = batch {
            let room = usize::try_from(responses.terms().response_payload).unwrap_or(usize::MAX);
            let order = Order { ticket, batch, payload, room };
            responses.respond_batch_now(ticket, items, |answers| batch::answer(floor, self, &call, &order, answers))
        } else {
            responses.respond_now(ticket, |writer| dispatch(floor, &call, payload, writer))
        };
        let (status, is_over) = match answered {
            // What is not sent yet is looked after before the next one.
            Ok(_) => return Served::Request,
            Err(BuildError::Build(failure)) => {
                if let Failure::Unwritten(EncodeError::Overflow { needed }) = failure {
                    // Of an item of a batch that is not all.
                    let least = u64::from(responses.terms().response_payload).saturating_add(1);
                    floor.growth.remember(least.max(needed as u64));
                }
                let refusal = (failure.status(), failure.ends_session());
                floor.tell(Report::Failed { session_id: self.session_id, method: ticket.method(), failure });
                refusal
            }
            Err(BuildError::Session(error)) => {
                let status = match error {
                    Error::Limit(exceeded) => {
                        if exceeded.limit == Limit::ResponsePayload {
                            floor.growth.remember(exceeded.asked);
                        }
                        Status::LimitExceeded
                    }
                    Error::EmptyBatch | Error::Malformed(_) => Status::BadEnvelope,
                    error => return self.ended(floor, error),
                };
                self.ended(floor, error);
                (status, true)
            }
        };
        match responses.respond_status_now(ticket, status) {
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
pub(super) fn dispatch(floor: &Floor, call: &Call<'_>, request: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure> {
    let (watch, before) = (Watch::of_server(), reply.len());
    let handled = catch_unwind(AssertUnwindSafe(|| floor.dispatch.dispatch(call, request, reply)));
    let handled = handled.unwrap_or(Err(Failure::Panicked));
    let (written, failure) = (reply.len().saturating_sub(before), handled.as_ref().err());
    let failure = failure.map(|failure| failure as &dyn Display);
    watch.served(call.session_id(), call.method().code(), request.len(), written, failure);
    handled
}
