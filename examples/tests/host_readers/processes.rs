//! Which processes there are, and what is known of one.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::{CommandExt, parent_id};
use std::path::Path;
use std::process::{Child, Command, Stdio, id};
use std::sync::mpsc::channel;
use std::thread;

use netipc_examples::host::cgroups::{Cgroups, Mounted};
use netipc_examples::host::processes::{Process, Processes};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

use crate::trees::{Over, Tree};

const V2: Mounted = Mounted::V2;
const STATUS: &str = "Name:\tcat\nTgid:\t7\nUid:\t1\t1000\t1\t1\n";

fn stat(pid: u32, comm: &str, starttime: u64) -> String {
    format!("{pid} ({comm}) S 1 1 1 0 -1 4194560 0 0 0 0 1 2 0 0 20 0 1 0 {starttime} 3133440 393 0\n")
}

/// A tree with one process, 7.
fn seven() -> Tree {
    let tree = Tree::new();
    tree.file("7/stat", stat(7, "cat", 500)).file("7/status", STATUS).file("7/cgroup", "0::/a.slice\n");
    tree
}

const SEVEN: Process<'static> =
    Process { pid: 7, comm: b"cat", ppid: 1, uid: 1000, starttime: 500, cgroup: Some(b"/a.slice") };

#[test]
fn a_process_is_what_its_files_say() {
    let tree = seven();
    let mut processes = Processes::new(tree.path());
    assert_eq!(processes.find(7, V2), Some(SEVEN));
    assert_eq!(processes.find(7, Mounted::V1), Some(Process { cgroup: None, ..SEVEN }));
    assert_eq!(processes.find(8, V2), None);
    assert_eq!(processes.find(u32::MAX, V2), None);
    assert_eq!(processes.find(0, V2), None);
}

#[test]
fn without_one_of_its_files_there_is_no_process() {
    for (file, texts) in
        [("7/stat", &["", "7 (cat) S 1", "no numbers\n"][..]), ("7/status", &["", "Name:\tcat\n", "Uid:\t1\n"])]
    {
        for text in texts {
            let tree = seven();
            tree.file(file, text);
            assert_eq!(Processes::new(tree.path()).find(7, V2), None, "{file} {text:?}");
        }
        let tree = seven();
        tree.remove(file);
        assert_eq!(Processes::new(tree.path()).find(7, V2), None, "{file}");
        tree.dir(file);
        assert_eq!(Processes::new(tree.path()).find(7, V2), None, "{file}");
    }
}

#[test]
fn a_process_without_cgroup_is_known_all_the_same() {
    let tree = seven();
    let mut processes = Processes::new(tree.path());
    for text in ["", "0::\n", "0::relative\n"] {
        tree.file("7/cgroup", text);
        assert_eq!(processes.find(7, V2), Some(Process { cgroup: None, ..SEVEN }), "{text:?}");
    }
    tree.remove("7/cgroup");
    assert_eq!(processes.find(7, V2), Some(Process { cgroup: None, ..SEVEN }));
}

#[test]
fn a_number_that_belongs_to_another_process_or_to_a_thread_is_none() {
    let tree = seven();
    let without_tgid = STATUS.replace("Tgid:\t7\n", "");
    tree.file("8/stat", stat(7, "cat", 500)).file("8/status", &without_tgid);
    tree.file("9/stat", stat(9, "cat", 500)).file("9/status", STATUS);
    let mut processes = Processes::new(tree.path());
    assert_eq!(processes.find(8, V2), None);
    assert_eq!(processes.find(9, V2), None);
    tree.file("9/status", without_tgid);
    assert_eq!(processes.find(9, V2).map(|process| process.pid), Some(9));
}

#[test]
fn long_files_are_read_whole_and_endless_ones_not_at_all() {
    let tree = seven();
    let mut processes = Processes::new(tree.path());
    // Exactly as long as the memory that they are read into at first, and around it.
    for len in [(16 << 10) - 1, 16 << 10, (16 << 10) + 1, 300 << 10] {
        let first = format!("4:memory:/{}\n", "m".repeat(len - 23));
        tree.file("7/cgroup", first + "0::/a.slice\n");
        assert_eq!(fs::metadata(tree.at("7/cgroup")).unwrap().len(), len as u64);
        assert_eq!(processes.find(7, V2), Some(SEVEN), "{len}");
    }
    tree.file("7/cgroup", "0::/a.slice\n".repeat(100_000));
    assert_eq!(processes.find(7, V2), Some(Process { cgroup: None, ..SEVEN }));
    tree.file("7/status", format!("Groups:\t{}\n{STATUS}", "65536 ".repeat(65_536)));
    assert_eq!(processes.find(7, V2).map(|process| process.uid), Some(1000));
    tree.link("8", "/dev").remove("7/status").link("7/status", "/dev/zero");
    assert_eq!(processes.find(7, V2), None);
    assert_eq!(processes.find(8, V2), None);
}

