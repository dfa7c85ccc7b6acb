//! Logical lookups: as many calls as they take, and one answer.
#![cfg(target_os = "linux")]

use std::ffi::{CStr, CString};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use netipc::client::LookupError;
use netipc::lookup::Answer;
use netipc::server::Server;
use netipc::wire::Profiles;
use netipc::{Answers, CallError, HandlerResult, Keys};
use netipc_examples::{
    CgroupInfo, CgroupStatus, CgroupsLookup, CgroupsLookupClient, CgroupsLookupLookupLookup, CgroupsLookupServer,
    Orchestrator,
};
use netipc_tests::processes::RunDir;

/// Knows all paths but those that begin with "/u"; has very much to say of those that begin with "/o".
#[derive(Clone)]
struct Known {
    long: usize,
    asked: Arc<AtomicUsize>,
}

impl Known {
    fn new(long: usize) -> Self {
        Self { long, asked: Arc::default() }
    }

    fn name(&self, path: &CStr) -> CString {
        let bytes = path.to_bytes();
        let len = if bytes.starts_with(b"/o") { self.long } else { usize::from(*bytes.last().unwrap()) - 40 };
        CString::new(vec![b'n'; len]).unwrap()
    }
}

impl CgroupsLookup for Known {
    fn lookup(&self, paths: Keys<'_, CStr>, mut reply: Answers<'_, CgroupInfo>) -> HandlerResult {
        self.asked.fetch_add(1, Ordering::Relaxed);
        reply.generation(9);
        assert_eq!((reply.len(), reply.is_empty()), (paths.len(), paths.is_empty()));
        for path in paths {
            if path.to_bytes().starts_with(b"/u") {
                reply.answer(|item| item.status(CgroupStatus::UnknownPermanent));
            } else {
                let name = self.name(path);
                reply.answer(|item| {
                    item.status(CgroupStatus::Known).orchestrator(Orchestrator::Docker).name(&name);
                    item.labels(2).push(|label| label.key(c"k").value(path));
                    item
                });
            }
        }
        reply.finish()
    }
}

#[derive(Debug, Clone, Copy)]
enum Mix {
    Known,
    Unknown,
    Mixed,
    Oversized,
}

impl Mix {
    const ALL: [Self; 4] = [Self::Known, Self::Unknown, Self::Mixed, Self::Oversized];

    fn paths(self, count: usize) -> Vec<CString> {
        let path = |number: usize| {
            let kind = match self {
                Self::Known => "k",
                Self::Unknown => "u",
                Self::Mixed => ["k", "u", "k"][number % 3],
                Self::Oversized if number % 1021 == 7 => "o",
                Self::Oversized => "k",
            };
            CString::new(format!("/{kind}/{number}")).unwrap()
        };
        (0..count).map(path).collect()
    }
}

fn check(answer: &Answer<CgroupsLookupLookupLookup>, paths: &[CString], known: &Known, limit: usize) {
    assert_eq!(answer.len(), paths.len());
    assert_eq!(answer.is_empty(), paths.is_empty());
    assert_eq!(answer.iter().len(), paths.len());
    let mut items = answer.iter();
    for (index, path) in paths.iter().enumerate() {
        let item = items.next().unwrap();
        assert_eq!(item.path(), path.as_c_str());
        let name = known.name(path);
        let expected = match path.to_bytes()[1] {
            b'u' => CgroupStatus::UnknownPermanent,
            b'o' if name.as_bytes().len() + 90 > limit => CgroupStatus::OversizedItem,
            _ => CgroupStatus::Known,
        };
        assert_eq!(item.status(), expected, "{index}");
        if expected == CgroupStatus::Known {
            assert_eq!((item.name(), item.orchestrator()), (name.as_c_str(), Orchestrator::Docker));
            assert_eq!(item.labels().get(0).map(|label| label.value()), Some(path.as_c_str()));
        } else {
            assert!(item.name().is_empty() && item.labels().is_empty());
        }
        if index % 97 == 0 {
            assert_eq!(answer.get(index).map(|item| item.path()), Some(path.as_c_str()));
        }
    }
    assert!(items.next().is_none() && answer.get(paths.len()).is_none());
}

fn server(known: &Known, limit: u32, profiles: Profiles) -> Server<CgroupsLookupClient> {
    CgroupsLookupServer::new(known.clone()).max_response_payload(limit).profiles(profiles)
}

fn transports() -> [Profiles; 2] {
    [Profiles::BASELINE, Profiles::BASELINE | Profiles::SHM_HYBRID]
}

