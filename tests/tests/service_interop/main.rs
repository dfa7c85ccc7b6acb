//! Generated servers and clients with peers that know nothing but the wire, and behave as deployed ones do.
#![cfg(target_os = "linux")]

mod host;
mod wire;

use std::num::NonZeroU64;
use std::thread;

use host::{
    AppsLookupClient, CgroupsLookupClient, CgroupsSnapshotClient, IncrementClient, SERVICES, StringReverseClient,
    expected, server_of,
};
use netipc::client::{Config, State, Stub};
use netipc::endpoint::Endpoint;
use netipc::wire::{AuthToken, Profiles};
use netipc::{CallError, WireMessage};
use netipc_examples as say;
use netipc_tests::generate;
use netipc_tests::observed::unless_it_hangs;
use netipc_tests::oracle::handshake::Policy;
use netipc_tests::oracle::{self, Message};
use netipc_tests::processes::RunDir;
use netipc_tests::random::Random;
use netipc_tests::raw::RawServer;
use wire::{BASELINE, Came, Hello, PACKETS, SHM_HYBRID, TOKEN, Wire, batch, head, items};

/// What generated servers grant.
const POLICY: Policy = Policy {
    profiles: BASELINE | SHM_HYBRID,
    preferred: BASELINE | SHM_HYBRID,
    token: TOKEN,
    authorized: true,
    request_payload: 1 << 20,
    response_payload: 1 << 20,
    packet_size: PACKETS,
};

/// What deployed clients propose: the packet size is the size of a socket's buffer, which no packet can have.
const HELLO: Hello = Hello { profiles: BASELINE, request: 65_536, items: 64, token: TOKEN, packet_size: 212_992 };

/// Each transport, and packets of several sizes on the socket.
fn hellos() -> Vec<Hello> {
    vec![
        HELLO,
        Hello { packet_size: 100, ..HELLO },
        Hello { packet_size: 4096, ..HELLO },
        Hello { profiles: BASELINE | SHM_HYBRID, ..HELLO },
        Hello { profiles: SHM_HYBRID, ..HELLO },
        // And bits that nobody knows yet.
        Hello { profiles: 0x30 | BASELINE, ..HELLO },
    ]
}

fn answer(code: u16, id: u64, payload: Vec<u8>) -> Option<Came> {
    Some(Came { code, flags: 0, status: 0, items: 1, id, payload })
}

#[test]
fn a_generated_server_serves_clients_that_know_the_wire_alone() {
    for (code, service, request, _) in SERVICES {
        let run_dir = RunDir::new();
        let running = server_of(code).bind(run_dir.path()).unwrap().spawn().unwrap();
        assert_eq!(running.endpoint().service(), service);
        let endpoint = running.endpoint().clone();
        unless_it_hangs(service, move || {
            let mut random = Random::new(code.into());
            for hello in hellos() {
                let mut client = Wire::enter(&endpoint, &hello, &POLICY).unwrap();
                for id in 1..=50 {
                    let asked = generate::value(request, &mut random);
                    let payload = asked.encode();
                    client.send(&head(1, 0, code, 0, payload.len(), 1, id), &payload);
                    assert_eq!(client.receive(), answer(code, id, expected(&asked)), "{service} {hello:?}");
                }
                for (count, is_padded) in [(1, true), (1, false), (2, false), (7, true), (60, false)] {
                    let id = 1000 + count as u64 * 2 + u64::from(is_padded);
                    // Snapshots are too large for so many.
                    let count = if code == 2 { 2 } else { count };
                    let asked: Vec<_> = (0..count).map(|_| generate::value(request, &mut random)).collect();
                    let payload = batch(&asked.iter().map(oracle::Payload::encode).collect::<Vec<_>>(), is_padded);
                    let len = u32::try_from(count).unwrap();
                    client.send(&head(1, 1, code, 0, payload.len(), len, id), &payload);
                    let came = client.receive().expect("an answer");
                    assert_eq!((came.code, came.flags, came.status, came.items, came.id), (code, 1, 0, len, id));
                    let answers = items(&came.payload, count);
                    assert_eq!(answers, asked.iter().map(expected).collect::<Vec<_>>(), "{service} {hello:?}");
                }
                // A method that it has not; and it goes on.
                client.send(&head(1, 0, 99, 0, 3, 1, 5000), b"odd");
                let unsupported = Came { code: 99, flags: 0, status: 4, items: 1, id: 5000, payload: Vec::new() };
                assert_eq!(client.receive(), Some(unsupported));
                let asked = generate::value(request, &mut random);
                let payload = asked.encode();
                client.send(&head(1, 0, code, 0, payload.len(), 1, 5001), &payload);
                assert_eq!(client.receive(), answer(code, 5001, expected(&asked)));
                // What is none of its requests; and it closes.
                client.send(&head(1, 0, code, 0, 3, 1, 5002), b"odd");
                let bad = Came { code, flags: 0, status: 1, items: 1, id: 5002, payload: Vec::new() };
                assert_eq!(client.receive(), Some(bad));
                client.assert_over();
            }
        });
    }
}

