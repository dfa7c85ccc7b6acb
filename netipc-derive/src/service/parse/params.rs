//! Parameters: what a request holds, and in which form a handler is given it.

use syn::spanned::Spanned;
use syn::{FnArg, Ident, Pat, PatIdent, PatType, Signature, Type, TypeReference, parse_quote};

use super::returns::is_unit;
use super::{arguments, last, lookup, message, without_self};
use crate::diagnostics::Diagnostics;
use crate::message::model::Kind;
use crate::message::types::classify;
use crate::service::model::{Form, Param};

/// The parameters of a method, by what they are for.
pub(super) struct Parameters {
    pub(super) call: bool,
    pub(super) params: Vec<Param>,
    /// `M`, where there is a `Reply<'_, M>`; `None` inside where it was refused.
    pub(super) reply: Option<Option<Type>>,
    /// Whether some are those of a lookup, which was refused.
    is_lookup: bool,
}

impl Parameters {
    /// None.
    pub(super) const fn none(call: bool) -> Self {
        Self { call, params: Vec::new(), reply: None, is_lookup: false }
    }
}

/// Reads all of them but `self`.
pub(super) fn read(sig: &Signature, errors: &mut Diagnostics) -> Parameters {
    let mut read = Parameters::none(false);
    let typed = sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    for (index, typed) in typed.enumerate() {
        read.one(index, typed, errors);
    }
    read
}

/// The parameter of such a type, whatever its name.
pub(super) fn alone(ty: &Type, errors: &mut Diagnostics) -> Option<Param> {
    let (ty, kind, form) = param(ty, errors)?;
    Some(Param { ident: Ident::new("__param", ty.span()), ty, kind, form })
}

impl Parameters {
    fn one(&mut self, index: usize, typed: &PatType, errors: &mut Diagnostics) {
        let ty = &*typed.ty;
        if is_call(ty) {
            match (index, self.call) {
                (0, _) => self.call = true,
                (_, true) => errors.error(typed, "there is a `&Call<'_>` already; leave this out"),
                (_, false) => errors.error(typed, "`&Call<'_>` is the first parameter; put it behind `&self`"),
            }
            return;
        }
        if lookup::is_part(ty) {
            // One mistake, however many parameters it has.
            if !self.is_lookup {
                errors.error(ty, "this is a part of a lookup; declare that with `#[method(lookup(..))]`");
            }
            self.is_lookup = true;
            if arguments(ty, "Answers").is_some() {
                self.reply = Some(None);
            }
            return;
        }
        let is_reply = arguments(ty, "Reply").is_some();
        if self.reply.is_some() {
            let message = if is_reply {
                "there is a `Reply` already, and a method has one reply; leave this out"
            } else {
                "`Reply` is the last parameter; put this in front of it"
            };
            return errors.error(typed, message);
        }
        if is_reply {
            self.reply = Some(message(ty, "Reply", errors).cloned());
            return;
        }
        let ident = match &*typed.pat {
            Pat::Ident(pat) if is_name(pat) => &pat.ident,
            pat => {
                let message = "a parameter is a field of the request; give it a name, and take it apart in the handler";
                return errors.error(pat, message);
            }
        };
        if let Some((ty, kind, form)) = param(ty, errors) {
            self.params.push(Param { ident: ident.clone(), ty, kind, form });
        }
    }
}

/// Whether it is a name and nothing else.
pub(in crate::service) fn is_name(pat: &PatIdent) -> bool {
    pat.by_ref.is_none() && pat.mutability.is_none() && pat.subpat.is_none()
}

/// `Call`, with or without what stands behind it.
fn names_call(ty: &Type) -> bool {
    last(ty).is_some_and(|segment| segment.ident == "Call")
}

pub(super) fn is_call(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => reference.mutability.is_none() && names_call(&reference.elem),
        _ => false,
    }
}

fn param(ty: &Type, errors: &mut Diagnostics) -> Option<(Type, Kind, Form)> {
    without_self(ty, errors)?;
    if let Type::Reference(reference) = ty {
        return borrowed(reference, errors).map(|(ty, kind)| (ty, kind, Form::Borrowed));
    }
    if names_call(ty) && arguments(ty, "Call").is_some() {
        errors.error(ty, "a call is lent to its handler; write `&netipc::Call<'_>`");
        return None;
    }
    if arguments(ty, "View").is_some() {
        return message(ty, "View", errors).map(|ty| (ty.clone(), Kind::Named, Form::Borrowed));
    }
    if is_unit(ty) {
        errors.error(ty, "`()` has no value to send; leave the parameter out");
        return None;
    }
    let kind = classify(ty, errors)?;
    Some((ty.clone(), kind, Form::Owned))
}

fn borrowed(reference: &TypeReference, errors: &mut Diagnostics) -> Option<(Type, Kind)> {
    let name = last(&reference.elem).map(|segment| segment.ident.to_string());
    let lent = match name.as_deref() {
        Some("Call") => Some("a handler only looks at its call; write `&netipc::Call<'_>`"),
        Some("Reply") => Some("a reply is its handler's own, to complete or to drop; write `reply: Reply<'_, M>`"),
        Some("View") => Some("a view is borrowed already, and is `Copy`; write `View<'_, M>`"),
        _ => None,
    };
    if let Some(message) = lent {
        errors.error(reference, message);
        return None;
    }
    if let Some(word) = &reference.mutability {
        errors.error(word, "a request cannot be changed by its handler; leave `mut` out, and return what is new");
        return None;
    }
    if let Some(lifetime) = &reference.lifetime {
        errors.error(lifetime, "a parameter lives as long as the call; leave the lifetime out");
        return None;
    }
    let refusal = match (name.as_deref(), &*reference.elem) {
        (Some("str"), _) => return Some((parse_quote!(::std::string::String), Kind::Utf8)),
        (Some("CStr"), _) => return Some((parse_quote!(::std::ffi::CString), Kind::CStr)),
        (_, Type::Slice(slice)) if last(&slice.elem).is_some_and(|segment| segment.ident == "u8") => {
            return Some((parse_quote!(::std::vec::Vec<::core::primitive::u8>), Kind::Bytes { nul: false }));
        }
        (_, Type::Slice(_)) => "of slices only `&[u8]` is a parameter; use a Vec",
        (Some("String"), _) => "a request holds text and no `String` to borrow; use `&str`",
        (Some("CString"), _) => "a request holds text and no `CString` to borrow; use `&CStr`",
        (Some("Vec"), _) => "a request holds no `Vec` to borrow; use `&[u8]` for bytes, or the Vec",
        (_, Type::TraitObject(_) | Type::ImplTrait(_)) => {
            classify(&reference.elem, errors)?;
            return None;
        }
        _ => "only `&str`, `&[u8]` and `&CStr` are borrowed like this; use `View<'_, M>` for a message, or the value",
    };
    errors.error(reference, refusal);
    None
}
