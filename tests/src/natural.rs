//! Messages in natural layout (docs/protocol.md, section 5), which between them have a field of every kind.
//!
//! Owns: the declarations, and the properties that hold for any bytes at all. Nothing here is tolerated, so each value has
//! one form on the wire: what decodes is what encoding gives back, byte for byte.

use std::ffi::CString;
use std::fmt::Debug;

use netipc::WireMessage;

/// Nothing to say.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Empty {}

/// All scalars, in an order that needs padding.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Scalars {
    pub a: u8,
    pub b: u16,
    pub c: u32,
    pub d: u64,
    pub e: u128,
    pub f: i8,
    pub g: i16,
    pub h: i32,
    pub i: i64,
    pub j: i128,
    pub k: f32,
    pub l: f64,
    pub m: bool,
    pub n: [u16; 3],
    pub o: [bool; 2],
    pub p: [f64; 2],
}

/// Closed, of one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(u8)]
pub enum Colour {
    Red = 1,
    Green = 2,
    Blue = 200,
}

/// Open, of two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[wire(open)]
#[repr(u16)]
pub enum Shape {
    Round = 0,
    Square = 7,
    Other(u16),
}

/// Closed, with values below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(i32)]
pub enum Level {
    Lowest = -2_147_483_648,
    Below = -1,
    Zero,
    One,
    Highest = 0x7fff_ffff,
}

/// Open, of eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[wire(open)]
#[repr(u64)]
pub enum Wide {
    Large = 0xffff_ffff_ffff_ffff,
    Small = 1,
    Other(u64),
}

/// All enums without data.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Codes {
    pub colour: Colour,
    pub shape: Shape,
    pub level: Level,
    pub wide: Wide,
}

/// A message of fixed size.
#[derive(Debug, Clone, Copy, PartialEq, WireMessage)]
pub struct Point {
    pub x: i16,
    pub y: f64,
}

/// A message with text.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Label {
    pub key: String,
    pub value: CString,
    pub weight: u8,
}

/// Text of every kind.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Texts {
    pub utf8: String,
    pub c: CString,
    pub raw: Vec<u8>,
    #[wire(nul)]
    pub nul: Vec<u8>,
    pub more: String,
}

/// A message with a list of text.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Names {
    pub names: Vec<String>,
    pub keys: Vec<CString>,
}

/// Lists three deep.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Group {
    pub title: String,
    pub members: Vec<Names>,
    pub sizes: Vec<u64>,
    pub last: String,
}

/// An enum that carries data.
#[derive(Debug, Clone, PartialEq, WireMessage)]
#[repr(u8)]
pub enum Event {
    Nothing = 1,
    Moved { to: Point, by: String } = 2,
    Said(String, Vec<Label>) = 5,
    Count(u64) = 9,
    Raw(#[wire(nul)] Vec<u8>) = 255,
}

/// Lists of every kind of element.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Lists {
    pub words: Vec<u32>,
    pub floats: Vec<f64>,
    pub flags: Vec<bool>,
    pub names: Vec<String>,
    pub keys: Vec<CString>,
    pub points: Vec<Point>,
    pub labels: Vec<Label>,
    pub groups: Vec<Group>,
    pub colours: Vec<Colour>,
    pub events: Vec<Event>,
    pub wide: Vec<u128>,
}

/// What may be absent.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Options {
    pub byte: Option<u8>,
    pub long: Option<u64>,
    pub flag: Option<bool>,
    pub array: Option<[u16; 3]>,
    pub text: Option<String>,
    pub c: Option<CString>,
    pub raw: Option<Vec<u8>>,
    pub list: Option<Vec<u32>>,
    pub labels: Option<Vec<Label>>,
    pub point: Option<Point>,
    pub label: Option<Label>,
    pub colour: Option<Colour>,
    pub event: Option<Event>,
}

/// Messages inside a message, and bounds.
#[derive(Debug, Clone, PartialEq, WireMessage)]
#[wire(require(low <= high))]
pub struct Bounded {
    pub low: u16,
    #[wire(max = 1000)]
    pub high: u16,
    #[wire(min = 1, max = 5)]
    pub name: String,
    pub empty: Empty,
    pub point: Point,
    #[wire(max = 3)]
    pub labels: Vec<Label>,
    pub label: Label,
}

/// All of them in one.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Everything {
    pub scalars: Scalars,
    pub codes: Codes,
    pub texts: Texts,
    pub lists: Lists,
    pub options: Options,
    pub bounded: Bounded,
    pub event: Event,
    pub groups: Vec<Group>,
}

