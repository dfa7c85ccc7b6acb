//! Every negotiated field by itself, row by row of the tables in docs/protocol.md, sections 2.1 and 2.2, on both sides of a
//! handshake.
//!
//! A row changes one field of a hello or an ack that is good, and names what comes of it. The page is read, so that a
//! field without rows here, or without a row there, is a failing test.

use std::collections::BTreeSet;

use netipc::proto::{
    Answer, AwaitHello, HandshakeError, Limit, LimitExceeded, Reason, ServerPolicy, Terms, Violation, greet, negotiate,
};
use netipc::wire::{AuthToken, HEADER_LEN, Hello, HelloAck, Profiles, Rule, Status};

/// Where a field stands in its structure, and its width in bytes.
type Field = (&'static str, usize, usize);

const HELLO: [Field; 11] = [
    ("layout_version", 0, 2),
    ("flags", 2, 2),
    ("supported_profiles", 4, 4),
    ("preferred_profiles", 8, 4),
    ("max_request_payload", 12, 4),
    ("max_request_items", 16, 4),
    ("max_response_payload", 20, 4),
    ("max_response_items", 24, 4),
    ("padding", 28, 4),
    ("auth_token", 32, 8),
    ("packet_size", 40, 4),
];

const ACK: [Field; 12] = [
    ("layout_version", 0, 2),
    ("flags", 2, 2),
    ("server_profiles", 4, 4),
    ("intersection", 8, 4),
    ("selected_profile", 12, 4),
    ("request_payload", 16, 4),
    ("request_items", 20, 4),
    ("response_payload", 24, 4),
    ("response_items", 28, 4),
    ("packet_size", 32, 4),
    ("padding", 36, 4),
    ("session_id", 40, 8),
];

const TOKEN: u64 = 0x1122_3344_5566_7788;

fn policy() -> ServerPolicy {
    let mut policy = ServerPolicy::new();
    policy.profiles = Profiles::from_bits(0x17);
    policy.preferred = Profiles::from_bits(0x03);
    policy.auth_token = AuthToken::new(TOKEN);
    policy.request_payload = 5000;
    policy.response_payload = 7000;
    policy.packet_size = 900;
    policy
}

fn hello() -> Hello {
    Hello {
        flags: 0,
        supported_profiles: Profiles::from_bits(0x0f),
        preferred_profiles: Profiles::from_bits(0x02),
        max_request_payload: 4000,
        max_request_items: 10,
        max_response_payload: 6000,
        max_response_items: 20,
        auth_token: AuthToken::new(TOKEN),
        packet_size: 800,
    }
}

/// What comes of `hello()` by `policy()`.
fn ack() -> HelloAck {
    HelloAck {
        server_profiles: Profiles::from_bits(0x17),
        intersection: Profiles::from_bits(0x07),
        selected_profile: Profiles::from_bits(0x02),
        request_payload: 4000,
        request_items: 10,
        response_payload: 7000,
        response_items: 10,
        packet_size: 800,
        padding: 0,
        session_id: 0,
    }
}

/// What comes of a hello: fields of the ack that differ from `ack()`, or the status of the refusal.
type Answered = Result<&'static [(&'static str, u32)], Status>;

