//! Servers that answer anything, or nothing, and what a generated client makes of it: an error by name, the state that its
//! table says, never a hang; and it goes on with a good server afterwards.
#![cfg(target_os = "linux")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use netipc::CallError;
use netipc::client::{Config, State};
use netipc::endpoint::Endpoint;
use netipc::proto::Role;
use netipc::session::{Error, Limit, LimitExceeded, Progress, Violation};
use netipc::wire::{AuthToken, Header, Hello, HelloAck, Kind, Method, Profiles, Status};
use netipc_examples::Increment;
use netipc_tests::hostile::{Case, End, cases};
use netipc_tests::memory::{BOTH, Peer, ack, client as shared_client, knock};
use netipc_tests::observed::{unless_it_hangs, until};
use netipc_tests::raw::{
    PACKET_SIZE, PAYLOAD, Raw, RawServer, RunDir, TOKEN, ack_packet, chunked, good_ack, patched, refusal_packet, soon,
    whole,
};
use netipc_tests::region::{Layout, REQUEST, RESPONSE, RawRegion};

/// What the villains pretend to serve.
#[netipc::service(name = "villain")]
pub trait Villain {
    /// Must not run twice.
    #[method(code = 1, idempotent = false)]
    fn once(&self, number: Increment) -> Increment;
    /// May.
    #[method(code = 2)]
    fn again(&self, number: Increment) -> Increment;
    /// Takes many packets.
    #[method(code = 3, idempotent = false)]
    fn long(&self, text: &str) -> u64;
}

const ONE: Increment = Increment { value: 1 };
/// What a good server answers.
const GOOD: u64 = 2;
/// The session ids of villains.
const SESSION: u64 = 3;

fn config(profiles: Profiles) -> Config<VillainClient> {
    VillainClient::config().auth_token(AuthToken::new(TOKEN)).profiles(profiles)
}

fn state(client: &VillainClient) -> State {
    client.status().state
}

/// One connection of a server by hand.
enum Line {
    Socket(Raw),
    Shared(Peer),
}

impl Line {
    /// Lets the next client in, over shared memory if it has that.
    fn accept(server: &RawServer, endpoint: &Endpoint) -> Self {
        let raw = server.accept();
        let ack = ack_to(&raw.receive().expect("a hello"));
        if ack.selected_profile == Profiles::BASELINE {
            raw.send(&ack_packet(&ack)).unwrap();
            return Self::Socket(raw);
        }
        let path = endpoint.region_path(SESSION);
        // Of the session before, as a server that is started again finds it.
        let _ = std::fs::remove_file(&path);
        let region = RawRegion::create(&path, Layout::of(ack.request_payload, ack.response_payload));
        raw.send(&ack_packet(&ack)).unwrap();
        Self::Shared(Peer { region, raw })
    }

    /// The next message, and `None` at the end.
    fn receive(&mut self) -> Option<(Header, Vec<u8>)> {
        match self {
            Self::Socket(raw) => {
                let first = raw.receive()?;
                let (header, mut payload) = (Header::parse(&first[..32]).unwrap(), first[32..].to_vec());
                while payload.len() < header.payload_len() as usize {
                    payload.extend_from_slice(&raw.receive()?[32..]);
                }
                Some((header, payload))
            }
            Self::Shared(peer) => Some(peer.receive()),
        }
    }

    fn ask(&mut self) -> Header {
        self.receive().expect("a request").0
    }

    /// Sends a message of one packet, or some of it before the client hangs up.
    fn send(&self, header: Header, payload: &[u8]) {
        match self {
            Self::Socket(raw) => {
                let is_whole = payload.len() + 32 <= PACKET_SIZE as usize;
                let packets =
                    if is_whole { vec![whole(header, payload)] } else { chunked(header, payload, PACKET_SIZE) };
                for packet in packets {
                    let _ = raw.send(&packet);
                }
            }
            Self::Shared(peer) => peer.region.publish(&whole(header, payload)),
        }
    }

    /// Waits until the client has hung up.
    fn await_end(&self) {
        let (Self::Socket(raw) | Self::Shared(Peer { raw, .. })) = self;
        while raw.receive().is_some() {}
    }
}

