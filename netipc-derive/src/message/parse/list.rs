//! The words that change what a field's type means: `nul`, `table`, `directory` and what goes with them.

use proc_macro2::Span;
use syn::Type;

use crate::attr::{Attrs, Given};
use crate::diagnostics::Diagnostics;
use crate::message::model::{Kind, Scalar};

/// The kind of a field, now that its attributes are known.
pub(super) fn mark(kind: Kind, ty: &Type, attrs: &Attrs, layout_known: &mut bool, errors: &mut Diagnostics) -> Kind {
    let kind = nul(kind, ty, attrs.nul, errors);
    let marked = match (attrs.table, attrs.directory) {
        (Some(_), Some(second)) => {
            errors.error_at(second, "a list is a `table` or a `directory`, not both; keep one");
            None
        }
        (Some(key), None) => counted("table", key, attrs, errors).and_then(|count| table(&kind, ty, &count, errors)),
        (None, Some(key)) => {
            counted("directory", key, attrs, errors).and_then(|count| directory(&kind, ty, &count, attrs, errors))
        }
        (None, None) => {
            unmarked(attrs, errors);
            return kind;
        }
    };
    // A list that was meant to be marked has no place of its own, and asking for its `at` would mislead.
    *layout_known &= marked.is_some();
    marked.unwrap_or(kind)
}

fn nul(kind: Kind, ty: &Type, nul: Option<Span>, errors: &mut Diagnostics) -> Kind {
    match (kind, nul) {
        (Kind::Bytes { .. }, nul) => Kind::Bytes { nul: nul.is_some() },
        (kind @ (Kind::Utf8 | Kind::CStr), Some(key)) => {
            let name = quote::ToTokens::to_token_stream(ty).to_string();
            errors.error_at(key, format!("a {name} always has its NUL; leave `nul` out"));
            kind
        }
        (kind, Some(key)) => {
            errors.error_at(key, "`nul` puts a NUL behind bytes; it goes on a `Vec<u8>`");
            kind
        }
        (kind, None) => kind,
    }
}

struct Count {
    at: usize,
    repr: Scalar,
}

fn counted(word: &str, key: Span, attrs: &Attrs, errors: &mut Diagnostics) -> Option<Count> {
    if let Some(at) = &attrs.at {
        let message = format!(
            "a {word} has its place already, after the fixed part; leave `at` out, \
                               `count_at` says where its count is"
        );
        errors.error_at(at.key, message);
    }
    match (&attrs.count_at, &attrs.count) {
        (Some(Given { value: at, .. }), Some(Given { value: repr, .. })) => Some(Count { at: *at, repr: *repr }),
        // The attribute was refused for another reason; it may have held what is missing.
        _ if attrs.broken => None,
        (None, None) => {
            errors.error_at(key, format!("`{word}` needs the place of its count: `{word}, count_at = 4, count = u32`"));
            None
        }
        (Some(at), None) => {
            errors.error_at(at.key, "`count_at` needs the type of the count: `count = u8`, `u16` or `u32`");
            None
        }
        (None, Some(count)) => {
            errors.error_at(count.key, "`count` needs its place: `count_at = N`, in the fixed part");
            None
        }
    }
}

fn table(kind: &Kind, ty: &Type, count: &Count, errors: &mut Diagnostics) -> Option<Kind> {
    match kind {
        Kind::List(inner, element) if matches!(**inner, Kind::Named) => {
            Some(Kind::Table { count_at: count.at, count: count.repr, element: element.clone() })
        }
        _ => {
            errors.error(ty, "a table lists messages; use a `Vec` of a message with these as its fields");
            None
        }
    }
}

fn directory(kind: &Kind, ty: &Type, count: &Count, attrs: &Attrs, errors: &mut Diagnostics) -> Option<Kind> {
    let (Kind::List(inner, element), true) = (kind, !is_nested(kind)) else {
        errors
            .error(ty, "a directory lists messages or text; use `Vec<String>`, `Vec<CString>` or a `Vec` of a message");
        return None;
    };
    let (each_min, each_max) = each(inner, attrs, errors);
    Some(Kind::Directory {
        count_at: count.at,
        count: count.repr,
        element: inner.clone(),
        element_ty: element.clone(),
        each_min,
        each_max,
    })
}

fn each(element: &Kind, attrs: &Attrs, errors: &mut Diagnostics) -> (Option<usize>, Option<usize>) {
    let Some(each) = &attrs.each else { return (None, None) };
    if !element.is_text() {
        let message = "`each` bounds the length of text; put the bound on a field of the listed message";
        errors.error_at(each.key, message);
        return (None, None);
    }
    match (each.min, each.max) {
        (Some(min), Some(max)) if min > max => {
            errors.error_at(each.key, format!("min = {min} is above max = {max}; no text has such a length"));
            (None, None)
        }
        bounds => bounds,
    }
}

fn is_nested(kind: &Kind) -> bool {
    matches!(kind, Kind::List(inner, _) if !matches!(**inner, Kind::Named | Kind::Utf8 | Kind::CStr | Kind::Scalar(_)))
}

/// Words of a table or directory on a field that is neither.
fn unmarked(attrs: &Attrs, errors: &mut Diagnostics) {
    if attrs.broken {
        return;
    }
    let first =
        [attrs.count_at.as_ref().map(|at| (at.key, "count_at")), attrs.count.as_ref().map(|at| (at.key, "count"))];
    if let Some((key, word)) = first.into_iter().flatten().next() {
        errors.error_at(key, format!("`{word}` counts a list; say which: add `directory` or `table`"));
    }
    if let Some(each) = &attrs.each {
        errors.error_at(each.key, "`each` bounds the text in a directory; it goes with `directory`");
    }
}
