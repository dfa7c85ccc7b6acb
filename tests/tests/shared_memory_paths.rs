//! What stands where regions are to be made: what the dead left goes, what the living have stays, and sessions pass over names
//! that are taken. Each kind of file by itself is tested where it is told from the others.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::SystemTime;

use netipc::endpoint::Endpoint;
use netipc::session::{ClientSession, Listener, ServerSession, Wait};
use netipc::wire::Profiles;
use netipc_tests::processes::{Child, RunDir, role};
use netipc_tests::regions::{call_across, client, server, within};
use rustix::fs::{CWD, FileType, Mode, mknodat};

const SESSIONS: u64 = 20;

fn meet(listener: &mut Listener) -> (ClientSession, ServerSession) {
    let connecting = client(Wait::Block).try_connect(listener.endpoint()).unwrap().unwrap();
    let session = listener.accept(within()).unwrap();
    (connecting.finish(within()).unwrap(), session)
}

/// A region of this owner, whole.
fn region(path: &Path, pid: u32, generation: u32) {
    let words = [0x4e53_484d, 0x0040_0003, pid, generation, 64, 64, 128, 64];
    let mut bytes = words.map(u32::to_ne_bytes).concat();
    bytes.resize(192, 0);
    fs::write(path, bytes).unwrap();
}

/// The id of a process that has ended.
fn dead_pid() -> u32 {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    pid
}

type Squatter = (&'static str, fn(&Path));

/// What makes way for a region.
const STALE: [Squatter; 6] = [
    ("of a dead process", |path| region(path, dead_pid(), 7)),
    ("of nobody", |path| region(path, std::process::id(), 0)),
    ("text", |path| fs::write(path, "foreign\n".repeat(100)).unwrap()),
    ("of who had our id before us", |path| {
        region(path, std::process::id(), 7);
        File::options().write(true).open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }),
    ("a link", |path| symlink("../valuable", path).unwrap()),
    ("a fifo", |path| mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap()),
];

/// What does not.
const LIVING: [Squatter; 3] = [
    ("of this process, by another's reckoning", |path| region(path, std::process::id(), 7)),
    ("perhaps a region in a moment", |path| fs::write(path, "").unwrap()),
    ("a directory", |path| fs::create_dir(path).unwrap()),
];

#[test]
fn names_that_somebody_living_has_are_passed_over_and_the_others_are_not() {
    let room = RunDir::new();
    let run_dir = room.path().join("run");
    fs::create_dir(&run_dir).unwrap();
    fs::write(room.path().join("valuable"), "kept").unwrap();
    let endpoint = Endpoint::new(&run_dir, "lamp").unwrap();
    region(&run_dir.join("lamp-b-0000000000000001.ipcshm"), dead_pid(), 7);
    let mut kept = vec!["lamp-b-0000000000000001.ipcshm".to_owned(), "lamp.sock".to_owned()];
    let squatters =
        STALE.iter().map(|squatter| (squatter, false)).chain(LIVING.iter().map(|squatter| (squatter, true)));
    let squatters: Vec<_> = (1..).zip(squatters).collect();
    let late = squatters.len() as u64;
    let mut taken = Vec::new();
    for (id, ((_, squat), is_living)) in &squatters {
        squat(&endpoint.region_path(*id));
        taken.extend(is_living.then_some(*id));
    }
    let mut listener = server(Wait::Block).listen(&endpoint).unwrap();
    // And once more when the server has begun.
    for (id, ((_, squat), is_living)) in &squatters {
        squat(&endpoint.region_path(late + id));
        taken.extend(is_living.then_some(late + id));
    }
    for id in &taken {
        kept.push(endpoint.region_path(*id).file_name().unwrap().to_str().unwrap().to_owned());
    }
    kept.sort();

    let mut sessions = Vec::new();
    for id in (1..=SESSIONS).filter(|id| !taken.contains(id)) {
        let (client, server) = meet(&mut listener);
        let what =
            squatters.iter().find(|(at, _)| [id, id.wrapping_sub(late)].contains(at)).map(|(_, (kind, _))| kind.0);
        assert_eq!(server.terms().session_id, id, "{what:?}");
        let status = server.status();
        assert_eq!((client.status().profile, status.fallback), (Profiles::SHM_HYBRID, None), "{id}: {what:?}");
        assert!(endpoint.region_path(id).exists(), "{id}");
        sessions.push((client, server));
    }
    assert_eq!(taken.len(), 2 * LIVING.len());
    for (client, server) in &mut sessions {
        call_across(client, server);
    }
    drop(sessions);
    assert_eq!(names(&run_dir), kept);
    drop(listener);
    assert_eq!(fs::read(room.path().join("valuable")).unwrap(), b"kept");
}

fn names(run_dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(run_dir).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_service_that_starts_again_and_again_harms_no_region_of_one_whose_name_begins_with_its_own() {
    const NAME: &str = "a_service_that_starts_again_and_again_harms_no_region_of_one_whose_name_begins_with_its_own";
    const REGIONS: u64 = 1_000;
    if let Some((_, run_dir)) = role() {
        let endpoint = Endpoint::new(run_dir, "a-b").unwrap();
        let mut listener = server(Wait::Block).listen(&endpoint).unwrap();
        for id in 1..=REGIONS {
            let (mut client, mut server) = meet(&mut listener);
            assert_eq!((server.terms().session_id, server.status().fallback), (id, None));
            assert_eq!(client.status().profile, Profiles::SHM_HYBRID, "{:?}", client.status());
            call_across(&mut client, &mut server);
            assert!(endpoint.region_path(id).exists());
        }
        return;
    }
    let run_dir = RunDir::new();
    let mut child = Child::start(NAME, "a-b", run_dir.path());
    let mut starts = 0;
    while !child.has_ended() {
        // A region of its own to remove, each time.
        region(&run_dir.endpoint("a").region_path(starts), std::process::id(), 0);
        drop(server(Wait::Block).listen(&run_dir.endpoint("a")).unwrap());
        starts += 1;
    }
    child.finish();
    assert!(starts > 20, "{starts}");
    assert!(run_dir.names().is_empty(), "{:?}", run_dir.names());
}
