//! `netipc call`.

use std::process::id;
use std::time::{Duration, Instant};

use netipc::session::{Deadline, ServerConfig};
use netipc::wire::Status;
use netipc_examples::{
    App, AppStatus, AppsLookupResponse, Cgroup, CgroupInfo, CgroupOfApp, CgroupStatus, CgroupsLookupResponse, Label,
    Orchestrator, Snapshot,
};
use rustix::time::Timespec;
use serde_json::{Value, json};

use crate::ground::{Dir, Scripted, Serving, command, netipc, piped, ran};

/// All five methods of a directory, with what else they need.
fn methods(dir: &str) -> [Vec<&str>; 5] {
    [
        vec!["call", "increment", dir, "41"],
        vec!["call", "reverse", dir, "stressed"],
        vec!["call", "snapshot", dir],
        vec!["call", "cgroups", dir, "/a"],
        vec!["call", "apps", dir, "1"],
    ]
}

const SERVICES: [&str; 5] = ["increment", "string-reverse", "cgroups-snapshot", "cgroups-lookup", "apps-lookup"];

#[test]
fn numbers_are_incremented_one_by_one_or_in_a_batch() {
    let serving = Serving::start(&[]);
    for transport in ["auto", "socket", "shm"] {
        let words = ["call", "increment", serving.dir(), "--transport", transport];
        assert_eq!(netipc(&[&words[..], &["41"]].concat()).good(), "NUMBER  ANSWER\n    41      42\n");
        let batch = netipc(&[&words[..], &["1", "18446744073709551615", "--json"]].concat()).json();
        assert_eq!(batch, json!([{ "number": 1, "answer": 2 }, { "number": u64::MAX, "answer": 0 }]));
        // More than the limits that sessions have unless they are told.
        let many: Vec<String> = (0..3_000).map(|number: u64| number.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let answers = netipc(&[&words[..], &["--json"], &many].concat()).json();
        let answers: Vec<u64> =
            answers.as_array().unwrap().iter().map(|pair| pair["answer"].as_u64().unwrap()).collect();
        assert_eq!(answers, (1..=3_000).collect::<Vec<_>>());
    }
}

#[test]
fn texts_are_reversed_byte_by_byte_and_printed_harmlessly() {
    let serving = Serving::start(&[]);
    let reversed = |text: &str| netipc(&["call", "reverse", serving.dir(), text]).good();
    assert_eq!(reversed("stressed"), "desserts\n");
    assert_eq!(reversed(""), "\n");
    assert_eq!(reversed("J2[\x1b"), "\\u{1b}[2J\n");
    assert_eq!(reversed("é"), "\u{fffd}\u{fffd}\n");
    let long = "ab".repeat(50_000);
    assert_eq!(reversed(&long), "ba".repeat(50_000) + "\n");
    let words = ["call", "reverse", serving.dir(), "abc", "--json", "--service", "string-reverse"];
    let answer = netipc(&words).json();
    assert_eq!(answer, json!({ "text": "abc", "answer": "cba" }));
}

#[test]
fn the_services_of_a_host_tell_of_this_process() {
    let serving = Serving::start(&[]);
    let (dir, pid) = (serving.dir(), id().to_string());
    let row = netipc(&["call", "apps", dir, &pid, "4294967295"]).good();
    let lines: Vec<Vec<&str>> = row.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["PID", "STATUS", "PPID", "UID", "STARTTIME", "COMMAND", "CGROUP", "LABELS"]);
    assert_eq!(lines[1][..2], [&pid, "known"]);
    assert_eq!(lines[2], ["4294967295", "unknown", "-", "-", "-"]);
    let app = &netipc(&["call", "apps", dir, &pid, "--json"]).json()["items"][0];
    assert_eq!(app["ppid"], std::os::unix::process::parent_id());
    assert!(std::fs::read_to_string("/proc/self/comm").unwrap().trim_end() == app["comm"], "{app}");

    let all = netipc(&["call", "apps", dir, "--all", "--json"]).json();
    assert!(all["items"].as_array().unwrap().iter().any(|app| app["pid"] == id()));
    let lines = piped(&["call", "apps", dir, "-", "1"], format!("{pid}\n\n 1 \n").as_bytes()).good();
    assert_eq!(lines.lines().count(), 4, "{lines}");

    // More than a lookup may have that is not told otherwise.
    let many: String = (1..=70_000).map(|pid| format!("{pid}\n")).collect();
    let answer = piped(&["call", "apps", dir, "-", "--json", "--timeout", "600"], many.as_bytes()).json();
    assert_eq!(answer["items"].as_array().unwrap().len(), 70_000);

    let snapshot = netipc(&["call", "snapshot", dir, "--json"]).json();
    let items = snapshot["items"].as_array().unwrap().len();
    assert!(snapshot["generation"].as_u64().unwrap() > 0);
    let table = netipc(&["call", "snapshot", dir]).good();
    assert!(table.starts_with("NAME") && table.lines().last().unwrap().contains(" cgroups, generation "), "{table}");
    let known = netipc(&["call", "cgroups", dir, "--all", "--json"]).json();
    assert_eq!(known["items"].as_array().unwrap().is_empty(), items == 0);
    let none = netipc(&["call", "cgroups", dir, "/netipc/no/such", "--json"]).json();
    assert_eq!((&none["items"][0]["path"], &none["items"][0]["name"]), (&"/netipc/no/such".into(), &"".into()));
    let lines = piped(&["call", "cgroups", dir, "-"], b"/netipc/a\r\n\r\n/netipc/b\n").good();
    assert!(lines.contains("/netipc/a  unknown-") && lines.contains("/netipc/b  unknown-"), "{lines}");
}

