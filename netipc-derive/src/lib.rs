//! The derive macros of netipc; use them through netipc, which documents them.

mod attr;
mod diagnostics;
mod message;

use proc_macro::TokenStream;

/// Makes a struct or an enum a message: its codec, its view and its builder.
#[proc_macro_derive(WireMessage, attributes(wire))]
pub fn wire_message(input: TokenStream) -> TokenStream {
    message::derive(syn::parse_macro_input!(input as syn::DeriveInput)).into()
}
