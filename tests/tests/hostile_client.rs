//! Clients that break every rule there is, against a server that goes on.
#![cfg(target_os = "linux")]

use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bytes::Bytes;
use netipc::endpoint::Endpoint;
use netipc::proto::Role;
use netipc::session::{
    Arrival, Cause, ClientConfig, ClientSession, Error, Limit, LimitExceeded, Listener, Progress, Reason, ServerConfig,
    ServerSession, Ticket, Violation,
};
use netipc::wire::{
    AuthToken, CHUNK_MAGIC, Control, Header, Hello, Kind, MAGIC, Method, Profiles, Rule, Status, Structure,
};
use netipc_tests::hostile::{Case, End, cases, header_field, packet_length};
use netipc_tests::raw::{
    ITEMS, PACKET_SIZE, PAYLOAD, Raw, RunDir, TOKEN, ack_packet, alone, chunked, good_ack, good_hello, hello_packet,
    open_descriptors, patched, refusal_packet, soon, whole,
};

/// The id of a request that each session begins with, and that is never answered.
const UNANSWERED: u64 = 1000;
/// The packet size of the server, more than any client asks for.
const SERVERS_PACKETS: u32 = 4096;

/// A server with one session that all the others must leave alone.
struct Server {
    listener: Listener,
    endpoint: Endpoint,
    client: ClientConfig,
    bystanders: (ClientSession, ServerSession),
    _run_dir: RunDir,
}

impl Server {
    fn new() -> Self {
        Self::with(PAYLOAD, &good_hello())
    }

    fn with(max_payload: u32, hello: &Hello) -> Self {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("victim");
        let config = ServerConfig::new()
            .auth_token(AuthToken::new(TOKEN))
            .max_request_payload(max_payload)
            .max_response_payload(max_payload)
            .packet_size(SERVERS_PACKETS)
            .max_in_flight(4);
        let mut listener = config.listen(&endpoint).unwrap();
        let client = ClientConfig::new()
            .auth_token(AuthToken::new(TOKEN))
            .max_request_payload(PAYLOAD)
            .max_request_items(ITEMS)
            .packet_size(hello.packet_size);
        let bystanders = meet(&mut listener, &client, &endpoint);
        Self { listener, endpoint, client, bystanders, _run_dir: run_dir }
    }

    /// A session with a raw client, and the request of it that waits for its answer.
    fn let_in(&mut self, hello: &Hello) -> (Raw, ServerSession, Ticket) {
        let raw = Raw::connect(&self.endpoint);
        raw.send(&hello_packet(hello)).unwrap();
        let mut session = self.listener.accept(soon()).unwrap();
        assert_eq!(raw.receive().map(|ack| ack.len()), Some(80));
        raw.send(&whole(Header::request(Method::new(7), UNANSWERED, 3), b"ask")).unwrap();
        let ticket = session.receive(soon()).unwrap().ticket();
        (raw, session, ticket)
    }

    /// A good client gets in, and the session that was there before goes on.
    fn goes_on(&mut self) {
        let (mut client, mut server) = meet(&mut self.listener, &self.client, &self.endpoint);
        echo(&mut client, &mut server);
        echo(&mut self.bystanders.0, &mut self.bystanders.1);
    }
}

/// Everything on this one thread, so nobody waits who would not wait for ever.
fn meet(listener: &mut Listener, client: &ClientConfig, endpoint: &Endpoint) -> (ClientSession, ServerSession) {
    let connecting = client.try_connect(endpoint).unwrap().expect("room in the queue");
    let server = listener.accept(soon()).unwrap();
    match connecting.try_finish().unwrap() {
        Progress::Done(client) => (*client, server),
        Progress::Waiting(_) => panic!("the server has answered"),
    }
}

/// One call, of several packets.
fn echo(client: &mut ClientSession, server: &mut ServerSession) {
    let payload: Vec<u8> = (0..=255).collect();
    let ticket = client.send(Method::new(1), &payload, soon()).unwrap();
    let request = server.receive(soon()).unwrap();
    let (asked, request) = (request.ticket(), request.keep());
    server.respond(asked, request.payload(), soon()).unwrap();
    let response = client.receive(soon()).unwrap();
    assert_eq!((response.ticket(), response.payload()), (ticket, &payload[..]));
}

