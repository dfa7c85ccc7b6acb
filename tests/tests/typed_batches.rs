//! Many calls of one method in one message: what each answer is, what goes out, and what a server can do wrong about it.
#![cfg(target_os = "linux")]

use std::thread;

use netipc::client::{Config, State};
use netipc::session::{Deadline, Error, Limit, LimitExceeded, Listener, ServerConfig, ServerSession};
use netipc::wire::{BatchBuilder, Header, Method, Profiles, Status};
use netipc::{CallError, WireMessage};
use netipc_tests::raw::{RawServer, RunDir, whole};

const NEVER: Deadline = Deadline::NEVER;

#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(u16)]
enum Fault {
    Unknown = 1,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
struct Reading {
    sensor: String,
    celsius: f64,
}

#[netipc::service(name = "many")]
trait Many {
    fn next(&self, number: u64) -> u64;
    fn read(&self, sensor: &str) -> Result<Reading, Fault>;
    fn join(&self, one: &str, other: &str, times: u32) -> String;
    fn ping(&self);
    #[method(idempotent = false)]
    fn once(&self, number: u64) -> u64;
}

struct Lab;

impl Many for Lab {
    fn next(&self, number: u64) -> u64 {
        number + 1
    }

    fn read(&self, sensor: &str) -> Result<Reading, Fault> {
        if sensor.starts_with('r') {
            Ok(Reading { sensor: sensor.to_owned(), celsius: 21.5 })
        } else {
            Err(Fault::Unknown)
        }
    }

    fn join(&self, one: &str, other: &str, times: u32) -> String {
        format!("{one}{other}").repeat(times as usize)
    }

    fn ping(&self) {}

