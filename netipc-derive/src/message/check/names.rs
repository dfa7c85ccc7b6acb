//! Names of fields that generated methods have already.

use syn::Ident;

use crate::diagnostics::Diagnostics;
use crate::message::model::Field;
use crate::message::parse::bare;

/// A generated method, and the type it is a method of, where `{}` is the message.
const GENERATED: &[(&str, &str)] =
    &[("to_owned", "{}View"), ("clone", "{}View"), ("fmt", "{}View"), ("new", "{}Builder"), ("finish", "{}Builder")];

/// Reports fields with names that generated code keeps to itself.
pub(super) fn reserved(fields: &[Field], errors: &mut Diagnostics) {
    for field in fields.iter().filter(|field| bare(&field.ident).starts_with("__")) {
        let name = bare(&field.ident);
        errors.error_at(
            field.span,
            format!("`{name}` conflicts with generated names, which begin with `__`; rename the field"),
        );
    }
}

pub(super) fn check(message: &Ident, fields: &[Field], errors: &mut Diagnostics) {
    for (index, field) in fields.iter().enumerate() {
        let name = bare(&field.ident);
        if let Some((method, owner)) = GENERATED.iter().find(|(method, _)| *method == name) {
            let owner = owner.replace("{}", &bare(message));
            errors.error_at(
                field.span,
                format!("`{name}` conflicts with generated `{owner}::{method}`; rename the field"),
            );
        }
        if fields.iter().take(index).any(|earlier| bare(&earlier.ident) == name) {
            errors.error_at(field.span, format!("there is a field `{name}` already; rename one"));
        }
    }
}
