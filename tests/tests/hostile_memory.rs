//! Peers that break the rules of shared memory, against sessions of ours that end, or go on, and harm nobody else.
//!
//! Each row of the tables is played against a client and against a server of ours.
#![cfg(target_os = "linux")]

#[path = "hostile_memory/breaches.rs"]
mod breaches;
#[path = "hostile_memory/ground.rs"]
mod ground;

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::mpsc;
use std::thread;

use netipc::proto::Role;
use netipc::session::{Deadline, Error, Limit, LimitExceeded, Violation, Wait};
use netipc::wire::Method;
use netipc_tests::memory::Peer;
use netipc_tests::random::Random;
use netipc_tests::raw::{alone, soon, whole};
use netipc_tests::region::{REQUEST, RESPONSE};

use breaches::{Breach, header, message, words, wrong_messages, wrong_words};
use ground::{Ground, Ours};

/// The largest payload, either way. The areas have room for 32 bytes more.
const PAYLOAD: u32 = 1024;
const CAPACITY: u32 = 1088;
const METHOD: Method = Method::new(1);
/// In the words that our own peers mark.
const MARKS: u32 = 1 << 31;
const AWAITED: u32 = 1 << 30;
/// The client has asked before it was answered.
const AHEAD: u32 = 1 << 29;
const ASLEEP: u32 = 1 << 31;

fn play(ground: &mut Ground, breach: Breach, is_asleep: bool) {
    let Breach { name, act, end } = breach;
    let before = ground.leavings();
    let (mut ours, peer) = ground.session();
    let error = if is_asleep {
        // It has looked, found nothing, and sleeps or is about to.
        thread::scope(|scope| {
            let receiving = scope.spawn(|| ours.receive(soon()));
            let signal = peer.region.word32(peer.region.outgoing().signal);
            while signal.load(Ordering::Acquire) & ASLEEP == 0 {
                thread::yield_now();
            }
            act(&peer.region);
            receiving.join().unwrap()
        })
    } else {
        act(&peer.region);
        ours.receive(soon())
    };
    let error = error.expect_err(&name);
    end.assert_is(&error, &name);
    peer.raw.assert_closed(&name);
    ours.assert_over(&error, &name);
    ground.goes_on();
    drop(peer);
    assert_eq!(ground.leavings(), before, "{name}: left behind");
}

#[test]
fn every_breach_by_a_word_ends_its_session_and_no_other() {
    let _alone = alone();
    for role in [Role::Client, Role::Server] {
        let mut ground = Ground::new(role);
        for is_asleep in [false, true] {
            for breach in wrong_words(role) {
                play(&mut ground, breach, is_asleep);
            }
        }
    }
}

#[test]
fn every_message_that_is_wrong_ends_its_session_and_no_other() {
    let _alone = alone();
    for role in [Role::Client, Role::Server] {
        let mut ground = Ground::new(role);
        for breach in wrong_messages(role) {
            play(&mut ground, breach, false);
        }
    }
}

#[test]
fn one_request_too_many_is_one_too_many_here_too() {
    let _alone = alone();
    let mut ground = Ground::new(Role::Server);
    let (mut ours, peer) = ground.session();
    for id in 2..5 {
        peer.ask(id, b"more");
        ours.receive(soon()).unwrap();
    }
    peer.ask(5, b"more");
    let error = ours.receive(soon()).unwrap_err();
    assert_eq!(error, Error::Limit(LimitExceeded { limit: Limit::InFlight, asked: 5, allowed: 4 }));
    ours.assert_over(&error, "too many");
    ground.goes_on();
}

#[test]
fn the_other_half_learns_of_a_breach_while_it_waits() {
    let _alone = alone();
    let mut ground = Ground::new(Role::Client);
    let (ours, peer) = ground.session();
    let Ours::Client(session) = ours else { unreachable!() };
    let (mut requests, mut responses) = session.split();
    thread::scope(|scope| {
        // The peer has not answered, so there is no room.
        let sending = scope.spawn(|| requests.send(METHOD, b"second", Deadline::NEVER));
        peer.region.announce(0);
        let error = responses.receive(soon()).map(drop).unwrap_err();
        assert_eq!(error, Error::Violation(Violation::Region { field: "resp_len", offset: 52, found: 0 }));
        let told = sending.join().unwrap().unwrap_err();
        assert_eq!(told, error);
    });
}

