//! An enum without data: one integer.

use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::Names;
use super::field::{scalar, wire_name};
use super::inherent;
use crate::message::model::Code;

pub(super) fn emit(names: &Names, body: &Code) -> TokenStream {
    let Names { krate, message, private, text, .. } = names;
    let repr = scalar(body.repr);
    let value = |value: i128| Literal::i128_unsuffixed(value);
    let values = body.variants.iter().map(|variant| {
        let (name, value) = (wire_name(&variant.ident), value(variant.value));
        quote!((#name, #value))
    });
    let open = body.open.is_some();
    let from = body.variants.iter().map(|variant| {
        let (ident, value) = (&variant.ident, value(variant.value));
        quote!(#value => ::core::option::Option::Some(Self::#ident),)
    });
    let from_other = body.open.as_ref().map_or_else(
        || quote!(#[allow(unreachable_patterns)] _ => ::core::option::Option::None,),
        |other| quote!(#[allow(unreachable_patterns)] other => ::core::option::Option::Some(Self::#other(other)),),
    );
    let to = body.variants.iter().map(|variant| {
        let (ident, value) = (&variant.ident, value(variant.value));
        quote!(Self::#ident => #value,)
    });
    let to_other = body.open.as_ref().map(|other| quote!(Self::#other(other) => other,));
    let name = body.variants.iter().map(|variant| {
        let (ident, name) = (&variant.ident, wire_name(&variant.ident));
        quote!(Self::#ident => #name,)
    });
    let name_other = body.open.as_ref().map(|other| {
        let name = wire_name(other);
        quote!(Self::#other(_) => #name,)
    });
    let first = body.variants.first().map_or_else(
        || body.open.as_ref().map_or_else(TokenStream::new, |other| quote!(Self::#other(0))),
        |variant| {
            let ident = &variant.ident;
            quote!(Self::#ident)
        },
    );
    let wire = quote!(<#message as #krate::WireMessage>);
    let functions = inherent::functions(names, &wire, &quote!(#krate::codec::CodeView<Self>));
    quote! {
        const _: () = {
            #[automatically_derived]
            impl #private::Code for #message {
                type Repr = #repr;
                const CODES: &'static #krate::codec::schema::Codes =
                    &#krate::codec::schema::Codes::new(#text, #open, &[#(#values),*]);
                const FIRST: Self = #first;

                #[inline(always)]
                fn from_wire(value: #repr) -> ::core::option::Option<Self> {
                    match value {
                        #(#from)*
                        #from_other
                    }
                }

                #[inline(always)]
                fn to_wire(self) -> #repr {
                    match self {
                        #(#to)*
                        #to_other
                    }
                }

                fn name(self) -> &'static ::core::primitive::str {
                    match self {
                        #(#name)*
                        #name_other
                    }
                }
            }

            #krate::__code_cell!(#message, #repr);

            #[allow(dead_code)]
            impl #message {
                #functions
            }
        };
    }
}
