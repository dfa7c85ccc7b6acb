//! Servers that break every rule there is, against a client that says so.
#![cfg(target_os = "linux")]

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bytes::Bytes;
use netipc::endpoint::Endpoint;
use netipc::proto::Role;
use netipc::session::{
    BuildError, ClientConfig, ClientSession, Connecting, Deadline, Error, Limit, LimitExceeded, Progress, Violation,
};
use netipc::wire::{
    AuthToken, CHUNK_MAGIC, Control, Header, HelloAck, Kind, MAGIC, Method, Profiles, Rule, Status, Structure,
};
use netipc_tests::hostile::{Case, End, cases, header_field, packet_length};
use netipc_tests::raw::{
    ITEMS, PACKET_SIZE, PAYLOAD, Raw, RawServer, RunDir, TOKEN, ack_packet, alone, chunked, good_ack, good_hello,
    hello_packet, open_descriptors, patched, refusal_packet, soon, whole,
};

/// A raw server, and a client of it that all the others must leave alone.
struct Client {
    config: ClientConfig,
    endpoint: Endpoint,
    server: RawServer,
    bystanders: (ClientSession, Raw),
    _run_dir: RunDir,
}

impl Client {
    fn new() -> Self {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("villain");
        let config = ClientConfig::new()
            .auth_token(AuthToken::new(TOKEN))
            .max_request_payload(PAYLOAD)
            .max_request_items(ITEMS)
            .max_response_payload(PAYLOAD)
            .packet_size(PACKET_SIZE);
        let server = RawServer::listen(&endpoint);
        let bystanders = meet(&config, &endpoint, &server, &good_ack());
        Self { config, endpoint, server, bystanders, _run_dir: run_dir }
    }

    fn connect(&self) -> (Connecting, Raw) {
        knock(&self.config, &self.endpoint, &self.server)
    }

    /// The same configuration makes a good session, and the one that was there before goes on.
    fn goes_on(&mut self) {
        let (mut client, raw) = meet(&self.config, &self.endpoint, &self.server, &good_ack());
        echo(&mut client, &raw);
        echo(&mut self.bystanders.0, &self.bystanders.1);
    }
}

/// A client that has said hello.
fn knock(config: &ClientConfig, endpoint: &Endpoint, server: &RawServer) -> (Connecting, Raw) {
    let connecting = config.try_connect(endpoint).unwrap().expect("room in the queue");
    let raw = server.accept();
    assert_eq!(raw.receive(), Some(hello_packet(&good_hello())));
    (connecting, raw)
}

fn meet(config: &ClientConfig, endpoint: &Endpoint, server: &RawServer, ack: &HelloAck) -> (ClientSession, Raw) {
    let (connecting, raw) = knock(config, endpoint, server);
    raw.send(&ack_packet(ack)).unwrap();
    match connecting.try_finish().unwrap() {
        Progress::Done(session) => (*session, raw),
        Progress::Waiting(_) => panic!("the server has answered"),
    }
}

fn ask(client: &mut ClientSession, raw: &Raw) -> u64 {
    let id = client.send(Method::new(1), b"question", soon()).unwrap().id();
    assert_eq!(raw.receive(), Some(whole(Header::request(Method::new(1), id, 8), b"question")));
    id
}

/// One call, with an answer of several packets.
fn echo(client: &mut ClientSession, raw: &Raw) {
    let id = ask(client, raw);
    let payload: Vec<u8> = (0..=255).collect();
    raw.send_all(&chunked(Header::response(Method::new(1), id, 256), &payload, PACKET_SIZE));
    let response = client.receive(soon()).unwrap();
    assert_eq!((response.ticket().id(), response.payload()), (id, &payload[..]));
}

