//! Another process that writes anything anywhere into the region of a session while calls are made there.
//!
//! Whatever it writes, nobody of ours panics, crashes or waits long beyond a deadline, and a session ends in one of the ways
//! in which a peer may end it. A session that has ended is made anew.
#![cfg(target_os = "linux")]

use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use netipc::EncodeError;
use netipc::buf::Writer;
use netipc::endpoint::Endpoint;
use netipc::session::{Arrival, BuildError, ClientSession, Deadline, Error, Listener, ServerSession, Wait};
use netipc::wire::{Header, HelloAck, Method, Profiles};
use netipc_examples::CgroupsLookupResponse;
use netipc_tests::declared;
use netipc_tests::memory::{Peer, ack, client, hello, server};
use netipc_tests::oracle::Message;
use netipc_tests::processes::{Child, RunDir, hear, role, say};
use netipc_tests::random::Random;
use netipc_tests::raw::{Raw, RawServer, ack_packet, hello_packet, whole};
use netipc_tests::region::{Layout, REQUEST, RESPONSE, RawRegion};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const PAYLOAD: u32 = 4096;
const METHOD: Method = Method::new(4);
const SERVICE: &str = "scribbled";
/// Writes of one scribbler.
const ROUNDS: u64 = 1_000_000;
/// How long a call may take, ..
const PATIENCE: Duration = Duration::from_millis(200);
/// .. and how long nothing at all may come back before somebody hangs.
const HANG: Duration = Duration::from_secs(60);

fn patience() -> Deadline {
    Deadline::after(PATIENCE)
}

/// What has come back so far in this process: somebody watches that it grows.
static RETURNED: AtomicU64 = AtomicU64::new(0);

/// Does `work`, and ends the process where no call in it comes back.
fn watched<R>(work: impl FnOnce() -> R) -> R {
    let (done, is_done) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut last = u64::MAX;
            while is_done.recv_timeout(HANG) == Err(RecvTimeoutError::Timeout) {
                let now = RETURNED.load(Ordering::Relaxed);
                if now == last {
                    eprintln!("a call does not come back");
                    std::process::abort();
                }
                last = now;
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// What calls came to.
#[derive(Debug, Default)]
struct Tally {
    done: u64,
    failed: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Counts what came back; whether the session goes on.
    fn count<R>(&mut self, result: Result<R, Error>) -> Option<R> {
        RETURNED.fetch_add(1, Ordering::Relaxed);
        let kind = match result {
            Ok(done) => {
                self.done += 1;
                return Some(done);
            }
            Err(Error::Violation(_)) => "violation",
            Err(Error::Limit(_)) => "limit",
            Err(Error::Closed { .. }) => "closed",
            Err(Error::TimedOut) => "timed out",
            Err(error) => panic!("{error:?}"),
        };
        *self.failed.entry(kind).or_default() += 1;
        None
    }
}

/// What is in a message of whoever it is: anything, and nothing that could do harm.
fn look_at(payload: &[u8]) {
    for message in Message::ALL {
        // Whether it is one does not matter here.
        let _ = declared::decode(message, payload);
    }
}

/// A payload built where others write meanwhile: fields out of order, so that text is moved about in the area, and fewer
/// items than there was room made for.
fn build(writer: &mut Writer<'_>, items: usize) -> Result<(), EncodeError> {
    let mut message = CgroupsLookupResponse::builder_in(writer);
    message.generation(7);
    let mut list = message.items(items + 3);
    for _ in 0..items {
        list.push(|item| {
            item.name(c"a name that is replaced").path(c"/a/path").name(c"name");
            let mut labels = item.labels(4);
            labels.push(|label| label.value(c"value").key(c"key"));
            labels.push(|label| label.key(c"another").value(c""));
            item
        });
    }
    message.finish().map(drop)
}

fn unbuilt(error: BuildError<EncodeError>) -> Error {
    match error {
        BuildError::Session(error) => error,
        BuildError::Build(error) => panic!("building depends on what others write: {error}"),
    }
}

/// Calls until the session has ended.
fn call(session: &mut ClientSession, random: &mut Random, tally: &mut Tally, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Acquire) {
        let ahead = 1 + random.below(3);
        for _ in 0..ahead {
            let sent = if random.one_in(2) {
                let items = random.below(8);
                session.send_with(METHOD, patience(), |writer| build(writer, items)).map(drop).map_err(unbuilt)
            } else {
                session.send(METHOD, &vec![7; random.below(PAYLOAD as usize)], patience()).map(drop)
            };
            if tally.count(sent).is_none() {
                return;
            }
        }
        for _ in 0..ahead {
            let received = session.receive(patience()).map(|response| look_at(response.payload()));
            if tally.count(received).is_none() {
                return;
            }
        }
    }
}

/// Serves until the session has ended.
fn serve(session: &mut ServerSession, random: &mut Random, tally: &mut Tally, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Acquire) {
        let received = session.receive(patience()).map(|request| {
            look_at(request.payload());
            request.ticket()
        });
        let Some(ticket) = tally.count(received) else { return };
        let sent = if random.one_in(2) {
            let items = random.below(8);
            session.respond_with(ticket, patience(), |writer| build(writer, items)).map_err(unbuilt)
        } else {
            session.respond(ticket, &vec![9; random.below(PAYLOAD as usize)], patience())
        };
        if tally.count(sent).is_none() {
            return;
        }
    }
}

