//! What a method returns, and with it what its reply holds.

use syn::{ReturnType, Signature, Type};

use super::{arguments, last, without_self};
use crate::diagnostics::Diagnostics;
use crate::message::types::classify;
use crate::service::model::{Part, Returns};

/// The results; `reply` is the message of a `Reply<'_, M>` among the parameters.
pub(super) fn read(sig: &Signature, reply: Option<Option<Type>>, errors: &mut Diagnostics) -> Returns {
    let ty = match &sig.output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => Some(&**ty),
    };
    let in_place = ty.and_then(last).is_some_and(|segment| segment.ident == "HandlerResult");
    match (reply, in_place) {
        (Some(message), true) => return message.map_or(Returns::Nothing, Returns::InPlace),
        (Some(message), false) => {
            let cure = "a method whose reply is built in place returns `netipc::HandlerResult`";
            match ty {
                Some(ty) => errors.error(ty, cure),
                None => errors.error_at(sig.ident.span(), cure),
            }
            return message.map_or(Returns::Nothing, Returns::InPlace);
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

/// `()`
pub(super) fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}

fn part(ty: &Type, errors: &mut Diagnostics) -> Option<Part> {
    without_self(ty, errors)?;
    if arguments(ty, "View").is_some() || arguments(ty, "Reply").is_some() {
        errors.error(
            ty,
            "a view borrows, and a reply outlives its handler; return the message, or fill a `Reply<'_, M>`",
        );
        return None;
    }
    Some(Part { ty: ty.clone(), kind: classify(ty, errors)? })
}
