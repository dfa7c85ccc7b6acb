//! Messages cut into packets, and put together again.
//!
//! Owns: how a message is cut, and the proof that packets which arrive are those of one message, in order, each as long
//! as it must be, none beyond the limits. It refuses to hold payload bytes: it says where they go, and their owner moves
//! them.
//!
//! ```text
//!             on_first: whole                     on_first: part           on_rest: not the last
//!            .---------------.                  .-----------------> Partial <---------.
//!            '--> Idle ------'   Idle ----------'                   |  |  '-----------'
//!                  ^                                on_rest: last   |  |
//!                  '------------------------------------------------'  '--> Broken, for good
//!                                                   (from any state, at the first breach)
//! ```

use core::iter::FusedIterator;
use core::num::NonZeroU32;
use core::ops::Range;

use super::negotiate::Terms;
use super::{Breach, Limit, LimitExceeded, Role, Violation};
use crate::wire::{Batch, ChunkHeader, HEADER_LEN, Header, Kind, Status};

/// [`HEADER_LEN`] in the width of the lengths on the wire.
const HEAD: u32 = 32;

/// How the bodies of a message's packets follow from its length (docs/protocol.md, section 1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    /// Payload bytes of a full packet; more than 0.
    budget: NonZeroU32,
    /// Header and payload.
    total: u32,
    payload: u32,
    /// Packets, the first included.
    count: u32,
}

impl Cut {
    /// # Errors
    /// [`Limit::MessageLen`] where the total is more than a continuation could state.
    #[inline]
    fn new(header: &Header, budget: NonZeroU32) -> Result<Self, LimitExceeded> {
        let payload = header.payload_len();
        let Some(total) = payload.checked_add(HEAD) else { return Err(too_long(header, u32::MAX)) };
        let count = if payload <= budget.get() { 1 } else { payload.div_ceil(budget.get()) };
        Ok(Self { budget, total, payload, count })
    }

    /// The body of the packet that begins at byte `at` of the payload.
    #[inline]
    fn body_len(&self, at: u32) -> u32 {
        self.payload.saturating_sub(at).min(self.budget.get())
    }
}

#[cold]
fn too_long(header: &Header, allowed: u32) -> LimitExceeded {
    // Where the packet size is to blame, at least one byte behind a header was asked for.
    let asked = header.message_len().max(HEADER_LEN as u64 + 1);
    LimitExceeded { limit: Limit::MessageLen, asked, allowed: u64::from(allowed) }
}

/// Cuts a message into packets (docs/protocol.md, section 1.4).
///
/// It yields heads and ranges of the payload; the payload itself stays where it is.
#[derive(Debug, Clone)]
pub struct Splitter {
    header: Header,
    cut: Cut,
    index: u32,
    at: u32,
}

/// A packet to send: `head`, and behind it the bytes `body` of the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a packet is a head and a body")]
pub struct Packet {
    /// The outer header in the first packet, a continuation header in every other.
    pub head: [u8; HEADER_LEN],
    /// Where the packet's share of the payload stands in it; empty only if the payload is.
    pub body: Range<usize>,
}

impl Splitter {
    /// Cuts the message of this header into packets of at most `packet_size` bytes.
    ///
    /// # Errors
    /// [`Limit::MessageLen`] where header and payload have more bytes than 32 bits can say, or where a packet has no room
    /// behind its header.
    #[inline]
    pub fn new(header: Header, packet_size: u32) -> Result<Self, LimitExceeded> {
        let Some(budget) = packet_size.checked_sub(HEAD).and_then(NonZeroU32::new) else {
            return Err(too_long(&header, packet_size));
        };
        Ok(Self { header, cut: Cut::new(&header, budget)?, index: 0, at: 0 })
    }
}

impl Iterator for Splitter {
    type Item = Packet;

