//! Answers of limited size: what deployed servers answer at given budgets, and the slow twin at all others.

use std::ffi::{CStr, CString};

use netipc::service::Dispatch;
use netipc_examples::{
    App, AppStatus, AppsLookupRequest, AppsLookupResponse, AppsLookupServer, CgroupInfo, CgroupStatus,
    CgroupsLookupRequest, CgroupsLookupResponse, CgroupsLookupServer, Pid,
};
use netipc_tests::lookups::{Deployed, twin, within};
use netipc_tests::random::Random;
use netipc_tests::vectors::{Entry, load_kind, unhex};

fn cgroups() -> Box<dyn Dispatch> {
    CgroupsLookupServer::new(Deployed).into_dispatch()
}

fn apps() -> Box<dyn Dispatch> {
    AppsLookupServer::new(Deployed).into_dispatch()
}

fn budget(entry: &Entry) -> usize {
    entry.input["response_buf_size"].as_u64().unwrap() as usize
}

fn request(entry: &Entry) -> Vec<u8> {
    unhex(entry.input["request_hex"].as_str().unwrap())
}

/// The first item that is marked as exceeded; all behind it are.
fn cut<T>(items: &[T], is_exceeded: impl Fn(&T) -> bool) -> usize {
    let cut = items.iter().position(&is_exceeded).unwrap_or(items.len());
    assert!(items[cut..].iter().all(is_exceeded));
    cut
}

/// How many items of another server's answer are as they are known: it calls the first one oversized which does not fit
/// beside marks for all others, although it would fit alone.
fn right<T: PartialEq>(items: &[T], known: &[T]) -> usize {
    items.iter().zip(known).take_while(|(item, known)| item == known).count()
}

/// Holds the answers of `dispatch` to those of deployed servers: how many are the same, and how many have more items.
fn compare<T: PartialEq + std::fmt::Debug>(
    kind: &str,
    (dispatch, code): (&dyn Dispatch, u16),
    known: impl Fn(&[u8]) -> Vec<T>,
    decode: impl Fn(&[u8]) -> (u64, Vec<T>),
    is_exceeded: impl Fn(&T) -> bool + Copy,
) -> (usize, usize) {
    let (mut more, mut same) = (0, 0);
    for entry in load_kind("golden", kind) {
        let (request, name) = (request(&entry), &entry.name);
        let ours = within(dispatch, code, &request, budget(&entry));
        if entry.input["expect_error"] == "Overflow" {
            assert!(ours.is_err(), "{name}");
            continue;
        }
        let ours = ours.unwrap();
        assert!(ours.len() <= budget(&entry));
        let known = known(&request);
        let ((our_generation, our), (their_generation, their)) = (decode(&ours), decode(&entry.bytes));
        let (our_cut, their_cut) = (cut(&our, is_exceeded), right(&their, &known));
        assert_eq!((our_generation, our.len()), (their_generation, known.len()), "{name}");
        assert!(our_cut >= their_cut, "{name}");
        assert_eq!(our[..our_cut], known[..our_cut], "{name}");
        if our_cut == their_cut && our == their {
            assert_eq!(ours, entry.bytes, "{name}");
            same += 1;
        } else {
            more += 1;
        }
    }
    (same, more)
}

#[test]
fn cgroups_are_answered_as_deployed_servers_do_or_with_more_of_them() {
    let known = |request: &[u8]| {
        let paths = CgroupsLookupRequest::decode_owned(request).unwrap().paths;
        paths.iter().enumerate().map(|(index, path)| Deployed::cgroup(index, path)).collect()
    };
    let decode = |answer: &[u8]| {
        let answer = CgroupsLookupResponse::decode_owned(answer).unwrap();
        (answer.generation, answer.items)
    };
    let is_exceeded = |item: &CgroupInfo| item.status == CgroupStatus::PayloadExceeded;
    let (same, more) = compare("cgroups_lookup_dispatch", (&*cgroups(), 4), known, decode, is_exceeded);
    assert!(same > 10 && same + more == 28, "{same} are the same, {more} are not");
}

#[test]
fn processes_are_answered_as_deployed_servers_do_or_with_more_of_them() {
    let known = |request: &[u8]| {
        let pids = AppsLookupRequest::decode_owned(request).unwrap().pids;
        pids.iter().enumerate().map(|(index, key)| Deployed::app(index, key.pid)).collect()
    };
    let decode = |answer: &[u8]| {
        let answer = AppsLookupResponse::decode_owned(answer).unwrap();
        (answer.generation, answer.items)
    };
    let is_exceeded = |item: &App| item.status == AppStatus::PayloadExceeded;
    let (same, more) = compare("apps_lookup_dispatch", (&*apps(), 5), known, decode, is_exceeded);
    assert!(same > 5 && same + more == 12, "{same} are the same, {more} are not");
}

