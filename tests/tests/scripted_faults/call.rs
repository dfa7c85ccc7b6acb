//! The call that faults strike: both sides, each on a thread of its own, and how it ended for each.

use std::thread;
use std::time::Duration;

use netipc::session::{
    Arriving, Cause, ClientConfig, Connecting, Deadline, Error, Limit, Message, Script, ServerConfig, in_process,
};
use netipc::wire::{AuthToken, Method};

use crate::rule::{AtClient, AtServer, Changed, Ends};

/// Bytes of a packet; 64 of them behind the header.
pub const PACKET_SIZE: usize = 96;
/// Three packets.
pub const REQUEST_LEN: usize = 150;
/// Four packets.
pub const ANSWER_LEN: usize = 210;
/// The largest payload that was agreed on, each way.
pub const PAYLOAD_LIMIT: u32 = 256;
pub const ITEMS: u32 = 1024;
pub const METHOD: u16 = 3;

/// What should end by itself ends long before.
const LONG: Duration = Duration::from_secs(10);
/// Nothing else is to come.
const SHORT: Duration = Duration::from_millis(20);

/// The bytes of the request: as a batch directory they would be out of line.
pub fn request() -> Vec<u8> {
    (0..REQUEST_LEN).map(|n| u8::try_from(n % 251 + 1).expect("a byte")).collect()
}

/// Each byte of the request the other way round, and some more.
pub fn answer_to(request: &[u8]) -> Vec<u8> {
    let mut answer: Vec<u8> = request.iter().map(|byte| !byte).collect();
    answer.resize(ANSWER_LEN, 0x5a);
    answer
}

/// Makes the call. Who is expected to run out of time has little of it, and everyone else plenty.
pub fn call(script: &Script, expected: &Ends) -> Ends {
    let config = ClientConfig::new()
        .auth_token(AuthToken::new(0x0123_4567_89ab_cdef))
        .packet_size(PACKET_SIZE as u32)
        .max_request_payload(PAYLOAD_LIMIT)
        .max_request_items(ITEMS)
        .max_response_payload(PAYLOAD_LIMIT);
    let policy = ServerConfig::new()
        .auth_token(AuthToken::new(0x0123_4567_89ab_cdef))
        .packet_size(PACKET_SIZE as u32)
        .max_request_payload(PAYLOAD_LIMIT)
        .max_response_payload(PAYLOAD_LIMIT);
    let time = |is_short| if is_short { SHORT } else { LONG };
    let client_time = time(expected.client == AtClient::TimedOut);
    let server_time = time(expected.server == AtServer::NoHelloInTime);
    let (connecting, arriving) = match in_process(&config, &policy, script) {
        Ok(both) => both,
        Err(error) => return Ends { client: failed(error), server: AtServer::NobodyCame },
    };
    thread::scope(|scope| {
        let serving = scope.spawn(move || serve(arriving, server_time));
        let client = ask(connecting, client_time).unwrap_or_else(failed);
        Ends { client, server: serving.join().expect("a server that does not panic") }
    })
}

fn ask(connecting: Connecting, time: Duration) -> Result<AtClient, Error> {
    let mut session = connecting.finish(Deadline::after(time))?;
    let ticket = session.send(Method::new(METHOD), &request(), Deadline::after(time))?;
    assert_eq!(session.in_flight(), 1);
    let answer = session.receive(Deadline::after(time))?;
    assert_eq!(answer.ticket().id(), ticket.id());
    let answered = answered(&answer);
    match session.try_receive() {
        // The server may have had a reason to close behind its answer.
        Ok(None) | Err(Error::Closed { mid_message: false }) => Ok(answered),
        Ok(Some(message)) => panic!("a second answer: {message:?}"),
        Err(error) => Err(error),
    }
}

fn answered(answer: &Message<'_>) -> AtClient {
    let right = answer_to(&request());
    assert_eq!(answer.payload().len(), right.len());
    let mut changed = answer.payload().iter().zip(&right).enumerate().filter(|(_, (is, was))| is != was);
    let first = changed.next().map(|(at, (is, was))| Changed { at, flip: is ^ was });
    assert_eq!(changed.next(), None, "more than one byte");
    AtClient::Answered { code: answer.header().code(), status: answer.status().raw(), changed: first }
}

fn failed(error: Error) -> AtClient {
    match error {
        Error::Refused(status) => AtClient::Refused(status.raw()),
        Error::Incompatible(_) => AtClient::Incompatible,
        Error::Violation(violation) => AtClient::Violation(violation.offset()),
        Error::Limit(exceeded) if exceeded.limit == Limit::ResponsePayload => AtClient::Limit,
        Error::Closed { mid_message } => AtClient::Closed { mid_message },
        Error::TimedOut => AtClient::TimedOut,
        other => panic!("{other:?}"),
    }
}

/// Answers whatever comes until it ends.
fn serve(arriving: Arriving, time: Duration) -> AtServer {
    let mut session = match arriving.meet(Deadline::after(time)) {
        Ok(session) => session,
        Err(rejected) => {
            return match rejected.cause() {
                Cause::Refused(refusal) => AtServer::Refused(refusal.status().raw()),
                Cause::Violation(violation) => AtServer::NoHello(violation.offset()),
                Cause::Closed => AtServer::ClosedEarly,
                Cause::TimedOut => AtServer::NoHelloInTime,
                other => panic!("{other:?}"),
            };
        }
    };
    let error = loop {
        let request = match session.receive(Deadline::after(time)) {
            Ok(request) => request,
            Err(error) => break error,
        };
        let (ticket, answer) = (request.ticket(), answer_to(request.payload()));
        if let Err(error) = session.respond(ticket, &answer, Deadline::after(time)) {
            break error;
        }
    };
    assert!(session.try_receive().is_err(), "a session that goes on after {error:?}");
    ended(&error)
}

fn ended(error: &Error) -> AtServer {
    match *error {
        Error::Violation(violation) => AtServer::Violation(violation.offset()),
        Error::Limit(exceeded) if exceeded.limit == Limit::RequestPayload => AtServer::Limit,
        Error::Closed { mid_message } => AtServer::Closed { mid_message },
        ref other => panic!("{other:?}"),
    }
}
