//! No room, no descriptor, no memory, no thread: sessions that can't have shared memory go over sockets, or fail by name
//! where they may not, and leave nothing behind.
//!
//! Limits and mounts are a process's, so each test has one of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;

use netipc::endpoint::Endpoint;
use netipc::session::{
    Arrival, AttachError, Cause, ClientConfig, ClientSession, Deadline, Error, Fallback, Listener, ServerSession,
    SystemError, Wait,
};
use netipc::wire::{Method, Profiles, Status};
use netipc_tests::processes::{Child, RunDir, hear, limit_memory, role, say, take_descriptors};
use netipc_tests::regions::{Holdings, call_across, client, server, within};
use rustix::process::{Resource, Rlimit, Uid, getrlimit, setrlimit};

const METHOD: Method = Method::new(7);
const NEVER: Deadline = Deadline::NEVER;
const CLOSED: Error = Error::Closed { mid_message: false };
const BLOCK: Wait = Wait::Block;
/// Needs a region of as much, and a little.
const LARGE: u32 = 32 << 20;

/// A session with a listener of this process.
fn meet(config: &ClientConfig, listener: &mut Listener) -> (ClientSession, ServerSession) {
    let connecting = config.try_connect(listener.endpoint()).unwrap().unwrap();
    let session = listener.accept(within()).unwrap();
    (connecting.finish(within()).unwrap(), session)
}

fn failed(error: &SystemError) -> (&'static str, i32) {
    (error.call(), error.errno())
}

/// A server that can't make a region offers sockets, and refuses who can't use them. Nothing is left behind.
fn assert_no_region(config: &ClientConfig, listener: &mut Listener, reason: (&str, i32)) {
    let (names, before) = (names(listener), Holdings::now());
    let (mut client, mut server) = meet(config, listener);
    assert_eq!((client.status().profile, client.status().fallback), (Profiles::BASELINE, None));
    let Some(Fallback::NoRegion(error)) = server.status().fallback else { panic!("{:?}", server.status()) };
    assert_eq!((server.status().profile, failed(&error)), (Profiles::BASELINE, reason));
    assert_eq!(self::names(listener), names);
    call_across(&mut client, &mut server);
    drop((client, server));

    let config = config.clone().profiles(Profiles::SHM_HYBRID);
    let connecting = config.try_connect(listener.endpoint()).unwrap().unwrap();
    let Arrival::Rejected(rejected) = listener.next(within()).unwrap() else { panic!("let in") };
    assert!(matches!(rejected.cause(), Cause::NoRegion(error) if failed(error) == reason), "{rejected}");
    assert_eq!(connecting.finish(within()).map(drop).unwrap_err(), Error::Refused(Status::Unsupported));
    assert_eq!(self::names(listener), names);
    before.wait_for();
}

fn assert_region(config: &ClientConfig, listener: &mut Listener) {
    let before = Holdings::now();
    let (mut client, mut server) = meet(config, listener);
    assert_eq!((server.status().profile, server.status().fallback), (Profiles::SHM_HYBRID, None));
    call_across(&mut client, &mut server);
    drop((client, server));
    before.wait_for();
}

fn names(listener: &Listener) -> Vec<String> {
    let entries = fs::read_dir(listener.endpoint().run_dir()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[expect(clippy::print_stderr, reason = "a test that does not take place should say so")]
fn is_root() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        eprintln!("NOT TESTED: only root can mount file systems");
    }
    is_root
}

/// Runs the test in a process of its own, where `mount` has been done.
fn among_mounts(mount: &str, test: &str) {
    if is_root() {
        let run_dir = RunDir::new();
        Child::start_among_mounts(mount, test, "both", run_dir.path()).finish();
    }
}

fn alone(test: &str) {
    let run_dir = RunDir::new();
    Child::start(test, "both", run_dir.path()).finish();
}

