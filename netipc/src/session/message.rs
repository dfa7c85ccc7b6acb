//! A message that was received.

use core::fmt;

use bytes::Bytes;

use super::buffer::Buffer;
use crate::wire::{Batch, Header, Method, Status};

/// Which request a request is, and which one a response answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    id: u64,
    method: Method,
}

impl Ticket {
    pub(super) const fn new(id: u64, method: Method) -> Self {
        Self { id, method }
    }

    /// The `message_id` on the wire; requests of our clients count from 1.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The method asked for.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "request {} of {}", self.id, self.method)
    }
}

/// A message, in the buffer that it was received into.
pub struct Message<'a> {
    header: Header,
    place: Place<'a>,
}

enum Place<'a> {
    /// Valid until the next message is received.
    Buffer(&'a mut Buffer),
    /// Put by before it was asked for.
    Kept(&'a mut Bytes),
}

/// The payload is not printed, as it may be large.
impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("header", &self.header).finish_non_exhaustive()
    }
}

impl<'a> Message<'a> {
    pub(super) const fn in_buffer(header: Header, buffer: &'a mut Buffer) -> Self {
        Self { header, place: Place::Buffer(buffer) }
    }

    /// A message that was kept before; its payload goes to `slot` for as long as the message lives.
    pub(super) fn kept(message: OwnedMessage, slot: &'a mut Bytes) -> Self {
        *slot = message.payload;
        Self { header: message.header, place: Place::Kept(slot) }
    }

    /// The header as it came, proven (docs/protocol.md, section 1.1).
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Which request this is, or answers.
    #[must_use]
    pub const fn ticket(&self) -> Ticket {
        Ticket::new(self.header.message_id(), Method::new(self.header.code()))
    }

    /// How the transport of the request went, in a response (docs/protocol.md, section 1.2).
    #[must_use]
    pub const fn status(&self) -> Status {
        self.header.status()
    }

    /// The payload.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        match &self.place {
            Place::Buffer(buffer) => buffer.payload(&self.header),
            Place::Kept(payload) => payload,
        }
    }

    /// The payload, for as long as nothing else is received.
    #[must_use]
    pub fn into_payload(self) -> &'a [u8] {
        match self.place {
            Place::Buffer(buffer) => buffer.payload(&self.header),
            Place::Kept(payload) => payload,
        }
    }

    /// The items of a batch, all of them proven to lie inside the payload; `None` for a message that is no batch.
    #[must_use]
    pub fn batch(&self) -> Option<Batch<'_>> {
        batch(&self.header, self.payload())
    }

    /// The same message, for as long as one likes and in any thread. Nothing is copied: it takes its share of the
    /// buffer with it, and holds the memory of the whole buffer until it and its neighbours are dropped. That is a
    /// megabyte and a packet more than the message, or four times its size, at most, but for a session's first message
    /// that is kept: it has whatever buffer there is.
    #[must_use]
    pub fn keep(self) -> OwnedMessage {
        let payload = match self.place {
            Place::Buffer(buffer) => buffer.take(&self.header),
            Place::Kept(payload) => core::mem::take(payload),
        };
        OwnedMessage { header: self.header, payload }
    }
}

fn batch<'a>(header: &Header, payload: &'a [u8]) -> Option<Batch<'a>> {
    // It was checked when it came; what does not parse is an error report, which has no items.
    if header.is_batch() { Batch::parse(payload, header.item_count()).ok() } else { None }
}

/// A message of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedMessage {
    header: Header,
    payload: Bytes,
}

impl OwnedMessage {
    /// The header as it came, proven (docs/protocol.md, section 1.1).
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Which request this is, or answers.
    #[must_use]
    pub const fn ticket(&self) -> Ticket {
        Ticket::new(self.header.message_id(), Method::new(self.header.code()))
    }

    /// How the transport of the request went, in a response (docs/protocol.md, section 1.2).
    #[must_use]
    pub const fn status(&self) -> Status {
        self.header.status()
    }

    /// The payload.
    #[must_use]
    pub const fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// The payload alone.
    #[must_use]
    pub fn into_payload(self) -> Bytes {
        self.payload
    }

    /// The items of a batch, all of them proven to lie inside the payload; `None` for a message that is no batch.
    #[must_use]
    pub fn batch(&self) -> Option<Batch<'_>> {
        batch(&self.header, &self.payload)
    }
}
