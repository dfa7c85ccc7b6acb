//! Lookups of any keys with any limits, from servers that leave out more than they have to: one answer, which is the
//! expected one.
#![cfg(target_os = "linux")]

use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::sync::Mutex;

use netipc::buf::Writer;
use netipc::client::Stub;
use netipc::server::{InProcess, Server};
use netipc::service::{Dispatch, Failure, Service};
use netipc::{Answers, Call, EncodeError, HandlerResult, Keys, WireMessage};
use netipc_examples::{
    CgroupInfo, CgroupStatus, CgroupsLookup, CgroupsLookupClient, CgroupsLookupResponse, CgroupsLookupServer, Label,
    Orchestrator,
};
use netipc_tests::lookups::marked_cgroup;
use netipc_tests::random::Random;

/// What is known of a path, which says itself how long the rest is.
fn known(path: &CStr) -> CgroupInfo {
    let bytes = path.to_bytes();
    if bytes.len().is_multiple_of(5) {
        return marked_cgroup(path, CgroupStatus::UnknownPermanent);
    }
    let len = bytes.split(|byte| *byte == b'/').nth(1).and_then(|it| std::str::from_utf8(it).ok()?.parse().ok());
    let label = |number: usize| Label { key: c"key".into(), value: CString::new(vec![b'v'; number]).unwrap() };
    CgroupInfo {
        status: CgroupStatus::Known,
        orchestrator: Orchestrator::Podman,
        path: path.into(),
        name: CString::new(vec![b'n'; len.unwrap_or(3)]).unwrap(),
        labels: (0..bytes.len() % 4).map(label).collect(),
    }
}

struct Host;

impl CgroupsLookup for Host {
    fn lookup(&self, paths: Keys<'_, CStr>, mut reply: Answers<'_, CgroupInfo>) -> HandlerResult {
        reply.generation(5);
        for path in paths {
            let known = known(path);
            reply.answer(|item| {
                item.status(known.status).orchestrator(known.orchestrator).name(&known.name);
                let mut labels = item.labels(known.labels.len());
                for label in &known.labels {
                    labels.push_value(label);
                }
                item
            });
        }
        Ok(())
    }
}

/// A server of ours whose answers have fewer items than they could, or none.
struct Lazy {
    dispatch: Box<dyn Dispatch>,
    random: Mutex<Random>,
}

impl Dispatch for Lazy {
    fn service(&self) -> &'static Service {
        CgroupsLookupClient::SERVICE
    }

    fn dispatch(&self, call: &Call<'_>, request: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure> {
        let mut random = self.random.lock().unwrap();
        let mut buffer = vec![0x5a; reply.capacity() - reply.len()];
        let mut writer = Writer::new(&mut buffer);
        self.dispatch.dispatch(call, request, &mut writer)?;
        let len = writer.len();
        let mut answer = CgroupsLookupResponse::decode_owned(&buffer[..len])?;
        let keys = answer.items.len();
        let is_final = |item: &CgroupInfo| item.status != CgroupStatus::PayloadExceeded;
        let answered = answer.items.iter().take_while(|item| is_final(item)).count();
        if keys > 1 && random.one_in(30) {
            return Err(Failure::Unwritten(EncodeError::Overflow { needed: 1 }));
        }
        let fewest = usize::from(keys == 1);
        let left = match random.below(3) {
            0 => answered,
            1 => fewest + random.below(answered + 1 - fewest),
            _ => fewest.max(answered.saturating_sub(random.below(4))),
        };
        for item in &mut answer.items[left..] {
            *item = marked_cgroup(&item.path, CgroupStatus::PayloadExceeded);
        }
        answer.encode_in(reply)?;
        Ok(())
    }
}

fn path(random: &mut Random, long_key: usize, long_item: usize) -> CString {
    let name = match random.below(12) {
        0 => long_item.saturating_sub(random.below(200)) + random.below(200),
        1 => random.below(long_item + 1),
        _ => random.below(60),
    };
    let mut path = format!("/{name}/");
    let len = match random.below(20) {
        0 => long_key.saturating_sub(random.below(64)) + random.below(32),
        1 => random.below(long_key + 1),
        _ => random.below(40),
    };
    while path.len() < len {
        path.push(char::from(b'a' + random.below(26) as u8));
    }
    CString::new(path).unwrap()
}

/// Which of the limits that both ends have been given will hold in the end.
#[derive(Debug, Clone, Copy)]
struct Limits {
    request: usize,
    response: usize,
}

impl Limits {
    /// What a lookup makes of a path.
    fn expected(self, path: &CStr) -> CgroupInfo {
        let fits_request = 16 + 8 + path.to_bytes_with_nul().len() <= self.request;
        let known = known(path);
        if fits_request && 16 + 8 + known.encoded_len() <= self.response {
            known
        } else {
            marked_cgroup(path, CgroupStatus::OversizedItem)
        }
    }
}

fn check(seed: u64, expected_oversized: &Cell<usize>) {
    let random = &mut Random::new(seed);
    let limits = Limits {
        request: random.pick(&[40, 64, 100, 300, 1024, 5000]) + random.below(64),
        response: random.pick(&[200, 300, 1024, 4000, 20_000]) + random.below(64),
    };
    let server: Server<CgroupsLookupClient> = Server::with_stub(Lazy {
        dispatch: CgroupsLookupServer::new(Host).into_dispatch(),
        random: Mutex::new(random.clone()),
    });
    let (request, response) = (limits.request as u32, limits.response as u32);
    // The limits are there from the beginning, or are grown into.
    let server = if random.one_in(2) {
        server.max_response_payload(response)
    } else {
        server.max_response_payload(response.min(128)).response_ceiling(response)
    };
    let config = CgroupsLookupClient::config();
    let config = if random.one_in(2) || request < 1024 {
        config.max_request_payload(request)
    } else {
        config.request_ceiling(request)
    };
    let mut client = InProcess::new(server).connect(config).unwrap();
    for _ in 0..4 {
        let count = random.pick(&[0, 1, 2, 10, 100, 300]);
        let (long_key, long_item) = (limits.request, limits.response);
        let mut paths: Vec<CString> = (0..count).map(|_| path(random, long_key, long_item)).collect();
        if count > 1 && random.one_in(3) {
            // The same key more than once is answered as often.
            let (from, to) = (random.below(count), random.below(count));
            paths[to] = paths[from].clone();
        }
        let answer = client.lookup(&paths).unwrap_or_else(|error| panic!("seed {seed}, {limits:?}: {error}"));
        assert_eq!((answer.len(), answer.iter().len()), (count, count));
        for (index, (item, path)) in answer.iter().zip(&paths).enumerate() {
            let expected = limits.expected(path);
            if expected.status == CgroupStatus::OversizedItem {
                expected_oversized.set(expected_oversized.get() + 1);
            }
            assert_eq!(item.to_owned(), expected, "seed {seed}, {limits:?}, key {index}");
            assert_eq!(answer.get(index).map(|item| item.to_owned()), Some(expected));
        }
        assert!(answer.get(count).is_none());
        let status = client.status();
        assert_eq!((status.failed, client.ready()), (0, true), "seed {seed}: {status:?}");
    }
}

#[test]
fn any_keys_and_limits_make_the_answer_that_is_expected() {
    let oversized = Cell::new(0);
    for seed in 0..300 {
        check(seed, &oversized);
    }
    assert!(oversized.get() > 1000, "{oversized:?}");
}
