//! A caller that refuses about every lint there is.
#![forbid(unsafe_code)]
#![deny(
    warnings,
    unused,
    missing_docs,
    missing_debug_implementations,
    nonstandard_style,
    rust_2018_idioms,
    deprecated,
    elided_lifetimes_in_paths,
    let_underscore_drop,
    redundant_lifetimes,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unreachable_pub,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    clippy::all
)]

use std::ffi::CString;

use netipc::WireMessage;

/// Nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
pub struct Nothing {}

/// A code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(u8)]
pub enum Code {
    /// One.
    One = 1,
}

/// An open code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[wire(open)]
#[repr(i8)]
pub enum Open {
    /// One.
    One = -1,
    /// Any other.
    Other(i8),
}

/// A code that has every value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(u16)]
pub enum Unit {
    /// It.
    Only,
}

/// A row.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
pub struct Row {
    /// A key.
    #[wire(min = 1)]
    pub key: CString,
    /// A value.
    #[wire(nul)]
    pub value: Vec<u8>,
}

/// A choice.
#[derive(Debug, Clone, PartialEq, WireMessage)]
#[repr(i32)]
pub enum Choice {
    /// Nothing chosen.
    Neither = -1,
    /// Numbers.
    Numbers(u8, f32) = 2,
    /// Names.
    Names {
        /// The first.
        first: String,
        /// The rest.
        rest: Vec<Row>,
    } = 3,
}

/// A choice without anything that borrows.
#[derive(Debug, Clone, Copy, PartialEq, WireMessage)]
#[repr(u8)]
pub enum Plain {
    /// A number.
    Number(u64) = 0,
    /// Two.
    Two {
        /// One.
        a: bool,
        /// And two.
        b: [u8; 2],
    } = 1,
}

/// A message in natural layout.
#[derive(Debug, Clone, PartialEq, WireMessage)]
#[wire(require(small <= 7 || !rows.is_empty() && code == Code::One))]
pub struct Natural {
    /// A small number.
    #[wire(max = 9)]
    pub small: u8,
    /// A code.
    pub code: Code,
    /// An open code.
    pub open: Open,
    /// Nothing.
    pub nothing: Nothing,
    /// Rows.
    pub rows: Vec<Row>,
    /// Codes.
    pub codes: Vec<Code>,
    /// A choice.
    pub choice: Choice,
    /// A plain choice.
    pub plain: Option<Plain>,
    /// Text.
    #[wire(max = 10)]
    pub text: String,
    pub(crate) inner: Option<Vec<u32>>,
    private: bool,
}

impl Natural {
    /// One without much in it.
    #[must_use]
    pub fn new(private: bool) -> Self {
        let (small, code, open, nothing, rows, codes) = (1, Code::One, Open::Other(5), Nothing {}, vec![], vec![]);
        let (choice, plain, text, inner) = (Choice::Neither, None, String::new(), None);
        Self { small, code, open, nothing, rows, codes, choice, plain, text, inner, private }
    }
}

/// A message by hand.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
#[wire(version = 1, size = 32, fixed(at = 4, u32 = 9), reserved(at = 28, len = 4))]
#[wire(tolerate(string_order, dirty_gaps))]
pub struct ByHand {
    /// A name.
    #[wire(at = 8)]
    pub name: CString,
    /// A path.
    #[wire(at = 16, nul)]
    pub path: Vec<u8>,
    /// Rows.
    #[wire(table, count_at = 24, count = u32)]
    pub rows: Vec<Row>,
}

/// A directory of them.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
#[wire(size = 4, tolerate(trailing, dirty_gaps))]
pub struct Filed {
    /// Them.
    #[wire(directory, count_at = 0, count = u32)]
    pub items: Vec<ByHand>,
}

/// Not for others.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
pub(crate) struct Internal {
    pub(crate) text: String,
    number: u8,
}

/// Not for anybody: never built, never read, and yet no warning.
#[derive(Debug, WireMessage)]
struct Unused {
    text: String,
}

/// An internal message goes round.
#[must_use]
pub fn internal() -> bool {
    let value = Internal { text: "t".into(), number: 3 };
    let bytes = value.to_vec().unwrap_or_default();
    Internal::decode(&bytes).is_ok_and(|view| view.text() == "t" && view.number() == 3 && view.to_owned() == value)
}

/// Getters that lints have opinions on.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
pub struct Lengths {
    /// Not a conversion.
    pub to_string: u8,
    /// Not a conversion either.
    pub into_parts: u8,
    /// Nor an iterator.
    pub next: u8,
    /// Not the trait's.
    pub add: u8,
    /// Not the trait's.
    pub default: u8,
    /// Not the trait's.
    pub eq: String,
}
