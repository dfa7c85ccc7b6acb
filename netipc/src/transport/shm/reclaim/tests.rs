use core::time::Duration;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::super::header::{Header, Owner};
use super::{is_stale, reclaim, reclaim_one, remove};
use crate::endpoint::Endpoint;
use crate::sys::FileId;
use crate::sys::ground::{Cat, RunDir, again, descriptors, finish, told};

const ID: u64 = 0x0123_4567_89ab_cdef;

fn endpoint(run_dir: &Path) -> Endpoint {
    Endpoint::new(run_dir, "lamp").unwrap()
}

/// As the file system has it for whoever wrote to it an hour ago.
fn make_old(path: &Path) {
    let hour_ago = SystemTime::now() - Duration::from_secs(3_600);
    // The file may be one that must not be waited for.
    File::options().write(true).open(path).unwrap().set_modified(hour_ago).unwrap();
}

fn region_of(owner: Owner) -> Vec<u8> {
    let header = Header::new(owner, 100, 200).unwrap();
    let mut bytes = header.encode().to_vec();
    bytes.resize(header.region_len(), 0xee);
    bytes
}

fn region(path: &Path, owner: Owner) {
    fs::write(path, region_of(owner)).unwrap();
}

/// The id of a process that has ended, of which the system has been told.
fn dead_pid() -> i32 {
    Cat::new().pid()
}

fn this_process(change: impl FnOnce(&mut Owner)) -> Owner {
    let mut owner = Owner::this_process();
    change(&mut owner);
    owner
}