const WAITS: [Wait; 3] = [Wait::Block, Wait::Adaptive, Wait::Always];

/// Makes sessions with whoever serves there, and calls in them.
fn be_client(endpoint: &Endpoint, seed: u64, is_over: &AtomicBool) -> Tally {
    let (mut random, mut tally) = (Random::new(seed), Tally::default());
    while !is_over.load(Ordering::Acquire) {
        let config = client(PAYLOAD, PAYLOAD).profiles(Profiles::SHM_HYBRID).wait(random.pick(&WAITS));
        RETURNED.fetch_add(1, Ordering::Relaxed);
        match config.connect(endpoint, patience()) {
            Ok(mut session) => call(&mut session, &mut random, &mut tally, is_over),
            // It was written over before it was looked at, or the server is busy with a session that it thinks alive.
            Err(Error::SharedMemory(_) | Error::TimedOut) => {}
            // Whoever serves may end first: then this is over too, or soon is.
            Err(Error::Closed { .. } | Error::System(_)) => thread::yield_now(),
            Err(error) => panic!("{error:?}"),
        }
    }
    tally
}

fn listen(endpoint: &Endpoint) -> Listener {
    server(PAYLOAD, PAYLOAD).listen(endpoint).unwrap()
}

/// Serves whoever comes, one after the other.
fn be_server(listener: &mut Listener, seed: u64, is_over: &AtomicBool) -> Tally {
    let (mut random, mut tally) = (Random::new(seed), Tally::default());
    while !is_over.load(Ordering::Acquire) {
        RETURNED.fetch_add(1, Ordering::Relaxed);
        match listener.next(patience()) {
            Ok(Arrival::Session(mut session)) => serve(&mut session, &mut random, &mut tally, is_over),
            // A client that has gone.
            Ok(Arrival::Rejected(_)) | Err(Error::TimedOut) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    tally
}

/// Writes to a region, in a manner that changes from burst to burst; some leave sessions alive for longer than others.
fn burst(region: &RawRegion, random: &mut Random) -> u64 {
    let manner = random.below(12);
    let times = 1 + random.below(if manner < 8 { 500 } else { 8 }) as u64;
    for _ in 0..times {
        let value = random.next();
        let word = if random.one_in(2) { REQUEST } else { RESPONSE };
        match manner {
            // What is slept on, ..
            0..=2 => region.word32(word.signal).store(value as u32, Ordering::Release),
            3 => region.wake(word.signal),
            // .. what messages consist of, ..
            4..=6 => {
                let layout = region.layout();
                let area = if random.one_in(2) { layout.request } else { layout.response };
                let most = random.pick(&[32, 200, area.capacity as usize - 8]);
                let at = area.offset as usize + random.below(most);
                region.write(at, &value.to_ne_bytes()[..1 + random.below(8)]);
            }
            // .. marks, ..
            7 => {
                let bit = random.pick(&[1_u32 << 31, 1 << 30]);
                region.word32(word.len).fetch_xor(bit, Ordering::AcqRel);
            }
            // .. lengths and numbers that could be, ..
            8 => region.word32(word.len).store(value as u32 % (PAYLOAD + 100), Ordering::Release),
            9 => region.word32(word.len).store(random.pick(&[0, 1 << 31, u32::MAX, 40]), Ordering::Release),
            10 => drop(region.word64(word.seq).fetch_add(random.pick(&[1, 2, u64::MAX]), Ordering::AcqRel)),
            // .. and all of the header.
            _ => region.write(random.below(60), &value.to_ne_bytes()[..1 + random.below(4)]),
        }
    }
    for _ in 0..random.below(20_000) {
        spin_loop();
    }
    times
}

/// Any region there is. Its path may be that of another one by the time it is opened, or of none.
fn some_region(run_dir: &Path) -> Option<(PathBuf, RawRegion)> {
    let paths = fs::read_dir(run_dir).unwrap().map(|entry| entry.unwrap().path());
    let path = paths.filter(|path| path.extension().is_some_and(|suffix| suffix == "ipcshm")).max()?;
    let region = RawRegion::try_attach(&path)?;
    Some((path, region))
}

/// The child that does nothing but scribble.
fn be_scribbler(run_dir: &Path, seed: u64) {
    let (mut random, mut rounds) = (Random::new(seed), 0);
    while rounds < ROUNDS {
        let Some((path, region)) = some_region(run_dir) else {
            thread::yield_now();
            continue;
        };
        while rounds < ROUNDS && path.exists() {
            rounds += burst(&region, &mut random);
        }
    }
}

/// A peer that scribbles over the region of its own session, of which it keeps the rules otherwise.
fn scribble_while(region: &RawRegion, seed: u64, rounds: &AtomicU64, work: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::new(seed);
            while !is_over.load(Ordering::Acquire) {
                rounds.fetch_add(burst(region, &mut random), Ordering::Relaxed);
            }
        });
        work();
        is_over.store(true, Ordering::Release);
    });
}

