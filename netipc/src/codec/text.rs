//! Text and bytes of any length: `{offset u32, length u32}` in the fixed part, the bytes in the variable part.

use core::ffi::CStr;
use core::fmt;
use core::ops::Deref;
use std::ffi::CString;

use super::build::Output;
use super::cell::{Cell, Class, Extent, load_u32, store_slot};
use super::error::DecodeError;
use super::frame::Frame;
use super::list::Element;
use super::message::Structure;
use super::prove::Prover;
use super::proven::Place;
use super::schema::Kind;
use crate::buf::Writer;

/// Stands for `Vec<u8>` in a layout's rules.
#[derive(Debug)]
#[non_exhaustive]
pub enum Bytes {}

/// Stands for `Vec<u8>` with `nul` in a layout's rules: a NUL behind the bytes, interior ones tolerated.
#[derive(Debug)]
#[non_exhaustive]
pub enum NulBytes {}

/// Bytes that are text as a rule, though nothing proves it: printed lossily, compared as bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
#[expect(clippy::exhaustive_structs, reason = "bytes and nothing else, made by whoever has some")]
pub struct ByteStr<'a>(pub &'a [u8]);

impl<'a> ByteStr<'a> {
    /// The bytes, without the NUL behind them.
    #[inline]
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// The text, if it is UTF-8.
    ///
    /// # Errors
    /// Where it stops being UTF-8.
    pub const fn to_str(self) -> Result<&'a str, core::str::Utf8Error> {
        core::str::from_utf8(self.0)
    }
}

impl Deref for ByteStr<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.0
    }
}

impl AsRef<[u8]> for ByteStr<'_> {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

impl PartialEq<[u8]> for ByteStr<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        self.0 == other
    }
}

impl PartialEq<&[u8]> for ByteStr<'_> {
    fn eq(&self, other: &&[u8]) -> bool {
        self.0 == *other
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for ByteStr<'_> {
    fn eq(&self, other: &&[u8; N]) -> bool {
        self.0 == *other
    }
}

impl PartialEq<str> for ByteStr<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for ByteStr<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Display for ByteStr<'_> {
    /// The text; what is not UTF-8 as U+FFFD.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_str("\u{fffd}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for ByteStr<'_> {
    /// Quoted; what is not UTF-8 as `\xNN`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for chunk in self.0.utf8_chunks() {
            write!(f, "{}", chunk.valid().escape_debug())?;
            chunk.invalid().iter().try_for_each(|byte| write!(f, "\\x{byte:02x}"))?;
        }
        f.write_str("\"")
    }
}

macro_rules! text_cell {
    ($class:ident) => {
        const SIZE: usize = 8;
        const ALIGN: usize = 4;
        const PLAIN: bool = false;
        const TAIL: bool = true;
        const KIND: Kind = Kind::$class;
        const TEXT: Option<Class> = Some(Class::$class);
        type Probe = Extent;

        #[inline(always)]
        fn prove(cell: &[u8], at: usize, base: usize, prover: &mut Prover<'_>) -> Result<(), DecodeError> {
            prover.text(Class::$class, cell, at, base)
        }

        #[inline(always)]
        fn probe(cell: &[u8]) -> Extent {
            Extent(load_u32(cell, 4))
        }

        fn write_unset(cell: &mut [u8], _: usize, base: usize, out: &mut Output<'_>) {
            append(Class::$class, &[], cell, base, out);
        }

        fn lower(writer: &mut Writer<'_>, at: usize, by: u32) {
            writer.lower_u32(at, by);
        }
    };
}

/// A cell that is text.
pub trait TextCell: Cell {
    /// How it is to be read.
    const CLASS: Class;
    /// The bytes of what a builder takes.
    fn bytes<'p>(part: Self::Part<'p>) -> &'p [u8];
}

macro_rules! text_cells {
    ($($type:ty, $class:ident, $bytes:expr;)*) => {$(
        impl TextCell for $type {
            const CLASS: Class = Class::$class;

            #[inline(always)]
            fn bytes<'p>(part: Self::Part<'p>) -> &'p [u8] {
                $bytes(part)
            }
        }
    )*};
}

