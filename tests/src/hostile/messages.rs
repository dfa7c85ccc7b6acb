//! Messages of one packet.

use netipc::proto::Role;
use netipc::session::{Limit, Violation};
use netipc::wire::{CHUNK_MAGIC, Control, Header, Kind, MAGIC, Rule, Structure};

use super::{Case, End, Victim, header_field, packet_length};
use crate::raw::{
    ITEMS, PACKET_SIZE, PAYLOAD, ack_packet, chunked, good_ack, good_hello, hello_packet, patched, whole,
};

/// Headers that are wrong by their bytes or come at the wrong time.
pub(super) fn headers(victim: Victim) -> Vec<Case> {
    let message = victim.message();
    let bad = |name: &str, at: usize, bytes: &[u8], end| Case::new(name, vec![patched(&message, at, bytes)], end);
    let magic = |found| header_field("magic", 0, Rule::Magic { expected: MAGIC, found });
    let version = |found| header_field("version", 4, Rule::Version { expected: 1, found });
    let header_len = |found| header_field("header_len", 6, Rule::HeaderLen { expected: 32, found });
    let kind = |found| header_field("kind", 8, Rule::Kind { found });
    let unexpected = |found| End::Breaks(Violation::UnexpectedKind { expected: victim.kind, found });

    let mut cases: Vec<Case> = (1..32)
        .map(|len| {
            let end = End::CutOff(Structure::Header, 32, len);
            Case::new(format!("{len} bytes of a header"), vec![message[..len].to_vec()], end)
        })
        .collect();
    cases.extend([
        bad("no magic", 0, &[0; 4], magic(0)),
        bad("swapped magic", 0, &MAGIC.swap_bytes().to_ne_bytes(), magic(MAGIC.swap_bytes())),
        bad("version 0", 4, &0_u16.to_ne_bytes(), version(0)),
        bad("version 2", 4, &2_u16.to_ne_bytes(), version(2)),
        bad("header_len 0", 6, &0_u16.to_ne_bytes(), header_len(0)),
        bad("header_len 31", 6, &31_u16.to_ne_bytes(), header_len(31)),
        bad("header_len 64", 6, &64_u16.to_ne_bytes(), header_len(64)),
        bad("kind 0", 8, &0_u16.to_ne_bytes(), kind(0)),
        bad("kind 4", 8, &4_u16.to_ne_bytes(), kind(4)),
        bad("kind 65535", 8, &u16::MAX.to_ne_bytes(), kind(u16::MAX)),
        Case::new("a continuation first", vec![victim.five()[1].clone()], magic(CHUNK_MAGIC)),
        Case::new("a second hello", vec![hello_packet(&good_hello())], unexpected(Kind::Control)),
        Case::new("a second hello-ack", vec![ack_packet(&good_ack())], unexpected(Kind::Control)),
        Case::new(
            "a control message without a name",
            vec![Header::new(Kind::Control, 9).encode().to_vec()],
            unexpected(Kind::Control),
        ),
        Case::new(
            "half a hello",
            vec![Header::control(Control::Hello, 44).encode().to_vec()],
            unexpected(Kind::Control),
        ),
    ]);
    for other in [Kind::Request, Kind::Response, Kind::Control] {
        if other != victim.kind {
            let name = format!("kind {other:?}");
            cases.push(bad(&name, 8, &other.raw().to_ne_bytes(), unexpected(other)));
        }
    }
    cases
}

