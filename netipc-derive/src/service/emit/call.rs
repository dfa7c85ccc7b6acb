//! The client's side of a method.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;

use super::{Calls, constant};
use crate::message::emit::field;
use crate::message::model::Kind;
use crate::service::model::{Param, Part, Payload, Returns};

impl Calls<'_> {
    /// The client's function.
    pub(super) fn emit(&self, index: usize) -> TokenStream {
        let Self { service, method } = self;
        let (krate, vis, private) = (&service.krate, &service.vis, self.private());
        let (ident, cfgs, docs, constant, reply) =
            (&method.ident, &method.cfgs, &method.docs, constant(index), self.reply());
        let summary = method.docs.is_empty().then(|| {
            let docs = format!("Calls `{}`.", ident.unraw());
            quote!(#[doc = #docs])
        });
        let params = method.params.iter().map(|param| {
            let (ident, ty) = (&param.ident, self.taken(param));
            quote!(#ident: #ty)
        });
        let fill = self.fill();
        let (view, borrows) = self.view();
        let (generics, lifetime) = if borrows { (quote!(<'a>), quote!('a)) } else { (quote!(), quote!()) };
        let (error, widened, answer) = match &method.returns {
            Returns::Outcome(value, error) => {
                let (view, error_ty) = (format_ident!("{}View", reply), &error.ty);
                let cell = field::cell(&self.names(), &error.kind, &error.ty);
                let (pattern, value) = match value {
                    Some(_) => (quote!((__value)), quote!(__value)),
                    None => (quote!(), quote!(())),
                };
                let answer = quote! {
                    match __view {
                        #view::Ok #pattern => ::core::result::Result::Ok(#value),
                        #view::Err(__error) => ::core::result::Result::Err(#krate::CallError::Application(
                            <#cell as #private::Cell>::to_owned(__error),
                        )),
                    }
                };
                (quote!(#krate::CallError<#error_ty>), quote!(__error.widen()), answer)
            }
            Returns::Nothing => (
                quote!(#krate::CallError),
                quote!(__error),
                quote!({
                    let _ = __view;
                    ::core::result::Result::Ok(())
                }),
            ),
            Returns::Value(Part { ty, kind: Kind::Named }) => {
                let bare = quote!(<#ty as #private::Payload>::bare(__view));
                (quote!(#krate::CallError), quote!(__error), quote!(::core::result::Result::Ok(#bare)))
            }
            Returns::Value(_) => {
                (quote!(#krate::CallError), quote!(__error), quote!(::core::result::Result::Ok(__view.value())))
            }
            Returns::InPlace(_) => {
                (quote!(#krate::CallError), quote!(__error), quote!(::core::result::Result::Ok(__view)))
            }
        };
        quote! {
            #(#cfgs)*
            #summary
            #(#docs)*
            #[doc = ""]
            #[doc = "# Errors"]
            #[doc = "Why there is no answer."]
            #vis fn #ident #generics (&#lifetime mut self, #(#params),*) -> ::core::result::Result<#view, #error> {
                match self.0.call::<#reply>(&#constant, |__writer| #fill) {
                    ::core::result::Result::Ok(__view) => #answer,
                    ::core::result::Result::Err(__error) => ::core::result::Result::Err(#widened),
                }
            }
        }
    }

    /// What a client gives for a parameter.
    pub(super) fn taken(&self, param: &Param) -> TokenStream {
        field::part(&self.names(), &param.kind, &param.ty)
    }

    /// What a client is handed, and whether it borrows from the client.
    pub(super) fn view(&self) -> (TokenStream, bool) {
        let (krate, names) = (&self.service.krate, self.names());
        let of = |part: &Part| (field::view(&names, &part.kind, &part.ty), field::borrows(&part.kind));
        match &self.method.returns {
            Returns::Nothing | Returns::Outcome(None, _) => (quote!(()), false),
            Returns::Value(part) | Returns::Outcome(Some(part), _) => of(part),
            Returns::InPlace(ty) => (quote!(#krate::View<'a, #ty>), true),
        }
    }

    /// Writes the request where `__writer` stands.
    pub(super) fn fill(&self) -> TokenStream {
        let (krate, private, request) = (&self.service.krate, self.private(), self.request());
        let done = |written: TokenStream| quote!(::core::result::Result::map(#written, ::core::mem::drop));
        if let (Payload::Itself(ty), [param]) = (self.method.request(), self.method.params.as_slice()) {
            let ident = &param.ident;
            return done(quote!(<#ty as #private::Payload>::write_part(#ident, __writer)));
        }
        let builder = format_ident!("{}Builder", request);
        let sets = self.method.params.iter().map(|param| {
            let ident = &param.ident;
            let setter = match param.kind {
                Kind::List(..) => format_ident!("__set_{}", ident.unraw()),
                _ => ident.clone(),
            };
            quote!(#builder::#setter(&mut __draft, #ident);)
        });
        let mutable = (!self.method.params.is_empty()).then(|| quote!(mut));
        let finish = done(quote!(#krate::codec::Draft::finish(__draft)));
        quote!({
            let #mutable __draft = #request::builder_in(__writer);
            #(#sets)*
            #finish
        })
    }
}
