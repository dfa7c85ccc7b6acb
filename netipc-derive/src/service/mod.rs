//! `#[netipc::service]`: syn to model to checks to tokens, stage by stage.
//!
//! Owns the order of the stages, as the messages do: each reports all it finds.

mod attr;
mod check;
mod emit;
mod model;
mod parse;
mod payload;
mod stub;
#[cfg(test)]
mod tests;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ItemTrait, TraitItem};

use crate::diagnostics::Diagnostics;

/// The trait, and what stands beside it; or every mistake in it, and stand-ins.
pub(crate) fn expand(attribute: TokenStream, input: ItemTrait) -> TokenStream {
    let mut errors = Diagnostics::new();
    let service = parse::parse(attribute, &input, &mut errors);
    check::check(&service, &mut errors);
    let item = without_ours(input);
    match errors.finish() {
        Ok(()) => {
            let beside = emit::emit(&service);
            quote!(#item #beside)
        }
        Err(errors) => {
            let stub = stub::stub(&service, &item);
            let item = stub::forgiven(item);
            quote!(#errors #item #stub)
        }
    }
}

/// The trait as written, but for the attributes that nobody else understands.
fn without_ours(mut item: ItemTrait) -> ItemTrait {
    for member in &mut item.items {
        if let TraitItem::Fn(method) = member {
            method.attrs.retain(|attribute| !attr::is_method(attribute));
        }
    }
    item
}
