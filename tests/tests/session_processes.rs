//! What one side sees when the process at the other end is killed, at every step of a handshake and of a message.

use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::thread;

use netipc::endpoint::Endpoint;
use netipc::proto::Splitter;
use netipc::session::{Arrival, Cause, ClientConfig, Deadline, Error, Listener, ServerConfig, Ticket};
use netipc::wire::{Header, Method};
use netipc_tests::processes::{Child, RunDir, hear, role, say, stop, stopping_when_greeted, wait_until_full};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, SocketAddrUnix, SocketType, recv, sendmsg, socket,
};

const METHOD: Method = Method::new(7);
const NEVER: Deadline = Deadline::NEVER;
const CLOSED: Error = Error::Closed { mid_message: false };
/// Packets of 1,000 bytes, and messages of five of them.
const PACKET: u32 = 1000;
const MESSAGE: usize = 4 * 968 + 1;
/// More than any socket holds.
const HUGE: usize = 8 << 20;

fn client() -> ClientConfig {
    ClientConfig::new().max_request_payload(HUGE as u32).packet_size(PACKET)
}

fn server() -> ServerConfig {
    ServerConfig::new().max_request_payload(HUGE as u32).max_response_payload(HUGE as u32)
}

fn payload() -> Vec<u8> {
    (0..MESSAGE).map(|at| at as u8).collect()
}

/// Sends only the first packets of a message.
fn send_packets(socket: impl AsFd, header: Header, packets: usize) {
    let payload = payload();
    let header = header.with_payload_len(MESSAGE as u32);
    for packet in Splitter::new(header, PACKET).unwrap().take(packets) {
        let parts = [IoSlice::new(&packet.head), IoSlice::new(&payload[packet.body])];
        sendmsg(&socket, &parts, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL).unwrap();
    }
}

fn response_to(ticket: Ticket) -> Header {
    Header::response(ticket.method(), ticket.id(), 0)
}

fn raw_connection(endpoint: &Endpoint) -> OwnedFd {
    let socket = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    rustix::net::connect(&socket, &SocketAddrUnix::new(endpoint.socket_path()).unwrap()).unwrap();
    socket
}

/// A client that stops at a step, and is killed there.
fn client_process(step: &str, run_dir: &Path) {
    let endpoint = Endpoint::new(run_dir, "victim").unwrap();
    let (step, number) = step.split_once(' ').unwrap_or((step, "0"));
    let number: usize = number.parse().unwrap();
    match step {
        "connected" => {
            let _socket = raw_connection(&endpoint);
            stop();
        }
        "greeted" => {
            let _connecting = client().try_connect(&endpoint).unwrap().unwrap();
            stop();
        }
        "asking" => {
            let session = client().connect(&endpoint, NEVER).unwrap();
            send_packets(&session, Header::request(METHOD, 1, 0), number);
            stop();
        }
        "listening" => {
            let mut session = client().connect(&endpoint, NEVER).unwrap();
            session.send(METHOD, b"much, please", NEVER).unwrap();
            for _ in 0..number {
                recv(&session, &mut [0; PACKET as usize][..], RecvFlags::empty()).unwrap();
            }
            stop();
        }
        _ => panic!("no such step: {step}"),
    }
}

/// A listener goes on as if nothing had happened.
fn assert_goes_on(listener: &mut Listener, endpoint: &Endpoint) {
    let connecting = client().try_connect(endpoint).unwrap().unwrap();
    let mut session = listener.accept(NEVER).unwrap();
    let mut client = connecting.finish(NEVER).unwrap();
    let ticket = client.send(METHOD, b"still there?", NEVER).unwrap();
    assert_eq!(session.receive(NEVER).unwrap().payload(), b"still there?");
    session.respond(ticket, b"yes", NEVER).unwrap();
    assert_eq!(client.receive(NEVER).unwrap().payload(), b"yes");
}

