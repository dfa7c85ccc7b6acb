//! What is beyond a limit is refused by whoever would have sent it, by name, and the session goes on.

use core::convert::Infallible;

use bytes::Bytes;
use netipc::buf::Writer;
use netipc::session::{
    BuildError, ClientConfig, ClientSession, Deadline, Error, Limit, LimitExceeded, ServerConfig, ServerSession, Ticket,
};
use netipc::wire::Method;
use netipc_tests::processes::pair;

const METHOD: Method = Method::new(7);
const NEVER: Deadline = Deadline::NEVER;

fn beyond(limit: Limit, asked: u64, allowed: u64) -> Error {
    LimitExceeded { limit, asked, allowed }.into()
}

fn fill(writer: &mut Writer<'_>, len: usize) -> Result<(), Infallible> {
    (0..len).for_each(|_| writer.append(b"x"));
    Ok(())
}

fn call(client: &mut ClientSession, server: &mut ServerSession, request: &[u8], response: &[u8]) {
    let ticket = ask(client, server, request);
    server.respond(ticket, response, NEVER).unwrap();
    assert_eq!(client.receive(NEVER).unwrap().payload(), response);
}

fn ask(client: &mut ClientSession, server: &mut ServerSession, request: &[u8]) -> Ticket {
    let sent = client.send(METHOD, request, NEVER).unwrap();
    let received = server.receive(NEVER).unwrap();
    assert_eq!((received.ticket(), received.payload()), (sent, request));
    sent
}

#[test]
fn a_request_of_one_byte_too_many_is_not_sent() {
    let (mut client, mut server) =
        pair(&ClientConfig::new().max_request_payload(100), &ServerConfig::new().max_request_payload(100));
    let refusal = beyond(Limit::RequestPayload, 101, 100);
    assert_eq!(client.send(METHOD, &[0; 101], NEVER), Err(refusal.clone()));
    assert_eq!(client.try_send(METHOD, Bytes::from_static(&[0; 101])), Err(refusal.clone()));
    let refused = client.send_with(METHOD, NEVER, |writer| fill(writer, 101));
    assert_eq!(refused, Err(BuildError::Session(refusal)));
    // 3 entries of 8 bytes, and 26 bytes of each item in 32.
    let items = [[0; 26], [0; 26], [0; 26]];
    assert_eq!(client.send_batch(METHOD, &items, NEVER), Err(beyond(Limit::RequestPayload, 120, 100)));
    assert_eq!((client.in_flight(), server.try_receive().unwrap().is_none()), (0, true));
    call(&mut client, &mut server, &[1; 100], b"answer");
    // Nothing that was refused has used an id up.
    assert_eq!(ask(&mut client, &mut server, b"").id(), 2);
}

#[test]
fn a_response_of_one_byte_too_many_is_not_sent_and_its_request_goes_on_waiting() {
    let (mut client, mut server) = pair(&ClientConfig::new(), &ServerConfig::new().max_response_payload(100));
    let ticket = ask(&mut client, &mut server, b"question");
    let refusal = beyond(Limit::ResponsePayload, 101, 100);
    assert_eq!(server.respond(ticket, &[0; 101], NEVER), Err(refusal.clone()));
    assert_eq!(server.try_respond(ticket, Bytes::from_static(&[0; 101])), Err(refusal.clone()));
    let refused = server.respond_with(ticket, NEVER, |writer| fill(writer, 101));
    assert_eq!(refused, Err(BuildError::Session(refusal)));
    let items = [[0; 26], [0; 26], [0; 26]];
    assert_eq!(server.respond_batch(ticket, &items, NEVER), Err(beyond(Limit::ResponsePayload, 120, 100)));
    assert_eq!((server.in_flight(), client.try_receive().unwrap().is_none()), (1, true));
    server.respond(ticket, &[2; 100], NEVER).unwrap();
    assert_eq!(client.receive(NEVER).unwrap().payload(), [2; 100]);
    assert_eq!(server.respond(ticket, &[2; 100], NEVER), Err(Error::NotInFlight { id: ticket.id() }));
    call(&mut client, &mut server, b"next", b"answer");
}

