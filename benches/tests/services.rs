//! The driver of services at work: every contender carries every load, for a moment, between two processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use netipc_benches::driver::Meeting;
use netipc_benches::driver::placement::{Cpus, Placement};
use netipc_benches::driver::process::Server;
use netipc_benches::services::load::LOADS;
use netipc_benches::services::turn::Course;
use netipc_benches::services::{CONTENDERS, Group};

const PROGRAM: &str = env!("CARGO_BIN_EXE_services");

#[test]
fn every_turn_gives_figures_that_fit_together() {
    let course = Course::new(PROGRAM.into(), Cpus::allowed().unwrap());
    for load in &LOADS {
        for contender in CONTENDERS.iter().filter(|contender| contender.runs(load)) {
            let place = format!("{}, {}", load.name, contender.name());
            let length = Duration::from_millis(20);
            let figures = course.run(*contender, load, Placement::Unpinned, length).unwrap_or_else(|error| {
                panic!("{place}: {error}");
            });
            assert!(figures.calls_per_second > 0.0, "{place}: {figures:?}");
            assert!(0.0 < figures.p50 && figures.p50 <= figures.p99, "{place}: {figures:?}");
            assert!(figures.p99 <= figures.p999, "{place}: {figures:?}");
            assert!(figures.client.cpu > 0.0 && figures.server.cpu > 0.0, "{place}: {figures:?}");
        }
    }
}

#[test]
fn every_load_is_carried_by_something_of_ours_and_every_contender_carries_something() {
    let ours = |group: Group| group.limit().is_some();
    for load in &LOADS {
        assert!(CONTENDERS.iter().any(|contender| ours(contender.group()) && contender.runs(load)), "{}", load.name);
    }
    for contender in CONTENDERS {
        assert!(LOADS.iter().any(|load| contender.runs(load)), "{}", contender.name());
    }
}

#[test]
fn a_server_for_many_ends_when_nobody_has_anything_to_ask() {
    let eight = LOADS.iter().find(|load| load.clients > 1).unwrap();
    for contender in CONTENDERS.iter().filter(|contender| contender.runs(eight)) {
        let started = Server::start_as(Path::new(PROGRAM), contender.name(), eight.name, Meeting::RunDir, None);
        let (server, _) = started.unwrap();
        server.end().unwrap_or_else(|error| panic!("{}: {error}", contender.name()));
    }
}

#[test]
fn a_load_that_nobody_knows_is_not_served() {
    assert!(Server::start_as(Path::new(PROGRAM), CONTENDERS[0].name(), "no load", Meeting::RunDir, None).is_err());
    assert!(Server::start_as(Path::new(PROGRAM), "nobody", LOADS[0].name, Meeting::RunDir, None).is_err());
}

#[test]
fn a_row_and_what_is_below_it_are_printed_and_nothing_is_left_of_the_run() {
    let directory = Directory::new("row");
    let chosen = ["--only", "service, block", "--only", "1 client", "--only", "one CPU"];
    let program =
        Command::new(PROGRAM).args(["--rounds", "1"]).args(chosen).env("TMPDIR", &directory.0).output().unwrap();
    let printed = String::from_utf8(program.stdout).unwrap();
    assert!(program.status.success(), "{printed}{}", String::from_utf8_lossy(&program.stderr));
    for row in ["service, block", "session, block", "bare, blocking", "bare, yielding"] {
        assert!(printed.contains(&format!("| one CPU | {row} |")), "{printed}");
    }
    assert!(!printed.contains("adaptive") && !printed.contains("64 clients"), "{printed}");
    assert!(printed.contains(directory.0.to_str().unwrap()), "{printed}");
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 0);
}

#[test]
fn shared_memory_that_has_a_name_goes_with_its_run() {
    // Where run directories are unless something is said: a longer path has no room for the names of its sockets.
    let program = Command::new(PROGRAM)
        .args(["--rounds", "1", "--only", "iceoryx2", "--only", "1 client", "--only", "one CPU"])
        .env_remove("TMPDIR")
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let client = program.id();
    let program = program.wait_with_output().unwrap();
    assert!(program.status.success(), "{}", String::from_utf8_lossy(&program.stdout));
    assert_eq!(named_after(client), [""; 0]);
}

#[test]
fn what_a_killed_client_has_left_in_shared_memory_goes_with_the_next_run() {
    let directory = Directory::new("killed");
    let mut client = Command::new(PROGRAM)
        .args(["--only", "iceoryx2, looking", "--only", "1 client", "--only", "unpinned"])
        .env("TMPDIR", &directory.0)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while named_after(client.id()).is_empty() {
        assert!(client.try_wait().unwrap().is_none(), "the client ended before it was killed");
        std::thread::yield_now();
    }
    client.kill().unwrap();
    client.wait().unwrap();
    // The server is killed along with it, and both leave what they have made.
    let (server, _) =
        Server::start_as(Path::new(PROGRAM), CONTENDERS[0].name(), LOADS[0].name, Meeting::RunDir, None).unwrap();
    drop(server);
    assert_eq!(named_after(client.id()), [""; 0]);
}

/// What shared memory has names of the run directories of this process.
fn named_after(client: u32) -> Vec<String> {
    let prefix = format!("netipc-sessions-{client}-");
    let names = fs::read_dir("/dev/shm").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(&prefix)).collect()
}

#[test]
fn what_is_no_option_is_refused() {
    for args in [&["--fast"][..], &["--rounds"], &["--rounds", "0"], &["--only"]] {
        let program = Command::new(PROGRAM).args(args).output().unwrap();
        assert_eq!((program.status.code(), program.stdout.len()), (Some(2), 0), "{args:?}");
    }
}

/// A directory of this test's own, removed when dropped.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("services-{}-{name}", std::process::id()));
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
