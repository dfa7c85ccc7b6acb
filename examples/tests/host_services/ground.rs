//! What the tests stand on: directories and children of their own, which go when the tests do.

use std::fs;
use std::io::{PipeWriter, pipe};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of its own for one test.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Relaxed: the numbers differ, and nothing else hangs on them.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("netipc-hs-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The names of what is in it, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Processes that wait for nothing, and are killed when the test is done with them; or end by themselves if it is killed.
pub(crate) struct Idle {
    children: Vec<Child>,
    _held: PipeWriter,
}

impl Idle {
    /// Once this returns, each of them is `cat`.
    pub(crate) fn new(count: usize) -> Self {
        let (input, held) = pipe().unwrap();
        let mut idle = Self { children: Vec::new(), _held: held };
        for _ in 0..count {
            let mut command = Command::new("cat");
            command.stdin(input.try_clone().unwrap()).stdout(Stdio::null());
            idle.children.push(command.spawn().unwrap());
        }
        idle
    }

    pub(crate) fn pids(&self) -> impl Iterator<Item = u32> {
        self.children.iter().map(Child::id)
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
        }
        for child in &mut self.children {
            let _ = child.wait();
        }
    }
}
