//! Messages of many packets: every case sends a good first packet, or more of them, before the bad one.

use netipc::session::Violation;
use netipc::wire::{CHUNK_MAGIC, MAGIC, Rule, Structure};

use super::{Case, End, Victim, packet_length};
use crate::raw::{PACKET_SIZE, chunked, patched, whole};

/// Where the fields of a continuation stand.
const TOTAL: usize = 16;
const INDEX: usize = 20;
const COUNT: usize = 24;
const LEN: usize = 28;

/// A case whose first `good` packets are those of a message of five, and whose last is this one.
fn then(victim: Victim, name: impl Into<String>, good: usize, packet: Vec<u8>, end: End) -> Case {
    let mut packets = victim.five()[..good].to_vec();
    packets.push(packet);
    Case::new(name, packets, end)
}

/// Continuation headers that are wrong by their bytes.
pub(super) fn headers(victim: Victim) -> Vec<Case> {
    let second = &victim.five()[1];
    let bytes = |field, offset, rule| End::Bytes(Structure::ChunkHeader, field, offset, rule);
    let bad = |name: &str, at: usize, patch: &[u8], end| then(victim, name, 1, patched(second, at, patch), end);
    let magic = |found| bytes("magic", 0, Rule::Magic { expected: CHUNK_MAGIC, found });
    let version = |found| bytes("version", 4, Rule::Version { expected: 1, found });
    let flags = |found| bytes("flags", 6, Rule::Zero { found });

    let cut_off = (1..32).map(|len| {
        let end = End::CutOff(Structure::ChunkHeader, 32, len);
        then(victim, format!("{len} bytes of a continuation"), 1, second[..len].to_vec(), end)
    });
    let mut cases: Vec<Case> = cut_off.collect();
    cases.extend([
        bad("a continuation without magic", 0, &[0; 4], magic(0)),
        bad("a continuation of version 0", 4, &0_u16.to_ne_bytes(), version(0)),
        bad("a continuation of version 2", 4, &2_u16.to_ne_bytes(), version(2)),
        bad("a continuation with flag 0", 6, &1_u16.to_ne_bytes(), flags(1)),
        bad("a continuation with flag 15", 6, &0x8000_u16.to_ne_bytes(), flags(0x8000)),
        bad("chunk_payload_len 0", LEN, &[0; 4], bytes("chunk_payload_len", LEN, Rule::NotZero)),
        then(victim, "a whole message in between", 1, victim.message(), magic(MAGIC)),
        then(victim, "another message's first packet in between", 1, victim.five()[0].clone(), magic(MAGIC)),
        then(
            victim,
            "a whole message under another id in between",
            2,
            whole(victim.header(8).with_message_id(2), &[7; 8]),
            magic(MAGIC),
        ),
    ]);
    cases
}

