//! The functions that a message has as its own, so that they work without a trait in scope.

use proc_macro2::TokenStream;
use quote::quote;

use super::Names;

pub(super) fn emit(names: &Names, table: &str) -> TokenStream {
    let Names { krate, vis, message, view, builder, .. } = names;
    let wire = quote!(<#message as #krate::WireMessage>);
    let items = functions(names, &wire, &quote!(#view<'_>));
    quote! {
        #[allow(dead_code)]
        impl #message {
            #[doc = "The layout, field by field."]
            #[doc = ""]
            #[doc = #table]
            #vis const LAYOUT: #krate::codec::schema::Layout = #wire::LAYOUT;

            #items

            #[doc = "Begins such a message at the start of `buffer`, to be written in place."]
            #[inline]
            #[must_use]
            #vis fn builder(buffer: &mut [::core::primitive::u8]) -> #builder<'_> {
                #builder::new(buffer)
            }

            #[doc = "Begins such a message where `writer` stands, to be written in place behind what is there."]
            #[inline]
            #[must_use]
            #vis fn builder_in<'w>(writer: &'w mut #krate::buf::Writer<'_>) -> #krate::codec::Draft<'w, Self> {
                #krate::codec::Draft::new(writer)
            }
        }

        // Evaluated here, so that messages which contain each other are refused where they are declared.
        const _: ::core::primitive::u64 = #wire::FINGERPRINT;
    }
}

/// What every message has: fingerprint, decoding, encoding.
pub(super) fn functions(names: &Names, wire: &TokenStream, view: &TokenStream) -> TokenStream {
    let Names { krate, vis, .. } = names;
    quote! {
        #[doc = "One number for the layout: it changes when the bytes on the wire do."]
        #vis const FINGERPRINT: ::core::primitive::u64 = #wire::FINGERPRINT;

        #[doc = "Proves that `payload` is one such message."]
        #[doc = ""]
        #[doc = "# Errors"]
        #[doc = "Which field breaks which rule of the layout, at which byte."]
        #[inline]
        #vis fn decode(
            payload: &[::core::primitive::u8],
        ) -> ::core::result::Result<#view, #krate::DecodeError> {
            #wire::decode(payload)
        }

        #[doc = "Proves the payload and copies it into an owned value."]
        #[doc = ""]
        #[doc = "# Errors"]
        #[doc = "As `decode`, and where overlapping items would multiply in memory."]
        #vis fn decode_owned(
            payload: &[::core::primitive::u8],
        ) -> ::core::result::Result<Self, #krate::DecodeError> {
            #wire::decode_owned(payload)
        }

        #[doc = "Writes the message at the start of `buffer` and tells its length in bytes."]
        #[doc = ""]
        #[doc = "# Errors"]
        #[doc = "Too small a buffer, with the size that would have been enough; a value that the layout excludes."]
        #[inline]
        #vis fn encode(
            &self,
            buffer: &mut [::core::primitive::u8],
        ) -> ::core::result::Result<::core::primitive::usize, #krate::EncodeError> {
            #wire::encode(self, buffer)
        }

        #[doc = "How many bytes `encode` writes."]
        #[must_use]
        #vis fn encoded_len(&self) -> ::core::primitive::usize {
            #wire::encoded_len(self)
        }

        #[doc = "The message in a buffer of its own."]
        #[doc = ""]
        #[doc = "# Errors"]
        #[doc = "A value that the layout excludes."]
        #vis fn to_vec(
            &self,
        ) -> ::core::result::Result<::std::vec::Vec<::core::primitive::u8>, #krate::EncodeError> {
            #wire::to_vec(self)
        }
    }
}
