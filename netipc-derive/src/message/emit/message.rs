//! A struct: rules, view, builder.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Attribute;

use super::Names;
use super::field::{self, Placed, wire_name};
use super::inherent;
use super::layout::{self, Layout};
use crate::message::docs;
use crate::message::model::{Kind, Struct};

pub(super) fn emit(names: &Names, body: &Struct, message_docs: &[Attribute]) -> TokenStream {
    let layout = if body.placed {
        layout::by_hand(names, body)
    } else {
        let mut run = layout::natural(names, &body.fields, &quote!(0), "", true);
        layout::pad(names, &mut run.layout, &run.end);
        let (private, align, end) = (&names.private, &run.layout.align, &run.end);
        run.layout.consts.extend(quote! {
            const __SIZE: ::core::primitive::usize = #private::align_up(#end, #align);
        });
        run.layout
    };
    let Names { vis, message, view, builder, private, text, .. } = names;
    let table = docs::table(&names.text, body);
    let message_docs = field::attributes(message_docs, "");
    let view_head =
        format!("A [`{text}`] inside a payload: a proof that all of it is well formed, made by `{text}::decode`.");
    let builder_head = format!("Writes a [`{text}`] in place, field by field; what is not set is zero or empty.");
    let structure = structure(names, body, &layout);
    let getters = getters(names, &layout);
    let setters = setters(names, &layout);
    let debug = debug(names, &layout);
    let inherent = inherent::emit(names, &table);
    let named = named(names, &layout);
    let to_owned = to_owned(names, body);
    let consts = &layout.consts;
    let assertions = layout::assertions(names, body, &layout);
    quote! {
        #[doc = #view_head]
        #[doc = ""]
        #message_docs
        #[doc = ""]
        #[doc = #table]
        #[allow(dead_code, non_camel_case_types)]
        #vis struct #view<'a>(#private::Place<'a, #message>);

        #[doc = #builder_head]
        #[allow(dead_code, non_camel_case_types)]
        #vis struct #builder<'w>(#private::Frame<'w, #message>);

        const _: () = {
            #consts
            #assertions
            #structure

            #[automatically_derived]
            impl ::core::clone::Clone for #view<'_> {
                #[inline]
                fn clone(&self) -> Self {
                    *self
                }
            }

            #[automatically_derived]
            impl ::core::marker::Copy for #view<'_> {}

            #debug

            #[allow(dead_code, clippy::len_without_is_empty)]
            impl<'a> #view<'a> {
                #getters
                #to_owned
            }

            #[allow(dead_code, clippy::len_without_is_empty)]
            impl<'w> #builder<'w> {
                #setters
            }

            #named
            #inherent
        };
    }
}