/// Continuations that are well-formed and not the one that comes next.
pub(super) fn fields(victim: Victim) -> Vec<Case> {
    let five = victim.five();
    let wrong =
        |field, offset, expected: u64, found: u64| End::Breaks(Violation::Chunk { field, offset, expected, found });
    let mut cases = Vec::new();
    for id in [0, 2, 1 << 32 | 1, u64::MAX] {
        let end = wrong("message_id", 8, 1, id);
        let packet = patched(&five[1], 8, &id.to_ne_bytes());
        cases.push(then(victim, format!("a continuation with id {id}"), 1, packet, end));
    }
    let numbers: [(&'static str, usize, u32, &[u32]); 4] = [
        // Without the header, with two of them, and what wraps to the right one.
        ("total_message_len", TOTAL, 332, &[0, 300, 331, 333, 364, u32::MAX]),
        ("chunk_index", INDEX, 1, &[0, 2, 4, 5, u32::MAX]),
        ("chunk_count", COUNT, 5, &[0, 1, 4, 6, u32::MAX]),
        ("chunk_payload_len", LEN, 68, &[1, 67, 69, 100, u32::MAX]),
    ];
    for (field, at, expected, found) in numbers {
        for &found in found {
            let end = wrong(field, at, expected.into(), found.into());
            let packet = patched(&five[1], at, &found.to_ne_bytes());
            cases.push(then(victim, format!("{field} {found}"), 1, packet, end));
        }
    }
    cases.extend([
        then(victim, "a chunk twice", 2, five[1].clone(), wrong("chunk_index", INDEX, 2, 1)),
        then(victim, "a chunk left out", 1, five[2].clone(), wrong("chunk_index", INDEX, 1, 2)),
        then(victim, "the last chunk at once", 1, five[4].clone(), wrong("chunk_index", INDEX, 1, 4)),
        then(victim, "back to the start", 4, five[1].clone(), wrong("chunk_index", INDEX, 4, 1)),
        then(
            victim,
            "another chunked message's chunk",
            1,
            chunked(victim.header(300).with_message_id(2), &[9; 300], PACKET_SIZE)[1].clone(),
            wrong("message_id", 8, 1, 2),
        ),
        then(
            victim,
            "a chunk of a longer message of the same id",
            1,
            chunked(victim.header(1000), &[9; 1000], PACKET_SIZE)[1].clone(),
            wrong("total_message_len", TOTAL, 332, 1032),
        ),
        then(
            victim,
            "a chunk of packets of another size",
            1,
            chunked(victim.header(300), &[9; 300], 150)[1].clone(),
            wrong("chunk_count", COUNT, 5, 3),
        ),
        then(
            victim,
            "a last chunk that says one more",
            4,
            patched(&five[4], LEN, &29_u32.to_ne_bytes()),
            wrong("chunk_payload_len", LEN, 28, 29),
        ),
    ]);
    cases
}

/// Continuations of another length than they must have.
pub(super) fn lengths(victim: Victim) -> Vec<Case> {
    let five = victim.five();
    let longer = |packet: &[u8], more: usize| [packet, &vec![0; more]].concat();
    let cases = [
        ("a continuation without a payload", 1, five[1][..32].to_vec(), 100),
        ("a continuation of one byte", 1, five[1][..33].to_vec(), 100),
        ("a continuation one byte short", 1, five[1][..99].to_vec(), 100),
        ("a continuation one byte too long", 1, longer(&five[1], 1), 100),
        ("a continuation that goes on and on", 1, longer(&five[1], 100_000), 100),
        ("a byte behind the last chunk", 4, longer(&five[4], 1), 60),
        ("a last chunk as long as the others", 4, longer(&five[4], 40), 60),
        ("a last chunk one byte short", 4, five[4][..59].to_vec(), 60),
    ];
    let case = |(name, good, packet, stated): (&str, usize, Vec<u8>, u64)| {
        let found = packet.len();
        then(victim, name, good, packet, packet_length(stated, found))
    };
    cases.into_iter().map(case).collect()
}

/// First packets that are not full, and continuations behind the last.
pub(super) fn others(victim: Victim) -> Vec<Case> {
    let five = victim.five();
    let magic = Rule::Magic { expected: MAGIC, found: CHUNK_MAGIC };
    let surplus = patched(&patched(&five[4], INDEX, &5_u32.to_ne_bytes()), COUNT, &6_u32.to_ne_bytes());
    vec![
        Case::new("a first packet that is not full", vec![five[0][..72].to_vec()], packet_length(100, 72)),
        Case::new("a first packet without a payload", vec![five[0][..32].to_vec()], packet_length(100, 32)),
        Case::new("a first packet too full", vec![[&five[0][..], &[9; 68]].concat()], packet_length(100, 168)),
        Case::new(
            "a continuation behind the last",
            [&five[..], &[surplus]].concat(),
            End::Bytes(Structure::Header, "magic", 0, magic),
        )
        .after(1),
        Case::new(
            "the last chunk twice",
            [&five[..], &[five[4].clone()]].concat(),
            End::Bytes(Structure::Header, "magic", 0, magic),
        )
        .after(1),
    ]
}
