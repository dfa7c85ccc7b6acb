//! Peers that break the rules of shared memory, against sessions of ours that end, or go on, and harm nobody else.
//!
//! Each row of the tables is played against a client and against a server of ours.
#![cfg(target_os = "linux")]

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::fs;
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use netipc::endpoint::Endpoint;
use netipc::proto::Role;
use netipc::session::{
    ClientConfig, ClientSession, Deadline, Error, Limit, LimitExceeded, Listener, ServerSession, Ticket, Violation,
    Wait,
};
use netipc::wire::{CHUNK_MAGIC, Header, Kind, Method, Rule, Status, Structure};
use netipc_tests::hostile::{End, header_field, packet_length};
use netipc_tests::memory::{Peer, ack, admit, client, echo, enter, hello, meet, server};
use netipc_tests::random::Random;
use netipc_tests::raw::{ITEMS, RawServer, RunDir, alone, patched, soon, whole};
use netipc_tests::region::{Layout, REQUEST, RESPONSE, RawRegion, Words};

/// The largest payload, either way. The areas have room for 32 bytes more.
const PAYLOAD: u32 = 1024;
const CAPACITY: u32 = 1088;
const METHOD: Method = Method::new(1);
/// In the words that our own peers mark.
const MARKS: u32 = 1 << 31;
const AWAITED: u32 = 1 << 30;
const ASLEEP: u32 = 1 << 31;

/// A session of ours with a peer by hand.
enum Ours {
    Client(ClientSession),
    /// With a request that waits for its answer.
    Server(ServerSession, Ticket),
}

impl Ours {
    fn receive(&mut self, deadline: Deadline) -> Result<Vec<u8>, Error> {
        let message = match self {
            Self::Client(session) => session.receive(deadline),
            Self::Server(session, _) => session.receive(deadline),
        };
        message.map(|message| message.payload().to_vec())
    }

    /// Every call fails, and none of them waits.
    fn assert_over(self, why: &Error, name: &str) {
        let mut errors = Vec::new();
        match self {
            Self::Client(session) => {
                let (mut requests, mut responses) = session.split();
                errors.push(responses.receive(soon()).map(drop).unwrap_err());
                errors.push(responses.try_receive().map(drop).unwrap_err());
                errors.push(requests.send(METHOD, b"late", soon()).unwrap_err());
                errors.push(requests.send_batch(METHOD, &[b"late"], soon()).unwrap_err());
                errors.push(requests.try_send(METHOD, Bytes::from_static(b"late")).unwrap_err());
                errors.push(requests.try_flush().unwrap_err());
            }
            Self::Server(session, ticket) => {
                let (mut requests, mut responses) = session.split();
                errors.push(requests.receive(soon()).map(drop).unwrap_err());
                errors.push(requests.try_receive().map(drop).unwrap_err());
                errors.push(responses.respond(ticket, b"late", soon()).unwrap_err());
                errors.push(responses.respond_status(ticket, Status::InternalError, soon()).unwrap_err());
                errors.push(responses.try_respond(ticket, Bytes::from_static(b"late")).unwrap_err());
                errors.push(responses.try_flush().unwrap_err());
            }
        }
        for error in errors {
            assert_eq!(error, *why, "{name}");
        }
    }
}

/// A place where ours and others meet, with a session between ours that all the others must leave alone.
struct Ground {
    role: Role,
    payload: u32,
    listener: Listener,
    ours: Endpoint,
    by_hand: RawServer,
    theirs: Endpoint,
    config: ClientConfig,
    bystanders: (ClientSession, ServerSession),
    next_session: u64,
    run_dir: RunDir,
}

impl Ground {
    fn new(role: Role) -> Self {
        Self::with(role, PAYLOAD, Wait::Block)
    }

