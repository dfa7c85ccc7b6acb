//! Answers to lookups that are nearly right: told by name or believed for a reason, and never the end of a client.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::ffi::CString;
use std::sync::Mutex;

use netipc::buf::Writer;
use netipc::client::Stub;
use netipc::server::{InProcess, Server};
use netipc::service::{Dispatch, Failure, Service};
use netipc::{Call, CallError};
use netipc_examples::{
    AppStatus, AppsLookupClient, AppsLookupLookupCache, AppsLookupServer, CgroupStatus, CgroupsLookupClient,
    CgroupsLookupLookupCache, CgroupsLookupServer, Pid,
};
use netipc_tests::lookups::Deployed;
use netipc_tests::mutate::Mutator;
use netipc_tests::oracle::Message;
use netipc_tests::random::Random;

/// Answers with bytes that nobody has looked at.
struct Damaged {
    service: &'static Service,
    dispatch: Box<dyn Dispatch>,
    state: Mutex<(Random, Mutator)>,
}

impl Damaged {
    fn new(service: &'static Service, dispatch: Box<dyn Dispatch>, message: Message, seed: u64) -> Self {
        Self { service, dispatch, state: Mutex::new((Random::new(seed), Mutator::new(message, seed))) }
    }
}

/// Changes a few bytes where it may hurt: most of all in numbers, of which there is one every 4 bytes.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len());
    let word = at & !3;
    match random.below(8) {
        0 => bytes.truncate(at),
        1 => random.append_junk(bytes, 40),
        2 | 3 => bytes[at] = random.next() as u8,
        4 => {
            let from = random.below(bytes.len()) & !7;
            if let Some(entry) = bytes.get(from..from + 8).map(<[u8]>::to_vec) {
                let to = at & !7;
                if let Some(target) = bytes.get_mut(to..to + 8) {
                    target.copy_from_slice(&entry);
                }
            }
        }
        _ => {
            let len = bytes.len() as u32;
            if let Some(field) = bytes.get_mut(word..).and_then(|rest| rest.first_chunk_mut::<4>()) {
                let now = u32::from_ne_bytes(*field);
                let value = random.pick(&[
                    0,
                    1,
                    2,
                    3,
                    4,
                    8,
                    len,
                    len - 1,
                    u32::MAX,
                    1 << 31,
                    now.wrapping_add(1),
                    now ^ 1,
                    now ^ 8,
                ]);
                *field = value.to_ne_bytes();
            }
        }
    }
}

impl Dispatch for Damaged {
    fn service(&self) -> &'static Service {
        self.service
    }

    fn dispatch(&self, call: &Call<'_>, request: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure> {
        let (random, mutator) = &mut *self.state.lock().unwrap();
        if random.one_in(8) {
            reply.append(mutator.next());
            return Ok(());
        }
        let mut buffer = vec![0; reply.capacity() - reply.len()];
        let mut writer = Writer::new(&mut buffer);
        self.dispatch.dispatch(call, request, &mut writer)?;
        let len = writer.len();
        buffer.truncate(len);
        for _ in 0..random.pick(&[0, 1, 1, 1, 2, 3]) {
            damage(&mut buffer, random);
            if buffer.is_empty() {
                break;
            }
        }
        reply.append(&buffer);
        Ok(())
    }
}

/// How often something came of it.
type Tally = BTreeMap<&'static str, usize>;

fn name(error: &CallError) -> &'static str {
    match error {
        CallError::Answer(_) => "malformed",
        CallError::Lookup(netipc::client::LookupError::GenerationChanged { .. }) => "generation",
        CallError::Lookup(_) => "lookup",
        CallError::AnswerTooLarge { .. } => "too large",
        other => panic!("{other:?}"),
    }
}

const ROUNDS: usize = 4000;

fn paths(random: &mut Random) -> Vec<CString> {
    (0..random.below(30)).map(|_| CString::new(format!("/{}", "u/k".repeat(random.below(9)))).unwrap()).collect()
}