/// Whatever has to stay open while a test runs.
type Kept = Option<Box<dyn core::any::Any>>;
type Kind = (&'static str, fn(&Path) -> Kept);

fn write(path: &Path, bytes: &[u8], is_old: bool) -> Kept {
    fs::write(path, bytes).unwrap();
    if is_old {
        make_old(path);
    }
    None
}

/// A region of this process with one word changed.
fn spoilt(at: usize, word: u32) -> Vec<u8> {
    let mut bytes = region_of(Owner::this_process());
    bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
    bytes
}

const STALE: [Kind; 20] = [
    ("of a dead process", |path| write(path, &region_of(Owner { pid: dead_pid(), generation: 7 }), false)),
    ("of a dead process, old", |path| write(path, &region_of(Owner { pid: dead_pid(), generation: 7 }), true)),
    ("of nobody", |path| write(path, &region_of(Owner { pid: 0, generation: 7 }), false)),
    ("of a process group", |path| write(path, &region_of(Owner { pid: -1, generation: 7 }), false)),
    ("of no generation", |path| write(path, &region_of(this_process(|owner| owner.generation = 0)), false)),
    ("of who had our id before us", |path| {
        write(path, &region_of(this_process(|owner| owner.generation ^= 0x55)), false);
        // This process may have run for longer than an hour.
        File::options().write(true).open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        None
    }),
    ("text", |path| {
        write(path, "no region at all, but text that is longer than a header has to be.\n".as_bytes(), false)
    }),
    ("another magic", |path| write(path, &spoilt(0, 0x4d48_534e), false)),
    ("another version", |path| write(path, &spoilt(4, 0x0040_0004), false)),
    ("an area in the header", |path| write(path, &spoilt(16, 0), false)),
    ("areas on top of each other", |path| write(path, &spoilt(24, 64), false)),
    ("empty, old", |path| write(path, b"", true)),
    ("no magic, old", |path| write(path, &[0; 4096], true)),
    ("short, old", |path| write(path, &region_of(Owner::this_process())[..63], true)),
    ("header alone, old", |path| write(path, &region_of(Owner::this_process())[..64], true)),
    ("a byte too short, old", |path| {
        let bytes = region_of(Owner::this_process());
        write(path, &bytes[..bytes.len() - 1], true)
    }),
    ("a fifo", |path| {
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        None
    }),
    ("a socket", |path| Some(Box::new(UnixListener::bind(path).unwrap()))),
    ("a link to nothing", |path| {
        symlink("nothing", path).unwrap();
        None
    }),
    ("a link to itself", |path| {
        symlink(path, path).unwrap();
        None
    }),
];

const LIVING: [Kind; 11] = [
    ("of this process", |path| write(path, &region_of(Owner::this_process()), false)),
    ("of this process, old", |path| write(path, &region_of(Owner::this_process()), true)),
    ("of this process, by another's reckoning", |path| {
        write(path, &region_of(this_process(|owner| owner.generation ^= 0x55)), false)
    }),
    ("of another process, by another's reckoning", |path| {
        let cat = Cat::new();
        region(path, Owner { pid: cat.pid(), generation: 7 });
        Some(Box::new(cat))
    }),
    ("of the first process", |path| write(path, &region_of(Owner { pid: 1, generation: 7 }), false)),
    ("empty", |path| write(path, b"", false)),
    ("no magic", |path| write(path, &[0; 4096], false)),
    ("short", |path| write(path, &region_of(Owner::this_process())[..63], false)),
    ("header alone", |path| write(path, &region_of(Owner { pid: dead_pid(), generation: 7 })[..64], false)),
    ("an empty directory", |path| {
        fs::create_dir(path).unwrap();
        None
    }),
    ("a full directory", |path| {
        fs::create_dir(path).unwrap();
        write(&path.join("inside"), b"kept", true)
    }),
];

fn names(run_dir: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> = fs::read_dir(run_dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

#[test]
fn what_nobody_living_can_have_made_goes() {
    for (what, make) in STALE {
        let room = RunDir::new();
        let endpoint = endpoint(room.path());
        let path = endpoint.region_path(ID);
        let _kept = make(&path);
        reclaim(&endpoint);
        assert!(fs::symlink_metadata(&path).is_err(), "{what}");
        let _kept = make(&path);
        assert!(reclaim_one(&path) && fs::symlink_metadata(&path).is_err(), "{what}");
    }
}

#[test]
fn what_somebody_living_may_have_made_stays_and_so_do_directories() {
    for (what, make) in LIVING {
        let room = RunDir::new();
        let endpoint = endpoint(room.path());
        let path = endpoint.region_path(ID);
        let _kept = make(&path);
        let content = fs::read(&path).ok();
        reclaim(&endpoint);
        assert!(fs::symlink_metadata(&path).is_ok(), "{what}");
        assert!(!reclaim_one(&path) && fs::symlink_metadata(&path).is_ok(), "{what}");
        assert_eq!(fs::read(&path).ok(), content, "{what}");
    }
}

#[test]
fn the_end_of_a_link_is_neither_looked_at_nor_touched() {
    let (room, elsewhere) = (RunDir::new(), RunDir::new());
    let endpoint = endpoint(room.path());
    let path = endpoint.region_path(ID);
    for (what, make) in STALE.into_iter().chain(LIVING) {
        let end = elsewhere.path().join("valuable");
        let _kept = make(&end);
        symlink(&end, &path).unwrap();
        reclaim(&endpoint);
        assert!(fs::symlink_metadata(&path).is_err() && fs::symlink_metadata(&end).is_ok(), "{what}");
        fs::remove_file(&end).or_else(|_| fs::remove_dir_all(&end)).unwrap();
    }
}

#[test]
fn everything_of_this_service_is_seen_to_and_nothing_of_another_or_of_nearly_the_same_name() {
    let room = RunDir::new();
    let dead = region_of(Owner { pid: dead_pid(), generation: 7 });
    let endpoint = endpoint(room.path());
    for id in 0..200 {
        fs::write(endpoint.region_path(id), &dead).unwrap();
    }
    region(&endpoint.region_path(77), Owner::this_process());
    let mut kept = vec![endpoint.region_path(77).file_name().unwrap().to_owned()];
    for name in [
        "lamp-b-0123456789abcdef.ipcshm",
        "lamp-0123456789abcdef-0123456789abcdef.ipcshm",
        "lam-0123456789abcdef.ipcshm",
        "lamp-0123456789ABCDEF.ipcshm",
        "lamp-0123456789abcde.ipcshm",
        "lamp-00123456789abcdef.ipcshm",
        "lamp-0123456789abcdef.ipcshm.old",
        "lamp-.ipcshm",
        "lamp.ipcshm",
        "lamp.sock",
        "lamp",
    ] {
        fs::write(room.path().join(name), &dead).unwrap();
        kept.push(name.into());
    }
    kept.sort();
    reclaim(&endpoint);
    assert_eq!(names(room.path()), kept);
    // The services that they do belong to find them.
    for service in ["lamp-b", "lamp-0123456789abcdef"] {
        let other = Endpoint::new(room.path(), service).unwrap();
        assert!(other.region_path(ID).exists(), "{service}");
        reclaim(&other);
        assert!(!other.region_path(ID).exists(), "{service}");
    }
    assert_eq!(names(room.path()).len(), kept.len() - 2);
}

#[test]
fn a_name_that_nothing_stands_at_is_free_and_a_run_directory_that_is_none_holds_nothing() {
    let room = RunDir::new();
    assert!(reclaim_one(&room.path().join("nothing")));
    assert!(reclaim_one(&room.path().join("no/directory")));
    reclaim(&endpoint(&room.path().join("missing")));
    assert_eq!(names(room.path()).len(), 0);
}

#[test]
fn a_file_that_was_put_in_the_place_of_the_one_that_was_looked_at_stays() {
    let room = RunDir::new();
    let (path, other) = (room.path().join("file"), room.path().join("other"));
    let dead = Owner { pid: dead_pid(), generation: 7 };
    region(&path, dead);
    region(&other, dead);
    let held = crate::sys::File::hold(&path).unwrap().facts().unwrap();
    assert_eq!(is_stale(&path, &held), Ok(true));
    let kept = File::open(&path).unwrap();
    fs::rename(&other, &path).unwrap();
    assert_eq!((is_stale(&path, &held), remove(&path, held.id)), (Ok(false), Ok(false)));
    let there = FileId::at(&path).unwrap().unwrap();
    assert_ne!(there, held.id);
    assert_eq!((remove(&path, there), path.exists()), (Ok(true), false));
    // Who was to be removed is gone already.
    assert_eq!(remove(&path, held.id), Ok(true));
    drop(kept);
}

/// Does `what` while this process can open `free` more descriptors.
fn with_descriptors_left(free: usize, what: impl FnOnce()) {
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), maximum: before.maximum }).unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        taken.push(file);
    }
    taken.truncate(taken.len() - free);
    what();
    drop(taken);
    setrlimit(Resource::Nofile, before).unwrap();
}

