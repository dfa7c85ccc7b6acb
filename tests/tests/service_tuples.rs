//! Tuples as parameters and results of methods: what both ends see of them, and what their bytes are.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![deny(missing_docs, unused)]
#![allow(
    clippy::allow_attributes,
    clippy::just_underscores_and_digits,
    clippy::type_complexity,
    reason = "tuples are what is tested"
)]

use std::ffi::{CStr, CString};

use netipc::{CallError, HandlerResult, Reply, WireMessage};
use netipc_tests::processes::RunDir;

/// A reading.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Reading {
    /// Of what.
    pub sensor: String,
    /// How warm.
    pub celsius: f64,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(u16)]
pub enum Fault {
    /// Nobody knows it.
    Unknown = 1,
}

type Text = String;

/// Tuples in every place that a method has.
#[netipc::service(name = "tuples")]
pub trait Tuples {
    /// There and back.
    fn swap(&self, pair: (u32, String)) -> (String, u32);
    /// Parts of every kind.
    fn kinds(
        &self,
        parts: (u8, CString, Vec<u8>, [u16; 2], Fault, Reading, bool, Option<i64>, Vec<Reading>),
    ) -> (u8, Vec<u8>, CString, Vec<Reading>);
    /// Scalars alone.
    fn corners(&self, from: (f32, f32), to: (f32, f32)) -> (f32, f32);
    /// Inside others.
    fn nested(&self, deep: ((u8, (String, u64)), u8)) -> Option<(u64, (String,))>;
    /// Lists, of which the parts are of any kind.
    fn lists(
        &self,
        rows: Vec<(String, u64)>,
        holes: Vec<(Option<String>, Option<u16>, [u8; 3])>,
    ) -> Vec<(u64, Vec<u8>, Vec<String>, Text)>;
    /// Instead of an error.
    fn fallible(&self, ok: bool) -> Result<(Reading, u32), Fault>;
    /// As an error.
    fn failing(&self, maybe: Option<(u8, String)>) -> Result<(), (u8, String)>;
    /// In front of a reply that is built in place.
    fn place(&self, reading: (String, f64), reply: Reply<'_, Reading>) -> HandlerResult;
}

struct Lab;

impl Tuples for Lab {
    fn swap(&self, pair: (u32, String)) -> (String, u32) {
        (pair.1, pair.0)
    }
    fn kinds(
        &self,
        parts: (u8, CString, Vec<u8>, [u16; 2], Fault, Reading, bool, Option<i64>, Vec<Reading>),
    ) -> (u8, Vec<u8>, CString, Vec<Reading>) {
        let (number, text, bytes, array, fault, reading, flag, maybe, mut readings) = parts;
        assert_eq!((array, fault, flag, maybe), ([1, 2], Fault::Unknown, true, Some(-1)));
        readings.push(reading);
        (number, bytes, text, readings)
    }
    fn corners(&self, from: (f32, f32), to: (f32, f32)) -> (f32, f32) {
        (to.0 - from.0, to.1 - from.1)
    }
    fn nested(&self, deep: ((u8, (String, u64)), u8)) -> Option<(u64, (String,))> {
        let ((first, (text, number)), last) = deep;
        (first < last).then_some((number, (text,)))
    }
    fn lists(
        &self,
        rows: Vec<(String, u64)>,
        holes: Vec<(Option<String>, Option<u16>, [u8; 3])>,
    ) -> Vec<(u64, Vec<u8>, Vec<String>, Text)> {
        let pairs = rows.into_iter().zip(holes);
        pairs.map(|((name, n), (text, _, bytes))| (n, bytes.to_vec(), text.into_iter().collect(), name)).collect()
    }
    fn fallible(&self, ok: bool) -> Result<(Reading, u32), Fault> {
        if ok { Ok((roof(), 7)) } else { Err(Fault::Unknown) }
    }
    fn failing(&self, maybe: Option<(u8, String)>) -> Result<(), (u8, String)> {
        maybe.map_or(Ok(()), Err)
    }
    fn place(&self, reading: (String, f64), mut reply: Reply<'_, Reading>) -> HandlerResult {
        reply.sensor(&reading.0).celsius(reading.1);
        Ok(())
    }
}

fn roof() -> Reading {
    Reading { sensor: "roof".into(), celsius: 21.5 }
}

#[test]
fn tuples_go_there_and_come_back_as_tuples_of_views() {
    let run_dir = RunDir::new();
    let _server = TuplesServer::new(Lab).bind(run_dir.path()).unwrap().spawn().unwrap();
    let mut client = TuplesClient::connect(run_dir.path()).unwrap();

    let (text, number): (&str, u32) = client.swap((7, "seven")).unwrap();
    assert_eq!((text, number), ("seven", 7));

    let parts = (9, c"text", &b"bytes"[..], [1, 2], Fault::Unknown, &roof(), true, Some(-1), &[roof()][..]);
    let (number, bytes, text, readings) = client.kinds(parts).unwrap();
    let _: (&[u8], &CStr) = (bytes, text);
    assert_eq!((number, bytes, text), (9, &b"bytes"[..], c"text"));
    assert!(readings.map(|reading| reading.to_owned()).eq([roof(), roof()]));

    assert_eq!(client.corners((1.0, 2.0), (4.0, 6.0)).unwrap(), (3.0, 4.0));
    assert_eq!(client.nested(((1, ("deep", 5)), 2)).unwrap(), Some((5, ("deep",))));
    assert_eq!(client.nested(((2, ("deep", 5)), 1)).unwrap(), None);

    let rows = [("a".to_owned(), 1), ("bc".to_owned(), 2), (String::new(), 3)];
    let holes =
        [(Some("x".to_owned()), None, [1, 2, 3]), (None, Some(4), [5; 3]), (Some(String::new()), Some(6), [0; 3])];
    let lists: Vec<_> = client
        .lists(&rows, &holes)
        .unwrap()
        .map(|(n, bytes, texts, name)| (n, bytes.to_vec(), texts.collect::<Vec<_>>().join(","), name.to_owned()))
        .collect();
    let expected = [(1, vec![1, 2, 3], "x", "a"), (2, vec![5; 3], "", "bc"), (3, vec![0; 3], "", "")];
    assert_eq!(lists, expected.map(|(n, bytes, texts, name)| (n, bytes, texts.to_owned(), name.to_owned())));
    assert_eq!(client.lists(&[], &[]).unwrap().len(), 0);

    let (reading, number) = client.fallible(true).unwrap();
    assert_eq!((reading.sensor(), number), ("roof", 7));
    assert!(matches!(client.fallible(false), Err(CallError::Application(Fault::Unknown))));
    client.failing(None).unwrap();
    assert_eq!(client.failing(Some((3, "three"))), Err(CallError::Application((3, "three".to_owned()))));
    assert_eq!(client.place(("cellar", 8.5)).unwrap().sensor(), "cellar");
}

/// What a tuple is to a peer that has none.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Row {
    /// The first.
    pub _0: u8,
    /// The second.
    pub _1: Option<String>,
    /// The third.
    pub _2: Reading,
    /// The fourth.
    pub _3: u64,
    /// The fifth.
    pub _4: bool,
}