/// Every call fails, and none of them waits. What the peer sent before a hang-up is all there is of it.
fn assert_over(session: &mut ServerSession, ticket: Ticket, why: &Error, name: &str) {
    let closed = matches!(why, Error::Closed { .. });
    let is_it = |error: &Error| match error {
        Error::Closed { .. } => closed,
        error => error == why,
    };
    assert_eq!(session.receive(soon()).map(drop).unwrap_err(), *why, "{name}");
    assert_eq!(session.try_receive().map(drop).unwrap_err(), *why, "{name}");
    let answers = [
        session.respond(ticket, b"late", soon()),
        session.respond_status(ticket, Status::InternalError, soon()),
        session.respond_batch(ticket, &[b"late"], soon()),
        session.respond_with(ticket, soon(), |_| Ok::<(), Error>(())).map_err(|error| match error {
            netipc::session::BuildError::Session(error) | netipc::session::BuildError::Build(error) => error,
        }),
        session.try_respond(ticket, Bytes::from_static(b"late")).map(drop),
    ];
    for answer in answers {
        let error = answer.unwrap_err();
        assert!(is_it(&error), "{name}: {error}");
    }
    if !closed {
        assert_eq!(session.try_flush(), Err(why.clone()), "{name}");
    }
}

fn play(server: &mut Server, hello: &Hello, case: Case) {
    let Case { name, packets, good, hangs_up, end } = case;
    let before = open_descriptors();
    let (raw, mut session, ticket) = server.let_in(hello);
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
    assert_over(&mut session, ticket, &error, &name);
    server.goes_on();
    drop((raw, session));
    assert_eq!(open_descriptors(), before, "{name}: descriptors");
}

#[test]
fn every_breach_ends_its_session_and_no_other() {
    let _alone = alone();
    let mut server = Server::new();
    let cases = cases(Role::Server);
    assert!(cases.len() > 150, "{}", cases.len());
    for case in cases {
        play(&mut server, &good_hello(), case);
    }
}

#[test]
fn a_total_that_wraps_around_is_refused_whatever_the_limit() {
    let _alone = alone();
    let hello = Hello { max_request_payload: u32::MAX, ..good_hello() };
    let mut server = Server::with(u32::MAX, &hello);
    for payload_len in [u32::MAX - 31, u32::MAX - 30, u32::MAX] {
        let header = Header::request(Method::new(1), 1, payload_len);
        let end = End::Beyond(Limit::MessageLen, u64::from(payload_len) + 32, u32::MAX.into());
        for body in [0, 8, 68] {
            let name = format!("{payload_len} bytes of payload, {body} of them there");
            let packets = vec![whole(header, &vec![0; body])];
            play(&mut server, &hello, Case { name, packets, good: 0, hangs_up: false, end });
        }
    }
}

#[test]
fn a_session_cut_off_while_it_sends_ends_as_closed() {
    let _alone = alone();
    let mut server = Server::new();
    let before = open_descriptors();
    let (raw, mut session, ticket) = server.let_in(&good_hello());
    raw.stop_sending();
    session.respond(ticket, b"still there?", soon()).unwrap();
    assert_eq!(raw.receive().unwrap()[32..], *b"still there?");
    assert_eq!(session.receive(soon()).map(drop), Err(Error::Closed { mid_message: false }));
    drop(raw);
    server.goes_on();
    drop(session);
    assert_eq!(open_descriptors(), before);
}

/// What becomes of a client at the door.
enum Door {
    /// It is told why not.
    Told(Reason),
    /// It is told that its version is not ours, or that its envelope is bad.
    Bytes(Status, End),
    /// It is not answered.
    Shut(End),
}

fn knock(server: &mut Server, name: &str, packets: &[Vec<u8>], hangs_up: bool, door: &Door) {
    let before = open_descriptors();
    let raw = Raw::connect(&server.endpoint);
    raw.send_all(packets);
    let raw = Some(raw).filter(|_| !hangs_up);
    let Arrival::Rejected(rejected) = server.listener.next(soon()).unwrap() else { panic!("{name}: let in") };
    assert_eq!(rejected.peer().and_then(|peer| peer.pid), Some(std::process::id()), "{name}");
    let told = match (rejected.cause(), door) {
        (Cause::Refused(refusal), Door::Told(reason)) => {
            assert_eq!(refusal.reason(), *reason, "{name}");
            Some(reason.status())
        }
        (Cause::Refused(refusal), Door::Bytes(status, end)) => {
            let Reason::Envelope(error) = refusal.reason() else { panic!("{name}: {refusal}") };
            end.assert_names(&error, name);
            Some(*status)
        }
        (Cause::Violation(violation), Door::Shut(end)) => {
            end.assert_is(&Error::Violation(*violation), name);
            None
        }
        (Cause::Closed, Door::Shut(End::Closed(false))) => None,
        (cause, _) => panic!("{name}: {cause}"),
    };
    if let Some(raw) = &raw {
        if let Some(status) = told {
            assert_eq!(raw.receive(), Some(refusal_packet(status)), "{name}");
        }
        raw.assert_closed(name);
    }
    server.goes_on();
    drop(raw);
    assert_eq!(open_descriptors(), before, "{name}: descriptors");
}

