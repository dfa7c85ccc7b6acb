//! Where fields stand: literal offsets as declared, or constants that the compiler works out where only it knows a size.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;

use super::Names;
use super::field::{Placed, may_have_tail, wire_name};
use super::rules;
use crate::message::model::{Field, Kind, Struct};

/// A message's rules and its description, in step with each other.
pub(super) struct Layout<'m> {
    /// Constants that the rules refer to.
    pub(super) consts: TokenStream,
    pub(super) size: TokenStream,
    pub(super) align: TokenStream,
    pub(super) rules: Vec<TokenStream>,
    /// Constants in the fixed part: offset, bytes, value.
    pub(super) blank: Vec<TokenStream>,
    /// Entries of the schema.
    pub(super) entries: Vec<TokenStream>,
    pub(super) fields: Vec<Placed<'m>>,
}

impl Layout<'_> {
    /// The list of rules, as a type.
    pub(super) fn rule_list(&self, names: &Names) -> TokenStream {
        rules::list(names, &self.rules)
    }
}

fn number(n: usize) -> TokenStream {
    Literal::usize_unsuffixed(n).to_token_stream()
}

/// Numbers fields that may have a tail, from 0.
fn indices(fields: &[Field]) -> impl Iterator<Item = (&Field, Literal)> {
    fields.iter().scan(0_u32, |next, field| {
        let index = *next;
        if may_have_tail(&field.kind) {
            *next += 1;
        }
        Some((field, Literal::u32_unsuffixed(if may_have_tail(&field.kind) { index } else { 0 })))
    })
}

