//! Many calls of a method at once, and the method as a type, which says what each answer is.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;
use syn::ext::IdentExt;

use super::{Calls, constant};
use crate::message::emit::field;
use crate::message::model::Kind;
use crate::service::model::{Part, Returns};

impl Calls<'_> {
    /// The name of the method as a type.
    pub(super) fn typed_name(&self) -> Ident {
        self.service.message(self.method, "Method")
    }

    /// The method as a type.
    pub(super) fn marker(&self) -> TokenStream {
        let Self { service, method } = self;
        let (vis, cfgs, ident) = (&service.vis, &method.cfgs, self.typed_name());
        let name = format!("{}::{}", service.ident.unraw(), method.ident.unraw());
        let docs = format!("The method `{name}`, for the types of tickets and of answers to many calls.");
        quote! {
            #(#cfgs)*
            #[doc = #docs]
            #[derive(::core::fmt::Debug)]
            #[allow(dead_code, clippy::exhaustive_enums)]
            #vis enum #ident {}
        }
    }

    /// What its answers are.
    pub(super) fn typed(&self, index: usize) -> TokenStream {
        let Self { service, method } = self;
        let (krate, private, cfgs) = (&service.krate, self.private(), &method.cfgs);
        let (ident, constant, reply) = (self.typed_name(), constant(index), self.reply());
        let (view, _) = self.view();
        let ok = |value: &TokenStream| quote!(::core::result::Result::Ok(#value));
        let no_error = (quote!(::core::convert::Infallible), view.clone(), ok(&quote!(__item)));
        let ((error, item, value), made) = match &method.returns {
            Returns::Outcome(part, error) => {
                let (of_reply, ty) = (format_ident!("{}View", reply), &error.ty);
                let cell = field::cell(&self.names(), &error.kind, ty);
                let (pattern, carried) = match part {
                    Some(_) => (quote!((__value)), quote!(__value)),
                    None => (quote!(), quote!(())),
                };
                let carried = ok(&carried);
                let made = quote! {
                    match __view {
                        #of_reply::Ok #pattern => #carried,
                        #of_reply::Err(__error) => {
                            ::core::result::Result::Err(<#cell as #private::Cell>::to_owned(__error))
                        }
                    }
                };
                let value = quote!(::core::result::Result::map_err(__item, #krate::CallError::Application));
                ((quote!(#ty), quote!(::core::result::Result<#view, #ty>), value), made)
            }
            Returns::Nothing => (
                no_error,
                quote!({
                    let _ = __view;
                }),
            ),
            Returns::Value(Part { ty, kind: Kind::Named }) => {
                (no_error, quote!(<#ty as #private::Payload>::bare(__view)))
            }
            Returns::Value(_) => (no_error, quote!(__view.value())),
            Returns::InPlace(_) => (no_error, quote!(__view)),
        };
        quote! {
            #(#cfgs)*
            #[automatically_derived]
            #[allow(unused_lifetimes, single_use_lifetimes)]
            impl #krate::client::TypedMethod for #ident {
                const INFO: &'static #krate::service::MethodInfo = &#constant;
                type Reply = #reply;
                type Value<'a> = #view;
                type Error = #error;
                type Item<'a> = #item;

                #[inline]
                fn item(__view: #krate::View<'_, Self::Reply>) -> Self::Item<'_> {
                    #made
                }

                #[inline]
                fn value(
                    __item: Self::Item<'_>,
                ) -> ::core::result::Result<Self::Value<'_>, #krate::CallError<Self::Error>> {
                    #value
                }
            }
        }
    }

    /// The client's function for many calls.
    pub(super) fn batch(&self) -> TokenStream {
        let Self { service, method } = self;
        let (krate, vis, cfgs) = (&service.krate, &service.vis, &method.cfgs);
        let (ident, of_method, fill) = (method.ident.unraw(), self.typed_name(), self.fill());
        let name = format_ident!("{ident}_batch", span = method.ident.span());
        let names: Vec<_> = method.params.iter().map(|param| &param.ident).collect();
        let types: Vec<_> = method
            .params
            .iter()
            .map(|param| field::part_for(&self.names(), &param.kind, &param.ty, &quote!('p)))
            .collect();
        let (pattern, given) = match (names.as_slice(), types.as_slice()) {
            ([name], [ty]) => (quote!(#name), quote!(#ty)),
            (names, types) => (quote!((#(#names),*)), quote!((#(#types),*))),
        };
        // Lifetimes that stand nowhere would be warned about.
        let text = given.to_string();
        let lifetime = text.contains("'p").then(|| quote!(, 'p));
        let docs = format!("Calls [`{ident}`](Self::{ident}) once for each of these, in one message.");
        quote! {
            #(#cfgs)*
            #[doc = #docs]
            #[doc = ""]
            #[doc = "# Errors"]
            #[doc = "Why there are no answers. An error of the service's own is that of one answer."]
            #[allow(single_use_lifetimes)]
            #vis fn #name<'a #lifetime>(
                &'a mut self,
                __items: impl ::core::iter::IntoIterator<Item = #given>,
            ) -> ::core::result::Result<#krate::client::Replies<'a, #of_method>, #krate::CallError> {
                #krate::client::Client::call_batch::<#of_method, _>(&mut self.0, __items, |__writer, #pattern| #fill)
            }
        }
    }
}
