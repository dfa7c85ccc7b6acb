//! Who has the path of a socket, and what is left there.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::sync::Barrier;
use std::thread;

use netipc::endpoint::Endpoint;
use netipc::session::{ClientConfig, Deadline, Error, Listener, ServerConfig};
use netipc_tests::processes::{Child, RunDir, descriptors, hear, role, say, stop};
use rustix::fs::Mode;

const NEVER: Deadline = Deadline::NEVER;

fn listen(endpoint: &Endpoint) -> Result<Listener, Error> {
    ServerConfig::new().listen(endpoint)
}

fn assert_serves(listener: &mut Listener, endpoint: &Endpoint) {
    let connecting = ClientConfig::new().try_connect(endpoint).unwrap().unwrap();
    listener.accept(NEVER).unwrap();
    connecting.finish(NEVER).unwrap();
}

fn in_use(endpoint: &Endpoint) -> Error {
    Error::InUse { endpoint: endpoint.clone(), doubt: None }
}

#[test]
fn what_nobody_serves_at_is_taken_over() {
    type Prepare = fn(&RunDir, &Endpoint);
    let prepare: [(&str, Prepare); 5] = [
        ("a dead socket", |_, endpoint| drop(UnixListener::bind(endpoint.socket_path()).unwrap())),
        ("a file", |_, endpoint| fs::write(endpoint.socket_path(), "text").unwrap()),
        ("a link to a file", |run_dir, endpoint| {
            fs::write(run_dir.path().join("target"), "text").unwrap();
            symlink("target", endpoint.socket_path()).unwrap();
        }),
        ("a link to a dead socket", |run_dir, endpoint| {
            drop(UnixListener::bind(run_dir.path().join("target")).unwrap());
            symlink("target", endpoint.socket_path()).unwrap();
        }),
        ("a link to nothing", |_, endpoint| symlink("nowhere", endpoint.socket_path()).unwrap()),
    ];
    for (what, prepare) in prepare {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("taken");
        prepare(&run_dir, &endpoint);
        let mut listener = listen(&endpoint).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(fs::symlink_metadata(endpoint.socket_path()).unwrap().file_type().is_socket(), "{what}");
        assert_serves(&mut listener, &endpoint);
        drop(listener);
        // What a link led to is not ours.
        let others: &[&str] = if run_dir.path().join("target").exists() { &["target"] } else { &[] };
        assert_eq!(run_dir.names(), others, "{what}");
    }
}

#[test]
fn a_directory_in_the_way_stays_and_is_an_error() {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("taken");
    fs::create_dir(endpoint.socket_path()).unwrap();
    fs::write(endpoint.socket_path().join("precious"), "text").unwrap();
    let error = listen(&endpoint).unwrap_err();
    assert!(matches!(&error, Error::System(error) if error.call() == "unlink"), "{error}");
    assert!(endpoint.socket_path().join("precious").exists());
}

#[test]
fn a_link_to_somebody_who_serves_is_in_use() {
    let run_dir = RunDir::new();
    let (endpoint, alias) = (run_dir.endpoint("real"), run_dir.endpoint("alias"));
    let mut listener = listen(&endpoint).unwrap();
    symlink(endpoint.socket_path(), alias.socket_path()).unwrap();
    assert_eq!(listen(&alias).map(drop), Err(in_use(&alias)));
    assert_serves(&mut listener, &endpoint);
}

#[test]
fn a_second_listener_finds_the_path_in_use_until_the_first_is_gone() {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("one");
    let mut first = listen(&endpoint).unwrap();
    assert_eq!(listen(&endpoint).map(drop), Err(in_use(&endpoint)));
    assert_serves(&mut first, &endpoint);
    // Another name is another path.
    drop(listen(&run_dir.endpoint("other")).unwrap());
    drop(first);
    assert_serves(&mut listen(&endpoint).unwrap(), &endpoint);
    assert!(run_dir.names().is_empty());
}

#[test]
fn a_full_queue_is_somebody_who_serves() {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("full");
    let _listener = ServerConfig::new().queue(1).listen(&endpoint).unwrap();
    let mut queued = Vec::new();
    while let Some(connecting) = ClientConfig::new().try_connect(&endpoint).unwrap() {
        queued.push(connecting);
    }
    assert_eq!(listen(&endpoint).map(drop), Err(in_use(&endpoint)));
    assert_eq!(run_dir.names(), ["full.sock"]);
}