/// Everything that holds for any bytes at all; whether they were accepted.
///
/// # Panics
/// Where it does not hold.
pub fn check_any<M: WireMessage + Debug>(payload: &[u8]) -> bool {
    match M::decode(payload) {
        Ok(view) => {
            let owned = M::decode_owned(payload).expect("what decodes, and amplifies nothing");
            assert_eq!(owned.encoded_len(), payload.len(), "{owned:?}");
            assert_eq!(owned.to_vec().as_deref(), Ok(payload), "{owned:?}");
            assert!(!format!("{view:?}").is_empty());
            true
        }
        Err(error) => {
            assert!(!error.field.is_empty() && !error.message.is_empty(), "{error:?}");
            assert!(error.offset <= payload.len(), "{error:?} in {} bytes", payload.len());
            assert_eq!(M::decode_owned(payload).err(), Some(error));
            false
        }
    }
}

fn c(text: &str) -> CString {
    CString::new(text).expect("no NUL inside")
}

/// A value with something in every field.
#[must_use]
pub fn full() -> Everything {
    let label = || Label { key: "kéy".into(), value: c("value"), weight: 3 };
    let group = || Group {
        title: "groupe".into(),
        members: vec![
            Names { names: vec!["eins".into(), "zwei".into()], keys: vec![c("k"), c("")] },
            Names { names: vec![], keys: vec![] },
        ],
        sizes: vec![1, u64::MAX],
        last: "letzter".into(),
    };
    let point = Point { x: -3, y: f64::NAN };
    let event = || Event::Said("hé".into(), vec![label(), label()]);
    Everything {
        scalars: Scalars {
            a: 1,
            b: 2,
            c: 3,
            d: 4,
            e: 5,
            f: -6,
            g: -7,
            h: -8,
            i: -9,
            j: -10,
            k: 1.5,
            l: -0.0,
            m: true,
            n: [1, 2, 3],
            o: [true, false],
            p: [f64::INFINITY, 0.1],
        },
        codes: Codes { colour: Colour::Blue, shape: Shape::Other(99), level: Level::Below, wide: Wide::Large },
        texts: Texts {
            utf8: "grün".into(),
            c: c("see"),
            raw: vec![0, 1, 255],
            nul: vec![7, 0, 7],
            more: "mehr".into(),
        },
        lists: Lists {
            words: vec![1, 2, 3],
            floats: vec![0.5, f64::NEG_INFINITY],
            flags: vec![true, false, true],
            names: vec!["a".into(), String::new(), "ü".into()],
            keys: vec![c("x"), c("yz")],
            points: vec![point, point],
            labels: vec![label(), label(), label()],
            groups: vec![group(), group()],
            colours: vec![Colour::Red, Colour::Green],
            events: vec![Event::Nothing, event(), Event::Moved { to: point, by: "bus".into() }, Event::Count(3)],
            wide: vec![u128::MAX, 1],
        },
        options: Options {
            byte: Some(1),
            long: Some(2),
            flag: Some(true),
            array: Some([4, 5, 6]),
            text: Some("text".into()),
            c: Some(c("c")),
            raw: Some(vec![1, 2]),
            list: Some(vec![8, 9]),
            labels: Some(vec![label()]),
            point: Some(point),
            label: Some(label()),
            colour: Some(Colour::Green),
            event: Some(Event::Raw(vec![0, 0, 1])),
        },
        bounded: Bounded {
            low: 3,
            high: 1000,
            name: "five!".into(),
            empty: Empty {},
            point,
            labels: vec![label(), label()],
            label: label(),
        },
        event: event(),
        groups: vec![group()],
    }
}

/// The smallest value: nothing in any list, text or option.
#[must_use]
pub fn bare() -> Everything {
    let label = || Label { key: String::new(), value: c(""), weight: 0 };
    let point = Point { x: 0, y: 0.0 };
    Everything {
        scalars: Scalars {
            a: 0,
            b: 0,
            c: 0,
            d: 0,
            e: 0,
            f: 0,
            g: 0,
            h: 0,
            i: 0,
            j: 0,
            k: 0.0,
            l: 0.0,
            m: false,
            n: [0; 3],
            o: [false; 2],
            p: [0.0; 2],
        },
        codes: Codes { colour: Colour::Red, shape: Shape::Round, level: Level::Zero, wide: Wide::Other(0) },
        texts: Texts { utf8: String::new(), c: c(""), raw: vec![], nul: vec![], more: String::new() },
        lists: Lists {
            words: vec![],
            floats: vec![],
            flags: vec![],
            names: vec![],
            keys: vec![],
            points: vec![],
            labels: vec![],
            groups: vec![],
            colours: vec![],
            events: vec![],
            wide: vec![],
        },
        options: Options {
            byte: None,
            long: None,
            flag: None,
            array: None,
            text: None,
            c: None,
            raw: None,
            list: None,
            labels: None,
            point: None,
            label: None,
            colour: None,
            event: None,
        },
        bounded: Bounded { low: 0, high: 0, name: "1".into(), empty: Empty {}, point, labels: vec![], label: label() },
        event: Event::Nothing,
        groups: vec![],
    }
}