#[test]
fn a_generated_server_refuses_by_the_page_and_answers_what_does_not_fit_with_limit_exceeded() {
    let run_dir = RunDir::new();
    let running = server_of(3).max_request_payload(5000).max_response_payload(64).bind(run_dir.path()).unwrap();
    let running = running.spawn().unwrap();
    let endpoint = running.endpoint().clone();
    unless_it_hangs("refusals", move || {
        let policy = Policy { request_payload: 5000, response_payload: 64, ..POLICY };
        let hello = Hello { request: 5000, ..HELLO };
        for (hello, status) in [
            (Hello { token: TOKEN + 1, ..hello }, 2),
            (Hello { token: 0, ..hello }, 2),
            (Hello { profiles: 4, ..hello }, 4),
            (Hello { profiles: 0, ..hello }, 4),
            (Hello { request: 5001, ..hello }, 5),
            (Hello { packet_size: 32, ..hello }, 3),
            // The profile is looked at before the token.
            (Hello { profiles: 8, token: 0, ..hello }, 4),
        ] {
            assert_eq!(Wire::enter(&endpoint, &hello, &policy).err(), Some(status), "{hello:?}");
        }
        for profiles in [BASELINE, SHM_HYBRID] {
            for (id, len) in [(1, 55), (u64::MAX, 56), (7, 4000)] {
                let mut client = Wire::enter(&endpoint, &Hello { profiles, ..hello }, &policy).unwrap();
                let asked = oracle::Payload::StringReverse(oracle::StringReverse { text: vec![b'x'; len].into() });
                let payload = asked.encode();
                client.send(&head(1, 0, 3, 0, payload.len(), 1, id), &payload);
                if len == 55 {
                    assert_eq!(client.receive(), answer(3, id, expected(&asked)));
                } else {
                    let exceeded = Came { code: 3, flags: 0, status: 5, items: 1, id, payload: Vec::new() };
                    assert_eq!(client.receive(), Some(exceeded));
                    client.assert_over();
                }
            }
        }
    });
}

/// What deployed servers grant unless they are told otherwise.
const DEPLOYED: Policy = Policy { response_payload: 65_536, packet_size: 212_992, ..POLICY };

fn id(number: u64) -> NonZeroU64 {
    NonZeroU64::new(number).unwrap()
}

fn config<S: Stub>(profiles: u32) -> Config<S> {
    let profiles = match profiles {
        BASELINE => Profiles::BASELINE,
        SHM_HYBRID => Profiles::SHM_HYBRID,
        _ => Profiles::BASELINE | Profiles::SHM_HYBRID,
    };
    Config::new().auth_token(AuthToken::new(TOKEN)).profiles(profiles)
}

/// A client of `service`, and a server by hand that does as `script` says.
fn with_server(
    service: &'static str,
    script: impl FnOnce(&RawServer, &Endpoint) + Send + 'static,
    calls: impl FnOnce(&Endpoint) + Send + 'static,
) {
    unless_it_hangs(service, move || {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint(service);
        let listener = RawServer::listen(&endpoint);
        thread::scope(|scope| {
            scope.spawn(|| script(&listener, &endpoint));
            calls(&endpoint);
        });
    });
}

