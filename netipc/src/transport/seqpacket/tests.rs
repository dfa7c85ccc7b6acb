//! Waiting, and no longer waiting.

mod interrupted;

use core::time::Duration;
use std::io::IoSlice;
use std::path::Path;

use rustix::net::sockopt::{self, Timeout};

use super::{Listening, arm, connect, link};
use crate::endpoint::Endpoint;
use crate::sync::Arc;
use crate::sys::ground::RunDir;
use crate::sys::{Connected, EventQueue, Patience, Readiness, Sent, Socket, SystemError, pair};
use crate::transport::{Abort, Deadline, Link, LinkError, Wait, Wire};

const WAYS: [Wait; 2] = [Wait::Block, Wait::Adaptive];
const HOUR: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(2);

fn over() -> Deadline {
    Deadline::after(Duration::ZERO)
}

fn link_to_socket(wait: Wait, abort: &Abort) -> (Link, Socket) {
    let (one, other) = pair();
    (link(one, wait, abort).unwrap(), other)
}

/// Sends small packets until there is no room; how many.
fn fill(link: &mut Link) -> usize {
    let mut sent = 0;
    while link.outgoing.try_send(&[IoSlice::new(&[7; 4096])]).unwrap() {
        sent += 1;
    }
    assert!(sent > 0);
    sent
}

fn receive(link: &mut Link, deadline: Deadline) -> Result<Vec<u8>, LinkError> {
    let mut head = [0; 8192];
    let len = link.incoming.receive(&mut head, &mut [], deadline)?;
    Ok(head[..len].to_vec())
}

fn endpoint(run_dir: &Path) -> Endpoint {
    Endpoint::new(run_dir, "lamp").unwrap()
}

/// A listener at the endpoint without room for one more, and those who took it.
fn full_listener(endpoint: &Endpoint) -> (Socket, Vec<Socket>) {
    let listener = Socket::bind(endpoint.socket_path()).unwrap();
    listener.listen(1).unwrap();
    let mut clients = Vec::new();
    while let Connected::Yes(client) = Socket::connect(endpoint.socket_path()).unwrap() {
        clients.push(client);
    }
    (listener, clients)
}

#[test]
fn a_timeout_is_set_anew_only_where_the_old_one_does_not_serve() {
    #[derive(Debug, PartialEq)]
    enum Done {
        Nothing,
        Late,
        Disarmed,
        SetShorter,
        SetWhole,
    }
    let minute = Some(Duration::from_secs(60));
    let day = Some(24 * HOUR);
    let hour = Deadline::after(HOUR);
    for (set, deadline, went_off, expected) in [
        (None, Deadline::NEVER, false, Done::Nothing),
        (None, Deadline::NEVER, true, Done::Nothing),
        (minute, Deadline::NEVER, false, Done::Nothing),
        (minute, Deadline::NEVER, true, Done::Disarmed),
        (None, over(), false, Done::Late),
        (None, over(), true, Done::Late),
        (minute, over(), false, Done::Late),
        (minute, over(), true, Done::Late),
        (None, hour, false, Done::SetShorter),
        (None, hour, true, Done::SetWhole),
        (minute, hour, false, Done::Nothing),
        (minute, hour, true, Done::SetWhole),
        (day, hour, false, Done::SetShorter),
        (day, hour, true, Done::SetWhole),
    ] {
        let case = format!("{set:?} {deadline:?} {went_off}");
        let (mut timeout, mut applied) = (set, None);
        let result = arm(&mut timeout, deadline, went_off, |wanted| {
            applied = Some(wanted);
            Ok(())
        });
        let done = match (result, applied) {
            (Ok(()), None) => Done::Nothing,
            (Err(LinkError::TimedOut), None) => Done::Late,
            (Ok(()), Some(None)) => Done::Disarmed,
            (Ok(()), Some(Some(wanted))) if wanted <= HOUR / 8 * 7 => Done::SetShorter,
            (Ok(()), Some(Some(wanted))) if wanted <= HOUR => Done::SetWhole,
            other => panic!("{case}: {other:?}"),
        };
        assert_eq!(done, expected, "{case}");
        assert_eq!(timeout, applied.unwrap_or(set), "{case}");
    }
}

