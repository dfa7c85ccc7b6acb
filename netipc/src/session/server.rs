//! A server's side of a session.
//!
//! ```text
//! Arriving -- meet --> ServerSession -- split --> RequestReceiver, ResponseSender
//! ```

use core::time::Duration;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};

use bytes::Bytes;

use super::client::{Connecting, common, item_count, of_length};
use super::config::{ClientConfig, ServerConfig};
use super::error::{BuildError, Error};
use super::listener::{Cause, Rejected};
use super::message::{Message, Ticket};
use super::receive::{Patience, Receiver};
use super::send::{Sender, batch_len, payload_len};
use super::shared::{Permit, Shared};
use crate::buf::Writer;
use crate::proto::{Answer, Assembler, AwaitHello, Limit, Role, Terms};
use crate::sync::{Arc, AtomicUsize};
use crate::sys::Peer;
use crate::transport::{self, Abort, Deadline, Link, LinkError, Script};
use crate::wire::{HEADER_LEN, HELLO_LEN, Header, Status};

/// A hello, and one byte more, to see one that is too long.
const HELLO_ROOM: usize = HEADER_LEN + HELLO_LEN + 1;

/// Who comes in, and under which number.
#[derive(Debug)]
pub(super) struct Door {
    config: Arc<ServerConfig>,
    taken: Arc<AtomicUsize>,
    /// The id of the next session. Those who are refused use none up.
    next_session: u64,
}

impl Door {
    pub(super) fn new(config: &ServerConfig) -> Self {
        Self { config: Arc::new(config.clone()), taken: Arc::default(), next_session: 1 }
    }

    pub(super) const fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }
}

/// A client that has connected and has not said hello yet (docs/protocol.md, section 2).
#[derive(Debug)]
pub struct Arriving {
    link: Link,
    door: Door,
}

/// How far a handshake has come.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a client is in, out, or neither yet")]
pub enum Met {
    /// There is a session.
    Session(Box<ServerSession>),
    /// The client was not let in.
    Rejected(Rejected),
    /// It has said nothing yet.
    Waiting(Arriving),
}

impl AsFd for Arriving {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.wire.as_fd()
    }
}

impl Arriving {
    /// Waits for the client's hello, and answers it.
    ///
    /// # Errors
    /// Why the client was not let in.
    pub fn meet(self, deadline: Deadline) -> Result<ServerSession, Rejected> {
        let Self { link, mut door } = self;
        match hear(link, &mut door, Patience::Until(deadline)) {
            Heard::Session(session) => Ok(*session),
            Heard::Rejected(rejected) => Err(rejected),
            Heard::Nothing(link) => Err(Rejected::new(Some(link.wire.peer()), Cause::TimedOut)),
        }
    }

    /// Looks for the client's hello, and answers it if there is one.
    #[must_use]
    pub fn try_meet(self) -> Met {
        let Self { link, mut door } = self;
        match hear(link, &mut door, Patience::Try) {
            Heard::Session(session) => Met::Session(session),
            Heard::Rejected(rejected) => Met::Rejected(rejected),
            Heard::Nothing(link) => Met::Waiting(Self { link, door }),
        }
    }
}

/// What a client has said.
pub(super) enum Heard {
    Session(Box<ServerSession>),
    Rejected(Rejected),
    Nothing(Link),
}

/// Listens for the hello on `link`, and answers it.
pub(super) fn hear(mut link: Link, door: &mut Door, patience: Patience) -> Heard {
    let peer = link.wire.peer();
    let rejected = |cause| Heard::Rejected(Rejected::new(Some(peer), cause));
    let mut packet = [0; HELLO_ROOM];
    let received = match patience {
        Patience::Until(deadline) => link.incoming.receive(&mut packet, &mut [], deadline).map(Some),
        Patience::Try => link.incoming.try_receive(&mut packet, &mut []),
    };
    let len = match received {
        Ok(None) => return Heard::Nothing(link),
        Ok(Some(len)) => len,
        Err(error) => return rejected(error.into()),
    };
    let config = Arc::clone(&door.config);
    let policy = config.policy(&link);
    let hello = packet.get(..len).unwrap_or(&packet);
    let offer = match AwaitHello::new(&policy).on_packet(hello, || config.allows(&peer)) {
        Answer::Offer(offer) => offer,
        Answer::Refuse(refusal) => {
            // Whether it arrives or not, the client is not served.
            let _ = answer(&mut link, &refusal.packet());
            return rejected(Cause::Refused(refusal));
        }
        Answer::Close(violation) => return rejected(Cause::Violation(of_length(violation, len))),
    };
    let Some(permit) = Permit::take(&door.taken, config.max_sessions) else {
        let refusal = offer.refuse(Status::LimitExceeded);
        let _ = answer(&mut link, &refusal.packet());
        return rejected(Cause::Refused(refusal));
    };
    let (terms, ack) = offer.grant(door.next_session);
    if let Err(error) = answer(&mut link, &ack) {
        return rejected(error.into());
    }
    door.next_session += 1;
    Heard::Session(Box::new(ServerSession::new(link, terms, &config, permit)))
}

