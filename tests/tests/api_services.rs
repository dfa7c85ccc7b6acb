//! The programs that users are promised, run: the bodies are filled in and the run directories are those of a test.

use netipc_tests::processes::RunDir;

mod thermometer {
    use netipc::WireMessage;

    #[derive(Debug, Clone, PartialEq, WireMessage)]
    pub struct Reading {
        pub sensor: String,
        pub celsius: f64,
        pub tags: Vec<String>,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage, thiserror::Error)]
    #[repr(u16)]
    pub enum SensorError {
        #[error("no such sensor")]
        Unknown = 1,
        #[error("sensor is busy")]
        Busy = 2,
    }

    #[netipc::service(name = "thermometer")]
    pub trait Thermometer {
        fn read(&self, sensor: &str) -> Result<Reading, SensorError>;
        fn average(&self, cx: &netipc::Call<'_>, first: u32, last: u32) -> f64;
    }

    pub struct Lab;

    impl Thermometer for Lab {
        fn read(&self, sensor: &str) -> Result<Reading, SensorError> {
            match sensor {
                "roof" => Ok(Reading { sensor: sensor.to_owned(), celsius: 21.5, tags: vec!["outdoor".into()] }),
                "lift" => Err(SensorError::Busy),
                _ => Err(SensorError::Unknown),
            }
        }

        fn average(&self, cx: &netipc::Call<'_>, first: u32, last: u32) -> f64 {
            assert_eq!(cx.peer().pid, Some(std::process::id()));
            f64::from(first + last) / 2.0
        }
    }

    pub fn main(run_dir: &std::path::Path) -> Result<(), Box<dyn std::error::Error>> {
        let server = ThermometerServer::new(Lab).bind(run_dir)?.spawn()?;
        let mut client = ThermometerClient::connect(run_dir)?;
        let reading = client.read("roof")?;
        println!("{} {:.1}", reading.sensor(), reading.celsius());
        let kept: Reading = reading.to_owned();
        assert_eq!(kept, Lab.read("roof").unwrap());
        match client.read("cellar") {
            Err(netipc::CallError::Application(SensorError::Unknown)) => {}
            other => drop(other?),
        }
        assert_eq!(client.average(3, 4)?, 3.5);
        server.shutdown(std::time::Duration::from_secs(5))?;
        Ok(())
    }
}

#[test]
fn the_thermometer_of_the_first_five_minutes_works() {
    let run_dir = RunDir::new();
    thermometer::main(run_dir.path()).unwrap();
    assert!(run_dir.names().is_empty());
}

#[test]
fn an_error_of_the_method_is_not_one_of_the_call() {
    use thermometer::{Lab, SensorError, ThermometerClient, ThermometerServer};

    let run_dir = RunDir::new();
    let server = ThermometerServer::new(Lab).bind(run_dir.path()).unwrap().spawn().unwrap();
    let mut client = ThermometerClient::new(run_dir.path());
    assert!(!client.ready());
    client.refresh().unwrap();
    assert!(client.ready());
    assert!(matches!(client.read("lift"), Err(netipc::CallError::Application(SensorError::Busy))));
    assert_eq!(client.average(1, 2).unwrap(), 1.5);
    assert_eq!((client.status().answered, client.status().failed), (2, 0));
    drop(server);
}

mod snapshot {
    use netipc::{Reply, View, WireMessage};

    #[derive(WireMessage)]
    #[wire(version = 1, size = 4)]
    pub struct SnapshotRequest {}

    #[derive(WireMessage)]
    #[wire(version = 1, size = 32)]
    #[wire(tolerate(string_order, slack))]
    pub struct Cgroup {
        #[wire(at = 4)]
        pub hash: u32,
        #[wire(at = 8)]
        pub options: u32,
        #[wire(at = 12)]
        pub enabled: u32,
        #[wire(at = 16, nul)]
        pub name: Vec<u8>,
        #[wire(at = 24, nul)]
        pub path: Vec<u8>,
    }

    #[derive(WireMessage)]
    #[wire(version = 1, size = 24, reserved(at = 12, len = 4), tolerate(trailing, item_order, item_overlap))]
    pub struct Snapshot {
        #[wire(at = 8)]
        pub systemd_enabled: u32,
        #[wire(at = 16)]
        pub generation: u64,
        #[wire(directory, count_at = 4, count = u32)]
        pub items: Vec<Cgroup>,
    }

    #[netipc::service(name = "cgroups-snapshot")]
    pub trait CgroupsSnapshot {
        #[method(code = 2, snapshot(items = items, key(hash, name), generation = generation))]
        fn snapshot(&self, request: View<'_, SnapshotRequest>, reply: Reply<'_, Snapshot>) -> netipc::HandlerResult;
    }

    pub struct Machine {
        pub cgroups: Vec<(u32, &'static str)>,
    }