/// Field, its value, what comes of it. Section 2.1.
#[rustfmt::skip]
const OF_A_HELLO: [(&str, u64, Answered); 47] = [
    ("layout_version", 0, Err(Status::Incompatible)),
    ("layout_version", 1, Ok(&[])),
    ("layout_version", 2, Err(Status::Incompatible)),
    ("layout_version", 0xffff, Err(Status::Incompatible)),
    ("flags", 0, Ok(&[])),
    ("flags", 1, Err(Status::BadEnvelope)),
    ("flags", 0x8000, Err(Status::BadEnvelope)),
    ("supported_profiles", 0, Err(Status::Unsupported)),
    ("supported_profiles", 0x08, Err(Status::Unsupported)),
    ("supported_profiles", 0xffff_ffe8, Err(Status::Unsupported)),
    ("supported_profiles", 0x01, Ok(&[("intersection", 1), ("selected_profile", 1)])),
    ("supported_profiles", 0x05, Ok(&[("intersection", 5), ("selected_profile", 4)])),
    ("supported_profiles", 0xffff_ffff, Ok(&[("intersection", 0x17)])),
    ("preferred_profiles", 0, Ok(&[("selected_profile", 4)])),
    ("preferred_profiles", 0x01, Ok(&[("selected_profile", 1)])),
    ("preferred_profiles", 0x03, Ok(&[])),
    ("preferred_profiles", 0x04, Ok(&[("selected_profile", 4)])),
    ("preferred_profiles", 0x07, Ok(&[])),
    ("preferred_profiles", 0x10, Ok(&[("selected_profile", 4)])),
    ("preferred_profiles", 0xffff_ffff, Ok(&[])),
    ("max_request_payload", 0, Ok(&[("request_payload", 0)])),
    ("max_request_payload", 1, Ok(&[("request_payload", 1)])),
    ("max_request_payload", 5000, Ok(&[("request_payload", 5000)])),
    ("max_request_payload", 5001, Err(Status::LimitExceeded)),
    ("max_request_payload", 0xffff_ffff, Err(Status::LimitExceeded)),
    ("max_request_items", 0, Ok(&[("request_items", 0), ("response_items", 0)])),
    ("max_request_items", 1, Ok(&[("request_items", 1), ("response_items", 1)])),
    ("max_request_items", 0xffff_ffff, Ok(&[("request_items", 0xffff_ffff), ("response_items", 0xffff_ffff)])),
    ("max_response_payload", 0, Ok(&[])),
    ("max_response_payload", 7001, Ok(&[])),
    ("max_response_payload", 0xffff_ffff, Ok(&[])),
    ("max_response_items", 0, Ok(&[])),
    ("max_response_items", 0xffff_ffff, Ok(&[])),
    ("padding", 0, Ok(&[])),
    ("padding", 1, Err(Status::BadEnvelope)),
    ("padding", 0x8000_0000, Err(Status::BadEnvelope)),
    ("auth_token", 0, Err(Status::AuthFailed)),
    ("auth_token", TOKEN, Ok(&[])),
    ("auth_token", TOKEN ^ 1, Err(Status::AuthFailed)),
    ("auth_token", TOKEN ^ 1 << 63, Err(Status::AuthFailed)),
    ("packet_size", 0, Err(Status::Incompatible)),
    ("packet_size", 32, Err(Status::Incompatible)),
    ("packet_size", 33, Ok(&[("packet_size", 33)])),
    ("packet_size", 899, Ok(&[("packet_size", 899)])),
    ("packet_size", 900, Ok(&[("packet_size", 900)])),
    ("packet_size", 901, Ok(&[("packet_size", 900)])),
    ("packet_size", 0xffff_ffff, Ok(&[("packet_size", 900)])),
];

/// What comes of an ack.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Read {
    /// A session, with the value in the terms where they have the field.
    Session,
    Incompatible,
    Violation,
}

