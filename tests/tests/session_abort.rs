//! An abort from another thread frees whatever waits, at once and for good. Nothing here has a deadline: that a test
//! ends is the proof.

use std::io::IoSlice;
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use netipc::proto::Splitter;
use netipc::session::{Abort, ClientConfig, Deadline, Error, ServerConfig};
use netipc::wire::{Header, Method};
use netipc_tests::processes::{RunDir, pair, this_thread, wait_until_asleep, wait_until_full, wait_until_readable};
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};

const METHOD: Method = Method::new(7);
const NEVER: Deadline = Deadline::NEVER;
const CLOSED: Error = Error::Closed { mid_message: false };
/// More than any socket holds.
const HUGE: usize = 8 << 20;

fn configs() -> (ClientConfig, ServerConfig) {
    let most = HUGE as u32;
    let client = ClientConfig::new().max_request_payload(most);
    (client, ServerConfig::new().max_request_payload(most).max_response_payload(most))
}

/// Aborts when the thread that `call` runs on sleeps; what it returned.
fn abort_asleep<R: Send>(abort: &Abort, call: impl FnOnce() -> R + Send) -> R {
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            tell.send(this_thread()).unwrap();
            call()
        });
        wait_until_asleep(told.recv().unwrap());
        abort.abort();
        waiting.join().unwrap()
    })
}

/// Aborts when nothing more can be written to `socket`.
fn abort_full<R: Send>(abort: &Abort, socket: impl AsFd, call: impl FnOnce() -> R + Send) -> R {
    let socket = socket.as_fd().try_clone_to_owned().unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(call);
        wait_until_full(&socket);
        abort.abort();
        waiting.join().unwrap()
    })
}

/// The first packet of a message of two.
fn send_half(socket: impl AsFd, header: Header) {
    let packet = Splitter::new(header.with_payload_len(100), 96).unwrap().next().unwrap();
    let parts = [IoSlice::new(&packet.head), IoSlice::new(&[7; 64])];
    sendmsg(socket, &parts, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL).unwrap();
}

#[test]
fn an_abort_frees_a_client_that_receives_also_in_mid_message() {
    for in_mid_message in [false, true] {
        let abort = Abort::new();
        let (client, server) = configs();
        let (mut client, mut server) = pair(&client.abort(&abort).packet_size(96), &server);
        let ticket = client.send(METHOD, b"x", NEVER).unwrap();
        server.receive(NEVER).unwrap();
        if in_mid_message {
            send_half(&server, Header::response(METHOD, ticket.id(), 0));
        }
        assert_eq!(abort_asleep(&abort, || client.receive(NEVER).map(drop)), Err(Error::Aborted));
        assert_eq!(client.receive(NEVER).map(drop), Err(Error::Aborted));
        assert_eq!(client.try_receive().map(drop), Err(Error::Aborted));
        assert_eq!(client.send(METHOD, b"x", NEVER), Err(Error::Aborted));
        assert_eq!(client.try_send(METHOD, Bytes::new()), Err(Error::Aborted));
        // The peer is not left waiting.
        assert_eq!(server.receive(NEVER).map(drop), Err(CLOSED));
        assert_eq!(server.respond(ticket, b"y", NEVER), Err(CLOSED));
    }
}

#[test]
fn an_abort_frees_a_server_that_receives_also_in_mid_message() {
    for in_mid_message in [false, true] {
        let abort = Abort::new();
        let (client, server) = configs();
        let (mut client, mut server) = pair(&client.packet_size(96), &server.abort(&abort));
        let ticket = client.send(METHOD, b"x", NEVER).unwrap();
        server.receive(NEVER).unwrap();
        if in_mid_message {
            send_half(&client, Header::request(METHOD, 2, 0));
        }
        assert_eq!(abort_asleep(&abort, || server.receive(NEVER).map(drop)), Err(Error::Aborted));
        assert_eq!(server.respond(ticket, b"y", NEVER), Err(Error::Aborted));
        assert_eq!(server.try_receive().map(drop), Err(Error::Aborted));
        assert_eq!(client.receive(NEVER).map(drop), Err(CLOSED));
    }
}

#[test]
fn an_abort_frees_a_client_that_finds_no_room() {
    // With an answer to come, a client that sends watches for it too.
    for (packet_size, is_answer_awaited) in [(0, false), (0, true), (1000, false), (1000, true)] {
        let abort = Abort::new();
        let (client, server) = configs();
        let (mut client, _server) = pair(&client.abort(&abort).packet_size(packet_size), &server);
        if is_answer_awaited {
            client.send(METHOD, b"first", NEVER).unwrap();
        }
        let socket = client.as_fd().try_clone_to_owned().unwrap();
        let freed = abort_full(&abort, socket, || client.send(METHOD, &vec![7; HUGE], NEVER));
        assert_eq!(freed, Err(Error::Aborted));
        assert_eq!(client.send(METHOD, b"x", NEVER), Err(Error::Aborted));
        assert_eq!(client.receive(NEVER).map(drop), Err(Error::Aborted));
    }
}

