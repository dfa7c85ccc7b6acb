//! From syntax to the model.
//!
//! Owns what cannot be modelled at all: generics, receivers, patterns, and types that can't travel.

use proc_macro2::TokenStream;
use syn::spanned::Spanned;
use syn::{
    Attribute, FnArg, GenericArgument, Generics, ItemTrait, Pat, PatType, PathArguments, PathSegment, ReceiverKind,
    ReturnType, Safety, Signature, TraitItem, TraitItemFn, Type, TypeReference, parse_quote,
};

use super::attr;
use super::model::{Form, Method, Param, Part, Returns, Service};
use crate::diagnostics::Diagnostics;
use crate::message::model::Kind;
use crate::message::types::classify;

/// Reads the trait, as far as it can be read.
pub(super) fn parse(attribute: TokenStream, item: &ItemTrait, errors: &mut Diagnostics) -> Service {
    let attr::OfTrait { name, krate } = attr::of_trait(attribute, errors);
    refuse_generics(
        &item.generics,
        "a service is one set of messages, so generics cannot be here; name the types",
        errors,
    );
    if let Some(word) = &item.unsafety {
        errors
            .error(word, "whoever implements a service promises nothing that the compiler cannot see; leave this out");
    }
    let mut methods = Vec::new();
    for member in &item.items {
        match member {
            TraitItem::Fn(item) => {
                let position = methods.len() + 1;
                methods.push(method(item, position, errors));
            }
            TraitItem::Const(_) | TraitItem::Type(_) => {
                errors.error(member, "a service has methods only; declare this in a trait of its own");
            }
            _ => errors.error(member, "a macro cannot see which methods this makes; write them out"),
        }
    }
    Service { vis: item.vis.clone(), ident: item.ident.clone(), krate, name, methods }
}

fn refuse_generics(generics: &Generics, message: &str, errors: &mut Diagnostics) {
    if !generics.params.is_empty() {
        errors.error(&generics.params, message);
    } else if let Some(clause) = &generics.where_clause {
        errors.error(clause, message);
    }
}

fn those(attributes: &[Attribute], name: &str) -> Vec<Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident(name)).cloned().collect()
}

fn method(item: &TraitItemFn, position: usize, errors: &mut Diagnostics) -> Method {
    let sig = &item.sig;
    let given = attr::of_method(&item.attrs, errors);
    let code = match given.code {
        Some((code, _)) => Some(code),
        None if given.coded => None,
        None => u16::try_from(position).ok(),
    };
    if code.is_none() && !given.coded {
        errors.error(&sig.ident, "there are 65535 codes, and no more methods");
    }
    signature(sig, errors);
    let mut read = Parameters { call: false, params: Vec::new(), reply: None };
    read.all(sig, errors);
    let returns = returns(sig, read.reply, errors);
    Method {
        ident: sig.ident.clone(),
        docs: those(&item.attrs, "doc"),
        cfgs: those(&item.attrs, "cfg"),
        code,
        code_span: given.code.map_or_else(|| sig.ident.span(), |(_, span)| span),
        idempotent: given.idempotent,
        call: read.call,
        params: read.params,
        returns,
    }
}

/// What cannot stand around the parameters.
fn signature(sig: &Signature, errors: &mut Diagnostics) {
    if let Some(word) = &sig.asyncness {
        errors.error(word, "a handler runs on a thread of the server's; leave `async` out, and block");
    }
    if let Some(word) = &sig.constness {
        errors.error(word, "a call is made at run time; leave `const` out");
    }
    if let Safety::Unsafe(word) = &sig.safety {
        errors.error(word, "a peer can promise nothing, and would have to; leave this out");
    }
    if let Some(abi) = &sig.abi {
        errors.error(abi, "a handler is called by Rust; leave the ABI out");
    }
    let message = "a method has one request and one reply, so generics cannot be here; name the types";
    refuse_generics(&sig.generics, message, errors);
    if let Some(variadic) = &sig.variadic {
        errors.error(variadic, "a request has a fixed layout; use a Vec");
    }
    let by_reference = match sig.receiver() {
        Some(receiver) => matches!(receiver.kind, ReceiverKind::Reference(_, None, None)),
        None => false,
    };
    if !by_reference {
        let message =
            "a handler serves many sessions at once, so a method takes `&self`; keep what changes behind a lock";
        match sig.receiver() {
            Some(receiver) => errors.error(receiver, message),
            None => errors.error(&sig.ident, message),
        }
    }
}

struct Parameters {
    call: bool,
    params: Vec<Param>,
    reply: Option<Type>,
}

/// The last segment of a path that is a type.
fn last(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last(),
        Type::Paren(inner) => last(&inner.elem),
        Type::Group(inner) => last(&inner.elem),
        _ => None,
    }
}

/// The types in angle brackets behind `name`, where `ty` is called that.
fn arguments<'t>(ty: &'t Type, name: &str) -> Option<Vec<&'t Type>> {
    let segment = last(ty).filter(|segment| segment.ident == name)?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    Some(types.collect())
}

/// `M` in `View<'_, M>` and the like.
fn message<'t>(ty: &'t Type, name: &str, errors: &mut Diagnostics) -> Option<&'t Type> {
    let [message] = arguments(ty, name)?[..] else { return None };
    if matches!(classify(message, errors)?, Kind::Named) {
        return Some(message);
    }
    errors.error(message, format!("a `{name}` is that of a derived message; declare one"));
    None
}

