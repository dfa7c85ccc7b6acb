//! The other side's process ends, or stops, while this side waits over shared memory: how it is noticed, and that it is.
//!
//! The time that it took is printed (`--nocapture`); asserted is no more than that nobody waits for good.

use core::time::Duration;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use netipc::endpoint::Endpoint;
use netipc::session::{Deadline, Error, Listener, Wait};
use netipc::wire::{Method, Profiles};
use netipc_tests::processes::{Child, RunDir, hear, role, say, this_thread, wait_until_asleep};
use netipc_tests::regions::{WAITS, client, comes_true, server, wait_until_waiting, within};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

const METHOD: Method = Method::new(7);
const NEVER: Deadline = Deadline::NEVER;
const CLOSED: Error = Error::Closed { mid_message: false };
const TIMES: usize = 20;
/// Far more than it takes: see the figures that are printed.
const SOON_ENOUGH: Duration = Duration::from_secs(2);

#[expect(clippy::print_stderr, reason = "figures for whoever asks for them")]
fn report(what: &str, wait: Wait, mut took: Vec<Duration>) {
    took.sort_unstable();
    let (median, longest) = (took[took.len() / 2], took[took.len() - 1]);
    eprintln!("{what}, {wait:?}: noticed in {median:?} (median of {}), {longest:?} at most", took.len());
    assert!(median < SOON_ENOUGH, "{what}, {wait:?}: {took:?}");
}

/// Reports how soon ends are noticed with each way to wait: `notice` tells of one, over and over in what `set_up` made.
fn measured<P>(what: &str, set_up: impl Fn(Wait) -> P, notice: impl Fn(&mut P, Wait) -> Duration) {
    for wait in WAITS {
        let mut place = set_up(wait);
        let took = (0..TIMES).map(|_| notice(&mut place, wait)).collect();
        report(what, wait, took);
    }
}

/// Listens in a run directory of its own, which goes after the listener.
fn listening(wait: Wait) -> (Listener, RunDir) {
    let run_dir = RunDir::new();
    (server(wait).listen(&run_dir.endpoint("peer")).unwrap(), run_dir)
}

/// Runs `wait_for` on a thread of its own, kills the child when it waits; how long after the kill it told of the end.
fn kill_while(child: Child, wait: Wait, wait_for: impl FnOnce() -> Result<(), Error> + Send) -> Duration {
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            tell.send(this_thread()).unwrap();
            let outcome = wait_for();
            (outcome, Instant::now())
        });
        wait_until_waiting(told.recv().unwrap(), wait);
        let killed = Instant::now();
        child.signal(Signal::KILL);
        let (outcome, noticed) = waiting.join().unwrap();
        assert_eq!(outcome, Err(CLOSED));
        noticed - killed
    })
}

/// What the descriptor of a session tells of, if it does within that time.
fn told(session: impl AsFd, within: Duration) -> PollFlags {
    let mut fds = [PollFd::new(&session, PollFlags::IN | PollFlags::RDHUP)];
    poll(&mut fds, Some(&Timespec::try_from(within).unwrap())).unwrap();
    fds[0].revents()
}

/// A peer that does as it is told.
fn peer_process(role: &str, run_dir: &Path) {
    let endpoint = Endpoint::new(run_dir, "peer").unwrap();
    match role {
        "server" => {
            let mut listener = server(Wait::Block).listen(&endpoint).unwrap();
            say("listening");
            let _session = listener.accept(NEVER).unwrap();
            let _ = hear();
        }
        "answering" => {
            let mut listener = server(Wait::Block).listen(&endpoint).unwrap();
            say("listening");
            let mut session = listener.accept(NEVER).unwrap();
            while let Ok(ticket) = session.receive(NEVER).map(|message| message.ticket()) {
                session.respond(ticket, b"answer", NEVER).unwrap();
            }
        }
        "client" => {
            let _session = client(Wait::Block).connect(&endpoint, NEVER).unwrap();
            let _ = hear();
        }
        "asking" => {
            let mut session = client(Wait::Block).connect(&endpoint, NEVER).unwrap();
            session.send(METHOD, b"first", NEVER).unwrap();
            session.send(METHOD, b"second", NEVER).unwrap();
            let _ = hear();
        }
        "calling" => {
            let mut session = client(Wait::Block).connect(&endpoint, NEVER).unwrap();
            loop {
                session.send(METHOD, b"question", NEVER).unwrap();
                session.receive(NEVER).map(drop).unwrap();
                assert_eq!(hear(), "again");
            }
        }
        _ => panic!("no such peer: {role}"),
    }
}

