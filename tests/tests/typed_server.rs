//! A server of Level 2: what it answers where there is no answer, whom it serves when, and how it ends.
#![cfg(target_os = "linux")]

use core::time::Duration;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use netipc::buf::Writer;
use netipc::endpoint::Endpoint;
use netipc::server::{Report, ServeError, Server};
use netipc::service::{Dispatch, Failure, MethodInfo, Service};
use netipc::session::{ClientConfig, ClientSession, Deadline, Error, Limit};
use netipc::wire::{AuthToken, Method, Profiles, Status};
use netipc::{Call, WireMessage};
use netipc_tests::processes::RunDir;

const ECHO: Method = Method::new(1);
const ADD: Method = Method::new(2);
const PANIC: Method = Method::new(3);
const FAIL: Method = Method::new(4);
const HOLD: Method = Method::new(5);
const LARGE: Method = Method::new(6);
const ABANDONED: Method = Method::new(7);
const NESTED: Method = Method::new(8);
const UNKNOWN: Method = Method::new(99);

const SERVICE: Service = Service::new(
    "bench",
    &[
        MethodInfo::new("echo", 1),
        MethodInfo::new("add", 2),
        MethodInfo::new("panic", 3),
        MethodInfo::new("fail", 4),
        MethodInfo::new("hold", 5),
        MethodInfo::new("large", 6),
        MethodInfo::new("abandoned", 7),
        MethodInfo::new("nested", 8),
    ],
);

const LARGE_LEN: u32 = 1 << 19;
const SOCKET: Profiles = Profiles::BASELINE;
const LONG: Duration = Duration::from_secs(60);

#[derive(Debug, WireMessage)]
struct Pair {
    one: u32,
    other: u32,
}

struct Workshop {
    endpoint: Endpoint,
    /// Told of by handlers that wait, and when they have waited enough.
    told: Mutex<Sender<&'static str>>,
    go_on: Mutex<Receiver<()>>,
}

/// The other ends of a workshop's channels.
struct Hands {
    told: Receiver<&'static str>,
    go_on: Sender<()>,
}

fn workshop(run_dir: &RunDir) -> (Workshop, Hands) {
    let ((tell, told), (go_on, wait)) = (channel(), channel());
    let (told_by, go_on_by) = (Mutex::new(tell), Mutex::new(wait));
    (Workshop { endpoint: run_dir.endpoint(SERVICE.name), told: told_by, go_on: go_on_by }, Hands { told, go_on })
}

impl Workshop {
    fn tell(&self, what: &'static str) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).send(what).unwrap();
    }
}

impl Dispatch for Workshop {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn dispatch(&self, call: &Call<'_>, request: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure> {
        assert_eq!(call.peer().pid, Some(std::process::id()));
        match call.method() {
            ECHO => reply.append(request),
            ADD => {
                let pair = Pair::decode(request)?;
                reply.append(&(pair.one() + pair.other()).to_ne_bytes());
            }
            PANIC => {
                reply.append(b"half of an answer");
                panic!("as it should");
            }
            FAIL => {
                reply.append(b"half of an answer");
                return Err(Failure::Handler("out of paper".into()));
            }
            HOLD => {
                self.tell("held");
                // Nobody says so any more where the test is over.
                let _ = self.go_on.lock().unwrap_or_else(PoisonError::into_inner).recv();
                reply.append(request);
            }
            LARGE => (0..LARGE_LEN).for_each(|at| reply.append(&[at.to_ne_bytes()[0]])),
            ABANDONED => {
                self.tell("waits");
                while !call.is_cancelled() {
                    thread::yield_now();
                }
                self.tell("cancelled");
            }
            NESTED => {
                let mut client = connect(&self.endpoint, SOCKET);
                let ticket =
                    client.send(ECHO, request, Deadline::NEVER).map_err(|error| Failure::Handler(error.into()))?;
                let answer = client.receive(Deadline::NEVER).map_err(|error| Failure::Handler(error.into()))?;
                assert_eq!(answer.ticket(), ticket);
                reply.append(answer.payload());
            }
            other => panic!("{other} was let through"),
        }
        Ok(())
    }
}

fn both() -> [Profiles; 2] {
    [SOCKET, Profiles::BASELINE | Profiles::SHM_HYBRID]
}

fn connect(endpoint: &Endpoint, profiles: Profiles) -> ClientSession {
    let client = ClientConfig::new().profiles(profiles).connect(endpoint, Deadline::NEVER).unwrap();
    assert_eq!(client.status().profile == Profiles::SHM_HYBRID, profiles != SOCKET);
    client
}