    #[inline]
    fn next(&mut self) -> Option<Packet> {
        if self.index == self.cut.count {
            return None;
        }
        let len = self.cut.body_len(self.at);
        let head = if self.index == 0 {
            self.header.encode()
        } else {
            let chunk = ChunkHeader {
                message_id: self.header.message_id(),
                total_message_len: self.cut.total,
                chunk_index: self.index,
                chunk_count: self.cut.count,
                chunk_payload_len: NonZeroU32::new(len)?,
            };
            chunk.encode()
        };
        let start = self.at as usize;
        self.index += 1;
        self.at += len;
        Some(Packet { head, body: start..self.at as usize })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.cut.count - self.index) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Splitter {}
impl FusedIterator for Splitter {}

/// Checks the packets of one direction, message by message (docs/protocol.md, sections 1.1 and 1.4).
///
/// Ask [`next`](Self::next) where to receive to, and tell [`on_first`](Self::on_first) or [`on_rest`](Self::on_rest) what
/// came. A length is bounded by the terms before anything follows from it.
#[derive(Debug, Clone)]
pub struct Assembler {
    role: Role,
    payload_limit: u32,
    item_limit: u32,
    /// Payload bytes of a full packet.
    budget: NonZeroU32,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Idle,
    /// The next packet is number `index`, and its body begins at byte `at` of the payload.
    Partial {
        header: Header,
        cut: Cut,
        index: u32,
        at: u32,
    },
    Broken(Breach),
}

/// Where the next packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a packet is the first of its message, or it is not")]
pub enum Next {
    /// The first packet of a message.
    First {
        /// The longest that can be right, in bytes, its header included.
        room: usize,
    },
    /// A continuation.
    Rest {
        /// Where its body goes, in bytes from the start of the payload.
        at: usize,
        /// The length that its body must have, in bytes; more than 0.
        len: usize,
    },
}

/// What a packet that is as it should be leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is more to come, or there is not")]
pub enum Step {
    /// The message of this header goes on in the next packet. Its payload is within the limits.
    More(Header),
    /// The message of this header is complete.
    Complete(Header),
}

impl Assembler {
    /// An assembler of the messages that `role` receives under `terms`.
    ///
    /// Terms of a handshake have packets of 33 bytes or more; a smaller size, set by hand, is taken as 33.
    #[must_use]
    pub const fn new(role: Role, terms: &Terms) -> Self {
        let (payload_limit, item_limit) = match role {
            Role::Client => (terms.response_payload, terms.response_items),
            Role::Server => (terms.request_payload, terms.request_items),
        };
        let budget = match NonZeroU32::new(terms.packet_size.saturating_sub(HEAD)) {
            Some(budget) => budget,
            None => NonZeroU32::MIN,
        };
        Self { role, payload_limit, item_limit, budget, state: State::Idle }
    }

    /// The same assembler with this limit for payloads, in bytes, where it is lower than the present one.
    #[must_use]
    pub fn with_payload_limit(self, limit: u32) -> Self {
        Self { payload_limit: self.payload_limit.min(limit), ..self }
    }

    /// Where the next packet goes. After a breach, nothing should be received any more.
    #[inline]
    #[must_use]
    pub fn next(&self) -> Next {
        match &self.state {
            State::Partial { cut, at, .. } => Next::Rest { at: *at as usize, len: cut.body_len(*at) as usize },
            State::Idle | State::Broken(_) => {
                Next::First { room: HEADER_LEN.saturating_add(self.payload_limit.min(self.budget.get()) as usize) }
            }
        }
    }

    /// Whether no message is under way and none was refused.
    #[inline]
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Takes the first packet of a message: what was received of it, and how long it was in truth.
    ///
    /// Only the first 32 bytes are looked at. In the middle of a message it is the same as [`on_rest`](Self::on_rest).
    ///
    /// # Errors
    /// The first breach, in the order of docs/protocol.md, section 1.5; every further call gives the same.
    #[inline]
    pub fn on_first(&mut self, packet: &[u8], packet_len: usize) -> Result<Step, Breach> {
        if !self.is_idle() {
            return self.on_rest(packet, packet_len);
        }
        match self.first(packet, packet_len) {
            Ok((header, cut)) if cut.count == 1 => Ok(Step::Complete(header)),
            Ok((header, cut)) => {
                self.state = State::Partial { header, cut, index: 1, at: cut.budget.get() };
                Ok(Step::More(header))
            }
            Err(breach) => self.refuse(breach),
        }
    }

