use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::io::{FdFlags, fcntl_getfd};

use super::{Directory, File, FileId, FileKind, raise_file_mode, unlink};
use crate::sys::ground::{RunDir, again, finish, told};
use crate::sys::{SystemError, WallTime};

#[test]
fn a_lock_is_one_holders_until_it_gives_it_back_or_closes_the_directory() {
    let room = RunDir::new();
    let (one, other) = (Directory::open(room.path()).unwrap(), Directory::open(room.path()).unwrap());
    assert_eq!((one.try_lock(), one.try_lock(), other.try_lock()), (Ok(true), Ok(true), Ok(false)));
    one.unlock();
    assert_eq!((other.try_lock(), one.try_lock()), (Ok(true), Ok(false)));
    drop(other);
    assert_eq!(one.try_lock(), Ok(true));
}

#[test]
fn a_directory_knows_when_another_stands_in_its_place() {
    let room = RunDir::new();
    let (path, elsewhere) = (room.path().join("run"), room.path().join("elsewhere"));
    fs::create_dir(&path).unwrap();
    let directory = Directory::open(&path).unwrap();
    assert_eq!(directory.is_at(&path), Ok(true));
    fs::rename(&path, &elsewhere).unwrap();
    assert_eq!((directory.is_at(&path), directory.is_at(&elsewhere)), (Ok(false), Ok(true)));
    fs::create_dir(&path).unwrap();
    assert_eq!(directory.is_at(&path), Ok(false));
    fs::remove_dir(&path).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert_eq!(directory.is_at(&path), Ok(true));
}

#[test]
fn a_file_gets_its_mode_and_keeps_its_identity_and_a_link_is_not_followed() {
    let room = RunDir::new();
    let (file, link) = (room.path().join("file"), room.path().join("link"));
    fs::write(&file, "").unwrap();
    for mode in [0o600, 0o000, 0o777, 0o400, 0o4600] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(Some(raise_file_mode(&file).unwrap()), FileId::at(&file).unwrap(), "{mode:o}");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600, "{mode:o}");
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&file, &link).unwrap();
    // A link has no mode of its own that could be changed.
    assert_eq!(raise_file_mode(&link).unwrap_err().errno(), libc::EOPNOTSUPP);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_ne!(FileId::at(&link).unwrap(), FileId::at(&file).unwrap());
}

#[test]
fn what_is_not_there_is_nothing_and_need_not_be_removed() {
    let room = RunDir::new();
    let path = room.path().join("nothing");
    assert_eq!((FileId::at(&path), unlink(&path)), (Ok(None), Ok(())));
    let error = raise_file_mode(&path).unwrap_err();
    assert_eq!((error.call(), error.errno()), ("lstat", libc::ENOENT));
}

fn failed<T>(result: Result<T, SystemError>) -> Option<(&'static str, i32)> {
    result.err().map(|error| (error.call(), error.errno()))
}

#[test]
fn a_new_file_is_nowhere_where_something_stands_already() {
    let room = RunDir::new();
    let taken = ["file", "directory", "dangling"].map(|name| room.path().join(name));
    fs::write(&taken[0], "kept").unwrap();
    fs::create_dir(&taken[1]).unwrap();
    symlink(room.path().join("nothing"), &taken[2]).unwrap();
    for path in &taken {
        assert_eq!(failed(File::create(path)), Some(("open", libc::EEXIST)), "{}", path.display());
    }
    assert_eq!(fs::read(&taken[0]).unwrap(), b"kept");
    assert!(!room.path().join("nothing").exists());
}

#[test]
fn a_new_file_is_its_owners_alone_whatever_the_umask() {
    if let Some(path) = told() {
        for umask in [0, 0o022, 0o177, 0o277, 0o777] {
            rustix::process::umask(Mode::from_raw_mode(umask));
            let file = File::create(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600, "{umask:o}");
            file.allocate(64).unwrap();
            unlink(&path).unwrap();
        }
        return;
    }
    let room = RunDir::new();
    let name = "a_new_file_is_its_owners_alone_whatever_the_umask";
    finish(again(module_path!(), name, room.path().join("file")).spawn().unwrap());
}

