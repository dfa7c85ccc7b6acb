//! A peer that speaks the wire and nothing else: bytes put together by hand, over a bare socket or a bare region.
//!
//! Owns: both ends of a handshake and of a session, written from docs/protocol.md with the oracle beside it, and without
//! the envelope or the sessions of the crate under test.

use std::num::NonZeroU64;

use netipc::endpoint::Endpoint;
use netipc_tests::oracle::handshake::{Outcome, Policy, Reply, client, server};
use netipc_tests::oracle::packets::{Bounds, End, Message, receive, split};
use netipc_tests::raw::{Raw, RawServer};
use netipc_tests::region::{Layout, RawRegion};

pub const BASELINE: u32 = 1;
pub const SHM_HYBRID: u32 = 2;
pub const TOKEN: u64 = 0x1234_5678_9abc_def0;
/// What our sockets take in one packet.
pub const PACKETS: u32 = 212_960;

/// The 32 bytes in front of a message.
pub fn head(kind: u16, flags: u16, code: u16, status: u16, len: usize, items: u32, id: u64) -> Vec<u8> {
    let mut head = 0x4e49_5043_u32.to_ne_bytes().to_vec();
    for half in [1, 32, kind, flags, code, status] {
        head.extend(half.to_ne_bytes());
    }
    head.extend(u32::try_from(len).unwrap().to_ne_bytes());
    head.extend(items.to_ne_bytes());
    head.extend(id.to_ne_bytes());
    head
}

/// What a client proposes.
#[derive(Debug, Clone, Copy)]
pub struct Hello {
    pub profiles: u32,
    pub request: u32,
    pub items: u32,
    pub token: u64,
    pub packet_size: u32,
}

impl Hello {
    pub fn packet(&self) -> Vec<u8> {
        let mut packet = head(3, 0, 1, 0, 44, 1, 0);
        packet.extend([1_u16, 0].map(u16::to_ne_bytes).concat());
        let words = [self.profiles, self.profiles, self.request, self.items, 1024, self.items, 0];
        packet.extend(words.map(u32::to_ne_bytes).concat());
        packet.extend(self.token.to_ne_bytes());
        packet.extend(self.packet_size.to_ne_bytes());
        packet
    }
}

pub fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes(bytes[at..at + 2].try_into().unwrap())
}

/// A batch of these items, padded behind the last one or not, as deployed builders leave it.
pub fn batch(items: &[Vec<u8>], is_padded: bool) -> Vec<u8> {
    let mut directory = Vec::new();
    let mut packed: Vec<u8> = Vec::new();
    for item in items {
        packed.resize(packed.len().next_multiple_of(8), 0);
        for number in [packed.len(), item.len()] {
            directory.extend(u32::try_from(number).unwrap().to_ne_bytes());
        }
        packed.extend(item);
    }
    if is_padded {
        packed.resize(packed.len().next_multiple_of(8), 0);
    }
    [directory, packed].concat()
}

/// The items of a batch, which must be padded with zeros.
pub fn items(payload: &[u8], count: usize) -> Vec<Vec<u8>> {
    assert_eq!(payload.len() % 8, 0, "padded");
    let (directory, packed) = payload.split_at(count * 8);
    let mut end = 0;
    let of = |entry: &[u8]| {
        let (offset, len) = (word(entry, 0) as usize, word(entry, 4) as usize);
        assert_eq!(offset, end, "one behind the other");
        end = (offset + len).next_multiple_of(8);
        assert!(packed[offset + len..end].iter().all(|byte| *byte == 0), "padding");
        packed[offset..offset + len].to_vec()
    };
    let items = directory.chunks(8).map(of).collect();
    assert_eq!(end, packed.len());
    items
}

/// What was agreed on.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub profile: u32,
    pub request: u32,
    pub items: u32,
    pub response: u32,
    pub packet_size: u32,
    pub session_id: u64,
}

