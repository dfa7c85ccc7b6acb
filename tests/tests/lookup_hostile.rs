//! Servers that answer lookups wrongly: told by name, after a number of calls that is known.
#![cfg(target_os = "linux")]

use std::ffi::CString;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use netipc::buf::Writer;
use netipc::client::{LookupError, State};
use netipc::server::{InProcess, Server};
use netipc::service::{Dispatch, Failure, MethodInfo, Service};
use netipc::{Call, CallError, WireMessage};
use netipc_examples::{
    CgroupInfo, CgroupStatus, CgroupsLookupClient, CgroupsLookupRequest, CgroupsLookupResponse, Orchestrator,
};
use netipc_tests::lookups::marked_cgroup;

static SERVICE: Service = Service::new("cgroups-lookup", &[MethodInfo::new("lookup", 4)]);

/// Answers the request number `call` for these paths.
type Lie = fn(call: usize, paths: &[CString]) -> CgroupsLookupResponse;

struct Liar {
    lie: Lie,
    calls: Arc<AtomicUsize>,
}

impl Dispatch for Liar {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn dispatch(&self, _: &Call<'_>, request: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let paths = CgroupsLookupRequest::decode_owned(request)?.paths;
        (self.lie)(call, &paths).encode_in(reply)?;
        Ok(())
    }
}

/// A client of such a server, and how often that was asked.
fn client(lie: Lie) -> (CgroupsLookupClient, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let server = Server::with_stub(Liar { lie, calls: Arc::clone(&calls) }).max_response_payload(1 << 20);
    let config = CgroupsLookupClient::config().max_request_payload(1000);
    (InProcess::new(server).connect(config).unwrap(), calls)
}

fn paths(count: usize) -> Vec<CString> {
    (0..count).map(|number| CString::new(format!("/some/path/{number:04}")).unwrap()).collect()
}

fn known(path: &CString) -> CgroupInfo {
    CgroupInfo {
        status: CgroupStatus::Known,
        orchestrator: Orchestrator::Lxc,
        path: path.clone(),
        name: c"name".into(),
        labels: Vec::new(),
    }
}

fn exceeded(path: &CString) -> CgroupInfo {
    marked_cgroup(path, CgroupStatus::PayloadExceeded)
}

fn all(generation: u64, paths: &[CString]) -> CgroupsLookupResponse {
    CgroupsLookupResponse { generation, items: paths.iter().map(known).collect() }
}

