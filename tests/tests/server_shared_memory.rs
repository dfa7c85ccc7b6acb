//! Sessions over shared memory, as many as a server likes: idle ones share threads that wait for all of them, and all share
//! the workers. On a kernel without `futex_waitv(2)` each has a thread, and all else is the same.
#![cfg(target_os = "linux")]

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use netipc::Call;
use netipc::buf::Writer;
use netipc::endpoint::Endpoint;
use netipc::server::{Report, Running, Server};
use netipc::service::{Dispatch, Failure, MethodInfo, Service};
use netipc::session::{ClientSession, Deadline, Error};
use netipc::wire::{AuthToken, HelloAck, Method, Profiles, Status};
use netipc_tests::memory::{self, Peer};
use netipc_tests::older::{forget_futex_waitv, has_futex_waitv};
use netipc_tests::processes::{Child, RunDir, hear, limit_descriptors, role, say};
use netipc_tests::random::Random;
use netipc_tests::raw::{Raw, TOKEN, hello_packet};
use netipc_tests::region::{REQUEST, RawRegion};
use netipc_tests::regions::{comes_true, within};

const ECHO: Method = Method::new(1);
const HOLD: Method = Method::new(2);
const SERVICE: Service = Service::new("many", &[MethodInfo::new("echo", 1), MethodInfo::new("hold", 2)]);
const PAYLOAD: u32 = 64;
const WORKERS: usize = 2;
/// Words that one thread can wait for beside one of its own.
const PLACES: usize = 127;
const LONG: Duration = Duration::from_secs(60);

/// Answers with what it was asked; holds some requests until it is told to go on.
struct Echo {
    held: Mutex<Sender<()>>,
    go_on: Mutex<Receiver<()>>,
}

impl Dispatch for Echo {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn dispatch(&self, call: &Call<'_>, request: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure> {
        if call.method() == HOLD {
            self.held.lock().unwrap().send(()).unwrap();
            self.go_on.lock().unwrap().recv().unwrap();
        }
        reply.append(request);
        Ok(())
    }
}

/// A server, and what its handlers and its reports say.
struct Served {
    running: Running,
    held: Receiver<()>,
    go_on: Sender<()>,
    reports: Receiver<String>,
}

fn serve(run_dir: &Path, set: impl FnOnce(Server) -> Server) -> Served {
    let ((hold, held), (go_on, wait), (report, reports)) = (channel(), channel(), channel());
    let report = Mutex::new(report);
    let server = Server::new(Echo { held: Mutex::new(hold), go_on: Mutex::new(wait) })
        .workers(WORKERS)
        .profiles(Profiles::BASELINE | Profiles::SHM_HYBRID)
        .auth_token(AuthToken::new(TOKEN))
        .max_request_payload(PAYLOAD)
        .max_response_payload(PAYLOAD)
        .on_report(move |told: &Report| report.lock().unwrap().send(format!("{told:?}")).unwrap());
    let running = set(server).bind(run_dir).unwrap().spawn().unwrap();
    Served { running, held, go_on, reports }
}

impl Served {
    fn endpoint(&self) -> &Endpoint {
        self.running.endpoint()
    }

    /// Ends it, after which there is nothing to complain of.
    fn end(self) {
        self.running.shutdown(LONG).unwrap();
        assert_eq!(self.reports.try_iter().collect::<Vec<_>>(), Vec::<String>::new());
    }
}

fn try_connect(endpoint: &Endpoint) -> Result<ClientSession, Error> {
    memory::client(PAYLOAD, PAYLOAD).connect(endpoint, within())
}

fn connect(endpoint: &Endpoint) -> ClientSession {
    let client = try_connect(endpoint).unwrap();
    assert_eq!(client.status().profile, Profiles::SHM_HYBRID, "{:?}", client.status());
    client
}

fn send(client: &mut ClientSession, method: Method, number: u64) -> u64 {
    client.send(method, &number.to_ne_bytes(), within()).unwrap().id()
}

fn receive(client: &mut ClientSession, id: u64, number: u64) {
    let answer = client.receive(Deadline::after(LONG)).unwrap();
    assert_eq!((answer.ticket().id(), answer.status()), (id, Status::Ok));
    assert_eq!(answer.payload(), number.to_ne_bytes());
}

fn call(client: &mut ClientSession, number: u64) {
    let id = send(client, ECHO, number);
    receive(client, id, number);
}

