//! Builders in distress: too little room, too many elements, things set too late, values that the layout excludes, closures
//! that panic. None of it writes past the buffer, and all of it is reported.

use std::panic::{AssertUnwindSafe, catch_unwind};

use netipc::EncodeError;
use netipc::codec::Rule;
use netipc_examples as wire;
use netipc_tests::natural;

const GUARD: u8 = 0xa5;

/// Builds into every size of buffer from none to 8 bytes more than is needed. None is written past; each one that is too
/// small reports what would have been enough, and what is reported is enough.
fn every_size(build: impl Fn(&mut [u8]) -> Result<usize, EncodeError>) {
    let mut memory = vec![GUARD; 65536];
    let len = build(&mut memory).expect("room");
    let expected = memory[..len].to_vec();
    let needed = match build(&mut []) {
        Err(EncodeError::Overflow { needed }) => needed,
        other => panic!("{other:?} in no bytes at all"),
    };
    assert!(needed >= len);
    for size in 0..needed + 8 {
        let mut memory = vec![GUARD; size + 64];
        let (buffer, guard) = memory.split_at_mut(size);
        match build(buffer) {
            Ok(written) => {
                assert!(size >= needed, "{size} of {needed}");
                assert_eq!(buffer[..written], expected);
            }
            Err(error) => {
                assert!(size < needed, "{size} of {needed}: {error}");
                assert_eq!(error, EncodeError::Overflow { needed });
            }
        }
        assert!(guard.iter().all(|&byte| byte == GUARD), "written past {size} bytes");
    }
}

fn snapshot(buffer: &mut [u8], spare: usize) -> Result<usize, EncodeError> {
    let mut to = wire::Snapshot::builder(buffer);
    let mut items = to.items(3 + spare);
    items.push(|to| to.path(b"/sys/fs/cgroup/a").name(b"an older name").name(b"a").hash(1));
    items.push(|to| to.name(b"b"));
    items.push(|to| to.path(&[b'p'; 100]).enabled(1));
    to.generation(9);
    to.finish()
}

fn lookup(buffer: &mut [u8], spare: usize) -> Result<usize, EncodeError> {
    let mut to = wire::CgroupsLookupResponse::builder(buffer);
    let mut items = to.items(2 + spare);
    for path in [c"/one", c"/two"] {
        items.push(|to| {
            to.name(c"name").path(path);
            to.labels(2 + spare).push(|to| to.value(c"value").key(c"k")).push(|to| to.key(c"l"));
            to
        });
    }
    to.finish()
}

fn group(buffer: &mut [u8], spare: usize) -> Result<usize, EncodeError> {
    let mut to = natural::Group::builder(buffer);
    to.title("title");
    let mut members = to.members(2 + spare);
    for _ in 0..2 {
        members.push(|to| {
            to.names(1 + spare).push("name");
            to.keys(2 + spare).push(c"a").push(c"b");
            to
        });
    }
    to.sizes(1 + spare).push(7);
    to.last("last");
    to.finish()
}

#[test]
fn builders_never_write_past_their_buffer_and_report_what_would_have_been_enough() {
    for spare in [0, 1, 5] {
        every_size(|buffer| snapshot(buffer, spare));
        every_size(|buffer| lookup(buffer, spare));
        every_size(|buffer| group(buffer, spare));
    }
    let full = natural::full();
    every_size(|buffer| full.encode(buffer));
}

#[test]
fn elements_beyond_what_was_reserved_are_reported() {
    let mut buffer = [0; 512];
    let mut to = wire::Snapshot::builder(&mut buffer);
    let mut called = 0;
    let mut items = to.items(1);
    for _ in 0..2 {
        items.push(|to| {
            called += 1;
            to
        });
    }
    assert_eq!(called, 1);
    assert_eq!(rule(to.finish()), Rule::TooMany(1));

    let mut to = wire::CgroupsLookupRequest::builder(&mut buffer);
    to.paths(0).push(c"/");
    assert_eq!(rule(to.finish()), Rule::TooMany(0));

    let mut to = natural::Names::builder(&mut buffer);
    to.names(2).push("a").push("b").push("c");
    assert_eq!(rule(to.finish()), Rule::TooMany(2));

    let mut to = wire::CgroupsLookupResponse::builder(&mut buffer);
    to.items(1).push(|to| {
        to.path(c"/").labels(1).push(|to| to.key(c"k")).push(|to| to.key(c"l"));
        to
    });
    assert_eq!(rule(to.finish()), Rule::TooMany(1));
}

