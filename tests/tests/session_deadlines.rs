//! What a deadline ends, and what goes on after it: a peer that is slow, stopped, or sends a little now and then.

use core::time::Duration;
use std::io::IoSlice;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use netipc::endpoint::Endpoint;
use netipc::proto::Splitter;
use netipc::session::{Arrival, Cause, ClientConfig, Deadline, Error, ServerConfig};
use netipc::wire::{Header, Method};
use netipc_tests::processes::{Child, RunDir, hear, pair, role, say, this_thread, wait_until_asleep};
use rustix::net::{SendAncillaryBuffer, SendFlags, sendmsg};
use rustix::process::Signal;

const METHOD: Method = Method::new(7);
const NEVER: Deadline = Deadline::NEVER;
/// More than any socket holds.
const HUGE: usize = 8 << 20;

fn soon() -> Deadline {
    Deadline::after(Duration::from_millis(20))
}

fn past() -> Deadline {
    Deadline::after(Duration::ZERO)
}

fn configs() -> (ClientConfig, ServerConfig) {
    let most = HUGE as u32;
    let client = ClientConfig::new().max_request_payload(most);
    (client, ServerConfig::new().max_request_payload(most).max_response_payload(most))
}

fn send_packet(socket: impl AsFd, packet: &netipc::proto::Packet, payload: &[u8]) -> Result<usize, rustix::io::Errno> {
    let parts = [IoSlice::new(&packet.head), IoSlice::new(&payload[packet.body.clone()])];
    sendmsg(socket, &parts, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL)
}

#[test]
fn a_receive_that_timed_out_in_mid_message_goes_on_later() {
    let (client, server) = configs();
    let (client, mut server) = pair(&client.packet_size(100), &server);
    let payload: Vec<u8> = (0..=255).collect();
    let header = Header::request(METHOD, 1, payload.len() as u32);
    for packet in Splitter::new(header, 100).unwrap() {
        assert_eq!(server.receive(soon()).map(drop), Err(Error::TimedOut));
        assert_eq!(server.receive(past()).map(drop), Err(Error::TimedOut));
        assert!(server.try_receive().unwrap().is_none());
        send_packet(&client, &packet, &payload).unwrap();
    }
    assert_eq!(server.receive(past()).unwrap().payload(), payload);
    assert_eq!(server.received(), 1);
}

#[test]
fn a_response_that_timed_out_in_mid_message_is_received_later() {
    let (client, server) = configs();
    let (mut client, mut server) = pair(&client.packet_size(100), &server);
    let payload: Vec<u8> = (0..=255).collect();
    for _ in 0..2 {
        let ticket = client.send(METHOD, b"x", NEVER).unwrap();
        server.receive(NEVER).unwrap();
        for packet in Splitter::new(Header::response(METHOD, ticket.id(), payload.len() as u32), 100).unwrap() {
            assert_eq!(client.receive(soon()).map(drop), Err(Error::TimedOut));
            send_packet(&server, &packet, &payload).unwrap();
        }
        let response = client.receive(NEVER).unwrap();
        assert_eq!((response.ticket(), response.payload()), (ticket, &payload[..]));
    }
}

#[test]
fn a_peer_that_sends_a_packet_now_and_then_does_not_move_the_deadline() {
    let (client, server) = configs();
    let (client, mut server) = pair(&client.packet_size(33), &server);
    let payload = vec![7; HUGE];
    let header = Header::request(METHOD, 1, payload.len() as u32);
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let receiving = scope.spawn(move || {
            tell.send(this_thread()).unwrap();
            let received = server.receive(Deadline::after(Duration::from_millis(100))).map(drop);
            // The thread outlives the sender, who looks at it.
            (received, server)
        });
        let thread = told.recv().unwrap();
        let mut packets = Splitter::new(header, 33).unwrap();
        // Whenever the receiver has gone to sleep for want of one; there are eight million of them.
        while !receiving.is_finished() {
            send_packet(&client, &packets.next().unwrap(), &payload).unwrap();
            while !receiving.is_finished() && !netipc_tests::processes::is_asleep(thread) {
                thread::yield_now();
            }
        }
        let (received, _server) = receiving.join().unwrap();
        assert_eq!(received, Err(Error::TimedOut));
    });
}