/// Serves as the host does until the client hangs up; the requests are the oracle's to judge.
fn serve(server: &mut Wire, code: u16, message: Message) -> u64 {
    let mut served = 0;
    while let Some(came) = server.receive() {
        let Came { code: asked_code, flags, status, items, id, payload } = came;
        served += 1;
        assert_eq!((asked_code, flags, status, items, id), (code, 0, 0, 1, served));
        let asked = message.decode(&payload).unwrap();
        assert_eq!(asked.encode(), payload, "canonical");
        let payload = expected(&asked);
        server.send(&head(2, 0, code, 0, payload.len(), 1, id), &payload);
    }
    served
}

/// Each transport, and how large packets are.
const WAYS: [(u32, u32); 4] =
    [(BASELINE, 212_992), (BASELINE, 100), (SHM_HYBRID, 212_992), (BASELINE | SHM_HYBRID, 4096)];

fn calls_of<S: Stub>(
    code: u16,
    call: impl Fn(&mut S, &mut Random) + Copy + Send + 'static,
    status: impl Fn(&S) -> netipc::client::Status + Copy + Send + 'static,
) {
    const CALLS: u64 = 100;
    let (_, service, request, _) = SERVICES[usize::from(code) - 1];
    for (profiles, packet_size) in WAYS {
        with_server(
            service,
            move |listener, endpoint| {
                let policy = Policy { profiles, preferred: profiles, packet_size, ..DEPLOYED };
                let mut server = Wire::admit(listener, endpoint, &policy, id(u64::MAX)).unwrap();
                assert_eq!((server.terms.request, server.terms.items), (65_536, 1024));
                assert_eq!(serve(&mut server, code, request), CALLS);
            },
            move |endpoint| {
                let config = config::<S>(profiles).max_request_payload(65_536);
                let mut client = config.connect(endpoint.run_dir()).unwrap();
                let mut random = Random::new(u64::from(code) * 1000 + u64::from(profiles));
                for _ in 0..CALLS {
                    call(&mut client, &mut random);
                }
                let status = status(&client);
                assert_eq!((status.state, status.answered, status.connections), (State::Ready, CALLS, 1));
            },
        );
    }
}

/// A random request, as declared and as the oracle has it.
fn request<M: WireMessage>(message: Message, random: &mut Random) -> (M, Vec<u8>) {
    let asked = generate::value(message, random);
    (M::decode_owned(&asked.encode()).unwrap(), expected(&asked))
}

#[test]
fn generated_clients_are_served_by_servers_that_know_the_wire_alone() {
    calls_of::<IncrementClient>(
        1,
        |client, random| {
            let (asked, expected) = request::<say::Increment>(Message::Increment, random);
            assert_eq!(client.increment(&asked).unwrap().to_owned().to_vec().unwrap(), expected);
        },
        IncrementClient::status,
    );
    calls_of::<CgroupsSnapshotClient>(
        2,
        |client, random| {
            let (asked, expected) = request::<say::SnapshotRequest>(Message::SnapshotRequest, random);
            assert_eq!(client.snapshot(&asked).unwrap().to_owned().unwrap().to_vec().unwrap(), expected);
        },
        CgroupsSnapshotClient::status,
    );
    calls_of::<StringReverseClient>(
        3,
        |client, random| {
            let (asked, expected) = request::<say::StringReverse>(Message::StringReverse, random);
            assert_eq!(client.reverse(&asked).unwrap().to_owned().to_vec().unwrap(), expected);
        },
        StringReverseClient::status,
    );
    calls_of::<CgroupsLookupClient>(
        4,
        |client, random| {
            let (asked, expected) = request::<say::CgroupsLookupRequest>(Message::CgroupsLookupRequest, random);
            assert_eq!(client.lookup(&asked).unwrap().to_owned().to_vec().unwrap(), expected);
        },
        CgroupsLookupClient::status,
    );
    calls_of::<AppsLookupClient>(
        5,
        |client, random| {
            let (asked, expected) = request::<say::AppsLookupRequest>(Message::AppsLookupRequest, random);
            assert_eq!(client.lookup(&asked).unwrap().to_owned().to_vec().unwrap(), expected);
        },
        AppsLookupClient::status,
    );
}

fn reversal(len: usize) -> say::StringReverse {
    say::StringReverse { text: (0..len).map(|at| b'a' + u8::try_from(at % 26).unwrap()).collect() }
}

