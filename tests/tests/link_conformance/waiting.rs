//! Deadlines, calls that never wait, and descriptors that tell when to make them.

use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use netipc::session::{Bytes, ClientSession, Deadline, Error, RequestSender, ServerSession};
use rustix::event::epoll;
use rustix::time::Timespec;

use crate::fabric::{Fabric, LARGE, METHOD, now, payload, roomy_client, roomy_server, soon};

const SHORT: Duration = Duration::from_millis(2);

pub fn a_deadline_that_has_passed_takes_what_is_there(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair();
    for _ in 0..3 {
        assert_eq!(server.receive(now()).err(), Some(Error::TimedOut));
        assert_eq!(client.receive(now()).err(), Some(Error::TimedOut));
        let ticket = client.send(METHOD, b"in time", now()).expect("room for a request");
        assert_eq!(server.receive(now()).expect("a request").payload(), b"in time");
        server.respond(ticket, b"too", now()).expect("room for an answer");
        assert_eq!(client.receive(now()).expect("an answer").payload(), b"too");
    }
}

pub fn a_deadline_ends_a_receive_and_the_session_goes_on(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair();
    for _ in 0..3 {
        assert_eq!(server.receive(Deadline::after(SHORT)).err(), Some(Error::TimedOut));
        assert_eq!(client.receive(Deadline::after(SHORT)).err(), Some(Error::TimedOut));
    }
    // A long deadline after short ones, and none at all.
    let ticket = client.send(METHOD, b"late", Deadline::NEVER).expect("a request");
    assert_eq!(server.receive(soon()).expect("a request").payload(), b"late");
    server.respond(ticket, b"still", soon()).expect("an answer");
    assert_eq!(client.receive(Deadline::NEVER).expect("an answer").ticket(), ticket);
}

/// Begins to send a message that has no room as a whole, or that leaves no room for another one.
fn begin(client: &mut ClientSession, fabric: Fabric) -> Bytes {
    let large = Bytes::from(payload(LARGE, 5));
    let ticket = client.try_send(METHOD, large.clone()).expect("a session").expect("room for a beginning");
    assert_eq!((ticket.id(), client.in_flight()), (1, 1));
    assert_eq!((client.wants_write(), client.try_flush()), (fabric.cuts(), Ok(!fabric.cuts())));
    large
}

pub fn a_deadline_in_the_middle_of_a_message_loses_nothing(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair();
    let large = begin(&mut client, fabric);
    for late in [now(), Deadline::after(SHORT)] {
        assert_eq!(server.receive(late).err(), Some(Error::TimedOut));
    }
    while client.wants_write() {
        client.try_flush().expect("a session");
        if let Some(request) = server.try_receive().expect("a session") {
            assert!(request.payload() == large && !client.wants_write());
            return;
        }
    }
    assert!(server.receive(soon()).expect("a request").payload() == large);
}

/// Sends until there is no room. How many there were.
fn fill(requests: &mut RequestSender, request: &[u8]) -> u64 {
    let mut sent = 0;
    loop {
        match requests.send(METHOD, request, now()) {
            Ok(_) => sent += 1,
            Err(error) => {
                assert_eq!(error, Error::TimedOut);
                return sent;
            }
        }
    }
}

pub fn a_send_that_finds_no_room_in_time_was_not_sent(fabric: Fabric) {
    let (client, mut server) = fabric.pair();
    let (mut requests, _answers) = client.split();
    let sent = fill(&mut requests, &payload(9_000, 1));
    assert!(sent > 0);
    assert_eq!(sent > 1, fabric.holds_many());
    assert_eq!(requests.send(METHOD, &payload(9_000, 1), Deadline::after(SHORT)), Err(Error::TimedOut));
    assert_eq!(requests.in_flight() as u64, sent);
    for _ in 0..sent {
        assert_eq!(server.receive(soon()).expect("a request").payload().len(), 9_000);
    }
    assert!(server.try_receive().expect("a session").is_none());
    // The id of what was not sent goes to the next.
    assert_eq!(requests.send(METHOD, b"next", now()).expect("room again").id(), sent + 1);
    assert_eq!(server.receive(soon()).expect("a request").payload(), b"next");
}

