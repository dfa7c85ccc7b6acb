//! Packets that arrive, checked message by message.
//!
//! Owns: which packet may come next, and what it must look like. It refuses to hold payload bytes, and to go on after a
//! breach.
//!
//! ```text
//!      whole message
//!      .---------.
//!      v         |     first of many          any but the last
//!     Idle ------'  -------------------> Partial ---------.
//!      ^                                  |  ^            |
//!      '----------------------------------'  '------------'
//!                      the last
//!
//!     any state, at the first breach -----> Broken, for good
//! ```

use core::num::NonZeroU32;

use super::{Cut, HEAD, is_error};
use crate::proto::{Breach, Limit, LimitExceeded, Role, Terms, Violation};
use crate::wire::{ChunkHeader, HEADER_LEN, Header, Kind};

/// Checks the packets of one direction, message by message (docs/protocol.md, sections 1.1, 1.4 and 1.5).
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
    #[inline(always)]
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

    #[inline(always)]
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

#[cfg(test)]
mod tests {
    use super::{Assembler, Next, Step};
    use crate::proto::{Breach, Limit, LimitExceeded, Role, Splitter, Terms, Violation};
    use crate::wire::{HEADER_LEN, Header, Kind, Method, Profiles, Rule, Status};

    fn terms() -> Terms {
        Terms {
            profile: Profiles::BASELINE,
            request_payload: 200,
            request_items: 4,
            response_payload: 300,
            response_items: 6,
            packet_size: 100,
            session_id: 1,
        }
    }

    fn request(payload_len: u32) -> Header {
        Header::request(Method::new(3), 7, payload_len)
    }

    fn limit<T>(limit: Limit, asked: u64, allowed: u64) -> Result<T, Breach> {
        Err(LimitExceeded { limit, asked, allowed }.into())
    }

    /// What can come next; the message in the making has 3 packets, of 68, 68 and 14 bytes of body.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Event {
        Whole,
        Part,
        Second,
        Third,
        Empty,
        Junk,
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum State {
        Idle,
        OneOfThree,
        TwoOfThree,
        Broken,
    }

    const STATES: [State; 4] = [State::Idle, State::OneOfThree, State::TwoOfThree, State::Broken];
    const EVENTS: [Event; 6] = [Event::Whole, Event::Part, Event::Second, Event::Third, Event::Empty, Event::Junk];

    fn packet(event: Event) -> Vec<u8> {
        let mut parts = Splitter::new(request(150), 100).unwrap().map(|part| {
            let mut packet = part.head.to_vec();
            packet.resize(HEADER_LEN + part.body.len(), 0xaa);
            packet
        });
        match event {
            Event::Whole => request(0).encode().to_vec(),
            Event::Part => parts.next().unwrap(),
            Event::Second => parts.nth(1).unwrap(),
            Event::Third => parts.nth(2).unwrap(),
            Event::Empty => Vec::new(),
            Event::Junk => vec![0x55; 40],
        }
    }

    fn in_state(state: State) -> Assembler {
        let mut assembler = Assembler::new(Role::Server, &terms());
        let events: &[Event] = match state {
            State::Idle => &[],
            State::OneOfThree => &[Event::Part],
            State::TwoOfThree => &[Event::Part, Event::Second],
            State::Broken => &[Event::Part, Event::Empty],
        };
        for event in events {
            let packet = packet(*event);
            let _ = assembler.on_first(&packet, packet.len());
        }
        assembler
    }

