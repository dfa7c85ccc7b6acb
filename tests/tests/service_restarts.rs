//! Servers and clients that come and go in the middle of calls: nothing hangs, and what must not run twice does not.
#![cfg(target_os = "linux")]

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use netipc::CallError;
use netipc::client::State;
use netipc::wire::Profiles;
use netipc_tests::observed::{HANGING, Held, until};
use netipc_tests::processes::{Child, RunDir, hear, role, say};
use rustix::process::Signal;

/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What a call may take in all before it counts as hanging, on a machine that has other things to do.
const SLACK: Duration = Duration::from_secs(20);
const CLIENTS: u64 = 8;
const CALLS: u64 = 10_000;
const RESTARTS: u64 = 40;

/// Keeps a book of what it was asked, which outlives it.
#[netipc::service(name = "ledger")]
pub trait Ledger {
    /// Writes a number down, and answers with its complement.
    #[method(idempotent = false)]
    fn note(&self, number: u64) -> u64;
    /// Gives a text back.
    fn mirror(&self, number: u64, text: &str) -> String;
}

struct Book(File);

impl Ledger for Book {
    fn note(&self, number: u64) -> u64 {
        // One write(2) with O_APPEND: in the file for good, before there is an answer.
        (&self.0).write_all(&number.to_ne_bytes()).expect("room in the book");
        !number
    }

    fn mirror(&self, number: u64, text: &str) -> String {
        format!("{number} {text}")
    }
}

const BOOK: &str = "book";

/// Serves in a process of its own until it is killed.
fn serve(run_dir: &Path, profiles: Profiles) {
    let book = OpenOptions::new().create(true).append(true).open(run_dir.join(BOOK)).unwrap();
    let server = LedgerServer::new(Book(book)).workers(2).profiles(profiles);
    let _running = server.bind(run_dir).unwrap().spawn().unwrap();
    say("serving");
    assert_eq!(hear(), "end");
}

/// How often each number was written down.
fn notes(run_dir: &RunDir) -> HashMap<u64, u32> {
    let bytes = std::fs::read(run_dir.path().join(BOOK)).unwrap();
    assert_eq!(bytes.len() % 8, 0);
    let mut notes = HashMap::new();
    for number in bytes.chunks_exact(8) {
        *notes.entry(u64::from_ne_bytes(number.try_into().unwrap())).or_default() += 1;
    }
    notes
}

fn start(test: &str, role: &str, run_dir: &RunDir) -> Child {
    let mut server = Child::start(test, role, run_dir.path());
    assert_eq!(server.hear(), "serving");
    server
}

/// Over what, by the name of a role.
fn profiles(role: &str) -> Profiles {
    match role {
        "sockets" => Profiles::BASELINE,
        "shared memory" => Profiles::SHM_HYBRID,
        other => panic!("{other}"),
    }
}

/// Runs the test for each kind of transport; this process may be the server of it.
fn over_each(test: &str, scene: impl Fn(&str, &RunDir)) {
    if let Some((role, run_dir)) = role() {
        return match role.strip_prefix("call over ") {
            Some(role) => call_until_killed(&run_dir, profiles(role)),
            None => serve(&run_dir, profiles(&role)),
        };
    }
    for role in ["sockets", "shared memory"] {
        let run_dir = RunDir::new();
        scene(role, &run_dir);
        println!("{test} over {role}: done");
    }
}

/// What a caller can say of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It ran.
    Answered,
    /// Nobody knows.
    Unknown,
    /// It did not run.
    NotSent,
}

fn noted(number: u64, outcome: Result<u64, CallError>) -> Outcome {
    match outcome {
        Ok(answer) => {
            assert_eq!(answer, !number, "another call's answer");
            Outcome::Answered
        }
        Err(CallError::OutcomeUnknown(_) | CallError::TimedOut) => Outcome::Unknown,
        Err(CallError::NotReady(_) | CallError::Connect(_) | CallError::Lost(_)) => Outcome::NotSent,
        Err(error) => panic!("{number}: {error:?}"),
    }
}

