//! The parameters of a lookup: the keys, and what answers them.

use syn::{FnArg, ReturnType, Signature, Type};

use super::params::is_call;
use super::{arguments, last, message, without_self};
use crate::diagnostics::Diagnostics;
use crate::service::model::KeyType;

/// What stands in the signature.
pub(super) struct Looked {
    pub(super) call: bool,
    pub(super) key: KeyType,
    pub(super) item: Type,
}

const USAGE: &str = "a lookup is `fn name(&self, keys: Keys<'_, K>, reply: Answers<'_, M>) -> netipc::HandlerResult`";

/// Whether it is a part of lookups.
pub(super) fn is_part(ty: &Type) -> bool {
    ["Keys", "Answers"].iter().any(|name| arguments(ty, name).is_some())
}

/// Reads the signature, if it is that of a lookup.
pub(super) fn read(sig: &Signature, errors: &mut Diagnostics) -> Option<Looked> {
    let types: Vec<&Type> = sig
        .inputs
        .iter()
        .filter_map(|input| match input {
            FnArg::Typed(typed) => Some(&*typed.ty),
            FnArg::Receiver(_) => None,
        })
        .collect();
    let (call, types) = match types.as_slice() {
        [first, rest @ ..] if is_call(first) => (true, rest),
        all => (false, all),
    };
    let [keys, answers] = types else {
        errors.error_at(sig.ident.span(), USAGE);
        return None;
    };
    let is_result = match &sig.output {
        ReturnType::Type(_, ty) => last(ty).is_some_and(|segment| segment.ident == "HandlerResult"),
        ReturnType::Default => false,
    };
    if !is_result {
        match &sig.output {
            ReturnType::Type(_, ty) => errors.error(ty, "a lookup returns `netipc::HandlerResult`"),
            ReturnType::Default => errors.error_at(sig.ident.span(), "a lookup returns `netipc::HandlerResult`"),
        }
    }
    let key = self::keys(keys, errors);
    let item = if arguments(answers, "Answers").is_some() {
        message(answers, "Answers", errors).cloned()
    } else {
        errors.error(answers, "what answers a lookup is `Answers<'_, M>` with a derived message");
        None
    };
    is_result.then_some(())?;
    Some(Looked { call, key: key?, item: item? })
}

/// What `Keys<'_, K>` are keys of.
pub(super) fn keys(ty: &Type, errors: &mut Diagnostics) -> Option<KeyType> {
    match arguments(ty, "Keys").as_deref() {
        Some([ty]) => key(ty, errors),
        _ => {
            errors.error(ty, "the keys of a lookup are `Keys<'_, CStr>`, or `Keys<'_, M>` with a derived message");
            None
        }
    }
}

fn key(ty: &Type, errors: &mut Diagnostics) -> Option<KeyType> {
    without_self(ty, errors)?;
    if last(ty).is_some_and(|segment| segment.ident == "CStr") {
        return Some(KeyType::Text);
    }
    let mut others = Diagnostics::new();
    let kind = crate::message::types::classify(ty, &mut others);
    let _ = others.finish();
    if matches!(kind, Some(crate::message::model::Kind::Named)) {
        return Some(KeyType::Message(Box::new(ty.clone())));
    }
    errors.error(ty, "a key is `CStr`, or a derived message; declare one");
    None
}
