//! Method 4, `cgroups-lookup`: what is known of cgroups, by path.

use std::ffi::{CStr, CString};

use netipc::lookup::Keep;
use netipc::{Answers, HandlerResult, Keys, WireMessage};

/// Asks for cgroups by path.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
#[wire(version = 1, size = 16, reserved(at = 8, len = 8), tolerate(trailing, dirty_gaps))]
pub struct CgroupsLookupRequest {
    /// The paths, none empty.
    #[wire(directory, count_at = 4, count = u32, each(min = 1))]
    pub paths: Vec<CString>,
}

/// How a lookup of a cgroup ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(u16)]
pub enum CgroupStatus {
    /// It is known.
    Known = 0,
    /// Nothing is known yet.
    UnknownRetryLater = 1,
    /// Nothing will be known of it.
    UnknownPermanent = 2,
    /// The response had no room left; ask again.
    PayloadExceeded = 3,
    /// It fits no response.
    OversizedItem = 4,
}

/// What runs a cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[wire(open)]
#[repr(u16)]
pub enum Orchestrator {
    /// Nobody that is known.
    Unknown = 0,
    /// systemd.
    Systemd = 1,
    /// Docker.
    Docker = 2,
    /// Kubernetes.
    K8s = 3,
    /// KVM, by libvirt or not.
    Kvm = 4,
    /// LXC.
    Lxc = 5,
    /// Podman.
    Podman = 6,
    /// systemd-nspawn.
    Nspawn = 7,
    /// One that this version has no name for.
    Other(u16),
}

/// One label of a cgroup.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
pub struct Label {
    /// Its key, not empty.
    #[wire(min = 1)]
    pub key: CString,
    /// Its value.
    pub value: CString,
}

/// What is known of one cgroup.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
#[expect(clippy::duplicated_attributes, reason = "two reserved parts of one length are no duplicates")]
#[wire(size = 28, fixed(at = 0, u16 = 1), reserved(at = 6, len = 2), reserved(at = 26, len = 2))]
#[wire(tolerate(string_order, dirty_gaps))]
#[wire(require(status == CgroupStatus::Known
    || (orchestrator == Orchestrator::Unknown && name.is_empty() && labels.is_empty())))]
pub struct CgroupInfo {
    /// How the lookup ended.
    #[wire(at = 2)]
    pub status: CgroupStatus,
    /// What runs it.
    #[wire(at = 4)]
    pub orchestrator: Orchestrator,
    /// The path that was asked for.
    #[wire(at = 8, min = 1)]
    pub path: CString,
    /// The name that people see.
    #[wire(at = 16)]
    pub name: CString,
    /// Its labels.
    #[wire(table, count_at = 24, count = u16)]
    pub labels: Vec<Label>,
}

/// What is known of the cgroups that were asked for, in the same order.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
#[wire(version = 1, size = 16, tolerate(trailing, dirty_gaps))]
pub struct CgroupsLookupResponse {
    /// Counts changes of what is known.
    #[wire(at = 8)]
    pub generation: u64,
    /// One item a path.
    #[wire(directory, count_at = 4, count = u32)]
    pub items: Vec<CgroupInfo>,
}

/// What is known of cgroups, for whoever knows their paths.
#[netipc::service(name = "cgroups-lookup")]
pub trait CgroupsLookup {
    /// One item for each path: as it is known, or why not.
    #[method(code = 4, lookup(keys = paths, items = items, echo = path, generation = generation,
        exceeded = CgroupStatus::PayloadExceeded, oversized = CgroupStatus::OversizedItem, keep = keep_cgroup))]
    fn lookup(&self, paths: Keys<'_, CStr>, reply: Answers<'_, CgroupInfo>) -> HandlerResult;
}

/// How long a client may keep what it was told of a cgroup.
fn keep_cgroup(item: &CgroupInfoView<'_>) -> Keep {
    match item.status() {
        CgroupStatus::Known => Keep::WhileUnchanged,
        CgroupStatus::UnknownPermanent => Keep::UntilRestart,
        CgroupStatus::UnknownRetryLater | CgroupStatus::PayloadExceeded | CgroupStatus::OversizedItem => Keep::Never,
    }
}
