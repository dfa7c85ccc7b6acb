//! What stands in for a message with mistakes, so that its uses don't complain too.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Path, Type};

/// Whether the item may have no size, which the traits ask for.
fn unsized_tail(data: &Data) -> bool {
    match data {
        Data::Struct(data) => {
            data.fields.iter().last().is_some_and(|field| matches!(field.ty, Type::TraitObject(_) | Type::Slice(_)))
        }
        Data::Enum(_) | Data::Union(_) => false,
    }
}

/// The names that the item's uses need: a view and a builder without fields, and the traits.
///
/// Nothing for generic items: their uses would need the generics.
pub(crate) fn stub(input: &DeriveInput, krate: &Path) -> TokenStream {
    if !input.generics.params.is_empty() || matches!(input.data, Data::Union(_)) || unsized_tail(&input.data) {
        return TokenStream::new();
    }
    let (vis, message) = (&input.vis, &input.ident);
    let text = message.unraw().to_string();
    let (view, builder) = (format_ident!("{text}View"), format_ident!("{text}Builder"));
    let wire = quote!(<#message as #krate::WireMessage>);
    quote! {
        #[doc(hidden)]
        #[allow(dead_code)]
        #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
        #vis struct #view<'a>(::core::marker::PhantomData<&'a ()>);

        #[doc(hidden)]
        #[allow(dead_code)]
        #vis struct #builder<'w>(#krate::private::Frame<'w, #message>);

        const _: () = {
            #[automatically_derived]
            impl #krate::private::Structure for #message {
                const NAME: &'static ::core::primitive::str = #text;
                const SIZE: ::core::primitive::usize = 1;
                const ALIGN: ::core::primitive::usize = 1;
                const TOLERATE: #krate::private::Tolerate = #krate::private::Tolerate::NOTHING;
                const LAYOUT: &'static #krate::codec::schema::Layout =
                    &#krate::codec::schema::Layout::new(#text, 1, 1, &[]);
                const BLANK: [::core::primitive::u8; 1] = [0];
                type Image = [::core::primitive::u8; 1];
                type Rules = ();
                type View<'a> = #view<'a>;
                type Builder<'w> = #builder<'w>;

                fn view(_: #krate::private::Place<'_, Self>) -> #view<'_> {
                    #view(::core::marker::PhantomData)
                }

                fn to_owned(_: #view<'_>) -> Self {
                    #krate::private::no_variant()
                }

                fn check(_: &[::core::primitive::u8]) -> ::core::result::Result<(), #krate::private::Breach> {
                    ::core::result::Result::Ok(())
                }

                fn fill(&self, _: &mut #krate::private::Frame<'_, Self>) {}

                fn builder(frame: #krate::private::Frame<'_, Self>) -> #builder<'_> {
                    #builder(frame)
                }
            }

            #[automatically_derived]
            impl<'w> #krate::private::Builder<'w, #message> for #builder<'w> {
                fn into_frame(self) -> #krate::private::Frame<'w, #message> {
                    self.0
                }

                fn frame(&mut self) -> &mut #krate::private::Frame<'w, #message> {
                    &mut self.0
                }
            }

            #[allow(dead_code)]
            impl #message {
                #vis fn decode(
                    payload: &[::core::primitive::u8],
                ) -> ::core::result::Result<#view<'_>, #krate::DecodeError> {
                    #wire::decode(payload)
                }

                #vis fn encode(
                    &self,
                    buffer: &mut [::core::primitive::u8],
                ) -> ::core::result::Result<::core::primitive::usize, #krate::EncodeError> {
                    #wire::encode(self, buffer)
                }
            }
        };
    }
}
