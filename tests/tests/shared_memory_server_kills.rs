//! Servers over shared memory that are killed at every step, over and over: their clients learn of it, and the next server
//! finds the place clean.
//!
//! One test, and so a process of its own: what it holds is compared before and after each kill.

use core::convert::Infallible;
use core::sync::atomic::{AtomicU64, Ordering};
use std::fs::{self, File};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::SystemTime;

use netipc::endpoint::Endpoint;
use netipc::session::{ClientSession, Deadline, Error, Listener, ServerSession};
use netipc::wire::{Method, Profiles};
use netipc_tests::processes::{
    Child, RunDir, hear, role, say, stop, stopping_when_greeted, this_thread, wait_until_asleep,
};
use netipc_tests::random::Random;
use netipc_tests::regions::{
    Holdings, WAITS, call_across, client, comes_true, is_asleep_in, server, wait_until_waiting, within,
};

const NAME: &str = "a_client_outlives_500_servers_that_are_killed_and_the_next_server_finds_nothing_of_theirs";
const KILLS: usize = 500;
const SEED: u64 = 0x6b69_6c6c_2d31;
const METHOD: Method = Method::new(7);
const NEVER: Deadline = Deadline::NEVER;
const CLOSED: Error = Error::Closed { mid_message: false };
/// Where a server is when it is killed.
const STEPS: [&str; 10] =
    ["listening", "greeted", "acked", "receiving", "answering", "building", "deaf", "crowded", "calling", "living"];

/// Answers until the client is gone.
fn serve(session: &mut ServerSession) {
    while let Ok(ticket) = session.receive(NEVER).map(|message| message.ticket()) {
        let answered = session.respond_with(ticket, NEVER, |writer| {
            writer.append(b"answer");
            Ok::<_, Infallible>(())
        });
        if answered.is_err() {
            return;
        }
    }
}

fn serve_all(listener: &mut Listener) {
    thread::scope(|scope| {
        loop {
            let mut session = listener.accept(NEVER).unwrap();
            scope.spawn(move || serve(&mut session));
        }
    });
}

/// A server that goes as far as `step`.
fn server_process(step: &str, run_dir: &Path) {
    let endpoint = Endpoint::new(run_dir, "victim").unwrap();
    let (step, wait) = step.split_once(' ').unwrap();
    let config = server(WAITS[wait.parse::<usize>().unwrap()]);
    let config = if step == "greeted" { stopping_when_greeted(config) } else { config };
    let mut listener = config.listen(&endpoint).unwrap();
    say("listening");
    match step {
        "listening" => {
            assert_eq!(hear(), "stop");
            stop();
        }
        "calling" | "living" => serve_all(&mut listener),
        "crowded" => {
            let _sessions: Vec<_> = (0..3).map(|_| listener.accept(NEVER).unwrap()).collect();
            stop();
        }
        _ => in_session(step, listener.accept(NEVER).unwrap()),
    }
}

fn in_session(step: &str, mut session: ServerSession) {
    match step {
        "greeted" | "acked" | "deaf" => stop(),
        "receiving" => {
            say(&this_thread().as_raw_nonzero().to_string());
            session.receive(NEVER).map(drop).unwrap();
        }
        // Its client receives nothing.
        "answering" => {
            let tickets: Vec<_> = (0..2).map(|_| session.receive(NEVER).unwrap().ticket()).collect();
            session.respond(tickets[0], b"first", NEVER).unwrap();
            say(&this_thread().as_raw_nonzero().to_string());
            session.respond(tickets[1], b"second", NEVER).unwrap();
        }
        "building" => {
            let ticket = session.receive(NEVER).unwrap().ticket();
            let built = session.respond_with(ticket, NEVER, |writer| {
                writer.append(b"half an answer");
                stop();
                Ok::<_, Infallible>(())
            });
            built.unwrap();
        }
        _ => panic!("no such step: {step}"),
    }
}

fn assert_over(session: &mut ClientSession) {
    assert_eq!(session.receive(within()).map(drop), Err(CLOSED));
    assert_eq!(session.try_receive().map(drop), Err(CLOSED));
    assert_eq!(session.send(METHOD, b"", within()), Err(CLOSED));
}

