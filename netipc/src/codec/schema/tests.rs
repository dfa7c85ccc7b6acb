//! Fingerprints, and which fields may lead, of layouts made at run time; a derive makes them in constants.

use std::collections::BTreeMap;

use super::{Codes, Field, Kind, Layout, Variant};

static PART: Layout = Layout::new("Part", 4, 4, &[]);
static OTHER_PART: Layout = Layout::new("Part", 8, 4, &[]);
static TEXT: Layout = Layout::new("Text", 8, 4, &[Field::new("a", 0, 8, Kind::CStr)]);
static CODES: Codes = Codes::new("Codes", false, &[("A", 1)]);
static NAMED: Codes = Codes::new("Named", false, &[("A", 1)]);
static OPEN: Codes = Codes::new("Codes", true, &[("A", 1)]);
static VALUED: Codes = Codes::new("Codes", false, &[("A", -1)]);
static SPELT: Codes = Codes::new("Codes", false, &[("B", 1)]);
static MORE: Codes = Codes::new("Codes", false, &[("A", 1), ("B", 2)]);

/// Kinds that differ in one thing or another.
static KINDS: &[Kind] = &[
    Kind::Bool,
    Kind::Unsigned,
    Kind::Signed,
    Kind::Float,
    Kind::Array(&Kind::Unsigned, 2),
    Kind::Array(&Kind::Unsigned, 3),
    Kind::Array(&Kind::Signed, 2),
    Kind::Code(&CODES),
    Kind::Code(&NAMED),
    Kind::Code(&OPEN),
    Kind::Code(&VALUED),
    Kind::Code(&SPELT),
    Kind::Code(&MORE),
    Kind::Utf8,
    Kind::CStr,
    Kind::Bytes,
    Kind::NulBytes,
    Kind::Option(&Kind::Bool),
    Kind::Option(&Kind::Float),
    Kind::Tuple(&[]),
    Kind::Tuple(&[Kind::Bool]),
    Kind::Tuple(&[Kind::Bool, Kind::Float]),
    Kind::Tuple(&[Kind::Float, Kind::Bool]),
    Kind::List(&Kind::Utf8),
    Kind::List(&Kind::Bytes),
    Kind::Table(&Kind::Message(&PART)),
    Kind::Directory { item: &Kind::CStr, min: 0, max: usize::MAX },
    Kind::Directory { item: &Kind::CStr, min: 1, max: usize::MAX },
    Kind::Directory { item: &Kind::CStr, min: 0, max: 9 },
    Kind::Directory { item: &Kind::Message(&PART), min: 0, max: usize::MAX },
    Kind::Message(&PART),
    Kind::Message(&OTHER_PART),
    Kind::Tag,
    Kind::Constant(1),
    Kind::Constant(2),
    Kind::Zero,
];

/// What a layout refers to lives for ever.
fn kept<T, const N: usize>(parts: [T; N]) -> &'static [T] {
    Box::leak(Box::new(parts))
}

fn variants<const N: usize>(named: [Variant; N]) -> &'static [Variant] {
    kept(named)
}

fn field(kind: Kind) -> Field {
    Field::new("a", 4, 8, kind)
}

/// FNV-1a as its authors have it, over bytes in one piece.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(14_695_981_039_346_656_037, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(1_099_511_628_211))
}

#[test]
fn a_fingerprint_is_the_hash_of_all_that_is_declared_in_its_order() {
    static LAYOUT: Layout = Layout::new("Ab", 8, 4, &[Field::new("x", 4, 2, Kind::Unsigned).within(Some("1"), None)])
        .rules(&["trailing"], &["x > 0"])
        .variants(&[Variant::new("V", -2, &[])]);
    let mut listing: Vec<u8> = Vec::new();
    let number = |listing: &mut Vec<u8>, number: u64| listing.extend(number.to_le_bytes());
    let text = |listing: &mut Vec<u8>, text: &str| {
        number(listing, text.len() as u64);
        listing.extend(text.as_bytes());
    };
    text(&mut listing, "Ab");
    [8, 4, 1].into_iter().for_each(|it| number(&mut listing, it));
    text(&mut listing, "x");
    [4, 2].into_iter().for_each(|it| number(&mut listing, it));
    listing.extend([2, 1]);
    text(&mut listing, "1");
    listing.push(0);
    for rule in ["trailing", "x > 0"] {
        number(&mut listing, 1);
        text(&mut listing, rule);
    }
    number(&mut listing, 1);
    text(&mut listing, "V");
    listing.extend((-2_i128).to_le_bytes());
    number(&mut listing, 0);
    assert_eq!(LAYOUT.fingerprint(), fnv(&listing));
    // What a derive works out in a constant is no other number.
    const FINGERPRINT: u64 = Layout::new("Ab", 8, 4, &[Field::new("x", 4, 2, Kind::Unsigned).within(Some("1"), None)])
        .rules(&["trailing"], &["x > 0"])
        .variants(&[Variant::new("V", -2, &[])])
        .fingerprint();
    assert_eq!(FINGERPRINT, fnv(&listing));
}