/// The rule that a message broke.
fn rule(result: Result<usize, EncodeError>) -> Rule {
    match result {
        Err(EncodeError::Invalid { message, field, rule }) => {
            assert!(!message.is_empty() && !field.is_empty());
            rule
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn text_that_stands_in_front_of_a_list_can_not_be_set_behind_it() {
    let mut buffer = [0; 512];
    let mut to = natural::Group::builder(&mut buffer);
    to.members(0);
    to.title("late");
    let error = to.finish().expect_err("too late");
    assert!(error.to_string().starts_with("Group.title: "), "{error}");
    assert_eq!(rule(Err(error)), Rule::SetTooLate);

    let mut to = natural::Group::builder(&mut buffer);
    to.sizes(1).push(1);
    to.members(0);
    assert_eq!(rule(to.finish()), Rule::SetTooLate);

    let mut to = natural::Group::builder(&mut buffer);
    to.sizes(1).push(1);
    to.sizes(1).push(1);
    assert_eq!(rule(to.finish()), Rule::SetTooLate);

    let mut to = wire::CgroupInfo::builder(&mut buffer);
    to.labels(1).push(|to| to.key(c"k"));
    to.path(c"/");
    assert_eq!(rule(to.finish()), Rule::SetTooLate);
}

#[test]
fn an_enum_with_data_takes_one_variant_with_text() {
    let mut buffer = [0; 512];
    let mut to = natural::Event::builder(&mut buffer);
    to.set_raw(b"one").set_said("two", &[]);
    assert_eq!(rule(to.finish()), Rule::SetTooLate);
    let mut to = natural::Event::builder(&mut buffer);
    to.set_raw(b"one").set_nothing();
    assert_eq!(rule(to.finish()), Rule::SetTooLate);
    // None of them is no variant either, and zero is the value of none.
    assert_eq!(rule(natural::Event::builder(&mut buffer).finish()), Rule::UnknownValue(0));
}

#[test]
fn a_value_that_the_layout_excludes_is_reported_when_the_message_is_finished() {
    let mut buffer = [0; 512];
    // `name` has at least a byte; nobody set it.
    assert_eq!(rule(natural::Bounded::builder(&mut buffer).finish()), Rule::BelowMin("1"));
    let bounded = |low: u16, high: u16, name: &str| {
        let mut buffer = [0; 512];
        let mut to = natural::Bounded::builder(&mut buffer);
        to.name(name).low(low).high(high);
        to.finish()
    };
    assert!(bounded(1, 2, "abc").is_ok());
    assert_eq!(rule(bounded(1, 1001, "abc")), Rule::AboveMax("1000"));
    assert_eq!(rule(bounded(1, 2, "abcdef")), Rule::AboveMax("5"));
    assert!(matches!(rule(bounded(3, 2, "abc")), Rule::Requires(_)));

    // `Colour` is closed, and zero is none of its values: nobody set it.
    let mut to = natural::Codes::builder(&mut buffer);
    to.level(natural::Level::One);
    assert_eq!(rule(to.finish()), Rule::UnknownValue(0));

    // A path of at least a byte, and labels that only a known cgroup has.
    assert_eq!(rule(wire::CgroupInfo::builder(&mut buffer).finish()), Rule::BelowMin("1"));
    let mut to = wire::CgroupInfo::builder(&mut buffer);
    to.path(c"/").status(wire::CgroupStatus::OversizedItem).labels(1).push(|to| to.key(c"k"));
    assert!(matches!(rule(to.finish()), Rule::Requires(_)));
    let mut to = wire::CgroupInfo::builder(&mut buffer);
    to.path(c"/").labels(1).push(|to| to.value(c"without a key"));
    assert_eq!(rule(to.finish()), Rule::BelowMin("1"));

    let mut to = wire::CgroupsLookupRequest::builder(&mut buffer);
    to.paths(1).push(c"");
    assert_eq!(rule(to.finish()), Rule::ItemLength(0));
}

#[test]
fn the_first_thing_that_goes_wrong_is_reported() {
    let mut buffer = [0; 512];
    let mut to = natural::Group::builder(&mut buffer);
    to.members(1).push(|to| {
        to.keys(0).push(c"one too many");
        to.names(0);
        to
    });
    to.title("late");
    assert_eq!(rule(to.finish()), Rule::TooMany(0));
    // What is wrong is said even where there is no room: a larger buffer would not help.
    assert!(matches!(natural::Codes::builder(&mut []).finish(), Err(EncodeError::Invalid { .. })));
}

/// Leaves a closure by panicking, which is caught; what the builder says then.
macro_rules! after_a_panic {
    ($message:ty, $buffer:expr, |$to:ident| $push:expr) => {{
        let mut $to = <$message>::builder($buffer);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            $push;
        }));
        assert!(caught.is_err());
        $to.finish()
    }};
}

