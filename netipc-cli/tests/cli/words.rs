//! Help, completions, errors of the command line, and output that nobody reads.

use std::os::fd::OwnedFd;
use std::process::Stdio;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};

use crate::ground::{Dir, command, netipc};

/// A socket that somebody listens on who is no server of ours.
pub(crate) fn raw_listener(dir: &Dir, service: &str) -> OwnedFd {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    bind(&socket, &SocketAddrUnix::new(dir.join(&format!("{service}.sock"))).unwrap()).unwrap();
    listen(&socket, 8).unwrap();
    socket
}

const COMMANDS: [&[&str]; 11] = [
    &["list"],
    &["ping"],
    &["call", "increment"],
    &["call", "reverse"],
    &["call", "snapshot"],
    &["call", "cgroups"],
    &["call", "apps"],
    &["bench"],
    &["decode"],
    &["serve"],
    &["completions"],
];

#[test]
fn every_command_has_help_with_examples() {
    for words in COMMANDS {
        for help in ["--help", "-h"] {
            let out = netipc(&[words, &[help]].concat()).good();
            let examples = format!("Examples:\n  netipc {}", words.join(" "));
            assert!(out.contains("Usage: netipc") && out.contains(&examples), "{out}");
        }
    }
    let out = netipc(&["--help"]).good();
    assert!(out.contains("Exit codes:\n  0  done\n") && out.contains("  6  no answer in time"), "{out}");
    assert_eq!(netipc(&["--version"]).good(), format!("netipc {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn words_that_mean_nothing_are_errors_of_usage() {
    for words in
        [&[][..], &["--nothing"], &["nothing"], &["list"], &["ping", "/run"], &["--color", "blue", "list", "/"]]
    {
        let run = netipc(words);
        assert!(run.code == 2 && run.out.is_empty() && run.err.contains("--help"), "{run:#?}");
    }
    for words in
        [&["ping", "/run", "x", "-n", "0"][..], &["ping", "/run", "x", "--interval", "x"], &["completions", "csh"]]
    {
        assert_eq!(netipc(words).code, 2, "{words:?}");
    }
    assert_eq!(netipc(&["ping", "/run", "a/b"]).bad(2).split(" is no name").next(), Some("\"a/b\""));
}

#[test]
fn shells_get_completions_of_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let out = netipc(&["completions", shell]).good();
        for word in ["list", "ping", "call", "bench", "decode", "serve", "completions", "transport"] {
            assert!(out.contains(word), "{shell}: {word}");
        }
    }
    // A shell that is there says whether it is one of its scripts.
    let script = netipc(&["completions", "bash"]).good();
    let checked = std::process::Command::new("bash").args(["-n", "-c", &script]).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn output_that_nobody_reads_is_no_error() {
    let (read, write) = std::io::pipe().unwrap();
    drop(read);
    for words in [&["completions", "bash"][..], &["list", "/"], &["decode", "--as", "increment", "2a00000000000000"]] {
        let mut child = command(words).stdout(write.try_clone().unwrap()).stderr(Stdio::piped()).spawn().unwrap();
        let output = child.wait().and_then(|_| child.wait_with_output()).unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{words:?}: {output:?}");
    }
}

#[test]
fn output_that_can_not_be_written_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for words in
        [&["completions", "bash"][..], &["list", "/", "--json"], &["decode", "--as", "increment", "2a00000000000000"]]
    {
        let output = command(words).stdout(full.try_clone().unwrap()).output().unwrap();
        let why = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && why.contains("No space left on device"), "{words:?}: {why}");
    }
}
