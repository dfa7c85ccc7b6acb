//! What is told of cgroups.

use core::ffi::CStr;
use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::time::Duration;

use netipc::server::{InProcess, Server};
use netipc_examples::host::cgroups::{Cgroups, Mounted};
use netipc_examples::host::containers::identify;
use netipc_examples::services::{HostCgroups, hash_of};
use netipc_examples::{
    CgroupInfo, CgroupStatus, CgroupsLookupClient, CgroupsLookupLookupCache, CgroupsLookupServer, CgroupsSnapshotCache,
    CgroupsSnapshotClient, CgroupsSnapshotServer, Orchestrator,
};

use crate::ground::Dir;

fn lookup(cgroups: &HostCgroups) -> Server<CgroupsLookupClient> {
    CgroupsLookupServer::new(cgroups.clone())
}

fn snapshot(cgroups: &HostCgroups) -> CgroupsSnapshotCache {
    let server = CgroupsSnapshotServer::new(cgroups.clone()).response_ceiling(64 << 20);
    let config = CgroupsSnapshotClient::config().response_ceiling(64 << 20);
    CgroupsSnapshotCache::over(InProcess::new(server).connect(config).unwrap())
}

/// A hierarchy of version 2.
fn tree(paths: &[&str]) -> Dir {
    let tree = Dir::new();
    fs::write(tree.path().join("cgroup.controllers"), "cpu\n").unwrap();
    for path in paths {
        fs::create_dir_all(tree.path().join(path)).unwrap();
    }
    tree
}

fn told(client: &mut CgroupsLookupClient, paths: &[&CStr]) -> Vec<CgroupInfo> {
    client.lookup(paths).unwrap().iter().map(|item| item.to_owned()).collect()
}

fn known(path: &CStr) -> CgroupInfo {
    let identity = identify(path.to_bytes());
    let (orchestrator, name, labels) = (identity.orchestrator, identity.name, identity.labels);
    CgroupInfo { status: CgroupStatus::Known, orchestrator, path: path.into(), name, labels }
}

fn unknown(path: &CStr, status: CgroupStatus) -> CgroupInfo {
    let (orchestrator, name) = (Orchestrator::Unknown, CString::default());
    CgroupInfo { status, orchestrator, path: path.into(), name, labels: Vec::new() }
}

#[test]
fn all_cgroups_of_this_host_are_in_the_snapshot_and_known_by_their_paths() {
    let read = || {
        let mut cgroups = Cgroups::default();
        cgroups.refresh();
        let paths = cgroups.paths().map(|path| CString::new(path).unwrap());
        paths.collect::<BTreeSet<CString>>()
    };
    let before = read();
    let cgroups = HostCgroups::new(Cgroups::default(), Duration::MAX);
    let cache = snapshot(&cgroups);
    cache.refresh().unwrap();
    let after = read();

    let now = cache.read();
    let listed: BTreeSet<CString> = now.iter().map(|item| CString::new(item.path().as_bytes()).unwrap()).collect();
    assert_eq!(listed.len(), now.len());
    // Cgroups that come or go meanwhile may be in it or not.
    assert!(before.intersection(&after).all(|path| listed.contains(path)));
    assert!(listed.iter().all(|path| before.contains(path) || after.contains(path)));
    for item in now.iter() {
        let name = item.name().as_bytes();
        let identity = identify(item.path().as_bytes());
        assert_eq!((name, item.enabled(), item.options()), (identity.name.as_bytes(), 1, 0));
        assert_eq!((item.hash(), now.get((hash_of(name), name)).is_some()), (hash_of(name), true));
    }

    let mut client = lookup(&cgroups).in_process();
    let answer = client.lookup(&listed).unwrap();
    assert_eq!((answer.len(), Some(answer.generation())), (listed.len(), now.generation()));
    for (item, path) in answer.iter().zip(&listed) {
        assert_eq!(item.to_owned(), known(path));
    }
}

#[test]
fn a_change_is_told_by_the_generation_and_by_each_cgroup() {
    let tree = tree(&["system.slice/ssh.service", "docker"]);
    let cgroups = HostCgroups::new(Cgroups::new(tree.path()), Duration::ZERO);
    assert_eq!(cgroups.mounted(), Mounted::V2);
    let (cache, server) = (snapshot(&cgroups), InProcess::new(lookup(&cgroups)));
    let (mut client, mut kept) = (server.client(), CgroupsLookupLookupCache::over(server.client()));
    let paths = [c"/docker", c"/system.slice", c"/system.slice/ssh.service", c"/user.slice"];
    let later = |path| unknown(path, CgroupStatus::UnknownRetryLater);

    let first = cache.refresh().unwrap();
    assert_eq!((first.items, cache.read().message().map(|all| all.systemd_enabled())), (3, Some(1)));
    let again = cache.refresh().unwrap();
    assert_eq!((again.generation, again.items, again.changed), (first.generation, first.items, false));
    assert_eq!(told(&mut client, &paths), [known(paths[0]), known(paths[1]), known(paths[2]), later(paths[3])]);
    assert_eq!(kept.look_up(paths).unwrap().asked(), 4);
    assert_eq!(kept.look_up(paths).unwrap().asked(), 1);
    assert_eq!(kept.status().generation, Some(first.generation));

    fs::create_dir(tree.path().join("user.slice")).unwrap();
    fs::remove_dir_all(tree.path().join("system.slice")).unwrap();
    let second = cache.refresh().unwrap();
    assert!(second.generation > first.generation && second.items == 2 && second.changed);
    let names: Vec<Vec<u8>> = cache.read().iter().map(|item| item.name().as_bytes().to_vec()).collect();
    assert_eq!(names, [b"docker".to_vec(), b"user.slice".to_vec()]);
    assert_eq!(told(&mut client, &paths), [known(paths[0]), later(paths[1]), later(paths[2]), known(paths[3])]);
    // It asks for the fourth, learns that the others may have changed, and asks for those.
    let looked = kept.look_up(paths).unwrap();
    assert_eq!(looked.asked(), 3);
    assert!(looked.iter().map(|item| item.to_owned()).eq(told(&mut client, &paths)));

    fs::remove_dir(tree.path().join("user.slice")).unwrap();
    assert!(cache.refresh().unwrap().generation > second.generation);
    assert_eq!(cache.read().message().map(|all| all.systemd_enabled()), Some(0));
}