/// The schema's entry for a field.
fn entry(names: &Names, placed: &Placed<'_>) -> TokenStream {
    let Names { krate, private, .. } = names;
    let schema = quote!(#krate::codec::schema);
    let name = wire_name(&placed.field.ident);
    let at = &placed.at;
    let cell = placed.cell(names);
    let (size, kind) = match &placed.field.kind {
        Kind::Table { count, .. } => {
            (number(count.size()), quote!(#schema::Kind::Table(&<#cell as #private::Cell>::KIND)))
        }
        Kind::Directory { count, .. } => {
            let (min, max) = placed.each();
            let item = quote!(&<#cell as #private::Item>::KIND);
            (number(count.size()), quote!(#schema::Kind::Directory { item: #item, min: #min, max: #max }))
        }
        _ => (quote!(<#cell as #private::Cell>::SIZE), quote!(<#cell as #private::Cell>::KIND)),
    };
    let bound = |bound: &Option<syn::Expr>| {
        bound.as_ref().map_or_else(
            || quote!(::core::option::Option::None),
            |bound| {
                let text = bound.to_token_stream().to_string();
                quote!(::core::option::Option::Some(#text))
            },
        )
    };
    let (min, max) = (bound(&placed.field.min), bound(&placed.field.max));
    quote!(#schema::Field::new(#name, #at, #size, #kind).within(#min, #max))
}

/// A layout with every offset given.
pub(super) fn by_hand<'m>(names: &Names, body: &'m Struct) -> Layout<'m> {
    let Names { krate, private, .. } = names;
    let schema = quote!(#krate::codec::schema);
    let (mut rules, mut blank, mut entries) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(version) = body.version {
        let version = Literal::u16_unsuffixed(version);
        rules.push(quote!(#private::Version<#version>));
        blank.push(quote!((0, 2, #version)));
        entries.push(quote!(#schema::Field::new("layout_version", 0, 2, #schema::Kind::Constant(#version))));
        entries.push(quote!(#schema::Field::new("flags", 2, 2, #schema::Kind::Zero)));
    }
    for fixed in &body.fixed {
        let (at, size, value) = (number(fixed.at), number(fixed.repr.size()), Literal::u64_unsuffixed(fixed.value));
        rules.push(quote!(#private::Constant<#at, #size, #value>));
        blank.push(quote!((#at, #size, #value)));
        entries.push(quote!(#schema::Field::new("fixed", #at, #size, #schema::Kind::Constant(#value))));
    }
    for reserved in &body.reserved {
        let (at, len, end) = (number(reserved.at), number(reserved.len), number(reserved.at + reserved.len));
        rules.push(quote!(#private::Zero<#at, #end>));
        entries.push(quote!(#schema::Field::new("reserved", #at, #len, #schema::Kind::Zero)));
    }
    let mut fields = Vec::new();
    for (field, index) in indices(&body.fields) {
        let at = match &field.kind {
            Kind::Table { count_at, .. } | Kind::Directory { count_at, .. } => *count_at,
            _ => field.at.unwrap_or_default(),
        };
        let placed = Placed { field, at: number(at), index, rule: rules.len() };
        rules.push(placed.rule(names, true));
        entries.push(entry(names, &placed));
        fields.push(placed);
    }
    let cells = fields.iter().filter(|placed| !is_counted(&placed.field.kind)).map(|placed| placed.cell(names));
    let align = quote!(#private::largest(&[#(<#cells as #private::Cell>::ALIGN),*]));
    let size = number(body.size.unwrap_or_default());
    Layout { consts: TokenStream::new(), size, align, rules, blank, entries, fields }
}

/// Whether a field has a count in place of a cell.
fn is_counted(kind: &Kind) -> bool {
    matches!(kind, Kind::Table { .. } | Kind::Directory { .. })
}

/// The end of a run of fields at natural alignment.
pub(super) struct Run<'m> {
    pub(super) layout: Layout<'m>,
    /// The byte behind the last field.
    pub(super) end: TokenStream,
}

/// Fields one behind the other at natural alignment, from byte `start` on; `prefix` keeps the constants' names apart.
pub(super) fn natural<'m>(
    names: &Names,
    fields: &'m [Field],
    start: &TokenStream,
    prefix: &str,
    text: bool,
) -> Run<'m> {
    let Names { krate, private, .. } = names;
    let schema = quote!(#krate::codec::schema);
    let (mut rules, mut entries, mut placed) = (Vec::new(), Vec::new(), Vec::new());
    let mut end = start.clone();
    // One constant for all of them: one for each would be a chain as long as the message.
    let laid = format_ident!("__LAID{prefix}");
    for (position, (field, index)) in indices(fields).enumerate() {
        let position = Literal::usize_unsuffixed(position);
        let (at, behind) = (quote!(#laid[#position].0), quote!(#laid[#position].1));
        rules.push(quote!(#private::Zero<{ #end }, { #at }>));
        entries.push(quote!(#schema::Field::new("padding", #end, #at - #end, #schema::Kind::Zero)));
        let field = Placed { field, at, index, rule: rules.len() };
        rules.push(field.rule(names, text));
        entries.push(entry(names, &field));
        placed.push(field);
        end = behind;
    }
    let count = placed.len();
    let cells: Vec<_> = placed.iter().map(|placed| placed.cell(names)).collect();
    let consts = quote! {
        const #laid: [(::core::primitive::usize, ::core::primitive::usize); #count] =
            #private::lay(#start, [#((<#cells as #private::Cell>::SIZE, <#cells as #private::Cell>::ALIGN)),*]);
    };
    let cells = placed.iter().map(|placed| placed.cell(names));
    let align = quote!(#private::largest(&[#(<#cells as #private::Cell>::ALIGN),*]));
    let layout = Layout { consts, size: quote!(__SIZE), align, rules, blank: Vec::new(), entries, fields: placed };
    Run { layout, end }
}

/// Ends a natural layout with padding up to `__SIZE`.
pub(super) fn pad(names: &Names, layout: &mut Layout<'_>, end: &TokenStream) {
    let Names { krate, private, .. } = names;
    let schema = quote!(#krate::codec::schema);
    layout.rules.push(quote!(#private::Zero<{ #end }, { __SIZE }>));
    layout.entries.push(quote!(#schema::Field::new("padding", #end, __SIZE - #end, #schema::Kind::Zero)));
}

/// What only the compiler can tell: the sizes of named types, and what they hold.
pub(super) fn assertions(names: &Names, body: &Struct, layout: &Layout<'_>) -> TokenStream {
    let mut assertions: TokenStream = layout.fields.iter().map(|placed| element_assertions(names, placed)).collect();
    if !body.placed {
        return assertions;
    }
    let private = &names.private;
    for placed in &layout.fields {
        if let (Kind::Directory { element_ty, .. }, Some(_)) = (&placed.field.kind, body.tolerate.item_overlap) {
            let item = placed.cell(names);
            assertions.extend(quote_spanned! {element_ty.span()=>
                const _: () = ::core::assert!(
                    !<#item as #private::Item>::SCANS,
                    "items that may overlap are proven in O(1) each: numbers and `Vec<u8>` only, no String, CString, list or table",
                );
            });
        }
    }
    let taken = taken(body);
    for placed in &layout.fields {
        if is_counted(&placed.field.kind) || known(&placed.field.kind) {
            continue;
        }
        let start = placed.field.at.unwrap_or_default();
        let next = taken.iter().copied().filter(|&at| at > start).min().or(body.size).unwrap_or_default();
        let (at, next, cell) = (&placed.at, number(next), placed.cell(names));
        let wrong_size = format!(
            "`{}` does not end where the next part of the layout begins: correct the offsets, or reserve what is between",
            wire_name(&placed.field.ident)
        );
        let misaligned =
            format!("`{}` is misaligned: its offset is no multiple of its alignment", wire_name(&placed.field.ident));
        let ty = &placed.field.ty;
        assertions.extend(quote_spanned! {ty.span()=>
            const _: () = ::core::assert!(#at + <#cell as #private::Cell>::SIZE == #next, #wrong_size);
            const _: () = ::core::assert!(#private::align_up(#at, <#cell as #private::Cell>::ALIGN) == #at, #misaligned);
        });
    }
    assertions
}

/// The first byte of everything in a layout by hand.
fn taken(body: &Struct) -> Vec<usize> {
    let fields = body.fields.iter().filter_map(|field| match &field.kind {
        Kind::Table { count_at, .. } | Kind::Directory { count_at, .. } => Some(*count_at),
        _ => field.at,
    });
    let constants = body.fixed.iter().map(|fixed| fixed.at);
    fields.chain(constants).chain(body.reserved.iter().map(|reserved| reserved.at)).collect()
}

/// Whether the macro itself has checked where a field ends.
fn known(kind: &Kind) -> bool {
    matches!(kind, Kind::Scalar(_) | Kind::Utf8 | Kind::CStr | Kind::Bytes { .. })
}

/// What may stand inside a message, and in a list.
pub(super) fn element_assertions(names: &Names, placed: &Placed<'_>) -> TokenStream {
    let mut assertions = TokenStream::new();
    collect(names, &placed.field.kind, &placed.field.ty, false, &mut assertions);
    assertions
}

fn collect(names: &Names, kind: &Kind, ty: &syn::Type, in_list: bool, assertions: &mut TokenStream) {
    let private = &names.private;
    match kind {
        Kind::Option(inner, ty) => collect(names, inner, ty, false, assertions),
        Kind::List(inner, ty) => collect(names, inner, ty, true, assertions),
        Kind::Tuple(parts) => parts.iter().for_each(|(kind, ty)| collect(names, kind, ty, false, assertions)),
        Kind::Named => {
            assertions.extend(quote_spanned! {ty.span()=>
                const _: () = ::core::assert!(
                    <#ty as #private::Cell>::SPREADS,
                    "a message with a directory, a table or tolerances stands alone or in a directory, not inside another one",
                );
            });
            if in_list {
                assertions.extend(quote_spanned! {ty.span()=>
                    const _: () = ::core::assert!(
                        <#ty as #private::Cell>::SIZE > 0,
                        "a list of elements without size could claim any length for free; send a count as u32",
                    );
                    const _: () = ::core::assert!(
                        #private::align_up(<#ty as #private::Cell>::SIZE, <#ty as #private::Cell>::ALIGN) == <#ty as #private::Cell>::SIZE,
                        "the size of a list's elements is a multiple of their alignment: reserve bytes at their end",
                    );
                });
            }
        }
        _ => {}
    }
}
