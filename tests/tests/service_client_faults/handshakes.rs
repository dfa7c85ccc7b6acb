//! Handshakes that a server spoils, and regions that are missing, wrong or another's.

use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use netipc::CallError;
use netipc::client::State;
use netipc::session::{Error, Progress};
use netipc::wire::{HelloAck, Method, Profiles, Status};
use netipc_tests::memory::{BOTH, ack, client as shared_client, knock};
use netipc_tests::raw::{PAYLOAD, Raw, RawServer, RunDir, ack_packet, patched, refusal_packet, soon, whole};
use netipc_tests::region::{Layout, REQUEST, RESPONSE, RawRegion};

use super::{Line, ONE, SESSION, ack_to, answer_to, config, meets, state};

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
