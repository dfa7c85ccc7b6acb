//! Which cgroups there are.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use netipc_examples::host::cgroups::{Cgroups, Limits, Mounted};
use rustix::fs::{CWD, Mode, OFlags, RenameFlags, renameat_with};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::trees::{Over, Tree};

/// A tree of version 2.
fn unified(dirs: &[&str]) -> Tree {
    let tree = Tree::new();
    tree.file("cgroup.controllers", "cpu memory\n").file("cgroup.procs", "1\n");
    for dir in dirs {
        tree.dir(dir).file(&format!("{dir}/cgroup.controllers"), "").file(&format!("{dir}/cgroup.procs"), "");
    }
    tree
}

/// Adds a hierarchy of version 1.
fn hierarchy(tree: &Tree, name: &str, dirs: &[&str]) {
    tree.file(&format!("{name}/cgroup.procs"), "1\n");
    for dir in dirs {
        tree.file(&format!("{name}/{dir}/cgroup.procs"), "");
    }
}

fn read(tree: &Tree) -> Cgroups {
    let mut cgroups = Cgroups::new(tree.path());
    cgroups.refresh();
    cgroups
}

fn paths(cgroups: &Cgroups) -> Vec<&str> {
    cgroups.paths().map(|path| str::from_utf8(path).unwrap()).collect()
}

#[test]
fn where_no_cgroup_file_system_is_there_is_nothing() {
    let tree = Tree::new();
    tree.file("a file", "").dir("empty").dir("odd/memory/docker").dir("odd/cgroup.controllers");
    for root in ["none", "a file", "empty", "odd", "none/below", "a file/below"] {
        let mut cgroups = Cgroups::new(tree.at(root));
        assert!(!cgroups.refresh(), "{root}");
        assert_eq!(cgroups.mounted(), Mounted::Nothing, "{root}");
        assert!(cgroups.is_empty() && cgroups.is_complete(), "{root}");
        assert_eq!(cgroups.generation(), 0, "{root}");
    }
    let mut cgroups = Cgroups::new(PathBuf::new());
    assert!(!cgroups.refresh());
}

#[test]
fn version_2_has_one_hierarchy_and_its_directories_are_told_in_order() {
    let tree = unified(&["system.slice/ssh.service", "system.slice/cron.service", "init.scope", "a/b", "a-b", "a.b/c"]);
    // Where both could be meant, what stands at the root counts.
    tree.file("memory/cgroup.procs", "");
    let cgroups = read(&tree);
    assert_eq!(cgroups.mounted(), Mounted::V2);
    let all = [
        "/a",
        "/a-b",
        "/a.b",
        "/a.b/c",
        "/a/b",
        "/init.scope",
        "/memory",
        "/system.slice",
        "/system.slice/cron.service",
        "/system.slice/ssh.service",
    ];
    assert_eq!(paths(&cgroups), all);
    assert_eq!(cgroups.paths().len(), cgroups.len());
    assert!(cgroups.contains(b"/a/b") && !cgroups.contains(b"/a/b/") && !cgroups.contains(b"/"));
    assert!(cgroups.is_complete());
    assert_eq!(cgroups.root(), tree.path());
}

#[test]
fn version_1_has_many_hierarchies_and_each_path_is_told_once() {
    let tree = Tree::new();
    hierarchy(&tree, "cpu,cpuacct", &["docker/one", "user.slice"]);
    hierarchy(&tree, "memory", &["docker/one", "docker/two"]);
    hierarchy(&tree, "blkio", &["b"]);
    hierarchy(&tree, "pids", &["p"]);
    hierarchy(&tree, "systemd", &["system.slice/ssh.service"]);
    // These are not read, and these are no hierarchies.
    hierarchy(&tree, "freezer", &["frozen"]);
    hierarchy(&tree, "memory.old", &["old"]);
    tree.dir("cpuacct/no/hierarchy");
    tree.link("cpu", tree.at("freezer"));
    let cgroups = read(&tree);
    assert_eq!(cgroups.mounted(), Mounted::V1);
    let all = [
        "/b",
        "/docker",
        "/docker/one",
        "/docker/two",
        "/p",
        "/system.slice",
        "/system.slice/ssh.service",
        "/user.slice",
    ];
    assert_eq!(paths(&cgroups), all);
}

