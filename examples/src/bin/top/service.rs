//! The services as a process of one's own.

use std::error::Error;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use netipc_examples::services::GREETING;

/// What this program is told to be the services.
pub(crate) const SERVE: &str = "--serve";

/// Services that end, and remove their directory, when their standard input does: also where this process is killed.
pub(crate) struct Service {
    child: Child,
    run_dir: PathBuf,
}

impl Service {
    pub(crate) fn start() -> Result<Self, Box<dyn Error>> {
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

    pub(crate) fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// Whether it is there still.
    pub(crate) fn check(&mut self) -> Result<(), Box<dyn Error>> {
        self.child.try_wait()?.map_or(Ok(()), |status| Err(format!("the services ended with {status}").into()))
    }

    pub(crate) fn stop(mut self) -> Result<(), Box<dyn Error>> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the services ended with {status}").into()) }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
