//! What is refused before it is sent, and what ends a session when it comes all the same.

use std::thread;

use netipc::session::{
    BuildError, Bytes, ClientConfig, ClientSession, Error, Limit, LimitExceeded, ServerConfig, ServerSession, Ticket,
};
use netipc::wire::Status;

use crate::fabric::{Fabric, METHOD, now, payload, roomy_client, roomy_server, soon};

fn exceeded(limit: Limit, asked: u64, allowed: u64) -> Error {
    Error::Limit(LimitExceeded { limit, asked, allowed })
}

pub fn what_is_too_large_is_not_sent(fabric: Fabric) {
    let client = ClientConfig::new().max_request_payload(500);
    let (mut client, mut server) = fabric.pair_of(&client, &ServerConfig::new().max_response_payload(600));
    let too_large = exceeded(Limit::RequestPayload, 501, 500);
    assert_eq!(client.send(METHOD, &[1; 501], soon()), Err(too_large.clone()));
    assert_eq!(client.try_send(METHOD, payload(501, 0).into()), Err(too_large));
    // A directory, and each item padded to 8.
    let items = [vec![1; 241], vec![2; 240]];
    assert_eq!(client.send_batch(METHOD, &items, soon()), Err(exceeded(Limit::RequestPayload, 16 + 248 + 240, 500)));
    assert_eq!(client.in_flight(), 0);
    let ticket = client.send(METHOD, &[1; 500], soon()).expect("a request of the largest size");
    assert_eq!(ticket.id(), 1);
    assert_eq!(server.receive(soon()).expect("a request").payload().len(), 500);

    let too_large = exceeded(Limit::ResponsePayload, 601, 600);
    assert_eq!(server.respond(ticket, &[1; 601], soon()), Err(too_large.clone()));
    assert_eq!(server.try_respond(ticket, payload(601, 0).into()), Err(too_large));
    assert_eq!(server.respond_batch(ticket, &[[1; 593]], soon()), Err(exceeded(Limit::ResponsePayload, 608, 600)));
    assert_eq!(server.in_flight(), 1);
    server.respond(ticket, &[1; 600], soon()).expect("an answer of the largest size");
    assert_eq!(client.receive(soon()).expect("an answer").payload().len(), 600);
}

pub fn too_many_items_are_not_sent(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair_of(&ClientConfig::new().max_request_items(4), &ServerConfig::new());
    assert_eq!(client.send_batch(METHOD, &[[1]; 5], soon()), Err(exceeded(Limit::RequestItems, 5, 4)));
    let ticket = client.send_batch(METHOD, &[[1]; 4], soon()).expect("a batch of the largest size");
    assert_eq!(server.receive(soon()).expect("a batch").batch().expect("a batch").len(), 4);
    assert_eq!(server.respond_batch(ticket, &[[1]; 5], soon()), Err(exceeded(Limit::ResponseItems, 5, 4)));
    server.respond_batch(ticket, &[[1]; 4], soon()).expect("an answer of the largest size");
    assert_eq!(client.receive(soon()).expect("an answer").ticket(), ticket);
}

pub fn a_batch_has_an_item(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair();
    let nothing: [&[u8]; 0] = [];
    assert_eq!(client.send_batch(METHOD, &nothing, soon()), Err(Error::EmptyBatch));
    assert_eq!(client.in_flight(), 0);
    let ticket = client.send_batch(METHOD, &[b""], soon()).expect("a batch");
    server.receive(soon()).expect("a batch");
    assert_eq!(server.respond_batch(ticket, &nothing, soon()), Err(Error::EmptyBatch));
    server.respond_batch(ticket, &[b""], soon()).expect("an answer");
    assert_eq!(client.receive(soon()).expect("an answer").batch().expect("a batch").len(), 1);
}

pub fn a_client_waits_for_so_many_answers_only(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair_of(&ClientConfig::new().max_in_flight(2), &ServerConfig::new());
    let first = client.send(METHOD, b"1", soon()).expect("a request");
    server.receive(soon()).expect("a request");
    // Whether it has come makes no difference.
    client.send(METHOD, b"2", soon()).expect("a request");
    for _ in 0..2 {
        assert_eq!(client.send(METHOD, b"3", soon()), Err(exceeded(Limit::InFlight, 3, 2)));
    }
    server.receive(soon()).expect("a request");
    server.respond(first, b"", soon()).expect("an answer");
    client.receive(soon()).expect("an answer");
    assert_eq!(client.send(METHOD, b"3", soon()).expect("a request").id(), 3);
}