#[test]
fn a_listener_outlives_clients_that_are_killed_in_the_middle_of_a_handshake() {
    if let Some((role, run_dir)) = role() {
        return client_process(&role, &run_dir);
    }
    const NAME: &str = "a_listener_outlives_clients_that_are_killed_in_the_middle_of_a_handshake";
    for (step, looks_first) in [("connected", false), ("connected", true), ("greeted", false), ("greeted", true)] {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("victim");
        let mut listener = server().listen(&endpoint).unwrap();
        let child = Child::start(NAME, step, run_dir.path());
        child.wait_until_stopped();
        let met = if looks_first { listener.try_next().unwrap() } else { None };
        child.kill();
        match (step, met) {
            ("greeted", Some(Arrival::Session(mut session))) => {
                assert_eq!(session.receive(NEVER).unwrap_err(), CLOSED);
            }
            (_, None) => match listener.next(NEVER).unwrap() {
                Arrival::Rejected(rejected) => assert_eq!(*rejected.cause(), Cause::Closed),
                Arrival::Session(session) => panic!("a session with the dead: {session:?}"),
            },
            (_, Some(arrival)) => panic!("{arrival:?} of a client that was {step}"),
        }
        assert_goes_on(&mut listener, &endpoint);
        drop(listener);
        assert!(run_dir.names().is_empty());
    }
}

#[test]
fn a_server_sees_how_far_a_killed_client_had_come_with_its_request() {
    if let Some((role, run_dir)) = role() {
        return client_process(&role, &run_dir);
    }
    const NAME: &str = "a_server_sees_how_far_a_killed_client_had_come_with_its_request";
    for packets in 0..=5 {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("victim");
        let mut listener = server().listen(&endpoint).unwrap();
        let child = Child::start(NAME, &format!("asking {packets}"), run_dir.path());
        let mut session = listener.accept(NEVER).unwrap();
        child.wait_until_stopped();
        // Whether the packets are received while it lives or when it is dead makes no difference.
        let looks_first = packets % 2 == 1;
        if looks_first && packets < 5 {
            assert!(session.try_receive().unwrap().is_none());
        }
        child.kill();
        if packets == 5 {
            assert_eq!(session.receive(NEVER).unwrap().payload(), payload());
        }
        let closed = Error::Closed { mid_message: packets % 5 != 0 };
        assert_eq!(session.receive(NEVER).unwrap_err(), closed);
        assert_eq!(session.try_receive().unwrap_err(), closed);
        assert_goes_on(&mut listener, &endpoint);
    }
}

#[test]
fn a_response_to_a_client_that_is_killed_while_it_listens_ends_at_once() {
    if let Some((role, run_dir)) = role() {
        return client_process(&role, &run_dir);
    }
    const NAME: &str = "a_response_to_a_client_that_is_killed_while_it_listens_ends_at_once";
    for packets in 0..3 {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("victim");
        let mut listener = server().listen(&endpoint).unwrap();
        let child = Child::start(NAME, &format!("listening {packets}"), run_dir.path());
        let mut session = listener.accept(NEVER).unwrap();
        let ticket = session.receive(NEVER).unwrap().ticket();
        let socket = session.as_fd().try_clone_to_owned().unwrap();
        thread::scope(|scope| {
            let answering = scope.spawn(|| session.respond(ticket, &vec![7; HUGE], NEVER));
            child.wait_until_stopped();
            wait_until_full(&socket);
            child.kill();
            assert_eq!(answering.join().unwrap(), Err(CLOSED));
        });
        assert_eq!(session.receive(NEVER).unwrap_err(), CLOSED);
        assert_goes_on(&mut listener, &endpoint);
    }
}

/// A server that stops at a step, and is killed there.
fn server_process(step: &str, run_dir: &Path) {
    let endpoint = Endpoint::new(run_dir, "victim").unwrap();
    let (step, number) = step.split_once(' ').unwrap_or((step, "0"));
    let number: usize = number.parse().unwrap();
    let config = if step == "greeted" { stopping_when_greeted(server()) } else { server() };
    let mut listener = config.listen(&endpoint).unwrap();
    say("listening");
    match step {
        "listening" => {
            assert_eq!(hear(), "stop");
            stop();
        }
        "greeted" | "accepted" => {
            let _session = listener.accept(NEVER).unwrap();
            stop();
        }
        "answering" => {
            let mut session = listener.accept(NEVER).unwrap();
            let ticket = session.receive(NEVER).unwrap().ticket();
            send_packets(&session, response_to(ticket), number);
            stop();
        }
        "receiving" => {
            let session = listener.accept(NEVER).unwrap();
            for _ in 0..number {
                recv(&session, &mut [0; PACKET as usize][..], RecvFlags::empty()).unwrap();
            }
            stop();
        }
        _ => panic!("no such step: {step}"),
    }
}