/// Lengths that lie, and packets that are too long.
pub(super) fn lengths(victim: Victim) -> Vec<Case> {
    let message = victim.message();
    let lie = |name: &str, len: u32, end| Case::new(name, vec![patched(&message, 16, &len.to_ne_bytes())], end);
    let in_one =
        |name: &str, payload: usize, end| Case::new(name, vec![whole(victim.header(payload), &vec![1; payload])], end);
    let beyond = |asked: u32| End::Beyond(victim.payload, asked.into(), PAYLOAD.into());
    let (size, most) = (PACKET_SIZE as usize, PAYLOAD as usize);
    vec![
        lie("payload_len 0 before 8 bytes", 0, packet_length(32, 40)),
        lie("payload_len one too small", 7, packet_length(39, 40)),
        lie("payload_len one too large", 9, packet_length(41, 40)),
        lie("payload_len of many packets, in one that is not full", 1000, packet_length(100, 40)),
        lie("payload_len beyond the limit", PAYLOAD + 1, beyond(PAYLOAD + 1)),
        lie("payload_len of 2 GiB", 1 << 31, beyond(1 << 31)),
        lie("payload_len with a total that wraps", u32::MAX - 31, beyond(u32::MAX - 31)),
        lie("payload_len of all ones", u32::MAX, beyond(u32::MAX)),
        Case::new("a byte behind the message", vec![[&message[..], &[0]].concat()], packet_length(40, 41)),
        Case::new("many bytes behind the message", vec![[&message[..], &[0; 60]].concat()], packet_length(40, 100)),
        Case::new("a message cut short", vec![message[..36].to_vec()], packet_length(40, 36)),
        Case::new("a header without its payload", vec![message[..32].to_vec()], packet_length(40, 32)),
        Case::new("two messages in one packet", vec![[&message[..], &message].concat()], packet_length(40, 80)),
        in_one("a packet one too long", size - 31, packet_length(100, 101)),
        in_one("the largest message in one packet", most, packet_length(100, 32 + most)),
        in_one("a message beyond the limit, in full", most + 1, beyond(PAYLOAD + 1)),
        in_one("a packet as long as sockets take", 200_000, beyond(200_000)),
    ]
}

/// A batch of these directory entries and so many packed bytes.
fn batch(victim: Victim, count: u32, entries: &[(u32, u32)], packed: usize) -> Vec<Vec<u8>> {
    let mut payload: Vec<u8> =
        entries.iter().flat_map(|(offset, len)| [*offset, *len]).flat_map(u32::to_ne_bytes).collect();
    payload.resize(payload.len() + packed, 0);
    chunked(victim.header(payload.len()).with_batch(count), &payload, PACKET_SIZE)
}

/// Item counts, and directories of batches.
pub(super) fn items(victim: Victim) -> Vec<Case> {
    let count = |name: &str, count: u32, end| {
        Case::new(name, vec![whole(victim.header(8).with_item_count(count), &[7; 8])], end)
    };
    let no_count = |found| End::Breaks(Violation::ItemCount { found });
    let beyond = |asked: u32| End::Beyond(victim.items, asked.into(), ITEMS.into());
    let rule = |field, offset, rule| End::Bytes(Structure::Batch, field, offset, rule);
    let outside = |end, limit| Rule::InBounds { end, limit };
    let odd = |name: &str, entries: &[(u32, u32)], packed, end| {
        let count = u32::try_from(entries.len()).expect("few items");
        Case::new(name, batch(victim, count, entries, packed), end)
    };
    let short = |name: &str, count: u32, bytes: usize| {
        let header = victim.header(bytes).with_batch(count);
        let end = Rule::Truncated { needed: u64::from(count) * 8, found: bytes };
        Case::new(name, vec![whole(header, &vec![0; bytes])], rule("directory", bytes, end))
    };
    vec![
        count("item_count 0", 0, no_count(0)),
        count("item_count 2 and no batch", 2, no_count(2)),
        count("item_count of all ones and no batch", u32::MAX, no_count(u32::MAX)),
        Case::new("a batch of 0", batch(victim, 0, &[(0, 8)], 8), no_count(0)),
        Case::new("a batch beyond the limit", batch(victim, 5, &[(0, 0); 5], 8), beyond(5)),
        Case::new("a batch of all ones", batch(victim, u32::MAX, &[(0, 0); 2], 8), beyond(u32::MAX)),
        short("a directory one byte short", 2, 15),
        short("half a directory", 4, 16),
        odd(
            "an item at an odd place",
            &[(0, 8), (4, 4)],
            16,
            rule("entry offset", 8, Rule::Aligned { to: 8, found: 4 }),
        ),
        odd("an item behind the end", &[(0, 8), (24, 0)], 16, rule("entry offset", 8, outside(24, 16))),
        odd("an item that leaves the batch", &[(0, 8), (8, 9)], 16, rule("entry length", 12, outside(17, 16))),
        odd("an item as long as can be", &[(8, u32::MAX)], 16, rule("entry length", 4, outside(0x1_0000_0007, 16))),
        odd("an end that wraps", &[(0, 8), (0xffff_fff8, 0x10)], 16, rule("entry offset", 8, outside(0xffff_fff8, 16))),
        odd("a batch of one, out of bounds", &[(0, 9)], 8, rule("entry length", 4, outside(9, 8))),
        odd("a batch of one, unaligned", &[(1, 1)], 8, rule("entry offset", 0, Rule::Aligned { to: 8, found: 1 })),
        // Of two packets, so that the directory and what it is wrong about are apart.
        odd(
            "a batch in chunks, out of bounds",
            &[(0, 8), (8, 8), (16, 8), (24, 200)],
            96,
            rule("entry length", 28, outside(224, 96)),
        ),
    ]
}