/// What no host of ours has: labels, containers, texts that a terminal would obey.
#[test]
fn every_field_of_an_answer_is_shown() {
    let dir = Dir::new();
    let cgroup = Cgroup { hash: 0xff, options: 3, enabled: 1, name: b"\x1b[2J".to_vec(), path: b"/p\xff".to_vec() };
    let snapshot = Snapshot { systemd_enabled: 1, generation: 7, items: vec![cgroup] };
    let _server = Scripted::answering(&dir, "cgroups-snapshot", &snapshot.to_vec().unwrap());
    assert_eq!(
        netipc(&["call", "snapshot", dir.str(), "--json"]).json(),
        json!({ "generation": 7, "systemd_enabled": 1, "items": [{ "hash": 255, "options": 3, "enabled": 1,
            "name": "\x1b[2J", "path": "/p\u{fffd}" }] })
    );
    assert_eq!(
        netipc(&["call", "snapshot", dir.str()]).good(),
        "NAME           HASH  ENABLED  OPTIONS  PATH\n\
         \\u{1b}[2J  000000ff        1      0x3  /p\u{fffd}\n\
         1 cgroups, generation 7\n"
    );

    let label = |key: &str, value: &str| Label {
        key: std::ffi::CString::new(key).unwrap(),
        value: std::ffi::CString::new(value).unwrap(),
    };
    let labels = vec![label("a", "1"), label("a", "\t")];
    let info = CgroupInfo {
        status: CgroupStatus::Known,
        orchestrator: Orchestrator::Other(77),
        path: c"/a".into(),
        name: c"web".into(),
        labels: labels.clone(),
    };
    let answer = CgroupsLookupResponse { generation: 9, items: vec![info] };
    let _server = Scripted::answering(&dir, "cgroups-lookup", &answer.to_vec().unwrap());
    let both = json!([{ "key": "a", "value": "1" }, { "key": "a", "value": "\t" }]);
    assert_eq!(
        netipc(&["call", "cgroups", dir.str(), "/a", "--json"]).json(),
        json!({ "generation": 9, "items": [{ "path": "/a", "status": "known", "orchestrator": "other-77",
            "name": "web", "labels": both }] })
    );
    assert_eq!(
        netipc(&["call", "cgroups", dir.str(), "/a"]).good(),
        "PATH  STATUS  ORCHESTRATOR  NAME  LABELS\n/a    known   other-77      web   a=1 a=\\t\n"
    );

    let app = App {
        status: AppStatus::Known,
        orchestrator: Orchestrator::K8s,
        cgroup_status: CgroupOfApp::Known,
        pid: 5,
        ppid: 4,
        uid: u32::MAX,
        starttime: 3,
        comm: c"c".into(),
        cgroup_path: c"/x".into(),
        cgroup_name: c"".into(),
        labels,
    };
    let answer = AppsLookupResponse { generation: 11, items: vec![app] };
    let _server = Scripted::answering(&dir, "apps-lookup", &answer.to_vec().unwrap());
    assert_eq!(
        netipc(&["call", "apps", dir.str(), "5", "--json"]).json(),
        json!({ "generation": 11, "items": [{ "pid": 5, "status": "known", "ppid": 4, "uid": null, "starttime": 3,
            "comm": "c", "orchestrator": "k8s", "cgroup_status": "known", "cgroup_path": "/x", "cgroup_name": "",
            "labels": both }] })
    );
    assert_eq!(
        netipc(&["call", "apps", dir.str(), "5"]).good(),
        "PID  STATUS  PPID  UID  STARTTIME  COMMAND  CGROUP  LABELS\n  5  known      4    -          3  c        /x      a=1 a=\\t\n"
    );
}

