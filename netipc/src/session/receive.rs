//! The receiving half: packets in, messages out.
//!
//! Owns: the buffer that messages are received into, and the order in which a message is held to the rules: its packets,
//! its id, its batch directory. It refuses to copy payloads: the first packet is received where the message will stand,
//! and the body of every other one right behind it.

use std::collections::VecDeque;

use bytes::Bytes;

use super::buffer::{Buffer, message_len};
use super::error::Error;
use super::message::{Message, OwnedMessage};
use super::shared::Shared;
use crate::proto::{Assembler, Breach, Limit, LimitExceeded, Next, Role, Step, Violation, check_batch};
use crate::sync::Arc;
use crate::transport::{Deadline, Incoming, LinkError};
use crate::wire::{HEADER_LEN, Header};

/// Packets that a call takes which are there when its deadline has passed. A message of ours has fewer, and a peer that
/// always has one more ready gains next to no time by it.
const LATE_PACKETS: usize = 512;

/// Whether a call waits.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patience {
    Until(Deadline),
    Try,
}

#[derive(Debug)]
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
    max_backlog: usize,
    received: u64,
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

    /// Whether a message can be had without asking the kernel.
    pub(super) fn has_backlog(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// The next message; `None` only where the call does not wait.
    pub(super) fn receive(&mut self, patience: Patience) -> Result<Option<Message<'_>>, Error> {
        if let Some(message) = self.inbox.pop_front() {
            self.inbox_bytes -= message.payload().len();
            return Ok(Some(Message::kept(message, &mut self.popped)));
        }
        let header = self.assemble(patience)?;
        Ok(header.map(|header| Message::in_buffer(header, &mut self.buffer)))
    }

    /// Puts by one message that can be received at once, if there is one.
    pub(super) fn absorb(&mut self) -> Result<bool, Error> {
        if self.inbox_bytes >= self.max_backlog {
            let (asked, allowed) = (self.inbox_bytes as u64, self.max_backlog as u64);
            return Err(LimitExceeded { limit: Limit::Backlog, asked, allowed }.into());
        }
        let Some(header) = self.assemble(Patience::Try)? else { return Ok(false) };
        let message = Message::in_buffer(header, &mut self.buffer).keep();
        self.inbox_bytes += message.payload().len();
        self.inbox.push_back(message);
        Ok(true)
    }

    /// Receives until a message is complete in the buffer.
    fn assemble(&mut self, patience: Patience) -> Result<Option<Header>, Error> {
        self.shared.check()?;
        let mut late = 0;
        loop {
            let step = match self.assembler.next() {
                Next::First { room } => {
                    let received = packet(&mut *self.incoming, self.buffer.room(room), &mut [], patience);
                    let Some(len) = received.map_err(|error| self.failed(error))? else { return Ok(None) };
                    let packet = self.buffer.room(room);
                    let step = self.assembler.on_first(packet.get(..len).unwrap_or(packet), len);
                    let step = step.and_then(|step| self.is_awaited(step).map(|()| step));
                    step.map_err(|breach| self.shared.end(breach.into()))?
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
                    self.buffer.extend(message_len(&header), kept);
                    if matches!(patience, Patience::Until(deadline) if deadline.has_passed()) {
                        late += 1;
                        if late > LATE_PACKETS {
                            return Err(Error::TimedOut);
                        }
                    }
                }
                Step::Complete(header) => return self.complete(header).map(Some),
            }
        }
    }

    /// Whether a message with this id may come.
    fn is_awaited(&self, step: Step) -> Result<(), Breach> {
        let (Step::More(header) | Step::Complete(header)) = step;
        let id = header.message_id();
        let mut in_flight = self.shared.in_flight();
        let is_awaited = match (self.role, step) {
            (Role::Server, _) => return in_flight.insert(id),
            // It waits for its answer until that is complete.
            (Role::Client, Step::More(_)) => in_flight.contains(id),
            (Role::Client, Step::Complete(_)) => in_flight.remove(id),
        };
        if is_awaited { Ok(()) } else { Err(Violation::UnknownId { id }.into()) }
    }

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
            LinkError::EmptyPacket | LinkError::Aborted => self.shared.end(error.into()),
            LinkError::TimedOut | LinkError::System(_) => error.into(),
        }
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