/// Ids that are unknown, or known too well.
pub(super) fn ids(victim: Victim) -> Vec<Case> {
    let message = victim.message();
    let id = |id: u64| patched(&message, 24, &id.to_ne_bytes());
    let unknown = |id| End::Breaks(Violation::UnknownId { id });
    let duplicate = |id| End::Breaks(Violation::DuplicateId { id });
    match victim.role {
        Role::Client => vec![
            Case::new("an id that was never sent", vec![id(2)], unknown(2)),
            Case::new("the id of handshakes", vec![id(0)], unknown(0)),
            Case::new("the largest id", vec![id(u64::MAX)], unknown(u64::MAX)),
            Case::new("the same answer twice", vec![message.clone(), message.clone()], unknown(1)).after(1),
            Case::new(
                "an answer in chunks to nothing",
                vec![patched(&victim.five()[0], 24, &2_u64.to_ne_bytes())],
                unknown(2),
            ),
            Case::new(
                "the same answer twice, the second in chunks",
                [&[message.clone()][..], &victim.five()].concat(),
                unknown(1),
            )
            .after(1),
        ],
        Role::Server => vec![
            Case::new("the same request twice", vec![message.clone(), message.clone()], duplicate(1)).after(1),
            Case::new(
                "the same id for another method",
                vec![message.clone(), patched(&message, 12, &[2])],
                duplicate(1),
            )
            .after(1),
            Case::new(
                "the id of a request, for one in chunks",
                [&[message.clone()][..], &victim.five()].concat(),
                duplicate(1),
            )
            .after(1),
            Case::new("a request in chunks, twice", [victim.five(), victim.five()].concat(), duplicate(1)).after(1),
            // One more was sent when the session was new.
            Case::new("one request too many", (1..=4).map(id).collect(), End::Beyond(Limit::InFlight, 5, 4)).after(3),
        ],
    }
}

/// Packets without bytes, and connections that end.
pub(super) fn endings(victim: Victim) -> Vec<Case> {
    let (message, five) = (victim.message(), victim.five());
    let empty = || End::Breaks(Violation::EmptyPacket);
    let mut cases = vec![
        Case::new("an empty packet", vec![vec![]], empty()),
        Case::new("an empty packet behind a message", vec![message.clone(), vec![]], empty()).after(1),
        Case::new("an empty packet, then a message", vec![vec![], message.clone()], empty()),
        Case::new("gone", vec![], End::Closed(false)).hangs_up(),
        Case::new("gone behind a message", vec![message], End::Closed(false)).after(1).hangs_up(),
        Case::new("gone behind a chunked message", five.clone(), End::Closed(false)).after(1).hangs_up(),
    ];
    for packets in 1..5 {
        let begun = five[..packets].to_vec();
        let name = format!("gone after {packets} packets of 5");
        cases.push(Case::new(name, begun.clone(), End::Closed(true)).hangs_up());
        let name = format!("an empty packet after {packets} packets of 5");
        cases.push(Case::new(name, [&begun[..], &[vec![]]].concat(), empty()));
    }
    cases
}
