//! A server's side of a session, and its halves.

use bytes::Bytes;

use super::config::ServerConfig;
use super::error::{BuildError, Error};
use super::message::{Message, Ticket};
use super::receive::Receiver;
use super::send::{Bounds, Sender};
use super::shared::{Grounds, Lifeline, Permit, Shared, common};
use super::sizes::{batch_len, bounded_items, check_items, item_count, payload_len};
use crate::buf::Writer;
use crate::proto::{Assembler, Limit, Role};
use crate::sync::Arc;
use crate::transport::{Berth, Deadline, Link};
use crate::wire::{BatchBuilder, Header, Status};

/// A server's side of a session.
#[derive(Debug)]
pub struct ServerSession {
    requests: RequestReceiver,
    responses: ResponseSender,
}

/// The half of a server's session that requests come in by.
#[derive(Debug)]
pub struct RequestReceiver {
    receiver: Receiver,
}

/// The half of a server's session that responses go out by.
#[derive(Debug)]
pub struct ResponseSender {
    sender: Sender,
}

common! {
    ServerSession => |session| session.responses.sender.shared();
    RequestReceiver => |half| half.receiver.shared();
    ResponseSender => |half| half.sender.shared();
}

impl ServerSession {
    pub(super) fn new(link: Link, grounds: Grounds, config: &ServerConfig, permit: Permit) -> Self {
        let (shared, outgoing, incoming) = Shared::of(link, grounds, config.max_in_flight, Some(permit));
        let assembler = Assembler::new(Role::Server, &shared.framing());
        let receiver = Receiver::new(incoming, Arc::clone(&shared), Role::Server, assembler, 0);
        let sender = Sender::new(outgoing, shared);
        Self { requests: RequestReceiver { receiver }, responses: ResponseSender { sender } }
    }

    /// Both halves, for two threads.
    #[must_use]
    pub fn split(self) -> (RequestReceiver, ResponseSender) {
        (self.requests, self.responses)
    }

    /// Both halves, for a message that is answered while it is looked at.
    #[must_use]
    pub const fn halves(&mut self) -> (&mut RequestReceiver, &mut ResponseSender) {
        (&mut self.requests, &mut self.responses)
    }

    /// What tells whether the client is still there.
    pub(crate) fn lifeline(&self) -> Lifeline {
        Lifeline::of(self.responses.sender.shared())
    }

    /// Where it sleeps without a thread of its own while no request has come, if it can.
    pub(crate) fn berth(&self) -> Option<Berth> {
        self.requests.receiver.berth()
    }

