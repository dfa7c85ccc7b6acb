//! Clients that can't use the region of their session, because it is flawed, or is not there at all: a row for each flaw.
//! Their servers are raw sockets, and make regions by hand.

use std::fs::{self, OpenOptions};
use std::mem::MaybeUninit;
use std::os::unix::fs::{FileExt, symlink};
use std::path::Path;
use std::thread;

use netipc::endpoint::Endpoint;
use netipc::session::{
    AttachError, ClientConfig, ClientSession, Connecting, Error, Fallback, Flaw, FlawRule, Progress,
};
use netipc::wire::{Header, HelloAck, Profiles};
use netipc_tests::processes::RunDir;
use netipc_tests::raw::{ITEMS, PACKET_SIZE, Raw, RawServer, ack_packet, good_ack, patched, soon, whole};
use rustix::fs::inotify;
use rustix::fs::{CWD, FileType, Mode};

use crate::{BOTH, MEMORY, METHOD, SOCKET, hello_of};

const MAGIC: u32 = 0x4e53_484d;
/// Room for payloads of 1,024 bytes: 32 bytes of header more, rounded up to 64.
const CAPACITY: u32 = 1088;
const REQUESTS: u32 = 64;
const RESPONSES: u32 = REQUESTS + CAPACITY;
const LEN: u32 = RESPONSES + CAPACITY;

/// A region without a flaw, whose owner nobody asks for (docs/protocol.md, section 4.1).
pub fn region() -> Vec<u8> {
    let mut bytes = vec![0; LEN as usize];
    bytes[4..6].copy_from_slice(&3_u16.to_ne_bytes());
    bytes[6..8].copy_from_slice(&64_u16.to_ne_bytes());
    for (at, word) in [(0, MAGIC), (8, 1), (12, 7), (16, REQUESTS), (20, CAPACITY), (24, RESPONSES), (28, CAPACITY)] {
        bytes[at..at + 4].copy_from_slice(&u32::to_ne_bytes(word));
    }
    bytes
}

/// The same with another word at `at`.
pub fn with_word(region: &[u8], at: usize, word: u32) -> Vec<u8> {
    patched(region, at, &word.to_ne_bytes())
}

/// What stands where the region should.
#[derive(Debug)]
enum Stands {
    Nothing,
    Directory,
    Fifo,
    LinkToRegion,
    File(Vec<u8>),
}

