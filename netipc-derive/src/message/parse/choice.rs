//! Enums: codes, open codes, and choices that carry data.
//!
//! Owns the width (`#[repr(..)]`) and the values; a discriminant that is no literal is refused, since only the compiler
//! could evaluate it.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{DataEnum, DeriveInput, Expr, ExprLit, ExprUnary, Fields, Ident, Lit, UnOp, Variant};

use super::{docs, read_fields};
use crate::attr::{self, Attrs, Place};
use crate::diagnostics::Diagnostics;
use crate::message::model::{Body, Code, CodeVariant, Field, Scalar, Style, Union, UnionVariant};

/// The variant of an open enum that holds every value without a name.
const OTHER: &str = "Other";

pub(super) fn parse(input: &DeriveInput, data: &DataEnum, attrs: &Attrs, errors: &mut Diagnostics) -> Option<Body> {
    let variants: Vec<_> = data.variants.iter().collect();
    if variants.is_empty() {
        errors.error(&input.ident, "an enum without variants has no value to send; add a variant");
        return None;
    }
    let repr = repr(input, errors);
    variants.iter().for_each(|variant| drop(attr::read(&variant.attrs, Place::Variant, errors)));
    let fields: Vec<_> = variants.iter().map(|variant| fields(variant, errors)).collect();
    // Values can be read without a width, but only a width says which of them fit.
    let values = match attrs.open {
        Some(_) => {
            let named: Vec<_> = variants.iter().copied().filter(|variant| variant.ident != OTHER).collect();
            values(&named, repr, errors)
        }
        None => values(&variants, repr, errors),
    };
    match attrs.open {
        Some(key) => open(&variants, values, key, repr, errors).map(Body::Code),
        None if variants.iter().all(|variant| matches!(variant.fields, Fields::Unit)) => {
            Some(Body::Code(Code { repr: repr?, open: None, variants: code_variants(&variants, values) }))
        }
        None => Some(Body::Union(Union { repr: repr?, variants: union_variants(&variants, values, fields) })),
    }
}

/// The scalar in `#[repr(..)]`; its absence, or a width that is none, is reported here.
fn repr(input: &DeriveInput, errors: &mut Diagnostics) -> Option<Scalar> {
    let mut words: Vec<Ident> = Vec::new();
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("repr")) {
        // What does not parse here is the compiler's to refuse.
        let _ = attribute.parse_nested_meta(|meta| {
            words.extend(meta.path.get_ident().cloned());
            if meta.input.peek(syn::token::Paren) {
                meta.input.parse::<proc_macro2::TokenTree>().map(drop)
            } else {
                Ok(())
            }
        });
    }
    let width = words.iter().find_map(|word| Scalar::from_ident(word).filter(|scalar| scalar.range().is_some()));
    if width.is_none() {
        let word = words.iter().find(|word| *word == "usize" || *word == "isize").or_else(|| words.first());
        match word {
            Some(word) => errors.error(
                word,
                format!("`repr({word})` has no fixed width on the wire; use `#[repr(u16)]` or another fixed integer"),
            ),
            None => errors.error(&input.ident, "an enum needs a width on the wire; add `#[repr(u16)]`"),
        }
    }
    width
}

fn fields(variant: &Variant, errors: &mut Diagnostics) -> Vec<Field> {
    // Variants have no layout by hand, so nothing depends on how much of it was understood.
    read_fields(&variant.fields, Place::VariantField, &mut true, errors)
}

struct Value {
    value: i128,
    span: Span,
}

/// The value of each variant: its discriminant, else one more than the last. `None` is unknown, and was reported.
fn values(variants: &[&Variant], repr: Option<Scalar>, errors: &mut Diagnostics) -> Vec<Option<Value>> {
    let mut next = Some(0);
    let mut values = Vec::with_capacity(variants.len());
    for variant in variants {
        let (value, span) = match &variant.discriminant {
            Some((_, expr)) => (literal(expr), expr.span()),
            None => (next, variant.ident.span()),
        };
        if let (None, Some((_, expr))) = (value, &variant.discriminant) {
            errors.error(expr, "a macro cannot evaluate this; write the discriminant as a literal");
        }
        let fits = |value: &i128| match repr.and_then(Scalar::range) {
            Some((min, max)) => (min..=max).contains(value),
            None => true,
        };
        if let (Some(value), Some(repr)) = (value.filter(|value| !fits(value)), repr) {
            let message = format!("{value} does not fit `repr({})`; choose a wider one", repr.name());
            errors.error_at(span, message);
        }
        next = value.filter(fits).and_then(|value| value.checked_add(1));
        values.push(value.filter(fits).map(|value| Value { value, span }));
    }
    values
}

