//! Snapshots, kept and looked up: what a refresh brings, and what is left where it brings nothing.
#![cfg(target_os = "linux")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use netipc::buf::Writer;
use netipc::cache::{Cache, Reading, RefreshError, Source};
use netipc::client::State;
use netipc::server::{InProcess, Server};
use netipc::service::{Dispatch, Failure, MethodInfo, Service};
use netipc::{Call, CallError, HandlerResult, Reply, View};
use netipc_examples::{Cgroup, Snapshot, SnapshotRequest};
use netipc_tests::observed::unless_it_hangs;
use netipc_tests::processes::RunDir;

#[netipc::service(name = "cgroups-snapshot")]
pub trait CgroupsSnapshot {
    #[method(code = 2, snapshot(items = items, key(hash, name), generation = generation))]
    fn snapshot(&self, request: View<'_, SnapshotRequest>, reply: Reply<'_, Snapshot>) -> HandlerResult;
}

/// Another generation each time, and other names with it.
struct Host {
    generation: AtomicU64,
    items: u32,
}

/// A server of so many items, which begins with this generation.
fn host(generation: u64, items: u32) -> Server<CgroupsSnapshotClient> {
    CgroupsSnapshotServer::new(Host { generation: AtomicU64::new(generation), items })
}

impl CgroupsSnapshot for Host {
    fn snapshot(&self, _: View<'_, SnapshotRequest>, mut reply: Reply<'_, Snapshot>) -> HandlerResult {
        let generation = self.generation.fetch_add(1, Ordering::Relaxed);
        reply.systemd_enabled(1).generation(generation);
        let mut items = reply.items(self.items as usize);
        for number in 0..self.items {
            let name = format!("cgroup-{number}-{generation}");
            items.push(|item| item.hash(number * 7).enabled(1).name(name.as_bytes()).path(b"/sys/fs/cgroup"));
        }
        Ok(())
    }
}

#[test]
fn a_cache_finds_what_the_last_refresh_has_brought() {
    let run_dir = RunDir::new();
    let server = host(5, 100).bind(run_dir.path()).unwrap().spawn().unwrap();
    let cache = CgroupsSnapshotCache::new(run_dir.path());
    assert!(cache.read().get((7, b"cgroup-1-5")).is_none() && cache.read().generation().is_none());
    assert!(cache.read().is_empty() && cache.read().message().is_none() && cache.read().iter().next().is_none());
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
    assert_eq!((old.iter().len(), old.into_iter().count(), old.len()), (100, 100, 100));
    assert_eq!(old.message().map(|message| message.systemd_enabled()), Some(1));
    drop(server);
    assert!(cache.refresh().is_err());
    assert_eq!(cache.read().generation(), Some(6));
}

#[test]
fn caches_and_what_is_read_of_them_can_go_anywhere() {
    fn goes_anywhere<T: Send + Sync>(_: &T) {}
    fn all_of<S: Source>(cache: &Cache<S>, reading: &Reading<'_, S>) {
        goes_anywhere(&(cache, reading));
    }
    let cache = CgroupsSnapshotCache::over(host(1, 10).in_process());
    cache.refresh().unwrap();
    let reading = cache.read();
    all_of(&cache, &reading);
    // Pinned here, looked at there, unpinned there.
    let count = thread::scope(|scope| scope.spawn(move || reading.iter().count()).join().unwrap());
    assert_eq!(count, 10);
    cache.refresh().unwrap();
    assert_eq!(cache.read().generation(), Some(2));
}

/// Says of each request what it was told to say.
struct Told(Mutex<Receiver<Vec<u8>>>);

static SNAPSHOT: MethodInfo = MethodInfo::new("snapshot", 2);
static SERVICE: Service = Service::new("cgroups-snapshot", &[SNAPSHOT]);

