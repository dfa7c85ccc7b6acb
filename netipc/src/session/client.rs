//! A client's side of a session, and its halves.

use bytes::Bytes;

use super::config::ClientConfig;
use super::error::{BuildError, Error};
use super::message::{Message, Ticket};
use super::receive::Receiver;
use super::send::{Bounds, Sender};
use super::shared::{Grounds, Shared, common};
use super::sizes::{batch_len, bounded_items, check_items, item_count, payload_len};
use crate::buf::Writer;
use crate::proto::{Assembler, Limit, Role};
use crate::sync::Arc;
use crate::transport::{Deadline, Link};
use crate::wire::{BatchBuilder, Header, Method};

/// A client's side of a session.
#[derive(Debug)]
pub struct ClientSession {
    requests: RequestSender,
    responses: ResponseReceiver,
}

/// The half of a client's session that requests go out by.
#[derive(Debug)]
pub struct RequestSender {
    sender: Sender,
    next_id: u64,
}

/// The half of a client's session that responses come in by.
#[derive(Debug)]
pub struct ResponseReceiver {
    receiver: Receiver,
}

common! {
    ClientSession => |session| session.requests.sender.shared();
    RequestSender => |half| half.sender.shared();
    ResponseReceiver => |half| half.receiver.shared();
}

impl ClientSession {
    /// Takes the halves of `link` over.
    pub(super) fn new(link: Link, grounds: Grounds, config: &ClientConfig) -> Self {
        let (shared, outgoing, incoming) = Shared::of(link, grounds, config.max_in_flight, None);
        let assembler = Assembler::new(Role::Client, &shared.framing()).with_payload_limit(config.response_ceiling);
        let receiver = Receiver::new(incoming, Arc::clone(&shared), Role::Client, assembler, config.max_backlog);
        let sender = Sender::new(outgoing, shared);
        Self { requests: RequestSender { sender, next_id: 1 }, responses: ResponseReceiver { receiver } }
    }

    /// Both halves, for two threads. A request that finds no room then waits for it, and does not receive meanwhile:
    /// the other thread must.
    #[must_use]
    pub fn split(self) -> (RequestSender, ResponseReceiver) {
        (self.requests, self.responses)
    }

    /// Sends a request. While it finds no room, answers to earlier ones are received and put by.
    ///
    /// # Errors
    /// [`Error::Limit`] for a payload beyond the agreed limit or one request too many, [`Error::Closed`],
    /// [`Error::TimedOut`], [`Error::Aborted`], and what ended the session before.
    pub fn send(&mut self, method: Method, payload: &[u8], deadline: Deadline) -> Result<Ticket, Error> {
        self.requests.send_bytes(method, payload, deadline, Some(&mut self.responses.receiver))
    }

    /// Sends a request that `fill` builds in place; it may write as much as a request may hold.
    ///
    /// # Errors
    /// As [`send`](Self::send), and whatever `fill` returns; nothing was sent then.
    pub fn send_with<E>(
        &mut self,
        method: Method,
        deadline: Deadline,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
    ) -> Result<Ticket, BuildError<E>> {
        self.requests.send_built(method, deadline, fill, Some(&mut self.responses.receiver))
    }

    /// Sends a batch of requests; the items are sent from where they are (docs/protocol.md, section 1.3).
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`Error::EmptyBatch`].
    pub fn send_batch<T: AsRef<[u8]>>(
        &mut self,
        method: Method,
        items: &[T],
        deadline: Deadline,
    ) -> Result<Ticket, Error> {
        self.requests.send_items(method, items, deadline, Some(&mut self.responses.receiver))
    }

    /// Sends a batch of at most `max_items` requests that `fill` builds in place, item by item.
    ///
    /// # Errors
    /// As [`send_with`](Self::send_with), and [`Error::EmptyBatch`].
    pub fn send_batch_with<E>(
        &mut self,
        method: Method,
        max_items: u32,
        deadline: Deadline,
        fill: impl FnOnce(&mut BatchBuilder<'_, '_>) -> Result<(), E>,
    ) -> Result<Ticket, BuildError<E>> {
        self.requests.send_built_items(method, max_items, deadline, fill, Some(&mut self.responses.receiver))
    }

    /// Sends a request without waiting; see [`RequestSender::try_send`].
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn try_send(&mut self, method: Method, payload: Bytes) -> Result<Option<Ticket>, Error> {
        self.requests.try_send(method, payload)
    }

    /// Sends a batch of requests without waiting; see [`RequestSender::try_send_batch`].
    ///
    /// # Errors
    /// As [`RequestSender::try_send_batch`].
    pub fn try_send_batch(&mut self, method: Method, items: u32, payload: Bytes) -> Result<Option<Ticket>, Error> {
        self.requests.try_send_batch(method, items, payload)
    }

    /// Sends on what [`try_send`](Self::try_send) has begun; whether nothing is left of it.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn try_flush(&mut self) -> Result<bool, Error> {
        self.requests.try_flush()
    }

    /// Whether [`try_flush`](Self::try_flush) has something to send: watch for room to write as long as it has.
    #[must_use]
    pub const fn wants_write(&self) -> bool {
        self.requests.wants_write()
    }

    /// Receives the next response, to whichever request it is.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::TimedOut`], [`Error::Aborted`]; [`Error::Violation`] and [`Error::Limit`], which end
    /// the session.
    pub fn receive(&mut self, deadline: Deadline) -> Result<Message<'_>, Error> {
        self.responses.receive(deadline)
    }

    /// Receives the next response if there is one.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn try_receive(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.responses.try_receive()
    }

    /// Whether a response is there that was put by while a request was sent; the descriptor does not tell of those.
    #[must_use]
    pub fn has_backlog(&self) -> bool {
        self.responses.receiver.has_backlog()
    }

    /// Responses that were received so far.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.responses.received()
    }

    /// The payload of the response that was received last, which had this header.
    pub(crate) fn last(&self, header: &Header) -> &[u8] {
        self.responses.receiver.last(header)
    }

    /// The same, taken out, once.
    pub(crate) fn keep_last(&mut self, header: &Header) -> Bytes {
        self.responses.receiver.keep_last(header)
    }

    /// Whether the connection has ended and the request that was sent last is known never to have been read. Nothing is
    /// known of it where this is false.
    pub(crate) fn was_left_unread(&self) -> bool {
        self.requests.sender.shared().wire.was_left_unread()
    }

    /// Whether the server has closed its end, as far as the kernel knows.
    pub(crate) fn has_hung_up(&self) -> bool {
        self.requests.sender.shared().wire.has_hung_up()
    }
}

