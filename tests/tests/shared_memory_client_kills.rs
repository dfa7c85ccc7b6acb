//! Clients over shared memory that are killed at every step, over and over: their server learns of it, and keeps nothing
//! of theirs.
//!
//! One test, and so a process of its own: what it holds is compared before and after each kill.

use core::convert::Infallible;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::path::Path;
use std::thread;

use netipc::endpoint::Endpoint;
use netipc::session::{Arrival, BuildError, Cause, ClientSession, Deadline, Error, Listener, ServerSession, Wait};
use netipc::wire::{Method, Profiles};
use netipc_tests::processes::{Child, RunDir, role, say, stop, this_thread, wait_until_asleep};
use netipc_tests::random::Random;
use netipc_tests::regions::{
    Holdings, WAITS, call_across, client, comes_true, is_asleep_in, server, wait_until_waiting, within,
};
use rustix::event::{PollFd, PollFlags, poll};

const NAME: &str = "a_server_outlives_500_clients_that_are_killed_and_keeps_nothing_of_theirs";
const KILLS: usize = 500;
const SEED: u64 = 0x6b69_6c6c_2d39;
const METHOD: Method = Method::new(7);
const NEVER: Deadline = Deadline::NEVER;
const CLOSED: Error = Error::Closed { mid_message: false };
/// Where a client is when it is killed.
const STEPS: [&str; 10] =
    ["connected", "greeted", "acked", "attached", "building", "asking", "listening", "deaf", "calling", "living"];

fn wait_of(name: &str) -> Wait {
    WAITS[name.parse::<usize>().unwrap()]
}

fn call(session: &mut ClientSession) {
    let ticket = session.send(METHOD, b"question", NEVER).unwrap();
    assert_eq!(session.receive(NEVER).unwrap().ticket(), ticket);
}

/// The next call is the one that it is killed in.
fn say_thread() {
    say(&this_thread().as_raw_nonzero().to_string());
}

/// A client that goes as far as `step`.
fn client_process(step: &str, run_dir: &Path) {
    let endpoint = Endpoint::new(run_dir, "victim").unwrap();
    let (step, wait) = step.split_once(' ').unwrap();
    let config = client(wait_of(wait));
    match step {
        "connected" => {
            let socket = netipc_tests::raw::Raw::connect(&endpoint);
            stop();
            drop(socket);
        }
        "greeted" => {
            let _connecting = config.try_connect(&endpoint).unwrap().unwrap();
            stop();
        }
        "acked" => {
            let connecting = config.try_connect(&endpoint).unwrap().unwrap();
            poll(&mut [PollFd::new(&connecting, PollFlags::IN)], None).unwrap();
            stop();
        }
        "living" => {
            say("begin");
            loop {
                let mut session = config.connect(&endpoint, NEVER).unwrap();
                (0..3).for_each(|_| call(&mut session));
            }
        }
        _ => in_session(step, config.connect(&endpoint, NEVER).unwrap()),
    }
}

fn in_session(step: &str, mut session: ClientSession) {
    match step {
        "attached" => stop(),
        "building" => {
            let built = session.send_with(METHOD, NEVER, |writer| {
                writer.append(b"half a request");
                stop();
                Ok::<_, Infallible>(())
            });
            built.unwrap();
        }
        // Its server receives nothing.
        "asking" => {
            session.send(METHOD, b"first", NEVER).unwrap();
            say_thread();
            session.send(METHOD, b"second", NEVER).unwrap();
        }
        "listening" => {
            session.send(METHOD, b"question", NEVER).unwrap();
            say_thread();
            session.receive(NEVER).map(drop).unwrap();
        }
        "deaf" => {
            session.send(METHOD, b"first", NEVER).unwrap();
            session.send(METHOD, b"second", NEVER).unwrap();
            stop();
        }
        "calling" => {
            say("begin");
            loop {
                call(&mut session);
            }
        }
        _ => panic!("no such step: {step}"),
    }
}

