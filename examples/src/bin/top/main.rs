//! The processes of this machine and their cgroups, as two services tell them, through the caches of a client.
//!
//! `cargo run -p netipc-examples --bin top` starts the services as a process of its own, in a temporary directory, and
//! shows a table: once a second on a terminal, until `q` and Enter or Ctrl-C, and once otherwise.
//!
//! `top [DIR] [--once] [--count N]`: asks the services in `DIR`, shows one table, shows no more than `N` processes.

mod look;
mod table;

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, BufRead, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use netipc_examples::services::{SERVE, ServiceProcess, serve_until_input_ends};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::tcgetwinsize;

use look::Looker;
use table::{Room, table};

const USAGE: &str = "usage: top [DIR] [--once] [--count N]";

/// What the program is to do.
#[derive(Default)]
struct Wishes {
    run_dir: Option<PathBuf>,
    is_once: bool,
    count: Option<usize>,
}

impl Wishes {
    fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, &'static str> {
        let mut wishes = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            match word.to_str() {
                Some("--once") => wishes.is_once = true,
                Some("--count") => {
                    let count = words.next().and_then(|count| count.to_str()?.parse().ok());
                    wishes.count = Some(count.ok_or(USAGE)?);
                }
                Some(option) if option.starts_with('-') => return Err(USAGE),
                _ if wishes.run_dir.is_some() => return Err(USAGE),
                _ => wishes.run_dir = Some(word.into()),
            }
        }
        Ok(wishes)
    }
}

/// Waits a second, or until the user wants no more: false.
fn go_on() -> io::Result<bool> {
    let stdin = io::stdin();
    let second = Timespec { tv_sec: 1, tv_nsec: 0 };
    // What isn't a terminal may be readable all the time.
    let asked = if stdin.is_terminal() {
        poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&second))
    } else {
        poll(&mut [], Some(&second))
    };
    match asked {
        Ok(0) | Err(Errno::INTR) => Ok(true),
        Ok(_) => {
            let mut line = String::new();
            let len = stdin.lock().read_line(&mut line)?;
            Ok(len > 0 && !line.contains('q'))
        }
        Err(error) => Err(error.into()),
    }
}

/// What a terminal has room for, if standard output is one.
fn terminal() -> Option<Room> {
    let stdout = io::stdout();
    let size = stdout.is_terminal().then(|| tcgetwinsize(&stdout).ok())?;
    // Some say that they have no size at all.
    let (lines, columns) = size.map_or((0, 0), |size| (usize::from(size.ws_row), usize::from(size.ws_col)));
    let or = |size, otherwise| if size == 0 { otherwise } else { size };
    Some(Room { lines: or(lines, 24), columns: or(columns, 80) })
}

/// Shows the tables; false when nobody reads them any more.
fn show(text: &str) -> io::Result<bool> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        shown => shown.map(|()| true),
    }
}

fn run(wishes: Wishes) -> Result<(), Box<dyn Error>> {
    let Wishes { run_dir, is_once, count } = wishes;
    let mut own = if run_dir.is_none() { Some(ServiceProcess::start()?) } else { None };
    let run_dir = match (&own, run_dir) {
        (_, Some(run_dir)) => run_dir,
        (Some(own), None) => own.run_dir().to_owned(),
        (None, None) => return Err(USAGE.into()),
    };
    let mut looker = Looker::new(&run_dir);
    loop {
        let room = terminal().filter(|_| !is_once);
        let looked = looker.look().map_err(|error| format!("{}: {error}", run_dir.display()));
        let Some(room) = room else {
            show(&table(&looked?, count, None))?;
            break;
        };
        let text = match looked {
            Ok(seen) => table(&seen, count, Some(room)),
            Err(error) => {
                // Services that others run may come back; one's own don't.
                own.as_mut().map_or(Ok(()), ServiceProcess::check)?;
                error + "\n"
            }
        };
        if !show(&format!("\x1b[H\x1b[2J{text}"))? || !go_on()? {
            break;
        }
    }
    drop(looker);
    own.map_or(Ok(()), ServiceProcess::stop)
}

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    // The other process is this program as well, so that there need be no other one.
    let done = match words.as_slice() {
        [word] if word == SERVE => serve_until_input_ends(None),
        _ => Wishes::parse(words).map_err(Into::into).and_then(run),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
