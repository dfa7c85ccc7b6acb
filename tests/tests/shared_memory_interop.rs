//! Our sessions over shared memory with peers by hand, who know no more than deployed peers do.
#![cfg(target_os = "linux")]

use core::sync::atomic::Ordering;
use std::ops::Range;
use std::thread;

use netipc::endpoint::Endpoint;
use netipc::session::{ClientSession, Error, ServerSession, Wait};
use netipc::wire::{Header, Method};
use netipc_tests::memory::{Peer, ack, admit, client, echo, enter, hello, meet, server};
use netipc_tests::random::Random;
use netipc_tests::raw::{RawServer, RunDir, soon};
use netipc_tests::region::{Area, Layout, REQUEST, RESPONSE, RawRegion, Words};
use netipc_tests::vectors;

const REQUESTS: u32 = 5000;
const RESPONSES: u32 = 70_000;
const CALLS: u64 = 10_000;
const METHOD: Method = Method::new(1);
const SESSION: u64 = 3;

/// A client of ours with a server by hand.
fn with_server(
    wait: Wait,
    layout: Layout,
    prepare: impl FnOnce(&RawRegion),
    test: impl FnOnce(ClientSession, Peer, &Endpoint),
) {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("deployed");
    let raw = RawServer::listen(&endpoint);
    let config = client(REQUESTS, RESPONSES).wait(wait);
    let ack = ack(REQUESTS, RESPONSES, SESSION);
    let (session, peer) = admit(&config, &endpoint, &raw, &ack, layout, prepare);
    test(session, peer, &endpoint);
}

/// The payload of call number `call`, `most` bytes at most: it grows and shrinks, and every length near the ends comes.
fn payload(call: u64, most: u32, random: &mut Random) -> Vec<u8> {
    let most = most as usize;
    let len = match call % 8 {
        0 => usize::try_from(call).unwrap() / 8 % (most + 1),
        1 => most - usize::try_from(call).unwrap() / 8 % (most + 1),
        2 => 0,
        3 => most,
        4 | 5 => random.below(100),
        _ => random.below(most + 1),
    };
    let first = random.next();
    (0..len as u64).map(|at| (first.wrapping_add(at.wrapping_mul(first | 1)) >> 5) as u8).collect()
}

/// What a peer answers: a little of what it was asked in front, and so many bytes.
fn answer(asked: &[u8], call: u64, random: &mut Random) -> Vec<u8> {
    let mut answer = payload(call + 5, RESPONSES, random);
    for (to, from) in answer.iter_mut().zip(asked) {
        *to ^= from;
    }
    answer
}

/// Serves so many requests as deployed servers do.
fn serve(peer: &mut Peer, calls: Range<u64>) {
    let mut random = Random::new(2);
    for call in calls {
        let (header, asked) = peer.receive();
        peer.respond(&header, &answer(&asked, call, &mut random));
    }
}

/// Asks so much, one by one.
fn ask(session: &mut ClientSession, calls: Range<u64>) {
    let (mut random, mut theirs) = (Random::new(1), Random::new(2));
    for call in calls {
        let request = payload(call, REQUESTS, &mut random);
        let ticket = session.send(METHOD, &request, soon()).unwrap();
        let response = session.receive(soon()).unwrap();
        assert_eq!(response.ticket(), ticket);
        assert!(response.payload() == answer(&request, call, &mut theirs), "call {call}");
    }
}

#[test]
fn a_client_calls_a_deployed_server_ten_thousand_times_whatever_it_does_while_it_waits() {
    for wait in [Wait::Block, Wait::Adaptive, Wait::Always] {
        with_server(
            wait,
            Layout::of(REQUESTS, RESPONSES),
            |_| {},
            |mut session, mut peer, _| {
                thread::scope(|scope| {
                    scope.spawn(|| serve(&mut peer, 0..CALLS));
                    ask(&mut session, 0..CALLS);
                });
                let region = &peer.region;
                assert_eq!(region.word64(REQUEST.seq).load(Ordering::Acquire), CALLS);
            },
        );
    }
}

