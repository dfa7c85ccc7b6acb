//! What comes where an answer should: every status, what is no answer, what does not fit, what is late.

use std::sync::mpsc;
use std::time::Duration;

use netipc::CallError;
use netipc::client::State;
use netipc::session::{Error, Limit, LimitExceeded, Violation};
use netipc::wire::{Header, Kind, Method, Profiles, Status};
use netipc_examples::Increment;
use netipc_tests::raw::PAYLOAD;

use super::{Line, ONE, answer_to, config, meets, state};

type Expected = (Result<u64, CallError>, State);

/// Has one call answered with this, over both transports.
fn answered_with(
    name: &str,
    header: impl Fn(Header) -> Header + Copy + Send + 'static,
    payload: &[u8],
    expected: &Expected,
) {
    for profiles in [Profiles::BASELINE, Profiles::SHM_HYBRID] {
        let name = format!("{name} over {profiles:?}");
        let (told, payload, expected) = (name.clone(), payload.to_vec(), expected.clone());
        meets(
            &name,
            config(profiles),
            move |server, endpoint| {
                let mut line = Line::accept(server, endpoint);
                let asked = line.ask();
                line.send(header(answer_to(&asked, payload.len())), &payload);
                line.await_end();
            },
            move |client| {
                client.refresh().unwrap();
                assert_eq!(client.once(&ONE).map(|sum| sum.value()), expected.0, "{told}");
                assert_eq!(state(client), expected.1, "{told}");
            },
        );
    }
}

#[test]
fn every_status_has_its_error_whatever_comes_with_it() {
    for (raw, error, state) in [
        (1, CallError::Malformed, State::Broken),
        (2, CallError::Status(Status::AuthFailed), State::Broken),
        (3, CallError::Status(Status::Incompatible), State::Broken),
        (4, CallError::Unsupported, State::Ready),
        (5, CallError::AnswerTooLarge { allowed: PAYLOAD }, State::Broken),
        (6, CallError::Internal, State::Broken),
        (7, CallError::Status(Status::Other(7)), State::Broken),
        (u16::MAX, CallError::Status(Status::Other(u16::MAX)), State::Broken),
    ] {
        let status = Status::from_raw(raw);
        let expected = (Err(error), state);
        answered_with(&format!("status {raw}"), move |header| header.with_status(status), b"", &expected);
        answered_with(
            &format!("status {raw} with a payload"),
            move |header| header.with_status(status),
            b"sorry..",
            &expected,
        );
        let batch = move |header: Header| header.with_status(status).with_batch(3);
        answered_with(&format!("status {raw} with a batch's flag"), batch, b"", &expected);
    }
}

#[test]
fn an_answer_that_is_none_has_its_error_and_breaks_the_connection() {
    let mismatch = |answered| (Err(CallError::Mismatch { asked: 1, answered }), State::Broken);
    for code in [0, 2, 3, 4, u16::MAX] {
        let other = move |asked: Header| Header::response(Method::new(code), asked.message_id(), asked.payload_len());
        answered_with(&format!("code {code}"), other, &[7; 8], &mismatch(code));
    }
    let batch = [[0_u32, 8, 7, 7].map(u32::to_ne_bytes).concat()].concat();
    answered_with("a batch of one", |header| header.with_batch(1), &batch, &mismatch(1));
    for len in [8, 9, PAYLOAD as usize] {
        let expected = (Ok(u64::from_ne_bytes([7; 8])), State::Ready);
        answered_with(&format!("{len} bytes"), |header| header, &vec![7; len], &expected);
    }
    let violation = |violation| (Err(CallError::Session(Error::Violation(violation))), State::Broken);
    answered_with(
        "an answer to nobody",
        |header| header.with_message_id(2),
        &[7; 8],
        &violation(Violation::UnknownId { id: 2 }),
    );
    answered_with(
        "an answer to no id",
        |header| header.with_message_id(0),
        &[7; 8],
        &violation(Violation::UnknownId { id: 0 }),
    );
    for found in [Kind::Request, Kind::Control] {
        let expected = violation(Violation::UnexpectedKind { expected: Kind::Response, found });
        let kind = move |header: Header| {
            Header::new(found, 1).with_message_id(header.message_id()).with_payload_len(header.payload_len())
        };
        answered_with(&format!("{found:?}"), kind, &[7; 8], &expected);
    }
}

#[test]
fn an_answer_that_is_too_short_for_its_layout_breaks_the_connection() {
    for len in 0..8 {
        for profiles in [Profiles::BASELINE, Profiles::SHM_HYBRID] {
            let name = format!("{len} bytes over {profiles:?}");
            let told = name.clone();
            meets(
                &name,
                config(profiles),
                move |server, endpoint| {
                    let mut line = Line::accept(server, endpoint);
                    let asked = line.ask();
                    line.send(answer_to(&asked, len), &vec![7; len]);
                    line.await_end();
                },
                move |client| {
                    client.refresh().unwrap();
                    let outcome = client.once(&ONE).map(drop);
                    assert!(matches!(outcome, Err(CallError::Answer(_))), "{told}: {outcome:?}");
                    assert_eq!((state(client), client.status().answered), (State::Broken, 0), "{told}");
                },
            );
        }
    }
}

#[test]
fn an_answer_beyond_the_limit_is_one_error_over_both_transports() {
    let limit = LimitExceeded { limit: Limit::ResponsePayload, asked: (PAYLOAD + 1).into(), allowed: PAYLOAD.into() };
    answered_with(
        "1,025 bytes",
        |header| header,
        &[7; PAYLOAD as usize + 1],
        &(Err(CallError::Limit(limit)), State::Broken),
    );
}

#[test]
fn answers_that_come_late_are_passed_over_however_many_there_are() {
    const LATE: u64 = 20;
    for profiles in [Profiles::BASELINE, Profiles::SHM_HYBRID] {
        let (gave_up, go_on) = mpsc::channel();
        meets(
            &format!("late over {profiles:?}"),
            config(profiles).timeout(Duration::from_millis(5)),
            move |server, endpoint| {
                let mut line = Line::accept(server, endpoint);
                go_on.recv().unwrap();
                // In shared memory there is room for one request that a plain server has not answered.
                let mut answered = 0;
                while let Some((asked, request)) = line.receive_unless_over() {
                    let value = u64::from_ne_bytes(request.try_into().unwrap());
                    line.send(answer_to(&asked, 8), &(value * 10).to_ne_bytes());
                    answered += 1;
                }
                assert!(answered > 1);
            },
            move |client| {
                client.refresh().unwrap();
                for value in 1..=LATE {
                    assert_eq!(client.once(&Increment { value }).map(drop), Err(CallError::TimedOut));
                    assert_eq!(state(client), State::Ready);
                }
                gave_up.send(()).unwrap();
                let mut answered = 0;
                for value in LATE + 1.. {
                    match client.once(&Increment { value }).map(|sum| sum.value()) {
                        Err(CallError::TimedOut) => {}
                        sum => {
                            assert_eq!(sum, Ok(value * 10), "another call's");
                            answered += 1;
                            if answered == 50 {
                                break;
                            }
                        }
                    }
                }
                let status = client.status();
                assert_eq!((status.state, status.connections), (State::Ready, 1));
            },
        );
    }
}
