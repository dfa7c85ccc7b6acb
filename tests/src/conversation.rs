//! The machines of the conversation against any bytes at all, beside their twins (docs/protocol.md, sections 1 and 2).
//!
//! Owns: how a machine is driven, as a transport would, and what must hold whatever comes. Each `check_` function takes
//! the input of a fuzz target.

use netipc::proto::{
    Answer, Assembler, AwaitHello, Breach, HandshakeError, Limit, Next, Refusal, Role, ServerPolicy, Splitter, Step,
    Terms, Violation, check_batch, greet,
};
use netipc::wire::{AuthToken, HEADER_LEN, HELLO_LEN, Header, Hello, Profiles, Rule, Structure};

use crate::oracle::handshake::{self, Outcome, Policy, Reply};
use crate::oracle::packets::{self, Bounds, End, Message};

/// The number of the session that a test's server grants.
pub const SESSION: u64 = 7;

/// The session that most recorded conversations belong to.
#[must_use]
pub const fn terms(packet_size: u32) -> Terms {
    Terms {
        profile: Profiles::BASELINE,
        request_payload: 4096,
        request_items: 4,
        response_payload: 8192,
        response_items: 4,
        packet_size,
        session_id: SESSION,
    }
}

/// The server that answered the recorded hellos.
#[must_use]
pub fn policy() -> ServerPolicy {
    let mut policy = ServerPolicy::new();
    policy.auth_token = AuthToken::new(0xa5);
    policy.request_payload = 4096;
    policy.response_payload = 8192;
    policy.packet_size = 1000;
    policy
}

/// What its clients proposed.
#[must_use]
pub const fn hello() -> Hello {
    Hello {
        flags: 0,
        supported_profiles: Profiles::BASELINE,
        preferred_profiles: Profiles::BASELINE,
        max_request_payload: 4096,
        max_request_items: 4,
        max_response_payload: 8192,
        max_response_items: 4,
        auth_token: AuthToken::new(0xa5),
        packet_size: 1000,
    }
}

/// What a machine makes of a stream of packets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The complete messages.
    pub messages: Vec<Message>,
    /// How the stream ends, in the twin's words.
    pub end: End,
    /// The breach, where there is one.
    pub breach: Option<Breach>,
}

/// Receives `packets` as a transport does: with a buffer of the room that the machine asks for.
///
/// # Panics
/// Where the machine goes on after a breach, or asks for room that can't be right.
#[must_use]
pub fn receive(mut assembler: Assembler, packets: &[Vec<u8>]) -> Received {
    let mut messages = Vec::new();
    let mut payload: Vec<u8> = Vec::new();
    for (index, packet) in packets.iter().enumerate() {
        let step = match assembler.next() {
            Next::First { room } => {
                assert!(room >= HEADER_LEN && assembler.is_idle());
                let received = &packet[..packet.len().min(room)];
                payload = received.get(HEADER_LEN..).unwrap_or_default().to_vec();
                let step = assembler.on_first(received, packet.len());
                assert!(step.is_err() || received.len() == packet.len(), "a packet that is right, cut off");
                step
            }
            Next::Rest { at, len } => {
                assert!(len > 0 && !assembler.is_idle());
                assert_eq!(at, payload.len());
                let head = &packet[..packet.len().min(HEADER_LEN)];
                let step = assembler.on_rest(head, packet.len());
                if step.is_ok() {
                    assert_eq!(packet.len(), HEADER_LEN + len);
                    payload.extend(&packet[HEADER_LEN..]);
                }
                step
            }
        };
        let checked = step.and_then(|step| match step {
            Step::More(header) => Ok((header, false)),
            Step::Complete(header) => check_batch(&header, &payload).map(|()| (header, true)).map_err(Breach::from),
        });
        match checked {
            Ok((header, complete)) => {
                assert_eq!(complete, assembler.is_idle());
                assert_eq!(complete, header.payload_len() as usize == payload.len());
                if complete {
                    messages.push(Message { head: header.encode().to_vec(), payload: std::mem::take(&mut payload) });
                }
            }
            Err(breach) => {
                if step.is_err() {
                    assert!(!assembler.is_idle());
                    assert_eq!(assembler.on_first(packet, packet.len()), Err(breach));
                    assert_eq!(assembler.on_rest(&[], 0), Err(breach));
                }
                if let Breach::Violation(violation) = breach {
                    let whole = packet.len().max(HEADER_LEN + payload.len());
                    assert!(violation.offset() <= whole, "{violation:?}");
                }
                let end = End::Refused { packet: index, rule: rule(&breach) };
                return Received { messages, end, breach: Some(breach) };
            }
        }
    }
    let end = if assembler.is_idle() { End::Idle } else { End::Partial };
    Received { messages, end, breach: None }
}

