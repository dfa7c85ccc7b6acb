//! What a client keeps of the answers to lookups: what holds, for how long, and how much of it.
#![cfg(target_os = "linux")]

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::sync::{Arc, Mutex};

use netipc::client::State;
use netipc::server::InProcess;
use netipc::{Answers, CallError, HandlerResult, Keys};
use netipc_examples::{
    App, AppStatus, AppsLookup, AppsLookupLookupCache, AppsLookupServer, CgroupInfo, CgroupOfApp, CgroupStatus,
    CgroupsLookup, CgroupsLookupClient, CgroupsLookupLookupCache, CgroupsLookupServer, Orchestrator, Pid,
};
use netipc_tests::random::Random;

/// What a server knows: a generation, and of each path how it is and what it is called.
#[derive(Debug, Clone, Default)]
struct Facts {
    generation: u64,
    of: HashMap<CString, (CgroupStatus, u64)>,
    is_failing: bool,
    asked: usize,
}

impl Facts {
    fn get(&self, path: &CStr) -> (CgroupStatus, u64) {
        self.of.get(path).copied().unwrap_or((CgroupStatus::UnknownRetryLater, 0))
    }
}

#[derive(Clone, Default)]
struct Host(Arc<Mutex<Facts>>);

impl CgroupsLookup for Host {
    fn lookup(&self, paths: Keys<'_, CStr>, mut reply: Answers<'_, CgroupInfo>) -> HandlerResult {
        let mut facts = self.0.lock().unwrap();
        if facts.is_failing {
            return Err("not today".into());
        }
        facts.asked += paths.len();
        reply.generation(facts.generation);
        for path in paths {
            let (status, number) = facts.get(path);
            let name = if status == CgroupStatus::Known { number.to_string() } else { String::new() };
            let name = CString::new(name).unwrap();
            reply.answer(|item| item.status(status).name(&name));
        }
        Ok(())
    }
}

impl Host {
    fn set(&self, path: &CStr, status: CgroupStatus, number: u64) {
        let mut facts = self.0.lock().unwrap();
        facts.of.insert(path.into(), (status, number));
        facts.generation += 1;
    }

    fn asked(&self) -> usize {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }

    fn cache(&self) -> CgroupsLookupLookupCache {
        let server = InProcess::new(CgroupsLookupServer::new(self.clone()).max_response_payload(1 << 16));
        CgroupsLookupLookupCache::over(server.connect(CgroupsLookupClient::config()).unwrap())
    }
}

fn statuses(cache: &mut CgroupsLookupLookupCache, paths: &[&CStr]) -> Vec<CgroupStatus> {
    let looked = cache.look_up(paths.iter().copied()).unwrap();
    assert_eq!((looked.len(), looked.is_empty()), (paths.len(), paths.is_empty()));
    assert!(looked.iter().zip(paths).all(|(item, path)| item.path() == *path));
    looked.iter().map(|item| item.status()).collect()
}

#[test]
fn what_holds_is_not_asked_for_again() {
    use CgroupStatus::{Known, UnknownPermanent, UnknownRetryLater};
    let (host, paths) = (Host::default(), [c"/known", c"/never", c"/later"]);
    host.set(paths[0], Known, 1);
    host.set(paths[1], UnknownPermanent, 0);
    let mut cache = host.cache();
    assert!(cache.get(paths[0]).is_none() && cache.status().generation.is_none());
    for asked in [3, 1, 1] {
        assert_eq!(statuses(&mut cache, &paths), [Known, UnknownPermanent, UnknownRetryLater]);
        assert_eq!(host.asked(), asked);
    }
    assert_eq!(cache.get(paths[0]).map(|item| item.name()), Some(c"1"));
    assert!(cache.get(paths[1]).is_some() && cache.get(paths[2]).is_none());
    assert_eq!((statuses(&mut cache, &paths[..2]).len(), host.asked()), (2, 0));
    let status = cache.status();
    assert_eq!((status.hits, status.misses, status.items, status.generation), (6, 5, 2, Some(2)));
    assert_eq!((status.state, status.last_error), (State::Ready, None));
    // A later generation: what is known may have changed, what will never be known has not.
    host.set(c"/another", Known, 7);
    assert_eq!((statuses(&mut cache, &paths[..2]).len(), host.asked()), (2, 0));
    assert_eq!(cache.refresh(), Ok(3));
    assert!(cache.get(paths[0]).is_none() && cache.get(paths[1]).is_some());
    assert_eq!((statuses(&mut cache, &paths[..2]).len(), host.asked()), (2, 1));
    // An earlier one: another server, of which nothing is known.
    host.0.lock().unwrap().generation = 1;
    assert_eq!(cache.refresh(), Ok(1));
    assert!(cache.get(paths[0]).is_none() && cache.get(paths[1]).is_none());
    assert_eq!(cache.status().items, 0);
    assert_eq!((statuses(&mut cache, &paths[..2]).len(), host.asked()), (2, 2));
    cache.clear();
    assert_eq!((cache.status().items, cache.status().bytes), (0, 0));
}