#[test]
fn a_file_has_all_its_room_from_the_start() {
    let room = RunDir::new();
    let path = room.path().join("file");
    let before = WallTime::now();
    let file = File::create(&path).unwrap();
    file.allocate(1 << 20).unwrap();
    let metadata = fs::metadata(&path).unwrap();
    assert!(metadata.blocks() * 512 >= 1 << 20, "{}", metadata.blocks());
    let facts = file.facts().unwrap();
    assert_eq!((facts.len, facts.kind, Some(facts.id)), (1 << 20, FileKind::Regular, FileId::at(&path).unwrap()));
    // File systems keep the time of the last tick.
    let tick = core::time::Duration::from_millis(100);
    assert!(facts.modified >= before.earlier(tick) && facts.modified <= WallTime::now());
    assert_eq!(failed(file.allocate(0)), Some(("fallocate", libc::EINVAL)));
    assert_eq!(failed(File::look(&path).unwrap().allocate(64)), Some(("fallocate", libc::EBADF)));
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that does not take place should say so")]
fn a_file_system_without_room_or_without_the_means_says_so() {
    if let Some(room) = told() {
        let full = File::create(&room.join("tmpfs/file")).unwrap();
        assert_eq!(failed(full.allocate(65_537)), Some(("fallocate", libc::ENOSPC)));
        full.allocate(65_536).unwrap();
        let file = File::create(&room.join("ramfs/file")).unwrap();
        assert_eq!(failed(file.allocate(64)), Some(("fallocate", libc::EOPNOTSUPP)));
        return;
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT TESTED: only root can mount file systems");
        return;
    }
    const MOUNT: &str = r#"cd "$1" && mkdir tmpfs ramfs && mount -t tmpfs -o size=64k none tmpfs &&
        mount -t ramfs none ramfs && cd / && shift && exec "$@""#;
    let room = RunDir::new();
    let command = again(module_path!(), "a_file_system_without_room_or_without_the_means_says_so", room.path());
    // In a namespace of its own, so that they are unmounted when it ends, however it ends.
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "--", "sh", "-c", MOUNT, "sh"]).arg(room.path());
    inside.arg(fs::read_link("/proc/self/exe").unwrap()).args(command.get_args());
    inside.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    finish(inside.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
}

#[test]
fn nothing_but_a_file_is_opened_to_be_mapped_and_nobody_waits_for_a_fifo() {
    let room = RunDir::new();
    let at = |name: &str| room.path().join(name);
    fs::write(at("file"), "kept").unwrap();
    fs::create_dir(at("directory")).unwrap();
    symlink(at("file"), at("link")).unwrap();
    mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let _listener = UnixListener::bind(at("socket")).unwrap();
    for (name, error, kind) in [
        ("file", None, Some(FileKind::Regular)),
        ("directory", Some(("open", libc::EISDIR)), Some(FileKind::Directory)),
        ("link", Some(("open", libc::ELOOP)), Some(FileKind::Other)),
        ("fifo", Some(("mmap", libc::ENODEV)), Some(FileKind::Other)),
        ("socket", Some(("open", libc::ENXIO)), Some(FileKind::Other)),
        ("nothing", Some(("open", libc::ENOENT)), None),
    ] {
        assert_eq!(failed(File::open(&at(name))), error, "{name}");
        let held = File::hold(&at(name)).ok();
        assert_eq!(held.as_ref().map(|held| held.facts().unwrap().kind), kind, "{name}");
        assert_eq!(held.map(|held| held.facts().unwrap().id), FileId::at(&at(name)).unwrap(), "{name}");
    }
    assert_eq!(failed(File::open("/dev/null".as_ref())), Some(("mmap", libc::ENODEV)));
    File::look(&at("fifo")).unwrap();
}

#[test]
fn every_descriptor_of_a_file_is_closed_on_exec() {
    let room = RunDir::new();
    let path = room.path().join("file");
    for open in [File::create, File::open, File::look, File::hold] {
        assert_eq!(fcntl_getfd(open(&path).unwrap()), Ok(FdFlags::CLOEXEC));
    }
}

#[test]
fn as_much_of_the_start_is_read_as_there_is() {
    let room = RunDir::new();
    let path = room.path().join("file");
    for len in [0, 1, 63, 64, 65, 10_000] {
        let content: Vec<_> = (1..=u8::MAX).cycle().take(len).collect();
        fs::write(&path, &content).unwrap();
        let (file, mut bytes) = (File::look(&path).unwrap(), [0; 64]);
        // Whatever has been read before.
        for _ in 0..2 {
            assert_eq!(file.read_start(&mut bytes), Ok(len.min(64)));
            assert_eq!(bytes[..len.min(64)], content[..len.min(64)]);
        }
    }
    assert_eq!(failed(File::look(room.path()).unwrap().read_start(&mut [0; 1])), Some(("pread", libc::EISDIR)));
    assert_eq!(failed(File::hold(&path).unwrap().read_start(&mut [0; 1])), Some(("pread", libc::EBADF)));
}

#[test]
fn the_names_of_a_directory_are_listed_as_often_as_one_likes_also_those_that_are_no_text() {
    use std::os::unix::ffi::OsStrExt;

    let room = RunDir::new();
    let directory = Directory::open(room.path()).unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"odd-\xff");
    for number in 0..300 {
        fs::write(room.path().join(format!("file-{number}")), "").unwrap();
    }
    fs::write(room.path().join(odd), "").unwrap();
    for _ in 0..2 {
        let names = directory.names(|name| name.as_bytes().starts_with(b"file-")).unwrap();
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), 300);
        assert_eq!(directory.names(|name| name == odd).unwrap(), [odd]);
    }
    fs::remove_dir_all(room.path()).unwrap();
    fs::create_dir(room.path()).unwrap();
    fs::write(room.path().join("file-0"), "").unwrap();
    // The one that is open is another, which is gone.
    assert!(directory.names(|name| name.as_bytes().starts_with(b"file-")).unwrap().is_empty());
}