    /// Receives the next request.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::TimedOut`], [`Error::Aborted`]; [`Error::Violation`] and [`Error::Limit`], which end
    /// the session.
    pub fn receive(&mut self, deadline: Deadline) -> Result<Message<'_>, Error> {
        self.requests.receive(deadline)
    }

    /// Receives the next request if there is one.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn try_receive(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.requests.try_receive()
    }

    /// Answers a request.
    ///
    /// # Errors
    /// As [`ResponseSender::respond`].
    pub fn respond(&mut self, ticket: Ticket, payload: &[u8], deadline: Deadline) -> Result<(), Error> {
        self.responses.respond(ticket, payload, deadline)
    }

    /// Answers a request with nothing but a status; see [`ResponseSender::respond_status`].
    ///
    /// # Errors
    /// As [`ResponseSender::respond`].
    pub fn respond_status(&mut self, ticket: Ticket, status: Status, deadline: Deadline) -> Result<(), Error> {
        self.responses.respond_status(ticket, status, deadline)
    }

    /// Answers a request with what `fill` builds in place; see [`ResponseSender::respond_with`].
    ///
    /// # Errors
    /// As [`ResponseSender::respond_with`].
    pub fn respond_with<E>(
        &mut self,
        ticket: Ticket,
        deadline: Deadline,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
    ) -> Result<(), BuildError<E>> {
        self.responses.respond_with(ticket, deadline, fill)
    }

    /// Answers a batch item by item; see [`ResponseSender::respond_batch`].
    ///
    /// # Errors
    /// As [`ResponseSender::respond_batch`].
    pub fn respond_batch<T: AsRef<[u8]>>(
        &mut self,
        ticket: Ticket,
        items: &[T],
        deadline: Deadline,
    ) -> Result<(), Error> {
        self.responses.respond_batch(ticket, items, deadline)
    }

    /// Answers a batch with items that `fill` builds in place; see [`ResponseSender::respond_batch_with`].
    ///
    /// # Errors
    /// As [`ResponseSender::respond_batch_with`].
    pub fn respond_batch_with<E>(
        &mut self,
        ticket: Ticket,
        max_items: u32,
        deadline: Deadline,
        fill: impl FnOnce(&mut BatchBuilder<'_, '_>) -> Result<(), E>,
    ) -> Result<(), BuildError<E>> {
        self.responses.respond_batch_with(ticket, max_items, deadline, fill)
    }

    /// Answers a request without waiting; see [`ResponseSender::try_respond`].
    ///
    /// # Errors
    /// As [`ResponseSender::respond`].
    pub fn try_respond(&mut self, ticket: Ticket, payload: Bytes) -> Result<bool, Error> {
        self.responses.try_respond(ticket, payload)
    }

    /// Answers a request with nothing but a status, without waiting; see [`ResponseSender::try_respond_status`].
    ///
    /// # Errors
    /// As [`ResponseSender::respond`].
    pub fn try_respond_status(&mut self, ticket: Ticket, status: Status) -> Result<bool, Error> {
        self.responses.try_respond_status(ticket, status)
    }

    /// Answers a batch without waiting; see [`ResponseSender::try_respond_batch`].
    ///
    /// # Errors
    /// As [`ResponseSender::try_respond_batch`].
    pub fn try_respond_batch(&mut self, ticket: Ticket, items: u32, payload: Bytes) -> Result<bool, Error> {
        self.responses.try_respond_batch(ticket, items, payload)
    }

    /// Sends on what [`try_respond`](Self::try_respond) has begun; whether nothing is left of it.
    ///
    /// # Errors
    /// As [`ResponseSender::respond`].
    pub fn try_flush(&mut self) -> Result<bool, Error> {
        self.responses.try_flush()
    }

    /// Whether [`try_flush`](Self::try_flush) has something to send: watch for room to write as long as it has.
    #[must_use]
    pub const fn wants_write(&self) -> bool {
        self.responses.wants_write()
    }

    /// Requests that were received so far.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.requests.received()
    }
}

impl RequestReceiver {
    /// Receives the next request.
    ///
    /// # Errors
    /// As [`ServerSession::receive`].
    pub fn receive(&mut self, deadline: Deadline) -> Result<Message<'_>, Error> {
        self.receiver.receive(deadline)
    }

    /// Receives the next request if there is one.
    ///
    /// # Errors
    /// As [`ServerSession::receive`].
    pub fn try_receive(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.receiver.try_receive()
    }

    /// Requests that were received so far.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.receiver.received()
    }
}

impl ResponseSender {
    /// Answers a request.
    ///
    /// # Errors
    /// [`Error::NotInFlight`] for a request that does not wait for an answer, [`Error::Limit`] for a payload beyond the
    /// agreed limit (the request goes on waiting), [`Error::Closed`], [`Error::TimedOut`], [`Error::Aborted`], and what
    /// ended the session before.
    pub fn respond(&mut self, ticket: Ticket, payload: &[u8], deadline: Deadline) -> Result<(), Error> {
        let header = header(ticket).with_payload_len(self.payload_len(payload.len() as u64)?);
        self.answered(ticket, |sender| sender.send(header, payload, deadline, None))
    }

    /// Answers a request with nothing but a status (docs/protocol.md, section 1.2).
    ///
    /// # Errors
    /// As [`respond`](Self::respond).
    pub fn respond_status(&mut self, ticket: Ticket, status: Status, deadline: Deadline) -> Result<(), Error> {
        let header = header(ticket).with_status(status);
        self.answered(ticket, |sender| sender.send(header, &[], deadline, None))
    }

    /// Answers a request with what `fill` builds in place; it may write as much as a response may hold.
    ///
    /// # Errors
    /// As [`respond`](Self::respond), and whatever `fill` returns; nothing was sent then, and the request goes on waiting.
    pub fn respond_with<E>(
        &mut self,
        ticket: Ticket,
        deadline: Deadline,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
    ) -> Result<(), BuildError<E>> {
        let bounds = self.bounds();
        self.answered(ticket, |sender| {
            let len = sender.build(bounds, || deadline, None, fill)?;
            Ok(sender.send_draft(header(ticket).with_payload_len(len), || deadline, None)?)
        })
    }

