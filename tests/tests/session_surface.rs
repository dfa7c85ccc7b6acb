//! What holds for the types of a session whatever they are used for: where they may go, and what they print.
#![cfg(target_os = "linux")]

use core::fmt::Debug;

use bytes::Bytes;
use netipc::buf::Writer;
use netipc::session::{
    Abort, Arriving, ClientConfig, ClientSession, Connecting, Deadline, Error, Listener, Message, OwnedMessage,
    RequestReceiver, RequestSender, ResponseReceiver, ResponseSender, ServerConfig, ServerSession,
};
use netipc::wire::{AuthToken, Method};
use netipc_tests::processes::pair;

const NEVER: Deadline = Deadline::NEVER;
const SECRET: u64 = 0x5ec7_e75e_c7e7_5ec7;

#[test]
fn everything_can_go_to_another_thread_and_what_is_shared_between_threads_can_be() {
    fn goes<T: Send>() {}
    fn is_shared<T: Send + Sync + Clone>() {}
    goes::<(ClientSession, RequestSender, ResponseReceiver)>();
    goes::<(ServerSession, RequestReceiver, ResponseSender)>();
    goes::<(Listener, Connecting, Arriving, Message<'_>)>();
    is_shared::<(Abort, ClientConfig, ServerConfig, OwnedMessage, Error, Deadline)>();
}

/// What is printed of it, which is short and tells neither the token nor a payload.
fn assert_discreet(value: &impl Debug) {
    for printed in [format!("{value:?}"), format!("{value:#?}")] {
        assert!(printed.len() < 5000, "{} bytes", printed.len());
        for told in [format!("{SECRET}"), format!("{SECRET:x}"), "private".to_owned(), format!("{:?}", b"private")] {
            assert!(!printed.contains(&told), "{printed}");
        }
    }
}

#[test]
fn what_is_printed_is_short_and_tells_neither_payloads_nor_the_token() {
    let token = AuthToken::new(SECRET);
    let most = 1 << 20;
    let (client, server) = (
        ClientConfig::new().auth_token(token).max_request_payload(most),
        ServerConfig::new().auth_token(token).max_response_payload(most),
    );
    assert_discreet(&client);
    assert_discreet(&server);
    let (mut client, mut server) = pair(&client, &server);
    let build = |writer: &mut Writer<'_>| {
        writer.append(b"private");
        Ok::<(), ()>(())
    };
    let ticket = client.send_with(Method::new(1), NEVER, build).unwrap();
    assert_discreet(&server.receive(NEVER).unwrap());
    server.respond(ticket, b"private", NEVER).unwrap();
    let answer = client.receive(NEVER).unwrap();
    assert_discreet(&answer);
    let large = Bytes::from(b"private".repeat(100_000));
    while client.try_send(Method::new(1), large.clone()).unwrap().is_some() {}
    assert!(client.wants_write());
    assert_discreet(&client);
    assert_discreet(&server);
}
