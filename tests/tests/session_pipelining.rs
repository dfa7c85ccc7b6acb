//! Many requests in flight, answered in any order, by threads or by event loops: each answer finds its request, and
//! nobody waits for ever, however full the sockets are.

use core::ops::Range;
use std::collections::HashMap;
use std::sync::{Barrier, mpsc};
use std::thread;

use bytes::Bytes;
use netipc::session::{ClientConfig, Deadline, Error, Limit, LimitExceeded, ServerConfig, ServerSession, Ticket};
use netipc::wire::{HEADER_LEN, Method};
use netipc_tests::processes::{RunDir, pair};
use netipc_tests::random::Random;

#[path = "session_pipelining/event_loop.rs"]
mod event_loop;

const METHOD: Method = Method::new(7);
const NEVER: Deadline = Deadline::NEVER;
const REQUESTS: usize = 10_000;
/// Ten thousand of them fill the buffers of a socket a hundred times over.
const LARGE: usize = 4096;

fn configs() -> (ClientConfig, ServerConfig) {
    let most = 64 * 1024;
    let client = ClientConfig::new().max_request_payload(most);
    (client, ServerConfig::new().max_request_payload(most).max_response_payload(most))
}

/// The payload of a request: its number, and bytes that depend on it.
fn request(number: usize, len: usize) -> Vec<u8> {
    let mut payload = (number as u64).to_ne_bytes().to_vec();
    payload.resize(len.max(8), number as u8);
    payload
}

/// The answer to it: the same with its bytes inverted.
fn answer(request: &[u8]) -> Vec<u8> {
    request.iter().map(|byte| !byte).collect()
}

/// Which answers have come to which requests.
#[derive(Debug, Default)]
struct Answers {
    asked: HashMap<Ticket, usize>,
    answered: usize,
    in_order: bool,
    last: u64,
}

impl Answers {
    fn asked(tickets: impl IntoIterator<Item = (Ticket, usize)>) -> Self {
        Self { asked: tickets.into_iter().collect(), in_order: true, ..Self::default() }
    }

    fn take(&mut self, ticket: Ticket, payload: &[u8], len: usize) {
        let number = self.asked.remove(&ticket).expect("an answer to a request that was asked, once");
        assert!(payload == answer(&request(number, len)), "the answer of another request than {number}");
        self.in_order &= ticket.id() > self.last;
        self.last = ticket.id();
        self.answered += 1;
    }
}

/// Answers requests, of which it lets as many wait, in any order.
fn answer_shuffled(mut server: ServerSession, window: usize) {
    let mut random = Random::new(1);
    let mut waiting = Vec::new();
    for _ in 0..REQUESTS {
        let request = server.receive(NEVER).unwrap();
        waiting.push((request.ticket(), answer(request.payload())));
        if waiting.len() >= window {
            let (ticket, answer) = waiting.swap_remove(random.below(waiting.len()));
            server.respond(ticket, &answer, NEVER).unwrap();
        }
    }
    random.shuffle(&mut waiting);
    for (ticket, answer) in waiting {
        server.respond(ticket, &answer, NEVER).unwrap();
    }
    assert_eq!(server.receive(NEVER).unwrap_err(), Error::Closed { mid_message: false });
}

/// One thread asks everything before it listens to the first answer.
fn pipeline(len: usize, window: usize, packet_size: u32) {
    let (client, server) = configs();
    let (mut client, server) = pair(&client.packet_size(packet_size), &server);
    thread::scope(|scope| {
        scope.spawn(move || answer_shuffled(server, window));
        let mut ask = |number| client.send(METHOD, &request(number, len), NEVER).unwrap();
        let mut answers = Answers::asked((0..REQUESTS).map(|number| (ask(number), number)));
        while answers.answered < REQUESTS {
            let response = client.receive(NEVER).unwrap();
            answers.take(response.ticket(), response.payload(), len);
        }
        assert!(answers.in_order == (window == 1), "{window} requests were to wait");
        assert_eq!((client.received(), client.in_flight()), (REQUESTS as u64, 0));
        drop(client);
    });
}

#[test]
fn ten_thousand_tiny_requests_are_answered_in_any_order() {
    pipeline(8, REQUESTS, 0);
    pipeline(8, 100, 0);
}

#[test]
fn one_thread_on_each_side_does_not_deadlock_however_full_the_buffers_are() {
    pipeline(LARGE, 1, 0);
    pipeline(LARGE, 64, 0);
}

#[test]
fn nor_does_it_when_each_message_is_many_packets() {
    pipeline(LARGE, 1, 1000);
    pipeline(LARGE, 64, 1000);
}

