//! The cgroups that come and go, and which ones there are.
//!
//! Owns: a tree of cgroups of its own, where it may make one, and a walk through all of them that shares nothing with the
//! readers of the services. What it made is removed by a process of its own, so that nothing stays if this one is killed.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netipc_examples::services::INTERVAL;

use crate::pause::pause;

/// What this program is told to remove a tree of cgroups once its input ends.
pub(crate) const SWEEP: &str = "--sweep";

const ROOT: &str = "/sys/fs/cgroup";
/// The hierarchies of version 1 that the services read, the first ones first.
const V1: [&str; 6] = ["cpuacct", "cpu", "memory", "blkio", "pids", "systemd"];
/// How many groups of our own are there at a time, and how many that are gone are remembered.
const OWN: usize = 8;
const GONE: usize = 64;
/// What is told may be as old as the interval; a walk takes its time.
const OLD: Duration = INTERVAL.saturating_mul(2);

/// A cgroup as it is told apart from one of the same path that was there before: no two have had the same inode.
pub(crate) type Place = (Vec<u8>, u64);

/// All cgroups of the machine, as they are found without the readers of the services.
pub(crate) fn walk() -> BTreeSet<Place> {
    let mut found = BTreeSet::new();
    let root = Path::new(ROOT);
    let roots = if root.join("cgroup.controllers").is_file() {
        vec![root.to_owned()]
    } else {
        let is_one = |dir: &PathBuf| {
            let name = dir.file_name().and_then(OsStr::to_str).unwrap_or_default();
            let has_controller = name.split(',').any(|name| V1.contains(&name));
            !dir.is_symlink()
                && (dir.join("cgroup.controllers").is_file() || (has_controller && dir.join("cgroup.procs").is_file()))
        };
        fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path()).filter(is_one).collect()
    };
    for root in roots {
        let mut dirs = vec![root.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    let (dir, ino) = (entry.path(), entry.ino());
                    if let Ok(path) = dir.strip_prefix(&root) {
                        found.insert(([b"/", path.as_os_str().as_bytes()].concat(), ino));
                    }
                    dirs.push(dir);
                }
            }
        }
    }
    found
}

/// A cgroup of our own.
pub(crate) struct Group {
    dir: PathBuf,
    path: Vec<u8>,
    made: Instant,
    is_ending: AtomicBool,
}

impl Group {
    pub(crate) fn path(&self) -> &[u8] {
        &self.path
    }

    /// Moves a process into it.
    pub(crate) fn take(&self, pid: u32) -> io::Result<()> {
        fs::write(self.dir.join("cgroup.procs"), pid.to_string())
    }

    /// Whether that path, from wherever the kernel counts, is that of this one.
    pub(crate) fn is_called(&self, path: &[u8]) -> bool {
        path.ends_with(&self.path)
    }

    /// Whether it was there all the time until now.
    pub(crate) fn is_there(&self) -> bool {
        // Acquire: pairs with the Release in `Groups::remove_oldest`, before which it was there.
        !self.is_ending.load(Ordering::Acquire)
    }
}

#[derive(Default)]
struct Known {
    own: VecDeque<Arc<Group>>,
    gone: VecDeque<(Arc<Group>, Instant)>,
    /// What was found at some time, the oldest first.
    walks: VecDeque<(Instant, Arc<BTreeSet<Place>>)>,
}

/// What is true of cgroups, for those who ask about them.
#[derive(Default)]
pub(crate) struct Groups {
    known: Mutex<Known>,
}

/// What was true before a question, long enough for any answer to know.
#[derive(Default)]
pub(crate) struct Before {
    pub(crate) there: Vec<Arc<Group>>,
    pub(crate) gone: Vec<Arc<Group>>,
    pub(crate) walk: Arc<BTreeSet<Place>>,
}