/// The terms of [`good_ack`], as far as this client's hello allows.
fn ack_to(hello: &[u8]) -> HelloAck {
    let hello = Hello::parse(&hello[32..]).expect("a hello");
    let profile =
        if hello.supported_profiles == Profiles::BASELINE { Profiles::BASELINE } else { Profiles::SHM_HYBRID };
    HelloAck {
        server_profiles: BOTH,
        intersection: hello.supported_profiles,
        selected_profile: profile,
        request_payload: hello.max_request_payload,
        request_items: hello.max_request_items,
        response_items: hello.max_request_items,
        session_id: SESSION,
        ..good_ack()
    }
}

fn answer_to(asked: &Header, len: usize) -> Header {
    Header::response(asked.method().unwrap(), asked.message_id(), u32::try_from(len).unwrap())
}

/// A good server, for one session.
fn serve_well(server: &RawServer, endpoint: &Endpoint) {
    let mut line = Line::accept(server, endpoint);
    while let Some((asked, _)) = line.receive_unless_over() {
        line.send(answer_to(&asked, 8), &GOOD.to_ne_bytes());
    }
}

/// A client of a server that does as `script` says, then is a good one; the client must be able to go on with that.
fn meets(
    name: &str,
    client: Config<VillainClient>,
    script: impl FnOnce(&RawServer, &Endpoint) + Send + 'static,
    calls: impl FnOnce(&mut VillainClient) + Send + 'static,
) {
    let told = name.to_owned();
    unless_it_hangs(name, move || {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("villain");
        let server = RawServer::listen(&endpoint);
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let (server, endpoint, is_over) = (&server, &endpoint, &is_over);
            // Also where this panics.
            let _over = Over(is_over);
            scope.spawn(move || {
                script(server, endpoint);
                while !is_over.load(Ordering::SeqCst) {
                    if server.has_client() {
                        serve_well(server, endpoint);
                    }
                    thread::yield_now();
                }
            });
            let mut client = client.build(run_dir.path());
            calls(&mut client);
            if client.ready() {
                // It is done with the villain.
                drop(std::mem::replace(&mut client, config(BOTH).build(run_dir.path())));
            } else {
                let state = state(&client);
                assert_eq!(client.once(&ONE).map(drop), Err(CallError::NotReady(state)), "{told}");
            }
            // However slow this machine is.
            let in_time = |outcome: Result<(), CallError>| match outcome {
                Ok(()) => true,
                Err(CallError::TimedOut) => false,
                Err(error) => panic!("{told}: {error:?}"),
            };
            until("a good server is found", || in_time(client.refresh().map(drop)));
            until("a good server answers", || {
                in_time(client.once(&ONE).map(|sum| assert_eq!(sum.value(), GOOD, "{told}")))
            });
        });
    });
}

/// Tells that a case is over, however.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The error of a call that ended so.
fn assert_ends(end: End, error: &CallError, name: &str) {
    match error {
        CallError::Session(error) | CallError::OutcomeUnknown(error) => end.assert_is(error, name),
        CallError::Limit(limit) => end.assert_is(&Error::Limit(*limit), name),
        error => panic!("{name}: {error:?}, and not {end:?}"),
    }
}

#[test]
fn every_breach_of_a_session_fails_the_call_by_its_name_and_breaks_the_connection() {
    let mut breaches = 0;
    for case in cases(Role::Client) {
        let Case { name, packets, good, hangs_up, end } = case;
        // The client proposes more items than these terms have; and who hangs up behind an answer may be found out before
        // the next request, which has a test of its own.
        if matches!(end, End::Beyond(Limit::ResponseItems, ..)) || (good > 0 && hangs_up) {
            continue;
        }
        breaches += 1;
        let told = name.clone();
        meets(
            &name,
            config(Profiles::BASELINE),
            move |server, endpoint| {
                let Line::Socket(raw) = Line::accept(server, endpoint) else { panic!("no socket") };
                raw.receive().expect("a request");
                for packet in &packets {
                    // The client may have had enough.
                    let _ = raw.send(packet);
                }
                if !hangs_up {
                    Line::Socket(raw).await_end();
                }
            },
            move |client| {
                client.refresh().unwrap();
                for _ in 0..good {
                    client.once(&ONE).unwrap();
                }
                let error = client.once(&ONE).map(drop).unwrap_err();
                assert_ends(end, &error, &told);
                assert_eq!(state(client), State::Broken, "{told}");
                assert_eq!(client.status().last_error, Some(error), "{told}");
            },
        );
    }
    assert!(breaches > 150, "{breaches}");
}

