//! Colour and progress: on terminals, and nowhere else.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};

use crate::ground::{Serving, command, netipc, ran};

/// What `command` prints on a terminal; standard error goes there too if `all`.
fn on_terminal(command: &mut Command, all: bool) -> String {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let terminal = openpt(flags).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let screen = ioctl_tiocgptpeer(&terminal, flags).unwrap();
    command.env("TERM", "xterm").stdout(screen.try_clone().unwrap());
    command.stderr(if all { Stdio::from(screen.try_clone().unwrap()) } else { Stdio::null() });
    let mut child = command.spawn().unwrap();
    // Only the child has the other end now, so that reading ends when it does.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    drop(screen);
    let (mut terminal, mut bytes) = (File::from(terminal), Vec::new());
    // The end of a terminal is an error.
    let _ = terminal.read_to_end(&mut bytes);
    assert!(child.wait().unwrap().success());
    String::from_utf8(bytes).unwrap()
}

const GREEN: &str = "\x1b[32m";

#[test]
fn tables_are_coloured_on_terminals_unless_somebody_says_otherwise() {
    let serving = Serving::start(&[]);
    let list = ["list", serving.dir()];
    assert!(on_terminal(&mut command(&list), true).contains(&format!("{GREEN}live\x1b[0m")));
    assert!(!on_terminal(command(&list).env("NO_COLOR", "1"), true).contains('\x1b'));
    assert!(!on_terminal(&mut command(&[&list[..], &["--color", "never"]].concat()), true).contains('\x1b'));
    assert!(!netipc(&list).good().contains('\x1b'));
    assert!(netipc(&[&list[..], &["--color", "always"]].concat()).good().contains(GREEN));
    assert!(ran(command(&list).env("CLICOLOR_FORCE", "1")).good().contains(GREEN));
    assert!(!netipc(&["ping", "/nowhere", "x"]).bad(3).contains('\x1b'));
}

#[test]
fn progress_is_told_on_terminals_alone() {
    let words =
        ["bench", "--rounds", "1", "--seconds", "0.01", "--only", "u64 call, 1 client", "--only", "session shm, block"];
    let shown = on_terminal(&mut command(&words), true);
    assert!(shown.contains(" turns, ") && shown.contains("left: u64 call, 1 client"), "{shown}");
    let without = on_terminal(&mut command(&words), false);
    assert!(!without.contains(" turns, ") && without.contains("CALLS/S"), "{without}");
    let run = netipc(&words);
    assert!(run.code == 0 && run.err.is_empty() && !run.out.contains(" turns, "), "{run:?}");
}