    impl CgroupsSnapshot for Machine {
        fn snapshot(&self, _: View<'_, SnapshotRequest>, mut reply: Reply<'_, Snapshot>) -> netipc::HandlerResult {
            let path = |name: &str| format!("/sys/fs/cgroup/{name}");
            reply.systemd_enabled(1).generation(7);
            let mut items = reply.items(self.cgroups.len());
            for (hash, name) in &self.cgroups {
                items.push(|item| item.hash(*hash).enabled(1).name(name.as_bytes()).path(path(name).as_bytes()));
            }
            Ok(())
        }
    }
}

#[test]
fn a_snapshot_is_built_in_place_and_seen_in_place() {
    use snapshot::{CgroupsSnapshotClient, CgroupsSnapshotServer, Machine, SnapshotRequest};

    let run_dir = RunDir::new();
    let machine = Machine { cgroups: vec![(3, "init.scope"), (4, "user.slice")] };
    let _server = CgroupsSnapshotServer::new(machine).bind(run_dir.path()).unwrap().spawn().unwrap();
    let mut client = CgroupsSnapshotClient::connect(run_dir.path()).unwrap();
    let snapshot = client.snapshot(&SnapshotRequest {}).unwrap();
    assert_eq!((snapshot.systemd_enabled(), snapshot.generation()), (1, 7));
    let items = snapshot.items().map(|item| (item.hash(), item.name(), item.path()));
    let items: Vec<_> = items.map(|(hash, name, path)| format!("{hash} {name} {path}")).collect();
    assert_eq!(items, ["3 init.scope /sys/fs/cgroup/init.scope", "4 user.slice /sys/fs/cgroup/user.slice"]);
}

#[test]
fn a_snapshot_is_cached_and_looked_up() {
    use snapshot::{CgroupsSnapshotCache, CgroupsSnapshotServer, Machine};

    fn main(run_dir: &std::path::Path) -> Result<usize, Box<dyn std::error::Error>> {
        let mut found = 0;
        let cache = CgroupsSnapshotCache::new(run_dir);
        cache.refresh()?;
        for (hash, name) in [(3, b"init.scope".to_vec()), (4, b"user.slice".to_vec()), (3, b"user.slice".to_vec())] {
            if let Some(c) = cache.read().get((hash, &name[..])) {
                assert_eq!((c.hash(), c.name().as_bytes()), (hash, &name[..]));
                found += 1;
            }
        }
        Ok(found)
    }

    let run_dir = RunDir::new();
    let machine = Machine { cgroups: vec![(3, "init.scope"), (4, "user.slice")] };
    let _server = CgroupsSnapshotServer::new(machine).bind(run_dir.path()).unwrap().spawn().unwrap();
    assert_eq!(main(run_dir.path()).unwrap(), 2);
}

mod lookup {
    use std::collections::HashMap;
    use std::ffi::{CStr, CString};

    use netipc::{Answers, Keys, WireMessage};

    #[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
    #[repr(u16)]
    pub enum CgroupStatus {
        Known = 0,
        UnknownRetryLater = 1,
        UnknownPermanent = 2,
        PayloadExceeded = 3,
        OversizedItem = 4,
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
    #[wire(open)]
    #[repr(u16)]
    pub enum Orchestrator {
        Unknown = 0,
        Docker = 2,
        Other(u16),
    }

    #[derive(Debug, Clone, PartialEq, WireMessage)]
    pub struct Label {
        pub key: CString,
        pub value: CString,
    }

    #[derive(Debug, Clone, PartialEq, WireMessage)]
    #[expect(clippy::duplicated_attributes, reason = "two reserved parts of one length are no duplicates")]
    #[wire(size = 28, fixed(at = 0, u16 = 1), reserved(at = 6, len = 2), reserved(at = 26, len = 2))]
    #[wire(tolerate(string_order, dirty_gaps))]
    #[wire(require(status == CgroupStatus::Known
        || (orchestrator == Orchestrator::Unknown && name.is_empty() && labels.is_empty())))]
    pub struct CgroupInfo {
        #[wire(at = 2)]
        pub status: CgroupStatus,
        #[wire(at = 4)]
        pub orchestrator: Orchestrator,
        #[wire(at = 8, min = 1)]
        pub path: CString,
        #[wire(at = 16)]
        pub name: CString,
        #[wire(table, count_at = 24, count = u16)]
        pub labels: Vec<Label>,
    }

    #[netipc::service(name = "cgroups-lookup")]
    pub trait CgroupsLookup {
        #[method(code = 4, lookup(keys = paths, items = items, echo = path, generation = generation,
                 exceeded = CgroupStatus::PayloadExceeded, oversized = CgroupStatus::OversizedItem))]
        fn lookup(&self, paths: Keys<'_, CStr>, reply: Answers<'_, CgroupInfo>) -> netipc::HandlerResult;
    }

    pub struct Names(pub HashMap<CString, CString>);

    impl CgroupsLookup for Names {
        fn lookup(&self, paths: Keys<'_, CStr>, mut reply: Answers<'_, CgroupInfo>) -> netipc::HandlerResult {
            reply.generation(3);
            for path in paths {
                match self.0.get(path) {
                    Some(name) => reply.answer(|item| item.status(CgroupStatus::Known).name(name)),
                    None => reply.answer(|item| item.status(CgroupStatus::UnknownPermanent)),
                };
            }
            Ok(())
        }
    }
}

#[test]
fn a_lookup_is_one_logical_call_however_many_requests_it_takes() {
    use lookup::{CgroupStatus, CgroupsLookupClient, CgroupsLookupServer, Names};

    fn main(run_dir: &std::path::Path) -> Result<usize, Box<dyn std::error::Error>> {
        let mut client = CgroupsLookupClient::connect(run_dir)?;
        let paths = [c"/a", c"/b", c"/c"];
        let answer = client.lookup(paths)?;
        let known = answer.iter().filter(|item| item.status() == CgroupStatus::Known).count();
        assert_eq!(answer.get(1).map(|item| item.name()), Some(c"bee"));
        Ok(known)
    }

    let run_dir = RunDir::new();
    let names = Names([(c"/b".into(), c"bee".into()), (c"/c".into(), c"sea".into())].into());
    let _server = CgroupsLookupServer::new(names).bind(run_dir.path()).unwrap().spawn().unwrap();
    assert_eq!(main(run_dir.path()).unwrap(), 2);
}
