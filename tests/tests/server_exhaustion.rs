//! A server of Level 2 without descriptors or threads: who is there is served, who comes is turned away or waits, nothing spins,
//! and all is well again when there is room.
//!
//! Limits are a process's, so each server has one of its own.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

use core::time::Duration;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use netipc::Call;
use netipc::buf::Writer;
use netipc::endpoint::Endpoint;
use netipc::server::{Report, Running, ServeError, Server};
use netipc::service::{Dispatch, Failure, MethodInfo, Service};
use netipc::session::{Cause, ClientConfig, ClientSession, Deadline, Error, Wait};
use netipc::wire::{Method, Profiles, Status};
use netipc_tests::processes::{Child, RunDir, hear, limit_descriptors, limit_memory, role, say, take_descriptors};
use rustix::time::{ClockId, clock_gettime};

const ECHO: Method = Method::new(1);
const SERVICE: Service = Service::new("poor", &[MethodInfo::new("echo", 1)]);
const NEVER: Deadline = Deadline::NEVER;
const CLOSED: Error = Error::Closed { mid_message: false };
const LONG: Duration = Duration::from_secs(60);
const BOTH: [Profiles; 2] = [Profiles::BASELINE, Profiles::SHM_HYBRID];
/// How long a server is watched that should have nothing to do.
const WATCHED: Duration = Duration::from_millis(400);

struct Echo;

impl Dispatch for Echo {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn dispatch(&self, _: &Call<'_>, request: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure> {
        reply.append(request);
        Ok(())
    }
}

/// A server in this process, and how often it could not accept anybody, or turned somebody away for want of something.
fn serve(run_dir: &Path) -> (Running, Arc<AtomicUsize>) {
    let lacking = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&lacking);
    let server = Server::new(Echo).workers(2).profiles(BOTH[0] | BOTH[1]).max_response_payload(4096).wait(Wait::Block);
    let server = server.on_report(move |report| match report {
        Report::Accept(Error::System(_)) => drop(count.fetch_add(1, Ordering::SeqCst)),
        Report::Rejected(rejected) if matches!(rejected.cause(), Cause::System(_)) => {
            count.fetch_add(1, Ordering::SeqCst);
        }
        Report::SessionEnded { error: Error::System(_), .. } => drop(count.fetch_add(1, Ordering::SeqCst)),
        // Who has waited in vain.
        Report::Rejected(_) => {}
        other => panic!("{other:?}"),
    });
    (server.bind(run_dir).unwrap().spawn().unwrap(), lacking)
}

/// What this process has used of processors.
fn used() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), u32::try_from(used.tv_nsec).unwrap())
}

fn config(profiles: Profiles) -> ClientConfig {
    // A client that can have what it asks for and nothing else.
    ClientConfig::new().profiles(profiles).wait(Wait::Block)
}

fn ask(client: &mut ClientSession, words: &[u8]) {
    client.send(ECHO, words, NEVER).unwrap();
    let answer = client.receive(NEVER).unwrap();
    assert_eq!((answer.status(), answer.payload()), (Status::Ok, words));
}

fn ask_all(clients: &mut [ClientSession], words: &[u8]) {
    for client in clients {
        ask(client, words);
        client.send_batch(ECHO, &[words; 10], NEVER).unwrap();
        let answer = client.receive(NEVER).unwrap();
        assert!(answer.batch().unwrap().iter().all(|item| item == words));
    }
}

/// A server in a process of its own, a client over each transport, and then nothing more for the server.
fn start_and_be_poor(test: &str, run_dir: &RunDir) -> (Child, Vec<ClientSession>) {
    let endpoint = run_dir.endpoint(SERVICE.name);
    let mut server = Child::start(test, "server", run_dir.path());
    assert_eq!(server.hear(), "serving");
    let mut clients: Vec<_> =
        BOTH.iter().map(|&profiles| config(profiles).connect(&endpoint, NEVER).unwrap()).collect();
    ask_all(&mut clients, b"well");
    server.tell("be poor");
    assert_eq!(server.hear(), "poor");
    (server, clients)
}

