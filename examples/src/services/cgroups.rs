//! What is known of the cgroups of a host, as services tell it.
//!
//! Owns: how old that may be, the generation that counts its changes, and the hash of a name. It refuses to hold its lock
//! while an answer is written, however long that takes: each is written from what was known when it began.

use core::ffi::CStr;
use core::fmt;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use netipc::{Answers, HandlerResult, Keys, Reply, View};

use super::{first_generation, names_a_cgroup, text};
use crate::host::cgroups::{Cgroups, Mounted};
use crate::host::containers::{Identity, identify};
use crate::{CgroupInfo, CgroupStatus, CgroupsLookup, CgroupsSnapshot, Orchestrator, Snapshot, SnapshotRequest};

/// The hash of a cgroup's name in snapshots: 32-bit FNV-1a over its bytes, without the NUL.
///
/// ```
/// # use netipc_examples::services::hash_of;
/// assert_eq!(hash_of(b""), 0x811c_9dc5);
/// assert_eq!(hash_of(b"a"), 0xe40c_292c);
/// ```
#[must_use]
pub fn hash_of(name: &[u8]) -> u32 {
    name.iter().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// What was found at one walk. It never changes, so nobody who reads it waits for anybody.
struct Found {
    generation: u64,
    mounted: Mounted,
    cgroups: BTreeMap<CString, Identity>,
}

/// The reader, and when it last went.
struct Walker {
    cgroups: Cgroups,
    walked: Option<Instant>,
    found: Arc<Found>,
}

/// The cgroups of a host: all of them for [`CgroupsSnapshot`], some of them for [`CgroupsLookup`].
///
/// They are walked anew by the request that finds them older than an interval; requests that come meanwhile wait for that
/// walk instead of making one. Nothing is done where nobody asks. Clones share what they know.
///
/// **Generation**: counts changes of the set of cgroups, from the time at which this was made; what is told of a cgroup
/// follows from its path, and changes with nothing else. It is the same for all parts of a lookup unless the set has
/// changed between them, which the client is told as an error that it may ask again after.
///
/// **Snapshot**: `hash` is [`hash_of`] the name; each cgroup is `enabled`, without options; `systemd_enabled` says whether
/// a unit of systemd is among them.
///
/// **Lookup**: a cgroup that is there is known. One that isn't may come, so it is to be asked for later; that which is no
/// path of a cgroup, such as that of the root, never will.
#[derive(Clone)]
pub struct HostCgroups {
    interval: Duration,
    first_generation: u64,
    walker: Arc<Mutex<Walker>>,
}

impl fmt::Debug for HostCgroups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostCgroups").field("interval", &self.interval).finish_non_exhaustive()
    }
}

impl HostCgroups {
    /// Those that `cgroups` finds, never older than `interval`.
    #[must_use]
    pub fn new(cgroups: Cgroups, interval: Duration) -> Self {
        let first_generation = first_generation();
        let nothing = Found { generation: first_generation, mounted: Mounted::Nothing, cgroups: BTreeMap::new() };
        let walker = Walker { cgroups, walked: None, found: Arc::new(nothing) };
        Self { interval, first_generation, walker: Arc::new(Mutex::new(walker)) }
    }

    /// Which versions of cgroups there are.
    #[must_use]
    pub fn mounted(&self) -> Mounted {
        self.found().mounted
    }

    /// What is known now.
    fn found(&self) -> Arc<Found> {
        // A walk that panicked would leave the reader as it was before, or with fewer paths, until the next one.
        let mut walker = self.walker.lock().unwrap_or_else(PoisonError::into_inner);
        if walker.walked.is_none_or(|walked| walked.elapsed() >= self.interval) {
            self.walk(&mut walker);
        }
        Arc::clone(&walker.found)
    }

    fn walk(&self, walker: &mut Walker) {
        let has_changed = walker.cgroups.refresh();
        walker.walked = Some(Instant::now());
        let mounted = walker.cgroups.mounted();
        if !has_changed && walker.found.mounted == mounted {
            return;
        }
        walker.found = Arc::new(Found {
            generation: self.first_generation.saturating_add(walker.cgroups.generation()),
            mounted,
            cgroups: walker.cgroups.paths().map(|path| (text(path), identify(path))).collect(),
        });
    }
}

impl CgroupsSnapshot for HostCgroups {
    fn snapshot(&self, _: View<'_, SnapshotRequest>, mut reply: Reply<'_, Snapshot>) -> HandlerResult {
        let found = self.found();
        let has_units = found.cgroups.values().any(|identity| identity.orchestrator == Orchestrator::Systemd);
        reply.systemd_enabled(u32::from(has_units)).generation(found.generation);
        let mut items = reply.items(found.cgroups.len());
        for (path, identity) in &found.cgroups {
            let name = identity.name.to_bytes();
            items.push(|item| item.hash(hash_of(name)).enabled(1).name(name).path(path.to_bytes()));
        }
        Ok(())
    }
}

impl CgroupsLookup for HostCgroups {
    fn lookup(&self, paths: Keys<'_, CStr>, mut reply: Answers<'_, CgroupInfo>) -> HandlerResult {
        let found = self.found();
        reply.generation(found.generation);
        for path in paths {
            reply.answer(|item| match found.cgroups.get(path) {
                Some(identity) => {
                    item.status(CgroupStatus::Known).orchestrator(identity.orchestrator).name(&identity.name);
                    let mut labels = item.labels(identity.labels.len());
                    for label in &identity.labels {
                        labels.push_value(label);
                    }
                    item
                }
                None if names_a_cgroup(path) => item.status(CgroupStatus::UnknownRetryLater),
                None => item.status(CgroupStatus::UnknownPermanent),
            });
        }
        Ok(())
    }
}