impl RequestSender {
    /// Sends a request.
    ///
    /// # Errors
    /// As [`ClientSession::send`].
    pub fn send(&mut self, method: Method, payload: &[u8], deadline: Deadline) -> Result<Ticket, Error> {
        self.send_bytes(method, payload, deadline, None)
    }

    /// Sends a request that `fill` builds in place.
    ///
    /// # Errors
    /// As [`ClientSession::send_with`].
    pub fn send_with<E>(
        &mut self,
        method: Method,
        deadline: Deadline,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
    ) -> Result<Ticket, BuildError<E>> {
        self.send_built(method, deadline, fill, None)
    }

    /// Sends a batch of requests.
    ///
    /// # Errors
    /// As [`ClientSession::send_batch`].
    pub fn send_batch<T: AsRef<[u8]>>(
        &mut self,
        method: Method,
        items: &[T],
        deadline: Deadline,
    ) -> Result<Ticket, Error> {
        self.send_items(method, items, deadline, None)
    }

    /// Sends a batch of requests that `fill` builds in place.
    ///
    /// # Errors
    /// As [`ClientSession::send_batch_with`].
    pub fn send_batch_with<E>(
        &mut self,
        method: Method,
        max_items: u32,
        deadline: Deadline,
        fill: impl FnOnce(&mut BatchBuilder<'_, '_>) -> Result<(), E>,
    ) -> Result<Ticket, BuildError<E>> {
        self.send_built_items(method, max_items, deadline, fill, None)
    }

    /// Sends a request without waiting. `None` where there was no room for its beginning: it was not sent.
    ///
    /// Where there is room for a part of it only, it counts as sent, and the rest goes out with
    /// [`try_flush`](Self::try_flush) or before the next request.
    ///
    /// # Errors
    /// As [`ClientSession::send`].
    pub fn try_send(&mut self, method: Method, payload: Bytes) -> Result<Option<Ticket>, Error> {
        let len = self.payload_len(payload.len() as u64)?;
        self.try_numbered(method, |header| header.with_payload_len(len), payload)
    }

    /// The same for a batch of so many requests, whose payload a [`BatchBuilder`] has made.
    ///
    /// # Errors
    /// As [`ClientSession::send_batch`], and [`Error::Malformed`] for a payload that is none.
    pub fn try_send_batch(&mut self, method: Method, items: u32, payload: Bytes) -> Result<Option<Ticket>, Error> {
        let len = self.payload_len(payload.len() as u64)?;
        check_items(items, &payload, Limit::RequestItems, self.terms().request_items)?;
        self.try_numbered(method, |header| header.with_payload_len(len).with_batch(items), payload)
    }

    /// Sends on what [`try_send`](Self::try_send) has begun; whether nothing is left of it.
    ///
    /// # Errors
    /// As [`ClientSession::send`].
    pub fn try_flush(&mut self) -> Result<bool, Error> {
        self.sender.try_finish()
    }

    /// Whether [`try_flush`](Self::try_flush) has something to send: watch for room to write as long as it has.
    #[must_use]
    pub const fn wants_write(&self) -> bool {
        self.sender.is_unfinished()
    }

    fn bounds(&self) -> Bounds {
        Bounds { limit: Limit::RequestPayload, bytes: self.terms().request_payload }
    }

    fn payload_len(&self, len: u64) -> Result<u32, Error> {
        payload_len(len, Limit::RequestPayload, self.terms().request_payload)
    }