/// Answers until there is nobody to answer to; why it ended.
fn serve(session: &mut ServerSession, served: &AtomicU64) -> Error {
    loop {
        let ticket = match session.receive(within()) {
            Ok(message) => message.ticket(),
            Err(error) => return error,
        };
        served.fetch_add(1, Ordering::Relaxed);
        let answered = session.respond_with(ticket, within(), |writer| {
            writer.append(b"answer");
            Ok::<_, Infallible>(())
        });
        match answered {
            Ok(()) => {}
            Err(BuildError::Session(error)) => return error,
            Err(BuildError::Build(never)) => match never {},
        }
    }
}

/// Kills a client that calls, at any moment.
fn kill_at_random(child: Child, served: &AtomicU64, random: &mut Random) {
    let most = random.pick(&[1, 10, 1_000]);
    let calls = served.load(Ordering::Relaxed) + random.below(most) as u64;
    assert!(comes_true(|| served.load(Ordering::Relaxed) >= calls), "it does not call");
    (0..random.below(20_000)).for_each(|_| core::hint::spin_loop());
    child.kill();
}

/// Serves whoever comes until the process that they come from is dead.
fn serve_all(listener: &mut Listener, served: &AtomicU64, is_dead: &AtomicBool) -> u64 {
    let mut sessions = 0;
    loop {
        let was_dead = is_dead.load(Ordering::Acquire);
        let next = Deadline::after(core::time::Duration::from_millis(u64::from(!was_dead)));
        match listener.next(next) {
            Ok(Arrival::Session(mut session)) => {
                sessions += 1;
                assert_eq!(session.status().profile, Profiles::SHM_HYBRID);
                assert_eq!(serve(&mut session, served), CLOSED);
            }
            Ok(Arrival::Rejected(rejected)) => assert_eq!(*rejected.cause(), Cause::Closed),
            Err(Error::TimedOut) if was_dead => return sessions,
            Err(Error::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn assert_session(arrival: Arrival) -> ServerSession {
    let Arrival::Session(session) = arrival else { panic!("{arrival:?}") };
    assert_eq!(session.status().profile, Profiles::SHM_HYBRID, "{:?}", session.status());
    *session
}

/// What becomes of a session whose client is killed in the call that it has said it begins.
fn outlive_sleeper(mut child: Child, mut session: ServerSession, receives: bool) {
    let thread = child.hear().parse().unwrap();
    if receives {
        session.receive(within()).unwrap();
    }
    // Those that look all the time never sleep.
    let mut looks = 0;
    assert!(comes_true(|| {
        looks += 1;
        looks > 2_000 || is_asleep_in(child.pid(), thread)
    }));
    child.kill();
    if !receives {
        // What it had sent before is received.
        assert_eq!(session.receive(within()).unwrap().payload(), b"first");
    }
    assert_eq!(session.receive(within()).map(drop), Err(CLOSED));
    assert_eq!(session.try_receive().map(drop), Err(CLOSED));
}

/// Kills a client that has stopped while this side waits, or before.
fn outlive_stopped(child: Child, mut session: ServerSession, wait: Wait, waits: bool) {
    child.wait_until_stopped();
    if !waits {
        child.kill();
        assert_eq!(session.receive(within()).map(drop), Err(CLOSED));
        return;
    }
    thread::scope(|scope| {
        let (tell, told) = std::sync::mpsc::channel();
        let receiving = scope.spawn(move || {
            tell.send(this_thread()).unwrap();
            session.receive(within()).map(drop)
        });
        wait_until_waiting(told.recv().unwrap(), wait);
        child.kill();
        assert_eq!(receiving.join().unwrap(), Err(CLOSED));
    });
}

/// A client that listens to nobody, and is killed while it is answered.
fn outlive_deaf(child: Child, mut session: ServerSession, while_building: bool) {
    let first = session.receive(within()).unwrap().ticket();
    let second = session.receive(within()).unwrap().ticket();
    child.wait_until_stopped();
    if while_building {
        let built = session.respond_with(first, within(), |writer| {
            writer.append(b"half");
            child.kill();
            writer.append(b" an answer");
            Ok::<_, Infallible>(())
        });
        assert!(matches!(built, Ok(()) | Err(BuildError::Session(CLOSED))), "{built:?}");
    } else {
        session.respond(first, b"answer", within()).unwrap();
        thread::scope(|scope| {
            let (tell, told) = std::sync::mpsc::channel();
            let session = &mut session;
            let answering = scope.spawn(move || {
                tell.send(this_thread()).unwrap();
                session.respond(second, b"answer", within())
            });
            wait_until_asleep(told.recv().unwrap());
            child.kill();
            assert_eq!(answering.join().unwrap(), Err(CLOSED));
        });
    }
    assert_eq!(session.receive(within()).map(drop), Err(CLOSED));
    assert_eq!(session.respond(second, b"answer", within()), Err(CLOSED));
}

/// Kills one client.
fn kill_one(listener: &mut Listener, run_dir: &RunDir, step: &str, wait: usize, random: &mut Random) {
    let mut child = Child::start(NAME, &format!("{step} {wait}"), run_dir.path());
    let (is_first, served) = (random.one_in(2), AtomicU64::new(0));
    match step {
        "connected" | "greeted" => {
            child.wait_until_stopped();
            let met = if is_first { listener.try_next().unwrap() } else { None };
            child.kill();
            match met.unwrap_or_else(|| listener.next(within()).unwrap()) {
                Arrival::Rejected(rejected) => assert_eq!(*rejected.cause(), Cause::Closed),
                arrival => {
                    assert_eq!((step, is_first), ("greeted", true));
                    assert_eq!(serve(&mut assert_session(arrival), &served), CLOSED);
                }
            }
        }
        "living" => {
            assert_eq!(child.hear(), "begin");
            let is_dead = AtomicBool::new(false);
            thread::scope(|scope| {
                let serving = scope.spawn(|| serve_all(listener, &served, &is_dead));
                kill_at_random(child, &served, random);
                is_dead.store(true, Ordering::Release);
                serving.join().unwrap();
            });
        }
        _ => {
            let mut session = assert_session(listener.next(within()).unwrap());
            match step {
                "calling" => {
                    assert_eq!(child.hear(), "begin");
                    thread::scope(|scope| {
                        let serving = scope.spawn(|| serve(&mut session, &served));
                        kill_at_random(child, &served, random);
                        assert_eq!(serving.join().unwrap(), CLOSED);
                    });
                }
                "asking" => outlive_sleeper(child, session, false),
                "listening" => outlive_sleeper(child, session, true),
                "deaf" => outlive_deaf(child, session, is_first),
                _ => outlive_stopped(child, session, WAITS[wait], is_first),
            }
        }
    }
}

#[test]
fn a_server_outlives_500_clients_that_are_killed_and_keeps_nothing_of_theirs() {
    if let Some((role, run_dir)) = role() {
        return client_process(&role, &run_dir);
    }
    let mut random = Random::new(SEED);
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("victim");
    let nothing = Holdings::now();
    for number in 0..KILLS {
        // Each step as often, each with every way to wait.
        let (step, wait) = (STEPS[number % STEPS.len()], number / STEPS.len() % WAITS.len());
        let mut listener = server(WAITS[wait]).listen(&endpoint).unwrap();
        let before = Holdings::now();
        kill_one(&mut listener, &run_dir, step, wait, &mut random);
        before.wait_for();
        assert_eq!(run_dir.names(), ["victim.sock"], "{number}: {step}");

        let connecting = client(WAITS[wait]).try_connect(&endpoint).unwrap().unwrap();
        let mut session = assert_session(listener.next(within()).unwrap());
        call_across(&mut connecting.finish(within()).unwrap(), &mut session);
        drop((session, listener));
        assert!(run_dir.names().is_empty(), "{number}: {step}");
        nothing.wait_for();
    }
}