pub fn a_server_lets_so_many_requests_wait_only(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair_of(&ClientConfig::new(), &ServerConfig::new().max_in_flight(2));
    let mut send = || client.send(METHOD, b"", soon()).expect("a request");
    let ticket = send();
    server.receive(soon()).expect("a request");
    send();
    server.receive(soon()).expect("a request");
    send();
    let ended = exceeded(Limit::InFlight, 3, 2);
    for _ in 0..2 {
        assert_eq!(server.receive(soon()).err(), Some(ended.clone()));
        assert_eq!(server.try_receive().err(), Some(ended.clone()));
        assert_eq!(server.respond(ticket, b"", soon()), Err(ended.clone()));
    }
    assert_eq!(client.receive(soon()).err(), Some(Error::Closed { mid_message: false }));
}

pub fn a_client_takes_no_answer_beyond_its_ceiling(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair_of(&ClientConfig::new().response_ceiling(10), &ServerConfig::new());
    for (len, ended) in [(10, None), (11, Some(exceeded(Limit::ResponsePayload, 11, 10)))] {
        let ticket = client.send(METHOD, b"", soon()).expect("a request");
        server.receive(soon()).expect("a request");
        server.respond(ticket, &payload(len, 0), soon()).expect("an answer within the terms");
        assert_eq!(client.receive(soon()).err(), ended);
        assert_eq!(client.send(METHOD, b"", soon()).err(), ended);
        if ended.is_none() {
            let ticket = server.receive(soon()).expect("a request").ticket();
            server.respond_status(ticket, Status::Ok, soon()).expect("an answer");
            client.receive(soon()).expect("an answer");
        }
    }
    assert_eq!(server.receive(soon()).err(), Some(Error::Closed { mid_message: false }));
}

/// Has the server take requests until three or more wait for their answers, and leaves the client without room.
fn fill(client: &mut ClientSession, server: &mut ServerSession, request: &Bytes) -> Vec<Ticket> {
    let mut tickets = Vec::new();
    while tickets.len() < 3 {
        let before = tickets.len();
        while let Some(ticket) = client.try_send(METHOD, request.clone()).expect("a session") {
            tickets.push(ticket);
        }
        for ticket in &tickets[before..] {
            assert_eq!(server.receive(soon()).expect("a request").ticket(), *ticket);
        }
    }
    while client.try_send(METHOD, request.clone()).expect("a session").is_some() {}
    tickets
}

/// Lets a server that receives nothing send `answer` to all of these, while the client does something.
fn answering<R>(server: &mut ServerSession, tickets: &[Ticket], answer: &[u8], client: impl FnOnce() -> R) -> R {
    thread::scope(|scope| {
        // It may have to wait for room.
        scope.spawn(move || {
            tickets.iter().for_each(|&ticket| server.respond(ticket, answer, soon()).expect("a client"))
        });
        client()
    })
}

pub fn answers_are_put_by_up_to_the_backlog_only(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair_of(&roomy_client().max_backlog(10_000), &roomy_server());
    let request = Bytes::from(payload(9_000, 0));
    let tickets = fill(&mut client, &mut server, &request);
    let in_flight = client.in_flight();
    answering(&mut server, &tickets, &request, || {
        // Two answers reach the bound, and there is no room for the request yet.
        assert_eq!(client.send(METHOD, &request, soon()), Err(exceeded(Limit::Backlog, 18_064, 10_000)));
        assert!(client.has_backlog());
        assert_eq!((client.in_flight(), client.received()), (in_flight - 2, 2));
        // It was not sent, and the session goes on.
        for (nth, ticket) in tickets.iter().enumerate() {
            assert_eq!(client.has_backlog(), nth < 2);
            let deadline = if nth < 2 { now() } else { soon() };
            assert_eq!(client.receive(deadline).expect("an answer").ticket(), *ticket);
        }
    });
    assert_eq!((client.in_flight(), client.has_backlog()), (in_flight - tickets.len(), false));
}

pub fn empty_answers_that_are_put_by_take_room_too(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair_of(&roomy_client().max_backlog(64), &roomy_server());
    let request = Bytes::from(payload(9_000, 0));
    let tickets = fill(&mut client, &mut server, &request);
    answering(&mut server, &tickets[..3], b"", || {
        assert_eq!(client.send(METHOD, &request, soon()), Err(exceeded(Limit::Backlog, 64, 64)));
        assert_eq!(client.received(), 2);
    });
}

