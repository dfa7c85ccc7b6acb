//! Messages there and back.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;

use netipc::buf::Writer;
use netipc::session::{
    BuildError, Bytes, ClientConfig, Error, Limit, LimitExceeded, OwnedMessage, ServerConfig, ServerSession, Ticket,
};
use netipc::wire::{BatchBuilder, BatchError, Method, Status};

use crate::fabric::{Fabric, LARGE, METHOD, payload, roomy_client, roomy_server, soon};

fn echo(session: &mut ServerSession, ticket: Ticket, payload: &[u8]) -> Result<(), Error> {
    session.respond(ticket, payload, soon())
}

pub fn messages_of_all_sizes_come_back_as_they_were(fabric: Fabric) {
    // 0 is the default: what the link can send in one piece.
    for packet_size in [33, 100, 0] {
        let (client, server) = (roomy_client().packet_size(packet_size), roomy_server().packet_size(packet_size));
        fabric.serving((&client, &server), echo, |client| {
            let body = usize::try_from(client.terms().packet_size).expect("a small size") - 32;
            let mut sizes: Vec<usize> = (0..if packet_size == 0 { 3 } else { 3 * body + 2 }).collect();
            for packets in [1, 2, 3] {
                sizes.extend([packets * body - 1, packets * body, packets * body + 1]);
            }
            sizes.push(if packet_size == 0 { LARGE } else { 4096 });
            for (nth, len) in sizes.into_iter().enumerate() {
                let sent = payload(len, nth);
                let ticket = client.send(METHOD, &sent, soon()).expect("a request");
                let answer = client.receive(soon()).expect("an answer");
                assert_eq!((answer.ticket(), answer.status()), (ticket, Status::Ok));
                assert!(answer.payload() == sent, "{len} bytes in packets of {packet_size}");
                assert!(answer.batch().is_none());
            }
        });
    }
}

pub fn batches_go_both_ways(fabric: Fabric) {
    for packet_size in [33, 100, 0] {
        let client = roomy_client().packet_size(packet_size);
        let (mut client, mut server) = fabric.pair_of(&client, &roomy_server());
        // Nobody receives meanwhile, so the smallest packets must not be too many.
        let many: &[usize] = if packet_size == 33 { &[1, 8, 0, 9] } else { &[1, 8, 0, 64, 7, 1000, 9, 24] };
        for lens in [&[5][..], &[0], &[0, 0, 0], many] {
            let items: Vec<_> = lens.iter().enumerate().map(|(nth, &len)| payload(len, nth)).collect();
            let ticket = client.send_batch(METHOD, &items, soon()).expect("a batch");
            let request = server.receive(soon()).expect("a batch");
            assert_eq!(request.ticket(), ticket);
            assert!(request.batch().expect("a batch").iter().eq(items.iter().map(Vec::as_slice)));
            // Each item is answered with its mirror image.
            let kept = request.keep();
            let answers: Vec<Vec<u8>> = kept.batch().expect("a batch").iter().map(mirrored).collect();
            server.respond_batch(ticket, &answers, soon()).expect("an answer");
            let answer = client.receive(soon()).expect("an answer");
            assert_eq!((answer.ticket(), answer.header().item_count() as usize), (ticket, items.len()));
            assert!(answer.batch().expect("a batch").iter().eq(answers.iter().map(Vec::as_slice)));
        }
    }
}

fn mirrored(item: &[u8]) -> Vec<u8> {
    item.iter().rev().copied().collect()
}

pub fn a_batch_of_more_parts_than_one_call_takes_goes_too(fabric: Fabric) {
    let (client, server) = (roomy_client().max_request_items(5000), roomy_server());
    let (mut client, mut server) = fabric.pair_of(&client, &server);
    let items: Vec<_> = (0..5000).map(|nth| payload(nth % 13, nth)).collect();
    let ticket = client.send_batch(METHOD, &items, soon()).expect("a batch");
    let request = server.receive(soon()).expect("a batch");
    assert!(request.batch().expect("a batch").iter().eq(items.iter().map(Vec::as_slice)));
    server.respond_batch(ticket, &items, soon()).expect("an answer");
    let answer = client.receive(soon()).expect("an answer");
    assert!(answer.batch().expect("a batch").iter().eq(items.iter().map(Vec::as_slice)));
}