/// A dead server's socket is there, and the next server has it at once.
fn assert_reclaimed(run_dir: &RunDir, endpoint: &Endpoint) {
    assert_eq!(run_dir.names(), ["victim.sock"]);
    let error = client().connect(endpoint, NEVER).unwrap_err();
    assert!(matches!(error, Error::System(error) if error.errno() == libc::ECONNREFUSED), "{error}");
    let mut listener = server().listen(endpoint).unwrap();
    assert_goes_on(&mut listener, endpoint);
    drop(listener);
    assert!(run_dir.names().is_empty());
}

#[test]
fn a_client_outlives_servers_that_are_killed_in_the_middle_of_a_handshake() {
    if let Some((role, run_dir)) = role() {
        return server_process(&role, &run_dir);
    }
    const NAME: &str = "a_client_outlives_servers_that_are_killed_in_the_middle_of_a_handshake";
    for step in ["listening", "greeted", "accepted"] {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("victim");
        let mut child = Child::start(NAME, step, run_dir.path());
        assert_eq!(child.hear(), "listening");
        let connecting = client().try_connect(&endpoint).unwrap().unwrap();
        if step == "listening" {
            child.tell("stop");
        }
        child.wait_until_stopped();
        child.kill();
        let finished = connecting.finish(NEVER);
        if step == "accepted" {
            let mut session = finished.unwrap();
            assert_eq!(session.receive(NEVER).unwrap_err(), CLOSED);
            assert_eq!(session.send(METHOD, b"", NEVER), Err(CLOSED));
        } else {
            assert_eq!(finished.unwrap_err(), CLOSED, "{step}");
        }
        assert_reclaimed(&run_dir, &endpoint);
    }
}

#[test]
fn a_client_sees_how_far_a_killed_server_had_come_with_its_response() {
    if let Some((role, run_dir)) = role() {
        return server_process(&role, &run_dir);
    }
    const NAME: &str = "a_client_sees_how_far_a_killed_server_had_come_with_its_response";
    for packets in 0..=5 {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("victim");
        let mut child = Child::start(NAME, &format!("answering {packets}"), run_dir.path());
        assert_eq!(child.hear(), "listening");
        let mut session = client().connect(&endpoint, NEVER).unwrap();
        let ticket = session.send(METHOD, b"question", NEVER).unwrap();
        child.wait_until_stopped();
        let looks_first = packets % 2 == 1;
        if looks_first && packets < 5 {
            assert!(session.try_receive().unwrap().is_none());
        }
        child.kill();
        if packets == 5 {
            let response = session.receive(NEVER).unwrap();
            assert_eq!((response.ticket(), response.payload()), (ticket, &payload()[..]));
        }
        let closed = Error::Closed { mid_message: packets % 5 != 0 };
        assert_eq!(session.receive(NEVER).unwrap_err(), closed);
        assert_eq!(session.try_receive().unwrap_err(), closed);
        assert_eq!(session.send(METHOD, b"", NEVER), Err(CLOSED));
        assert_reclaimed(&run_dir, &endpoint);
    }
}

#[test]
fn a_request_to_a_server_that_is_killed_while_it_receives_ends_at_once() {
    if let Some((role, run_dir)) = role() {
        return server_process(&role, &run_dir);
    }
    const NAME: &str = "a_request_to_a_server_that_is_killed_while_it_receives_ends_at_once";
    for (packets, is_answer_awaited) in [(0, false), (1, false), (2, true)] {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("victim");
        let mut child = Child::start(NAME, &format!("receiving {packets}"), run_dir.path());
        assert_eq!(child.hear(), "listening");
        let mut session = client().connect(&endpoint, NEVER).unwrap();
        if is_answer_awaited {
            session.send(METHOD, b"first", NEVER).unwrap();
        }
        let socket = session.as_fd().try_clone_to_owned().unwrap();
        thread::scope(|scope| {
            let asking = scope.spawn(|| session.send(METHOD, &vec![7; HUGE], NEVER));
            child.wait_until_stopped();
            wait_until_full(&socket);
            child.kill();
            assert_eq!(asking.join().unwrap(), Err(CLOSED));
        });
        assert_eq!(session.receive(NEVER).unwrap_err(), CLOSED);
        assert_reclaimed(&run_dir, &endpoint);
    }
}
