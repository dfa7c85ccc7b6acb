//! Claims without descriptors, and without permission.

use std::fs::{File, Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

use super::ClaimError;
use super::{Claimed, IN_USE, dead_socket, endpoint, failed, file_at, is_served, listen, mode, take};
use crate::endpoint::Endpoint;
use crate::sys::ground::{RunDir, again, descriptors, finish, told};
use crate::sys::{Accepted, Connected, Socket};
use crate::transport::{Abort, Deadline, LinkError, Listening, Wait, connect};

/// Does `what` while this process can open `free` more descriptors.
fn with_descriptors_left<T>(free: usize, what: impl FnOnce() -> T) -> T {
    const MANY: u64 = 64;
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(MANY), maximum: before.maximum }).unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    taken.truncate(taken.len() - free);
    let done = what();
    drop(taken);
    setrlimit(Resource::Nofile, before).unwrap();
    done
}

fn claim_with(free: usize, endpoint: &Endpoint) -> Claimed {
    with_descriptors_left(free, || take(endpoint))
}

fn doubt(claimed: Claimed) -> (&'static str, i32) {
    match claimed.unwrap_err() {
        ClaimError::InUse { doubt: Some(error) } => (error.call(), error.errno()),
        other => panic!("{other:?}"),
    }
}

fn claim_dead_path(endpoint: &Endpoint) {
    let path = endpoint.socket_path();
    dead_socket(path);
    let dead = file_at(path);
    assert_eq!(doubt(claim_with(0, endpoint)), ("open", libc::EMFILE));
    assert_eq!(doubt(claim_with(1, endpoint)), ("socket", libc::EMFILE));
    assert_eq!(file_at(path), dead);
    let (claim, _socket) = claim_with(2, endpoint).unwrap();
    assert!(is_served(path));
    // Giving it back takes none.
    with_descriptors_left(0, || drop(claim));
    assert_eq!(file_at(path), None);
}

fn claim_dead_path_with_odd_umask(endpoint: &Endpoint) {
    let path = endpoint.socket_path();
    dead_socket(path);
    let before = umask(Mode::RWXU | Mode::RWXG | Mode::RWXO);
    assert_eq!(failed(claim_with(2, endpoint)), ("open", libc::EMFILE));
    assert_eq!(file_at(path), None);
    let (_claim, _socket) = claim_with(3, endpoint).unwrap();
    assert_eq!(mode(path), 0o600);
    umask(before);
}

fn claim_living_path(endpoint: &Endpoint) {
    let path = endpoint.socket_path();
    let listener = listen(path, 4);
    let living = file_at(path);
    assert_eq!(doubt(claim_with(0, endpoint)), ("open", libc::EMFILE));
    assert_eq!(doubt(claim_with(1, endpoint)), ("socket", libc::EMFILE));
    assert!(matches!(listener.accept().unwrap(), Accepted::Nobody));
    assert_eq!(claim_with(2, endpoint).unwrap_err(), IN_USE);
    assert!(file_at(path) == living && is_served(path));
    drop(listener);
    std::fs::remove_file(path).unwrap();
}

fn connect_and_accept(endpoint: &Endpoint) {
    let (claim, socket) = take(endpoint).unwrap();
    let abort = Abort::new();
    let listening = Listening::new(socket, &abort);
    let no_link = with_descriptors_left(0, || connect(endpoint, Wait::Block, &abort, Deadline::NEVER));
    let Err(LinkError::System(error)) = no_link else { panic!("{no_link:?}") };
    assert_eq!((error.call(), error.errno()), ("socket", libc::EMFILE));
    assert!(listening.accept().unwrap().is_none());

    let Connected::Yes(client) = Socket::connect(endpoint.socket_path()).unwrap() else { panic!("there is room") };
    for _ in 0..3 {
        let Err(LinkError::System(error)) = with_descriptors_left(0, || listening.accept()) else {
            panic!("none left")
        };
        assert_eq!((error.call(), error.errno()), ("accept", libc::EMFILE));
        assert!(error.is_out_of_descriptors());
    }
    // The client has waited.
    let accepted = listening.accept().unwrap().unwrap();
    assert!(!client.is_hung_up());
    drop(accepted);
    assert!(client.is_hung_up());
    drop(claim);
}

#[test]
fn without_descriptors_nothing_that_lives_is_removed_and_no_descriptor_is_lost() {
    if let Some(run_dir) = told() {
        let before = descriptors();
        for step in [claim_dead_path, claim_dead_path_with_odd_umask, claim_living_path, connect_and_accept] {
            step(&endpoint(&run_dir));
            assert_eq!(descriptors(), before);
            assert_eq!(std::fs::read_dir(&run_dir).unwrap().count(), 0);
        }
        return;
    }
    let room = RunDir::new();
    let name = "without_descriptors_nothing_that_lives_is_removed_and_no_descriptor_is_lost";
    finish(again(module_path!(), name, room.path()).spawn().unwrap());
}

#[test]
fn without_permission_the_call_that_was_refused_is_named() {
    if let Some(run_dir) = told() {
        let endpoint = endpoint(&run_dir);
        let expected = match (mode(&run_dir), file_at(endpoint.socket_path()).is_some()) {
            (0o555, true) => ("unlink", libc::EACCES),
            (0o555, false) => ("bind", libc::EACCES),
            other => panic!("{other:?}"),
        };
        assert_eq!(failed(take(&endpoint)), expected);
        return;
    }
    let room = RunDir::new();
    let endpoint = endpoint(room.path());
    let refused = || {
        let name = "without_permission_the_call_that_was_refused_is_named";
        let mut command = again(module_path!(), name, room.path());
        if rustix::process::geteuid().is_root() {
            // Nothing is refused to root.
            command.uid(65534).gid(65534);
        }
        set_permissions(room.path(), Permissions::from_mode(0o555)).unwrap();
        let child = command.spawn();
        finish(child.unwrap());
        set_permissions(room.path(), Permissions::from_mode(0o755)).unwrap();
    };
    refused();
    dead_socket(endpoint.socket_path());
    let dead = file_at(endpoint.socket_path());
    refused();
    assert_eq!(file_at(endpoint.socket_path()), dead);
}
