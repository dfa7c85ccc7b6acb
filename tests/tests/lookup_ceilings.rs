//! Lookups at the edge of what is allowed: limits of one end below those of the other, servers that never have room, keys
//! that are not there the second time, and what all of it may cost.
#![cfg(target_os = "linux")]

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, CString};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use netipc::buf::Writer;
use netipc::client::{LookupError, State};
use netipc::server::{InProcess, Server};
use netipc::service::{Dispatch, Failure, MethodInfo, Service};
use netipc::{Answers, Call, CallError, EncodeError, HandlerResult, Keys, WireMessage};
use netipc_examples::{
    CgroupInfo, CgroupStatus, CgroupsLookup, CgroupsLookupClient, CgroupsLookupRequest, CgroupsLookupServer,
};

static SERVICE: Service = Service::new("cgroups-lookup", &[MethodInfo::new("lookup", 4)]);

/// Knows all paths, and has a name of 5,000 bytes for those that end with an "x".
#[derive(Clone, Default)]
struct Names(Arc<AtomicUsize>);

impl CgroupsLookup for Names {
    fn lookup(&self, paths: Keys<'_, CStr>, mut reply: Answers<'_, CgroupInfo>) -> HandlerResult {
        self.0.fetch_add(1, Ordering::Relaxed);
        reply.generation(1);
        let long = CString::new(vec![b'n'; 5000])?;
        for path in paths {
            let name = if path.to_bytes().ends_with(b"x") { &*long } else { c"name" };
            reply.answer(|item| item.status(CgroupStatus::Known).name(name));
        }
        Ok(())
    }
}

fn paths(count: usize) -> Vec<CString> {
    (0..count).map(|number| CString::new(format!("/some/path/{number:04}")).unwrap()).collect()
}

fn statuses(client: &mut CgroupsLookupClient, paths: &[CString]) -> Vec<CgroupStatus> {
    let answer = client.lookup(paths).unwrap();
    assert!(answer.iter().zip(paths).all(|(item, path)| item.path() == path.as_c_str()));
    answer.iter().map(|item| item.status()).collect()
}

#[test]
fn an_item_that_the_server_could_send_and_the_client_would_not_take_is_oversized_and_the_others_go_on() {
    for places in [&[0][..], &[99], &[7], &[0, 1, 50, 98, 99]] {
        let (names, mut paths) = (Names::default(), paths(100));
        let mut expected = vec![CgroupStatus::Known; 100];
        for place in places {
            paths[*place] = CString::new(format!("/some/path/{place:04}x")).unwrap();
            expected[*place] = CgroupStatus::OversizedItem;
        }
        let server = CgroupsLookupServer::new(names.clone()).max_response_payload(2048).response_ceiling(1 << 20);
        let server = InProcess::new(server);
        let mut client = server.connect(CgroupsLookupClient::config().response_ceiling(2048)).unwrap();
        assert_eq!(statuses(&mut client, &paths), expected);
        let calls = names.0.load(Ordering::Relaxed);
        assert!(calls < 20 + 12 * places.len(), "{calls} calls");
        assert!(client.ready() && client.status().failed == 0, "{:?}", client.status());
    }
}

/// Has no room for more than so many keys, and says that instead of marking them.
struct Full {
    most: usize,
    calls: Arc<AtomicUsize>,
}

impl Dispatch for Full {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn dispatch(&self, _: &Call<'_>, request: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let paths = CgroupsLookupRequest::decode_owned(request)?.paths;
        if paths.len() > self.most {
            return Err(Failure::Unwritten(EncodeError::Overflow { needed: usize::MAX }));
        }
        let items = paths
            .iter()
            .map(|path| CgroupInfo {
                name: c"name".into(),
                ..netipc_tests::lookups::marked_cgroup(path, CgroupStatus::Known)
            })
            .collect();
        netipc_examples::CgroupsLookupResponse { generation: 3, items }.encode_in(reply)?;
        Ok(())
    }
}

fn full(most: usize) -> (CgroupsLookupClient, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let server = Server::with_stub(Full { most, calls: Arc::clone(&calls) }).max_response_payload(1 << 16);
    (InProcess::new(server).connect(CgroupsLookupClient::config().max_lookup_calls(200)).unwrap(), calls)
}

#[test]
fn a_server_that_has_no_room_for_many_keys_is_asked_for_fewer() {
    let paths = paths(20);
    for most in [1, 2, 3, 7, 19] {
        let (mut client, calls) = full(most);
        assert_eq!(statuses(&mut client, &paths), [CgroupStatus::Known; 20], "{most}");
        let calls = calls.load(Ordering::Relaxed);
        assert!(calls <= 20 * 8, "{calls} calls for {most}");
        assert!(client.ready());
    }
}

#[test]
fn a_server_that_never_has_room_is_believed_key_by_key() {
    let (mut client, calls) = full(0);
    assert_eq!(statuses(&mut client, &paths(20)), [CgroupStatus::OversizedItem; 20]);
    let calls = calls.load(Ordering::Relaxed);
    assert!(calls <= 40, "{calls} calls");
    let (mut client, calls) = full(0);
    let many = client.lookup(paths(1000)).unwrap_err();
    assert_eq!(many, CallError::Lookup(LookupError::TooManyCalls { most: 200 }));
    // Each may be sent twice: the second time with a longer answer in hope.
    assert!(calls.load(Ordering::Relaxed) <= 2 * 200 && client.ready());
}

