//! Method 5, `apps-lookup`: what is known of processes, by pid.

use std::ffi::CString;

use netipc::lookup::Keep;
use netipc::{Answers, HandlerResult, Keys, WireMessage};

use crate::{Label, Orchestrator};

/// One process to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[wire(size = 8, reserved(at = 4, len = 4))]
pub struct Pid {
    /// The process.
    #[wire(at = 0)]
    pub pid: u32,
}

/// Asks for processes by pid.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
#[wire(version = 1, size = 16, reserved(at = 8, len = 8), tolerate(trailing, dirty_gaps))]
pub struct AppsLookupRequest {
    /// The processes.
    #[wire(directory, count_at = 4, count = u32)]
    pub pids: Vec<Pid>,
}

/// How a lookup of a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(u16)]
pub enum AppStatus {
    /// It is known.
    Known = 0,
    /// There is no such process.
    Unknown = 1,
    /// The response had no room left; ask again.
    PayloadExceeded = 2,
    /// It fits no response.
    OversizedItem = 3,
}

/// What is known of the cgroup of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(u16)]
pub enum CgroupOfApp {
    /// It is known.
    Known = 0,
    /// Nothing is known yet.
    UnknownRetryLater = 1,
    /// Nothing will be known of it.
    UnknownPermanent = 2,
    /// It is in the root cgroup.
    HostRoot = 3,
}

/// What is known of one process.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
#[expect(clippy::duplicated_attributes, reason = "two reserved parts of one length are no duplicates")]
#[wire(size = 60, fixed(at = 0, u16 = 1), reserved(at = 20, len = 4), reserved(at = 58, len = 2))]
#[wire(tolerate(string_order, dirty_gaps))]
#[wire(require(status == AppStatus::Known || (orchestrator == Orchestrator::Unknown
    && cgroup_status == CgroupOfApp::Known && ppid == 0 && starttime == 0 && uid == u32::MAX && comm.is_empty()
    && cgroup_path.is_empty() && cgroup_name.is_empty() && labels.is_empty())))]
#[wire(require(status != AppStatus::Known || !comm.is_empty()))]
#[wire(require(cgroup_status == CgroupOfApp::Known
    || (orchestrator == Orchestrator::Unknown && cgroup_name.is_empty() && labels.is_empty())))]
#[wire(require(status != AppStatus::Known || match cgroup_status {
    CgroupOfApp::Known | CgroupOfApp::UnknownPermanent => !cgroup_path.is_empty(),
    CgroupOfApp::HostRoot => cgroup_path.is_empty(),
    CgroupOfApp::UnknownRetryLater => true,
}))]
pub struct App {
    /// How the lookup ended.
    #[wire(at = 2)]
    pub status: AppStatus,
    /// What runs its cgroup.
    #[wire(at = 4)]
    pub orchestrator: Orchestrator,
    /// What is known of its cgroup.
    #[wire(at = 6)]
    pub cgroup_status: CgroupOfApp,
    /// The process.
    #[wire(at = 8)]
    pub pid: u32,
    /// Its parent.
    #[wire(at = 12)]
    pub ppid: u32,
    /// Its user; `u32::MAX` where that is not known.
    #[wire(at = 16)]
    pub uid: u32,
    /// When it started, in clock ticks since boot.
    #[wire(at = 24)]
    pub starttime: u64,
    /// Its command name, as the kernel has it.
    #[wire(at = 32, max = 15)]
    pub comm: CString,
    /// Its cgroup's path.
    #[wire(at = 40)]
    pub cgroup_path: CString,
    /// Its cgroup's name.
    #[wire(at = 48)]
    pub cgroup_name: CString,
    /// Its cgroup's labels.
    #[wire(table, count_at = 56, count = u16)]
    pub labels: Vec<Label>,
}

/// What is known of the processes that were asked for, in the same order.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
#[wire(version = 1, size = 16, tolerate(trailing, dirty_gaps))]
pub struct AppsLookupResponse {
    /// Counts changes of what is known.
    #[wire(at = 8)]
    pub generation: u64,
    /// One item a process.
    #[wire(directory, count_at = 4, count = u32)]
    pub items: Vec<App>,
}

/// What is known of processes, for whoever knows their numbers.
#[netipc::service(name = "apps-lookup")]
pub trait AppsLookup {
    /// One item for each process: as it is known, or why not.
    #[method(code = 5, lookup(keys = pids, items = items, echo = pid, generation = generation,
        exceeded = AppStatus::PayloadExceeded, oversized = AppStatus::OversizedItem,
        blank(uid = u32::MAX), keep = keep_app))]
    fn lookup(&self, pids: Keys<'_, Pid>, reply: Answers<'_, App>) -> HandlerResult;
}

/// How long a client may keep what it was told of a process: what has no cgroup of its own has none later.
fn keep_app(item: &AppView<'_>) -> Keep {
    match (item.status(), item.cgroup_status()) {
        (AppStatus::Known, CgroupOfApp::HostRoot | CgroupOfApp::UnknownPermanent) => Keep::UntilRestart,
        (AppStatus::Known, CgroupOfApp::Known) => Keep::WhileUnchanged,
        (AppStatus::Known, CgroupOfApp::UnknownRetryLater)
        | (AppStatus::Unknown | AppStatus::PayloadExceeded | AppStatus::OversizedItem, _) => Keep::Never,
    }
}
