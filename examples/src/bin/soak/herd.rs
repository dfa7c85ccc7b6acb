//! The processes that come and go, and what is true of each.
//!
//! Owns: the children, how they are told apart, and when each of them was there. It refuses to ask the services: what it
//! says of a child it did to that child, or read of it by means of its own.

use std::collections::VecDeque;
use std::ffi::CString;
use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use crate::groups::Group;
use crate::pause::timespec;

/// What this program is told to be a child, before the name that it gives itself.
pub(crate) const CHILD: &str = "--child";

/// How many of those that have ended are remembered.
const GRAVES: usize = 256;

/// How long a child may take to say that it is there.
const START: Duration = Duration::from_secs(30);

/// What is true of a child for as long as it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) pid: u32,
    /// No other child has this name, before or after.
    pub(crate) comm: CString,
    pub(crate) ppid: u32,
    pub(crate) uid: u32,
    pub(crate) starttime: u64,
    /// The paths that it has in one hierarchy of cgroups or another, of which any may be told of it.
    pub(crate) cgroups: Vec<Vec<u8>>,
}

/// One child.
pub(crate) struct Member {
    pub(crate) facts: Facts,
    is_ending: AtomicBool,
}

impl Member {
    /// Whether it was there all the time until now.
    pub(crate) fn is_alive(&self) -> bool {
        // Acquire: pairs with the Release in `Herd::end`, before which it was there.
        !self.is_ending.load(Ordering::Acquire)
    }
}

/// Who is there and who was.
#[derive(Default)]
struct Members {
    alive: Vec<Arc<Member>>,
    /// The last ones that have ended and were waited for.
    dead: VecDeque<Arc<Member>>,
}

/// The same, for those who ask about them.
#[derive(Default)]
pub(crate) struct Census {
    members: Mutex<Members>,
}

impl Census {
    fn members(&self) -> MutexGuard<'_, Members> {
        // Each is pushed or removed at once.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that are there, and of those that ended, and were waited for, the last ones.
    pub(crate) fn take(&self) -> (Vec<Arc<Member>>, Vec<Arc<Member>>) {
        let members = self.members();
        (members.alive.clone(), members.dead.iter().cloned().collect())
    }

    /// How many are there.
    pub(crate) fn len(&self) -> usize {
        self.members().alive.len()
    }
}

/// The children, killed when this is dropped. If this process is killed, they end by themselves: their input does.
pub(crate) struct Herd<'a> {
    census: &'a Census,
    children: Vec<(Arc<Member>, Child)>,
    users: Vec<Option<u32>>,
    started: u32,
    input: PipeReader,
    _held: PipeWriter,
    ready: PipeReader,
    says_ready: PipeWriter,
}

impl<'a> Herd<'a> {
    pub(crate) fn new(census: &'a Census) -> io::Result<Self> {
        let ((input, held), (ready, says_ready)) = (pipe()?, pipe()?);
        let (children, users) = (Vec::new(), vec![None]);
        let mut herd = Self { census, children, users, started: 0, input, _held: held, ready, says_ready };
        // Whoever may be any user has children of several.
        if rustix::process::geteuid().is_root() {
            herd.users = vec![Some(65_534), None, Some(12_345), None];
            if herd.start(None).is_err() {
                herd.users = vec![None];
            }
        }
        Ok(herd)
    }

    pub(crate) const fn len(&self) -> usize {
        self.children.len()
    }

    /// How many there were in all.
    pub(crate) const fn started(&self) -> u32 {
        self.started
    }