/// Whether the other end of the lifeline is still there.
fn is_open(raw: &Raw) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut fds = [PollFd::new(raw, PollFlags::RDHUP)];
    poll(&mut fds, Some(&at_once)).unwrap() == 0
}

/// The child that serves by hand.
fn be_wicked_server(run_dir: &Path, endpoint: &Endpoint) {
    let listening = RawServer::listen(endpoint);
    say("ready");
    let (rounds, mut session_id) = (AtomicU64::new(0), 0);
    while rounds.load(Ordering::Relaxed) < ROUNDS {
        let raw = listening.accept();
        session_id += 1;
        if raw.receive().is_none() {
            continue;
        }
        let path = endpoint.region_path(session_id);
        let region = RawRegion::create(&path, Layout::of(PAYLOAD, PAYLOAD));
        let second = RawRegion::try_attach(&path).unwrap();
        let intersection = Profiles::SHM_HYBRID;
        raw.send(&ack_packet(&HelloAck { intersection, ..ack(PAYLOAD, PAYLOAD, session_id) })).unwrap();
        let mut peer = Peer { region, raw };
        scribble_while(&second, session_id, &rounds, || {
            let mut last = 0;
            while is_open(&peer.raw) {
                let Some(message) = peer.region.try_receive(Duration::from_millis(2)) else { continue };
                // What was asked may have been written over: then the next id is a guess.
                let asked = Header::parse(&message).map_or(last + 1, |header| header.message_id());
                last = asked;
                peer.region.publish(&whole(Header::response(METHOD, asked, 100), &[3; 100]));
            }
        });
        fs::remove_file(run_dir.join(path)).unwrap();
    }
}

/// The child that asks by hand.
fn be_wicked_client(endpoint: &Endpoint) {
    let (rounds, mut sessions) = (AtomicU64::new(0), 0);
    while rounds.load(Ordering::Relaxed) < ROUNDS {
        let raw = Raw::connect(endpoint);
        raw.send(&hello_packet(&hello(PAYLOAD, PAYLOAD))).unwrap();
        let Some(packet) = raw.receive() else { continue };
        let session_id = HelloAck::parse(&packet[32..]).unwrap().session_id;
        let path = endpoint.region_path(session_id);
        let (Some(region), Some(second)) = (RawRegion::try_attach(&path), RawRegion::try_attach(&path)) else {
            continue;
        };
        sessions += 1;
        let mut peer = Peer { region, raw };
        scribble_while(&second, sessions, &rounds, || {
            let mut id = 0;
            while is_open(&peer.raw) {
                id += 1;
                peer.ask(id, &[5; 300]);
                let _ = peer.region.try_receive(Duration::from_millis(2));
            }
        });
    }
}

