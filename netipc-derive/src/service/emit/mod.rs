//! Model to tokens: what stands beside the trait.
//!
//! Owns the shape of the whole, and the names that its parts share. Locals begin with `__`, so that parameters may be
//! called anything else.

mod call;
mod client;
mod lookup;
mod many;
mod pipeline;
mod serve;
mod server;
mod snapshot;

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::Ident;
use syn::ext::IdentExt;

use super::model::{Method, Service};
use super::payload;
use crate::message::emit::Names;
pub(in crate::service) use client::client;
use server::server;

/// Everything beside a trait that passed the checks.
pub(super) fn emit(service: &Service) -> TokenStream {
    let krate = &service.krate;
    let messages = service.methods.iter().map(|method| payload::emit(service, method));
    let consts = service.methods.iter().enumerate().map(|(index, method)| {
        let (ident, cfgs, name) = (constant(index), &method.cfgs, method.ident.unraw().to_string());
        let code = Literal::u16_suffixed(method.code.unwrap_or_default());
        let once = (!method.idempotent).then(|| quote!(.at_most_once()));
        quote! {
            #(#cfgs)*
            const #ident: #krate::service::MethodInfo = #krate::service::MethodInfo::new(#name, #code) #once;
        }
    });
    let listed = service.methods.iter().enumerate().map(|(index, method)| {
        let (ident, cfgs) = (constant(index), &method.cfgs);
        quote!(#(#cfgs)* #ident)
    });
    let types = service.methods.iter().map(|method| {
        let calls = Calls { service, method };
        let (cache, lookup) = (calls.cache(), calls.lookup_types());
        quote!(#cache #lookup)
    });
    let known = service.methods.iter().enumerate().map(|(index, method)| {
        let calls = Calls { service, method };
        let (source, lookup) = (calls.source(index), calls.lookup_impl(index));
        quote!(#source #lookup)
    });
    let name = &service.name;
    let methods = service.methods.iter().enumerate().map(|(index, method)| {
        let calls = Calls { service, method };
        if let Some(lookup) = &method.lookup {
            return calls.looks_up(lookup);
        }
        let (one, many) = (calls.emit(index), calls.batch());
        quote!(#one #many)
    });
    let single = || service.methods.iter().enumerate().filter(|(_, method)| method.lookup.is_none());
    let markers = single().map(|(_, method)| Calls { service, method }.marker());
    let typed = single().map(|(index, method)| Calls { service, method }.typed(index));
    let (pipeline, pipelined, begin) = pipeline::pipeline(service);
    let docs = format!("Calls the methods of [`{0}`](trait@{0}) in another process.", service.ident.unraw());
    let client_ident = service.named("Client");
    let constants = quote! {
        #(#consts)*
        const __SERVICE: #krate::service::Service = #krate::service::Service::new(#name, &[#(#listed),*]);
        #(#typed)*
        #pipelined
        #(#known)*
    };
    let methods = quote!(#begin #(#methods)*);
    let client = client(service, &docs.to_token_stream(), &methods, &quote!(&__SERVICE), &constants);
    let server = server(service, &quote!(<#client_ident as #krate::client::Stub>::SERVICE));
    let (vis, ident) = (&service.vis, service.named("Server"));
    let docs = format!("Serves a [`{0}`](trait@{0}) to other processes.", service.ident.unraw());
    quote! {
        #(#messages)*
        #(#markers)*
        #pipeline
        #(#types)*

        #[doc = #docs]
        #[derive(::core::fmt::Debug)]
        #[allow(dead_code, clippy::exhaustive_structs)]
        #vis struct #ident;

        #client

        const _: () = {
            #server
        };
    }
}

fn constant(index: usize) -> Ident {
    format_ident!("__METHOD_{index}")
}

/// The code of one method, at both ends.
pub(in crate::service) struct Calls<'m> {
    pub(in crate::service) service: &'m Service,
    pub(in crate::service) method: &'m Method,
}

impl Calls<'_> {
    fn names(&self) -> Names {
        Names::of(&self.service.krate, &self.service.vis, &self.service.ident)
    }

    fn private(&self) -> TokenStream {
        let krate = &self.service.krate;
        quote!(#krate::private)
    }

    fn request(&self) -> Ident {
        self.service.message(self.method, "Request")
    }

    fn reply(&self) -> Ident {
        self.service.message(self.method, "Reply")
    }
}