/// Receives with a deadline that must be kept, while `meddle` is done again and again by somebody else; how often it was.
fn meddled(ours: &mut Ours, patience: Duration, meddle: impl Fn(u64) + Sync) -> (Result<Vec<u8>, Error>, u64) {
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let meddling = scope.spawn(|| {
            let mut times = 0;
            while !is_done.load(Ordering::Acquire) {
                meddle(times);
                times += 1;
            }
            times
        });
        let received = ours.receive(Deadline::after(patience));
        is_done.store(true, Ordering::Release);
        (received, meddling.join().unwrap())
    })
}

#[test]
fn wake_ups_for_nothing_are_no_timeouts_and_keep_nobody_beyond_a_deadline() {
    let _alone = alone();
    let patience = Duration::from_millis(150);
    for wait in [Wait::Block, Wait::Adaptive, Wait::Always] {
        for role in [Role::Client, Role::Server] {
            let mut ground = Ground::with(role, PAYLOAD, wait);
            let (mut ours, peer) = ground.session();
            let (region, signal) = (&peer.region, words(role).signal);
            let mut random = Random::new(7);
            let values: Vec<u32> = (0..1024).map(|_| random.next() as u32).collect();
            let meddlers: [(&str, &(dyn Fn(u64) + Sync)); 5] = [
                ("wakes all the time", &|_| region.wake(signal)),
                ("counts up all the time", &|_| {
                    region.word32(signal).fetch_add(1, Ordering::AcqRel);
                    region.wake(signal);
                }),
                ("writes anything to both signals", &|at| {
                    let value = values[usize::try_from(at).unwrap() % values.len()];
                    region.word32(REQUEST.signal).store(value, Ordering::Release);
                    region.word32(RESPONSE.signal).store(!value, Ordering::Release);
                    region.wake(signal);
                }),
                ("leaves the mark of who sleeps", &|_| {
                    region.word32(signal).store(ASLEEP, Ordering::Release);
                    region.wake(signal);
                }),
                ("takes the mark away", &|_| {
                    region.word32(signal).fetch_and(!ASLEEP, Ordering::AcqRel);
                }),
            ];
            for (name, meddle) in meddlers {
                let start = std::time::Instant::now();
                let (received, times) = meddled(&mut ours, patience, meddle);
                assert_eq!(received, Err(Error::TimedOut), "{name}");
                assert!(start.elapsed() >= patience, "{name}: too early");
                assert!(times > 100, "{name}: {times} times");
            }
            // And the session goes on.
            peer.region.publish(&message(role));
            assert_eq!(ours.receive(soon()), Ok(vec![7; 8]));
            ground.goes_on();
        }
    }
}

#[test]
fn messages_get_through_while_signals_are_scribbled_over() {
    let _alone = alone();
    for role in [Role::Client, Role::Server] {
        let mut ground = Ground::new(role);
        let (mut ours, mut peer) = ground.session();
        let Peer { region, .. } = &mut peer;
        let mut random = Random::new(11);
        for round in 0..300 {
            for words in [REQUEST, RESPONSE] {
                region.word32(words.signal).store(random.next() as u32, Ordering::Release);
            }
            match &mut ours {
                Ours::Client(session) => {
                    if round > 0 {
                        session.send(METHOD, b"question", soon()).unwrap();
                        assert_eq!(region.receive()[32..], *b"question");
                    }
                    region.publish(&whole(header(role, 2, round), b"ok"));
                    assert_eq!(session.receive(soon()).unwrap().payload(), b"ok");
                }
                Ours::Server(session, _) => {
                    region.publish(&whole(header(role, 2, round), b"ok"));
                    let ticket = session.receive(soon()).unwrap().ticket();
                    session.respond(ticket, b"answer", soon()).unwrap();
                    assert_eq!(region.receive()[32..], *b"answer");
                }
            }
        }
    }
}

