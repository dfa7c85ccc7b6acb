//! Sessions over shared memory in which nothing happens cost their server nothing.
//!
//! Looked at for two seconds, or as many as `NETIPC_TEST_IDLE_SECONDS` says; the figures are printed (`--nocapture`).

use core::ops::Sub;
use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use netipc::endpoint::Endpoint;
use netipc::session::{ClientSession, Deadline, Error, Wait};
use netipc::wire::{Method, Profiles};
use netipc_tests::processes::{Child, RunDir, hear, role, say, this_thread, wait_until_asleep};
use netipc_tests::regions::{client, server, within};
use rustix::event::{Timespec, poll};

const NAME: &str = "fifty_idle_sessions_take_no_time_of_their_server_and_wake_none_of_its_threads";
const SESSIONS: usize = 50;
const METHOD: Method = Method::new(7);
const NEVER: Deadline = Deadline::NEVER;

fn seconds() -> i64 {
    std::env::var("NETIPC_TEST_IDLE_SECONDS").map_or(2, |seconds| seconds.parse().expect("a number"))
}

/// What the other threads of this process have used up.
#[derive(Debug, Clone, Copy)]
struct Used {
    nanos: u64,
    switches: u64,
}

impl Sub for Used {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { nanos: self.nanos - earlier.nanos, switches: self.switches - earlier.switches }
    }
}

impl Used {
    fn now() -> Self {
        let this = this_thread().as_raw_nonzero().to_string();
        let mut used = Self { nanos: 0, switches: 0 };
        for task in fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap()) {
            if task.file_name() == *this {
                continue;
            }
            let schedstat = fs::read_to_string(task.path().join("schedstat")).unwrap();
            used.nanos += schedstat.split(' ').next().unwrap().parse::<u64>().unwrap();
            let status = fs::read_to_string(task.path().join("status")).unwrap();
            let switches = status.lines().filter(|line| line.contains("ctxt_switches"));
            used.switches +=
                switches.map(|line| line.rsplit('\t').next().unwrap().parse::<u64>().unwrap()).sum::<u64>();
        }
        used
    }

    /// What they use up in the time that is looked at.
    fn in_a_while() -> Self {
        let before = Self::now();
        let while_looking = Timespec { tv_sec: seconds(), tv_nsec: 0 };
        poll(&mut [], Some(&while_looking)).unwrap();
        Self::now() - before
    }
}

/// A server each of whose sessions has a thread that waits for requests; says what they used up.
fn server_process(wait: Wait, run_dir: &Path) {
    let mut listener = server(wait).listen(&Endpoint::new(run_dir, "idle").unwrap()).unwrap();
    say("listening");
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..SESSIONS {
            let mut session = listener.accept(NEVER).unwrap();
            let tell = tell.clone();
            scope.spawn(move || {
                // Once it was called it may try for the next call, if that is how it waits.
                for _ in 0..3 {
                    let ticket = session.receive(NEVER).unwrap().ticket();
                    session.respond(ticket, b"answer", NEVER).unwrap();
                }
                tell.send(this_thread()).unwrap();
                assert_eq!(session.receive(NEVER).map(drop), Err(Error::Closed { mid_message: false }));
            });
        }
        let threads: Vec<_> = told.iter().take(SESSIONS).collect();
        threads.into_iter().for_each(wait_until_asleep);
        say("idle");
        assert_eq!(hear(), "look");
        // They have been busy, and that is seen.
        let before = Used::now();
        assert!(before.nanos > 0 && before.switches >= SESSIONS as u64, "{before:?}");
        let used = Used::in_a_while();
        say(&format!("{} {}", used.nanos, used.switches));
    });
}

#[test]
#[expect(clippy::print_stderr, reason = "figures for whoever asks for them")]
fn fifty_idle_sessions_take_no_time_of_their_server_and_wake_none_of_its_threads() {
    if let Some((role, run_dir)) = role() {
        return server_process(if role == "adaptive" { Wait::Adaptive } else { Wait::Block }, &run_dir);
    }
    for wait in [Wait::Block, Wait::Adaptive] {
        let role = if wait == Wait::Adaptive { "adaptive" } else { "block" };
        let run_dir = RunDir::new();
        let mut child = Child::start(NAME, role, run_dir.path());
        assert_eq!(child.hear(), "listening");
        let endpoint = run_dir.endpoint("idle");
        let mut sessions: Vec<_> = (0..SESSIONS).map(|_| client(wait).connect(&endpoint, within()).unwrap()).collect();
        for session in &mut sessions {
            assert_eq!(session.status().profile, Profiles::SHM_HYBRID);
            for _ in 0..3 {
                call(session);
            }
        }
        assert_eq!(child.hear(), "idle");
        child.tell("look");
        let said = child.hear();
        let (nanos, switches) = said.split_once(' ').unwrap();
        let (nanos, switches): (u64, u64) = (nanos.parse().unwrap(), switches.parse().unwrap());
        eprintln!(
            "{SESSIONS} idle sessions, {wait:?}, {} s: {} us of processor time, {switches} switches of {} threads",
            seconds(),
            nanos / 1_000,
            SESSIONS + 1
        );
        // A thread that was about to sleep may have got there later.
        assert!(switches <= 5 && nanos < 2_000_000, "{nanos} ns, {switches} switches");
        drop(sessions);
        child.finish();
    }
}

fn call(session: &mut ClientSession) {
    let ticket = session.send(METHOD, b"question", within()).unwrap();
    assert_eq!(session.receive(within()).unwrap().ticket(), ticket);
}