/// What the library asks of a message.
fn structure(names: &Names, body: &Struct, layout: &Layout<'_>) -> TokenStream {
    let Names { krate, message, view, builder, private, text, .. } = names;
    let schema = quote!(#krate::codec::schema);
    let Layout { size, align, blank, entries, .. } = layout;
    let rules = layout.rule_list(names);
    let tolerated = tolerated(body);
    let requires = body.require.iter().map(|require| &require.text);
    let owned = layout.fields.iter().map(|placed| {
        let ident = &placed.field.ident;
        let own = placed.own(names, &quote!(view.#ident()));
        quote!(#ident: #own)
    });
    let fill = layout.fields.iter().map(|placed| {
        let ident = &placed.field.ident;
        placed.write(names, &quote!(&self.#ident), true)
    });
    let check = check(names, body, layout);
    let bounded = body.tolerate.item_overlap.and_then(|_| directory(layout)).map(|placed| {
        let ident = &placed.field.ident;
        quote! {
            fn bounded(view: #view<'_>) -> ::core::result::Result<(), #krate::codec::Amplified> {
                view.#ident().bounded(#text, <#message as #private::Structure>::SIZE)
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl #private::Structure for #message {
            const NAME: &'static ::core::primitive::str = #text;
            const SIZE: ::core::primitive::usize = #size;
            const ALIGN: ::core::primitive::usize = #align;
            const TOLERATE: #private::Tolerate = #private::Tolerate::NOTHING #(.and(#tolerated))*;
            const LAYOUT: &'static #schema::Layout = {
                const FIELDS: &[#schema::Field] = &[#(#entries),*];
                &#schema::Layout::new(
                    #text,
                    <#message as #private::Structure>::SIZE,
                    <#message as #private::Structure>::ALIGN,
                    FIELDS,
                )
                .rules(&[#(#tolerated),*], &[#(#requires),*])
            };
            const BLANK: Self::Image = #private::blank(&[#(#blank),*]);
            type Image = [::core::primitive::u8; #size];
            type Rules = #rules;
            type View<'a> = #view<'a>;
            type Builder<'w> = #builder<'w>;

            #[inline(always)]
            fn view(place: #private::Place<'_, Self>) -> #view<'_> {
                #view(place)
            }

            #[allow(unused_variables)]
            fn to_owned(view: #view<'_>) -> Self {
                Self { #(#owned),* }
            }

            #bounded

            #[inline(always)]
            #[allow(unused_variables)]
            fn check(
                __fixed: &[::core::primitive::u8],
            ) -> ::core::result::Result<(), #private::Breach> {
                #check
                ::core::result::Result::Ok(())
            }

            #[inline(always)]
            #[allow(unused_variables)]
            fn fill(&self, __frame: &mut #private::Frame<'_, Self>) {
                #(#fill)*
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

/// The words of `tolerate(..)`, in the order of the docs.
fn tolerated(body: &Struct) -> Vec<&'static str> {
    let tolerate = &body.tolerate;
    [
        (tolerate.trailing, "trailing"),
        (tolerate.dirty_gaps, "dirty_gaps"),
        (tolerate.item_order, "item_order"),
        (tolerate.item_overlap, "item_overlap"),
        (tolerate.string_order, "string_order"),
        (tolerate.slack, "slack"),
    ]
    .into_iter()
    .filter_map(|(asked, word)| asked.map(|_| word))
    .collect()
}

fn directory<'l, 'm>(layout: &'l Layout<'m>) -> Option<&'l Placed<'m>> {
    layout.fields.iter().find(|placed| matches!(placed.field.kind, Kind::Directory { .. }))
}

/// `min`, `max` and `require`, over the fixed part.
fn check(names: &Names, body: &Struct, layout: &Layout<'_>) -> TokenStream {
    let Names { krate, private, .. } = names;
    let mut checks = TokenStream::new();
    checks.extend(layout.fields.iter().map(|placed| placed.bounds(names)));
    for require in &body.require {
        let mentioned: Vec<_> =
            layout.fields.iter().filter(|placed| require.names.contains(&placed.field.ident)).collect();
        let lets = mentioned.iter().map(|placed| {
            let ident = &placed.field.ident;
            let value = placed.probe(names);
            quote!(let #ident = #value;)
        });
        let at = mentioned.first().map_or_else(|| quote!(0), |placed| placed.at.clone());
        let (expr, text) = (&require.expr, &require.text);
        checks.extend(quote! {
            {
                #(#lets)*
                let __holds: ::core::primitive::bool = #expr;
                if !__holds {
                    return ::core::result::Result::Err(#private::Breach {
                        at: #at,
                        rule: #krate::codec::Rule::Requires(#text),
                    });
                }
            }
        });
    }
    checks
}

fn getters(names: &Names, layout: &Layout<'_>) -> TokenStream {
    let each = layout.fields.iter().map(|placed| {
        let field = placed.field;
        let (ident, vis) = (&field.ident, &field.vis);
        let docs = field::docs(field, &format!("The field `{}`.", wire_name(ident)));
        let ty = field::view(names, &field.kind, &field.ty);
        let read = placed.read(&quote!(self.0.fields()));
        quote! {
            #docs
            #[inline]
            #[must_use]
            #vis fn #ident(&self) -> #ty {
                #read
            }
        }
    });
    quote!(#(#each)*)
}

/// The fields, for services that name them.
fn named(names: &Names, layout: &Layout<'_>) -> TokenStream {
    let Names { message, view, private, .. } = names;
    let each = layout.fields.iter().map(|placed| {
        let field = placed.field;
        let (ident, hash, made) =
            (&field.ident, field::name_hash(&field.ident), field::made(names, &field.kind, &field.ty));
        quote! {
            #[automatically_derived]
            impl #private::Named<#hash> for #message {
                type Field = #made;

                #[inline(always)]
                fn get<'a>(view: Self::View<'a>) -> <Self::Field as #private::Made>::View<'a> {
                    #view::#ident(&view)
                }
            }
        }
    });
    quote!(#(#each)*)
}

/// The owned copy, which overlapping items can make impossible.
fn to_owned(names: &Names, body: &Struct) -> TokenStream {
    let Names { krate, vis, message, private, .. } = names;
    if body.tolerate.item_overlap.is_some() {
        quote! {
            #[doc = "An owned copy."]
            #[doc = ""]
            #[doc = "# Errors"]
            #[doc = "Where items overlap so much that the copy would be more than four times as large as the payload."]
            #[inline]
            #vis fn to_owned(&self) -> ::core::result::Result<#message, #krate::codec::Amplified> {
                ::core::result::Result::map(<#message as #private::Structure>::bounded(*self), |()| {
                    <#message as #private::Structure>::to_owned(*self)
                })
            }
        }
    } else {
        quote! {
            #[doc = "An owned copy."]
            #[inline]
            #[must_use]
            #vis fn to_owned(&self) -> #message {
                <#message as #private::Structure>::to_owned(*self)
            }
        }
    }
}

fn setters(names: &Names, layout: &Layout<'_>) -> TokenStream {
    let Names { krate, vis, message, private, text, .. } = names;
    let each = layout.fields.iter().map(|placed| setter(names, placed));
    let new = format!("Begins a [`{text}`] at the start of `buffer`.");
    quote! {
        #[doc = #new]
        #[inline]
        #[must_use]
        #vis fn new(buffer: &'w mut [::core::primitive::u8]) -> Self {
            Self(#private::Frame::<#message>::root(buffer))
        }

        #(#each)*

        #[doc = "Completes the message and tells its length in bytes."]
        #[doc = ""]
        #[doc = "# Errors"]
        #[doc = "Too small a buffer, with the size that would have been enough; a value or an order that the layout excludes."]
        #[inline]
        #vis fn finish(mut self) -> ::core::result::Result<::core::primitive::usize, #krate::EncodeError> {
            self.0.finish()
        }
    }
}

fn setter(names: &Names, placed: &Placed<'_>) -> TokenStream {
    let Names { krate, private, .. } = names;
    let field = placed.field;
    let (ident, vis, at, index) = (&field.ident, &field.vis, &placed.at, &placed.index);
    let cell = placed.cell(names);
    let name = wire_name(ident);
    let (head, ty, body) = match &field.kind {
        Kind::List(element, element_ty) => {
            let element_cell = field::cell(names, element, element_ty);
            let open = quote!(self.0.list::<#element_cell, { #at }, #index>(at_most));
            if matches!(**element, Kind::Named) {
                (
                    None,
                    quote!(<#element_cell as #private::Pushed>::Builder<'_, 'w>),
                    quote! {
                        <#element_cell as #private::Pushed>::pushed(#open)
                    },
                )
            } else {
                (None, quote!(#krate::codec::ValuesBuilder<'_, 'w, #element_cell>), quote!(#private::values(#open)))
            }
        }
        Kind::Table { count, .. } => {
            let width = field::width(*count);
            (
                None,
                quote!(#krate::codec::RecordsBuilder<'_, 'w, #cell>),
                quote! {
                    self.0.table::<#cell, { #at }, #width, #index>(at_most)
                },
            )
        }
        Kind::Directory { count, element, .. } => {
            let width = field::width(*count);
            let (min, max) = placed.each();
            let open = quote!(self.0.directory::<{ #at }, #width, #index>(at_most, (#min, #max)));
            if matches!(**element, Kind::Named) {
                (None, quote!(#krate::codec::RecordsBuilder<'_, 'w, #cell>), quote!(#private::records(#open)))
            } else {
                (None, quote!(#krate::codec::KeysBuilder<'_, 'w>), quote!(#private::keys(#open)))
            }
        }
        kind => {
            let part = field::part(names, kind, &field.ty);
            let set = if kind.is_text() { quote!(text) } else { quote!(set) };
            (Some(part), quote!(&mut Self), quote!(self.0.#set::<#cell, { #at }, #index>(value); self))
        }
    };
    if let Some(part) = head {
        let docs = field::docs(field, &format!("Sets the field `{name}`."));
        quote! {
            #docs
            #[inline(always)]
            #vis fn #ident(&mut self, value: #part) -> #ty {
                #body
            }
        }
    } else {
        let docs = field::docs(field, &format!("Begins the list `{name}`."));
        // For clients, which have the whole list.
        let whole = matches!(field.kind, Kind::List(..)).then(|| {
            let set = format_ident!("__set_{name}", span = ident.span());
            quote! {
                #[doc(hidden)]
                #[inline]
                #vis fn #set(&mut self, value: <#cell as #private::Cell>::Part<'_>) {
                    self.0.set::<#cell, { #at }, #index>(value);
                }
            }
        });
        quote! {
            #whole


            #docs
            #[doc = ""]
            #[doc = "Room for `at_most` entries is kept; what is not used is given back."]
            #[inline(always)]
            #vis fn #ident(&mut self, at_most: ::core::primitive::usize) -> #ty {
                #body
            }
        }
    }
}

fn debug(names: &Names, layout: &Layout<'_>) -> TokenStream {
    let Names { view, private, text, builder, .. } = names;
    let fields = layout.fields.iter().map(|placed| {
        let ident = &placed.field.ident;
        let name = wire_name(ident);
        match placed.field.kind {
            Kind::Table { .. } | Kind::Directory { .. } => quote!(.field(#name, &self.#ident())),
            _ => {
                let cell = placed.cell(names);
                quote!(.field(#name, &#private::shown::<#cell>(&self.#ident())))
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl ::core::fmt::Debug for #view<'_> {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.debug_struct(#text) #(#fields)* .finish()
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
