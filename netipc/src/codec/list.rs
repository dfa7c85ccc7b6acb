//! Lists in a natural layout: `{offset u32, count u32}`, the elements' fixed parts in one array, then their tails.

use core::fmt;
use core::iter::FusedIterator;

use super::build::{Core, Form, Output};
use super::cell::{Cell, Extent, load_u32, shown, store_slot};
use super::error::DecodeError;
use super::frame::Frame;
use super::message::{Builder, Image, Structure};
use super::prove::Prover;
use super::proven::{Place, Rows};
use super::schema::Kind;
use crate::buf::{Writer, align_up};

/// A cell that can stand in a list.
pub trait Element: Cell {
    /// `[u8; SIZE]`; empty for what `put` does not put together beside the buffer.
    type Image: Image;
    /// An element before anything is set.
    const BLANK: Self::Image;

    /// Writes an element whose fixed part has its place at byte `at`, with offsets that count from byte `base`.
    #[inline(always)]
    fn put(part: Self::Part<'_>, at: usize, base: usize, out: &mut Output<'_>) {
        let mut image = Self::BLANK;
        Self::write(part, image.bytes_mut(), at, base, out);
        out.writer.put(at, image.bytes());
    }
}

impl<E: Element> Element for Vec<E> {
    type Image = [u8; 8];
    const BLANK: [u8; 8] = [0; 8];
}

/// Writes zeros from byte `from` up to byte `to`, over bytes that have their place already.
#[inline]
pub(super) fn zeros(from: usize, to: usize, out: &mut Output<'_>) {
    const SOME: [u8; 16] = [0; 16];
    let mut at = from;
    while let Some(chunk) = SOME.get(..to.saturating_sub(at).min(SOME.len())).filter(|chunk| !chunk.is_empty()) {
        out.writer.put(at, chunk);
        at += chunk.len();
    }
}

impl<M: Structure> Element for M {
    type Image = M::Image;
    const BLANK: M::Image = M::BLANK;
}

impl<E: Element> Cell for Vec<E> {
    const SIZE: usize = 8;
    const ALIGN: usize = if E::ALIGN > 4 { E::ALIGN } else { 4 };
    const PLAIN: bool = false;
    const TAIL: bool = true;
    const KIND: Kind = Kind::List(&E::KIND);

    type Owned = Vec<E::Owned>;
    type View<'a> = List<'a, E>;
    type Part<'p> = &'p [E::Owned];
    type Probe = Extent;

    #[inline]
    fn prove(cell: &[u8], at: usize, base: usize, prover: &mut Prover<'_>) -> Result<(), DecodeError> {
        prover.list::<E>(cell, at, base)
    }

    #[inline(always)]
    fn view(place: Place<'_, Self>) -> List<'_, E> {
        List(place.rows())
    }

    #[inline(always)]
    fn probe(cell: &[u8]) -> Extent {
        Extent(load_u32(cell, 4))
    }

    fn to_owned(view: List<'_, E>) -> Vec<E::Owned> {
        view.map(E::to_owned).collect()
    }

    #[inline(always)]
    fn part(owned: &Vec<E::Owned>) -> &[E::Owned] {
        owned
    }

    #[inline]
    fn write(part: &[E::Owned], cell: &mut [u8], _: usize, base: usize, out: &mut Output<'_>) {
        if part.is_empty() {
            return store_slot(cell, 0, 0);
        }
        let start = out.origin.saturating_add(align_up(out.writer.len() - out.origin, E::ALIGN));
        out.writer.zero_to(start);
        out.writer.skip(part.len().saturating_mul(E::SIZE));
        store_slot(cell, start - base, part.len());
        let mut at = start;
        for element in part {
            E::put(E::part(element), at, at, out);
            at = at.saturating_add(E::SIZE);
        }
    }

    fn lower(writer: &mut Writer<'_>, at: usize, by: u32) {
        writer.lower_u32(at, by);
    }

    fn fmt(view: &List<'_, E>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(view, f)
    }
}

macro_rules! rows_view {
    ($(#[$doc:meta])* $name:ident, $bound:ident, $own:literal) => {
        $(#[$doc])*
        ///
        /// An exact-size iterator from both ends, with random access by `get`. Everything was proven when the message was
        /// decoded, so elements cost a load and can't fail.
        pub struct $name<'a, E>(pub(super) Rows<'a, E, $own>);

        impl<E> Clone for $name<'_, E> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<E> Copy for $name<'_, E> {}

        impl<'a, E: $bound> $name<'a, E> {
            /// How many elements there are (left, where some were taken).
            #[inline]
            #[must_use]
            pub const fn len(&self) -> usize {
                self.0.len()
            }

            /// Whether there are none.
            #[inline]
            #[must_use]
            pub const fn is_empty(&self) -> bool {
                self.0.len() == 0
            }

            /// Element number `index`, from 0.
            #[inline]
            #[must_use]
            pub fn get(&self, index: usize) -> Option<<E as Cell>::View<'a>> {
                self.0.get(index).map(Place::view)
            }
        }

        impl<'a, E: $bound> Iterator for $name<'a, E> {
            type Item = <E as Cell>::View<'a>;

            #[inline(always)]
            fn next(&mut self) -> Option<Self::Item> {
                self.0.next().map(Place::view)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                (self.0.len(), Some(self.0.len()))
            }
        }

        impl<E: $bound> DoubleEndedIterator for $name<'_, E> {
            #[inline]
            fn next_back(&mut self) -> Option<Self::Item> {
                self.0.next_back().map(Place::view)
            }
        }

        impl<E: $bound> ExactSizeIterator for $name<'_, E> {}
        impl<E: $bound> FusedIterator for $name<'_, E> {}

        impl<E: $bound> fmt::Debug for $name<'_, E> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut list = f.debug_list();
                for element in *self {
                    list.entry(&shown::<E>(&element));
                }
                list.finish()
            }
        }
    };
}