#[test]
fn without_descriptors_nothing_is_removed_that_was_not_looked_at() {
    if let Some(run_dir) = told() {
        let endpoint = endpoint(&run_dir);
        for ((what, make), id) in STALE.into_iter().zip(1..) {
            // A socket that listens, or what it takes to make a dead one, is not what is to be scarce.
            drop(make(&endpoint.region_path(id)));
            assert!(fs::symlink_metadata(endpoint.region_path(id)).is_ok(), "{what}");
        }
        region(&endpoint.region_path(0), Owner::this_process());
        let before = (names(&run_dir), descriptors());
        // One for the directory, one to list it.
        for free in [0, 1] {
            with_descriptors_left(free, || reclaim(&endpoint));
            assert_eq!((names(&run_dir), descriptors()), before);
        }
        // One to hold a file, one to read it.
        for free in [0, 1] {
            with_descriptors_left(free, || {
                let is_free = |id| reclaim_one(&endpoint.region_path(id));
                assert!((0..=16).all(|id| !is_free(id)), "{free}");
            });
            assert_eq!((names(&run_dir), descriptors()), before);
        }
        // One for /proc.
        let reused = endpoint.region_path(6);
        with_descriptors_left(2, || reclaim(&endpoint));
        assert!(reused.exists());
        assert_eq!((names(&run_dir).len(), descriptors()), (2, before.1));
        with_descriptors_left(3, || reclaim(&endpoint));
        assert_eq!((names(&run_dir).len(), descriptors()), (1, before.1));
        assert!(endpoint.region_path(0).exists());
        return;
    }
    let room = RunDir::new();
    let name = "without_descriptors_nothing_is_removed_that_was_not_looked_at";
    finish(again(module_path!(), name, room.path()).spawn().unwrap());
}

#[test]
fn what_may_not_be_removed_or_read_is_in_the_way_and_stays() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    if let Some(run_dir) = told() {
        let endpoint = endpoint(&run_dir);
        reclaim(&endpoint);
        assert!(!reclaim_one(&endpoint.region_path(1)) && !reclaim_one(&endpoint.region_path(2)));
        assert_eq!(names(&run_dir).len(), 2);
        return;
    }
    let room = RunDir::new();
    let endpoint = endpoint(room.path());
    // One that could be read but not removed, and one that can't even be read.
    for (id, mode) in [(1, 0o644), (2, 0o000)] {
        region(&endpoint.region_path(id), Owner { pid: dead_pid(), generation: 7 });
        fs::set_permissions(endpoint.region_path(id), fs::Permissions::from_mode(mode)).unwrap();
    }
    let mut command = again(module_path!(), "what_may_not_be_removed_or_read_is_in_the_way_and_stays", room.path());
    if rustix::process::geteuid().is_root() {
        // Nothing is refused to root.
        command.uid(65534).gid(65534);
    }
    fs::set_permissions(room.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let child = command.spawn();
    finish(child.unwrap());
    fs::set_permissions(room.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(reclaim_one(&endpoint.region_path(1)));
}
