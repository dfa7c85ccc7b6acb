//! The words of `lookup(..)`.

use syn::{Expr, Ident, Path};

use super::{Word, each, misspelt, words};
use crate::diagnostics::Diagnostics;
use crate::service::model::LookupWords;

pub(super) const LOOKUP: &str = "lookup(keys = paths, items = items, echo = path, generation = generation, exceeded = Status::Exceeded, oversized = Status::Oversized)";
const NEEDED: [&str; 6] = ["keys", "items", "echo", "generation", "exceeded", "oversized"];
const KNOWN: [&str; 9] = ["keys", "items", "echo", "generation", "exceeded", "oversized", "status", "blank", "keep"];

/// A plain name.
fn name(word: &Word) -> Option<Ident> {
    match &word.value {
        Some(Expr::Path(path)) if path.attrs.is_empty() => path.path.get_ident().cloned(),
        _ => None,
    }
}

fn path(word: &Word) -> Option<Path> {
    match &word.value {
        Some(Expr::Path(path)) if path.attrs.is_empty() && path.qself.is_none() => Some(path.path.clone()),
        _ => None,
    }
}

/// Reads what a lookup is made of.
pub(super) fn read(word: Word, errors: &mut Diagnostics) -> Option<LookupWords> {
    let inner = words(word.list.clone().unwrap_or_default(), LOOKUP, errors)?;
    let missing = NEEDED.iter().find(|needed| !inner.iter().any(|word| word.key == **needed));
    if let Some(missing) = missing {
        errors.error(&word.key, format!("`{missing}` is missing; write `{LOOKUP}`"));
    }
    let mut names: [Option<Ident>; 5] = Default::default();
    let mut statuses: [Option<Path>; 2] = Default::default();
    let (mut keep, mut blank) = (None, Vec::new());
    each(inner, &KNOWN, "a lookup", errors, |word, errors| {
        let key = word.key.to_string();
        if key == "blank" {
            return match word.list.clone() {
                Some(list) if word.value.is_none() => blank.extend(blanks(list, errors)),
                _ => errors.error(&word.key, "write `blank(uid = u32::MAX)`, with what a field holds that nobody sets"),
            };
        }
        if word.list.is_some() {
            return misspelt(&word, LOOKUP, errors);
        }
        let place = ["keys", "items", "echo", "generation", "status"].iter().position(|known| *known == key);
        if let Some(place) = place.and_then(|place| names.get_mut(place)) {
            *place = name(&word);
            if place.is_none() {
                misspelt(&word, &format!("{key} = name_of_a_field"), errors);
            }
            return;
        }
        let Some(path) = path(&word) else {
            let usage = if key == "keep" { "keep = path::to::function" } else { "exceeded = Status::Exceeded" };
            return misspelt(&word, &usage.replace("exceeded", &key), errors);
        };
        match key.as_str() {
            "exceeded" => statuses[0] = Some(path),
            "oversized" => statuses[1] = Some(path),
            _ => keep = Some(path),
        }
    });
    let [keys, items, echo, generation, status] = names;
    let [exceeded, oversized] = statuses;
    let span = word.key.span();
    let status = status.unwrap_or_else(|| Ident::new("status", span));
    Some(LookupWords {
        span,
        keys: keys?,
        items: items?,
        echo: echo?,
        generation: generation?,
        exceeded: exceeded?,
        oversized: oversized?,
        status,
        blank,
        keep,
    })
}

/// `field = value`, each.
fn blanks(list: proc_macro2::TokenStream, errors: &mut Diagnostics) -> Vec<(Ident, Expr)> {
    let mut read: Vec<(Ident, Expr)> = Vec::new();
    for word in words(list, "blank(uid = u32::MAX)", errors).unwrap_or_default() {
        if read.iter().any(|(field, _)| *field == word.key) {
            errors.error(&word.key, format!("`{}` is repeated; keep one of the two", word.key));
            continue;
        }
        match word.value {
            Some(value) => read.push((word.key, value)),
            None => errors.error(&word.key, "write `blank(uid = u32::MAX)`, with what a field holds that nobody sets"),
        }
    }
    read
}
