//! The words of `#[netipc::service(..)]` and `#[method(..)]`.
//!
//! Owns how they are spelt; what is unknown, repeated or misspelt is refused here.

mod lookup;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::token::Paren;
use syn::{Attribute, Expr, ExprLit, Ident, Lit, LitStr, Path, Token, parenthesized, parse_quote};

use super::model::{LookupWords, Snapshot};
use crate::diagnostics::Diagnostics;

/// Whether it is an attribute of ours.
pub(super) fn is_method(attribute: &Attribute) -> bool {
    attribute.path().is_ident("method")
}

/// `key = value`, or `key(..)`
struct Word {
    key: Ident,
    value: Option<Expr>,
    list: Option<TokenStream>,
}

/// The words, one after the other; `None` where they can't be told apart, which is reported.
fn words(tokens: TokenStream, usage: &str, errors: &mut Diagnostics) -> Option<Vec<Word>> {
    let word = |input: ParseStream<'_>| {
        let key = input.call(Ident::parse_any)?;
        let (mut value, mut list) = (None, None);
        if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            value = Some(input.parse()?);
        } else if input.peek(Paren) {
            let inner;
            parenthesized!(inner in input);
            list = Some(inner.parse()?);
        }
        Ok(Word { key, value, list })
    };
    let list = |input: ParseStream<'_>| Punctuated::<Word, Token![,]>::parse_terminated_with(input, word);
    match list.parse2(tokens) {
        Ok(words) => Some(words.into_iter().collect()),
        Err(error) => {
            errors.error_at(error.span(), format!("write `{usage}`"));
            None
        }
    }
}

/// Reports the words that are unknown, or there a second time; hands over the others.
fn each(
    words: Vec<Word>,
    known: &[&str],
    on: &str,
    errors: &mut Diagnostics,
    mut take: impl FnMut(Word, &mut Diagnostics),
) {
    let mut seen: Vec<Ident> = Vec::new();
    for word in words {
        let key = &word.key;
        if !known.iter().any(|known| key == known) {
            let known: Vec<_> = known.iter().map(|known| format!("`{known}`")).collect();
            errors.error(key, format!("unknown attribute `{key}`; {on} takes {}", known.join(", ")));
        } else if seen.contains(key) {
            errors.error(key, format!("`{key}` is repeated; keep one of the two"));
        } else {
            seen.push(key.clone());
            take(word, errors);
        }
    }
}

fn misspelt(word: &Word, usage: &str, errors: &mut Diagnostics) {
    let message = format!("write `{usage}`");
    match &word.value {
        Some(value) => errors.error(value, message),
        None => errors.error(&word.key, message),
    }
}

/// What stands on the trait.
pub(super) struct OfTrait {
    pub(super) name: Option<LitStr>,
    pub(super) krate: Path,
}

/// Reads what stands in `#[netipc::service(..)]`.
pub(super) fn of_trait(tokens: TokenStream, errors: &mut Diagnostics) -> OfTrait {
    let mut read = OfTrait { name: None, krate: parse_quote!(::netipc) };
    let words = words(tokens, "name = \"..\", crate = path::to::netipc", errors);
    // What could not be read may have been the name.
    let mut named = words.is_none();
    each(words.unwrap_or_default(), &["name", "crate"], "a service", errors, |word, errors| {
        if word.key == "name" {
            named = true;
        }
        match &word.value {
            Some(Expr::Lit(ExprLit { lit: Lit::Str(name), .. })) if word.key == "name" => {
                read.name = Some(name.clone());
            }
            Some(Expr::Path(path)) if word.key == "crate" && path.qself.is_none() => read.krate = path.path.clone(),
            _ if word.key == "name" => misspelt(&word, "name = \"thermometer\"", errors),
            _ => misspelt(&word, "crate = path::to::netipc", errors),
        }
    });
    if !named {
        let message = "a service needs a name, which makes the path of its socket: `name = \"..\"`";
        errors.error_at(Span::call_site(), message);
    }
    read
}