    fn send_bytes(
        &mut self,
        method: Method,
        payload: &[u8],
        deadline: Deadline,
        receiver: Option<&mut Receiver>,
    ) -> Result<Ticket, Error> {
        let len = self.payload_len(payload.len() as u64)?;
        let sent = self.numbered(method, receiver, |sender, header, absorb| {
            sender.send(header.with_payload_len(len), payload, deadline, absorb)
        });
        sent.map(|((), ticket)| ticket)
    }

    fn send_built<E>(
        &mut self,
        method: Method,
        deadline: Deadline,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
        receiver: Option<&mut Receiver>,
    ) -> Result<Ticket, BuildError<E>> {
        let bounds = self.bounds();
        let sent = self.numbered(method, receiver, |sender, header, mut absorb| {
            let len = sender.build(bounds, || deadline, absorb.as_deref_mut(), fill)?;
            Ok(sender.send_draft(header.with_payload_len(len), || deadline, absorb)?)
        });
        sent.map(|((), ticket)| ticket)
    }

    fn send_items<T: AsRef<[u8]>>(
        &mut self,
        method: Method,
        items: &[T],
        deadline: Deadline,
        receiver: Option<&mut Receiver>,
    ) -> Result<Ticket, Error> {
        let len = self.payload_len(batch_len(items))?;
        let count = item_count(items, Limit::RequestItems, self.terms().request_items)?;
        let sent = self.numbered(method, receiver, |sender, header, absorb| {
            sender.send_batch(header.with_payload_len(len).with_batch(count), items, deadline, absorb)
        });
        sent.map(|((), ticket)| ticket)
    }

    fn send_built_items<E>(
        &mut self,
        method: Method,
        max_items: u32,
        deadline: Deadline,
        fill: impl FnOnce(&mut BatchBuilder<'_, '_>) -> Result<(), E>,
        receiver: Option<&mut Receiver>,
    ) -> Result<Ticket, BuildError<E>> {
        bounded_items(max_items, Limit::RequestItems, self.terms().request_items)?;
        let bounds = self.bounds();
        let sent = self.numbered(method, receiver, |sender, header, mut absorb| {
            let (len, count) = sender.build_batch(bounds, max_items, || deadline, absorb.as_deref_mut(), fill)?;
            Ok(sender.send_draft(header.with_payload_len(len).with_batch(count), || deadline, absorb)?)
        });
        sent.map(|((), ticket)| ticket)
    }

    /// Begins to send under the next id, if there is room.
    fn try_numbered(
        &mut self,
        method: Method,
        header: impl FnOnce(Header) -> Header,
        payload: Bytes,
    ) -> Result<Option<Ticket>, Error> {
        let (sent, ticket) =
            self.numbered(method, None, |sender, request, _| sender.try_send(header(request), payload))?;
        if !sent {
            self.sender.shared().in_flight().remove(ticket.id());
            self.next_id = ticket.id();
        }
        Ok(sent.then_some(ticket))
    }

    /// Builds and sends under the next id, which waits for its answer from then on; not if it was not sent.
    ///
    /// The id is taken first: the answer may be there before the call that sends the request returns. Between building and
    /// sending it would also cost the most, as it would for a server.
    fn numbered<R, E: From<Error>>(
        &mut self,
        method: Method,
        receiver: Option<&mut Receiver>,
        send: impl FnOnce(&mut Sender, Header, Option<&mut Receiver>) -> Result<R, E>,
    ) -> Result<(R, Ticket), E> {
        self.sender.shared().check()?;
        let id = self.next_id;
        let others_wait = self.sender.shared().in_flight().insert(id).map_err(Error::from)?;
        let mut numbered = Numbered { requests: self, id, is_sent: false };
        // Only while a server may have answers to send does it matter that somebody receives them.
        let absorb = receiver.filter(|_| others_wait);
        let sent = send(&mut numbered.requests.sender, Header::request(method, id, 0), absorb)?;
        numbered.is_sent = true;
        drop(numbered);
        self.next_id += 1;
        Ok((sent, Ticket::new(id, method)))
    }
}

/// An id that is taken, and given back unless something was sent under it; also where code of the user's panics.
struct Numbered<'s> {
    requests: &'s mut RequestSender,
    id: u64,
    is_sent: bool,
}

impl Drop for Numbered<'_> {
    fn drop(&mut self) {
        if !self.is_sent {
            self.requests.sender.shared().in_flight().remove(self.id);
        }
    }
}

impl ResponseReceiver {
    /// Receives the next response, to whichever request it is.
    ///
    /// # Errors
    /// As [`ClientSession::receive`].
    pub fn receive(&mut self, deadline: Deadline) -> Result<Message<'_>, Error> {
        self.receiver.receive(deadline)
    }

    /// Receives the next response if there is one.
    ///
    /// # Errors
    /// As [`ClientSession::receive`].
    pub fn try_receive(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.receiver.try_receive()
    }

    /// Responses that were received so far.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.receiver.received()
    }
}