type Expected = (Result<u64, CallError>, State);

/// Has one call answered with this, over both transports.
fn answered_with(
    name: &str,
    header: impl Fn(Header) -> Header + Copy + Send + 'static,
    payload: &[u8],
    expected: &Expected,
) {
    for profiles in [Profiles::BASELINE, Profiles::SHM_HYBRID] {
        let name = format!("{name} over {profiles:?}");
        let (told, payload, expected) = (name.clone(), payload.to_vec(), expected.clone());
        meets(
            &name,
            config(profiles),
            move |server, endpoint| {
                let mut line = Line::accept(server, endpoint);
                let asked = line.ask();
                line.send(header(answer_to(&asked, payload.len())), &payload);
                line.await_end();
            },
            move |client| {
                client.refresh().unwrap();
                assert_eq!(client.once(&ONE).map(|sum| sum.value()), expected.0, "{told}");
                assert_eq!(state(client), expected.1, "{told}");
            },
        );
    }
}

#[test]
fn every_status_has_its_error_whatever_comes_with_it() {
    for (raw, error, state) in [
        (1, CallError::Malformed, State::Broken),
        (2, CallError::Status(Status::AuthFailed), State::Broken),
        (3, CallError::Status(Status::Incompatible), State::Broken),
        (4, CallError::Unsupported, State::Ready),
        (5, CallError::AnswerTooLarge { allowed: PAYLOAD }, State::Broken),
        (6, CallError::Internal, State::Broken),
        (7, CallError::Status(Status::Other(7)), State::Broken),
        (u16::MAX, CallError::Status(Status::Other(u16::MAX)), State::Broken),
    ] {
        let status = Status::from_raw(raw);
        let expected = (Err(error), state);
        answered_with(&format!("status {raw}"), move |header| header.with_status(status), b"", &expected);
        answered_with(
            &format!("status {raw} with a payload"),
            move |header| header.with_status(status),
            b"sorry..",
            &expected,
        );
        let batch = move |header: Header| header.with_status(status).with_batch(3);
        answered_with(&format!("status {raw} with a batch's flag"), batch, b"", &expected);
    }
}

#[test]
fn an_answer_that_is_none_has_its_error_and_breaks_the_connection() {
    let mismatch = |answered| (Err(CallError::Mismatch { asked: 1, answered }), State::Broken);
    for code in [0, 2, 3, 4, u16::MAX] {
        let other = move |asked: Header| Header::response(Method::new(code), asked.message_id(), asked.payload_len());
        answered_with(&format!("code {code}"), other, &[7; 8], &mismatch(code));
    }
    let batch = [[0_u32, 8, 7, 7].map(u32::to_ne_bytes).concat()].concat();
    answered_with("a batch of one", |header| header.with_batch(1), &batch, &mismatch(1));
    for len in [8, 9, PAYLOAD as usize] {
        let expected = (Ok(u64::from_ne_bytes([7; 8])), State::Ready);
        answered_with(&format!("{len} bytes"), |header| header, &vec![7; len], &expected);
    }
    let violation = |violation| (Err(CallError::Session(Error::Violation(violation))), State::Broken);
    answered_with(
        "an answer to nobody",
        |header| header.with_message_id(2),
        &[7; 8],
        &violation(Violation::UnknownId { id: 2 }),
    );
    answered_with(
        "an answer to no id",
        |header| header.with_message_id(0),
        &[7; 8],
        &violation(Violation::UnknownId { id: 0 }),
    );
    for found in [Kind::Request, Kind::Control] {
        let expected = violation(Violation::UnexpectedKind { expected: Kind::Response, found });
        let kind = move |header: Header| {
            Header::new(found, 1).with_message_id(header.message_id()).with_payload_len(header.payload_len())
        };
        answered_with(&format!("{found:?}"), kind, &[7; 8], &expected);
    }
}