#[test]
fn every_packet_that_is_no_hello_is_not_answered() {
    let _alone = alone();
    let mut server = Server::new();
    let hello = hello_packet(&good_hello());
    let length = |found| Door::Shut(packet_length(76, found));
    let field = |field, offset, rule| Door::Shut(header_field(field, offset, rule));
    let breaks = |violation| Door::Shut(End::Breaks(violation));
    let unexpected = |found| breaks(Violation::UnexpectedKind { expected: Kind::Control, found });
    let magic = |found| field("magic", 0, Rule::Magic { expected: MAGIC, found });
    let stated = |found| breaks(Violation::PayloadLength { expected: 44, found });
    let code = |found| breaks(Violation::UnexpectedControl { expected: Control::Hello, found });
    let header_len = |found| field("header_len", 6, Rule::HeaderLen { expected: 32, found });
    let kind = |found| field("kind", 8, Rule::Kind { found });
    let patch = |at: usize, number: u16| patched(&hello, at, &number.to_ne_bytes());
    let payload_len = |len: u32| patched(&hello, 16, &len.to_ne_bytes());
    let longer = |more: usize| [&hello[..], &vec![0; more]].concat();

    knock(&mut server, "an empty packet", &[vec![]], false, &breaks(Violation::EmptyPacket));
    for len in 1..32 {
        let door = Door::Shut(End::CutOff(Structure::Header, 32, len));
        knock(&mut server, &format!("{len} bytes of a hello"), &[hello[..len].to_vec()], false, &door);
    }
    for len in 32..76 {
        knock(&mut server, &format!("{len} bytes of a hello"), &[hello[..len].to_vec()], false, &length(len));
    }
    // A hello is received into room for one byte more.
    for more in [1, 2, 24, 300, 100_000] {
        knock(&mut server, &format!("{more} bytes behind a hello"), &[longer(more)], false, &length(76 + more));
    }
    let cases: [(&str, Vec<u8>, Door); 20] = [
        ("no magic", patched(&hello, 0, &[0; 4]), magic(0)),
        ("the magic of chunks", patched(&hello, 0, &CHUNK_MAGIC.to_ne_bytes()), magic(CHUNK_MAGIC)),
        ("header_len 0", patch(6, 0), header_len(0)),
        ("header_len 33", patch(6, 33), header_len(33)),
        ("kind 0", patch(8, 0), kind(0)),
        ("kind 4", patch(8, 4), kind(4)),
        ("kind 65535", patch(8, u16::MAX), kind(u16::MAX)),
        ("a hello as a request", patch(8, 1), unexpected(Kind::Request)),
        ("a hello as a response", patch(8, 2), unexpected(Kind::Response)),
        ("a request", whole(Header::request(Method::new(1), 1, 8), &[7; 8]), unexpected(Kind::Request)),
        (
            "a request in chunks",
            chunked(Header::request(Method::new(1), 1, 300), &[7; 300], PACKET_SIZE)[0].clone(),
            unexpected(Kind::Request),
        ),
        ("a hello-ack", ack_packet(&good_ack()), code(2)),
        ("code 0", patch(12, 0), code(0)),
        ("code 65535", patch(12, u16::MAX), code(u16::MAX)),
        ("payload_len 0", payload_len(0), stated(0)),
        ("payload_len 43", payload_len(43), stated(43)),
        ("payload_len 45", payload_len(45), stated(45)),
        ("payload_len of all ones", payload_len(u32::MAX), stated(u32::MAX)),
        (
            "version 2, and no hello",
            patched(&patch(4, 2), 8, &1_u16.to_ne_bytes()),
            field("version", 4, Rule::Version { expected: 1, found: 2 }),
        ),
        (
            "version 2, and cut short",
            patch(4, 2)[..75].to_vec(),
            field("version", 4, Rule::Version { expected: 1, found: 2 }),
        ),
    ];
    for (name, packet, door) in cases {
        knock(&mut server, name, &[packet], false, &door);
    }
}

