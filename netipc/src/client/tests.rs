//! Every state of a client and everything that can happen to it there, over links in memory that meet faults by script.
//!
//! What an attempt to connect does to a client must be what the table of `state` says of its event.

use core::time::Duration;
use std::collections::VecDeque;

use rustix::io::Errno;

use super::growth::Growth;
use super::lookup::Ceilings;
use super::state::{Event, State};
use super::{CallError, Client, Place};
use crate::WireMessage;
use crate::codec::EncodeError;
use crate::service::MethodInfo;
use crate::session::{
    Abort, Arriving, ClientConfig, ClientSession, Counterpart, Deadline, Error, Fault, Gate, Met, Nearby, Script,
    ServerConfig, ServerSession,
};
use crate::sync::{Arc, Mutex, lock};
use crate::sys::SystemError;
use crate::wire::Status;

static ECHO: MethodInfo = MethodInfo::new("echo", 1);
static ONCE: MethodInfo = MethodInfo::new("once", 1).at_most_once();

/// Where things stand in a packet.
const MAGIC: usize = 0;
const VERSION: usize = 4;
const CODE: usize = 12;
const STATUS: usize = 14;
const ID: usize = 24;
/// Behind a header and four bytes.
const IS_SO: usize = 36;

#[derive(Debug, Clone, PartialEq, WireMessage)]
struct Number {
    value: u32,
    is_so: bool,
}

/// What an attempt to connect meets.
#[derive(Debug, Clone)]
enum Meeting {
    Link(Script),
    /// The kernel's answer.
    Error(Errno),
    /// The client's abort handle was used before.
    Aborted,
}

/// A server in this process that answers requests with themselves.
#[derive(Debug)]
struct Lab {
    gate: Gate,
    abort: Abort,
    /// What the next attempts meet; all others meet nothing.
    next: Mutex<VecDeque<Meeting>>,
}

impl Nearby for Lab {
    fn connect(&self, config: &ClientConfig, deadline: Deadline) -> Result<ClientSession, Error> {
        let script = match lock(&self.next).pop_front() {
            None | Some(Meeting::Aborted) => Script::new(),
            Some(Meeting::Link(script)) => script,
            Some(Meeting::Error(errno)) => return Err(SystemError::new("connect", errno).into()),
        };
        self.gate
            .connect(config, &script, deadline, |arriving| Arc::new(Echo(Mutex::new(Some(Sitter::Arriving(arriving))))))
    }
}

#[derive(Debug)]
struct Echo(Mutex<Option<Sitter>>);

#[derive(Debug)]
enum Sitter {
    Arriving(Arriving),
    Seated(Box<ServerSession>),
}

impl Counterpart for Echo {
    fn act(&self) -> bool {
        let Some(sitter) = lock(&self.0).take() else { return false };
        let (has_acted, sitter) = match sitter {
            Sitter::Arriving(arriving) => match arriving.try_meet() {
                Met::Session(session) => (true, Some(Sitter::Seated(session))),
                Met::Waiting(arriving) => (false, Some(Sitter::Arriving(arriving))),
                Met::Rejected(_) => (true, None),
            },
            Sitter::Seated(mut session) => match echo(&mut session) {
                Ok(has_acted) => (has_acted, Some(Sitter::Seated(session))),
                Err(_) => (true, None),
            },
        };
        *lock(&self.0) = sitter;
        has_acted
    }
}

fn echo(session: &mut ServerSession) -> Result<bool, Error> {
    let Some(request) = session.try_receive()? else { return Ok(false) };
    let (ticket, payload) = (request.ticket(), request.keep().into_payload());
    session.respond(ticket, &payload, Deadline::NEVER)?;
    Ok(true)
}

fn lab(growth: Growth) -> (Arc<Lab>, Client) {
    let abort = Abort::new();
    let gate = Gate::new(ServerConfig::new().abort(&abort));
    let lab = Arc::new(Lab { gate, abort, next: Mutex::default() });
    let place = Place::Nearby(Arc::<Lab>::clone(&lab));
    (lab, Client::new(place, ClientConfig::new(), Duration::from_secs(600), (growth, Ceilings::new())))
}

impl Lab {
    fn meets(&self, meetings: impl IntoIterator<Item = Meeting>) {
        lock(&self.next).extend(meetings);
    }
}

/// Nothing happens.
fn quiet() -> Meeting {
    Meeting::Link(Script::new())
}

/// The server's packet, the ack or the first answer, meets this.
fn to_client(nth: usize, fault: Fault) -> Meeting {
    Meeting::Link(Script::new().to_client(nth, fault))
}

fn to_server(nth: usize, fault: Fault) -> Meeting {
    Meeting::Link(Script::new().to_server(nth, fault))
}