    #[test]
    fn every_state_takes_every_packet_to_the_state_of_its_row() {
        use Event::{Empty, Junk, Part, Second, Third, Whole};
        use State::{Broken, Idle, OneOfThree, TwoOfThree};
        for state in STATES {
            for event in EVENTS {
                let after = match (state, event) {
                    (Idle, Whole) | (TwoOfThree, Third) => Idle,
                    (Idle, Part) => OneOfThree,
                    (OneOfThree, Second) => TwoOfThree,
                    (Idle, Second | Third | Empty | Junk)
                    | (OneOfThree, Whole | Part | Third | Empty | Junk)
                    | (TwoOfThree, Whole | Part | Second | Empty | Junk)
                    | (Broken, _) => Broken,
                };
                let packet = packet(event);
                // Whichever of the two is asked, the state decides.
                for ask in [Assembler::on_first, |a: &mut Assembler, p: &[u8], n| a.on_rest(&p[..p.len().min(32)], n)] {
                    let mut assembler = in_state(state);
                    let step = ask(&mut assembler, &packet, packet.len());
                    let expected = match after {
                        Idle => Ok(Step::Complete(request(if event == Whole { 0 } else { 150 }))),
                        OneOfThree | TwoOfThree => Ok(Step::More(request(150))),
                        Broken => Err(step.unwrap_err()),
                    };
                    assert_eq!(step, expected, "{state:?} {event:?}");
                    assert_eq!(assembler.next(), in_state(after).next(), "{state:?} {event:?}");
                    assert_eq!(assembler.is_idle(), after == Idle, "{state:?} {event:?}");
                    if let Err(breach) = step {
                        for event in EVENTS {
                            assert_eq!(assembler.on_first(&self::packet(event), 40), Err(breach));
                            assert_eq!(assembler.on_rest(&[], 0), Err(breach));
                        }
                    }
                }
            }
        }
        assert_eq!(in_state(Idle).next(), Next::First { room: 100 });
        assert_eq!(in_state(OneOfThree).next(), Next::Rest { at: 68, len: 68 });
        assert_eq!(in_state(TwoOfThree).next(), Next::Rest { at: 136, len: 14 });
        assert_eq!(in_state(Broken).next(), Next::First { room: 100 });
    }

    /// Receives a first packet of this length.
    fn first(role: Role, header: Header, packet_len: usize) -> Result<Step, Breach> {
        let mut assembler = Assembler::new(role, &terms());
        let Next::First { room } = assembler.next() else { panic!("in the middle of nothing") };
        let mut packet = header.encode().to_vec();
        packet.resize(packet_len.clamp(HEADER_LEN, room), 0);
        assembler.on_first(&packet, packet_len)
    }

    #[test]
    fn each_side_takes_its_kind_alone_and_has_its_own_limits() {
        let response = |len| Header::response(Method::new(3), 7, len);
        let cases = [
            (Role::Server, request(200), 100, Ok(Step::More(request(200)))),
            (Role::Server, request(201), 100, limit(Limit::RequestPayload, 201, 200)),
            (Role::Client, response(300), 100, Ok(Step::More(response(300)))),
            (Role::Client, response(301), 100, limit(Limit::ResponsePayload, 301, 300)),
            (Role::Server, request(8).with_batch(4), 40, Ok(Step::Complete(request(8).with_batch(4)))),
            (Role::Server, request(8).with_batch(5), 40, limit(Limit::RequestItems, 5, 4)),
            (Role::Client, response(8).with_batch(6), 40, Ok(Step::Complete(response(8).with_batch(6)))),
            (Role::Client, response(8).with_batch(7), 40, limit(Limit::ResponseItems, 7, 6)),
        ];
        for (role, header, len, expected) in cases {
            assert_eq!(first(role, header, len), expected, "{role:?} {header:?}");
        }
        let control = Header::new(Kind::Control, 1);
        for (role, expected, headers) in [
            (Role::Server, Kind::Request, [response(0), control]),
            (Role::Client, Kind::Response, [request(0), control]),
        ] {
            for header in headers {
                let breach = Violation::UnexpectedKind { expected, found: header.kind() };
                assert_eq!(first(role, header, HEADER_LEN), Err(breach.into()), "{role:?} {header:?}");
            }
        }
    }