/// What stands on a method.
pub(super) struct OfMethod {
    /// Whether a code was given, readable or not.
    pub(super) coded: bool,
    pub(super) code: Option<(u16, Span)>,
    pub(super) idempotent: bool,
    pub(super) snapshot: Option<Snapshot>,
    /// The lookup; `None` inside where it was refused.
    pub(super) lookup: Option<Option<LookupWords>>,
}

/// Reads the `#[method(..)]` among `attributes`.
pub(super) fn of_method(attributes: &[Attribute], errors: &mut Diagnostics) -> OfMethod {
    let mut read = OfMethod { coded: false, code: None, idempotent: true, snapshot: None, lookup: None };
    let mut all = Vec::new();
    for attribute in attributes.iter().filter(|attribute| is_method(attribute)) {
        match attribute.meta.require_list() {
            Ok(list) => match words(list.tokens.clone(), "code = 1, idempotent = false", errors) {
                Some(words) => all.extend(words),
                // What could not be read may have been the code.
                None => read.coded = true,
            },
            Err(_) => errors.error(attribute, "write `#[method(code = 1)]`"),
        }
    }
    each(all, &["code", "idempotent", "snapshot", "lookup"], "a method", errors, |word, errors| {
        if word.key == "code" {
            read.coded = true;
        }
        match &word.value {
            Some(value @ Expr::Lit(ExprLit { lit: Lit::Int(lit), .. })) if word.key == "code" => {
                match lit.base10_parse::<u16>() {
                    Ok(code) if code > 0 => read.code = Some((code, lit.span())),
                    _ => errors.error(value, format!("{} is no code; codes are 1 to 65535", value.to_token_stream())),
                }
            }
            Some(Expr::Lit(ExprLit { lit: Lit::Bool(lit), .. })) if word.key == "idempotent" => {
                read.idempotent = lit.value;
            }
            None if word.key == "snapshot" && word.list.is_some() => read.snapshot = snapshot(word, errors),
            None if word.key == "lookup" && word.list.is_some() => read.lookup = Some(lookup::read(word, errors)),
            _ if word.key == "snapshot" => misspelt(&word, SNAPSHOT, errors),
            _ if word.key == "lookup" => {
                misspelt(&word, lookup::LOOKUP, errors);
                read.lookup = Some(None);
            }
            _ if word.key == "code" => misspelt(&word, "code = 1", errors),
            _ => misspelt(&word, "idempotent = false", errors),
        }
    });
    read
}

const SNAPSHOT: &str = "snapshot(items = items, key(hash, name), generation = generation)";

/// Reads what a snapshot is made of.
fn snapshot(word: Word, errors: &mut Diagnostics) -> Option<Snapshot> {
    let (mut items, mut key, mut generation) = (None, Vec::new(), None);
    let inner = words(word.list.clone().unwrap_or_default(), SNAPSHOT, errors)?;
    let missing = ["items", "key", "generation"].iter().find(|needed| !inner.iter().any(|word| word.key == **needed));
    if let Some(missing) = missing {
        errors.error(&word.key, format!("`{missing}` is missing; write `{SNAPSHOT}`"));
    }
    each(inner, &["items", "key", "generation"], "a snapshot", errors, |word, errors| {
        let field = match &word.value {
            Some(Expr::Path(path)) if path.attrs.is_empty() => path.path.get_ident().cloned(),
            _ => None,
        };
        match field {
            Some(field) if word.key == "items" => items = Some(field),
            Some(field) if word.key == "generation" => generation = Some(field),
            None if word.key == "key" && word.list.is_some() => {
                let fields = Punctuated::<Ident, Token![,]>::parse_terminated.parse2(word.list.unwrap_or_default());
                match fields {
                    Ok(fields) if !fields.is_empty() => {
                        for field in fields {
                            if key.contains(&field) {
                                errors.error(&field, format!("`{field}` is in the key already; leave it out"));
                            }
                            key.push(field);
                        }
                    }
                    _ => {
                        errors.error(&word.key, "write `key(hash, name)`, with the fields that items are looked up by");
                    }
                }
            }
            _ => misspelt(&word, SNAPSHOT, errors),
        }
    });
    let (items, generation) = items.zip(generation)?;
    (!key.is_empty()).then(|| Snapshot { span: word.key.span(), items, key, generation })
}
