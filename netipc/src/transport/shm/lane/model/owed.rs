//! Servers that leave the marks of requests for later, as they do after many requests that came one by one.

use core::time::Duration;
use std::rc::Rc;

use loom::thread::spawn;

use super::ground::{Start, View};
use super::{
    Lane, ONE_BY_ONE, Ordering, Patience, ask_one_by_one, ask_twice, check, join, ours, pipeline, pipelined, serve,
    split_server,
};

/// Both sides of a session that has lasted for a while.
fn seasoned() -> (Lane<View>, Lane<View>) {
    let (client, server) = ours(Start::KNOWN);
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
        ask_one_by_one(&client);
        join(server);
    });
}

#[test]
fn model_a_client_that_begins_to_ask_ahead_is_answered() {
    pipelined(2, seasoned, 2);
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
        ask_twice(&client, Patience::Endless);
        join(server);
    });
}

#[test]
fn model_a_mark_that_is_owed_never_comes_after_the_answer() {
    check(2, || {
        let (client, server) = seasoned();
        split_server(server, Patience::Endless, || ask_one_by_one(&client));
    });
}

#[test]
fn model_a_split_server_that_owes_marks_and_a_client_that_asks_ahead() {
    check(1, || {
        let (client, server) = seasoned();
        // It receives while it waits for room: an answer makes a mark superfluous that was not made yet.
        split_server(server, Patience::Endless, || pipeline(&client, 2));
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