/// Holds what was written down to what callers say.
fn check(run_dir: &RunDir, outcomes: &[(u64, Outcome)]) -> [usize; 3] {
    let mut notes = notes(run_dir);
    let mut counts = [0; 3];
    for (number, outcome) in outcomes {
        let times = notes.remove(number).unwrap_or(0);
        let allowed = match outcome {
            Outcome::Answered => 1..=1,
            Outcome::Unknown => 0..=1,
            Outcome::NotSent => 0..=0,
        };
        assert!(allowed.contains(&times), "{number}: {outcome:?}, and written down {times} times");
        counts[*outcome as usize] += 1;
    }
    assert!(notes.is_empty(), "nobody asked for these: {notes:?}");
    counts
}

#[test]
fn a_client_that_is_there_before_its_server_is_ready_at_the_next_refresh() {
    over_each("a_client_that_is_there_before_its_server_is_ready_at_the_next_refresh", |role, run_dir| {
        let mut client = LedgerClient::config().profiles(profiles(role)).build(run_dir.path());
        assert_eq!(
            (client.status().state, client.note(1)),
            (State::Disconnected, Err(CallError::NotReady(State::Disconnected)))
        );
        for _ in 0..3 {
            assert!(matches!(client.refresh(), Err(CallError::Connect(_))));
            assert_eq!((client.status().state, client.ready()), (State::NotFound, false));
            assert_eq!(client.note(2), Err(CallError::NotReady(State::NotFound)));
        }
        let server = start("a_client_that_is_there_before_its_server_is_ready_at_the_next_refresh", role, run_dir);
        assert_eq!(client.note(3), Err(CallError::NotReady(State::NotFound)), "nobody was asked to connect");
        let refresh = client.refresh().unwrap();
        assert_eq!((refresh.before, refresh.after, refresh.reconnected), (State::NotFound, State::Ready, true));
        assert_eq!(client.note(4), Ok(!4));
        server.kill();
        assert_eq!(notes(run_dir), HashMap::from([(4, 1)]));
    });
}

/// What the callers and whoever restarts the server know of each other.
#[derive(Default)]
struct Scene {
    /// Even while there is a server.
    phase: AtomicU64,
    /// Calls that came to an end, and the longest of them in microseconds.
    ended: AtomicU64,
    longest: AtomicU64,
}

impl Scene {
    fn time<R>(&self, call: impl FnOnce() -> R) -> R {
        let begin = Instant::now();
        let outcome = call();
        let took = begin.elapsed();
        assert!(took < TIMEOUT + SLACK, "{took:?}");
        self.longest.fetch_max(u64::try_from(took.as_micros()).unwrap(), Ordering::Relaxed);
        self.ended.fetch_add(1, Ordering::SeqCst);
        outcome
    }

    /// Has a client ready again: within one refresh, if there was a server all the while.
    fn get_ready(&self, client: &mut LedgerClient) {
        let begin = Instant::now();
        while !client.ready() {
            assert!(matches!(client.note(u64::MAX), Err(CallError::NotReady(_))));
            let before = self.phase.load(Ordering::SeqCst);
            let refresh = client.refresh();
            let after = self.phase.load(Ordering::SeqCst);
            let was_served = before == after && before.is_multiple_of(2);
            assert!(refresh.is_ok() || !was_served, "{refresh:?}");
            assert!(begin.elapsed() < HANGING);
            thread::yield_now();
        }
    }

    /// Makes so many calls, of both kinds.
    fn call(&self, client: &mut LedgerClient, numbers: std::ops::Range<u64>) -> Vec<(u64, Outcome)> {
        let mut outcomes = Vec::new();
        for number in numbers {
            self.get_ready(client);
            if number % 2 == 0 {
                outcomes.push((number, self.time(|| noted(number, client.note(number)))));
            } else {
                match self.time(|| client.mirror(number, "over there").map(str::to_owned)) {
                    Ok(text) => assert_eq!(text, format!("{number} over there")),
                    Err(CallError::Lost(_) | CallError::Connect(_) | CallError::TimedOut) => {}
                    Err(error) => panic!("{number}: {error:?}"),
                }
            }
        }
        outcomes
    }
}