pub fn a_send_that_is_cut_off_by_its_deadline_ends_the_session(fabric: Fabric) {
    // Packets short enough for a few to have room behind another message.
    let (mut client, mut server) = fabric.pair_of(&roomy_client().packet_size(10_000), &roomy_server());
    client.send(METHOD, b"before", soon()).expect("a request");
    assert_eq!(client.send(METHOD, &payload(LARGE, 1), Deadline::after(SHORT)), Err(Error::TimedOut));
    for _ in 0..2 {
        assert_eq!(client.send(METHOD, b"after", soon()), Err(Error::Unfinished));
        assert_eq!(client.receive(soon()).err(), Some(Error::Unfinished));
    }
    assert_eq!(server.receive(soon()).expect("a request").payload(), b"before");
    assert_eq!(server.receive(soon()).err(), Some(Error::Closed { mid_message: true }));
}

pub fn trying_never_waits(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair();
    assert!(client.try_receive().expect("a session").is_none());
    assert!(server.try_receive().expect("a session").is_none());
    assert!(!client.wants_write() && !server.wants_write());
    assert_eq!((client.try_flush(), server.try_flush()), (Ok(true), Ok(true)));

    let request = Bytes::from(payload(9_000, 2));
    let mut tickets = Vec::new();
    // The second time there is room again for as many.
    for _ in 0..2 {
        let before = tickets.len();
        while let Some(ticket) = client.try_send(METHOD, request.clone()).expect("a session") {
            tickets.push(ticket);
            assert_eq!(ticket.id(), tickets.len() as u64);
        }
        // It was not begun, so there is nothing left of it.
        assert!(tickets.len() > before && !client.wants_write());
        assert_eq!(tickets.len() > before + 1, fabric.holds_many());
        assert_eq!(client.in_flight(), tickets.len());
        for ticket in &tickets[before..] {
            let came = server.try_receive().expect("a session").expect("a request");
            assert_eq!(came.ticket(), *ticket);
            assert!(came.payload() == request);
        }
        assert!(server.try_receive().expect("a session").is_none());
    }

    // The other way round; what finds no room goes on waiting for an answer.
    let answer = Bytes::from(payload(20_000, 3));
    let mut waiting = tickets.iter();
    let refused = loop {
        let Some(ticket) = waiting.next() else { panic!("room for all answers") };
        if !server.try_respond(*ticket, answer.clone()).expect("a session") {
            break *ticket;
        }
    };
    assert!(!server.wants_write());
    let answered = usize::try_from(refused.id()).expect("few requests") - 1;
    assert!(answered > 0);
    assert_eq!(answered > 1, fabric.holds_many());
    assert_eq!(server.in_flight(), tickets.len() - answered);
    for ticket in &tickets[..answered] {
        assert_eq!(client.try_receive().expect("a session").expect("an answer").ticket(), *ticket);
    }
    assert!(client.try_receive().expect("a session").is_none());
    assert_eq!(server.try_respond(refused, answer.clone()), Ok(true));
    assert!(client.try_receive().expect("a session").expect("an answer").payload() == answer);
    assert_eq!(client.try_send(METHOD, request).expect("room").expect("room").id(), tickets.len() as u64 + 1);
}

pub fn a_request_that_was_begun_is_finished_before_the_next(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair();
    let large = begin(&mut client, fabric);
    // Nothing else goes before it.
    assert_eq!(client.try_send(METHOD, Bytes::from_static(b"next")), Ok(None));
    assert_eq!(client.send(METHOD, b"next", now()), Err(Error::TimedOut));
    assert_eq!(client.wants_write(), fabric.cuts());
    thread::scope(|scope| {
        let serving = scope.spawn(move || {
            assert!(server.receive(soon()).expect("a request").payload() == large);
            server.receive(soon()).expect("a request").keep().into_payload()
        });
        assert_eq!(client.send(METHOD, b"next", soon()).expect("a request").id(), 2);
        assert!(!client.wants_write());
        assert_eq!(serving.join().expect("a server"), b"next"[..]);
    });
}

