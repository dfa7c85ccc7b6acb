//! Values that may be absent: a flag byte, then the value at its alignment, all zero when absent.

use core::fmt;

use super::build::Output;
use super::cell::{Cell, load, store};
use super::error::{DecodeError, Rule};
use super::list::{Element, zeros};
use super::prove::{Prover, check_zero};
use super::proven::Place;
use super::schema::Kind;
use crate::buf::{Writer, align_up};

/// Where the value of an `Option<T>` stands.
#[inline(always)]
pub(super) const fn value_at<T: Cell>() -> usize {
    T::ALIGN
}

impl<T: Cell> Cell for Option<T> {
    const SIZE: usize = align_up(value_at::<T>() + T::SIZE, T::ALIGN);
    const ALIGN: usize = T::ALIGN;
    const PLAIN: bool = false;
    const TAIL: bool = T::TAIL;
    const KIND: Kind = Kind::Option(&T::KIND);

    type Owned = Option<T::Owned>;
    type View<'a> = Option<T::View<'a>>;
    type Part<'p> = Option<T::Part<'p>>;
    type Probe = Option<()>;

    #[inline]
    fn prove(cell: &[u8], at: usize, base: usize, prover: &mut Prover<'_>) -> Result<(), DecodeError> {
        let value = value_at::<T>();
        let (front, rest) = cell.split_at_checked(value).unwrap_or_default();
        let (inner, behind) = rest.split_at_checked(T::SIZE).unwrap_or_default();
        match load::<1>(front, 0) {
            [0] => check_zero(cell, at),
            [1] => {
                check_zero(front.get(1..).unwrap_or_default(), at + 1)?;
                check_zero(behind, at + value + T::SIZE)?;
                T::prove(inner, at + value, base, prover)
            }
            [other] => Err(DecodeError::new(at, Rule::NotBool(other))),
        }
    }

    #[inline(always)]
    fn view(place: Place<'_, Self>) -> Self::View<'_> {
        place.some().map(T::view)
    }

    #[inline(always)]
    fn probe(cell: &[u8]) -> Option<()> {
        (load::<1>(cell, 0) == [1]).then_some(())
    }

    fn valid(cell: &[u8]) -> Result<(), Rule> {
        if load::<1>(cell, 0) == [0] { Ok(()) } else { T::valid(cell.get(value_at::<T>()..).unwrap_or_default()) }
    }

    fn to_owned(view: Self::View<'_>) -> Self::Owned {
        view.map(T::to_owned)
    }

    fn part(owned: &Self::Owned) -> Self::Part<'_> {
        owned.as_ref().map(T::part)
    }

    #[inline]
    fn write(part: Self::Part<'_>, cell: &mut [u8], at: usize, base: usize, out: &mut Output<'_>) {
        cell.fill(0);
        if let Some(part) = part {
            store(cell, 0, &[1]);
            if let Some(inner) = cell.get_mut(value_at::<T>()..).and_then(|rest| rest.get_mut(..T::SIZE)) {
                T::write(part, inner, at + value_at::<T>(), base, out);
            }
        }
    }

    fn lower(writer: &mut Writer<'_>, at: usize, by: u32) {
        if T::TAIL && writer.peek(at) == [1] {
            T::lower(writer, at + value_at::<T>(), by);
        }
    }

    fn fmt(view: &Self::View<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match view {
            None => f.write_str("None"),
            Some(view) => {
                f.write_str("Some(")?;
                T::fmt(view, f)?;
                f.write_str(")")
            }
        }
    }
}

/// Inside a tuple that stands in a list.
impl<T: Element> Element for Option<T> {
    type Image = [u8; 0];
    const BLANK: [u8; 0] = [];

    #[inline]
    fn put(part: Self::Part<'_>, at: usize, base: usize, out: &mut Output<'_>) {
        let end = at.saturating_add(Self::SIZE);
        match part {
            None => zeros(at, end, out),
            Some(part) => {
                let value = at.saturating_add(value_at::<T>());
                out.writer.put(at, &[1]);
                zeros(at.saturating_add(1), value, out);
                T::put(part, value, base, out);
                zeros(value.saturating_add(T::SIZE), end, out);
            }
        }
    }
}