#[test]
fn a_timeout_that_could_not_be_set_is_not_taken_for_set() {
    let mut timeout = Some(HOUR);
    let error = SystemError::new("setsockopt", rustix::io::Errno::NOMEM);
    let armed = arm(&mut timeout, Deadline::after(Duration::from_secs(60)), false, |_| Err(error));
    assert_eq!((armed, timeout), (Err(LinkError::System(error)), Some(HOUR)));
}

#[test]
fn who_is_late_still_takes_what_is_there_and_sends_what_finds_room() {
    for wait in WAYS {
        let (mut link, peer) = link_to_socket(wait, &Abort::new());
        for deadline in [over(), Deadline::after(SHORT), over()] {
            assert_eq!(receive(&mut link, deadline), Err(LinkError::TimedOut));
        }
        assert_eq!(peer.send(&[IoSlice::new(b"early")], Patience::Wait), Ok(Sent::Whole));
        assert_eq!(receive(&mut link, over()).unwrap(), b"early");
        assert_eq!(link.outgoing.send(&[IoSlice::new(b"late")], over()), Ok(()));
        let sent = 1 + fill(&mut link);
        for deadline in [over(), Deadline::after(SHORT), over()] {
            assert_eq!(link.outgoing.send(&[IoSlice::new(b"too late")], deadline), Err(LinkError::TimedOut));
        }
        // Nothing of what timed out was sent.
        let mut received = 0;
        while peer.receive(&mut [0; 16], &mut [], Patience::Try).unwrap().is_some() {
            received += 1;
        }
        assert_eq!(received, sent);
    }
}

/// Waits until the short timeout of an earlier call has gone off in a later one, which then sets its own.
fn wait_until_it_went_off(wire: &dyn Wire, which: Timeout) {
    while sockopt::socket_timeout(wire, which).unwrap().is_some_and(|timeout| timeout < HOUR / 2) {
        std::thread::yield_now();
    }
}

#[test]
fn a_timeout_of_an_earlier_call_does_not_end_a_later_one() {
    for wait in WAYS {
        let (mut link, peer) = link_to_socket(wait, &Abort::new());
        for deadline in [Deadline::NEVER, Deadline::after(HOUR)] {
            assert_eq!(receive(&mut link, Deadline::after(SHORT)), Err(LinkError::TimedOut));
            let wire = Arc::clone(&link.wire);
            std::thread::scope(|scope| {
                let waiting = scope.spawn(|| receive(&mut link, deadline));
                wait_until_it_went_off(&*wire, Timeout::Recv);
                peer.send(&[IoSlice::new(b"at last")], Patience::Wait).unwrap();
                assert_eq!(waiting.join().unwrap().unwrap(), b"at last");
            });
            fill(&mut link);
            let packet = [IoSlice::new(b"x")];
            assert_eq!(link.outgoing.send(&packet, Deadline::after(SHORT)), Err(LinkError::TimedOut));
            std::thread::scope(|scope| {
                let waiting = scope.spawn(|| link.outgoing.send(&packet, deadline));
                wait_until_it_went_off(&*wire, Timeout::Send);
                while peer.receive(&mut [0; 16], &mut [], Patience::Try).unwrap() != Some(1) {
                    std::thread::yield_now();
                }
                assert_eq!(waiting.join().unwrap(), Ok(()));
            });
        }
    }
}