fn ask(client: &mut ClientSession, method: Method, payload: &[u8]) -> (Status, Vec<u8>) {
    let ticket = client.send(method, payload, Deadline::NEVER).unwrap();
    answer(client, ticket.id())
}

fn answer(client: &mut ClientSession, id: u64) -> (Status, Vec<u8>) {
    let answer = client.receive(Deadline::NEVER).unwrap();
    assert_eq!(answer.ticket().id(), id);
    (answer.status(), answer.payload().to_vec())
}

fn assert_ended(client: &mut ClientSession) {
    let outcome = client.receive(Deadline::NEVER).map(|message| message.status());
    assert!(matches!(outcome, Err(Error::Closed { mid_message: false })), "{outcome:?}");
}

fn wait_until(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::yield_now();
    }
}

fn pair(one: u32, other: u32) -> Vec<u8> {
    Pair { one, other }.to_vec().unwrap()
}

#[test]
fn each_failure_is_answered_with_its_status_and_harms_nobody_else() {
    for profiles in both() {
        let run_dir = RunDir::new();
        let (workshop, _hands) = workshop(&run_dir);
        let (report, reports) = channel();
        let report = Mutex::new(report);
        let tell = move |told: &Report| {
            let words = match told {
                Report::Failed { method, failure, .. } => format!("{method:?} {failure}"),
                Report::SessionEnded { error: Error::Limit(exceeded), .. } => {
                    assert_eq!((exceeded.limit, exceeded.asked), (Limit::ResponsePayload, LARGE_LEN.into()));
                    "too large".to_owned()
                }
                other => panic!("{other:?}"),
            };
            report.lock().unwrap().send(words).unwrap();
        };
        let server = Server::new(workshop).workers(1).profiles(profiles).max_response_payload(4096).on_report(tell);
        let running = server.bind(run_dir.path()).unwrap().spawn().unwrap();
        let endpoint = running.endpoint();
        let mut bystander = connect(endpoint, profiles);
        let failures: [(Method, &[u8], Status, bool, &str); 5] = [
            (UNKNOWN, b"", Status::Unsupported, false, "there is no method"),
            (ADD, b"odd", Status::BadEnvelope, true, "the request is malformed"),
            (PANIC, b"", Status::InternalError, true, "the handler panicked"),
            (FAIL, b"", Status::InternalError, true, "out of paper"),
            (LARGE, b"", Status::LimitExceeded, true, "too large"),
        ];
        for (method, request, status, ends, words) in failures {
            let mut client = connect(endpoint, profiles);
            assert_eq!(ask(&mut client, ADD, &pair(2, 3)), (Status::Ok, 5_u32.to_ne_bytes().to_vec()));
            assert_eq!(ask(&mut client, method, request), (status, Vec::new()), "{method:?}");
            let told = reports.recv().unwrap();
            assert!(told.contains(words), "{told}");
            if ends {
                assert_ended(&mut client);
            } else {
                assert_eq!(ask(&mut client, ECHO, b"on").1, b"on");
            }
            assert_eq!(ask(&mut bystander, ECHO, b"still here"), (Status::Ok, b"still here".to_vec()));
        }
        drop(bystander);
        running.shutdown(LONG).unwrap();
        assert!(reports.try_recv().is_err(), "a client that hangs up is not worth a word");
    }
}

#[test]
fn a_batch_is_answered_in_its_order_and_fails_as_a_whole() {
    for profiles in both() {
        let run_dir = RunDir::new();
        let (workshop, _hands) = workshop(&run_dir);
        let running = Server::new(workshop).profiles(profiles).bind(run_dir.path()).unwrap().spawn().unwrap();
        let mut client = connect(running.endpoint(), profiles);
        for count in [1, 2, 60] {
            let items: Vec<_> = (0..count).map(|at| pair(at, at * 1000)).collect();
            client.send_batch(ADD, &items, Deadline::NEVER).unwrap();
            let answer = client.receive(Deadline::NEVER).unwrap();
            assert_eq!(answer.status(), Status::Ok);
            let sums: Vec<_> = answer.batch().unwrap().iter().map(<[u8]>::to_vec).collect();
            assert_eq!(sums, (0..count).map(|at| (at * 1001).to_ne_bytes().to_vec()).collect::<Vec<_>>());
        }
        client.send_batch(UNKNOWN, &[b"", b""], Deadline::NEVER).unwrap();
        assert_eq!(client.receive(Deadline::NEVER).unwrap().status(), Status::Unsupported);
        client.send_batch(ADD, &[&pair(1, 2)[..], b"odd", &pair(3, 4)], Deadline::NEVER).unwrap();
        let answer = client.receive(Deadline::NEVER).unwrap();
        assert_eq!((answer.status(), answer.payload()), (Status::BadEnvelope, &b""[..]));
        assert_ended(&mut client);
    }
}

