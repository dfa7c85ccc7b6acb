//! Both ends of a connection in memory, from outside.

mod twin;

use core::time::Duration;
use std::io::IoSlice;
use std::os::fd::AsFd;
use std::thread;

use super::{Fault, MOST_PARTS, Script, pair};
use crate::sys::{EventQueue, Peer, SystemError};
use crate::transport::{Abort, Deadline, Link, LinkError, Readiness};

const PACKET: u32 = 65_536;
const HOUR: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(2);
const BOTH: Readiness = Readiness { readable: true, writable: true };
const READABLE: Readiness = Readiness { readable: true, writable: false };
const WRITABLE: Readiness = Readiness { readable: false, writable: true };

fn now() -> Deadline {
    Deadline::after(Duration::ZERO)
}

fn linked(script: &Script) -> (Link, Link) {
    pair(script, PACKET, &Abort::new(), &Abort::new()).unwrap()
}

fn send(link: &mut Link, packet: &[u8], deadline: Deadline) -> Result<(), LinkError> {
    link.outgoing.send(&[IoSlice::new(packet)], deadline)
}

fn try_send(link: &mut Link, packet: &[u8]) -> Result<bool, LinkError> {
    link.outgoing.try_send(&[IoSlice::new(packet)])
}

fn receive(link: &mut Link, deadline: Deadline) -> Result<Vec<u8>, LinkError> {
    let mut room = vec![0; PACKET as usize];
    let len = link.incoming.receive(&mut room, &mut [], deadline)?;
    room.truncate(len);
    Ok(room)
}

fn try_receive(link: &mut Link) -> Result<Option<Vec<u8>>, LinkError> {
    let mut room = vec![0; PACKET as usize];
    Ok(link.incoming.try_receive(&mut room, &mut [])?.map(|len| room[..len].to_vec()))
}

fn longest() -> Vec<u8> {
    vec![7; PACKET as usize]
}

/// A byte that tells packets apart.
fn numbered(nth: usize) -> u8 {
    u8::try_from(nth % 251).unwrap()
}

/// Sends until there is no room left; how many packets that took.
fn fill(link: &mut Link) -> usize {
    let packet = longest();
    let mut sent = 0;
    while try_send(link, &packet).unwrap() {
        sent += 1;
    }
    sent
}

fn watched(link: &Link) -> EventQueue {
    let queue = EventQueue::new().unwrap();
    queue.add(link.wire.as_fd(), 1).unwrap();
    queue
}

fn is_readable(queue: &EventQueue) -> bool {
    queue.wait(Some(Duration::ZERO)).unwrap().is_some()
}

/// The ways for a connection to end, seen from the server; the client's end, where it lives on.
fn endings() -> [fn(Link, &Abort) -> Option<Link>; 3] {
    let dropping = |client, _: &Abort| {
        drop::<Link>(client);
        None
    };
    let shutting_down = |client: Link, _: &Abort| {
        client.wire.shut_down();
        Some(client)
    };
    let aborting = |client, abort: &Abort| {
        abort.abort();
        Some(client)
    };
    [dropping, shutting_down, aborting]
}

#[test]
fn packets_arrive_whole_and_in_order_in_both_directions() {
    let longest = longest();
    let (mut client, mut server) = linked(&Script::new());
    assert_eq!((client.packet_size, server.packet_size), (PACKET, PACKET));
    for packet in [b"one".as_slice(), b"two", &longest] {
        send(&mut client, packet, Deadline::NEVER).unwrap();
        assert_eq!(try_send(&mut server, packet), Ok(true));
    }
    for packet in [b"one".as_slice(), b"two", &longest] {
        assert_eq!(receive(&mut server, Deadline::NEVER).unwrap(), packet);
        assert_eq!(try_receive(&mut client).unwrap().unwrap(), packet);
    }
    assert_eq!((try_receive(&mut client), try_receive(&mut server)), (Ok(None), Ok(None)));
    assert_eq!((client.wire.peer(), server.wire.peer()), (Peer::this_process(), Peer::this_process()));
}