#[test]
fn a_server_that_is_killed_again_and_again_loses_no_answer_and_runs_nothing_twice() {
    const NAME: &str = "a_server_that_is_killed_again_and_again_loses_no_answer_and_runs_nothing_twice";
    over_each(NAME, |role, run_dir| {
        let scene = Scene::default();
        let outcomes = thread::scope(|scope| {
            let mut server = start(NAME, role, run_dir);
            let callers: Vec<_> = (0..CLIENTS)
                .map(|caller| {
                    let scene = &scene;
                    scope.spawn(move || {
                        let mut client =
                            LedgerClient::config().profiles(profiles(role)).timeout(TIMEOUT).build(run_dir.path());
                        let each = CALLS / CLIENTS;
                        scene.call(&mut client, caller * each..(caller + 1) * each)
                    })
                })
                .collect();
            for restart in 1..=RESTARTS {
                let enough = restart * CALLS / (RESTARTS + 1);
                until("calls end", || {
                    scene.ended.load(Ordering::SeqCst) >= enough || callers.iter().any(|caller| caller.is_finished())
                });
                scene.phase.fetch_add(1, Ordering::SeqCst);
                server.kill();
                server = start(NAME, role, run_dir);
                scene.phase.fetch_add(1, Ordering::SeqCst);
            }
            let outcomes: Vec<_> = callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
            server.kill();
            outcomes
        });
        assert_eq!(scene.ended.load(Ordering::SeqCst), CALLS);
        let [answered, unknown, not_sent] = check(run_dir, &outcomes);
        println!(
            "{role}: {answered} answered, {unknown} unknown, {not_sent} not sent; the longest call took {} us",
            scene.longest.load(Ordering::Relaxed)
        );
        // Each end costs a caller one call at most.
        assert!(answered as u64 + RESTARTS * CLIENTS >= CALLS / 2);
    });
}

#[test]
fn calls_to_a_server_that_is_stopped_end_by_their_timeout_and_their_clients_go_on_with_it() {
    const NAME: &str = "calls_to_a_server_that_is_stopped_end_by_their_timeout_and_their_clients_go_on_with_it";
    over_each(NAME, |role, run_dir| {
        let server = start(NAME, role, run_dir);
        let (stopped, timed_out, goes_on) = (AtomicBool::new(false), AtomicU64::new(0), AtomicBool::new(false));
        let all_ready = Barrier::new(5);
        let outcomes = thread::scope(|scope| {
            let callers: Vec<_> = (0..4_u64)
                .map(|caller| {
                    let (stopped, timed_out, goes_on, all_ready) = (&stopped, &timed_out, &goes_on, &all_ready);
                    scope.spawn(move || {
                        let config = LedgerClient::config().profiles(profiles(role));
                        let mut client = config.timeout(Duration::from_millis(100)).build(run_dir.path());
                        until("the client is ready", || client.refresh().is_ok());
                        all_ready.wait();
                        let mut outcomes = Vec::new();
                        let (mut timeouts, mut answers) = (0, 0);
                        for number in caller << 32.. {
                            let (was_stopped, went_on) =
                                (stopped.load(Ordering::SeqCst), goes_on.load(Ordering::SeqCst));
                            let begin = Instant::now();
                            let outcome = client.note(number);
                            assert!(begin.elapsed() < SLACK);
                            if outcome.is_err() {
                                assert_eq!(outcome, Err(CallError::TimedOut));
                                assert_eq!(client.status().state, State::Ready);
                            }
                            if was_stopped && !went_on && outcome.is_err() {
                                timeouts += 1;
                                if timeouts == 3 {
                                    timed_out.fetch_add(1, Ordering::SeqCst);
                                }
                            }
                            answers += u32::from(went_on && outcome.is_ok());
                            outcomes.push((number, noted(number, outcome)));
                            if answers == 100 {
                                break;
                            }
                        }
                        assert_eq!(client.status().connections, 1, "the connection went on");
                        outcomes
                    })
                })
                .collect();
            all_ready.wait();
            until("calls are answered", || run_dir.path().join(BOOK).metadata().is_ok_and(|book| book.len() > 800));
            server.stop();
            stopped.store(true, Ordering::SeqCst);
            // Who comes meanwhile waits no longer either.
            let config = LedgerClient::config().profiles(profiles(role));
            let mut late = config.timeout(Duration::from_millis(50)).build(run_dir.path());
            assert_eq!((late.refresh(), late.status().state), (Err(CallError::TimedOut), State::Disconnected));
            until("calls time out", || timed_out.load(Ordering::SeqCst) == 4);
            server.signal(Signal::CONT);
            goes_on.store(true, Ordering::SeqCst);
            until("whoever gave up gets in", || late.refresh().is_ok());
            let number = u64::MAX - 1;
            let mut outcomes = vec![(number, noted(number, late.note(number)))];
            outcomes.extend(callers.into_iter().flat_map(|caller| caller.join().unwrap()));
            outcomes
        });
        server.kill();
        let [answered, unknown, not_sent] = check(run_dir, &outcomes);
        println!("{role}: {answered} answered, {unknown} unknown");
        assert!(not_sent == 0 && unknown >= 12);
    });
}

