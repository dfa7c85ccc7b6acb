//! Clients that are killed in the middle of whatever they do.
//!
//! Owns: a few processes that ask without an end. What they are told nobody looks at; what the services have left of them
//! shows in the figures.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use netipc::CallError;
use netipc::wire::Profiles;
use netipc_examples::{AppsLookupClient, Pid};
use rustix::event::{PollFd, PollFlags, poll};

use crate::pause::{pause, timespec};

/// What this program is told to be a client, before the transport and the directory.
pub(crate) const ASK: &str = "--ask";
const MEMORY: &str = "memory";
const SOCKET: &str = "socket";

/// How many there are at a time.
const VICTIMS: usize = 4;
/// How long a client may take to be connected.
const START: Duration = Duration::from_secs(30);
/// Between two questions: they are there to be killed, not to be the load.
const BETWEEN: Duration = Duration::from_millis(2);

/// The clients, killed when this is dropped. If this process is killed, they end with the services.
pub(crate) struct Victims {
    run_dir: PathBuf,
    started: usize,
    children: VecDeque<Child>,
}

impl Victims {
    pub(crate) const fn new(run_dir: PathBuf) -> Self {
        Self { run_dir, started: 0, children: VecDeque::new() }
    }

    /// Starts one more, which has a session once this returns, and kills the first one if there are many.
    pub(crate) fn next(&mut self) -> io::Result<()> {
        self.started += 1;
        let transport = if self.started.is_multiple_of(2) { MEMORY } else { SOCKET };
        let mut command = Command::new("/proc/self/exe");
        command.args([ASK, transport]).arg(&self.run_dir).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let ready = child.stdout.take();
        self.children.push_back(child);
        if let Some(mut ready) = ready {
            if poll(&mut [PollFd::new(&ready, PollFlags::IN)], Some(&timespec(START)))? == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            ready.read_exact(&mut [0])?;
        }
        if self.children.len() > VICTIMS {
            self.end_first()?;
        }
        Ok(())
    }

    fn end_first(&mut self) -> io::Result<()> {
        let Some(mut first) = self.children.pop_front() else { return Ok(()) };
        first.kill()?;
        first.wait().map(drop)
    }
}

impl Drop for Victims {
    fn drop(&mut self) {
        while !self.children.is_empty() {
            let _ = self.end_first();
        }
    }
}

/// What such a client is: it asks until it is killed, or the services end.
pub(crate) fn ask(transport: &str, run_dir: &Path) -> Result<(), CallError> {
    let profile = if transport == MEMORY { Profiles::SHM_HYBRID } else { Profiles::BASELINE };
    let mut client = AppsLookupClient::config().profiles(profile).connect(run_dir)?;
    let mut stdout = io::stdout();
    // Nobody listens any more: it is being killed.
    let _ = stdout.write_all(b"x").and_then(|()| stdout.flush());
    let keys: Vec<Pid> = (1..64).map(|pid| Pid { pid }).collect();
    // The end of the services is the end of it.
    while client.lookup(&keys).is_ok() {
        pause(BETWEEN);
    }
    Ok(())
}
