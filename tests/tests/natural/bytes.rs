//! Bytes that were worked out by hand from the rules of docs/protocol.md, section 5: little-endian, as the vectors are.
#![cfg(target_endian = "little")]

use std::fmt::Debug;

use netipc::WireMessage;
use netipc_tests::natural::*;

/// `bytes`, written as hex with blanks anywhere, is what `value` encodes to, and what it decodes from.
fn pinned<M: WireMessage + PartialEq + Debug>(value: &M, bytes: &str) {
    let digits: String = bytes.split_whitespace().collect();
    let bytes = netipc_tests::vectors::unhex(&digits);
    assert_eq!(value.to_vec(), Ok(bytes.clone()));
    assert_eq!(M::decode_owned(&bytes).as_ref(), Ok(value));
}

fn label(key: &str, value: &std::ffi::CStr, weight: u8) -> Label {
    Label { key: key.into(), value: value.into(), weight }
}

#[test]
fn an_empty_message_is_no_byte_at_all() {
    pinned(&Empty {}, "");
}

#[test]
fn scalars_stand_at_their_alignment_with_zeros_between() {
    pinned(&Point { x: -2, y: 1.0 }, "feff 000000000000 000000000000f03f");
    let value = Scalars { l: 1.0, p: [0.0, -0.0], ..full().scalars };
    pinned(
        &value,
        "01 00 0200 03000000 0400000000000000
         05000000000000000000000000000000
         fa 00 f9ff f8ffffff f7ffffffffffffff
         f6ffffffffffffffffffffffffffffff
         0000c03f 00000000 000000000000f03f
         01 00 010002000300 0100 000000000000
         0000000000000000 0000000000000080",
    );
}

#[test]
fn enums_without_data_are_their_integers() {
    let value = Codes { colour: Colour::Blue, shape: Shape::Other(8), level: Level::Below, wide: Wide::Large };
    pinned(&value, "c8 00 0800 ffffffff ffffffffffffffff");
}

#[test]
fn text_stands_behind_the_fixed_part_in_the_order_of_the_fields() {
    let value = Texts { utf8: "é".into(), c: c"ab".into(), raw: vec![0, 9], nul: vec![0], more: String::new() };
    pinned(
        &value,
        "28000000 02000000  2b000000 02000000  2e000000 02000000  30000000 01000000  32000000 00000000
         c3a900 616200 0009 0000 00",
    );
    // Padding behind the last field, up to the alignment.
    pinned(&label("k", c"v", 7), "14000000 01000000  16000000 01000000  07 000000  6b00 7600");
}

#[test]
fn lists_of_text_hold_offsets_from_each_element() {
    let value = Names { names: vec!["a".into(), "bc".into()], keys: vec![] };
    // The list at byte 16 has two elements of 8 bytes; text follows from byte 32 on.
    pinned(&value, "10000000 02000000  00000000 00000000   10000000 01000000  0a000000 02000000  6100 626300");
    let value = Names { names: vec![], keys: vec![c"x".into()] };
    // Keys begin at byte 16, and the text 8 bytes behind the element.
    pinned(&value, "00000000 00000000  10000000 01000000   08000000 01000000  7800");
}

#[test]
fn lists_of_messages_hold_the_fixed_parts_first_and_the_text_behind() {
    let value = Group {
        title: "t".into(),
        members: vec![Names { names: vec!["n".into()], keys: vec![] }],
        sizes: vec![5],
        last: "z".into(),
    };
    pinned(
        &value,
        // The fixed part: title at 32, members at 36, sizes at 64, last at 72.
        "20000000 01000000  24000000 01000000  40000000 01000000  48000000 01000000
         7400 0000
         10000000 01000000 00000000 00000000
         08000000 01000000  6e00 0000
         0500000000000000
         7a00",
    );
}

#[test]
fn enums_with_data_have_a_tag_and_the_fields_of_one_variant() {
    pinned(&Event::Nothing, &format!("01 {}", "00".repeat(31)));
    pinned(&Event::Count(7), &format!("09 {} 0700000000000000 {}", "00".repeat(7), "00".repeat(16)));
    let moved = Event::Moved { to: Point { x: 1, y: 0.0 }, by: "b".into() };
    pinned(&moved, "02 00000000000000 0100 000000000000 0000000000000000  20000000 01000000  6200");
    let said = Event::Said("s".into(), vec![label("k", c"", 1)]);
    pinned(
        &said,
        "05 000000  20000000 01000000  24000000 01000000  000000000000000000000000
         7300 0000  14000000 01000000  16000000 00000000  01 000000  6b00 00",
    );
    pinned(&Event::Raw(vec![0]), &format!("ff 000000 20000000 01000000 {} 0000", "00".repeat(20)));
}

#[test]
fn options_have_a_flag_and_are_zero_where_absent() {
    let absent = bare().options;
    pinned(&absent, &"00".repeat(192));
    let some = Options { byte: Some(0), text: Some("a".into()), list: Some(vec![]), ..absent };
    pinned(
        &some,
        &format!(
            "01 00 {} 01 000000 c0000000 01000000 {} 01 000000 00000000 00000000 {} 6100",
            "00".repeat(34),
            "00".repeat(24),
            "00".repeat(108)
        ),
    );
}

#[test]
fn nested_messages_stand_inline_with_offsets_from_their_own_first_byte() {
    let value = Bounded {
        low: 1,
        high: 2,
        name: "n".into(),
        empty: Empty {},
        point: Point { x: 3, y: 0.0 },
        labels: vec![],
        label: label("k", c"v", 9),
    };
    pinned(
        &value,
        // The label stands at byte 40, and its text at byte 66: 26 bytes on.
        "0100 0200 40000000 01000000 00000000  0300 000000000000 0000000000000000
         00000000 00000000  1a000000 01000000  1c000000 01000000  09 000000  00000000
         6e00 6b00 7600",
    );
}