/// Calls until there is nobody to call.
fn call_on(session: &mut ClientSession, called: &AtomicU64) -> Error {
    loop {
        let ticket = match session.send(METHOD, b"question", within()) {
            Ok(ticket) => ticket,
            Err(error) => return error,
        };
        match session.receive(within()) {
            Ok(message) => assert_eq!((message.ticket(), message.payload()), (ticket, &b"answer"[..])),
            Err(error) => return error,
        }
        called.fetch_add(1, Ordering::Relaxed);
    }
}

/// Kills a server that is called, at any moment.
fn kill_at_random(child: Child, called: &AtomicU64, random: &mut Random) {
    let most = random.pick(&[1, 10, 1_000]);
    let calls = called.load(Ordering::Relaxed) + random.below(most) as u64;
    assert!(comes_true(|| called.load(Ordering::Relaxed) >= calls), "it does not answer");
    (0..random.below(20_000)).for_each(|_| core::hint::spin_loop());
    child.kill();
}

/// Connects and calls a little, again and again, while the server is killed.
fn outlive_many_sessions(child: Child, endpoint: &Endpoint, wait: usize, random: &mut Random) {
    let called = AtomicU64::new(0);
    thread::scope(|scope| {
        let calling = scope.spawn(|| {
            loop {
                let mut session = match client(WAITS[wait]).connect(endpoint, within()) {
                    Ok(session) => session,
                    Err(error) => return error,
                };
                assert_eq!(session.status().profile, Profiles::SHM_HYBRID, "{:?}", session.status());
                for _ in 0..3 {
                    let sent = session.send(METHOD, b"question", within());
                    let called_now = sent.and_then(|_| session.receive(within()).map(drop));
                    if let Err(error) = called_now {
                        assert_eq!(error, CLOSED);
                        break;
                    }
                    called.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        kill_at_random(child, &called, random);
        let error = calling.join().unwrap();
        let is_gone = matches!(&error, Error::System(error) if error.errno() == libc::ECONNREFUSED);
        assert!(is_gone || error == CLOSED, "{error}");
    });
}

/// A call that waits when the server is killed.
fn outlive_waiting(session: &mut ClientSession, wait: usize, kill: impl FnOnce()) {
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let receiving = scope.spawn(move || {
            tell.send(this_thread()).unwrap();
            session.receive(within()).map(drop)
        });
        wait_until_waiting(told.recv().unwrap(), WAITS[wait]);
        kill();
        assert_eq!(receiving.join().unwrap(), Err(CLOSED));
    });
}

/// Waits until a server sleeps in the call that it has said it begins, if it ever does, and kills it.
fn kill_asleep(mut child: Child) {
    let thread = child.hear().parse().unwrap();
    let mut looks = 0;
    assert!(comes_true(|| {
        looks += 1;
        looks > 2_000 || is_asleep_in(child.pid(), thread)
    }));
    child.kill();
}

fn connect(endpoint: &Endpoint, wait: usize) -> ClientSession {
    let session = client(WAITS[wait]).connect(endpoint, within()).unwrap();
    assert_eq!(session.status().profile, Profiles::SHM_HYBRID, "{:?}", session.status());
    session
}

fn kill_one(run_dir: &RunDir, step: &str, wait: usize, random: &mut Random) {
    let endpoint = run_dir.endpoint("victim");
    let mut child = Child::start(NAME, &format!("{step} {wait}"), run_dir.path());
    assert_eq!(child.hear(), "listening");
    let is_first = random.one_in(2);
    match step {
        "listening" | "greeted" | "acked" => {
            let connecting = client(WAITS[wait]).try_connect(&endpoint).unwrap().unwrap();
            if step == "listening" {
                child.tell("stop");
            }
            child.wait_until_stopped();
            if step == "acked" && is_first {
                let mut session = connecting.finish(within()).unwrap();
                child.kill();
                return assert_over(&mut session);
            }
            child.kill();
            match (step, connecting.finish(within())) {
                // The region outlives its maker.
                ("acked", Ok(mut session)) => assert_over(&mut session),
                (_, outcome) => assert_eq!(outcome.map(drop).unwrap_err(), CLOSED),
            }
        }
        "receiving" => {
            let mut session = connect(&endpoint, wait);
            kill_asleep(child);
            if is_first {
                // It may go out before anybody has looked, and then there is no answer.
                assert!(matches!(session.send(METHOD, b"question", within()), Ok(_) | Err(CLOSED)));
            }
            assert_over(&mut session);
        }
        "answering" => {
            let mut session = connect(&endpoint, wait);
            for _ in 0..2 {
                session.send(METHOD, b"question", within()).unwrap();
            }
            kill_asleep(child);
            assert_eq!(session.receive(within()).unwrap().payload(), b"first");
            assert_over(&mut session);
        }
        "building" => {
            let mut session = connect(&endpoint, wait);
            session.send(METHOD, b"question", within()).unwrap();
            child.wait_until_stopped();
            if is_first {
                outlive_waiting(&mut session, wait, || child.kill());
            } else {
                child.kill();
            }
            assert_over(&mut session);
        }
        "deaf" => outlive_deaf(child, connect(&endpoint, wait), is_first),
        "crowded" => {
            let mut sessions: Vec<_> = (0..3).map(|_| connect(&endpoint, wait)).collect();
            child.wait_until_stopped();
            outlive_waiting(&mut sessions[0], wait, || child.kill());
            sessions.iter_mut().for_each(assert_over);
        }
        "calling" => {
            let (mut session, called) = (connect(&endpoint, wait), AtomicU64::new(0));
            thread::scope(|scope| {
                let calling = scope.spawn(|| call_on(&mut session, &called));
                kill_at_random(child, &called, random);
                assert_eq!(calling.join().unwrap(), CLOSED);
            });
            assert_over(&mut session);
        }
        _ => outlive_many_sessions(child, &endpoint, wait, random),
    }
}

/// A server that receives nothing is killed while there is no room for a request, which is built in place or not.
fn outlive_deaf(child: Child, mut session: ClientSession, is_built: bool) {
    session.send(METHOD, b"question", within()).unwrap();
    child.wait_until_stopped();
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let session = &mut session;
        let sending = scope.spawn(move || {
            tell.send(this_thread()).unwrap();
            if is_built {
                let built = session.send_with(METHOD, within(), |_| Ok::<_, Infallible>(()));
                return built.map(drop).map_err(|error| error.to_string());
            }
            session.send(METHOD, b"another", within()).map(drop).map_err(|error| error.to_string())
        });
        wait_until_asleep(told.recv().unwrap());
        child.kill();
        assert_eq!(sending.join().unwrap(), Err(CLOSED.to_string()));
    });
    assert_over(&mut session);
}

