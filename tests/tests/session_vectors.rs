//! The handshakes and sessions of the vectors, played over sockets: byte for byte as deployed peers answer, but where
//! ours is stricter, which the tables here list (docs/protocol.md, section 7).
//!
//! The vectors come from a little-endian machine, and the wire is in host byte order.
#![cfg(all(target_os = "linux", target_endian = "little"))]

use std::collections::BTreeSet;

use netipc::session::{
    Arrival, Cause, ClientConfig, Error, Listener, Message, Progress, ServerConfig, ServerSession, Terms, Violation,
};
use netipc::wire::{AuthToken, Header, Hello, Kind, Method, Status, Structure};
use netipc_tests::raw::{ITEMS, Raw, RawServer, RunDir, TOKEN, good_hello, hello_packet, refusal_packet, soon, whole};
use netipc_tests::vectors::{Entry, described, hex_list, load_kind, number, text, unhex};

const REQUEST: u32 = 4096;
const RESPONSE: u32 = 8192;
const PACKET: u32 = 1000;
/// The number of the session that the vectors of servers were recorded with.
const SESSION: u64 = 7;

/// How ours ends where the peers that the vectors were recorded from take what came, or refuse it in another way.
#[derive(Debug, Clone, Copy)]
enum Ours {
    /// A refusal with this status.
    Refuses(Status),
    /// The connection is closed, or the session ends, by this rule.
    Breaks(Violation),
    /// The same, by a rule of a structure: its field, its byte.
    Bytes(Structure, &'static str, usize),
}

impl Ours {
    fn assert_is(self, violation: &Violation, name: &str) {
        match (self, violation) {
            (Self::Breaks(expected), found) => assert_eq!(expected, *found, "{name}"),
            (Self::Bytes(structure, field, offset), Violation::Envelope(found)) => {
                assert_eq!((structure, field, offset), (found.structure(), found.field(), found.offset()), "{name}");
            }
            _ => panic!("{name}: {violation}"),
        }
    }
}

/// A list of exceptions, all of which must be met.
struct Exceptions {
    table: &'static [(&'static str, Ours)],
    met: BTreeSet<&'static str>,
}

impl Exceptions {
    const fn new(table: &'static [(&'static str, Ours)]) -> Self {
        Self { table, met: BTreeSet::new() }
    }

    fn of(&mut self, name: &str) -> Option<Ours> {
        let (name, ours) = self.table.iter().find(|(exception, _)| *exception == name)?;
        assert!(self.met.insert(name), "{name} twice");
        Some(*ours)
    }

    fn assert_all_met(&self) {
        assert_eq!(self.met.len(), self.table.len(), "{:?}", self.met);
    }
}

/// Entries of both files, those that are taken first; how many there are of each.
fn entries(kind: &str, taken: usize, refused: usize) -> Vec<Entry> {
    let (accept, reject) = (load_kind("accept", kind), load_kind("reject", kind));
    assert_eq!((accept.len(), reject.len()), (taken, refused), "{kind}");
    accept.into_iter().chain(reject).collect()
}

fn results(entry: &Entry) -> Vec<&str> {
    let results = entry.all["upstream_result"].as_array().expect(&entry.name);
    results.iter().map(|result| result.as_str().expect(&entry.name)).collect()
}

/// Terms in the words of the vectors.
fn session(terms: &Terms) -> String {
    format!(
        "session req_pay={} req_batch={} resp_pay={} resp_batch={} pkt={} profile={} sid={}",
        terms.request_payload,
        terms.request_items,
        terms.response_payload,
        terms.response_items,
        terms.packet_size,
        terms.profile.bits(),
        terms.session_id
    )
}

/// A message in the words of the vectors.
fn received(message: &Message<'_>) -> String {
    format!("recv OK {}", described(message.header(), message.payload()))
}

fn vector_hello(packet_size: u32) -> Hello {
    Hello { max_request_payload: REQUEST, max_response_payload: RESPONSE, packet_size, ..good_hello() }
}

fn server() -> ServerConfig {
    ServerConfig::new()
        .auth_token(AuthToken::new(TOKEN))
        .max_request_payload(REQUEST)
        .max_response_payload(RESPONSE)
        .packet_size(PACKET)
}

fn client() -> ClientConfig {
    ClientConfig::new()
        .auth_token(AuthToken::new(TOKEN))
        .max_request_payload(REQUEST)
        .max_request_items(ITEMS)
        .max_response_payload(RESPONSE)
        .packet_size(PACKET)
}