#[test]
fn a_server_serves_a_deployed_client_ten_thousand_times_whatever_it_does_while_it_waits() {
    for wait in [Wait::Block, Wait::Adaptive, Wait::Always] {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("ours");
        let mut listener = server(REQUESTS, RESPONSES).wait(wait).listen(&endpoint).unwrap();
        let (mut peer, mut session) = enter(&mut listener, &endpoint, &hello(REQUESTS, RESPONSES));
        thread::scope(|scope| {
            scope.spawn(|| serve_well(&mut session, 0..CALLS));
            let (mut random, mut theirs) = (Random::new(1), Random::new(2));
            for call in 0..CALLS {
                let request = payload(call, REQUESTS, &mut random);
                peer.ask(call + 1, &request);
                let (header, response) = peer.receive();
                assert_eq!(header, Header::response(METHOD, call + 1, u32::try_from(response.len()).unwrap()));
                assert!(response == answer(&request, call, &mut theirs), "call {call}");
            }
        });
    }
}

fn serve_well(session: &mut ServerSession, calls: Range<u64>) {
    let mut random = Random::new(2);
    for call in calls {
        let request = session.receive(soon()).unwrap();
        let (ticket, request) = (request.ticket(), request.keep());
        session.respond(ticket, &answer(request.payload(), call, &mut random), soon()).unwrap();
    }
}

/// A recorded header, whose owner is blotted out.
fn golden(name: &str) -> vectors::Entry {
    vectors::load_kind("golden", "shm_region_header").into_iter().find(|entry| entry.name == name).unwrap()
}

/// The header of this region, whose owner is blotted out in the same way.
fn blotted(region: &RawRegion) -> Vec<u8> {
    let mut header = region.header();
    assert_eq!(header[8..12], std::process::id().to_ne_bytes());
    assert_ne!(header[12..16], [0; 4], "a generation");
    header[8..16].fill(0xff);
    header
}

#[test]
#[cfg(target_endian = "little")]
fn a_server_makes_a_region_byte_by_byte_as_deployed_servers_do() {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("vec");
    let fresh = golden("shm_region_header_fresh");
    // What deployed servers are told is the length of a message.
    let of = |argument| vectors::number::<u32>(&fresh.input, argument) - 32;
    let (requests, responses) = (of("req_capacity_arg"), of("resp_capacity_arg"));
    let mut listener = server(requests, responses).listen(&endpoint).unwrap();
    let (peer, mut session) = enter(&mut listener, &endpoint, &hello(requests, responses));
    assert_eq!(blotted(&peer.region), fresh.bytes);
    let file = std::fs::metadata(endpoint.region_path(1)).unwrap();
    assert_eq!(file.len(), vectors::number::<u64>(&fresh.input, "region_size"));
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o777, 0o600);
    assert!(peer.region.read(64, 66_752 - 64).iter().all(|byte| *byte == 0), "nothing of ours shows");

    // The first answer, in the same form: what the client has received is marked in its own word alone.
    peer.ask(1, b"ask");
    let ticket = session.receive(soon()).unwrap().ticket();
    session.respond(ticket, b"tell", soon()).unwrap();
    let after = golden("shm_region_header_after_response").bytes;
    let mut header = blotted(&peer.region);
    let (req_len, resp_len) = (48..52, 52..56);
    assert_eq!(header[resp_len.clone()], 36_u32.to_ne_bytes());
    assert_eq!(header[req_len.clone()], 0x8000_0000_u32.to_ne_bytes(), "received");
    header[req_len.clone()].copy_from_slice(&after[req_len]);
    header[resp_len.clone()].copy_from_slice(&after[resp_len]);
    assert_eq!(header, after);
}

#[test]
#[cfg(target_endian = "little")]
fn a_first_request_changes_the_region_as_that_of_a_deployed_client_does() {
    let fresh = golden("shm_region_header_fresh");
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("deployed");
    let raw = RawServer::listen(&endpoint);
    let layout = Layout::of(1024, 65_536);
    let (mut session, peer) =
        admit(&client(1024, 65_536), &endpoint, &raw, &ack(1024, 65_536, SESSION), layout, |_| {});
    assert_eq!(blotted(&peer.region), fresh.bytes, "to attach changes nothing");
    session.send(METHOD, b"ask", soon()).unwrap();
    let mut header = blotted(&peer.region);
    let len = REQUEST.len..REQUEST.len + 4;
    assert_eq!(header[len.clone()], 35_u32.to_ne_bytes());
    let after = golden("shm_region_header_after_request").bytes;
    header[len.clone()].copy_from_slice(&after[len]);
    assert_eq!(header, after);
}

