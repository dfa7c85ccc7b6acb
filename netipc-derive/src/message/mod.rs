//! `#[derive(WireMessage)]`: syn to model to checks, stage by stage.
//!
//! Owns the order of the stages. Each reports all it finds, and what is wrong in one does not stop the next unless
//! there is nothing left to look at.

mod check;
mod condition;
#[expect(dead_code, reason = "emission reads the rest of the model")]
pub(crate) mod model;
mod parse;
mod tidy;
mod types;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::diagnostics::Diagnostics;

/// What the derive puts beside the item, or every mistake in it.
pub(crate) fn derive(input: DeriveInput) -> TokenStream {
    let mut errors = Diagnostics::new();
    let parsed = parse::parse(input, &mut errors);
    if let Some(parsed) = &parsed {
        check::check(&parsed.message, parsed.layout_known, &mut errors);
    }
    errors.finish().err().unwrap_or_default()
}
