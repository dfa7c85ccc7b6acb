//! What a peer may do over a region that it must not, for both roles, and how each ends the session.

use core::sync::atomic::Ordering;

use netipc::proto::Role;
use netipc::session::{Limit, Violation};
use netipc::wire::{CHUNK_MAGIC, Header, Kind, Rule, Structure};
use netipc_tests::hostile::{End, header_field, packet_length};
use netipc_tests::raw::{ITEMS, patched, whole};
use netipc_tests::region::{REQUEST, RESPONSE, RawRegion, Words};

use super::{AHEAD, AWAITED, CAPACITY, MARKS, METHOD, PAYLOAD};

/// The words that the peer of whoever stands on the side of `role` publishes by.
pub(crate) const fn words(role: Role) -> Words {
    match role {
        Role::Client => RESPONSE,
        Role::Server => REQUEST,
    }
}

/// A message of 8 bytes to who stands on the side of `role`, which may come.
pub(crate) fn message(role: Role) -> Vec<u8> {
    header(role, 8, 0).encode().into_iter().chain([7; 8]).collect()
}

/// The header of message number `number` that may come; a client waits for one alone.
pub(crate) fn header(role: Role, payload_len: u32, number: u64) -> Header {
    match role {
        Role::Client => Header::response(METHOD, 1 + number, payload_len),
        Role::Server => Header::request(METHOD, 2 + number, payload_len),
    }
}

/// What a peer does, and how the session ends.
pub(crate) struct Breach {
    pub(crate) name: String,
    /// What it does instead of publishing a message.
    pub(crate) act: Box<dyn Fn(&RawRegion)>,
    pub(crate) end: End,
}

fn breach(name: impl Into<String>, end: End, act: impl Fn(&RawRegion) + 'static) -> Breach {
    Breach { name: name.into(), act: Box::new(act), end }
}

fn region(field: &'static str, offset: usize, found: u64) -> End {
    End::Breaks(Violation::Region { field, offset, found })
}

/// What cannot stand in the words.
pub(crate) fn wrong_words(role: Role) -> Vec<Breach> {
    let words = words(role);
    let (seq, len) = match role {
        Role::Client => ("resp_seq", "resp_len"),
        Role::Server => ("req_seq", "req_len"),
    };
    let mut breaches = Vec::new();
    let lengths = [0, CAPACITY + 1, CAPACITY + 64, 1 << 20, AHEAD - 1, !(MARKS | AWAITED | AHEAD)];
    for len_said in lengths {
        for marks in [0, MARKS, AWAITED, MARKS | AWAITED | AHEAD] {
            let said = len_said | marks;
            let end = region(len, words.len, said.into());
            breaches.push(breach(format!("a length of {said:#x}"), end, move |region| {
                region.write_message(&message(role));
                region.announce(said);
            }));
        }
    }
    // A client has received nothing yet, a server one request.
    let now: u64 = if role == Role::Client { 0 } else { 1 };
    for (name, found) in [
        ("two messages at once", now + 2),
        ("three messages at once", now + 3),
        ("a number back", now.wrapping_sub(1)),
        ("two back", now.wrapping_sub(2)),
        ("the largest number", u64::MAX - now),
        ("half of all numbers", 1 << 63),
        ("a carry too far", now + 1 + (1 << 32)),
    ] {
        breaches.push(breach(name, region(seq, words.seq, found), move |region| {
            region.write_message(&message(role));
            region.word32(words.len).store(40, Ordering::Release);
            region.word64(words.seq).store(found, Ordering::Release);
            region.word32(words.signal).fetch_add(1, Ordering::Release);
            region.wake(words.signal);
        }));
    }
    breaches.push(breach("two publications before one was received", region(seq, words.seq, now + 2), move |region| {
        region.publish(&message(role));
        region.publish(&whole(header(role, 0, 1), b""));
    }));
    breaches
}

