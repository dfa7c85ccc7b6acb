//! What is too long, or too odd, to be shown by the ui tests.

use quote::{format_ident, quote};
use syn::{ItemTrait, parse_quote};

use super::{check, parse};
use crate::diagnostics::Diagnostics;

/// Every mistake of a service, in order.
fn mistakes(item: &ItemTrait) -> Vec<String> {
    let mut errors = Diagnostics::new();
    let service = parse::parse(quote!(name = "service"), item, &mut errors);
    check::check(&service, &mut errors);
    let Err(tokens) = errors.finish() else { return Vec::new() };
    let message = |item: &syn::Item| match item {
        syn::Item::Macro(item) => item.mac.parse_body::<syn::LitStr>().unwrap().value(),
        _ => panic!("not a compile_error"),
    };
    syn::parse2::<syn::File>(tokens).unwrap().items.iter().map(message).collect()
}

#[test]
fn a_service_may_have_supertraits_bodies_and_any_visibility() {
    let item = parse_quote! {
        pub(crate) trait Service: Send + Sync + std::fmt::Debug {
            fn read(&self, cx: &Call<'_>, sensor: &str) -> Result<Reading, Fault>;
            fn count(&self) -> u32 { 7 }
        }
    };
    assert_eq!(mistakes(&item), [""; 0]);
    assert_eq!(mistakes(&parse_quote! { trait Empty {} }), [""; 0]);
}

#[test]
fn there_are_no_more_codes_than_fit() {
    let methods = (0..=u32::from(u16::MAX)).map(|n| {
        let ident = format_ident!("m{n}");
        quote!(fn #ident(&self);)
    });
    let item: ItemTrait = parse_quote! { trait Service { #(#methods)* } };
    let mut errors = Diagnostics::new();
    let service = parse::parse(quote!(name = "service"), &item, &mut errors);
    let errors = errors.finish().unwrap_err().to_string();
    assert_eq!(errors.matches("there are 65535 codes").count(), 1);
    assert_eq!(service.methods.last().map(|method| method.code), Some(None));
}

#[test]
fn sixty_four_parameters_may_vary_in_length() {
    let item = |n: usize| -> ItemTrait {
        let params = (0..n).map(|n| {
            let (text, number) = (format_ident!("p{n}"), format_ident!("n{n}"));
            quote!(#text: String, #number: u32)
        });
        parse_quote! { trait Service { fn all(&self, #(#params),*); } }
    };
    assert_eq!(mistakes(&item(64)), [""; 0]);
    let expected = "at most 64 parameters of one method vary in length; put `p64` and those behind it into a message";
    assert_eq!(mistakes(&item(65)), [expected]);
}

#[test]
fn a_code_that_could_not_be_read_is_no_other_methods() {
    let item = parse_quote! {
        trait Service {
            #[method(code: 2)]
            fn one(&self);
            #[method(code = 1)]
            fn two(&self);
        }
    };
    assert_eq!(mistakes(&item), ["write `code = 1, idempotent = false`"]);
}