#[test]
fn two_threads_on_each_side_share_a_session() {
    for len in [8, LARGE] {
        let (client, server) = configs();
        let (client, server) = pair(&client, &server);
        let (mut requests, mut responses) = client.split();
        let (mut receiver, mut sender) = server.split();
        let (answering, to_answer) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..REQUESTS {
                    let request = receiver.receive(NEVER).unwrap().keep();
                    answering.send(request).unwrap();
                }
            });
            scope.spawn(move || {
                // In pairs, the later one first.
                while let Ok(first) = to_answer.recv() {
                    let second = to_answer.recv().unwrap();
                    for request in [second, first] {
                        sender.respond(request.ticket(), &answer(request.payload()), NEVER).unwrap();
                    }
                }
            });
            let asking = scope.spawn(move || {
                let ask = |number| (requests.send(METHOD, &request(number, len), NEVER).unwrap(), number);
                (0..REQUESTS).map(ask).collect::<Vec<_>>()
            });
            let received: Vec<_> = (0..REQUESTS).map(|_| responses.receive(NEVER).unwrap().keep()).collect();
            let mut answers = Answers::asked(asking.join().unwrap());
            for response in received {
                answers.take(response.ticket(), response.payload(), len);
            }
            assert!(!answers.in_order);
        });
    }
}

#[test]
fn an_event_loop_on_each_side_needs_no_call_that_waits() {
    for (len, packet_size) in [(8, 0), (LARGE, 0), (LARGE, 1000)] {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("loop");
        let (client, server) = configs();
        let listener = server.listen(&endpoint).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| event_loop::serve(listener, 1));
            let answers = event_loop::ask(&client.packet_size(packet_size), &endpoint, 0..REQUESTS, len);
            assert_eq!(answers.answered, REQUESTS);
        });
    }
}

#[test]
fn two_hundred_sessions_at_a_time_share_a_listener() {
    const SESSIONS: usize = 200;
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("crowd");
    let (client, server) = configs();
    let listener = server.listen(&endpoint).unwrap();
    let all_are_in = Barrier::new(SESSIONS);
    thread::scope(|scope| {
        scope.spawn(|| event_loop::serve(listener, SESSIONS));
        for session in 0..SESSIONS {
            let (client, endpoint, all_are_in) = (&client, &endpoint, &all_are_in);
            scope.spawn(move || {
                let mut client = client.connect(endpoint, NEVER).unwrap();
                all_are_in.wait();
                let numbers: Range<usize> = 50 * session..50 * (session + 1);
                for number in numbers {
                    let ticket = client.send(METHOD, &request(number, 100), NEVER).unwrap();
                    let response = client.receive(NEVER).unwrap();
                    assert_eq!((response.ticket(), response.payload()), (ticket, &answer(&request(number, 100))[..]));
                }
                all_are_in.wait();
            });
        }
    });
}

/// Asks until more answers wait than the client bears; the error, and the requests that went out.
fn overflow(
    packet_size: u32,
    allowed: usize,
) -> (Error, usize, netipc::session::ClientSession, thread::JoinHandle<()>) {
    let (client, server) = configs();
    let (mut client, mut server) = pair(&client.max_backlog(allowed).packet_size(packet_size), &server);
    let answering = thread::spawn(move || {
        loop {
            let (requests, responses) = server.halves();
            let Ok(request) = requests.receive(NEVER) else { return };
            // It may find its client gone.
            let _ = responses.respond(request.ticket(), &answer(request.payload()), NEVER);
        }
    });
    for number in 0..REQUESTS {
        if let Err(error) = client.send(METHOD, &request(number, LARGE), NEVER) {
            return (error, number, client, answering);
        }
    }
    panic!("{REQUESTS} answers did not fill a backlog of {allowed} bytes");
}

#[test]
fn a_full_backlog_is_an_error_and_no_hang_and_the_session_goes_on() {
    let (error, asked, mut client, answering) = overflow(0, 10 * LARGE);
    // The tenth answer reaches it: each has a header too.
    let (asked_for, allowed) = (10 * (HEADER_LEN + LARGE) as u64, 10 * LARGE as u64);
    assert_eq!(error, LimitExceeded { limit: Limit::Backlog, asked: asked_for, allowed }.into());
    assert_eq!(client.in_flight() + client.received() as usize, asked);
    assert!(client.has_backlog());
    for _ in 0..asked {
        client.receive(NEVER).unwrap();
    }
    assert_eq!((client.in_flight(), client.has_backlog()), (0, false));
    let ticket = client.send(METHOD, &request(0, LARGE), NEVER).unwrap();
    assert_eq!(ticket.id(), asked as u64 + 1, "what was not sent has no id");
    assert_eq!(client.receive(NEVER).unwrap().ticket(), ticket);
    drop(client);
    answering.join().unwrap();
}

#[test]
fn a_backlog_that_fills_up_in_the_middle_of_a_request_ends_the_session() {
    // Where it happens to stand before the first packet of a request, the session goes on: then once more.
    let (mut client, answering) = (0..10)
        .find_map(|_| {
            let (error, _, mut client, answering) = overflow(33 + 16, 10 * LARGE);
            assert!(matches!(error, Error::Limit(LimitExceeded { limit: Limit::Backlog, .. })), "{error}");
            match client.try_send(METHOD, Bytes::new()) {
                Err(Error::Unfinished) => Some((client, answering)),
                other => {
                    other.unwrap();
                    None
                }
            }
        })
        .unwrap();
    // What had been put by is there still.
    assert!(client.has_backlog());
    while client.has_backlog() {
        client.receive(NEVER).unwrap();
    }
    assert_eq!(client.receive(NEVER).unwrap_err(), Error::Unfinished);
    answering.join().unwrap();
}