fn reversed(len: usize) -> Vec<u8> {
    reversal(len).text.into_iter().rev().collect()
}

#[test]
fn a_generated_client_grows_with_what_it_asks_and_keeps_to_what_a_deployed_server_takes() {
    for profiles in [BASELINE, SHM_HYBRID] {
        with_server(
            "string-reverse",
            move |listener, endpoint| {
                let policy = Policy { profiles, preferred: profiles, request_payload: 8192, ..DEPLOYED };
                let mut limits = Vec::new();
                for session in 1..=2 {
                    let mut server = Wire::admit(listener, endpoint, &policy, id(session)).unwrap();
                    limits.push(server.terms.request);
                    serve(&mut server, 3, Message::StringReverse);
                }
                assert_eq!(limits, [1024, 8192]);
                // Too much for this one: what every server takes, then.
                assert_eq!(Wire::admit(listener, endpoint, &policy, id(3)).err(), Some(5));
                let mut server = Wire::admit(listener, endpoint, &policy, id(4)).unwrap();
                assert_eq!(server.terms.request, 1024);
                assert_eq!(serve(&mut server, 3, Message::StringReverse), 1);
            },
            move |endpoint| {
                let mut client = config::<StringReverseClient>(profiles).connect(endpoint.run_dir()).unwrap();
                for len in [3, 5000, 1000, 8183] {
                    assert_eq!(client.reverse(&reversal(len)).unwrap().text(), &reversed(len)[..]);
                }
                assert_eq!(client.status().grown, 1);
                assert!(matches!(client.reverse(&reversal(8184)), Err(CallError::Limit(_))));
                assert_eq!(client.reverse(&reversal(3)).unwrap().text(), b"cba".as_slice());
                assert_eq!(client.status().state, State::Ready);
            },
        );
    }
}

#[test]
fn a_generated_client_asks_again_where_a_deployed_server_has_learnt_that_its_answers_are_larger() {
    for profiles in [BASELINE, SHM_HYBRID] {
        // With the flag of a batch, as one of them sends it, or without.
        for flags in [0, 1] {
            with_server(
                "string-reverse",
                move |listener, endpoint| {
                    for (session, response_payload) in [(1, 1024), (2, 2048), (3, 4096)] {
                        let policy = Policy { profiles, preferred: profiles, response_payload, ..DEPLOYED };
                        let mut server = Wire::admit(listener, endpoint, &policy, id(session)).unwrap();
                        if response_payload < 4096 {
                            let asked = server.receive().expect("a request");
                            server.send(&head(2, flags, 3, 5, 0, asked.items, asked.id), b"");
                            server.assert_over();
                        } else {
                            assert_eq!(serve(&mut server, 3, Message::StringReverse), 1);
                        }
                    }
                },
                move |endpoint| {
                    let config = config::<StringReverseClient>(profiles).max_request_payload(4096);
                    let mut client = config.connect(endpoint.run_dir()).unwrap();
                    assert_eq!(client.reverse(&reversal(3000)).unwrap().text(), &reversed(3000)[..]);
                    let status = client.status();
                    assert_eq!((status.grown, status.connections), (2, 3));
                },
            );
        }
    }
}

#[test]
fn a_generated_client_shows_its_token_and_is_told_where_it_is_another() {
    for (token, end) in [(TOKEN, State::Ready), (TOKEN ^ 1, State::AuthFailed), (0, State::AuthFailed)] {
        with_server(
            "increment",
            move |listener, endpoint| {
                let admitted = Wire::admit(listener, endpoint, &DEPLOYED, id(1));
                assert_eq!(admitted.is_ok(), token == TOKEN);
                if let Ok(mut server) = admitted {
                    serve(&mut server, 1, Message::Increment);
                }
            },
            move |endpoint| {
                let mut client = IncrementClient::config().auth_token(AuthToken::new(token)).build(endpoint.run_dir());
                assert_eq!(client.refresh().is_ok(), end == State::Ready);
                assert_eq!(client.status().state, end);
                let asked = say::Increment { value: u64::MAX };
                match client.increment(&asked).map(|sum| sum.value()) {
                    Ok(sum) => assert_eq!((sum, end), (0, State::Ready)),
                    Err(error) => assert_eq!(error, CallError::NotReady(end)),
                }
            },
        );
    }
}