fn assert_ended(client: &mut ClientSession) {
    let outcome = client.receive(Deadline::after(LONG)).map(|message| message.status());
    assert_eq!(outcome, Err(Error::Closed { mid_message: false }));
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

fn assert_threads(expected: usize) {
    assert!(comes_true(|| threads() == expected), "{} threads instead of {expected}", threads());
}

/// Runs a scenario in processes of its own: on this kernel, and on one in which no thread can wait for many sessions. It is
/// told whether one can.
fn on_both_kernels(name: &str, scenario: impl FnOnce(&Path, bool)) {
    if let Some((role, run_dir)) = role() {
        if role == "older" {
            forget_futex_waitv();
        }
        limit_descriptors(None);
        return scenario(&run_dir, has_futex_waitv());
    }
    for role in ["newer", "older"] {
        let run_dir = RunDir::new();
        Child::start(name, role, run_dir.path()).finish();
        assert_eq!(run_dir.names(), Vec::<String>::new(), "{role}");
    }
}

#[test]
fn three_hundred_idle_sessions_need_three_threads_beside_the_workers() {
    const SESSIONS: usize = 300;
    let name = "three_hundred_idle_sessions_need_three_threads_beside_the_workers";
    on_both_kernels(name, |run_dir, shares_threads| {
        let waiters = |sessions: usize| if shares_threads { sessions.div_ceil(PLACES) } else { sessions };
        let before = threads();
        let served = serve(run_dir, |server| server);
        // Who accepts, and who watches the sockets.
        let always = before + WORKERS + 2;
        let mut clients: Vec<_> = (0..SESSIONS).map(|_| connect(served.endpoint())).collect();
        assert_threads(always + waiters(SESSIONS));
        for round in 0..20 {
            // One by one, and all at once.
            for (client, number) in clients.iter_mut().zip(round..) {
                call(client, number);
            }
            let ids: Vec<_> = clients.iter_mut().zip(round..).map(|(client, at)| send(client, ECHO, at)).collect();
            for ((client, id), number) in clients.iter_mut().zip(ids).zip(round..) {
                receive(client, id, number);
            }
            assert!(threads() <= always + waiters(SESSIONS));
        }
        // Those that are left keep the waiters that they have come to.
        clients.truncate(PLACES);
        assert!(comes_true(|| threads() <= always + waiters(SESSIONS)));
        clients.iter_mut().for_each(|client| call(client, 1));
        clients.clear();
        assert!(comes_true(|| threads() <= always), "{} threads and no session", threads());
        call(&mut connect(served.endpoint()), 2);
        served.end();
        assert_threads(before);
    });
}

#[test]
fn sessions_come_and_go_while_others_call() {
    const CALLERS: u64 = 4;
    on_both_kernels("sessions_come_and_go_while_others_call", |run_dir, _| {
        let served = serve(run_dir, |server| server);
        thread::scope(|scope| {
            for seed in 0..CALLERS {
                let endpoint = served.endpoint();
                scope.spawn(move || {
                    let mut random = Random::new(seed);
                    let mut sessions = Vec::new();
                    for number in 0..600 {
                        if sessions.is_empty() || random.one_in(4) {
                            sessions.push(connect(endpoint));
                        }
                        let at = random.below(sessions.len());
                        for _ in 0..random.below(5) {
                            call(&mut sessions[at], number);
                        }
                        if sessions.len() > 40 || random.one_in(6) {
                            let mut gone = sessions.swap_remove(at);
                            if random.one_in(3) {
                                // Nobody will read the answer.
                                send(&mut gone, ECHO, number);
                            }
                        }
                    }
                });
            }
        });
        served.end();
    });
}

#[test]
fn a_client_that_is_killed_while_its_session_sleeps_makes_room_for_another() {
    let name = "a_client_that_is_killed_while_its_session_sleeps_makes_room_for_another";
    if let Some((_, run_dir)) = role().filter(|(role, _)| role == "client") {
        let endpoint = Endpoint::new(&run_dir, SERVICE.name).unwrap();
        // The server may not know yet that the one before has gone.
        let mut client = None;
        assert!(comes_true(|| {
            client = try_connect(&endpoint).ok();
            client.is_some()
        }));
        call(client.as_mut().unwrap(), 1);
        say("idle");
        // It is killed meanwhile.
        let _ = hear();
        return;
    }
    on_both_kernels(name, |run_dir, _| {
        let served = serve(run_dir, |server| server.workers(1).max_sessions(2));
        let mut bystander = connect(served.endpoint());
        for round in 0..10 {
            let mut client = Child::start(name, "client", run_dir);
            assert_eq!(client.hear(), "idle");
            // The only worker has turned to somebody else, so the other session sleeps.
            call(&mut bystander, round);
            let refused = try_connect(served.endpoint()).map(drop);
            assert_eq!(refused, Err(Error::Refused(Status::LimitExceeded)));
            client.kill();
            let mut next = None;
            assert!(comes_true(|| {
                next = try_connect(served.endpoint()).ok();
                next.is_some()
            }));
            call(next.as_mut().unwrap(), round);
            drop(next);
            // Its place is free, too, once the server knows.
            assert!(comes_true(|| try_connect(served.endpoint()).is_ok()));
            call(&mut bystander, round);
            assert!(comes_true(|| fs::read_dir(run_dir).unwrap().count() == 2), "its region is there still");
        }
        drop(bystander);
        served.running.shutdown(LONG).unwrap();
        // Nothing but those that were one too many.
        assert!(served.reports.try_iter().all(|told| told.starts_with("Rejected")));
    });
}

#[test]
fn a_stop_answers_what_has_come_and_ends_all_who_sleep() {
    const SESSIONS: usize = 140;
    on_both_kernels("a_stop_answers_what_has_come_and_ends_all_who_sleep", |run_dir, shares_threads| {
        let served = serve(run_dir, |server| server);
        let mut idle: Vec<_> = (0..SESSIONS).map(|_| connect(served.endpoint())).collect();
        idle.iter_mut().for_each(|client| call(client, 1));
        let mut held: Vec<_> = (0..WORKERS).map(|_| connect(served.endpoint())).collect();
        let held_ids: Vec<_> = held.iter_mut().map(|client| send(client, HOLD, 2)).collect();
        (0..WORKERS).for_each(|_| served.held.recv().unwrap());
        let mut asking = idle.split_off(SESSIONS / 2);
        let ids: Vec<_> = asking.iter_mut().map(|client| send(client, ECHO, 3)).collect();
        if !shares_threads {
            // Each has a thread that may be about to look, and is ended at once if it has not looked yet.
            asking.iter_mut().zip(&ids).for_each(|(client, &id)| receive(client, id, 3));
        }
        let Served { running, go_on, reports, .. } = served;
        let ending = thread::spawn(move || running.shutdown(LONG));
        // Who is held is no reason for the others to wait.
        for (client, id) in asking.iter_mut().zip(ids) {
            if shares_threads {
                receive(client, id, 3);
            }
            assert_ended(client);
        }
        idle.iter_mut().for_each(assert_ended);
        assert!(!ending.is_finished());
        held_ids.iter().for_each(|_| go_on.send(()).unwrap());
        for (client, id) in held.iter_mut().zip(held_ids) {
            receive(client, id, 2);
            assert_ended(client);
        }
        ending.join().unwrap().unwrap();
        assert!(reports.try_recv().is_err());
    });
}

/// A client by hand.
fn enter(endpoint: &Endpoint) -> Peer {
    let raw = Raw::connect(endpoint);
    raw.send(&hello_packet(&memory::hello(PAYLOAD, PAYLOAD))).unwrap();
    let packet = raw.receive().unwrap();
    let ack = HelloAck::parse(&packet[32..]).unwrap();
    assert_eq!(ack.selected_profile, Profiles::SHM_HYBRID);
    Peer { region: RawRegion::attach(&endpoint.region_path(ack.session_id)), raw }
}

/// Writes anything to the words that the server sleeps on, and wakes it, for nothing, while `others` are at it.
fn while_scribbling<R>(hostile: &[Peer], seed: u64, others: impl FnOnce() -> R) -> R {
    /// Also where the others panic.
    struct Over<'a>(&'a AtomicBool);

    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let is_over = AtomicBool::new(false);
    let regions: Vec<_> = hostile.iter().map(|peer| &peer.region).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::new(seed);
            while !is_over.load(Ordering::Relaxed) {
                for region in &regions {
                    let signal = region.word32(REQUEST.signal);
                    match random.below(4) {
                        0 => signal.store(u32::try_from(random.next() >> 32).unwrap(), Ordering::Relaxed),
                        1 => signal.store(signal.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed),
                        2 => signal.store(1 << 31, Ordering::Relaxed),
                        _ => region.wake(REQUEST.signal),
                    }
                }
            }
        });
        let _over = Over(&is_over);
        others()
    })
}