/// What the twin calls the rule that a receiver saw broken.
///
/// # Panics
/// Where a receiver can't see such a breach.
#[must_use]
pub fn rule(breach: &Breach) -> &'static str {
    match breach {
        Breach::Violation(Violation::Envelope(error)) if error.structure() == Structure::Batch => match error.rule() {
            Rule::Truncated { .. } => "batch directory",
            _ => "batch entry",
        },
        Breach::Violation(Violation::Envelope(error)) => match error.rule() {
            Rule::Truncated { .. } => "truncated",
            Rule::Magic { .. } => "magic",
            Rule::Version { .. } => "version",
            Rule::HeaderLen { .. } => "header_len",
            Rule::Kind { .. } => "kind number",
            Rule::Zero { .. } => "flags",
            Rule::NotZero => "no body",
            other => panic!("no rule of a header: {other:?}"),
        },
        Breach::Violation(Violation::EmptyPacket) => "empty",
        Breach::Violation(Violation::UnexpectedKind { .. }) => "kind",
        Breach::Violation(Violation::ItemCount { .. }) => "item_count",
        Breach::Violation(Violation::PacketLength { .. }) => "packet length",
        Breach::Violation(Violation::Chunk { field, .. }) => field,
        Breach::Limit(exceeded) => match exceeded.limit {
            Limit::RequestPayload | Limit::ResponsePayload => "payload limit",
            Limit::RequestItems | Limit::ResponseItems => "item limit",
            Limit::MessageLen => "message length",
            other => panic!("no limit of a receiver: {other:?}"),
        },
        other => panic!("no breach of a receiver: {other:?}"),
    }
}

/// What the twin is to know of these terms.
#[must_use]
pub fn bounds(role: Role, terms: &Terms) -> Bounds {
    let (kind, payload, items) = match role {
        Role::Server => (1, terms.request_payload, terms.request_items),
        Role::Client => (2, terms.response_payload, terms.response_items),
    };
    Bounds { kind, packet_size: terms.packet_size.into(), payload: payload.into(), items: items.into() }
}

/// Receives `packets` with machine and twin, and cuts what was received again.
///
/// # Panics
/// Where the two differ, or where the packets of a complete message are not the ones that a sender makes of it.
pub fn compare(role: Role, terms: &Terms, packets: &[Vec<u8>]) -> Received {
    let received = receive(Assembler::new(role, terms), packets);
    let (messages, end) = packets::receive(&bounds(role, terms), packets);
    assert_eq!(received.end, end, "{:?}", received.breach);
    assert_eq!(received.messages, messages);
    let again: Vec<Vec<u8>> = messages.iter().flat_map(|message| cut(message, terms.packet_size)).collect();
    assert!(again.iter().eq(packets.iter().take(again.len())), "a message that can be cut in two ways");
    received
}

/// The packets that a sender makes of a message.
///
/// # Panics
/// Where it makes none.
#[must_use]
pub fn cut(message: &Message, packet_size: u32) -> Vec<Vec<u8>> {
    let header = Header::parse(&message.head).expect("a header");
    let packets = Splitter::new(header, packet_size).expect("a message that can be sent");
    packets.map(|packet| [&packet.head, &message.payload[packet.body]].concat()).collect()
}

/// Bytes in front of the packets in the input of [`check_assemble`].
pub const STREAM_HEAD: usize = 13;

/// Receives a stream: role (1 byte), packet size, payload limit, item limit (4 bytes each), then packets, each behind its
/// length (2 bytes).
///
/// # Panics
/// As [`compare`].
pub fn check_assemble(input: &[u8]) {
    let Some((head, mut rest)) = input.split_first_chunk::<STREAM_HEAD>() else { return };
    let word = |at: usize| u32::from_ne_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let role = if head[0] % 2 == 0 { Role::Server } else { Role::Client };
    let (packet_size, payload, items) = (word(1).max(33), word(5), word(9));
    let terms = Terms {
        request_payload: payload,
        request_items: items,
        response_payload: payload,
        response_items: items,
        ..terms(packet_size)
    };
    let mut packets = Vec::new();
    while let Some((len, behind)) = rest.split_first_chunk() {
        let (packet, behind) = behind.split_at(behind.len().min(u16::from_ne_bytes(*len).into()));
        packets.push(packet.to_vec());
        rest = behind;
    }
    compare(role, &terms, &packets);
}

/// The input of [`check_assemble`] for these packets.
///
/// # Panics
/// Where a packet is too long for it.
#[must_use]
pub fn stream(role: Role, terms: &Terms, packets: &[Vec<u8>]) -> Vec<u8> {
    let (role, payload, items) = match role {
        Role::Server => (0, terms.request_payload, terms.request_items),
        Role::Client => (1, terms.response_payload, terms.response_items),
    };
    let mut input = vec![role];
    for word in [terms.packet_size, payload, items] {
        input.extend(word.to_ne_bytes());
    }
    for packet in packets {
        input.extend(u16::try_from(packet.len()).expect("a short packet").to_ne_bytes());
        input.extend(packet);
    }
    input
}