#[test]
fn any_number_of_keys_is_answered_as_by_one_large_answer() {
    for profiles in transports() {
        for limit in [1 << 10, 5000, 1 << 16, 1 << 20] {
            let (run_dir, known) = (RunDir::new(), Known::new(limit as usize));
            let server = server(&known, limit, profiles).bind(run_dir.path()).unwrap().spawn().unwrap();
            let config = CgroupsLookupClient::config().profiles(profiles).max_request_payload(limit);
            let mut client = config.max_lookup_calls(1 << 17).connect(run_dir.path()).unwrap();
            for mix in Mix::ALL {
                for count in [0, 1, 16, 8192, 32_768, 65_536] {
                    let paths = mix.paths(count);
                    let answer = client.lookup(&paths).unwrap();
                    check(&answer, &paths, &known, limit as usize);
                    assert_eq!(answer.generation(), 9);
                }
            }
            let status = client.status();
            // One connection goes to learn that answers get no longer.
            assert!(status.connections <= 2 && (status.grown, status.failed) == (0, 0), "{status:?}");
            server.shutdown(Duration::from_secs(60)).unwrap();
        }
    }
}

#[test]
fn limits_that_are_not_set_grow_until_a_lookup_takes_few_calls() {
    for profiles in transports() {
        let (run_dir, known) = (RunDir::new(), Known::new(200_000));
        let server = server(&known, 1024, profiles).response_ceiling(1 << 20);
        let server = server.bind(run_dir.path()).unwrap().spawn().unwrap();
        let mut client = CgroupsLookupClient::config().profiles(profiles).connect(run_dir.path()).unwrap();
        for mix in Mix::ALL {
            let paths = mix.paths(65_536);
            let before = known.asked.load(Ordering::Relaxed);
            let answer = client.lookup(&paths).unwrap();
            // Nothing is too large for answers of 1 MiB, which is where they end up.
            check(&answer, &paths, &known, 1 << 20);
            let calls = known.asked.load(Ordering::Relaxed) - before;
            assert!(calls < 60, "{calls} calls for {mix:?}");
        }
        let status = client.status();
        assert!(status.grown <= 4 && status.failed == 0, "{status:?}");
        server.shutdown(Duration::from_secs(60)).unwrap();
    }
}

#[test]
fn an_item_that_fits_no_answer_yet_has_the_limit_grow_and_is_not_called_oversized() {
    let (run_dir, known) = (RunDir::new(), Known::new(200_000));
    let server = server(&known, 1024, Profiles::BASELINE).response_ceiling(1 << 20);
    let server = server.bind(run_dir.path()).unwrap().spawn().unwrap();
    let mut client = CgroupsLookupClient::connect(run_dir.path()).unwrap();
    let answer = client.lookup([c"/k", c"/o", c"/u"]).unwrap();
    let statuses: Vec<_> = answer.iter().map(|item| item.status()).collect();
    assert_eq!(statuses, [CgroupStatus::Known, CgroupStatus::Known, CgroupStatus::UnknownPermanent]);
    assert_eq!(answer.get(1).unwrap().name().count_bytes(), 200_000);
    let status = client.status();
    assert_eq!(status.grown, 1, "{status:?}");
    drop(server);
}

#[test]
fn a_key_that_fits_no_request_is_oversized_and_the_others_go_on() {
    let (run_dir, known) = (RunDir::new(), Known::new(10));
    let server = server(&known, 4096, Profiles::BASELINE).bind(run_dir.path()).unwrap().spawn().unwrap();
    let long = CString::new(vec![b'x'; 1500]).unwrap();
    let mut client = CgroupsLookupClient::config().max_request_payload(1000).connect(run_dir.path()).unwrap();
    let paths = [c"/k/1", &long, &long, c"/u", &long];
    let answer = client.lookup(paths).unwrap();
    let found: Vec<_> = answer.iter().map(|item| (item.path(), item.status())).collect();
    let (known, oversized) = (CgroupStatus::Known, CgroupStatus::OversizedItem);
    let unknown = CgroupStatus::UnknownPermanent;
    let expected = [(paths[0], known), (&long, oversized), (&long, oversized), (c"/u", unknown), (&long, oversized)];
    assert_eq!(found, expected);
    // Where limits may grow, they do.
    let mut client = CgroupsLookupClient::connect(run_dir.path()).unwrap();
    let answer = client.lookup(paths).unwrap();
    assert!(answer.iter().all(|item| item.status() != oversized), "{:?} {answer:?}", client.status());
    // One that fits the request and not even marked an answer.
    let longer = CString::new(vec![b'x'; 5000]).unwrap();
    let answer = client.lookup([c"/k/1", &longer, c"/u"]).unwrap();
    assert_eq!(answer.iter().map(|item| item.status()).collect::<Vec<_>>(), [known, oversized, unknown]);
    assert_eq!(answer.get(1).unwrap().path(), longer.as_c_str());
    drop(server);
}

