//! The receiving half: packets in, messages out.
//!
//! Owns: the order in which a message is held to the rules: its packets, its id, its batch directory. It refuses to copy
//! payloads: the first packet is received where the message will stand, and the body of every other one right behind it.

use core::fmt;
use std::collections::VecDeque;

use bytes::Bytes;

use super::buffer::{Buffer, message_len};
use super::error::Error;
use super::message::{Message, OwnedMessage};
use super::shared::Shared;
use crate::proto::{Assembler, Breach, Limit, LimitExceeded, Next, Role, Step, Violation, check_batch};
use crate::sync::Arc;
use crate::transport::{Berth, Deadline, Expected, Incoming, LinkError};
use crate::wire::{HEADER_LEN, Header};

/// Packets that a call takes which does not wait, or whose deadline has passed. A message of ours has fewer, and a peer
/// that always has one more ready gains next to no time by it.
const LATE_PACKETS: usize = 512;

/// Whether a call waits.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    Until(Deadline),
    Try,
}

pub(super) struct Receiver {
    incoming: Box<dyn Incoming>,
    shared: Arc<Shared>,
    role: Role,
    assembler: Assembler,
    buffer: Buffer,
    /// Messages that were received while a request found no room.
    inbox: VecDeque<OwnedMessage>,
    inbox_bytes: usize,
    /// The payload that was taken from there last.
    popped: Bytes,
    /// Whether the last message is that one.
    is_popped: bool,
    max_backlog: usize,
    received: u64,
}

/// What was received is for nobody's log, and may be large.
impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("shared", &self.shared)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl Receiver {
    pub(super) fn new(
        incoming: Box<dyn Incoming>,
        shared: Arc<Shared>,
        role: Role,
        assembler: Assembler,
        max_backlog: usize,
    ) -> Self {
        Self {
            incoming,
            shared,
            role,
            assembler,
            buffer: Buffer::default(),
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            popped: Bytes::new(),
            is_popped: false,
            max_backlog,
            received: 0,
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Messages that were received so far.
    pub(super) const fn received(&self) -> u64 {
        self.received
    }

    /// Where it sleeps without a thread of its own, if it can.
    pub(super) fn berth(&self) -> Option<Berth> {
        self.incoming.berth()
    }

    /// Whether a message can be had without asking the kernel.
    pub(super) fn has_backlog(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// The next message.
    pub(super) fn receive(&mut self, deadline: Deadline) -> Result<Message<'_>, Error> {
        // Who waits has a message or an error.
        self.next(Patience::Until(deadline))?.ok_or(Error::TimedOut)
    }

    /// The next message, if it is there.
    pub(super) fn try_receive(&mut self) -> Result<Option<Message<'_>>, Error> {
        self.next(Patience::Try)
    }

    fn next(&mut self, patience: Patience) -> Result<Option<Message<'_>>, Error> {
        if let Some(message) = self.inbox.pop_front() {
            self.inbox_bytes -= message_len(message.header());
            self.is_popped = true;
            return Ok(Some(Message::kept(message, &mut self.popped)));
        }
        let header = self.assemble(patience)?;
        self.is_popped = false;
        Ok(header.map(|header| Message::in_buffer(header, &mut self.buffer)))
    }

    /// The payload of the last message, which had this header, for as long as nothing else is received.
    pub(super) fn last(&self, header: &Header) -> &[u8] {
        if self.is_popped { &self.popped } else { self.buffer.payload(header) }
    }

    /// The same, for as long as one likes. It is asked for once.
    pub(super) fn keep_last(&mut self, header: &Header) -> Bytes {
        if self.is_popped { core::mem::take(&mut self.popped) } else { self.buffer.give(header) }
    }

    /// Puts by one message that can be received at once, if there is one.
    pub(super) fn absorb(&mut self) -> Result<bool, Error> {
        if self.inbox_bytes >= self.max_backlog {
            let (asked, allowed) = (self.inbox_bytes as u64, self.max_backlog as u64);
            return Err(LimitExceeded { limit: Limit::Backlog, asked, allowed }.into());
        }
        let Some(header) = self.assemble(Patience::Try)? else { return Ok(false) };
        let message = Message::in_buffer(header, &mut self.buffer).keep();
        // An empty one takes room too.
        self.inbox_bytes += message_len(message.header());
        self.inbox.push_back(message);
        Ok(true)
    }

    /// Receives until a message is complete in the buffer.
    ///
    /// A header comes back from here with every message: inlined, it stays where it was parsed.
    #[inline(always)]
    fn assemble(&mut self, patience: Patience) -> Result<Option<Header>, Error> {
        self.shared.check()?;
        let mut late = 0;
        loop {
            let step = match self.assembler.next() {
                Next::First { room } => {
                    let expected = expected(&mut *self.incoming, patience).map_err(|error| self.failed(error))?;
                    let Some(expected) = expected else { return Ok(None) };
                    let room = match expected.len() {
                        None => self.buffer.room(room),
                        Some(len) => {
                            let whole = self.buffer.room_for_whole(len.min(room), room);
                            whole.map_err(|error| self.shared.end(error.into()))?
                        }
                    };
                    let received = packet(&mut *self.incoming, room, &mut [], patience);
                    let Some(len) = received.map_err(|error| self.failed(error))? else { return Ok(None) };
                    // Matches, and no closures: each would move a header once more.
                    let step = match self.assembler.on_first(self.buffer.front(len), len) {
                        Ok(step) => step,
                        Err(breach) => return Err(self.shared.end(breach.into())),
                    };
                    if let Err(breach) = self.is_awaited(&step) {
                        return Err(self.shared.end(breach.into()));
                    }
                    step
                }
                Next::Rest { at, len } => {
                    let mut head = [0; HEADER_LEN];
                    let body = self.buffer.body(at, len);
                    let received = packet(&mut *self.incoming, &mut head, body, patience);
                    let Some(len) = received.map_err(|error| self.failed(error))? else { return Ok(None) };
                    let step = self.assembler.on_rest(head.get(..len).unwrap_or(&head), len);
                    let step = step.map_err(|breach| self.shared.end(breach.into()))?;
                    if let (Role::Client, Step::Complete(header)) = (self.role, step) {
                        self.shared.in_flight().remove(header.message_id());
                    }
                    step
                }
            };
            match step {
                Step::More(header) => {
                    // Once for a message: the second packet finds all the room there.
                    let kept = match self.assembler.next() {
                        Next::Rest { at, .. } => HEADER_LEN.saturating_add(at),
                        Next::First { .. } => 0,
                    };
                    let extended = self.buffer.extend(message_len(&header), kept);
                    extended.map_err(|error| self.shared.end(error.into()))?;
                    let is_late = match patience {
                        Patience::Until(deadline) => deadline.has_passed(),
                        Patience::Try => true,
                    };
                    late += usize::from(is_late);
                    if late > LATE_PACKETS {
                        return if let Patience::Try = patience { Ok(None) } else { Err(Error::TimedOut) };
                    }
                }
                Step::Complete(header) => return self.complete(header).map(Some),
            }
        }
    }

    /// Whether a message with this id may come.
    #[inline]
    fn is_awaited(&self, step: &Step) -> Result<(), Breach> {
        let (Step::More(header) | Step::Complete(header)) = step;
        let id = header.message_id();
        let in_flight = self.shared.in_flight();
        let is_awaited = match (self.role, step) {
            (Role::Server, _) => return in_flight.insert(id).map(drop),
            // It waits for its answer until that is complete.
            (Role::Client, Step::More(_)) => in_flight.contains(id),
            (Role::Client, Step::Complete(_)) => in_flight.remove(id),
        };
        if is_awaited { Ok(()) } else { Err(Violation::UnknownId { id }.into()) }
    }

    #[inline(always)]
    fn complete(&mut self, header: Header) -> Result<Header, Error> {
        if let Err(violation) = check_batch(&header, self.buffer.payload(&header)) {
            return Err(self.shared.end(violation.into()));
        }
        self.received += 1;
        Ok(header)
    }

    #[cold]
    fn failed(&self, error: LinkError) -> Error {
        match error {
            // The other half may have ended the session while this one waited.
            LinkError::Closed => match self.shared.check() {
                Err(reason) => reason,
                Ok(()) => Error::Closed { mid_message: !self.assembler.is_idle() },
            },
            LinkError::EmptyPacket | LinkError::Corrupt(_) | LinkError::Aborted => self.shared.end(error.into()),
            LinkError::TimedOut | LinkError::System(_) => error.into(),
        }
    }
}

