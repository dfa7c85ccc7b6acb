//! Clients that say nothing, too many of them, and those who may not come in.
#![cfg(target_os = "linux")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use netipc::endpoint::Endpoint;
use netipc::session::{
    Arrival, Cause, ClientConfig, ClientSession, Error, Listener, Peer, Progress, Reason, ServerConfig, ServerSession,
    SystemError,
};
use netipc::wire::{AuthToken, Method, Status};
use netipc_tests::raw::{
    PAYLOAD, Raw, RawServer, RunDir, TOKEN, alone, good_hello, hello_packet, open_descriptors, refusal_packet, soon,
};
use rustix::io::Errno;
use rustix::net::SocketType;

const HOUR: Duration = Duration::from_secs(3600);
const BLINK: Duration = Duration::from_millis(1);
const SILENT: usize = 50;

fn server() -> ServerConfig {
    ServerConfig::new().queue(64).auth_token(AuthToken::new(TOKEN))
}

fn client() -> ClientConfig {
    ClientConfig::new().auth_token(AuthToken::new(TOKEN)).max_request_payload(PAYLOAD)
}

/// A good client gets in, and is served.
fn meet(listener: &mut Listener, endpoint: &Endpoint) -> (ClientSession, ServerSession) {
    let connecting = client().try_connect(endpoint).unwrap().expect("room in the queue");
    let mut server = listener.accept(soon()).unwrap();
    let Progress::Done(mut client) = connecting.try_finish().unwrap() else { panic!("the server has answered") };
    let asked = client.send(Method::new(1), b"hello", soon()).unwrap();
    let ticket = server.receive(soon()).unwrap().ticket();
    server.respond(ticket, b"yes", soon()).unwrap();
    let response = client.receive(soon()).unwrap();
    assert_eq!((response.ticket(), response.payload()), (asked, &b"yes"[..]));
    (*client, server)
}

fn rejected(listener: &mut Listener) -> Cause {
    match listener.next(soon()).unwrap() {
        Arrival::Rejected(rejected) => {
            assert_eq!(rejected.peer().and_then(|peer| peer.pid), Some(std::process::id()));
            *rejected.cause()
        }
        Arrival::Session(session) => panic!("{session:?}"),
    }
}

/// What a raw client is answered that says hello.
fn ask(listener: &mut Listener, endpoint: &Endpoint, packet: &[u8]) -> (Cause, Option<Vec<u8>>) {
    let raw = Raw::connect(endpoint);
    raw.send(packet).unwrap();
    let cause = rejected(listener);
    let answer = raw.receive();
    raw.assert_closed("refused");
    (cause, answer)
}

#[test]
fn nobody_waits_for_fifty_clients_that_say_nothing() {
    let _alone = alone();
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("quiet");
    let mut listener = server().handshake_timeout(HOUR).listen(&endpoint).unwrap();
    let before = open_descriptors();
    let silent: Vec<Raw> = (0..SILENT).map(|_| Raw::connect(&endpoint)).collect();
    // Had anybody waited for one of them, this would take an hour.
    let in_between = meet(&mut listener, &endpoint);
    assert_eq!(open_descriptors(), before + 2 * SILENT + 2);
    let later = meet(&mut listener, &endpoint);
    // None of them has been turned out, and each may still speak up.
    assert!(listener.try_next().unwrap().is_none());
    for raw in &silent {
        raw.send(&hello_packet(&good_hello())).unwrap();
        let session = listener.accept(soon()).unwrap();
        assert_eq!(raw.receive().map(|ack| ack.len()), Some(80));
        drop(session);
        raw.assert_closed("served");
    }
    drop((silent, in_between, later));
    assert_eq!(open_descriptors(), before);
}

#[test]
fn who_says_nothing_in_time_is_turned_out() {
    let _alone = alone();
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("quiet");
    let mut listener = server().handshake_timeout(BLINK).listen(&endpoint).unwrap();
    let before = open_descriptors();
    let silent: Vec<Raw> = (0..SILENT).map(|_| Raw::connect(&endpoint)).collect();
    for _ in &silent {
        assert_eq!(rejected(&mut listener), Cause::TimedOut);
    }
    for raw in &silent {
        // A hello now is too late.
        assert_eq!(raw.send(&hello_packet(&good_hello())), Err(Errno::PIPE));
        raw.assert_closed("silent");
    }
    drop(silent);
    assert_eq!(open_descriptors(), before);
    drop(meet(&mut listener, &endpoint));
    assert_eq!(open_descriptors(), before);
}

#[test]
fn where_too_many_say_nothing_the_oldest_is_turned_out() {
    let _alone = alone();
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("crowd");
    let mut listener = server().handshake_timeout(HOUR).max_handshakes(3).listen(&endpoint).unwrap();
    let before = open_descriptors();
    let mut silent: Vec<Raw> = (0..3).map(|_| Raw::connect(&endpoint)).collect();
    assert!(listener.try_next().unwrap().is_none());
    for _ in 0..20 {
        silent.push(Raw::connect(&endpoint));
        assert_eq!(rejected(&mut listener), Cause::Crowded);
        silent.remove(0).assert_closed("the oldest");
        assert_eq!(open_descriptors(), before + 2 * silent.len());
    }
    // A good client turns nobody out: it is not silent.
    drop(meet(&mut listener, &endpoint));
    assert!(listener.try_next().unwrap().is_none());
    for raw in &silent {
        raw.send(&hello_packet(&good_hello())).unwrap();
        drop(listener.accept(soon()).unwrap());
        assert_eq!(raw.receive().map(|ack| ack.len()), Some(80));
    }
    drop(silent);
    assert_eq!(open_descriptors(), before);
}