#[test]
fn a_client_in_a_call_without_a_deadline_notices_that_its_server_was_killed() {
    const NAME: &str = "a_client_in_a_call_without_a_deadline_notices_that_its_server_was_killed";
    if let Some((role, run_dir)) = role() {
        return peer_process(&role, &run_dir);
    }
    measured("a client in a call, its server killed", drop, |(), wait| {
        let run_dir = RunDir::new();
        let mut child = Child::start(NAME, "server", run_dir.path());
        assert_eq!(child.hear(), "listening");
        let mut session = client(wait).connect(&run_dir.endpoint("peer"), NEVER).unwrap();
        assert_eq!(session.status().profile, Profiles::SHM_HYBRID);
        session.send(METHOD, b"question", NEVER).unwrap();
        kill_while(child, wait, || session.receive(NEVER).map(drop))
    });
}

#[test]
fn a_server_that_waits_for_requests_without_a_deadline_notices_that_its_client_was_killed() {
    const NAME: &str = "a_server_that_waits_for_requests_without_a_deadline_notices_that_its_client_was_killed";
    if let Some((role, run_dir)) = role() {
        return peer_process(&role, &run_dir);
    }
    measured("a server that waits for requests, its client killed", listening, |(listener, run_dir), wait| {
        let child = Child::start(NAME, "client", run_dir.path());
        let mut session = listener.accept(NEVER).unwrap();
        assert_eq!(session.status().profile, Profiles::SHM_HYBRID);
        kill_while(child, wait, || session.receive(NEVER).map(drop))
    });
}

#[test]
fn both_halves_of_a_servers_session_notice_while_both_wait() {
    const NAME: &str = "both_halves_of_a_servers_session_notice_while_both_wait";
    if let Some((role, run_dir)) = role() {
        return peer_process(&role, &run_dir);
    }
    measured("both halves of a server's session, its client killed", listening, |(listener, run_dir), wait| {
        let child = Child::start(NAME, "asking", run_dir.path());
        let (mut requests, mut responses) = listener.accept(NEVER).unwrap().split();
        let first = requests.receive(NEVER).unwrap().ticket();
        let second = requests.receive(NEVER).unwrap().ticket();
        responses.respond(first, b"answer", NEVER).unwrap();
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            let answering = scope.spawn(move || {
                tell.send(this_thread()).unwrap();
                responses.respond(second, b"answer", NEVER)
            });
            wait_until_asleep(told.recv().unwrap());
            let after = kill_while(child, wait, || requests.receive(NEVER).map(drop));
            assert_eq!(answering.join().unwrap(), Err(CLOSED));
            after
        })
    });
}

