use bytes::Bytes;

use super::{Host, InProcess, Nearby};
use crate::buf::Writer;
use crate::client::{Client, Stub};
use crate::server::Server;
use crate::service::{Call, Dispatch, Failure, MethodInfo, Service};
use crate::session::{ClientConfig, ClientSession, Deadline, Error, Fault, Limit, Script};
use crate::sync::Arc;
use crate::wire::{Method, Status};

const NEVER: Deadline = Deadline::NEVER;
const TWICE: Method = Method::new(1);
const SERVICE: Service = Service::new("twice", &[MethodInfo::new("twice", 1)]);

struct Nobody(Client);

impl Stub for Nobody {
    const SERVICE: &'static Service = &SERVICE;

    fn over(client: Client) -> Self {
        Self(client)
    }

    fn into_client(self) -> Client {
        self.0
    }
}

/// Answers with the request, two times.
struct Twice;

impl Dispatch for Twice {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn dispatch(&self, _: &Call<'_>, request: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure> {
        reply.append(request);
        reply.append(request);
        Ok(())
    }
}

fn host(set: impl FnOnce(Server<Nobody>) -> Server<Nobody>) -> Arc<Host> {
    InProcess::new(set(Server::with_stub(Twice))).host
}

fn connect(host: &Host, config: &ClientConfig) -> ClientSession {
    host.connect(config, NEVER).unwrap()
}

fn large() -> ClientConfig {
    ClientConfig::new().max_request_payload(1 << 20)
}

#[test]
fn a_batch_is_answered_item_by_item() {
    let mut client = connect(&host(|server| server), &ClientConfig::new());
    let ticket = client.send_batch(TWICE, &[&b"one"[..], b"", b"three"], NEVER).unwrap();
    let answer = client.receive(NEVER).unwrap();
    assert_eq!((answer.ticket(), answer.status()), (ticket, Status::Ok));
    assert!(answer.batch().unwrap().iter().eq([&b"oneone"[..], b"", b"threethree"]));
}

#[test]
fn requests_that_find_no_room_are_served_and_their_answers_put_by() {
    const LEN: usize = 100_000;
    let mut client = connect(&host(|server| server), &large());
    // Many times what may be under way.
    let tickets: Vec<_> = (0..40).map(|at| client.send(TWICE, &vec![at; LEN], NEVER).unwrap()).collect();
    for (at, ticket) in (0..40).zip(tickets) {
        let answer = client.receive(NEVER).unwrap();
        assert_eq!((answer.ticket(), answer.payload() == vec![at; 2 * LEN]), (ticket, true));
    }
}

#[test]
fn a_message_of_more_packets_than_are_taken_at_a_time_is_served() {
    let mut client = connect(&host(|server| server), &large().packet_size(64));
    let payload = vec![7; 200_000];
    client.send(TWICE, &payload, NEVER).unwrap();
    assert_eq!(client.receive(NEVER).unwrap().payload().len(), 2 * payload.len());
}

#[test]
fn who_does_not_wait_has_the_server_act_by_looking() {
    let mut client = connect(&host(|server| server), &large().packet_size(64));
    let payload = Bytes::from(vec![7; 400_000]);
    client.try_send(TWICE, payload.clone()).unwrap().unwrap();
    assert!(client.wants_write());
    let answer = loop {
        client.try_flush().unwrap();
        if let Some(answer) = client.try_receive().unwrap() {
            break answer.payload().len();
        }
    };
    assert_eq!(answer, 2 * payload.len());
}

#[test]
fn a_server_that_ends_the_session_is_seen_to_have_hung_up() {
    let mut client = connect(&host(|server| server.max_response_payload(16)), &ClientConfig::new());
    client.send(TWICE, b"too long for it", NEVER).unwrap();
    assert_eq!(client.receive(NEVER).unwrap().status(), Status::LimitExceeded);
    assert!(client.has_hung_up());
    assert_eq!(client.receive(NEVER).map(drop), Err(Error::Closed { mid_message: false }));
    let sent = client.send(TWICE, b"", NEVER);
    assert_eq!(sent, Err(Error::Closed { mid_message: false }));
}

#[test]
fn a_request_that_is_late_is_waited_for() {
    let host = host(|server| server);
    let delay = core::time::Duration::from_millis(3);
    let script = Script::new().to_server(0, Fault::Delay(delay)).to_server(1, Fault::Delay(delay));
    lock_in(&host, script.to_client(1, Fault::Delay(delay)));
    let mut client = connect(&host, &ClientConfig::new());
    client.send(TWICE, b"x", NEVER).unwrap();
    assert_eq!(client.receive(NEVER).unwrap().payload(), b"xx");
}

#[test]
fn a_backlog_is_bounded() {
    let mut client = connect(&host(|server| server), &large().max_backlog(1000));
    let refused = (0..100).find_map(|_| client.send(TWICE, &[1; 10_000], NEVER).err());
    let Some(Error::Limit(exceeded)) = refused else { panic!("{refused:?}") };
    assert_eq!(exceeded.limit, Limit::Backlog);
}

#[test]
fn ids_of_sessions_are_never_the_same() {
    let host = host(|server| server);
    let ids: Vec<_> = (0..3).map(|_| connect(&host, &ClientConfig::new()).terms().session_id).collect();
    assert_eq!(ids, [1, 2, 3]);
}

fn lock_in(host: &Host, script: Script) {
    crate::sync::lock(&host.scripts).push_back(script);
}