    /// Whether the client has to read its last answer first, and says when it has.
    pub(crate) fn is_unread(&mut self) -> bool {
        self.sender.is_unread()
    }

    /// Waits until another answer can be sent, and nothing is left of the last one.
    ///
    /// # Errors
    /// As [`respond`](Self::respond).
    pub(crate) fn unblock(&mut self, deadline: Deadline) -> Result<(), Error> {
        self.sender.unblock(deadline)
    }

    /// As [`respond_with`](Self::respond_with) where there is room, without waiting; whether all is sent. What is not is
    /// kept: see [`try_flush`](Self::try_flush) and [`unblock`](Self::unblock).
    ///
    /// # Errors
    /// As [`respond_with`](Self::respond_with).
    pub(crate) fn respond_now<E>(
        &mut self,
        ticket: Ticket,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
    ) -> Result<bool, BuildError<E>> {
        let bounds = self.bounds();
        self.answered(ticket, |sender| {
            let len = sender.build_now(bounds, fill)?;
            Ok(sender.send_draft_now(header(ticket).with_payload_len(len))?)
        })
    }

    /// The same for a batch, as [`respond_batch_with`](Self::respond_batch_with).
    ///
    /// # Errors
    /// As [`respond_batch_with`](Self::respond_batch_with).
    pub(crate) fn respond_batch_now<E>(
        &mut self,
        ticket: Ticket,
        max_items: u32,
        fill: impl FnOnce(&mut BatchBuilder<'_, '_>) -> Result<(), E>,
    ) -> Result<bool, BuildError<E>> {
        bounded_items(max_items, Limit::ResponseItems, self.terms().response_items)?;
        let bounds = self.bounds();
        self.answered(ticket, |sender| {
            let (len, count) = sender.build_batch_now(bounds, max_items, fill)?;
            Ok(sender.send_draft_now(header(ticket).with_payload_len(len).with_batch(count))?)
        })
    }

    /// As [`respond_status`](Self::respond_status) where there is room, without waiting; whether all is sent.
    ///
    /// # Errors
    /// As [`respond`](Self::respond).
    pub(crate) fn respond_status_now(&mut self, ticket: Ticket, status: Status) -> Result<bool, Error> {
        let header = header(ticket).with_status(status);
        self.answered(ticket, |sender| sender.send_draft_now(header))
    }

    /// Answers a batch item by item, in order; the items are sent from where they are (docs/protocol.md, section 1.3).
    ///
    /// # Errors
    /// As [`respond`](Self::respond), and [`Error::EmptyBatch`].
    pub fn respond_batch<T: AsRef<[u8]>>(
        &mut self,
        ticket: Ticket,
        items: &[T],
        deadline: Deadline,
    ) -> Result<(), Error> {
        let len = self.payload_len(batch_len(items))?;
        let count = item_count(items, Limit::ResponseItems, self.terms().response_items)?;
        let header = header(ticket).with_payload_len(len).with_batch(count);
        self.answered(ticket, |sender| sender.send_batch(header, items, deadline, None))
    }

    /// Answers a batch with at most `max_items` items that `fill` builds in place, in order.
    ///
    /// # Errors
    /// As [`respond_with`](Self::respond_with), and [`Error::EmptyBatch`].
    pub fn respond_batch_with<E>(
        &mut self,
        ticket: Ticket,
        max_items: u32,
        deadline: Deadline,
        fill: impl FnOnce(&mut BatchBuilder<'_, '_>) -> Result<(), E>,
    ) -> Result<(), BuildError<E>> {
        bounded_items(max_items, Limit::ResponseItems, self.terms().response_items)?;
        let bounds = self.bounds();
        self.answered(ticket, |sender| {
            let (len, count) = sender.build_batch(bounds, max_items, || deadline, None, fill)?;
            Ok(sender.send_draft(header(ticket).with_payload_len(len).with_batch(count), || deadline, None)?)
        })
    }