#[test]
fn on_a_full_file_system_sessions_go_over_sockets_until_there_is_room_again() {
    let Some((_, run_dir)) = role() else {
        let mount = "mkdir run && mount -t tmpfs -o size=256k,nr_inodes=20 none run";
        return among_mounts(mount, "on_a_full_file_system_sessions_go_over_sockets_until_there_is_room_again");
    };
    let run_dir = run_dir.join("run");
    let mut listener = server(BLOCK).listen(&Endpoint::new(&run_dir, "poor").unwrap()).unwrap();
    let config = client(BLOCK);
    assert_region(&config, &mut listener);
    // Too much for it, empty as it is, and then the least while it is full.
    assert_no_region(&config.clone().max_request_payload(1 << 20), &mut listener, ("fallocate", libc::ENOSPC));
    assert_region(&config, &mut listener);
    let filler = run_dir.join("filler");
    assert!(fs::write(&filler, vec![7; 1 << 20]).is_err());
    assert_no_region(&config, &mut listener, ("fallocate", libc::ENOSPC));
    fs::remove_file(&filler).unwrap();
    assert_region(&config, &mut listener);
    // Room for bytes, and none for a name.
    let fillers: Vec<_> = (0..20).map(|number| run_dir.join(format!("filler-{number}"))).collect();
    assert!(!fillers.iter().all(|path| fs::write(path, "").is_ok()));
    assert_no_region(&config, &mut listener, ("open", libc::ENOSPC));
    fillers.iter().for_each(|path| drop(fs::remove_file(path)));
    assert_region(&config, &mut listener);
}

