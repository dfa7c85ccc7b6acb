//! A server remembers how large an answer would have had to be, and offers that to the sessions that come.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

use core::time::Duration;

use netipc::endpoint::Endpoint;
use netipc::server::Running;
use netipc::session::{ClientConfig, ClientSession, Deadline};
use netipc::wire::{Method, Profiles, Status};
use netipc_tests::processes::RunDir;

/// Makes what is asked for.
#[netipc::service(name = "mill")]
trait Mill {
    /// So many bytes.
    fn grind(&self, bytes: u32) -> Vec<u8>;
}

struct Wind;

impl Mill for Wind {
    fn grind(&self, bytes: u32) -> Vec<u8> {
        vec![7; bytes as usize]
    }
}

const GRIND: Method = Method::new(1);
/// Around the bytes of an answer: its slot, and whatever stands in front and behind.
const AROUND: u32 = 64;
const LONG: Duration = Duration::from_secs(60);

fn both() -> [Profiles; 2] {
    [Profiles::BASELINE, Profiles::BASELINE | Profiles::SHM_HYBRID]
}

fn serve(run_dir: &RunDir, profiles: Profiles, first: u32, ceiling: u32) -> Running {
    let server = MillServer::new(Wind).profiles(profiles).max_response_payload(first).response_ceiling(ceiling);
    server.bind(run_dir.path()).unwrap().spawn().unwrap()
}

fn connect(endpoint: &Endpoint, profiles: Profiles) -> ClientSession {
    let client =
        ClientConfig::new().profiles(profiles).max_request_payload(1 << 16).connect(endpoint, Deadline::NEVER).unwrap();
    assert_eq!(client.status().profile == Profiles::SHM_HYBRID, profiles != Profiles::BASELINE);
    client
}

/// What sessions that begin now are offered.
fn offered(endpoint: &Endpoint, profiles: Profiles) -> u32 {
    connect(endpoint, profiles).terms().response_payload
}

fn ask(client: &mut ClientSession, bytes: u32) -> Status {
    client.send(GRIND, &bytes.to_ne_bytes(), Deadline::NEVER).unwrap();
    let answer = client.receive(Deadline::NEVER).unwrap();
    let len = answer.payload().len();
    assert!(if answer.status() == Status::Ok { len >= bytes as usize } else { len == 0 });
    answer.status()
}

#[test]
fn the_next_session_has_room_for_what_the_last_one_had_none_for() {
    for profiles in both() {
        let run_dir = RunDir::new();
        let running = serve(&run_dir, profiles, 1024, 1 << 20);
        let endpoint = running.endpoint();
        let mut early = connect(endpoint, profiles);
        assert_eq!(early.terms().response_payload, 1024);
        for (bytes, enough) in [(5000, 8192), (8000, 8192), (300_000, 1 << 19), (5000, 1 << 19)] {
            let mut client = connect(endpoint, profiles);
            if client.terms().response_payload < bytes + AROUND {
                assert_eq!(ask(&mut client, bytes), Status::LimitExceeded);
                assert!(client.receive(Deadline::NEVER).is_err());
                // It was remembered before anybody was told.
                client = connect(endpoint, profiles);
            }
            assert_eq!(client.terms().response_payload, enough);
            assert_eq!(ask(&mut client, bytes), Status::Ok);
        }
        // What was agreed on holds.
        assert_eq!(ask(&mut early, 900), Status::Ok);
        assert_eq!(ask(&mut early, 1100), Status::LimitExceeded);
        assert_eq!(offered(endpoint, profiles), 1 << 19);
        running.shutdown(LONG).unwrap();
    }
}

#[test]
fn no_client_makes_it_grow_beyond_its_ceiling() {
    for profiles in both() {
        let run_dir = RunDir::new();
        for (first, ceiling, last) in [(1024, 3000, 3000), (1024, 4096, 4096), (1024, 0, 1024), (1024, 1000, 1024)] {
            let running = serve(&run_dir, profiles, first, ceiling);
            let endpoint = running.endpoint();
            for bytes in [1 << 16, 1100, u32::MAX >> 8, 2500, 1 << 20, 2900] {
                let mut client = connect(endpoint, profiles);
                if client.terms().response_payload < bytes + AROUND {
                    assert_eq!(ask(&mut client, bytes), Status::LimitExceeded);
                }
                assert!(offered(endpoint, profiles) <= last);
            }
            assert_eq!(offered(endpoint, profiles), last);
            running.shutdown(LONG).unwrap();
        }
    }
}

#[test]
fn the_answers_of_a_batch_find_room_after_a_few_attempts() {
    for profiles in both() {
        let run_dir = RunDir::new();
        let running = serve(&run_dir, profiles, 1024, 1 << 20);
        let items = vec![200_u32.to_ne_bytes(); 100];
        let mut attempts = 0;
        loop {
            let mut client = connect(running.endpoint(), profiles);
            client.send_batch(GRIND, &items, Deadline::NEVER).unwrap();
            let answer = client.receive(Deadline::NEVER).unwrap();
            if answer.status() == Status::Ok {
                assert_eq!(answer.batch().unwrap().len(), items.len());
                break;
            }
            assert_eq!(answer.status(), Status::LimitExceeded);
            attempts += 1;
            assert!(attempts <= 5, "it is at most doubled five times from 1 KiB to 32");
        }
    }
}

#[test]
fn a_client_of_ours_has_its_answer_after_one_more_connection() {
    for profiles in both() {
        let run_dir = RunDir::new();
        let running = serve(&run_dir, profiles, 1024, 1 << 20);
        let mut client = MillClient::config().profiles(profiles).connect(run_dir.path()).unwrap();
        assert_eq!(client.grind(100).unwrap().len(), 100);
        assert_eq!(client.grind(400_000).unwrap().len(), 400_000);
        let status = client.status();
        assert_eq!((status.connections, status.grown), (2, 1));
        // The next one has it at once.
        let mut client = MillClient::config().profiles(profiles).connect(run_dir.path()).unwrap();
        assert_eq!(client.grind(400_000).unwrap().len(), 400_000);
        assert_eq!(client.status().connections, 1);
        drop(client);
        running.shutdown(LONG).unwrap();
    }
}
