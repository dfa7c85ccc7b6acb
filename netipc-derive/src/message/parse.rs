//! From syntax to the model.
//!
//! Owns what cannot be modelled at all: unions, tuple structs, generics, attributes and types that mean nothing here.
//! A field whose type is refused goes on as [`Kind::Named`], of which nothing is known, so that one mistake makes one
//! error and the other fields are still checked.

mod choice;
mod list;

use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Expr, Fields, Generics, Ident, Lit, LitFloat, parse_quote};

use super::condition;
use super::model::{Body, Field, Kind, Message, Scalar, Struct};
use super::types::classify;
use crate::attr::{self, Attrs, Place};
use crate::diagnostics::Diagnostics;

/// A model, and how far its syntax was understood.
pub(super) struct Parsed {
    pub(super) message: Message,
    /// Every word about the layout was understood; where not, gaps and overlaps would only be echoes of that.
    pub(super) layout_known: bool,
}

/// Reads one item; `None` when there is nothing left to check in it.
pub(super) fn parse(input: DeriveInput, errors: &mut Diagnostics) -> Option<Parsed> {
    refuse_generics(&input.generics, errors);
    let place = if matches!(input.data, Data::Enum(_)) { Place::Enum } else { Place::Struct };
    let attrs = attr::read(&input.attrs, place, errors);
    let krate = attrs.krate.clone().unwrap_or_else(|| parse_quote!(::netipc));
    let mut layout_known = !attrs.broken;
    let tuples = attrs.tuples;
    let body = match &input.data {
        Data::Struct(data) => Body::Struct(message(attrs, &data.fields, &mut layout_known, errors)?),
        Data::Enum(data) => choice::parse(&input, data, &attrs, errors)?,
        Data::Union(data) => {
            errors.error(
                data.union_token,
                "a union cannot be proven to hold what it says; use an enum that carries data",
            );
            return None;
        }
    };
    let message = Message { vis: input.vis, ident: input.ident, docs: docs(&input.attrs), krate, tuples, body };
    Some(Parsed { message, layout_known })
}

fn refuse_generics(generics: &Generics, errors: &mut Diagnostics) {
    let message = "a message has one layout, so generics cannot be here; name the types and own the data";
    if !generics.params.is_empty() {
        errors.error(&generics.params, message);
    } else if let Some(clause) = &generics.where_clause {
        errors.error(clause, message);
    }
}

fn docs(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("doc")).cloned().collect()
}

fn message(attrs: Attrs, fields: &Fields, layout_known: &mut bool, errors: &mut Diagnostics) -> Option<Struct> {
    if let Fields::Unnamed(fields) = fields {
        errors.error(fields, "a message has getters named as its fields; name them: `{ first: T }`");
        return None;
    }
    let fields = read_fields(fields, Place::Field, layout_known, errors);
    let placed = attrs.version.is_some()
        || attrs.size.is_some()
        || !attrs.fixed.is_empty()
        || !attrs.reserved.is_empty()
        || fields.iter().any(|field| field.at.is_some());
    let require = attrs.require.into_iter().map(|expr| condition::read(expr, &fields, errors)).collect();
    Some(Struct {
        placed,
        version_span: attrs.version.as_ref().map_or_else(Span::call_site, |version| version.key),
        version: attrs.version.map(|version| version.value),
        size_span: attrs.size.as_ref().map_or_else(Span::call_site, |size| size.span),
        size: attrs.size.map(|size| size.value),
        fixed: attrs.fixed,
        reserved: attrs.reserved,
        tolerate: attrs.tolerate,
        require,
        fields,
    })
}

fn read_fields(fields: &Fields, place: Place, layout_known: &mut bool, errors: &mut Diagnostics) -> Vec<Field> {
    let numbered = fields.iter().enumerate();
    numbered.map(|(index, field)| read_field(index, field, place, layout_known, errors)).collect()
}

fn read_field(
    index: usize,
    field: &syn::Field,
    place: Place,
    layout_known: &mut bool,
    errors: &mut Diagnostics,
) -> Field {
    let attrs = attr::read(&field.attrs, place, errors);
    let ident = field.ident.clone().unwrap_or_else(|| Ident::new(&format!("field_{index}"), field.ty.span()));
    let kind = classify(&field.ty, errors);
    let known = kind.is_some();
    let kind = kind.map_or(Kind::Named, |kind| list::mark(kind, &field.ty, &attrs, layout_known, errors));
    *layout_known &= !attrs.broken;
    let position = attrs.at.as_ref().or(attrs.count_at.as_ref());
    let at_span = position.map_or_else(|| ident.span(), |position| position.span);
    // Bounds on a type that was refused would be a second error for the same mistake.
    let bound = |expr: Option<Expr>| expr.filter(|_| known).map(|expr| for_kind(expr, &kind));
    Field {
        span: ident.span(),
        ident,
        vis: field.vis.clone(),
        docs: docs(&field.attrs),
        ty: field.ty.clone(),
        at: attrs.at.map(|at| at.value),
        at_span,
        min: bound(attrs.min),
        max: bound(attrs.max),
        kind,
    }
}

/// `min = 1` on a float means 1.0.
fn for_kind(mut expr: Expr, kind: &Kind) -> Expr {
    let literal = match &mut expr {
        Expr::Unary(unary) => &mut *unary.expr,
        other => other,
    };
    if let (Kind::Scalar(Scalar::F32 | Scalar::F64), Expr::Lit(literal)) = (kind, literal) {
        if let Lit::Int(int) = &literal.lit {
            literal.lit = Lit::Float(LitFloat::new(&format!("{}.0", int.base10_digits()), int.span()));
        }
    }
    expr
}

/// A name without `r#`: what text shows and what clashes are judged by.
pub(super) fn bare(ident: &Ident) -> String {
    ident.unraw().to_string()
}
