//! What stands in for the client and the server of a trait with mistakes, so that their uses don't complain too.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ItemTrait;

use super::emit;
use super::model::Service;

/// A client without methods, and a server that takes anything.
pub(super) fn stub(service: &Service, item: &ItemTrait) -> TokenStream {
    let (krate, vis) = (&service.krate, &item.vis);
    let (client_ident, server) = (service.named("Client"), service.named("Server"));
    let client =
        emit::client(service, &quote!(""), &quote!(), &quote!(&#krate::service::Service::new("", &[])), &quote!());
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
