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
fn a_killed_client_takes_its_server_along() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sessions-{}", std::process::id()));
    fs::create_dir(&directory).unwrap();
    let mut client = Command::new(PROGRAM)
        .args(["--only", "by path", "--only", "unpinned", "--only", "16 in flight"])
        .env("TMPDIR", &directory)
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
    fs::remove_dir_all(&directory).unwrap();
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
