//! Models of the lanes: what two processes do to each other, in every order that the memory model allows.
//!
//! Owns: a model for each way in which peers meet, and one for each ordering that must be as it is. A wake-up that is
//! lost is a deadlock, since nobody sleeps here for a while only, unless the peer does not know of the wait.
//!
//! Each model looks at every execution with at most as many preemptions as it says.

mod ground;

use core::time::Duration;
use std::rc::Rc;

use loom::thread::{JoinHandle, spawn};

use super::{Corrupt, Lane, ONE_BY_ONE, Place, Side};
use crate::sync::{AtomicBool, Ordering};
use ground::{CAPACITY, Flaw, Region, Start, View, length};

/// How long who waits for room sleeps, as far as a lane is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// For a while, where the peer does not know of it: what links do.
    Link,
    /// Until it is woken.
    Endless,
}

impl Patience {
    fn timeout(self, lane: &Lane<View>) -> Option<Duration> {
        (self == Self::Link && !lane.peer_marks()).then_some(Duration::ZERO)
    }
}

fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}

impl Lane<View> {
    fn put(&self, message: u64) {
        assert!(self.has_room());
        self.ground.ways().0.write(message);
        self.publish(length(message));
    }

    fn send(&self, message: u64, patience: Patience) {
        while !self.has_room() {
            self.wait_for_room(false, patience.timeout(self), || false);
        }
        self.put(message);
    }

    fn take(&self, len: u32) -> u64 {
        assert!(len <= CAPACITY);
        let message = self.ground.ways().1.read();
        assert_eq!(length(message), len, "the length of this message");
        self.consume(len).unwrap();
        message
    }

    fn receive(&self) -> u64 {
        let mut found = self.arrived();
        if found == Ok(None) {
            self.settle().unwrap();
        }
        loop {
            if let Some(len) = found.unwrap() {
                return self.take(len);
            }
            found = self.wait_for_message(None, || false);
        }
    }
}

fn join(thread: JoinHandle<()>) {
    thread.join().unwrap();
}

/// Both sides of a region, ours.
fn ours(start: Start) -> (Lane<View>, Lane<View>) {
    let region = Region::new(start);
    (region.lane(Side::Client), region.lane(Side::Server))
}

/// Messages one way, between ours.
fn one_way(start: Start, messages: u64) {
    let (client, server) = ours(start);
    let sender = spawn(move || {
        for message in 1..=messages {
            client.send(message, Patience::Link);
        }
    });
    for message in 1..=messages {
        assert_eq!(server.receive(), message);
    }
    join(sender);
}

/// A server of ours on this thread, which answers as many requests one by one.
fn serve(server: &Lane<View>, messages: u64) {
    for message in 1..=messages {
        assert_eq!(server.receive(), message);
        server.send(message + 1, Patience::Link);
    }
}

#[test]
fn model_one_way_where_the_peer_is_known_to_mark() {
    check(3, || one_way(Start::KNOWN, 2));
}

#[test]
fn model_one_way_of_three_messages_where_the_peer_is_known_to_mark() {
    check(2, || one_way(Start::KNOWN, 3));
}

#[test]
fn model_one_way_where_the_peer_is_yet_to_be_known() {
    check(2, || one_way(Start::FRESH, 3));
}

#[test]
fn model_one_way_where_numbers_wrap_around() {
    for signal in [u32::MAX, 0x7fff_ffff, 0x7fff_fffe] {
        for start in [Start::FRESH, Start::KNOWN] {
            check(2, move || one_way(Start { seq: u64::MAX, signal, ..start }, 2));
        }
    }
}

#[test]
fn model_a_deployed_client_and_a_server_of_ours() {
    for signal in [0, 0x7fff_ffff, u32::MAX] {
        check(3, move || {
            let region = Region::new(Start { signal, ..Start::FRESH });
            let server = region.lane(Side::Server);
            let client = spawn(move || {
                for round in 0..2 {
                    region.request.send_plainly(round + 1);
                    assert_eq!(region.response.receive_plainly(round), round + 2);
                }
            });
            serve(&server, 2);
            assert!(!server.peer_marks());
            join(client);
        });
    }
}

#[test]
fn model_a_client_of_ours_and_a_deployed_server() {
    check(3, || {
        let region = Region::new(Start::FRESH);
        let client = region.lane(Side::Client);
        let server = spawn(move || {
            for round in 0..2 {
                assert_eq!(region.request.receive_plainly(round), round + 1);
                region.response.send_plainly(round + 2);
            }
        });
        for message in 1..=2 {
            client.put(message);
            assert_eq!(client.receive(), message + 1);
        }
        assert!(!client.peer_marks());
        join(server);
    });
}

#[test]
fn model_requests_and_answers_between_ours() {
    for start in [Start::FRESH, Start::KNOWN] {
        check(2, move || {
            let (client, server) = ours(start);
            let server = spawn(move || serve(&server, 2));
            ask_one_by_one(&client);
            assert!(client.peer_marks());
            join(server);
        });
    }
}

/// A client that sends all its requests, and puts answers by that come meanwhile.
fn pipeline(client: &Lane<View>, messages: u64) {
    let mut answers = 0;
    for message in 1..=messages {
        while !client.has_room() {
            match client.arrived().unwrap() {
                Some(len) => {
                    answers += 1;
                    assert_eq!(client.take(len), answers + 1);
                }
                None => client.wait_for_room(true, Patience::Link.timeout(client), || false),
            }
        }
        client.put(message);
    }
    for message in answers + 1..=messages {
        assert_eq!(client.receive(), message + 1);
    }
}