fn literal(expr: &Expr) -> Option<i128> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Int(lit), .. }) => lit.base10_parse().ok(),
        Expr::Lit(ExprLit { lit: Lit::Byte(lit), .. }) => Some(lit.value().into()),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => literal(expr)?.checked_neg(),
        Expr::Paren(inner) => literal(&inner.expr),
        Expr::Group(inner) => literal(&inner.expr),
        _ => None,
    }
}

fn open(
    variants: &[&Variant],
    values: Vec<Option<Value>>,
    key: Span,
    repr: Option<Scalar>,
    errors: &mut Diagnostics,
) -> Option<Code> {
    let width = repr.map_or("u16", Scalar::name);
    let (others, named): (Vec<_>, Vec<_>) = variants.iter().copied().partition(|variant| variant.ident == OTHER);
    for variant in &named {
        if !matches!(variant.fields, Fields::Unit) {
            errors.error(&variant.fields, "in an `open` enum only `Other` carries data; leave this out, or `open`");
        }
    }
    let Some(other) = others.first() else {
        errors.error_at(key, format!("`open` keeps the values without a name; add a last variant `Other({width})`"));
        return None;
    };
    check_other(other, variants.last().copied(), repr, errors);
    Some(Code { repr: repr?, open: Some(other.ident.clone()), variants: code_variants(&named, values) })
}

fn check_other(other: &Variant, last: Option<&Variant>, repr: Option<Scalar>, errors: &mut Diagnostics) {
    let payload = match &other.fields {
        Fields::Unnamed(fields) if fields.unnamed.len() == 1 => fields.unnamed.first().map(|field| &field.ty),
        _ => None,
    };
    if let Some(repr) = repr {
        let is_raw = payload.is_some_and(|ty| matches!(ty, syn::Type::Path(path) if path.path.is_ident(repr.name())));
        if !is_raw {
            let message = format!("`Other` holds the raw value: write `Other({})`", repr.name());
            match &other.fields {
                Fields::Unit => errors.error(&other.ident, message),
                fields => errors.error(fields, message),
            }
        }
    }
    if let Some((equals, value)) = &other.discriminant {
        let tokens = quote::quote!(#equals #value);
        errors.error(tokens, "`Other` holds its value; it has no discriminant");
    } else if last.is_some_and(|last| last.ident != OTHER) {
        errors.error(&other.ident, "declare `Other` last: the variants after it would not be counted from it");
    }
}

fn code_variants(variants: &[&Variant], values: Vec<Option<Value>>) -> Vec<CodeVariant> {
    let known = variants.iter().zip(values).filter_map(|(variant, value)| Some((variant, value?)));
    known
        .map(|(variant, Value { value, span })| CodeVariant { ident: variant.ident.clone(), value, value_span: span })
        .collect()
}

fn union_variants(variants: &[&Variant], values: Vec<Option<Value>>, fields: Vec<Vec<Field>>) -> Vec<UnionVariant> {
    let known = variants
        .iter()
        .zip(values)
        .zip(fields)
        .filter_map(|((variant, value), fields)| Some((variant, value?, fields)));
    known
        .map(|(variant, Value { value, span }, fields)| UnionVariant {
            ident: variant.ident.clone(),
            value,
            value_span: span,
            docs: docs(&variant.attrs),
            style: match variant.fields {
                Fields::Named(_) => Style::Named,
                Fields::Unnamed(_) => Style::Tuple,
                Fields::Unit => Style::Unit,
            },
            fields,
        })
        .collect()
}