impl Parameters {
    fn all(&mut self, sig: &Signature, errors: &mut Diagnostics) {
        let typed = sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed),
            FnArg::Receiver(_) => None,
        });
        for (index, typed) in typed.enumerate() {
            self.one(index, typed, errors);
        }
    }

    fn one(&mut self, index: usize, typed: &PatType, errors: &mut Diagnostics) {
        let ty = &*typed.ty;
        if is_call(ty) {
            if index == 0 {
                self.call = true;
            } else {
                errors.error(typed, "`&Call<'_>` is the first parameter; put it behind `&self`");
            }
            return;
        }
        if self.reply.is_some() {
            let message = if arguments(ty, "Reply").is_some() {
                "there is a `Reply` already, and a method has one reply; leave this out"
            } else {
                "`Reply` is the last parameter; put this in front of it"
            };
            return errors.error(typed, message);
        }
        if arguments(ty, "Reply").is_some() {
            self.reply = Some(message(ty, "Reply", errors).cloned().unwrap_or_else(|| ty.clone()));
            return;
        }
        let ident = match &*typed.pat {
            Pat::Ident(pat) if pat.by_ref.is_none() && pat.mutability.is_none() && pat.subpat.is_none() => &pat.ident,
            pat => {
                return errors.error(
                    pat,
                    "a parameter is a field of the request, and needs a name; take it apart in the handler",
                );
            }
        };
        if let Some((ty, kind, form)) = param(ty, errors) {
            self.params.push(Param { ident: ident.clone(), ty, kind, form });
        }
    }
}

fn is_call(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) if reference.mutability.is_none() => {
            last(&reference.elem).is_some_and(|segment| segment.ident == "Call")
        }
        _ => false,
    }
}

fn param(ty: &Type, errors: &mut Diagnostics) -> Option<(Type, Kind, Form)> {
    if let Type::Reference(reference) = ty {
        return borrowed(reference, errors).map(|(ty, kind)| (ty, kind, Form::Borrowed));
    }
    if arguments(ty, "View").is_some() {
        return message(ty, "View", errors).map(|ty| (ty.clone(), Kind::Named, Form::Borrowed));
    }
    let kind = classify(ty, errors)?;
    Some((ty.clone(), kind, Form::Owned))
}

fn borrowed(reference: &TypeReference, errors: &mut Diagnostics) -> Option<(Type, Kind)> {
    if let Some(word) = &reference.mutability {
        errors.error(word, "a request cannot be changed by its handler; leave `mut` out, and return what is new");
        return None;
    }
    if let Some(lifetime) = &reference.lifetime {
        errors.error(lifetime, "a parameter lives as long as the call; leave the lifetime out");
        return None;
    }
    let name = last(&reference.elem).map(|segment| segment.ident.to_string());
    match (name.as_deref(), &*reference.elem) {
        (Some("str"), _) => Some((parse_quote!(::std::string::String), Kind::Utf8)),
        (Some("CStr"), _) => Some((parse_quote!(::std::ffi::CString), Kind::CStr)),
        (_, Type::Slice(slice)) if last(&slice.elem).is_some_and(|segment| segment.ident == "u8") => {
            Some((parse_quote!(::std::vec::Vec<::core::primitive::u8>), Kind::Bytes { nul: false }))
        }
        (_, Type::Slice(_)) => {
            errors.error(reference, "of slices only `&[u8]` is a parameter; use a Vec");
            None
        }
        _ => {
            let message = "only `&str`, `&[u8]` and `&CStr` are borrowed like this; use `View<'_, M>` for a message, or the value";
            errors.error(reference, message);
            None
        }
    }
}

fn returns(sig: &Signature, reply: Option<Type>, errors: &mut Diagnostics) -> Returns {
    let ty = match &sig.output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => Some(&**ty),
    };
    let in_place = ty.and_then(last).is_some_and(|segment| segment.ident == "HandlerResult");
    match (reply, in_place) {
        (Some(message), true) => return Returns::InPlace(message),
        (Some(message), false) => {
            let cure = "a method whose reply is built in place returns `netipc::HandlerResult`";
            match ty {
                Some(ty) => errors.error(ty, cure),
                None => errors.error_at(sig.ident.span(), cure),
            }
            return Returns::InPlace(message);
        }
        (None, true) => {
            let message = "`HandlerResult` says nothing to a client; add `reply: Reply<'_, M>` as the last parameter, or return `Result<T, E>`";
            errors.error(ty, message);
            return Returns::Nothing;
        }
        (None, false) => {}
    }
    let Some(ty) = ty.filter(|ty| !is_unit(ty)) else { return Returns::Nothing };
    if last(ty).is_none_or(|segment| segment.ident != "Result") {
        return part(ty, errors).map_or(Returns::Nothing, Returns::Value);
    }
    match arguments(ty, "Result").as_deref() {
        Some([_, error]) if is_unit(error) => {
            errors.error(error, "`()` says nothing to a client; use a derived enum that names the errors");
            Returns::Nothing
        }
        Some([value, error]) => {
            let value = if is_unit(value) { Some(None) } else { part(value, errors).map(Some) };
            let error = part(error, errors);
            value.zip(error).map_or(Returns::Nothing, |(value, error)| Returns::Outcome(value, Box::new(error)))
        }
        _ => {
            errors.error(ty, "a macro cannot see the error behind this name; write `Result<T, E>` with both types");
            Returns::Nothing
        }
    }
}

fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}

fn part(ty: &Type, errors: &mut Diagnostics) -> Option<Part> {
    if arguments(ty, "View").is_some() || arguments(ty, "Reply").is_some() {
        errors.error_at(
            ty.span(),
            "a view borrows, and a reply outlives its handler; return the message, or fill a `Reply<'_, M>`",
        );
        return None;
    }
    Some(Part { ty: ty.clone(), kind: classify(ty, errors)? })
}