#[test]
fn peers_that_scribble_over_the_word_that_is_slept_on_keep_nobody_from_being_served() {
    let name = "peers_that_scribble_over_the_word_that_is_slept_on_keep_nobody_from_being_served";
    on_both_kernels(name, |run_dir, _| {
        let served = serve(run_dir, |server| server);
        let mut hostile: Vec<_> = (0..5).map(|_| enter(served.endpoint())).collect();
        let mut clients: Vec<_> = (0..20).map(|_| connect(served.endpoint())).collect();
        while_scribbling(&hostile, 1, || {
            for number in 0..100 {
                clients.iter_mut().for_each(|client| call(client, number));
            }
        });
        // It harms not even their own sessions.
        for peer in &mut hostile {
            peer.ask(1, b"and now in earnest");
            let (answer, payload) = peer.receive();
            assert_eq!((answer.message_id(), &payload[..]), (1, &b"and now in earnest"[..]));
        }
        // Nor does it keep a server from its end, while others call.
        let mut calling = clients.split_off(10);
        let caller = thread::spawn(move || {
            // Until one is not answered any more: it may have come at the very moment.
            let mut number = 0;
            loop {
                for client in &mut calling {
                    number += 1_u64;
                    let sent = client.send(ECHO, &number.to_ne_bytes(), within()).map(drop);
                    let answered = sent.and_then(|()| client.receive(Deadline::after(LONG)).map(drop));
                    if let Err(error) = answered {
                        return error;
                    }
                }
            }
        });
        while_scribbling(&hostile, 2, || {
            clients.iter_mut().for_each(|client| call(client, 7));
            served.end();
        });
        assert_eq!(caller.join().unwrap(), Error::Closed { mid_message: false });
        clients.iter_mut().for_each(assert_ended);
    });
}
