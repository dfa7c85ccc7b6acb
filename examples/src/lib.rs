//! The declared services of Netdata (docs/protocol.md, section 5.2), each message by declaration alone.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod apps_lookup;
mod cgroups_lookup;
mod cgroups_snapshot;
mod increment;
mod string_reverse;

pub use apps_lookup::{App, AppStatus, AppsLookupRequest, AppsLookupResponse, CgroupOfApp, Pid};
pub use cgroups_lookup::{
    CgroupInfo, CgroupStatus, CgroupsLookupRequest, CgroupsLookupResponse, Label, Orchestrator,
};
pub use cgroups_snapshot::{Cgroup, Snapshot, SnapshotRequest};
pub use increment::Increment;
pub use string_reverse::StringReverse;