/// Hands its keys out once, however often it is cloned.
fn once(keys: &RefCell<Vec<CString>>) -> impl Iterator<Item = CString> + Clone + '_ {
    std::iter::from_fn(|| keys.borrow_mut().pop())
}

#[test]
fn marks_that_are_made_here_count_as_bytes_of_answers() {
    let long = CString::new(vec![b'x'; 10_000]).unwrap();
    let config = CgroupsLookupClient::config().max_request_payload(1000).max_lookup_bytes(1 << 20);
    let mut client = InProcess::new(CgroupsLookupServer::new(Names::default())).connect(config).unwrap();
    assert_eq!(client.lookup(vec![&long; 100]).unwrap().len(), 100);
    let error = client.lookup(vec![&long; 200]).unwrap_err();
    assert_eq!(error, CallError::Lookup(LookupError::TooLarge { most: 1 << 20 }));
    assert!(client.ready());
}

/// Keys of which there are no more once `left` were handed out, all passes together.
fn few<'k>(keys: &'k [CString], left: &'k Cell<usize>) -> impl Iterator<Item = CString> + Clone + 'k {
    let mut next = keys.iter();
    std::iter::from_fn(move || {
        left.set(left.get().checked_sub(1)?);
        next.next().cloned()
    })
}

#[test]
fn keys_that_get_fewer_at_any_time_are_told_and_end_nothing() {
    let names = Names::default();
    let server = CgroupsLookupServer::new(names).max_response_payload(1024);
    let mut client = InProcess::new(server).connect(CgroupsLookupClient::config().max_request_payload(512)).unwrap();
    let (paths, mut told) = (paths(40), 0);
    for left in 40..700 {
        match client.lookup(few(&paths, &Cell::new(left))) {
            Ok(answer) => {
                assert!(answer.iter().zip(&paths).all(|(item, path)| item.path() == path.as_c_str()));
                assert_eq!(answer.len(), 40);
            }
            Err(CallError::Lookup(LookupError::KeysChanged { counted, index })) => {
                assert!(counted <= 40 && index < counted);
                told += 1;
            }
            Err(error) => panic!("{left}: {error}"),
        }
        assert!(client.ready());
    }
    assert!((100..600).contains(&told), "{told}");
    assert_eq!(statuses(&mut client, &paths), [CgroupStatus::Known; 40]);
}

#[test]
fn keys_that_are_gone_the_second_time_are_told_and_end_nothing() {
    let names = Names::default();
    let mut client = InProcess::new(CgroupsLookupServer::new(names.clone())).client();
    let keys = RefCell::new(paths(10));
    let error = client.lookup(once(&keys)).unwrap_err();
    assert_eq!(error, CallError::Lookup(LookupError::KeysChanged { counted: 10, index: 0 }));
    assert_eq!((client.status().state, names.0.load(Ordering::Relaxed)), (State::Ready, 0));
    assert_eq!(statuses(&mut client, &paths(10)), [CgroupStatus::Known; 10]);
}

#[test]
fn keys_without_end_are_too_many() {
    let mut client = InProcess::new(CgroupsLookupServer::new(Names::default())).client();
    let error = client.lookup(std::iter::repeat(c"/path")).unwrap_err();
    let most = 65_536;
    assert!(matches!(error, CallError::Lookup(LookupError::TooManyKeys { keys, most: 65_536 }) if keys > most));
    assert!(client.ready());
}

#[test]
fn keys_that_panic_leave_a_client_that_can_be_used() {
    let server = InProcess::new(CgroupsLookupServer::new(Names::default()).max_response_payload(1024));
    let mut client = server.connect(CgroupsLookupClient::config().max_request_payload(512)).unwrap();
    let (paths, mut panicked) = (paths(40), 0);
    for left in 0..700 {
        let handed = Cell::new(0);
        let keys = paths.iter().inspect(|_| {
            handed.set(handed.get() + 1);
            // Not a panic: that would be told for each.
            if handed.get() > left {
                std::panic::resume_unwind(Box::new("on purpose"));
            }
        });
        let looked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.lookup(keys).map(|it| it.len())));
        match looked {
            Ok(len) => assert_eq!(len, Ok(40)),
            Err(_) => panicked += 1,
        }
        // What was begun and not sent may have cost the connection, and nothing more.
        client.refresh().unwrap();
        if left % 20 == 0 {
            assert_eq!(statuses(&mut client, &paths), [CgroupStatus::Known; 40]);
        }
    }
    assert!((100..600).contains(&panicked), "{panicked}");
}

#[test]
fn a_key_that_fits_a_request_is_asked_for_also_where_larger_requests_were_refused() {
    for (most, longest) in [(4096, 4000), (4096, 2000), (2048, 2000), (1 << 16, 60_000)] {
        let server = CgroupsLookupServer::new(Names::default()).max_request_payload(most).max_response_payload(1 << 18);
        let server = InProcess::new(server);
        let mut client = server.client();
        let mut paths = paths(3000);
        for at in [0, 1000, 2999] {
            paths[at] = CString::new(vec![b'l'; longest]).unwrap();
        }
        paths[2000] = CString::new(vec![b'l'; 1 << 17]).unwrap();
        // The second time it is known what was refused.
        for _ in 0..2 {
            let mut statuses = statuses(&mut client, &paths);
            assert_eq!(statuses.remove(2000), CgroupStatus::OversizedItem);
            let known = statuses.iter().filter(|status| **status == CgroupStatus::Known).count();
            assert_eq!(known, 2999, "{most} {longest}");
        }
        let status = client.status();
        assert!(status.connections <= 16 && status.failed == 0, "{status:?}");
    }
}
