//! What allocates nothing: decoding, refusing, looking, building in place, encoding (docs/protocol.md, section 5.1), and
//! the calls of a session once it has its buffers, looking into a cache; and what allocates a few times, whatever comes.
//!
//! A global allocator counts for the thread that asks. It is the one place here where unsafe code can't be avoided.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use netipc::session::{ClientConfig, Progress, ServerConfig};
use netipc::wire::{Method, Profiles};
use netipc::{HandlerResult, Reply, WireMessage};
use netipc_examples as wire;
use netipc_tests::declared::{self, Manner};
use netipc_tests::natural;
use netipc_tests::oracle::Message;
use netipc_tests::payload_vectors::load;
use netipc_tests::raw::{RunDir, soon};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: all is handed on to the system's allocator; the count is a plain number of this thread.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` gives, which allocates nothing.
fn without_allocation<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let before = COUNT.with(Cell::get);
    let made = work();
    let allocated = COUNT.with(Cell::get) - before;
    assert_eq!(allocated, 0, "{what}");
    made
}

/// Every getter of everything in it; whether it was accepted.
fn touch(message: Message, payload: &[u8]) -> bool {
    fn text(sum: &mut usize, text: &[u8]) {
        *sum ^= text.len() ^ usize::from(text.first().copied().unwrap_or_default());
    }
    let mut sum = 0;
    let accepted = match message {
        Message::Increment => wire::Increment::decode(payload).map(|view| sum ^= view.value() as usize).is_ok(),
        Message::StringReverse => wire::StringReverse::decode(payload).map(|view| text(&mut sum, &view.text())).is_ok(),
        Message::SnapshotRequest => wire::SnapshotRequest::decode(payload).is_ok(),
        Message::Snapshot => wire::Snapshot::decode(payload)
            .map(|view| {
                for item in view.items() {
                    sum ^= item.hash() as usize ^ item.options() as usize ^ item.enabled() as usize;
                    text(&mut sum, &item.name());
                    text(&mut sum, &item.path());
                }
                sum ^= view.items().len() ^ view.generation() as usize ^ view.systemd_enabled() as usize;
            })
            .is_ok(),
        Message::CgroupsLookupRequest => wire::CgroupsLookupRequest::decode(payload)
            .map(|view| view.paths().rev().for_each(|path| text(&mut sum, path.to_bytes())))
            .is_ok(),
        Message::CgroupsLookupResponse => wire::CgroupsLookupResponse::decode(payload)
            .map(|view| {
                for item in view.items() {
                    sum ^= item.status() as usize ^ usize::from(item.orchestrator() == wire::Orchestrator::Kvm);
                    text(&mut sum, item.path().to_bytes());
                    text(&mut sum, item.name().to_bytes());
                    item.labels().for_each(|label| text(&mut sum, label.key().to_bytes()));
                    (0..item.labels().len()).for_each(|i| sum ^= usize::from(item.labels().get(i).is_some()));
                }
            })
            .is_ok(),
        Message::AppsLookupRequest => wire::AppsLookupRequest::decode(payload)
            .map(|view| view.pids().for_each(|pid| sum ^= pid.pid() as usize))
            .is_ok(),
        Message::AppsLookupResponse => wire::AppsLookupResponse::decode(payload)
            .map(|view| {
                for item in view.items() {
                    sum ^= item.status() as usize ^ item.cgroup_status() as usize ^ item.starttime() as usize;
                    sum ^= item.pid() as usize ^ item.ppid() as usize ^ item.uid() as usize;
                    text(&mut sum, item.comm().to_bytes());
                    text(&mut sum, item.cgroup_path().to_bytes());
                    text(&mut sum, item.cgroup_name().to_bytes());
                    item.labels().rev().for_each(|label| text(&mut sum, label.value().to_bytes()));
                }
            })
            .is_ok(),
    };
    black_box(sum);
    accepted
}

#[test]
fn decoding_refusing_and_looking_allocate_nothing() {
    let (mut accepted, mut refused) = (0, 0);
    for entry in load() {
        let taken = without_allocation(&entry.name, || touch(entry.message, &entry.bytes));
        if taken {
            accepted += 1;
        } else {
            refused += 1;
        }
    }
    assert!(accepted > 50 && refused > 100, "{accepted} accepted, {refused} refused");
}