#[test]
fn of_threads_that_listen_at_once_exactly_one_wins() {
    const THREADS: usize = 8;
    for _ in 0..20 {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("race");
        // A dead socket makes it a race for its place too.
        drop(UnixListener::bind(endpoint.socket_path()).unwrap());
        let start = Barrier::new(THREADS);
        let outcomes: Vec<_> = thread::scope(|scope| {
            let race = || {
                start.wait();
                listen(&endpoint)
            };
            let racing: Vec<_> = (0..THREADS).map(|_| scope.spawn(race)).collect();
            racing.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let mut winners = Vec::new();
        for outcome in outcomes {
            match outcome {
                Ok(listener) => winners.push(listener),
                Err(error) => assert_eq!(error, in_use(&endpoint)),
            }
        }
        let [winner] = &mut winners[..] else { panic!("{} of {THREADS} won", winners.len()) };
        assert_serves(winner, &endpoint);
    }
}

#[test]
fn of_processes_that_listen_at_once_exactly_one_wins_and_a_dead_one_makes_room() {
    const NAME: &str = "of_processes_that_listen_at_once_exactly_one_wins_and_a_dead_one_makes_room";
    if let Some((_, run_dir)) = role() {
        let endpoint = Endpoint::new(run_dir, "race").unwrap();
        say("ready");
        assert_eq!(hear(), "go");
        let outcome = listen(&endpoint);
        match &outcome {
            Ok(_) => say("won"),
            Err(error) => say(if *error == in_use(&endpoint) { "in use" } else { "something else" }),
        }
        return stop();
    }
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("race");
    let mut children: Vec<_> = (0..4).map(|_| Child::start(NAME, "server", run_dir.path())).collect();
    children.iter_mut().for_each(|child| assert_eq!(child.hear(), "ready"));
    children.iter_mut().for_each(|child| child.tell("go"));
    let said: Vec<_> = children.iter_mut().map(Child::hear).collect();
    assert_eq!(said.iter().filter(|said| *said == "won").count(), 1, "{said:?}");
    assert_eq!(said.iter().filter(|said| *said == "in use").count(), 3, "{said:?}");
    assert_eq!(listen(&endpoint).map(drop), Err(in_use(&endpoint)));
    children.into_iter().for_each(Child::kill);
    assert_eq!(run_dir.names(), ["race.sock"], "whoever is killed leaves its socket");
    assert_serves(&mut listen(&endpoint).unwrap(), &endpoint);
    assert!(run_dir.names().is_empty());
}

#[test]
fn a_listener_that_closes_removes_its_own_file_only() {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("mine");
    let first = listen(&endpoint).unwrap();
    fs::remove_file(endpoint.socket_path()).unwrap();
    let mut second = listen(&endpoint).unwrap();
    drop(first);
    assert_eq!(run_dir.names(), ["mine.sock"]);
    assert_serves(&mut second, &endpoint);
    fs::remove_file(endpoint.socket_path()).unwrap();
    fs::write(endpoint.socket_path(), "text").unwrap();
    drop(second);
    assert_eq!(fs::read_to_string(endpoint.socket_path()).unwrap(), "text");
}

#[test]
fn a_listener_without_its_directory_says_so() {
    let run_dir = RunDir::new();
    let endpoint = Endpoint::new(run_dir.path().join("none"), "any").unwrap();
    let error = listen(&endpoint).unwrap_err();
    assert!(matches!(&error, Error::System(error) if error.errno() == libc::ENOENT), "{error}");
    let error = ClientConfig::new().connect(&endpoint, NEVER).unwrap_err();
    assert!(matches!(&error, Error::System(error) if error.errno() == libc::ENOENT), "{error}");
}

#[test]
fn only_its_owner_may_use_a_socket_whatever_the_umask() {
    const NAME: &str = "only_its_owner_may_use_a_socket_whatever_the_umask";
    // The umask is a process's.
    let Some((_, run_dir)) = role() else {
        let run_dir = RunDir::new();
        Child::start(NAME, "server", run_dir.path()).finish();
        return assert!(run_dir.names().is_empty());
    };
    let endpoint = Endpoint::new(run_dir, "private").unwrap();
    for mask in [0, 0o022, 0o077, 0o777] {
        rustix::process::umask(Mode::from_raw_mode(mask));
        let mut listener = listen(&endpoint).unwrap();
        let mode = fs::symlink_metadata(endpoint.socket_path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "umask {mask:o}");
        assert_serves(&mut listener, &endpoint);
    }
}

#[test]
fn no_descriptor_is_inherited_and_none_is_left() {
    const NAME: &str = "no_descriptor_is_inherited_and_none_is_left";
    // Other tests open descriptors too.
    let Some((_, run_dir)) = role() else {
        let run_dir = RunDir::new();
        Child::start(NAME, "both", run_dir.path()).finish();
        return assert!(run_dir.names().is_empty());
    };
    let endpoint = Endpoint::new(run_dir, "sealed").unwrap();
    let before = descriptors();
    let mut listener = listen(&endpoint).unwrap();
    let connecting = ClientConfig::new().try_connect(&endpoint).unwrap().unwrap();
    let silent = ClientConfig::new().try_connect(&endpoint).unwrap().unwrap();
    let server = listener.accept(NEVER).unwrap();
    let client = connecting.finish(NEVER).unwrap();
    let ours: Vec<_> = descriptors().into_iter().filter(|fd| !before.contains(fd)).collect();
    assert!(ours.len() >= 6, "{ours:?}");
    for fd in ours {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:")).unwrap();
        let flags = i32::from_str_radix(flags.trim(), 8).unwrap();
        assert!(flags & libc::O_CLOEXEC != 0, "{fd}: {:?}", fs::read_link(format!("/proc/self/fd/{fd}")));
    }
    drop((listener, server, client, silent));
    assert_eq!(descriptors(), before);
}