#[test]
fn an_abort_frees_a_server_that_finds_no_room() {
    let abort = Abort::new();
    let (client, server) = configs();
    let (mut client, mut server) = pair(&client, &server.abort(&abort));
    let ticket = client.send(METHOD, b"much, please", NEVER).unwrap();
    server.receive(NEVER).unwrap();
    let socket = server.as_fd().try_clone_to_owned().unwrap();
    let reader = client.as_fd().try_clone_to_owned().unwrap();
    let freed = thread::scope(|scope| {
        let waiting = scope.spawn(|| server.respond(ticket, &vec![7; HUGE], NEVER));
        // A socket is full as soon as a packet is made, which is before it has arrived.
        wait_until_readable(&reader);
        wait_until_full(&socket);
        abort.abort();
        waiting.join().unwrap()
    });
    assert_eq!(freed, Err(Error::Aborted));
    assert_eq!(server.respond(ticket, b"x", NEVER), Err(Error::Aborted));
    assert_eq!(client.receive(NEVER).map(drop), Err(Error::Closed { mid_message: true }));
}

#[test]
fn an_abort_frees_both_halves_of_a_session_and_all_that_it_watches_over() {
    let abort = Abort::new();
    let (client, server) = configs();
    let sessions: Vec<_> = (0..3).map(|_| pair(&client.clone().abort(&abort), &server)).collect();
    thread::scope(|scope| {
        let mut waiting = Vec::new();
        for (client, server) in sessions {
            let socket = client.as_fd().try_clone_to_owned().unwrap();
            let (mut requests, mut responses) = client.split();
            let (tell, told) = mpsc::channel();
            let receiving = scope.spawn(move || {
                tell.send(this_thread()).unwrap();
                responses.receive(NEVER).map(drop)
            });
            let sending = scope.spawn(move || requests.send(METHOD, &vec![7; HUGE], NEVER).map(drop));
            wait_until_full(&socket);
            wait_until_asleep(told.recv().unwrap());
            waiting.push((sending, receiving, server));
        }
        abort.abort();
        for (sending, receiving, _server) in waiting {
            assert_eq!(sending.join().unwrap(), Err(Error::Aborted));
            assert_eq!(receiving.join().unwrap(), Err(Error::Aborted));
        }
    });
}

#[test]
fn an_abort_frees_a_listener_and_its_sessions() {
    let abort = Abort::new();
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("abort");
    let (client, server) = configs();
    let mut listener = server.abort(&abort).listen(&endpoint).unwrap();
    let connecting = client.try_connect(&endpoint).unwrap().unwrap();
    let mut session = listener.accept(NEVER).unwrap();
    let mut client_session = connecting.finish(NEVER).unwrap();
    assert_eq!(abort_asleep(&abort, || listener.accept(NEVER).map(drop)), Err(Error::Aborted));
    assert_eq!(listener.try_accept().map(drop), Err(Error::Aborted));
    assert_eq!(session.receive(NEVER).map(drop), Err(Error::Aborted));
    assert_eq!(client_session.receive(NEVER).map(drop), Err(CLOSED));
    drop(listener);
    assert!(run_dir.names().is_empty());
}

#[test]
fn an_abort_frees_a_client_that_waits_for_a_full_queue() {
    let abort = Abort::new();
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("abort");
    let (client, server) = configs();
    let _listener = server.queue(1).listen(&endpoint).unwrap();
    let mut queued = Vec::new();
    while let Some(connecting) = client.try_connect(&endpoint).unwrap() {
        queued.push(connecting);
    }
    let waiting = client.abort(&abort);
    assert_eq!(abort_asleep(&abort, || waiting.connect(&endpoint, NEVER).map(drop)), Err(Error::Aborted));
}

#[test]
fn an_abort_frees_a_client_whose_server_says_nothing() {
    let abort = Abort::new();
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("abort");
    let (client, server) = configs();
    let _listener = server.listen(&endpoint).unwrap();
    let client = client.abort(&abort);
    assert_eq!(abort_asleep(&abort, || client.connect(&endpoint, NEVER).map(drop)), Err(Error::Aborted));
}

#[test]
fn what_was_aborted_stays_so_until_it_is_reset() {
    let abort = Abort::new();
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("abort");
    let (client, server) = configs();
    let (client, server) = (client.abort(&abort), server.abort(&abort));
    let (mut old_client, mut old_server) = pair(&client, &server);
    abort.abort();
    assert_eq!(old_client.receive(NEVER).map(drop), Err(Error::Aborted));
    assert_eq!(old_server.receive(NEVER).map(drop), Err(Error::Aborted));
    assert_eq!(server.listen(&endpoint).map(drop), Err(Error::Aborted));
    assert!(run_dir.names().is_empty(), "who did not listen leaves no socket");
    assert_eq!(client.connect(&endpoint, NEVER).map(drop), Err(Error::Aborted));
    assert_eq!(client.try_connect(&endpoint).map(drop), Err(Error::Aborted));
    assert!(abort.is_aborted());
    abort.reset();
    let (mut new_client, mut new_server) = pair(&client, &server);
    let ticket = new_client.send(METHOD, b"x", NEVER).unwrap();
    new_server.receive(NEVER).unwrap();
    new_server.respond(ticket, b"y", NEVER).unwrap();
    assert_eq!(new_client.receive(NEVER).unwrap().payload(), b"y");
    assert_eq!(old_client.receive(NEVER).map(drop), Err(Error::Aborted));
}

#[test]
fn what_came_before_an_abort_is_not_received_after_it() {
    let abort = Abort::new();
    let (client, server) = configs();
    let (mut client, mut server) = pair(&client, &server.abort(&abort));
    client.send(METHOD, b"x", NEVER).unwrap();
    abort.abort();
    assert_eq!(server.receive(NEVER).map(drop), Err(Error::Aborted));
}