/// What is wrong with it.
#[derive(Debug)]
enum Why {
    System(&'static str, i32),
    Named(AttachError),
}

impl Why {
    fn is(&self, found: &AttachError) -> bool {
        match (self, found) {
            (Self::System(call, errno), AttachError::System(error)) => (*call, *errno) == (error.call(), error.errno()),
            (Self::Named(named), found) => named == found,
            _ => false,
        }
    }
}

type Row = (&'static str, Stands, Why);

const FIELDS: [(&str, usize); 4] =
    [("request_offset", 16), ("request_capacity", 20), ("response_offset", 24), ("response_capacity", 28)];

const fn field(field: &'static str, offset: usize, found: u32, rule: FlawRule) -> Why {
    Why::Named(AttachError::Flaw(Flaw::Field { field, offset, found, rule }))
}

const fn too_short(len: u64, needed: u64) -> Why {
    Why::Named(AttachError::Flaw(Flaw::TooShort { len, needed }))
}

fn rows() -> Vec<Row> {
    let with = |at, word| Stands::File(with_word(&region(), at, word));
    let half = |at, half: u16| Stands::File(patched(&region(), at, &half.to_ne_bytes()));
    let cut = |len: usize| Stands::File(region()[..len].to_vec());
    let len = u64::from(LEN);
    let mut rows = vec![
        ("nothing", Stands::Nothing, Why::System("open", libc::ENOENT)),
        ("a directory", Stands::Directory, Why::System("open", libc::EISDIR)),
        ("a FIFO", Stands::Fifo, Why::System("mmap", libc::ENODEV)),
        ("a link to a region", Stands::LinkToRegion, Why::System("open", libc::ELOOP)),
        ("a file that stays empty", cut(0), too_short(0, 64)),
        ("a file that stays too short for a header", cut(63), too_short(63, 64)),
        ("a file that stays a byte too short", cut(LEN as usize - 1), too_short(len - 1, len)),
        ("a region that stays without its first word", with(0, 0), field("magic", 0, 0, FlawRule::Is(MAGIC))),
        ("another magic", with(0, MAGIC + 1), field("magic", 0, MAGIC + 1, FlawRule::Is(MAGIC))),
        ("an older version", half(4, 2), field("version", 4, 2, FlawRule::Is(3))),
        ("a newer version", half(4, 4), field("version", 4, 4, FlawRule::Is(3))),
        ("a shorter header", half(6, 63), field("header_len", 6, 63, FlawRule::Is(64))),
        ("a longer header", half(6, 128), field("header_len", 6, 128, FlawRule::Is(64))),
        ("areas in one place", with(24, 64), field("response_offset", 24, 64, FlawRule::Apart)),
        (
            "responses among requests",
            with(24, RESPONSES - 64),
            field("response_offset", 24, RESPONSES - 64, FlawRule::Apart),
        ),
        ("requests among responses", with(16, LEN - 64), field("request_offset", 16, LEN - 64, FlawRule::Apart)),
        (
            "requests that reach among responses",
            with(20, CAPACITY + 64),
            field("response_offset", 24, RESPONSES, FlawRule::Apart),
        ),
        ("an area beyond the file", with(24, RESPONSES + 64), too_short(len, len + 64)),
        ("an area that is too long for the file", with(28, CAPACITY + 64), too_short(len, len + 64)),
        ("an end that 32 bits do not hold", with(24, 0xffff_ffc0), too_short(len, 0xffff_ffc0 + u64::from(CAPACITY))),
    ];
    for (name, at) in FIELDS {
        for word in [0, 1, 63, CAPACITY - 1, u32::MAX] {
            rows.push(("a word that is no multiple of 64", with(at, word), field(name, at, word, FlawRule::Aligned)));
        }
        if name.ends_with("capacity") {
            for word in [0x4000_0000, 0x8000_0000, 0xffff_ffc0] {
                rows.push(("a capacity with marks", with(at, word), field(name, at, word, FlawRule::Bounded)));
            }
            for capacity in [64, 1024] {
                let small = AttachError::Small { field: name, capacity, needed: 1056 };
                rows.push(("an area that is too small", with(at, capacity), Why::Named(small)));
            }
        }
    }
    rows
}

/// A server of raw sockets, and what its regions will be.
struct Scene {
    server: RawServer,
    endpoint: Endpoint,
    run_dir: RunDir,
}

/// The session id of [`good_ack`].
const SESSION: u64 = 3;

impl Scene {
    fn new(stands: &Stands) -> Self {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("flawed");
        let server = RawServer::listen(&endpoint);
        let scene = Self { server, endpoint, run_dir };
        scene.put(stands, &scene.endpoint.region_path(SESSION));
        scene
    }

    fn put(&self, stands: &Stands, path: &Path) {
        match stands {
            Stands::Nothing => {}
            Stands::Directory => fs::create_dir(path).unwrap(),
            Stands::Fifo => rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap(),
            Stands::LinkToRegion => {
                let elsewhere = self.run_dir.path().join("elsewhere");
                fs::write(&elsewhere, region()).unwrap();
                symlink(elsewhere, path).unwrap();
            }
            Stands::File(bytes) => fs::write(path, bytes).unwrap(),
        }
    }

    /// A client that proposes these, and nothing else.
    fn client(profiles: Profiles) -> ClientConfig {
        ClientConfig::new().profiles(profiles).max_request_items(ITEMS).packet_size(PACKET_SIZE)
    }

    /// The next connection, on which these profiles were proposed.
    fn proposed(&self, profiles: Profiles) -> Raw {
        let raw = self.server.accept();
        let hello = hello_of(&raw);
        assert_eq!((hello.supported_profiles, hello.preferred_profiles), (profiles, profiles));
        raw
    }

    /// Grants one of the profiles that were proposed.
    fn grant(raw: &Raw, selected: Profiles, proposed: Profiles) {
        let intersection = proposed & BOTH;
        let ack = HelloAck { server_profiles: BOTH, intersection, selected_profile: selected, ..good_ack() };
        assert_eq!(ack.session_id, SESSION);
        raw.send(&ack_packet(&ack)).unwrap();
    }
}

/// The session has come to be over the socket, and says why.
fn assert_fell_back(client: &mut ClientSession, raw: &Raw, name: &str, why: &Why) {
    let status = client.status();
    assert_eq!((status.profile, client.terms().profile), (SOCKET, SOCKET));
    assert!(matches!(&status.fallback, Some(Fallback::NotAttached(error)) if why.is(error)), "{name}: {status:?}");
    let ticket = client.send(METHOD, b"ask", soon()).unwrap();
    assert_eq!(raw.receive(), Some(whole(Header::request(METHOD, 1, 3), b"ask")));
    raw.send(&whole(Header::response(METHOD, 1, 6), b"answer")).unwrap();
    let answer = client.receive(soon()).unwrap();
    assert_eq!((answer.ticket(), answer.payload()), (ticket, &b"answer"[..]));
}

fn assert_gave_up<T>(outcome: Result<T, Error>, scene: &Scene, name: &str, why: &Why) {
    let error = outcome.err();
    assert!(matches!(&error, Some(Error::SharedMemory(found)) if why.is(found)), "{name}: {error:?}");
    assert!(!scene.server.has_client(), "{name}");
}

#[test]
fn a_client_that_can_not_attach_connects_anew_without_shared_memory() {
    for (name, stands, why) in rows() {
        let scene = Scene::new(&stands);
        thread::scope(|scope| {
            let connecting = scope.spawn(|| Scene::client(BOTH).connect(&scene.endpoint, soon()));
            let first = scene.proposed(BOTH);
            Scene::grant(&first, MEMORY, BOTH);
            first.assert_closed(name);
            let second = scene.proposed(SOCKET);
            Scene::grant(&second, SOCKET, SOCKET);
            let mut client = connecting.join().unwrap().unwrap();
            assert_fell_back(&mut client, &second, name, &why);
        });
        assert!(!scene.server.has_client());
    }
}

#[test]
fn a_client_that_can_not_attach_and_has_nothing_else_says_why() {
    for (name, stands, why) in rows() {
        let scene = Scene::new(&stands);
        thread::scope(|scope| {
            let connecting = scope.spawn(|| Scene::client(MEMORY).connect(&scene.endpoint, soon()));
            let only = scene.proposed(MEMORY);
            Scene::grant(&only, MEMORY, MEMORY);
            only.assert_closed(name);
            assert_gave_up(connecting.join().unwrap(), &scene, name, &why);
        });
    }
}

/// A client that has said hello and waits for its answer.
fn begun(scene: &Scene, profiles: Profiles) -> (Connecting, Raw) {
    let connecting = Scene::client(profiles).try_connect(&scene.endpoint).unwrap().expect("room in the queue");
    let raw = scene.proposed(profiles);
    (still_waiting(connecting), raw)
}

fn still_waiting(connecting: Connecting) -> Connecting {
    match connecting.try_finish().unwrap() {
        Progress::Waiting(connecting) => connecting,
        Progress::Done(session) => panic!("{session:?}"),
    }
}

#[test]
fn a_client_that_does_not_wait_connects_anew_too() {
    for (name, stands, why) in rows() {
        let scene = Scene::new(&stands);
        let (connecting, first) = begun(&scene, BOTH);
        Scene::grant(&first, MEMORY, BOTH);
        let connecting = still_waiting(connecting);
        first.assert_closed(name);
        let second = scene.proposed(SOCKET);
        let connecting = still_waiting(connecting);
        Scene::grant(&second, SOCKET, SOCKET);
        let Progress::Done(mut client) = connecting.try_finish().unwrap() else { panic!("{name}: no session yet") };
        assert_fell_back(&mut client, &second, name, &why);
        assert!(!scene.server.has_client());
    }
}

#[test]
fn a_client_that_does_not_wait_and_has_nothing_else_says_why_too() {
    for (name, stands, why) in rows() {
        let scene = Scene::new(&stands);
        let (connecting, only) = begun(&scene, MEMORY);
        Scene::grant(&only, MEMORY, MEMORY);
        assert_gave_up(connecting.try_finish(), &scene, name, &why);
        only.assert_closed(name);
    }
}

#[test]
fn a_server_that_insists_on_shared_memory_breaks_a_rule() {
    let scene = Scene::new(&Stands::Nothing);
    let (connecting, first) = begun(&scene, BOTH);
    Scene::grant(&first, MEMORY, BOTH);
    let connecting = still_waiting(connecting);
    let second = scene.proposed(SOCKET);
    Scene::grant(&second, MEMORY, BOTH);
    let insisted = connecting.try_finish();
    assert!(matches!(insisted, Err(Error::Violation(_))), "{insisted:?}");
    assert!(!scene.server.has_client());
}

#[test]
fn a_client_that_can_not_attach_finds_nobody_to_connect_to_anew() {
    let scene = Scene::new(&Stands::Nothing);
    let (connecting, first) = begun(&scene, BOTH);
    Scene::grant(&first, MEMORY, BOTH);
    fs::remove_file(scene.endpoint.socket_path()).unwrap();
    let gone = connecting.try_finish();
    assert!(matches!(&gone, Err(Error::System(error)) if error.errno() == libc::ENOENT), "{gone:?}");
    first.assert_closed("a server that is gone");
}

/// One call over a region that is the file at `path`, by a server that reads and writes there.
fn call_by_hand(client: &mut ClientSession, path: &Path) {
    let ticket = client.send(METHOD, b"ask", soon()).unwrap();
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut bytes = [0; LEN as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    let request = whole(Header::request(METHOD, 1, 3), b"ask");
    assert_eq!(bytes[32..40], 1_u64.to_ne_bytes());
    assert_eq!(bytes[48..52], u32::try_from(request.len()).unwrap().to_ne_bytes());
    assert_eq!(bytes[REQUESTS as usize..][..request.len()], request);

    let answer = whole(Header::response(METHOD, 1, 6), b"answer");
    let len = u32::try_from(answer.len()).unwrap();
    file.write_all_at(&answer, RESPONSES.into()).unwrap();
    file.write_all_at(&len.to_ne_bytes(), 52).unwrap();
    file.write_all_at(&1_u64.to_ne_bytes(), 40).unwrap();
    let answer = client.receive(soon()).unwrap();
    assert_eq!((answer.ticket(), answer.payload()), (ticket, &b"answer"[..]));
}

/// Completes the region once the client has looked for it a second time; whether that was in time for it.
fn is_completed_in_time(unready: &Stands) -> bool {
    let scene = Scene::new(unready);
    let path = scene.endpoint.region_path(SESSION);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&watch, &path, inotify::WatchFlags::OPEN).unwrap();
    thread::scope(|scope| {
        let connecting = scope.spawn(|| Scene::client(BOTH).connect(&scene.endpoint, soon()));
        let first = scene.proposed(BOTH);
        Scene::grant(&first, MEMORY, BOTH);
        let mut room = [MaybeUninit::uninit(); 512];
        // The same event twice in a row is told once, unless it was taken in between.
        let mut looks = inotify::Reader::new(&watch, &mut room);
        for _ in 0..2 {
            assert!(looks.next().unwrap().events().contains(inotify::ReadFlags::OPEN));
        }
        file.write_all_at(&region(), 0).unwrap();
        while !connecting.is_finished() {
            if scene.server.has_client() {
                // It looked for long enough, while this thread did not get to run.
                Scene::grant(&scene.proposed(SOCKET), SOCKET, SOCKET);
                let fallback = connecting.join().unwrap().unwrap().status().fallback;
                assert!(matches!(fallback, Some(Fallback::NotAttached(AttachError::Flaw(_)))), "{fallback:?}");
                return false;
            }
            thread::yield_now();
        }
        let mut client = connecting.join().unwrap().unwrap();
        assert_eq!((client.status().profile, client.status().fallback), (MEMORY, None));
        call_by_hand(&mut client, &path);
        true
    })
}

#[test]
fn a_region_may_become_ready_while_the_client_looks_for_it() {
    let unready = [Vec::new(), region()[..63].to_vec(), region()[..64].to_vec(), with_word(&region(), 0, 0)];
    for bytes in unready {
        let stands = Stands::File(bytes);
        assert!((0..50).any(|_| is_completed_in_time(&stands)), "{stands:?}");
    }
}
