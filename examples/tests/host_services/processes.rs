//! What is told of processes.

use core::ffi::CStr;
use std::ffi::CString;
use std::fs;
use std::process::id;
use std::time::Duration;

use netipc::server::InProcess;
use netipc::wire::Profiles;
use netipc_examples::host::cgroups::Cgroups;
use netipc_examples::host::containers::identify;
use netipc_examples::host::processes::Processes;
use netipc_examples::services::{HostCgroups, HostProcesses, NAMELESS};
use netipc_examples::{
    App, AppStatus, AppsLookupClient, AppsLookupLookupCache, AppsLookupServer, CgroupOfApp, Orchestrator, Pid,
};

use crate::ground::{Dir, Idle};

const LONG: Duration = Duration::from_secs(60);

fn nobody(pid: u32) -> App {
    App {
        status: AppStatus::Unknown,
        orchestrator: Orchestrator::Unknown,
        cgroup_status: CgroupOfApp::Known,
        pid,
        ppid: 0,
        uid: u32::MAX,
        starttime: 0,
        comm: CString::default(),
        cgroup_path: CString::default(),
        cgroup_name: CString::default(),
        labels: Vec::new(),
    }
}

/// What the readers know of a process of this host.
fn read(reader: &mut Processes, cgroups: &Cgroups, pid: u32) -> App {
    let Some(process) = reader.find(pid, cgroups.mounted()) else { return nobody(pid) };
    let mut app = App {
        status: AppStatus::Known,
        ppid: process.ppid,
        uid: process.uid,
        starttime: process.starttime,
        comm: CString::new(process.comm).unwrap(),
        ..nobody(pid)
    };
    match process.cgroup {
        None => app.cgroup_status = CgroupOfApp::UnknownRetryLater,
        Some(b"/") => app.cgroup_status = CgroupOfApp::HostRoot,
        Some(path) => {
            let identity = identify(path);
            app.cgroup_path = CString::new(path).unwrap();
            (app.orchestrator, app.cgroup_name, app.labels) = (identity.orchestrator, identity.name, identity.labels);
        }
    }
    app
}

fn server() -> netipc::server::Server<AppsLookupClient> {
    AppsLookupServer::new(HostProcesses::new(HostCgroups::new(Cgroups::default(), Duration::MAX)))
}

fn keys(pids: impl IntoIterator<Item = u32>) -> Vec<Pid> {
    pids.into_iter().map(|pid| Pid { pid }).collect()
}

#[test]
fn every_process_of_this_host_is_answered_and_ones_own_is_right() {
    let mut cgroups = Cgroups::default();
    cgroups.refresh();
    let (mut reader, mut pids) = (Processes::default(), Vec::new());
    reader.list(&mut pids);
    // Nobody has these numbers.
    let asked = keys(pids.iter().copied().chain([0, u32::MAX]));
    let mut client = server().in_process();
    let answer = client.lookup(&asked).unwrap();
    assert_eq!(answer.len(), asked.len());
    let mut known = 0;
    for (app, key) in answer.iter().zip(&asked) {
        let now = reader.find(key.pid, cgroups.mounted());
        assert_eq!(app.pid(), key.pid);
        if app.status() == AppStatus::Known {
            known += 1;
            assert!(now.is_none_or(|now| now.starttime == app.starttime()), "{app:?} {now:?}");
        } else {
            assert_eq!((app.to_owned(), now), (nobody(key.pid), None));
        }
    }
    assert!(known > 0);
    let place = pids.binary_search(&id()).unwrap();
    let own = answer.get(place).unwrap().to_owned();
    assert_eq!(own, read(&mut reader, &cgroups, id()));
    assert_eq!((own.status, own.ppid), (AppStatus::Known, std::os::unix::process::parent_id()));
    assert_eq!(own.comm.as_bytes(), fs::read("/proc/self/comm").unwrap().trim_ascii_end());
}

#[test]
fn hundreds_of_children_are_one_lookup_over_either_transport_within_a_kibibyte() {
    let children = Idle::new(300);
    let asked = keys(children.pids());
    let mut cgroups = Cgroups::default();
    cgroups.refresh();
    let mut reader = Processes::default();
    let expected: Vec<App> = children.pids().map(|pid| read(&mut reader, &cgroups, pid)).collect();
    assert!(expected.iter().all(|app| app.status == AppStatus::Known && app.comm.as_c_str() == c"cat"));
    assert!(expected.iter().all(|app| app.ppid == id()));
    // Paths that make an item longer than an answer are another story.
    let most = expected.iter().map(App::encoded_len).max().unwrap();
    for limit in [1024, 1 << 20].map(|limit: u32| limit.max(u32::try_from(most).unwrap() + 64)) {
        for profile in [Profiles::BASELINE, Profiles::SHM_HYBRID] {
            let run_dir = Dir::new();
            let server = server().profiles(profile).max_request_payload(limit).max_response_payload(limit);
            let server = server.bind(run_dir.path()).unwrap().spawn().unwrap();
            let config = AppsLookupClient::config().profiles(profile).timeout(LONG).max_request_payload(limit);
            let config = config.request_ceiling(limit).response_ceiling(limit);
            let mut client = config.clone().connect(run_dir.path()).unwrap();
            assert_eq!(client.status().session.unwrap().profile, profile);
            let answer = client.lookup(&asked).unwrap();
            let told: Vec<App> = answer.iter().map(|app| app.to_owned()).collect();
            assert_eq!(told, expected);
            assert_eq!(answer.parts() > 1, limit < 1 << 20, "{} parts", answer.parts());
            let mut kept = AppsLookupLookupCache::over(config.build(run_dir.path()));
            let looked = kept.look_up(&asked).unwrap();
            assert!(looked.iter().map(|app| app.to_owned()).eq(expected.iter().cloned()));
            drop((client, kept));
            server.shutdown(LONG).unwrap();
        }
    }
}

