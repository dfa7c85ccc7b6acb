//! `min` and `max`: that the kind has them, that they fit it, and that something lies between.

use syn::{Expr, ExprLit, Lit};

use crate::diagnostics::Diagnostics;
use crate::message::model::{Field, Kind, Scalar};

pub(super) fn check(fields: &[Field], errors: &mut Diagnostics) {
    fields.iter().for_each(|field| check_field(field, errors));
}

fn check_field(field: &Field, errors: &mut Diagnostics) {
    let Some(first) = field.min.as_ref().or(field.max.as_ref()) else { return };
    match &field.kind {
        Kind::Scalar(Scalar::F32 | Scalar::F64) => {
            if let (Some(min), Some(max)) = (float(field.min.as_ref()), float(field.max.as_ref())) {
                empty(min > max, field, errors);
            }
        }
        Kind::Scalar(Scalar::Bool) => {
            errors.error(first, "a bool has no bounds; leave `min` and `max` out");
        }
        Kind::Scalar(scalar) => integers(field, *scalar, errors),
        Kind::Utf8 | Kind::CStr | Kind::Bytes { .. } | Kind::List(..) | Kind::Table { .. } | Kind::Directory { .. } => {
            // A length is a u32 on the wire.
            integers(field, Scalar::U32, errors);
        }
        Kind::Array { .. } | Kind::Named | Kind::Option(..) | Kind::Tuple(_) => {
            let message = "`min` and `max` bound a number or a length; this type has neither, use `require(..)` \
                           on the message instead";
            errors.error(first, message);
        }
    }
}

fn integers(field: &Field, scalar: Scalar, errors: &mut Diagnostics) {
    let bounds = [&field.min, &field.max].map(|bound| {
        let expr = bound.as_ref()?;
        let value = integer(expr).filter(|value| scalar.range().is_none_or(|(min, max)| (min..=max).contains(value)));
        if value.is_none() {
            errors.error(expr, format!("this bound is no {}; write an integer that is one", scalar.name()));
        }
        value
    });
    if let [Some(min), Some(max)] = bounds {
        empty(min > max, field, errors);
    }
}

fn empty(is_empty: bool, field: &Field, errors: &mut Diagnostics) {
    if let (true, Some(min)) = (is_empty, &field.min) {
        errors.error(min, "`min` is above `max`, so that no value is allowed; swap the two");
    }
}

fn integer(expr: &Expr) -> Option<i128> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Int(lit), .. }) => lit.base10_parse().ok(),
        Expr::Unary(unary) => integer(&unary.expr)?.checked_neg(),
        _ => None,
    }
}

fn float(expr: Option<&Expr>) -> Option<f64> {
    match expr? {
        Expr::Lit(ExprLit { lit: Lit::Float(lit), .. }) => lit.base10_parse().ok(),
        Expr::Unary(unary) => float(Some(&unary.expr)).map(|value| -value),
        _ => None,
    }
}
