//! Lists of rules as types, and the way down such a list.
//!
//! A type of a few hundred rules one inside the other would be too deep for the compiler. So sixteen rules make a group, and
//! sixteen groups a larger one.

use proc_macro2::TokenStream;
use quote::quote;

use super::Names;

/// How many rules make a group, and how many groups a larger one.
const GROUP: usize = 16;

/// `(a, (b, ()))`.
pub(super) fn nest(types: &[TokenStream]) -> TokenStream {
    types.iter().rev().fold(quote!(()), |rest, first| quote!((#first, #rest)))
}

/// All rules of a message, as one type.
pub(super) fn list(names: &Names, rules: &[TokenStream]) -> TokenStream {
    let private = &names.private;
    let group = |rules: &[TokenStream]| {
        let rules = nest(rules);
        quote!(#private::Group<#rules>)
    };
    let groups: Vec<_> = rules.chunks(GROUP).map(group).collect();
    let groups: Vec<_> = groups.chunks(GROUP).map(group).collect();
    nest(&groups)
}

/// The steps from a message's fields to rule number `rule`.
pub(super) fn steps(rule: usize) -> TokenStream {
    let step = |tails: usize| {
        let tails = (0..tails).map(|_| quote!(.tail()));
        quote!(#(#tails)*.head())
    };
    let (outer, inner, last) = (step(rule / GROUP / GROUP), step(rule / GROUP % GROUP), step(rule % GROUP));
    quote!(#outer #inner #last)
}