    fn once(&self, number: u64) -> u64 {
        number
    }
}

/// A server of `Lab`, and a client of it over either transport.
fn each_transport(test: impl Fn(&mut ManyClient)) {
    for profiles in [Profiles::BASELINE, Profiles::BASELINE | Profiles::SHM_HYBRID] {
        let run_dir = RunDir::new();
        let server = ManyServer::new(Lab).profiles(profiles).max_response_payload(1 << 20);
        let _server = server.bind(run_dir.path()).unwrap().spawn().unwrap();
        let mut client = ManyClient::config().profiles(profiles).connect(run_dir.path()).unwrap();
        assert_eq!(client.status().session.unwrap().profile, profiles.highest());
        test(&mut client);
    }
}

#[test]
fn each_answer_is_what_a_single_call_returns() {
    each_transport(|client| {
        assert!(client.next_batch([1, 2, 40]).unwrap().eq([2, 3, 41]));
        let names = ["roof".to_owned(), "cellar".to_owned()];
        let mut readings = client.read_batch(names.iter().map(String::as_str)).unwrap();
        assert_eq!(readings.next().unwrap().unwrap().to_owned(), Reading { sensor: "roof".into(), celsius: 21.5 });
        assert_eq!(readings.next().unwrap().map(drop), Err(Fault::Unknown));
        assert!(readings.next().is_none());
        let joined = client.join_batch([("a", "b", 2), ("", "", 7), ("c", "", 1)]).unwrap();
        assert_eq!(joined.collect::<Vec<_>>(), ["abab", "", "c"]);
        assert_eq!(client.ping_batch([(); 3]).unwrap().len(), 3);
        assert_eq!((client.status().answered, client.status().connections), (4, 1));
    });
}

#[test]
fn answers_are_looked_at_from_both_ends_and_by_number() {
    each_transport(|client| {
        let mut replies = client.next_batch(0..5).unwrap();
        assert_eq!((replies.len(), replies.get(4), replies.get(5)), (5, Some(5), None));
        assert_eq!((replies.next(), replies.next_back(), replies.len()), (Some(1), Some(5), 3));
        let again = replies.clone();
        assert_eq!((replies.get(0), replies.nth(1), replies.get(usize::MAX)), (Some(2), Some(3), None));
        assert_eq!((replies.next(), replies.next(), replies.is_empty()), (Some(4), None, true));
        assert!(again.rev().eq([4, 3, 2]));
    });
}

#[test]
fn no_calls_are_no_message_and_need_no_server() {
    let mut client = ManyClient::new("/nonexistent");
    assert_eq!(client.next_batch([]).unwrap().len(), 0);
    assert!(matches!(client.next_batch([1]), Err(CallError::NotReady(State::Disconnected))));
}

#[test]
fn both_limits_grow_over_one_new_connection() {
    each_transport(|client| {
        let sum: u64 = client.next_batch(0..5000).unwrap().sum();
        assert_eq!(sum, 5000 * 5001 / 2);
        let status = client.status();
        assert_eq!((status.connections, status.grown, status.repeated), (2, 1, 0));
        assert_eq!(client.next_batch(0..5000).unwrap().len(), 5000);
        assert_eq!(client.status().connections, 2);
    });
}

#[test]
fn more_than_there_may_ever_be_is_not_even_counted() {
    each_transport(|client| {
        let limit = LimitExceeded { limit: Limit::RequestItems, asked: 65_537, allowed: 65_536 };
        // It ends, though the items do not.
        assert_eq!(client.ping_batch(std::iter::repeat(())).map(drop), Err(CallError::Limit(limit)));
        let text = "x".repeat(1 << 12);
        let Err(CallError::Limit(limit)) = client.read_batch(std::iter::repeat(&text[..])) else { panic!("no limit") };
        assert_eq!((limit.limit, limit.allowed), (Limit::RequestPayload, 1 << 20));
        assert_eq!((client.next(1).unwrap(), client.status().connections), (2, 1));
    });
}

#[test]
fn items_that_were_set_do_not_grow() {
    let run_dir = RunDir::new();
    let _server = ManyServer::new(Lab).bind(run_dir.path()).unwrap().spawn().unwrap();
    let mut client = ManyClient::config().max_batch_items(3).connect(run_dir.path()).unwrap();
    assert!(client.next_batch([1, 2, 3]).unwrap().eq([2, 3, 4]));
    let limit = LimitExceeded { limit: Limit::RequestItems, asked: 4, allowed: 3 };
    assert_eq!(client.next_batch([1; 4]).map(drop), Err(CallError::Limit(limit)));
    let mut client = ManyClient::config().batch_items_ceiling(2000).connect(run_dir.path()).unwrap();
    assert!(client.next_batch(0..1500).is_ok() && client.next_batch(0..2001).is_err());
}

/// A client of a server that does as `script` says until it returns.
fn served<R: Send>(script: impl FnOnce(&mut Listener) -> R + Send, calls: impl FnOnce(&mut ManyClient)) -> R {
    let run_dir = RunDir::new();
    let mut listener = ServerConfig::new().listen(&run_dir.endpoint("many")).unwrap();
    thread::scope(|scope| {
        let server = scope.spawn(move || script(&mut listener));
        let config: Config<ManyClient> = ManyClient::config();
        calls(&mut config.connect(run_dir.path()).unwrap());
        server.join().unwrap()
    })
}

/// How often there was a request to be answered with these items.
fn answered_with(session: &mut ServerSession, items: &[[u8; 8]]) -> bool {
    let Ok(request) = session.receive(NEVER) else { return false };
    let ticket = request.ticket();
    session.respond_batch(ticket, items, NEVER).is_ok()
}

#[test]
fn a_batch_of_one_travels_as_a_request() {
    let was_batch = served(
        |listener| {
            let mut session = listener.accept(NEVER).unwrap();
            let request = session.receive(NEVER).unwrap();
            let (was_batch, ticket) = (request.batch().is_some(), request.ticket());
            session.respond(ticket, &8_u64.to_ne_bytes(), NEVER).unwrap();
            was_batch
        },
        |client| assert!(client.next_batch([7]).unwrap().eq([8])),
    );
    assert!(!was_batch);
}

#[test]
fn another_number_of_answers_than_of_calls_breaks_the_connection() {
    for answers in [1, 2, 4] {
        let has_ended = served(
            |listener| {
                let mut session = listener.accept(NEVER).unwrap();
                assert!(answered_with(&mut session, &vec![[0; 8]; answers]));
                matches!(session.receive(NEVER), Err(Error::Closed { .. }))
            },
            |client| {
                let answered = u32::try_from(answers).unwrap();
                let expected = Err(CallError::Miscounted { asked: 3, answered });
                assert_eq!(client.next_batch([1, 2, 3]).map(drop), expected);
                assert_eq!(client.status().state, State::Broken);
            },
        );
        assert!(has_ended);
    }
}

#[test]
fn an_answer_that_is_no_batch_or_of_another_method_answers_nothing() {
    for (code, error) in
        [(1, CallError::Miscounted { asked: 2, answered: 1 }), (5, CallError::Mismatch { asked: 1, answered: 5 })]
    {
        let run_dir = RunDir::new();
        let server = RawServer::listen(&run_dir.endpoint("many"));
        thread::scope(|scope| {
            scope.spawn(|| {
                let raw = server.admit(1024);
                let request = Header::parse(&raw.receive().unwrap()).unwrap();
                raw.send(&whole(Header::response(Method::new(code), request.message_id(), 8), &[0; 8])).unwrap();
                assert_eq!(raw.receive(), None);
            });
            let mut client = ManyClient::connect(run_dir.path()).unwrap();
            assert_eq!(client.next_batch([1, 2]).map(drop), Err(error));
            assert_eq!(client.status().state, State::Broken);
        });
    }
}

#[test]
fn one_answer_that_breaks_its_layout_breaks_them_all() {
    served(
        |listener| {
            let mut session = listener.accept(NEVER).unwrap();
            let ticket = session.receive(NEVER).unwrap().ticket();
            let fill = |batch: &mut BatchBuilder<'_, '_>| {
                batch.push(&[0; 8])?;
                batch.push(&[0; 7])
            };
            session.respond_batch_with(ticket, 2, NEVER, fill).unwrap();
        },
        |client| {
            assert!(matches!(client.next_batch([1, 2]), Err(CallError::Answer(_))));
            assert_eq!(client.status().state, State::Broken);
        },
    );
}

#[test]
fn a_lost_batch_is_sent_again_once_from_what_was_encoded_and_one_that_must_not_be_is_not() {
    for is_once in [false, true] {
        served(
            |listener| {
                let mut session = listener.accept(NEVER).unwrap();
                session.receive(NEVER).unwrap();
                drop(session);
                let mut session = listener.accept(NEVER).unwrap();
                let request = session.receive(NEVER).unwrap();
                let (method, ticket) = (request.ticket().method().code(), request.ticket());
                assert_eq!(method, 1, "what must not run twice was sent again");
                session.respond_batch(ticket, &[[1; 8]; 3], NEVER).unwrap();
            },
            |client| {
                // It is walked once, however often it is sent.
                let mut items = [1, 2, 3].into_iter();
                let numbers = std::iter::from_fn(|| items.next());
                if is_once {
                    let closed = Error::Closed { mid_message: false };
                    assert_eq!(client.once_batch(numbers).map(drop), Err(CallError::OutcomeUnknown(closed)));
                    client.refresh().unwrap();
                    assert_eq!(client.next_batch([1, 2, 3]).unwrap().len(), 3);
                } else {
                    assert_eq!(client.next_batch(numbers).unwrap().len(), 3);
                    assert_eq!(client.status().repeated, 1);
                }
            },
        );
    }
}

#[test]
fn a_server_that_can_never_send_its_answer_is_asked_a_bounded_number_of_times() {
    // Each session may send more than the one before; or one may send all that a number can say.
    for (first, asked_at_most) in [(1024, 9), (u32::MAX, 1)] {
        let run_dir = RunDir::new();
        let server = RawServer::listen(&run_dir.endpoint("many"));
        let asked = thread::scope(|scope| {
            let asked = scope.spawn(|| {
                let (mut asked, mut payload) = (0, first);
                loop {
                    let raw = server.admit(payload);
                    let Some(request) = raw.receive() else { return asked };
                    asked += 1;
                    let request = Header::parse(&request).unwrap();
                    let answer = Header::response(Method::new(1), request.message_id(), 0);
                    raw.send(&answer.with_status(Status::LimitExceeded).encode()).unwrap();
                    payload = payload.saturating_mul(2);
                }
            });
            let mut client = ManyClient::connect(run_dir.path()).unwrap();
            assert!(matches!(client.next_batch([1, 2]), Err(CallError::AnswerTooLarge { .. })));
            // One that asks for nothing, so that the server ends.
            client.refresh().unwrap();
            drop(client);
            asked.join().unwrap()
        });
        assert_eq!(asked, asked_at_most);
    }
}