#[test]
fn what_is_too_long_or_in_too_many_parts_is_refused_as_the_kernel_does() {
    let (mut client, mut server) = linked(&Script::new());
    let too_long = Err(LinkError::System(SystemError::packet_too_long()));
    assert_eq!(send(&mut client, &[longest(), vec![1]].concat(), Deadline::NEVER), too_long);
    assert_eq!(client.outgoing.try_send(&vec![IoSlice::new(b"x"); MOST_PARTS + 1]), too_long.map(|()| true));
    assert_eq!(client.outgoing.try_send(&vec![IoSlice::new(b"x"); MOST_PARTS]), Ok(true));
    assert_eq!(try_receive(&mut server).unwrap().unwrap().len(), MOST_PARTS);
}

#[test]
fn a_packet_without_a_byte_is_told_and_the_next_one_received() {
    let (mut client, mut server) = linked(&Script::new().to_server(1, Fault::Truncate(0)));
    for packet in [b"".as_slice(), b"cut", b"whole"] {
        send(&mut client, packet, now()).unwrap();
    }
    assert_eq!(receive(&mut server, now()), Err(LinkError::EmptyPacket));
    assert_eq!(try_receive(&mut server), Err(LinkError::EmptyPacket));
    assert_eq!(receive(&mut server, now()).unwrap(), b"whole");
}

#[test]
fn what_was_sent_before_the_end_is_received_before_it_is_told() {
    for (nth, end) in endings().into_iter().enumerate() {
        let abort = Abort::new();
        let (mut client, mut server) = pair(&Script::new(), PACKET, &abort, &Abort::new()).unwrap();
        send(&mut client, b"one", now()).unwrap();
        send(&mut client, b"two", now()).unwrap();
        send(&mut server, b"unread", now()).unwrap();
        let _kept = end(client, &abort);
        assert_eq!(server.wire.wait(READABLE, now()), Ok(BOTH), "{nth}");
        assert_eq!(receive(&mut server, Deadline::NEVER).unwrap(), b"one", "{nth}");
        assert_eq!(try_receive(&mut server).unwrap().unwrap(), b"two", "{nth}");
        assert_eq!(receive(&mut server, Deadline::NEVER), Err(LinkError::Closed), "{nth}");
        assert_eq!(try_receive(&mut server), Err(LinkError::Closed), "{nth}");
        assert_eq!(send(&mut server, b"late", Deadline::NEVER), Err(LinkError::Closed), "{nth}");
        assert_eq!(try_send(&mut server, b"late"), Err(LinkError::Closed), "{nth}");
        assert_eq!(server.wire.wait(Readiness::default(), Deadline::NEVER), Ok(BOTH), "{nth}");
    }
}

#[test]
fn who_ends_a_connection_itself_still_receives_what_had_arrived_but_not_after_an_abort() {
    let abort = Abort::new();
    let (mut client, mut server) = pair(&Script::new(), PACKET, &abort, &Abort::new()).unwrap();
    send(&mut server, b"one", now()).unwrap();
    send(&mut server, b"two", now()).unwrap();
    client.wire.shut_down();
    assert_eq!(receive(&mut client, now()).unwrap(), b"one");
    assert_eq!(try_send(&mut client, b"late"), Err(LinkError::Closed));
    abort.abort();
    assert_eq!(receive(&mut client, now()), Err(LinkError::Aborted));
    assert_eq!(try_receive(&mut client), Err(LinkError::Aborted));
    assert_eq!(send(&mut client, b"late", now()), Err(LinkError::Aborted));
    assert_eq!(try_send(&mut client, b"late"), Err(LinkError::Aborted));
    assert_eq!(client.wire.wait(BOTH, now()), Err(LinkError::Aborted));
}

#[test]
fn an_end_lives_until_the_last_that_holds_it_goes() {
    let (client, mut server) = linked(&Script::new());
    let Link { mut outgoing, incoming, wire, .. } = client;
    drop(incoming);
    outgoing.send(&[IoSlice::new(b"one")], now()).unwrap();
    drop(outgoing);
    assert_eq!(receive(&mut server, now()).unwrap(), b"one");
    assert_eq!((try_receive(&mut server), try_send(&mut server, b"two")), (Ok(None), Ok(true)));
    drop(wire);
    assert_eq!(try_receive(&mut server), Err(LinkError::Closed));
}