/// A directory like `/proc` with one process.
fn with_process(proc: &Dir, comm: &str, cgroup: Option<&str>) {
    let dir = proc.path().join("7");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir(&dir).unwrap();
    let fields = "S 1 1 1 0 -1 4194560 0 0 0 0 1 2 0 0 20 0 1 0 500 3133440 393 0\n";
    fs::write(dir.join("stat"), format!("7 ({comm}) {fields}")).unwrap();
    fs::write(dir.join("status"), "Tgid:\t7\nUid:\t1\t1000\t1\t1\n").unwrap();
    if let Some(path) = cgroup {
        fs::write(dir.join("cgroup"), format!("0::{path}\n")).unwrap();
    }
}

#[test]
fn a_known_process_has_a_name_and_as_much_of_a_cgroup_as_can_be_told() {
    let proc = Dir::new();
    let cgroups = HostCgroups::new(Cgroups::new(proc.path()), Duration::ZERO);
    let mut client = AppsLookupServer::new(HostProcesses::at(proc.path(), cgroups)).in_process();
    let known = App { status: AppStatus::Known, ppid: 1, uid: 1000, starttime: 500, ..nobody(7) };
    let texts = |comm: &CStr, path: &CStr, name: &CStr| App {
        comm: comm.into(),
        cgroup_path: path.into(),
        cgroup_name: name.into(),
        ..known.clone()
    };
    let nowhere = |status, path| App { cgroup_status: status, ..texts(c"x", path, c"") };
    for (comm, cgroup, expected) in [
        ("x", Some("/"), nowhere(CgroupOfApp::HostRoot, c"")),
        ("x", Some("/.."), nowhere(CgroupOfApp::UnknownPermanent, c"/..")),
        ("x", Some("/../.."), nowhere(CgroupOfApp::UnknownPermanent, c"/../..")),
        ("x", Some("relative"), nowhere(CgroupOfApp::UnknownRetryLater, c"")),
        ("x", None, nowhere(CgroupOfApp::UnknownRetryLater, c"")),
        ("x", Some("/a/b"), texts(c"x", c"/a/b", c"a/b")),
        ("x", Some("/a (deleted)"), texts(c"x", c"/a", c"a")),
        ("", Some("/a"), texts(NAMELESS, c"/a", c"a")),
        (") (", Some("/a"), texts(c") (", c"/a", c"a")),
        ("longer than fifteen", Some("/a"), texts(c"longer than fif", c"/a", c"a")),
    ] {
        with_process(&proc, comm, cgroup);
        let answer = client.lookup(keys([7, 8])).unwrap();
        let told: Vec<App> = answer.iter().map(|app| app.to_owned()).collect();
        assert_eq!(told, [expected, nobody(8)], "{comm} {cgroup:?}");
    }
    with_process(&proc, "x", Some("/system.slice/ssh.service"));
    let answer = client.lookup(keys([7])).unwrap();
    let app = answer.get(0).unwrap();
    assert_eq!((app.orchestrator(), app.cgroup_name()), (Orchestrator::Systemd, c"ssh.service"));
    let labels: Vec<_> = app.labels().map(|label| (label.key(), label.value())).collect();
    assert_eq!(labels, [(c"unit", c"ssh.service"), (c"slice", c"system.slice")]);
}

#[test]
fn a_generation_stays_for_as_long_as_a_service_and_the_next_one_counts_more() {
    let children = Idle::new(1);
    let asked = keys(children.pids());
    let first = InProcess::new(server());
    let generation = first.client().lookup(&asked).unwrap().generation();
    drop(children);
    let mut client = first.client();
    let answer = client.lookup(&asked).unwrap();
    assert_eq!(answer.get(0).map(|app| app.to_owned()), Some(nobody(asked[0].pid)));
    assert_eq!(answer.generation(), generation);
    assert!(server().in_process().lookup(&asked).unwrap().generation() > generation);
}
