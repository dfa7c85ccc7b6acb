//! Model to tokens: what stands beside a message.
//!
//! Owns the shape of generated code and decides nothing: rules are types that the library proves by. What it emits names
//! everything by absolute path, holds no unsafe code, and stands in a `const _` block wherever it has no public name.

mod code;
pub(crate) mod field;
mod inherent;
mod layout;
mod message;
mod rules;
mod stub;
mod union;

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Ident, Path, Visibility};

use super::model::{Body, Message};

pub(crate) use stub::stub;

/// The names that all of an item's code shares.
pub(crate) struct Names {
    krate: Path,
    /// The module of the library that generated code may name.
    private: TokenStream,
    vis: Visibility,
    message: Ident,
    view: Ident,
    builder: Ident,
    /// The message's name as people know it.
    text: String,
}

impl Names {
    fn new(message: &Message) -> Self {
        Self::of(&message.krate, &message.vis, &message.ident)
    }

    /// Those of the item `ident`.
    pub(crate) fn of(krate: &Path, vis: &Visibility, ident: &Ident) -> Self {
        let text = ident.unraw().to_string();
        Self {
            krate: krate.clone(),
            private: quote!(#krate::private),
            vis: vis.clone(),
            message: ident.clone(),
            view: format_ident!("{text}View", span = ident.span()),
            builder: format_ident!("{text}Builder", span = ident.span()),
            text,
        }
    }
}

/// Everything that stands beside a message which passed the checks.
pub(crate) fn emit(message: &Message) -> TokenStream {
    let names = Names::new(message);
    match &message.body {
        Body::Struct(body) => message::emit(&names, body, &message.docs),
        Body::Code(body) => code::emit(&names, body),
        Body::Union(body) => union::emit(&names, body, &message.docs),
    }
}