/// What a lookup of 100 keys says, and how many calls it took.
fn error_of(lie: Lie) -> (LookupError, usize, State) {
    let (mut client, calls) = client(lie);
    match client.lookup(paths(100)) {
        Err(CallError::Lookup(error)) => {
            assert_eq!(client.status().last_error, Some(CallError::Lookup(error)));
            (error, calls.load(Ordering::Relaxed), client.status().state)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_that_answers_as_it_should_is_believed() {
    let (mut client, calls) = client(|_, paths| all(3, paths));
    let answer = client.lookup(paths(100)).unwrap();
    assert_eq!((answer.len(), answer.generation(), calls.load(Ordering::Relaxed)), (100, 3, 3));
    assert!(answer.iter().zip(paths(100)).all(|(item, path)| item.path() == path.as_c_str()));
}

#[test]
fn an_item_of_another_key_is_refused() {
    let wrong = |call, paths: &[CString]| {
        let mut answer = all(3, paths);
        if call == 1 {
            answer.items[4].path = c"/some/path/other".into();
        }
        answer
    };
    assert_eq!(error_of(wrong), (LookupError::WrongKey { index: 45 }, 2, State::Broken));
    let longer = |_, paths: &[CString]| {
        let mut answer = all(3, paths);
        answer.items[0].path = c"/some/path/00000".into();
        answer
    };
    assert_eq!(error_of(longer), (LookupError::WrongKey { index: 0 }, 1, State::Broken));
    let swapped = |_, paths: &[CString]| {
        let mut answer = all(3, paths);
        answer.items.swap(2, 3);
        answer
    };
    assert_eq!(error_of(swapped), (LookupError::WrongKey { index: 2 }, 1, State::Broken));
    // Also where it says that there was no room.
    let marked = |_, paths: &[CString]| {
        let mut answer = all(3, paths);
        answer.items[26] = exceeded(&paths[25]);
        answer
    };
    assert_eq!(error_of(marked), (LookupError::WrongKey { index: 26 }, 1, State::Broken));
}

#[test]
fn too_few_and_too_many_items_are_refused() {
    let few = |_, paths: &[CString]| all(3, &paths[1..]);
    assert_eq!(error_of(few), (LookupError::Miscounted { asked: 41, answered: 40 }, 1, State::Broken));
    let many = |call, paths: &[CString]| {
        let mut answer = all(3, paths);
        if call == 2 {
            answer.items.push(known(&c"/more".into()));
        }
        answer
    };
    assert_eq!(error_of(many), (LookupError::Miscounted { asked: 18, answered: 19 }, 3, State::Broken));
    let none = |_, _: &[CString]| all(3, &[]);
    assert_eq!(error_of(none), (LookupError::Miscounted { asked: 41, answered: 0 }, 1, State::Broken));
    let (mut client, _) = client(|_, _| all(3, &[c"/uncalled".to_owned()]));
    let uncalled = CallError::Lookup(LookupError::Miscounted { asked: 0, answered: 1 });
    assert_eq!(client.lookup([] as [&CString; 0]).unwrap_err(), uncalled);
}

#[test]
fn an_answer_behind_a_key_without_room_is_out_of_order() {
    let scattered = |_, paths: &[CString]| {
        let mut answer = all(3, paths);
        answer.items[5] = exceeded(&paths[5]);
        answer
    };
    assert_eq!(error_of(scattered), (LookupError::OutOfOrder { index: 6 }, 1, State::Broken));
    let oversized = |_, paths: &[CString]| {
        let mut answer = all(3, paths);
        answer.items[25] = exceeded(&paths[25]);
        answer.items[26] = marked_cgroup(&paths[26], CgroupStatus::OversizedItem);
        answer
    };
    assert_eq!(error_of(oversized), (LookupError::OutOfOrder { index: 26 }, 1, State::Broken));
}

#[test]
fn a_generation_that_changes_in_between_is_told_and_ends_nothing() {
    let changing = |call: usize, paths: &[CString]| all(7 + call as u64 / 2, paths);
    let changed = LookupError::GenerationChanged { before: 7, now: 8 };
    assert_eq!(error_of(changing), (changed, 3, State::Ready));
    let (mut client, calls) = client(changing);
    assert!(client.lookup(paths(100)).is_err());
    let answer = client.lookup(paths(20)).unwrap();
    assert_eq!((answer.generation(), calls.load(Ordering::Relaxed)), (8, 4));
}

#[test]
fn one_that_never_gets_on_is_asked_for_half_as_much_until_it_is_one_key() {
    let nothing =
        |_, paths: &[CString]| CgroupsLookupResponse { generation: 3, items: paths.iter().map(exceeded).collect() };
    // 41 keys, 20, 10, 5, 2, 1.
    assert_eq!(error_of(nothing), (LookupError::NoProgress { index: 0 }, 6, State::Broken));
    let stuck = |_, paths: &[CString]| {
        let item = |path: &CString| if path.as_bytes().ends_with(b"05") { exceeded(path) } else { known(path) };
        let stuck = paths.iter().position(|path| path.as_bytes().ends_with(b"05")).unwrap_or(paths.len());
        let (before, behind) = paths.split_at(stuck);
        CgroupsLookupResponse {
            generation: 3,
            items: before.iter().map(item).chain(behind.iter().map(exceeded)).collect(),
        }
    };
    let (error, calls, _) = error_of(stuck);
    assert_eq!(error, LookupError::NoProgress { index: 5 });
    assert!(calls <= 9, "{calls}");
    // One key at a time is slow, and an answer.
    let slowly = |_, paths: &[CString]| {
        let first = paths.iter().take(1).map(known);
        CgroupsLookupResponse { generation: 3, items: first.chain(paths.iter().skip(1).map(exceeded)).collect() }
    };
    let (mut client, calls) = client(slowly);
    assert_eq!(client.lookup(paths(100)).unwrap().len(), 100);
    assert!(calls.load(Ordering::Relaxed) <= 100);
    // Only when it is asked for one.
    let alone = |_, paths: &[CString]| {
        let item = if paths.len() == 1 { known } else { exceeded };
        CgroupsLookupResponse { generation: 3, items: paths.iter().map(item).collect() }
    };
    let (mut client, calls) = self::client(alone);
    assert_eq!(client.lookup(paths(10)).unwrap().len(), 10);
    assert!(calls.load(Ordering::Relaxed) <= 50, "{calls:?}");
}

#[test]
fn an_answer_that_is_none_ends_the_session() {
    let (mut client, _) = client(|_, paths| {
        let mut answer = all(3, paths);
        answer.items[0].path = c"".into();
        answer
    });
    // It can't even be written, and the server says so.
    assert_eq!(client.lookup(paths(2)).unwrap_err(), CallError::Internal);
    assert!(!client.ready() && client.refresh().is_ok());
}

/// Gives fewer keys, or more, with each pass over it.
#[derive(Clone)]
struct Fickle<'p> {
    paths: &'p [CString],
    passes: std::rc::Rc<std::cell::Cell<usize>>,
    at: usize,
    change: fn(usize, usize) -> usize,
}

impl Iterator for Fickle<'_> {
    type Item = CString;

    fn next(&mut self) -> Option<CString> {
        if self.at == 0 {
            self.passes.set(self.passes.get() + 1);
        }
        let len = (self.change)(self.passes.get(), self.paths.len());
        self.at += 1;
        self.paths.get(self.at - 1).filter(|_| self.at <= len).cloned()
    }
}

#[test]
fn keys_that_change_while_they_are_asked_for_end_in_an_answer_or_an_error() {
    let paths = paths(100);
    let changes: [fn(usize, usize) -> usize; 5] = [
        |pass, len| len.saturating_sub(pass),
        |pass, len| if pass == 1 { len / 2 } else { len },
        |pass, len| if pass == 1 { len } else { 0 },
        |pass, len| if pass % 2 == 0 { len / 3 } else { len },
        |pass, _| pass,
    ];
    for change in changes {
        let (mut client, calls) = client(|_, paths| all(3, paths));
        let keys = Fickle { paths: &paths, passes: std::rc::Rc::default(), at: 0, change };
        match client.lookup(keys) {
            Ok(answer) => assert!(answer.len() <= 100),
            Err(CallError::Lookup(LookupError::KeysChanged { .. } | LookupError::WrongKey { .. })) => {}
            Err(error) => panic!("{error}"),
        }
        assert!(calls.load(Ordering::Relaxed) <= 100);
    }
}

#[test]
fn a_server_that_says_that_nothing_fits_is_asked_a_few_times_only() {
    struct Full(Arc<AtomicUsize>);
    impl Dispatch for Full {
        fn service(&self) -> &'static Service {
            &SERVICE
        }

        fn dispatch(&self, _: &Call<'_>, _: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Err(netipc::EncodeError::Overflow { needed: reply.capacity() + 1 }.into())
        }
    }
    let calls = Arc::new(AtomicUsize::new(0));
    let server = Server::with_stub(Full(Arc::clone(&calls))).max_response_payload(2000);
    let mut client: CgroupsLookupClient = InProcess::new(server).client();
    // In the end not even one key fits: each is oversized by itself.
    let answer = client.lookup(paths(20)).unwrap();
    assert!(answer.iter().all(|item| item.status() == CgroupStatus::OversizedItem));
    let calls = calls.load(Ordering::Relaxed);
    assert!((20..=30).contains(&calls), "{calls}");
    assert_eq!((client.status().failed, client.status().last_error), (0, None));
}
