//! Numbers, bools and arrays of them.

use core::fmt;

use super::build::Output;
use super::cell::{Cell, load, store};
use super::error::{DecodeError, Rule};
use super::list::Element;
use super::message::Image;
use super::prove::Prover;
use super::proven::Place;
use super::rule::sealed::Sealed;
use super::schema::Kind;
use super::tagged::Tag;
use crate::buf::Writer;

/// A value of fixed size that is its own view.
pub trait Scalar: Element<Owned = Self> + Copy + fmt::Debug {
    /// `size_of::<Self>()` bytes in host byte order.
    type Bytes: Image;
    /// The value in the first `SIZE` bytes of a cell that is proven, or was written by us.
    fn get(cell: &[u8]) -> Self;
    /// The value's bytes.
    fn bytes(self) -> Self::Bytes;
}

macro_rules! cell_of_scalar {
    ($type:ty) => {
        type Owned = Self;
        type View<'a> = Self;
        type Part<'p> = Self;
        type Probe = Self;

        #[inline(always)]
        fn view(place: Place<'_, Self>) -> Self {
            Self::get(place.cell())
        }

        #[inline(always)]
        fn probe(cell: &[u8]) -> Self {
            Self::get(cell)
        }

        #[inline(always)]
        fn to_owned(view: Self) -> Self {
            view
        }

        #[inline(always)]
        fn part(owned: &Self) -> Self {
            *owned
        }

        #[inline(always)]
        fn write(part: Self, cell: &mut [u8], _: usize, _: usize, _: &mut Output<'_>) {
            store(cell, 0, Image::bytes(&Scalar::bytes(part)));
        }

        fn fmt(view: &Self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            fmt::Debug::fmt(view, f)
        }
    };
}

macro_rules! numbers {
    ($kind:ident: $($type:ident),*) => {$(
        impl Scalar for $type {
            type Bytes = [u8; size_of::<Self>()];

            #[inline(always)]
            fn get(cell: &[u8]) -> Self {
                Self::from_ne_bytes(load(cell, 0))
            }

            #[inline(always)]
            fn bytes(self) -> Self::Bytes {
                self.to_ne_bytes()
            }
        }

        impl Cell for $type {
            const SIZE: usize = size_of::<Self>();
            const ALIGN: usize = if size_of::<Self>() < 8 { size_of::<Self>() } else { 8 };
            const PLAIN: bool = true;
            const TAIL: bool = false;
            const KIND: Kind = Kind::$kind;

            cell_of_scalar!($type);

            #[inline(always)]
            fn prove(_: &[u8], _: usize, _: usize, _: &mut Prover<'_>) -> Result<(), DecodeError> {
                Ok(())
            }
        }

        impl Element for $type {
            type Image = [u8; size_of::<Self>()];
            const BLANK: Self::Image = [0; size_of::<Self>()];
        }
    )*};
}

numbers!(Unsigned: u8, u16, u32, u64, u128);
numbers!(Signed: i8, i16, i32, i64, i128);
numbers!(Float: f32, f64);

macro_rules! tags {
    ($($type:ident),*) => {$(
        impl Sealed for $type {}

        impl Tag for $type {
            #[inline(always)]
            fn tag(cell: &[u8]) -> i128 {
                i128::from(Self::get(cell))
            }

            fn written(writer: &Writer<'_>, at: usize) -> i128 {
                i128::from(Self::from_ne_bytes(writer.peek(at)))
            }
        }
    )*};
}

tags!(u8, u16, u32, u64, i8, i16, i32, i64);

impl Scalar for bool {
    type Bytes = [u8; 1];

    #[inline(always)]
    fn get(cell: &[u8]) -> Self {
        load::<1>(cell, 0) != [0]
    }

    #[inline(always)]
    fn bytes(self) -> [u8; 1] {
        [self.into()]
    }
}

impl Cell for bool {
    const SIZE: usize = 1;
    const ALIGN: usize = 1;
    const PLAIN: Self = false;
    const TAIL: Self = false;
    const KIND: Kind = Kind::Bool;

    cell_of_scalar!(bool);

    #[inline(always)]
    fn prove(cell: &[u8], at: usize, _: usize, _: &mut Prover<'_>) -> Result<(), DecodeError> {
        match load::<1>(cell, 0) {
            [0 | 1] => Ok(()),
            [other] => Err(DecodeError::new(at, Rule::NotBool(other))),
        }
    }
}

impl Element for bool {
    type Image = [u8; 1];
    const BLANK: [u8; 1] = [0];
}

impl<T: Scalar + Cell<Owned = T>, const N: usize> Cell for [T; N] {
    const SIZE: usize = N * T::SIZE;
    const ALIGN: usize = T::ALIGN;
    const PLAIN: bool = T::PLAIN;
    const TAIL: bool = false;
    const KIND: Kind = Kind::Array(&T::KIND, N);

    type Owned = Self;
    type View<'a> = Self;
    type Part<'p> = Self;
    type Probe = Self;

    #[inline]
    fn prove(cell: &[u8], at: usize, base: usize, prover: &mut Prover<'_>) -> Result<(), DecodeError> {
        let mut at = at;
        for element in cell.chunks_exact(T::SIZE) {
            T::prove(element, at, base, prover)?;
            at += T::SIZE;
        }
        Ok(())
    }

    #[inline(always)]
    fn view(place: Place<'_, Self>) -> Self {
        Self::probe(place.cell())
    }

    #[inline(always)]
    fn probe(cell: &[u8]) -> Self {
        core::array::from_fn(|i| T::get(cell.get(i * T::SIZE..).unwrap_or_default()))
    }

    fn to_owned(view: Self) -> Self {
        view
    }

    fn part(owned: &Self) -> Self {
        *owned
    }

    #[inline(always)]
    fn write(part: Self, cell: &mut [u8], _: usize, _: usize, _: &mut Output<'_>) {
        for (i, element) in part.into_iter().enumerate() {
            store(cell, i * T::SIZE, Image::bytes(&element.bytes()));
        }
    }

    fn fmt(view: &Self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(view, f)
    }
}

/// Inside a tuple that stands in a list.
impl<T: Scalar + Cell<Owned = T>, const N: usize> Element for [T; N] {
    type Image = [u8; 0];
    const BLANK: [u8; 0] = [];

    #[inline]
    fn put(part: Self, at: usize, _: usize, out: &mut Output<'_>) {
        for (i, element) in part.into_iter().enumerate() {
            out.writer.put(at.saturating_add(i * T::SIZE), Image::bytes(&element.bytes()));
        }
    }
}