/// A listener that has had six sessions.
fn seventh(run_dir: &RunDir) -> Listener {
    let endpoint = run_dir.endpoint("vectors");
    let mut listener = server().listen(&endpoint).unwrap();
    for number in 1..SESSION {
        let (_raw, session) = begin(&mut listener, PACKET);
        assert_eq!(session.terms().session_id, number);
    }
    listener
}

fn begin(listener: &mut Listener, packet_size: u32) -> (Raw, ServerSession) {
    let raw = Raw::connect(listener.endpoint());
    raw.send(&hello_packet(&vector_hello(packet_size))).unwrap();
    let session = listener.accept(soon()).unwrap();
    assert_eq!(raw.receive().map(|ack| ack.len()), Some(80));
    (raw, session)
}

/// Handshakes that our server answers in another way than deployed servers.
const OUR_SERVER: [(&str, Ours); 4] = [
    // The contract has these bits for later; who sets them wants something that we can't know.
    ("hs_flags_1", Ours::Refuses(Status::BadEnvelope)),
    // A length that is not true is none.
    ("hs_outer_payload_len_wrong", Ours::Breaks(Violation::PayloadLength { expected: 44, found: 9999 })),
    // A packet is as long as its header says. (A byte more than a hello is looked at.)
    ("hs_trailing_bytes", Ours::Breaks(Violation::PacketLength { stated: 76, found: 376 })),
    // Refused by both; ours says why, as the contract asks.
    ("hs_padding_nonzero", Ours::Refuses(Status::BadEnvelope)),
];

/// What deployed servers name a refusal.
fn refusal(result: &str) -> Option<Status> {
    match result {
        "accept Incompatible" => Some(Status::Incompatible),
        "accept NoProfile" => Some(Status::Unsupported),
        "accept AuthFailed" => Some(Status::AuthFailed),
        "accept LimitExceeded" => Some(Status::LimitExceeded),
        "accept Protocol" => None,
        other => panic!("{other}"),
    }
}

#[test]
fn every_handshake_is_answered_with_the_bytes_of_deployed_servers() {
    let mut exceptions = Exceptions::new(&OUR_SERVER);
    let (mut taken, mut told, mut shut) = (0, 0, 0);
    for entry in entries("handshake_server", 12, 23) {
        let name = &entry.name[..];
        let run_dir = RunDir::new();
        let mut listener = seventh(&run_dir);
        let raw = Raw::connect(listener.endpoint());
        raw.send_all(&hex_list(&entry.all, "packets"));
        let arrival = listener.next(soon()).unwrap();
        let ours = exceptions.of(name);
        let (status, violation) = match arrival {
            Arrival::Session(session) => {
                assert!(ours.is_none(), "{name}");
                assert_eq!(raw.receive(), Some(unhex(text(&entry.all, "reply_hex"))), "{name}");
                assert_eq!(results(&entry), ["accept OK", &self::session(session.terms())], "{name}");
                taken += 1;
                continue;
            }
            Arrival::Rejected(rejected) => match rejected.cause() {
                Cause::Refused(refusal) => (Some(refusal.status()), None),
                Cause::Violation(violation) => (None, Some(*violation)),
                cause => panic!("{name}: {cause}"),
            },
        };
        match (ours, violation) {
            (None, _) => assert_eq!(status, refusal(results(&entry)[0]), "{name}"),
            (Some(Ours::Refuses(expected)), None) => assert_eq!(status, Some(expected), "{name}"),
            (Some(ours), Some(violation)) => ours.assert_is(&violation, name),
            (Some(ours), None) => panic!("{name}: {status:?}, and not {ours:?}"),
        }
        if let Some(status) = status {
            let reply = raw.receive();
            assert_eq!(reply, Some(refusal_packet(status)), "{name}");
            if ours.is_none() {
                assert_eq!(reply, Some(unhex(text(&entry.all, "reply_hex"))), "{name}");
            }
            told += 1;
        } else {
            assert!(ours.is_some() || entry.all["reply_hex"].is_null(), "{name}");
            shut += 1;
        }
        raw.assert_closed(name);
    }
    exceptions.assert_all_met();
    assert_eq!((taken, told, shut), (9, 15, 11));
}

