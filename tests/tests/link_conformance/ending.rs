//! How sessions end: by a close, by an abort, half by half.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use netipc::session::{Abort, Bytes, ClientConfig, Deadline, Error, ServerConfig, Ticket};

use crate::fabric::{Fabric, LARGE, METHOD, payload, roomy_client, roomy_server, soon};

const CLOSED: Error = Error::Closed { mid_message: false };

pub fn what_was_sent_before_a_close_is_received(fabric: Fabric) {
    const REQUESTS: usize = 3;
    let most = fabric.holds().min(REQUESTS - 1);
    // Whether there are answers that it has not read makes no difference.
    for answers in 0..=most {
        let (mut client, mut server) = fabric.pair();
        let late = fabric.holds().min(REQUESTS - answers);
        let mut tickets = Vec::new();
        for nth in 0..REQUESTS {
            client.send(METHOD, &payload(100, nth), soon()).expect("a request");
            if nth < REQUESTS - late {
                let ticket = server.receive(soon()).expect("a request").ticket();
                if nth < answers {
                    server.respond(ticket, b"unread", soon()).expect("an answer");
                }
                tickets.push(ticket);
            }
        }
        drop(client);
        for nth in REQUESTS - late..REQUESTS {
            let request = server.receive(soon()).expect("a request before the close");
            assert_eq!(request.payload(), payload(100, nth));
            tickets.push(request.ticket());
        }
        for _ in 0..2 {
            assert_eq!(server.receive(soon()).err(), Some(CLOSED));
            assert_eq!(server.try_receive().err(), Some(CLOSED));
            assert_eq!(server.respond(tickets[2], b"late", soon()).err(), Some(CLOSED));
        }
    }
    // The other way round.
    for unread in 0..=most {
        let (mut client, mut server) = fabric.pair();
        let answers = REQUESTS - unread;
        let late = fabric.holds().min(answers);
        for nth in 0..REQUESTS {
            client.send(METHOD, &payload(100, nth), soon()).expect("a request");
            if nth < answers {
                let ticket = server.receive(soon()).expect("a request").ticket();
                server.respond(ticket, &payload(50, nth), soon()).expect("an answer");
            }
            if nth < answers - late {
                assert_eq!(client.receive(soon()).expect("an answer").payload(), payload(50, nth));
            }
        }
        drop(server);
        for nth in answers - late..answers {
            assert_eq!(client.receive(soon()).expect("an answer before the close").payload(), payload(50, nth));
        }
        for _ in 0..2 {
            assert_eq!(client.receive(soon()).err(), Some(CLOSED));
            assert_eq!(client.try_receive().err(), Some(CLOSED));
            assert_eq!(client.send(METHOD, b"late", soon()), Err(CLOSED));
            assert_eq!(client.try_send(METHOD, Bytes::from_static(b"late")), Err(CLOSED));
        }
    }
}

pub fn a_close_in_the_middle_of_a_message_is_told(fabric: Fabric) {
    // Packets short enough for a few to have room behind another message.
    let (mut client, mut server) = fabric.pair_of(&roomy_client().packet_size(10_000), &roomy_server());
    client.send(METHOD, b"whole", soon()).expect("a request");
    client.try_send(METHOD, payload(LARGE, 0).into()).expect("a session").expect("room for a beginning");
    assert!(client.wants_write());
    drop(client);
    assert_eq!(server.receive(soon()).expect("a request").payload(), b"whole");
    for _ in 0..2 {
        assert_eq!(server.receive(soon()).err(), Some(Error::Closed { mid_message: true }));
    }

    let (mut client, mut server) = fabric.pair();
    let ticket = client.send(METHOD, b"", soon()).expect("a request");
    server.receive(soon()).expect("a request");
    assert_eq!(server.try_respond(ticket, payload(LARGE, 0).into()), Ok(true));
    drop(server);
    for _ in 0..2 {
        assert_eq!(client.receive(soon()).err(), Some(Error::Closed { mid_message: true }));
    }
}

/// Lets `act` free a thread that waits in `wait`, whichever of them comes first.
fn freed<T: Send, R>(wait: impl FnOnce() -> T + Send, act: impl FnOnce() -> R) -> T {
    thread::scope(|scope| {
        let (about, is_about) = mpsc::channel();
        let waiting = scope.spawn(move || {
            about.send(()).expect("somebody who frees");
            wait()
        });
        is_about.recv().expect("a thread that waits");
        // Most often it sleeps by then; it must be freed in any case.
        for _ in 0..100 {
            thread::yield_now();
        }
        act();
        waiting.join().expect("a thread that was freed")
    })
}

