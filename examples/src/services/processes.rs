//! What is known of the processes of a host, as a service tells it.
//!
//! Owns: what is said of a process whose name or cgroup is not known, and readers that are used again. It refuses to keep
//! anything about processes.

use core::ffi::CStr;
use core::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use netipc::{Answers, HandlerResult, Keys};

use super::{HostCgroups, first_generation, names_a_cgroup, text};
use crate::host::cgroups::Mounted;
use crate::host::containers::identify;
use crate::host::processes::Processes;
use crate::{App, AppBuilder, AppStatus, AppsLookup, CgroupOfApp, Pid};

/// What a process is called that has no name: a known one must have one, and the kernel lets any process set an empty one.
pub const NAMELESS: &CStr = c"?";

/// The processes of a host, for [`AppsLookup`]: each is read when it is asked for. Clones share their readers.
///
/// **Cgroup**: known where the path says a name, be it only the path itself; the host's root for `/`. That of a process
/// outside of what this one sees (`/..`) stays unknown, and where the kernel tells no cgroup it may do so later.
///
/// **Generation**: the time at which this was made, always. Processes come, go, are renamed and moved at any time: a number
/// that counted that would differ between the parts of nearly every lookup, each of which would fail. So it tells only one
/// service from the next. What a client keeps by number holds for a process that it knows to be there still: who keeps
/// items clears them when such a process has gone, since its number may be given away, and now and then, since a process
/// may be called otherwise. `top` does so.
#[derive(Clone)]
pub struct HostProcesses {
    root: PathBuf,
    cgroups: HostCgroups,
    generation: u64,
    /// No more than have been needed at a time.
    readers: Arc<Mutex<Vec<Processes>>>,
}

impl fmt::Debug for HostProcesses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostProcesses").field("root", &self.root).finish_non_exhaustive()
    }
}

impl HostProcesses {
    /// Those of `/proc`, of whose cgroups the ones count that `cgroups` reads.
    #[must_use]
    pub fn new(cgroups: HostCgroups) -> Self {
        Self::at("/proc", cgroups)
    }

    /// Those of the directory `root`, which looks like `/proc`.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>, cgroups: HostCgroups) -> Self {
        let readers = Arc::new(Mutex::new(Vec::new()));
        Self { root: root.into(), cgroups, generation: first_generation(), readers }
    }

    fn readers(&self) -> std::sync::MutexGuard<'_, Vec<Processes>> {
        // A reader is in there or it isn't.
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AppsLookup for HostProcesses {
    fn lookup(&self, pids: Keys<'_, Pid>, mut reply: Answers<'_, App>) -> HandlerResult {
        reply.generation(self.generation);
        let mounted = self.cgroups.mounted();
        let spare = self.readers().pop();
        let mut reader = spare.unwrap_or_else(|| Processes::new(&self.root));
        for key in pids {
            // Where the answer has no room left, nothing is read.
            reply.answer(|item| fill(item, &mut reader, key.pid(), mounted));
        }
        self.readers().push(reader);
        Ok(())
    }
}

fn fill<'a, 'w>(
    item: &'a mut AppBuilder<'w>,
    reader: &mut Processes,
    pid: u32,
    mounted: Mounted,
) -> &'a mut AppBuilder<'w> {
    let Some(process) = reader.find(pid, mounted) else { return item.status(AppStatus::Unknown) };
    let comm = text(process.comm);
    let comm = if comm.is_empty() { NAMELESS } else { &comm };
    item.status(AppStatus::Known).ppid(process.ppid).uid(process.uid).starttime(process.starttime).comm(comm);
    match process.cgroup.map(text) {
        None => item.cgroup_status(CgroupOfApp::UnknownRetryLater),
        Some(path) if path.as_c_str() == c"/" => item.cgroup_status(CgroupOfApp::HostRoot),
        Some(path) if names_a_cgroup(&path) => {
            let identity = identify(path.to_bytes());
            item.cgroup_status(CgroupOfApp::Known).orchestrator(identity.orchestrator);
            item.cgroup_path(&path).cgroup_name(&identity.name);
            let mut labels = item.labels(identity.labels.len());
            for label in &identity.labels {
                labels.push_value(label);
            }
            item
        }
        Some(path) => item.cgroup_status(CgroupOfApp::UnknownPermanent).cgroup_path(&path),
    }
}