/// Changes the low byte of the number of `size` bytes that stands there.
fn flip(at: usize, size: usize, flip: u8) -> Fault {
    let offset = if cfg!(target_endian = "big") { at + size - 1 } else { at };
    Fault::Corrupt { offset, flip }
}

/// Makes the status of a packet, which was ok, another.
fn status(status: Status) -> Fault {
    flip(STATUS, 2, u8::try_from(status.raw()).unwrap())
}

/// What an attempt to connect can meet, what that is to a client, and the error in the words of `Debug`, as they begin.
fn attempts() -> Vec<(Meeting, Event, &'static str)> {
    let refusal = |refusal| to_client(0, status(refusal));
    vec![
        (quiet(), Event::Connected, "Ok"),
        (Meeting::Error(Errno::NOENT), Event::Absent, "Connect(System("),
        (Meeting::Error(Errno::ACCESS), Event::Absent, "Connect(System("),
        (Meeting::Error(Errno::MFILE), Event::GaveUp, "Connect(System("),
        (refusal(Status::AuthFailed), Event::Unauthorized, "Connect(Refused(AuthFailed))"),
        (refusal(Status::Incompatible), Event::NothingInCommon, "Connect(Refused(Incompatible))"),
        (refusal(Status::Unsupported), Event::NothingInCommon, "Connect(Refused(Unsupported))"),
        (refusal(Status::BadEnvelope), Event::GaveUp, "Connect(Refused(BadEnvelope))"),
        (refusal(Status::LimitExceeded), Event::GaveUp, "Connect(Refused(LimitExceeded))"),
        (refusal(Status::InternalError), Event::GaveUp, "Connect(Refused(InternalError))"),
        (refusal(Status::Other(9)), Event::GaveUp, "Connect(Refused(Other(9)))"),
        (to_client(0, flip(VERSION, 2, 2)), Event::NothingInCommon, "Connect(Incompatible("),
        (to_client(0, flip(MAGIC, 4, 1)), Event::Breached, "Connect(Violation("),
        (to_client(0, Fault::Truncate(10)), Event::Breached, "Connect(Violation("),
        (to_client(0, Fault::Truncate(0)), Event::Breached, "Connect(Violation(EmptyPacket))"),
        (to_client(0, Fault::Cut), Event::GaveUp, "Connect(Closed"),
        (to_server(0, Fault::Cut), Event::GaveUp, "Connect(Closed"),
        (to_server(0, flip(MAGIC, 4, 1)), Event::GaveUp, "Connect(Closed"),
        (to_client(0, Fault::Drop), Event::GaveUp, "TimedOut"),
        (to_server(0, Fault::Drop), Event::GaveUp, "TimedOut"),
        (Meeting::Aborted, Event::GaveUp, "Aborted"),
    ]
}

/// A client in this state; `Ready` with a connection that the server has ended.
fn client_in(state: State) -> (Arc<Lab>, Client) {
    let (lab, mut client) = lab(Growth::new());
    let way = match state {
        State::Disconnected => None,
        State::Ready => Some(quiet()),
        State::Connecting => panic!("nobody sees it"),
        State::NotFound => Some(Meeting::Error(Errno::NOENT)),
        State::AuthFailed => Some(to_client(0, status(Status::AuthFailed))),
        State::Incompatible => Some(to_client(0, status(Status::Unsupported))),
        State::Broken => Some(to_client(0, flip(MAGIC, 4, 1))),
    };
    if let Some(way) = way {
        lab.meets([way]);
        assert_eq!(client.refresh().is_ok(), state == State::Ready);
    }
    lab.abort.abort();
    lab.abort.reset();
    assert_eq!((client.status().state, client.ready()), (state, state == State::Ready));
    (lab, client)
}

/// All in which a client can be found.
const STATES: [State; 6] =
    [State::Disconnected, State::Ready, State::NotFound, State::AuthFailed, State::Incompatible, State::Broken];

/// Has the client's time run out soon where that is what is to happen.
fn hurry(client: &mut Client, words: &str) {
    client.timeout = Duration::from_secs(600);
    if words.starts_with("TimedOut") {
        client.timeout = Duration::from_millis(50);
    }
}

fn counts(client: &Client) -> [u64; 5] {
    let status = client.status();
    [status.connections, status.answered, status.failed, status.repeated, status.grown]
}

fn call(client: &mut Client, method: &'static MethodInfo) -> Result<u32, CallError> {
    let number = Number { value: 7, is_so: true };
    let answer = client.call::<Number>(method, |writer| number.encode_in(writer).map(drop))?;
    Ok(answer.value())
}

/// The outcome in words, which begin as they should.
fn assert_words<T>(outcome: &Result<T, CallError>, words: &str, of: &str) {
    let said = match outcome {
        Ok(_) => "Ok".to_owned(),
        Err(error) => format!("{error:?}"),
    };
    assert!(said.starts_with(words), "{said} and not {words}: {of}");
}

