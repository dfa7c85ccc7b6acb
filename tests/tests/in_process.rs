//! A server in the process of its clients: one program, over memory, sockets and shared memory, has the same answers, the same
//! errors and the same counts.
#![cfg(target_os = "linux")]

use core::time::Duration;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use netipc::buf::Writer;
use netipc::client::{Client, Config, State, Status, Stub};
use netipc::server::{InProcess, Report, Running, Server};
use netipc::service::{Dispatch, Failure, MethodInfo, Service};
use netipc::session::{Abort, Error};
use netipc::wire::{AuthToken, Profiles};
use netipc::{Call, CallError, WireMessage};
use netipc_tests::processes::RunDir;

static ECHO: MethodInfo = MethodInfo::new("echo", 1);
static ADD: MethodInfo = MethodInfo::new("add", 2);
static PANIC: MethodInfo = MethodInfo::new("panic", 3);
static FAIL: MethodInfo = MethodInfo::new("fail", 4);
static ZEROS: MethodInfo = MethodInfo::new("zeros", 5);
static ONCE: MethodInfo = MethodInfo::new("once", 6).at_most_once();
static NESTED: MethodInfo = MethodInfo::new("nested", 7);
static ABORT: MethodInfo = MethodInfo::new("abort", 8);
static HOLD: MethodInfo = MethodInfo::new("hold", 9);
static PEER: MethodInfo = MethodInfo::new("peer", 10);
static UNKNOWN: MethodInfo = MethodInfo::new("unknown", 99);
static SERVICE: Service = Service::new("bench", &[ECHO, ADD, PANIC, FAIL, ZEROS, ONCE, NESTED, ABORT, HOLD, PEER]);

#[derive(Debug, Clone, PartialEq, WireMessage)]
struct Pair {
    one: u32,
    other: u32,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
struct Bytes {
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct BenchClient(Client);

impl Stub for BenchClient {
    const SERVICE: &'static Service = &SERVICE;

    fn over(client: Client) -> Self {
        Self(client)
    }

    fn into_client(self) -> Client {
        self.0
    }
}

impl BenchClient {
    fn bytes(&mut self, method: &'static MethodInfo, request: &[u8]) -> Result<Vec<u8>, CallError> {
        let view = self.0.call::<Bytes>(method, |writer| {
            let mut draft = Bytes::builder_in(writer);
            draft.bytes(request);
            draft.finish().map(drop)
        })?;
        Ok(view.bytes().to_vec())
    }

    fn add(&mut self, one: u32, other: u32) -> Result<u32, CallError> {
        let sum = self.0.call::<Pair>(&ADD, |writer| Pair { one, other }.encode_in(writer).map(drop))?;
        Ok(sum.one())
    }

    /// An `add` that is none.
    fn odd(&mut self) -> Result<(), CallError> {
        let call = self.0.call::<Pair>(&ADD, |writer| {
            writer.append(b"odd");
            Ok(())
        });
        call.map(drop)
    }

