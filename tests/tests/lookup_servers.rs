//! Servers of lookups whose handlers do odd things, and clients that ask in odd ways.
#![cfg(target_os = "linux")]

use std::ffi::{CStr, CString};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use netipc::client::{LookupError, State, Stub};
use netipc::server::InProcess;
use netipc::session::{ClientConfig, ClientSession, Deadline};
use netipc::wire::{Method, Profiles, Status};
use netipc::{Answers, CallError, HandlerResult, Keys};
use netipc_examples::{
    CgroupInfo, CgroupStatus, CgroupsLookup, CgroupsLookupClient, CgroupsLookupRequest, CgroupsLookupResponse,
    CgroupsLookupServer,
};
use netipc_tests::lookups::Deployed;
use netipc_tests::processes::RunDir;
use netipc_tests::random::Random;

/// Does something odd at the key that it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Oddity {
    /// Panics while an item is being filled, and goes on.
    Panics,
    /// The same, and is content.
    PanicsAndFinishes,
    /// Says of an item that there was no room for it.
    Exceeds,
    /// Answers for another key.
    Echoes,
    /// Leaves room for more labels than there are.
    Reserves,
}

struct Odd(Oddity, usize);

impl CgroupsLookup for Odd {
    fn lookup(&self, paths: Keys<'_, CStr>, mut reply: Answers<'_, CgroupInfo>) -> HandlerResult {
        let Self(oddity, at) = *self;
        for (index, _) in paths.enumerate() {
            if index != at {
                reply.answer(|item| item.status(CgroupStatus::Known).name(c"name"));
                continue;
            }
            match oddity {
                Oddity::Panics | Oddity::PanicsAndFinishes => {
                    let caught = catch_unwind(AssertUnwindSafe(|| {
                        reply.answer(|_| resume_unwind(Box::new("on purpose")));
                    }));
                    assert!(caught.is_err());
                    if oddity == Oddity::PanicsAndFinishes {
                        return Ok(());
                    }
                }
                Oddity::Exceeds => drop(reply.answer(|item| item.status(CgroupStatus::PayloadExceeded))),
                Oddity::Echoes => drop(reply.answer(|item| item.status(CgroupStatus::Known).path(c"/other"))),
                Oddity::Reserves => drop(reply.answer(|item| {
                    item.status(CgroupStatus::Known);
                    item.labels(100).push(|label| label.key(c"k").value(c"v"));
                    item
                })),
            }
        }
        reply.finish()
    }
}

fn paths(count: usize) -> Vec<CString> {
    (0..count).map(|number| CString::new(format!("/some/path/{number:04}")).unwrap()).collect()
}

fn looked_up(odd: Odd, limit: u32) -> (Result<Vec<CgroupStatus>, CallError>, State) {
    let mut client = InProcess::new(CgroupsLookupServer::new(odd).max_response_payload(limit)).client();
    let looked = client.lookup(paths(10)).map(|answer| answer.iter().map(|item| item.status()).collect());
    let state = client.status().state;
    client.refresh().unwrap();
    (looked, state)
}

#[test]
fn a_panic_that_is_caught_among_the_items_is_a_failure_all_the_same() {
    for at in 0..10 {
        for oddity in [Oddity::Panics, Oddity::PanicsAndFinishes] {
            for limit in [700, 1 << 16] {
                let (looked, state) = looked_up(Odd(oddity, at), limit);
                assert_eq!((looked, state), (Err(CallError::Internal), State::Broken), "{oddity:?} {at} {limit}");
            }
        }
    }
}

#[test]
fn a_handler_that_says_what_is_not_its_own_is_found_out() {
    let (looked, state) = looked_up(Odd(Oddity::Exceeds, 4), 1 << 16);
    assert_eq!((looked, state), (Err(CallError::Lookup(LookupError::OutOfOrder { index: 5 })), State::Broken));
    let (looked, state) = looked_up(Odd(Oddity::Echoes, 4), 1 << 16);
    assert_eq!((looked, state), (Err(CallError::Lookup(LookupError::WrongKey { index: 4 })), State::Broken));
}

#[test]
fn room_that_an_item_does_not_take_in_the_end_is_another_keys() {
    let (looked, _) = looked_up(Odd(Oddity::Reserves, 4), 1 << 16);
    assert_eq!(looked, Ok(vec![CgroupStatus::Known; 10]));
    // Where it would take more in between than there is for the whole answer, too.
    for limit in [2000, 1500, 900, 400, 250] {
        let (looked, _) = looked_up(Odd(Oddity::Reserves, 4), limit);
        assert_eq!(looked, Ok(vec![CgroupStatus::Known; 10]), "{limit}");
    }
}

/// Reserves room for more labels than it has, each time.
struct Generous(usize);