#[test]
fn every_attempt_to_connect_from_every_state_leads_where_the_table_says() {
    let mut events = Vec::new();
    for state in STATES {
        for (meeting, event, words) in attempts() {
            let of = format!("{state}, {meeting:?}");
            let (lab, mut client) = client_in(state);
            let before = counts(&client);
            if matches!(meeting, Meeting::Aborted) {
                client.abort_handle().abort();
            }
            lab.meets([meeting]);
            hurry(&mut client, words);
            let outcome = client.refresh();
            assert_words(&outcome, words, &of);
            let status = client.status();
            assert_eq!(status.state, state.on(Event::Lost).on(Event::Begin).on(event), "{of}");
            match outcome {
                Ok(refresh) => assert_eq!((refresh.before, refresh.reconnected), (state, true), "{of}"),
                Err(error) => assert_eq!(status.last_error, Some(error), "{of}"),
            }
            assert_eq!(status.session.is_some(), event == Event::Connected, "{of}");
            let [connections, others @ ..] = before;
            let connections = connections + u64::from(event == Event::Connected);
            assert_eq!((counts(&client)[0], &counts(&client)[1..]), (connections, &others[..]), "{of}");
            // Whatever happened, the next attempt may do better.
            client.abort_handle().reset();
            lock(&lab.next).clear();
            hurry(&mut client, "");
            client.refresh().unwrap();
            assert_eq!(call(&mut client, &ONCE), Ok(7), "{of}");
            events.push(event);
        }
    }
    for event in
        [Event::Connected, Event::Absent, Event::Unauthorized, Event::NothingInCommon, Event::GaveUp, Event::Breached]
    {
        assert!(events.iter().filter(|met| **met == event).count() >= STATES.len(), "{event:?}");
    }
}

#[test]
fn who_is_not_ready_fails_every_call_at_once_and_stays_what_it_is() {
    for state in STATES.into_iter().filter(|state| *state != State::Ready) {
        let (_lab, mut client) = client_in(state);
        let [connections, answered, failed, repeated, grown] = counts(&client);
        for calls in 1..3 {
            assert_eq!(call(&mut client, &ECHO), Err(CallError::NotReady(state)));
            assert_eq!(client.status().state, state);
            assert_eq!(counts(&client), [connections, answered, failed + calls, repeated, grown]);
        }
    }
}

/// What a call meets: the connections it is made over, whether it may run twice, and what comes of it: words, state, and
/// connections, answered, failed, repeated and grown calls.
type Row = (Vec<Meeting>, &'static MethodInfo, &'static str, State, [u64; 5]);

fn calls() -> Vec<Row> {
    let cut = |nth: usize| if nth == 0 { to_server(1, Fault::Cut) } else { to_client(1, Fault::Cut) };
    let (request, answer) = (cut(0), cut(1));
    let answered = |fault| vec![to_client(1, fault)];
    let (ready, broken) = (State::Ready, State::Broken);
    let (failed, other) = ([1, 0, 1, 0, 0], |refusal| answered(status(refusal)));
    vec![
        (vec![quiet()], &ECHO, "Ok", ready, [1, 1, 0, 0, 0]),
        (vec![quiet()], &ONCE, "Ok", ready, [1, 1, 0, 0, 0]),
        // The request is not sent: it can't have run.
        (vec![request.clone()], &ECHO, "Ok", ready, [2, 1, 0, 1, 0]),
        (vec![request.clone()], &ONCE, "Ok", ready, [2, 1, 0, 1, 0]),
        // A server that brings no answer over a connection may be full: there is a pause, and another try.
        (vec![request.clone(), request.clone()], &ECHO, "Ok", ready, [3, 1, 0, 2, 0]),
        (vec![request.clone(), request.clone()], &ONCE, "Ok", ready, [3, 1, 0, 2, 0]),
        // It was, and there is no answer.
        (vec![answer.clone()], &ECHO, "Ok", ready, [2, 1, 0, 1, 0]),
        (vec![answer.clone()], &ONCE, "OutcomeUnknown(Closed", broken, failed),
        (vec![answer.clone(), answer.clone()], &ECHO, "Lost(Closed", broken, [2, 0, 1, 1, 0]),
        (vec![request, answer], &ONCE, "OutcomeUnknown(Closed", broken, [2, 0, 1, 1, 0]),
        (vec![to_server(1, flip(MAGIC, 4, 1))], &ECHO, "Ok", ready, [2, 1, 0, 1, 0]),
        (vec![to_server(1, flip(MAGIC, 4, 1))], &ONCE, "OutcomeUnknown(Closed", broken, failed),
        // Nobody comes back.
        (vec![to_server(1, Fault::Drop)], &ECHO, "TimedOut", ready, failed),
        (answered(Fault::Drop), &ECHO, "TimedOut", ready, failed),
        // The server breaks a rule, or says no.
        (answered(flip(MAGIC, 4, 1)), &ECHO, "Session(Violation(", broken, failed),
        (answered(flip(ID, 8, 0x40)), &ECHO, "Session(Violation(UnknownId", broken, failed),
        (answered(Fault::Truncate(33)), &ECHO, "Session(Violation(PacketLength", broken, failed),
        (answered(Fault::Corrupt { offset: IS_SO, flip: 0xfe }), &ECHO, "Answer(", broken, failed),
        (answered(flip(CODE, 2, 0x40)), &ECHO, "Mismatch { asked: 1, answered: 65 }", broken, failed),
        (other(Status::BadEnvelope), &ECHO, "Malformed", broken, failed),
        (other(Status::InternalError), &ECHO, "Internal", broken, failed),
        (other(Status::Unsupported), &ECHO, "Unsupported", ready, failed),
        (other(Status::AuthFailed), &ECHO, "Status(AuthFailed)", broken, failed),
        (other(Status::Incompatible), &ECHO, "Status(Incompatible)", broken, failed),
        (other(Status::Other(9)), &ECHO, "Status(Other(9))", broken, failed),
        // The limit does not grow with another connection.
        (other(Status::LimitExceeded), &ECHO, "AnswerTooLarge { allowed: 1024 }", ready, [2, 0, 1, 0, 0]),
        (other(Status::LimitExceeded), &ONCE, "AnswerTooLarge { allowed: 1024 }", broken, failed),
    ]
}

