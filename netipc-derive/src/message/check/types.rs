//! Kinds inside kinds: what may nest, and that nothing nests without end.

use syn::{Ident, Type};

use crate::diagnostics::Diagnostics;
use crate::message::model::{Field, Kind, Message};
use crate::message::parse::bare;

/// Longer tuples cannot be printed or compared: the standard library stops here, and so do the library's cells.
const LONGEST_TUPLE: usize = 12;

pub(super) fn check(message: &Message, fields: &[Field], errors: &mut Diagnostics) {
    for field in fields {
        if !recursive(&message.ident, &field.kind, &field.ty, errors) {
            nesting(&field.kind, &field.ty, message.tuples, errors);
        }
    }
}

/// Reports the type that names the message itself.
fn recursive(message: &Ident, kind: &Kind, ty: &Type, errors: &mut Diagnostics) -> bool {
    match kind {
        Kind::Named if names(message, ty) => {
            let message = bare(message);
            errors.error(
                ty,
                format!("`{message}` holds itself, and a hostile peer could nest it without bound; refer to it by an index or an id"),
            );
            true
        }
        Kind::Option(inner, inner_ty) | Kind::List(inner, inner_ty) => recursive(message, inner, inner_ty, errors),
        Kind::Directory { element, element_ty, .. } => recursive(message, element, element_ty, errors),
        Kind::Table { element, .. } => recursive(message, &Kind::Named, element, errors),
        Kind::Tuple(parts) => {
            parts.iter().fold(false, |found, (kind, ty)| recursive(message, kind, ty, errors) || found)
        }
        Kind::Named | Kind::Scalar(_) | Kind::Array { .. } | Kind::Utf8 | Kind::CStr | Kind::Bytes { .. } => false,
    }
}

/// `Node`, `self::Node` and `Self` name it; `other::Node` is someone else.
fn names(message: &Ident, ty: &Type) -> bool {
    let path = match ty {
        Type::Path(path) => &path.path,
        Type::Paren(inner) => return names(message, &inner.elem),
        Type::Group(inner) => return names(message, &inner.elem),
        _ => return false,
    };
    let mut segments: Vec<_> = path.segments.iter().map(|segment| &segment.ident).collect();
    if segments.len() == 2 && segments.first().is_some_and(|first| *first == "self") {
        segments.remove(0);
    }
    matches!(segments.as_slice(), [only] if *only == message || *only == "Self")
}

/// Reports what cannot stand inside what it stands in; `tuples` says that tuples may be there.
pub(crate) fn nesting(kind: &Kind, ty: &Type, tuples: bool, errors: &mut Diagnostics) {
    match kind {
        Kind::List(inner, element) => match &**inner {
            Kind::List(..) | Kind::Bytes { .. } => {
                errors.error(ty, "a list of lists has no layout; wrap the inner Vec in a message of its own");
            }
            Kind::Option(..) => {
                errors.error(ty, "a list of options has no layout; wrap the Option in a message of its own");
            }
            Kind::Array { .. } => {
                errors.error(ty, "a list of arrays has no layout; wrap the array in a message of its own");
            }
            inner => nesting(inner, element, tuples, errors),
        },
        Kind::Option(inner, inner_ty) => {
            if matches!(**inner, Kind::Option(..)) {
                errors.error(ty, "an option of an option has no layout; wrap the inner one in a message of its own");
            } else {
                nesting(inner, inner_ty, tuples, errors);
            }
        }
        Kind::Tuple(parts) if tuples => tuple(parts, ty, errors),
        Kind::Tuple(_) => {
            errors.error(ty, "the parts of a tuple have no names on the wire; make it a message with named fields");
        }
        Kind::Directory { element, element_ty, .. } if !matches!(**element, Kind::Named | Kind::CStr) => {
            errors.error(element_ty, "a directory holds messages or CStrings; wrap this in a message of its own");
        }
        Kind::Scalar(_)
        | Kind::Array { .. }
        | Kind::Utf8
        | Kind::CStr
        | Kind::Bytes { .. }
        | Kind::Named
        | Kind::Table { .. }
        | Kind::Directory { .. } => {}
    }
}

fn tuple(parts: &[(Kind, Type)], ty: &Type, errors: &mut Diagnostics) {
    if parts.is_empty() {
        errors.error(ty, "`()` has no value to send; leave it out");
    } else if parts.len() > LONGEST_TUPLE {
        let message = format!(
            "a tuple of {} parts, and {LONGEST_TUPLE} are the most; make it a message with named fields",
            parts.len()
        );
        errors.error(ty, message);
    }
    parts.iter().for_each(|(kind, ty)| nesting(kind, ty, true, errors));
}