#[test]
fn a_generation_that_changes_has_the_kept_ones_asked_for_along_with_the_others() {
    let (host, paths) = (Host::default(), [c"/one", c"/two"]);
    host.set(paths[0], CgroupStatus::Known, 1);
    let mut cache = host.cache();
    assert_eq!((statuses(&mut cache, &paths).len(), host.asked()), (2, 2));
    host.set(paths[0], CgroupStatus::Known, 2);
    // The second is asked for since it is not known yet; the answer says that the first may be another one.
    assert_eq!((statuses(&mut cache, &paths).len(), host.asked()), (2, 1 + 2));
    assert_eq!(cache.get(paths[0]).map(|item| item.name()), Some(c"2"));
    host.0.lock().unwrap().generation = 0;
    assert_eq!((statuses(&mut cache, &paths).len(), host.asked()), (2, 1 + 2));
}

#[test]
fn a_failure_of_any_kind_leaves_what_there_is() {
    let host = Host::default();
    host.set(c"/one", CgroupStatus::Known, 1);
    let mut cache = host.cache();
    assert_eq!(statuses(&mut cache, &[c"/one"]), [CgroupStatus::Known]);
    host.0.lock().unwrap().is_failing = true;
    assert_eq!(cache.look_up([c"/one", c"/two"]).map(drop), Err(CallError::Internal));
    assert_eq!(cache.status().last_error, Some(CallError::Internal));
    assert_eq!(cache.refresh(), Err(CallError::Internal));
    assert_eq!(statuses(&mut cache, &[c"/one"]), [CgroupStatus::Known]);
    host.0.lock().unwrap().is_failing = false;
    // It connects by itself.
    assert_eq!(statuses(&mut cache, &[c"/one", c"/two"]).len(), 2);
    assert_eq!(cache.status().last_error, None);
    let mut nowhere = CgroupsLookupLookupCache::new("/nowhere");
    assert!(nowhere.look_up([c"/one"]).is_err() && nowhere.refresh().is_err());
    assert!(nowhere.look_up([] as [&CStr; 0]).unwrap().is_empty());
    let mut cache = host.cache();
    cache.abort_handle().abort();
    assert_eq!(cache.look_up([c"/one"]).map(drop).unwrap_err(), CallError::Aborted);
}

#[test]
fn as_many_items_and_bytes_are_kept_as_may_be() {
    let host = Host::default();
    let paths: Vec<CString> = (0..200).map(|number| CString::new(format!("/path/{number}")).unwrap()).collect();
    for path in &paths {
        host.set(path, CgroupStatus::Known, 1);
    }
    let all: Vec<&CStr> = paths.iter().map(CString::as_c_str).collect();
    let mut cache = host.cache().max_items(50);
    for _ in 0..3 {
        // More than it keeps is answered all the same.
        assert!(statuses(&mut cache, &all).iter().all(|status| *status == CgroupStatus::Known));
        assert_eq!(cache.status().items, 50);
    }
    let _ = host.asked();
    // What is looked up often stays.
    for other in 0..150 {
        assert_eq!(statuses(&mut cache, &[all[0], all[1], all[50 + other]]).len(), 3);
    }
    assert!(host.asked() <= 152 && cache.status().evicted >= 100);
    assert_eq!(cache.status().items, 50);
    let mut cache = host.cache().max_bytes(5000);
    assert_eq!(statuses(&mut cache, &all).len(), 200);
    let status = cache.status();
    assert!(status.bytes <= 5000 && (5..50).contains(&status.items), "{status:?}");
    for nothing in [host.cache().max_items(0), host.cache().max_bytes(0)] {
        let mut cache = nothing;
        assert_eq!((statuses(&mut cache, &all).len(), cache.status().items), (200, 0));
    }
}