/// What a child of this name and role does.
fn child(role: &str, run_dir: &Path) {
    let endpoint = Endpoint::new(run_dir, SERVICE).unwrap();
    let until_told = |work: &(dyn Fn(&AtomicBool) -> Tally + Sync)| {
        let is_over = AtomicBool::new(false);
        let tally = thread::scope(|scope| {
            let working = scope.spawn(|| work(&is_over));
            let _ = hear();
            is_over.store(true, Ordering::Release);
            working.join().unwrap()
        });
        assert!(tally.done > 100, "{tally:?}");
        say(&format!("{tally:?}"));
    };
    watched(|| match role {
        "client" => until_told(&|is_over| be_client(&endpoint, 3, is_over)),
        "server" => {
            let listener = std::sync::Mutex::new(listen(&endpoint));
            say("ready");
            until_told(&|is_over| be_server(&mut listener.lock().unwrap(), 4, is_over));
        }
        "scribbler" => be_scribbler(run_dir, 5),
        "wicked server" => be_wicked_server(run_dir, &endpoint),
        "wicked client" => be_wicked_client(&endpoint),
        _ => panic!("{role}"),
    });
}

/// Works until `last`, which ends by itself, has ended, and then has `other` end.
fn until_ended(last: Child, other: Option<Child>, work: impl FnOnce(&AtomicBool) -> Tally) {
    let is_over = AtomicBool::new(false);
    let tally = watched(|| {
        thread::scope(|scope| {
            scope.spawn(|| {
                // Also if it failed.
                let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| last.finish()));
                is_over.store(true, Ordering::Release);
                ended.unwrap();
            });
            work(&is_over)
        })
    });
    eprintln!("{tally:?}");
    assert!(tally.done > 100 && !tally.failed.is_empty(), "{tally:?}");
    if let Some(mut other) = other {
        other.tell("enough");
        eprintln!("the other side: {}", other.hear());
        other.finish();
    }
}

#[test]
fn a_client_lives_with_whatever_a_third_process_writes() {
    const NAME: &str = "a_client_lives_with_whatever_a_third_process_writes";
    if let Some((role, run_dir)) = role() {
        return child(&role, &run_dir);
    }
    let run_dir = RunDir::new();
    let mut serving = Child::start(NAME, "server", run_dir.path());
    assert_eq!(serving.hear(), "ready");
    let scribbling = Child::start(NAME, "scribbler", run_dir.path());
    until_ended(scribbling, Some(serving), |is_over| be_client(&run_dir.endpoint(SERVICE), 1, is_over));
    assert_eq!(run_dir.names(), [""; 0]);
}

#[test]
fn a_server_lives_with_whatever_a_third_process_writes() {
    const NAME: &str = "a_server_lives_with_whatever_a_third_process_writes";
    if let Some((role, run_dir)) = role() {
        return child(&role, &run_dir);
    }
    let run_dir = RunDir::new();
    let mut listener = listen(&run_dir.endpoint(SERVICE));
    let calling = Child::start(NAME, "client", run_dir.path());
    let scribbling = Child::start(NAME, "scribbler", run_dir.path());
    until_ended(scribbling, Some(calling), |is_over| be_server(&mut listener, 2, is_over));
    drop(listener);
    assert_eq!(run_dir.names(), [""; 0]);
}

#[test]
fn a_client_lives_with_whatever_its_server_writes() {
    const NAME: &str = "a_client_lives_with_whatever_its_server_writes";
    if let Some((role, run_dir)) = role() {
        return child(&role, &run_dir);
    }
    let run_dir = RunDir::new();
    let mut serving = Child::start(NAME, "wicked server", run_dir.path());
    assert_eq!(serving.hear(), "ready");
    until_ended(serving, None, |is_over| be_client(&run_dir.endpoint(SERVICE), 6, is_over));
}

#[test]
fn a_server_lives_with_whatever_its_client_writes() {
    const NAME: &str = "a_server_lives_with_whatever_its_client_writes";
    if let Some((role, run_dir)) = role() {
        return child(&role, &run_dir);
    }
    let run_dir = RunDir::new();
    let mut listener = listen(&run_dir.endpoint(SERVICE));
    let asking = Child::start(NAME, "wicked client", run_dir.path());
    until_ended(asking, None, |is_over| be_server(&mut listener, 7, is_over));
    drop(listener);
    assert_eq!(run_dir.names(), [""; 0]);
}