#[test]
fn one_session_too_many_is_refused_until_another_ends_and_no_id_is_lost() {
    let _alone = alone();
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("full");
    let mut listener = server().max_sessions(2).listen(&endpoint).unwrap();
    let hello = hello_packet(&good_hello());
    let first = meet(&mut listener, &endpoint);
    let second = meet(&mut listener, &endpoint);
    assert_eq!([&first, &second].map(|(client, _)| client.terms().session_id), [1, 2]);

    for _ in 0..3 {
        let (cause, answer) = ask(&mut listener, &endpoint, &hello);
        let Cause::Refused(refusal) = cause else { panic!("{cause}") };
        assert_eq!(refusal.reason(), Reason::Server(Status::LimitExceeded));
        assert_eq!(answer, Some(refusal_packet(Status::LimitExceeded)));
    }
    let connecting = client().try_connect(&endpoint).unwrap().expect("room in the queue");
    assert!(matches!(rejected(&mut listener), Cause::Refused(_)));
    assert_eq!(connecting.finish(soon()).map(drop), Err(Error::Refused(Status::LimitExceeded)));

    // The client's end does not count: the server has the session as long as it holds it.
    let (client_end, server_end) = first;
    drop(client_end);
    assert!(matches!(ask(&mut listener, &endpoint, &hello).0, Cause::Refused(_)));
    // Nor does half of it.
    let (requests, responses) = server_end.split();
    drop(requests);
    assert!(matches!(ask(&mut listener, &endpoint, &hello).0, Cause::Refused(_)));
    drop(responses);
    let third = meet(&mut listener, &endpoint);
    assert_eq!((third.0.terms().session_id, third.1.terms().session_id), (3, 3));
    assert!(matches!(ask(&mut listener, &endpoint, &hello).0, Cause::Refused(_)));
}

#[test]
fn the_hook_is_asked_about_the_process_that_has_the_token() {
    let _alone = alone();
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("hook");
    let asked: Arc<Mutex<Vec<Peer>>> = Arc::default();
    let open = Arc::new(Mutex::new(true));
    let (seen, is_open) = (Arc::clone(&asked), Arc::clone(&open));
    let config = server().authorize(move |peer| {
        seen.lock().unwrap().push(*peer);
        *is_open.lock().unwrap()
    });
    let mut listener = config.listen(&endpoint).unwrap();
    let hello = hello_packet(&good_hello());
    let number_of_questions = || asked.lock().unwrap().len();

    let (client, session) = meet(&mut listener, &endpoint);
    let peer = asked.lock().unwrap()[0];
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    assert_eq!((peer.pid, peer.uid, peer.gid), (Some(std::process::id()), uid, gid));
    assert_eq!([client.peer(), session.peer()], [peer; 2]);
    assert_eq!(number_of_questions(), 1);

    *open.lock().unwrap() = false;
    let (cause, answer) = ask(&mut listener, &endpoint, &hello);
    let Cause::Refused(refusal) = cause else { panic!("{cause}") };
    assert_eq!((refusal.reason(), answer), (Reason::NotAuthorized, Some(refusal_packet(Status::AuthFailed))));
    assert_eq!(number_of_questions(), 2);

    let mut stranger = good_hello();
    stranger.auth_token = AuthToken::new(TOKEN + 1);
    let (cause, answer) = ask(&mut listener, &endpoint, &hello_packet(&stranger));
    let Cause::Refused(refusal) = cause else { panic!("{cause}") };
    assert_eq!((refusal.reason(), answer), (Reason::Token, Some(refusal_packet(Status::AuthFailed))));
    assert_eq!(number_of_questions(), 2, "asked about somebody without the token");

    *open.lock().unwrap() = true;
    assert_eq!(meet(&mut listener, &endpoint).0.terms().session_id, 2);
}

#[test]
fn a_client_of_another_kind_of_socket_fails_in_the_kernel_and_nobody_notices() {
    let _alone = alone();
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("kinds");
    let mut listener = server().listen(&endpoint).unwrap();
    let before = open_descriptors();
    for kind in [SocketType::STREAM, SocketType::DGRAM] {
        assert_eq!(Raw::connect_as(kind, &endpoint).map(drop), Err(Errno::PROTOTYPE), "{kind:?}");
        assert!(listener.try_next().unwrap().is_none());
    }
    drop(meet(&mut listener, &endpoint));
    assert_eq!(open_descriptors(), before);
}

#[test]
fn a_server_of_another_kind_of_socket_fails_in_the_kernel_by_name() {
    let _alone = alone();
    let run_dir = RunDir::new();
    for (service, kind) in [("stream", SocketType::STREAM), ("dgram", SocketType::DGRAM)] {
        let endpoint = run_dir.endpoint(service);
        let _server = RawServer::bind_as(kind, &endpoint);
        let before = open_descriptors();
        let error = client().connect(&endpoint, soon()).map(drop).unwrap_err();
        let Error::System(error) = error else { panic!("{error}") };
        let found = (SystemError::call(&error), SystemError::errno(&error));
        assert_eq!(found, ("connect", Errno::PROTOTYPE.raw_os_error()), "{service}");
        assert_eq!(open_descriptors(), before);
    }
}
