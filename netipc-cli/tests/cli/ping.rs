//! `netipc ping`.

use netipc::session::{Abort, Deadline, ServerConfig};
use netipc::wire::Profiles;
use rustix::process::{Pid, Signal, kill_process};

use crate::ground::{Dir, Serving, command, netipc, ran};

#[test]
fn a_service_that_answers_tells_who_it_is_and_what_was_agreed_on() {
    let serving = Serving::start(&[]);
    let out = netipc(&["ping", serving.dir(), "increment"]).good();
    assert!(out.starts_with(&format!("pid {}, session ", serving.child.id())), "{out}");
    assert!(out.contains(" us, shared memory, requests to ") && out.lines().count() == 1, "{out}");
    let out =
        netipc(&["ping", serving.dir(), "increment", "--transport", "socket", "-n", "3", "--interval", "0.001"]).good();
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines.len() == 4 && lines[..3].iter().all(|line| line.contains(" us, socket, ")), "{out}");
    assert!(lines[3].starts_with("3 times: ") && lines[3].ends_with(" us at most"), "{out}");
    let replies =
        netipc(&["ping", serving.dir(), "apps-lookup", "--json", "--count", "2", "--interval", "0.001"]).json();
    let [one, other] = &replies.as_array().unwrap()[..] else { panic!("{replies}") };
    assert_eq!((&one["pid"], &one["transport"]), (&serving.child.id().into(), &"shared memory".into()));
    assert!(one["session"] != other["session"] && one["microseconds"].as_f64().unwrap() > 0.0);
    assert_eq!(one["request_items"], 1024);
}

#[test]
fn sockets_that_are_dead_or_not_there_are_told_apart_from_errors() {
    let dir = Dir::new();
    let why = netipc(&["ping", dir.str(), "increment"]).bad(3);
    assert_eq!(why, format!("{}/increment.sock: connect: No such file or directory (os error 2)", dir.str()));
    let mut serving = Serving::start(&[]);
    serving.child.kill().unwrap();
    serving.child.wait().unwrap();
    let why = netipc(&["ping", serving.dir(), "increment"]).bad(3);
    assert_eq!(why, format!("{}/increment.sock: connect: Connection refused (os error 111)", serving.dir()));
    std::fs::remove_file(serving.dir.join("increment.sock")).unwrap();
    std::fs::write(serving.dir.join("increment.sock"), "").unwrap();
    netipc(&["ping", serving.dir(), "increment"]).bad(3);
}

#[test]
fn a_wrong_token_is_not_let_in_and_the_right_one_is_and_neither_is_printed() {
    let serving = Serving::start(&["--token", "0x1234abcd"]);
    let socket = format!("{}/increment.sock", serving.dir());
    for wrong in
        [&["ping", serving.dir(), "increment"][..], &["ping", serving.dir(), "increment", "--token", "77665544"]]
    {
        assert_eq!(netipc(wrong).bad(4), format!("{socket}: the server refused: auth failed"));
    }
    for right in ["0x1234ABCD", "305441741"] {
        netipc(&["ping", serving.dir(), "increment", "--token", right]).good();
        let ping = &mut command(&["ping", serving.dir(), "increment", "--json"]);
        let out = ran(ping.env("NETIPC_TOKEN", right)).good();
        assert!(!out.contains("305441741") && !out.to_lowercase().contains("1234abcd"));
    }
    let help = ran(command(&["ping", "--help"]).env("NETIPC_TOKEN", "987654321")).good();
    assert!(help.contains("NETIPC_TOKEN") && !help.contains("987654321"), "{help}");
    let bad = ran(command(&["ping", serving.dir(), "increment"]).env("NETIPC_TOKEN", "98765432one"));
    assert_eq!((bad.code, bad.out.as_str()), (2, ""));
}

#[test]
fn a_server_that_has_nothing_in_common_is_incompatible() {
    let dir = Dir::new();
    let config = ServerConfig::new().profiles(Profiles::BASELINE);
    let mut listener = config.listen(&dir.endpoint("plain")).unwrap();
    let abort: Abort = listener.abort_handle();
    let thread = std::thread::spawn(move || listener.accept(Deadline::NEVER).map(drop));
    let why = netipc(&["ping", dir.str(), "plain", "--transport", "shm"]).bad(5);
    assert_eq!(why, format!("{}/plain.sock: the server refused: unsupported", dir.str()));
    abort.abort();
    assert!(thread.join().unwrap().is_err());
}

#[test]
fn a_server_that_is_stopped_is_waited_for_as_long_as_was_said() {
    let mut serving = Serving::start(&[]);
    let pid = Pid::from_child(&serving.child);
    kill_process(pid, Signal::STOP).unwrap();
    let why = netipc(&["ping", serving.dir(), "increment", "--timeout", "0.05"]).bad(6);
    assert_eq!(why, format!("{}/increment.sock: timed out", serving.dir()));
    kill_process(pid, Signal::CONT).unwrap();
    netipc(&["ping", serving.dir(), "increment", "--timeout", "60"]).good();
    drop(serving.child.stdin.take());
    assert!(serving.child.wait().unwrap().success());
    assert!(serving.dir.is_empty());
}

#[test]
fn a_server_that_hangs_up_or_says_what_no_server_says_has_failed() {
    let dir = Dir::new();
    for (answer, expected) in
        [(&b""[..], "the peer closed the connection"), (b"no packet of ours", "protocol violation")]
    {
        let service = if answer.is_empty() { "mute" } else { "rude" };
        let raw = crate::words::raw_listener(&dir, service);
        let thread = std::thread::spawn(move || {
            let client = rustix::net::accept(&raw).unwrap();
            let mut hello = [0; 256];
            let len = rustix::io::read(&client, &mut hello).unwrap();
            if !answer.is_empty() {
                rustix::io::write(&client, answer).unwrap();
            }
            len
        });
        let why = netipc(&["ping", dir.str(), service, "--timeout", "60"]).bad(1);
        assert!(why.starts_with(&format!("{}/{service}.sock: {expected}", dir.str())), "{why}");
        assert_eq!(thread.join().unwrap(), 32 + 44);
    }
}
