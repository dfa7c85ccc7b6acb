//! Layouts by hand: every byte of the fixed part is declared, once, where its alignment allows.
//!
//! Owns the arithmetic over offsets that the macro knows. A field of a named type is taken to end where the next thing
//! begins: what the compiler alone knows is asserted by the generated code.

use core::ops::Range;

use proc_macro2::Span;
use syn::Ident;

use crate::diagnostics::Diagnostics;
use crate::message::model::{Field, Kind, Scalar, Struct};
use crate::message::types::literal_len;

/// An `{offset u32, length u32}` slot.
const SLOT: Extent = Extent { len: Some(8), align: 4 };

#[derive(Clone, Copy)]
struct Extent {
    /// `None` when the compiler alone knows.
    len: Option<usize>,
    align: usize,
}

/// Something at an offset.
struct Thing {
    name: String,
    at: usize,
    extent: Extent,
    span: Span,
    is_count: bool,
}

impl Thing {
    fn new(name: impl Into<String>, at: usize, len: usize, align: usize, span: Span) -> Self {
        Self { name: name.into(), at, extent: Extent { len: Some(len), align }, span, is_count: false }
    }

    fn end(&self) -> Option<usize> {
        Some(self.at.saturating_add(self.extent.len?))
    }

    /// As an error shows it.
    fn shown(&self) -> String {
        match self.end() {
            Some(end) => format!("{} (bytes {}..{end})", self.name, self.at),
            None => format!("{} (from byte {})", self.name, self.at),
        }
    }
}

pub(super) fn check(message: &Ident, body: &Struct, errors: &mut Diagnostics) {
    let homeless =
        body.fields.iter().filter(|field| is_unplaced(field)).inspect(|field| unplaced(field, errors)).count();
    if homeless > 0 {
        return;
    }
    let mut things = things(body);
    let mut displaced = Displaced::default();
    things.retain(|thing| !misaligned(thing, &mut displaced, errors));
    let ordered = overlaps(&things, &mut displaced, errors);
    let end = gaps(&ordered, &mut displaced, errors);
    size(message, body, &ordered, end, &mut displaced, errors);
}

/// Things in a wrong place. Each leaves a hole where it belongs, and the hole is not a mistake of its own.
#[derive(Default)]
struct Displaced {
    /// Where a misaligned thing stands, widened to the right places on both sides.
    around: Vec<Range<usize>>,
    /// The lengths of things that overlap others: each explains one hole, anywhere.
    lens: Vec<usize>,
}

impl Displaced {
    fn explain(&mut self, hole: Range<usize>) -> bool {
        if self.around.iter().any(|around| around.start < hole.end && hole.start < around.end) {
            return true;
        }
        let found = self.lens.iter().position(|&len| hole.len() <= len);
        found.map(|index| self.lens.remove(index)).is_some()
    }
}

fn is_unplaced(field: &Field) -> bool {
    field.at.is_none() && !matches!(field.kind, Kind::Table { .. } | Kind::Directory { .. })
}

fn unplaced(field: &Field, errors: &mut Diagnostics) {
    let message =
        format!("this message is laid out by hand, and `{}` has no place; add `#[wire(at = N)]`", field.ident);
    errors.error_at(field.span, message);
}

/// All that has a place, in the order of declaration.
fn things(body: &Struct) -> Vec<Thing> {
    let version = body.version.map(|_| Thing::new("the version prefix", 0, 4, 1, body.version_span));
    let fixed = body.fixed.iter().map(|fixed| {
        Thing::new(
            format!("the fixed {}", fixed.repr.name()),
            fixed.at,
            fixed.repr.size(),
            fixed.repr.align(),
            fixed.span,
        )
    });
    let reserved =
        body.reserved.iter().map(|reserved| Thing::new("`reserved`", reserved.at, reserved.len, 1, reserved.span));
    let fields = body.fields.iter().filter_map(field);
    version.into_iter().chain(fixed).chain(reserved).chain(fields).collect()
}

fn field(field: &Field) -> Option<Thing> {
    if let Kind::Table { count_at, count, .. } | Kind::Directory { count_at, count, .. } = &field.kind {
        let name = format!("the count of `{}`", field.ident);
        let thing = Thing::new(name, *count_at, count.size(), count.align(), field.at_span);
        return Some(Thing { is_count: true, ..thing });
    }
    let name = format!("`{}`", field.ident);
    Some(Thing { name, at: field.at?, extent: extent(&field.kind), span: field.at_span, is_count: false })
}

