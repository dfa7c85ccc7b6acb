//! Rust source as words, as far as a test of imports needs it.
//!
//! Owns: what is code and what is comment or literal; which paths a file names. It refuses to understand more: no types,
//! no expansion of macros, no resolution beyond `crate`, `self` and `super`.

/// A word, a `::`, or one character of punctuation; comments, strings and numbers are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// A source file.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the workspace's root, with `/` between the parts.
    pub(crate) path: String,
    pub(crate) lines: usize,
    pub(crate) tokens: Vec<Token>,
}

/// A path in the code, with `self` and `super` resolved: `crate::..` for parts of the same crate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), lines: text.lines().count(), tokens: tokens(text) }
    }

    /// The module of the file, from the crate's root: `codec::rule` is `["codec", "rule"]`.
    pub(crate) fn module(&self) -> Vec<String> {
        let inside = self.path.split_once("src/").map_or(self.path.as_str(), |(_, inside)| inside);
        let mut parts: Vec<String> = inside.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if parts.last().is_some_and(|last| last == "mod" || last == "lib") {
            parts.pop();
        }
        parts
    }

    /// The first part of the module: the room that the file belongs to; none for `lib.rs`.
    pub(crate) fn room(&self) -> Option<String> {
        self.module().first().cloned()
    }

    /// Lines that hold the word `word` as code.
    pub(crate) fn lines_with(&self, word: impl Fn(&str) -> bool) -> Vec<usize> {
        self.tokens.iter().filter(|token| word(&token.text)).map(|token| token.line).collect()
    }

    /// The words inside each `cfg(..)`, `cfg!(..)` and `cfg_attr(..)`, with their lines.
    pub(crate) fn conditions(&self) -> Vec<&Token> {
        let mut words = Vec::new();
        for (index, token) in self.tokens.iter().enumerate() {
            if token.text != "cfg" && token.text != "cfg_attr" {
                continue;
            }
            let mut depth = 0;
            for token in self.tokens.get(index + 1..).unwrap_or_default() {
                match token.text.as_str() {
                    "(" => depth += 1,
                    ")" => depth -= 1,
                    "!" if depth == 0 => continue,
                    _ if depth > 0 => words.push(token),
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        }
        words
    }

    /// Every path that begins with `crate`, `self`, `super`, `netipc`, `std` or `core`, groups taken apart.
    pub(crate) fn paths(&self) -> Vec<Named> {
        let mut found = Vec::new();
        // The inline modules that a token stands in, by the depth of their braces.
        let (mut inline, mut depth) = (Vec::<usize>::new(), 0_usize);
        for (index, token) in self.tokens.iter().enumerate() {
            match token.text.as_str() {
                "{" => {
                    depth += 1;
                    if index >= 2 && self.text(index - 2) == "mod" {
                        inline.push(depth);
                    }
                }
                "}" => {
                    if inline.last() == Some(&depth) {
                        inline.pop();
                    }
                    depth = depth.saturating_sub(1);
                }
                "crate" | "self" | "super" | "netipc" | "std" | "core"
                    // `$crate` speaks for the macro's caller; `std` behind `::` belongs to another path, unless that
                    // path is absolute.
                    if self.text(index + 1) == "::" && self.begins(index) =>
                {
                    let mut paths = Vec::new();
                    self.follow(index, Vec::new(), &mut paths);
                    let line = token.line;
                    found.extend(paths.into_iter().map(|path| Named { segments: self.resolve(path, inline.len()), line }));
                }
                _ => {}
            }
        }
        found
    }

    fn text(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| &token.text)
    }

    fn begins(&self, index: usize) -> bool {
        let before = |n: usize| index.checked_sub(n).map_or("", |index| self.text(index));
        match before(1) {
            "$" => false,
            "::" => before(2) == "use" || !is_word(before(2)) && before(2) != ">",
            _ => true,
        }
    }

    /// Collects the paths that begin at token `index`; tells the index behind them.
    fn follow(&self, mut index: usize, mut path: Vec<String>, paths: &mut Vec<Vec<String>>) -> usize {
        loop {
            let text = self.text(index);
            if text == "{" {
                index += 1;
                while !matches!(self.text(index), "}" | "") {
                    index = self.follow(index, path.clone(), paths);
                    // What is not understood in a group, such as `as name`, is skipped word by word.
                    while !matches!(self.text(index), "," | "}" | "") {
                        index += 1;
                    }
                    index += usize::from(self.text(index) == ",");
                }
                return index + 1;
            }
            if is_word(text) {
                path.push(text.to_owned());
                index += 1;
            }
            if self.text(index) != "::" || !(is_word(self.text(index + 1)) || self.text(index + 1) == "{") {
                paths.push(path);
                return index.max(1) + usize::from(!is_word(text) && !matches!(text, "," | "}" | ""));
            }
            index += 1;
        }
    }

    /// Puts the path of the module that it is seen from in place of `self` and `super`.
    fn resolve(&self, path: Vec<String>, inline: usize) -> Vec<String> {
        // Inline modules have names too, but all that matters is how many `super`s lead out of them.
        let mut base: Vec<String> = self.module();
        base.extend(std::iter::repeat_n("inline".to_owned(), inline));
        let mut rest = match path.as_slice() {
            [first, rest @ ..] if first == "netipc" && self.path.starts_with("netipc/") => {
                return std::iter::once("crate".to_owned()).chain(rest.iter().cloned()).collect();
            }
            [first, ..] if first != "self" && first != "super" => return path,
            path => path,
        };
        while let Some((word, behind)) = rest.split_first() {
            match word.as_str() {
                "self" => {}
                "super" => drop(base.pop()),
                _ => break,
            }
            rest = behind;
        }
        std::iter::once("crate".to_owned()).chain(base).chain(rest.iter().cloned()).collect()
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest).unwrap_or_else(|| {
            let length = if first.is_alphanumeric() || first == '_' {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            if !first.is_numeric() {
                tokens.push(Token { text: rest[..length].to_owned(), line });
            }
            length
        });
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// The bytes of the white space, comment or literal that `rest` begins with.
fn skipped(rest: &str) -> Option<usize> {
    let white = rest.len() - rest.trim_start().len();
    if white > 0 {
        return Some(white);
    }
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(block_comment(rest));
    }
    let prefix = rest.find(|c: char| !matches!(c, 'b' | 'c' | 'r')).filter(|&length| length <= 2).unwrap_or(0);
    let (prefix, literal) = rest.split_at(prefix);
    if prefix.ends_with('r') {
        let hashes = literal.len() - literal.trim_start_matches('#').len();
        let Some(inside) = literal[hashes..].strip_prefix('"') else {
            // `r#type` is a word; its `r#` says nothing here.
            return (prefix == "r" && hashes == 1).then_some(2);
        };
        let end = format!("\"{}", "#".repeat(hashes));
        let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
        return Some(prefix.len() + hashes + 1 + length);
    }
    if literal.starts_with('"') {
        return Some(prefix.len() + quoted(literal, '"'));
    }
    if literal.starts_with('\'') && matches!(prefix, "" | "b") {
        let mut inside = literal.chars().skip(1);
        let (one, two) = (inside.next(), inside.next());
        return if one == Some('\\') || two == Some('\'') {
            Some(prefix.len() + quoted(literal, '\''))
        } else {
            // A lifetime: its name is no word of interest.
            Some(prefix.len() + 1 + literal[1..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(0))
        };
    }
    None
}

fn quoted(literal: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in literal.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == mark => return at + 1,
            _ => {}
        }
    }
    literal.len()
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}
