//! What there is to see: the processes, joined with the cgroups.

use core::ffi::CStr;
use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::time::Duration;

use netipc::wire::Profiles;
use netipc_examples::host::processes::Processes;
use netipc_examples::services::hash_of;
use netipc_examples::{
    AppStatus, AppView, AppsLookupClient, AppsLookupLookupCache, CgroupOfApp, CgroupsSnapshotCache,
    CgroupsSnapshotClient, Orchestrator, Pid,
};
use rustix::time::{ClockId, clock_gettime};

const TIMEOUT: Duration = Duration::from_secs(5);

/// How far the answers may grow.
const CEILING: u32 = 64 << 20;

/// As many processes as are asked for at a time.
const PART: usize = 1 << 15;

/// After how many looks everything is asked for again: a process may have got another name, or its number another process
/// between two looks.
const FRESH: u64 = 10;

/// One process.
pub(crate) struct Row {
    pub(crate) pid: u32,
    /// None where it is not known.
    pub(crate) uid: Option<u32>,
    /// How long it has run, in seconds.
    pub(crate) age: u64,
    pub(crate) comm: String,
    pub(crate) orchestrator: String,
    pub(crate) cgroup: String,
}

/// What one look has seen.
pub(crate) struct Seen {
    /// The process that started last comes first.
    pub(crate) rows: Vec<Row>,
    /// Of how many of them the service was asked; of the others it was not.
    pub(crate) asked: usize,
    /// How many cgroups there are.
    pub(crate) cgroups: usize,
    /// In how many of them a process is.
    pub(crate) occupied: usize,
}

/// The caches of both services, and the numbers of processes.
pub(crate) struct Looker {
    snapshot: CgroupsSnapshotCache,
    apps: AppsLookupLookupCache,
    processes: Processes,
    pids: Vec<u32>,
    before: Vec<u32>,
    looks: u64,
}

impl Looker {
    pub(crate) fn new(run_dir: &Path) -> Self {
        let profiles = Profiles::BASELINE | Profiles::SHM_HYBRID;
        let snapshot = CgroupsSnapshotClient::config().profiles(profiles).timeout(TIMEOUT).response_ceiling(CEILING);
        let apps = AppsLookupClient::config().profiles(profiles).timeout(TIMEOUT).response_ceiling(CEILING);
        Self {
            snapshot: CgroupsSnapshotCache::over(snapshot.build(run_dir)),
            apps: AppsLookupLookupCache::over(apps.build(run_dir)),
            processes: Processes::default(),
            pids: Vec::new(),
            before: Vec::new(),
            looks: 0,
        }
    }

    /// Looks once. Only what is new costs a call.
    pub(crate) fn look(&mut self) -> Result<Seen, Box<dyn Error>> {
        self.snapshot.refresh()?;
        core::mem::swap(&mut self.before, &mut self.pids);
        self.processes.list(&mut self.pids);
        // Numbers of processes that have gone may belong to others later on.
        if self.looks.is_multiple_of(FRESH) || self.before.iter().any(|pid| self.pids.binary_search(pid).is_err()) {
            self.apps.clear();
        }
        self.looks += 1;

        let snapshot = self.snapshot.read();
        let (mut rows, mut asked, mut occupied) = (Vec::new(), 0, BTreeSet::new());
        let now = clock_gettime(ClockId::Boottime).tv_sec.unsigned_abs();
        for part in self.pids.chunks(PART) {
            let keys: Vec<Pid> = part.iter().map(|pid| Pid { pid: *pid }).collect();
            let looked = self.apps.look_up(&keys)?;
            asked += looked.asked();
            for app in looked.iter().filter(|app| app.status() == AppStatus::Known) {
                let name = app.cgroup_name().to_bytes();
                let is_there = snapshot.get((hash_of(name), name)).is_some();
                if is_there {
                    occupied.insert(name.to_vec());
                }
                rows.push((app.starttime(), row(&app, now, is_there || snapshot.is_empty())));
            }
        }
        rows.sort_by_key(|(starttime, row)| core::cmp::Reverse((*starttime, row.pid)));
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        Ok(Seen { rows, asked, cgroups: snapshot.len(), occupied: occupied.len() })
    }
}

fn row(app: &AppView<'_>, now: u64, is_there: bool) -> Row {
    let started = app.starttime().checked_div(rustix::param::clock_ticks_per_second()).unwrap_or_default();
    let cgroup = match app.cgroup_status() {
        CgroupOfApp::Known if is_there => printable(app.cgroup_name()),
        CgroupOfApp::Known => printable(app.cgroup_name()) + " ?",
        CgroupOfApp::HostRoot => "/".to_owned(),
        CgroupOfApp::UnknownPermanent => printable(app.cgroup_path()),
        CgroupOfApp::UnknownRetryLater => "-".to_owned(),
    };
    Row {
        pid: app.pid(),
        uid: (app.uid() != u32::MAX).then_some(app.uid()),
        age: now.saturating_sub(started),
        comm: printable(app.comm()),
        orchestrator: name_of(app.orchestrator()),
        cgroup,
    }
}

/// Text that others chose, so that a terminal does nothing but show it.
fn printable(text: &CStr) -> String {
    text.to_string_lossy().chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

fn name_of(orchestrator: Orchestrator) -> String {
    match orchestrator {
        Orchestrator::Unknown => "-".to_owned(),
        Orchestrator::Other(number) => number.to_string(),
        known => format!("{known:?}").to_lowercase(),
    }
}
