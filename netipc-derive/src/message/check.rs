//! The rules of a message, by subject, over a model that was read without loss.
//!
//! Owns the choice of what is checked for which item. A rule lives in the file of its subject and reports one error for
//! one mistake, at the token and with the cure.

mod bounds;
mod lists;
mod names;
mod placement;
pub(crate) mod types;

use std::collections::HashMap;

use proc_macro2::Span;
use syn::Ident;

use super::model::{Body, Code, Field, Message, Struct};
use crate::diagnostics::Diagnostics;

/// Checks all that a macro can know; `layout_known` says that no word about the layout was lost in reading.
pub(super) fn check(message: &Message, layout_known: bool, errors: &mut Diagnostics) {
    match &message.body {
        Body::Struct(body) => structure(message, body, layout_known, errors),
        Body::Code(code) => {
            values(code.variants.iter().map(|it| (&it.ident, it.value, it.value_span)).collect(), errors);
            room_for_other(code, errors);
        }
        Body::Union(union) => {
            if let Some(first) = union.variants.get(MOST_VARIANTS) {
                let message = format!(
                    "an enum that carries data has at most {MOST_VARIANTS} variants; put some of them into an enum of their own, held by one variant"
                );
                errors.error(&first.ident, message);
            }
            values(union.variants.iter().map(|it| (&it.ident, it.value, it.value_span)).collect(), errors);
            for variant in &union.variants {
                types::check(message, &variant.fields, errors);
                tails(&variant.fields, errors);
                names::reserved(&variant.fields, errors);
                bounds::check(&variant.fields, errors);
            }
        }
    }
}

/// Rust counts on from the last variant to `Other`, and that value has to be free.
fn room_for_other(code: &Code, errors: &mut Diagnostics) {
    let (Some(other), Some(last)) = (&code.open, code.variants.last()) else { return };
    let next = last.value.saturating_add(1);
    let taken = code.variants.iter().any(|variant| variant.value == next);
    if taken || code.repr.range().is_some_and(|(_, largest)| next > largest) {
        let message = format!(
            "`{other}` would count as {next}, one more than `{}`, and there is no such value left; declare another variant last",
            last.ident
        );
        errors.error(other, message);
    }
}

/// Variants that carry data are types one inside the other, and the compiler follows those to a depth of 128.
const MOST_VARIANTS: usize = 100;

/// Fields that vary in length have a bit each in the builders' state.
pub(crate) const MOST_TAILS: usize = 64;

/// Reports the first field that a builder could not keep track of.
fn tails(fields: &[Field], errors: &mut Diagnostics) {
    if let Some(field) = fields.iter().filter(|field| field.kind.is_variable()).nth(MOST_TAILS) {
        let message = format!(
            "at most {MOST_TAILS} fields of one message vary in length; put `{}` and those behind it into a message of their own",
            field.ident
        );
        errors.error_at(field.span, message);
    }
}

fn structure(message: &Message, body: &Struct, layout_known: bool, errors: &mut Diagnostics) {
    types::check(message, &body.fields, errors);
    tails(&body.fields, errors);
    bounds::check(&body.fields, errors);
    names::check(&message.ident, &body.fields, errors);
    lists::check(body, errors);
    if layout_known && body.placed {
        placement::check(&message.ident, body, errors);
    }
}

fn values(variants: Vec<(&Ident, i128, Span)>, errors: &mut Diagnostics) {
    let mut seen = HashMap::new();
    for (ident, value, span) in variants {
        if let Some(first) = seen.get(&value) {
            errors.error_at(span, format!("`{first}` has the value {value} already; give `{ident}` another"));
        } else {
            seen.insert(value, ident);
        }
    }
}

#[cfg(test)]
mod tests;