#[test]
fn marks_that_mean_nothing_end_at_worst_in_a_deadline() {
    let _alone = alone();
    for role in [Role::Client, Role::Server] {
        let mut ground = Ground::new(role);
        let mut random = Random::new(13);
        for marks in [0, MARKS, AWAITED, AHEAD, MARKS | AWAITED, MARKS | AHEAD, MARKS | AWAITED | AHEAD] {
            let (mut ours, peer) = ground.session();
            let region = &peer.region;
            for round in 0..40 {
                // Bits that a deployed peer has no idea of, in its own words and in ours.
                region.word32(region.outgoing().signal).fetch_or(random.next() as u32 & ASLEEP, Ordering::AcqRel);
                region.word32(region.incoming().signal).fetch_or(random.next() as u32 & ASLEEP, Ordering::AcqRel);
                if round > 0 {
                    match &mut ours {
                        // It is let believe that there is room.
                        Ours::Client(session) => {
                            region.word32(REQUEST.len).store(MARKS, Ordering::Release);
                            session.send(METHOD, b"question", soon()).unwrap();
                        }
                        Ours::Server(session, ticket) => {
                            region.word32(RESPONSE.len).store(MARKS, Ordering::Release);
                            session.respond(*ticket, b"answer", soon()).unwrap();
                        }
                    }
                }
                region.write_message(&whole(header(role, 8, round), &[7; 8]));
                region.announce(40 | marks);
                match &mut ours {
                    Ours::Client(session) => assert_eq!(session.receive(soon()).unwrap().payload(), [7; 8]),
                    Ours::Server(session, ticket) => *ticket = session.receive(soon()).unwrap().ticket(),
                }
            }
            // Once marks were seen they are relied on: who asks ahead, or is asked ahead, and leaves none, is waited for.
            let (first, second) = match &mut ours {
                Ours::Client(session) => {
                    region.word32(REQUEST.len).store(MARKS, Ordering::Release);
                    let first = session.send(METHOD, b"one", soon()).map(drop);
                    (first, session.send(METHOD, b"two", Duration::from_millis(30).into()).map(drop))
                }
                Ours::Server(session, ticket) => {
                    region.word32(RESPONSE.len).store(MARKS, Ordering::Release);
                    let first = session.respond(*ticket, b"one", soon());
                    region.write_message(&whole(header(role, 8, 99), &[7; 8]));
                    region.announce(40 | MARKS | AHEAD);
                    let ticket = session.receive(soon()).unwrap().ticket();
                    (first, session.respond(ticket, b"two", Duration::from_millis(30).into()))
                }
            };
            assert_eq!((first, second), (Ok(()), Err(Error::TimedOut)));
            ground.goes_on();
        }
    }
}