pub fn an_answer_that_was_begun_is_finished_before_the_next(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair();
    let tickets = [b"one", b"two"].map(|request| {
        client.send(METHOD, request, soon()).expect("a request");
        server.receive(soon()).expect("a request").ticket()
    });
    let large = Bytes::from(payload(LARGE, 9));
    assert_eq!(server.try_respond(tickets[0], large.clone()), Ok(true));
    assert_eq!(server.wants_write(), fabric.cuts());
    assert_eq!(server.try_respond(tickets[1], Bytes::from_static(b"2")), Ok(false));
    assert_eq!(server.respond(tickets[1], b"2", now()), Err(Error::TimedOut));
    assert_eq!((server.in_flight(), server.try_flush()), (1, Ok(!fabric.cuts())));
    thread::scope(|scope| {
        let asking = scope.spawn(move || {
            assert!(client.receive(soon()).expect("an answer").payload() == large);
            client.receive(soon()).expect("an answer").keep().into_payload()
        });
        server.respond(tickets[1], b"2", soon()).expect("an answer");
        assert_eq!((server.wants_write(), server.in_flight()), (false, 0));
        assert_eq!(asking.join().expect("a client"), b"2"[..]);
    });
}

/// What is ready of the descriptors that it watches.
struct Poll(std::os::fd::OwnedFd);

const READ: epoll::EventFlags = epoll::EventFlags::IN;

