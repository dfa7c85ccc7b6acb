//! An enum that carries data: a tag, then the fields of the variant; the view is an enum of views.

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};
use syn::ext::IdentExt;
use syn::{Attribute, Ident};

use super::Names;
use super::field::{self, Placed, scalar, wire_name};
use super::inherent;
use super::layout::{self, Layout};
use super::rules;
use crate::message::docs;
use crate::message::model::{Style, Union, UnionVariant};

/// A variant with its rules.
struct Laid<'m> {
    variant: &'m UnionVariant,
    layout: Layout<'m>,
}

impl Laid<'_> {
    fn tag(&self) -> Literal {
        Literal::i128_unsuffixed(self.variant.value)
    }

    fn fields(&self) -> impl Iterator<Item = &Placed<'_>> {
        self.layout.fields.iter()
    }

    fn idents(&self) -> Vec<&Ident> {
        self.fields().map(|placed| &placed.field.ident).collect()
    }

    /// `{ a: .., b: .. }`, `(.., ..)` or nothing, as the variant was declared.
    fn braces(&self, values: &[TokenStream]) -> TokenStream {
        let idents = self.idents();
        match self.variant.style {
            Style::Named => quote!({ #(#idents: #values),* }),
            Style::Tuple => quote!((#(#values),*)),
            Style::Unit => TokenStream::new(),
        }
    }

    /// Binds each field by its name.
    fn pattern(&self) -> TokenStream {
        let idents = self.idents();
        match self.variant.style {
            Style::Named => quote!({ #(#idents),* }),
            Style::Tuple => quote!((#(#idents),*)),
            Style::Unit => TokenStream::new(),
        }
    }
}

pub(super) fn emit(names: &Names, body: &Union, message_docs: &[Attribute]) -> TokenStream {
    let Names { vis, view, builder, message, private, text, .. } = names;
    let repr = scalar(body.repr);
    let (laid, consts, align) = lay(names, body);
    let borrows = body.variants.iter().flat_map(|variant| &variant.fields).any(|field| field::borrows(&field.kind));
    let lifetime = |lifetime: TokenStream| if borrows { quote!(<#lifetime>) } else { TokenStream::new() };
    let (of_a, of_any) = (lifetime(quote!('a)), lifetime(quote!('_)));
    let table = docs::variants(body);
    let message_docs = field::attributes(message_docs, "");
    let variants = laid.iter().map(|laid| view_variant(names, laid));
    let structure = structure(names, &laid, &repr, &align, &of_a, &of_any);
    let debug = debug(names, &laid, &of_any);
    let setters = laid.iter().map(|laid| setter(names, laid, &repr));
    let inherent = inherent(names, &table, &of_any);
    let view_head = format!("A [`{text}`] inside a payload, made by `{text}::decode`.");
    let builder_head = format!("Writes a [`{text}`] in place, one of its variants.");
    let new = format!("Begins a [`{text}`] at the start of `buffer`.");
    let krate = &names.krate;
    let assertions: TokenStream =
        laid.iter().flat_map(|laid| laid.fields()).map(|placed| layout::element_assertions(names, placed)).collect();
    quote! {
        #[doc = #view_head]
        #[doc = ""]
        #message_docs
        #[doc = ""]
        #[doc = #table]
        #[allow(dead_code, non_camel_case_types)]
        #vis enum #view #of_a {
            #(#variants)*
        }

        #[doc = #builder_head]
        #[allow(dead_code, non_camel_case_types)]
        #vis struct #builder<'w>(#private::Frame<'w, #message>);

        const _: () = {
            #consts
            #assertions
            #structure

            #[automatically_derived]
            impl ::core::clone::Clone for #view #of_any {
                #[inline]
                fn clone(&self) -> Self {
                    *self
                }
            }

            #[automatically_derived]
            impl ::core::marker::Copy for #view #of_any {}

            #debug

            #[allow(dead_code)]
            impl #view #of_any {
                #[doc = "An owned copy."]
                #[inline]
                #[must_use]
                #vis fn to_owned(&self) -> #message {
                    <#message as #private::Structure>::to_owned(*self)
                }
            }

            #[allow(dead_code, clippy::len_without_is_empty)]
            impl<'w> #builder<'w> {
                #[doc = #new]
                #[inline]
                #[must_use]
                #vis fn new(buffer: &'w mut [::core::primitive::u8]) -> Self {
                    Self(#private::Frame::<#message>::root(buffer))
                }

                #(#setters)*

                #[doc = "Completes the message and tells its length in bytes."]
                #[doc = ""]
                #[doc = "# Errors"]
                #[doc = "Too small a buffer, with the size that would have been enough; two variants were set, or none and none has the value 0."]
                #[inline]
                #vis fn finish(mut self) -> ::core::result::Result<::core::primitive::usize, #krate::EncodeError> {
                    self.0.finish()
                }
            }

            #inherent
        };
    }
}

/// The variants behind the tag, each at natural alignment; the constants that hold their offsets; the alignment.
fn lay<'m>(names: &Names, body: &'m Union) -> (Vec<Laid<'m>>, TokenStream, TokenStream) {
    let private = &names.private;
    let repr = scalar(body.repr);
    let start = quote!(<#repr as #private::Cell>::SIZE);
    let (mut laid, mut consts, mut ends, mut aligns) = (Vec::new(), TokenStream::new(), Vec::new(), Vec::new());
    for (number, variant) in body.variants.iter().enumerate() {
        let mut run = layout::natural(names, &variant.fields, &start, &format!("_{number}"), false);
        layout::pad(names, &mut run.layout, &run.end);
        consts.extend(run.layout.consts.clone());
        aligns.push(run.layout.align.clone());
        ends.push(run.end);
        laid.push(Laid { variant, layout: run.layout });
    }
    let align = quote!(#private::largest(&[<#repr as #private::Cell>::ALIGN #(, #aligns)*]));
    consts.extend(quote! {
        const __SIZE: ::core::primitive::usize =
            #private::align_up(#private::largest(&[#start #(, #ends)*]), #align);
    });
    (laid, consts, align)
}

fn view_variant(names: &Names, laid: &Laid<'_>) -> TokenStream {
    let ident = &laid.variant.ident;
    let docs = field::attributes(&laid.variant.docs, &format!("The variant `{}`.", ident.unraw()));
    let fields = laid.fields().map(|placed| {
        let ty = field::view(names, &placed.field.kind, &placed.field.ty);
        let ident = &placed.field.ident;
        match laid.variant.style {
            Style::Named => {
                let docs = field::docs(placed.field, &format!("The field `{}`.", wire_name(ident)));
                quote!(#docs #ident: #ty)
            }
            _ => ty,
        }
    });
    match laid.variant.style {
        Style::Named => quote!(#docs #ident { #(#fields),* },),
        Style::Tuple => quote!(#docs #ident(#(#fields),*),),
        Style::Unit => quote!(#docs #ident,),
    }
}

fn structure(
    names: &Names,
    laid: &[Laid<'_>],
    repr: &TokenStream,
    align: &TokenStream,
    of_a: &TokenStream,
    of_any: &TokenStream,
) -> TokenStream {
    let Names { krate, message, view, builder, private, text, .. } = names;
    let schema = quote!(#krate::codec::schema);
    let variants: Vec<_> = laid
        .iter()
        .map(|laid| {
            let (tag, rules) = (laid.tag(), laid.layout.rule_list(names));
            quote!(#private::Variant<#tag, #rules>)
        })
        .collect();
    let variants = rules::nest(&variants);
    let described = laid.iter().map(|laid| {
        let (name, tag, entries) = (wire_name(&laid.variant.ident), laid.tag(), &laid.layout.entries);
        quote!(#schema::Variant::new(#name, #tag, { const FIELDS: &[#schema::Field] = &[#(#entries),*]; FIELDS }))
    });
    let read = laid.iter().enumerate().map(|(number, laid)| {
        let ident = &laid.variant.ident;
        let tails = (0..number).map(|_| quote!(.tail()));
        let values: Vec<_> = laid.fields().map(|placed| placed.read(&quote!(fields))).collect();
        let value = laid.braces(&values);
        quote! {
            #[allow(unused_variables)]
            if let ::core::option::Option::Some(fields) = variants #(#tails)*.head() {
                return #view::#ident #value;
            }
        }
    });
    let owned = laid.iter().map(|laid| {
        let (ident, pattern) = (&laid.variant.ident, laid.pattern());
        let values: Vec<_> = laid
            .fields()
            .map(|placed| {
                let ident = &placed.field.ident;
                placed.own(names, &quote!(#ident))
            })
            .collect();
        let value = laid.braces(&values);
        quote!(#view::#ident #pattern => Self::#ident #value,)
    });
    let bounds = laid.iter().filter_map(|laid| {
        let tag = laid.tag();
        let bounds: TokenStream = laid.fields().map(|placed| placed.bounds(names)).collect();
        (!bounds.is_empty()).then(|| quote!(if <#repr as #private::Tag>::tag(__fixed) == #tag { #bounds }))
    });
    let fill = laid.iter().map(|laid| {
        let (ident, pattern, tag) = (&laid.variant.ident, laid.pattern(), laid.tag());
        let writes = laid.fields().map(|placed| {
            let ident = &placed.field.ident;
            placed.write(names, &quote!(#ident), false)
        });
        quote!(Self::#ident #pattern => { __frame.variant::<#repr>(#tag); #(#writes)* })
    });
    quote! {
        #[automatically_derived]
        impl #private::Structure for #message {
            const NAME: &'static ::core::primitive::str = #text;
            const SIZE: ::core::primitive::usize = __SIZE;
            const ALIGN: ::core::primitive::usize = #align;
            const TOLERATE: #private::Tolerate = #private::Tolerate::NOTHING;
            const LAYOUT: &'static #schema::Layout = {
                const FIELDS: &[#schema::Field] =
                    &[#schema::Field::new("tag", 0, <#repr as #private::Cell>::SIZE, #schema::Kind::Tag)];
                const VARIANTS: &[#schema::Variant] = &[#(#described),*];
                &#schema::Layout::new(#text, __SIZE, <#message as #private::Structure>::ALIGN, FIELDS).variants(VARIANTS)
            };
            const BLANK: Self::Image = #private::blank(&[]);
            type Image = [::core::primitive::u8; __SIZE];
            type Rules = (#private::Tagged<#repr, #variants>, ());
            type View<'a> = #view #of_a;
            type Builder<'w> = #builder<'w>;

            #[inline]
            fn view(place: #private::Place<'_, Self>) -> #view #of_any {
                let variants = place.fields().head();
                #(#read)*
                #private::no_variant()
            }

            fn to_owned(view: #view #of_any) -> Self {
                match view {
                    #(#owned)*
                }
            }

            #[inline(always)]
            #[allow(unused_variables)]
            fn check(__fixed: &[::core::primitive::u8]) -> ::core::result::Result<(), #private::Breach> {
                #(#bounds)*
                ::core::result::Result::Ok(())
            }

            fn field_at(
                fixed: &[::core::primitive::u8],
                at: ::core::primitive::usize,
            ) -> &'static ::core::primitive::str {
                <Self as #private::Structure>::LAYOUT.variant_field_at(<#repr as #private::Tag>::tag(fixed), at)
            }

            #[inline]
            fn fill(&self, __frame: &mut #private::Frame<'_, Self>) {
                match self {
                    #(#fill)*
                }
            }

            #[inline(always)]
            fn builder(frame: #private::Frame<'_, Self>) -> #builder<'_> {
                #builder(frame)
            }
        }

        #[automatically_derived]
        impl<'w> #private::Builder<'w, #message> for #builder<'w> {
            #[inline(always)]
            fn into_frame(self) -> #private::Frame<'w, #message> {
                self.0
            }

            #[inline]
            fn frame(&mut self) -> &mut #private::Frame<'w, #message> {
                &mut self.0
            }
        }
    }
}

fn debug(names: &Names, laid: &[Laid<'_>], of_any: &TokenStream) -> TokenStream {
    let Names { view, builder, private, text, .. } = names;
    let arms = laid.iter().map(|laid| {
        let (ident, pattern) = (&laid.variant.ident, laid.pattern());
        let name = wire_name(ident);
        let fields = laid.fields().map(|placed| {
            let (ident, cell) = (&placed.field.ident, placed.cell(names));
            let shown = quote!(&#private::shown::<#cell>(#ident));
            match laid.variant.style {
                Style::Named => {
                    let name = wire_name(ident);
                    quote!(.field(#name, #shown))
                }
                _ => quote!(.field(#shown)),
            }
        });
        match laid.variant.style {
            Style::Named => quote!(#view::#ident #pattern => __f.debug_struct(#name) #(#fields)* .finish(),),
            Style::Tuple => quote!(#view::#ident #pattern => __f.debug_tuple(#name) #(#fields)* .finish(),),
            Style::Unit => quote!(#view::#ident => __f.write_str(#name),),
        }
    });
    quote! {
        #[automatically_derived]
        impl ::core::fmt::Debug for #view #of_any {
            fn fmt(&self, __f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self {
                    #(#arms)*
                }
            }
        }

        #[automatically_derived]
        impl ::core::fmt::Debug for #builder<'_> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(#text).finish_non_exhaustive()
            }
        }
    }
}

/// `set_variant(field, ..)`.
fn setter(names: &Names, laid: &Laid<'_>, repr: &TokenStream) -> TokenStream {
    let vis = &names.vis;
    let name = wire_name(&laid.variant.ident);
    let ident = format_ident!("set_{}", snake(&name), span = laid.variant.ident.span());
    let docs = format!("Sets the variant `{name}`.");
    let tag = laid.tag();
    let params = laid.fields().map(|placed| {
        let (ident, part) = (&placed.field.ident, field::part(names, &placed.field.kind, &placed.field.ty));
        quote!(#ident: #part)
    });
    let sets = laid.fields().map(|placed| {
        let (ident, cell, at, index) = (&placed.field.ident, placed.cell(names), &placed.at, &placed.index);
        quote!(self.0.set::<#cell, { #at }, #index>(#ident);)
    });
    quote! {
        #[doc = #docs]
        #[inline]
        #vis fn #ident(&mut self #(, #params)*) -> &mut Self {
            self.0.variant::<#repr>(#tag);
            #(#sets)*
            self
        }
    }
}

/// `CamelCase` as `camel_case`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (number, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && number > 0 && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

fn inherent(names: &Names, table: &str, of_any: &TokenStream) -> TokenStream {
    let Names { krate, vis, message, view, builder, .. } = names;
    let wire = quote!(<#message as #krate::WireMessage>);
    let functions = inherent::functions(names, &wire, &quote!(#view #of_any));
    quote! {
        #[allow(dead_code)]
        impl #message {
            #[doc = "The layout, variant by variant."]
            #[doc = ""]
            #[doc = #table]
            #vis const LAYOUT: #krate::codec::schema::Layout = #wire::LAYOUT;

            #functions

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

        const _: ::core::primitive::u64 = #wire::FINGERPRINT;
    }
}
