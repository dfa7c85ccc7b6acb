//! The load driver at work: every contender carries every workload, for a few calls, between two processes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use netipc_benches::driver::placement::{Cpus, Placement};
use netipc_benches::driver::process::Server;
use netipc_benches::driver::slice::Course;
use netipc_benches::driver::workload::{Requests, WORKLOADS, Workload};
use netipc_benches::driver::{CONTENDERS, Contender};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sessions");

fn each(mut check: impl FnMut(&'static dyn Contender, &Workload) -> io::Result<()>) {
    for contender in CONTENDERS {
        for workload in WORKLOADS.iter().filter(|workload| contender.runs(workload)) {
            if let Err(error) = check(*contender, workload) {
                panic!("{}, {}: {error}", workload.name, contender.name());
            }
        }
    }
}

#[test]
fn every_contender_carries_every_byte_of_every_workload() {
    each(|contender, workload| {
        let (server, end) = Server::start(Path::new(PROGRAM), contender, workload, None)?;
        let mut caller = contender.connect(end, workload)?;
        let mut requests = Requests::new(workload);
        for number in 0..3_u64 {
            let answer = caller.call(requests.next_request())?;
            assert_eq!(answer.len(), workload.response_len);
            assert_eq!(answer[..8], number.to_ne_bytes());
            assert!(answer[8..].iter().zip((0..=250).rev().cycle().skip(8)).all(|(found, sent)| *found == sent));
            requests.check(answer)?;
        }
        for _ in 0..workload.in_flight {
            caller.send(requests.next_request())?;
        }
        for _ in 0..workload.in_flight {
            requests.check(caller.receive()?)?;
        }
        server.finish(caller)
    });
}

#[test]
fn every_slice_gives_figures_that_fit_together() {
    let mut course = Course::new(PROGRAM.into(), Cpus::allowed().unwrap());
    for placement in Placement::ALL {
        if !course.cpus().allow(placement) {
            continue;
        }
        each(|contender, workload| {
            let figures = course.run(contender, workload, placement, Duration::from_millis(10))?;
            assert!(figures.calls_per_second > 0.0);
            assert!(0.0 < figures.p50 && figures.p50 <= figures.p99 && figures.p99 <= figures.p999, "{figures:?}");
            assert!(figures.client.cpu > 0.0 && figures.server.cpu > 0.0, "{figures:?}");
            Ok(())
        });
    }
}

#[test]
fn a_server_ends_when_its_client_hangs_up_in_the_middle_of_a_call() {
    each(|contender, workload| {
        let (server, end) = Server::start(Path::new(PROGRAM), contender, workload, None)?;
        let mut caller = contender.connect(end, workload)?;
        caller.send(Requests::new(workload).next_request())?;
        server.finish(caller)
    });
}

#[test]
fn a_request_that_is_not_the_next_one_ends_the_run() {
    each(|contender, workload| {
        let (server, end) = Server::start(Path::new(PROGRAM), contender, workload, None)?;
        let mut caller = contender.connect(end, workload)?;
        let mut requests = Requests::new(workload);
        requests.next_request();
        assert!(caller.call(requests.next_request()).is_err());
        assert!(server.finish(caller).is_err());
        Ok(())
    });
}

#[test]
fn a_server_that_nobody_calls_does_not_work_all_the_time() {
    let course = Course::new(PROGRAM.into(), Cpus::allowed().unwrap());
    let length = Duration::from_millis(200);
    for &contender in CONTENDERS.iter().filter(|contender| contender.rests()) {
        let idle = course.idle(contender, &WORKLOADS[0], length).unwrap();
        // Whatever it does once in a while. The client's time is of no use here: it counts the tests beside this one.
        assert!(idle.server.cpu < length / 2, "{}: {idle:?}", contender.name());
    }
}

#[test]
fn nothing_is_left_of_a_run() {
    let directory = Directory::new("all");
    for args in [&["--rounds", "1", "--vs", "bare shm, futex", "--only", "u64"][..], &["--idle", "1"]] {
        let program = Command::new(PROGRAM)
            .args(args)
            .args(["--only", "bare shm, futex"])
            .env("TMPDIR", &directory.0)
            .output()
            .unwrap();
        let printed = String::from_utf8(program.stdout).unwrap();
        assert!(program.status.success() && printed.contains("| bare shm, futex |"), "{printed}");
        assert!(printed.contains(directory.0.to_str().unwrap()), "{printed}");
        assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 0);
    }
}

#[test]
fn a_killed_client_takes_its_server_along() {
    for (name, workload) in [("bare, blocking, by path", "16 in flight"), ("bare shm, futex", "u64")] {
        let directory = Directory::new(workload);
        let mut client = Command::new(PROGRAM)
            .args(["--vs", name, "--only", name, "--only", "unpinned", "--only", workload])
            .env("TMPDIR", &directory.0)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let server = loop {
            if let Some(server) = server_of(client.id()) {
                break server;
            }
            assert!(client.try_wait().unwrap().is_none(), "the client ended before it was killed");
        };
        client.kill().unwrap();
        client.wait().unwrap();
        // It hangs, and the test with it, should the server live on.
        while lives(&server) {
            std::thread::yield_now();
        }
    }
}

/// A directory of a test's own, removed when dropped.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sessions-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Best effort: the test may be failing already.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The /proc entry of the process that `client` started.
fn server_of(client: u32) -> Option<PathBuf> {
    let children = fs::read_to_string(format!("/proc/{client}/task/{client}/children")).ok()?;
    Some(Path::new("/proc").join(children.split_whitespace().next()?))
}

/// An ended process stays in /proc until whoever inherited it looks at it.
fn lives(process: &Path) -> bool {
    fs::read_to_string(process.join("status")).is_ok_and(|status| !status.contains("State:\tZ"))
}
