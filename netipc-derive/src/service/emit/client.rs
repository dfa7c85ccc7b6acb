//! The client's type.

use proc_macro2::TokenStream;
use quote::quote;

use crate::service::model::Service;

/// The client's type and what all clients can do, around the functions for the methods.
pub(in crate::service) fn client(
    service: &Service,
    docs: &TokenStream,
    methods: &TokenStream,
    description: &TokenStream,
    constants: &TokenStream,
) -> TokenStream {
    let (krate, vis, client) = (&service.krate, &service.vis, service.named("Client"));
    let client_of = quote!(#krate::client::Client);
    let result = |ty: TokenStream| quote!(::core::result::Result<#ty, #krate::CallError>);
    let (connected, refreshed) = (result(quote!(Self)), result(quote!(#krate::client::Refresh)));
    quote! {
        #[doc = #docs]
        #[derive(::core::fmt::Debug)]
        #[allow(dead_code)]
        #vis struct #client(#client_of);

        const _: () = {
            #constants

            #[automatically_derived]
            impl #krate::client::Stub for #client {
                const SERVICE: &'static #krate::service::Service = #description;

                fn over(client: #client_of) -> Self {
                    Self(client)
                }

                fn into_client(self) -> #client_of {
                    self.0
                }
            }

            #[allow(dead_code, clippy::too_many_arguments, clippy::should_implement_trait, clippy::wrong_self_convention)]
            impl #client {
                #[doc = "A client for the service in the directory `run_dir`, not connected yet."]
                #[must_use]
                #vis fn new(run_dir: impl ::core::convert::Into<::std::path::PathBuf>) -> Self {
                    #krate::client::Config::<Self>::new().build(run_dir)
                }

                #[doc = "A client that is connected to the service in the directory `run_dir`."]
                #[doc = ""]
                #[doc = "# Errors"]
                #[doc = "Why it could not connect."]
                #vis fn connect(run_dir: impl ::core::convert::Into<::std::path::PathBuf>) -> #connected {
                    #krate::client::Config::<Self>::new().connect(run_dir)
                }

                #[doc = "What can be chosen about a client before there is one."]
                #[must_use]
                #vis fn config() -> #krate::client::Config<Self> {
                    #krate::client::Config::<Self>::new()
                }

                #[doc = "Connects, or connects anew, where that is needed, and says what changed."]
                #[doc = ""]
                #[doc = "# Errors"]
                #[doc = "Why it could not connect."]
                #vis fn refresh(&mut self) -> #refreshed {
                    #client_of::refresh(&mut self.0)
                }

                #[doc = "Whether a call would find a session."]
                #[must_use]
                #vis fn ready(&self) -> ::core::primitive::bool {
                    #client_of::ready(&self.0)
                }

                #[doc = "How the client is."]
                #[must_use]
                #vis fn status(&self) -> #krate::client::Status {
                    #client_of::status(&self.0)
                }

                #[doc = "Gives the next call this time, instead of the one that was configured."]
                #vis fn within(&mut self, timeout: ::core::time::Duration) -> &mut Self {
                    #client_of::within(&mut self.0, timeout);
                    self
                }

                #[doc = "Frees a blocked call at once, from any thread."]
                #[must_use]
                #vis fn abort_handle(&self) -> #krate::session::Abort {
                    #client_of::abort_handle(&self.0)
                }

                #methods
            }
        };
    }
}
