//! Messages built where a `Writer` stands: in front of others, behind others, and where there is no room.

use netipc::buf::Writer;
use netipc::codec::Rule;
use netipc::wire::{Batch, BatchBuilder};
use netipc::{EncodeError, WireMessage};
use netipc_examples::{AppsLookupRequest, CgroupInfo, Increment, Snapshot, SnapshotBuilder, StringReverse};

/// Rows, texts and alignment: all that counts from the start of a message.
#[derive(Debug, Clone, PartialEq, WireMessage)]
struct Natural {
    name: String,
    weights: Vec<f64>,
    places: Vec<Place>,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
struct Place {
    at: u64,
    label: String,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
#[repr(u16)]
enum Kind {
    Plain = 0,
    Named { name: String } = 1,
}

fn fill_snapshot(reply: &mut SnapshotBuilder<'_>, reserve: usize) {
    reply.generation(7).systemd_enabled(1);
    let mut items = reply.items(reserve);
    items.push(|item| item.path(b"/system.slice").hash(3).name(b"set late, moves up"));
    items.push(|item| item.name(b"second").path(b""));
}

fn fill_natural(reply: &mut NaturalBuilder<'_>, reserve: usize) {
    reply.name("odd");
    reply.weights(reserve).push(0.5).push(-1.0);
    reply.places(reserve).push(|place| place.at(9).label("nine")).push(|place| place.label("").at(10));
    reply.kind(&Kind::Named { name: "x".to_owned() });
}

fn snapshot_alone(reserve: usize) -> Vec<u8> {
    let mut buffer = vec![0xee; 1024];
    let mut reply = Snapshot::builder(&mut buffer);
    fill_snapshot(&mut reply, reserve);
    let len = reply.finish().expect("room enough");
    buffer.truncate(len);
    buffer
}

fn natural_alone(reserve: usize) -> Vec<u8> {
    let mut buffer = vec![0xee; 1024];
    let mut reply = Natural::builder(&mut buffer);
    fill_natural(&mut reply, reserve);
    let len = reply.finish().expect("room enough");
    buffer.truncate(len);
    buffer
}

#[test]
fn a_message_has_the_same_bytes_wherever_it_begins() {
    for reserve in [2, 5] {
        let (snapshot, natural) = (snapshot_alone(reserve), natural_alone(reserve));
        for start in (0..17).chain([100, 1000]) {
            let mut buffer = vec![0xee; start + 1024];
            let mut writer = Writer::new(&mut buffer);
            writer.append(&vec![0x11; start]);
            let mut draft = Snapshot::builder_in(&mut writer);
            fill_snapshot(&mut draft, reserve);
            assert_eq!(draft.finish(), Ok(snapshot.len()));
            assert_eq!((writer.len(), writer.fits()), (start + snapshot.len(), true));
            assert!(buffer[..start].iter().all(|&byte| byte == 0x11), "{start}");
            assert_eq!(buffer[start..][..snapshot.len()], snapshot, "{start}");

            let mut writer = Writer::new(&mut buffer);
            writer.append(&vec![0x11; start]);
            let mut draft = Natural::builder_in(&mut writer);
            fill_natural(&mut draft, reserve);
            assert_eq!(draft.finish(), Ok(natural.len()));
            assert_eq!(writer.len(), start + natural.len());
            assert_eq!(buffer[start..][..natural.len()], natural, "{start}");
        }
        assert_eq!(Natural::decode(&natural).expect("one message").places().len(), 2);
    }
}

#[test]
fn messages_stand_one_behind_the_other() {
    let mut buffer = [0xee; 512];
    let mut writer = Writer::new(&mut buffer);
    let mut ends = Vec::new();
    for value in 0..5_u8 {
        let mut draft = StringReverse::builder_in(&mut writer);
        draft.text(&vec![b'a' + value; value.into()]);
        let len = draft.finish().expect("room enough");
        assert_eq!(len, 8 + usize::from(value) + 1);
        ends.push(writer.len());
        let mut draft = Increment::builder_in(&mut writer);
        draft.value(value.into());
        assert_eq!(draft.finish(), Ok(8));
        ends.push(writer.len());
    }
    let mut start = 0;
    for (nth, end) in ends.into_iter().enumerate() {
        let value = u8::try_from(nth / 2).expect("few messages");
        if nth % 2 == 0 {
            let text = StringReverse::decode(&buffer[start..end]).expect("a text");
            assert_eq!(text.text().as_bytes(), vec![b'a' + value; value.into()]);
        } else {
            assert_eq!(Increment::decode(&buffer[start..end]).expect("a number").value(), value.into());
        }
        start = end;
    }
}

#[test]
fn an_enum_with_data_is_built_behind_others_too() {
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    writer.append(b"???");
    let mut draft = Kind::builder_in(&mut writer);
    draft.set_named("n");
    let len = draft.finish().expect("room enough");
    let end = writer.len();
    assert_eq!(end, 3 + len);
    assert_eq!(buffer[3..end], Kind::Named { name: "n".to_owned() }.to_vec().expect("a small message"));
}

#[test]
fn items_of_a_batch_are_built_where_they_stand() {
    let mut buffer = [0; 512];
    let mut writer = Writer::new(&mut buffer);
    let mut batch = BatchBuilder::new(&mut writer, 8);
    for text in [&b"one"[..], b"", b"three"] {
        let built = batch.push_with(|writer| {
            let mut draft = StringReverse::builder_in(writer);
            draft.text(text);
            draft.finish()
        });
        assert_eq!(built.expect("room for an entry"), Ok(8 + text.len() + 1));
    }
    assert_eq!(batch.finish(), Ok(3));
    let len = writer.len();
    let batch = Batch::parse(&buffer[..len], 3).expect("a batch");
    let texts: Vec<_> = batch.iter().map(|item| StringReverse::decode(item).expect("a text").text().to_vec()).collect();
    assert_eq!(texts, [&b"one"[..], b"", b"three"]);
}

#[test]
fn what_finds_no_room_is_counted_and_nothing_is_written_past_the_end() {
    let len = snapshot_alone(5).len();
    for room in 0..len + 40 {
        let mut memory = vec![0x5a; room + 64];
        let (buffer, guard) = memory.split_at_mut(room);
        let mut writer = Writer::new(buffer);
        writer.append(&vec![0x11; room.min(9)]);
        let start = writer.len();
        let mut draft = Snapshot::builder_in(&mut writer);
        fill_snapshot(&mut draft, 5);
        match draft.finish() {
            Ok(written) => {
                assert!(writer.fits());
                assert_eq!((written, writer.len()), (len, start + len));
            }
            Err(EncodeError::Overflow { needed }) => {
                assert!(!writer.fits());
                assert_eq!(writer.needed(), start + needed);
                assert!(start + needed > room && needed <= len + 8 * 3, "{needed} of {room}");
                // What comes behind is counted on, and the overflow stays known.
                let draft = Increment::builder_in(&mut writer);
                let behind = draft.finish();
                assert!(matches!(behind, Ok(8) | Err(EncodeError::Overflow { needed: 8 })), "{behind:?}");
                assert!(!writer.fits());
            }
            Err(other) => panic!("{other}"),
        }
        assert!(guard.iter().all(|&byte| byte == 0x5a), "{room}");
    }
}

#[test]
fn a_message_that_breaks_a_rule_leaves_the_writer_where_it_stood() {
    let mut buffer = [0; 256];
    let mut writer = Writer::new(&mut buffer);
    writer.append(b"in front");
    let mut draft = AppsLookupRequest::builder_in(&mut writer);
    draft.pids(1).push(|pid| pid.pid(1)).push(|pid| pid.pid(2));
    let Err(EncodeError::Invalid { field, rule, .. }) = draft.finish() else {
        panic!("two pids where one is reserved")
    };
    assert_eq!((field, rule), ("pids", Rule::TooMany(1)));
    // Its path may not be empty.
    let draft = CgroupInfo::builder_in(&mut writer);
    assert!(matches!(draft.finish(), Err(EncodeError::Invalid { field: "path", .. })));
    assert_eq!((writer.len(), writer.needed()), (8, 8));
}

#[test]
fn a_message_that_is_not_finished_leaves_the_writer_where_it_stood() {
    let mut buffer = [0; 256];
    let mut writer = Writer::new(&mut buffer);
    writer.append(b"in front");
    {
        let mut draft = StringReverse::builder_in(&mut writer);
        draft.text(&[1; 300]);
        assert!(format!("{draft:?}").contains("StringReverse"));
    }
    assert_eq!((writer.len(), writer.needed(), writer.fits()), (8, 8, true));
    let mut draft = StringReverse::builder_in(&mut writer);
    draft.text(b"instead");
    assert_eq!((draft.finish(), writer.len()), (Ok(16), 24));
    assert_eq!(StringReverse::decode(&buffer[8..24]).expect("a text").text().as_bytes(), b"instead");
}

#[test]
fn positions_beyond_all_memory_are_an_error_and_no_panic() {
    for skipped in
        [usize::MAX, usize::MAX - 1, usize::MAX - 30, usize::MAX / 2 + 1, usize::MAX / 2, usize::MAX / 2 - 30]
    {
        let mut buffer = [0x5a; 64];
        let mut writer = Writer::new(&mut buffer);
        writer.skip(skipped);
        let mut draft = Snapshot::builder_in(&mut writer);
        fill_snapshot(&mut draft, 5);
        assert!(draft.finish().is_err(), "{skipped}");
        let mut draft = Natural::builder_in(&mut writer);
        fill_natural(&mut draft, 5);
        assert!(draft.finish().is_err(), "{skipped}");
        assert!(!writer.fits() && writer.len() >= skipped, "{skipped}");
        assert_eq!(buffer, [0x5a; 64]);
    }
}