impl Terms {
    fn of(ack: &[u8]) -> Self {
        let body = &ack[32..];
        Self {
            profile: word(body, 12),
            request: word(body, 16),
            items: word(body, 20),
            response: word(body, 24),
            packet_size: word(body, 32),
            session_id: u64::from_ne_bytes(body[40..48].try_into().unwrap()),
        }
    }
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Came {
    pub code: u16,
    pub flags: u16,
    pub status: u16,
    pub items: u32,
    pub id: u64,
    pub payload: Vec<u8>,
}

/// One end of a session.
pub struct Wire {
    pub terms: Terms,
    raw: Raw,
    region: Option<RawRegion>,
    /// 1 for who receives requests, 2 for who receives responses.
    receives: u16,
    /// The id of the last message that came.
    last: Option<u64>,
}

impl Wire {
    /// Says hello to a server, and holds its answer to the oracle's.
    pub fn enter(endpoint: &Endpoint, hello: &Hello, policy: &Policy) -> Result<Self, u16> {
        let raw = Raw::connect(endpoint);
        let said = hello.packet();
        raw.send(&said).unwrap();
        let ack = raw.receive().expect("an answer");
        match client(&said[32..], &ack) {
            Outcome::Session => {}
            Outcome::Refused(status) => {
                assert_eq!(Reply::Refuse(ack), server(policy, &said, 0), "byte for byte");
                raw.assert_closed("refused");
                return Err(status);
            }
            other => panic!("{other:?}"),
        }
        let terms = Terms::of(&ack);
        assert_eq!(Reply::Accept(ack), server(policy, &said, terms.session_id), "byte for byte");
        let region = (terms.profile == SHM_HYBRID).then(|| RawRegion::attach(&endpoint.region_path(terms.session_id)));
        Ok(Self { terms, raw, region, receives: 2, last: None })
    }

    /// Lets the next client in, or refuses it, as the oracle does.
    pub fn admit(
        listener: &RawServer,
        endpoint: &Endpoint,
        policy: &Policy,
        session_id: NonZeroU64,
    ) -> Result<Self, u16> {
        let raw = listener.accept();
        let said = raw.receive().expect("a hello");
        let ack = match server(policy, &said, session_id.get()) {
            Reply::Accept(ack) => ack,
            Reply::Refuse(refusal) => {
                raw.send(&refusal).unwrap();
                return Err(half(&refusal, 14));
            }
            Reply::Close => panic!("no hello: {said:?}"),
        };
        let terms = Terms::of(&ack);
        let region = (terms.profile == SHM_HYBRID).then(|| {
            RawRegion::create(&endpoint.region_path(terms.session_id), Layout::of(terms.request, terms.response))
        });
        raw.send(&ack).unwrap();
        Ok(Self { terms, raw, region, receives: 1, last: None })
    }

    /// Sends a message.
    pub fn send(&self, head: &[u8], payload: &[u8]) {
        let message = [head, payload].concat();
        match &self.region {
            Some(region) => region.publish(&message),
            None if message.len() <= self.terms.packet_size as usize => self.raw.send(&message).unwrap(),
            None => self.raw.send_all(&split(head, payload, self.terms.packet_size as usize)),
        }
    }

    /// Receives a message, and holds it to the oracle; `None` at the end of the connection.
    pub fn receive(&mut self) -> Option<Came> {
        let is_request = self.receives == 1;
        let bounds = Bounds {
            kind: self.receives,
            packet_size: if self.region.is_some() { u32::MAX } else { self.terms.packet_size }.into(),
            payload: if is_request { self.terms.request } else { self.terms.response }.into(),
            items: self.terms.items.into(),
        };
        let packets = match &mut self.region {
            Some(region) => loop {
                if let Some(message) = region.try_receive(core::time::Duration::from_millis(20)) {
                    break vec![message];
                }
                if self.raw.has_ended() {
                    break vec![region.try_receive(core::time::Duration::ZERO)?];
                }
            },
            None => {
                let mut packets = vec![self.raw.receive()?];
                let total = 32 + word(&packets[0], 16) as usize;
                let bodies = |packets: &[Vec<u8>]| packets.iter().map(|packet| packet.len() - 32).sum::<usize>();
                while bodies(&packets) + 32 < total {
                    packets.push(self.raw.receive().expect("the rest"));
                }
                packets
            }
        };
        let (mut messages, end) = receive(&bounds, &packets);
        assert_eq!(end, End::Idle);
        let Message { head, payload } = messages.pop().expect("a message");
        assert_eq!(messages.len(), 0);
        let id = u64::from_ne_bytes(head[24..32].try_into().unwrap());
        self.last = Some(id);
        let (flags, code, status) = (half(&head, 10), half(&head, 12), half(&head, 14));
        Some(Came { code, flags, status, items: word(&head, 20), id, payload })
    }

    /// Asserts that the peer hangs up, and says nothing more. Over a region a server's farewell is allowed: to clients that
    /// look at nothing but the words it shows its last answer once more.
    pub fn assert_over(&mut self) {
        if self.region.is_none() {
            assert_eq!(self.raw.receive(), None);
            return;
        }
        let last = self.last;
        if let Some(again) = self.receive() {
            assert_eq!((self.receives, Some(again.id)), (2, last), "no farewell: {again:?}");
            assert_eq!(self.receive(), None);
        }
    }
}