/// A server that is told when to be short of descriptors.
fn server_without_descriptors(run_dir: &Path) {
    let (running, lacking) = serve(run_dir);
    say("serving");
    assert_eq!(hear(), "be poor");
    let taken = take_descriptors(0);
    say("poor");
    assert_eq!(hear(), "be rich");
    assert!(lacking.swap(0, Ordering::SeqCst) > 0);
    drop(taken);
    say("rich");

    assert_eq!(hear(), "be destitute");
    // Below what is open already, so that not even the descriptor that is kept for turning clients away can be had.
    let before = used();
    limit_descriptors(Some(3));
    say("destitute");
    assert_eq!(hear(), "how busy are you?");
    let busy = used() - before;
    assert!(lacking.load(Ordering::SeqCst) > 0);
    limit_descriptors(None);
    say(&busy.as_micros().to_string());
    assert_eq!(hear(), "end");
    running.shutdown(LONG).unwrap();
}

#[test]
fn a_server_without_descriptors_serves_whom_it_has_and_spins_for_nobody() {
    if let Some((_, run_dir)) = role() {
        return server_without_descriptors(&run_dir);
    }
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint(SERVICE.name);
    let name = "a_server_without_descriptors_serves_whom_it_has_and_spins_for_nobody";
    let (mut server, mut clients) = start_and_be_poor(name, &run_dir);
    for profiles in BOTH {
        for _ in 0..10 {
            // At once, and not after a while.
            assert_eq!(config(profiles).connect(&endpoint, NEVER).map(drop), Err(CLOSED));
        }
        ask_all(&mut clients, b"poor, but well");
    }
    server.tell("be rich");
    assert_eq!(server.hear(), "rich");
    for profiles in BOTH {
        clients.push(config(profiles).connect(&endpoint, NEVER).unwrap());
    }
    ask_all(&mut clients, b"rich");

    server.tell("be destitute");
    assert_eq!(server.hear(), "destitute");
    // There is not even one to turn a client away with, so it waits.
    let waiting = config(BOTH[0]).connect(&endpoint, Deadline::after(WATCHED));
    assert_eq!(waiting.map(drop), Err(Error::TimedOut));
    ask_all(&mut clients, b"destitute, but well");
    server.tell("how busy are you?");
    let busy = Duration::from_micros(server.hear().parse().unwrap());
    assert!(busy < WATCHED / 2, "{busy:?} of {WATCHED:?}");
    // Who had waited is gone, which is no reason to stop.
    for profiles in BOTH {
        clients.push(config(profiles).connect(&endpoint, NEVER).unwrap());
    }
    ask_all(&mut clients, b"rich again");
    server.tell("end");
    server.finish();
    assert!(run_dir.names().is_empty(), "{:?}", run_dir.names());
}

/// Leaves room for no thread's stack, and for little else: to be called in a process of one's own.
fn take_stacks() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let kilobytes: u64 = size.trim().trim_end_matches(" kB").parse().unwrap();
    limit_memory((kilobytes << 10) + (1 << 20));
}

fn can_start_a_thread() -> bool {
    std::thread::Builder::new().spawn(|| {}).map(|thread| thread.join().unwrap()).is_ok()
}

fn server_without_threads(run_dir: &Path) {
    let (running, _) = serve(run_dir);
    say("serving");
    assert_eq!(hear(), "be poor");
    take_stacks();
    assert!(!can_start_a_thread());
    let before = used();
    say("poor");
    assert_eq!(hear(), "how busy are you?");
    say(&(used() - before).as_micros().to_string());
    limit_memory(1 << 40);
    assert!(can_start_a_thread());
    say("rich");
    assert_eq!(hear(), "end");
    running.shutdown(LONG).unwrap();
}