#[test]
fn the_descriptor_of_an_end_closes_with_it() {
    for script in [Script::new(), Script::new().to_client(9, Fault::Delay(HOUR))] {
        let (client, _server) = linked(&script);
        let queue = watched(&client);
        client.wire.shut_down();
        assert!(is_readable(&queue));
        drop(client);
        // Nothing watches a closed file.
        assert!(!is_readable(&queue));
    }
}

#[test]
fn with_an_abort_that_was_used_there_is_no_pair() {
    let (used, fresh) = (Abort::new(), Abort::new());
    used.abort();
    for (client, server) in [(&used, &fresh), (&fresh, &used), (&used, &used)] {
        assert_eq!(pair(&Script::new(), PACKET, client, server).map(drop), Err(LinkError::Aborted));
    }
}

#[test]
fn who_is_late_still_takes_what_is_there_and_sends_what_has_room() {
    let (mut client, mut server) = linked(&Script::new());
    assert_eq!(receive(&mut server, now()), Err(LinkError::TimedOut));
    assert_eq!(server.wire.wait(READABLE, now()), Err(LinkError::TimedOut));
    send(&mut client, b"one", now()).unwrap();
    assert_eq!(server.wire.wait(BOTH, now()), Ok(BOTH));
    assert_eq!(server.wire.wait(READABLE, now()), Ok(READABLE));
    assert_eq!(receive(&mut server, now()).unwrap(), b"one");
    fill(&mut client);
    assert_eq!(send(&mut client, &longest(), now()), Err(LinkError::TimedOut));
    assert_eq!(client.wire.wait(BOTH, now()), Err(LinkError::TimedOut));
    assert_eq!(server.wire.wait(BOTH, now()), Ok(BOTH));
}

#[test]
fn a_deadline_to_come_is_met() {
    let (mut client, mut server) = linked(&Script::new());
    fill(&mut client);
    assert_eq!(send(&mut client, &longest(), Deadline::after(SOON)), Err(LinkError::TimedOut));
    assert_eq!(client.wire.wait(BOTH, Deadline::after(SOON)), Err(LinkError::TimedOut));
    assert_eq!(receive(&mut client, Deadline::after(SOON)), Err(LinkError::TimedOut));
    assert!(receive(&mut server, Deadline::after(SOON)).is_ok());
}

#[test]
fn room_is_told_when_the_packet_that_was_refused_has_it() {
    let (mut client, mut server) = linked(&Script::new());
    for len in [10_000, 50_000, PACKET as usize, PACKET as usize] {
        assert_eq!(try_send(&mut client, &vec![1; len]), Ok(true));
    }
    let queue = watched(&client);
    assert_eq!(client.wire.wait(WRITABLE, now()), Ok(WRITABLE));
    assert_eq!(try_send(&mut client, &longest()), Ok(false));
    for _ in 0..2 {
        assert_eq!(client.wire.wait(WRITABLE, now()), Err(LinkError::TimedOut));
        assert!(!is_readable(&queue));
        receive(&mut server, now()).unwrap();
    }
    assert_eq!(client.wire.wait(WRITABLE, now()), Ok(WRITABLE));
    // It stays so, whatever is received meanwhile, until the next attempt.
    assert!(is_readable(&queue));
    assert_eq!(try_receive(&mut client), Ok(None));
    assert!(is_readable(&queue));
    assert_eq!(try_send(&mut client, &longest()), Ok(true));
    assert!(!is_readable(&queue));
}

#[test]
fn a_descriptor_is_readable_while_there_is_something_to_receive_or_all_is_over() {
    let (mut client, mut server) = linked(&Script::new());
    let (at_client, at_server) = (watched(&client), watched(&server));
    assert!(!is_readable(&at_server));
    send(&mut client, b"one", now()).unwrap();
    send(&mut client, b"two", now()).unwrap();
    assert!(is_readable(&at_server));
    receive(&mut server, now()).unwrap();
    assert!(is_readable(&at_server));
    assert!(try_receive(&mut server).unwrap().is_some());
    assert!(!is_readable(&at_server));
    send(&mut client, b"three", now()).unwrap();
    drop(client);
    assert!(!is_readable(&at_client));
    receive(&mut server, now()).unwrap();
    assert!(is_readable(&at_server));
    assert_eq!(try_receive(&mut server), Err(LinkError::Closed));
    assert!(is_readable(&at_server));
}