#[test]
fn who_waits_for_a_packet_or_for_room_or_for_either_is_freed_by_an_abort() {
    for wait in WAYS {
        for deadline in [Deadline::NEVER, Deadline::after(HOUR)] {
            for _ in 0..20 {
                let abort = Abort::new();
                let (mut link, peer) = link_to_socket(wait, &abort);
                fill(&mut link);
                let Link { mut outgoing, mut incoming, wire, .. } = link;
                std::thread::scope(|scope| {
                    let sending = scope.spawn(|| outgoing.send(&[IoSlice::new(b"x")], deadline));
                    let receiving = scope.spawn(|| incoming.receive(&mut [0; 8], &mut [], deadline));
                    let ready = scope.spawn(|| wire.wait(Readiness { readable: true, writable: true }, deadline));
                    std::thread::yield_now();
                    abort.abort();
                    abort.reset();
                    assert_eq!(sending.join().unwrap(), Err(LinkError::Aborted));
                    assert_eq!(receiving.join().unwrap(), Err(LinkError::Aborted));
                    // Whoever is told that it is ready finds out by its next call.
                    let ready = ready.join().unwrap();
                    assert!(ready == Err(LinkError::Aborted) || ready.is_ok_and(|ready| ready.readable), "{ready:?}");
                });
                // What was ended stays so.
                assert_eq!(outgoing.try_send(&[IoSlice::new(b"x")]), Err(LinkError::Aborted));
                assert_eq!(incoming.try_receive(&mut [0; 8], &mut []), Err(LinkError::Aborted));
                assert_eq!(wire.wait(Readiness::default(), deadline), Err(LinkError::Aborted));
                assert!(peer.is_hung_up());
            }
        }
    }
}

#[test]
fn who_waits_for_clients_is_freed_by_an_abort() {
    let room = RunDir::new();
    let endpoint = endpoint(room.path());
    for _ in 0..50 {
        let abort = Abort::new();
        let socket = Socket::bind(endpoint.socket_path()).unwrap();
        socket.listen(1).unwrap();
        let listening = Listening::new(socket, &abort);
        let queue = EventQueue::new().unwrap();
        queue.add(&*listening, 1).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| queue.wait(None).unwrap());
            std::thread::yield_now();
            abort.abort();
            assert_eq!(waiting.join().unwrap(), Some(1));
        });
        assert_eq!(listening.accept().unwrap_err(), LinkError::Aborted);
        assert!(Socket::connect(endpoint.socket_path()).is_err());
        std::fs::remove_file(endpoint.socket_path()).unwrap();
    }
}

#[test]
fn what_is_made_with_a_used_abort_is_ended_at_once() {
    let room = RunDir::new();
    let endpoint = endpoint(room.path());
    let (listener, _clients) = full_listener(&endpoint);
    let abort = Abort::new();
    abort.abort();
    let (one, other) = pair();
    assert_eq!(link(one, Wait::Block, &abort).unwrap_err(), LinkError::Aborted);
    assert!(other.is_hung_up());
    assert_eq!(connect(&endpoint, Wait::Block, &abort, Deadline::NEVER).unwrap_err(), LinkError::Aborted);
    assert_eq!(Listening::new(listener, &abort).accept().unwrap_err(), LinkError::Aborted);
    assert!(Socket::connect(endpoint.socket_path()).is_err());
}

#[test]
fn who_finds_no_room_with_a_listener_gives_up_at_the_deadline() {
    let room = RunDir::new();
    let endpoint = endpoint(room.path());
    let (listener, _clients) = full_listener(&endpoint);
    for wait in WAYS {
        for deadline in [over(), Deadline::after(SHORT), Deadline::after(10 * SHORT)] {
            assert!(connect(&endpoint, wait, &Abort::new(), deadline).unwrap().is_none());
        }
        // Also who is late gets in where there is room.
        drop(listener.accept().unwrap());
        assert!(connect(&endpoint, wait, &Abort::new(), over()).unwrap().is_some());
    }
}

#[test]
fn who_waits_for_room_with_a_listener_gets_in_when_there_is_some() {
    let room = RunDir::new();
    let endpoint = endpoint(room.path());
    let (listener, clients) = full_listener(&endpoint);
    for wait in WAYS {
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| connect(&endpoint, wait, &Abort::new(), Deadline::NEVER));
            std::thread::yield_now();
            drop(listener.accept().unwrap());
            assert!(waiting.join().unwrap().unwrap().is_some());
        });
    }
    assert_eq!(clients.len(), 2);
}