impl Groups {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Each is pushed or removed at once.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn before(&self) -> Before {
        let known = self.known();
        let now = Instant::now();
        let is_old = |time: Instant| now.duration_since(time) > OLD;
        Before {
            there: known.own.iter().filter(|group| is_old(group.made)).cloned().collect(),
            gone: known.gone.iter().filter(|(_, gone)| is_old(*gone)).map(|(group, _)| Arc::clone(group)).collect(),
            walk: known
                .walks
                .iter()
                .rev()
                .find(|(time, _)| is_old(*time))
                .map(|(_, walk)| Arc::clone(walk))
                .unwrap_or_default(),
        }
    }

    /// Looks at all cgroups of the machine, now and then.
    pub(crate) fn look(&self) {
        let (walk, now) = (Arc::new(walk()), Instant::now());
        let walks = &mut self.known().walks;
        walks.push_back((now, walk));
        while walks.get(1).is_some_and(|(time, _)| now.duration_since(*time) > OLD) {
            walks.pop_front();
        }
    }
}

/// A tree of our own in the cgroup file system, and who removes it.
pub(crate) struct Tree {
    base: PathBuf,
    root: PathBuf,
    made: u64,
    sweeper: Child,
    input: Option<ChildStdin>,
}

impl Tree {
    /// None, with the reason, where none can be made.
    pub(crate) fn new() -> io::Result<Self> {
        let root = Path::new(ROOT);
        let root = if root.join("cgroup.controllers").is_file() {
            root.to_owned()
        } else {
            let mut v1 = V1.iter().map(|name| root.join(name)).filter(|dir| dir.join("cgroup.procs").is_file());
            v1.next().ok_or(io::ErrorKind::NotFound)?
        };
        let base = root.join(format!("netipc-soak-{}", std::process::id()));
        fs::create_dir(&base)?;
        let mut command = Command::new("/proc/self/exe");
        let sweeper = command.arg(SWEEP).arg(&base).stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        let mut sweeper = sweeper.inspect_err(|_| drop(fs::remove_dir(&base)))?;
        let input = sweeper.stdin.take();
        Ok(Self { base, root, made: 0, sweeper, input })
    }

    /// Makes one more group.
    pub(crate) fn grow(&mut self, groups: &Groups) -> io::Result<Arc<Group>> {
        self.made += 1;
        let dir = self.base.join(format!("group-{}", self.made));
        fs::create_dir(&dir)?;
        let below = dir.strip_prefix(&self.root).map_err(io::Error::other)?;
        let path = [b"/", below.as_os_str().as_bytes()].concat();
        let group = Arc::new(Group { dir, path, made: Instant::now(), is_ending: AtomicBool::new(false) });
        groups.known().own.push_back(Arc::clone(&group));
        Ok(group)
    }

    /// Removes the oldest group, if there are many, once `empty` has ended those in it.
    pub(crate) fn shrink(&self, groups: &Groups, empty: impl FnOnce(&Group) -> io::Result<()>) -> io::Result<()> {
        let oldest = {
            let own = &mut groups.known().own;
            if own.len() <= OWN { None } else { own.pop_front() }
        };
        let Some(group) = oldest else { return Ok(()) };
        // Release: pairs with the Acquire in `Group::is_there`.
        group.is_ending.store(true, Ordering::Release);
        empty(&group)?;
        remove(&group.dir)?;
        let gone = &mut groups.known().gone;
        if gone.len() == GONE {
            gone.pop_front();
        }
        gone.push_back((group, Instant::now()));
        Ok(())
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.sweeper.wait();
    }
}

/// Removes a cgroup, which for a short time may hold processes that have ended.
fn remove(dir: &Path) -> io::Result<()> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match fs::remove_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() != io::ErrorKind::ResourceBusy || Instant::now() > until => return Err(error),
            Err(_) => pause(Duration::from_millis(5)),
            Ok(()) => return Ok(()),
        }
    }
}

/// What the other process is: it waits until its input ends, and removes the tree.
pub(crate) fn sweep(base: &Path) -> io::Result<()> {
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    for entry in fs::read_dir(base)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    remove(base)
}
