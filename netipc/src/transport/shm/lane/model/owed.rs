//! Servers that leave the marks of requests for later, as they do after many requests that came one by one.

use core::time::Duration;
use std::rc::Rc;

use loom::thread::spawn;

use super::ground::{Region, Start, View};
use super::{Lane, ONE_BY_ONE, Ordering, Patience, Side, check, join, pipeline, serve};

/// Both sides of a session that has lasted for a while.
fn seasoned() -> (Lane<View>, Lane<View>) {
    let region = Region::new(Start::KNOWN);
    let (client, server) = (region.lane(Side::Client), region.lane(Side::Server));
    server.one_by_one.store(ONE_BY_ONE, Ordering::Relaxed);
    (client, server)
}

#[test]
fn model_requests_one_by_one_need_no_marks() {
    check(3, || {
        let (client, server) = seasoned();
        let server = spawn(move || {
            serve(&server, 2);
            assert_eq!(server.one_by_one.load(Ordering::Relaxed), ONE_BY_ONE + 2);
        });
        for message in 1..=2 {
            client.send(message, Patience::Endless);
            assert_eq!(client.receive(), message + 1);
        }
        join(server);
    });
}

#[test]
fn model_a_client_that_begins_to_ask_ahead_is_answered() {
    check(2, || {
        let (client, server) = seasoned();
        let server = spawn(move || serve(&server, 2));
        pipeline(&client, 2);
        join(server);
    });
}

#[test]
fn model_a_server_that_receives_again_makes_the_mark_that_it_owes() {
    check(2, || {
        let (client, server) = seasoned();
        // It answers nothing before it has both.
        let server = spawn(move || {
            assert_eq!((server.receive(), server.receive()), (1, 2));
            server.send(2, Patience::Endless);
            server.send(3, Patience::Endless);
        });
        client.send(1, Patience::Endless);
        client.send(2, Patience::Endless);
        assert_eq!((client.receive(), client.receive()), (2, 3));
        join(server);
    });
}

#[test]
fn model_a_mark_that_is_owed_never_comes_after_the_answer() {
    check(2, || {
        let (client, server) = seasoned();
        let server = Rc::new(server);
        let (asked, to_answer) = loom::sync::mpsc::channel();
        let receiver = Rc::clone(&server);
        let receiver = spawn(move || {
            for message in 1..=2 {
                assert_eq!(receiver.receive(), message);
                asked.send(message).unwrap();
            }
        });
        let sender = spawn(move || {
            for _ in 1..=2 {
                server.send(to_answer.recv().unwrap() + 1, Patience::Endless);
            }
        });
        for message in 1..=2 {
            client.send(message, Patience::Endless);
            assert_eq!(client.receive(), message + 1);
        }
        join(receiver);
        join(sender);
    });
}

#[test]
fn model_a_split_server_that_owes_marks_and_a_client_that_asks_ahead() {
    check(1, || {
        let (client, server) = seasoned();
        let server = Rc::new(server);
        let (asked, to_answer) = loom::sync::mpsc::channel();
        let receiver = Rc::clone(&server);
        let receiver = spawn(move || {
            for message in 1..=2 {
                assert_eq!(receiver.receive(), message);
                asked.send(message).unwrap();
            }
        });
        let sender = spawn(move || {
            for _ in 1..=2 {
                server.send(to_answer.recv().unwrap() + 1, Patience::Endless);
            }
        });
        // It receives while it waits for room: an answer makes a mark superfluous that was not made yet.
        pipeline(&client, 2);
        join(receiver);
        join(sender);
    });
}

#[test]
fn model_a_client_that_asks_twice_before_it_receives_needs_no_mark_of_the_first() {
    check(2, || {
        let (client, server) = seasoned();
        let server = spawn(move || serve(&server, 2));
        client.send(1, Patience::Endless);
        // Nobody tells of the answer but the answer: it looks again and again, as a link does.
        while !client.has_room() {
            client.wait_for_room(false, Some(Duration::ZERO), || false);
        }
        client.put(2);
        assert_eq!((client.receive(), client.receive()), (2, 3));
        join(server);
    });
}

#[test]
fn model_a_split_client_may_ask_as_soon_as_there_is_an_answer() {
    check(1, || {
        let (client, server) = seasoned();
        let server = spawn(move || serve(&server, 2));
        let client = Rc::new(client);
        let receiver = Rc::clone(&client);
        let receiver = spawn(move || assert_eq!((receiver.receive(), receiver.receive()), (2, 3)));
        client.send(1, Patience::Endless);
        client.send(2, Patience::Endless);
        join(receiver);
        join(server);
    });
}