#[test]
fn every_failure_of_a_call_has_its_error_its_state_and_its_counts() {
    for (meetings, method, words, state, expected) in calls() {
        let of = format!("{} {meetings:?}", method.name);
        let (lab, mut client) = lab(Growth::new());
        lab.meets(meetings);
        client.refresh().unwrap();
        hurry(&mut client, words);
        let outcome = call(&mut client, method);
        assert_words(&outcome, words, &of);
        assert_eq!((client.status().state, counts(&client)), (state, expected), "{of}");
        assert_eq!(client.status().last_error, outcome.err(), "{of}");
        // And then it goes on, with a new connection where that is needed.
        lock(&lab.next).clear();
        hurry(&mut client, "");
        assert_eq!(client.refresh().unwrap().reconnected, state != State::Ready, "{of}");
        assert_eq!(call(&mut client, &ONCE), Ok(7), "{of}");
    }
}

#[test]
fn a_call_that_connects_anew_fails_as_that_does() {
    for (meeting, event, words) in attempts().into_iter().filter(|(meeting, ..)| !matches!(meeting, Meeting::Aborted)) {
        let of = format!("{meeting:?}");
        let (lab, mut client) = lab(Growth::new());
        lab.meets([to_client(1, Fault::Cut), meeting]);
        client.refresh().unwrap();
        hurry(&mut client, words);
        assert_words(&call(&mut client, &ECHO), words, &of);
        assert_eq!(client.status().state, State::Connecting.on(event), "{of}");
        let again = u64::from(event == Event::Connected);
        assert_eq!(counts(&client), [1 + again, again, 1 - again, again, 0], "{of}");
    }
}

#[test]
fn a_call_that_is_aborted_or_can_not_be_sent_harms_no_more_than_it_must() {
    let (_lab, mut client) = client_in(State::Disconnected);
    client.refresh().unwrap();
    let excluded = EncodeError::TooLarge(usize::MAX);
    let refused = client.call::<Number>(&ECHO, |_| Err(excluded)).map(drop);
    assert_eq!((refused, client.ready(), counts(&client)), (Err(CallError::Request(excluded)), true, [1, 0, 1, 0, 0]));
    client.abort_handle().abort();
    assert_eq!(call(&mut client, &ECHO), Err(CallError::Aborted));
    assert_eq!((client.status().state, counts(&client)), (State::Broken, [1, 0, 2, 0, 0]));

    let (_lab, mut client) = lab(Growth::new().with_request(4));
    client.refresh().unwrap();
    assert_words(&call(&mut client, &ECHO), "Limit(", "eight bytes");
    assert_eq!((client.ready(), counts(&client)), (true, [1, 0, 1, 0, 0]));
}

#[test]
fn an_answer_that_comes_twice_breaks_the_connection_with_the_next_call() {
    let (lab, mut client) = lab(Growth::new());
    lab.meets([to_client(1, Fault::Repeat)]);
    client.refresh().unwrap();
    assert_eq!(call(&mut client, &ECHO), Ok(7));
    assert_words(&call(&mut client, &ECHO), "Session(Violation(UnknownId", "the second call");
    assert_eq!((client.status().state, counts(&client)), (State::Broken, [1, 1, 1, 0, 0]));
}