#[test]
fn a_length_that_changes_while_the_message_is_taken_is_named() {
    let _alone = alone();
    // Long enough that the change falls between our look and our taking it.
    const LONG: u32 = 1 << 20;
    for role in [Role::Client, Role::Server] {
        let mut ground = Ground::with(role, LONG, Wait::Block);
        let words = words(role);
        let whole_len = LONG + 32;
        let mut named = 0;
        // A client that has all its answers makes no mark, and so has no second look: what it saw first holds. For a
        // server it is a matter of luck when the change falls between its looks, on a busy machine of more luck.
        for nth in 0..10_000 {
            if nth >= 40 && (named > 0 || role == Role::Client) {
                break;
            }
            let (mut ours, peer) = ground.session();
            let region = &peer.region;
            region.write_message(&whole(header(role, LONG, 0), &vec![7; LONG as usize]));
            region.word32(words.len).store(whole_len, Ordering::Release);
            let is_done = AtomicBool::new(false);
            let received = thread::scope(|scope| {
                scope.spawn(|| {
                    while !is_done.load(Ordering::Acquire) {
                        for len in [whole_len - 1, whole_len, whole_len + 1, whole_len] {
                            region.word32(words.len).store(len, Ordering::Release);
                        }
                    }
                });
                region.word64(words.seq).fetch_add(1, Ordering::Release);
                let received = ours.receive(soon());
                is_done.store(true, Ordering::Release);
                received
            });
            match received {
                Ok(payload) => assert!(payload == vec![7; LONG as usize]),
                Err(Error::Violation(Violation::Region { offset, found, .. })) => {
                    assert_eq!(offset, words.len);
                    assert!(found.abs_diff(whole_len.into()) <= 1, "{found}");
                    named += 1;
                }
                // It was another from our first look to our last.
                Err(Error::Violation(Violation::PacketLength { stated, found })) => {
                    assert_eq!((stated, found.abs_diff(whole_len as usize)), (whole_len.into(), 1));
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(named > 0 || role == Role::Client);
        ground.goes_on();
    }
}

#[test]
fn a_message_that_was_received_does_not_change_with_the_area() {
    let _alone = alone();
    for role in [Role::Client, Role::Server] {
        let mut ground = Ground::new(role);
        let (mut ours, peer) = ground.session();
        let offset = peer.region.outbox().offset as usize;
        peer.region.publish(&whole(header(role, PAYLOAD, 0), &[7; PAYLOAD as usize]));
        let message = match &mut ours {
            Ours::Client(session) => session.receive(soon()),
            Ours::Server(session, _) => session.receive(soon()),
        }
        .unwrap();
        peer.region.write(offset, &[0xff; CAPACITY as usize]);
        assert_eq!(message.payload(), [7; PAYLOAD as usize]);
        assert_eq!(*message.header(), header(role, PAYLOAD, 0));
        let kept = message.keep();
        peer.region.write(offset, &[0x55; CAPACITY as usize]);
        assert_eq!(kept.payload()[..], [7; PAYLOAD as usize]);
    }
}

#[test]
fn a_peer_that_shouts_over_the_lifeline_is_not_heard() {
    let _alone = alone();
    for role in [Role::Client, Role::Server] {
        let mut ground = Ground::new(role);
        let (mut ours, peer) = ground.session();
        for packet in [&b"anything"[..], b"", &message(role)] {
            peer.raw.send(packet).unwrap();
        }
        assert_eq!(ours.receive(Duration::from_millis(60).into()), Err(Error::TimedOut));
        peer.region.publish(&message(role));
        assert_eq!(ours.receive(soon()), Ok(vec![7; 8]));
        peer.raw.stop_sending();
        assert_eq!(ours.receive(soon()), Err(Error::Closed { mid_message: false }));
        ground.goes_on();
    }
}

/// Runs `call` in a thread of its own, which must come back.
fn comes_back<R: Send + 'static>(call: impl FnOnce() -> R + Send + 'static) -> mpsc::Receiver<R> {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || done.send(call()));
    is_done
}

#[test]
fn whoever_is_to_be_told_of_the_end_is_told_whatever_the_peer_writes_to_what_it_sleeps_on() {
    let _alone = alone();
    for role in [Role::Server, Role::Client] {
        let mut ground = Ground::new(role);
        for round in 0..if role == Role::Server { 500 } else { 50 } {
            let (mut ours, peer) = ground.session();
            let signal = peer.region.outgoing().signal;
            let value = peer.region.word32(signal).load(Ordering::Acquire) | ASLEEP;
            let abort = match &ours {
                Ours::Client(session) => session.abort_handle(),
                Ours::Server(session, _) => session.abort_handle(),
            };
            let returned = comes_back(move || ours.receive(Deadline::NEVER));
            let [is_over, is_done] = [(); 2].map(|()| AtomicBool::new(false));
            let told = thread::scope(|scope| {
                scope.spawn(|| {
                    let mut times = 0_u64;
                    while !is_done.load(Ordering::Acquire) {
                        // Whoever comes to sleep finds the value that it expects.
                        peer.region.word32(signal).store(value, Ordering::Release);
                        times += 1;
                        // Up to the end it is woken all the time, so that it is about to sleep as often; then never.
                        if times.is_multiple_of(16) && !is_over.load(Ordering::Acquire) {
                            peer.region.wake(signal);
                        }
                    }
                });
                while peer.region.word32(signal).load(Ordering::Acquire) & ASLEEP == 0 {
                    thread::yield_now();
                }
                for _ in 0..round % 50 {
                    thread::yield_now();
                }
                is_over.store(true, Ordering::Release);
                if round % 2 == 0 {
                    peer.raw.stop_sending()
                } else {
                    abort.abort()
                }
                let told = returned.recv_timeout(Duration::from_secs(20));
                is_done.store(true, Ordering::Release);
                told
            });
            let ended = if round % 2 == 0 { Error::Closed { mid_message: false } } else { Error::Aborted };
            assert_eq!(told.expect("it comes back"), Err(ended), "round {round}");
        }
        ground.goes_on();
    }
}