/// Calls in a process of its own until it is killed, with requests and answers of many packets among them.
fn call_until_killed(run_dir: &Path, profiles: Profiles) {
    let mut client = LedgerClient::config().profiles(profiles).connect(run_dir).unwrap();
    let long = "x".repeat(500_000);
    say("calling");
    loop {
        for text in ["", "short", &long] {
            client.mirror(7, text).unwrap();
        }
    }
}

#[test]
fn clients_that_are_killed_in_the_middle_of_calls_leave_nothing_in_their_server() {
    const NAME: &str = "clients_that_are_killed_in_the_middle_of_calls_leave_nothing_in_their_server";
    over_each(NAME, |role, run_dir| {
        let server = start(NAME, role, run_dir);
        let connect = || LedgerClient::config().profiles(profiles(role)).connect(run_dir.path()).unwrap();
        let mut first = connect();
        assert_eq!(first.note(1), Ok(!1));
        let with_one = Held::by(server.pid());
        drop(first);
        let has_no_region = || run_dir.names().iter().all(|name| !name.ends_with(".ipcshm"));
        until("the first session is over", || {
            let now = Held::by(server.pid());
            now.descriptors < with_one.descriptors && now.regions == 0 && has_no_region()
        });
        // A thread that is about to end may be among it: that is two, and those that are killed are thirty.
        let base = Held::by(server.pid());
        let mut witness = connect();
        for round in 0..5_u64 {
            let callers: Vec<_> = (0..6)
                .map(|_| {
                    let mut caller = Child::start(NAME, &format!("call over {role}"), run_dir.path());
                    assert_eq!(caller.hear(), "calling");
                    caller
                })
                .collect();
            for (number, caller) in (100 * (round + 1)..).zip(callers) {
                assert_eq!(witness.note(number), Ok(!number));
                caller.kill();
            }
            assert_eq!(witness.mirror(round, "still here").map(str::to_owned), Ok(format!("{round} still here")));
        }
        drop(witness);
        until("all is given back", || {
            let Held { descriptors, regions, threads } = Held::by(server.pid());
            descriptors <= base.descriptors && regions == 0 && threads <= base.threads && has_no_region()
        });
        println!("{role}: {base:?} before, {with_one:?} with one session, {:?} at the end", Held::by(server.pid()));
        server.kill();
    });
}
