//! The messages of a method, where it has no message that can be the payload itself.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;

use super::emit::Calls;
use super::model::{Method, Payload, Returns, Service};

/// The request and the reply of one method.
pub(super) fn emit(service: &Service, method: &Method) -> TokenStream {
    if let Some(lookup) = &method.lookup {
        return Calls { service, method }.lookup_messages(lookup);
    }
    let name = format!("[`{}::{}`]", service.ident.unraw(), method.ident.unraw());
    let request = {
        let fields = method.params.iter().map(|param| {
            let (ident, ty, vis) = (&param.ident, &param.ty, &service.vis);
            let docs = format!("The parameter `{}`.", ident.unraw());
            quote!(#[doc = #docs] #vis #ident: #ty,)
        });
        one(service, method, "Request", &method.request(), &format!("The request of {name}."), &quote!(#(#fields)*))
    };
    let docs = format!("The reply of {name}.");
    let reply = match &method.returns {
        Returns::Outcome(value, error) => {
            outcome(service, method, value.as_ref().map(|part| &part.ty), &error.ty, &docs)
        }
        Returns::Value(part) => {
            let (ty, vis) = (&part.ty, &service.vis);
            let field = quote!(#[doc = "What the method returned."] #vis value: #ty,);
            one(service, method, "Reply", &method.reply(), &docs, &field)
        }
        _ => one(service, method, "Reply", &method.reply(), &docs, &quote!()),
    };
    quote!(#request #reply)
}

fn one(
    service: &Service,
    method: &Method,
    what: &str,
    payload: &Payload<'_>,
    docs: &str,
    fields: &TokenStream,
) -> TokenStream {
    let (vis, krate, cfgs) = (&service.vis, &service.krate, &method.cfgs);
    let ident = service.message(method, what);
    if let Payload::Itself(ty) = payload {
        return quote! {
            #(#cfgs)*
            #[doc = #docs]
            #[allow(dead_code)]
            #vis type #ident = #ty;
        };
    }
    let debug = debug(method, &ident);
    quote! {
        #(#cfgs)*
        #[doc = #docs]
        #[derive(#krate::WireMessage)]
        #[wire(crate = #krate, __tuples)]
        #[allow(dead_code, clippy::exhaustive_structs)]
        #vis struct #ident { #fields }
        #debug
    }
}

/// The message's fields may print nothing, so neither does it.
pub(super) fn debug(method: &Method, ident: &syn::Ident) -> TokenStream {
    let (cfgs, text) = (&method.cfgs, ident.unraw().to_string());
    quote! {
        #(#cfgs)*
        #[automatically_derived]
        impl ::core::fmt::Debug for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(#text).finish_non_exhaustive()
            }
        }
    }
}

fn outcome(
    service: &Service,
    method: &Method,
    value: Option<&syn::Type>,
    error: &syn::Type,
    docs: &str,
) -> TokenStream {
    let (vis, krate, cfgs) = (&service.vis, &service.krate, &method.cfgs);
    let ident = service.message(method, "Reply");
    let value = value.map(|ty| quote!((#ty)));
    let debug = debug(method, &ident);
    quote! {
        #(#cfgs)*
        #[doc = #docs]
        #[derive(#krate::WireMessage)]
        #[wire(crate = #krate, __tuples)]
        #[repr(u32)]
        #[allow(dead_code, clippy::exhaustive_enums)]
        #vis enum #ident {
            #[doc = "It succeeded."]
            Ok #value = 0,
            #[doc = "The service's own error."]
            Err(#error) = 1,
        }
        #debug
    }
}
