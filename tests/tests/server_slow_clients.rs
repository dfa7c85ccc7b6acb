//! Clients that don't read their answers: they keep no worker from the others.
#![cfg(target_os = "linux")]

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netipc::endpoint::Endpoint;
use netipc::server::{Report, Running, ServeError};
use netipc::session::{ClientConfig, Deadline, Error, RequestSender, ResponseReceiver};
use netipc::wire::{Method, Profiles};
use netipc_tests::processes::RunDir;

/// Much more than a socket holds.
const LONG: u32 = 900_000;
/// Nothing takes that long but what hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const BOTH: [Profiles; 2] = [Profiles::BASELINE, Profiles::SHM_HYBRID];
const FILL: Method = Method::new(1);

#[netipc::service(name = "tank")]
trait Tank {
    fn fill(&self, len: u32) -> Vec<u8>;
}

struct Full;

impl Tank for Full {
    fn fill(&self, len: u32) -> Vec<u8> {
        vec![len as u8; len as usize]
    }
}

/// One worker, so that whoever keeps it keeps it from all.
fn serve(run_dir: &RunDir, response_timeout: Duration) -> (Running, Receiver<String>) {
    let (report, reports) = channel();
    let server = TankServer::new(Full)
        .workers(1)
        .profiles(Profiles::BASELINE | Profiles::SHM_HYBRID)
        .response_timeout(response_timeout)
        .on_report(move |told: &Report| drop(report.send(format!("{told:?}"))));
    (server.bind(run_dir.path()).unwrap().spawn().unwrap(), reports)
}

fn deadline() -> Deadline {
    Deadline::after(PATIENCE)
}

/// A client that asks and does not read: a whole session would, while what it sends waits for room.
fn greedy(run_dir: &RunDir, profile: Profiles) -> (RequestSender, ResponseReceiver) {
    let endpoint = Endpoint::new(run_dir.path(), "tank").unwrap();
    let config = ClientConfig::new().profiles(profile).response_ceiling(1 << 20);
    let (mut requests, answers) = config.connect(&endpoint, deadline()).unwrap().split();
    for _ in 0..3 {
        requests.send(FILL, &LONG.to_ne_bytes(), deadline()).unwrap();
    }
    (requests, answers)
}

fn client(run_dir: &RunDir, profile: Profiles) -> TankClient {
    TankClient::config().profiles(profile).timeout(PATIENCE).connect(run_dir.path()).unwrap()
}

/// One test after the other: threads are counted.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|found| found.trim_end() == name).count()
}

#[test]
fn who_does_not_read_keeps_nobody_waiting_and_has_all_answers_in_the_end() {
    let _turn = alone();
    for profile in BOTH {
        let run_dir = RunDir::new();
        let (server, reports) = serve(&run_dir, PATIENCE);
        let mut slow: Vec<_> = (0..4).map(|_| greedy(&run_dir, profile)).collect();
        for other in BOTH {
            let mut client = client(&run_dir, other);
            for len in 0..50 {
                assert_eq!(client.fill(len).unwrap().len(), len as usize, "{profile:?}, {other:?}");
            }
        }
        for (requests, answers) in &mut slow {
            for _ in 0..3 {
                let answer = answers.receive(deadline()).unwrap();
                // The offset and the length of the bytes, and the bytes.
                assert!(
                    answer.payload().len() >= LONG as usize
                        && answer.payload()[8..].iter().all(|byte| *byte == LONG as u8)
                );
            }
            // And it goes on.
            requests.send(FILL, &1_u32.to_ne_bytes(), deadline()).unwrap();
            assert!(answers.receive(deadline()).is_ok());
        }
        server.shutdown(PATIENCE).unwrap();
        assert_eq!(reports.try_iter().count(), 0);
    }
}

#[test]
fn who_never_reads_is_ended_and_reported_and_leaves_no_thread() {
    let _turn = alone();
    for profile in BOTH {
        let run_dir = RunDir::new();
        let (server, reports) = serve(&run_dir, Duration::from_millis(50));
        let (_requests, mut answers) = greedy(&run_dir, profile);
        let report = reports.recv_timeout(PATIENCE).unwrap();
        assert!(report.contains("SessionEnded") && report.contains("TimedOut"), "{report}");
        // What was sent before can be read; then there is an end.
        let end = loop {
            match answers.receive(deadline()) {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(matches!(end, Error::Closed { .. }), "{end:?}");
        assert_eq!(client(&run_dir, profile).fill(7).unwrap().len(), 7);
        server.shutdown(PATIENCE).unwrap();
        assert_eq!(threads("netipc-blocked"), 0);
    }
}

#[test]
fn a_client_that_is_gone_is_noticed_while_it_is_waited_for() {
    let _turn = alone();
    for profile in BOTH {
        let run_dir = RunDir::new();
        let (server, reports) = serve(&run_dir, PATIENCE);
        drop(greedy(&run_dir, profile));
        assert_eq!(client(&run_dir, profile).fill(3).unwrap().len(), 3);
        server.shutdown(PATIENCE).unwrap();
        assert_eq!(reports.try_iter().count(), 0);
    }
}

#[test]
fn a_stop_waits_for_answers_that_are_under_way_and_an_end_does_not() {
    let _turn = alone();
    for profile in BOTH {
        let run_dir = RunDir::new();
        let (server, _reports) = serve(&run_dir, PATIENCE);
        let (_requests, mut answers) = greedy(&run_dir, profile);
        // One answer is there, so the others are under way or waited for.
        assert!(answers.receive(deadline()).is_ok());
        server.stop();
        for _ in 0..2 {
            assert!(answers.receive(deadline()).is_ok());
        }
        server.shutdown(PATIENCE).unwrap();

        let (server, _reports) = serve(&run_dir, PATIENCE);
        let session = greedy(&run_dir, profile);
        let ended = server.shutdown(Duration::from_millis(50));
        assert!(matches!(ended, Err(ServeError::Unfinished { sessions: 1 })), "{ended:?}");
        drop(session);
    }
}