/// The socket of a client that has only said hello has room for an answer.
fn answer(link: &mut Link, packet: &[u8]) -> Result<(), LinkError> {
    link.outgoing.send(&[IoSlice::new(packet)], Deadline::after(Duration::ZERO))
}

/// Both sides of a session in this process, over a link without sockets that meets the faults of `script`.
///
/// The client has sent its hello; [`Arriving::meet`] answers it, and then [`Connecting::finish`] has its answer.
///
/// # Errors
/// [`Error::Closed`] where the script cuts the hello off, [`Error::System`] where there is no file descriptor left.
pub fn in_process(
    client: &ClientConfig,
    server: &ServerConfig,
    script: &Script,
) -> Result<(Connecting, Arriving), Error> {
    /// What sockets have by default on Linux.
    const PACKET_SIZE: u32 = 212_960;
    let (ours, theirs) = transport::pair(script, PACKET_SIZE, &client.abort, &server.abort)?;
    let arriving = Arriving { link: theirs, door: Door::new(server) };
    let connecting = Connecting::start(ours, client, Deadline::NEVER)?;
    Ok((connecting, arriving))
}

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
    fn new(link: Link, terms: Terms, config: &ServerConfig, permit: Permit) -> Self {
        let Link { outgoing, incoming, wire, .. } = link;
        let shared = Shared::new(wire, terms, &config.abort, config.max_in_flight, Some(permit));
        let assembler = Assembler::new(Role::Server, &terms);
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

    /// Answers a request without waiting; see [`ResponseSender::try_respond`].
    ///
    /// # Errors
    /// As [`ResponseSender::respond`].
    pub fn try_respond(&mut self, ticket: Ticket, payload: Bytes) -> Result<bool, Error> {
        self.responses.try_respond(ticket, payload)
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
        match self.receiver.receive(Patience::Until(deadline))? {
            Some(message) => Ok(message),
            None => Err(Error::TimedOut),
        }
    }

    /// Receives the next request if there is one.
    ///
    /// # Errors
    /// As [`ServerSession::receive`].
    pub fn try_receive(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.receiver.receive(Patience::Try)
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
        let allowed = self.terms().response_payload;
        let len = self.sender.build(Limit::ResponsePayload, allowed, fill)?;
        let header = header(ticket).with_payload_len(len);
        Ok(self.answered(ticket, |sender| sender.send_draft(header, deadline, None))?)
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
        let sent = self.answered(ticket, |sender| sender.try_send(header, payload))?;
        if !sent {
            self.wait_again(ticket);
        }
        Ok(sent)
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

    fn payload_len(&self, len: u64) -> Result<u32, Error> {
        payload_len(len, Limit::ResponsePayload, self.terms().response_payload)
    }

    /// Sends the answer to a request, which does not wait for one from then on; it does again if that was not sent.
    fn answered<R>(&mut self, ticket: Ticket, send: impl FnOnce(&mut Sender) -> Result<R, Error>) -> Result<R, Error> {
        self.sender.shared().check()?;
        // A client may use the id again as soon as it has the answer.
        if !self.sender.shared().in_flight().remove(ticket.id()) {
            return Err(Error::NotInFlight { id: ticket.id() });
        }
        let sent = send(&mut self.sender);
        if sent.is_err() {
            self.wait_again(ticket);
        }
        sent
    }

    fn wait_again(&self, ticket: Ticket) {
        // It was among those that wait, so there is room for it, unless the client has used its id again: then the
        // request that has it now waits for an answer just so.
        let _ = self.sender.shared().in_flight().insert(ticket.id());
    }
}

const fn header(ticket: Ticket) -> Header {
    Header::response(ticket.method(), ticket.id(), 0)
}