    /// Starts one more, in `group` if there is one. Once this returns, all that is true of it is known.
    pub(crate) fn start(&mut self, group: Option<&Group>) -> io::Result<()> {
        self.started += 1;
        let comm = format!("soak-{}", self.started);
        let mut command = Command::new("/proc/self/exe");
        command.args([CHILD, &comm]).stdin(self.input.try_clone()?).stdout(self.says_ready.try_clone()?);
        let places = self.users.len();
        let user = self.users.get(self.started as usize % places).copied().flatten();
        if let Some(user) = user {
            command.uid(user);
        }
        let child = Waited(Some(command.spawn()?));
        let pid = child.id();
        if poll(&mut [PollFd::new(&self.ready, PollFlags::IN)], Some(&timespec(START)))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.ready.read_exact(&mut [0])?;
        if let Some(group) = group {
            group.take(pid)?;
        }
        let uid = user.unwrap_or_else(|| rustix::process::geteuid().as_raw());
        let cgroups = cgroups_of(&fs::read(format!("/proc/{pid}/cgroup")).unwrap_or_default(), group);
        let (comm, ppid, starttime) = (CString::new(comm)?, std::process::id(), starttime(pid)?);
        let facts = Facts { pid, comm, ppid, uid, starttime, cgroups };
        let member = Arc::new(Member { facts, is_ending: AtomicBool::new(false) });
        self.census.members().alive.push(Arc::clone(&member));
        if let Some(child) = child.keep() {
            self.children.push((member, child));
        }
        Ok(())
    }

    /// Ends the one at `place`, if there is one: once this returns, its number may belong to another process.
    pub(crate) fn end(&mut self, place: usize) -> io::Result<()> {
        if place >= self.children.len() {
            return Ok(());
        }
        let (member, child) = self.children.swap_remove(place);
        self.census.members().alive.retain(|other| !Arc::ptr_eq(other, &member));
        // Release: pairs with the Acquire in `Member::is_alive`. Who sees that it isn't set was asked before it ended.
        member.is_ending.store(true, Ordering::Release);
        drop(Waited(Some(child)));
        let graves = &mut self.census.members().dead;
        if graves.len() == GRAVES {
            graves.pop_front();
        }
        graves.push_back(member);
        Ok(())
    }

    /// Ends those in `group`.
    pub(crate) fn end_those_in(&mut self, group: &Group) -> io::Result<()> {
        let is_in = |(member, _): &(Arc<Member>, Child)| member.facts.cgroups.iter().any(|path| group.is_called(path));
        while let Some(place) = self.children.iter().position(is_in) {
            self.end(place)?;
        }
        Ok(())
    }
}

impl Drop for Herd<'_> {
    fn drop(&mut self) {
        while !self.children.is_empty() {
            let _ = self.end(0);
        }
    }
}

/// A child that is killed and waited for if this is dropped.
struct Waited(Option<Child>);

impl Waited {
    fn id(&self) -> u32 {
        self.0.as_ref().map_or(0, Child::id)
    }

    fn keep(mut self) -> Option<Child> {
        self.0.take()
    }
}

impl Drop for Waited {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// When the process `pid` started, in clock ticks since boot.
pub(crate) fn starttime(pid: u32) -> io::Result<u64> {
    let text = fs::read(format!("/proc/{pid}/stat"))?;
    let text = String::from_utf8_lossy(&text);
    // Its name may hold anything.
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    fields
        .split_whitespace()
        .nth(19)
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The paths in the text of /proc/PID/cgroup. In a group of ours there is none but that, unless another one is deeper.
fn cgroups_of(text: &[u8], group: Option<&Group>) -> Vec<Vec<u8>> {
    let lines = text.split(|byte| *byte == b'\n');
    let paths = lines.filter_map(|line| Some(line.splitn(3, |byte| *byte == b':').nth(2)?.to_vec()));
    let mut paths: Vec<Vec<u8>> = paths.collect();
    let depth = |path: &[u8]| path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).count();
    let own = paths.iter().find(|path| group.is_some_and(|group| group.is_called(path))).cloned();
    if let Some(own) = own.filter(|own| paths.iter().all(|path| depth(path) <= depth(own))) {
        paths = vec![own];
    }
    paths
}

/// What a child is: a process of its own name, until its input ends.
pub(crate) fn be_a_child(comm: &str) -> io::Result<()> {
    rustix::thread::set_name(&CString::new(comm)?)?;
    let mut stdout = io::stdout();
    stdout.write_all(b"x")?;
    stdout.flush()?;
    io::copy(&mut io::stdin().lock(), &mut io::sink()).map(drop)
}