fn extent(kind: &Kind) -> Extent {
    match kind {
        Kind::Scalar(scalar) => Extent { len: Some(scalar.size()), align: scalar.align() },
        Kind::Array { element, len } => {
            let len = literal_len(len).map(|len| len.saturating_mul(Scalar::size(*element)));
            Extent { len, align: element.align() }
        }
        Kind::Utf8 | Kind::CStr | Kind::Bytes { .. } => SLOT,
        Kind::Named | Kind::Option(..) | Kind::List(..) | Kind::Tuple(_) => Extent { len: None, align: 1 },
        Kind::Table { count, .. } | Kind::Directory { count, .. } => {
            Extent { len: Some(count.size()), align: count.align() }
        }
    }
}

fn misaligned(thing: &Thing, displaced: &mut Displaced, errors: &mut Diagnostics) -> bool {
    let align = thing.extent.align;
    let below = thing.at - thing.at % align;
    if below == thing.at {
        return false;
    }
    let message = format!(
        "{} is misaligned: it goes at a multiple of {align}, such as {below} or {}",
        thing.name,
        below.saturating_add(align)
    );
    errors.error_at(thing.span, message);
    let above = below.saturating_add(align);
    displaced.around.push(below..above.saturating_add(thing.extent.len.unwrap_or(0)));
    true
}

/// Reports every overlap, and returns what does not overlap, by offset.
fn overlaps<'a>(things: &'a [Thing], displaced: &mut Displaced, errors: &mut Diagnostics) -> Vec<&'a Thing> {
    let mut kept: Vec<&Thing> = Vec::with_capacity(things.len());
    // Counts come last, so that a count inside a field is the one that is wrong, whichever was declared first.
    let (counts, others): (Vec<_>, Vec<_>) = things.iter().partition(|thing| thing.is_count);
    for thing in others.into_iter().chain(counts) {
        match kept.iter().find(|other| overlap(thing, other)) {
            Some(other) => {
                errors.error_at(thing.span, format!("{} overlaps {}; move one of them", thing.shown(), other.shown()));
                displaced.lens.extend(thing.extent.len);
            }
            None => kept.push(thing),
        }
    }
    kept.sort_by_key(|thing| thing.at);
    kept
}

fn overlap(one: &Thing, two: &Thing) -> bool {
    let (low, high) = if one.at <= two.at { (one, two) } else { (two, one) };
    low.at == high.at || low.end().is_some_and(|end| end > high.at)
}

/// Reports every gap between two things, and returns where the last one ends, if that is known.
fn gaps(ordered: &[&Thing], displaced: &mut Displaced, errors: &mut Diagnostics) -> Option<usize> {
    let mut end = Some(0);
    for thing in ordered {
        if let Some(from) = end.filter(|&end| end < thing.at && !displaced.explain(end..thing.at)) {
            let message = format!(
                "bytes {from}..{} before {} are undeclared; add `reserved(at = {from}, len = {})`",
                thing.at,
                thing.name,
                thing.at - from
            );
            errors.error_at(thing.span, message);
        }
        end = thing.end();
    }
    end
}

fn size(
    message: &Ident,
    body: &Struct,
    ordered: &[&Thing],
    end: Option<usize>,
    displaced: &mut Displaced,
    errors: &mut Diagnostics,
) {
    let last = ordered.last();
    let Some(size) = body.size else {
        let size = end.map_or_else(|| "N".to_owned(), |end| end.to_string());
        errors.error(
            message,
            format!("a message laid out by hand says how long its fixed part is; add `#[wire(size = {size})]`"),
        );
        return;
    };
    match (end, last) {
        (Some(end), Some(last)) if end > size => {
            let message =
                format!("`size = {size}` is too small: {} ends at byte {end}; write `size = {end}`", last.name);
            errors.error_at(body.size_span, message);
        }
        (Some(end), _) if end < size && !displaced.explain(end..size) => {
            let message = format!(
                "bytes {end}..{size} at the end are undeclared; add `reserved(at = {end}, len = {})`, or write `size = {end}`",
                size - end
            );
            errors.error_at(body.size_span, message);
        }
        (None, Some(last)) if last.at >= size => {
            let message =
                format!("`size = {size}` is too small: {} begins at byte {}; write a larger one", last.name, last.at);
            errors.error_at(body.size_span, message);
        }
        _ => {}
    }
}