text_cells! {
    String, Utf8, str::as_bytes;
    CString, CStr, CStr::to_bytes;
    Bytes, Bytes, core::convert::identity;
    NulBytes, NulBytes, core::convert::identity;
}

impl<M: Structure> Frame<'_, M> {
    /// Sets the text whose slot is at byte `AT`, the field `INDEX` among those with a tail.
    #[inline(always)]
    pub fn text<K: TextCell, const AT: usize, const INDEX: u32>(&mut self, part: K::Part<'_>) {
        self.set_text::<AT, INDEX>(K::bytes(part), K::CLASS.terminator() == 1);
    }
}

/// Appends `text`, whose slot is `cell`.
#[inline(always)]
fn append(class: Class, text: &[u8], cell: &mut [u8], base: usize, out: &mut Output<'_>) {
    let start = out.writer.len();
    if class == Class::Bytes {
        out.writer.append(text);
    } else {
        out.writer.append_with_nul(text);
    }
    store_slot(cell, start - base, text.len());
}

impl Cell for String {
    type Owned = Self;
    type View<'a> = &'a str;
    type Part<'p> = &'p str;

    text_cell!(Utf8);

    #[inline(always)]
    fn view(place: Place<'_, Self>) -> &str {
        place.utf8()
    }

    fn to_owned(view: &str) -> Self {
        view.into()
    }

    #[inline(always)]
    fn part(owned: &Self) -> &str {
        owned
    }

    #[inline(always)]
    fn write(part: &str, cell: &mut [u8], _: usize, base: usize, out: &mut Output<'_>) {
        append(Class::Utf8, part.as_bytes(), cell, base, out);
    }

    fn fmt(view: &&str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(view, f)
    }
}

impl Cell for CString {
    type Owned = Self;
    type View<'a> = &'a CStr;
    type Part<'p> = &'p CStr;

    text_cell!(CStr);

    #[inline(always)]
    fn view(place: Place<'_, Self>) -> &CStr {
        place.c_str()
    }

    fn to_owned(view: &CStr) -> Self {
        view.into()
    }

    #[inline(always)]
    fn part(owned: &Self) -> &CStr {
        owned
    }

    #[inline(always)]
    fn write(part: &CStr, cell: &mut [u8], _: usize, base: usize, out: &mut Output<'_>) {
        append(Class::CStr, part.to_bytes(), cell, base, out);
    }

    fn fmt(view: &&CStr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&ByteStr(view.to_bytes()), f)
    }
}

impl Cell for Bytes {
    type Owned = Vec<u8>;
    type View<'a> = &'a [u8];
    type Part<'p> = &'p [u8];

    text_cell!(Bytes);

    #[inline(always)]
    fn view(place: Place<'_, Self>) -> &[u8] {
        place.text()
    }

    fn to_owned(view: &[u8]) -> Vec<u8> {
        view.into()
    }

    #[inline(always)]
    fn part(owned: &Vec<u8>) -> &[u8] {
        owned
    }

    #[inline(always)]
    fn write(part: &[u8], cell: &mut [u8], _: usize, base: usize, out: &mut Output<'_>) {
        append(Class::Bytes, part, cell, base, out);
    }

    fn fmt(view: &&[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(view, f)
    }
}

impl Cell for NulBytes {
    type Owned = Vec<u8>;
    type View<'a> = ByteStr<'a>;
    type Part<'p> = &'p [u8];

    text_cell!(NulBytes);

    #[inline(always)]
    fn view(place: Place<'_, Self>) -> ByteStr<'_> {
        ByteStr(place.text())
    }

    fn to_owned(view: ByteStr<'_>) -> Vec<u8> {
        view.0.into()
    }

    #[inline(always)]
    fn part(owned: &Vec<u8>) -> &[u8] {
        owned
    }

    #[inline(always)]
    fn write(part: &[u8], cell: &mut [u8], _: usize, base: usize, out: &mut Output<'_>) {
        append(Class::NulBytes, part, cell, base, out);
    }

    fn fmt(view: &ByteStr<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(view, f)
    }
}

macro_rules! text_elements {
    ($($type:ty),*) => {$(
        impl Element for $type {
            type Image = [u8; 8];
            const BLANK: [u8; 8] = [0; 8];
        }
    )*};
}

text_elements!(String, CString, Bytes, NulBytes);