/// Sends until that fails: some links take a large message that nobody receives, none takes two.
fn send_on(mut send: impl FnMut(&[u8]) -> Result<Ticket, Error>) -> Error {
    let large = payload(LARGE, 0);
    (0..2).find_map(|_| send(&large).err()).expect("no room for two")
}

pub fn a_close_is_told_to_who_waits_already(fabric: Fabric) {
    for _ in 0..20 {
        let (client, mut server) = fabric.pair();
        assert_eq!(freed(|| server.receive(Deadline::NEVER).err(), || drop(client)), Some(CLOSED));
        let (mut client, server) = fabric.pair();
        assert_eq!(freed(|| client.receive(soon()).err(), || drop(server)), Some(CLOSED));
        // A request that is under way finds out, too.
        let (client, server) = fabric.pair();
        let (mut requests, _answers) = client.split();
        let sending = || send_on(|large| requests.send(METHOD, large, Deadline::NEVER));
        assert_eq!(freed(sending, || drop(server)), CLOSED);
    }
}

/// Configurations with an abort each.
fn abortable() -> ((ClientConfig, Abort), (ServerConfig, Abort)) {
    let (at_client, at_server) = (Abort::new(), Abort::new());
    let client = roomy_client().abort(&at_client);
    let server = roomy_server().abort(&at_server);
    ((client, at_client), (server, at_server))
}

pub fn an_abort_frees_a_thread_that_receives(fabric: Fabric) {
    for deadline in [Deadline::NEVER, soon()] {
        for _ in 0..10 {
            let ((client, at_client), (server, at_server)) = abortable();
            let (mut client, mut server) = fabric.pair_of(&client, &server);
            let aborted = freed(|| client.receive(deadline).err(), || at_client.abort());
            assert_eq!(aborted, Some(Error::Aborted));
            assert_eq!(server.receive(soon()).err(), Some(CLOSED));
            // What ended by itself is still ended by an abort.
            at_server.abort();
            assert_eq!(server.receive(soon()).err(), Some(Error::Aborted));

            let ((client, _), (server, at_server)) = abortable();
            let (_client, mut server) = fabric.pair_of(&client, &server);
            assert_eq!(freed(|| server.receive(deadline).err(), || at_server.abort()), Some(Error::Aborted));
        }
    }
}

pub fn an_abort_frees_a_thread_that_sends(fabric: Fabric) {
    for deadline in [Deadline::NEVER, soon()] {
        for _ in 0..10 {
            // On its own, and while it puts answers by.
            let ((client, at_client), (server, _)) = abortable();
            let (client, _server) = fabric.pair_of(&client, &server);
            let (mut requests, _answers) = client.split();
            let sending = || send_on(|large| requests.send(METHOD, large, deadline));
            assert_eq!(freed(sending, || at_client.abort()), Error::Aborted);

            let ((client, at_client), (server, _)) = abortable();
            let (mut client, _server) = fabric.pair_of(&client, &server);
            client.send(METHOD, b"in flight", soon()).expect("a request");
            let sending = || send_on(|large| client.send(METHOD, large, deadline));
            assert_eq!(freed(sending, || at_client.abort()), Error::Aborted);
        }
    }
}

pub fn an_abort_is_final_for_both_halves_and_told_as_a_close(fabric: Fabric) {
    let ((client_config, at_client), (server_config, _)) = abortable();
    let (mut client, mut server) = fabric.pair_of(&client_config, &server_config);
    let ticket = client.send(METHOD, b"before", soon()).expect("a request");
    at_client.abort();
    assert!(at_client.is_aborted());
    // Also when it is ready for others again.
    at_client.reset();
    let (mut requests, mut answers) = client.split();
    for _ in 0..2 {
        assert_eq!(answers.receive(soon()).err(), Some(Error::Aborted));
        assert_eq!(answers.try_receive().err(), Some(Error::Aborted));
        assert_eq!(requests.send(METHOD, b"after", soon()), Err(Error::Aborted));
        assert_eq!(requests.try_send(METHOD, Bytes::from_static(b"after")), Err(Error::Aborted));
        assert_eq!(requests.send_batch(METHOD, &[b"after"], soon()), Err(Error::Aborted));
    }
    assert_eq!(server.receive(soon()).expect("a request before the abort").payload(), b"before");
    assert_eq!(server.receive(soon()).err(), Some(CLOSED));
    assert_eq!(server.respond(ticket, b"", soon()), Err(CLOSED));
    let (mut client, mut server) = fabric.pair_of(&client_config, &server_config);
    client.send(METHOD, b"again", soon()).expect("a request");
    assert_eq!(server.receive(soon()).expect("a request").payload(), b"again");
}

