//! Builders at their limits: small buffers, too many entries, fields too late, values that no layout allows.

use std::panic::{AssertUnwindSafe, catch_unwind};

use netipc::codec::Rule;
use netipc::{EncodeError, WireMessage};
use netipc_examples::{CgroupInfo, CgroupStatus, CgroupsLookupRequest, Orchestrator, Snapshot};

fn build(buffer: &mut [u8], reserve: usize) -> Result<usize, EncodeError> {
    let mut reply = Snapshot::builder(buffer);
    reply.generation(1);
    let mut items = reply.items(reserve);
    items.push(|item| item.hash(1).name(b"first").path(b"/1"));
    items.push(|item| item.hash(2).path(b"/second").name(b""));
    reply.finish()
}

#[test]
fn no_buffer_is_written_past_its_end_and_each_error_tells_a_size_that_is_enough() {
    for reserve in [2, 5] {
        let mut large = [0; 1024];
        let len = build(&mut large, reserve).expect("room enough");
        for size in 0..200 {
            let mut memory = vec![0x5a; size + 64];
            let (buffer, guard) = memory.split_at_mut(size);
            match build(buffer, reserve) {
                Ok(written) => {
                    assert_eq!(written, len);
                    assert_eq!(buffer[..len], large[..len]);
                }
                Err(EncodeError::Overflow { needed }) => {
                    assert!(needed > size && needed <= len + 8 * (reserve - 2), "{needed} of {size}");
                    assert_eq!(build(&mut vec![0; needed], reserve), Ok(len));
                }
                Err(other) => panic!("{other}"),
            }
            assert!(guard.iter().all(|&byte| byte == 0x5a), "{size}");
        }
    }
}

fn rule(result: Result<usize, EncodeError>) -> (&'static str, Rule) {
    match result {
        Err(EncodeError::Invalid { field, rule, .. }) => (field, rule),
        other => panic!("{other:?}"),
    }
}

#[test]
fn more_entries_than_were_reserved_are_an_error() {
    let mut buffer = [0; 256];
    let mut request = CgroupsLookupRequest::builder(&mut buffer);
    request.paths(1).push(c"/a").push(c"/b");
    assert_eq!(rule(request.finish()), ("paths", Rule::TooMany(1)));
}

#[test]
fn an_empty_key_is_an_error() {
    let mut buffer = [0; 256];
    let mut request = CgroupsLookupRequest::builder(&mut buffer);
    request.paths(1).push(c"");
    assert_eq!(rule(request.finish()), ("paths", Rule::ItemLength(0)));
}

#[test]
fn reserving_more_than_there_is_memory_is_an_overflow_and_no_panic() {
    for reserve in [1 << 40, usize::MAX / 8, usize::MAX / 8 + 1, usize::MAX] {
        let mut buffer = [0; 256];
        let mut request = CgroupsLookupRequest::builder(&mut buffer);
        request.paths(reserve).push(c"/a");
        assert!(request.finish().is_err(), "{reserve}");
    }
}

#[test]
fn text_behind_a_list_comes_too_late_before_it() {
    let mut buffer = [0; 256];
    let mut info = CgroupInfo::builder(&mut buffer);
    info.status(CgroupStatus::Known).path(c"/a");
    info.labels(1).push(|label| label.key(c"k").value(c"v"));
    info.name(c"late");
    assert_eq!(rule(info.finish()), ("name", Rule::SetTooLate));
}

#[test]
fn finish_holds_the_value_to_min_and_require() {
    let mut buffer = [0; 256];
    let mut info = CgroupInfo::builder(&mut buffer);
    info.status(CgroupStatus::Known);
    assert_eq!(rule(info.finish()), ("path", Rule::BelowMin("1")));

    let mut info = CgroupInfo::builder(&mut buffer);
    info.status(CgroupStatus::UnknownPermanent).path(c"/a").orchestrator(Orchestrator::K8s);
    assert!(matches!(rule(info.finish()), ("status", Rule::Requires(_))));
}