    fn with(role: Role, payload: u32, wait: Wait) -> Self {
        let run_dir = RunDir::new();
        let (ours, theirs) = (run_dir.endpoint("ours"), run_dir.endpoint("theirs"));
        let mut listener = server(payload, payload).max_in_flight(4).wait(wait).listen(&ours).unwrap();
        let by_hand = RawServer::listen(&theirs);
        let config = client(payload, payload).wait(wait);
        let bystanders = meet(&mut listener, &config, &ours);
        Self { role, payload, listener, ours, by_hand, theirs, config, bystanders, next_session: 1, run_dir }
    }

    /// A session with one request under way, whose id is 1 and which the peer has received if it is the server. The peer
    /// may publish what it likes.
    fn session(&mut self) -> (Ours, Peer) {
        match self.role {
            Role::Client => {
                let ack = ack(self.payload, self.payload, self.next_session);
                self.next_session += 1;
                let layout = Layout::of(self.payload, self.payload);
                let (mut session, mut peer) = admit(&self.config, &self.theirs, &self.by_hand, &ack, layout, |_| {});
                session.send(METHOD, b"question", soon()).unwrap();
                assert_eq!(peer.receive().1, b"question");
                (Ours::Client(session), peer)
            }
            Role::Server => {
                let (peer, mut session) = enter(&mut self.listener, &self.ours, &hello(self.payload, self.payload));
                peer.ask(1, b"question");
                let ticket = session.receive(soon()).unwrap().ticket();
                (Ours::Server(session, ticket), peer)
            }
        }
    }

    /// A good session can be had, and the one that was there before goes on.
    fn goes_on(&mut self) {
        let (mut client, mut server) = meet(&mut self.listener, &self.config, &self.ours);
        echo(&mut client, &mut server);
        echo(&mut self.bystanders.0, &mut self.bystanders.1);
    }

