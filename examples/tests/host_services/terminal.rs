//! `top` on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio, id};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::ground::{Dir, Idle};

const FRAME: &str = "\x1b[H\x1b[2J";
const LINES: u16 = 9;
const COLUMNS: u16 = 44;

/// `top` and the other end of its terminal.
struct Shown {
    top: Child,
    terminal: File,
    bytes: Vec<u8>,
}

impl Shown {
    fn start(temporary: &Dir) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        let terminal = openpt(flags).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        tcsetwinsize(&terminal, Winsize { ws_row: LINES, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let screen = ioctl_tiocgptpeer(&terminal, flags).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_top"));
        command.env("TMPDIR", temporary.path()).stdin(screen.try_clone().unwrap()).stdout(screen);
        let top = command.stderr(Stdio::piped()).spawn().unwrap();
        Self { top, terminal: terminal.into(), bytes: Vec::new() }
    }

    /// As many whole tables as `count`, without what clears the screen.
    fn frames(&mut self, count: usize) -> Vec<String> {
        loop {
            let text = String::from_utf8_lossy(&self.bytes);
            let frames: Vec<&str> = text.split(FRAME).skip(1).collect();
            // Another one has begun, so the last of them is whole.
            if frames.len() > count {
                return frames.into_iter().take(count).map(str::to_owned).collect();
            }
            let mut bytes = [0; 4096];
            let len = self.terminal.read(&mut bytes).unwrap();
            self.bytes.extend_from_slice(&bytes[..len]);
        }
    }

    /// Waits until both processes have ended: the services have the same standard error.
    fn ended(&mut self) -> bool {
        let success = self.top.wait().unwrap().success();
        let mut errors = String::new();
        self.top.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert_eq!(errors, "");
        success
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        let _ = self.top.kill();
        let _ = self.top.wait();
    }
}

#[test]
fn top_redraws_a_terminal_within_its_size_until_it_is_told_to_end() {
    let (temporary, _children) = (Dir::new(), Idle::new(5));
    let mut shown = Shown::start(&temporary);
    for (number, frame) in shown.frames(3).into_iter().enumerate() {
        let lines: Vec<&str> = frame.lines().collect();
        // The last line is where the cursor stands.
        assert_eq!(lines.len(), usize::from(LINES) - 1, "{frame}");
        assert!(lines.iter().all(|line| line.chars().count() <= usize::from(COLUMNS)), "{frame}");
        assert!(lines[0].contains(" processes, 5 shown, ") && lines[2].contains("COMMAND"), "{number}: {frame}");
    }
    shown.terminal.write_all(b"q\n").unwrap();
    assert!(shown.ended());
    assert_eq!(temporary.names(), [""; 0]);
}

#[test]
fn services_end_and_clean_up_where_top_is_killed() {
    let temporary = Dir::new();
    let mut shown = Shown::start(&temporary);
    assert_eq!(shown.frames(1).len(), 1);
    assert_eq!(temporary.names().len(), 1);
    assert!(!temporary.names()[0].contains(&id().to_string()));
    shown.top.kill().unwrap();
    assert!(!shown.ended());
    assert_eq!(temporary.names(), [""; 0]);
}
