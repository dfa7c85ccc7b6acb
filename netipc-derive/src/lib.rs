//! The derive macros of netipc; use them through netipc, which documents them.

mod attr;
mod diagnostics;
mod message;
mod service;

use proc_macro::TokenStream;

/// Makes a struct or an enum a message: its codec, its view and its builder.
#[proc_macro_derive(WireMessage, attributes(wire))]
pub fn wire_message(input: TokenStream) -> TokenStream {
    message::derive(syn::parse_macro_input!(input as syn::DeriveInput)).into()
}

/// Makes a trait a service: a client, a server, and the messages between them.
#[proc_macro_attribute]
pub fn service(attribute: TokenStream, item: TokenStream) -> TokenStream {
    service::expand(attribute.into(), syn::parse_macro_input!(item as syn::ItemTrait)).into()
}
