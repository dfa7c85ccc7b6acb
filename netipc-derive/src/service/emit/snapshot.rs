//! What a cache has to know of a method.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
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
        let Some(Snapshot { items, key, generation, .. }) = &self.method.snapshot else { return TokenStream::new() };
        let (krate, private, cfgs) = (&self.service.krate, self.private(), &self.method.cfgs);
        let (source, client, constant) = (self.source_ident(), self.service.named("Client"), constant(index));
        let (request, reply) = (self.request(), self.reply());
        let item = quote!(<Self::Items as #private::Records>::Record);
        // What is wrong with a field is told where it is named.
        let named = |message: &TokenStream, field: &Ident| {
            let (span, hash) = (place(field), name_hash(field));
            quote_spanned!(span=> <#message as #private::Named<#hash>>)
        };
        let items = named(&reply.to_token_stream(), items);
        let counted = named(&reply.to_token_stream(), generation);
        let counts = quote_spanned!(place(generation)=> <#counted::Field as #private::Count>::count);
        let fields: Vec<_> = key.iter().map(|field| named(&item, field)).collect();
        let keys = key.iter().zip(&fields);
        let keys: Vec<_> =
            keys.map(|(key, field)| quote_spanned!(place(key)=> <#field::Field as #private::Key>)).collect();
        let numbers: Vec<_> = (0..key.len()).map(syn::Index::from).collect();
        let (tuple, parts): (_, Vec<_>) = match keys.as_slice() {
            [key] => (quote!(#key::Sought<'k>), vec![quote!()]),
            _ => (quote!((#(#keys::Sought<'k>,)*)), numbers.iter().map(|number| quote!(.#number)).collect()),
        };
        let sought = keys.iter().zip(&fields).map(|(key, field)| quote!(#key::sought(#field::get(__item))));
        let sought = if key.len() == 1 { quote!(#(#sought)*) } else { quote!((#(#sought,)*)) };
        quote! {
            #(#cfgs)*
            #[automatically_derived]
            impl #krate::cache::Source for #source {
                type Stub = #client;
                type Reply = #reply;
                type Items = #items::Field;
                type Key<'k> = #tuple;
                const METHOD: &'static #krate::service::MethodInfo = &#constant;

                fn into_client(__stub: #client) -> #krate::client::Client {
                    __stub.0
                }

                fn request(
                    __writer: &mut #krate::buf::Writer<'_>,
                ) -> ::core::result::Result<(), #krate::EncodeError> {
                    ::core::result::Result::map(
                        #krate::codec::Draft::finish(#request::builder_in(__writer)),
                        ::core::mem::drop,
                    )
                }

                #[inline]
                fn items<'a>(
                    __reply: <#reply as #private::Structure>::View<'a>,
                ) -> <Self::Items as #private::Made>::View<'a> {
                    #items::get(__reply)
                }

                fn generation(__reply: <#reply as #private::Structure>::View<'_>) -> ::core::primitive::u64 {
                    #counts(#counted::get(__reply))
                }

                #[inline]
                fn hash(__key: Self::Key<'_>, __hash: &mut #krate::cache::Hash) {
                    #(#keys::digest(__key #parts, __hash);)*
                }

                #[inline]
                fn key<'a>(__item: <#item as #private::Structure>::View<'a>) -> Self::Key<'a> {
                    #sought
                }

                #[inline]
                fn same(__one: Self::Key<'_>, __other: Self::Key<'_>) -> ::core::primitive::bool {
                    #(#keys::same(__one #parts, __other #parts))&&*
                }
            }
        }
    }
}

/// Where a field is named, for what the compiler says of it.
fn place(field: &Ident) -> Span {
    Span::call_site().located_at(field.span())
}