rows_view!(
    /// The elements of a list.
    List, Cell, true
);
rows_view!(
    /// The rows of a table.
    Table, Structure, false
);

/// A list that is being filled, for its builder.
#[derive(Debug)]
pub struct OpenList<'p, 'w>(pub(super) &'p mut Core<'w>, pub(super) Form);

/// Fills a list of values: numbers, enums, text.
#[derive(Debug)]
pub struct ValuesBuilder<'p, 'w, E> {
    core: &'p mut Core<'w>,
    element: core::marker::PhantomData<fn() -> E>,
}

impl<'p, 'w, E: Element> ValuesBuilder<'p, 'w, E> {
    #[inline]
    pub(crate) const fn new(list: OpenList<'p, 'w>) -> Self {
        Self { core: list.0, element: core::marker::PhantomData }
    }

    /// Appends a value. Beyond what was reserved the message becomes an error, which `finish` reports.
    #[inline]
    pub fn push(&mut self, value: E::Part<'_>) -> &mut Self {
        if self.core.claim_entry() {
            let at = self.core.last_entry();
            E::put(value, at, at, &mut self.core.out);
        }
        self
    }
}

/// Fills a list, a table or a directory of messages.
#[derive(Debug)]
pub struct RecordsBuilder<'p, 'w, E> {
    core: &'p mut Core<'w>,
    form: Form,
    element: core::marker::PhantomData<fn() -> E>,
}

impl<'p, 'w, E: Structure> RecordsBuilder<'p, 'w, E> {
    #[inline(always)]
    pub(crate) const fn new(list: OpenList<'p, 'w>) -> Self {
        Self { core: list.0, form: list.1, element: core::marker::PhantomData }
    }

    /// Appends a message that `fill` writes in place, field by field.
    ///
    /// Beyond what was reserved the message becomes an error, which `finish` reports, and `fill` is not called.
    #[inline(always)]
    pub fn push<F>(&mut self, fill: F) -> &mut Self
    where
        F: for<'b> FnOnce(&'b mut E::Builder<'w>) -> &'b mut E::Builder<'w>,
    {
        self.append(|frame| {
            let mut builder = E::builder(frame);
            fill(&mut builder);
            builder.into_frame()
        })
    }

    /// Appends a copy of an owned message.
    #[inline(always)]
    pub fn push_value(&mut self, value: &E) -> &mut Self {
        self.append(|mut frame| {
            value.fill(&mut frame);
            frame
        })
    }

    #[inline(always)]
    fn append(&mut self, fill: impl FnOnce(Frame<'w, E>) -> Frame<'w, E>) -> &mut Self {
        let core = &mut *self.core;
        if !core.claim_entry() {
            return self;
        }
        let form = self.form;
        let at = if form == Form::Directory { core.begin_item() } else { core.last_entry() };
        let (origin, base) = match form {
            Form::Directory => (at, at),
            Form::List => (core.out.origin, at),
            Form::Table => (core.out.origin, core.base),
        };
        let mut nested = core.nested(origin, at, base);
        if form == Form::Directory {
            nested.out.writer.skip(E::SIZE);
        }
        let mut frame = fill(Frame::new(nested));
        frame.close();
        core.put_back(frame.core);
        if form == Form::Directory {
            core.end_item(at);
        }
        self
    }
}

/// Which builder fills a list of these.
pub trait Pushed: Element {
    /// The builder.
    type Builder<'p, 'w: 'p>;
    /// A builder for an open list.
    fn pushed<'p, 'w>(list: OpenList<'p, 'w>) -> Self::Builder<'p, 'w>;
}

impl<M: Structure> Pushed for M {
    type Builder<'p, 'w: 'p> = RecordsBuilder<'p, 'w, M>;

    #[inline]
    fn pushed<'p, 'w>(list: OpenList<'p, 'w>) -> RecordsBuilder<'p, 'w, M> {
        RecordsBuilder::new(list)
    }
}

impl<'w, M: Structure> Frame<'w, M> {
    /// Opens the natural list whose slot is at byte `AT`, with room for `reserved` elements.
    #[inline(always)]
    pub fn list<E: Element, const AT: usize, const INDEX: u32>(&mut self, reserved: usize) -> OpenList<'_, 'w> {
        OpenList(self.open::<E>(Form::List, INDEX, AT, 4, reserved), Form::List)
    }
}