#[test]
fn an_answer_that_is_too_short_for_its_layout_breaks_the_connection() {
    for len in 0..8 {
        for profiles in [Profiles::BASELINE, Profiles::SHM_HYBRID] {
            let name = format!("{len} bytes over {profiles:?}");
            let told = name.clone();
            meets(
                &name,
                config(profiles),
                move |server, endpoint| {
                    let mut line = Line::accept(server, endpoint);
                    let asked = line.ask();
                    line.send(answer_to(&asked, len), &vec![7; len]);
                    line.await_end();
                },
                move |client| {
                    client.refresh().unwrap();
                    let outcome = client.once(&ONE).map(drop);
                    assert!(matches!(outcome, Err(CallError::Answer(_))), "{told}: {outcome:?}");
                    assert_eq!((state(client), client.status().answered), (State::Broken, 0), "{told}");
                },
            );
        }
    }
}

#[test]
fn an_answer_beyond_the_limit_is_one_error_over_both_transports() {
    let limit = LimitExceeded { limit: Limit::ResponsePayload, asked: (PAYLOAD + 1).into(), allowed: PAYLOAD.into() };
    answered_with(
        "1,025 bytes",
        |header| header,
        &[7; PAYLOAD as usize + 1],
        &(Err(CallError::Limit(limit)), State::Broken),
    );
}

#[test]
fn answers_that_come_late_are_passed_over_however_many_there_are() {
    const LATE: u64 = 20;
    for profiles in [Profiles::BASELINE, Profiles::SHM_HYBRID] {
        let (gave_up, go_on) = mpsc::channel();
        meets(
            &format!("late over {profiles:?}"),
            config(profiles).timeout(Duration::from_millis(5)),
            move |server, endpoint| {
                let mut line = Line::accept(server, endpoint);
                go_on.recv().unwrap();
                // In shared memory there is room for one request that a plain server has not answered.
                let mut answered = 0;
                while let Some((asked, request)) = line.receive_unless_over() {
                    let value = u64::from_ne_bytes(request.try_into().unwrap());
                    line.send(answer_to(&asked, 8), &(value * 10).to_ne_bytes());
                    answered += 1;
                }
                assert!(answered > 1);
            },
            move |client| {
                client.refresh().unwrap();
                for value in 1..=LATE {
                    assert_eq!(client.once(&Increment { value }).map(drop), Err(CallError::TimedOut));
                    assert_eq!(state(client), State::Ready);
                }
                gave_up.send(()).unwrap();
                let mut answered = 0;
                for value in LATE + 1.. {
                    match client.once(&Increment { value }).map(|sum| sum.value()) {
                        Err(CallError::TimedOut) => {}
                        sum => {
                            assert_eq!(sum, Ok(value * 10), "another call's");
                            answered += 1;
                            if answered == 50 {
                                break;
                            }
                        }
                    }
                }
                let status = client.status();
                assert_eq!((status.state, status.connections), (State::Ready, 1));
            },
        );
    }
}

impl Line {
    /// The next message; `None` when the client has hung up.
    fn receive_unless_over(&mut self) -> Option<(Header, Vec<u8>)> {
        match self {
            Self::Socket(_) => self.receive(),
            Self::Shared(peer) => loop {
                if let Some(message) = peer.region.try_receive(Duration::from_millis(20)) {
                    break Some((Header::parse(&message[..32]).unwrap(), message[32..].to_vec()));
                }
                if peer.raw.has_ended() {
                    break None;
                }
            },
        }
    }
}

