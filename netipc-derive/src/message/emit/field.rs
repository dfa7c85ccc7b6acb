//! One field: its kind, as the library's types and as those of getter and setter.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Attribute, Ident, Type};

use super::{Names, rules};
use crate::message::model::{Field, Kind, Scalar};

/// What the wire calls a field.
pub(super) fn wire_name(ident: &Ident) -> String {
    ident.unraw().to_string()
}

/// A scalar's type, whatever is in scope.
pub(super) fn scalar(scalar: Scalar) -> TokenStream {
    let ident = scalar.ident();
    quote!(::core::primitive::#ident)
}

/// The library's type for a kind: what proves, reads and writes it.
pub(crate) fn cell(names: &Names, kind: &Kind, ty: &Type) -> TokenStream {
    let private = &names.private;
    match kind {
        Kind::Scalar(kind) => scalar(*kind),
        Kind::Array { element, len } => {
            let element = scalar(*element);
            quote!([#element; #len])
        }
        Kind::Utf8 => quote!(::std::string::String),
        Kind::CStr => quote!(::std::ffi::CString),
        Kind::Bytes { nul: true } => quote!(#private::NulBytes),
        Kind::Bytes { nul: false } => quote!(#private::Bytes),
        Kind::Named => ty.to_token_stream(),
        Kind::Tuple(parts) => {
            let parts = parts.iter().map(|(kind, ty)| cell(names, kind, ty));
            quote!((#(#parts,)*))
        }
        Kind::Option(inner, ty) => {
            let inner = cell(names, inner, ty);
            quote!(::core::option::Option<#inner>)
        }
        Kind::List(inner, ty) => {
            let inner = cell(names, inner, ty);
            quote!(::std::vec::Vec<#inner>)
        }
        Kind::Table { element, .. } => element.to_token_stream(),
        Kind::Directory { element, element_ty, .. } => cell(names, element, element_ty),
    }
}

/// What a getter returns.
pub(crate) fn view(names: &Names, kind: &Kind, ty: &Type) -> TokenStream {
    let krate = &names.krate;
    match kind {
        Kind::Scalar(_) | Kind::Array { .. } => cell(names, kind, ty),
        Kind::Utf8 => quote!(&'a ::core::primitive::str),
        Kind::CStr => quote!(&'a ::core::ffi::CStr),
        Kind::Bytes { nul: true } => quote!(#krate::codec::ByteStr<'a>),
        Kind::Bytes { nul: false } => quote!(&'a [::core::primitive::u8]),
        Kind::Named => quote!(#krate::codec::ViewOf<'a, #ty>),
        Kind::Tuple(parts) => {
            let parts = parts.iter().map(|(kind, ty)| view(names, kind, ty));
            quote!((#(#parts,)*))
        }
        Kind::Option(inner, ty) => {
            let inner = view(names, inner, ty);
            quote!(::core::option::Option<#inner>)
        }
        Kind::List(inner, ty) => {
            let inner = cell(names, inner, ty);
            quote!(#krate::codec::List<'a, #inner>)
        }
        Kind::Table { element, .. } => quote!(#krate::codec::Table<'a, #element>),
        Kind::Directory { .. } => {
            let item = cell(names, kind, ty);
            quote!(#krate::codec::Items<'a, #item>)
        }
    }
}

/// Whether what a getter returns borrows from the payload.
pub(crate) fn borrows(kind: &Kind) -> bool {
    match kind {
        Kind::Scalar(_) | Kind::Array { .. } => false,
        Kind::Option(inner, _) => borrows(inner),
        Kind::Tuple(parts) => parts.iter().any(|(kind, _)| borrows(kind)),
        _ => true,
    }
}

/// What a field is to whoever has only its name.
pub(super) fn made(names: &Names, kind: &Kind, ty: &Type) -> TokenStream {
    let (private, cell) = (&names.private, cell(names, kind, ty));
    match kind {
        Kind::Table { .. } => quote!(#private::TableOf<#cell>),
        Kind::Directory { .. } => quote!(#private::DirectoryOf<#cell>),
        _ => cell,
    }
}

/// The FNV-1a hash of a name, by which messages and services mean the same field.
pub(crate) fn name_hash(ident: &Ident) -> Literal {
    const START: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = wire_name(ident).bytes().fold(START, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    Literal::u64_suffixed(hash)
}

/// What a setter takes.
pub(crate) fn part(names: &Names, kind: &Kind, ty: &Type) -> TokenStream {
    part_for(names, kind, ty, &quote!('_))
}

/// The same, where its lifetime needs a name.
pub(crate) fn part_for(names: &Names, kind: &Kind, ty: &Type, lifetime: &TokenStream) -> TokenStream {
    match kind {
        Kind::Scalar(_) | Kind::Array { .. } => cell(names, kind, ty),
        Kind::Utf8 => quote!(&#lifetime ::core::primitive::str),
        Kind::CStr => quote!(&#lifetime ::core::ffi::CStr),
        Kind::Bytes { .. } => quote!(&#lifetime [::core::primitive::u8]),
        Kind::Option(inner, ty) => {
            let inner = part_for(names, inner, ty, lifetime);
            quote!(::core::option::Option<#inner>)
        }
        Kind::Tuple(parts) => {
            let parts = parts.iter().map(|(kind, ty)| part_for(names, kind, ty, lifetime));
            quote!((#(#parts,)*))
        }
        Kind::Named => {
            let krate = &names.krate;
            quote!(#krate::codec::PartOf<#lifetime, #ty>)
        }
        Kind::List(_, element) => quote!(&#lifetime [#element]),
        _ => {
            let private = &names.private;
            let cell = cell(names, kind, ty);
            quote!(<#cell as #private::Cell>::Part<#lifetime>)
        }
    }
}

/// Whether a field may have bytes in the variable part, as far as the macro can know.
pub(super) fn may_have_tail(kind: &Kind) -> bool {
    !matches!(kind, Kind::Scalar(_) | Kind::Array { .. })
}

/// A field of a message with its place in it.
pub(super) struct Placed<'m> {
    pub(super) field: &'m Field,
    /// Its first byte (that of its count, for tables and directories).
    pub(super) at: TokenStream,
    /// Its number among the fields that may have a tail.
    pub(super) index: Literal,
    /// How many rules stand before its own.
    pub(super) rule: usize,
}

/// Bytes of a count on the wire.
pub(super) fn width(count: Scalar) -> Literal {
    Literal::usize_unsuffixed(count.size())
}

impl Placed<'_> {
    pub(super) fn cell(&self, names: &Names) -> TokenStream {
        cell(names, &self.field.kind, &self.field.ty)
    }

    /// The type of its rule.
    pub(super) fn rule(&self, names: &Names, text: bool) -> TokenStream {
        let private = &names.private;
        let Self { at, index, .. } = self;
        let cell = self.cell(names);
        match &self.field.kind {
            Kind::Table { count, .. } => {
                let width = width(*count);
                quote!(#private::Table<{ #at }, #width, #index, #cell>)
            }
            Kind::Directory { count, .. } => {
                let width = width(*count);
                let (min, max) = self.each();
                quote!(#private::Directory<{ #at }, #width, #index, #min, { #max }, #cell>)
            }
            kind if text && kind.is_text() => quote!(#private::Text<{ #at }, #index, #cell>),
            _ => quote!(#private::Field<{ #at }, #index, #cell>),
        }
    }

    /// The bounds for the items of a directory.
    pub(super) fn each(&self) -> (TokenStream, TokenStream) {
        match &self.field.kind {
            Kind::Directory { each_min, each_max, .. } => {
                let min = Literal::usize_unsuffixed(each_min.unwrap_or(0));
                let max = each_max.map_or_else(
                    || quote!(::core::primitive::usize::MAX),
                    |max| Literal::usize_unsuffixed(max).to_token_stream(),
                );
                (min.to_token_stream(), max)
            }
            _ => (quote!(0), quote!(::core::primitive::usize::MAX)),
        }
    }

    /// Reads the field out of `fields`.
    pub(super) fn read(&self, fields: &TokenStream) -> TokenStream {
        let steps = rules::steps(self.rule);
        let head = quote!(#fields #steps);
        match &self.field.kind {
            Kind::Table { .. } | Kind::Directory { .. } => head,
            _ => quote!(#head.view()),
        }
    }

    /// Turns a view of the field into the owned value.
    pub(super) fn own(&self, names: &Names, view: &TokenStream) -> TokenStream {
        let private = &names.private;
        match &self.field.kind {
            Kind::Table { element, .. } => quote! {
                ::core::iter::Iterator::collect(::core::iter::Iterator::map(
                    #view,
                    <#element as #private::Structure>::to_owned,
                ))
            },
            Kind::Directory { .. } => quote!(#view.to_owned_items()),
            _ => {
                let cell = self.cell(names);
                quote!(<#cell as #private::Cell>::to_owned(#view))
            }
        }
    }

    /// Writes the field from an owned value behind a reference.
    pub(super) fn write(&self, names: &Names, owned: &TokenStream, text: bool) -> TokenStream {
        let private = &names.private;
        let Self { at, index, .. } = self;
        let cell = self.cell(names);
        match &self.field.kind {
            Kind::Table { count, .. } => {
                let width = width(*count);
                quote!(__frame.table_of::<#cell, { #at }, #width, #index>(#owned);)
            }
            Kind::Directory { count, .. } => {
                let width = width(*count);
                let (min, max) = self.each();
                quote!(__frame.directory_of::<#cell, { #at }, #width, #index>(#owned, (#min, #max));)
            }
            kind if text && kind.is_text() => {
                quote!(__frame.text::<#cell, { #at }, #index>(<#cell as #private::Cell>::part(#owned));)
            }
            _ => quote!(__frame.set::<#cell, { #at }, #index>(<#cell as #private::Cell>::part(#owned));),
        }
    }

    /// Holds the field to its `min` and `max`.
    pub(super) fn bounds(&self, names: &Names) -> TokenStream {
        let Names { krate, private, .. } = names;
        let (at, value) = (&self.at, self.probe(names));
        let measure = match self.field.kind {
            Kind::Scalar(_) => quote!(__value),
            _ => quote!(__value.len()),
        };
        let bounds = [(&self.field.min, quote!(>=), quote!(BelowMin)), (&self.field.max, quote!(<=), quote!(AboveMax))];
        let checks = bounds.into_iter().filter_map(|(bound, relation, rule)| {
            let bound = bound.as_ref()?;
            let text = bound.to_token_stream().to_string();
            Some(quote! {
                {
                    let __value = #value;
                    let __holds: ::core::primitive::bool = #measure #relation #bound;
                    if !__holds {
                        return ::core::result::Result::Err(#private::Breach {
                            at: #at,
                            rule: #krate::codec::Rule::#rule(#text),
                        });
                    }
                }
            })
        });
        quote!(#(#checks)*)
    }

    /// What a `require`, a `min` or a `max` sees of the field.
    pub(super) fn probe(&self, names: &Names) -> TokenStream {
        let private = &names.private;
        let at = &self.at;
        match &self.field.kind {
            Kind::Table { count, .. } | Kind::Directory { count, .. } => {
                let width = width(*count);
                quote!(#private::probe_count(__fixed, #at, #width))
            }
            _ => {
                let cell = self.cell(names);
                quote!(#private::probe::<#cell, { #at }>(__fixed))
            }
        }
    }
}

/// A field's docs, or a sentence in their place.
pub(super) fn docs(field: &Field, otherwise: &str) -> TokenStream {
    attributes(&field.docs, otherwise)
}

/// Docs as written, or a sentence in their place.
pub(super) fn attributes(docs: &[Attribute], otherwise: &str) -> TokenStream {
    if docs.is_empty() { quote!(#[doc = #otherwise]) } else { quote!(#(#docs)*) }
}