impl Dispatch for Told {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn dispatch(&self, _: &Call<'_>, _: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure> {
        match self.0.lock().unwrap().try_recv() {
            Ok(answer) => reply.append(&answer),
            Err(_) => return Err(Failure::Handler("out of paper".into())),
        }
        Ok(())
    }
}

/// A cache of a server that answers what it is told to.
fn told() -> (CgroupsSnapshotCache, Sender<Vec<u8>>) {
    let (tell, heard) = channel();
    let server = InProcess::new(Server::<CgroupsSnapshotClient>::with_stub(Told(Mutex::new(heard))));
    (CgroupsSnapshotCache::over(server.client()), tell)
}

fn cgroup(hash: u32, name: &[u8]) -> Cgroup {
    Cgroup { hash, options: 0, enabled: 1, name: name.to_vec(), path: name.to_vec() }
}

fn snapshot(generation: u64, items: Vec<Cgroup>) -> Vec<u8> {
    Snapshot { systemd_enabled: 1, generation, items }.to_vec().unwrap()
}

/// As many entries over one item of 100 bytes.
fn amplified(entries: u32) -> Vec<u8> {
    let one = snapshot(9, vec![cgroup(1, &[b'n'; 33])]);
    let mut payload = [&one[..24], &one[24..32].repeat(entries as usize), &one[32..]].concat();
    payload[4..8].copy_from_slice(&entries.to_ne_bytes());
    payload
}

#[test]
fn whatever_goes_wrong_with_a_refresh_the_old_snapshot_stays() {
    let (cache, tell) = told();
    let good = snapshot(3, vec![cgroup(1, b"a"), cgroup(2, b"b")]);
    tell.send(good.clone()).unwrap();
    cache.refresh().unwrap();
    // Far beyond what copies may take; not a snapshot; cut off; nothing; no answer at all.
    let cut_off = good[..good.len() - 9].to_vec();
    let bad = [Some(amplified(100)), Some(b"anything".to_vec()), Some(cut_off), Some(Vec::new()), None];
    for (failures, answer) in (1..).zip(bad) {
        let what = format!("{:?}", answer.as_ref().map(Vec::len));
        let is_amplified = failures == 1;
        if let Some(answer) = answer {
            tell.send(answer).unwrap();
        }
        let error = cache.refresh().unwrap_err();
        assert_eq!(matches!(error, RefreshError::Amplified(_)), is_amplified, "{what}: {error}");
        let status = cache.status();
        assert_eq!((status.successes, status.failures), (1, failures), "{what}");
        assert_eq!((status.generation, status.items, status.bytes), (Some(3), 2, good.len()), "{what}");
        assert_eq!(status.last_error, Some(error), "{what}");
        assert!(cache.read().get((1, b"a")).is_some() && cache.read().get((2, b"b")).is_some(), "{what}");
    }
    tell.send(snapshot(4, vec![cgroup(3, b"c")])).unwrap();
    assert_eq!(cache.refresh().unwrap().generation, 4);
    let status = cache.status();
    assert_eq!((status.state, status.last_error, status.successes, status.failures), (State::Ready, None, 2, 5));
    assert!(cache.read().get((1, b"a")).is_none() && cache.read().get((3, b"c")).is_some());
}