/// A request with such rows.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Rows {
    /// One of them.
    pub one: Row,
    /// Or none.
    pub maybe: Option<Row>,
    /// Many of them.
    pub rows: Vec<Row>,
    /// Something behind them.
    pub last: String,
}

type Parts = (u8, Option<String>, Reading, u64, bool);

/// The same rows as tuples.
#[netipc::service(name = "rows")]
pub trait AsTuples {
    /// Puts them.
    fn put(
        &self,
        one: (u8, Option<String>, Reading, u64, bool),
        maybe: Option<(u8, Option<String>, Reading, u64, bool)>,
        rows: Vec<(u8, Option<String>, Reading, u64, bool)>,
        last: String,
    );
}

fn parts(n: u8) -> Parts {
    let text = (!n.is_multiple_of(3)).then(|| "t".repeat(n.into()));
    (n, text, Reading { sensor: format!("s{n}"), ..roof() }, 1 << n, n.is_multiple_of(2))
}

fn row(parts: Parts) -> Row {
    let (_0, _1, _2, _3, _4) = parts;
    Row { _0, _1, _2, _3, _4 }
}

#[test]
fn a_tuple_has_the_bytes_of_a_message_with_its_parts_as_fields() {
    for n in 0..9 {
        let maybe = (n % 2 == 1).then(|| parts(n));
        let tuples = AsTuplesPutRequest {
            one: parts(n),
            maybe: maybe.clone(),
            rows: (0..n).map(parts).collect(),
            last: "end".into(),
        };
        let messages = Rows {
            one: row(parts(n)),
            maybe: maybe.map(row),
            rows: (0..n).map(|n| row(parts(n))).collect(),
            last: "end".into(),
        };
        let bytes = tuples.to_vec().unwrap();
        assert_eq!(bytes, messages.to_vec().unwrap());
        let view = AsTuplesPutRequest::decode(&bytes).unwrap();
        assert!(view.rows().map(|row| row.3).eq((0..n).map(|n| 1 << n)));
        assert_eq!(view.to_owned().to_vec().unwrap(), bytes);
        assert!(format!("{view:?}").contains("one: ("), "{view:?}");
    }
}