/// Every call fails, and none of them waits.
fn assert_over(session: &mut ClientSession, why: &Error, name: &str) {
    let closed = matches!(why, Error::Closed { .. });
    let is_it = |error: &Error| match error {
        Error::Closed { .. } => closed,
        error => error == why,
    };
    assert_eq!(session.receive(soon()).map(drop).unwrap_err(), *why, "{name}");
    assert_eq!(session.try_receive().map(drop).unwrap_err(), *why, "{name}");
    let method = Method::new(1);
    let built = session.send_with(method, soon(), |_| Ok::<(), Error>(()));
    let requests = [
        session.send(method, b"late", soon()).map(drop),
        session.send_batch(method, &[b"late"], soon()).map(drop),
        session.try_send(method, Bytes::from_static(b"late")).map(drop),
        built.map(drop).map_err(|error| match error {
            BuildError::Session(error) | BuildError::Build(error) => error,
        }),
    ];
    for request in requests {
        let error = request.unwrap_err();
        assert!(is_it(&error), "{name}: {error}");
    }
    if !closed {
        assert_eq!(session.try_flush(), Err(why.clone()), "{name}");
    }
}

fn play(client: &mut Client, config: &ClientConfig, ack: &HelloAck, case: Case) {
    let Case { name, packets, good, hangs_up, end } = case;
    let before = open_descriptors();
    let (mut session, raw) = meet(config, &client.endpoint, &client.server, ack);
    assert_eq!(ask(&mut session, &raw), 1);
    raw.send_all(&packets);
    let raw = Some(raw).filter(|_| !hangs_up);
    for _ in 0..good {
        session.receive(soon()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let error = session.receive(soon()).map(drop).expect_err(&name);
    end.assert_is(&error, &name);
    if let Some(raw) = &raw {
        raw.assert_closed(&name);
    }
    assert_over(&mut session, &error, &name);
    client.goes_on();
    drop((raw, session));
    assert_eq!(open_descriptors(), before, "{name}: descriptors");
}

#[test]
fn every_breach_ends_its_session_and_no_other() {
    let _alone = alone();
    let mut client = Client::new();
    let config = client.config.clone();
    let cases = cases(Role::Client);
    assert!(cases.len() > 150, "{}", cases.len());
    for case in cases {
        play(&mut client, &config, &good_ack(), case);
    }
}

#[test]
fn no_server_can_make_a_client_take_more_than_its_ceiling() {
    let _alone = alone();
    let mut client = Client::new();
    let ack = HelloAck { response_payload: u32::MAX, ..good_ack() };
    let mut case = |config: &ClientConfig, payload_len: u32, limit, asked: u64, allowed: u32| {
        let name = format!("{payload_len} bytes of payload, {allowed} allowed");
        let packets = vec![whole(Header::response(Method::new(1), 1, payload_len), &[0; 68])];
        let end = End::Beyond(limit, asked, allowed.into());
        play(&mut client, config, &ack, Case { name, packets, good: 0, hangs_up: false, end });
    };
    let config = Client::new().config;
    let none = config.clone().response_ceiling(u32::MAX);
    let mebibytes: u32 = 64 << 20;
    case(&config, mebibytes + 1, Limit::ResponsePayload, u64::from(mebibytes) + 1, mebibytes);
    case(&config, u32::MAX, Limit::ResponsePayload, u32::MAX.into(), mebibytes);
    case(&config.clone().response_ceiling(99), 100, Limit::ResponsePayload, 100, 99);
    // Without a ceiling, what 32 bits can't say.
    for payload_len in [u32::MAX - 31, u32::MAX - 30, u32::MAX] {
        case(&none, payload_len, Limit::MessageLen, u64::from(payload_len) + 32, u32::MAX);
    }
}

#[test]
fn an_answer_before_any_request_is_unknown() {
    let _alone = alone();
    let mut client = Client::new();
    let (connecting, raw) = client.connect();
    raw.send(&ack_packet(&good_ack())).unwrap();
    raw.send(&whole(Header::response(Method::new(1), 1, 2), b"hi")).unwrap();
    let mut session = connecting.finish(soon()).unwrap();
    let error = session.receive(soon()).map(drop).unwrap_err();
    assert_eq!(error, Error::Violation(Violation::UnknownId { id: 1 }));
    raw.assert_closed("too early");
    assert_over(&mut session, &error, "too early");
    client.goes_on();
}

/// How an attempt to connect ends.
enum Ack {
    Ends(End),
    Refused(Status),
    Incompatible(End),
}

/// The handshake fails in this way, be it waited for or not.
fn answer(client: &mut Client, name: &str, packets: &[Vec<u8>], hangs_up: bool, expected: &Ack) {
    let before = open_descriptors();
    for waits in [true, false] {
        let (connecting, raw) = client.connect();
        raw.send_all(packets);
        let raw = Some(raw).filter(|_| !hangs_up);
        let error = if waits {
            connecting.finish(soon()).map(drop).expect_err(name)
        } else {
            connecting.try_finish().map(drop).expect_err(name)
        };
        match (expected, &error) {
            (Ack::Ends(end), error) => end.assert_is(error, name),
            (Ack::Refused(status), Error::Refused(found)) => assert_eq!(status, found, "{name}"),
            (Ack::Incompatible(end), Error::Incompatible(found)) => end.assert_names(found, name),
            _ => panic!("{name}: {error}"),
        }
        if let Some(raw) = &raw {
            raw.assert_closed(name);
        }
    }
    client.goes_on();
    assert_eq!(open_descriptors(), before, "{name}: descriptors");
}

#[test]
fn every_packet_that_is_no_hello_ack_is_named() {
    let _alone = alone();
    let mut client = Client::new();
    let ack = ack_packet(&good_ack());
    let length = |found| Ack::Ends(packet_length(80, found));
    let field = |field, offset, rule| Ack::Ends(header_field(field, offset, rule));
    let breaks = |violation| Ack::Ends(End::Breaks(violation));
    let unexpected = |found| breaks(Violation::UnexpectedKind { expected: Kind::Control, found });
    let magic = |found| field("magic", 0, Rule::Magic { expected: MAGIC, found });
    let stated = |found| breaks(Violation::PayloadLength { expected: 48, found });
    let code = |found| breaks(Violation::UnexpectedControl { expected: Control::HelloAck, found });
    let header_len = |found| field("header_len", 6, Rule::HeaderLen { expected: 32, found });
    let kind = |found| field("kind", 8, Rule::Kind { found });
    let patch = |at: usize, number: u16| patched(&ack, at, &number.to_ne_bytes());
    let payload_len = |len: u32| patched(&ack, 16, &len.to_ne_bytes());
    let other = |structure, field, offset, found| {
        Ack::Incompatible(End::Bytes(structure, field, offset, Rule::Version { expected: 1, found }))
    };
    let flags = Ack::Ends(End::Bytes(Structure::HelloAck, "flags", 2, Rule::Zero { found: 1 }));

    answer(&mut client, "an empty packet", &[vec![]], false, &breaks(Violation::EmptyPacket));
    for len in 1..32 {
        let expected = Ack::Ends(End::CutOff(Structure::Header, 32, len));
        answer(&mut client, &format!("{len} bytes of an ack"), &[ack[..len].to_vec()], false, &expected);
    }
    for len in 32..80 {
        answer(&mut client, &format!("{len} bytes of an ack"), &[ack[..len].to_vec()], false, &length(len));
    }
    // An ack is received into room for one byte more.
    for more in [1, 2, 300, 100_000] {
        let packet = [&ack[..], &vec![0; more]].concat();
        answer(&mut client, &format!("{more} bytes behind an ack"), &[packet], false, &length(80 + more));
    }
    let response = Header::response(Method::new(1), 1, 8);
    let cases: [(&str, Vec<u8>, Ack); 23] = [
        ("no magic", patched(&ack, 0, &[0; 4]), magic(0)),
        ("the magic of chunks", patched(&ack, 0, &CHUNK_MAGIC.to_ne_bytes()), magic(CHUNK_MAGIC)),
        ("version 0", patch(4, 0), other(Structure::Header, "version", 4, 0)),
        ("version 2", patch(4, 2), other(Structure::Header, "version", 4, 2)),
        ("header_len 0", patch(6, 0), header_len(0)),
        ("header_len 48", patch(6, 48), header_len(48)),
        ("kind 0", patch(8, 0), kind(0)),
        ("kind 4", patch(8, 4), kind(4)),
        ("kind 65535", patch(8, u16::MAX), kind(u16::MAX)),
        ("an ack as a request", patch(8, 1), unexpected(Kind::Request)),
        ("an ack as a response", patch(8, 2), unexpected(Kind::Response)),
        ("a response", whole(response, &[7; 8]), unexpected(Kind::Response)),
        ("its own hello", hello_packet(&good_hello()), code(1)),
        ("code 0", patch(12, 0), code(0)),
        ("code 65535", patch(12, u16::MAX), code(u16::MAX)),
        ("payload_len 0", payload_len(0), stated(0)),
        ("payload_len 36, as in an early draft", payload_len(36), stated(36)),
        ("payload_len 49", payload_len(49), stated(49)),
        ("payload_len of all ones", payload_len(u32::MAX), stated(u32::MAX)),
        ("layout_version 0", patch(32, 0), other(Structure::HelloAck, "layout_version", 0, 0)),
        ("layout_version 2", patch(32, 2), other(Structure::HelloAck, "layout_version", 0, 2)),
        ("flags", patch(34, 1), flags),
        ("a refusal without a reason", refusal_packet(Status::Ok), Ack::Ends(wrong("selected_profile", 12, 0))),
    ];
    for (name, packet, expected) in cases {
        answer(&mut client, name, &[packet], false, &expected);
    }
}

/// A field at this byte of an ack does not follow from the hello.
fn wrong(field: &'static str, at: usize, found: u64) -> End {
    End::Breaks(Violation::Ack { field, offset: 32 + at, found })
}

#[test]
fn every_field_of_an_ack_must_follow_from_the_hello() {
    let _alone = alone();
    let mut client = Client::new();
    let good = good_ack();
    let bits = Profiles::from_bits;
    let cases = [
        (HelloAck { server_profiles: bits(0), ..good }, wrong("intersection", 8, 1)),
        (HelloAck { intersection: bits(0), ..good }, wrong("intersection", 8, 0)),
        (HelloAck { intersection: bits(3), ..good }, wrong("intersection", 8, 3)),
        (HelloAck { server_profiles: bits(3), intersection: bits(3), ..good }, wrong("intersection", 8, 3)),
        (HelloAck { selected_profile: bits(0), ..good }, wrong("selected_profile", 12, 0)),
        (HelloAck { selected_profile: bits(2), ..good }, wrong("selected_profile", 12, 2)),
        (HelloAck { selected_profile: bits(3), ..good }, wrong("selected_profile", 12, 3)),
        (HelloAck { request_payload: PAYLOAD - 1, ..good }, wrong("request_payload", 16, 1023)),
        (HelloAck { request_payload: u32::MAX, ..good }, wrong("request_payload", 16, u32::MAX.into())),
        (HelloAck { request_items: ITEMS + 1, ..good }, wrong("request_items", 20, 5)),
        (HelloAck { request_items: 0, ..good }, wrong("request_items", 20, 0)),
        (HelloAck { response_items: ITEMS + 1, ..good }, wrong("response_items", 28, 5)),
        (HelloAck { response_items: 0, ..good }, wrong("response_items", 28, 0)),
        (HelloAck { packet_size: 0, ..good }, wrong("packet_size", 32, 0)),
        (HelloAck { packet_size: 32, ..good }, wrong("packet_size", 32, 32)),
        (HelloAck { packet_size: PACKET_SIZE + 1, ..good }, wrong("packet_size", 32, 101)),
        (HelloAck { packet_size: u32::MAX, ..good }, wrong("packet_size", 32, u32::MAX.into())),
        (HelloAck { padding: 1, ..good }, wrong("padding", 36, 1)),
    ];
    for (ack, end) in cases {
        answer(&mut client, &format!("{ack:?}"), &[ack_packet(&ack)], false, &Ack::Ends(end));
    }
}

#[test]
fn every_refusal_is_handed_on_whatever_comes_with_it() {
    let _alone = alone();
    let mut client = Client::new();
    for status in (1..8).chain([99, u16::MAX]).map(Status::from_raw) {
        let expected = Ack::Refused(status);
        let header = Header::control(Control::HelloAck, 48).with_status(status);
        for (name, packet) in [
            ("a refusal", refusal_packet(status)),
            ("a refusal with terms", whole(header, &good_ack().encode())),
            ("a refusal without a payload", header.encode().to_vec()),
            ("a refusal with too much", whole(header, &[0xaa; 500])),
        ] {
            answer(&mut client, name, &[packet], false, &expected);
            answer(&mut client, name, &[refusal_packet(status), vec![]], true, &expected);
        }
    }
}

#[test]
fn an_ack_in_pieces_or_none_at_all_is_no_session() {
    let _alone = alone();
    let mut client = Client::new();
    let ack = ack_packet(&good_ack());
    let halves = [ack[..32].to_vec(), ack[32..].to_vec()];
    let bytes: Vec<Vec<u8>> = ack.iter().map(|byte| vec![*byte]).collect();
    let short = Ack::Ends(packet_length(80, 32));
    answer(&mut client, "an ack in two packets", &halves, false, &short);
    answer(&mut client, "half an ack", &halves[..1], true, &short);
    answer(&mut client, "an ack in 80", &bytes, false, &Ack::Ends(End::CutOff(Structure::Header, 32, 1)));
    answer(&mut client, "gone without a word", &[], true, &Ack::Ends(End::Closed(false)));
}

#[test]
fn a_server_that_says_nothing_costs_a_client_its_deadline() {
    let _alone = alone();
    let mut client = Client::new();
    let before = open_descriptors();
    let (connecting, raw) = client.connect();
    let Progress::Waiting(connecting) = connecting.try_finish().unwrap() else { panic!("nothing was said") };
    assert_eq!(connecting.finish(Deadline::after(Duration::from_millis(1))).map(drop), Err(Error::TimedOut));
    raw.assert_closed("silent");
    drop(raw);
    client.goes_on();
    assert_eq!(open_descriptors(), before);
}

#[test]
fn a_server_that_is_full_and_closes_after_its_ack_is_gone_at_the_first_call() {
    let _alone = alone();
    let mut client = Client::new();
    let (mut session, raw) = meet(&client.config, &client.endpoint, &client.server, &good_ack());
    drop(raw);
    let error = session.send(Method::new(1), b"question", soon()).map(drop).unwrap_err();
    assert_eq!(error, Error::Closed { mid_message: false });
    assert!(error.is_disconnect());
    assert_over(&mut session, &error, "full");
    client.goes_on();
}

#[test]
fn descriptors_that_come_with_packets_are_closed_and_the_packets_taken() {
    let _alone = alone();
    let mut client = Client::new();
    let before = open_descriptors();
    let (mut watched, attached) = UnixStream::pair().unwrap();
    watched.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let (connecting, raw) = client.connect();
    raw.send_with(&ack_packet(&good_ack()), attached.as_fd());
    let mut session = connecting.finish(soon()).unwrap();
    let id = ask(&mut session, &raw);
    for packet in chunked(Header::response(Method::new(1), id, 300), &[9; 300], PACKET_SIZE) {
        raw.send_with(&packet, attached.as_fd());
    }
    assert_eq!(session.receive(soon()).unwrap().payload(), [9; 300]);
    raw.send_with(&[0; 40], attached.as_fd());
    raw.send_with(&[0; 40], attached.as_fd());
    assert!(matches!(session.receive(soon()), Err(Error::Violation(_))));
    raw.assert_closed("a bad packet with a descriptor");
    drop((attached, session));
    assert_eq!(watched.read(&mut [0; 1]).expect("nobody has the other end"), 0);
    drop((raw, watched));
    client.goes_on();
    assert_eq!(open_descriptors(), before);
}

#[test]
fn what_a_client_may_not_send_is_refused_before_it_is_sent() {
    let _alone = alone();
    let mut client = Client::new();
    let (mut session, raw) = meet(&client.config, &client.endpoint, &client.server, &good_ack());
    let limit = |limit, asked, allowed: u32| Error::Limit(LimitExceeded { limit, asked, allowed: allowed.into() });
    let long = [0; PAYLOAD as usize + 1];
    let too_long = Err(limit(Limit::RequestPayload, 1025, PAYLOAD));
    assert_eq!(session.send(Method::new(1), &long, soon()).map(drop), too_long);
    assert_eq!(session.try_send(Method::new(1), Bytes::copy_from_slice(&long)).map(drop), too_long);
    let too_many = Err(limit(Limit::RequestItems, 5, ITEMS));
    assert_eq!(session.send_batch(Method::new(1), &[b"x"; 5], soon()).map(drop), too_many);
    assert_eq!(session.send_batch::<&[u8]>(Method::new(1), &[], soon()).map(drop), Err(Error::EmptyBatch));
    // None of it was sent, and none of it cost an id.
    assert_eq!(ask(&mut session, &raw), 1);
    client.goes_on();
}