#[test]
fn on_a_file_system_that_takes_no_room_beforehand_sessions_go_over_sockets() {
    let Some((_, run_dir)) = role() else {
        let mount = "mkdir run && mount -t ramfs none run";
        return among_mounts(mount, "on_a_file_system_that_takes_no_room_beforehand_sessions_go_over_sockets");
    };
    let mut listener = server(BLOCK).listen(&Endpoint::new(run_dir.join("run"), "poor").unwrap()).unwrap();
    assert_no_region(&client(BLOCK), &mut listener, ("fallocate", libc::EOPNOTSUPP));
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that does not take place should say so")]
fn who_has_no_more_room_by_quota_goes_over_sockets() {
    let Some((_, run_dir)) = role() else {
        let mount =
            "mkdir run && { mount -t tmpfs -o usrquota,usrquota_block_hardlimit=64k none run 2>&- || touch unable; }";
        return among_mounts(mount, "who_has_no_more_room_by_quota_goes_over_sockets");
    };
    if run_dir.join("unable").exists() {
        eprintln!("NOT TESTED: this kernel has no quotas on tmpfs");
        return;
    }
    let run_dir = run_dir.join("run");
    fs::set_permissions(&run_dir, fs::Permissions::from_mode(0o777)).unwrap();
    become_nobody();
    let mut listener = server(BLOCK).listen(&Endpoint::new(run_dir, "poor").unwrap()).unwrap();
    assert_no_region(&client(BLOCK).max_request_payload(1 << 20), &mut listener, ("fallocate", libc::EDQUOT));
    assert_region(&client(BLOCK), &mut listener);
}

/// This thread alone; limits that do not hold for root hold for it then.
fn become_nobody() {
    let nobody = Uid::from_raw(65_534);
    rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
}

#[test]
fn a_limit_of_file_sizes_means_sockets_and_not_the_end_of_the_process() {
    let Some((_, run_dir)) = role() else {
        return alone("a_limit_of_file_sizes_means_sockets_and_not_the_end_of_the_process");
    };
    let mut listener = server(BLOCK).listen(&Endpoint::new(run_dir, "poor").unwrap()).unwrap();
    let Rlimit { maximum, .. } = getrlimit(Resource::Fsize);
    // 64 of the header, 1,056 and 1,056 for the areas, in lines of 64.
    let least = 64 + 1_088 + 1_088;
    for (limit, has_room) in [(0, false), (63, false), (least - 1, false), (least, true), (u64::MAX, true)] {
        let current = (limit < u64::MAX).then_some(limit);
        setrlimit(Resource::Fsize, Rlimit { current, maximum }).unwrap();
        if has_room {
            assert_region(&client(BLOCK), &mut listener);
        } else {
            assert_no_region(&client(BLOCK), &mut listener, ("fallocate", libc::EFBIG));
        }
    }
}

/// Says what the next session is, and how it ended.
fn serve_one(listener: &mut Listener) {
    let mut session = listener.accept(NEVER).unwrap();
    let (status, threads) = (session.status(), Holdings::now().threads);
    say(&format!("{:?} {:?} {threads}", status.profile, status.fallback));
    let error = loop {
        match session.receive(NEVER).map(|message| message.ticket()) {
            Ok(ticket) => session.respond(ticket, b"answer", NEVER).unwrap(),
            Err(error) => break error,
        }
    };
    assert_eq!(error, CLOSED);
    drop(session);
    say("over");
}

/// A server that has ever more descriptors.
fn poor_server(run_dir: &Path) {
    let mut listener = server(BLOCK).listen(&Endpoint::new(run_dir, "poor").unwrap()).unwrap();
    let before = Holdings::now();
    say(&before.threads.to_string());
    for left in 1..=4 {
        let taken = take_descriptors(left);
        say("poor");
        let mut session = listener.accept(NEVER).unwrap();
        let status = session.status();
        // To count threads takes a descriptor too.
        drop(taken);
        say(&format!("{:?} {:?} {}", status.profile, status.fallback, Holdings::now().threads));
        let error = loop {
            match session.receive(NEVER).map(|message| message.ticket()) {
                Ok(ticket) => session.respond(ticket, b"answer", NEVER).unwrap(),
                Err(error) => break error,
            }
        };
        assert_eq!(error, CLOSED);
        drop(session);
        before.wait_for();
        say("over");
        assert_eq!(hear(), "go on");
    }
}

fn call(session: &mut ClientSession) {
    let ticket = session.send(METHOD, b"question", within()).unwrap();
    let answer = session.receive(within()).unwrap();
    assert_eq!((answer.ticket(), answer.payload()), (ticket, &b"answer"[..]));
}

#[test]
fn a_server_without_descriptors_makes_no_region_or_does_without_its_watcher() {
    const NAME: &str = "a_server_without_descriptors_makes_no_region_or_does_without_its_watcher";
    if let Some((_, run_dir)) = role() {
        return poor_server(&run_dir);
    }
    let run_dir = RunDir::new();
    let mut child = Child::start(NAME, "server", run_dir.path());
    let threads: usize = child.hear().parse().unwrap();
    let config = client(BLOCK);
    let no_region = format!(
        "{:?} Some(NoRegion(SystemError {{ call: \"open\", errno: {} }})) {threads}",
        Profiles::BASELINE,
        libc::EMFILE
    );
    let unwatched = format!("{:?} None {threads}", Profiles::SHM_HYBRID);
    let watched = format!("{:?} None {}", Profiles::SHM_HYBRID, threads + 1);
    // One for the connection, one for the file, which is closed when it is mapped, two for the watcher.
    for expected in [no_region, unwatched, watched.clone(), watched] {
        assert_eq!(child.hear(), "poor");
        let mut session = config.connect(&run_dir.endpoint("poor"), within()).unwrap();
        assert_eq!(child.hear(), expected);
        (0..3).for_each(|_| call(&mut session));
        drop(session);
        assert_eq!(child.hear(), "over");
        assert_eq!(run_dir.names(), ["poor.sock"]);
        child.tell("go on");
    }
    child.finish();
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that does not take place should say so")]
fn a_server_without_threads_does_without_its_watcher() {
    const NAME: &str = "a_server_without_threads_does_without_its_watcher";
    if let Some((_, run_dir)) = role() {
        become_nobody();
        let before = getrlimit(Resource::Nproc);
        setrlimit(Resource::Nproc, Rlimit { current: Some(0), ..before }).unwrap();
        let spawned = thread::Builder::new().spawn(|| ());
        assert_eq!(spawned.map(drop).unwrap_err().raw_os_error(), Some(libc::EAGAIN));
        let mut listener = server(BLOCK).listen(&Endpoint::new(run_dir, "poor").unwrap()).unwrap();
        say(&Holdings::now().threads.to_string());
        serve_one(&mut listener);
        // With the next session it has one.
        setrlimit(Resource::Nproc, before).unwrap();
        say("rich");
        serve_one(&mut listener);
        return;
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT TESTED: only root can become somebody else");
        return;
    }
    let run_dir = RunDir::new();
    fs::set_permissions(run_dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let mut child = Child::start(NAME, "server", run_dir.path());
    let threads: usize = child.hear().parse().unwrap();
    for watchers in [0, 1] {
        let mut session = client(BLOCK).connect(&run_dir.endpoint("poor"), within()).unwrap();
        assert_eq!(child.hear(), format!("{:?} None {}", Profiles::SHM_HYBRID, threads + watchers));
        (0..3).for_each(|_| call(&mut session));
        drop(session);
        assert_eq!(child.hear(), "over");
        if watchers == 0 {
            assert_eq!(child.hear(), "rich");
        }
    }
    child.finish();
}

/// A client that can't attach, for this reason, connects anew without shared memory, or fails if it may not.
fn assert_not_attached(config: &ClientConfig, endpoint: &Endpoint, reason: (&str, i32), what: impl Fn() -> Scarcity) {
    let before = Holdings::now();
    let scarcity = what();
    let error = config.clone().profiles(Profiles::SHM_HYBRID).connect(endpoint, within()).map(drop);
    let session = config.connect(endpoint, within());
    drop(scarcity);
    let mut session = session.unwrap();
    let Some(Fallback::NotAttached(AttachError::System(found))) = session.status().fallback else {
        panic!("{:?}", session.status())
    };
    assert_eq!((session.status().profile, failed(&found)), (Profiles::BASELINE, reason));
    call(&mut session);
    let Err(Error::SharedMemory(AttachError::System(found))) = error else { panic!("{error:?}") };
    assert_eq!(failed(&found), reason);
    drop(session);
    before.wait_for();
}

/// What makes something scarce for as long as it is there.
type Scarcity = Option<Box<dyn core::any::Any>>;

/// Serves sessions, one at a time, and keeps nothing of them.
fn rich_server(run_dir: &Path) {
    let mut listener =
        server(BLOCK).max_request_payload(LARGE).listen(&Endpoint::new(run_dir, "rich").unwrap()).unwrap();
    let before = Holdings::now();
    say("listening");
    // Once without descriptors and once without memory: two that can't be attached, one without, and a good one.
    for _ in 0..2 {
        for _ in 0..4 {
            let mut session = listener.accept(NEVER).unwrap();
            while let Ok(ticket) = session.receive(NEVER).map(|message| message.ticket()) {
                session.respond(ticket, b"answer", NEVER).unwrap();
            }
        }
        before.wait_for();
        say("none left");
    }
    assert_eq!(hear(), "end");
}

#[test]
fn a_client_that_is_short_of_descriptors_or_memory_does_without_the_region() {
    const NAME: &str = "a_client_that_is_short_of_descriptors_or_memory_does_without_the_region";
    match role() {
        Some((role, run_dir)) if role == "server" => rich_server(&run_dir),
        Some((_, run_dir)) => {
            let endpoint = Endpoint::new(run_dir, "rich").unwrap();
            let config = client(BLOCK).max_request_payload(LARGE);
            // One for the connection, of which there is but one at a time.
            assert_not_attached(&config, &endpoint, ("open", libc::EMFILE), || Some(Box::new(take_descriptors(1))));
            let mut session = config.connect(&endpoint, within()).unwrap();
            assert_eq!(session.status().profile, Profiles::SHM_HYBRID);
            call(&mut session);
            drop(session);
            assert_eq!(hear(), "less memory");

            limit_memory(memory() + u64::from(LARGE / 2));
            assert_not_attached(&config, &endpoint, ("mmap", libc::ENOMEM), || None);
            let small = client(BLOCK).connect(&endpoint, within()).unwrap();
            assert_eq!(small.status().profile, Profiles::SHM_HYBRID);
        }
        None => {
            let run_dir = RunDir::new();
            let mut server = Child::start(NAME, "server", run_dir.path());
            assert_eq!(server.hear(), "listening");
            let mut client = Child::start(NAME, "client", run_dir.path());
            assert_eq!(server.hear(), "none left");
            assert_eq!(run_dir.names(), ["rich.sock"]);
            client.tell("less memory");
            assert_eq!(server.hear(), "none left");
            client.finish();
            assert_eq!(run_dir.names(), ["rich.sock"]);
            server.tell("end");
            server.finish();
        }
    }
}

/// Bytes that this process has mapped.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    size.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn a_server_that_is_short_of_memory_makes_no_region() {
    let Some((_, run_dir)) = role() else { return alone("a_server_that_is_short_of_memory_makes_no_region") };
    let config = server(BLOCK).max_request_payload(LARGE);
    let mut listener = config.listen(&Endpoint::new(run_dir, "poor").unwrap()).unwrap();
    limit_memory(memory() + u64::from(LARGE / 2));
    assert_no_region(&client(BLOCK).max_request_payload(LARGE), &mut listener, ("mmap", libc::ENOMEM));
    assert_region(&client(BLOCK), &mut listener);
}
