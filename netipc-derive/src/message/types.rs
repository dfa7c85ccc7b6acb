//! What a type is on the wire, by its syntax: a [`Kind`], or a refusal with what to write instead.
//!
//! Owns the names that mean something here. Whether a kind may stand where it stands is for the checks.

use syn::{Expr, ExprLit, GenericArgument, Lit, PathArguments, Type, TypeArray, TypePath, TypeReference};

use super::model::{Kind, Scalar};
use crate::diagnostics::Diagnostics;

/// Names without generic arguments that cannot go on the wire, and what to use instead.
const NO_FIXED_WIDTH: &[(&str, &str)] = &[
    ("usize", "`usize` has no fixed width on the wire; use u32 or u64"),
    ("isize", "`isize` has no fixed width on the wire; use i32 or i64"),
    ("char", "`char` has no fixed width as text; use u32 for a code point or String for text"),
    ("str", "`str` is unsized; use String"),
    ("CStr", "`CStr` is unsized; use CString"),
    ("OsString", "`OsString` differs between platforms; use String, CString, or Vec<u8> with `#[wire(nul)]`"),
    ("PathBuf", "`PathBuf` differs between platforms; use String, CString, or Vec<u8> with `#[wire(nul)]`"),
];

/// Generic names of the standard library, and what to use instead.
const NO_LAYOUT: &[(&str, &str)] = &[
    ("HashMap", "a Vec of a message with a key and a value"),
    ("BTreeMap", "a Vec of a message with a key and a value"),
    ("HashSet", "a Vec"),
    ("BTreeSet", "a Vec"),
    ("VecDeque", "a Vec"),
    ("LinkedList", "a Vec"),
    ("BinaryHeap", "a Vec"),
    ("Box", "the type inside: a message owns its data"),
    ("Rc", "the type inside: a message owns its data"),
    ("Arc", "the type inside: a message owns its data"),
    ("Cow", "the owned type: a view borrows already"),
    ("Cell", "the type inside"),
    ("RefCell", "the type inside"),
    ("Mutex", "the type inside"),
    ("RwLock", "the type inside"),
    ("Result", "an enum with a variant for each outcome"),
    ("PhantomData", "nothing: leave the field out"),
];

/// What `ty` is; `None` when it was refused.
pub(crate) fn classify(ty: &Type, errors: &mut Diagnostics) -> Option<Kind> {
    let refusal = match ty {
        Type::Paren(inner) => return classify(&inner.elem, errors),
        Type::Group(inner) => return classify(&inner.elem, errors),
        Type::Path(path) => return named(ty, path, errors),
        Type::Array(array) => return fixed_array(array, errors),
        Type::Tuple(tuple) => {
            let parts: Vec<_> = tuple.elems.iter().map(|part| (classify(part, errors), part)).collect();
            return parts
                .into_iter()
                .map(|(kind, part)| Some((kind?, part.clone())))
                .collect::<Option<_>>()
                .map(Kind::Tuple);
        }
        Type::Reference(reference) => borrowed(reference),
        Type::Ptr(_) => "a pointer means nothing to a peer; own the data",
        Type::Slice(_) => "a slice is unsized; use a Vec",
        Type::FnPtr(_) => "a function cannot be sent; send the data that it needs",
        Type::TraitObject(_) | Type::ImplTrait(_) => {
            "a trait has no layout; name a type, or an enum of the types it can be"
        }
        Type::Never(_) => "`!` has no value to send; leave it out",
        Type::Infer(_) => "the type must be named: its layout is decided here",
        _ => "this type has no layout that a macro can see; name it",
    };
    errors.error(ty, refusal);
    None
}

fn borrowed(reference: &TypeReference) -> &'static str {
    let name = match &*reference.elem {
        Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        Type::Slice(_) => return "a reference cannot be sent; own the data: use a Vec",
        _ => None,
    };
    match name.as_deref() {
        Some("str") => "a reference cannot be sent; own the data: use String",
        Some("CStr") => "a reference cannot be sent; own the data: use CString",
        _ => "a reference cannot be sent; own the data",
    }
}

fn named(ty: &Type, path: &TypePath, errors: &mut Diagnostics) -> Option<Kind> {
    let last = match path.path.segments.last() {
        Some(last) if path.qself.is_none() => last,
        _ => {
            errors.error(ty, "an associated type has no layout that a macro can see; name the type that it is");
            return None;
        }
    };
    let name = last.ident.to_string();
    let arguments = match &last.arguments {
        PathArguments::None => return plain(ty, last, errors),
        PathArguments::AngleBracketed(arguments) => arguments.args.iter().collect(),
        PathArguments::Parenthesized(_) => Vec::new(),
    };
    match (name.as_str(), arguments.as_slice()) {
        ("Option", [GenericArgument::Type(inner)]) => {
            Some(Kind::Option(Box::new(classify(inner, errors)?), inner.clone()))
        }
        ("Vec", [GenericArgument::Type(element)]) => Some(match classify(element, errors)? {
            Kind::Scalar(Scalar::U8) => Kind::Bytes { nul: false },
            kind => Kind::List(Box::new(kind), element.clone()),
        }),
        _ => {
            let instead = NO_LAYOUT.iter().find(|(known, _)| *known == name).map(|&(_, instead)| instead);
            let message = instead.map_or_else(
                || format!("`{name}` is generic, and a message has one layout; declare a message of its own for it"),
                |instead| format!("`{name}` has no layout on the wire; use {instead}"),
            );
            errors.error(ty, message);
            None
        }
    }
}

fn plain(ty: &Type, segment: &syn::PathSegment, errors: &mut Diagnostics) -> Option<Kind> {
    if let Some(scalar) = Scalar::from_ident(&segment.ident) {
        return Some(Kind::Scalar(scalar));
    }
    let name = segment.ident.to_string();
    if let Some((_, cure)) = NO_FIXED_WIDTH.iter().find(|(known, _)| *known == name) {
        errors.error(ty, cure);
        return None;
    }
    Some(match name.as_str() {
        "String" => Kind::Utf8,
        "CString" => Kind::CStr,
        _ => Kind::Named,
    })
}

fn fixed_array(array: &TypeArray, errors: &mut Diagnostics) -> Option<Kind> {
    let kind = classify(&array.elem, errors)?;
    let Kind::Scalar(element) = kind else {
        errors.error(&array.elem, "an array holds scalars; use a Vec, or a field for each");
        return None;
    };
    if literal_len(&array.len) == Some(0) {
        errors.error(array, "an array of no elements; leave the field out");
        return None;
    }
    Some(Kind::Array { element, len: array.len.clone() })
}

/// The length of an array, where it is a literal.
pub(super) fn literal_len(len: &Expr) -> Option<usize> {
    match len {
        Expr::Lit(ExprLit { lit: Lit::Int(lit), .. }) => lit.base10_parse().ok(),
        Expr::Paren(inner) => literal_len(&inner.expr),
        Expr::Group(inner) => literal_len(&inner.expr),
        _ => None,
    }
}