impl Poll {
    fn of(sources: &[&dyn AsFd]) -> Self {
        let poll = Self(epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll"));
        for (nth, source) in sources.iter().enumerate() {
            epoll::add(&poll.0, source, epoll::EventData::new_u64(nth as u64), READ).expect("a descriptor");
        }
        poll
    }

    /// Whether one of them is, within `time`.
    fn is_ready(&self, time: Duration) -> bool {
        let mut events = [epoll::Event { flags: READ, data: epoll::EventData::new_u64(0) }];
        let timeout = Timespec::try_from(time).expect("a short time");
        epoll::wait(&self.0, &mut events[..], Some(&timeout)).expect("events") > 0
    }

    /// Watches descriptor `nth` for room too, or no longer.
    fn watch(&self, nth: u64, source: impl AsFd, wants_write: bool) {
        let interest = if wants_write { READ | epoll::EventFlags::OUT } else { READ };
        epoll::modify(&self.0, source, epoll::EventData::new_u64(nth), interest).expect("a descriptor");
    }
}

fn ready(poll: &Poll) -> bool {
    poll.is_ready(Duration::ZERO)
}

/// The peer has ended the session: a descriptor tells of the one message that came before, and then of the end, which stays.
fn assert_tells_of_the_end(poll: &Poll, mut has_received: impl FnMut() -> Result<bool, Error>) {
    assert!(ready(poll));
    assert_eq!(has_received(), Ok(true), "a message before the end");
    for _ in 0..2 {
        assert!(ready(poll));
        assert_eq!(has_received(), Err(Error::Closed { mid_message: false }));
    }
}

pub fn a_descriptor_is_readable_exactly_while_there_is_something(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair();
    let (at_client, at_server) = (Poll::of(&[&client]), Poll::of(&[&server]));
    assert!(!ready(&at_client) && !ready(&at_server));
    let tickets = [b"one", b"two"].map(|request| client.send(METHOD, request, soon()).expect("a request"));
    assert!(ready(&at_server) && !ready(&at_client));
    server.receive(soon()).expect("a request");
    assert!(ready(&at_server));
    assert!(server.try_receive().expect("a session").is_some());
    assert!(!ready(&at_server));
    server.respond(tickets[1], b"2", soon()).expect("an answer");
    assert!(ready(&at_client) && !ready(&at_server));
    assert!(client.try_receive().expect("a session").is_some());
    assert!(!ready(&at_client));
    // The end is something, too, and stays.
    server.respond(tickets[0], b"1", soon()).expect("an answer");
    drop(server);
    assert_tells_of_the_end(&at_client, || client.try_receive().map(|answer| answer.is_some()));
}

pub fn a_descriptor_tells_of_the_end_alone(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair();
    let (at_client, at_server) = (Poll::of(&[&client]), Poll::of(&[&server]));
    for _ in 0..3 {
        let ticket = client.send(METHOD, b"one", soon()).expect("a request");
        assert!(!ready(&at_client) && !ready(&at_server));
        assert!(server.try_receive().expect("a session").is_some());
        server.respond(ticket, b"1", soon()).expect("an answer");
        assert!(!ready(&at_client) && !ready(&at_server));
        assert!(client.try_receive().expect("a session").is_some());
    }
    let ticket = client.send(METHOD, b"last", soon()).expect("a request");
    server.receive(soon()).expect("a request");
    server.respond(ticket, b"unread", soon()).expect("an answer");
    drop(server);
    assert_tells_of_the_end(&at_client, || client.try_receive().map(|answer| answer.is_some()));

    let (mut client, mut server) = fabric.pair();
    let at_server = Poll::of(&[&server]);
    client.send(METHOD, b"unread", soon()).expect("a request");
    drop(client);
    assert_tells_of_the_end(&at_server, || server.try_receive().map(|request| request.is_some()));
}

/// What a server's loop does: takes what is there, answers with the same, and goes on with what found no room.
fn turn(server: &mut ServerSession, waiting: &mut Vec<(netipc::session::Ticket, Bytes)>) {
    server.try_flush().expect("a session");
    while let Some(request) = server.try_receive().expect("a session") {
        let ticket = request.ticket();
        waiting.push((ticket, request.keep().into_payload()));
    }
    while let Some((ticket, payload)) = waiting.first() {
        if !server.try_respond(*ticket, payload.clone()).expect("a session") {
            break;
        }
        waiting.remove(0);
    }
}

pub fn an_event_loop_gets_large_messages_through(fabric: Fabric) {
    const REQUESTS: u64 = 6;
    let (mut client, mut server) = fabric.pair();
    let poll = Poll::of(&[&client, &server]);
    let request = Bytes::from(payload(LARGE, 4));
    let (mut sent, mut received, mut waiting) = (0, 0, Vec::new());
    while received < REQUESTS {
        let has_more = sent < REQUESTS;
        if client.try_flush().expect("a session") && has_more {
            sent += u64::from(client.try_send(METHOD, request.clone()).expect("a session").is_some());
        }
        turn(&mut server, &mut waiting);
        while let Some(answer) = client.try_receive().expect("a session") {
            assert!(answer.payload() == request);
            received += 1;
        }
        if received < REQUESTS {
            poll.watch(0, &client, client.wants_write() || sent < REQUESTS);
            poll.watch(1, &server, server.wants_write() || !waiting.is_empty());
            assert!(poll.is_ready(Duration::from_secs(30)), "{sent} sent, {received} received");
        }
    }
    assert!(!client.wants_write() && !server.wants_write());
}

pub fn a_loop_that_tries_gets_large_messages_through(fabric: Fabric) {
    const REQUESTS: usize = 40;
    let (mut client, mut server) = fabric.pair();
    let (mut sent, mut received, mut waiting) = (Vec::new(), 0, Vec::new());
    while received < REQUESTS {
        let before = (sent.len(), received, server.received());
        if sent.len() < REQUESTS {
            let request = payload(LARGE - sent.len(), sent.len());
            sent.extend(client.try_send(METHOD, request.into()).expect("a session"));
        }
        turn(&mut server, &mut waiting);
        while let Some(answer) = client.try_receive().expect("a session") {
            // They have come in the order in which they were sent.
            assert_eq!(answer.ticket(), sent[received]);
            assert!(answer.payload() == payload(LARGE - received, received));
            received += 1;
        }
        // No turn is in vain.
        assert_ne!((sent.len(), received, server.received()), before);
    }
    assert!(waiting.is_empty() && !client.wants_write() && !server.wants_write());
}
