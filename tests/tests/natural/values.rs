//! Any value of each message, small ones mostly.

use std::ffi::CString;

use netipc_tests::natural::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// A message of which any value can be had.
pub trait Value: Sized + Clone + std::fmt::Debug {
    /// Any value.
    fn any() -> BoxedStrategy<Self>;
}

fn utf8() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z]{0,9}",
        2 => proptest::collection::vec(any::<char>(), 0..9).prop_map(|text| text.into_iter().collect()),
        1 => "[ -~]{60,140}",
    ]
}

fn c() -> impl Strategy<Value = CString> {
    vec(1_u8..=255, 0..12).prop_map(|text| CString::new(text).expect("no NUL"))
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(0), any::<u8>()], 0..12)
}

/// Floats of any bits, NaNs with a payload included.
fn float() -> impl Strategy<Value = f64> {
    any::<u64>().prop_map(f64::from_bits)
}

macro_rules! value {
    ($message:ident { $($field:ident: $strategy:expr),* $(,)? }) => {
        impl Value for $message {
            fn any() -> BoxedStrategy<Self> {
                value!(@nest [$($field: $strategy,)*] []; $message)
            }
        }
    };
    // A tuple of strategies holds ten at most, so they nest: one pair a field.
    (@nest [$($field:ident: $strategy:expr,)*] []; $message:ident) => {
        Just(())$(.and($strategy))*.prop_map(|value!(@pattern () $($field)*)| $message { $($field),* }).boxed()
    };
    (@pattern $done:tt $field:ident $($rest:ident)*) => { value!(@pattern ($done, $field) $($rest)*) };
    (@pattern $done:tt) => { $done };
}

/// Pairs that nest to the left.
trait Pairs: Strategy + Sized {
    fn and<S: Strategy>(self, next: S) -> (Self, S) {
        (self, next)
    }
}

impl<S: Strategy> Pairs for S {}

impl Value for Empty {
    fn any() -> BoxedStrategy<Self> {
        Just(Self {}).boxed()
    }
}

value!(Scalars {
    a: any::<u8>(),
    b: any::<u16>(),
    c: any::<u32>(),
    d: any::<u64>(),
    e: any::<u128>(),
    f: any::<i8>(),
    g: any::<i16>(),
    h: any::<i32>(),
    i: any::<i64>(),
    j: any::<i128>(),
    k: any::<u32>().prop_map(f32::from_bits),
    l: float(),
    m: any::<bool>(),
    n: any::<[u16; 3]>(),
    o: any::<[bool; 2]>(),
    p: (float(), float()).prop_map(|(a, b)| [a, b]),
});

fn colour() -> impl Strategy<Value = Colour> {
    prop_oneof![Just(Colour::Red), Just(Colour::Green), Just(Colour::Blue)]
}

value!(Codes {
    colour: colour(),
    // A value that has a name is never `Other`.
    shape: prop_oneof![Just(Shape::Round), Just(Shape::Square), (8_u16..).prop_map(Shape::Other)],
    level: prop_oneof![
        Just(Level::Lowest),
        Just(Level::Below),
        Just(Level::Zero),
        Just(Level::One),
        Just(Level::Highest)
    ],
    wide: prop_oneof![Just(Wide::Small), Just(Wide::Large), (2..u64::MAX).prop_map(Wide::Other)],
});

value!(Point { x: any::<i16>(), y: float() });

value!(Label { key: utf8(), value: c(), weight: any::<u8>() });

value!(Texts { utf8: utf8(), c: c(), raw: bytes(), nul: bytes(), more: utf8() });

value!(Names { names: vec(utf8(), 0..4), keys: vec(c(), 0..4) });

value!(Group { title: utf8(), members: vec(Names::any(), 0..4), sizes: vec(any::<u64>(), 0..4), last: utf8() });

impl Value for Event {
    fn any() -> BoxedStrategy<Self> {
        prop_oneof![
            Just(Self::Nothing),
            (Point::any(), utf8()).prop_map(|(to, by)| Self::Moved { to, by }),
            (utf8(), vec(Label::any(), 0..3)).prop_map(|(text, labels)| Self::Said(text, labels)),
            any::<u64>().prop_map(Self::Count),
            bytes().prop_map(Self::Raw),
        ]
        .boxed()
    }
}

value!(Lists {
    words: vec(any::<u32>(), 0..4),
    floats: vec(float(), 0..3),
    flags: vec(any::<bool>(), 0..5),
    names: vec(utf8(), 0..3),
    keys: vec(c(), 0..3),
    points: vec(Point::any(), 0..3),
    labels: vec(Label::any(), 0..3),
    groups: vec(Group::any(), 0..3),
    colours: vec(colour(), 0..6),
    events: vec(Event::any(), 0..4),
    wide: vec(any::<u128>(), 0..3),
});

value!(Options {
    byte: option::of(any::<u8>()),
    long: option::of(any::<u64>()),
    flag: option::of(any::<bool>()),
    array: option::of(any::<[u16; 3]>()),
    text: option::of(utf8()),
    c: option::of(c()),
    raw: option::of(bytes()),
    list: option::of(vec(any::<u32>(), 0..3)),
    labels: option::of(vec(Label::any(), 0..3)),
    point: option::of(Point::any()),
    label: option::of(Label::any()),
    colour: option::of(colour()),
    event: option::of(Event::any()),
});

impl Value for Bounded {
    fn any() -> BoxedStrategy<Self> {
        let rest = (Point::any(), vec(Label::any(), 0..=3), Label::any());
        (0_u16..=1000, any::<u16>(), "[a-z]{1,5}", rest)
            .prop_map(|(high, low, name, (point, labels, label))| Self {
                low: low % (high + 1),
                high,
                name,
                empty: Empty {},
                point,
                labels,
                label,
            })
            .boxed()
    }
}

value!(Everything {
    scalars: Scalars::any(),
    codes: Codes::any(),
    texts: Texts::any(),
    lists: Lists::any(),
    options: Options::any(),
    bounded: Bounded::any(),
    event: Event::any(),
    groups: vec(Group::any(), 0..3),
});
