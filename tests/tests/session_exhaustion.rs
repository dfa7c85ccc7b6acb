//! No file descriptor left, or no memory: whoever needs some is told by name, nobody hangs, and all goes on when there is
//! some again.
//!
//! The limit is a process's, so each test has one of its own to limit.

use std::io::IoSlice;
use std::path::Path;

use netipc::endpoint::Endpoint;
use netipc::proto::Splitter;
use netipc::session::{Arrival, BuildError, Cause, ClientConfig, Deadline, Error, Listener, ServerConfig, SystemError};
use netipc::wire::{Header, Method};
use netipc_tests::processes::{
    Child, RunDir, descriptors, hear, limit_descriptors, limit_memory, pair, role, say, take_descriptors,
};
use netipc_tests::raw::Raw;
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

const METHOD: Method = Method::new(7);
const NEVER: Deadline = Deadline::NEVER;
const CLOSED: Error = Error::Closed { mid_message: false };

fn is_out_of_descriptors(error: &SystemError, call: &str) -> bool {
    error.errno() == libc::EMFILE && error.call() == call
}

fn assert_turned_away(listener: &mut Listener) {
    let Arrival::Rejected(rejected) = listener.next(NEVER).unwrap() else { panic!("a session from nothing") };
    assert!(matches!(rejected.cause(), Cause::System(error) if is_out_of_descriptors(error, "accept")), "{rejected}");
}

/// A server that is told when to be short of descriptors.
fn server_process(run_dir: &Path) {
    let mut listener = ServerConfig::new().listen(&Endpoint::new(run_dir, "poor").unwrap()).unwrap();
    say("listening");
    let mut session = listener.accept(NEVER).unwrap();
    let before = descriptors();

    let taken = take_descriptors(0);
    say("poor");
    assert_turned_away(&mut listener);
    assert_turned_away(&mut listener);
    // What there is goes on.
    let ticket = session.receive(NEVER).unwrap().ticket();
    session.respond(ticket, b"poor, but well", NEVER).unwrap();
    assert_eq!(hear(), "be rich");
    drop(taken);
    assert_eq!(descriptors(), before);
    say("rich");
    drop(listener.accept(NEVER).unwrap());

    // Below what is open already, so that the listener can't even get its spare one back.
    limit_descriptors(Some(3));
    say("destitute");
    let error = listener.next(NEVER).unwrap_err();
    assert!(matches!(&error, Error::System(error) if is_out_of_descriptors(error, "accept")), "{error}");
    limit_descriptors(None);
    drop(listener.accept(NEVER).unwrap());
    let taken = take_descriptors(0);
    say("poor again");
    assert_turned_away(&mut listener);
    drop(taken);
    assert_eq!(descriptors(), before);
    drop((listener, session));
}

#[test]
fn a_server_without_descriptors_turns_clients_away_and_goes_on_when_it_has_some() {
    if let Some((_, run_dir)) = role() {
        return server_process(&run_dir);
    }
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("poor");
    let name = "a_server_without_descriptors_turns_clients_away_and_goes_on_when_it_has_some";
    let mut server = Child::start(name, "server", run_dir.path());
    assert_eq!(server.hear(), "listening");
    let config = ClientConfig::new();
    let mut early = config.connect(&endpoint, NEVER).unwrap();

    assert_eq!(server.hear(), "poor");
    // A client learns at once that it is not served: before it has said hello, or after.
    for _ in 0..2 {
        assert!(matches!(config.connect(&endpoint, NEVER), Err(Error::Closed { mid_message: false })));
    }
    early.send(METHOD, b"how are you?", NEVER).unwrap();
    assert_eq!(early.receive(NEVER).unwrap().payload(), b"poor, but well");
    server.tell("be rich");
    assert_eq!(server.hear(), "rich");
    assert_eq!(config.connect(&endpoint, NEVER).unwrap().receive(NEVER).map(drop), Err(CLOSED));

    assert_eq!(server.hear(), "destitute");
    assert_eq!(config.connect(&endpoint, NEVER).unwrap().receive(NEVER).map(drop), Err(CLOSED));
    assert_eq!(server.hear(), "poor again");
    assert_eq!(config.connect(&endpoint, NEVER).map(drop), Err(CLOSED));
    server.finish();
    assert!(run_dir.names().is_empty());
}

#[test]
fn a_listener_that_has_one_descriptor_for_one_client_lacks_none() {
    const NAME: &str = "a_listener_that_has_one_descriptor_for_one_client_lacks_none";
    let Some((_, run_dir)) = role() else {
        let run_dir = RunDir::new();
        return Child::start(NAME, "both", run_dir.path()).finish();
    };
    let endpoint = Endpoint::new(run_dir, "poor").unwrap();
    let mut listener = ServerConfig::new().listen(&endpoint).unwrap();
    let (silent, taken) = (Raw::connect(&endpoint), take_descriptors(1));
    // It has said nothing yet, and there is nobody else.
    assert_eq!(listener.try_next().map(|_| ()), Ok(()));
    drop(silent);
    drop(taken);
    assert!(matches!(listener.next(NEVER), Ok(Arrival::Rejected(rejected)) if *rejected.cause() == Cause::Closed));
}

