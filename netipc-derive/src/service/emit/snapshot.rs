//! What a cache has to know of a method.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
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
        let (items, generation) = (Spoken::new(&private, &reply, items), Spoken::new(&private, &reply, generation));
        let record = quote!(<Self::Items as #private::Records>::Record);
        let key: Vec<_> = key.iter().map(|field| Spoken::new(&private, &record, field)).collect();
        let (items_type, items_get) = (items.ty(), items.get());
        let counted = {
            let get = generation.get();
            generation.of(&quote!(Count), &quote!(count), &quote!((#get(__reply))))
        };
        let of_key = |what: &str, after: &TokenStream| {
            let what = Ident::new(what, Span::call_site());
            key.iter().map(|field| field.of(&quote!(Key), &what.to_token_stream(), after)).collect::<Vec<_>>()
        };
        let sought: Vec<_> = key
            .iter()
            .map(|field| {
                let get = field.get();
                field.of(&quote!(Key), &quote!(sought), &quote!((#get(__item))))
            })
            .collect();
        let types = of_key("Sought", &quote!(<'k>));
        let (digest, same) = (of_key("digest", &quote!()), of_key("same", &quote!()));
        let numbers = (0..key.len()).map(syn::Index::from);
        let parts: Vec<_> = numbers.map(|number| if key.len() == 1 { quote!() } else { quote!(.#number) }).collect();
        let (tuple, sought) = match (types.as_slice(), sought.as_slice()) {
            ([one], [of_one]) => (quote!(#one), quote!(#of_one)),
            _ => (quote!((#(#types,)*)), quote!((#(#sought,)*))),
        };
        quote! {
            #(#cfgs)*
            #[automatically_derived]
            impl #krate::cache::Source for #source {
                type Stub = #client;
                type Reply = #reply;
                type Items = #items_type;
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
                    #items_get(__reply)
                }

                fn generation(__reply: <#reply as #private::Structure>::View<'_>) -> ::core::primitive::u64 {
                    #counted
                }

                #[inline]
                fn hash(__key: Self::Key<'_>, __hash: &mut #krate::cache::Hash) {
                    #(#digest(__key #parts, __hash);)*
                }

                #[inline]
                fn key<'a>(__item: <#record as #private::Structure>::View<'a>) -> Self::Key<'a> {
                    #sought
                }

                #[inline]
                fn same(__one: Self::Key<'_>, __other: Self::Key<'_>) -> ::core::primitive::bool {
                    #(#same(__one #parts, __other #parts))&&*
                }
            }
        }
    }
}

/// A field of which only the name is known. What is wrong with it the compiler finds, and tells of where it is named: all of
/// what speaks of it has that span, so that it tells once.
struct Spoken<'s> {
    private: &'s TokenStream,
    span: Span,
    /// `Message as Named<..>`
    named: TokenStream,
}

impl<'s> Spoken<'s> {
    fn new(private: &'s TokenStream, message: &impl ToTokens, field: &Ident) -> Self {
        let (span, hash) = (Span::call_site().located_at(field.span()), name_hash(field));
        let mut message = message.to_token_stream();
        message = message.into_iter().map(|token| at(token, span)).collect();
        Self { private, span, named: quote_spanned!(span=> #message as #private::Named<#hash>) }
    }

    /// What it is made of.
    fn ty(&self) -> TokenStream {
        let Self { named, .. } = self;
        quote_spanned!(self.span=> <#named>::Field)
    }

    /// What reads it.
    fn get(&self) -> TokenStream {
        let Self { named, .. } = self;
        quote_spanned!(self.span=> <#named>::get)
    }

    /// `what` of a trait that what it is made of has, and what stands behind that.
    fn of(&self, of: &TokenStream, what: &TokenStream, after: &TokenStream) -> TokenStream {
        let (private, ty, span) = (self.private, self.ty(), self.span);
        let all = quote_spanned!(span=> <#ty as #private::#of>::#what #after);
        all.into_iter().map(|token| at(token, span)).collect()
    }
}

fn at(mut token: TokenTree, span: Span) -> TokenTree {
    if let TokenTree::Group(group) = token {
        let inner = group.stream().into_iter().map(|token| at(token, span)).collect();
        token = Group::new(group.delimiter(), inner).into();
    }
    // Where it is, and no other meaning of it.
    token.set_span(token.span().located_at(span));
    token
}