#[test]
fn the_descriptor_of_a_session_that_nobody_waits_in_tells_of_the_end_of_the_peer() {
    const NAME: &str = "the_descriptor_of_a_session_that_nobody_waits_in_tells_of_the_end_of_the_peer";
    if let Some((role, run_dir)) = role() {
        return peer_process(&role, &run_dir);
    }
    let minute = Duration::from_secs(60);
    let run_dir = RunDir::new();
    let mut listener = server(Wait::Block).listen(&run_dir.endpoint("peer")).unwrap();
    let child = Child::start(NAME, "client", run_dir.path());
    let mut session = listener.accept(NEVER).unwrap();
    assert_eq!(session.status().profile, Profiles::SHM_HYBRID);
    assert!(told(&session, Duration::ZERO).is_empty());
    child.kill();
    assert!(told(&session, minute).contains(PollFlags::HUP | PollFlags::IN));
    assert_eq!(session.try_receive().map(drop), Err(CLOSED));
    drop((session, listener));

    let mut child = Child::start(NAME, "server", run_dir.path());
    assert_eq!(child.hear(), "listening");
    let mut session = client(Wait::Block).connect(&run_dir.endpoint("peer"), NEVER).unwrap();
    assert!(told(&session, Duration::ZERO).is_empty());
    child.kill();
    assert!(told(&session, minute).contains(PollFlags::HUP | PollFlags::IN));
    assert_eq!(session.try_receive().map(drop), Err(CLOSED));
}

#[test]
fn calls_to_a_server_that_was_stopped_keep_their_deadlines_and_go_on_when_it_does() {
    const NAME: &str = "calls_to_a_server_that_was_stopped_keep_their_deadlines_and_go_on_when_it_does";
    if let Some((role, run_dir)) = role() {
        return peer_process(&role, &run_dir);
    }
    let while_stopped = Duration::from_millis(30);
    for wait in WAITS {
        let run_dir = RunDir::new();
        let mut child = Child::start(NAME, "answering", run_dir.path());
        assert_eq!(child.hear(), "listening");
        let mut session = client(wait).connect(&run_dir.endpoint("peer"), NEVER).unwrap();
        for _ in 0..3 {
            child.stop();
            let begin = Instant::now();
            let first = session.send(METHOD, b"question", NEVER).unwrap();
            assert_eq!(session.receive(Deadline::after(while_stopped)).map(drop), Err(Error::TimedOut));
            assert!(begin.elapsed() >= while_stopped);
            // There is no room for another, and none is made.
            let begin = Instant::now();
            assert_eq!(session.send(METHOD, b"more", Deadline::after(while_stopped)), Err(Error::TimedOut));
            assert!(begin.elapsed() >= while_stopped);
            child.signal(Signal::CONT);
            let answer = session.receive(within()).unwrap();
            assert_eq!((answer.ticket(), answer.payload()), (first, &b"answer"[..]));
            let second = session.send(METHOD, b"question", within()).unwrap();
            assert_eq!(session.receive(within()).unwrap().ticket(), second);
        }
    }
}

#[test]
fn a_server_whose_client_was_stopped_keeps_its_deadlines_and_goes_on_when_it_does() {
    const NAME: &str = "a_server_whose_client_was_stopped_keeps_its_deadlines_and_goes_on_when_it_does";
    if let Some((role, run_dir)) = role() {
        return peer_process(&role, &run_dir);
    }
    let while_stopped = Duration::from_millis(30);
    for wait in WAITS {
        let run_dir = RunDir::new();
        let mut listener = server(wait).listen(&run_dir.endpoint("peer")).unwrap();
        let mut child = Child::start(NAME, "calling", run_dir.path());
        let mut session = listener.accept(NEVER).unwrap();
        for _ in 0..3 {
            let ticket = session.receive(within()).unwrap().ticket();
            child.stop();
            session.respond(ticket, b"answer", NEVER).unwrap();
            let begin = Instant::now();
            assert_eq!(session.receive(Deadline::after(while_stopped)).map(drop), Err(Error::TimedOut));
            assert!(begin.elapsed() >= while_stopped);
            child.signal(Signal::CONT);
            child.tell("again");
        }
        child.signal(Signal::KILL);
        assert!(comes_true(|| child.has_ended()));
        // Its last request may have come.
        let last = session.receive(within()).map(drop);
        assert!(matches!(last, Ok(()) | Err(CLOSED)), "{last:?}");
        assert_eq!(session.receive(within()).map(drop), Err(CLOSED));
    }
}
