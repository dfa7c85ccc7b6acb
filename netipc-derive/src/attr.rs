//! The vocabulary of `#[wire(..)]`: which words there are, where each may stand, which may be repeated.
//!
//! Owns the grammar alone: words that are unknown, misplaced, repeated or misspelt in their values are refused here,
//! and what words mean together is the business of the checks.

mod value;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::{Attribute, Expr, Path};

use crate::diagnostics::Diagnostics;
use crate::message::model::{Fixed, Reserved, Scalar, Tolerate};

/// What an attribute stands on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Struct,
    Enum,
    Field,
    Variant,
    VariantField,
}

impl Place {
    fn name(self) -> &'static str {
        match self {
            Self::Struct => "a struct",
            Self::Enum => "an enum",
            Self::Field => "a field of a struct",
            Self::Variant => "a variant",
            Self::VariantField => "a field of a variant",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Version,
    Size,
    Reserved,
    Fixed,
    Tolerate,
    Require,
    Open,
    Crate,
    Tuples,
    At,
    Nul,
    Min,
    Max,
    Directory,
    Table,
    CountAt,
    Count,
    Each,
}

struct Entry {
    word: Word,
    name: &'static str,
    on: &'static [Place],
    repeats: bool,
    /// An example, shown when the value is misspelt.
    usage: &'static str,
}

const fn once(word: Word, name: &'static str, on: &'static [Place], usage: &'static str) -> Entry {
    Entry { word, name, on, repeats: false, usage }
}

const fn many(word: Word, name: &'static str, on: &'static [Place], usage: &'static str) -> Entry {
    Entry { word, name, on, repeats: true, usage }
}

const STRUCT: &[Place] = &[Place::Struct];
const ENUM: &[Place] = &[Place::Enum];
const ITEM: &[Place] = &[Place::Struct, Place::Enum];
const FIELD: &[Place] = &[Place::Field];
const ANY_FIELD: &[Place] = &[Place::Field, Place::VariantField];

const VOCABULARY: &[Entry] = &[
    once(Word::Version, "version", STRUCT, "version = 1"),
    once(Word::Size, "size", STRUCT, "size = 32"),
    many(Word::Reserved, "reserved", STRUCT, "reserved(at = 12, len = 4)"),
    many(Word::Fixed, "fixed", STRUCT, "fixed(at = 0, u16 = 1)"),
    once(Word::Tolerate, "tolerate", STRUCT, "tolerate(trailing, slack)"),
    many(Word::Require, "require", STRUCT, "require(first <= last)"),
    once(Word::Open, "open", ENUM, "open"),
    once(Word::Crate, "crate", ITEM, "crate = path::to::netipc"),
    once(Word::Tuples, "__tuples", ITEM, "__tuples"),
    once(Word::At, "at", FIELD, "at = 4"),
    once(Word::Nul, "nul", ANY_FIELD, "nul"),
    once(Word::Min, "min", ANY_FIELD, "min = 1"),
    once(Word::Max, "max", ANY_FIELD, "max = 15"),
    once(Word::Directory, "directory", FIELD, "directory"),
    once(Word::Table, "table", FIELD, "table"),
    once(Word::CountAt, "count_at", FIELD, "count_at = 4"),
    once(Word::Count, "count", FIELD, "count = u32"),
    once(Word::Each, "each", FIELD, "each(min = 1, max = 255)"),
];

/// A value, where it stands, and the word in front of it.
pub(crate) struct Given<T> {
    pub(crate) value: T,
    pub(crate) span: Span,
    pub(crate) key: Span,
}

/// `each(min = N, max = N)`
pub(crate) struct Each {
    pub(crate) key: Span,
    pub(crate) min: Option<usize>,
    pub(crate) max: Option<usize>,
}

/// All that the `#[wire(..)]` attributes of one thing say together.
#[derive(Default)]
pub(crate) struct Attrs {
    pub(crate) version: Option<Given<u16>>,
    pub(crate) size: Option<Given<usize>>,
    pub(crate) reserved: Vec<Reserved>,
    pub(crate) fixed: Vec<Fixed>,
    pub(crate) tolerate: Tolerate,
    pub(crate) require: Vec<Expr>,
    pub(crate) open: Option<Span>,
    pub(crate) krate: Option<Path>,
    /// It was made of a method, and may hold tuples.
    pub(crate) tuples: bool,
    pub(crate) at: Option<Given<usize>>,
    pub(crate) nul: Option<Span>,
    pub(crate) min: Option<Expr>,
    pub(crate) max: Option<Expr>,
    pub(crate) directory: Option<Span>,
    pub(crate) table: Option<Span>,
    pub(crate) count_at: Option<Given<usize>>,
    pub(crate) count: Option<Given<Scalar>>,
    pub(crate) each: Option<Each>,
    /// Something was refused, so a word that seems absent may have been meant.
    pub(crate) broken: bool,
}

/// Reads every `#[wire(..)]` among `attributes`.
pub(crate) fn read(attributes: &[Attribute], place: Place, errors: &mut Diagnostics) -> Attrs {
    let mut reader = Reader { place, seen: Vec::new(), attrs: Attrs::default(), errors };
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("wire")) {
        match attribute.meta.require_list() {
            Ok(list) => value::split(list.tokens.clone()).into_iter().for_each(|item| reader.item(item)),
            Err(_) => {
                reader.refuse(syn::Error::new_spanned(attribute, "an attribute of ours is written `#[wire(..)]`"));
            }
        }
    }
    reader.attrs
}