#[test]
fn requests_sent_ahead_of_their_answers_find_room_as_a_deployed_server_answers() {
    with_server(
        Wait::Block,
        Layout::of(REQUESTS, RESPONSES),
        |_| {},
        |mut session, mut peer, _| {
            const AHEAD: u64 = 5;
            thread::scope(|scope| {
                scope.spawn(|| serve(&mut peer, 0..AHEAD * 200));
                let (mut random, mut theirs) = (Random::new(1), Random::new(2));
                for round in 0..200 {
                    let calls = round * AHEAD..(round + 1) * AHEAD;
                    let requests: Vec<_> = calls.clone().map(|call| payload(call, REQUESTS, &mut random)).collect();
                    let tickets: Vec<_> =
                        requests.iter().map(|request| session.send(METHOD, request, soon()).unwrap()).collect();
                    for ((call, request), ticket) in calls.zip(&requests).zip(tickets) {
                        let response = session.receive(soon()).unwrap();
                        assert_eq!(response.ticket(), ticket);
                        assert!(response.payload() == answer(request, call, &mut theirs), "call {call}");
                    }
                }
            });
            assert_eq!(session.in_flight(), 0);
        },
    );
}

#[test]
fn a_second_request_finds_no_room_before_a_deployed_server_has_answered_the_first() {
    with_server(
        Wait::Block,
        Layout::of(REQUESTS, RESPONSES),
        |_| {},
        |mut session, mut peer, _| {
            session.send(METHOD, b"first", soon()).unwrap();
            assert_eq!(session.try_send(METHOD, b"second".to_vec().into()), Ok(None));
            let now = netipc::session::Deadline::after(core::time::Duration::ZERO);
            assert_eq!(session.send(METHOD, b"second", now), Err(Error::TimedOut));
            let (header, asked) = peer.receive();
            // It has been read, but a deployed server says so by its answer alone.
            assert_eq!(session.try_send(METHOD, b"second".to_vec().into()), Ok(None));
            assert_eq!(asked, b"first");
            peer.respond(&header, b"1st");
            let ticket = session.send(METHOD, b"second", soon()).unwrap();
            assert_eq!(ticket.id(), 2);
            let (header, asked) = peer.receive();
            assert_eq!(asked, b"second");
            assert_eq!(session.receive(soon()).unwrap().payload(), b"1st");
            peer.respond(&header, b"2nd");
            assert_eq!(session.receive(soon()).unwrap().payload(), b"2nd");
        },
    );
}

#[test]
fn halves_in_two_threads_keep_a_deployed_server_busy() {
    with_server(
        Wait::Block,
        Layout::of(REQUESTS, RESPONSES),
        |_| {},
        |session, mut peer, _| {
            let (mut requests, mut responses) = session.split();
            thread::scope(|scope| {
                scope.spawn(|| serve(&mut peer, 0..2000));
                scope.spawn(move || {
                    let mut random = Random::new(1);
                    for call in 0..2000 {
                        requests.send(METHOD, &payload(call, REQUESTS, &mut random), soon()).unwrap();
                    }
                });
                let (mut random, mut theirs) = (Random::new(1), Random::new(2));
                for call in 0..2000 {
                    let request = payload(call, REQUESTS, &mut random);
                    let response = responses.receive(soon()).unwrap();
                    assert_eq!(response.ticket().id(), call + 1);
                    assert!(response.payload() == answer(&request, call, &mut theirs), "call {call}");
                }
            });
        },
    );
}

#[test]
fn words_that_wrap_around_are_words_like_any_other() {
    let set = |region: &RawRegion, words: Words, seq: u64, signal: u32| {
        region.word64(words.seq).store(seq, Ordering::Release);
        region.word32(words.signal).store(signal, Ordering::Release);
    };
    let mut calls = 0;
    for (theirs, ours) in [
        (u32::MAX - 3, 0x7fff_fffc),
        (0x7fff_fffd, u32::MAX - 2),
        (u32::MAX, u32::MAX),
        (0x7fff_ffff, 0x7fff_ffff),
        (0x8000_0000, 0x8000_0000),
    ] {
        for seq in [u64::MAX - 4, u64::MAX, u64::MAX / 2, 7] {
            for wait in [Wait::Block, Wait::Always] {
                let prepare = |region: &RawRegion| {
                    set(region, REQUEST, seq, ours);
                    set(region, RESPONSE, seq.wrapping_sub(2), theirs);
                };
                with_server(wait, Layout::of(REQUESTS, RESPONSES), prepare, |mut session, mut peer, _| {
                    // The client has sent nothing yet.
                    peer.region.look_again();
                    thread::scope(|scope| {
                        scope.spawn(|| serve(&mut peer, 0..12));
                        ask(&mut session, 0..12);
                    });
                    let load = |at| peer.region.word64(at).load(Ordering::Acquire);
                    assert_eq!(load(REQUEST.seq), seq.wrapping_add(12));
                    assert_eq!(load(RESPONSE.seq), seq.wrapping_add(10));
                    calls += 12;
                });
            }
        }
    }
    assert_eq!(calls, 5 * 4 * 2 * 12);
}

