mod crowd;
mod scarce;

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{Claim, ClaimError};
use crate::endpoint::Endpoint;
use crate::sys::ground::{RunDir, again, finish, told};
use crate::sys::{Accepted, Connected, Directory, FileId, Socket};
use crate::transport::{Abort, Deadline, LinkError};

type Claimed = Result<(Claim, Socket), ClaimError>;

const IN_USE: ClaimError = ClaimError::InUse { doubt: None };

fn endpoint(run_dir: &Path) -> Endpoint {
    Endpoint::new(run_dir, "lamp").unwrap()
}

fn take(endpoint: &Endpoint) -> Claimed {
    Claim::take(endpoint, 4, &Abort::new(), Deadline::NEVER)
}

/// The call that failed and its errno.
fn failed(claimed: Claimed) -> (&'static str, i32) {
    match claimed.unwrap_err() {
        ClaimError::Link(LinkError::System(error)) => (error.call(), error.errno()),
        other => panic!("{other:?}"),
    }
}

fn listen(path: &Path, backlog: u32) -> Socket {
    let socket = Socket::bind(path).unwrap();
    socket.listen(backlog).unwrap();
    socket
}

fn is_served(path: &Path) -> bool {
    Socket::connect(path).is_ok()
}

fn file_at(path: &Path) -> Option<FileId> {
    FileId::at(path).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Whatever has to stay open while a test runs.
type Kept = Vec<Box<dyn core::any::Any>>;

fn nothing(_: &Path) -> Kept {
    Vec::new()
}

fn dead_socket(path: &Path) -> Kept {
    drop(listen(path, 4));
    // A child that another test has just forked off holds it until it is the program that it will be.
    while is_served(path) {
        std::thread::yield_now();
    }
    Vec::new()
}

fn socket_that_never_listened(path: &Path) -> Kept {
    drop(Socket::bind(path).unwrap());
    Vec::new()
}

fn live_listener(path: &Path) -> Kept {
    vec![Box::new(listen(path, 4))]
}

fn full_listener(path: &Path) -> Kept {
    let mut kept: Kept = vec![Box::new(listen(path, 0))];
    while let Connected::Yes(socket) = Socket::connect(path).unwrap() {
        kept.push(Box::new(socket));
    }
    kept
}

fn stream_listener(path: &Path) -> Kept {
    vec![Box::new(UnixListener::bind(path).unwrap())]
}

fn shut_down_listener(path: &Path) -> Kept {
    let socket = listen(path, 4);
    socket.shut_down();
    vec![Box::new(socket)]
}

fn regular_file(path: &Path) -> Kept {
    fs::write(path, "kept").unwrap();
    Vec::new()
}

fn fifo(path: &Path) -> Kept {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    Vec::new()
}

fn empty_directory(path: &Path) -> Kept {
    fs::create_dir(path).unwrap();
    Vec::new()
}

fn full_directory(path: &Path) -> Kept {
    fs::create_dir(path).unwrap();
    regular_file(&path.join("inside"))
}

type Kind = (&'static str, fn(&Path) -> Kept);

const RECLAIMED: [Kind; 7] = [
    ("a dead socket", dead_socket),
    ("a socket that never listened", socket_that_never_listened),
    // Section 3 of docs/protocol.md: any failure but a lack of descriptors means dead or foreign.
    ("a listener for streams", stream_listener),
    ("a listener that was shut down", shut_down_listener),
    ("a file", regular_file),
    ("a fifo", fifo),
    ("nothing", nothing),
];
const SERVED: [Kind; 2] = [("a listener", live_listener), ("a listener without room", full_listener)];
const DIRECTORIES: [Kind; 2] = [("an empty directory", empty_directory), ("a full directory", full_directory)];

fn assert_claimed_and_given_back(endpoint: &Endpoint, what: &str) {
    let path = endpoint.socket_path();
    let (claim, socket) = take(endpoint).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(fs::symlink_metadata(path).unwrap().file_type().is_socket() && is_served(path), "{what}");
    assert!(matches!(socket.accept().unwrap(), Accepted::Yes(_)), "{what}");
    assert_eq!(mode(path), 0o600, "{what}");
    assert_eq!(take(endpoint).unwrap_err(), IN_USE, "{what}");
    drop(claim);
    assert_eq!(file_at(path), None, "{what}");
}

#[test]
fn a_path_is_had_where_nobody_serves() {
    for (what, make) in RECLAIMED {
        let room = RunDir::new();
        let endpoint = endpoint(room.path());
        let _kept = make(endpoint.socket_path());
        assert_claimed_and_given_back(&endpoint, what);
    }
}

#[test]
fn a_path_is_not_had_where_somebody_serves_with_room_for_more_or_not() {
    for (what, make) in SERVED {
        let room = RunDir::new();
        let endpoint = endpoint(room.path());
        let _kept = make(endpoint.socket_path());
        let file = file_at(endpoint.socket_path());
        assert_eq!(take(&endpoint).unwrap_err(), IN_USE, "{what}");
        assert!(file == file_at(endpoint.socket_path()) && is_served(endpoint.socket_path()), "{what}");
    }
}

#[test]
fn a_directory_at_the_path_is_left_alone() {
    for (what, make) in DIRECTORIES {
        let room = RunDir::new();
        let endpoint = endpoint(room.path());
        let _kept = make(endpoint.socket_path());
        assert_eq!(failed(take(&endpoint)), ("unlink", libc::EISDIR), "{what}");
        assert!(endpoint.socket_path().is_dir(), "{what}");
        assert_eq!(fs::read_dir(endpoint.socket_path()).unwrap().count(), usize::from(what == "a full directory"));
    }
}

#[test]
fn a_link_is_replaced_where_nobody_serves_at_its_end_and_its_end_is_left_alone() {
    for (what, make) in RECLAIMED.into_iter().chain(DIRECTORIES) {
        let (room, elsewhere) = (RunDir::new(), RunDir::new());
        let (endpoint, end) = (endpoint(room.path()), elsewhere.path().join("end"));
        let _kept = make(&end);
        let file = file_at(&end);
        symlink(&end, endpoint.socket_path()).unwrap();
        assert_claimed_and_given_back(&endpoint, what);
        assert_eq!(file_at(&end), file, "{what}");
    }
}

#[test]
fn a_link_to_somebody_who_serves_is_in_use() {
    for (what, make) in SERVED {
        let (room, elsewhere) = (RunDir::new(), RunDir::new());
        let (endpoint, end) = (endpoint(room.path()), elsewhere.path().join("end"));
        let _kept = make(&end);
        symlink(&end, endpoint.socket_path()).unwrap();
        let link = file_at(endpoint.socket_path());
        assert_eq!(take(&endpoint).unwrap_err(), IN_USE, "{what}");
        assert!(file_at(endpoint.socket_path()) == link && is_served(&end), "{what}");
    }
}

#[test]
fn a_link_to_itself_is_replaced() {
    let room = RunDir::new();
    let endpoint = endpoint(room.path());
    symlink(endpoint.socket_path(), endpoint.socket_path()).unwrap();
    assert_claimed_and_given_back(&endpoint, "a link to itself");
}

#[test]
fn the_longest_path_is_had_and_connected_to() {
    let room = RunDir::new();
    let name_len = 107 - room.path().as_os_str().len() - "/.sock".len();
    let endpoint = Endpoint::new(room.path(), &"n".repeat(name_len)).unwrap();
    assert_eq!(endpoint.socket_path().as_os_str().len(), 107);
    assert_claimed_and_given_back(&endpoint, "the longest path");
}

#[test]
fn a_run_directory_that_is_none_is_an_error_that_says_so() {
    let room = RunDir::new();
    let missing = room.path().join("missing");
    assert_eq!(failed(take(&endpoint(&missing))), ("open", libc::ENOENT));
    assert!(!missing.exists());
    fs::write(&missing, "").unwrap();
    assert_eq!(failed(take(&endpoint(&missing))), ("open", libc::ENOTDIR));
    symlink("nowhere", room.path().join("dangling")).unwrap();
    assert_eq!(failed(take(&endpoint(&room.path().join("dangling")))), ("open", libc::ENOENT));
}

#[test]
fn a_claim_leaves_the_file_that_somebody_else_has_put_in_the_place_of_its_own() {
    for (what, make) in RECLAIMED.into_iter().chain(SERVED).chain(DIRECTORIES) {
        let room = RunDir::new();
        let endpoint = endpoint(room.path());
        let (claim, _socket) = take(&endpoint).unwrap();
        fs::remove_file(endpoint.socket_path()).unwrap();
        let _kept = make(endpoint.socket_path());
        let file = file_at(endpoint.socket_path());
        drop(claim);
        assert_eq!(file_at(endpoint.socket_path()), file, "{what}");
    }
}

#[test]
fn who_was_shut_down_and_succeeded_leaves_the_file_of_its_successor() {
    let room = RunDir::new();
    let endpoint = endpoint(room.path());
    let (old, old_socket) = take(&endpoint).unwrap();
    old_socket.shut_down();
    let (new, _new_socket) = take(&endpoint).unwrap();
    drop((old, old_socket));
    assert!(is_served(endpoint.socket_path()));
    drop(new);
    assert_eq!(file_at(endpoint.socket_path()), None);
}

#[test]
fn other_files_of_the_directory_are_left_alone() {
    let room = RunDir::new();
    let others = ["lamp", "lamp.sock.old", "lamp-b.sock", "lamp.ipcshm"].map(|name| room.path().join(name));
    for other in &others {
        dead_socket(other);
    }
    assert_claimed_and_given_back(&endpoint(room.path()), "among others");
    assert_eq!(fs::read_dir(room.path()).unwrap().count(), others.len());
}

#[test]
fn who_waits_for_the_lock_gives_up_at_the_deadline() {
    let room = RunDir::new();
    let endpoint = endpoint(room.path());
    dead_socket(endpoint.socket_path());
    let file = file_at(endpoint.socket_path());
    let directory = Directory::open(room.path()).unwrap();
    assert_eq!(directory.try_lock(), Ok(true));
    for micros in [0, 1, 700, 5_000] {
        let deadline = Deadline::after(core::time::Duration::from_micros(micros));
        let claimed = Claim::take(&endpoint, 4, &Abort::new(), deadline);
        assert_eq!(claimed.unwrap_err(), ClaimError::Link(LinkError::TimedOut));
    }
    assert_eq!(file_at(endpoint.socket_path()), file);
    directory.unlock();
    assert!(Claim::take(&endpoint, 4, &Abort::new(), Deadline::after(core::time::Duration::ZERO)).is_ok());
}

#[test]
fn who_waits_for_the_lock_is_freed_by_an_abort() {
    let room = RunDir::new();
    let endpoint = endpoint(room.path());
    let directory = Directory::open(room.path()).unwrap();
    assert_eq!(directory.try_lock(), Ok(true));
    for _ in 0..50 {
        let abort = Abort::new();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| Claim::take(&endpoint, 4, &abort, Deadline::NEVER));
            abort.abort();
            assert_eq!(waiting.join().unwrap().unwrap_err(), ClaimError::Link(LinkError::Aborted));
        });
    }
    assert_eq!(file_at(endpoint.socket_path()), None);
}

