//! Tokens back to source, spaced as a person would, for docs and errors that quote a condition.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// One line of source.
pub(super) fn tidy(tokens: TokenStream) -> String {
    let mut line = Line::default();
    line.stream(tokens);
    line.text
}

/// The text so far, and what its last word was: it decides whether `-` is minus or a sign.
#[derive(Default)]
struct Line {
    text: String,
    last: Last,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing yet, or an opening bracket.
    #[default]
    Open,
    /// A word, a literal or a closing bracket.
    Operand,
    /// An operator between two operands, or a comma.
    Binary,
    /// An operator that clings to what follows.
    Clings,
}

impl Line {
    fn stream(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Group(group) => self.group(group.delimiter(), group.stream()),
                TokenTree::Ident(ident) => self.operand(&ident.to_string()),
                TokenTree::Literal(literal) => self.operand(&literal.to_string()),
                TokenTree::Punct(first) => {
                    let mut operator = String::from(first.as_char());
                    let mut spacing = first.spacing();
                    while let (Spacing::Joint, Some(TokenTree::Punct(next))) = (spacing, tokens.peek()) {
                        if !continues(&operator, next.as_char()) {
                            break;
                        }
                        operator.push(next.as_char());
                        spacing = next.spacing();
                        tokens.next();
                    }
                    self.operator(&operator);
                }
            }
        }
    }

    fn operand(&mut self, word: &str) {
        if matches!(self.last, Last::Operand | Last::Binary) {
            self.text.push(' ');
        }
        self.text.push_str(word);
        self.last = Last::Operand;
    }

    fn operator(&mut self, operator: &str) {
        let after_operand = self.last == Last::Operand;
        self.last = match operator {
            "." | "::" | "?" => {
                if operator == "::" && self.last == Last::Binary {
                    self.text.push(' ');
                }
                self.text.push_str(operator);
                if operator == "?" { Last::Operand } else { Last::Clings }
            }
            "," | ";" | ":" => {
                self.text.push_str(operator);
                Last::Binary
            }
            // `name!(..)`: the bang of a macro belongs to its name.
            "!" if after_operand => {
                self.text.push('!');
                Last::Clings
            }
            "!" | "-" | "*" | "&" | "&&" | "|" | "||" | "'" if !after_operand => {
                if self.last == Last::Binary {
                    self.text.push(' ');
                }
                self.text.push_str(operator);
                Last::Clings
            }
            ".." | "..=" => {
                self.text.push_str(operator);
                Last::Clings
            }
            _ => {
                self.text.push(' ');
                self.text.push_str(operator);
                Last::Binary
            }
        };
    }

    fn group(&mut self, delimiter: Delimiter, stream: TokenStream) {
        let (open, close) = match delimiter {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::Brace => ("{ ", " }"),
            Delimiter::None => return self.stream(stream),
        };
        let spaced = self.last == Last::Binary || (self.last == Last::Operand && delimiter == Delimiter::Brace);
        if spaced {
            self.text.push(' ');
        }
        self.text.push_str(open);
        self.last = Last::Open;
        self.stream(stream);
        self.text.push_str(close);
        self.last = Last::Operand;
    }
}

/// Whether `next`, written directly behind, is part of the operator: `&&` is, the second `!` of `!!` is not.
fn continues(operator: &str, next: char) -> bool {
    const LONG: &[&str] = &["==", "!=", "<=", ">=", "&&", "||", "::", "..", "..=", "->", "=>", "<<", ">>"];
    let longer = format!("{operator}{next}");
    LONG.contains(&longer.as_str())
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    #[test]
    fn conditions_read_as_they_were_written() {
        let source = quote!(status == Status::Known || (kind == 0 && name.is_empty() && !labels.is_empty()));
        let text = "status == Status::Known || (kind == 0 && name.is_empty() && !labels.is_empty())";
        assert_eq!(tidy(source), text);
    }

    #[test]
    fn a_sign_is_not_a_minus() {
        assert_eq!(tidy(quote!(-1 <= low && low < high - 1)), "-1 <= low && low < high - 1");
        assert_eq!(tidy(quote!(low == -1)), "low == -1");
    }

    #[test]
    fn macros_patterns_and_ranges_keep_their_shape() {
        assert_eq!(tidy(quote!(matches!(status, S::A | S::B))), "matches!(status, S::A | S::B)");
        assert_eq!(tidy(quote!((1..=5).contains(&n))), "(1..=5).contains(&n)");
        assert_eq!(tidy(quote!(names[0] == *b"x")), "names[0] == *b\"x\"");
    }
}
