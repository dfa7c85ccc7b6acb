//! The services of a host while its processes come and go; alone in its process, for the sake of counting descriptors.
#![forbid(unsafe_code)]

#[path = "host_services/ground.rs"]
mod ground;

use std::fs;
use std::process::id;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use netipc::wire::Profiles;
use netipc_examples::host::cgroups::Cgroups;
use netipc_examples::host::processes::Processes;
use netipc_examples::services::{HostCgroups, HostProcesses, serve};
use netipc_examples::{
    AppStatus, AppsLookupClient, AppsLookupLookupCache, AppsLookupServer, CgroupsSnapshotCache, CgroupsSnapshotClient,
    Pid,
};

use ground::{Dir, Idle};

const ROUNDS: usize = 150;
/// Of requests and answers, in bytes: more than any one process takes.
const LIMIT: u32 = 2048;
const LONG: Duration = Duration::from_secs(60);

/// Tells the thread that makes and kills children to end, also where the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        // Relaxed: it only has to be seen some time.
        self.0.store(true, Ordering::Relaxed);
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// As many lookups as there are rounds, while others come and go: how many of those were met alive, and how many gone.
fn look(profile: Profiles, recent: &Mutex<Vec<u32>>) -> (usize, usize) {
    // So many that there is no room for all in one answer.
    let _staying = Idle::new(40);
    let run_dir = Dir::new();
    let serving = serve(run_dir.path()).unwrap();
    // The same with so little room that a lookup takes many requests.
    let tight_dir = Dir::new();
    let cgroups = HostCgroups::new(Cgroups::default(), Duration::from_millis(10));
    let tight = AppsLookupServer::new(HostProcesses::new(cgroups)).profiles(profile);
    let tight = tight.max_request_payload(LIMIT).max_response_payload(LIMIT);
    let tight = tight.bind(tight_dir.path()).unwrap().spawn().unwrap();

    let config = AppsLookupClient::config().profiles(profile).timeout(LONG);
    let mut client = config.clone().request_ceiling(LIMIT).connect(tight_dir.path()).unwrap();
    assert_eq!(client.status().session.unwrap().profile, profile);
    let mut kept = AppsLookupLookupCache::over(config.build(run_dir.path()));
    let snapshot = CgroupsSnapshotClient::config().profiles(profile).timeout(LONG);
    let snapshot = CgroupsSnapshotCache::over(snapshot.build(run_dir.path()));
    let (mut processes, mut pids) = (Processes::default(), Vec::new());
    let (mut alive, mut gone) = (0, 0);
    for _ in 0..ROUNDS {
        processes.list(&mut pids);
        let place = pids.binary_search(&id()).unwrap();
        let others = pids.len();
        pids.extend(recent.lock().unwrap().iter());
        let keys: Vec<Pid> = pids.iter().map(|pid| Pid { pid: *pid }).collect();
        let answer = client.lookup(&keys).unwrap();
        assert!(answer.parts() > 1);
        assert!(answer.len() == keys.len() && answer.iter().zip(&keys).all(|(app, key)| app.pid() == key.pid));
        let own = answer.get(place).unwrap();
        assert_eq!((own.status(), own.pid()), (AppStatus::Known, id()));
        for app in answer.iter().skip(others) {
            match app.status() {
                AppStatus::Known => alive += 1,
                AppStatus::Unknown => gone += 1,
                other => panic!("{other:?}"),
            }
        }
        let looked = kept.look_up(&keys).unwrap();
        assert_eq!(looked.get(place).unwrap().to_owned(), own.to_owned());
        snapshot.refresh().unwrap();
    }
    drop((client, kept, snapshot));
    serving.shutdown().unwrap();
    tight.shutdown(LONG).unwrap();
    assert_eq!((run_dir.names(), tight_dir.names()), (vec![], vec![]));
    (alive, gone)
}

#[test]
fn processes_that_come_and_go_fail_no_lookup_and_cost_no_descriptor() {
    let before = descriptors();
    for profile in [Profiles::BASELINE, Profiles::SHM_HYBRID] {
        let (recent, is_over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
        let (alive, gone) = thread::scope(|scope| {
            let over = Over(&is_over);
            let churn = scope.spawn(|| {
                let mut before = Idle::new(8);
                while !is_over.load(Ordering::Relaxed) {
                    let now = Idle::new(8);
                    *recent.lock().unwrap() = before.pids().chain(now.pids()).collect();
                    // Half of those go at once, the other half when there are others.
                    before = now;
                }
            });
            let seen = look(profile, &recent);
            drop(over);
            churn.join().unwrap();
            seen
        });
        assert!(alive > 0 && gone > 0, "{alive} were there, {gone} gone");
        assert_eq!(descriptors(), before);
    }
}
