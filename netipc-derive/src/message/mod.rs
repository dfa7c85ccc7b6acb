//! `#[derive(WireMessage)]`: syn to model to checks, stage by stage.
//!
//! Owns the order of the stages. Each reports all it finds, and what is wrong in one does not stop the next unless
//! there is nothing left to look at.

pub(crate) mod check;
mod condition;
mod docs;
pub(crate) mod emit;
pub(crate) mod model;
mod parse;
mod tidy;
pub(crate) mod types;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, parse_quote};

use crate::diagnostics::Diagnostics;

/// What the derive puts beside the item; every mistake in it, and stand-ins for what they hold up.
pub(crate) fn derive(input: DeriveInput) -> TokenStream {
    let mut errors = Diagnostics::new();
    let parsed = parse::parse(input.clone(), &mut errors);
    if let Some(parsed) = &parsed {
        check::check(&parsed.message, parsed.layout_known, &mut errors);
    }
    match (errors.finish(), parsed) {
        (Ok(()), Some(parsed)) => emit::emit(&parsed.message),
        (Ok(()), None) => TokenStream::new(),
        (Err(errors), parsed) => {
            let krate = parsed.map_or_else(|| parse_quote!(::netipc), |parsed| parsed.message.krate);
            let stub = emit::stub(&input, &krate);
            quote!(#errors #stub)
        }
    }
}
