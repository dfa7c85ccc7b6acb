//! The client's side of a method.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
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
        let (ident, cfgs, constant, reply) = (&method.ident, &method.cfgs, constant(index), self.reply());
        let (docs, deprecated) = (self.docs(), &method.deprecated);
        let params = method.params.iter().map(|param| {
            let (ident, ty) = (&param.ident, self.taken(param));
            quote!(#ident: #ty)
        });
        let fill = self.fill();
        let (result, borrows) = self.result();
        let (generics, lifetime) = if borrows { (quote!(<'a>), quote!('a)) } else { (quote!(), quote!()) };
        let (widened, answer) = match &method.returns {
            Returns::Outcome(value, error) => {
                let view = format_ident!("{}View", reply);
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
                (quote!(__error.widen()), answer)
            }
            Returns::Nothing => (
                quote!(__error),
                quote!({
                    let _ = __view;
                    ::core::result::Result::Ok(())
                }),
            ),
            Returns::Value(Part { ty, kind: Kind::Named }) => {
                let bare = quote!(<#ty as #private::Payload>::bare(__view));
                (quote!(__error), quote!(::core::result::Result::Ok(#bare)))
            }
            Returns::Value(_) => (quote!(__error), quote!(::core::result::Result::Ok(__view.value()))),
            Returns::InPlace(_) => (quote!(__error), quote!(::core::result::Result::Ok(__view))),
        };
        quote! {
            #(#cfgs)*
            #docs
            #(#deprecated)*
            #vis fn #ident #generics (&#lifetime mut self, #(#params),*) -> #result {
                match self.0.call::<#reply>(&#constant, |__writer| #fill) {
                    ::core::result::Result::Ok(__view) => #answer,
                    ::core::result::Result::Err(__error) => ::core::result::Result::Err(#widened),
                }
            }
        }
    }

    /// What is said of the method where it is declared, and what a call adds.
    pub(super) fn docs(&self) -> TokenStream {
        let Self { service, method } = self;
        let krate = service.krate.to_token_stream().to_string().replace(' ', "");
        let declared = format!("[`{}::{}`]", service.ident.unraw(), method.ident.unraw());
        let docs = match method.docs.as_slice() {
            [] => {
                let calls = format!("Calls {declared} in another process.");
                quote!(#[doc = #calls])
            }
            docs => quote!(#(#docs)*),
        };
        let errors = match &method.returns {
            Returns::Outcome(..) => format!(
                "[`CallError::Application`]({krate}::CallError::Application) holds the error of {declared} itself; the \
                 others say why there is no answer."
            ),
            _ => format!("A [`CallError`]({krate}::CallError) says why there is no answer of {declared}."),
        };
        // The method's own docs may end in a section of that name.
        let heading = (!docs.to_string().contains("# Errors")).then(|| quote!(#[doc = "# Errors"]));
        quote! {
            #docs
            #[doc = ""]
            #heading
            #[doc = #errors]
        }
    }

    /// What a call returns, and whether it borrows from the client.
    pub(in crate::service) fn result(&self) -> (TokenStream, bool) {
        let krate = &self.service.krate;
        let (view, borrows) = self.view();
        let error = match &self.method.returns {
            Returns::Outcome(_, error) => {
                let error = &error.ty;
                quote!(#krate::CallError<#error>)
            }
            _ => quote!(#krate::CallError),
        };
        (quote!(::core::result::Result<#view, #error>), borrows)
    }

    /// What a client gives for a parameter.
    pub(in crate::service) fn taken(&self, param: &Param) -> TokenStream {
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
