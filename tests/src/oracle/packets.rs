//! A slow, obvious receiver and sender of messages in packets (docs/protocol.md, sections 1.1 and 1.3 to 1.5).
//!
//! Owns: what a stream of packets says, and which rule it breaks first. A continuation is checked by writing down the one
//! that should be there. All sums are made in `u64`.

use super::bytes::{u16_at, u32_at, u64_at};

/// What a receiver knows beforehand.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// 1 requests, 2 responses.
    pub kind: u16,
    /// Bytes of a full packet, more than 32.
    pub packet_size: u64,
    /// The most payload bytes of a message.
    pub payload: u64,
    /// The most items of a message.
    pub items: u64,
}

/// A message, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its outer header.
    pub head: Vec<u8>,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Between two messages.
    Idle,
    /// Inside a message.
    Partial,
    /// At a packet that breaks a rule.
    Refused {
        /// Which one, counted from 0.
        packet: usize,
        /// The rule.
        rule: &'static str,
    },
}

/// All rules that [`receive`] can name.
pub const RULES: [&str; 21] = [
    "empty",
    "truncated",
    "magic",
    "version",
    "header_len",
    "kind number",
    "kind",
    "item_count",
    "payload limit",
    "item limit",
    "message length",
    "packet length",
    "flags",
    "no body",
    "message_id",
    "total_message_len",
    "chunk_index",
    "chunk_count",
    "chunk_payload_len",
    "batch directory",
    "batch entry",
];

/// The messages of a stream, and how it ends.
#[must_use]
pub fn receive(bounds: &Bounds, packets: &[Vec<u8>]) -> (Vec<Message>, End) {
    let mut messages = Vec::new();
    let mut next = 0;
    while next < packets.len() {
        match message(bounds, &packets[next..]) {
            Ok(Some((message, used))) => {
                messages.push(message);
                next += used;
            }
            Ok(None) => return (messages, End::Partial),
            Err((packet, rule)) => return (messages, End::Refused { packet: next + packet, rule }),
        }
    }
    (messages, End::Idle)
}

/// The message that begins with the first of these packets and how many it has, if they are all there.
fn message(bounds: &Bounds, packets: &[Vec<u8>]) -> Result<Option<(Message, usize)>, (usize, &'static str)> {
    let first = &packets[0];
    check_first(bounds, first).map_err(|rule| (0, rule))?;
    let head = &first[..32];
    let payload_len = field32(head, 16);
    let budget = bounds.packet_size - 32;
    let count = payload_len.div_ceil(budget).max(1);

    let mut payload = first[32..].to_vec();
    for index in 1..count {
        let Some(packet) = packets.get(index as usize) else { return Ok(None) };
        let body = budget.min(payload_len - payload.len() as u64);
        let expected = continuation(field64(head, 24), 32 + payload_len, index, count, body);
        check_continuation(&expected, packet).map_err(|rule| (index as usize, rule))?;
        payload.extend(&packet[32..]);
    }
    let is_error = bounds.kind == 2 && field16(head, 14) != 0;
    if field16(head, 10) & 1 == 1 && !is_error {
        check_batch(field32(head, 20), &payload).map_err(|rule| (count as usize - 1, rule))?;
    }
    Ok(Some((Message { head: head.to_vec(), payload }, count as usize)))
}

fn check_first(bounds: &Bounds, packet: &[u8]) -> Result<(), &'static str> {
    if packet.is_empty() {
        return Err("empty");
    }
    if packet.len() < 32 {
        return Err("truncated");
    }
    let (payload_len, items) = (field32(packet, 16), field32(packet, 20));
    let is_error = bounds.kind == 2 && field16(packet, 14) != 0;
    let is_batch = field16(packet, 10) & 1 == 1;
    let rules = [
        (field32(packet, 0) == 0x4e49_5043, "magic"),
        (field16(packet, 4) == 1, "version"),
        (field16(packet, 6) == 32, "header_len"),
        ([1, 2, 3].contains(&field16(packet, 8)), "kind number"),
        (field16(packet, 8) == bounds.kind, "kind"),
        (items == 1 || items > 1 && is_batch || is_error, "item_count"),
        (payload_len <= bounds.payload, "payload limit"),
        (items <= bounds.items, "item limit"),
        (32 + payload_len < 1 << 32, "message length"),
        (packet.len() as u64 == (32 + payload_len).min(bounds.packet_size), "packet length"),
    ];
    first_broken(&rules)
}

fn check_continuation(expected: &[u8], packet: &[u8]) -> Result<(), &'static str> {
    if packet.is_empty() {
        return Err("empty");
    }
    if packet.len() < 32 {
        return Err("truncated");
    }
    let same = |from: usize, to: usize| packet[from..to] == expected[from..to];
    let rules = [
        (same(0, 4), "magic"),
        (same(4, 6), "version"),
        (same(6, 8), "flags"),
        (field32(packet, 28) != 0, "no body"),
        (same(8, 16), "message_id"),
        (same(16, 20), "total_message_len"),
        (same(20, 24), "chunk_index"),
        (same(24, 28), "chunk_count"),
        (same(28, 32), "chunk_payload_len"),
        (packet.len() as u64 == 32 + field32(expected, 28), "packet length"),
    ];
    first_broken(&rules)
}

fn check_batch(items: u64, payload: &[u8]) -> Result<(), &'static str> {
    let len = payload.len() as u64;
    if items * 8 > len {
        return Err("batch directory");
    }
    for entry in payload[..items as usize * 8].chunks(8) {
        let (offset, length) = (field32(entry, 0), field32(entry, 4));
        if offset % 8 != 0 || offset + length > len - items * 8 {
            return Err("batch entry");
        }
    }
    Ok(())
}

fn first_broken(rules: &[(bool, &'static str)]) -> Result<(), &'static str> {
    rules.iter().find(|(kept, _)| !kept).map_or(Ok(()), |(_, rule)| Err(rule))
}

/// The packets of a message: `head` is its outer header, `packet_size` more than 32.
#[must_use]
pub fn split(head: &[u8], payload: &[u8], packet_size: usize) -> Vec<Vec<u8>> {
    let total = head.len() + payload.len();
    if total <= packet_size {
        return vec![[head, payload].concat()];
    }
    let bodies: Vec<&[u8]> = payload.chunks(packet_size - 32).collect();
    let packet = |(index, body): (usize, &&[u8])| {
        let id = field64(head, 24);
        let own = continuation(id, total as u64, index as u64, bodies.len() as u64, body.len() as u64);
        [if index == 0 { head } else { &own }, body].concat()
    };
    bodies.iter().enumerate().map(packet).collect()
}

fn continuation(id: u64, total: u64, index: u64, count: u64, body: u64) -> Vec<u8> {
    let mut head = Vec::new();
    head.extend(0x4e43_484b_u32.to_ne_bytes());
    head.extend(1_u16.to_ne_bytes());
    head.extend(0_u16.to_ne_bytes());
    head.extend(id.to_ne_bytes());
    for word in [total, index, count, body] {
        head.extend(u32::try_from(word).expect("within the limits").to_ne_bytes());
    }
    head
}

fn field16(bytes: &[u8], at: u64) -> u16 {
    u16_at(bytes, at).expect("a whole header")
}

fn field32(bytes: &[u8], at: u64) -> u64 {
    u64::from(u32_at(bytes, at).expect("a whole header"))
}

fn field64(bytes: &[u8], at: u64) -> u64 {
    u64_at(bytes, at).expect("a whole header")
}
