//! Method 2, `cgroups-snapshot`: all cgroups of the host at once.

use netipc::{HandlerResult, Reply, View, WireMessage};

/// Asks for the snapshot; there is nothing more to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[wire(version = 1, size = 4, tolerate(trailing))]
pub struct SnapshotRequest {}

/// One cgroup.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
#[wire(version = 1, size = 32)]
#[wire(tolerate(string_order, slack))]
pub struct Cgroup {
    /// Hash of the name, as the collector computes it.
    #[wire(at = 4)]
    pub hash: u32,
    /// Option bits of the collector.
    #[wire(at = 8)]
    pub options: u32,
    /// Whether it is collected.
    #[wire(at = 12)]
    pub enabled: u32,
    /// The name that people see.
    #[wire(at = 16, nul)]
    pub name: Vec<u8>,
    /// The path below the cgroup file system.
    #[wire(at = 24, nul)]
    pub path: Vec<u8>,
}

/// All cgroups of the host.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
#[wire(version = 1, size = 24, reserved(at = 12, len = 4), tolerate(trailing, item_order, item_overlap))]
pub struct Snapshot {
    /// Whether systemd services are collected as such.
    #[wire(at = 8)]
    pub systemd_enabled: u32,
    /// Counts changes of the set.
    #[wire(at = 16)]
    pub generation: u64,
    /// The cgroups.
    #[wire(directory, count_at = 4, count = u32)]
    pub items: Vec<Cgroup>,
}

/// All cgroups of the host, for whoever keeps them.
#[netipc::service(name = "cgroups-snapshot")]
pub trait CgroupsSnapshot {
    /// All of them, as they are now.
    #[method(code = 2, snapshot(items = items, key(hash, name), generation = generation))]
    fn snapshot(&self, request: View<'_, SnapshotRequest>, reply: Reply<'_, Snapshot>) -> HandlerResult;
}
