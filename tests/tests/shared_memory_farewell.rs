//! Sessions over shared memory that end, with deployed peers, who look at nothing but the words; and what there is to see
//! of a deployed server that is full.
#![cfg(target_os = "linux")]

use core::sync::atomic::Ordering;

use netipc::endpoint::Endpoint;
use netipc::session::{Error, Listener};
use netipc::wire::{Header, Method};
use netipc_tests::memory::{Peer, ack, admit, client, echo, enter, hello, knock, meet, server};
use netipc_tests::raw::{RawServer, RunDir, ack_packet, soon};
use netipc_tests::region::{Layout, REQUEST, RESPONSE, RawRegion, Words};

const METHOD: Method = Method::new(1);
const SESSION: u64 = 3;

/// The number of messages, the length of the last one, and the signal.
fn words(region: &RawRegion, of: Words) -> (u64, u32, u32) {
    let word = |at| region.word32(at).load(Ordering::Acquire);
    (region.word64(of.seq).load(Ordering::Acquire), word(of.len), word(of.signal))
}

fn listen(endpoint: &Endpoint) -> Listener {
    server(1024, 1024).listen(endpoint).unwrap()
}

/// Serves a deployed client so many calls, and goes.
fn serve_and_go(calls: u64) -> Peer {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("ours");
    let mut listener = listen(&endpoint);
    let (mut peer, mut session) = enter(&mut listener, &endpoint, &hello(1024, 1024));
    for id in 1..=calls {
        peer.ask(id, b"ask");
        let ticket = session.receive(soon()).unwrap().ticket();
        session.respond(ticket, b"tell", soon()).unwrap();
        if id < calls {
            assert_eq!(peer.receive().0.message_id(), id);
        }
    }
    assert_eq!(words(&peer.region, RESPONSE), (calls, 36, u32::try_from(calls).unwrap()));
    drop(session);
    peer
}

#[test]
fn a_deployed_client_is_told_of_the_end_by_its_last_answer_once_more() {
    let mut peer = serve_and_go(2);
    assert_eq!(words(&peer.region, RESPONSE), (3, 36, 3));
    // What it had not read yet is there, and again where it waits for the answer to what it asks next.
    peer.region.look_again();
    peer.region.word64(RESPONSE.seq).fetch_sub(2, Ordering::AcqRel);
    peer.region.look_again();
    for seq in [2, 3] {
        peer.region.word64(RESPONSE.seq).store(seq, Ordering::Release);
        let (header, answer) = peer.receive();
        assert_eq!(header, Header::response(METHOD, 2, 4));
        assert_eq!(answer, b"tell");
    }
}

#[test]
fn who_may_be_one_of_ours_is_told_by_the_kernel_alone() {
    let peer = serve_and_go(1);
    assert_eq!(words(&peer.region, RESPONSE), (1, 36, 1));
}

#[test]
fn a_deployed_server_is_told_of_the_end_by_a_request_without_a_length() {
    for calls in 0..=2 {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("deployed");
        let raw = RawServer::listen(&endpoint);
        let ack = ack(1024, 1024, SESSION);
        let layout = Layout::of(1024, 1024);
        let (mut session, mut peer) = admit(&client(1024, 1024), &endpoint, &raw, &ack, layout, |_| {});
        for _ in 0..calls {
            session.send(METHOD, b"ask", soon()).unwrap();
            let (header, _) = peer.receive();
            peer.respond(&header, b"tell");
            session.receive(soon()).unwrap();
        }
        let before = words(&peer.region, REQUEST);
        drop(session);
        let (seq, _, signal) = before;
        let expected = if calls == 0 { before } else { (seq + 1, 0, signal + 1) };
        assert_eq!(words(&peer.region, REQUEST), expected, "{calls} calls");
    }
}

#[test]
fn between_ours_nothing_is_left_in_the_words() {
    for calls in [1, 2, 200] {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("ours");
        let mut listener = listen(&endpoint);
        let (mut client, mut server) = meet(&mut listener, &client(1024, 1024), &endpoint);
        let region = RawRegion::attach(&endpoint.region_path(server.terms().session_id));
        for _ in 0..calls {
            echo(&mut client, &mut server);
        }
        let before = (words(&region, REQUEST), words(&region, RESPONSE));
        assert_eq!((before.0.0, before.1.0), (calls, calls));
        drop(client);
        assert_eq!(server.receive(soon()).map(|request| request.ticket()), Err(Error::Closed { mid_message: false }));
        drop(server);
        assert_eq!((region.word64(REQUEST.seq).load(Ordering::Acquire), words(&region, RESPONSE).0), (calls, calls));
    }
}

#[test]
fn a_server_that_takes_the_region_back_and_closes_is_full_and_not_without_shared_memory() {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("full");
    let server = RawServer::listen(&endpoint);
    let (connecting, raw) = knock(&client(1024, 1024), &endpoint, &server);
    raw.send(&ack_packet(&ack(1024, 1024, SESSION))).unwrap();
    drop(raw);
    assert_eq!(connecting.try_finish().map(drop), Err(Error::Closed { mid_message: false }));
}