pub fn a_session_is_aborted_alone_by_its_own_handle(fabric: Fabric) {
    let ((client_config, at_client), (server_config, at_server)) = abortable();
    let (mut spared, mut sparing) = fabric.pair_of(&client_config, &server_config);
    for at_the_server in [false, true] {
        let (mut client, mut server) = fabric.pair_of(&client_config, &server_config);
        let (requests, _) = server.halves();
        let handle = if at_the_server { requests.abort_handle() } else { client.abort_handle() };
        handle.abort();
        let ours = if at_the_server { server.receive(soon()).err() } else { client.receive(soon()).err() };
        let theirs = if at_the_server { client.receive(soon()).err() } else { server.receive(soon()).err() };
        assert_eq!((ours, theirs), (Some(Error::Aborted), Some(CLOSED)));
    }
    assert!(!at_client.is_aborted() && !at_server.is_aborted());
    spared.send(METHOD, b"spared", soon()).expect("a request");
    assert_eq!(sparing.receive(soon()).expect("a request").payload(), b"spared");
}

pub fn a_half_that_is_dropped_in_mid_message_ends_the_session(fabric: Fabric) {
    let (client, mut server) = fabric.pair_of(&roomy_client(), &roomy_server());
    let (mut requests, mut answers) = client.split();
    requests.try_send(METHOD, payload(LARGE, 0).into()).expect("a request").expect("room for its beginning");
    assert!(requests.wants_write());
    drop(requests);
    assert_eq!(answers.receive(soon()).err(), Some(Error::Unfinished));
    assert_eq!(server.receive(soon()).err(), Some(Error::Closed { mid_message: true }));
}

pub fn a_half_that_is_dropped_leaves_the_other_working(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair();
    let tickets = [b"1", b"2"].map(|request| {
        client.send(METHOD, request, soon()).expect("a request");
        server.receive(soon()).expect("a request").ticket()
    });
    let (requests, mut answers) = client.split();
    let (asked, mut answering) = server.split();
    drop(requests);
    drop(asked);
    for ticket in tickets {
        answering.respond(ticket, &payload(50, 0), soon()).expect("an answer");
        assert_eq!(answers.receive(soon()).expect("an answer").ticket(), ticket);
    }
    assert!(answers.try_receive().expect("a session").is_none());
    assert_eq!((answers.in_flight(), answering.in_flight()), (0, 0));
    // The last half closes.
    drop(answering);
    assert_eq!(answers.receive(soon()).err(), Some(CLOSED));

    let (client, server) = fabric.pair();
    let (mut requests, answers) = client.split();
    let (mut asked, answering) = server.split();
    drop(answers);
    drop(answering);
    requests.send(METHOD, b"3", soon()).expect("a request");
    assert_eq!(asked.receive(soon()).expect("a request").payload(), b"3");
    assert!(asked.try_receive().expect("a session").is_none());
    drop(requests);
    assert_eq!(asked.receive(soon()).err(), Some(CLOSED));
}

/// Gives its bytes so many times, and then panics.
struct Brittle(AtomicUsize);

impl AsRef<[u8]> for Brittle {
    fn as_ref(&self) -> &[u8] {
        let left = self.0.load(Ordering::Relaxed).checked_sub(1).expect("worn out, on purpose");
        self.0.store(left, Ordering::Relaxed);
        b"bytes"
    }
}

pub fn an_item_that_panics_ends_the_session_or_was_never_sent(fabric: Fabric) {
    let mut ended = 0;
    for times in 0..8 {
        let (mut client, mut server) = fabric.pair();
        let items = [Brittle(AtomicUsize::new(times)), Brittle(AtomicUsize::new(times))];
        let sent = catch_unwind(AssertUnwindSafe(|| client.send_batch(METHOD, &items, soon())));
        match sent {
            Ok(sent) => assert_eq!(sent.expect("a batch").id(), 1),
            Err(_) => match client.send(METHOD, b"next", soon()) {
                Ok(ticket) => assert_eq!(ticket.id(), 1),
                Err(error) => {
                    assert_eq!(error, Error::Unfinished);
                    assert_eq!(client.receive(soon()).err(), Some(Error::Unfinished));
                    assert_eq!(server.receive(soon()).err(), Some(CLOSED));
                    ended += 1;
                    continue;
                }
            },
        }
        // An answer likewise.
        let ticket = server.receive(soon()).expect("a request").ticket();
        let answered = catch_unwind(AssertUnwindSafe(|| server.respond_batch(ticket, &items, soon())));
        if answered.is_err() {
            match server.respond(ticket, b"answer", soon()) {
                Ok(()) => assert_eq!(client.receive(soon()).expect("an answer").payload(), b"answer"),
                Err(error) => assert_eq!(error, Error::Unfinished),
            }
        }
    }
    assert!(ended > 0);
}