#[test]
fn areas_may_stand_in_any_order_with_gaps_between_them_and_in_a_longer_file() {
    let Layout { request, response, .. } = Layout::of(REQUESTS, RESPONSES);
    let (asks, tells) = (request.capacity, response.capacity);
    let area = |offset, capacity| Area { offset, capacity };
    for (request, response, file) in [
        (area(64 + tells, asks), area(64, tells), 64 + tells + asks),
        (area(64, asks), area(64 + asks, tells), 64 + tells + asks + 12_345),
        (area(4096, asks), area(4096 + asks + 640, tells), 4096 + asks + 640 + tells),
        (area(1 << 20, asks + 64), area(128, tells + 640), 1 << 21),
    ] {
        let layout = Layout { request, response, file };
        let filled = |region: &RawRegion| region.write(64, &vec![0xee; file as usize - 64]);
        with_server(Wait::Block, layout, filled, |mut session, mut peer, _| {
            thread::scope(|scope| {
                scope.spawn(|| serve(&mut peer, 0..100));
                ask(&mut session, 0..100);
            });
            let header = layout.header(std::process::id(), 1);
            assert_eq!(peer.region.header()[..32], header[..32]);
            let is_used = |at: u32| {
                let within = |area: Area| (area.offset..area.offset + area.capacity).contains(&at);
                at < 64 || within(request) || within(response)
            };
            let bytes = peer.region.read(0, file as usize);
            let touched = (0..).zip(bytes).find(|(at, byte)| !is_used(*at) && *byte != 0xee);
            assert_eq!(touched, None, "outside of the areas");
        });
    }
}

#[test]
fn a_session_goes_on_without_the_name_of_its_region_and_leaves_alone_what_has_it_now() {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("ours");
    let path = endpoint.region_path(1);
    let mut listener = server(REQUESTS, RESPONSES).listen(&endpoint).unwrap();
    let (mut theirs, mut ours) = meet(&mut listener, &client(REQUESTS, RESPONSES), &endpoint);
    std::fs::remove_file(&path).unwrap();
    echo(&mut theirs, &mut ours);
    std::fs::write(&path, b"somebody else's").unwrap();
    echo(&mut theirs, &mut ours);
    drop((theirs, ours));
    assert_eq!(std::fs::read(&path).unwrap(), b"somebody else's");
    std::fs::remove_file(&path).unwrap();

    let (mut theirs, mut ours) = meet(&mut listener, &client(REQUESTS, RESPONSES), &endpoint);
    std::fs::remove_file(endpoint.region_path(2)).unwrap();
    echo(&mut theirs, &mut ours);
    drop((theirs, ours, listener));
    assert_eq!(std::fs::read_dir(run_dir.path()).unwrap().count(), 0);
}

#[test]
fn a_client_needs_no_name_of_a_region_that_it_has_and_never_removes_one() {
    with_server(
        Wait::Block,
        Layout::of(REQUESTS, RESPONSES),
        |_| {},
        |mut session, mut peer, endpoint| {
            let path = endpoint.region_path(SESSION);
            std::fs::rename(&path, path.with_extension("elsewhere")).unwrap();
            thread::scope(|scope| {
                scope.spawn(|| serve(&mut peer, 0..10));
                ask(&mut session, 0..10);
            });
            std::fs::write(&path, b"somebody else's").unwrap();
            drop(session);
            assert_eq!(std::fs::read(&path).unwrap(), b"somebody else's");
            assert!(path.with_extension("elsewhere").exists());
        },
    );
}
