//! Many sessions of one server: who is idle costs little, who is busy gets its share, and who finds no room is told so.
#![cfg(target_os = "linux")]

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use netipc::CallError;
use netipc::client::State;
use netipc::session::Wait;
use netipc::wire::Profiles;
use netipc_tests::observed::{HANGING, Held, kibibytes, until};
use netipc_tests::processes::{Child, RunDir, hear, limit_descriptors, role, say};

const WORKERS: usize = 2;
const IDLE: usize = 1000;
const BUSY: usize = 16;
/// Calls of all busy clients together that make a period: some seconds, since the kernel may let one client and one worker
/// have a processor to themselves for a tenth of one.
const PERIOD: u64 = 600_000;
/// Periods in one of which all must have had their share.
const PERIODS: usize = 3;

/// Answers.
#[netipc::service(name = "counter")]
pub trait Counter {
    /// The next number.
    fn next(&self, number: u64) -> u64;
}

struct Next;

impl Counter for Next {
    fn next(&self, number: u64) -> u64 {
        number + 1
    }
}

/// Serves in a process of its own, with so many descriptors or as many as it may have.
fn serve(run_dir: &Path, profiles: Profiles, descriptors: Option<u64>) {
    limit_descriptors(descriptors);
    let server = CounterServer::new(Next).workers(WORKERS).profiles(profiles);
    let _running = server.bind(run_dir).unwrap().spawn().unwrap();
    say("serving");
    assert_eq!(hear(), "end");
}

fn profiles(role: &str) -> Profiles {
    match role {
        "sockets" => Profiles::BASELINE,
        "shared memory" => Profiles::SHM_HYBRID,
        other => panic!("{other}"),
    }
}

fn over_each(test: &str, descriptors: Option<u64>, scene: impl Fn(&str, &RunDir, &Child)) {
    if let Some((role, run_dir)) = role() {
        return serve(&run_dir, profiles(&role), descriptors);
    }
    limit_descriptors(None);
    for role in ["sockets", "shared memory"] {
        let run_dir = RunDir::new();
        let mut server = Child::start(test, role, run_dir.path());
        assert_eq!(server.hear(), "serving");
        scene(role, &run_dir, &server);
        server.kill();
    }
}

fn build(role: &str, run_dir: &RunDir) -> CounterClient {
    CounterClient::config().profiles(profiles(role)).wait(Wait::Block).timeout(HANGING).build(run_dir.path())
}

fn connect(role: &str, run_dir: &RunDir) -> CounterClient {
    let mut client = build(role, run_dir);
    client.refresh().unwrap();
    assert_eq!(client.status().session.unwrap().profile, profiles(role));
    client
}

#[test]
fn a_thousand_idle_sessions_are_kept_and_busy_ones_have_their_share_of_two_workers() {
    const NAME: &str = "a_thousand_idle_sessions_are_kept_and_busy_ones_have_their_share_of_two_workers";
    over_each(NAME, None, |role, run_dir, server| {
        // What there is once only is there now.
        assert_eq!(connect(role, run_dir).next(1), Ok(2));
        let observe = || (Held::by(server.pid()), kibibytes(server.pid(), "VmRSS"), kibibytes(server.pid(), "RssAnon"));
        let before = observe();
        let mut idle: Vec<_> = (0..IDLE).map(|_| connect(role, run_dir)).collect();
        let with_idle = observe();

        // Other programs may need the processors, and take them from one client rather than from another.
        let is_fair = |shares: &Vec<u64>| shares[BUSY - 1] < 3 * shares[0];
        let mut periods = Vec::new();
        while periods.len() < PERIODS && !periods.last().is_some_and(is_fair) {
            periods.push(shares(role, run_dir, server));
        }
        for (number, client) in (0..).zip(&mut idle) {
            assert_eq!(client.next(number), Ok(number + 1), "idle client {number}");
        }
        let at_the_end = observe();
        for (when, (held, rss, anonymous)) in
            [("before", before), ("with idle ones", with_idle), ("after a call of each", at_the_end)]
        {
            println!("{role}: {when}: {held:?}, {rss} KiB resident, {anonymous} KiB of them its own");
        }
        let each = |all: u64, before: u64| all.saturating_sub(before) as f64 / IDLE as f64;
        println!(
            "{role}: an idle session takes {:.1} KiB, {:.1} of them the server's own, {:.3} threads and {:.2} descriptors",
            each(with_idle.1, before.1),
            each(with_idle.2, before.2),
            each(with_idle.0.threads as u64, before.0.threads as u64),
            each(with_idle.0.descriptors as u64, before.0.descriptors as u64),
        );
        assert!(periods.iter().all(|shares| shares.iter().sum::<u64>() == PERIOD));
        assert!(periods.last().is_some_and(is_fair), "{periods:?}");
    });
}

