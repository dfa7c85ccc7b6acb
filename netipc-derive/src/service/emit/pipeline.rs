//! Several calls before the first answer: a type beside the client's.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;

use super::Calls;
use crate::service::model::Service;

/// The type, what it can do, and how a client makes one.
pub(super) fn pipeline(service: &Service) -> (TokenStream, TokenStream, TokenStream) {
    let (krate, vis, pipeline) = (&service.krate, &service.vis, service.named("Pipeline"));
    // A lookup is many calls, of which each depends on the one before.
    let single = service.methods.iter().filter(|method| method.lookup.is_none());
    let methods = single.map(|method| Calls { service, method }.pipelined());
    let of_pipelines = quote!(#krate::client::Pipeline);
    let docs = format!("Calls the methods of [`{}`], several before the first answer.", service.ident.unraw());
    let item = quote! {
        #[doc = #docs]
        #[derive(::core::fmt::Debug)]
        #[allow(dead_code)]
        #vis struct #pipeline<'c>(#of_pipelines<'c>);
    };
    let functions = quote! {
        #[allow(dead_code, clippy::too_many_arguments)]
        impl #pipeline<'_> {
            #[doc = "The answer to a call, which is waited for; in any order."]
            #[doc = ""]
            #[doc = "# Errors"]
            #[doc = "Why there is no answer to this call."]
            #vis fn take<__M: #krate::client::TypedMethod>(
                &mut self,
                ticket: #krate::client::Ticket<__M>,
            ) -> ::core::result::Result<
                <__M as #krate::client::TypedMethod>::Value<'_>,
                #krate::CallError<<__M as #krate::client::TypedMethod>::Error>,
            > {
                #of_pipelines::take(&mut self.0, ticket)
            }

            #[doc = "Gives the next call this time, instead of the one that was configured."]
            #vis fn within(&mut self, timeout: ::core::time::Duration) -> &mut Self {
                #of_pipelines::within(&mut self.0, timeout);
                self
            }

            #(#methods)*
        }
    };
    let begin = quote! {
        #[doc = "Several calls before the first answer, which are taken in any order."]
        #[must_use]
        #vis fn pipeline(&mut self) -> #pipeline<'_> {
            #pipeline(#krate::client::Client::pipeline(&mut self.0))
        }
    };
    (item, functions, begin)
}

impl Calls<'_> {
    /// The pipeline's function.
    fn pipelined(&self) -> TokenStream {
        let Self { service, method } = self;
        let (krate, vis, cfgs, ident) = (&service.krate, &service.vis, &method.cfgs, &method.ident);
        let (of_method, fill) = (self.typed_name(), self.fill());
        let params = method.params.iter().map(|param| {
            let (ident, ty) = (&param.ident, self.taken(param));
            quote!(#ident: #ty)
        });
        let docs = format!("Calls `{}`; its answer is for [`take`](Self::take).", ident.unraw());
        quote! {
            #(#cfgs)*
            #[doc = #docs]
            #[doc = ""]
            #[doc = "# Errors"]
            #[doc = "Why it could not be called."]
            #vis fn #ident(
                &mut self,
                #(#params),*
            ) -> ::core::result::Result<#krate::client::Ticket<#of_method>, #krate::CallError> {
                #krate::client::Pipeline::send::<#of_method>(&mut self.0, |__writer| #fill)
            }
        }
    }
}