/// Acks that our client refuses and deployed clients take: none of them follows from the hello.
const OUR_CLIENT: [(&str, Ours); 6] = [
    ("ch_padding_nonzero", Ours::Breaks(ack("padding", 36, 1))),
    ("ch_selected_0", Ours::Breaks(ack("selected_profile", 12, 0))),
    ("ch_selected_8", Ours::Breaks(ack("selected_profile", 12, 8))),
    ("ch_intersection_0", Ours::Breaks(ack("intersection", 8, 0))),
    ("ch_limits_above_proposal", Ours::Breaks(ack("request_payload", 16, 1 << 30))),
    ("ch_payload_len_wrong", Ours::Breaks(Violation::PayloadLength { expected: 48, found: 1 })),
];

const fn ack(field: &'static str, at: usize, found: u64) -> Violation {
    Violation::Ack { field, offset: 32 + at, found }
}

/// What deployed clients name the error.
fn connect_result(error: &Error) -> &'static str {
    match error {
        Error::Refused(Status::AuthFailed) => "connect AuthFailed",
        Error::Refused(Status::Incompatible) | Error::Incompatible(_) => "connect Incompatible",
        Error::Refused(Status::Unsupported) => "connect NoProfile",
        Error::Refused(Status::LimitExceeded) => "connect LimitExceeded",
        Error::Refused(_) => "connect Handshake",
        Error::Violation(_) => "connect Protocol",
        Error::Closed { mid_message: false } => "connect Recv",
        other => panic!("{other}"),
    }
}

#[test]
fn every_ack_is_taken_or_refused_as_deployed_clients_do() {
    let mut exceptions = Exceptions::new(&OUR_CLIENT);
    let (mut taken, mut refused) = (0, 0);
    for entry in entries("handshake_client", 7, 20) {
        let name = &entry.name[..];
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("vectors");
        let listening = RawServer::listen(&endpoint);
        let connecting = client().try_connect(&endpoint).unwrap().expect("room in the queue");
        let raw = listening.accept();
        assert_eq!(raw.receive(), Some(hello_packet(&vector_hello(PACKET))), "{name}");
        let packets = hex_list(&entry.all, "packets");
        raw.send_all(&packets);
        let raw = Some(raw).filter(|_| !packets.is_empty());
        match (connecting.finish(soon()), exceptions.of(name)) {
            (Ok(client), None) => {
                assert_eq!(results(&entry), ["connect OK", &session(client.terms())], "{name}");
                taken += 1;
                continue;
            }
            (Ok(client), Some(ours)) => panic!("{name}: {client:?}, and not {ours:?}"),
            (Err(error), None) => assert_eq!(results(&entry), [connect_result(&error)], "{name}"),
            (Err(Error::Violation(violation)), Some(ours)) => ours.assert_is(&violation, name),
            (Err(error), Some(ours)) => panic!("{name}: {error}, and not {ours:?}"),
        }
        refused += 1;
        if let Some(raw) = raw {
            raw.assert_closed(name);
        }
    }
    exceptions.assert_all_met();
    assert_eq!((taken, refused), (1, 26));
}

/// Requests that our server refuses, and deployed servers take or refuse by another rule.
const OUR_REQUESTS: [(&str, Ours); 7] = [
    // The directory of a batch of one is a directory.
    ("srv_batch_1_bad_dir_accepted", Ours::Bytes(Structure::Batch, "entry offset", 0)),
    // What is no batch has one item; what is one has some.
    ("srv_no_batch_flag_items_2", Ours::Breaks(Violation::ItemCount { found: 2 })),
    ("srv_item_count_0", Ours::Breaks(Violation::ItemCount { found: 0 })),
    // To deployed servers it is beyond the limit of items, though it is no batch.
    ("srv_item_count_over_limit", Ours::Breaks(Violation::ItemCount { found: 5 })),
    // Deployed servers leave it to their Level 2, which closes.
    ("srv_kind_response", Ours::Breaks(kind(Kind::Request, Kind::Response))),
    ("srv_kind_control", Ours::Breaks(kind(Kind::Request, Kind::Control))),
    // Every packet but the last is full.
    ("srv_chunked_uneven_first", Ours::Breaks(Violation::PacketLength { stated: 332, found: 72 })),
];

/// Responses that our client refuses, and deployed clients take or refuse by another rule.
const OUR_RESPONSES: [(&str, Ours); 2] = [
    ("cli_kind_request_accepted", Ours::Breaks(kind(Kind::Response, Kind::Request))),
    // To deployed clients it is beyond the limit of items, though it is no batch.
    ("cli_items_over_limit", Ours::Breaks(Violation::ItemCount { found: 5 })),
];

