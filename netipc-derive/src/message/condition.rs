//! Which fields a `require(..)` speaks of, and which names in it are none.
//!
//! Owns the reading of the expression only; that it is a `bool` is left to the compiler.

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::visit::{self, Visit};
use syn::{Expr, ExprCall, ExprPath, Ident, Macro, PatIdent};

use super::model::{Field, Require};
use super::tidy::tidy;
use crate::diagnostics::Diagnostics;

/// Reads one condition over `fields`.
pub(super) fn read(expr: Expr, fields: &[Field], errors: &mut Diagnostics) -> Require {
    let mut words = Words::default();
    words.visit_expr(&expr);
    let is_field = |word: &Ident| fields.iter().any(|field| field.ident == *word);
    let strangers: Vec<_> =
        words.named.iter().filter(|word| !is_field(word) && words.looks_like_a_field(word)).collect();
    let names: Vec<_> = fields.iter().map(|field| &field.ident).filter(|name| words.mentions(name)).cloned().collect();
    for stranger in &strangers {
        errors.error(stranger, format!("no field `{stranger}` in this message; it has {}", list(fields)));
    }
    if names.is_empty() && strangers.is_empty() {
        errors.error(
            &expr,
            format!("`require` names no field; write fields by their names, without `self`: {}", list(fields)),
        );
    }
    Require { text: tidy(quote::ToTokens::to_token_stream(&expr)), expr, names }
}

fn list(fields: &[Field]) -> String {
    let names: Vec<_> = fields.iter().map(|field| format!("`{}`", field.ident)).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The single names in an expression.
#[derive(Default)]
struct Words {
    named: Vec<Ident>,
    /// Bound by a pattern in the expression itself.
    bound: Vec<Ident>,
    /// Inside macros, where nothing but the spelling is known.
    in_macros: Vec<Ident>,
}

impl Words {
    fn mentions(&self, field: &Ident) -> bool {
        self.named.contains(field) || self.in_macros.contains(field)
    }

    /// Constants, types and units have capitals.
    fn looks_like_a_field(&self, word: &Ident) -> bool {
        !self.bound.contains(word)
            && word.unraw().to_string().starts_with(|first: char| first.is_lowercase() || first == '_')
            && word != "self"
            && word != "crate"
    }

    fn tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => self.in_macros.push(ident),
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Words {
    fn visit_expr_path(&mut self, path: &'ast ExprPath) {
        if let Some(ident) = path.path.get_ident() {
            self.named.push(ident.clone());
        }
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        // The name of a function is no field, whatever it looks like.
        if !matches!(*call.func, Expr::Path(_)) {
            self.visit_expr(&call.func);
        }
        call.args.iter().for_each(|arg| self.visit_expr(arg));
    }

    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        self.bound.push(pattern.ident.clone());
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.tokens(call.tokens.clone());
    }
}