/// How many of the calls of a period each busy client had answered, in order.
fn shares(role: &str, run_dir: &RunDir, server: &Child) -> Vec<u64> {
    let answered: Vec<AtomicU64> = (0..BUSY).map(|_| AtomicU64::new(0)).collect();
    let (all, start) = (AtomicU64::new(0), Barrier::new(BUSY));
    let before = processor_time(server);
    let begin = Instant::now();
    thread::scope(|scope| {
        for answered in &answered {
            let (all, start) = (&all, &start);
            scope.spawn(move || {
                let mut client = connect(role, run_dir);
                start.wait();
                for number in 0.. {
                    assert_eq!(client.next(number), Ok(number + 1));
                    if all.fetch_add(1, Ordering::Relaxed) >= PERIOD {
                        return;
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let mut shares: Vec<_> = answered.iter().map(|answered| answered.load(Ordering::Relaxed)).collect();
    shares.sort_unstable();
    let (smallest, largest) = (shares[0], shares[BUSY - 1]);
    println!(
        "{role}: {PERIOD} calls of {BUSY} clients took {:?}, {} ticks of them the server's; shares from {smallest} to {largest}",
        begin.elapsed(),
        processor_time(server) - before,
    );
    shares
}

/// Ticks of the clock, a hundred a second, for which a process has run: fields 14 and 15 of proc_pid_stat(5).
fn processor_time(process: &Child) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid().as_raw_nonzero())).unwrap();
    let behind_the_name = stat.rsplit_once(") ").unwrap().1;
    behind_the_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

/// Takes its time.
#[netipc::service(name = "toil")]
pub trait Toil {
    /// The next number.
    fn work(&self, number: u64) -> u64;
}

struct Slow;

impl Toil for Slow {
    fn work(&self, number: u64) -> u64 {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_micros(200) {
            std::hint::spin_loop();
        }
        number + 1
    }
}

#[test]
fn who_asks_ahead_for_what_takes_long_keeps_no_worker_from_who_asks_one_by_one() {
    const CALLS: u64 = 200;
    const AHEAD: usize = 16;
    let run_dir = RunDir::new();
    let server = ToilServer::new(Slow).workers(1).profiles(Profiles::BASELINE | Profiles::SHM_HYBRID);
    let server = server.bind(run_dir.path()).unwrap().spawn().unwrap();
    let connect = |profile| ToilClient::config().profiles(profile).timeout(HANGING).connect(run_dir.path()).unwrap();
    let (mut ahead, mut one_by_one) = (connect(Profiles::SHM_HYBRID), connect(Profiles::BASELINE));
    let (under_way, is_over) = (Barrier::new(2), AtomicBool::new(false));
    let answered = thread::scope(|scope| {
        let ahead = scope.spawn(|| {
            let mut pipeline = ahead.pipeline();
            let mut asked: VecDeque<_> = (0..AHEAD).map(|_| pipeline.work(1).unwrap()).collect();
            under_way.wait();
            let mut answered = 0;
            while !is_over.load(Ordering::Relaxed) {
                assert_eq!(pipeline.take(asked.pop_front().unwrap()), Ok(2));
                asked.push_back(pipeline.work(1).unwrap());
                answered += 1;
            }
            answered
        });
        under_way.wait();
        for number in 0..CALLS {
            assert_eq!(one_by_one.work(number), Ok(number + 1));
        }
        is_over.store(true, Ordering::Relaxed);
        ahead.join().unwrap()
    });
    // Its last answers are waited for otherwise.
    drop(ahead);
    println!("{answered} calls of the one, {CALLS} of the other");
    assert!(answered < 3 * CALLS, "{answered} calls of the one, {CALLS} of the other");
    server.shutdown(HANGING).unwrap();
}

#[test]
fn clients_beyond_what_a_server_has_descriptors_for_are_refused_and_served_when_others_have_left() {
    const NAME: &str = "clients_beyond_what_a_server_has_descriptors_for_are_refused_and_served_when_others_have_left";
    const CLIENTS: usize = 100;
    over_each(NAME, Some(64), |role, run_dir, server| {
        let (mut served, mut refused) = (Vec::new(), Vec::new());
        for _ in 0..CLIENTS {
            let mut client = build(role, run_dir);
            match client.refresh() {
                Ok(_) => served.push(client),
                Err(CallError::Connect(_)) => {
                    let state = client.status().state;
                    assert!(matches!(state, State::Disconnected | State::Incompatible), "{state}");
                    assert_eq!(client.next(1), Err(CallError::NotReady(state)));
                    refused.push(client);
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        println!("{role}: {} served, {} refused; {:?}", served.len(), refused.len(), Held::by(server.pid()));
        assert!(served.len() >= 5 && refused.len() >= CLIENTS - 64);
        for (number, client) in (0..).zip(&mut served) {
            assert_eq!(client.next(number), Ok(number + 1));
        }
        // As many leave as come.
        let leaving = served.len() / 2;
        served.truncate(served.len() - leaving);
        for (number, client) in (0..).zip(refused.iter_mut().take(leaving)) {
            until("there is room again", || client.refresh().is_ok());
            assert_eq!(client.next(number), Ok(number + 1));
        }
        for (number, client) in (0..).zip(&mut served) {
            assert_eq!(client.next(number), Ok(number + 1), "who stayed is served");
        }
    });
}