/// What is found of 7 if `meanwhile` is done after its `stat` was read, and before its `status` is.
fn found_with(meanwhile: impl FnOnce(&Tree) -> &Tree + Send) -> Option<Vec<u8>> {
    let tree = seven();
    tree.remove("7/status");
    mknodat(CWD, tree.at("7/status"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let (found, _) = thread::scope(|scope| {
        let tree = &tree;
        scope.spawn(move || {
            // To open it takes until the reader opens it as well.
            let mut status = OpenOptions::new().write(true).open(tree.at("7/status")).unwrap();
            meanwhile(tree);
            status.write_all(STATUS.as_bytes()).unwrap();
        });
        let found = Processes::new(tree.path()).find(7, V2).map(|process| process.comm.to_vec());
        // Should the reader not have come as far as that, the other thread must not wait for it.
        let reader = rustix::fs::open(tree.at("7/status"), OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty());
        (found, reader)
    });
    found
}

#[test]
fn a_number_that_changes_hands_meanwhile_tells_of_neither_process() {
    assert_eq!(found_with(|tree| tree), Some(b"cat".to_vec()));
    assert_eq!(found_with(|tree| tree.file("7/stat", stat(7, "cat", 501))), None);
    assert_eq!(found_with(|tree| tree.file("7/stat", "7 (cat) S 1")), None);
    assert_eq!(found_with(|tree| tree.remove("7/stat")), None);
    // A process may be called otherwise from one moment to the next.
    assert_eq!(found_with(|tree| tree.file("7/stat", stat(7, "dog", 500))), Some(b"dog".to_vec()));
    // Another directory by the same name is another process, even if it started at the same time.
    let found = found_with(|tree| {
        fs::rename(tree.at("7"), tree.at("gone")).unwrap();
        tree.file("7/stat", stat(7, "dog", 500)).file("7/status", STATUS)
    });
    assert_eq!(found, Some(b"cat".to_vec()));
}

#[test]
fn processes_are_listed_in_order_and_nothing_else_is() {
    let tree = Tree::new();
    for name in ["10", "9", "1", "4294967295", "4294967296", "-1", "1x", "self", "fs", "+2", " 3"] {
        tree.dir(name);
    }
    tree.file("5", "").link("6", "1");
    let mut pids = vec![77];
    Processes::new(tree.path()).list(&mut pids);
    assert_eq!(pids, [1, 9, 10, u32::MAX]);
    Processes::new(tree.at("none")).list(&mut pids);
    assert_eq!(pids, []);
    Processes::new(tree.at("5")).list(&mut pids);
    assert_eq!(pids, []);
}

#[test]
fn a_process_finds_itself() {
    let mut cgroups = Cgroups::default();
    cgroups.refresh();
    let mut processes = Processes::default();
    let mut pids = Vec::new();
    processes.list(&mut pids);
    assert!(pids.contains(&id()) && pids.is_sorted());

    let process = processes.find(id(), cgroups.mounted()).unwrap();
    let comm = fs::read("/proc/self/comm").unwrap();
    assert_eq!(process.comm, comm.strip_suffix(b"\n").unwrap());
    assert_eq!((process.pid, process.ppid), (id(), parent_id()));
    assert_eq!(process.uid, rustix::process::geteuid().as_raw());
    assert!(process.starttime > 0);
    if Path::new("/proc/self/cgroup").exists() {
        let path = str::from_utf8(process.cgroup.unwrap()).unwrap().to_owned();
        let text = fs::read_to_string("/proc/self/cgroup").unwrap();
        assert!(text.lines().any(|line| line.ends_with(&format!(":{path}"))), "{path} in {text}");
    }

    // A thread has a number and files as well.
    let (tid, of_thread) = channel();
    let (stop, stopped) = channel::<()>();
    let thread = thread::spawn(move || {
        tid.send(rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned()).unwrap();
        let _ = stopped.recv();
    });
    let tid = of_thread.recv().unwrap();
    assert!(Path::new(&format!("/proc/{tid}/stat")).exists());
    assert_eq!(processes.find(tid, V2), None);
    drop(stop);
    thread.join().unwrap();
}

/// A child that waits, and is killed when the test is done with it.
struct Waiting(Child);

impl Waiting {
    /// Runs cat by the name `path`.
    fn new(path: &Path) -> Self {
        let mut command = Command::new(path);
        let child = command.arg0("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut waiting = Self(child);
        // Once it answers, it is what it was run as.
        waiting.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        BufReader::new(waiting.0.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
        waiting
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_child_is_known_by_whatever_name_until_it_is_gone() {
    let tree = Tree::new();
    let mut processes = Processes::default();
    for (name, comm) in [
        (") S 1 (2 3 4", ") S 1 (2 3 4"),
        ("a\nb (c) d\te", "a\nb (c) d\te"),
        ("longer than names are", "longer than nam"),
        ("((()", "((()"),
    ] {
        tree.link(name, "/bin/cat");
        let child = Waiting::new(&tree.at(name));
        let pid = child.0.id();
        let process = processes.find(pid, V2).unwrap();
        assert_eq!(process.comm, comm.as_bytes());
        assert_eq!(process.ppid, id());
        let (starttime, cgroup) = (process.starttime, process.cgroup.map(<[u8]>::to_vec));
        let own = processes.find(id(), V2).unwrap();
        assert!(own.starttime <= starttime);
        assert_eq!(own.cgroup.map(<[u8]>::to_vec), cgroup);
        drop(child);
        // The number may belong to somebody else by now, but not to the one that was here.
        assert!(processes.find(pid, V2).is_none_or(|process| process.comm != comm.as_bytes()));
    }
}

#[test]
fn processes_that_come_and_go_meanwhile_disturb_nobody() {
    let over = Over::default();
    thread::scope(|scope| {
        let _end = over.at_end();
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.is_over() {
                    let children: Vec<_> = (0..8).map(|_| Waiting::new(Path::new("/bin/cat"))).collect();
                    drop(children);
                }
            });
        }
        let mut processes = Processes::default();
        let (mut pids, mut looks, mut gone) = (Vec::new(), 0, 0);
        // Until somebody has gone between the list and the look, and often enough besides.
        while looks < 50 || gone == 0 {
            processes.list(&mut pids);
            assert!(pids.contains(&id()));
            for pid in &pids {
                match processes.find(*pid, V2) {
                    Some(process) => assert_eq!(process.pid, *pid),
                    None => gone += 1,
                }
            }
            assert_eq!(processes.find(id(), V2).map(|process| process.ppid), Some(parent_id()));
            looks += 1;
        }
    });
}