#[test]
fn building_the_declared_messages_in_place_allocates_nothing() {
    // `declared::build` makes C strings of what it is given, so it is not what is measured here.
    let mut buffer = vec![0; 4096];
    let build = |buffer: &mut [u8], spare: usize| {
        let mut to = wire::Snapshot::builder(buffer);
        to.generation(3);
        let mut items = to.items(2 + spare);
        items.push(|to| to.path(b"/path").name(b"a longer name").name(b"name").hash(7));
        items.push(|to| to.name(b"").path(b"/"));
        to.finish()
    };
    let straight = without_allocation("snapshot", || build(&mut buffer, 0));
    let spare = without_allocation("snapshot, reserved beyond need", || build(&mut buffer, 9));
    assert!(straight.is_ok() && straight == spare);

    let lookup = |buffer: &mut [u8]| {
        let mut to = wire::CgroupsLookupResponse::builder(buffer);
        let mut items = to.items(3);
        items.push(|to| {
            to.status(wire::CgroupStatus::Known).name(c"name").path(c"/path");
            to.labels(4).push(|to| to.value(c"v").key(c"k")).push(|to| to.key(c"only"));
            to
        });
        items.push(|to| to.status(wire::CgroupStatus::UnknownRetryLater).path(c"/p"));
        to.finish()
    };
    assert!(without_allocation("lookup", || lookup(&mut buffer)).is_ok());
    // Nor does failing: too small a buffer, and a key that is empty.
    assert!(without_allocation("overflow", || lookup(&mut [])).is_err());
    let invalid = without_allocation("invalid", || {
        let mut to = wire::CgroupsLookupResponse::builder(&mut buffer);
        to.items(1).push(|to| to.status(wire::CgroupStatus::Known));
        to.finish()
    });
    assert!(invalid.is_err());
}

#[test]
fn encoding_allocates_nothing() {
    for entry in load() {
        let Ok(value) = entry.message.decode(&entry.bytes) else { continue };
        let mut buffer = vec![0; 65536];
        let len = declared::build(&value, Manner::Straight, &mut buffer).expect("room");
        fn encode<M: WireMessage>(payload: &[u8], name: &str) {
            let Ok(value) = M::decode_owned(payload) else { return };
            let len = without_allocation(name, || value.encoded_len());
            let mut buffer = vec![0; len];
            assert_eq!(without_allocation(name, || value.encode(&mut buffer)), Ok(len));
            assert_eq!(buffer, payload);
        }
        let (payload, name) = (&buffer[..len], &entry.name);
        match entry.message {
            Message::Increment => encode::<wire::Increment>(payload, name),
            Message::StringReverse => encode::<wire::StringReverse>(payload, name),
            Message::SnapshotRequest => encode::<wire::SnapshotRequest>(payload, name),
            Message::Snapshot => encode::<wire::Snapshot>(payload, name),
            Message::CgroupsLookupRequest => encode::<wire::CgroupsLookupRequest>(payload, name),
            Message::CgroupsLookupResponse => encode::<wire::CgroupsLookupResponse>(payload, name),
            Message::AppsLookupRequest => encode::<wire::AppsLookupRequest>(payload, name),
            Message::AppsLookupResponse => encode::<wire::AppsLookupResponse>(payload, name),
        }
    }
}

#[test]
fn natural_layouts_allocate_nothing_either() {
    let value = natural::full();
    let len = without_allocation("length", || value.encoded_len());
    let mut payload = vec![0; len];
    assert_eq!(without_allocation("encode", || value.encode(&mut payload)), Ok(len));
    let looked = without_allocation("decode", || {
        let view = natural::Everything::decode(&payload).ok()?;
        let lists = view.lists();
        let groups: usize =
            lists.groups().map(|group| group.members().map(|names| names.names().len()).sum::<usize>()).sum();
        let said = match view.event() {
            natural::EventView::Said(text, labels) => text.len() + labels.map(|label| label.key().len()).sum::<usize>(),
            _ => 0,
        };
        let labels = view.options().labels().map_or(0, |labels| labels.len());
        Some(groups + said + labels + view.texts().nul().len() + view.scalars().n().len())
    });
    assert!(looked.is_some_and(|looked| looked > 10));
    // Every prefix is refused, and so is every payload with one byte turned around.
    for end in 0..len {
        assert!(without_allocation("prefix", || natural::Everything::decode(&payload[..end]).is_err()));
    }
    for at in 0..len {
        payload[at] = !payload[at];
        without_allocation("damaged", || black_box(natural::Everything::decode(&payload).is_ok()));
        payload[at] = !payload[at];
    }
    let mut buffer = vec![0; 4096];
    let built = without_allocation("builder", || {
        let mut to = natural::Group::builder(&mut buffer);
        to.title("title");
        let mut members = to.members(5);
        members.push(|to| {
            to.names(3).push("a").push("b");
            to.keys(9).push(c"key");
            to
        });
        to.sizes(2).push(1);
        to.last("last");
        to.finish()
    });
    assert!(built.is_ok());
}

