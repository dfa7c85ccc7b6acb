//! Decoding, getters and builders leave the heap alone.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use netipc::WireMessage;
use netipc_examples::{AppsLookupResponse, CgroupsLookupResponse, Snapshot};
use netipc_tests::oracle::Message;
use netipc_tests::payload_vectors::{Verdict, load};

/// Counts the allocations of each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes on to the system's allocator as it came; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// How often `run` allocates.
fn allocations<T>(run: impl FnOnce() -> T) -> usize {
    let before = COUNT.get();
    std::hint::black_box(run());
    COUNT.get() - before
}

fn touch(message: Message, payload: &[u8]) -> bool {
    match message {
        Message::Snapshot => Snapshot::decode(payload).is_ok_and(|view| {
            view.items().map(|item| item.name().len() + item.path().len() + item.hash() as usize).sum::<usize>();
            view.items().get(0).is_none_or(|item| item.enabled() <= item.enabled())
        }),
        Message::CgroupsLookupResponse => CgroupsLookupResponse::decode(payload).is_ok_and(|view| {
            view.items().all(|item| {
                let labels: usize =
                    item.labels().map(|label| label.key().count_bytes() + label.value().count_bytes()).sum();
                labels < payload.len() && item.path().count_bytes() < payload.len() && item.status() == item.status()
            })
        }),
        Message::AppsLookupResponse => AppsLookupResponse::decode(payload).is_ok_and(|view| {
            view.items().all(|item| item.labels().len() < payload.len() && item.comm().count_bytes() < 16)
        }),
        Message::Increment => netipc_examples::Increment::decode(payload).is_ok(),
        Message::StringReverse => netipc_examples::StringReverse::decode(payload).is_ok(),
        Message::SnapshotRequest => netipc_examples::SnapshotRequest::decode(payload).is_ok(),
        Message::CgroupsLookupRequest => netipc_examples::CgroupsLookupRequest::decode(payload)
            .is_ok_and(|view| view.paths().all(|path| !path.is_empty())),
        Message::AppsLookupRequest => netipc_examples::AppsLookupRequest::decode(payload)
            .is_ok_and(|view| view.pids().map(|pid| u64::from(pid.pid())).sum::<u64>() < u64::MAX),
    }
}

#[test]
fn counting_counts() {
    assert_eq!(allocations(|| vec![0_u8; 100]), 1);
    assert_eq!(allocations(|| [0_u8; 100]), 0);
}

#[test]
fn decode_and_getters_allocate_nothing_whatever_the_payload() {
    let mut accepted = 0;
    for entry in load() {
        let mut ok = false;
        assert_eq!(allocations(|| ok = touch(entry.message, &entry.bytes)), 0, "{}", entry.name);
        assert_eq!(ok, !matches!(entry.verdict, Verdict::Reject(_)), "{}", entry.name);
        accepted += usize::from(ok);
    }
    assert_eq!(accepted, 80);
}

#[test]
fn builders_and_encode_allocate_nothing() {
    let mut buffer = vec![0; 4096];
    let built = allocations(|| {
        let mut reply = Snapshot::builder(&mut buffer);
        reply.generation(7).systemd_enabled(1);
        let mut items = reply.items(20);
        for hash in 0..10 {
            // Out of order and over-reserved: what has to move moves in place.
            items.push(|item| item.path(b"/a/b").name(b"c").hash(hash));
        }
        reply.finish().unwrap()
    });
    assert_eq!(built, 0);
    let value = Snapshot::decode_owned(
        &Snapshot::to_vec(&Snapshot { systemd_enabled: 1, generation: 2, items: vec![] }).unwrap(),
    );
    let value = value.unwrap();
    assert_eq!(allocations(|| value.encode(&mut buffer).unwrap()), 0);
    assert_eq!(allocations(|| value.encoded_len()), 0);
}

/// The natural layout, with everything that can vary.
#[derive(Debug, Clone, PartialEq, WireMessage)]
struct Natural {
    name: String,
    tags: Vec<String>,
    parts: Vec<Part>,
    note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
struct Part {
    text: String,
    numbers: Vec<u64>,
}

#[test]
fn natural_layouts_allocate_nothing_either() {
    let part = Part { text: "zażółć".into(), numbers: vec![1, 2, 3] };
    let value = Natural {
        name: "n".into(),
        tags: vec!["a".into(), String::new()],
        parts: vec![part.clone(), part],
        note: Some("note".into()),
    };
    let mut buffer = vec![0; value.encoded_len()];
    assert_eq!(allocations(|| value.encode(&mut buffer).unwrap()), 0);
    let mut sum = 0;
    let decoded = allocations(|| {
        let view = Natural::decode(&buffer).unwrap();
        sum += view.name().len() + view.tags().map(str::len).sum::<usize>() + view.note().map_or(0, str::len);
        sum += view.parts().map(|part| part.text().len() + part.numbers().count()).sum::<usize>();
    });
    assert_eq!((decoded, sum), (0, 1 + 1 + 4 + 2 * ("zażółć".len() + 3)));
    let end = buffer.len() - 1;
    buffer[end] = 0xff;
    assert_eq!(allocations(|| Natural::decode(&buffer).unwrap_err()), 0);
}