#[test]
fn a_request_that_finds_no_room_in_time_is_not_sent_and_the_session_goes_on() {
    let (client, server) = configs();
    let (mut client, mut server) = pair(&client, &server);
    let mut sent = Vec::new();
    while let Some(ticket) = client.try_send(METHOD, Bytes::from(vec![sent.len() as u8; 4096])).unwrap() {
        sent.push(ticket);
    }
    let in_flight = client.in_flight();
    assert_eq!(in_flight, sent.len());
    for deadline in [soon(), past()] {
        assert_eq!(client.send(METHOD, &[0xff; 4096], deadline), Err(Error::TimedOut));
        assert_eq!(client.send_batch(METHOD, &[[0xff; 4096]], deadline), Err(Error::TimedOut));
        assert_eq!(client.in_flight(), in_flight);
    }
    for (number, ticket) in sent.iter().enumerate() {
        let request = server.receive(NEVER).unwrap();
        assert_eq!((request.ticket(), request.payload()), (*ticket, &[number as u8; 4096][..]));
    }
    assert!(server.try_receive().unwrap().is_none());
    let ticket = client.send(METHOD, b"next", past()).unwrap();
    assert_eq!(ticket.id(), sent.len() as u64 + 1, "what was not sent has no id");
    assert_eq!(server.receive(NEVER).unwrap().ticket(), ticket);
    server.respond(ticket, b"answer", NEVER).unwrap();
    assert_eq!(client.receive(NEVER).unwrap().ticket(), ticket);
}

#[test]
fn a_message_that_is_cut_off_by_its_deadline_ends_the_session() {
    for is_answer_awaited in [false, true] {
        let (client, server) = configs();
        let (mut client, mut server) = pair(&client, &server);
        if is_answer_awaited {
            client.send(METHOD, b"first", NEVER).unwrap();
            server.receive(NEVER).unwrap();
        }
        assert_eq!(client.send(METHOD, &vec![7; HUGE], soon()), Err(Error::TimedOut));
        assert_eq!(client.send(METHOD, b"x", NEVER), Err(Error::Unfinished));
        assert_eq!(client.receive(NEVER).map(drop), Err(Error::Unfinished));
        assert_eq!(server.receive(NEVER).map(drop), Err(Error::Closed { mid_message: true }));
    }
    let (client, server) = configs();
    let (mut client, mut server) = pair(&client, &server);
    let ticket = client.send(METHOD, b"much, please", NEVER).unwrap();
    server.receive(NEVER).unwrap();
    assert_eq!(server.respond(ticket, &vec![7; HUGE], soon()), Err(Error::TimedOut));
    assert_eq!(server.respond(ticket, b"x", NEVER), Err(Error::Unfinished));
    assert_eq!(server.receive(NEVER).map(drop), Err(Error::Unfinished));
    assert_eq!(client.receive(NEVER).map(drop), Err(Error::Closed { mid_message: true }));
}

#[test]
fn both_halves_learn_that_a_message_was_cut_off() {
    let (client, server) = configs();
    let (client, _server) = pair(&client, &server);
    let (mut requests, mut responses) = client.split();
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let receiving = scope.spawn(move || {
            tell.send(this_thread()).unwrap();
            responses.receive(NEVER).map(drop)
        });
        wait_until_asleep(told.recv().unwrap());
        assert_eq!(requests.send(METHOD, &vec![7; HUGE], soon()), Err(Error::TimedOut));
        assert_eq!(receiving.join().unwrap(), Err(Error::Unfinished));
    });
}

#[test]
fn what_was_begun_without_waiting_survives_a_deadline_and_goes_on() {
    let (client, server) = configs();
    let (mut client, mut server) = pair(&client, &server);
    let payload = Bytes::from((0..HUGE).map(|at| (at % 251) as u8).collect::<Vec<_>>());
    let ticket = client.try_send(METHOD, payload.clone()).unwrap().unwrap();
    assert!(client.wants_write());
    // The next message would have to wait for the rest of it.
    assert_eq!(client.send(METHOD, b"x", soon()), Err(Error::TimedOut));
    assert_eq!(client.try_send(METHOD, Bytes::new()), Ok(None));
    assert!(client.wants_write());
    thread::scope(|scope| {
        let sending = scope.spawn(|| client.send(METHOD, b"next", NEVER).unwrap());
        let request = server.receive(NEVER).unwrap();
        assert!(request.ticket() == ticket && request.payload() == payload);
        assert_eq!(server.receive(NEVER).unwrap().payload(), b"next");
        assert_eq!(sending.join().unwrap().id(), 2);
    });
}