#[test]
fn ceilings_are_those_of_the_config_and_told_by_name() {
    let (run_dir, known) = (RunDir::new(), Known::new(10));
    let server = server(&known, 1024, Profiles::BASELINE).bind(run_dir.path()).unwrap().spawn().unwrap();
    let connect = |config: netipc::client::Config<CgroupsLookupClient>| config.connect(run_dir.path()).unwrap();
    let paths = Mix::Known.paths(1000);
    let mut client = connect(CgroupsLookupClient::config().max_lookup_keys(999));
    let many = CallError::Lookup(LookupError::TooManyKeys { keys: 1000, most: 999 });
    assert_eq!(client.lookup(&paths).unwrap_err(), many);
    assert_eq!(client.status().answered, 0);
    assert!(client.lookup(&paths[1..]).is_ok());
    let mut client = connect(CgroupsLookupClient::config().max_lookup_calls(10));
    assert_eq!(client.lookup(&paths).unwrap_err(), CallError::Lookup(LookupError::TooManyCalls { most: 10 }));
    let mut client = connect(CgroupsLookupClient::config().max_lookup_bytes(10_000));
    assert_eq!(client.lookup(&paths).unwrap_err(), CallError::Lookup(LookupError::TooLarge { most: 10_000 }));
    assert_eq!(client.status().last_error, Some(CallError::Lookup(LookupError::TooLarge { most: 10_000 })));
    // The session goes on.
    assert!(client.lookup(&paths[..10]).is_ok() && client.status().connections <= 3);
    let mut strict = CgroupsLookupClient::connect(run_dir.path()).unwrap();
    let many = CallError::Lookup(LookupError::TooManyKeys { keys: 65_537, most: 65_536 });
    assert_eq!(strict.lookup(paths.iter().cycle().take(65_537)).unwrap_err(), many);
    drop(server);
}

#[test]
fn keys_come_in_any_form_that_holds_them() {
    let (run_dir, known) = (RunDir::new(), Known::new(10));
    let server = server(&known, 4096, Profiles::BASELINE).bind(run_dir.path()).unwrap().spawn().unwrap();
    let mut client = CgroupsLookupClient::connect(run_dir.path()).unwrap();
    let owned: Vec<CString> = vec![c"/k/1".into(), c"/u".into()];
    let found = |answer: Answer<CgroupsLookupLookupLookup>| answer.iter().map(|item| item.status()).collect::<Vec<_>>();
    let expected = vec![CgroupStatus::Known, CgroupStatus::UnknownPermanent];
    assert_eq!(found(client.lookup(&owned).unwrap()), expected);
    assert_eq!(found(client.lookup(owned.iter().map(CString::as_c_str)).unwrap()), expected);
    assert_eq!(found(client.lookup([c"/k/1", c"/u"]).unwrap()), expected);
    assert_eq!(found(client.lookup(owned.clone()).unwrap()), expected);
    let filtered = owned.iter().filter(|path| path.count_bytes() > 2);
    assert_eq!(found(client.lookup(filtered).unwrap()), expected[..1]);
    // The answer is its own.
    let one = client.lookup(&owned).unwrap();
    let other = client.lookup(&owned[1..]).unwrap();
    assert_eq!((one.len(), other.len(), one.parts()), (2, 1, 1));
    let kept: CgroupInfo = one.get(0).unwrap().to_owned();
    drop(client);
    assert_eq!(kept.path.as_c_str(), one.into_iter().next().unwrap().path());
    // An empty path is none.
    let mut client = CgroupsLookupClient::connect(run_dir.path()).unwrap();
    assert!(matches!(client.lookup([c"/k", c""]), Err(CallError::Request(_))));
    assert!(client.lookup([c"/k"]).is_ok());
    drop(server);
}

/// Takes a while for each request.
struct Slow {
    pause: Duration,
    asked: Arc<AtomicUsize>,
}

impl CgroupsLookup for Slow {
    fn lookup(&self, paths: Keys<'_, CStr>, mut reply: Answers<'_, CgroupInfo>) -> HandlerResult {
        self.asked.fetch_add(1, Ordering::Relaxed);
        // Nobody sends anything.
        let (nobody, nothing) = std::sync::mpsc::channel::<()>();
        assert!(nothing.recv_timeout(self.pause).is_err());
        drop(nobody);
        for path in paths {
            reply.answer(|item| item.status(CgroupStatus::Known).name(path));
        }
        Ok(())
    }
}

#[test]
fn one_timeout_is_for_all_calls_of_a_lookup() {
    let (run_dir, asked) = (RunDir::new(), Arc::new(AtomicUsize::new(0)));
    let slow = Slow { pause: Duration::from_millis(100), asked: Arc::clone(&asked) };
    let server = CgroupsLookupServer::new(slow).max_response_payload(1024).bind(run_dir.path()).unwrap();
    let server = server.spawn().unwrap();
    let mut client = CgroupsLookupClient::config().max_request_payload(1024).connect(run_dir.path()).unwrap();
    let paths = Mix::Known.paths(200);
    // Each call has time enough, and all of them have not.
    assert_eq!(client.within(Duration::from_millis(400)).lookup(&paths).unwrap_err(), CallError::TimedOut);
    assert!(asked.load(Ordering::Relaxed) <= 5);
    assert!(client.within(Duration::from_secs(600)).lookup(&paths).is_ok());
    server.shutdown(Duration::from_secs(60)).unwrap();
}
