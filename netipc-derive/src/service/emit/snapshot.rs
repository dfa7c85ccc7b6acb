//! What a cache has to know of a method.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::quote;
use syn::Ident;
use syn::ext::IdentExt;

use super::{Calls, constant};
use crate::message::emit::field::name_hash;
use crate::service::model::Snapshot;

impl Calls<'_> {
    fn source_ident(&self) -> Ident {
        self.service.message(self.method, "Source")
    }

    /// The types, beside the trait.
    pub(super) fn cache(&self) -> TokenStream {
        if self.method.snapshot.is_none() {
            return TokenStream::new();
        }
        let (krate, vis, cfgs) = (&self.service.krate, &self.service.vis, &self.method.cfgs);
        let (source, cache) = (self.source_ident(), self.service.named("Cache"));
        let (service, method) = (self.service.ident.unraw(), self.method.ident.unraw());
        let docs = format!("Keeps the last [`{service}::{method}`] that it was given, to be looked up by key.");
        let of_source = format!("What a [`{cache}`] has to know of [`{service}::{method}`].");
        quote! {
            #(#cfgs)*
            #[doc = #docs]
            #[allow(dead_code)]
            #vis type #cache = #krate::cache::Cache<#source>;

            #(#cfgs)*
            #[doc = #of_source]
            #[derive(::core::fmt::Debug)]
            #[allow(dead_code, clippy::empty_enums, clippy::exhaustive_enums)]
            #vis enum #source {}
        }
    }

    /// What the cache asks of them, where the method's constant is in scope.
    pub(super) fn source(&self, index: usize) -> TokenStream {
        let Some(Snapshot { items, key, generation, span }) = &self.method.snapshot else { return TokenStream::new() };
        let (krate, private, cfgs) = (&self.service.krate, self.private(), &self.method.cfgs);
        let (source, client, constant) = (self.source_ident(), self.service.named("Client"), constant(index));
        let (request, reply) = (self.request(), self.reply());
        // What is wrong with a field the compiler finds, and tells of it where the field is named.
        let name = |field: &Ident| {
            let (span, hash) = (Span::call_site().located_at(field.span()), name_hash(field));
            respanned(quote!(#private::Name<#hash>), span)
        };
        let (items, generation, key) = (name(items), name(generation), key.iter().map(name));
        let key = respanned(quote!((#(#key,)*)), Span::call_site().located_at(*span));
        quote! {
            #(#cfgs)*
            #[automatically_derived]
            impl #krate::cache::Source for #source {
                type Stub = #client;
                type Reply = #reply;
                type Items = #items;
                type Generation = #generation;
                type Key = #key;
                const METHOD: &'static #krate::service::MethodInfo = &#constant;

                fn request(
                    __writer: &mut #krate::buf::Writer<'_>,
                ) -> ::core::result::Result<(), #krate::EncodeError> {
                    ::core::result::Result::map(
                        #krate::codec::Draft::finish(#request::builder_in(__writer)),
                        ::core::mem::drop,
                    )
                }
            }
        }
    }
}

/// The same, told of at that place; what each token means stays.
fn respanned(tokens: TokenStream, span: Span) -> TokenStream {
    let at = |mut token: TokenTree| {
        if let TokenTree::Group(group) = token {
            // Its parts have places of their own.
            token = Group::new(group.delimiter(), group.stream()).into();
        }
        token.set_span(token.span().located_at(span));
        token
    };
    tokens.into_iter().map(at).collect()
}