pub fn batches_are_built_in_place(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair_of(&ClientConfig::new().max_request_items(4), &ServerConfig::new());
    let items = [payload(5, 1), payload(0, 2), payload(8, 3)];
    let ticket = client
        .send_batch_with(METHOD, 4, soon(), |batch| items.iter().try_for_each(|item| batch.push(item)))
        .expect("a batch");
    let (requests, responses) = server.halves();
    let request = requests.receive(soon()).expect("a batch");
    let found = request.batch().expect("a batch");
    assert!(found.iter().eq(items.iter().map(Vec::as_slice)));
    let answered = responses.respond_batch_with(request.ticket(), 3, soon(), |batch| {
        found.iter().try_for_each(|item| batch.push_with(|writer| writer.append(&mirrored(item))))
    });
    answered.expect("an answer");
    let answer = client.receive(soon()).expect("an answer");
    assert_eq!(answer.ticket(), ticket);
    assert!(answer.batch().expect("a batch").iter().eq(items.iter().map(|item| mirrored(item))));

    let limit = |limit, asked, allowed| BuildError::Session(Error::Limit(LimitExceeded { limit, asked, allowed }));
    let none = client.send_batch_with(METHOD, 4, soon(), |_| Ok::<(), BatchError>(()));
    assert_eq!(none, Err(BuildError::Session(Error::EmptyBatch)));
    let room_for_more = client.send_batch_with(METHOD, 5, soon(), |batch| batch.push(b"x"));
    assert_eq!(room_for_more, Err(limit(Limit::RequestItems, 5, 4)));
    let too_long = client.send_batch_with(METHOD, 1, soon(), |batch| batch.push(&[1; 1024]));
    assert_eq!(too_long, Err(limit(Limit::RequestPayload, 8 + 1024, 1024)));
    let one_too_many =
        client.send_batch_with(METHOD, 1, soon(), |batch| batch.push(b"1").and_then(|()| batch.push(b"2")));
    assert_eq!(one_too_many, Err(BuildError::Build(BatchError::Full { max_items: 1 })));
    assert_eq!((client.in_flight(), client.send(METHOD, b"on", soon()).map(|ticket| ticket.id())), (0, Ok(2)));
}

pub fn batches_and_statuses_go_without_waiting_too(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair_of(&ClientConfig::new().max_request_items(2), &ServerConfig::new());
    let built = |items: &[&[u8]]| {
        let mut bytes = vec![0; 256];
        let mut writer = Writer::new(&mut bytes);
        let mut batch = BatchBuilder::new(&mut writer, 2);
        items.iter().try_for_each(|item| batch.push(item)).expect("room");
        batch.finish().expect("room");
        let len = writer.len();
        bytes.truncate(len);
        Bytes::from(bytes)
    };
    let payload = built(&[b"one", b"two"]);
    assert_eq!(client.try_send_batch(METHOD, 0, payload.clone()), Err(Error::EmptyBatch));
    let limit = |limit| Err(Error::Limit(LimitExceeded { limit, asked: 3, allowed: 2 }));
    assert_eq!(client.try_send_batch(METHOD, 3, payload.clone()), limit(Limit::RequestItems));
    let malformed = client.try_send_batch(METHOD, 2, Bytes::from_static(b"no directory"));
    assert!(matches!(malformed, Err(Error::Malformed(_))), "{malformed:?}");
    let ticket = client.try_send_batch(METHOD, 2, payload.clone()).expect("a batch").expect("room");
    let request = server.receive(soon()).expect("a batch");
    assert!(request.batch().expect("a batch").iter().eq([b"one", b"two"]));
    assert_eq!(
        server.try_respond_batch(ticket, 3, payload),
        limit(Limit::ResponseItems).map(|_: Option<Ticket>| false)
    );
    assert_eq!(server.try_respond_batch(ticket, 2, built(&[b"1", b"2"])), Ok(true));
    assert!(client.receive(soon()).expect("an answer").batch().expect("a batch").iter().eq([b"1", b"2"]));

    let ticket = client.try_send(METHOD, Bytes::new()).expect("a request").expect("room");
    server.receive(soon()).expect("a request");
    assert_eq!(server.try_respond_status(ticket, Status::Unsupported), Ok(true));
    assert_eq!(server.try_respond_status(ticket, Status::Unsupported), Err(Error::NotInFlight { id: ticket.id() }));
    let answer = client.receive(soon()).expect("an answer");
    assert_eq!((answer.ticket(), answer.status(), answer.payload()), (ticket, Status::Unsupported, &[][..]));
}

pub fn answers_come_in_any_order_to_their_requests(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair();
    let mut asked = BTreeMap::new();
    let mut waiting: Vec<OwnedMessage> = Vec::new();
    while asked.len() < 64 {
        // As many as the link holds, and no more.
        for nth in asked.len()..asked.len() + fabric.holds() {
            let ticket = client.send(METHOD, &payload(nth, nth), soon()).expect("a request");
            asked.insert(ticket.id(), payload(nth, nth));
            assert_eq!(client.in_flight(), nth + 1);
        }
        for nth in waiting.len()..asked.len() {
            waiting.push(server.receive(soon()).expect("a request").keep());
            assert_eq!((server.in_flight(), server.received()), (nth + 1, nth as u64 + 1));
        }
    }
    // Every fifth, then every fifth of those left, and so on.
    let mut order = Vec::new();
    while !waiting.is_empty() {
        order.push(waiting.remove(waiting.len() / 5));
    }
    assert!(!order.is_sorted_by_key(|request| request.ticket().id()));
    for answered in order.chunks(fabric.holds()) {
        for request in answered {
            let before = server.in_flight();
            server.respond(request.ticket(), request.payload(), soon()).expect("an answer");
            assert_eq!(server.in_flight(), before - 1);
        }
        for request in answered {
            let answer = client.receive(soon()).expect("an answer");
            assert_eq!(answer.ticket(), request.ticket());
            assert_eq!(answer.payload(), asked[&answer.ticket().id()]);
            assert_eq!(client.in_flight() as u64 + client.received(), 64);
        }
    }
    assert_eq!((client.in_flight(), server.in_flight(), client.received()), (0, 0, 64));
}