#[test]
fn more_sessions_than_workers_are_all_served() {
    const ROUNDS: u32 = 40;
    let run_dir = RunDir::new();
    let (workshop, _hands) = workshop(&run_dir);
    let running = Server::new(workshop).workers(2).bind(run_dir.path()).unwrap().spawn().unwrap();
    let mut clients: Vec<_> = (0..20).map(|_| connect(running.endpoint(), SOCKET)).collect();
    for round in 0..ROUNDS {
        // More than one worker takes at a time of one session.
        let tickets: Vec<Vec<_>> = clients
            .iter_mut()
            .map(|client| (0..round).map(|at| client.send(ADD, &pair(round, at), Deadline::NEVER).unwrap()).collect())
            .collect();
        for (client, tickets) in clients.iter_mut().zip(tickets) {
            for (at, ticket) in (0..round).zip(tickets) {
                assert_eq!(answer(client, ticket.id()), (Status::Ok, (round + at).to_ne_bytes().to_vec()));
            }
        }
    }
    // The last ones left have a worker each.
    clients.truncate(1);
    assert_eq!(ask(&mut clients[0], ECHO, b"alone").1, b"alone");
}

#[test]
fn who_is_one_too_many_or_shows_no_token_or_is_not_authorized_is_refused() {
    let run_dir = RunDir::new();
    let (report, reports) = channel();
    let report = Mutex::new(report);
    let (workshop, _hands) = workshop(&run_dir);
    let server =
        Server::new(workshop).max_sessions(2).auth_token(AuthToken::new(7)).authorize(|peer| peer.pid.is_some());
    let server = server.on_report(move |told| report.lock().unwrap().send(format!("{told:?}")).unwrap());
    let running = server.bind(run_dir.path()).unwrap().spawn().unwrap();
    let config = ClientConfig::new().auth_token(AuthToken::new(7));
    let refused = ClientConfig::new().connect(running.endpoint(), Deadline::NEVER);
    assert_eq!(refused.map(drop), Err(Error::Refused(Status::AuthFailed)));
    let mut admitted: Vec<_> = (0..2).map(|_| config.connect(running.endpoint(), Deadline::NEVER).unwrap()).collect();
    let refused = config.connect(running.endpoint(), Deadline::NEVER);
    assert_eq!(refused.map(drop), Err(Error::Refused(Status::LimitExceeded)));
    for client in &mut admitted {
        assert_eq!(ask(client, ECHO, b"in").1, b"in");
    }
    for _ in 0..2 {
        let told = reports.recv().unwrap();
        assert!(told.starts_with("Rejected"), "{told}");
    }
}

#[test]
fn a_shutdown_lets_every_request_that_came_in_have_its_answer() {
    for profiles in both() {
        let run_dir = RunDir::new();
        let (workshop, hands) = workshop(&run_dir);
        let server = Server::new(workshop).workers(2).profiles(profiles);
        let running = server.bind(run_dir.path()).unwrap().spawn().unwrap();
        let endpoint = running.endpoint().clone();
        let (mut idle, mut busy) = (connect(&endpoint, profiles), connect(&endpoint, profiles));
        assert_eq!(ask(&mut idle, ECHO, b"before").1, b"before");
        let held = busy.send(HOLD, b"held", Deadline::NEVER).unwrap();
        assert_eq!(hands.told.recv(), Ok("held"));
        let behind = busy.send(ECHO, b"behind", Deadline::NEVER).unwrap();
        let ending = thread::spawn(move || running.shutdown(LONG));
        assert_ended(&mut idle);
        wait_until(|| !endpoint.socket_path().exists());
        assert!(!ending.is_finished());
        hands.go_on.send(()).unwrap();
        assert_eq!(answer(&mut busy, held.id()), (Status::Ok, b"held".to_vec()));
        assert_eq!(answer(&mut busy, behind.id()), (Status::Ok, b"behind".to_vec()));
        assert_ended(&mut busy);
        ending.join().unwrap().unwrap();
        assert!(run_dir.names().iter().all(|name| !name.contains(SERVICE.name)), "{:?}", run_dir.names());
    }
}