#[test]
fn a_client_without_descriptors_is_told_so() {
    const NAME: &str = "a_client_without_descriptors_is_told_so";
    let Some((_, run_dir)) = role() else {
        let run_dir = RunDir::new();
        return Child::start(NAME, "client", run_dir.path()).finish();
    };
    let endpoint = Endpoint::new(run_dir, "poor").unwrap();
    let mut listener = ServerConfig::new().listen(&endpoint).unwrap();
    let before = descriptors();
    let taken = take_descriptors(0);
    for error in [
        ClientConfig::new().connect(&endpoint, NEVER).map(drop).unwrap_err(),
        ClientConfig::new().try_connect(&endpoint).map(drop).unwrap_err(),
    ] {
        assert!(matches!(&error, Error::System(error) if is_out_of_descriptors(error, "socket")), "{error}");
    }
    drop(taken);
    let connecting = ClientConfig::new().try_connect(&endpoint).unwrap().unwrap();
    listener.accept(NEVER).unwrap();
    connecting.finish(NEVER).unwrap();
    assert_eq!(descriptors(), before);
}

#[test]
fn a_listener_without_descriptors_is_told_so_and_takes_nobody_elses_place() {
    const NAME: &str = "a_listener_without_descriptors_is_told_so_and_takes_nobody_elses_place";
    let Some((_, run_dir)) = role() else {
        let run_dir = RunDir::new();
        return Child::start(NAME, "server", run_dir.path()).finish();
    };
    let free = Endpoint::new(&run_dir, "free").unwrap();
    let held = Endpoint::new(&run_dir, "held").unwrap();
    let mut holder = ServerConfig::new().listen(&held).unwrap();
    let before = descriptors();
    let (mut failures, mut doubts) = (0, 0);
    for left in 0.. {
        let taken = take_descriptors(left);
        let (on_free, on_held) = (ServerConfig::new().listen(&free), ServerConfig::new().listen(&held).map(drop));
        drop(taken);
        match on_held.unwrap_err() {
            Error::InUse { endpoint, doubt } => {
                assert_eq!(endpoint, held);
                doubts += u32::from(doubt.is_some_and(|error| is_out_of_descriptors(&error, "socket")));
            }
            Error::System(error) => assert_eq!(error.errno(), libc::EMFILE, "{error}"),
            error => panic!("{error}"),
        }
        // It was not taken for dead.
        let connecting = ClientConfig::new().try_connect(&held).unwrap().unwrap();
        holder.accept(NEVER).unwrap();
        connecting.finish(NEVER).unwrap();
        match on_free {
            Ok(_) => break,
            Err(Error::InUse { doubt: Some(error), .. }) => {
                assert!(["open", "socket"].iter().any(|call| is_out_of_descriptors(&error, call)), "{error}");
            }
            Err(Error::System(error)) => assert_eq!(error.errno(), libc::EMFILE, "{error}"),
            Err(error) => panic!("{error}"),
        }
        assert!(!free.socket_path().exists(), "{left} descriptors left");
        failures += 1;
        assert_eq!(descriptors(), before);
    }
    assert!(failures >= 5 && doubts > 0, "{failures} failures, {doubts} doubts");
}

#[test]
fn a_message_that_there_is_no_memory_for_fails_and_not_the_process() {
    const NAME: &str = "a_message_that_there_is_no_memory_for_fails_and_not_the_process";
    const MOST: u32 = u32::MAX - 32;
    if role().is_none() {
        let run_dir = RunDir::new();
        return Child::start(NAME, "both", run_dir.path()).finish();
    }
    let (client, server) =
        (ClientConfig::new().max_request_payload(MOST), ServerConfig::new().max_request_payload(MOST));
    let (mut client, mut server) = pair(&client, &server);
    limit_memory(3 << 30);
    let no_memory = |error: &Error| matches!(error, Error::System(error) if error.errno() == libc::ENOMEM);
    let built = client.send_with::<()>(METHOD, NEVER, |_| Ok(()));
    assert!(matches!(&built, Err(BuildError::Session(error)) if no_memory(error)), "{built:?}");
    // It was not sent, and the session goes on.
    let ticket = client.send(METHOD, b"small", NEVER).unwrap();
    assert_eq!(server.receive(NEVER).unwrap().ticket(), ticket);

    // The beginning of more than there is.
    let packet = Splitter::new(Header::request(METHOD, 2, MOST), client.terms().packet_size).unwrap().next().unwrap();
    let body = vec![7; packet.body.len()];
    let parts = [IoSlice::new(&packet.head), IoSlice::new(&body)];
    sendmsg(&client, &parts, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL).unwrap();
    let error = server.receive(NEVER).unwrap_err();
    assert!(no_memory(&error), "{error}");
    assert_eq!(server.respond(ticket, b"late", NEVER), Err(error));
    assert_eq!(client.receive(NEVER).map(drop), Err(CLOSED));
}