#[test]
fn who_waits_for_room_with_a_listener_is_freed_by_an_abort_and_by_the_listeners_end() {
    let room = RunDir::new();
    let endpoint = endpoint(room.path());
    let (listener, _clients) = full_listener(&endpoint);
    for _ in 0..50 {
        let abort = Abort::new();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| connect(&endpoint, Wait::Block, &abort, Deadline::NEVER));
            std::thread::yield_now();
            abort.abort();
            assert_eq!(waiting.join().unwrap().unwrap_err(), LinkError::Aborted);
        });
    }
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| connect(&endpoint, Wait::Block, &Abort::new(), Deadline::NEVER));
        std::thread::yield_now();
        drop(listener);
        let Err(LinkError::System(error)) = waiting.join().unwrap() else { panic!("nobody listens") };
        assert_eq!((error.call(), error.errno()), ("connect", libc::ECONNREFUSED));
    });
}

#[test]
fn a_peer_that_closed_is_told_from_one_that_sent_nothing_and_after_all_that_it_sent() {
    for wait in WAYS {
        let (mut link, peer) = link_to_socket(wait, &Abort::new());
        peer.send(&[IoSlice::new(b"")], Patience::Wait).unwrap();
        assert_eq!(receive(&mut link, Deadline::NEVER), Err(LinkError::EmptyPacket));
        link.outgoing.send(&[IoSlice::new(b"unread")], Deadline::NEVER).unwrap();
        peer.send(&[IoSlice::new(b"last")], Patience::Wait).unwrap();
        drop(peer);
        assert_eq!(link.outgoing.send(&[IoSlice::new(b"x")], Deadline::NEVER), Err(LinkError::Closed));
        assert_eq!(receive(&mut link, Deadline::NEVER).unwrap(), b"last");
        for deadline in [Deadline::NEVER, over()] {
            assert_eq!(receive(&mut link, deadline), Err(LinkError::Closed));
        }
        assert_eq!(link.incoming.try_receive(&mut [0; 8], &mut []), Err(LinkError::Closed));
        assert!(link.wire.wait(Readiness { readable: true, writable: false }, over()).unwrap().readable);
    }
}

#[test]
fn a_packet_as_long_as_a_link_says_can_be_sent_and_one_byte_more_cannot() {
    let (mut link, peer) = link_to_socket(Wait::Block, &Abort::new());
    let size = usize::try_from(link.packet_size).unwrap();
    let packet = vec![1; size + 1];
    let too_long = link.outgoing.send(&[IoSlice::new(&packet[..32]), IoSlice::new(&packet[32..])], over());
    let Err(LinkError::System(error)) = too_long else { panic!("{too_long:?}") };
    assert_eq!(error.errno(), libc::EMSGSIZE);
    assert_eq!(link.outgoing.send(&[IoSlice::new(&packet[..size])], over()), Ok(()));
    assert_eq!(peer.receive(&mut [0; 32], &mut [], Patience::Try), Ok(Some(size)));
}

#[test]
fn waiting_for_readiness_ends_at_the_deadline_or_when_there_is_some() {
    let (mut link, peer) = link_to_socket(Wait::Block, &Abort::new());
    let wire = Arc::clone(&link.wire);
    let (reading, both) = (Readiness { readable: true, writable: false }, Readiness { readable: true, writable: true });
    for deadline in [over(), Deadline::after(SHORT)] {
        assert_eq!(wire.wait(reading, deadline), Err(LinkError::TimedOut));
    }
    assert_eq!(wire.wait(both, Deadline::NEVER), Ok(Readiness { readable: false, writable: true }));
    fill(&mut link);
    assert_eq!(wire.wait(both, Deadline::after(SHORT)), Err(LinkError::TimedOut));
    peer.send(&[IoSlice::new(b"x")], Patience::Wait).unwrap();
    assert_eq!(wire.wait(both, Deadline::NEVER), Ok(reading));
}