#[test]
fn a_shutdown_that_takes_too_long_aborts_what_is_left_and_says_so() {
    for profiles in both() {
        let run_dir = RunDir::new();
        let (workshop, hands) = workshop(&run_dir);
        let running =
            Server::new(workshop).workers(1).profiles(profiles).bind(run_dir.path()).unwrap().spawn().unwrap();
        let mut client = connect(running.endpoint(), profiles);
        client.send(HOLD, b"", Deadline::NEVER).unwrap();
        assert_eq!(hands.told.recv(), Ok("held"));
        assert_eq!(running.shutdown(Duration::ZERO), Err(ServeError::Unfinished { sessions: 1 }));
        assert_ended(&mut client);
        // Nobody waits for the handler, which may return when it likes.
        hands.go_on.send(()).unwrap();
        wait_until(|| run_dir.names().is_empty());
    }
}

#[test]
fn a_handler_learns_that_its_client_has_gone_or_that_the_server_stops() {
    for (profiles, stops) in both().into_iter().flat_map(|profiles| [(profiles, false), (profiles, true)]) {
        let run_dir = RunDir::new();
        let (workshop, hands) = workshop(&run_dir);
        let running = Server::new(workshop).profiles(profiles).bind(run_dir.path()).unwrap().spawn().unwrap();
        let mut client = connect(running.endpoint(), profiles);
        client.send(ABANDONED, b"", Deadline::NEVER).unwrap();
        assert_eq!(hands.told.recv(), Ok("waits"));
        if stops {
            running.stop();
        } else {
            drop(client);
        }
        assert_eq!(hands.told.recv(), Ok("cancelled"));
        running.shutdown(LONG).unwrap();
    }
}

#[test]
fn a_handler_may_call_its_own_service_where_there_is_a_worker_for_it() {
    let run_dir = RunDir::new();
    let (workshop, _hands) = workshop(&run_dir);
    let running = Server::new(workshop).workers(2).bind(run_dir.path()).unwrap().spawn().unwrap();
    let mut client = connect(running.endpoint(), SOCKET);
    for _ in 0..3 {
        assert_eq!(ask(&mut client, NESTED, b"round and round"), (Status::Ok, b"round and round".to_vec()));
    }
}

#[test]
fn who_does_not_read_its_answer_loses_its_session_and_the_worker_goes_on() {
    let run_dir = RunDir::new();
    let (report, reports) = channel();
    let report = Mutex::new(report);
    let (workshop, _hands) = workshop(&run_dir);
    let server = Server::new(workshop).workers(1).response_timeout(Duration::from_millis(1));
    let server = server.on_report(move |told| match told {
        Report::SessionEnded { session_id, error, .. } => {
            report.lock().unwrap().send((*session_id, error.clone())).unwrap()
        }
        other => panic!("{other:?}"),
    });
    let running = server.bind(run_dir.path()).unwrap().spawn().unwrap();
    let mut deaf = connect(running.endpoint(), SOCKET);
    deaf.send(LARGE, b"", Deadline::NEVER).unwrap();
    assert_eq!(reports.recv(), Ok((deaf.terms().session_id, Error::TimedOut)));
    assert_eq!(ask(&mut connect(running.endpoint(), SOCKET), ECHO, b"next").1, b"next");
}

#[test]
fn a_server_runs_in_place_until_it_is_stopped() {
    let run_dir = RunDir::new();
    let (first, _hands) = workshop(&run_dir);
    let bound = Server::new(first).bind(run_dir.path()).unwrap();
    let (endpoint, stop) = (bound.endpoint().clone(), bound.stop_handle());
    let (second, _hands) = workshop(&run_dir);
    let taken = Server::new(second).bind(run_dir.path()).map(drop);
    assert!(matches!(taken, Err(ServeError::Session(Error::InUse { .. }))), "{taken:?}");
    let serving = thread::spawn(move || bound.run());
    let mut client = connect(&endpoint, SOCKET);
    assert_eq!(ask(&mut client, ECHO, b"here").1, b"here");
    stop.stop();
    serving.join().unwrap().unwrap();
    assert_ended(&mut client);
    assert!(!endpoint.socket_path().exists());

    // One that was stopped before does not begin, and one that is dropped is stopped.
    let (third, _hands) = workshop(&run_dir);
    let bound = Server::new(third).bind(run_dir.path()).unwrap();
    bound.stop_handle().stop();
    bound.run().unwrap();
    let (fourth, _hands) = workshop(&run_dir);
    let running = Server::new(fourth).bind(run_dir.path()).unwrap().spawn().unwrap();
    let mut client = connect(&endpoint, SOCKET);
    drop(running);
    assert_ended(&mut client);
    assert!(!endpoint.socket_path().exists());
}