    /// Takes a continuation: its header, as far as it came, and how long the packet was in truth.
    ///
    /// Only the first 32 bytes are looked at. Between messages it is the same as [`on_first`](Self::on_first).
    ///
    /// # Errors
    /// The first breach, in the order of docs/protocol.md, section 1.5; every further call gives the same.
    pub fn on_rest(&mut self, head: &[u8], packet_len: usize) -> Result<Step, Breach> {
        let (header, cut, index, at) = match self.state {
            State::Partial { header, cut, index, at } => (header, cut, index, at),
            State::Idle => return self.on_first(head, packet_len),
            State::Broken(breach) => return Err(breach),
        };
        let len = cut.body_len(at);
        if let Err(violation) = check_rest(head, packet_len, header.message_id(), &cut, index, len) {
            return self.refuse(violation.into());
        }
        let (index, at) = (index + 1, at + len);
        if at == cut.payload {
            self.state = State::Idle;
            return Ok(Step::Complete(header));
        }
        self.state = State::Partial { header, cut, index, at };
        Ok(Step::More(header))
    }

    #[inline]
    fn first(&self, packet: &[u8], packet_len: usize) -> Result<(Header, Cut), Breach> {
        if packet_len == 0 {
            return Err(Violation::EmptyPacket.into());
        }
        let header = Header::parse(packet.get(..packet_len).unwrap_or(packet))?;
        let (expected, payload, items) = match self.role {
            Role::Client => (Kind::Response, Limit::ResponsePayload, Limit::ResponseItems),
            Role::Server => (Kind::Request, Limit::RequestPayload, Limit::RequestItems),
        };
        if header.kind() != expected {
            return Err(Violation::UnexpectedKind { expected, found: header.kind() }.into());
        }
        let found = header.item_count();
        let counts = if header.is_batch() { found > 0 } else { found == 1 };
        if !counts && !is_error(&header) {
            return Err(Violation::ItemCount { found }.into());
        }
        bounded(payload, header.payload_len(), self.payload_limit)?;
        bounded(items, found, self.item_limit)?;
        let cut = Cut::new(&header, self.budget)?;
        let stated = HEADER_LEN as u64 + u64::from(cut.body_len(0));
        if packet_len as u64 != stated {
            return Err(Violation::PacketLength { stated, found: packet_len }.into());
        }
        Ok((header, cut))
    }

    #[cold]
    fn refuse(&mut self, breach: Breach) -> Result<Step, Breach> {
        self.state = State::Broken(breach);
        Err(breach)
    }
}

/// Deployed servers send an error with the item count and the batch flag of its request, or without.
#[inline]
fn is_error(header: &Header) -> bool {
    header.kind() == Kind::Response && header.status() != Status::Ok
}

#[inline]
fn bounded(limit: Limit, asked: u32, allowed: u32) -> Result<(), LimitExceeded> {
    if asked > allowed {
        return Err(LimitExceeded { limit, asked: u64::from(asked), allowed: u64::from(allowed) });
    }
    Ok(())
}

fn check_rest(
    head: &[u8],
    packet_len: usize,
    message_id: u64,
    cut: &Cut,
    index: u32,
    len: u32,
) -> Result<(), Violation> {
    if packet_len == 0 {
        return Err(Violation::EmptyPacket);
    }
    let chunk = ChunkHeader::parse(head.get(..packet_len).unwrap_or(head))?;
    let fields = [
        ("message_id", 8, message_id, chunk.message_id),
        ("total_message_len", 16, u64::from(cut.total), u64::from(chunk.total_message_len)),
        ("chunk_index", 20, u64::from(index), u64::from(chunk.chunk_index)),
        ("chunk_count", 24, u64::from(cut.count), u64::from(chunk.chunk_count)),
        ("chunk_payload_len", 28, u64::from(len), u64::from(chunk.chunk_payload_len.get())),
    ];
    for (field, offset, expected, found) in fields {
        if expected != found {
            return Err(Violation::Chunk { field, offset, expected, found });
        }
    }
    let stated = HEADER_LEN as u64 + u64::from(len);
    if packet_len as u64 != stated {
        return Err(Violation::PacketLength { stated, found: packet_len });
    }
    Ok(())
}

/// Checks the directory of a batch, be it of one item, before the first item is handed out (docs/protocol.md, section
/// 1.3). A message without the batch flag has none, and neither has a response that reports an error.
///
/// # Errors
/// [`Violation::Envelope`], where [`Batch::parse`] refuses the payload.
pub fn check_batch(header: &Header, payload: &[u8]) -> Result<(), Violation> {
    if !header.is_batch() || is_error(header) {
        return Ok(());
    }
    Batch::parse(payload, header.item_count())?;
    Ok(())
}