#[test]
fn nobody_there_and_a_wrong_token_have_codes_of_their_own() {
    let (absent, serving) = (Dir::new(), Serving::start(&["--token", "7"]));
    for (words, service) in methods(absent.str()).iter().zip(SERVICES) {
        let why = netipc(words).bad(3);
        assert!(why.starts_with(&format!("{}/{service}.sock: ", absent.str())), "{why}");
    }
    for (words, service) in methods(serving.dir()).iter().zip(SERVICES) {
        for token in [&[][..], &["--token", "8"]] {
            let why = netipc(&[&words[..], token].concat()).bad(4);
            assert!(why.starts_with(&format!("{}/{service}.sock: ", serving.dir())), "{why}");
            assert!(why.ends_with("the server refused: auth failed"), "{why}");
        }
        netipc(&[&words[..], &["--token", "0x7"]].concat()).good();
        ran(command(words).env("NETIPC_TOKEN", "7")).good();
    }
}

#[test]
fn what_servers_answer_instead_is_told_with_its_code() {
    for (status, code, why) in [
        (Status::Unsupported, 5, "the server has no such method"),
        (Status::InternalError, 1, "the server failed"),
        (Status::BadEnvelope, 1, "the server found the request malformed"),
        (Status::Other(99), 1, "the server answered with the status status 99"),
    ] {
        let dir = Dir::new();
        let serve = |service| {
            Scripted::start(&dir, service, move |mut session| {
                while let Ok(request) = session.receive(Deadline::after(Duration::from_secs(600))) {
                    let ticket = request.ticket();
                    let _ = session.respond_status(ticket, status, Deadline::after(Duration::from_secs(600)));
                }
            })
        };
        let _servers: Vec<_> = SERVICES.iter().map(|service| serve(service)).collect();
        for (words, service) in methods(dir.str()).iter().zip(SERVICES) {
            assert_eq!(netipc(words).bad(code), format!("{}/{service}.sock: {why}", dir.str()));
        }
    }
}