/// Both sides are this one thread, so each message is received before the next.
#[test]
fn a_session_allocates_for_its_first_large_messages_and_then_no_more() {
    for profile in [Profiles::BASELINE, Profiles::SHM_HYBRID] {
        steady(profile);
    }
}

fn steady(profile: Profiles) {
    const LARGE: usize = 100_000;
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("steady");
    let limit = 1 << 20;
    let config = ServerConfig::new().max_request_payload(limit).max_response_payload(limit).packet_size(30_000);
    let mut listener = config.profiles(profile).listen(&endpoint).unwrap();
    let config = ClientConfig::new().max_request_payload(limit).profiles(profile);
    let client = config.try_connect(&endpoint).unwrap().expect("room");
    let mut server = listener.accept(soon()).unwrap();
    let Progress::Done(mut client) = client.try_finish().unwrap() else { panic!("no answer") };
    assert_eq!(client.status().profile, profile);
    let payload = vec![7; LARGE];
    let mut round = |len: usize| {
        let deadline = soon();
        let ticket = client.send(Method::new(1), &payload[..len], deadline).unwrap();
        let (requests, responses) = server.halves();
        let request = requests.receive(deadline).unwrap();
        assert_eq!(request.payload().len(), len);
        responses.respond(request.ticket(), request.payload(), deadline).unwrap();
        assert_eq!(client.receive(deadline).unwrap().ticket(), ticket);
        let built = client.send_with(Method::new(2), deadline, |writer| {
            writer.append(&payload[..len / 2]);
            Ok::<(), ()>(())
        });
        let request = requests.receive(deadline).unwrap();
        let answered = responses.respond_with(request.ticket(), deadline, |writer| {
            writer.append(request.payload());
            Ok::<(), ()>(())
        });
        assert_eq!(answered, Ok(()));
        assert!(requests.try_receive().unwrap().is_none());
        let response = client.receive(deadline).unwrap();
        assert_eq!((Ok(response.ticket()), response.payload().len()), (built, len / 2));
    };
    round(LARGE);
    for len in [0, 1, 100, 20_000, LARGE - 1, LARGE] {
        without_allocation(&format!("{len} bytes over {profile:?}"), || round(len));
    }
}

#[netipc::service(name = "rooms")]
trait Rooms {
    #[method(snapshot(items = items, key(hash, name), generation = generation))]
    fn rooms(&self, reply: Reply<'_, wire::Snapshot>) -> HandlerResult;
}

/// As many as there are, another generation each time.
struct House<'a>(&'a std::sync::atomic::AtomicU64, usize);

fn name(number: usize) -> [u8; 40] {
    let mut name = [b'.'; 40];
    name[..8].copy_from_slice(&number.to_be_bytes());
    name
}

impl Rooms for House<'static> {
    fn rooms(&self, mut reply: Reply<'_, wire::Snapshot>) -> HandlerResult {
        reply.generation(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let mut items = reply.items(self.1);
        for number in 0..self.1 {
            items.push(|item| item.hash(number as u32).name(&name(number)).path(b"/"));
        }
        Ok(())
    }
}

#[test]
fn a_lookup_allocates_nothing_and_a_refresh_no_more_for_many_items_than_for_few() {
    static GENERATION: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    for profiles in [Profiles::BASELINE, Profiles::BASELINE.union(Profiles::SHM_HYBRID)] {
        for len in [0, 1, 16, 1000, 7000] {
            let run_dir = RunDir::new();
            let server = RoomsServer::new(House(&GENERATION, len)).profiles(profiles);
            let _server = server.bind(run_dir.path()).unwrap().spawn().unwrap();
            let cache = RoomsCache::over(RoomsClient::config().profiles(profiles).build(run_dir.path()));
            for _ in 0..3 {
                assert!(cache.refresh().unwrap().changed);
            }
            let before = COUNT.with(Cell::get);
            cache.refresh().unwrap();
            // The payload, a buffer for the next one, and what holds them; the table is that of the one before.
            let allocated = COUNT.with(Cell::get) - before;
            assert!(allocated <= 6, "{allocated} for {len} items over {profiles:?}");
            without_allocation("lookups", || {
                let reading = cache.read();
                for number in 0..len {
                    let found = cache.read().get((number as u32, &name(number))).map(|room| room.hash());
                    assert_eq!(found, Some(number as u32));
                    assert!(reading.get((number as u32 + 1, &name(number))).is_none());
                }
                assert_eq!(reading.iter().count(), len);
                black_box(reading.generation());
            });
        }
    }
}
