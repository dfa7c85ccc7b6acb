//! The layout as a table, for the docs of generated items.

use core::fmt::Write;

use quote::ToTokens;
use syn::Expr;
use syn::ext::IdentExt;

use super::model::{Field, Kind, Struct, Union};

/// An offset as far as the macro knows it: a number, or what it follows.
enum Offset {
    Known(usize),
    After(String),
}

impl Offset {
    fn show(&self) -> String {
        match self {
            Self::Known(at) => at.to_string(),
            Self::After(name) => format!("after `{name}`"),
        }
    }

    /// The offset rounded up to `align`, where both are known.
    fn aligned(&self, align: Option<usize>, before: &str) -> Self {
        match (self, align) {
            (Self::Known(at), Some(align)) => Self::Known(at.next_multiple_of(align)),
            (Self::After(name), _) => Self::After(name.clone()),
            (Self::Known(at), None) if *at == 0 => Self::Known(0),
            (Self::Known(_), None) => Self::After(before.into()),
        }
    }

    fn plus(&self, size: Option<usize>, name: &str) -> Self {
        match (self, size) {
            (Self::Known(at), Some(size)) => Self::Known(at + size),
            _ => Self::After(name.into()),
        }
    }
}

const HEAD: &str = "| offset | bytes | field | holds |\n|---|---|---|---|\n";

/// A struct's layout as a Markdown table.
pub(super) fn table(name: &str, body: &Struct) -> String {
    let mut table = String::from(HEAD);
    if body.placed {
        by_hand(&mut table, body);
    } else {
        natural(&mut table, &body.fields, 0);
    }
    let mut notes = String::new();
    if let Some(size) = body.size {
        let _ = writeln!(notes, "The fixed part of `{name}` is {size} bytes.");
    }
    for require in &body.require {
        let _ = writeln!(notes, "\nRequires `{}`.", require.text);
    }
    if notes.is_empty() { table } else { format!("{table}\n{notes}") }
}

fn by_hand(table: &mut String, body: &Struct) {
    let mut rows = Vec::new();
    if let Some(version) = body.version {
        rows.push((0, 2, String::from("layout_version"), format!("always {version}")));
        rows.push((2, 2, String::from("flags"), String::from("zero")));
    }
    for fixed in &body.fixed {
        rows.push((fixed.at, fixed.repr.size(), String::from("fixed"), format!("always {}", fixed.value)));
    }
    for reserved in &body.reserved {
        rows.push((reserved.at, reserved.len, String::from("reserved"), String::from("zero")));
    }
    for field in &body.fields {
        let (at, size) = match &field.kind {
            Kind::Table { count_at, count, .. } | Kind::Directory { count_at, count, .. } => (*count_at, count.size()),
            kind => (field.at.unwrap_or_default(), shape(kind).0.unwrap_or_default()),
        };
        rows.push((at, size, field.ident.unraw().to_string(), holds(field)));
    }
    rows.sort_by_key(|row| row.0);
    let ends: Vec<_> = rows.iter().skip(1).map(|row| row.0).chain(body.size).collect();
    for ((at, size, name, holds), end) in rows.into_iter().zip(ends) {
        // What the macro can't know reaches up to the next part: the compiler checks that.
        let size = if size == 0 { end.saturating_sub(at) } else { size };
        let _ = writeln!(table, "| {at} | {size} | `{name}` | {holds} |");
    }
}

fn natural(table: &mut String, fields: &[Field], start: usize) {
    let mut offset = Offset::Known(start);
    let mut before = String::new();
    for field in fields {
        let (size, align) = shape(&field.kind);
        let name = field.ident.unraw().to_string();
        let at = offset.aligned(align, &before);
        if let (Offset::Known(end), Offset::Known(at)) = (&offset, &at) {
            if end < at {
                let _ = writeln!(table, "| {end} | {} | `padding` | zero |", at - end);
            }
        }
        let bytes = size.map_or_else(|| String::from("its size"), |size| size.to_string());
        let _ = writeln!(table, "| {} | {bytes} | `{name}` | {} |", at.show(), holds(field));
        offset = at.plus(size, &name);
        before = name;
    }
}

/// The layout of an enum that carries data, a table a variant.
pub(super) fn variants(body: &Union) -> String {
    let mut text = format!("{HEAD}| 0 | {} | `tag` | {} |\n", body.repr.size(), body.repr.name());
    for variant in &body.variants {
        let _ = writeln!(text, "\n`{}`, tag {}:\n", variant.ident.unraw(), variant.value);
        if variant.fields.is_empty() {
            text.push_str("no fields\n");
        } else {
            text.push_str(HEAD);
            natural(&mut text, &variant.fields, body.repr.size());
        }
    }
    text
}

/// Size and alignment, where the macro can know them.
fn shape(kind: &Kind) -> (Option<usize>, Option<usize>) {
    match kind {
        Kind::Scalar(scalar) => (Some(scalar.size()), Some(scalar.align())),
        Kind::Array { element, len } => (literal(len).map(|len| len * element.size()), Some(element.align())),
        Kind::Utf8 | Kind::CStr | Kind::Bytes { .. } => (Some(8), Some(4)),
        Kind::List(element, _) => (Some(8), shape(element).1.map(|align| align.max(4))),
        Kind::Option(inner, _) => match shape(inner) {
            (Some(size), Some(align)) => (Some((align + size).next_multiple_of(align)), Some(align)),
            _ => (None, None),
        },
        Kind::Table { count, .. } | Kind::Directory { count, .. } => (Some(count.size()), Some(count.align())),
        Kind::Named | Kind::Tuple(_) => (None, None),
    }
}

fn literal(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Lit(lit) => match &lit.lit {
            syn::Lit::Int(int) => int.base10_parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

fn holds(field: &Field) -> String {
    let ty = field.ty.to_token_stream().to_string().replace(" < ", "<").replace(" >", ">");
    let what = match &field.kind {
        Kind::Utf8 => String::from("UTF-8, a NUL behind it"),
        Kind::CStr => String::from("text without NUL, a NUL behind it"),
        Kind::Bytes { nul: true } => String::from("bytes, a NUL behind them"),
        Kind::Bytes { nul: false } => String::from("bytes"),
        Kind::Table { .. } => format!("count of a table, `{ty}`"),
        Kind::Directory { .. } => format!("count of a directory, `{ty}`"),
        _ => format!("`{ty}`"),
    };
    let bound = |word: &str, bound: &Option<Expr>| {
        bound.as_ref().map_or_else(String::new, |bound| format!(", {word} {}", bound.to_token_stream()))
    };
    format!("{what}{}{}", bound("min", &field.min), bound("max", &field.max)).replace('|', "\\|")
}
