//! `netipc list`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with};
use serde_json::json;

use crate::ground::{Dir, PROGRAM, Serving, netipc};

/// A socket that was bound, and that nobody has any more.
fn dead(dir: &Dir, name: &str) {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    bind(&socket, &SocketAddrUnix::new(dir.join(name)).unwrap()).unwrap();
}

#[test]
fn live_services_are_listed_with_who_serves_and_how_many_regions_there_are() {
    let serving = Serving::start(&[]);
    let pid = serving.child.id();
    let out = netipc(&["list", serving.dir()]).good();
    let lines: Vec<Vec<&str>> = out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["SERVICE", "STATE", "PID", "COMMAND", "REGIONS"]);
    let names: Vec<&str> = lines[1..].iter().map(|line| line[0]).collect();
    assert_eq!(names, ["apps-lookup", "cgroups-lookup", "cgroups-snapshot", "increment", "string-reverse"]);
    for line in &lines[1..] {
        assert_eq!(line[1..], ["live", &pid.to_string(), "netipc", "0"]);
    }
    let services = netipc(&["list", serving.dir(), "--json"]).json();
    let socket = serving.dir.join("increment.sock");
    assert_eq!(
        services[3],
        json!({ "service": "increment", "socket": socket, "state": "live", "why": null, "pid": pid, "command": "netipc",
            "regions": 0 })
    );
}

#[test]
fn what_nobody_listens_on_is_stale_and_what_is_no_service_is_not_known() {
    let dir = Dir::new();
    dead(&dir, "dead.sock");
    fs::write(dir.join("file.sock"), "").unwrap();
    fs::create_dir(dir.join("folder.sock")).unwrap();
    std::os::unix::fs::symlink(dir.join("dead.sock"), dir.join("link.sock")).unwrap();
    let _stream = UnixListener::bind(dir.join("stream.sock")).unwrap();
    dead(&dir, "no name.sock");
    dead(&dir, ".sock");
    for name in ["gone-00000000000000ff.ipcshm", "gone-0000000000000100.ipcshm", "dead-0000000000000001.ipcshm"] {
        fs::write(dir.join(name), "").unwrap();
    }
    for name in ["other", "x-1.ipcshm", "dead-0000000000000001.ipcshm.old"] {
        fs::write(dir.join(name), "").unwrap();
    }
    let services = netipc(&["list", dir.str(), "--json"]).json();
    let found: Vec<_> = services
        .as_array()
        .unwrap()
        .iter()
        .map(|service| {
            let [name, state, why] = ["service", "state", "why"].map(|key| service[key].as_str().unwrap_or_default());
            assert!(service["pid"].is_null() && service["command"].is_null());
            (name, state, why, service["regions"].as_u64().unwrap())
        })
        .collect();
    const NO_NAME: &str =
        " is no name of a service: those are letters, digits, '.', '_' and '-', and neither \".\" nor \"..\"";
    assert_eq!(
        found,
        [
            ("", "unknown", &*format!("\"\"{NO_NAME}"), 0),
            ("dead", "stale", "", 1),
            ("file", "unknown", "not a socket", 0),
            ("folder", "unknown", "not a socket", 0),
            ("gone", "gone", "", 2),
            ("link", "unknown", "not a socket", 0),
            ("no name", "unknown", &*format!("\"no name\"{NO_NAME}"), 0),
            ("stream", "unknown", "connect: Protocol wrong type for socket (os error 91)", 0),
        ]
    );
    let out = netipc(&["list", dir.str()]).good();
    assert!(out.lines().any(|line| line.split_whitespace().eq(["dead", "stale", "-", "-", "1"])), "{out}");
}

#[test]
fn a_service_whose_queue_is_full_is_busy() {
    let dir = Dir::new();
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let address = SocketAddrUnix::new(dir.join("full.sock")).unwrap();
    bind(&socket, &address).unwrap();
    listen(&socket, 0).unwrap();
    let mut waiting = Vec::new();
    loop {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let client = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
        match connect(&client, &address) {
            Ok(()) => waiting.push(client),
            Err(_) => break,
        }
    }
    assert!(!waiting.is_empty());
    assert_eq!(netipc(&["list", dir.str(), "--json"]).json()[0]["state"], "busy");
    assert!(netipc(&["list", dir.str()]).good().contains("full     busy"));
}

#[test]
fn an_empty_directory_has_no_services_and_one_that_is_not_there_is_an_error() {
    let dir = Dir::new();
    assert_eq!(netipc(&["list", dir.str()]).good(), "SERVICE  STATE  PID  COMMAND  REGIONS\n");
    assert_eq!(netipc(&["list", dir.str(), "--json"]).json(), json!([]));
    let absent = dir.join("absent");
    let why = netipc(&["list", absent.to_str().unwrap()]).bad(3);
    assert_eq!(why, format!("{}: No such file or directory (os error 2)", absent.display()));
    fs::write(dir.join("file"), "").unwrap();
    let why = netipc(&["list", dir.join("file").to_str().unwrap()]).bad(3);
    assert!(why.ends_with("Not a directory (os error 20)"), "{why}");
}

#[test]
fn commands_that_a_terminal_would_obey_are_escaped_for_people_and_told_as_they_are_in_json() {
    let dir = Dir::new();
    let program = dir.join("\x1b[2J\\x");
    std::os::unix::fs::symlink(PROGRAM, &program).unwrap();
    let mut serve = std::process::Command::new(program);
    serve.env_remove("NETIPC_TOKEN");
    let mut child = serve
        .args(["serve", dir.str(), "--until-input-ends"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    let (table, json) = (netipc(&["list", dir.str()]), netipc(&["list", dir.str(), "--json"]));
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    let table = table.good();
    assert!(table.contains("\\u{1b}[2J\\x") && !table.contains('\x1b'), "{table:?}");
    assert_eq!(json.json()[0]["command"], "\x1b[2J\\x");
}

#[test]
fn names_that_a_terminal_would_obey_are_escaped() {
    let dir = Dir::new();
    fs::write(dir.join("\x1b[2J.sock"), "").unwrap();
    let out = netipc(&["list", dir.str()]).good();
    assert!(out.contains("\\u{1b}[2J") && !out.contains('\x1b'), "{out:?}");
}
