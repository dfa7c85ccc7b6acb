//! Tuples, as parameters and results of methods have them: laid out as a message whose fields are the parts.
//!
//! Owns where a part stands. A tuple has no name and no rules of its own, so it is a cell and never a payload.

use core::fmt;

use super::build::Output;
use super::cell::{Cell, shown};
use super::error::{DecodeError, Rule};
use super::layout::{align_up, largest, lay};
use super::list::{Element, zeros};
use super::prove::{Prover, check_zero};
use super::proven::Place;
use super::schema::Kind;
use crate::buf::Writer;

/// Where the parts of a tuple stand: the first byte of each, and the byte behind it.
trait Laid {
    const LAID: &'static [(usize, usize)];
}

/// Part number `N` of a tuple. Implemented here and nowhere else: proof and getters both ask it where the part stands.
pub(super) trait Part<const N: usize>: Cell {
    type Part: Cell;
    const AT: usize;
}

macro_rules! tuples {
    ($($($part:ident $index:tt)+;)*) => {$(
        impl<$($part: Cell),+> Laid for ($($part,)+) {
            const LAID: &'static [(usize, usize)] = &lay(0, [$(($part::SIZE, $part::ALIGN)),+]);
        }

        tuples!(parts ($($part)+) $($part $index)+);

        impl<$($part: Cell),+> Cell for ($($part,)+) {
            const SIZE: usize = align_up(Self::LAID[Self::LAID.len() - 1].1, Self::ALIGN);
            const ALIGN: usize = largest(&[$($part::ALIGN),+]);
            const PLAIN: bool = $($part::PLAIN &&)+ 0 $(+ $part::SIZE)+ == Self::SIZE;
            const TAIL: bool = $($part::TAIL)||+;
            const KIND: Kind = Kind::Tuple(&[$($part::KIND),+]);
            const ORIGIN: bool = true;
            const SPREADS: bool = $($part::SPREADS)&&+;

            type Owned = ($($part::Owned,)+);
            type View<'a> = ($($part::View<'a>,)+);
            type Part<'p> = ($($part::Part<'p>,)+);
            type Probe = ();

            #[inline]
            fn prove(cell: &[u8], at: usize, _: usize, prover: &mut Prover<'_>) -> Result<(), DecodeError> {
                let mut end = 0;
                $(
                    let (from, to) = const { Self::LAID[$index] };
                    check_zero(cell.get(end..from).unwrap_or_default(), at + end)?;
                    $part::prove(cell.get(from..to).unwrap_or_default(), at + from, at, prover)?;
                    end = to;
                )+
                check_zero(cell.get(end..).unwrap_or_default(), at + end)
            }

            #[inline(always)]
            fn view(place: Place<'_, Self>) -> Self::View<'_> {
                ($(place.element::<$index>().view(),)+)
            }

            fn probe(_: &[u8]) {}

            fn valid(cell: &[u8]) -> Result<(), Rule> {
                $(
                    let (from, to) = const { Self::LAID[$index] };
                    $part::valid(cell.get(from..to).unwrap_or_default())?;
                )+
                Ok(())
            }

            fn to_owned(view: Self::View<'_>) -> Self::Owned {
                ($($part::to_owned(view.$index),)+)
            }

            fn part(owned: &Self::Owned) -> Self::Part<'_> {
                ($($part::part(&owned.$index),)+)
            }

            #[inline]
            fn write(part: Self::Part<'_>, cell: &mut [u8], at: usize, _: usize, out: &mut Output<'_>) {
                $(
                    let (from, to) = const { Self::LAID[$index] };
                    if let Some(cell) = cell.get_mut(from..to) {
                        $part::write(part.$index, cell, at.saturating_add(from), at, out);
                    }
                )+
            }

            fn write_unset(cell: &mut [u8], at: usize, _: usize, out: &mut Output<'_>) {
                $(
                    let (from, to) = const { Self::LAID[$index] };
                    if let Some(cell) = cell.get_mut(from..to) {
                        $part::write_unset(cell, at.saturating_add(from), at, out);
                    }
                )+
            }

            fn lower(writer: &mut Writer<'_>, at: usize, by: u32) {
                $(
                    if $part::TAIL {
                        $part::lower(writer, at + <Self as Part<$index>>::AT, by);
                    }
                )+
            }

            fn fmt(view: &Self::View<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple("")$(.field(&shown::<$part>(&view.$index)))+.finish()
            }
        }

        impl<$($part: Element),+> Element for ($($part,)+) {
            type Image = [u8; 0];
            const BLANK: [u8; 0] = [];

            #[inline]
            fn put(part: Self::Part<'_>, at: usize, _: usize, out: &mut Output<'_>) {
                let mut end = at;
                $(
                    let (from, to) = const { Self::LAID[$index] };
                    let from = at.saturating_add(from);
                    zeros(end, from, out);
                    $part::put(part.$index, from, at, out);
                    end = at.saturating_add(to);
                )+
                zeros(end, at.saturating_add(Self::SIZE), out);
            }
        }
    )*};
    (parts $all:tt $($part:ident $index:tt)+) => {$(
        tuples!(one $all $part $index);
    )+};
    (one ($($all:ident)+) $part:ident $index:tt) => {
        impl<$($all: Cell),+> Part<$index> for ($($all,)+) {
            type Part = $part;
            const AT: usize = Self::LAID[$index].0;
        }
    };
}

tuples! {
    A 0;
    A 0 B 1;
    A 0 B 1 C 2;
    A 0 B 1 C 2 D 3;
    A 0 B 1 C 2 D 3 E 4;
    A 0 B 1 C 2 D 3 E 4 F 5;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10;
    A 0 B 1 C 2 D 3 E 4 F 5 G 6 H 7 I 8 J 9 K 10 L 11;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tuple_is_laid_out_as_a_message_would_be() {
        assert_eq!(<(u8, u32, u16)>::LAID, [(0, 1), (4, 8), (8, 10)]);
        assert_eq!((<(u8, u32, u16)>::SIZE, <(u8, u32, u16)>::ALIGN), (12, 4));
        assert_eq!((<(String, u64)>::SIZE, <(String, u64)>::ALIGN), (16, 8));
    }

    #[test]
    fn only_a_tuple_without_padding_needs_no_proof() {
        const { assert!(<(u32, f32)>::PLAIN && !<(u32, u8)>::PLAIN && !<(u32, bool)>::PLAIN) };
    }
}