#[test]
fn a_hierarchy_of_version_2_beside_those_of_version_1_makes_a_hybrid() {
    let tree = Tree::new();
    tree.file("unified/cgroup.controllers", "").dir("unified/only.slice/in-2").dir("unified/both");
    assert_eq!(read(&tree).mounted(), Mounted::V2);
    hierarchy(&tree, "memory", &["both", "only-in-1"]);
    let cgroups = read(&tree);
    assert_eq!(cgroups.mounted(), Mounted::Hybrid);
    assert_eq!(paths(&cgroups), ["/both", "/only-in-1", "/only.slice", "/only.slice/in-2"]);
}

#[test]
fn links_lead_nowhere() {
    let tree = unified(&["a/b"]);
    let elsewhere = Tree::new();
    elsewhere.dir("secret");
    tree.link("a/up", "..").link("a/b/self", ".").link("out", elsewhere.path()).link("a/broken", "nothing");
    assert_eq!(paths(&read(&tree)), ["/a", "/a/b"]);
    // A user may name the root by a link.
    elsewhere.link("root", tree.path());
    let mut cgroups = Cgroups::new(elsewhere.at("root"));
    assert!(cgroups.refresh());
    assert_eq!(paths(&cgroups), ["/a", "/a/b"]);
}

#[test]
fn names_are_bytes() {
    let tree = unified(&[]);
    tree.dir(b"\xff\xfe/ \x01'\"").dir("ü");
    assert_eq!(read(&tree).paths().collect::<Vec<_>>(), [&b"/\xc3\xbc"[..], b"/\xff\xfe", b"/\xff\xfe/ \x01'\""]);
}

#[test]
fn what_lies_too_deep_is_left_out_and_said_so() {
    let deep = vec!["d"; 32].join("/");
    let tree = unified(&[&deep]);
    let cgroups = read(&tree);
    assert_eq!((cgroups.len(), cgroups.is_complete()), (32, true));
    tree.dir(format!("{deep}/e/f"));
    let cgroups = read(&tree);
    assert_eq!((cgroups.len(), cgroups.is_complete()), (32, false));

    let mut flat = Cgroups::new(tree.path()).limits(Limits { depth: 0, ..Limits::default() });
    assert!(!flat.refresh() && !flat.is_complete());
}

#[test]
fn what_is_too_much_is_left_out_and_said_so() {
    let tree = Tree::new();
    hierarchy(&tree, "memory", &["a/1", "a/2", "b"]);
    hierarchy(&tree, "pids", &["a/1", "a/2", "b"]);
    for (most, is_complete) in [(4, true), (5, true), (3, false), (1, false), (0, false)] {
        let mut cgroups = Cgroups::new(tree.path()).limits(Limits { cgroups: most, ..Limits::default() });
        cgroups.refresh();
        assert_eq!((cgroups.len(), cgroups.is_complete()), (most.min(4), is_complete), "{most}");
    }
}

#[test]
fn a_generation_ends_when_the_set_changes_and_at_no_other_time() {
    let tree = unified(&[]);
    tree.dir("a");
    let mut cgroups = Cgroups::new(tree.path());
    assert_eq!((cgroups.generation(), cgroups.len()), (0, 0));
    assert!(cgroups.refresh());
    assert!(!cgroups.refresh());
    tree.file("a/memory.max", "max\n").link("a/link", "..");
    assert!(!cgroups.refresh());
    assert_eq!(cgroups.generation(), 1);

    tree.dir("a/b");
    assert!(cgroups.refresh());
    // As many as before, but others.
    tree.remove("a/b").dir("a/c");
    assert!(cgroups.refresh());
    assert_eq!((cgroups.generation(), paths(&cgroups)), (3, vec!["/a", "/a/c"]));

    tree.remove("cgroup.controllers");
    assert!(cgroups.refresh());
    assert_eq!((cgroups.generation(), cgroups.mounted(), cgroups.len()), (4, Mounted::Nothing, 0));
    assert!(!cgroups.refresh());

    tree.file("cgroup.controllers", "");
    assert!(cgroups.refresh());
    assert_eq!((cgroups.generation(), cgroups.mounted(), cgroups.len()), (5, Mounted::V2, 2));
    fs::remove_dir_all(tree.path()).unwrap();
    assert!(cgroups.refresh());
    assert_eq!((cgroups.generation(), cgroups.mounted(), cgroups.len()), (6, Mounted::Nothing, 0));
}