impl CgroupsLookup for Generous {
    fn lookup(&self, paths: Keys<'_, CStr>, mut reply: Answers<'_, CgroupInfo>) -> HandlerResult {
        reply.generation(77);
        for (index, path) in paths.enumerate() {
            let known = Deployed::cgroup(index, path);
            reply.answer(|item| {
                item.status(known.status).orchestrator(known.orchestrator).name(&known.name);
                let mut labels = item.labels(known.labels.len() + self.0);
                for label in &known.labels {
                    labels.push(|row| row.key(&label.key).value(&label.value));
                }
                item
            });
        }
        Ok(())
    }
}

#[test]
fn what_is_reserved_for_nothing_changes_no_answer_but_where_it_ends() {
    use netipc_tests::lookups::within;
    let paths = [c"/a", c"/u/unknown", c"/cgroup/three", c"/four", c"/u/5", c"/six", c"/seven/eight"];
    let request = request(&paths.map(CString::from));
    for reserved in [0, 3, 30] {
        let dispatch = CgroupsLookupServer::new(Generous(reserved)).into_dispatch();
        let modest = CgroupsLookupServer::new(Deployed).into_dispatch();
        let mut fewer = 0;
        for budget in 400..800 {
            let decode = |answer: Vec<u8>| CgroupsLookupResponse::decode_owned(&answer).unwrap().items;
            let ours = within(&*dispatch, 4, &request, budget).map(decode).unwrap();
            let best = within(&*modest, 4, &request, budget).map(decode).unwrap();
            let exceeded = |item: &CgroupInfo| item.status == CgroupStatus::PayloadExceeded;
            let (cut, best_cut) = (ours.iter().position(exceeded), best.iter().position(exceeded));
            let cut = cut.unwrap_or(paths.len());
            // Each that is there is as it should be, the first one is there, and none is called oversized.
            assert_eq!(ours[..cut], best[..cut], "{reserved} {budget}");
            assert!(cut > 0 && cut <= best_cut.unwrap_or(paths.len()));
            fewer += usize::from(ours != best);
        }
        assert!(reserved > 0 || fewer == 0);
    }
}

fn request(paths: &[CString]) -> Vec<u8> {
    CgroupsLookupRequest { paths: paths.to_vec() }.to_vec().unwrap()
}

/// The answers to a batch of requests, or why there are none.
fn batch(client: &mut ClientSession, requests: &[Vec<u8>]) -> Result<Vec<CgroupsLookupResponse>, Status> {
    client.send_batch(Method::new(4), requests, Deadline::after(Duration::from_secs(60))).unwrap();
    let message = client.receive(Deadline::after(Duration::from_secs(60))).unwrap();
    if message.status() != Status::Ok {
        return Err(message.status());
    }
    let batch = message.batch().unwrap();
    Ok((0..requests.len()).map(|item| CgroupsLookupResponse::decode_owned(batch.get(item).unwrap()).unwrap()).collect())
}

#[test]
fn a_batch_of_lookups_is_answered_item_by_item_or_not_at_all() {
    for profiles in [Profiles::BASELINE, Profiles::BASELINE | Profiles::SHM_HYBRID] {
        for workers in [1, 3] {
            let run_dir = RunDir::new();
            let server = CgroupsLookupServer::new(Deployed).workers(workers).profiles(profiles);
            let server = server.max_response_payload(6000).bind(run_dir.path()).unwrap().spawn().unwrap();
            let endpoint = run_dir.endpoint(CgroupsLookupClient::SERVICE.name);
            let config = ClientConfig::new().profiles(profiles).max_request_payload(1 << 16);
            let connect = || config.connect(&endpoint, Deadline::after(Duration::from_secs(60))).unwrap();
            let (mut client, mut random, mut answered, mut refused) = (connect(), Random::new(7), 0, 0);
            for _ in 0..200 {
                let many = 2 + random.below(6);
                let asked: Vec<Vec<CString>> = (0..many).map(|_| paths(random.below(24))).collect();
                let requests: Vec<Vec<u8>> = asked.iter().map(|paths| request(paths)).collect();
                match batch(&mut client, &requests) {
                    Ok(answers) => {
                        answered += 1;
                        for (answer, paths) in answers.iter().zip(&asked) {
                            assert_eq!((answer.items.len(), answer.generation), (paths.len(), 77));
                            let exceeded = |item: &&CgroupInfo| item.status == CgroupStatus::PayloadExceeded;
                            let first = answer.items.iter().position(|item| exceeded(&item)).unwrap_or(paths.len());
                            assert!(answer.items.iter().skip(first).all(|item| exceeded(&item)));
                            for (index, (item, path)) in answer.items.iter().zip(paths).enumerate() {
                                assert_eq!(&item.path, path);
                                assert!(index >= first || *item == Deployed::cgroup(index, path));
                            }
                        }
                    }
                    Err(status) => {
                        refused += 1;
                        assert_eq!(status, Status::LimitExceeded);
                        client = connect();
                    }
                }
            }
            assert!(answered > 20 && refused > 20, "{answered} {refused}");
            drop(client);
            server.shutdown(Duration::from_secs(60)).unwrap();
        }
    }
}