#[test]
fn words_of_a_region_that_cannot_be_break_the_connection() {
    let capacity = Layout::of(PAYLOAD, PAYLOAD).response.capacity;
    for len in [0, 1, 31, 41, 1 << 20, capacity + 1, 1 << 29, u32::MAX >> 2, u32::MAX] {
        let name = format!("a length of {len:#x}");
        let told = name.clone();
        meets(
            &name,
            config(Profiles::SHM_HYBRID),
            move |server, endpoint| {
                let mut line = Line::accept(server, endpoint);
                let asked = line.ask();
                let Line::Shared(peer) = &line else { panic!("no region") };
                peer.region.write_message(&whole(answer_to(&asked, 8), &[7; 8]));
                peer.region.announce(len);
                line.await_end();
            },
            move |client| {
                client.refresh().unwrap();
                let outcome = client.once(&ONE).map(drop);
                assert!(matches!(outcome, Err(CallError::Session(Error::Violation(_)))), "{told}: {outcome:?}");
                assert_eq!(state(client), State::Broken, "{told}");
            },
        );
    }
    // A number that jumps says nothing that can be believed, and nothing comes of it but this call's timeout or failure.
    meets(
        "a number that jumps",
        config(Profiles::SHM_HYBRID).timeout(Duration::from_millis(50)),
        |server, endpoint| {
            let mut line = Line::accept(server, endpoint);
            let asked = line.ask();
            let Line::Shared(peer) = &line else { panic!("no region") };
            peer.region.word64(RESPONSE.seq).fetch_add(6, Ordering::Release);
            line.send(answer_to(&asked, 8), &[7; 8]);
            line.await_end();
        },
        |client| {
            client.refresh().unwrap();
            let _ = client.once(&ONE).map(drop);
            assert!(matches!(state(client), State::Ready | State::Broken));
        },
    );
}

#[test]
fn a_server_that_closes_behind_a_request_leaves_the_outcome_unknown_or_is_asked_once_more() {
    for profiles in [Profiles::BASELINE, Profiles::SHM_HYBRID] {
        meets(
            &format!("once over {profiles:?}"),
            config(profiles),
            |server, endpoint| {
                Line::accept(server, endpoint).ask();
            },
            |client| {
                client.refresh().unwrap();
                let closed = Error::Closed { mid_message: false };
                assert_eq!(client.once(&ONE).map(drop), Err(CallError::OutcomeUnknown(closed)));
                assert_eq!((state(client), client.status().repeated), (State::Broken, 0));
            },
        );
        meets(
            &format!("again over {profiles:?}"),
            config(profiles),
            |server, endpoint| {
                for _ in 0..2 {
                    Line::accept(server, endpoint).ask();
                }
            },
            |client| {
                client.refresh().unwrap();
                let closed = Error::Closed { mid_message: false };
                assert_eq!(client.again(&ONE).map(drop), Err(CallError::Lost(closed)));
                assert_eq!((state(client), client.status().repeated), (State::Broken, 1));
            },
        );
    }
}

#[test]
fn a_server_that_closes_behind_its_ack_is_busy_and_another_connection_is_made() {
    for profiles in [Profiles::BASELINE, Profiles::SHM_HYBRID] {
        let (closed, go_on) = mpsc::channel();
        meets(
            &format!("busy over {profiles:?}"),
            config(profiles),
            move |server, endpoint| {
                drop(Line::accept(server, endpoint));
                closed.send(()).unwrap();
            },
            move |client| {
                // Where it closes before the client has attached to its region, that is found out at once.
                let first = client.refresh();
                go_on.recv().unwrap();
                match first {
                    Ok(_) => {}
                    Err(error) => {
                        assert_eq!(error, CallError::Connect(Error::Closed { mid_message: false }));
                        client.refresh().unwrap();
                    }
                }
                let outcome = client.once(&ONE).map(|sum| sum.value());
                let may_be_unknown = profiles != Profiles::BASELINE && state(client) == State::Broken;
                if !may_be_unknown {
                    assert_eq!((outcome, state(client)), (Ok(GOOD), State::Ready));
                } else {
                    // Memory takes requests that nobody will read.
                    assert_eq!(outcome, Err(CallError::OutcomeUnknown(Error::Closed { mid_message: false })));
                }
            },
        );
    }
}