/// Field, its value, what comes of it. Section 2.2.
#[rustfmt::skip]
const OF_AN_ACK: [(&str, u64, Read); 40] = [
    ("layout_version", 0, Read::Incompatible),
    ("layout_version", 1, Read::Session),
    ("layout_version", 2, Read::Incompatible),
    ("flags", 0, Read::Session),
    ("flags", 1, Read::Violation),
    ("server_profiles", 0x17, Read::Session),
    ("server_profiles", 0x07, Read::Session),
    ("server_profiles", 0xffff_fff7, Read::Session),
    ("server_profiles", 0x16, Read::Violation),
    ("server_profiles", 0x1f, Read::Violation),
    ("server_profiles", 0, Read::Violation),
    ("intersection", 0x07, Read::Session),
    ("intersection", 0, Read::Violation),
    ("intersection", 0x06, Read::Violation),
    ("intersection", 0x0f, Read::Violation),
    ("selected_profile", 0x01, Read::Session),
    ("selected_profile", 0x02, Read::Session),
    ("selected_profile", 0x04, Read::Session),
    ("selected_profile", 0, Read::Violation),
    ("selected_profile", 0x03, Read::Violation),
    ("selected_profile", 0x08, Read::Violation),
    ("selected_profile", 0x10, Read::Violation),
    ("request_payload", 4000, Read::Session),
    ("request_payload", 3999, Read::Violation),
    ("request_payload", 4001, Read::Violation),
    ("request_items", 10, Read::Session),
    ("request_items", 9, Read::Violation),
    ("request_items", 11, Read::Violation),
    ("response_payload", 0, Read::Session),
    ("response_payload", 0xffff_ffff, Read::Session),
    ("response_items", 10, Read::Session),
    ("response_items", 9, Read::Violation),
    ("response_items", 20, Read::Violation),
    ("packet_size", 32, Read::Violation),
    ("packet_size", 33, Read::Session),
    ("packet_size", 800, Read::Session),
    ("packet_size", 801, Read::Violation),
    ("padding", 1, Read::Violation),
    ("session_id", 0, Read::Session),
    ("session_id", u64::MAX, Read::Session),
];

/// The structure with this value in that field.
fn with(mut bytes: Vec<u8>, fields: &[Field], name: &str, value: u64) -> Vec<u8> {
    let (_, at, width) = fields.iter().find(|(field, ..)| *field == name).expect("a field");
    let field = &mut bytes[*at..at + width];
    match width {
        2 => field.copy_from_slice(&u16::try_from(value).expect("16 bits").to_ne_bytes()),
        4 => field.copy_from_slice(&u32::try_from(value).expect("32 bits").to_ne_bytes()),
        _ => field.copy_from_slice(&value.to_ne_bytes()),
    }
    bytes
}

/// The fields in the first column of the table that begins with this header.
fn page_fields(header: &str) -> Vec<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md")).expect("the page");
    let rows = page.lines().skip_while(|line| !line.starts_with(header)).skip(2);
    let names =
        rows.take_while(|line| line.starts_with('|')).map(|line| line.split('`').nth(1).expect("a field").to_owned());
    names.collect()
}

