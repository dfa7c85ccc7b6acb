//! Snapshots, kept and looked up.

use netipc::{HandlerResult, Reply, View};
use netipc_examples::{Cgroup, Snapshot, SnapshotRequest};
use netipc_tests::processes::RunDir;
use std::sync::atomic::{AtomicU64, Ordering};

#[netipc::service(name = "cgroups-snapshot")]
pub trait CgroupsSnapshot {
    #[method(code = 2, snapshot(items = items, key(hash, name), generation = generation))]
    fn snapshot(&self, request: View<'_, SnapshotRequest>, reply: Reply<'_, Snapshot>) -> HandlerResult;
}

struct Host {
    generation: AtomicU64,
}

impl CgroupsSnapshot for Host {
    fn snapshot(&self, _: View<'_, SnapshotRequest>, mut reply: Reply<'_, Snapshot>) -> HandlerResult {
        let generation = self.generation.fetch_add(1, Ordering::Relaxed);
        reply.systemd_enabled(1).generation(generation);
        let mut items = reply.items(100);
        for number in 0..100_u32 {
            let name = format!("cgroup-{number}-{generation}");
            items.push(|item| item.hash(number * 7).enabled(1).name(name.as_bytes()).path(b"/sys/fs/cgroup"));
        }
        Ok(())
    }
}

#[test]
fn a_cache_finds_what_the_last_refresh_has_brought() {
    let run_dir = RunDir::new();
    let server = CgroupsSnapshotServer::new(Host { generation: AtomicU64::new(5) });
    let server = server.bind(run_dir.path()).unwrap().spawn().unwrap();
    let cache = CgroupsSnapshotCache::new(run_dir.path());
    assert!(cache.read().get((7, b"cgroup-1-5")).is_none() && cache.read().generation().is_none());
    let refreshed = cache.refresh().unwrap();
    assert_eq!((refreshed.generation, refreshed.items, refreshed.changed), (5, 100, true));
    let name = b"cgroup-1-5".to_vec();
    if let Some(c) = cache.read().get((7, &name[..])) {
        assert_eq!((c.hash(), c.name().as_bytes(), c.enabled()), (7, &name[..], 1));
        let kept: Cgroup = c.to_owned();
        assert_eq!(kept.path, b"/sys/fs/cgroup");
    } else {
        panic!("it is there");
    }
    assert!(cache.read().get((8, &name[..])).is_none());
    let old = cache.read();
    cache.refresh().unwrap();
    assert!(old.get((7, &name[..])).is_some() && cache.read().get((7, &name[..])).is_none());
    assert_eq!(old.iter().map(|item| item.hash()).sum::<u32>(), (0..100).map(|number| number * 7).sum::<u32>());
    drop(server);
    assert!(cache.refresh().is_err());
    assert_eq!(cache.read().generation(), Some(6));
}