#[test]
fn a_closure_that_panics_leaves_an_error_and_no_message() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    for size in [0, 64, 4096] {
        let mut memory = vec![GUARD; size + 64];
        let (buffer, guard) = memory.split_at_mut(size);
        for at in 0..3 {
            let built = after_a_panic!(wire::Snapshot, buffer, |to| {
                let mut items = to.items(4);
                for i in 0..3 {
                    items.push(|to| {
                        to.name(b"name");
                        assert_ne!(i, at);
                        to.path(b"path")
                    });
                }
            });
            assert!(built.is_err(), "{built:?}");
            let built = after_a_panic!(wire::CgroupsLookupResponse, buffer, |to| {
                to.items(2).push(|to| {
                    to.path(c"/").labels(5).push(|to| to.key(c"k")).push(|_| panic!("inside a label"));
                    to
                })
            });
            assert!(built.is_err(), "{built:?}");
            let built = after_a_panic!(natural::Group, buffer, |to| {
                to.title("title");
                to.members(3).push(|to| {
                    to.names(2).push("name");
                    panic!("inside a member")
                })
            });
            assert!(built.is_err(), "{built:?}");
        }
        assert!(guard.iter().all(|&byte| byte == GUARD));
    }
    // Going on after it does not heal it.
    let mut buffer = [0; 4096];
    let mut to = natural::Group::builder(&mut buffer);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        to.members(1).push(|_| panic!("inside a member"));
    }));
    assert!(caught.is_err());
    to.sizes(2).push(1).push(2);
    to.last("last");
    assert!(to.finish().is_err());
    std::panic::set_hook(hook);
}

#[test]
fn a_count_that_the_wire_can_not_tell_is_reported() {
    let most = usize::from(u16::MAX);
    for count in [most, most + 1, 70_000] {
        let mut buffer = vec![0; 4 << 20];
        let mut to = wire::CgroupInfo::builder(&mut buffer);
        to.path(c"/");
        let mut labels = to.labels(count);
        for _ in 0..count {
            labels.push(|to| to.key(c"k"));
        }
        let built = to.finish();
        let label = wire::Label { key: c"k".into(), value: c"".into() };
        let owned = wire::CgroupInfo {
            status: wire::CgroupStatus::Known,
            orchestrator: wire::Orchestrator::Unknown,
            path: c"/".into(),
            name: c"".into(),
            labels: vec![label; count],
        };
        if count == most {
            let len = built.expect("as many as a u16 can tell");
            assert_eq!(wire::CgroupInfo::decode(&buffer[..len]).map(|view| view.labels().len()), Ok(most));
            assert_eq!(owned.to_vec().as_deref(), Ok(&buffer[..len]));
        } else {
            assert_eq!(rule(built), Rule::TooMany(most));
            assert_eq!(rule(owned.to_vec().map(|bytes| bytes.len())), Rule::TooMany(most));
        }
    }
    // Reserving more than that is no mistake, as long as no more come.
    let mut buffer = vec![0; 4 << 20];
    let mut to = wire::CgroupInfo::builder(&mut buffer);
    to.path(c"/").labels(70_000).push(|to| to.key(c"k"));
    assert!(to.finish().is_ok());
}

#[test]
fn reservations_beyond_all_memory_are_refused() {
    let counts = [1 << 29, 1 << 40, usize::MAX / 8, usize::MAX / 8 - 3, usize::MAX / 8 - 4, usize::MAX / 2, usize::MAX];
    let counts = counts
        .into_iter()
        .chain((0..64).map(|i| (usize::MAX - 24 - i) / 8))
        .chain((0..9).map(|i| usize::MAX / 16 + 4 - i));
    for count in counts {
        let mut memory = [GUARD; 256];
        let (buffer, guard) = memory.split_at_mut(128);
        let refused = |what: &str, built: Result<usize, EncodeError>| {
            let refused = matches!(
                built,
                Err(EncodeError::TooLarge(_)
                    | EncodeError::Overflow { .. }
                    | EncodeError::Invalid { rule: Rule::TooMany(_), .. })
            );
            assert!(refused, "{what}, {count}: {built:?}");
        };
        let mut to = wire::Snapshot::builder(buffer);
        to.items(count);
        refused("directory", to.finish());
        let mut to = wire::Snapshot::builder(buffer);
        to.items(count).push(|to| to.name(b"n").path(b"p")).push(|to| to.path(b"p").name(b"n"));
        refused("directory with items", to.finish());
        let mut to = wire::CgroupsLookupRequest::builder(buffer);
        to.paths(count).push(c"/").push(c"/a");
        refused("directory of text", to.finish());
        let mut to = wire::CgroupsLookupResponse::builder(buffer);
        to.items(1).push(|to| {
            to.path(c"/").labels(count).push(|to| to.value(c"v").key(c"k"));
            to
        });
        refused("table in a directory", to.finish());
        let mut to = natural::Group::builder(buffer);
        to.title("t").members(count).push(|to| {
            to.keys(count).push(c"k");
            to
        });
        to.sizes(count).push(1);
        to.last("l");
        refused("lists", to.finish());
        assert!(guard.iter().all(|&byte| byte == GUARD));
    }
}