#[test]
fn the_messages_of_a_lookup_are_those_that_were_declared_by_hand() {
    let paths = vec![c"/a".to_owned(), c"/u/b".to_owned()];
    let by_hand = CgroupsLookupRequest { paths: paths.clone() };
    let generated = netipc_examples::CgroupsLookupLookupRequest { paths };
    assert_eq!(by_hand.to_vec(), generated.to_vec());
    let by_hand = AppsLookupRequest { pids: vec![Pid { pid: 7 }] };
    let generated = netipc_examples::AppsLookupLookupRequest { pids: vec![Pid { pid: 7 }] };
    assert_eq!(by_hand.to_vec(), generated.to_vec());
    let mut tried = 0;
    for kind in ["cgroups_lookup_request", "cgroups_lookup_response", "apps_lookup_request", "apps_lookup_response"] {
        for file in ["golden", "reject", "accept"] {
            for entry in netipc_tests::vectors::load(file).into_iter().filter(|entry| entry.kind == kind) {
                let (by_hand, generated) = match kind {
                    "cgroups_lookup_request" => (
                        CgroupsLookupRequest::decode(&entry.bytes).is_ok(),
                        netipc_examples::CgroupsLookupLookupRequest::decode(&entry.bytes).is_ok(),
                    ),
                    "cgroups_lookup_response" => (
                        CgroupsLookupResponse::decode(&entry.bytes).is_ok(),
                        netipc_examples::CgroupsLookupLookupReply::decode(&entry.bytes).is_ok(),
                    ),
                    "apps_lookup_request" => (
                        AppsLookupRequest::decode(&entry.bytes).is_ok(),
                        netipc_examples::AppsLookupLookupRequest::decode(&entry.bytes).is_ok(),
                    ),
                    _ => (
                        AppsLookupResponse::decode(&entry.bytes).is_ok(),
                        netipc_examples::AppsLookupLookupReply::decode(&entry.bytes).is_ok(),
                    ),
                };
                assert_eq!(by_hand, generated, "{}", entry.name);
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "{tried}");
}

/// Paths of all lengths, some of them unknown.
fn paths(random: &mut Random, count: usize) -> Vec<CString> {
    let path = |random: &mut Random| {
        let unknown = if random.below(3) == 0 { "/u" } else { "/" };
        CString::new(format!("{unknown}{}", "x".repeat(random.below(40)))).unwrap()
    };
    (0..count).map(|_| path(random)).collect()
}

#[test]
fn an_answer_of_any_budget_is_that_of_the_slow_twin() {
    let mut random = Random::new(0x10ca1);
    for round in 0..60 {
        let paths = paths(&mut random, round % 13);
        let request = CgroupsLookupRequest { paths: paths.clone() }.to_vec().unwrap();
        let known: Vec<CgroupInfo> = paths.iter().enumerate().map(|(i, path)| Deployed::cgroup(i, path)).collect();
        let all = CgroupsLookupResponse { generation: 77, items: known.clone() }.encoded_len();
        for budget in 0..all + 3 {
            let ours = within(&*cgroups(), 4, &request, budget);
            let twin = twin(77, &known, budget).map(|twin| twin.to_vec().unwrap());
            assert_eq!(ours.ok(), twin, "{budget} of {all} bytes for {paths:?}");
        }
    }
}

#[test]
fn asking_again_for_what_had_no_room_ends_with_what_one_large_answer_says() {
    let mut random = Random::new(0xf00d);
    for round in 1..40 {
        let paths = paths(&mut random, round % 11 + 1);
        let known: Vec<CgroupInfo> = paths.iter().map(|path| Deployed::cgroup(0, path)).collect();
        let least = known.iter().map(|item| CgroupsLookupResponse { generation: 0, items: vec![item.clone()] });
        let least = least.map(|alone| alone.encoded_len()).max().unwrap();
        for budget in least..least + 200 {
            let (mut left, mut found): (&[CString], Vec<CgroupInfo>) = (&paths, Vec::new());
            let mut most = left.len();
            while !left.is_empty() {
                let asked: &[CString] = &left[..most.min(left.len())];
                let request = CgroupsLookupRequest { paths: asked.to_vec() }.to_vec().unwrap();
                let answer = within(&*answers_alike(), 4, &request, budget)
                    .map(|answer| CgroupsLookupResponse::decode_owned(&answer).unwrap().items);
                let items = answer.unwrap_or_default();
                let cut = cut(&items, |item| item.status == CgroupStatus::PayloadExceeded);
                assert!(cut > 0 || asked.len() > 1, "one that fits alone is answered");
                most = if cut == 0 { asked.len() / 2 } else { left.len() };
                found.extend_from_slice(&items[..cut]);
                left = &left[cut..];
            }
            assert_eq!(found, known, "{budget}");
        }
    }
}

/// What does not depend on where a key stands in its request.
fn answers_alike() -> Box<dyn Dispatch> {
    use netipc::{Answers, HandlerResult, Keys};
    struct Alike;
    impl netipc_examples::CgroupsLookup for Alike {
        fn lookup(&self, paths: Keys<'_, CStr>, mut reply: Answers<'_, CgroupInfo>) -> HandlerResult {
            for path in paths {
                let known = Deployed::cgroup(0, path);
                reply.answer(|item| item.status(known.status).orchestrator(known.orchestrator).name(&known.name));
            }
            Ok(())
        }
    }
    CgroupsLookupServer::new(Alike).into_dispatch()
}