/// A closed enum that has no zero.
#[derive(Debug, Clone, Copy, PartialEq, WireMessage)]
#[repr(u8)]
enum Color {
    Red = 1,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
struct Painted {
    color: Color,
    counts: Vec<u32>,
    name: String,
}

#[test]
fn a_closed_enum_has_to_be_set() {
    let mut buffer = [0; 64];
    assert_eq!(rule(Painted::builder(&mut buffer).finish()), ("color", Rule::UnknownValue(0)));
    let mut painted = Painted::builder(&mut buffer);
    painted.color(Color::Red);
    let len = painted.finish().expect("all set that must be");
    let empty = Painted { color: Color::Red, counts: Vec::new(), name: String::new() };
    assert_eq!(Painted::decode(&buffer[..len]).map(|view| view.to_owned()), Ok(empty));
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
#[repr(u8)]
enum Step {
    Named {
        #[wire(min = 1, max = 3)]
        name: String,
    } = 1,
    Wait(#[wire(max = 9)] u32),
}

#[test]
fn the_bounds_of_a_variant_hold_when_it_is_the_one() {
    let mut buffer = [0; 64];
    for (name, expected) in [("", Some(Rule::BelowMin("1"))), ("abc", None), ("abcd", Some(Rule::AboveMax("3")))] {
        let mut step = Step::builder(&mut buffer);
        step.set_named(name);
        assert_eq!(step.finish().err().map(|error| rule(Err(error)).1), expected, "{name}");
    }
    let mut payload = Step::Wait(9).to_vec().expect("within bounds");
    assert!(Step::decode(&payload).is_ok());
    payload[4] = 10;
    assert_eq!(
        Step::decode(&payload).map_err(|error| (error.field, error.rule)).err(),
        Some(("field_0", Rule::AboveMax("9")))
    );
    assert!(Step::Wait(10).to_vec().is_err());
}

/// An enum whose zero has a tail.
#[derive(Debug, Clone, PartialEq, WireMessage)]
#[repr(u8)]
enum Zero {
    Text(String),
    Number(u32),
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
struct Around {
    zero: Zero,
    rows: Vec<Zero>,
    name: String,
}

#[test]
fn a_variant_that_nobody_set_is_the_one_of_value_zero_and_empty() {
    let mut buffer = [0xee; 64];
    let len = Zero::builder(&mut buffer).finish().expect("zero is a variant");
    assert_eq!(Zero::decode(&buffer[..len]).map(|view| view.to_owned()), Ok(Zero::Text(String::new())));

    let mut around = Around::builder(&mut buffer);
    around.name("behind");
    around.rows(2);
    assert_eq!(rule(around.finish()).1, Rule::SetTooLate);

    let mut around = Around::builder(&mut buffer);
    around.rows(2).push(|row| row);
    around.name("behind");
    let len = around.finish().expect("in order");
    let empty = Zero::Text(String::new());
    let expected = Around { zero: empty.clone(), rows: vec![empty], name: "behind".into() };
    assert_eq!(Around::decode(&buffer[..len]).map(|view| view.to_owned()), Ok(expected));
}

#[test]
fn a_count_beyond_its_width_is_an_error() {
    let mut buffer = vec![0; 4 << 20];
    let mut info = CgroupInfo::builder(&mut buffer);
    info.status(CgroupStatus::Known).path(c"/a");
    let mut labels = info.labels(70_000);
    for _ in 0..70_000 {
        labels.push(|label| label.key(c"k").value(c""));
    }
    assert_eq!(rule(info.finish()), ("labels", Rule::TooMany(65_535)));
}

#[test]
fn a_panic_half_way_leaves_an_error_and_no_message() {
    let mut buffer = [0; 256];
    let mut reply = Snapshot::builder(&mut buffer);
    let mut items = reply.items(3);
    items.push(|item| item.name(b"whole").path(b"/whole"));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        items.push(|item| {
            item.name(b"half");
            std::panic::resume_unwind(Box::new("on purpose"))
        });
    }));
    assert!(panicked.is_err());
    items.push(|item| item.name(b"after").path(b"/after"));
    assert!(reply.finish().is_err());
}

#[test]
fn overlapping_items_are_read_but_not_copied_without_bound() {
    // 60,000 entries over one item of 40 KB: each is proven in O(1), for the proof of bytes looks at their NUL alone.
    let item_len = 40_000_u32;
    let entries = 60_000_u32;
    let name_len = item_len - 32 - 2;
    let mut payload = Vec::new();
    for word in [1_u32, entries, 0, 0, 0, 0] {
        payload.extend(word.to_ne_bytes());
    }
    for _ in 0..entries {
        payload.extend(0_u32.to_ne_bytes());
        payload.extend(item_len.to_ne_bytes());
    }
    for word in [1, 0, 0, 0, 32, name_len, 32 + name_len + 1, 0] {
        payload.extend(word.to_ne_bytes());
    }
    payload.extend(vec![b'x'; name_len as usize]);
    payload.extend([0, 0]);
    let view = Snapshot::decode(&payload).expect("well formed");
    assert_eq!(view.items().len(), 60_000);
    let amplified = view.to_owned().expect_err("2.4 GB out of half a megabyte");
    assert_eq!((amplified.items, amplified.payload), (2_400_000_000, payload.len()));
    let error = Snapshot::decode_owned(&payload).expect_err("the same");
    assert_eq!(error.rule, Rule::Amplified(2_400_000_000));
}
