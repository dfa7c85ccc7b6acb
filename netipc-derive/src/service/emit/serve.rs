//! The server's side of a method.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::Calls;
use crate::message::emit::{Names, field};
use crate::message::model::Kind;
use crate::service::model::{Form, Param, Part, Payload, Returns};

impl Calls<'_> {
    /// The arm that serves the method.
    pub(super) fn serve(&self) -> TokenStream {
        let Self { service, method } = self;
        if method.lookup.is_some() {
            return self.serve_lookup();
        }
        let (krate, private, request, reply) = (&service.krate, self.private(), self.request(), self.reply());
        let (trait_ident, ident, cfgs) = (&service.ident, &method.ident, &method.cfgs);
        let code = Literal::u16_suffixed(method.code.unwrap_or_default());
        let wire = quote!(#krate::WireMessage);
        let decode = match (method.request(), method.params.as_slice()) {
            (Payload::Itself(ty), [Param { form: Form::Owned, .. }]) => {
                quote!(<#ty as #wire>::decode_owned(__request)?)
            }
            _ => quote!(<#request as #wire>::decode(__request)?),
        };
        let itself = matches!(method.request(), Payload::Itself(_));
        let names = self.names();
        let arguments = method.params.iter().map(|param| self.argument(&names, param, itself));
        let call = method.call.then(|| quote!(__call,));
        let in_place = matches!(method.returns, Returns::InPlace(_)).then(|| quote!(__reply));
        let called = quote!(<__H as #trait_ident>::#ident(&self.0, #call #(#arguments,)* #in_place));
        let encode = |value: TokenStream| quote!(<#reply as #wire>::encode_in(&#value, __reply)?;);
        let answer = match &method.returns {
            Returns::Nothing => {
                let encode = encode(quote!(#reply {}));
                quote!(#called; #encode)
            }
            Returns::Value(Part { kind: Kind::Named, .. }) => encode(called),
            Returns::Value(_) => encode(quote!(#reply { value: #called })),
            Returns::Outcome(value, _) => {
                let (pattern, carried) = match value {
                    Some(_) => (quote!(__value), quote!((__value))),
                    None => (quote!(()), quote!()),
                };
                let encode = encode(quote!(__outcome));
                quote! {
                    let __outcome = match #called {
                        ::core::result::Result::Ok(#pattern) => #reply::Ok #carried,
                        ::core::result::Result::Err(__error) => #reply::Err(__error),
                    };
                    #encode
                }
            }
            Returns::InPlace(ty) => quote!(#private::reply::<#ty>(__reply, |__reply| #called)?;),
        };
        quote! {
            #(#cfgs)*
            #code => {
                let __view = #decode;
                #answer
                ::core::result::Result::Ok(())
            }
        }
    }

    fn argument(&self, names: &Names, param: &Param, itself: bool) -> TokenStream {
        if itself {
            return quote!(__view);
        }
        let (private, ident) = (self.private(), &param.ident);
        match param.form {
            Form::Borrowed => quote!(__view.#ident()),
            Form::Owned => {
                let cell = field::cell(names, &param.kind, &param.ty);
                quote!(<#cell as #private::Cell>::to_owned(__view.#ident()))
            }
        }
    }
}
