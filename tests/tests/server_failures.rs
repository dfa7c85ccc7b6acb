//! Every row of docs/protocol.md, section 6.1: what a client is told, whether its session goes on, and what is reported.
#![cfg(target_os = "linux")]

use core::time::Duration;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};

use netipc::buf::Writer;
use netipc::codec::EncodeError;
use netipc::server::{Report, Running, Server};
use netipc::service::{Dispatch, Failure, MethodInfo, Service};
use netipc::session::{ClientConfig, ClientSession, Deadline, Error, Limit};
use netipc::wire::{Method, Profiles, Status};
use netipc::{Call, HandlerResult, Reply, WireMessage};
use netipc_tests::processes::RunDir;

const LIMIT: u32 = 4096;
const LONG: Duration = Duration::from_secs(60);

#[derive(Debug, WireMessage)]
struct Note {
    /// Never empty.
    #[wire(min = 1)]
    text: String,
}

/// A service as users have it, for what they alone can do to a reply.
#[netipc::service(name = "desk")]
trait Desk {
    /// Fails as it is told to.
    #[method(code = 20)]
    fn reply(&self, how: u8, reply: Reply<'_, Note>) -> HandlerResult;
}

struct Clerk;

impl Desk for Clerk {
    fn reply(&self, how: u8, mut reply: Reply<'_, Note>) -> HandlerResult {
        match how {
            FORGOTTEN => {
                Box::leak(Box::new(reply));
            }
            EMPTY => drop(reply),
            TOO_LARGE => {
                reply.text(&"x".repeat(LIMIT as usize));
            }
            GIVEN_UP => {
                reply.text("half");
                return Err("out of ink".into());
            }
            HIDDEN => {
                // What is wrong with it counts, also where the handler makes light of it.
                let _ = reply.finish();
            }
            BROKEN => panic!("as it should"),
            _ => {
                reply.text("done");
            }
        }
        Ok(())
    }
}

const FINE: u8 = 0;
const FORGOTTEN: u8 = 1;
const EMPTY: u8 = 2;
const TOO_LARGE: u8 = 3;
const GIVEN_UP: u8 = 4;
const HIDDEN: u8 = 5;
const BROKEN: u8 = 6;

const REPLY: Method = Method::new(20);
const UNKNOWN: Method = Method::new(99);
const BY_HAND: Service = Service::new("by-hand", &[MethodInfo::new("fill", 1), MethodInfo::new("over", 2)]);
const FILL: Method = Method::new(1);
const OVERFLOW: Method = Method::new(2);

/// A service by hand, for what the generated code never does.
struct Hand;

impl Dispatch for Hand {
    fn service(&self) -> &'static Service {
        &BY_HAND
    }

    fn dispatch(&self, call: &Call<'_>, request: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure> {
        match (call.method(), request) {
            (FILL, b"too much") => (0..=LIMIT).for_each(|_| reply.append(b"x")),
            (OVERFLOW, b"too much") => return Err(EncodeError::TooLarge(1 << 40).into()),
            _ => reply.append(b"done"),
        }
        Ok(())
    }
}

/// What a failure is called in a report, and whether the session goes on behind it.
#[derive(Debug, Clone, Copy)]
enum Told {
    Unsupported,
    Malformed,
    Unwritten,
    Handler,
    Panicked,
    /// The answer as a whole was too large.
    Limit,
}

impl Told {
    fn is(self, report: &Report, method: Method) -> bool {
        if let Report::SessionEnded { error: Error::Limit(exceeded), .. } = report {
            return matches!(self, Self::Limit)
                && exceeded.limit == Limit::ResponsePayload
                && exceeded.asked > exceeded.allowed
                && exceeded.allowed == u64::from(LIMIT);
        }
        let Report::Failed { method: failed, failure, .. } = report else { return false };
        let is_this = match self {
            Self::Unsupported => matches!(failure, Failure::Unsupported(named) if *named == method),
            Self::Malformed => matches!(failure, Failure::Malformed(_)),
            Self::Unwritten => matches!(failure, Failure::Unwritten(_)),
            Self::Handler => matches!(failure, Failure::Handler(_)),
            Self::Panicked => matches!(failure, Failure::Panicked),
            Self::Limit => false,
        };
        is_this && *failed == method && failure.ends_session() != matches!(self, Self::Unsupported)
    }
}

struct Row {
    what: &'static str,
    method: Method,
    /// The request that fails, and one like it that does not.
    bad: Vec<u8>,
    good: Vec<u8>,
    status: Status,
    goes_on: bool,
    told: Told,
}

fn row(what: &'static str, method: Method, bad: &[u8], good: &[u8], status: Status, told: Told) -> Row {
    let goes_on = matches!(told, Told::Unsupported);
    Row { what, method, bad: bad.to_vec(), good: good.to_vec(), status, goes_on, told }
}

fn generated() -> Vec<Row> {
    let reply = |what, how, status, told| row(what, REPLY, &[how], &[FINE], status, told);
    vec![
        row("no such method", UNKNOWN, b"", b"", Status::Unsupported, Told::Unsupported),
        row("too short a request", REPLY, b"", &[FINE], Status::BadEnvelope, Told::Malformed),
        row("too long a request", REPLY, b"odd", &[FINE], Status::BadEnvelope, Told::Malformed),
        reply("the handler gave up", GIVEN_UP, Status::InternalError, Told::Handler),
        reply("the handler panicked", BROKEN, Status::InternalError, Told::Panicked),
        reply("the reply was forgotten", FORGOTTEN, Status::InternalError, Told::Handler),
        reply("the reply breaks a rule", EMPTY, Status::InternalError, Told::Unwritten),
        reply("the reply breaks a rule, which the handler hides", HIDDEN, Status::InternalError, Told::Unwritten),
        reply("the reply is too large", TOO_LARGE, Status::LimitExceeded, Told::Unwritten),
    ]
}