#[test]
fn a_batch_of_too_many_items_or_none_is_not_sent() {
    let (mut client, mut server) = pair(&ClientConfig::new().max_request_items(4), &ServerConfig::new());
    let none: [&[u8]; 0] = [];
    assert_eq!(client.send_batch(METHOD, &[b"x"; 5], NEVER), Err(beyond(Limit::RequestItems, 5, 4)));
    assert_eq!(client.send_batch(METHOD, &none, NEVER), Err(Error::EmptyBatch));
    let ticket = client.send_batch(METHOD, &[b"x"; 4], NEVER).unwrap();
    assert_eq!(server.receive(NEVER).unwrap().batch().unwrap().into_iter().count(), 4);
    assert_eq!(server.respond_batch(ticket, &[b"y"; 5], NEVER), Err(beyond(Limit::ResponseItems, 5, 4)));
    assert_eq!(server.respond_batch(ticket, &none, NEVER), Err(Error::EmptyBatch));
    server.respond_batch(ticket, &[b"y"; 4], NEVER).unwrap();
    assert_eq!(client.receive(NEVER).unwrap().batch().unwrap().into_iter().count(), 4);
    call(&mut client, &mut server, b"next", b"answer");
}

#[test]
fn one_request_too_many_is_not_sent_until_another_was_answered() {
    let (mut client, mut server) = pair(&ClientConfig::new().max_in_flight(3), &ServerConfig::new());
    let tickets: Vec<_> = (0..3).map(|_| client.send(METHOD, b"x", NEVER).unwrap()).collect();
    assert_eq!(client.send(METHOD, b"x", NEVER), Err(beyond(Limit::InFlight, 4, 3)));
    assert_eq!(client.try_send(METHOD, Bytes::new()), Err(beyond(Limit::InFlight, 4, 3)));
    for ticket in &tickets {
        assert_eq!(server.receive(NEVER).unwrap().ticket(), *ticket);
    }
    assert!(server.try_receive().unwrap().is_none());
    server.respond(tickets[1], b"y", NEVER).unwrap();
    assert_eq!(client.receive(NEVER).unwrap().ticket(), tickets[1]);
    assert_eq!(client.in_flight(), 2);
    assert_eq!(client.send(METHOD, b"x", NEVER).unwrap().id(), 4);
    assert_eq!(server.receive(NEVER).unwrap().ticket().id(), 4);
}

#[test]
fn a_client_with_more_requests_in_flight_than_its_server_bears_is_disconnected() {
    let (mut client, mut server) = pair(&ClientConfig::new(), &ServerConfig::new().max_in_flight(2));
    for _ in 0..3 {
        client.send(METHOD, b"x", NEVER).unwrap();
    }
    server.receive(NEVER).unwrap();
    let ticket = server.receive(NEVER).unwrap().ticket();
    let refusal = beyond(Limit::InFlight, 3, 2);
    assert_eq!(server.receive(NEVER).unwrap_err(), refusal);
    assert_eq!(server.receive(NEVER).unwrap_err(), refusal);
    assert_eq!(server.respond(ticket, b"late", NEVER), Err(refusal));
    assert_eq!(client.receive(NEVER).unwrap_err(), Error::Closed { mid_message: false });
    assert_eq!(client.send(METHOD, b"x", NEVER), Err(Error::Closed { mid_message: false }));
}

#[test]
fn a_response_beyond_what_its_client_bears_ends_the_session() {
    let (mut client, mut server) =
        pair(&ClientConfig::new().response_ceiling(10), &ServerConfig::new().max_response_payload(1000));
    call(&mut client, &mut server, b"small", &[1; 10]);
    let ticket = ask(&mut client, &mut server, b"large");
    server.respond(ticket, &[1; 11], NEVER).unwrap();
    let refusal = beyond(Limit::ResponsePayload, 11, 10);
    assert_eq!(client.receive(NEVER).unwrap_err(), refusal);
    assert_eq!(client.send(METHOD, b"x", NEVER), Err(refusal));
    assert_eq!(server.receive(NEVER).unwrap_err(), Error::Closed { mid_message: false });
}