#[test]
fn cgroups_that_come_and_go_meanwhile_hide_none_that_stay() {
    let tree = unified(&["stays/here"]);
    // Many, so that what was listed with them is often gone when its turn comes, or another thing by the same name.
    let many = 200;
    for number in 0..many {
        tree.dir(format!("stays/{number}"));
    }
    // A directory and a link to everything, which change places.
    let aside = Tree::new();
    aside.link("link", "..");
    tree.dir("stays/zy");
    let over = Over::default();
    thread::scope(|scope| {
        let _end = over.at_end();
        scope.spawn(|| {
            let (comes, swapped, link) = (tree.at("stays/zz"), tree.at("stays/zy"), aside.at("link"));
            while !over.is_over() {
                fs::create_dir_all(comes.join("deep/er")).unwrap();
                fs::remove_dir_all(&comes).unwrap();
                symlink("..", &comes).unwrap();
                fs::remove_file(&comes).unwrap();
                fs::write(&comes, "").unwrap();
                fs::remove_file(&comes).unwrap();
                renameat_with(CWD, &swapped, CWD, &link, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let mut cgroups = Cgroups::new(tree.path());
        let (mut looks, mut changes) = (0, 0);
        // Until it has been seen to come and go, and often enough besides.
        while looks < 200 || changes < 10 {
            changes += u64::from(cgroups.refresh());
            looks += 1;
            assert!(cgroups.contains(b"/stays/here") && cgroups.is_complete());
            let others = cgroups.len() - many - 2;
            assert!(others <= 4, "{:?}", paths(&cgroups));
        }
        assert_eq!(cgroups.generation(), changes);
    });
}

#[test]
fn a_process_without_descriptors_knows_that_it_does_not_see_all() {
    const NAME: &str = "cgroups::a_process_without_descriptors_knows_that_it_does_not_see_all";
    const ROLE: &str = "NETIPC_TEST_WITHOUT_DESCRIPTORS";
    if std::env::var_os(ROLE).is_none() {
        // The limit is the whole process's, so it is one of its own.
        let mut child = Command::new(std::env::current_exe().unwrap());
        let output = child.args([NAME, "--exact", "--nocapture"]).env(ROLE, "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    let tree = unified(&["a/b/c/d/e/f", "g"]);
    let mut cgroups = Cgroups::new(tree.path());
    let free = rustix::fs::open(tree.path(), OFlags::RDONLY, Mode::empty()).unwrap();
    let first = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&free)).unwrap();
    drop(free);

    let limit = getrlimit(Resource::Nofile);
    let mut seen = Vec::new();
    for descriptors in 0..8 {
        setrlimit(Resource::Nofile, Rlimit { current: Some(first + descriptors), maximum: limit.maximum }).unwrap();
        cgroups.refresh();
        seen.push((cgroups.len(), cgroups.is_complete()));
    }
    setrlimit(Resource::Nofile, limit).unwrap();
    // Without any there is nothing; then each descriptor leads a level deeper.
    let expected: [(usize, bool); 8] =
        [(0, true), (2, false), (3, false), (4, false), (5, false), (6, false), (7, false), (7, true)];
    assert_eq!(seen, expected);
}

#[test]
fn the_cgroups_of_this_machine_are_read() {
    let mut cgroups = Cgroups::default();
    let found_any = cgroups.refresh();
    assert_eq!(found_any, !cgroups.is_empty());
    assert_eq!(cgroups.generation(), u64::from(found_any));
    if cgroups.mounted() == Mounted::Nothing {
        assert!(cgroups.is_empty());
    }
    for path in cgroups.paths() {
        assert!(path.starts_with(b"/") && path.len() > 1 && !path.ends_with(b"/"), "{}", path.escape_ascii());
    }
    assert!(cgroups.paths().is_sorted());
}
