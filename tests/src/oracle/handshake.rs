//! A slow, obvious handshake (docs/protocol.md, section 2): raw bytes, one rule of the page after the other.

use super::bytes::{u16_at, u32_at, u64_at};

/// What a server is ready to agree to.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Profiles that it can use.
    pub profiles: u32,
    /// Those that it would rather use.
    pub preferred: u32,
    /// What a client must show.
    pub token: u64,
    /// What else it thinks of the client.
    pub authorized: bool,
    /// The largest request payload.
    pub request_payload: u32,
    /// The largest response payload.
    pub response_payload: u32,
    /// The largest packet.
    pub packet_size: u32,
}

/// What a server does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Sends a packet, which begins a session.
    Accept(Vec<u8>),
    /// Sends a packet, and closes.
    Refuse(Vec<u8>),
    /// Closes.
    Close,
}

/// What a server with this policy does with a client's first packet; the next session has number `session_id`.
#[must_use]
pub fn server(policy: &Policy, packet: &[u8], session_id: u64) -> Reply {
    let shape = packet.len() == 76
        && word(packet, 0) == 0x4e49_5043
        && half(packet, 6) == 32
        && half(packet, 8) == 3
        && half(packet, 12) == 1
        && word(packet, 16) == 44;
    if !shape {
        return Reply::Close;
    }
    let hello = &packet[32..];
    if half(packet, 4) != 1 || half(hello, 0) != 1 {
        return refusal(3);
    }
    if half(hello, 2) != 0 || word(hello, 28) != 0 {
        return refusal(1);
    }
    let common = word(hello, 4) & policy.profiles;
    if common == 0 {
        return refusal(4);
    }
    if u64_at(hello, 32) != Ok(policy.token) || !policy.authorized {
        return refusal(2);
    }
    let request_payload = word(hello, 12);
    if request_payload > policy.request_payload {
        return refusal(5);
    }
    let packet_size = word(hello, 40).min(policy.packet_size);
    if packet_size <= 32 {
        return refusal(3);
    }
    let wanted = common & word(hello, 8) & policy.preferred;
    let candidates = if wanted == 0 { common } else { wanted };
    let selected = (0..32).rev().map(|bit| 1 << bit).find(|bit| candidates & bit != 0).expect("a bit");
    let items = word(hello, 16);
    let words =
        [policy.profiles, common, selected, request_payload, items, policy.response_payload, items, packet_size, 0];
    Reply::Accept(ack(0, &words, session_id))
}

fn refusal(status: u16) -> Reply {
    Reply::Refuse(ack(status, &[0; 9], 0))
}

fn ack(status: u16, words: &[u32; 9], session_id: u64) -> Vec<u8> {
    let mut packet = Vec::new();
    packet.extend(0x4e49_5043_u32.to_ne_bytes());
    for half in [1, 32, 3, 0, 2, status] {
        packet.extend(half.to_ne_bytes());
    }
    for word in [48_u32, 1] {
        packet.extend(word.to_ne_bytes());
    }
    packet.extend(0_u64.to_ne_bytes());
    packet.extend(1_u16.to_ne_bytes());
    packet.extend(0_u16.to_ne_bytes());
    for word in words {
        packet.extend(word.to_ne_bytes());
    }
    packet.extend(session_id.to_ne_bytes());
    packet
}

/// What a client makes of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A session, by the terms of this ack.
    Session,
    /// The server said no, with this status.
    Refused(u16),
    /// The server speaks another version.
    Incompatible,
    /// The server broke a rule.
    Violation,
}

/// What a client that sent the 44 bytes `hello` makes of the server's packet.
#[must_use]
pub fn client(hello: &[u8], packet: &[u8]) -> Outcome {
    if packet.len() < 32 || word(packet, 0) != 0x4e49_5043 {
        return Outcome::Violation;
    }
    if half(packet, 4) != 1 {
        return Outcome::Incompatible;
    }
    if half(packet, 6) != 32 || half(packet, 8) != 3 || half(packet, 12) != 2 {
        return Outcome::Violation;
    }
    if half(packet, 14) != 0 {
        return Outcome::Refused(half(packet, 14));
    }
    if word(packet, 16) != 48 || packet.len() != 80 {
        return Outcome::Violation;
    }
    let ack = &packet[32..];
    if half(ack, 0) != 1 {
        return Outcome::Incompatible;
    }
    let (common, selected) = (word(ack, 8), word(ack, 12));
    let follows = half(ack, 2) == 0
        && common == word(ack, 4) & word(hello, 4)
        && selected.count_ones() == 1
        && common & selected == selected
        && word(ack, 16) == word(hello, 12)
        && word(ack, 20) == word(hello, 16)
        && word(ack, 28) == word(hello, 16)
        && (33..=word(hello, 40)).contains(&word(ack, 32))
        && word(ack, 36) == 0;
    if follows { Outcome::Session } else { Outcome::Violation }
}

fn half(bytes: &[u8], at: u64) -> u16 {
    u16_at(bytes, at).expect("bytes that are there")
}

fn word(bytes: &[u8], at: u64) -> u32 {
    u32_at(bytes, at).expect("bytes that are there")
}