#[test]
fn every_byte_of_a_tuple_is_proven() {
    let tuples =
        AsTuplesPutRequest { one: parts(2), maybe: Some(parts(1)), rows: vec![parts(4), parts(3)], last: "e".into() };
    let bytes = tuples.to_vec().unwrap();
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            let tuple = AsTuplesPutRequest::decode_owned(&bytes)
                .map(|it| it.to_vec())
                .is_ok_and(|again| again.as_ref() == Ok(&bytes));
            let message =
                Rows::decode_owned(&bytes).map(|it| it.to_vec()).is_ok_and(|again| again.as_ref() == Ok(&bytes));
            assert_eq!(tuple, message, "byte {at}, {flip:#x}");
            assert_eq!(AsTuplesPutRequest::decode(&bytes).is_ok(), message, "byte {at}, {flip:#x}");
        }
    }
}

#[test]
fn a_list_of_tuples_is_built_in_place_and_closed_up() {
    let mut buffer = [0xaa; 1024];
    let mut request = AsTuplesPutRequest::builder(&mut buffer);
    let (one, two) = (parts(4), parts(5));
    request.one((one.0, one.1.as_deref(), &one.2, one.3, one.4));
    request.rows(9).push((two.0, two.1.as_deref(), &two.2, two.3, two.4)).push((0, None, &one.2, 0, false));
    request.last("l");
    let len = request.finish().unwrap();
    let view = AsTuplesPutRequest::decode(&buffer[..len]).unwrap().to_owned();
    assert_eq!(view.one, one);
    assert_eq!(view.rows, [two, (0, None, one.2, 0, false)]);
    assert_eq!((view.maybe, view.last.as_str()), (None, "l"));
    // What nobody sets is zero or empty.
    let len = AsTuplesPutRequest::builder(&mut buffer).finish().unwrap();
    let empty = AsTuplesPutRequest::decode(&buffer[..len]).unwrap().to_owned();
    assert_eq!(empty.one, (0, None, Reading { sensor: String::new(), celsius: 0.0 }, 0, false));
}

#[test]
fn a_layout_says_what_is_in_a_tuple() {
    let layout = AsTuplesPutRequest::LAYOUT.to_string();
    assert!(layout.contains("optional (unsigned; optional text, UTF-8, NUL; Reading; unsigned; bool)"), "{layout}");
    assert_ne!(TuplesSwapRequest::FINGERPRINT, TuplesCornersRequest::FINGERPRINT);
}