    #[test]
    fn of_two_broken_rules_the_earlier_one_is_named() {
        let response = Header::response(Method::new(3), 7, 999).with_item_count(0);
        let cases = [
            (response, 31, Err(Violation::UnexpectedKind { expected: Kind::Request, found: Kind::Response }.into())),
            (request(999).with_item_count(9), 31, Err(Violation::ItemCount { found: 9 }.into())),
            (request(999).with_batch(9), 31, limit(Limit::RequestPayload, 999, 200)),
            (request(8).with_batch(9), 31, limit(Limit::RequestItems, 9, 4)),
            (request(8), 39, Err(Violation::PacketLength { stated: 40, found: 39 }.into())),
            (request(8), 41, Err(Violation::PacketLength { stated: 40, found: 41 }.into())),
            (request(69), 99, Err(Violation::PacketLength { stated: 100, found: 99 }.into())),
            (request(69), usize::MAX, Err(Violation::PacketLength { stated: 100, found: usize::MAX }.into())),
        ];
        for (header, len, expected) in cases {
            // A header that is cut off is named by its bytes, before all that it says.
            if len < HEADER_LEN {
                let breach = first(Role::Server, header, len).unwrap_err();
                let Breach::Violation(Violation::Envelope(error)) = breach else { panic!("{breach:?}") };
                assert_eq!(error.rule(), Rule::Truncated { needed: 32, found: len });
            }
            assert_eq!(first(Role::Server, header, len.max(HEADER_LEN)), expected, "{header:?}");
        }
    }

    #[test]
    fn items_are_counted_but_for_an_error() {
        let response = |status| Header::response(Method::new(3), 7, 0).with_status(status);
        for (flags, count, fine) in
            [(0, 0, false), (0, 1, true), (0, 2, false), (1, 0, false), (1, 1, true), (1, 2, true)]
        {
            let ok = response(Status::Ok).with_flags(flags).with_item_count(count);
            let expected =
                if fine { Ok(Step::Complete(ok)) } else { Err(Violation::ItemCount { found: count }.into()) };
            assert_eq!(first(Role::Client, ok, HEADER_LEN), expected);
            for status in [Status::InternalError, Status::Other(77)] {
                let error = response(status).with_flags(flags).with_item_count(count);
                assert_eq!(first(Role::Client, error, HEADER_LEN), Ok(Step::Complete(error)));
            }
            // A request has no status to report; deployed clients send none.
            let odd = request(0).with_status(Status::InternalError).with_flags(flags).with_item_count(count);
            assert_eq!(first(Role::Server, odd, HEADER_LEN).is_ok(), fine);
        }
        let error = response(Status::InternalError).with_item_count(7);
        assert_eq!(first(Role::Client, error, HEADER_LEN), limit(Limit::ResponseItems, 7, 6));
    }

    #[test]
    fn room_is_a_packet_or_the_longest_message() {
        let room = |packet_size, payload, lower: u32| {
            let terms = Terms { packet_size, request_payload: payload, ..terms() };
            match Assembler::new(Role::Server, &terms).with_payload_limit(lower).next() {
                Next::First { room } => room,
                Next::Rest { .. } => 0,
            }
        };
        let any = u32::MAX;
        assert_eq!((room(100, 68, any), room(100, 67, any), room(100, 69, any)), (100, 99, 100));
        assert_eq!((room(100, 0, any), room(100, 68, 20), room(100, 20, 68)), (32, 52, 52));
        assert_eq!((room(any, any, any), room(0, any, any), room(33, any, any)), (any as usize, 33, 33));
    }

    #[test]
    fn a_lower_limit_stands_in_for_that_of_the_terms() {
        let mut assembler = Assembler::new(Role::Server, &terms()).with_payload_limit(50).with_payload_limit(60);
        assert_eq!(assembler.on_first(&request(51).encode(), 83), limit(Limit::RequestPayload, 51, 50));
    }
}