pub fn tickets_count_from_one_and_name_the_method(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair();
    for (nth, code) in [1, 0, u16::MAX].into_iter().enumerate() {
        let ticket = client.send(Method::new(code), b"", soon()).expect("a request");
        assert_eq!((ticket.id(), ticket.method()), (nth as u64 + 1, Method::new(code)));
        let request = server.receive(soon()).expect("a request");
        assert_eq!(request.ticket(), ticket);
        server.respond(ticket, b"", soon()).expect("an answer");
        assert_eq!(client.receive(soon()).expect("an answer").ticket(), ticket);
    }
}

pub fn a_status_comes_without_a_payload(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair();
    for status in [Status::Unsupported, Status::InternalError, Status::LimitExceeded, Status::Ok] {
        let ticket = client.send(METHOD, b"?", soon()).expect("a request");
        server.receive(soon()).expect("a request");
        server.respond_status(ticket, status, soon()).expect("an answer");
        let answer = client.receive(soon()).expect("an answer");
        assert_eq!((answer.ticket(), answer.status(), answer.payload()), (ticket, status, &b""[..]));
    }
}

pub fn a_message_that_is_kept_lives_on_in_other_threads(fabric: Fabric) {
    let sizes = [0, 1, 100, 10_000, 500_000];
    fabric.serving((&roomy_client(), &roomy_server()), echo, |client| {
        thread::scope(|scope| {
            let (keep, kept) = mpsc::channel::<(usize, Bytes)>();
            let keeping = scope.spawn(move || kept.into_iter().collect::<Vec<_>>());
            for nth in 0..40 {
                client.send(METHOD, &payload(sizes[nth % 5], nth), soon()).expect("a request");
                let answer = client.receive(soon()).expect("an answer");
                let stands_at = answer.payload().as_ptr();
                let kept = answer.keep().into_payload();
                // Not copied.
                assert!(kept.is_empty() || kept.as_ptr() == stands_at);
                keep.send((nth, kept)).expect("a thread that keeps");
            }
            drop(keep);
            let kept = keeping.join().expect("a thread that keeps");
            assert_eq!(kept.len(), 40);
            for (nth, bytes) in kept {
                assert!(bytes == payload(sizes[nth % 5], nth), "{nth}");
            }
        });
    });
}

pub fn halves_work_in_threads_of_their_own(fabric: Fabric) {
    const REQUESTS: usize = 2000;
    let len = |nth: usize| nth * 13 % 3000;
    let (client, server) = fabric.pair();
    let (mut requests, mut answers) = client.split();
    let (mut asked, mut answering) = server.split();
    thread::scope(|scope| {
        scope.spawn(move || {
            for nth in 0..REQUESTS {
                let ticket = requests.send(METHOD, &payload(len(nth), nth), soon()).expect("a request");
                assert_eq!(ticket.id(), nth as u64 + 1);
            }
        });
        let (pass, passed) = mpsc::channel::<OwnedMessage>();
        scope.spawn(move || {
            for _ in 0..REQUESTS {
                pass.send(asked.receive(soon()).expect("a request").keep()).expect("somebody who answers");
            }
            // The client has no more to ask, and goes when it has its answers.
            assert_eq!(asked.receive(soon()).err(), Some(Error::Closed { mid_message: false }));
        });
        scope.spawn(move || {
            for request in passed {
                answering.respond(request.ticket(), request.payload(), soon()).expect("an answer");
            }
        });
        scope.spawn(move || {
            for nth in 0..REQUESTS {
                let answer = answers.receive(soon()).expect("an answer");
                assert_eq!(answer.ticket().id(), nth as u64 + 1);
                assert!(answer.payload() == payload(len(nth), nth), "{nth}");
            }
        });
    });
}

pub fn an_unsplit_client_does_not_deadlock_with_full_buffers(fabric: Fabric) {
    const REQUESTS: usize = 600;
    // Each way far more than both buffers hold, in packets and in messages of several.
    let len = |nth: usize| if nth % 100 == 99 { 300_000 } else { 4_000 };
    fabric.serving((&roomy_client(), &roomy_server()), echo, |client| {
        let mut put_by = false;
        for nth in 0..REQUESTS {
            client.send(METHOD, &payload(len(nth), nth), soon()).expect("a request");
            put_by |= client.has_backlog();
        }
        assert!(put_by);
        for nth in 0..REQUESTS {
            let answer = client.receive(soon()).expect("an answer");
            assert_eq!(answer.ticket().id(), nth as u64 + 1);
            assert!(answer.payload() == payload(len(nth), nth), "{nth}");
        }
        assert_eq!((client.in_flight(), client.has_backlog()), (0, false));
        assert_eq!(client.received(), REQUESTS as u64);
        assert!(client.try_receive().expect("a session").is_none());
    });
}