#[test]
fn a_server_without_threads_serves_whom_it_can_and_recovers() {
    if let Some((_, run_dir)) = role() {
        return server_without_threads(&run_dir);
    }
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint(SERVICE.name);
    let name = "a_server_without_threads_serves_whom_it_can_and_recovers";
    let (mut server, mut clients) = start_and_be_poor(name, &run_dir);
    // Sessions over sockets take none.
    clients.push(config(BOTH[0]).connect(&endpoint, NEVER).unwrap());
    for round in 0..5 {
        // One over shared memory is served, or ends: its client is not left alone with it.
        match config(BOTH[1]).connect(&endpoint, NEVER) {
            Ok(mut session) => match session.send(ECHO, b"anybody?", NEVER) {
                Ok(_) => match session.receive(NEVER).map(|answer| answer.status()) {
                    Ok(status) => assert_eq!(status, Status::Ok),
                    Err(error) => assert!(matches!(error, Error::Closed { .. }), "{round} {error}"),
                },
                Err(error) => assert!(matches!(error, Error::Closed { .. }), "{round} {error}"),
            },
            // Its region is gone with it before the client has found it.
            Err(error) => {
                let is_no = matches!(error, Error::Closed { .. } | Error::Refused(_) | Error::SharedMemory(_));
                assert!(is_no, "{round} {error}");
            }
        }
        ask_all(&mut clients, b"poor, but well");
    }
    // Nobody says anything, and so nobody has anything to do.
    let nothing = clients[0].receive(Deadline::after(WATCHED)).map(|answer| answer.status());
    assert_eq!(nothing, Err(Error::TimedOut));
    server.tell("how busy are you?");
    let busy = Duration::from_micros(server.hear().parse().unwrap());
    assert!(busy < WATCHED / 2, "{busy:?} of {WATCHED:?}");
    assert_eq!(server.hear(), "rich");
    for profiles in BOTH {
        clients.push(config(profiles).connect(&endpoint, NEVER).unwrap());
    }
    ask_all(&mut clients, b"rich");
    server.tell("end");
    server.finish();
    assert!(run_dir.names().is_empty(), "{:?}", run_dir.names());
}

fn server_whose_worker_waits(run_dir: &Path) {
    let (tell, told) = channel();
    let server = Server::new(Echo).workers(1).profiles(BOTH[1]).max_response_payload(4096).wait(Wait::Block);
    let server = server.on_report(move |report| tell.send(format!("{report:?}")).unwrap());
    let running = server.bind(run_dir).unwrap().spawn().unwrap();
    say("serving");
    assert_eq!(hear(), "be poor");
    take_stacks();
    say("poor");
    let report = told.recv_timeout(LONG).unwrap();
    limit_memory(1 << 40);
    assert!(report.starts_with("WorkerWaits") && report.contains("clone"), "{report}");
    say("told");
    assert_eq!(hear(), "end");
    running.shutdown(LONG).unwrap();
    assert_eq!(told.try_iter().count(), 0);
}

#[test]
fn a_worker_that_has_to_wait_for_a_client_that_does_not_read_says_so() {
    const NAME: &str = "a_worker_that_has_to_wait_for_a_client_that_does_not_read_says_so";
    if let Some((_, run_dir)) = role() {
        return server_whose_worker_waits(&run_dir);
    }
    let run_dir = RunDir::new();
    let mut server = Child::start(NAME, "server", run_dir.path());
    assert_eq!(server.hear(), "serving");
    let endpoint = run_dir.endpoint(SERVICE.name);
    let [slow, mut other] = [(); 2].map(|()| config(BOTH[1]).connect(&endpoint, NEVER).unwrap());
    ask(&mut other, b"well");
    server.tell("be poor");
    assert_eq!(server.hear(), "poor");
    let (mut requests, mut answers) = slow.split();
    for word in [b"one", b"two"] {
        requests.send(ECHO, word, NEVER).unwrap();
    }
    assert_eq!(server.hear(), "told");
    for word in [b"one", b"two"] {
        assert_eq!(answers.receive(NEVER).unwrap().payload(), word);
    }
    ask(&mut other, b"well again");
    server.tell("end");
    server.finish();
    assert!(run_dir.names().is_empty(), "{:?}", run_dir.names());
}

#[test]
fn a_server_that_has_no_thread_to_begin_with_says_so_and_leaves_nothing_behind() {
    const NAME: &str = "a_server_that_has_no_thread_to_begin_with_says_so_and_leaves_nothing_behind";
    let Some((_, run_dir)) = role() else {
        let run_dir = RunDir::new();
        Child::start(NAME, "server", run_dir.path()).finish();
        return assert!(run_dir.names().is_empty());
    };
    let endpoint = Endpoint::new(&run_dir, SERVICE.name).unwrap();
    let bound = Server::new(Echo).bind(&run_dir).unwrap();
    take_stacks();
    assert!(matches!(bound.spawn().map(drop), Err(ServeError::System(_))));
    assert!(!endpoint.socket_path().exists());
    assert!(matches!(Server::new(Echo).bind(&run_dir).unwrap().run(), Err(ServeError::System(_))));
    assert!(!endpoint.socket_path().exists());
    limit_memory(1 << 40);
    let running = Server::new(Echo).bind(&run_dir).unwrap().spawn().unwrap();
    ask(&mut config(BOTH[0]).connect(&endpoint, NEVER).unwrap(), b"well");
    running.shutdown(LONG).unwrap();
}