/// Lets `act` free a thread that waits in `wait` at the server's end, whichever of them comes first.
fn freed<T: Send, R>(mut server: Link, wait: impl FnOnce(&mut Link) -> T + Send, act: impl FnOnce() -> R) -> T {
    thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(&mut server));
        // Most often it sleeps by then; it must be freed in any case.
        for _ in 0..100 {
            thread::yield_now();
        }
        let _kept = act();
        waiting.join().unwrap()
    })
}

#[test]
fn threads_that_wait_are_woken_by_a_packet_by_room_and_by_the_end() {
    for _ in 0..20 {
        let (mut client, server) = linked(&Script::new());
        let receiving = |server: &mut Link| receive(server, Deadline::NEVER);
        assert_eq!(freed(server, receiving, || send(&mut client, b"one", now()).unwrap()).unwrap(), b"one");

        let (mut client, server) = linked(&Script::new());
        let waiting = |server: &mut Link| server.wire.wait(READABLE, Deadline::NEVER);
        assert_eq!(freed(server, waiting, || send(&mut client, b"one", now()).unwrap()), Ok(READABLE));

        let (mut client, mut server) = linked(&Script::new());
        fill(&mut server);
        let sending = |server: &mut Link| send(server, &longest(), Deadline::NEVER);
        assert_eq!(freed(server, sending, || drop(receive(&mut client, now()).unwrap())), Ok(()));

        for (nth, end) in endings().into_iter().enumerate() {
            let waits: [fn(&mut Link) -> Option<LinkError>; 3] = [
                |server| receive(server, Deadline::NEVER).err(),
                |server| send(server, &longest(), Deadline::after(HOUR)).err(),
                |server| {
                    assert_eq!(server.wire.wait(WRITABLE, Deadline::after(HOUR)), Ok(BOTH));
                    try_receive(server).err()
                },
            ];
            for wait in waits {
                let abort = Abort::new();
                let (client, mut server) = pair(&Script::new(), PACKET, &abort, &Abort::new()).unwrap();
                fill(&mut server);
                assert_eq!(freed(server, wait, || end(client, &abort)), Some(LinkError::Closed), "{nth}");
            }
        }
    }
}

#[test]
fn an_abort_frees_threads_of_its_own_end() {
    for _ in 0..20 {
        let waits: [fn(&mut Link) -> LinkError; 3] = [
            |server| receive(server, Deadline::NEVER).unwrap_err(),
            |server| send(server, &longest(), Deadline::NEVER).unwrap_err(),
            |server| server.wire.wait(BOTH, Deadline::NEVER).unwrap_err(),
        ];
        for wait in waits {
            let abort = Abort::new();
            let (_client, mut server) = pair(&Script::new(), PACKET, &Abort::new(), &abort).unwrap();
            fill(&mut server);
            assert_eq!(freed(server, wait, || abort.abort()), LinkError::Aborted);
        }
    }
}

#[test]
fn the_halves_of_an_end_wait_side_by_side() {
    const PACKETS: usize = 2_000;
    let (client, server) = linked(&Script::new());
    thread::scope(|scope| {
        for link in [client, server] {
            let Link { mut outgoing, mut incoming, wire, .. } = link;
            drop(wire);
            scope.spawn(move || {
                for nth in 0..PACKETS {
                    let packet = vec![numbered(nth); nth * 31 % 5_000 + 1];
                    outgoing.send(&[IoSlice::new(&packet)], Deadline::NEVER).unwrap();
                }
            });
            scope.spawn(move || {
                let mut room = [0; 5_000];
                for nth in 0..PACKETS {
                    let len = incoming.receive(&mut room, &mut [], Deadline::NEVER).unwrap();
                    assert_eq!(len, nth * 31 % 5_000 + 1);
                    assert!(room[..len].iter().all(|&byte| byte == numbered(nth)));
                }
            });
        }
    });
}

