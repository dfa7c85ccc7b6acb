//! `netipc serve`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};

use crate::ground::{Dir, PROGRAM, Serving, command, netipc};

/// Started without an end of input to wait for.
fn start(dir: &Dir) -> Child {
    greeted(&mut command(&["serve", dir.str()]), dir)
}

fn greeted(command: &mut Command, dir: &Dir) -> Child {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, format!("serving {}\n", dir.str()));
    child
}

#[test]
fn each_signal_that_ends_it_leaves_no_socket() {
    // These tests may run under `nohup`. What is caught here is not ignored by children.
    signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::default()).unwrap();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let dir = Dir::new();
        let mut child = start(&dir);
        // Its standard input has ended long ago.
        assert!(netipc(&["call", "apps", dir.str(), "1"]).good().contains("known"));
        assert_eq!(netipc(&["list", dir.str(), "--json"]).json().as_array().unwrap().len(), 3);
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert!(child.wait().unwrap().success(), "{signal:?}");
        assert!(dir.is_empty(), "{signal:?}");
    }
}

#[test]
fn it_outlives_its_terminal_where_nohup_says_so() {
    let dir = Dir::new();
    let mut nohup = Command::new("nohup");
    let mut child =
        greeted(nohup.args([PROGRAM, "serve", dir.str()]).env_remove("NETIPC_TOKEN").stdin(Stdio::null()), &dir);
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::HUP).unwrap();
    // If it cared, it would have ended long before the last one is answered.
    for _ in 0..20 {
        let answer = netipc(&["call", "apps", dir.str(), "1"]);
        assert!(answer.code == 0, "{answer:?}");
    }
    kill_process(pid, Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success() && dir.is_empty());
}

#[test]
fn it_serves_whether_or_not_somebody_reads_that_it_does() {
    let dir = Dir::new();
    let (read, write) = std::io::pipe().unwrap();
    drop(read);
    let mut child = command(&["serve", dir.str()]).stdout(write).stderr(Stdio::null()).spawn().unwrap();
    while netipc(&["ping", dir.str(), "apps-lookup"]).code != 0 {
        assert!(child.try_wait().unwrap().is_none());
    }
    for _ in 0..20 {
        netipc(&["call", "apps", dir.str(), "1"]).good();
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success() && dir.is_empty());
}

#[test]
fn it_ends_with_its_input_where_that_was_asked_for() {
    let mut serving = Serving::start(&[]);
    netipc(&["ping", serving.dir(), "increment"]).good();
    drop(serving.child.stdin.take());
    assert!(serving.child.wait().unwrap().success());
    assert!(serving.dir.is_empty());
}

#[test]
fn it_takes_over_from_the_dead_and_not_from_the_living() {
    let dir = Dir::new();
    let mut first = start(&dir);
    let why = netipc(&["serve", dir.str()]).bad(1);
    assert!(why.starts_with(dir.str()) && why.contains("in use"), "{why}");
    netipc(&["call", "snapshot", dir.str()]).good();
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(netipc(&["list", dir.str(), "--json"]).json()[0]["state"], "stale");
    let mut second = start(&dir);
    netipc(&["call", "snapshot", dir.str()]).good();
    kill_process(Pid::from_child(&second), Signal::TERM).unwrap();
    assert!(second.wait().unwrap().success() && dir.is_empty());
}

#[test]
fn a_directory_that_is_not_there_and_words_that_mean_nothing_are_refused() {
    let dir = Dir::new();
    let absent = dir.join("absent");
    let why = netipc(&["serve", absent.to_str().unwrap()]).bad(1);
    assert!(why.starts_with(absent.to_str().unwrap()), "{why}");
    let long = format!("/{}", "d".repeat(200));
    assert!(netipc(&["serve", &long]).bad(2).contains("use a shorter run directory"));
    // No file system of the kernel's own has sockets, whoever asks.
    let why = netipc(&["serve", "/sys"]).bad(4);
    assert!(why.starts_with("/sys: "), "{why}");
    for words in [&["serve"][..], &["serve", dir.str(), "more"], &["serve", dir.str(), "--token", "x"]] {
        assert_eq!(netipc(words).code, 2);
    }
    assert!(dir.is_empty());
}
