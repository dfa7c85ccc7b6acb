//! Servers that are killed between any two calls of one lookup.
#![cfg(target_os = "linux")]

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString};
use std::path::Path;
use std::time::Duration;

use netipc::client::{LookupError, State};
use netipc::wire::Profiles;
use netipc::{Answers, CallError, HandlerResult, Keys};
use netipc_examples::{
    CgroupInfo, CgroupStatus, CgroupsLookup, CgroupsLookupClient, CgroupsLookupServer, Orchestrator,
};
use netipc_tests::processes::{Child, RunDir, hear, role, say};
use rustix::process::{Signal, getpid, kill_process};

const KEYS: usize = 40;

/// Counts a generation, and may be killed instead of answering.
struct Mortal {
    generation: u64,
    last: usize,
    answered: std::sync::atomic::AtomicUsize,
}

impl CgroupsLookup for Mortal {
    fn lookup(&self, paths: Keys<'_, CStr>, mut reply: Answers<'_, CgroupInfo>) -> HandlerResult {
        if self.answered.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == self.last {
            kill_process(getpid(), Signal::KILL)?;
        }
        reply.generation(self.generation);
        for path in paths {
            reply.answer(|item| item.status(CgroupStatus::Known).orchestrator(Orchestrator::Kvm).name(path));
        }
        Ok(())
    }
}

/// Over what, by the first word of a role.
fn profiles(role: &str) -> Profiles {
    if role.starts_with("sockets") { Profiles::BASELINE } else { Profiles::SHM_HYBRID | Profiles::BASELINE }
}

/// Serves in a process of its own: "sockets", its generation, and how many requests it answers.
fn serve(role: &str, run_dir: &Path) {
    let mut words = role.split(' ').skip(1).map(|word| word.parse::<u64>().unwrap());
    let (generation, last) = (words.next().unwrap(), words.next().unwrap() as usize);
    let mortal = Mortal { generation, last, answered: 0.into() };
    let server = CgroupsLookupServer::new(mortal).max_response_payload(1024).profiles(profiles(role));
    let _running = server.bind(run_dir).unwrap().spawn().unwrap();
    say("serving");
    assert_eq!(hear(), "end");
}

fn start(test: &str, transport: &str, (generation, answers): (u64, usize), run_dir: &RunDir) -> Child {
    let mut server = Child::start(test, &format!("{transport} {generation} {answers}"), run_dir.path());
    assert_eq!(server.hear(), "serving");
    server
}

/// Kills a server, and has another one in its place.
fn follow(server: &RefCell<Option<Child>>, start: impl FnOnce() -> Child) {
    let mut server = server.borrow_mut();
    server.take().expect("a server").kill();
    *server = Some(start());
}

fn paths() -> Vec<CString> {
    (0..KEYS).map(|number| CString::new(format!("/some/path/{number:04}")).unwrap()).collect()
}

fn client(transport: &str, run_dir: &RunDir) -> CgroupsLookupClient {
    let config = CgroupsLookupClient::config().profiles(profiles(transport)).timeout(Duration::from_secs(60));
    config.max_request_payload(1024).connect(run_dir.path()).unwrap()
}

/// Runs the scene for each kind of transport; this process may be the server of it.
fn over_each(scene: impl Fn(&str, &RunDir)) {
    if let Some((role, run_dir)) = role() {
        return serve(&role, &run_dir);
    }
    for transport in ["sockets", "memory"] {
        scene(transport, &RunDir::new());
    }
}

#[test]
fn another_server_of_the_same_generation_goes_on_where_the_first_one_was_killed() {
    const NAME: &str = "another_server_of_the_same_generation_goes_on_where_the_first_one_was_killed";
    over_each(|transport, run_dir| {
        let paths = paths();
        let mut connections = 0;
        // Keys are looked at before they are asked for, and after the answers to those before have come.
        for killed_at in (0..KEYS).step_by(3) {
            let server = RefCell::new(Some(start(NAME, transport, (5, usize::MAX), run_dir)));
            let mut client = client(transport, run_dir);
            let was_killed = Cell::new(false);
            let keys = paths.iter().enumerate().map(|(index, path)| {
                if index == killed_at && !was_killed.replace(true) {
                    follow(&server, || start(NAME, transport, (5, usize::MAX), run_dir));
                }
                path
            });
            // The keys are counted first, which looks at all of them.
            let _ = was_killed.replace(true);
            let counted = Cell::new(0);
            let keys = keys.inspect(|_| {
                counted.set(counted.get() + 1);
                if counted.get() == KEYS {
                    was_killed.set(false);
                }
            });
            let answer = client.lookup(keys).unwrap();
            assert!(answer.iter().zip(&paths).all(|(item, path)| item.path() == path.as_c_str()));
            assert_eq!((answer.len(), answer.generation()), (KEYS, 5));
            assert!(was_killed.get() && answer.parts() > 3);
            let status = client.status();
            assert_eq!((status.repeated, status.failed), (1, 0), "{transport} {killed_at}: {status:?}");
            connections += status.connections;
        }
        assert!(connections >= 2 * KEYS as u64 / 3);
    });
}

#[test]
fn a_server_that_is_killed_instead_of_answering_and_not_followed_is_told_by_name() {
    const NAME: &str = "a_server_that_is_killed_instead_of_answering_and_not_followed_is_told_by_name";
    over_each(|transport, run_dir| {
        let paths = paths();
        for answers in 0..4 {
            let server = start(NAME, transport, (5, answers), run_dir);
            let mut client = client(transport, run_dir);
            match client.lookup(&paths) {
                Err(CallError::Connect(_) | CallError::Lost(_)) => {}
                other => panic!("{transport} {answers}: {other:?}"),
            }
            assert!(matches!(client.status().state, State::NotFound | State::Disconnected));
            drop(server);
            // With another server all is well, once it is asked for.
            let server = start(NAME, transport, (6, usize::MAX), run_dir);
            client.refresh().unwrap();
            assert_eq!(client.lookup(&paths).unwrap().generation(), 6);
            server.kill();
        }
    });
}

#[test]
fn another_server_of_another_generation_is_told_by_name() {
    const NAME: &str = "another_server_of_another_generation_is_told_by_name";
    over_each(|transport, run_dir| {
        let paths = paths();
        let server = RefCell::new(Some(start(NAME, transport, (5, usize::MAX), run_dir)));
        let mut client = client(transport, run_dir);
        let looked = Cell::new(0);
        let keys = paths.iter().inspect(|_| {
            looked.set(looked.get() + 1);
            // All of them are counted, and some asked for, by now.
            if looked.get() == 3 * KEYS {
                follow(&server, || start(NAME, transport, (1, usize::MAX), run_dir));
            }
        });
        let changed = LookupError::GenerationChanged { before: 5, now: 1 };
        assert_eq!(client.lookup(keys).unwrap_err(), CallError::Lookup(changed));
        assert!(client.ready());
        assert_eq!(client.lookup(&paths).unwrap().generation(), 1);
    });
}
