//! The programs, run as processes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio, id};

use netipc_examples::services::GREETING;

use crate::ground::{Dir, Idle};

const TOP: &str = env!("CARGO_BIN_EXE_top");
const SERVICES: &str = env!("CARGO_BIN_EXE_host_services");
const SOCKETS: usize = 3;

fn top(words: &[&str], temporary: &Dir) -> Output {
    Command::new(TOP).args(words).env("TMPDIR", temporary.path()).output().unwrap()
}

/// The lines of a table that was printed, its end in order.
fn lines(output: &Output) -> Vec<&str> {
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    str::from_utf8(&output.stdout).unwrap().lines().collect()
}

fn has_row(lines: &[&str], pid: u32) -> bool {
    lines.iter().any(|line| line.split_whitespace().next() == Some(pid.to_string().as_str()))
}

/// The services, killed if the test ends before they do.
struct Serving(Child);

impl Serving {
    /// The services in a directory. Once this returns, clients can connect.
    fn start(run_dir: &Dir) -> (Self, String) {
        Self::run(Command::new(SERVICES).arg(run_dir.path()))
    }

    /// What `top` starts: the services in a directory of their own.
    fn start_alone(temporary: &Dir) -> (Self, String) {
        Self::run(Command::new(TOP).arg("--serve").env("TMPDIR", temporary.path()))
    }

    fn run(command: &mut Command) -> (Self, String) {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut serving = Self(command.spawn().unwrap());
        let mut line = Vec::new();
        BufReader::new(serving.0.stdout.take().unwrap()).read_until(b'\n', &mut line).unwrap();
        let run_dir = line.strip_prefix(GREETING).unwrap().trim_ascii_end();
        (serving, str::from_utf8(run_dir).unwrap().to_owned())
    }

    /// Ends their input, and waits for them.
    fn end(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn top_alone_shows_this_process_and_leaves_nothing_behind() {
    let (temporary, children) = (Dir::new(), Idle::new(3));
    for words in [&[][..], &["--once"]] {
        let output = top(words, &temporary);
        let lines = lines(&output);
        assert!(has_row(&lines, id()) && children.pids().all(|pid| has_row(&lines, pid)), "{lines:#?}");
        // It starts the services as a process of its own, which is to be seen as well.
        assert!(lines.iter().filter(|line| line.contains(" top ")).count() >= 2, "{lines:#?}");
        assert_eq!(temporary.names(), [""; 0]);
    }
}

#[test]
fn top_shows_as_many_rows_as_are_wanted() {
    let (temporary, _children) = (Dir::new(), Idle::new(5));
    for count in [0, 1, 5] {
        let output = top(&["--count", &count.to_string(), "--once"], &temporary);
        assert_eq!(lines(&output).len(), 3 + count);
    }
}

#[test]
fn top_asks_the_services_of_a_directory_until_they_end() {
    let (temporary, run_dir) = (Dir::new(), Dir::new());
    let (serving, told) = Serving::start(&run_dir);
    assert_eq!((Path::new(&told), run_dir.names().len()), (run_dir.path(), SOCKETS));
    let output = top(&["--once", &told], &temporary);
    assert!(has_row(&lines(&output), serving.0.id()));
    serving.end();
    assert_eq!((run_dir.names(), temporary.names()), (vec![], vec![]));
    let output = top(&["--once", &told], &temporary);
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(str::from_utf8(&output.stderr).unwrap().starts_with(&format!("{told}: no connection")), "{output:?}");
}

#[test]
fn services_of_top_make_a_directory_of_their_own_and_remove_it() {
    let temporary = Dir::new();
    let (one, told) = Serving::start_alone(&temporary);
    let (other, other_told) = Serving::start_alone(&temporary);
    assert!(told != other_told && Path::new(&told).parent() == Some(temporary.path()));
    assert_eq!(temporary.names().len(), 2);
    assert!(has_row(&lines(&top(&[&told], &temporary)), id()));
    one.end();
    assert!(has_row(&lines(&top(&[&other_told], &temporary)), id()));
    other.end();
    assert_eq!(temporary.names(), [""; 0]);
}

#[test]
fn services_take_over_from_ones_that_were_killed_and_not_from_ones_that_serve() {
    let (temporary, run_dir) = (Dir::new(), Dir::new());
    let (mut killed, told) = Serving::start(&run_dir);
    let refused = Command::new(SERVICES).arg(run_dir.path()).stdin(Stdio::null()).output().unwrap();
    assert!(!refused.status.success() && refused.stdout.is_empty());
    assert!(has_row(&lines(&top(&[&told], &temporary)), killed.0.id()));
    killed.0.kill().unwrap();
    killed.0.wait().unwrap();
    // The memory of a session may be there as well.
    assert!(run_dir.names().len() >= SOCKETS);
    let (serving, told) = Serving::start(&run_dir);
    assert!(has_row(&lines(&top(&[&told], &temporary)), serving.0.id()));
    serving.end();
    assert_eq!(run_dir.names(), [""; 0]);
}

#[test]
fn words_that_mean_nothing_are_refused() {
    let temporary = Dir::new();
    for words in [&["--many"][..], &["--count"], &["--count", "-1"], &["--count", "x"], &["a", "b"]] {
        let output = top(words, &temporary);
        assert!(!output.status.success() && output.stdout.is_empty());
        assert!(str::from_utf8(&output.stderr).unwrap().starts_with("usage: top"), "{output:?}");
    }
    for (words, why) in [
        (&[][..], "usage: host_services"),
        (&["a", "b"], "usage: host_services"),
        (&["--once"], "usage: host_services"),
        (&["/nowhere/at/all"], "/nowhere/at/all: "),
    ] {
        let output = Command::new(SERVICES).args(words).stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
        assert!(str::from_utf8(&output.stderr).unwrap().starts_with(why), "{output:?}");
    }
}