#[test]
fn every_hello_that_asks_for_too_much_is_told_so() {
    let _alone = alone();
    let mut server = Server::new();
    let hello = good_hello();
    let bytes = |at: usize, bytes: &[u8]| patched(&hello_packet(&hello), at, bytes);
    let version = |structure, field, offset, found| {
        Door::Bytes(Status::Incompatible, End::Bytes(structure, field, offset, Rule::Version { expected: 1, found }))
    };
    let padding =
        |found| Door::Bytes(Status::BadEnvelope, End::Bytes(Structure::Hello, "padding", 28, Rule::Zero { found }));
    let limit = |asked: u32| {
        let (asked, allowed) = (asked.into(), PAYLOAD.into());
        Door::Told(Reason::Limit(LimitExceeded { limit: Limit::RequestPayload, asked, allowed }))
    };
    let profiles = |bits: u32| {
        let offered = Profiles::from_bits(bits);
        let door = Door::Told(Reason::Profiles { offered, supported: Profiles::BASELINE });
        (hello_packet(&Hello { supported_profiles: offered, preferred_profiles: offered, ..hello }), door)
    };
    let packet_size = |offered: u32| {
        let packet = hello_packet(&Hello { packet_size: offered, ..hello });
        (packet, Reason::PacketSize { offered, supported: SERVERS_PACKETS })
    };
    let token = |token: u64| hello_packet(&Hello { auth_token: AuthToken::new(token), ..hello });
    let request = |max_request_payload: u32| hello_packet(&Hello { max_request_payload, ..hello });
    let flags = |flags: u16| (hello_packet(&Hello { flags, ..hello }), Door::Told(Reason::Flags { found: flags }));

    let mut cases: Vec<(&str, (Vec<u8>, Door))> = vec![
        ("version 0", (bytes(4, &0_u16.to_ne_bytes()), version(Structure::Header, "version", 4, 0))),
        ("version 2", (bytes(4, &2_u16.to_ne_bytes()), version(Structure::Header, "version", 4, 2))),
        ("layout_version 0", (bytes(32, &0_u16.to_ne_bytes()), version(Structure::Hello, "layout_version", 0, 0))),
        ("layout_version 2", (bytes(32, &2_u16.to_ne_bytes()), version(Structure::Hello, "layout_version", 0, 2))),
        ("padding", (bytes(60, &1_u32.to_ne_bytes()), padding(1))),
        ("flag 0", flags(1)),
        ("flag 15", flags(0x8000)),
        ("no profiles", profiles(0)),
        ("profiles of shared memory", profiles(6)),
        ("unknown profiles", profiles(0xffff_fff0)),
        ("no token", (token(0), Door::Told(Reason::Token))),
        ("a token with one bit more", (token(TOKEN | 1 << 63), Door::Told(Reason::Token))),
        ("a payload one too long", (request(PAYLOAD + 1), limit(PAYLOAD + 1))),
        ("a payload as long as can be", (request(u32::MAX), limit(u32::MAX))),
    ];
    for size in [0, 1, 32] {
        let (packet, reason) = packet_size(size);
        cases.push(("packets without room", (packet, Door::Told(reason))));
    }
    for (name, (packet, door)) in cases {
        knock(&mut server, name, &[packet], false, &door);
    }
}

#[test]
fn a_hello_in_pieces_or_none_at_all_is_not_answered() {
    let _alone = alone();
    let mut server = Server::new();
    let hello = hello_packet(&good_hello());
    let bytes: Vec<Vec<u8>> = hello.iter().map(|byte| vec![*byte]).collect();
    let halves = [hello[..32].to_vec(), hello[32..].to_vec()];
    let gone = Door::Shut(End::Closed(false));
    knock(&mut server, "a hello in two packets", &halves, false, &Door::Shut(packet_length(76, 32)));
    knock(&mut server, "a hello in 76", &bytes, false, &Door::Shut(End::CutOff(Structure::Header, 32, 1)));
    knock(&mut server, "gone without a word", &[], true, &gone);
    knock(&mut server, "gone after half a hello", &halves[..1], true, &Door::Shut(packet_length(76, 32)));

    let raw = Raw::connect(&server.endpoint);
    raw.stop_sending();
    let Arrival::Rejected(rejected) = server.listener.next(soon()).unwrap() else { panic!("let in") };
    assert_eq!(*rejected.cause(), Cause::Closed);
    raw.assert_closed("nothing, but an ear");
    server.goes_on();
}

#[test]
fn descriptors_that_come_with_packets_are_closed_and_the_packets_taken() {
    let _alone = alone();
    let mut server = Server::new();
    let before = open_descriptors();
    let (mut watched, attached) = UnixStream::pair().unwrap();
    watched.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let raw = Raw::connect(&server.endpoint);
    raw.send_with(&hello_packet(&good_hello()), attached.as_fd());
    let mut session = server.listener.accept(soon()).unwrap();
    assert_eq!(raw.receive().unwrap().len(), 80);
    let header = Header::request(Method::new(1), 1, 300);
    for packet in chunked(header, &[9; 300], PACKET_SIZE) {
        raw.send_with(&packet, attached.as_fd());
    }
    assert_eq!(session.receive(soon()).unwrap().payload(), [9; 300]);
    // And with one that is refused, and one that is never received.
    raw.send_with(&[0; 40], attached.as_fd());
    raw.send_with(&[0; 40], attached.as_fd());
    assert!(matches!(session.receive(soon()), Err(Error::Violation(_))));
    raw.assert_closed("a bad packet with a descriptor");
    drop(attached);
    drop(session);
    assert_eq!(watched.read(&mut [0; 1]).expect("nobody has the other end"), 0);
    drop((raw, watched));
    server.goes_on();
    assert_eq!(open_descriptors(), before);
}