#[test]
fn a_lookup_by_text_takes_damaged_answers_for_what_they_are() {
    let mut tally = Tally::new();
    for seed in 0..4 {
        let dispatch = CgroupsLookupServer::new(Deployed).into_dispatch();
        let damaged = Damaged::new(CgroupsLookupClient::SERVICE, dispatch, Message::CgroupsLookupResponse, seed);
        let server = InProcess::new(Server::with_stub(damaged).max_response_payload(1 << 13));
        let config = CgroupsLookupClient::config().max_request_payload(400);
        let mut client = server.connect(config.clone()).unwrap();
        let mut cache = CgroupsLookupLookupCache::over(server.connect(config).unwrap()).max_items(20);
        let mut random = Random::new(seed);
        for _ in 0..ROUNDS {
            let paths = paths(&mut random);
            match client.lookup(&paths) {
                Ok(answer) => {
                    *tally.entry("answered").or_default() += 1;
                    assert_eq!(answer.iter().len(), paths.len());
                    for (item, path) in answer.iter().zip(&paths) {
                        assert_eq!(item.path(), path.as_c_str());
                        assert_ne!(item.status(), CgroupStatus::PayloadExceeded);
                        assert_eq!(item.to_owned().labels.len(), item.labels().len());
                    }
                }
                Err(error) => *tally.entry(name(&error)).or_default() += 1,
            }
            client.refresh().unwrap();
            match cache.look_up(paths.iter().map(CString::as_c_str)) {
                Ok(looked) => {
                    assert_eq!(looked.iter().count(), paths.len());
                    assert!(looked.iter().zip(&paths).all(|(item, path)| item.path() == path.as_c_str()));
                }
                Err(error) => *tally.entry(name(&error)).or_default() += 1,
            }
            let status = cache.status();
            assert!(status.items <= 20 && (status.items == 0) == (status.bytes == 0), "{status:?}");
            assert!(cache.get(c"/nowhere").is_none());
        }
    }
    assert!(tally.len() >= 4 && tally.values().all(|times| *times > 10), "{tally:?}");
}

#[test]
fn a_lookup_by_messages_takes_damaged_answers_for_what_they_are() {
    let mut tally = Tally::new();
    for seed in 0..4 {
        let dispatch = AppsLookupServer::new(Deployed).into_dispatch();
        let damaged = Damaged::new(AppsLookupClient::SERVICE, dispatch, Message::AppsLookupResponse, seed);
        let server = InProcess::new(Server::with_stub(damaged).max_response_payload(1 << 12));
        let config = AppsLookupClient::config().max_request_payload(400);
        let mut client = server.connect(config.clone()).unwrap();
        let mut cache = AppsLookupLookupCache::over(server.connect(config).unwrap()).max_bytes(5000);
        let mut random = Random::new(seed);
        for _ in 0..ROUNDS {
            let pids: Vec<Pid> = (0..random.below(30)).map(|_| Pid { pid: random.below(50) as u32 }).collect();
            match client.lookup(&pids) {
                Ok(answer) => {
                    *tally.entry("answered").or_default() += 1;
                    assert_eq!(answer.iter().len(), pids.len());
                    assert!(answer.iter().zip(&pids).all(|(item, key)| item.pid() == key.pid));
                    assert!(answer.iter().all(|item| item.status() != AppStatus::PayloadExceeded));
                }
                Err(error) => *tally.entry(name(&error)).or_default() += 1,
            }
            client.refresh().unwrap();
            match cache.look_up(&pids) {
                Ok(looked) => assert!(looked.iter().zip(&pids).all(|(item, key)| item.pid() == key.pid)),
                Err(error) => *tally.entry(name(&error)).or_default() += 1,
            }
            let status = cache.status();
            assert!(status.bytes <= 5000 && (status.items == 0) == (status.bytes == 0), "{status:?}");
        }
    }
    assert!(tally.len() >= 4 && tally.values().all(|times| *times > 10), "{tally:?}");
}