    /// Answers a request without waiting. False where there was no room for the beginning of the answer: it was not
    /// sent.
    ///
    /// Where there is room for a part of it only, it counts as sent, and the rest goes out with
    /// [`try_flush`](Self::try_flush) or before the next response.
    ///
    /// # Errors
    /// As [`respond`](Self::respond).
    pub fn try_respond(&mut self, ticket: Ticket, payload: Bytes) -> Result<bool, Error> {
        let header = header(ticket).with_payload_len(self.payload_len(payload.len() as u64)?);
        self.try_answered(ticket, header, payload)
    }

    /// The same with nothing but a status (docs/protocol.md, section 1.2).
    ///
    /// # Errors
    /// As [`respond`](Self::respond).
    pub fn try_respond_status(&mut self, ticket: Ticket, status: Status) -> Result<bool, Error> {
        self.try_answered(ticket, header(ticket).with_status(status), Bytes::new())
    }

    /// The same for the answer to a batch, whose payload a [`BatchBuilder`] has made.
    ///
    /// # Errors
    /// As [`respond_batch`](Self::respond_batch), and [`Error::Malformed`] for a payload that is none.
    pub fn try_respond_batch(&mut self, ticket: Ticket, items: u32, payload: Bytes) -> Result<bool, Error> {
        let len = self.payload_len(payload.len() as u64)?;
        check_items(items, &payload, Limit::ResponseItems, self.terms().response_items)?;
        self.try_answered(ticket, header(ticket).with_payload_len(len).with_batch(items), payload)
    }

    /// Sends on what [`try_respond`](Self::try_respond) has begun; whether nothing is left of it.
    ///
    /// # Errors
    /// As [`respond`](Self::respond).
    pub fn try_flush(&mut self) -> Result<bool, Error> {
        self.sender.try_finish()
    }

    /// Whether [`try_flush`](Self::try_flush) has something to send: watch for room to write as long as it has.
    #[must_use]
    pub const fn wants_write(&self) -> bool {
        self.sender.is_unfinished()
    }

    fn bounds(&self) -> Bounds {
        Bounds { limit: Limit::ResponsePayload, bytes: self.terms().response_payload }
    }

    fn payload_len(&self, len: u64) -> Result<u32, Error> {
        payload_len(len, Limit::ResponsePayload, self.terms().response_payload)
    }

    /// Begins to send the answer to a request, if there is room.
    fn try_answered(&mut self, ticket: Ticket, header: Header, payload: Bytes) -> Result<bool, Error> {
        let sent = self.answered(ticket, |sender| sender.try_send(header, payload))?;
        if !sent {
            self.wait_again(ticket);
        }
        Ok(sent)
    }

    /// Builds and sends the answer to a request, which does not wait for one from then on; it does again if nothing was sent.
    ///
    /// The id is given back first: a client may use it again as soon as it has the answer. And that is an atomic step, which
    /// waits until what was written before has its line of the cache; between writing a message where its reader will look
    /// for it and saying that it is there is no time to be lost.
    fn answered<R, E: From<Error>>(
        &mut self,
        ticket: Ticket,
        send: impl FnOnce(&mut Sender) -> Result<R, E>,
    ) -> Result<R, E> {
        self.sender.shared().check()?;
        if !self.sender.shared().in_flight().remove(ticket.id()) {
            return Err(Error::NotInFlight { id: ticket.id() }.into());
        }
        let mut answering = Answering { responses: self, ticket, is_sent: false };
        let sent = send(&mut answering.responses.sender)?;
        answering.is_sent = true;
        Ok(sent)
    }

    fn wait_again(&self, ticket: Ticket) {
        // It was among those that wait, so there is room for it, unless the client has used its id again: then the
        // request that has it now waits for an answer just so.
        let _ = self.sender.shared().in_flight().insert(ticket.id());
    }
}

/// A request that does not wait for its answer, and does again unless something was sent; also where code of the user's
/// panics.
struct Answering<'s> {
    responses: &'s mut ResponseSender,
    ticket: Ticket,
    is_sent: bool,
}

impl Drop for Answering<'_> {
    fn drop(&mut self) {
        if !self.is_sent {
            self.responses.wait_again(self.ticket);
        }
    }
}

const fn header(ticket: Ticket) -> Header {
    Header::response(ticket.method(), ticket.id(), 0)
}