#[test]
fn whatever_differs_in_a_layout_differs_in_its_fingerprint() {
    let plain = |fields| Layout::new("M", 16, 4, fields);
    let one = kept([field(Kind::Bool)]);
    let mut layouts = vec![
        Layout::new("N", 16, 4, one),
        Layout::new("M", 20, 4, one),
        Layout::new("M", 16, 8, one),
        plain(&[]),
        plain(kept([field(Kind::Bool), field(Kind::Bool)])),
        plain(kept([Field::new("b", 4, 8, Kind::Bool)])),
        plain(kept([Field::new("a", 5, 8, Kind::Bool)])),
        plain(kept([Field::new("a", 4, 9, Kind::Bool)])),
        plain(kept([field(Kind::Bool).within(Some("1"), None)])),
        plain(kept([field(Kind::Bool).within(None, Some("1"))])),
        plain(kept([field(Kind::Bool).within(Some("2"), None)])),
        plain(one).rules(&["slack"], &[]),
        plain(one).rules(&[], &["slack"]),
        plain(one).rules(&["slack", "trailing"], &[]),
        plain(one).variants(variants([Variant::new("V", 1, &[])])),
        plain(one).variants(variants([Variant::new("W", 1, &[])])),
        plain(one).variants(variants([Variant::new("V", 1 << 64, &[])])),
        plain(one).variants(variants([Variant::new("V", 1, kept([Field::new("a", 4, 8, Kind::Bool)]))])),
    ];
    layouts.extend(KINDS.iter().map(|kind| plain(kept([field(*kind)]))));
    let mut known = BTreeMap::new();
    for layout in layouts {
        assert_eq!(layout.fingerprint(), layout.fingerprint());
        if let Some(other) = known.insert(layout.fingerprint(), layout) {
            panic!("{layout:?} and {other:?} have one fingerprint");
        }
    }
}

#[test]
fn a_field_may_lead_unless_a_text_or_a_list_behind_it_could_not_be_set_any_more() {
    let leads = |kinds: [Kind; 3]| {
        let [first, second, third] = kinds;
        let layout = Layout::new(
            "M",
            24,
            4,
            kept([Field::new("a", 0, 8, first), Field::new("b", 8, 8, second), Field::new("c", 16, 8, third)]),
        );
        ["a", "b", "c"].map(|name| layout.may_lead(name))
    };
    let (number, text, list) = (Kind::Unsigned, Kind::CStr, Kind::List(&Kind::Unsigned));
    assert_eq!(leads([number, number, number]), [true, true, true]);
    // Text may be set out of order, as long as no list stands before it.
    assert_eq!(leads([text, number, text]), [true, true, true]);
    assert_eq!(leads([text, list, number]), [true, false, true]);
    assert_eq!(leads([list, text, number]), [true, false, true]);
    assert_eq!(leads([list, list, text]), [true, false, false]);
    // Whatever holds something that varies in length is like a list.
    static VARYING: &[Kind] = &[
        Kind::Message(&TEXT),
        Kind::Option(&Kind::Utf8),
        Kind::Tuple(&[Kind::Bool, Kind::NulBytes]),
        Kind::Table(&Kind::Message(&PART)),
        Kind::Directory { item: &Kind::CStr, min: 0, max: 1 },
    ];
    for varying in VARYING {
        assert_eq!(leads([*varying, *varying, number]), [true, false, true], "{varying}");
    }
    static FIXED: &[Kind] = &[Kind::Message(&PART), Kind::Option(&Kind::Bool), Kind::Tuple(&[Kind::Bool, Kind::Float])];
    for fixed in FIXED {
        assert_eq!(leads([list, *fixed, *fixed]), [true, true, true], "{fixed}");
    }
}

#[test]
fn a_message_varies_in_length_where_one_of_its_variants_does() {
    static VARIANTS: Layout = Layout::new("Either", 8, 4, &[Field::new("tag", 0, 1, Kind::Tag)])
        .variants(&[Variant::new("A", 0, &[]), Variant::new("B", 1, &[Field::new("text", 4, 8, Kind::Utf8)])]);
    static FIXED: Layout = Layout::new("Either", 8, 4, &[Field::new("tag", 0, 1, Kind::Tag)])
        .variants(&[Variant::new("A", 0, &[]), Variant::new("B", 1, &[Field::new("number", 4, 4, Kind::Unsigned)])]);
    for (inner, leads) in [(&VARIANTS, false), (&FIXED, true)] {
        let list = Field::new("list", 0, 8, Kind::List(&Kind::Bool));
        let layout = Layout::new("M", 16, 4, kept([list, Field::new("either", 8, 8, Kind::Message(inner))]));
        assert_eq!(layout.may_lead("either"), leads);
    }
}

#[test]
fn a_layout_is_printed_as_a_table_with_its_variants_and_rules() {
    static FIELDS: &[Field] = &[
        Field::new("late", 8, 8, Kind::Tuple(&[Kind::Bool, Kind::Array(&Kind::Float, 3)])).within(Some("1"), Some("2")),
        Field::new("early", 0, 4, Kind::Option(&Kind::Signed)),
        Field::new("nothing", 4, 0, Kind::Zero),
    ];
    static TAGGED: &[Field] = &[Field::new("tag", 0, 1, Kind::Tag), Field::new("always", 1, 1, Kind::Constant(9))];
    let layout = Layout::new("M", 16, 8, FIELDS).rules(&["slack", "trailing"], &["early > 0"]);
    let layout = layout.variants(variants([Variant::new("V", 7, TAGGED)]));
    let expected = "\
M, 16 bytes fixed
     0    4  early                optional signed
     8    8  late                 (bool; [float; 3]), min 1, max 2
  V = 7
     0    1  tag                  tag
     1    1  always               always 9
  tolerates slack, trailing
  requires early > 0
";
    assert_eq!(layout.to_string(), expected);
}