/// A server that is killed while it makes a region leaves a file that might be somebody's in a moment, and so is left alone
/// for some seconds. Lets them pass; how many there were.
fn age_half_made(run_dir: &RunDir) -> usize {
    let names = run_dir.names();
    for name in &names {
        let path = run_dir.path().join(name);
        assert!(fs::read(&path).unwrap().iter().all(|byte| *byte == 0), "{name} could have been told to be dead");
        File::options().write(true).open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }
    assert_eq!(names.len(), 1, "one server makes one region at a time: {names:?}");
    names.len()
}

#[test]
fn a_client_outlives_500_servers_that_are_killed_and_the_next_server_finds_nothing_of_theirs() {
    if let Some((role, run_dir)) = role() {
        return server_process(&role, &run_dir);
    }
    let mut random = Random::new(SEED);
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("victim");
    let (before, mut left, mut halves) = (Holdings::now(), 0, 0);
    for number in 0..KILLS {
        // Each step as often, each with every way to wait.
        let (step, wait) = (STEPS[number % STEPS.len()], number / STEPS.len() % WAITS.len());
        kill_one(&run_dir, step, wait, &mut random);
        before.wait_for();

        left += run_dir.names().len() - 1;
        let mut listener = server(WAITS[wait]).listen(&endpoint).unwrap();
        if run_dir.names() != ["victim.sock"] {
            assert_eq!(step, "living");
            drop(listener);
            halves += age_half_made(&run_dir);
            listener = server(WAITS[wait]).listen(&endpoint).unwrap();
        }
        assert_eq!(run_dir.names(), ["victim.sock"], "{number}: {step}");
        let connecting = client(WAITS[wait]).try_connect(&endpoint).unwrap().unwrap();
        let mut session = listener.accept(within()).unwrap();
        call_across(&mut connecting.finish(within()).unwrap(), &mut session);
        drop((session, listener));
        assert!(run_dir.names().is_empty(), "{number}: {step}");
        before.wait_for();
    }
    assert!(left >= KILLS / 2, "{left} regions of {KILLS} servers were left to remove");
    assert!(halves <= KILLS / STEPS.len(), "{halves} regions were left half made");
}