fn by_hand() -> Vec<Row> {
    vec![
        row("no such method", UNKNOWN, b"", b"", Status::Unsupported, Told::Unsupported),
        row("more was written than fits", FILL, b"too much", b"fine", Status::LimitExceeded, Told::Limit),
        row(
            "an encoder says that it is too much",
            OVERFLOW,
            b"too much",
            b"fine",
            Status::LimitExceeded,
            Told::Unwritten,
        ),
    ]
}

fn both() -> [Profiles; 2] {
    [Profiles::BASELINE, Profiles::BASELINE | Profiles::SHM_HYBRID]
}

fn connect(running: &Running, profiles: Profiles) -> ClientSession {
    let client = ClientConfig::new().profiles(profiles).connect(running.endpoint(), Deadline::NEVER).unwrap();
    assert_eq!(client.status().profile == Profiles::SHM_HYBRID, profiles != Profiles::BASELINE);
    client
}

fn serve(run_dir: &RunDir, server: Server, profiles: Profiles) -> (Running, Receiver<Report>) {
    let (report, reports) = channel();
    let report = Mutex::new(report);
    let server = server.workers(2).profiles(profiles).max_response_payload(LIMIT).on_report(move |told| {
        // Reports are lent; what is needed of them is kept.
        let copy = match told {
            Report::Failed { session_id, method, failure } => {
                Report::Failed { session_id: *session_id, method: *method, failure: again(failure) }
            }
            Report::SessionEnded { session_id, peer, error } => {
                Report::SessionEnded { session_id: *session_id, peer: *peer, error: error.clone() }
            }
            other => panic!("{other:?}"),
        };
        report.lock().unwrap().send(copy).unwrap();
    });
    (server.bind(run_dir.path()).unwrap().spawn().unwrap(), reports)
}

fn again(failure: &Failure) -> Failure {
    match failure {
        Failure::Unsupported(method) => Failure::Unsupported(*method),
        Failure::Malformed(error) => Failure::Malformed(*error),
        Failure::Unwritten(error) => Failure::Unwritten(*error),
        Failure::Handler(error) => Failure::Handler(error.to_string().into()),
        Failure::Panicked => Failure::Panicked,
        other => panic!("{other}"),
    }
}

/// The requests that fail for this row: alone, and as one of a batch.
fn requests(row: &Row) -> Vec<Option<Vec<Vec<u8>>>> {
    let mut requests = vec![None, Some(vec![row.bad.clone()])];
    for at in 0..3 {
        let mut items = vec![row.good.clone(); 2];
        items.insert(at, row.bad.clone());
        requests.push(Some(items));
    }
    requests
}

fn hold(name: &str, server: impl Fn() -> Server, rows: &[Row]) {
    for profiles in both() {
        let run_dir = RunDir::new();
        let (running, reports) = serve(&run_dir, server(), profiles);
        let mut bystander = connect(&running, profiles);
        for row in rows {
            for request in requests(row) {
                let what = format!("{name}, {}, {profiles:?}, {request:?}", row.what);
                let mut client = connect(&running, profiles);
                let ticket = match &request {
                    None => client.send(row.method, &row.bad, Deadline::NEVER),
                    Some(items) => client.send_batch(row.method, items, Deadline::NEVER),
                };
                let id = ticket.unwrap().id();
                let answer = client.receive(Deadline::NEVER).unwrap();
                assert_eq!((answer.ticket().id(), answer.status()), (id, row.status), "{what}");
                assert!(answer.payload().is_empty() && !answer.header().is_batch(), "{what}");
                assert_eq!((answer.header().item_count(), answer.ticket().method()), (1, row.method), "{what}");
                let report = reports.recv().unwrap();
                assert!(row.told.is(&report, row.method), "{what}: {report:?}");
                let known = rows.last().unwrap();
                if row.goes_on {
                    let ticket = client.send(known.method, &known.good, Deadline::NEVER).unwrap();
                    let answer = client.receive(Deadline::NEVER).unwrap();
                    assert_eq!((answer.ticket(), answer.status()), (ticket, Status::Ok), "{what}");
                } else {
                    let outcome = client.receive(Deadline::NEVER).map(|message| message.status());
                    assert_eq!(outcome, Err(Error::Closed { mid_message: false }), "{what}");
                }
                // Nobody else notices.
                bystander.send(known.method, &known.good, Deadline::NEVER).unwrap();
                assert_eq!(bystander.receive(Deadline::NEVER).unwrap().status(), Status::Ok, "{what}");
            }
        }
        drop(bystander);
        running.shutdown(LONG).unwrap();
        assert!(reports.try_recv().is_err(), "each is reported once");
    }
}

#[test]
fn what_generated_code_fails_at_is_answered_and_reported_as_the_table_says() {
    hold("generated", || DeskServer::new(Clerk).erased(), &generated());
}

#[test]
fn what_is_dispatched_by_hand_fails_as_the_table_says() {
    hold("by hand", || Server::new(Hand), &by_hand());
}