#[test]
fn model_an_unsplit_client_waits_for_room_and_for_answers() {
    pipelined(2, || ours(Start::KNOWN), 2);
}

#[test]
fn model_an_unsplit_client_with_three_requests_under_way() {
    pipelined(1, || ours(Start::KNOWN), 3);
}

#[test]
fn model_no_answer_is_overwritten_while_a_client_begins_to_mark() {
    // The first request is plain, and the second, sent before the first answer was read, is not.
    check(2, || {
        let (client, server) = ours(Start::FRESH);
        let server = spawn(move || {
            serve(&server, 2);
            assert!(server.peer_marks());
        });
        ask_twice(&client, Patience::Link);
        join(server);
    });
}

/// The halves of a server, each on a thread of its own, while `client` is at it: two requests are answered.
fn split_server(server: Lane<View>, patience: Patience, client: impl FnOnce()) {
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
            server.send(to_answer.recv().unwrap() + 1, patience);
        }
    });
    client();
    join(receiver);
    join(sender);
}

/// A client that asks twice before it receives.
fn ask_twice(client: &Lane<View>, patience: Patience) {
    client.send(1, patience);
    client.send(2, patience);
    assert_eq!((client.receive(), client.receive()), (2, 3));
}

/// A client that asks and receives, twice.
fn ask_one_by_one(client: &Lane<View>) {
    for message in 1..=2 {
        client.send(message, Patience::Endless);
        assert_eq!(client.receive(), message + 1);
    }
}

/// A client that keeps one server busy with as many requests at a time as there is room for.
fn pipelined(preemptions: usize, both: fn() -> (Lane<View>, Lane<View>), messages: u64) {
    check(preemptions, move || {
        let (client, server) = both();
        let server = spawn(move || serve(&server, messages));
        pipeline(&client, messages);
        join(server);
    });
}

#[test]
fn model_a_split_server_answers_while_a_client_begins_to_mark() {
    check(2, || {
        let (client, server) = ours(Start::FRESH);
        split_server(server, Patience::Link, || ask_twice(&client, Patience::Link));
    });
}

/// The halves of a client, each on a thread of its own.
fn split_client(client: Lane<View>, patience: Patience) {
    let client = Rc::new(client);
    let sender = Rc::clone(&client);
    let sender = spawn(move || {
        for message in 1..=2 {
            sender.send(message, patience);
        }
    });
    for message in 1..=2 {
        assert_eq!(client.receive(), message + 1);
    }
    join(sender);
}

#[test]
fn model_a_split_client_and_a_deployed_server() {
    check(2, || {
        let region = Region::new(Start::FRESH);
        let client = region.lane(Side::Client);
        let server = spawn(move || {
            for round in 0..2 {
                assert_eq!(region.request.receive_plainly(round), round + 1);
                region.response.send_plainly(round + 2);
            }
        });
        // The other half knows of the wait, so it may last.
        split_client(client, Patience::Endless);
        join(server);
    });
}

#[test]
fn model_a_split_client_and_a_server_of_ours() {
    check(1, || {
        let (client, server) = ours(Start::KNOWN);
        let server = spawn(move || serve(&server, 2));
        split_client(client, Patience::Link);
        join(server);
    });
}

/// Somebody waits, and somebody else has it look up.
fn abort(start: Start, is_full: bool, wait: fn(&Lane<View>, &dyn Fn() -> bool)) {
    let region = Region::new(start);
    let lane = Rc::new(region.lane(Side::Client));
    if is_full {
        lane.put(1);
    }
    let is_over = Rc::new(AtomicBool::new(false));
    let (its_lane, its_over) = (Rc::clone(&lane), Rc::clone(&is_over));
    let waiter = spawn(move || {
        let is_over = || its_over.load(Ordering::Acquire);
        while !is_over() {
            wait(&its_lane, &is_over);
        }
    });
    is_over.store(true, Ordering::Release);
    lane.rouse();
    join(waiter);
}

#[test]
fn model_an_abort_ends_a_wait_for_a_message() {
    check(4, || abort(Start::FRESH, false, |lane, is_over| assert_eq!(lane.wait_for_message(None, is_over), Ok(None))));
}

#[test]
fn model_an_abort_ends_a_wait_for_room() {
    for start in [Start::FRESH, Start::KNOWN] {
        check(4, move || abort(start, true, |lane, is_over| lane.wait_for_room(false, None, is_over)));
        check(4, move || abort(start, true, |lane, is_over| lane.wait_for_room(true, None, is_over)));
    }
}

#[test]
fn model_an_abort_of_one_side_does_not_take_the_wake_up_of_the_other() {
    check(2, || {
        let region = Region::new(Start::KNOWN);
        let (client, server) = (Rc::new(region.lane(Side::Client)), region.lane(Side::Server));
        let aborter = Rc::clone(&client);
        let aborter = spawn(move || aborter.rouse());
        let receiver = spawn(move || assert_eq!(server.receive(), 1));
        client.put(1);
        join(aborter);
        join(receiver);
    });
}

#[test]
fn model_a_message_of_no_length_ends_a_wait() {
    check(3, || {
        let region = Region::new(Start::FRESH);
        let server = region.lane(Side::Server);
        let client = spawn(move || region.request.send_plainly(0));
        let corrupt = loop {
            if let Err(corrupt) = server.wait_for_message(None, || false) {
                break corrupt;
            }
        };
        assert_eq!(corrupt, Corrupt { place: Place::ReqLen, found: 0 });
        join(client);
    });
}

mod flaws;
mod owed;