/// Messages that are not what they should be.
pub(crate) fn wrong_messages(role: Role) -> Vec<Breach> {
    let message = message(role);
    let published = |name: &str, end, packet: Vec<u8>| breach(name, end, move |region| region.publish(&packet));
    let (kind, other) = match role {
        Role::Client => (Kind::Response, Kind::Request),
        Role::Server => (Kind::Request, Kind::Response),
    };
    let (payload, items) = match role {
        Role::Client => (Limit::ResponsePayload, Limit::ResponseItems),
        Role::Server => (Limit::RequestPayload, Limit::RequestItems),
    };
    let patch = |at: usize, bytes: &[u8]| patched(&message, at, bytes);
    let stated = |len: u32| patch(16, &len.to_ne_bytes());
    let unexpected = |found| End::Breaks(Violation::UnexpectedKind { expected: kind, found });
    let beyond = |asked: u32| End::Beyond(payload, asked.into(), PAYLOAD.into());
    let magic = |found| header_field("magic", 0, Rule::Magic { expected: 0x4e49_5043, found });
    let batch = |count: u32, entries: &[u32], packed: usize| {
        let mut body: Vec<u8> = entries.iter().flat_map(|word| word.to_ne_bytes()).collect();
        body.resize(body.len() + packed, 0);
        whole(header(role, u32::try_from(body.len()).unwrap(), 0).with_batch(count), &body)
    };
    let directory = |field, offset, rule| End::Bytes(Structure::Batch, field, offset, rule);
    let full = |len: u32| whole(header(role, len, 0), &vec![7; len as usize]);
    let mut breaches: Vec<Breach> = (1..32)
        .map(|len| {
            let end = End::CutOff(Structure::Header, 32, len);
            published(&format!("{len} bytes of a header"), end, message[..len].to_vec())
        })
        .collect();
    breaches.extend([
        published("payload_len 0 before 8 bytes", packet_length(32, 40), stated(0)),
        published("payload_len one too small", packet_length(39, 40), stated(7)),
        published("payload_len one too large", packet_length(41, 40), stated(9)),
        published("payload_len of the limit before 8 bytes", packet_length(1056, 40), stated(PAYLOAD)),
        published("payload_len beyond the limit", beyond(PAYLOAD + 1), stated(PAYLOAD + 1)),
        published("payload_len with a total that wraps", beyond(u32::MAX - 31), stated(u32::MAX - 31)),
        published("payload_len of all ones", beyond(u32::MAX), stated(u32::MAX)),
        published("a message that fits the area, and not the limit", beyond(PAYLOAD + 1), full(PAYLOAD + 1)),
        published("as much as the area holds", beyond(CAPACITY - 32), full(CAPACITY - 32)),
        published("the area, full of zeros", magic(0), vec![0; CAPACITY as usize]),
        published("the first of two chunks", packet_length(1056, 132), whole(header(role, PAYLOAD, 0), &[7; 100])),
        published("a continuation", magic(CHUNK_MAGIC), patch(0, &CHUNK_MAGIC.to_ne_bytes())),
        published("no magic", magic(0), patch(0, &[0; 4])),
        published(
            "version 2",
            header_field("version", 4, Rule::Version { expected: 1, found: 2 }),
            patch(4, &2_u16.to_ne_bytes()),
        ),
        published("kind 0", header_field("kind", 8, Rule::Kind { found: 0 }), patch(8, &[0; 2])),
        published("the wrong kind", unexpected(other), patch(8, &other.raw().to_ne_bytes())),
        published("a control message", unexpected(Kind::Control), patch(8, &Kind::Control.raw().to_ne_bytes())),
        published("item_count 2 and no batch", End::Breaks(Violation::ItemCount { found: 2 }), patch(20, &[2])),
        published("a batch of 0", End::Breaks(Violation::ItemCount { found: 0 }), batch(0, &[0, 8], 8)),
        published("a batch beyond the limit", End::Beyond(items, 5, ITEMS.into()), batch(5, &[0; 10], 8)),
        published(
            "a directory cut short",
            directory("directory", 15, Rule::Truncated { needed: 16, found: 15 }),
            whole(header(role, 15, 0).with_batch(2), &[0; 15]),
        ),
        published(
            "an item that leaves the batch",
            directory("entry length", 12, Rule::InBounds { end: 17, limit: 16 }),
            batch(2, &[0, 8, 8, 9], 16),
        ),
        published(
            "an item whose end wraps",
            directory("entry offset", 0, Rule::InBounds { end: 0xffff_fff8, limit: 16 }),
            batch(1, &[0xffff_fff8, 0x10], 16),
        ),
    ]);
    breaches.push(match role {
        Role::Client => published(
            "an answer to nothing",
            End::Breaks(Violation::UnknownId { id: 99 }),
            patch(24, &99_u64.to_ne_bytes()),
        ),
        Role::Server => published(
            "an id that is taken",
            End::Breaks(Violation::DuplicateId { id: 1 }),
            patch(24, &1_u64.to_ne_bytes()),
        ),
    });
    breaches
}