#[test]
fn of_items_with_equal_keys_the_first_is_found_and_all_are_there() {
    let (cache, tell) = told();
    let mut items = vec![cgroup(1, b"a"), cgroup(1, b"b"), cgroup(2, b"a"), cgroup(1, b"a"), cgroup(1, b"a")];
    for (options, item) in (0..).zip(&mut items) {
        item.options = options;
    }
    tell.send(snapshot(3, items)).unwrap();
    cache.refresh().unwrap();
    let reading = cache.read();
    let found = |hash, name: &[u8]| reading.get((hash, name)).map(|item| item.options());
    assert_eq!([found(1, b"a"), found(1, b"b"), found(2, b"a"), found(2, b"b")], [Some(0), Some(1), Some(2), None]);
    assert_eq!(reading.iter().map(|item| item.options()).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!((cache.status().duplicates, cache.status().items), (2, 5));
}

#[test]
fn status_tells_what_there_is_and_what_was() {
    let run_dir = RunDir::new();
    let cache = CgroupsSnapshotCache::new(run_dir.path());
    let status = cache.status();
    assert_eq!((status.state, status.generation, status.age), (State::Disconnected, None, None));
    assert_eq!((status.items, status.bytes, status.duplicates), (0, 0, 0));
    assert_eq!((status.successes, status.failures, status.last_error), (0, 0, None));
    // Nobody is there yet.
    assert!(matches!(cache.refresh(), Err(RefreshError::Call(CallError::Connect(_)))));
    let status = cache.status();
    assert_eq!((status.state, status.failures, status.age), (State::NotFound, 1, None));
    assert!(status.last_error.is_some());
    let _server = host(1, 3).bind(run_dir.path()).unwrap().spawn().unwrap();
    cache.refresh().unwrap();
    let first = cache.status();
    assert_eq!((first.state, first.generation, first.items), (State::Ready, Some(1), 3));
    assert_eq!((first.successes, first.failures, first.last_error), (1, 1, None));
    let older = cache.status().age.unwrap();
    assert!(older >= first.age.unwrap(), "time goes by");
}

#[test]
fn the_same_snapshot_once_more_is_no_change() {
    let (cache, tell) = told();
    for (generation, changed) in [(1, true), (1, false), (2, true), (2, false)] {
        tell.send(snapshot(generation, vec![cgroup(1, b"a")])).unwrap();
        assert_eq!(cache.refresh().unwrap().changed, changed, "{generation}");
    }
    assert_eq!(cache.status().successes, 4);
}

/// Answers when it is told to.
struct Slow {
    asked: Sender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl CgroupsSnapshot for Slow {
    fn snapshot(&self, _: View<'_, SnapshotRequest>, mut reply: Reply<'_, Snapshot>) -> HandlerResult {
        self.asked.send(())?;
        self.go_on.lock().unwrap().recv()?;
        reply.generation(1);
        Ok(())
    }
}

#[test]
fn a_refresh_that_waits_holds_up_no_reader_and_can_be_aborted() {
    let run_dir = RunDir::new();
    let ((asked, has_asked), (go_on, may_go_on)) = (channel(), channel());
    let server = CgroupsSnapshotServer::new(Slow { asked, go_on: Mutex::new(may_go_on) });
    let _server = server.bind(run_dir.path()).unwrap().spawn().unwrap();
    let cache = Arc::new(CgroupsSnapshotCache::new(run_dir.path()));
    go_on.send(()).unwrap();
    cache.refresh().unwrap();
    has_asked.recv().unwrap();
    let refresher = thread::spawn({
        let cache = Arc::clone(&cache);
        move || cache.refresh()
    });
    has_asked.recv().unwrap();
    unless_it_hangs("reading during a refresh", {
        let cache = Arc::clone(&cache);
        move || assert_eq!((cache.read().generation(), cache.status().successes), (Some(1), 1))
    });
    cache.abort_handle().abort();
    let aborted = refresher.join().unwrap();
    assert!(matches!(aborted, Err(RefreshError::Call(CallError::Aborted))), "{aborted:?}");
    assert_eq!(cache.read().generation(), Some(1));
    assert!(cache.refresh().is_err(), "until it is reset");
    cache.abort_handle().reset();
    go_on.send(()).unwrap();
    go_on.send(()).unwrap();
    cache.refresh().unwrap();
}

#[test]
fn large_snapshots_come_over_sockets_and_shared_memory() {
    use netipc::wire::Profiles;
    for profiles in [Profiles::BASELINE, Profiles::BASELINE.union(Profiles::SHM_HYBRID)] {
        let run_dir = RunDir::new();
        let server = host(1, 30_000).profiles(profiles).response_ceiling(16 << 20);
        let _server = server.bind(run_dir.path()).unwrap().spawn().unwrap();
        let config = CgroupsSnapshotClient::config().profiles(profiles).response_ceiling(16 << 20);
        let config = config.timeout(Duration::from_secs(60));
        let cache = CgroupsSnapshotCache::over(config.build(run_dir.path()));
        for generation in 1..4 {
            // Answers that don't fit are asked for again, and each time counts here.
            let generation = cache.refresh().unwrap().generation.max(generation);
            let reading = cache.read();
            for number in (0..30_000).step_by(997) {
                let name = format!("cgroup-{number}-{generation}");
                assert!(reading.get((number * 7, name.as_bytes())).is_some(), "{name}");
            }
        }
    }
}

#[test]
fn readers_see_whole_generations_only_while_100_000_refreshes_come_from_two_threads() {
    const REFRESHES: u64 = 100_000;
    const ITEMS: u32 = 4;
    let cache = CgroupsSnapshotCache::over(host(1, ITEMS).in_process());
    cache.refresh().unwrap();
    let (done, looked) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        let readers = [0, 1].map(|_| {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let reading = cache.read();
                    let generation = reading.generation().unwrap();
                    assert!(generation >= last, "{generation} after {last}");
                    last = generation;
                    for number in 0..ITEMS {
                        let name = format!("cgroup-{number}-{generation}");
                        assert!(reading.get((number * 7, name.as_bytes())).is_some(), "{name}");
                    }
                    let end = format!("-{generation}");
                    assert!(reading.iter().all(|item| item.name().as_bytes().ends_with(end.as_bytes())));
                    looked.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let refreshers = [0, 1].map(|_| {
            scope.spawn(|| {
                for _ in 0..REFRESHES / 2 {
                    cache.refresh().unwrap();
                }
            })
        });
        let refreshed = refreshers.map(|refresher| refresher.join());
        done.store(true, Ordering::Relaxed);
        refreshed.into_iter().for_each(|refreshed| refreshed.unwrap());
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    assert!(looked.load(Ordering::Relaxed) > 0);
    assert_eq!((cache.status().successes, cache.read().generation()), (REFRESHES + 1, Some(REFRESHES + 1)));
}

/// Waits for as long; nobody sends anything.
fn pause(pause: Duration) {
    let (nobody, nothing) = channel::<()>();
    assert!(nothing.recv_timeout(pause).is_err());
    drop(nobody);
}

struct Dawdling;

impl CgroupsSnapshot for Dawdling {
    fn snapshot(&self, _: View<'_, SnapshotRequest>, mut reply: Reply<'_, Snapshot>) -> HandlerResult {
        pause(Duration::from_millis(300));
        reply.generation(1);
        Ok(())
    }
}

#[test]
fn one_timeout_is_for_the_connection_and_the_call_of_a_refresh() {
    let run_dir = RunDir::new();
    let server = CgroupsSnapshotServer::new(Dawdling).authorize(|_| {
        pause(Duration::from_millis(300));
        true
    });
    let server = server.bind(run_dir.path()).unwrap().spawn().unwrap();
    let config = CgroupsSnapshotClient::config().timeout(Duration::from_millis(500));
    let cache = CgroupsSnapshotCache::over(config.build(run_dir.path()));
    // Either has time enough, and both have not.
    assert_eq!(cache.refresh(), Err(RefreshError::Call(CallError::TimedOut)));
    assert_eq!(cache.status().failures, 1);
    let config = CgroupsSnapshotClient::config().timeout(Duration::from_secs(60));
    let cache = CgroupsSnapshotCache::over(config.build(run_dir.path()));
    assert_eq!(cache.refresh().map(|refreshed| refreshed.generation), Ok(1));
    server.shutdown(Duration::from_secs(60)).unwrap();
}