#[test]
fn a_cut_ends_both_directions_instead_of_its_packet() {
    let script = Script::new().to_client(1, Fault::Cut);
    let (mut client, mut server) = linked(&script);
    send(&mut client, b"question", now()).unwrap();
    send(&mut server, b"one", now()).unwrap();
    assert_eq!(try_send(&mut server, b"two"), Err(LinkError::Closed));
    assert_eq!(send(&mut client, b"late", now()), Err(LinkError::Closed));
    assert_eq!(receive(&mut client, now()).unwrap(), b"one");
    assert_eq!(receive(&mut client, now()), Err(LinkError::Closed));
    assert_eq!(receive(&mut server, now()).unwrap(), b"question");
    assert_eq!(receive(&mut server, now()), Err(LinkError::Closed));
    assert_eq!(script.counts(), (1, 2));
}

#[test]
fn each_connection_of_a_script_meets_its_faults() {
    let script = Script::new().to_server(0, Fault::Drop);
    for made in 1..=3 {
        let (mut client, mut server) = linked(&script);
        send(&mut client, b"lost", now()).unwrap();
        send(&mut client, b"found", now()).unwrap();
        assert_eq!(receive(&mut server, now()).unwrap(), b"found");
        assert_eq!(script.counts(), (2 * made, 0));
    }
}

#[test]
fn a_delayed_packet_is_not_there_before_its_time() {
    let (mut client, mut server) = linked(&Script::new().to_server(0, Fault::Delay(HOUR)));
    let queue = watched(&server);
    send(&mut client, b"one", now()).unwrap();
    send(&mut client, b"two", now()).unwrap();
    assert_eq!((try_receive(&mut server), is_readable(&queue)), (Ok(None), false));
    assert_eq!(receive(&mut server, now()), Err(LinkError::TimedOut));
    assert_eq!(server.wire.wait(READABLE, Deadline::after(SOON)), Err(LinkError::TimedOut));
    // It still comes when its sender is gone, so it isn't over yet; nobody takes an answer to it.
    drop(client);
    assert_eq!((try_receive(&mut server), is_readable(&queue)), (Ok(None), false));
    assert_eq!(server.wire.wait(READABLE, now()), Err(LinkError::TimedOut));
    assert_eq!(server.wire.wait(BOTH, Deadline::NEVER), Ok(WRITABLE));
    assert_eq!(try_send(&mut server, b"answer"), Err(LinkError::Closed));
    // Who closes its own end waits for nothing.
    server.wire.shut_down();
    assert_eq!((try_receive(&mut server), is_readable(&queue)), (Err(LinkError::Closed), true));
}

#[test]
fn a_delayed_packet_comes_when_its_time_has_come() {
    let script = Script::new().to_client(0, Fault::Delay(SOON)).to_client(1, Fault::Delay(SOON));
    let script = script.to_client(2, Fault::Delay(SOON));
    let (mut client, mut server) = linked(&script);
    let queue = watched(&client);
    send(&mut server, b"one", now()).unwrap();
    assert_eq!(receive(&mut client, Deadline::NEVER).unwrap(), b"one");
    send(&mut server, b"two", now()).unwrap();
    assert_eq!(client.wire.wait(READABLE, Deadline::NEVER), Ok(READABLE));
    assert_eq!(try_receive(&mut client).unwrap().unwrap(), b"two");
    assert!(!is_readable(&queue));
    send(&mut server, b"three", now()).unwrap();
    send(&mut server, b"behind", now()).unwrap();
    drop(server);
    assert_eq!(queue.wait(None).unwrap(), Some(1));
    assert_eq!(try_receive(&mut client).unwrap().unwrap(), b"three");
    assert!(is_readable(&queue));
    assert_eq!(receive(&mut client, now()).unwrap(), b"behind");
    assert_eq!(receive(&mut client, now()), Err(LinkError::Closed));
}

#[test]
fn a_debug_print_shows_no_packet() {
    let (mut client, _server) = linked(&Script::new());
    send(&mut client, &[201; 9], now()).unwrap();
    let printed = format!("{client:?}");
    assert!(printed.contains("Line") && !printed.contains("201, 201"), "{printed}");
}