#[test]
fn what_is_no_path_of_a_cgroup_will_never_be_known() {
    let tree = tree(&["a/b"]);
    let mut client = lookup(&HostCgroups::new(Cgroups::new(tree.path()), Duration::ZERO)).in_process();
    for path in [c"/", c"a/b", c"a", c"/..", c"//", c"/."] {
        assert_eq!(told(&mut client, &[path]), [unknown(path, CgroupStatus::UnknownPermanent)]);
    }
    for path in [c"/a/b/", c"/a//b", c"/b", c"/a/b/c", c"/\xff"] {
        assert_eq!(told(&mut client, &[path]), [unknown(path, CgroupStatus::UnknownRetryLater)]);
    }
    assert_eq!(told(&mut client, &[c"/a/b"]), [known(c"/a/b")]);
}

#[test]
fn nothing_is_read_again_before_its_time() {
    let tree = tree(&["a"]);
    let cgroups = HostCgroups::new(Cgroups::new(tree.path()), Duration::MAX);
    let cache = snapshot(&cgroups);
    let first = cache.refresh().unwrap();
    fs::create_dir(tree.path().join("b")).unwrap();
    let again = cache.refresh().unwrap();
    assert_eq!((again.generation, again.items, again.changed), (first.generation, first.items, false));
    let mut client = lookup(&cgroups).in_process();
    assert_eq!(told(&mut client, &[c"/b"]), [unknown(c"/b", CgroupStatus::UnknownRetryLater)]);
}

#[test]
fn a_host_without_cgroups_has_an_empty_snapshot() {
    let empty = Dir::new();
    for root in [empty.path().to_owned(), empty.path().join("none")] {
        let cgroups = HostCgroups::new(Cgroups::new(root), Duration::ZERO);
        let cache = snapshot(&cgroups);
        assert_eq!(cache.refresh().unwrap().items, 0);
        assert_eq!(cgroups.mounted(), Mounted::Nothing);
        let mut client = lookup(&cgroups).in_process();
        assert_eq!(told(&mut client, &[c"/a"]), [unknown(c"/a", CgroupStatus::UnknownRetryLater)]);
    }
    // One that has none but the root is told apart.
    let only_root = tree(&[]);
    let cgroups = HostCgroups::new(Cgroups::new(only_root.path()), Duration::ZERO);
    assert_eq!((cgroups.mounted(), snapshot(&cgroups).refresh().unwrap().items), (Mounted::V2, 0));
    fs::remove_file(only_root.path().join("cgroup.controllers")).unwrap();
    assert_eq!(cgroups.mounted(), Mounted::Nothing);
}

#[test]
fn thousands_of_cgroups_fit_a_snapshot_that_grows_and_a_lookup_within_a_kibibyte() {
    let names: Vec<String> = (0..2_500).map(|number| format!("unit-{number:04}{}.service", "x".repeat(40))).collect();
    let tree = tree(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let cgroups = HostCgroups::new(Cgroups::new(tree.path()), Duration::MAX);
    let server = CgroupsSnapshotServer::new(cgroups.clone()).max_response_payload(1024).response_ceiling(64 << 20);
    let config = CgroupsSnapshotClient::config().response_ceiling(64 << 20);
    let cache = CgroupsSnapshotCache::over(InProcess::new(server).connect(config).unwrap());
    assert_eq!(cache.refresh().unwrap().items, names.len());
    assert!(names.iter().all(|name| cache.read().get((hash_of(name.as_bytes()), name.as_bytes())).is_some()));

    let paths: Vec<CString> = names.iter().map(|name| CString::new(format!("/{name}")).unwrap()).collect();
    let server = InProcess::new(lookup(&cgroups).max_request_payload(1024).max_response_payload(1024));
    let config = CgroupsLookupClient::config().request_ceiling(1024).response_ceiling(1024);
    let mut client = server.connect(config).unwrap();
    let answer = client.lookup(&paths).unwrap();
    assert!(answer.parts() > 100 && answer.len() == paths.len());
    assert!(answer.iter().zip(&paths).all(|(item, path)| item.to_owned() == known(path)));
}
