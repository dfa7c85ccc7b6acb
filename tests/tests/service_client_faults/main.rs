//! Servers that answer anything, or nothing, and what a generated client makes of it: an error by name, the state that its
//! table says, never a hang; and it goes on with a good server afterwards.
#![cfg(target_os = "linux")]

mod answers;
mod handshakes;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use netipc::CallError;
use netipc::client::{Config, State};
use netipc::endpoint::Endpoint;
use netipc::proto::Role;
use netipc::session::{Error, Limit};
use netipc::wire::{AuthToken, Header, Hello, HelloAck, Profiles};
use netipc_examples::Increment;
use netipc_tests::hostile::{Case, End, cases};
use netipc_tests::memory::{BOTH, Peer};
use netipc_tests::observed::{unless_it_hangs, until};
use netipc_tests::raw::{PACKET_SIZE, Raw, RawServer, RunDir, TOKEN, ack_packet, chunked, good_ack, whole};
use netipc_tests::region::{Layout, RawRegion};

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