/// Answers the packet behind the first byte, which chooses the server's policy; the recorded one is 0.
///
/// # Panics
/// Where the machine does anything else than its twin, or a client is not content with what it is granted.
pub fn check_server(input: &[u8]) {
    let Some((choice, packet)) = input.split_first() else { return };
    let choice = usize::from(*choice);
    let mut policy = policy();
    policy.profiles = Profiles::from_bits([1, 3, 7, 0x13][choice % 4]);
    policy.preferred = Profiles::from_bits([1, 2, 0, 7][choice / 4 % 4]);
    policy.packet_size = [1000, 65_536, 33, 32][choice / 32 % 4];
    compare_server(&policy, choice / 16 % 2 == 0, packet);
}

/// Answers a client's packet with machine and twin, and strikes each profile from what is offered.
///
/// # Panics
/// As [`check_server`].
pub fn compare_server(policy: &ServerPolicy, authorized: bool, packet: &[u8]) -> Reply {
    let mut twin = Policy {
        profiles: policy.profiles.bits(),
        preferred: policy.preferred.bits(),
        token: policy.auth_token.reveal(),
        authorized,
        request_payload: policy.request_payload,
        response_payload: policy.response_payload,
        packet_size: policy.packet_size,
    };
    let expected = handshake::server(&twin, packet, SESSION);
    match AwaitHello::new(policy).on_packet(packet, || authorized) {
        Answer::Offer(offer) => {
            assert_eq!(offer.terms().session_id, 0);
            let (terms, ack) = offer.grant(SESSION);
            assert_eq!(Reply::Accept(ack.to_vec()), expected);
            assert_eq!(Terms { session_id: SESSION, ..offer.terms() }, terms);
            let hello = Hello::parse(&packet[HEADER_LEN..]).expect("a hello that was offered terms");
            assert_eq!(greet(hello).1.on_packet(&ack), Ok(terms));
            for bit in 0..6 {
                let struck = Profiles::from_bits(1 << bit);
                twin.profiles = policy.profiles.without(struck).bits();
                let reply = match offer.without(struck) {
                    Ok(offer) => Reply::Accept(offer.grant(SESSION).1.to_vec()),
                    Err(refusal) => refused(&refusal),
                };
                assert_eq!(reply, handshake::server(&twin, packet, SESSION), "without {struck:?}");
            }
        }
        Answer::Refuse(refusal) => assert_eq!(refused(&refusal), expected),
        Answer::Close(violation) => {
            assert_eq!(Reply::Close, expected, "{violation:?}");
            assert!(violation.offset() <= packet.len(), "{violation:?}");
        }
    }
    expected
}

fn refused(refusal: &Refusal) -> Reply {
    let packet = refusal.packet();
    let outcome = greet(hello()).1.on_packet(&packet);
    assert_eq!(outcome, Err(HandshakeError::Refused(refusal.status())));
    assert!(!refusal.to_string().is_empty());
    Reply::Refuse(packet.to_vec())
}

/// Reads the packet behind the first byte, which chooses what the client proposed; the recorded hello is 0.
///
/// # Panics
/// Where the machine makes anything else of it than its twin.
pub fn check_client(input: &[u8]) {
    let Some((choice, packet)) = input.split_first() else { return };
    let choice = usize::from(*choice);
    let hello = Hello {
        supported_profiles: Profiles::from_bits([1, 3, 7, 0][choice % 4]),
        max_request_payload: [4096, 0, u32::MAX, 1][choice / 4 % 4],
        max_request_items: [4, 0, u32::MAX, 1][choice / 16 % 4],
        packet_size: [1000, 33, 32, u32::MAX][choice / 64 % 4],
        ..hello()
    };
    compare_client(hello, packet);
}

/// Reads a server's answer to this hello with machine and twin.
///
/// # Panics
/// As [`check_client`].
pub fn compare_client(hello: Hello, packet: &[u8]) -> Outcome {
    let (sent, state) = greet(hello);
    assert_eq!(sent[HEADER_LEN..], hello.encode());
    assert_eq!(sent.len(), HEADER_LEN + HELLO_LEN);
    let outcome = match state.on_packet(packet) {
        Ok(terms) => {
            assert_eq!(packet[HEADER_LEN + 40..], terms.session_id.to_ne_bytes());
            assert_eq!(packet[HEADER_LEN + 24..][..4], terms.response_payload.to_ne_bytes());
            assert!(hello.supported_profiles.contains(terms.profile) && terms.profile.highest() == terms.profile);
            Outcome::Session
        }
        Err(HandshakeError::Refused(status)) => Outcome::Refused(status.raw()),
        Err(HandshakeError::Incompatible(_)) => Outcome::Incompatible,
        Err(HandshakeError::Violation(violation)) => {
            assert!(violation.offset() <= packet.len(), "{violation:?}");
            Outcome::Violation
        }
        Err(other) => panic!("an error without a twin: {other:?}"),
    };
    assert_eq!(outcome, handshake::client(&sent[HEADER_LEN..], packet));
    outcome
}