#[test]
fn the_tables_of_the_page_have_the_fields_of_the_tables_here() {
    let names = |fields: &[Field]| fields.iter().map(|(name, ..)| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(page_fields("| hello |"), names(&HELLO));
    assert_eq!(page_fields("| hello-ack |"), names(&ACK));
    let tried: BTreeSet<&str> = OF_A_HELLO.iter().map(|(field, ..)| *field).collect();
    assert_eq!(tried, HELLO.iter().map(|(name, ..)| *name).collect());
    let tried: BTreeSet<&str> = OF_AN_ACK.iter().map(|(field, ..)| *field).collect();
    assert_eq!(tried, ACK.iter().map(|(name, ..)| *name).collect());
}

#[test]
fn a_server_decides_each_field_of_a_hello_as_its_rows_say() {
    let good = greet(hello()).0;
    let policy = policy();
    for (field, value, expected) in OF_A_HELLO {
        let changed = with(good[HEADER_LEN..].to_vec(), &HELLO, field, value);
        let packet = [&good[..HEADER_LEN], &changed].concat();
        // `negotiate` sees what can be read.
        if let Ok(hello) = Hello::parse(&changed) {
            let answer = negotiate(&hello, &policy, || true);
            assert_eq!(answer.map(|ack| ack.encode()), expected.map(expected_ack), "{field} {value:#x}");
        }
        match (AwaitHello::new(&policy).on_packet(&packet, || true), expected) {
            (Answer::Offer(offer), Ok(_)) => {
                let packet = offer.grant(0).1;
                assert_eq!(packet[HEADER_LEN..], expected.map(expected_ack).unwrap(), "{field} {value:#x}");
            }
            (Answer::Refuse(refusal), Err(status)) => assert_eq!(refusal.status(), status, "{field} {value:#x}"),
            other => panic!("{field} {value:#x}: {other:?}"),
        }
    }
}

fn expected_ack(differs: &[(&'static str, u32)]) -> [u8; 48] {
    let changed = differs.iter().fold(ack().encode().to_vec(), |ack, (field, value)| {
        assert_ne!(with(ack.clone(), &ACK, field, u64::from(*value)), ack, "{field} does not differ");
        with(ack, &ACK, field, u64::from(*value))
    });
    changed.try_into().expect("an ack")
}

#[test]
fn a_client_reads_each_field_of_an_ack_as_its_rows_say() {
    let policy = policy();
    let (hello, client) = greet(hello());
    let Answer::Offer(offer) = AwaitHello::new(&policy).on_packet(&hello, || true) else { panic!("a good hello") };
    let (terms, good) = offer.grant(3);
    assert_eq!(client.on_packet(&good), Ok(terms));
    for (field, value, expected) in OF_AN_ACK {
        let changed = with(good[HEADER_LEN..].to_vec(), &ACK, field, value);
        let packet = [&good[..HEADER_LEN], &changed].concat();
        let (found, width) = ACK.iter().find(|(name, ..)| *name == field).map(|(_, at, width)| (*at, *width)).unwrap();
        match (client.on_packet(&packet), expected) {
            (Ok(read), Read::Session) => assert_eq!(read, terms_with(terms, field, value), "{field} {value:#x}"),
            (Err(HandshakeError::Incompatible(error)), Read::Incompatible) => {
                assert!(matches!(error.rule(), Rule::Version { expected: 1, .. }), "{field} {value:#x}");
            }
            (Err(HandshakeError::Violation(violation)), Read::Violation) => {
                // What the intersection should be follows from the server's profiles, which are not to blame.
                let found = if field == "server_profiles" { 8 } else { found };
                assert_eq!(violation.offset(), HEADER_LEN + found, "{field} {value:#x} ({width})");
            }
            other => panic!("{field} {value:#x}: {other:?}"),
        }
    }
}

fn terms_with(mut terms: Terms, field: &str, value: u64) -> Terms {
    let word = value as u32;
    match field {
        "selected_profile" => terms.profile = Profiles::from_bits(word),
        "request_payload" => terms.request_payload = word,
        "request_items" => terms.request_items = word,
        "response_payload" => terms.response_payload = word,
        "response_items" => terms.response_items = word,
        "packet_size" => terms.packet_size = word,
        "session_id" => terms.session_id = value,
        _ => {}
    }
    terms
}

/// What breaks one rule of a hello.
type Spoil = fn(&mut Hello);

/// One for each rule, in the order of the checks, with the refusal.
fn broken() -> [(Status, Spoil); 5] {
    [
        (Status::BadEnvelope, |hello| hello.flags = 1),
        (Status::Unsupported, |hello| hello.supported_profiles = Profiles::from_bits(8)),
        (Status::AuthFailed, |hello| hello.auth_token = AuthToken::new(1)),
        (Status::LimitExceeded, |hello| hello.max_request_payload = 5001),
        (Status::Incompatible, |hello| hello.packet_size = 32),
    ]
}

#[test]
fn of_two_broken_rules_the_earlier_one_decides() {
    for (early, (status, spoil)) in broken().into_iter().enumerate() {
        for (_, spoil_more) in &broken()[early..] {
            let mut both = hello();
            spoil(&mut both);
            spoil_more(&mut both);
            assert_eq!(negotiate(&both, &policy(), || true), Err(status));
        }
        // The version goes before all of them.
        let mut one = hello();
        spoil(&mut one);
        let (mut packet, _) = greet(one);
        packet[HEADER_LEN] ^= 2;
        let Answer::Refuse(refusal) = AwaitHello::new(&policy()).on_packet(&packet, || true) else {
            panic!("{status}")
        };
        assert_eq!(refusal.status(), Status::Incompatible);
    }
}

#[test]
fn authorization_is_asked_once_and_only_about_a_client_with_the_right_token() {
    let asked = |hello: Hello, answer: bool| {
        let mut asked = 0;
        let outcome = negotiate(&hello, &policy(), || {
            asked += 1;
            answer
        });
        (outcome.map(|_| ()), asked)
    };
    assert_eq!(asked(hello(), true), (Ok(()), 1));
    assert_eq!(asked(hello(), false), (Err(Status::AuthFailed), 1));
    for (status, spoil) in broken() {
        let mut spoilt = hello();
        spoil(&mut spoilt);
        let later = matches!(status, Status::LimitExceeded | Status::Incompatible);
        assert_eq!(asked(spoilt, true), (Err(status), usize::from(later)));
    }
}

#[test]
fn a_refusal_tells_the_log_what_was_asked_and_what_is_allowed() {
    let refusal = |spoil: Spoil| {
        let mut hello = hello();
        spoil(&mut hello);
        match AwaitHello::new(&policy()).on_packet(&greet(hello).0, || true) {
            Answer::Refuse(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    };
    let limit = refusal(|hello| hello.max_request_payload = 5001);
    let exceeded = LimitExceeded { limit: Limit::RequestPayload, asked: 5001, allowed: 5000 };
    assert_eq!(limit.reason(), Reason::Limit(exceeded));
    let text = "refused with limit exceeded: bytes of a request's payload: 5001 asked, 5000 allowed";
    assert_eq!(limit.to_string(), text);
    let token = refusal(|hello| hello.auth_token = AuthToken::new(0x1234_5678));
    assert_eq!(token.to_string(), "refused with auth failed: wrong token");
    let size = refusal(|hello| hello.packet_size = 32);
    assert_eq!(size.reason(), Reason::PacketSize { offered: 32, supported: 900 });
}

#[test]
fn a_default_policy_is_what_the_page_says() {
    let policy = ServerPolicy::new();
    assert_eq!((policy.profiles, policy.preferred), (Profiles::BASELINE, Profiles::BASELINE));
    assert_eq!((policy.auth_token, policy.packet_size), (AuthToken::new(0), 65_536));
    assert_eq!((policy.request_payload, policy.response_payload), (1024, 1024));
    assert_eq!(policy, ServerPolicy::default());
    let mut secret = policy;
    secret.auth_token = AuthToken::new(987_654_321);
    assert!(!format!("{secret:?}").contains("987654321"));
}

#[test]
fn whatever_is_no_hello_is_closed_without_an_answer() {
    let (good, _) = greet(hello());
    let closed = |packet: &[u8]| match AwaitHello::new(&policy()).on_packet(packet, || panic!("asked about nobody")) {
        Answer::Close(violation) => violation,
        other => panic!("{other:?}"),
    };
    for len in 0..good.len() {
        closed(&good[..len]);
    }
    assert_eq!(closed(&[]), Violation::EmptyPacket);
    assert_eq!(closed(&[&good[..], &[0]].concat()), Violation::PacketLength { stated: 76, found: 77 });
    for (at, value) in [(0, 0_u8), (6, 33), (8, 1), (8, 2), (8, 9), (12, 2), (12, 9), (16, 43), (16, 45)] {
        // The same of another version of the envelope: it is no hello either way.
        for version in [1, 2] {
            let mut packet = good;
            packet[4] = version;
            packet[at] = value;
            closed(&packet);
        }
    }
}