#[inline]
fn expected(incoming: &mut dyn Incoming, patience: Patience) -> Result<Option<Expected>, LinkError> {
    match patience {
        Patience::Until(deadline) => incoming.expect(deadline).map(Some),
        Patience::Try => incoming.try_expect(),
    }
}

#[inline]
fn packet(
    incoming: &mut dyn Incoming,
    head: &mut [u8],
    body: &mut [u8],
    patience: Patience,
) -> Result<Option<usize>, LinkError> {
    match patience {
        Patience::Until(deadline) => incoming.receive(head, body, deadline).map(Some),
        Patience::Try => incoming.try_receive(head, body),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::LATE_PACKETS;
    use crate::session::{ClientConfig, Deadline, Script, ServerConfig, in_process};
    use crate::wire::Method;

    #[test]
    fn who_does_not_wait_takes_so_many_packets_at_a_time_only() {
        let (connecting, arriving) =
            in_process(&ClientConfig::new().packet_size(33), &ServerConfig::new(), &Script::new()).unwrap();
        let mut server = arriving.meet(Deadline::NEVER).unwrap();
        let mut client = connecting.finish(Deadline::NEVER).unwrap();
        let payload = Bytes::from(vec![7; LATE_PACKETS + 2]);
        client.try_send(Method::new(1), payload.clone()).unwrap().unwrap();
        assert!(!client.wants_write());
        assert!(server.try_receive().unwrap().is_none());
        assert_eq!(server.try_receive().unwrap().unwrap().payload(), payload);
    }
}