#[test]
fn servers_that_talk_nonsense_hang_up_or_say_nothing_are_errors() {
    let dir = Dir::new();
    {
        let _servers: Vec<_> = SERVICES.iter().map(|service| Scripted::answering(&dir, service, b"\xff")).collect();
        for words in methods(dir.str()) {
            let why = netipc(&words).bad(1);
            assert!(why.contains("byte "), "{why}");
        }
        // Not one answer of each number.
        let why = netipc(&["call", "increment", dir.str(), "1", "2"]).bad(1);
        assert!(why.contains("increment.sock: "), "{why}");
    }
    {
        let _servers: Vec<_> = SERVICES.iter().map(|service| Scripted::start(&dir, service, drop)).collect();
        for words in methods(dir.str()) {
            let why = netipc(&words).bad(1);
            assert!(why.contains("clos") || why.contains("Broken pipe"), "{why}");
        }
    }
    let silent = |mut session: netipc::session::ServerSession| {
        while session.receive(Deadline::after(Duration::from_secs(600))).is_ok() {}
    };
    let _servers: Vec<_> = SERVICES.iter().map(|service| Scripted::start(&dir, service, silent)).collect();
    for words in methods(dir.str()) {
        let why = netipc(&[&words[..], &["--timeout", "0.05"]].concat()).bad(6);
        assert!(why.ends_with("timed out"), "{why}");
    }
}

#[test]
fn connecting_and_the_answer_together_take_no_longer_than_was_said() {
    let dir = Dir::new();
    let mut listener = ServerConfig::new().listen(&dir.endpoint("apps-lookup")).unwrap();
    let server = std::thread::spawn(move || {
        // Nearly all of the time goes by before it is let in.
        rustix::event::poll(&mut [], Some(&Timespec { tv_sec: 3, tv_nsec: 0 })).unwrap();
        let mut session = listener.accept(Deadline::NEVER).unwrap();
        while session.receive(Deadline::NEVER).is_ok() {}
    });
    let start = Instant::now();
    let why = netipc(&["call", "apps", dir.str(), "1", "--timeout", "4"]).bad(6);
    // Each of both by itself would have made seven seconds.
    assert!(why.ends_with("timed out") && start.elapsed() < Duration::from_secs(6), "{why}: {:?}", start.elapsed());
    server.join().unwrap();
}

#[test]
fn arguments_that_mean_nothing_are_refused_before_anybody_is_asked() {
    let dir = Dir::new();
    let dir = dir.str();
    for words in [
        &["call"][..],
        &["call", "increment", dir],
        &["call", "increment", dir, "-1"],
        &["call", "increment", dir, "x"],
        &["call", "increment", dir, "18446744073709551616"],
        &["call", "increment", dir, "1", "--timeout", "0"],
        &["call", "increment", dir, "1", "--timeout", "-1"],
        &["call", "increment", dir, "1", "--timeout", "soon"],
        &["call", "increment", dir, "1", "--token", "secret"],
        &["call", "increment", dir, "1", "--transport", "pigeon"],
        &["call", "increment", dir, "1", "--service", "a/b"],
        &["call", "reverse", dir],
        &["call", "snapshot"],
        &["call", "snapshot", dir, "more"],
        &["call", "cgroups", dir],
        &["call", "cgroups", dir, ""],
        &["call", "cgroups", dir, "--all", "/a"],
        &["call", "apps", dir],
        &["call", "apps", dir, "one"],
        &["call", "apps", dir, "-1"],
        &["call", "apps", dir, "4294967296"],
        &["call", "apps", dir, "--all", "1"],
        &["call", "nothing", dir],
    ] {
        let run = netipc(words);
        assert!(run.code == 2 && run.out.is_empty() && !run.err.is_empty(), "{words:?}: {run:#?}");
        assert!(!run.err.contains("panicked") && !run.err.contains("secret"), "{run:#?}");
    }
    let run = ran(command(&["call", "snapshot", dir]).env("NETIPC_TOKEN", "secret"));
    assert!(run.code == 2 && run.err.contains("token") && !run.err.contains("secret"), "{run:#?}");
    let long = format!("/{}", "d".repeat(200));
    assert!(netipc(&["call", "snapshot", &long]).bad(2).contains("use a shorter run directory"));
    let run = piped(&["call", "apps", dir, "-"], b"1\ntwo\n");
    assert_eq!(run.bad(2), "two is no number of a process");
}

#[test]
fn json_is_a_value_whatever_is_asked() {
    let serving = Serving::start(&[]);
    for words in methods(serving.dir()) {
        let value: Value = netipc(&[&words[..], &["--json"]].concat()).json();
        assert!(value.is_object() || value.is_array());
    }
}
