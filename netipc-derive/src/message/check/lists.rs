//! Directories, tables and tolerances: what may stand beside what in one message.

use proc_macro2::Span;

use crate::diagnostics::Diagnostics;
use crate::message::model::{Field, Kind, Struct, Tolerate};

pub(super) fn check(body: &Struct, errors: &mut Diagnostics) {
    directories(&body.fields, errors);
    tables(&body.fields, errors);
    if body.placed {
        item_tolerances(body, errors);
    } else {
        natural_tolerances(&body.tolerate, errors);
        needs_layout(&body.fields, errors);
    }
}

fn directories(fields: &[Field], errors: &mut Diagnostics) {
    let is_directory = |field: &&Field| matches!(field.kind, Kind::Directory { .. });
    let Some(first) = fields.iter().find(is_directory) else { return };
    for second in fields.iter().filter(is_directory).skip(1) {
        let message = format!(
            "a message has one directory, and `{}` is it; put `{}` in a message of its own",
            first.ident, second.ident
        );
        errors.error_at(second.span, message);
    }
    if let Some(other) = fields.iter().find(|field| field.kind.is_variable() && !is_directory(field)) {
        let message = format!(
            "`{}` varies in length, and so does the directory `{}`, which ends its message; put `{}` in a message of its own",
            other.ident, first.ident, other.ident
        );
        errors.error_at(other.span, message);
    }
}

fn tables(fields: &[Field], errors: &mut Diagnostics) {
    let is_table = |field: &Field| matches!(field.kind, Kind::Table { .. });
    let mut rest = fields.iter().skip_while(|field| !is_table(field));
    let Some(table) = rest.next() else { return };
    for field in rest.filter(|field| field.kind.is_variable() && !matches!(field.kind, Kind::Directory { .. })) {
        let message = if is_table(field) {
            format!(
                "a message has one table, and `{}` is it; put `{}` in a message of its own",
                table.ident, field.ident
            )
        } else {
            format!(
                "`{}` stands behind the table `{}`, which ends its message; declare the table last",
                field.ident, table.ident
            )
        };
        errors.error_at(field.span, message);
    }
}

/// A list with a count at an offset, in a message where nothing else has one.
fn needs_layout(fields: &[Field], errors: &mut Diagnostics) {
    for field in fields {
        let word = match field.kind {
            Kind::Table { .. } => "table",
            Kind::Directory { .. } => "directory",
            _ => continue,
        };
        let message = format!(
            "a {word} needs a layout by hand; give the message `size = N` and every other field `at = N`, or leave `{word}` out"
        );
        errors.error_at(field.span, message);
    }
}

fn item_tolerances(body: &Struct, errors: &mut Diagnostics) {
    let Tolerate { item_order, item_overlap, .. } = &body.tolerate;
    let Some(first) = item_order.or(*item_overlap) else { return };
    if !body.fields.iter().any(|field| matches!(field.kind, Kind::Directory { .. })) {
        errors.error_at(
            first,
            "this is about the items of a directory, and there is none; mark the list `directory`, or leave it out",
        );
        return;
    }
    match (item_order, item_overlap) {
        (Some(order), None) => {
            errors.error_at(*order, "items in any order cannot be proven apart in O(1); add `item_overlap`");
        }
        (None, Some(overlap)) => {
            errors.error_at(*overlap, "items that overlap are in no order that could be held; add `item_order`");
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
}

fn natural_tolerances(tolerate: &Tolerate, errors: &mut Diagnostics) {
    let Tolerate { trailing: _, dirty_gaps, item_order, item_overlap, string_order, slack } = tolerate;
    let mut refuse = |span: &Option<Span>, word: &str| {
        if let Some(span) = span {
            errors.error_at(*span, format!("`{word}` is for peers that are deployed, and no layout is given here that they could know; lay the message out by hand with `size` and `at`, or leave it out"));
        }
    };
    refuse(dirty_gaps, "dirty_gaps");
    refuse(item_order, "item_order");
    refuse(item_overlap, "item_overlap");
    refuse(string_order, "string_order");
    refuse(slack, "slack");
}