const fn kind(expected: Kind, found: Kind) -> Violation {
    Violation::UnexpectedKind { expected, found }
}

/// What deployed peers name the error, in a message of one packet or of more.
fn receive_result(error: &Error, is_chunked: bool) -> &'static str {
    match error {
        Error::Limit(_) => "recv LimitExceeded",
        Error::Violation(Violation::UnknownId { .. }) => "recv UnknownMsgId",
        Error::Violation(Violation::Chunk { .. }) => "recv Chunk",
        Error::Violation(Violation::Envelope(error)) if error.structure() == Structure::ChunkHeader => "recv Chunk",
        Error::Violation(Violation::PacketLength { .. }) if is_chunked => "recv Chunk",
        Error::Violation(_) => "recv Protocol",
        Error::Closed { mid_message } if *mid_message == is_chunked => "recv Recv",
        other => panic!("{other}"),
    }
}

/// Holds what came of a session to its vector; whether the message was taken.
fn check(entry: &Entry, ours: Option<Ours>, received: Result<String, Error>) -> bool {
    let name = &entry.name[..];
    let result = *results(entry).last().expect(name);
    let is_chunked = hex_list(&entry.all, "packets").len() > 1;
    match (&received, ours) {
        (Ok(received), None) => assert_eq!(received, result, "{name}"),
        (Err(error), None) => assert_eq!(receive_result(error, is_chunked), result, "{name}: {error}"),
        (Err(Error::Violation(violation)), Some(ours)) => ours.assert_is(violation, name),
        (received, Some(ours)) => panic!("{name}: {received:?}, and not {ours:?}"),
    }
    received.is_ok()
}

/// The packets are sent, and the connection closed where the vector is about that.
fn send(raw: Raw, entry: &Entry) -> Option<Raw> {
    raw.send_all(&hex_list(&entry.all, "packets"));
    Some(raw).filter(|_| !entry.why.starts_with("EOF"))
}

#[test]
fn every_request_is_taken_or_refused_as_deployed_servers_do() {
    let mut exceptions = Exceptions::new(&OUR_REQUESTS);
    let (mut taken, mut refused) = (0, 0);
    for entry in entries("session_server", 10, 35) {
        let run_dir = RunDir::new();
        let mut listener = server().listen(&run_dir.endpoint("vectors")).unwrap();
        let (raw, mut session) = begin(&mut listener, number(&entry.all, "agreed_packet_size"));
        let raw = send(raw, &entry);
        let received = session.receive(soon()).map(|message| received(&message));
        if check(&entry, exceptions.of(&entry.name), received) {
            taken += 1;
        } else {
            refused += 1;
            if let Some(raw) = raw {
                raw.assert_closed(&entry.name);
            }
        }
    }
    exceptions.assert_all_met();
    assert_eq!((taken, refused), (4, 41));
}

#[test]
fn every_response_is_taken_or_refused_as_deployed_clients_do() {
    let mut exceptions = Exceptions::new(&OUR_RESPONSES);
    let (mut taken, mut refused) = (0, 0);
    for entry in entries("session_client", 3, 8) {
        let name = &entry.name[..];
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("vectors");
        let listening = RawServer::listen(&endpoint);
        let connecting = client().try_connect(&endpoint).unwrap().expect("room in the queue");
        let raw = listening.accept();
        assert_eq!(raw.receive(), Some(hello_packet(&vector_hello(PACKET))), "{name}");
        raw.send(&unhex(text(&entry.all, "ack"))).unwrap();
        let Progress::Done(mut session) = connecting.try_finish().unwrap() else { panic!("{name}: no ack") };
        assert_eq!(session.send(Method::new(1), &[0; 8], soon()).map(|ticket| ticket.id()), Ok(1), "{name}");
        assert_eq!(raw.receive(), Some(whole(Header::request(Method::new(1), 1, 8), &[0; 8])), "{name}");
        assert_eq!(results(&entry)[0], "send OK", "{name}");
        let raw = send(raw, &entry);
        let received = session.receive(soon()).map(|message| received(&message));
        if check(&entry, exceptions.of(name), received) {
            taken += 1;
        } else {
            refused += 1;
            if let Some(raw) = raw {
                raw.assert_closed(name);
            }
        }
    }
    exceptions.assert_all_met();
    assert_eq!((taken, refused), (2, 9));
}