pub fn who_sends_too_late_puts_one_answer_by_at_most(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair_of(&roomy_client(), &roomy_server());
    let request = Bytes::from(payload(9_000, 0));
    let tickets = fill(&mut client, &mut server, &request);
    let mut unanswered = tickets[..3].iter();
    for late in 1..=3 {
        // As many answers as the link holds are there.
        for ticket in unanswered.by_ref().take(if late == 1 { fabric.holds() } else { 1 }) {
            server.respond(*ticket, b"", soon()).expect("an answer");
        }
        assert_eq!(client.send(METHOD, &request, now()), Err(Error::TimedOut));
        assert_eq!(client.received(), late);
    }
    assert_eq!(client.send(METHOD, &request, now()), Err(Error::TimedOut));
    assert_eq!(client.received(), 3);
}

pub fn a_request_is_answered_once(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair();
    let ticket = client.send(METHOD, b"", soon()).expect("a request");
    // Not before it has come.
    assert_eq!(server.respond(ticket, b"early", soon()), Err(Error::NotInFlight { id: 1 }));
    server.receive(soon()).expect("a request");
    server.respond(ticket, b"once", soon()).expect("an answer");
    let twice = Err(Error::NotInFlight { id: 1 });
    assert_eq!(server.respond(ticket, b"twice", soon()), twice);
    assert_eq!(server.respond_status(ticket, Status::Ok, soon()), twice);
    assert_eq!(server.respond_batch(ticket, &[b"twice"], soon()), twice);
    assert_eq!(server.try_respond(ticket, b"twice"[..].into()).err(), twice.clone().err());
    let built = server.respond_with::<()>(ticket, soon(), |_| Ok(()));
    assert_eq!(built, Err(BuildError::Session(Error::NotInFlight { id: 1 })));
    assert_eq!(client.receive(soon()).expect("an answer").payload(), b"once");
    assert!(client.try_receive().expect("a session").is_none());
}

pub fn what_was_not_built_is_not_sent(fabric: Fabric) {
    let (mut client, mut server) = fabric.pair();
    for _ in 0..2 {
        let sent = client.send_with(METHOD, soon(), |writer| {
            writer.append(b"half of i");
            Err("no more")
        });
        assert_eq!(sent, Err(BuildError::Build("no more")));
    }
    assert_eq!(client.in_flight(), 0);
    assert!(server.try_receive().expect("a session").is_none());
    let sent = client.send_with::<()>(METHOD, soon(), |writer| {
        writer.append(b"all of it");
        Ok(())
    });
    let ticket = sent.expect("a request");
    assert_eq!(ticket.id(), 1);
    assert_eq!(server.receive(soon()).expect("a request").payload(), b"all of it");

    let answered = server.respond_with(ticket, soon(), |writer| {
        writer.append(b"half");
        Err(7)
    });
    assert_eq!(answered, Err(BuildError::Build(7)));
    assert_eq!(server.in_flight(), 1);
    assert!(client.try_receive().expect("a session").is_none());
    let answered = server.respond_with::<()>(ticket, soon(), |writer| {
        writer.append(b"all");
        Ok(())
    });
    assert_eq!(answered, Ok(()));
    assert_eq!(client.receive(soon()).expect("an answer").payload(), b"all");
}

pub fn what_was_built_too_large_is_not_sent(fabric: Fabric) {
    let client = ClientConfig::new().max_request_payload(40);
    let (mut client, mut server) = fabric.pair_of(&client, &ServerConfig::new().max_response_payload(50));
    let mut send = |len: usize| {
        client.send_with::<()>(METHOD, soon(), |writer| {
            writer.append(&payload(len, 0));
            Ok(())
        })
    };
    assert_eq!(send(41), Err(BuildError::Session(exceeded(Limit::RequestPayload, 41, 40))));
    let ticket = send(40).expect("a request of the largest size");
    assert_eq!(ticket.id(), 1);
    assert_eq!(server.receive(soon()).expect("a request").payload(), payload(40, 0));
    let mut respond = |len: usize| {
        server.respond_with::<()>(ticket, soon(), |writer| {
            writer.append(&payload(len, 1));
            Ok(())
        })
    };
    assert_eq!(respond(51), Err(BuildError::Session(exceeded(Limit::ResponsePayload, 51, 50))));
    assert_eq!(respond(50), Ok(()));
    assert_eq!(client.receive(soon()).expect("an answer").payload(), payload(50, 1));
}