#[test]
fn a_server_that_closes_in_the_middle_of_a_request_runs_nothing_twice() {
    for packets in 0..14 {
        meets(
            &format!("after {packets} packets of a request"),
            config(Profiles::BASELINE),
            move |server, endpoint| {
                let Line::Socket(raw) = Line::accept(server, endpoint) else { panic!("no socket") };
                for _ in 0..packets {
                    let packet = raw.receive().expect("a packet");
                    assert!(packet.len() <= PACKET_SIZE as usize);
                }
            },
            |client| {
                client.refresh().unwrap();
                match client.long(&"x".repeat(900)).map(drop) {
                    Ok(()) => assert_eq!((state(client), client.status().repeated), (State::Ready, 1)),
                    Err(error) => {
                        assert_eq!(error, CallError::OutcomeUnknown(Error::Closed { mid_message: false }));
                        assert_eq!(state(client), State::Broken);
                    }
                }
            },
        );
    }
}

/// What comes of a handshake that this server spoils.
fn refused(
    name: &str,
    profiles: Profiles,
    spoil: impl Fn(&Raw, &HelloAck) + Send + 'static,
    expected: impl Fn(&CallError) -> bool + Send + 'static,
    end: State,
) {
    let told = name.to_owned();
    meets(
        name,
        config(profiles).timeout(Duration::from_secs(30)),
        move |server, _| {
            let raw = server.accept();
            let ack = ack_to(&raw.receive().expect("a hello"));
            spoil(&raw, &ack);
        },
        move |client| {
            let error = client.refresh().unwrap_err();
            assert!(expected(&error), "{told}: {error:?}");
            assert_eq!((state(client), client.status().last_error), (end, Some(error)), "{told}");
        },
    );
}

#[test]
fn every_refusal_of_a_handshake_has_its_error_and_its_state() {
    for (raw, end) in [
        (1, State::Disconnected),
        (2, State::AuthFailed),
        (3, State::Incompatible),
        (4, State::Incompatible),
        (5, State::Disconnected),
        (6, State::Disconnected),
        (77, State::Disconnected),
    ] {
        let status = Status::from_raw(raw);
        let expected = move |error: &CallError| *error == CallError::Connect(Error::Refused(status));
        let refuse = move |line: &Raw, _: &HelloAck| line.send(&refusal_packet(status)).unwrap();
        refused(&format!("refusal {raw}"), Profiles::BASELINE, refuse, expected, end);
    }
}

#[test]
fn every_ack_that_cannot_be_has_its_error_and_its_state() {
    let violation = |error: &CallError| matches!(error, CallError::Connect(Error::Violation(_)));
    let incompatible = |error: &CallError| matches!(error, CallError::Connect(Error::Incompatible(_)));
    let patch = |name: &str, at: usize, bytes: &[u8]| {
        let bytes = bytes.to_vec();
        refused(
            name,
            Profiles::BASELINE,
            move |raw, ack| raw.send(&patched(&ack_packet(ack), at, &bytes)).unwrap(),
            violation,
            State::Broken,
        );
    };
    patch("magic", 0, &[0; 4]);
    patch("header_len", 6, &[0; 2]);
    patch("kind", 8, &2_u16.to_ne_bytes());
    patch("code", 12, &1_u16.to_ne_bytes());
    patch("payload_len", 16, &47_u32.to_ne_bytes());
    patch("flags", 34, &1_u16.to_ne_bytes());
    patch("intersection", 40, &3_u32.to_ne_bytes());
    patch("no selected profile", 44, &0_u32.to_ne_bytes());
    patch("another selected profile", 44, &2_u32.to_ne_bytes());
    patch("request_payload", 48, &1025_u32.to_ne_bytes());
    patch("request_items", 52, &7_u32.to_ne_bytes());
    patch("response_items", 60, &7_u32.to_ne_bytes());
    patch("packet_size 32", 64, &32_u32.to_ne_bytes());
    patch("packet_size", 64, &u32::MAX.to_ne_bytes());
    patch("padding", 68, &1_u32.to_ne_bytes());
    for at in [4, 32] {
        refused(
            &format!("version at {at}"),
            Profiles::BASELINE,
            move |raw, ack| raw.send(&patched(&ack_packet(ack), at, &2_u16.to_ne_bytes())).unwrap(),
            incompatible,
            State::Incompatible,
        );
    }
    for len in [1, 31, 32, 79] {
        let cut = move |raw: &Raw, ack: &HelloAck| raw.send(&ack_packet(ack)[..len]).unwrap();
        refused(&format!("{len} bytes"), Profiles::BASELINE, cut, violation, State::Broken);
    }
    let longer = |raw: &Raw, ack: &HelloAck| raw.send(&[&ack_packet(ack)[..], &[0; 9]].concat()).unwrap();
    refused("more bytes", Profiles::BASELINE, longer, violation, State::Broken);
    let empty = |raw: &Raw, _: &HelloAck| {
        raw.send(b"").unwrap();
        // It would be the end of the connection, else.
        assert_eq!(raw.receive(), None);
    };
    refused("no bytes", Profiles::BASELINE, empty, violation, State::Broken);
    let closed = |error: &CallError| *error == CallError::Connect(Error::Closed { mid_message: false });
    refused("no ack", Profiles::BASELINE, |_, _| (), closed, State::Disconnected);
    let no_region = |error: &CallError| matches!(error, CallError::Connect(Error::SharedMemory(_)));
    let without = |raw: &Raw, ack: &HelloAck| {
        raw.send(&ack_packet(ack)).unwrap();
        // Closed only when the client has.
        assert_eq!(raw.receive(), None);
    };
    refused("no region", Profiles::SHM_HYBRID, without, no_region, State::Incompatible);
}