    fn state(&self) -> State {
        self.0.status().state
    }
}

#[derive(Default)]
struct Bench {
    /// Another way in, for handlers that are clients.
    itself: Arc<Mutex<Option<InProcess<BenchClient>>>>,
    abort: Arc<Mutex<Option<Abort>>>,
    calls: Mutex<u32>,
}

impl Dispatch for Bench {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn dispatch(&self, call: &Call<'_>, request: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure> {
        let bytes = |bytes: &[u8], reply: &mut Writer<'_>| Bytes { bytes: bytes.to_vec() }.encode_in(reply).map(drop);
        match call.method().code() {
            1 => bytes(Bytes::decode(request)?.bytes(), reply)?,
            2 => {
                let pair = Pair::decode(request)?;
                Pair { one: pair.one() + pair.other(), other: 0 }.encode_in(reply).map(drop)?;
            }
            3 => panic!("as it should"),
            4 => return Err(Failure::Handler("out of paper".into())),
            5 => {
                let len = Bytes::decode(request)?.bytes().try_into().map(u32::from_ne_bytes).unwrap_or_default();
                bytes(&vec![0; len as usize], reply)?;
            }
            6 => {
                let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
                *calls += 1;
                bytes(&calls.to_ne_bytes(), reply)?;
            }
            7 => {
                let itself = self.itself.lock().unwrap().clone();
                let mut client = itself.expect("set").client();
                let depth = Bytes::decode(request)?.bytes();
                let answer = match depth.split_first() {
                    Some((_, rest)) => client.bytes(&NESTED, rest),
                    None => client.bytes(&ECHO, b"bottom"),
                };
                bytes(&answer.map_err(|error| Failure::Handler(error.into()))?, reply)?;
            }
            8 => {
                let abort = self.abort.lock().unwrap_or_else(PoisonError::into_inner);
                abort.as_ref().expect("set").abort();
                bytes(b"nobody reads this", reply)?;
            }
            9 => {
                // Longer than any client here waits; nobody sends anything.
                let (_tell, told) = channel::<()>();
                let _ = told.recv_timeout(Duration::from_millis(60));
                bytes(b"late", reply)?;
            }
            10 => bytes(format!("{:?}", call.peer()).as_bytes(), reply)?,
            other => panic!("{other} was let through"),
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Memory,
    Sockets,
    Regions,
}

const ALL: [Over; 3] = [Over::Memory, Over::Sockets, Over::Regions];

/// A server, and how to reach it.
enum Reach {
    Memory(InProcess<BenchClient>),
    Outside { profiles: Profiles, _running: Running, run_dir: RunDir },
}

impl Over {
    fn profiles(self) -> Profiles {
        match self {
            Self::Memory | Self::Sockets => Profiles::BASELINE,
            Self::Regions => Profiles::BASELINE | Profiles::SHM_HYBRID,
        }
    }

    fn serve(self, server: Server<BenchClient>) -> Reach {
        let profiles = self.profiles();
        match self {
            Self::Memory => Reach::Memory(InProcess::new(server)),
            Self::Sockets | Self::Regions => {
                let run_dir = RunDir::new();
                let running = server.profiles(profiles).bind(run_dir.path()).unwrap().spawn().unwrap();
                Reach::Outside { profiles, _running: running, run_dir }
            }
        }
    }
}

impl Reach {
    fn connect(&self, config: Config<BenchClient>) -> Result<BenchClient, CallError> {
        match self {
            Self::Memory(server) => server.connect(config),
            Self::Outside { profiles, run_dir, .. } => config.profiles(*profiles).connect(run_dir.path()),
        }
    }

    fn client(&self) -> BenchClient {
        self.connect(Config::new()).unwrap()
    }
}

fn bench() -> Server<BenchClient> {
    Server::with_stub(Bench::default())
}

/// What is the same over every transport.
fn counts(status: &Status) -> (State, [u64; 5], String) {
    let Status { state, connections, answered, failed, repeated, grown, last_error, .. } = status;
    (*state, [*connections, *answered, *failed, *repeated, *grown], format!("{last_error:?}"))
}

/// Reports, in words that are the same over every transport.
fn told(server: Server<BenchClient>) -> (Server<BenchClient>, Receiver<String>) {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let words = |report: &Report| match report {
        Report::Rejected(rejected) => format!("{rejected:?}"),
        Report::Failed { session_id, method, failure } => format!("{session_id} {method:?} {failure}"),
        Report::SessionEnded { session_id, error, .. } => format!("{session_id} {error}"),
        other => format!("{other:?}"),
    };
    (server.on_report(move |report| tell.lock().unwrap().send(words(report)).unwrap()), told)
}

/// Runs `program` over everything, and hands out what it gave over memory, which is what it gave over the others.
fn everywhere<T: PartialEq + core::fmt::Debug>(program: impl Fn(Over) -> T) -> T {
    let [memory, sockets, regions] = ALL.map(program);
    assert_eq!(memory, sockets);
    assert_eq!(memory, regions);
    memory
}

#[test]
fn calls_are_answered_and_counted() {
    let (echoed, sum, status) = everywhere(|over| {
        let server = over.serve(bench());
        let mut client = server.client();
        let echoed: Vec<_> = [0, 1, 900].map(|len| client.bytes(&ECHO, &vec![7; len]).unwrap().len()).into();
        let sum = client.add(2, 3).unwrap();
        let peer = client.bytes(&PEER, b"").unwrap();
        assert!(String::from_utf8(peer).unwrap().contains(&std::process::id().to_string()));
        let status = client.0.status();
        let profile = if over == Over::Regions { Profiles::SHM_HYBRID } else { Profiles::BASELINE };
        assert_eq!(status.session.unwrap().profile, profile);
        let refresh = client.0.refresh().unwrap();
        assert!(!refresh.reconnected && client.0.ready());
        (echoed, sum, counts(&status))
    });
    assert_eq!((echoed, sum), (vec![0, 1, 900], 5));
    assert_eq!(status, (State::Ready, [1, 5, 0, 0, 0], "None".to_owned()));
}

#[test]
fn each_failure_has_its_error_its_state_and_its_report() {
    type Row = (String, (State, [u64; 5], String), String);
    let rows: Vec<Row> = everywhere(|over| {
        let (server, reports) = told(bench().max_response_payload(4096).workers(1));
        let server = over.serve(server);
        let zeros = 5000_u32.to_ne_bytes();
        let mut rows = Vec::new();
        for case in 0..5 {
            let mut client = server.client();
            assert_eq!(client.add(1, 1).unwrap(), 2);
            let outcome = match case {
                0 => client.bytes(&UNKNOWN, b"").map(drop),
                1 => client.odd(),
                2 => client.bytes(&PANIC, b"").map(drop),
                3 => client.bytes(&FAIL, b"").map(drop),
                _ => client.bytes(&ZEROS, &zeros).map(drop),
            };
            let status = counts(&client.0.status());
            rows.push((format!("{outcome:?}"), status, reports.recv().unwrap()));
            // The server has closed the session, but for a method that there is none of. For a larger answer the client
            // had made another one, in vain.
            assert_eq!(client.0.refresh().unwrap().reconnected, (1..4).contains(&case));
            assert_eq!(client.add(2, 2).unwrap(), 4);
        }
        assert!(reports.try_recv().is_err(), "nothing else is worth a word");
        rows
    });
    let expected = [
        ("Err(Unsupported)", State::Ready, "there is no method"),
        ("Err(Malformed)", State::Broken, "malformed"),
        ("Err(Internal)", State::Broken, "panicked"),
        ("Err(Internal)", State::Broken, "out of paper"),
        ("Err(AnswerTooLarge { allowed: 4096 })", State::Ready, ""),
    ];
    for ((outcome, state, words), row) in expected.into_iter().zip(&rows) {
        assert_eq!((row.0.as_str(), row.1.0), (outcome, state), "{rows:#?}");
        assert!(row.2.contains(words), "{rows:#?}");
    }
}

#[test]
fn limits_grow_and_large_messages_arrive_in_pieces() {
    let counts = everywhere(|over| {
        let server = over.serve(bench());
        let mut client = server.client();
        for len in [5000, 900_000, 5000] {
            let request: Vec<u8> = (0..len).map(|at: u32| at.to_ne_bytes()[0]).collect();
            assert!(client.bytes(&ECHO, &request).unwrap() == request);
        }
        let beyond = client.bytes(&ECHO, &vec![0; 2 << 20]).map(drop);
        assert!(matches!(beyond, Err(CallError::Limit(_))), "{beyond:?}");
        counts(&client.0.status())
    });
    assert_eq!((counts.0, counts.1), (State::Ready, [3, 3, 1, 0, 2]));
}

#[test]
fn what_must_not_run_twice_runs_once_also_where_its_answer_is_too_large() {
    everywhere(|over| {
        // No room for the four bytes and what stands around them.
        let server = over.serve(bench().max_response_payload(8));
        let mut client = server.client();
        assert_eq!(client.bytes(&ONCE, b""), Err(CallError::AnswerTooLarge { allowed: 8 }));
        counts(&client.0.status())
    });
    let calls = everywhere(|over| {
        let server = over.serve(bench());
        let mut client = server.client();
        [(); 3].map(|()| client.bytes(&ONCE, b"").unwrap())
    });
    assert_eq!(calls, [1_u32, 2, 3].map(|calls| calls.to_ne_bytes().to_vec()));
}

#[test]
fn an_abort_frees_the_call_and_a_reset_lets_it_connect_again() {
    let states = everywhere(|over| {
        let bench = Bench::default();
        let abort = Arc::clone(&bench.abort);
        let server = over.serve(Server::with_stub(bench));
        let mut client = server.client();
        let handle = client.0.abort_handle();
        *abort.lock().unwrap() = Some(handle.clone());
        let mut seen = vec![format!("{:?}", client.bytes(&ABORT, b"")), format!("{:?}", client.state())];
        seen.push(format!("{:?}", client.0.refresh()));
        handle.reset();
        seen.push(format!("{:?}", client.0.refresh()));
        assert_eq!(client.add(1, 2), Ok(3));
        seen
    });
    assert_eq!(states[..3], ["Err(Aborted)", "Broken", "Err(Aborted)"]);
}

#[test]
fn an_answer_that_is_late_has_timed_out_and_is_nobody_elses() {
    let state = everywhere(|over| {
        let server = over.serve(bench());
        let mut client = server.connect(Config::new().timeout(Duration::from_millis(20))).unwrap();
        assert_eq!(client.bytes(&HOLD, b""), Err(CallError::TimedOut));
        // However slow this machine is: what is late is passed over each time.
        let answer = loop {
            match client.bytes(&ECHO, b"mine") {
                Err(CallError::TimedOut) => {}
                answer => break answer,
            }
        };
        assert_eq!(answer.unwrap(), b"mine");
        client.state()
    });
    assert_eq!(state, State::Ready);
}

#[test]
fn who_is_one_too_many_or_shows_no_token_or_is_not_authorized_is_refused() {
    let seen = everywhere(|over| {
        let token = AuthToken::new(7);
        let mut seen = Vec::new();
        let shown = || Config::<BenchClient>::new().auth_token(token);
        let guarded = || bench().auth_token(token);
        for (server, config, places) in [
            (guarded(), shown(), 1),
            (guarded(), Config::new(), 0),
            (guarded().authorize(|peer| peer.pid.is_none()), shown(), 0),
            (guarded().max_sessions(2), shown(), 3),
            (guarded().max_request_payload(2000), shown().max_request_payload(3000), 0),
        ] {
            let (server, reports) = told(server);
            let server = over.serve(server);
            let mut clients = Vec::new();
            for _ in 0..places.max(1) {
                match server.connect(config.clone()) {
                    Ok(client) => clients.push(client),
                    Err(error) => seen.push(format!("{error:?}, {}", reports.recv().unwrap().len())),
                }
            }
            seen.push(clients.len().to_string());
            assert!(clients.iter_mut().all(|client| client.add(1, 2) == Ok(3)));
        }
        seen
    });
    let places: Vec<_> = seen.iter().filter(|line| line.len() == 1).collect();
    assert_eq!(places, ["1", "0", "0", "2", "0"], "{seen:#?}");
}

#[test]
fn a_session_that_its_client_ended_is_no_place_that_is_taken() {
    let server = InProcess::new(bench().max_sessions(1));
    let mut first = server.client();
    assert_eq!(first.add(1, 2), Ok(3));
    first.0.abort_handle().abort();
    assert!(matches!(first.add(1, 2), Err(CallError::Aborted)));
    let mut second = server.client();
    assert_eq!(second.add(1, 2), Ok(3));
    // It is now.
    first.0.abort_handle().reset();
    let refused = Err(CallError::Connect(Error::Refused(netipc::wire::Status::LimitExceeded)));
    assert_eq!(first.0.refresh(), refused);
    drop(second);
    first.0.refresh().unwrap();
}

#[test]
fn a_client_that_is_not_let_in_says_so_when_it_is_asked() {
    let mut client = bench().auth_token(AuthToken::new(7)).in_process();
    assert_eq!(client.state(), State::AuthFailed);
    assert_eq!(client.add(1, 2), Err(CallError::NotReady(State::AuthFailed)));
    let mut client = bench().profiles(Profiles::SHM_HYBRID).in_process();
    assert!(client.0.refresh().is_err());
    assert_eq!(client.state(), State::Incompatible);
}

#[test]
fn a_handler_may_call_its_own_service_as_deep_as_it_likes() {
    let bench = Bench::default();
    let itself = Arc::clone(&bench.itself);
    let server = InProcess::new(Server::with_stub(bench));
    *itself.lock().unwrap() = Some(server.clone());
    let mut client = server.client();
    assert_eq!(client.bytes(&NESTED, &[0; 8]).unwrap(), b"bottom");
    // It keeps itself alive otherwise.
    assert!(itself.lock().unwrap().take().is_some());
}

#[test]
fn clients_on_many_threads_are_served_at_once() {
    let server = InProcess::new(bench());
    thread::scope(|scope| {
        for thread in 0..4 {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.client();
                for at in 0..500 {
                    assert_eq!(client.add(thread, at), Ok(thread + at));
                }
            });
        }
    });
}

#[test]
fn a_client_keeps_its_server_alive() {
    let mut client = bench().in_process();
    assert_eq!(client.bytes(&PANIC, b"").map(drop), Err(CallError::Internal));
    assert_eq!(client.add(1, 2), Err(CallError::NotReady(State::Broken)));
    let refresh = client.0.refresh().unwrap();
    assert_eq!((refresh.before, refresh.after, refresh.reconnected), (State::Broken, State::Ready, true));
    assert_eq!(client.add(1, 2), Ok(3));
}
