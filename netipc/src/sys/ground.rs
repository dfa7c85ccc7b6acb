//! Where tests run: a directory of their own, and a process of their own.
//!
//! Owns: both, and leaves neither behind. What is a whole process's (umask, limits, signals, open descriptors) is tested
//! in a process that runs that one test and no other.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Carries what a test tells itself into the other process.
const TOLD: &str = "NETIPC_TEST_TOLD";

/// A new directory, gone when it is dropped.
#[derive(Debug)]
pub(crate) struct RunDir(PathBuf);

impl RunDir {
    pub(crate) fn new() -> Self {
        for number in 0.. {
            let path = std::env::temp_dir().join(format!("netipc-{}-{number}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Self(path),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => panic!("{}: {error}", path.display()),
            }
        }
        unreachable!("there is a free number")
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            assert!(std::thread::panicking(), "{}: {error}", self.0.display());
        }
    }
}

/// What this process was told, if it is one that a test began.
pub(crate) fn told() -> Option<PathBuf> {
    std::env::var_os(TOLD).map(PathBuf::from)
}

/// This test program, about to run the test `name` of the module `module` (`module_path!()`) and no other.
pub(crate) fn again(module: &str, name: &str, told: impl AsRef<OsStr>) -> Command {
    let (_, module) = module.split_once("::").unwrap();
    // Found without walking a path, which the user that it is to run as may have no right to.
    let mut command = Command::new("/proc/self/exe");
    command.args([&format!("{module}::{name}"), "--exact", "--nocapture", "--test-threads=1"]);
    command.env(TOLD, told).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits for it, and fails as it fails.
pub(crate) fn finish(child: Child) {
    let output = child.wait_with_output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{}\n{said}", output.status);
}

/// A child that does nothing, and ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Cat(Child);

impl Cat {
    pub(crate) fn new() -> Self {
        Self(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap())
    }

    pub(crate) fn pid(&self) -> i32 {
        self.0.id().try_into().unwrap()
    }

    /// Lets it end; its parent does not ask for its outcome yet.
    pub(crate) fn hang_up(&mut self) {
        drop(self.0.stdin.take());
    }
}

impl Drop for Cat {
    fn drop(&mut self) {
        self.hang_up();
        let _ = self.0.wait();
    }
}

/// How many descriptors this process has open.
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
