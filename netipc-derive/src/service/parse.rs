//! From syntax to the model.
//!
//! Owns what cannot be modelled at all: generics, receivers, patterns, and types that can't travel.

mod lookup;
mod params;
mod returns;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{
    Attribute, GenericArgument, GenericParam, Generics, ItemTrait, PathArguments, PathSegment, ReceiverKind, Safety,
    Signature, TraitItem, TraitItemFn, Type,
};

use self::params::Parameters;
pub(super) use self::params::is_name;
use super::attr;
use super::model::{Lookup, Method, Param, Returns, Service};
use crate::diagnostics::Diagnostics;
use crate::message::model::Kind;
use crate::message::types::classify;

/// Reads the trait, as far as it can be read.
pub(super) fn parse(attribute: TokenStream, item: &ItemTrait, errors: &mut Diagnostics) -> Service {
    let attr::OfTrait { name, krate } = attr::of_trait(attribute, errors);
    let message = "a service is one set of messages, so generics cannot be here; name the types";
    let bounds = "a service has no generics to bound; leave this out, or write supertraits: `trait T: Send`";
    refuse_generics(&item.generics, message, bounds, errors);
    if let Some(word) = &item.unsafety {
        errors
            .error(word, "whoever implements a service promises nothing that the compiler cannot see; leave this out");
    }
    let item_generics = &item.generics.params;
    let mut methods = Vec::new();
    for member in &item.items {
        match member {
            TraitItem::Fn(item) => {
                let position = methods.len() + 1;
                methods.push(method(item, position, !item_generics.is_empty(), errors));
            }
            TraitItem::Const(_) | TraitItem::Type(_) => {
                errors.error(member, "a service has methods only; declare this in a trait of its own");
            }
            _ => errors.error(member, "a macro cannot see which methods this makes; write them out"),
        }
    }
    Service { vis: item.vis.clone(), ident: item.ident.clone(), krate, name, methods }
}

fn refuse_generics(generics: &Generics, message: &str, bounds: &str, errors: &mut Diagnostics) {
    if !generics.params.is_empty() {
        let lifetimes = generics.params.iter().all(|param| matches!(param, GenericParam::Lifetime(_)));
        let of_lifetimes =
            "a parameter lives as long as the call, and a result is the client's; leave the lifetimes out";
        errors.error(&generics.params, if lifetimes { of_lifetimes } else { message });
    } else if let Some(clause) = &generics.where_clause {
        errors.error(clause, bounds);
    }
}

fn those(attributes: &[Attribute], name: &str) -> Vec<Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident(name)).cloned().collect()
}

fn method(item: &TraitItemFn, position: usize, generic: bool, errors: &mut Diagnostics) -> Method {
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
    let of_types = !generic && sig.generics.params.is_empty();
    // Generics were refused where they are declared, and what is made of them says nothing more.
    let mut echoes = Diagnostics::new();
    let told = if of_types { &mut *errors } else { &mut echoes };
    let is_lookup = given.lookup.is_some();
    let (read, returns, lookup) = if is_lookup {
        let looked = lookup::read(sig, told);
        let call = looked.as_ref().is_some_and(|looked| looked.call);
        let lookup = given.lookup.flatten().zip(looked);
        let lookup = lookup.map(|(words, looked)| Lookup { words, key: looked.key, item: looked.item });
        (Parameters::none(call), Returns::Nothing, lookup)
    } else {
        let (read, returns) = types(sig, told);
        (read, returns, None)
    };
    let _ = echoes.finish();
    Method {
        ident: sig.ident.clone(),
        docs: those(&item.attrs, "doc"),
        deprecated: those(&item.attrs, "deprecated"),
        cfgs: those(&item.attrs, "cfg"),
        code,
        code_span: given.code.map_or_else(|| sig.ident.span(), |(_, span)| span),
        idempotent: given.idempotent,
        call: read.call,
        params: read.params,
        returns,
        snapshot: given.snapshot,
        lookup,
    }
}

fn types(sig: &Signature, errors: &mut Diagnostics) -> (Parameters, Returns) {
    let mut read = params::read(sig, errors);
    let returns = returns::read(sig, read.reply.take(), errors);
    (read, returns)
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
    let bounds = "a method has no generics to bound; leave this out";
    refuse_generics(&sig.generics, message, bounds, errors);
    if let Some(variadic) = &sig.variadic {
        errors.error(variadic, "a request has a fixed layout; use a Vec");
    }
    let by_reference = match sig.receiver() {
        Some(receiver) => {
            // A lifetime that was refused where it is declared is no second mistake here.
            let named = !sig.generics.params.is_empty();
            matches!(&receiver.kind, ReceiverKind::Reference(_, lifetime, None) if named || lifetime.is_none())
        }
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

/// Refuses what is another type with each handler.
fn without_self(ty: &Type, errors: &mut Diagnostics) -> Option<()> {
    if says_self(ty.to_token_stream()) {
        errors.error(ty, "`Self` is the handler, of which a client has none; name the type");
        return None;
    }
    Some(())
}

fn says_self(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == "Self",
        TokenTree::Group(group) => says_self(group.stream()),
        _ => false,
    })
}

/// `M` in `View<'_, M>` and the like.
fn message<'t>(ty: &'t Type, name: &str, errors: &mut Diagnostics) -> Option<&'t Type> {
    let [message] = arguments(ty, name)?[..] else {
        errors.error(ty, format!("write `{name}<'_, M>` with a derived message for `M`"));
        return None;
    };
    if matches!(classify(message, errors)?, Kind::Named) {
        return Some(message);
    }
    errors.error(message, format!("`{name}` is that of a derived message; declare one"));
    None
}

/// Whether it is called a view or a reply and is none.
pub(super) fn is_of_nothing(ty: &Type) -> bool {
    let mut errors = Diagnostics::new();
    let refused = ["View", "Reply", "Answers"]
        .iter()
        .any(|name| arguments(ty, name).is_some() && message(ty, name, &mut errors).is_none())
        || (arguments(ty, "Keys").is_some() && lookup::keys(ty, &mut errors).is_none());
    let _ = errors.finish();
    refused
}

/// Whether a parameter is between the server and its handler: the call, or the reply.
pub(super) fn is_of_server(ty: &Type) -> bool {
    params::is_call(ty) || ["Reply", "Answers"].iter().any(|name| arguments(ty, name).is_some())
}

/// A parameter by itself, if it is one, for what stands in where there are mistakes.
pub(super) fn param_alone(ty: &Type) -> Option<Param> {
    let mut errors = Diagnostics::new();
    let read = params::alone(ty, &mut errors);
    errors.finish().is_ok().then_some(read).flatten()
}
