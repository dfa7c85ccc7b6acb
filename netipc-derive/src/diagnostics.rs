//! The mistakes of one item, gathered so that all of them are reported at once.
//!
//! Owns every error of a derive until its end. It refuses to be forgotten: dropped unread, it panics, since a mistake
//! that nobody reports is a message with another layout than its author believes.

use core::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

pub(crate) struct Diagnostics {
    errors: Vec<syn::Error>,
    read: bool,
}

impl Diagnostics {
    pub(crate) fn new() -> Self {
        Self { errors: Vec::new(), read: false }
    }

    /// A mistake in these tokens; `message` names the mistake and its cure.
    pub(crate) fn error(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// A mistake at this one token.
    pub(crate) fn error_at(&mut self, span: Span, message: impl Display) {
        self.push(syn::Error::new(span, message));
    }

    pub(crate) fn push(&mut self, error: syn::Error) {
        self.errors.push(error);
    }

    /// All mistakes as `compile_error!`s, if there are any.
    pub(crate) fn finish(mut self) -> Result<(), TokenStream> {
        self.read = true;
        match self.errors.as_slice() {
            [] => Ok(()),
            errors => Err(errors.iter().map(syn::Error::to_compile_error).collect()),
        }
    }
}

impl Drop for Diagnostics {
    #[expect(clippy::panic, reason = "a stage that forgets to report is a bug of ours, never of the user")]
    fn drop(&mut self) {
        if !self.read && !std::thread::panicking() {
            panic!("diagnostics were dropped unread");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_reported() {
        let mut errors = Diagnostics::new();
        errors.error_at(Span::call_site(), "first");
        errors.error(quote::quote!(a b), "second");
        let tokens = errors.finish().unwrap_err().to_string();
        assert!(tokens.contains("first") && tokens.contains("second"), "{tokens}");
    }

    #[test]
    fn without_a_mistake_there_is_nothing_to_report() {
        assert!(Diagnostics::new().finish().is_ok());
    }

    #[test]
    #[should_panic(expected = "dropped unread")]
    fn forgotten_mistakes_panic() {
        drop(Diagnostics::new());
    }
}
