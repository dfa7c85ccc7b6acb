//! How lookups end that take too long, are aborted, or whose server changes its mind with every connection.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use netipc::buf::Writer;
use netipc::client::Stub;
use netipc::server::Server;
use netipc::service::{Dispatch, Failure, Service};
use netipc::wire::{Header, Method, Profiles, Status};
use netipc::{Call, CallError, WireMessage};
use netipc_examples::{
    CgroupStatus, CgroupsLookupClient, CgroupsLookupLookupCache, CgroupsLookupRequest, CgroupsLookupResponse,
};
use netipc_tests::lookups::marked_cgroup;
use netipc_tests::processes::RunDir;
use netipc_tests::random::Random;
use netipc_tests::raw::{Raw, RawServer, whole};

fn paths(count: usize) -> Vec<CString> {
    (0..count).map(|number| CString::new(format!("/some/path/{number:04}")).unwrap()).collect()
}

/// Answers one key a call, and takes its time for it.
struct Slow {
    takes: Duration,
    calls: Arc<AtomicUsize>,
}

impl Dispatch for Slow {
    fn service(&self) -> &'static Service {
        CgroupsLookupClient::SERVICE
    }

    fn dispatch(&self, _: &Call<'_>, request: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let began = Instant::now();
        while began.elapsed() < self.takes {
            thread::yield_now();
        }
        let paths = CgroupsLookupRequest::decode_owned(request)?.paths;
        let status = |index| if index == 0 { CgroupStatus::UnknownPermanent } else { CgroupStatus::PayloadExceeded };
        let items = paths.iter().enumerate().map(|(index, path)| marked_cgroup(path, status(index))).collect();
        CgroupsLookupResponse { generation: 1, items }.encode_in(reply)?;
        Ok(())
    }
}

#[test]
fn one_deadline_is_for_all_calls_of_a_lookup() {
    for profiles in [Profiles::BASELINE, Profiles::BASELINE | Profiles::SHM_HYBRID] {
        let (run_dir, calls) = (RunDir::new(), Arc::new(AtomicUsize::new(0)));
        let slow = Slow { takes: Duration::from_millis(5), calls: Arc::clone(&calls) };
        let server = Server::<CgroupsLookupClient>::with_stub(slow).profiles(profiles).max_response_payload(1 << 16);
        let server = server.bind(run_dir.path()).unwrap().spawn().unwrap();
        let (config, short) = (CgroupsLookupClient::config().profiles(profiles), Duration::from_millis(100));
        let mut client = config.clone().connect(run_dir.path()).unwrap();
        // Together they would take at least 5 seconds.
        assert_eq!(client.within(short).lookup(paths(1000)).unwrap_err(), CallError::TimedOut);
        assert!(calls.load(Ordering::SeqCst) <= 21, "{calls:?}");
        client.refresh().unwrap();
        assert_eq!(client.within(Duration::from_secs(60)).lookup(paths(5)).unwrap().len(), 5);
        let mut cache = CgroupsLookupLookupCache::over(config.timeout(short).build(run_dir.path()));
        let all = paths(1000);
        assert_eq!(cache.look_up(all).map(drop).unwrap_err(), CallError::TimedOut);
        assert_eq!(cache.status().items, 0);
        drop((client, cache));
        server.shutdown(Duration::from_secs(60)).unwrap();
    }
}

#[test]
fn an_abort_ends_a_lookup_between_its_calls_or_within_one() {
    let (run_dir, calls) = (RunDir::new(), Arc::new(AtomicUsize::new(0)));
    let slow = Slow { takes: Duration::from_micros(100), calls: Arc::clone(&calls) };
    let server = Server::<CgroupsLookupClient>::with_stub(slow).max_response_payload(1 << 16);
    let server = server.bind(run_dir.path()).unwrap().spawn().unwrap();
    let mut client = CgroupsLookupClient::config().max_lookup_calls(1 << 20).connect(run_dir.path()).unwrap();
    for round in 1..10 {
        let (abort, before) = (client.abort_handle(), calls.load(Ordering::SeqCst));
        let seen = Arc::clone(&calls);
        let other = thread::spawn(move || {
            while seen.load(Ordering::SeqCst) < before + 3 * round {
                thread::yield_now();
            }
            abort.abort();
        });
        assert_eq!(client.lookup(paths(50_000)).unwrap_err(), CallError::Aborted);
        other.join().unwrap();
        client.abort_handle().reset();
        client.refresh().unwrap();
        assert_eq!(client.lookup(paths(3)).unwrap().len(), 3);
    }
    drop(client);
    server.shutdown(Duration::from_secs(60)).unwrap();
}