#[test]
fn a_listener_and_a_client_that_nobody_answers_time_out_and_go_on() {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("late");
    let (client, server) = configs();
    let mut listener = server.listen(&endpoint).unwrap();
    assert_eq!(listener.accept(soon()).map(drop), Err(Error::TimedOut));
    assert_eq!(client.connect(&endpoint, soon()).map(drop), Err(Error::TimedOut));
    let Arrival::Rejected(rejected) = listener.next(NEVER).unwrap() else { panic!("a session with nobody") };
    assert_eq!(*rejected.cause(), Cause::Closed);
    let connecting = client.try_connect(&endpoint).unwrap().unwrap();
    listener.accept(past()).unwrap();
    connecting.finish(past()).unwrap();
}

/// Answers until its client is gone.
fn server_process(run_dir: &Path) {
    let mut listener = configs().1.listen(&Endpoint::new(run_dir, "stopped").unwrap()).unwrap();
    say("listening");
    let mut session = listener.accept(NEVER).unwrap();
    loop {
        let (requests, responses) = session.halves();
        match requests.receive(NEVER) {
            Ok(request) => responses.respond(request.ticket(), request.payload(), NEVER).unwrap(),
            Err(error) => break assert_eq!(error, Error::Closed { mid_message: false }),
        }
    }
}

#[test]
fn a_stopped_server_costs_a_deadline_and_goes_on_when_it_does() {
    if let Some((_, run_dir)) = role() {
        return server_process(&run_dir);
    }
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("stopped");
    let mut child =
        Child::start("a_stopped_server_costs_a_deadline_and_goes_on_when_it_does", "server", run_dir.path());
    assert_eq!(child.hear(), "listening");
    let client = configs().0;
    child.stop();
    assert_eq!(client.connect(&endpoint, soon()).map(drop), Err(Error::TimedOut));
    child.signal(Signal::CONT);
    let mut client = client.connect(&endpoint, NEVER).unwrap();
    child.stop();
    let first = client.send(METHOD, b"first", soon()).unwrap();
    assert_eq!(client.receive(soon()).map(drop), Err(Error::TimedOut));
    // Until nothing more finds room.
    let mut sent = 1;
    let error = loop {
        match client.send(METHOD, &[7; 4096], soon()) {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((error, client.in_flight()), (Error::TimedOut, sent));
    child.signal(Signal::CONT);
    assert_eq!(client.receive(NEVER).unwrap().ticket(), first);
    for _ in 1..sent {
        assert_eq!(client.receive(NEVER).unwrap().payload(), [7; 4096]);
    }
    let next = client.send(METHOD, b"next", NEVER).unwrap();
    assert_eq!(client.receive(NEVER).unwrap().ticket(), next);
    drop(client);
    child.finish();
}

/// Asks for as many answers as it is told to, and receives them when it is told to.
fn client_process(run_dir: &Path) {
    let mut client = configs().0.connect(&Endpoint::new(run_dir, "stopped").unwrap(), NEVER).unwrap();
    let requests: usize = hear().parse().unwrap();
    for _ in 0..requests {
        client.send(METHOD, b"", NEVER).unwrap();
    }
    say("asked");
    assert_eq!(hear(), "receive");
    for number in 0..requests {
        let response = client.receive(NEVER).unwrap();
        assert_eq!(response.payload(), [number as u8; 4096]);
    }
}

#[test]
fn a_stopped_client_costs_its_server_a_deadline_and_misses_nothing() {
    if let Some((_, run_dir)) = role() {
        return client_process(&run_dir);
    }
    const REQUESTS: usize = 300;
    let run_dir = RunDir::new();
    let mut listener = configs().1.listen(&run_dir.endpoint("stopped")).unwrap();
    let name = "a_stopped_client_costs_its_server_a_deadline_and_misses_nothing";
    let mut child = Child::start(name, "client", run_dir.path());
    let mut server = listener.accept(NEVER).unwrap();
    child.tell(&REQUESTS.to_string());
    let tickets: Vec<_> = (0..REQUESTS).map(|_| server.receive(NEVER).unwrap().ticket()).collect();
    assert_eq!(child.hear(), "asked");
    child.stop();
    let mut answered = 0;
    while server.respond(tickets[answered], &[answered as u8; 4096], soon()).is_ok() {
        answered += 1;
    }
    assert_eq!(server.in_flight(), REQUESTS - answered, "who was not answered goes on waiting");
    assert_eq!(server.respond(tickets[answered], &[answered as u8; 4096], soon()), Err(Error::TimedOut));
    child.tell("receive");
    child.signal(Signal::CONT);
    for (number, ticket) in tickets.iter().enumerate().skip(answered) {
        server.respond(*ticket, &[number as u8; 4096], NEVER).unwrap();
    }
    assert_eq!(server.receive(NEVER).map(drop), Err(Error::Closed { mid_message: false }));
    child.finish();
}
