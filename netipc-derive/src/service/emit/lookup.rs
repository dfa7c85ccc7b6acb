//! A lookup: its messages, what both ends have to know of it, the client's function and the server's arm.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Ident;
use syn::ext::IdentExt;

use super::{Calls, constant};
use crate::message::emit::field::name_hash;
use crate::service::model::{KeyType, Lookup};

impl Calls<'_> {
    fn lookup_ident(&self) -> Ident {
        self.service.message(self.method, "Lookup")
    }

    /// The request and the reply of a lookup.
    pub(in crate::service) fn lookup_messages(&self, lookup: &Lookup) -> TokenStream {
        let (krate, vis) = (&self.service.krate, &self.service.vis);
        let method = format!("[`{}::{}`]", self.service.ident.unraw(), self.method.ident.unraw());
        let Lookup { words, key, item } = lookup;
        let (keys, items, generation) = (&words.keys, &words.items, &words.generation);
        // A text that is empty could not be told from one that is not there.
        let (key, each) = match key {
            KeyType::Text => (quote!(::std::ffi::CString), quote!(, each(min = 1))),
            KeyType::Message(ty) => (ty.to_token_stream(), quote!()),
        };
        let of_keys = quote! {
            #[doc = "What is looked for."]
            #[wire(directory, count_at = 4, count = u32 #each)]
            #vis #keys: ::std::vec::Vec<#key>,
        };
        let of_items = quote! {
            #[doc = "Counts changes of what is known."]
            #[wire(at = 8)]
            #vis #generation: ::core::primitive::u64,
            #[doc = "What was found, one for each key, in their order."]
            #[wire(directory, count_at = 4, count = u32)]
            #vis #items: ::std::vec::Vec<#item>,
        };
        let reserved = quote!(reserved(at = 8, len = 8),);
        let message = |what: &str, docs: &str, reserved: &TokenStream, fields: &TokenStream| {
            let (ident, cfgs) = (self.service.message(self.method, what), &self.method.cfgs);
            let (docs, debug) = (format!("{docs} of {method}."), crate::service::payload::debug(self.method, &ident));
            quote! {
                #(#cfgs)*
                #[doc = #docs]
                #[derive(#krate::WireMessage)]
                #[wire(crate = #krate, version = 1, size = 16, #reserved tolerate(trailing, dirty_gaps))]
                #[allow(dead_code, clippy::exhaustive_structs)]
                #vis struct #ident { #fields }
                #debug
            }
        };
        let request = message("Request", "The keys of one request", &reserved, &of_keys);
        let reply = message("Reply", "The items of one answer", &quote!(), &of_items);
        quote!(#request #reply)
    }

    /// The type that stands for a lookup, and its cache.
    pub(super) fn lookup_types(&self) -> TokenStream {
        let Some(lookup) = &self.method.lookup else { return TokenStream::new() };
        let (krate, vis, cfgs, ident) =
            (&self.service.krate, &self.service.vis, &self.method.cfgs, self.lookup_ident());
        let method = format!("[`{}::{}`]", self.service.ident.unraw(), self.method.ident.unraw());
        let docs = format!("The lookup {method}, for the types of its answers.");
        let cache = lookup.words.keep.as_ref().map(|_| {
            let cache = self.service.message(self.method, "Cache");
            let docs = format!("Keeps what {method} has answered, and asks for what it does not have.");
            quote! {
                #(#cfgs)*
                #[doc = #docs]
                #[allow(dead_code)]
                #vis type #cache = #krate::lookup::Cache<#ident>;
            }
        });
        quote! {
            #(#cfgs)*
            #[doc = #docs]
            #[derive(::core::fmt::Debug)]
            #[allow(dead_code, clippy::empty_enums, clippy::exhaustive_enums)]
            #vis enum #ident {}
            #cache
        }
    }

    /// What both ends have to know of it, where the method's constant is in scope.
    pub(super) fn lookup_impl(&self, index: usize) -> TokenStream {
        let Some(Lookup { words, key, item }) = &self.method.lookup else { return TokenStream::new() };
        let (krate, private, cfgs) = (&self.service.krate, self.private(), &self.method.cfgs);
        let (lookup, request, reply, constant) = (self.lookup_ident(), self.request(), self.reply(), constant(index));
        let (keys, items, generation, echo) = (&words.keys, &words.items, &words.generation, &words.echo);
        let builder = quote!(<#item as #private::Structure>::Builder<'_>);
        // Behind the echo: a text can't be set any more once something behind it is set that is none.
        let blank = words.blank.iter().map(|(field, value)| quote!(__item.#field(#value);));
        let blank = quote!(#(#blank)*);
        let (sought, push, of_view, of_own) = match key {
            KeyType::Text => (quote!(::core::ffi::CStr), quote!(push), quote!(__key), quote!(__key)),
            KeyType::Message(ty) => {
                let (hash, span) = (name_hash(echo), echo.span());
                let cell = quote_spanned!(span=> <<#item as #private::Named<#hash>>::Field as #private::Cell>::part);
                (quote!(#ty), quote!(push_value), quote!(__key.#echo()), quote!(#cell(&__key.#echo)))
            }
        };
        let (status, exceeded, oversized) = (&words.status, &words.exceeded, &words.oversized);
        let request_builder = format_ident!("{}Builder", request);
        let keeper = self.keeper();
        let order = {
            let name = echo.unraw().to_string();
            let message = format!(
                "declare `{name}` in front of all lists, and of all texts unless it is one: items begin with it"
            );
            quote_spanned!(echo.span()=>
                #(#cfgs)*
                const _: () =
                    ::core::assert!(<#item as #krate::WireMessage>::LAYOUT.may_lead(#name), #message);
            )
        };
        quote! {
            #order
            #(#cfgs)*
            #[automatically_derived]
            impl #krate::lookup::Lookup for #lookup {
                type Key = #sought;
                type Item = #item;
                type Request = #request;
                type Reply = #reply;
                const METHOD: &'static #krate::service::MethodInfo = &#constant;

                fn request(
                    __writer: &mut #krate::buf::Writer<'_>,
                    __count: ::core::primitive::usize,
                    __each: &mut dyn ::core::ops::FnMut(&mut #krate::service::Push<'_, #sought>),
                ) -> ::core::result::Result<(), #krate::EncodeError> {
                    let mut __draft = #request::builder_in(__writer);
                    {
                        let mut __keys = #request_builder::#keys(&mut __draft, __count);
                        __each(&mut |__key| {
                            __keys.#push(__key);
                        });
                    }
                    ::core::result::Result::map(#krate::codec::Draft::finish(__draft), ::core::mem::drop)
                }

                #[inline]
                fn keys<'a>(
                    __request: <#request as #private::Structure>::View<'a>,
                ) -> #krate::Keys<'a, #sought> {
                    __request.#keys()
                }

                #[inline]
                fn items<'a>(
                    __reply: <#reply as #private::Structure>::View<'a>,
                ) -> #krate::codec::Items<'a, #item> {
                    __reply.#items()
                }

                #[inline]
                fn generation(__reply: <#reply as #private::Structure>::View<'_>) -> ::core::primitive::u64 {
                    __reply.#generation()
                }

                fn begin(__item: &mut #builder, __key: #krate::service::KeyView<'_, #sought>) {
                    __item.#echo(#of_view);
                    #blank
                }

                fn begin_own(__item: &mut #builder, __key: &#sought) {
                    __item.#echo(#of_own);
                    #blank
                }

                fn mark(__item: &mut #builder, __mark: #krate::lookup::Mark) {
                    __item.#status(match __mark {
                        #krate::lookup::Mark::Exceeded => #exceeded,
                        #krate::lookup::Mark::Oversized => #oversized,
                    });
                }

                #[inline]
                fn marked(
                    __item: <#item as #private::Structure>::View<'_>,
                ) -> ::core::option::Option<#krate::lookup::Mark> {
                    match __item.#status() {
                        #exceeded => ::core::option::Option::Some(#krate::lookup::Mark::Exceeded),
                        #oversized => ::core::option::Option::Some(#krate::lookup::Mark::Oversized),
                        _ => ::core::option::Option::None,
                    }
                }

                #[inline]
                fn echoes(__item: <#item as #private::Structure>::View<'_>, __key: &#sought) -> ::core::primitive::bool {
                    __item.#echo() == #of_own
                }
            }
            #keeper
        }
    }

    /// What its cache has to know besides.
    fn keeper(&self) -> Option<TokenStream> {
        let Lookup { words, item, .. } = self.method.lookup.as_ref()?;
        let keep = words.keep.as_ref()?;
        let (krate, private, cfgs) = (&self.service.krate, self.private(), &self.method.cfgs);
        let (lookup, client) = (self.lookup_ident(), self.service.named("Client"));
        Some(quote! {
            #(#cfgs)*
            #[automatically_derived]
            impl #krate::lookup::Keeper for #lookup {
                type Stub = #client;

                fn keep(__item: <#item as #private::Structure>::View<'_>) -> #krate::lookup::Keep {
                    #keep(&__item)
                }
            }
        })
    }

    /// The client's function.
    pub(super) fn looks_up(&self, lookup: &Lookup) -> TokenStream {
        let (krate, vis, cfgs) = (&self.service.krate, &self.service.vis, &self.method.cfgs);
        let (ident, deprecated, of_lookup) = (&self.method.ident, &self.method.deprecated, self.lookup_ident());
        let docs = self.docs();
        let into_iter = quote!(::core::iter::IntoIterator);
        let key = match &lookup.key {
            KeyType::Text => quote!(::core::ffi::CStr),
            KeyType::Message(ty) => ty.to_token_stream(),
        };
        let bound = quote!(#krate::lookup::Keyed<#key>);
        quote! {
            #(#cfgs)*
            #docs
            #(#deprecated)*
            #vis fn #ident<__I>(
                &mut self,
                __keys: __I,
            ) -> ::core::result::Result<#krate::lookup::Answer<#of_lookup>, #krate::CallError>
            where
                __I: #into_iter,
                __I::Item: #bound,
                __I::IntoIter: ::core::clone::Clone,
            {
                #krate::lookup::look_up::<#of_lookup, __I::IntoIter>(&mut self.0, #into_iter::into_iter(__keys), <__I::Item as #bound>::key)
            }
        }
    }

    /// The arm that serves it.
    pub(super) fn serve_lookup(&self) -> TokenStream {
        let (private, cfgs, ident) = (self.private(), &self.method.cfgs, &self.method.ident);
        let (trait_ident, lookup) = (&self.service.ident, self.lookup_ident());
        let code = Literal::u16_suffixed(self.method.code.unwrap_or_default());
        let call = self.method.call.then(|| quote!(__call,));
        let span = Span::call_site();
        let called = quote_spanned!(span=> <__H as #trait_ident>::#ident(&self.0, #call __keys, __answers));
        quote! {
            #(#cfgs)*
            #code => #private::answer::<#lookup>(__call, __request, __reply, |__keys, __answers| #called),
        }
    }
}