/// What a model of a cache may answer: what the server knew when it counted the generation that the cache has.
#[test]
fn any_lookups_changes_failures_and_restarts_answer_what_was_known_at_the_generation() {
    for seed in 0..20 {
        let (host, mut random) = (Host::default(), Random::new(seed));
        let paths: Vec<CString> = (0..30).map(|number| CString::new(format!("/path/{number}")).unwrap()).collect();
        // Since the generation fell last: what was known, by generation.
        let mut history: HashMap<u64, Facts> = HashMap::new();
        let mut cache = host.cache().max_items(1 + random.below(40));
        let mut answered = 0;
        for _ in 0..3000 {
            let now = host.0.lock().unwrap().clone();
            history.insert(now.generation, now);
            match random.below(10) {
                0 | 1 => {
                    let path = &paths[random.below(paths.len())];
                    let never = host.0.lock().unwrap().get(path).0 == CgroupStatus::UnknownPermanent;
                    // What will never be known is not known until the server is another.
                    if !never {
                        let status =
                            [CgroupStatus::Known, CgroupStatus::UnknownPermanent, CgroupStatus::UnknownRetryLater];
                        host.set(path, status[random.below(3)], random.below(1000) as u64);
                    }
                }
                2 => host.0.lock().unwrap().is_failing ^= true,
                3 if random.below(20) == 0 => {
                    // Another server counts less than the one before, as far as its clients know.
                    if let Some(generation @ 1..) = cache.status().generation {
                        *host.0.lock().unwrap() = Facts { generation: generation - 1, ..Facts::default() };
                        history.clear();
                        history.insert(generation - 1, Facts::default());
                        cache.refresh().unwrap();
                    }
                }
                4 => {
                    let before = cache.status().generation;
                    let now = host.0.lock().unwrap().clone();
                    match cache.refresh() {
                        Ok(generation) => assert_eq!(generation, now.generation),
                        Err(_) => assert!(now.is_failing && cache.status().generation == before),
                    }
                }
                _ => {
                    let now = host.0.lock().unwrap().clone();
                    let keys: Vec<&CStr> =
                        (0..random.below(12)).map(|_| paths[random.below(paths.len())].as_c_str()).collect();
                    match cache.look_up(keys.iter().copied()) {
                        Ok(looked) => {
                            let found: Vec<_> = looked.iter().map(|item| item.to_owned()).collect();
                            let asked = looked.asked();
                            let generation = cache.status().generation.unwrap_or_default();
                            assert!(asked == 0 || generation == now.generation);
                            for (item, key) in found.iter().zip(&keys) {
                                let (status, number) = history[&generation].get(key);
                                assert_eq!((item.path.as_c_str(), item.status), (*key, status), "{generation}");
                                let name =
                                    if status == CgroupStatus::Known { number.to_string() } else { String::new() };
                                assert_eq!(item.name.to_str(), Ok(name.as_str()));
                            }
                            answered += found.len();
                        }
                        Err(error) => assert!(now.is_failing, "{error}"),
                    }
                }
            }
        }
        assert!(answered > 3000, "{answered}");
    }
}

struct Tasks;

impl AppsLookup for Tasks {
    fn lookup(&self, pids: Keys<'_, Pid>, mut reply: Answers<'_, App>) -> HandlerResult {
        reply.generation(1);
        for key in pids {
            match key.pid() % 4 {
                0 => reply.answer(|item| item.status(AppStatus::Unknown)),
                1 => reply.answer(|item| {
                    item.status(AppStatus::Known).cgroup_status(CgroupOfApp::HostRoot).uid(0).comm(c"init")
                }),
                2 => reply.answer(|item| {
                    item.status(AppStatus::Known).cgroup_status(CgroupOfApp::UnknownRetryLater).uid(0).comm(c"young")
                }),
                _ => reply.answer(|item| {
                    item.status(AppStatus::Known).orchestrator(Orchestrator::Systemd).uid(1000).comm(c"daemon");
                    item.cgroup_path(c"/system.slice/d.service").cgroup_name(c"d")
                }),
            };
        }
        Ok(())
    }
}

#[test]
fn keys_that_are_messages_are_kept_as_well() {
    let server = InProcess::new(AppsLookupServer::new(Tasks));
    let mut cache = AppsLookupLookupCache::over(server.client());
    let pids: Vec<Pid> = (0..8).map(|pid| Pid { pid }).collect();
    for asked in [8, 4] {
        let looked = cache.look_up(&pids).unwrap();
        assert_eq!(looked.asked(), asked);
        assert!(looked.iter().zip(&pids).all(|(item, key)| item.pid() == key.pid));
        let comms: Vec<_> = looked.iter().map(|item| item.comm()).collect();
        assert_eq!(comms[..4], [c"", c"init", c"young", c"daemon"]);
        assert_eq!(looked.get(4).map(|item| (item.status(), item.uid())), Some((AppStatus::Unknown, u32::MAX)));
        assert!(looked.get(8).is_none());
    }
    assert_eq!(cache.get(&pids[3]).map(|item| item.cgroup_name()), Some(c"d"));
    assert!(cache.get(&pids[2]).is_none() && format!("{cache:?}").contains("misses"));
}