#[test]
fn a_server_that_closes_before_the_hello_or_says_nothing_is_given_up() {
    meets(
        "closed before the hello",
        config(Profiles::BASELINE),
        |server, _| drop(server.accept()),
        |client| {
            assert_eq!(client.refresh(), Err(CallError::Connect(Error::Closed { mid_message: false })));
            assert_eq!(state(client), State::Disconnected);
        },
    );
    let (gave_up, go_on) = mpsc::channel();
    meets(
        "silent",
        config(BOTH).timeout(Duration::from_millis(20)),
        move |server, _| {
            let raw = server.accept();
            go_on.recv().unwrap();
            drop(raw);
        },
        move |client| {
            assert_eq!((client.refresh(), state(client)), (Err(CallError::TimedOut), State::Disconnected));
            gave_up.send(()).unwrap();
            assert_eq!(client.status().connections, 0);
        },
    );
}

#[test]
fn a_client_whose_region_cannot_be_used_goes_on_over_the_socket() {
    meets(
        "no region",
        config(BOTH),
        |server, endpoint| {
            let raw = server.accept();
            let ack = ack_to(&raw.receive().expect("a hello"));
            raw.send(&ack_packet(&ack)).unwrap();
            assert_eq!(raw.receive(), None);
            let mut line = Line::accept(server, endpoint);
            let asked = line.ask();
            line.send(answer_to(&asked, 8), &[7; 8]);
            line.await_end();
        },
        |client| {
            client.refresh().unwrap();
            assert_eq!(client.status().session.unwrap().profile, Profiles::BASELINE);
            client.once(&ONE).unwrap();
        },
    );
}

#[test]
fn the_region_of_the_next_server_is_not_taken_for_that_of_one_that_has_ended() {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("villain");
    let server = RawServer::listen(&endpoint);
    let (connecting, raw) = knock(&shared_client(PAYLOAD, PAYLOAD), &endpoint, &server);
    raw.send(&ack_packet(&ack(PAYLOAD, PAYLOAD, SESSION))).unwrap();
    // It is killed; the next one counts its sessions from the same number, and makes this region for somebody else.
    drop(raw);
    let next = RawRegion::create(&endpoint.region_path(SESSION), Layout::of(PAYLOAD, PAYLOAD));
    match connecting.try_finish() {
        Ok(Progress::Done(mut session)) => {
            let sent = session.send(Method::new(1), b"to whom?", soon());
            let seq = next.word64(REQUEST.seq).load(Ordering::Acquire);
            assert_eq!((sent.is_err(), seq), (true, 0), "a request among those of another client");
        }
        Ok(other) => panic!("{other:?}"),
        Err(error) => assert_eq!(error, Error::Closed { mid_message: false }),
    }
}