    /// Mappings of regions, files of regions that are ours to remove, and open descriptors.
    fn leavings(&self) -> (usize, usize, usize) {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let mapped = maps.lines().filter(|line| line.contains(".ipcshm")).count();
        let names = fs::read_dir(self.run_dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let files = names.filter(|name| name.to_str().unwrap().starts_with("ours-")).count();
        (mapped, files, fs::read_dir("/proc/self/fd").unwrap().count())
    }
}

/// The words that the peer of whoever stands on the side of `role` publishes by.
const fn words(role: Role) -> Words {
    match role {
        Role::Client => RESPONSE,
        Role::Server => REQUEST,
    }
}

/// A message of 8 bytes to who stands on the side of `role`, which may come.
fn message(role: Role) -> Vec<u8> {
    header(role, 8, 0).encode().into_iter().chain([7; 8]).collect()
}

/// The header of message number `number` that may come; a client waits for one alone.
fn header(role: Role, payload_len: u32, number: u64) -> Header {
    match role {
        Role::Client => Header::response(METHOD, 1 + number, payload_len),
        Role::Server => Header::request(METHOD, 2 + number, payload_len),
    }
}

/// What a peer does, and how the session ends.
struct Breach {
    name: String,
    /// What it does instead of publishing a message.
    act: Box<dyn Fn(&RawRegion)>,
    end: End,
}

fn breach(name: impl Into<String>, end: End, act: impl Fn(&RawRegion) + 'static) -> Breach {
    Breach { name: name.into(), act: Box::new(act), end }
}

fn region(field: &'static str, offset: usize, found: u64) -> End {
    End::Breaks(Violation::Region { field, offset, found })
}

/// What cannot stand in the words.
fn wrong_words(role: Role) -> Vec<Breach> {
    let words = words(role);
    let (seq, len) = match role {
        Role::Client => ("resp_seq", "resp_len"),
        Role::Server => ("req_seq", "req_len"),
    };
    let mut breaches = Vec::new();
    let lengths = [0, CAPACITY + 1, CAPACITY + 64, 1 << 20, AWAITED - 1, !(MARKS | AWAITED)];
    for len_said in lengths {
        for marks in [0, MARKS, AWAITED, MARKS | AWAITED] {
            let said = len_said | marks;
            let end = region(len, words.len, said.into());
            breaches.push(breach(format!("a length of {said:#x}"), end, move |region| {
                region.write_message(&message(role));
                region.announce(said);
            }));
        }
    }
    // A client has received nothing yet, a server one request.
    let now: u64 = if role == Role::Client { 0 } else { 1 };
    for (name, found) in [
        ("two messages at once", now + 2),
        ("three messages at once", now + 3),
        ("a number back", now.wrapping_sub(1)),
        ("two back", now.wrapping_sub(2)),
        ("the largest number", u64::MAX - now),
        ("half of all numbers", 1 << 63),
        ("a carry too far", now + 1 + (1 << 32)),
    ] {
        breaches.push(breach(name, region(seq, words.seq, found), move |region| {
            region.write_message(&message(role));
            region.word32(words.len).store(40, Ordering::Release);
            region.word64(words.seq).store(found, Ordering::Release);
            region.word32(words.signal).fetch_add(1, Ordering::Release);
            region.wake(words.signal);
        }));
    }
    breaches.push(breach("two publications before one was received", region(seq, words.seq, now + 2), move |region| {
        region.publish(&message(role));
        region.publish(&whole(header(role, 0, 1), b""));
    }));
    breaches
}

/// Messages that are not what they should be.
fn wrong_messages(role: Role) -> Vec<Breach> {
    let message = message(role);
    let published = |name: &str, end, packet: Vec<u8>| breach(name, end, move |region| region.publish(&packet));
    let (kind, other) = match role {
        Role::Client => (Kind::Response, Kind::Request),
        Role::Server => (Kind::Request, Kind::Response),
    };
    let (payload, items) = match role {
        Role::Client => (Limit::ResponsePayload, Limit::ResponseItems),
        Role::Server => (Limit::RequestPayload, Limit::RequestItems),
    };
    let patch = |at: usize, bytes: &[u8]| patched(&message, at, bytes);
    let stated = |len: u32| patch(16, &len.to_ne_bytes());
    let unexpected = |found| End::Breaks(Violation::UnexpectedKind { expected: kind, found });
    let beyond = |asked: u32| End::Beyond(payload, asked.into(), PAYLOAD.into());
    let magic = |found| header_field("magic", 0, Rule::Magic { expected: 0x4e49_5043, found });
    let batch = |count: u32, entries: &[u32], packed: usize| {
        let mut body: Vec<u8> = entries.iter().flat_map(|word| word.to_ne_bytes()).collect();
        body.resize(body.len() + packed, 0);
        whole(header(role, u32::try_from(body.len()).unwrap(), 0).with_batch(count), &body)
    };
    let directory = |field, offset, rule| End::Bytes(Structure::Batch, field, offset, rule);
    let full = |len: u32| whole(header(role, len, 0), &vec![7; len as usize]);
    let mut breaches: Vec<Breach> = (1..32)
        .map(|len| {
            let end = End::CutOff(Structure::Header, 32, len);
            published(&format!("{len} bytes of a header"), end, message[..len].to_vec())
        })
        .collect();
    breaches.extend([
        published("payload_len 0 before 8 bytes", packet_length(32, 40), stated(0)),
        published("payload_len one too small", packet_length(39, 40), stated(7)),
        published("payload_len one too large", packet_length(41, 40), stated(9)),
        published("payload_len of the limit before 8 bytes", packet_length(1056, 40), stated(PAYLOAD)),
        published("payload_len beyond the limit", beyond(PAYLOAD + 1), stated(PAYLOAD + 1)),
        published("payload_len with a total that wraps", beyond(u32::MAX - 31), stated(u32::MAX - 31)),
        published("payload_len of all ones", beyond(u32::MAX), stated(u32::MAX)),
        published("a message that fits the area, and not the limit", beyond(PAYLOAD + 1), full(PAYLOAD + 1)),
        published("as much as the area holds", beyond(CAPACITY - 32), full(CAPACITY - 32)),
        published("the area, full of zeros", magic(0), vec![0; CAPACITY as usize]),
        published("the first of two chunks", packet_length(1056, 132), whole(header(role, PAYLOAD, 0), &[7; 100])),
        published("a continuation", magic(CHUNK_MAGIC), patch(0, &CHUNK_MAGIC.to_ne_bytes())),
        published("no magic", magic(0), patch(0, &[0; 4])),
        published(
            "version 2",
            header_field("version", 4, Rule::Version { expected: 1, found: 2 }),
            patch(4, &2_u16.to_ne_bytes()),
        ),
        published("kind 0", header_field("kind", 8, Rule::Kind { found: 0 }), patch(8, &[0; 2])),
        published("the wrong kind", unexpected(other), patch(8, &other.raw().to_ne_bytes())),
        published("a control message", unexpected(Kind::Control), patch(8, &Kind::Control.raw().to_ne_bytes())),
        published("item_count 2 and no batch", End::Breaks(Violation::ItemCount { found: 2 }), patch(20, &[2])),
        published("a batch of 0", End::Breaks(Violation::ItemCount { found: 0 }), batch(0, &[0, 8], 8)),
        published("a batch beyond the limit", End::Beyond(items, 5, ITEMS.into()), batch(5, &[0; 10], 8)),
        published(
            "a directory cut short",
            directory("directory", 15, Rule::Truncated { needed: 16, found: 15 }),
            whole(header(role, 15, 0).with_batch(2), &[0; 15]),
        ),
        published(
            "an item that leaves the batch",
            directory("entry length", 12, Rule::InBounds { end: 17, limit: 16 }),
            batch(2, &[0, 8, 8, 9], 16),
        ),
        published(
            "an item whose end wraps",
            directory("entry offset", 0, Rule::InBounds { end: 0xffff_fff8, limit: 16 }),
            batch(1, &[0xffff_fff8, 0x10], 16),
        ),
    ]);
    breaches.push(match role {
        Role::Client => published(
            "an answer to nothing",
            End::Breaks(Violation::UnknownId { id: 99 }),
            patch(24, &99_u64.to_ne_bytes()),
        ),
        Role::Server => published(
            "an id that is taken",
            End::Breaks(Violation::DuplicateId { id: 1 }),
            patch(24, &1_u64.to_ne_bytes()),
        ),
    });
    breaches
}

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
        for marks in [0, MARKS, AWAITED, MARKS | AWAITED] {
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
            // Once marks were seen they are relied on: a peer that leaves none any more has what it sent to wait for.
            let (first, second) = match &mut ours {
                Ours::Client(session) => {
                    region.word32(REQUEST.len).store(MARKS, Ordering::Release);
                    let first = session.send(METHOD, b"one", soon()).map(drop);
                    (first, session.send(METHOD, b"two", Duration::from_millis(30).into()).map(drop))
                }
                Ours::Server(session, ticket) => {
                    region.word32(RESPONSE.len).store(MARKS, Ordering::Release);
                    let first = session.respond(*ticket, b"one", soon());
                    region.publish(&whole(header(role, 8, 99), &[7; 8]));
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
        for _ in 0..40 {
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
        assert!(named > 0);
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
            let is_done = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut times = 0_u64;
                    while !is_done.load(Ordering::Acquire) {
                        // Whoever comes to sleep finds the value that it expects.
                        peer.region.word32(signal).store(value, Ordering::Release);
                        times += 1;
                        if times.is_multiple_of(16) {
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
                if round % 2 == 0 {
                    peer.raw.stop_sending()
                } else {
                    abort.abort()
                }
                // Nobody is woken by the peer any more.
                is_done.store(true, Ordering::Release);
            });
            let told = returned.recv_timeout(Duration::from_secs(20));
            let ended = if round % 2 == 0 { Error::Closed { mid_message: false } } else { Error::Aborted };
            assert_eq!(told.expect("it comes back"), Err(ended), "round {round}");
        }
        ground.goes_on();
    }
}