fn response_to(request: &Header, len: u32) -> Header {
    Header::response(Method::new(request.code()), request.message_id(), len)
}

/// What a server may answer a whole request, in one packet.
fn answer(header: &Header, payload: &[u8], random: &mut Random) -> Vec<u8> {
    let status = |status| whole(response_to(header, 0).with_status(status), &[]);
    match random.below(8) {
        0..3 => return status(Status::LimitExceeded),
        3 if random.one_in(20) => return status(Status::InternalError),
        _ => {}
    }
    let Ok(request) = CgroupsLookupRequest::decode_owned(payload) else { return status(Status::BadEnvelope) };
    let left = random.below(request.paths.len() + 1);
    let status = |index| if index < left { CgroupStatus::UnknownPermanent } else { CgroupStatus::PayloadExceeded };
    let items = request.paths.iter().enumerate().map(|(index, path)| marked_cgroup(path, status(index))).collect();
    let answer = CgroupsLookupResponse { generation: 1, items }.to_vec().unwrap();
    whole(response_to(header, answer.len() as u32), &answer)
}

fn serve(client: &Raw, random: &mut Random) {
    for _ in 0..1 + random.below(20) {
        let Some(packet) = client.receive() else { return };
        let Ok(header) = Header::parse(&packet) else { return };
        if client.send(&answer(&header, &packet[32..], random)).is_err() {
            return;
        }
    }
}

fn kind(error: &CallError) -> &'static str {
    match error {
        CallError::Lookup(_) => "lookup",
        CallError::AnswerTooLarge { .. } => "too large",
        CallError::Internal => "internal",
        CallError::Lost(_) => "lost",
        CallError::Limit(_) => "limit",
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_whose_limit_is_another_one_with_each_connection_is_asked_so_often_and_no_more() {
    let run_dir = RunDir::new();
    let listener = RawServer::listen(&run_dir.endpoint(CgroupsLookupClient::SERVICE.name));
    let (done, connections) = (AtomicBool::new(false), AtomicUsize::new(0));
    let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
    thread::scope(|scope| {
        let server = scope.spawn(|| {
            let mut random = Random::new(11);
            while !done.load(Ordering::SeqCst) {
                if listener.has_client() {
                    connections.fetch_add(1, Ordering::SeqCst);
                    let limit = random.pick(&[0, 1, 24, 300, 1024, 4000, 1 << 14, 1 << 20, u32::MAX]);
                    serve(&listener.admit(limit), &mut random);
                } else {
                    thread::yield_now();
                }
            }
        });
        let config = CgroupsLookupClient::config().max_request_payload(2000).max_lookup_calls(30);
        let mut client = config.connect(run_dir.path()).unwrap();
        let mut random = Random::new(12);
        for _ in 0..400 {
            let (paths, before) = (paths(random.below(150)), connections.load(Ordering::SeqCst));
            match client.lookup(&paths) {
                Ok(answer) => {
                    *tally.entry("answered").or_default() += 1;
                    assert!(answer.iter().zip(&paths).all(|(item, path)| item.path() == path.as_c_str()));
                    assert_eq!(answer.len(), paths.len());
                    let is_final =
                        |status| matches!(status, CgroupStatus::UnknownPermanent | CgroupStatus::OversizedItem);
                    assert!(answer.iter().all(|item| is_final(item.status())));
                }
                Err(error) => *tally.entry(kind(&error)).or_default() += 1,
            }
            let made = connections.load(Ordering::SeqCst) - before;
            assert!(made <= 30 * 10, "{made} connections for one lookup");
            client.refresh().unwrap();
        }
        drop(client);
        done.store(true, Ordering::SeqCst);
        server.join().unwrap();
    });
    assert!(tally.len() >= 3 && tally["answered"] > 50, "{tally:?}");
}