#[test]
fn who_has_waited_for_the_lock_of_a_directory_that_was_replaced_takes_the_new_ones() {
    for _ in 0..50 {
        let room = RunDir::new();
        let run_dir = room.path().join("run");
        let endpoint = endpoint(&run_dir);
        fs::create_dir(&run_dir).unwrap();
        let directory = Directory::open(&run_dir).unwrap();
        assert_eq!(directory.try_lock(), Ok(true));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| take(&endpoint));
            std::thread::yield_now();
            fs::rename(&run_dir, room.path().join("moved")).unwrap();
            // In between there is none: whoever looks then is told so.
            let made_anew = fs::create_dir(&run_dir);
            directory.unlock();
            made_anew.unwrap();
            match waiting.join().unwrap() {
                Ok((claim, _socket)) => {
                    assert!(is_served(endpoint.socket_path()));
                    let lock = Directory::open(&run_dir).unwrap();
                    assert!(lock.try_lock().unwrap() && claim.directory.is_at(&run_dir).unwrap());
                }
                error @ Err(_) => assert_eq!(failed(error), ("open", libc::ENOENT)),
            }
        });
    }
}

#[test]
fn the_mode_is_0600_whatever_the_umask() {
    if let Some(run_dir) = told() {
        for umask in [0, 0o077, 0o177, 0o277, 0o777] {
            let before = rustix::process::umask(Mode::from_raw_mode(umask));
            assert_claimed_and_given_back(&endpoint(&run_dir), "umask");
            rustix::process::umask(before);
        }
        return;
    }
    let room = RunDir::new();
    finish(again(module_path!(), "the_mode_is_0600_whatever_the_umask", room.path()).spawn().unwrap());
}
