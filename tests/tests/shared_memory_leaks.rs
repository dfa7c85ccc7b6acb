//! Thousands of sessions over shared memory, one after the other: what they held is given back, each time.
//!
//! What a process holds is counted, so each test has one of its own.

use std::path::Path;

use netipc::endpoint::Endpoint;
use netipc::session::{ClientSession, Deadline, Error, Listener, ServerSession, Wait};
use netipc::wire::{Method, Profiles};
use netipc_tests::processes::{Child, RunDir, role, say};
use netipc_tests::regions::{Holdings, call_across, client, server, within};

const METHOD: Method = Method::new(7);
const NEVER: Deadline = Deadline::NEVER;
const SESSIONS: usize = 2_000;
/// Sessions that there are at a time.
const AT_A_TIME: usize = 20;

fn meet(listener: &mut Listener) -> (ClientSession, ServerSession) {
    let connecting = client(Wait::Block).try_connect(listener.endpoint()).unwrap().unwrap();
    let session = listener.accept(within()).unwrap();
    let client = connecting.finish(within()).unwrap();
    assert_eq!(client.status().profile, Profiles::SHM_HYBRID, "{:?}", session.status());
    (client, session)
}

/// Both sides in one process.
fn come_and_go(run_dir: &Path) {
    let endpoint = Endpoint::new(run_dir, "many").unwrap();
    let mut listener = server(Wait::Block).listen(&endpoint).unwrap();
    let before = Holdings::now();
    for number in 0..SESSIONS / AT_A_TIME {
        let mut sessions: Vec<_> = (0..AT_A_TIME).map(|_| meet(&mut listener)).collect();
        sessions.iter_mut().for_each(|(client, server)| call_across(client, server));
        let now = Holdings::now();
        // Both sides have a socket and a mapping; one thread watches over all of them, with two descriptors.
        assert_eq!(now.mappings, before.mappings + 2 * AT_A_TIME);
        assert_eq!(now.descriptors.len(), before.descriptors.len() + 2 * AT_A_TIME + 2);
        assert_eq!(now.threads, before.threads + 1);
        // Whoever goes first.
        for (client, server) in sessions {
            if number % 2 == 0 {
                drop(client);
                drop(server);
            } else {
                drop(server);
                drop(client);
            }
        }
        before.wait_for();
    }
    for _ in 0..SESSIONS {
        let (mut client, mut server) = meet(&mut listener);
        call_across(&mut client, &mut server);
    }
    before.wait_for();
    assert_eq!(std::fs::read_dir(run_dir).unwrap().count(), 1, "the socket alone");
}

#[test]
fn two_thousand_sessions_with_both_sides_in_one_process_leave_nothing() {
    const NAME: &str = "two_thousand_sessions_with_both_sides_in_one_process_leave_nothing";
    if let Some((_, run_dir)) = role() {
        return come_and_go(&run_dir);
    }
    let run_dir = RunDir::new();
    Child::start(NAME, "both", run_dir.path()).finish();
    assert!(run_dir.names().is_empty());
}

#[test]
fn a_session_outlives_its_listener_and_its_region_goes_with_it() {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("many");
    let mut listener = server(Wait::Block).listen(&endpoint).unwrap();
    let (mut client, mut server) = meet(&mut listener);
    drop(listener);
    assert_eq!(run_dir.names(), ["many-0000000000000001.ipcshm"]);
    call_across(&mut client, &mut server);
    // Its client has no say in it.
    drop(client);
    assert_eq!(run_dir.names().len(), 1);
    assert_eq!(server.receive(within()).map(drop), Err(Error::Closed { mid_message: false }));
    drop(server);
    assert!(run_dir.names().is_empty());
}

#[test]
fn a_region_is_gone_when_its_session_was_dropped_also_while_its_client_goes() {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("many");
    let mut listener = server(Wait::Block).listen(&endpoint).unwrap();
    // Keeps the thread that watches from starting anew each time.
    let _other = meet(&mut listener);
    for number in 0..SESSIONS {
        let (client, server) = meet(&mut listener);
        let path = endpoint.region_path(server.terms().session_id);
        assert!(path.exists());
        drop(client);
        // Whoever watches is just being told.
        (0..number % 100 * 10).for_each(|_| core::hint::spin_loop());
        drop(server);
        assert!(!path.exists(), "{number}");
    }
}

/// Serves one after the other.
fn server_process(run_dir: &Path) {
    let mut listener = server(Wait::Block).listen(&Endpoint::new(run_dir, "many").unwrap()).unwrap();
    let before = Holdings::now();
    say("listening");
    for _ in 0..SESSIONS {
        let mut session = listener.accept(NEVER).unwrap();
        while let Ok(ticket) = session.receive(NEVER).map(|message| message.ticket()) {
            session.respond(ticket, b"answer", NEVER).unwrap();
        }
    }
    before.wait_for();
    assert_eq!(std::fs::read_dir(run_dir).unwrap().count(), 1, "the socket alone");
}

fn client_process(run_dir: &Path) {
    let endpoint = Endpoint::new(run_dir, "many").unwrap();
    let (before, config) = (Holdings::now(), client(Wait::Block));
    for _ in 0..SESSIONS {
        let mut session = config.connect(&endpoint, within()).unwrap();
        assert_eq!(session.status().profile, Profiles::SHM_HYBRID);
        let ticket = session.send(METHOD, b"question", within()).unwrap();
        assert_eq!(session.receive(within()).unwrap().ticket(), ticket);
    }
    assert_eq!(Holdings::now(), before);
}

#[test]
fn two_thousand_sessions_between_two_processes_leave_nothing_in_either() {
    const NAME: &str = "two_thousand_sessions_between_two_processes_leave_nothing_in_either";
    match role() {
        Some((role, run_dir)) if role == "server" => server_process(&run_dir),
        Some((_, run_dir)) => client_process(&run_dir),
        None => {
            let run_dir = RunDir::new();
            let mut server = Child::start(NAME, "server", run_dir.path());
            assert_eq!(server.hear(), "listening");
            Child::start(NAME, "client", run_dir.path()).finish();
            server.finish();
            assert!(run_dir.names().is_empty());
        }
    }
}
