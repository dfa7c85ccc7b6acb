//! What stands in for the client and the server of a trait with mistakes, so that their uses don't complain too.
//!
//! Owns how far that goes: every method can be called, with whatever stands for what was refused. A result that was
//! refused is `()`, since nobody knows what would be done with it.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{FnArg, Ident, ItemTrait, Pat, Signature, TraitItem, parse_quote};

use super::emit::{self, Calls};
use super::model::{Method, Service};
use super::{check, parse};

/// A client whose methods do nothing, and a server that takes anything.
pub(super) fn stub(service: &Service, item: &ItemTrait) -> TokenStream {
    let (krate, vis) = (&service.krate, &item.vis);
    let (client_ident, server) = (service.named("Client"), service.named("Server"));
    let sigs = item.items.iter().filter_map(|member| match member {
        TraitItem::Fn(method) => Some(&method.sig),
        _ => None,
    });
    let of_types = item.generics.params.is_empty();
    let mut seen: Vec<&Ident> = Vec::new();
    let mut methods = TokenStream::new();
    for (sig, method) in sigs.zip(&service.methods) {
        if !check::is_of_clients(&sig.ident.unraw().to_string()) && !seen.contains(&&sig.ident) {
            seen.push(&sig.ident);
            methods.extend(function(service, method, sig, of_types && sig.generics.params.is_empty()));
        }
    }
    let client =
        emit::client(service, &quote!(""), &methods, &quote!(&#krate::service::Service::new("", &[])), &quote!());
    quote! {
        #client

        #[doc(hidden)]
        #[allow(dead_code)]
        #[derive(::core::fmt::Debug)]
        #vis struct #server;

        #[allow(dead_code, clippy::new_ret_no_self)]
        impl #server {
            #[doc(hidden)]
            #vis fn new<H>(_: H) -> #krate::server::Server<#client_ident> {
                loop {}
            }
        }
    }
}

/// A method of the client; without `types` those of the trait may be anybody's.
fn function(service: &Service, method: &Method, sig: &Signature, types: bool) -> TokenStream {
    let (krate, vis, ident, cfgs) = (&service.krate, &service.vis, &method.ident, &method.cfgs);
    let calls = Calls { service, method };
    let params = sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) if !parse::is_of_server(&typed.ty) => Some(&typed.ty),
        _ => None,
    });
    let params = params.map(|ty| match parse::param_alone(ty).filter(|_| types) {
        Some(param) => calls.taken(&param),
        None => quote!(impl ::core::marker::Sized),
    });
    let (result, borrows) = match calls.result() {
        known if types => known,
        _ => (quote!(::core::result::Result<(), #krate::CallError>), false),
    };
    let (generics, lifetime) = if borrows { (quote!(<'a>), quote!('a)) } else { (quote!(), quote!()) };
    quote! {
        #(#cfgs)*
        #[doc(hidden)]
        #vis fn #ident #generics (&#lifetime mut self #(, _: #params)*) -> #result {
            loop {}
        }
    }
}

/// The trait without what the compiler would refuse as well, where it was refused already.
pub(super) fn forgiven(mut item: ItemTrait) -> ItemTrait {
    let mut seen: Vec<Ident> = Vec::new();
    item.items.retain_mut(|member| {
        let TraitItem::Fn(method) = member else { return true };
        method.sig.constness = None;
        method.sig.variadic = None;
        for (index, input) in method.sig.inputs.iter_mut().enumerate() {
            let FnArg::Typed(typed) = input else { continue };
            if parse::is_of_nothing(&typed.ty) {
                *typed.ty = parse_quote!(());
            }
            // Only functions with a body may have patterns.
            if method.default.is_none() && !matches!(&*typed.pat, Pat::Ident(pat) if parse::is_name(pat)) {
                let ident = format_ident!("__{index}");
                *typed.pat = parse_quote!(#ident);
            }
        }
        let is_new = !seen.contains(&method.sig.ident);
        seen.push(method.sig.ident.clone());
        is_new || method.attrs.iter().any(|attribute| attribute.path().is_ident("cfg"))
    });
    item
}