struct Reader<'e> {
    place: Place,
    seen: Vec<Word>,
    attrs: Attrs,
    errors: &'e mut Diagnostics,
}

impl Reader<'_> {
    fn refuse(&mut self, error: syn::Error) {
        self.attrs.broken = true;
        self.errors.push(error);
    }

    fn item(&mut self, item: TokenStream) {
        let mut tokens = item.clone().into_iter();
        let Some(TokenTree::Ident(key)) = tokens.next() else {
            return self.refuse(syn::Error::new_spanned(item, format!("expected {}", known_on(self.place))));
        };
        let Some(entry) = VOCABULARY.iter().find(|entry| key == entry.name) else {
            return self.refuse(syn::Error::new_spanned(
                &key,
                format!("unknown attribute `{key}`; {} takes {}", self.place.name(), known_on(self.place)),
            ));
        };
        if !entry.on.contains(&self.place) {
            return self.refuse(syn::Error::new_spanned(&key, misplaced(entry, self.place)));
        }
        if !entry.repeats && self.seen.contains(&entry.word) {
            // The first one stands, so nothing else is missing: not `broken`.
            return self.errors.error(&key, format!("`{key}` is repeated; keep one of the two"));
        }
        self.seen.push(entry.word);
        if let Err(error) = self.value(entry, &key, tokens.collect()) {
            self.refuse(error);
        }
    }

    fn value(&mut self, entry: &Entry, key: &Ident, rest: TokenStream) -> syn::Result<()> {
        let value = value::Reader { key, usage: entry.usage };
        let attrs = &mut self.attrs;
        match entry.word {
            Word::Version => attrs.version = Some(value.version(rest)?),
            Word::Size => attrs.size = Some(value.number(rest)?),
            Word::Reserved => attrs.reserved.push(value.reserved(rest)?),
            Word::Fixed => attrs.fixed.push(value.fixed(rest)?),
            Word::Tolerate => return self.tolerate(&value, rest),
            Word::Require => attrs.require.push(value.condition(rest)?),
            Word::Open => attrs.open = Some(value.flag(rest)?),
            Word::Tuples => attrs.tuples = value.flag(rest).is_ok(),
            Word::Crate => attrs.krate = Some(value.path(rest)?),
            Word::At => attrs.at = Some(value.number(rest)?),
            Word::Nul => attrs.nul = Some(value.flag(rest)?),
            Word::Min => attrs.min = Some(value.literal(rest)?),
            Word::Max => attrs.max = Some(value.literal(rest)?),
            Word::Directory => attrs.directory = Some(value.flag(rest)?),
            Word::Table => attrs.table = Some(value.flag(rest)?),
            Word::CountAt => attrs.count_at = Some(value.number(rest)?),
            Word::Count => attrs.count = Some(value.count(rest)?),
            Word::Each => attrs.each = Some(value.each(rest)?),
        }
        Ok(())
    }

    /// A tolerance misspelt says nothing about the layout, so it is reported without breaking the attributes.
    fn tolerate(&mut self, value: &value::Reader<'_>, rest: TokenStream) -> syn::Result<()> {
        for word in value.words(rest)? {
            let tolerate = &mut self.attrs.tolerate;
            let slot = match word.to_string().as_str() {
                "trailing" => &mut tolerate.trailing,
                "dirty_gaps" => &mut tolerate.dirty_gaps,
                "item_order" => &mut tolerate.item_order,
                "item_overlap" => &mut tolerate.item_overlap,
                "string_order" => &mut tolerate.string_order,
                "slack" => &mut tolerate.slack,
                _ => {
                    let known = "`trailing`, `dirty_gaps`, `item_order`, `item_overlap`, `string_order`, `slack`";
                    self.errors.error(&word, format!("unknown tolerance `{word}`; there are {known}"));
                    continue;
                }
            };
            if slot.replace(word.span()).is_some() {
                self.errors.error(&word, format!("`{word}` is repeated; keep one of the two"));
            }
        }
        Ok(())
    }
}

fn known_on(place: Place) -> String {
    // What begins with `__` is between our macros.
    let known = VOCABULARY.iter().filter(|entry| entry.on.contains(&place) && !entry.name.starts_with("__"));
    let names: Vec<_> = known.map(|entry| format!("`{}`", entry.name)).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn misplaced(entry: &Entry, place: Place) -> String {
    let homes: Vec<_> = entry.on.iter().map(|home| home.name()).collect();
    format!("`{}` has no meaning on {}; it goes on {}", entry.name, place.name(), homes.join(" or "))
}
