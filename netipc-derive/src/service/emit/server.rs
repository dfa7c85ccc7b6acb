//! The server's constructor, and what turns requests into calls of the trait.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;

use super::Calls;
use crate::service::model::Service;

/// All of the server.
pub(super) fn server(service: &Service, description: &TokenStream) -> TokenStream {
    let (krate, vis, ident, server) = (&service.krate, &service.vis, &service.ident, service.named("Server"));
    let client = service.named("Client");
    let arms = service.methods.iter().map(|method| Calls { service, method }.serve());
    let docs = format!("A server that answers with `handler`, a [`{0}`](trait@{0}).", service.ident.unraw());
    let path = krate.to_token_stream().to_string().replace(' ', "");
    let next = format!("It listens to nobody until it is [bound]({path}::server::Server::bind) to a directory.");
    let handler = quote!(#ident + ::core::marker::Send + ::core::marker::Sync + 'static);
    quote! {
        struct __Dispatcher<__H>(__H);

        #[automatically_derived]
        impl<__H: #handler> #krate::service::Dispatch for __Dispatcher<__H> {
            fn service(&self) -> &'static #krate::service::Service {
                #description
            }

            #[allow(unused_variables, deprecated)]
            fn dispatch(
                &self,
                __call: &#krate::Call<'_>,
                __request: &[::core::primitive::u8],
                __reply: &mut #krate::buf::Writer<'_>,
            ) -> ::core::result::Result<(), #krate::service::Failure> {
                match #krate::Call::method(__call).code() {
                    #(#arms)*
                    _ => ::core::result::Result::Err(#krate::service::Failure::Unsupported(#krate::Call::method(__call))),
                }
            }
        }

        #[allow(dead_code, clippy::implied_bounds_in_impls, clippy::new_ret_no_self)]
        impl #server {
            #[doc = #docs]
            #[doc = ""]
            #[doc = #next]
            #[must_use]
            #vis fn new(handler: impl #handler) -> #krate::server::Server<#client> {
                #krate::server::Server::with_stub(__Dispatcher(handler))
            }
        }
    }
}
