//! The services as a process of one's own, of whatever program wants them.
//!
//! Owns: how such a process is started, found and ended. It refuses to start another program than the one that runs: that
//! one must know [`SERVE`].

use std::error::Error;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::GREETING;

/// What a program is told to be the services, by [`serve_until_input_ends`](super::serve_until_input_ends).
pub const SERVE: &str = "--serve";

/// Services that end, and remove their directory, when their standard input does: also where this process is killed.
#[derive(Debug)]
pub struct ServiceProcess {
    child: Child,
    run_dir: PathBuf,
}

impl ServiceProcess {
    /// Starts this program once more, as the services. Once this returns, clients can connect.
    ///
    /// # Errors
    /// What it can't be started for; what goes wrong in it, it tells on standard error itself.
    pub fn start() -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(std::env::current_exe()?);
        // A group of its own: Ctrl-C is for this process, and the other one is to end in order then.
        command.arg(SERVE).process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut service = Self { child: command.spawn()?, run_dir: PathBuf::new() };
        let mut line = Vec::new();
        if let Some(stdout) = service.child.stdout.take() {
            BufReader::new(stdout).read_until(b'\n', &mut line)?;
        }
        let run_dir = line.strip_prefix(GREETING).and_then(|rest| rest.strip_suffix(b"\n"));
        service.run_dir = OsStr::from_bytes(run_dir.ok_or("the services did not start")?).into();
        Ok(service)
    }

    /// Where it serves.
    #[must_use]
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// Its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is there still.
    ///
    /// # Errors
    /// How it ended, if it did.
    pub fn check(&mut self) -> Result<(), Box<dyn Error>> {
        self.child.try_wait()?.map_or(Ok(()), |status| Err(format!("the services ended with {status}").into()))
    }

    /// Ends its input, and waits for it.
    ///
    /// # Errors
    /// How it ended, if not well.
    pub fn stop(mut self) -> Result<(), Box<dyn Error>> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the services ended with {status}").into()) }
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
