//! The values behind the words: numbers, literals, scalars, and the little lists in parentheses.
//!
//! Owns how a value is spelt. Every refusal stands at the value and shows how the word is used.

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Expr, ExprLit, ExprUnary, Lit, LitFloat, LitInt, Path, Token, UnOp};

use super::{Each, Given};
use crate::message::model::{Fixed, Reserved, Scalar};

/// Cuts at the commas; what stands in brackets is one token and stays whole.
pub(super) fn split(tokens: TokenStream) -> Vec<TokenStream> {
    let mut items = vec![TokenStream::new()];
    for token in tokens {
        match (&token, items.last_mut()) {
            (TokenTree::Punct(punct), _) if punct.as_char() == ',' => items.push(TokenStream::new()),
            (_, Some(item)) => item.extend([token]),
            (_, None) => {}
        }
    }
    items.retain(|item| !item.is_empty());
    items
}

/// Reads the value of one word.
pub(super) struct Reader<'a> {
    pub(super) key: &'a Ident,
    pub(super) usage: &'static str,
}

impl Reader<'_> {
    fn misspelt(&self, span: Span) -> syn::Error {
        syn::Error::new(span, format!("write `{}`", self.usage))
    }

    pub(super) fn flag(&self, rest: TokenStream) -> syn::Result<Span> {
        match rest.into_iter().next() {
            None => Ok(self.key.span()),
            Some(token) => Err(syn::Error::new(token.span(), format!("`{}` takes no value", self.key))),
        }
    }

    /// What stands behind `=`.
    fn assigned(&self, rest: TokenStream) -> syn::Result<Expr> {
        let span = rest.clone().into_iter().next().map_or_else(|| self.key.span(), |token| token.span());
        let parser = |input: ParseStream<'_>| {
            input.parse::<Token![=]>()?;
            input.parse::<Expr>()
        };
        parser.parse2(rest).map_err(|_| self.misspelt(span))
    }

    fn given<T>(&self, value: T, at: &Expr) -> Given<T> {
        Given { value, span: at.span(), key: self.key.span() }
    }

    pub(super) fn number(&self, rest: TokenStream) -> syn::Result<Given<usize>> {
        let expr = self.assigned(rest)?;
        Ok(self.given(self.offset(&expr)?, &expr))
    }

    pub(super) fn version(&self, rest: TokenStream) -> syn::Result<Given<u16>> {
        let expr = self.assigned(rest)?;
        let value = u16::try_from(self.integer(&expr)?)
            .map_err(|_| syn::Error::new_spanned(&expr, "a layout version is a u16: 65535 is the largest"))?;
        Ok(self.given(value, &expr))
    }

    /// Offsets and lengths are u32 on the wire, which also keeps sums of them far from overflow.
    fn offset(&self, expr: &Expr) -> syn::Result<usize> {
        let too_large = || syn::Error::new_spanned(expr, "offsets and lengths are u32: 4294967295 is the largest");
        let value = u32::try_from(self.integer(expr)?).map_err(|_| too_large())?;
        usize::try_from(value).map_err(|_| too_large())
    }

    fn integer(&self, expr: &Expr) -> syn::Result<u64> {
        match expr {
            Expr::Lit(ExprLit { lit: Lit::Int(lit), .. }) => lit.base10_parse(),
            _ => Err(self.misspelt(expr.span())),
        }
    }

    pub(super) fn literal(&self, rest: TokenStream) -> syn::Result<Expr> {
        let expr = self.assigned(rest)?;
        unsuffixed(&expr).ok_or_else(|| self.misspelt(expr.span()))
    }

    pub(super) fn path(&self, rest: TokenStream) -> syn::Result<Path> {
        match self.assigned(rest)? {
            Expr::Path(path) if path.qself.is_none() => Ok(path.path),
            other => Err(self.misspelt(other.span())),
        }
    }

    pub(super) fn count(&self, rest: TokenStream) -> syn::Result<Given<Scalar>> {
        let expr = self.assigned(rest)?;
        let scalar = match &expr {
            Expr::Path(path) => path.path.get_ident().and_then(Scalar::from_ident),
            _ => None,
        };
        match scalar {
            Some(scalar @ (Scalar::U8 | Scalar::U16 | Scalar::U32)) => Ok(self.given(scalar, &expr)),
            _ => Err(syn::Error::new_spanned(&expr, "a count is `u8`, `u16` or `u32`")),
        }
    }

    pub(super) fn condition(&self, rest: TokenStream) -> syn::Result<Expr> {
        let tokens = self.parenthesised(rest)?;
        if tokens.is_empty() {
            return Err(self.misspelt(self.key.span()));
        }
        syn::parse2(tokens)
    }

    pub(super) fn words(&self, rest: TokenStream) -> syn::Result<Vec<Ident>> {
        let words = split(self.parenthesised(rest)?);
        words.into_iter().map(|word| syn::parse2(word.clone()).map_err(|_| self.misspelt(word.span()))).collect()
    }

    pub(super) fn reserved(&self, rest: TokenStream) -> syn::Result<Reserved> {
        let mut pairs = self.pairs(rest)?;
        let at = self.take(&mut pairs, "at")?;
        let len = self.take(&mut pairs, "len")?;
        self.nothing_left(&pairs)?;
        let reserved = Reserved { at: self.offset(&at)?, len: self.offset(&len)?, span: at.span() };
        if reserved.len == 0 {
            return Err(syn::Error::new_spanned(&len, "`len = 0` reserves nothing; leave this `reserved` out"));
        }
        Ok(reserved)
    }

    pub(super) fn fixed(&self, rest: TokenStream) -> syn::Result<Fixed> {
        let mut pairs = self.pairs(rest)?;
        let at = self.take(&mut pairs, "at")?;
        let [(name, value)] = pairs.as_slice() else {
            return Err(pairs
                .get(1)
                .map_or_else(|| self.misspelt(self.key.span()), |(name, _)| self.misspelt(name.span())));
        };
        let Some(repr @ (Scalar::U8 | Scalar::U16 | Scalar::U32 | Scalar::U64)) = Scalar::from_ident(name) else {
            return Err(syn::Error::new_spanned(name, "a fixed value is a `u8`, `u16`, `u32` or `u64`"));
        };
        let number = self.integer(value)?;
        if repr.range().is_some_and(|(_, max)| i128::from(number) > max) {
            return Err(syn::Error::new_spanned(value, format!("{number} does not fit a {}", repr.name())));
        }
        Ok(Fixed { at: self.offset(&at)?, repr, value: number, span: at.span() })
    }

    pub(super) fn each(&self, rest: TokenStream) -> syn::Result<Each> {
        let mut pairs = self.pairs(rest)?;
        let mut bound = |name| self.take(&mut pairs, name).ok().map(|expr| self.offset(&expr)).transpose();
        let (min, max) = (bound("min")?, bound("max")?);
        self.nothing_left(&pairs)?;
        if min.is_none() && max.is_none() {
            return Err(self.misspelt(self.key.span()));
        }
        Ok(Each { key: self.key.span(), min, max })
    }

    fn parenthesised(&self, rest: TokenStream) -> syn::Result<TokenStream> {
        let mut tokens = rest.into_iter();
        match (tokens.next(), tokens.next()) {
            (Some(TokenTree::Group(group)), None) if group.delimiter() == Delimiter::Parenthesis => Ok(group.stream()),
            (first, _) => Err(self.misspelt(first.map_or_else(|| self.key.span(), |token| token.span()))),
        }
    }

    fn pairs(&self, rest: TokenStream) -> syn::Result<Vec<(Ident, Expr)>> {
        let parser = |input: ParseStream<'_>| {
            let name = input.parse::<Ident>()?;
            input.parse::<Token![=]>()?;
            Ok((name, input.parse::<Expr>()?))
        };
        let items = split(self.parenthesised(rest)?);
        items.into_iter().map(|item| parser.parse2(item.clone()).map_err(|_| self.misspelt(item.span()))).collect()
    }

    fn take(&self, pairs: &mut Vec<(Ident, Expr)>, name: &str) -> syn::Result<Expr> {
        let found = pairs.iter().position(|(ident, _)| ident == name);
        found.map(|index| pairs.remove(index).1).ok_or_else(|| self.misspelt(self.key.span()))
    }

    fn nothing_left(&self, pairs: &[(Ident, Expr)]) -> syn::Result<()> {
        pairs.first().map_or(Ok(()), |(name, _)| Err(self.misspelt(name.span())))
    }
}

/// The literal without a suffix, so that it takes the type of whatever it is compared with.
fn unsuffixed(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Int(lit), .. }) => {
            let lit = Lit::Int(LitInt::new(lit.base10_digits(), lit.span()));
            Some(Expr::Lit(ExprLit { attrs: Vec::new(), lit }))
        }
        Expr::Lit(ExprLit { lit: Lit::Float(lit), .. }) => {
            let lit = Lit::Float(LitFloat::new(lit.base10_digits(), lit.span()));
            Some(Expr::Lit(ExprLit { attrs: Vec::new(), lit }))
        }
        Expr::Unary(ExprUnary { op: op @ UnOp::Neg(_), expr: inner, .. }) if matches!(**inner, Expr::Lit(_)) => {
            let expr = Box::new(unsuffixed(inner)?);
            Some(Expr::Unary(ExprUnary { attrs: Vec::new(), op: *op, expr }))
        }
        _ => None,
    }
}
