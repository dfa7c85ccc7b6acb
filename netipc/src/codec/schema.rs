//! A message's layout as data: what [`WireMessage::LAYOUT`](super::WireMessage::LAYOUT) holds.
//!
//! Everything here is made in constants; [`Layout::fingerprint`] folds all of it into one number.

use core::fmt;

#[cfg(test)]
mod tests;

/// The layout of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layout {
    /// The message, as declared.
    pub name: &'static str,
    /// Bytes of the fixed part.
    pub size: usize,
    /// Alignment of the fixed part inside lists and other messages.
    pub align: usize,
    /// Everything in the fixed part, by declaration.
    pub fields: &'static [Field],
    /// What is tolerated beyond the strict form, by the words of `tolerate(..)`.
    pub tolerate: &'static [&'static str],
    /// Conditions over several fields, as written.
    pub require: &'static [&'static str],
    /// The variants of an enum that carries data.
    pub variants: &'static [Variant],
}

/// One entry of a fixed part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// The field, or the name of a part that is no field (`layout_version`, `flags`, `reserved`, ..).
    pub name: &'static str,
    /// Its first byte, counted from the start of the message.
    pub at: usize,
    /// Its bytes in the fixed part.
    pub size: usize,
    /// What stands there.
    pub kind: Kind,
    /// The declared minimum, as written.
    pub min: Option<&'static str>,
    /// The declared maximum, as written.
    pub max: Option<&'static str>,
}

/// One variant of an enum that carries data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variant {
    /// The variant, as declared.
    pub name: &'static str,
    /// Its tag.
    pub value: i128,
    /// Its fields, at offsets from the start of the enum.
    pub fields: &'static [Field],
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// One byte, 0 or 1.
    Bool,
    /// An unsigned integer.
    Unsigned,
    /// A signed integer in two's complement.
    Signed,
    /// An IEEE 754 number.
    Float,
    /// `len` scalars.
    Array(&'static Self, usize),
    /// An enum without data.
    Code(&'static Codes),
    /// `{offset u32, length u32}` of UTF-8 with a NUL behind it.
    Utf8,
    /// `{offset u32, length u32}` of bytes without NUL, and a NUL behind them.
    CStr,
    /// `{offset u32, length u32}` of any bytes.
    Bytes,
    /// `{offset u32, length u32}` of any bytes, and a NUL behind them.
    NulBytes,
    /// A flag byte, then a value.
    Option(&'static Self),
    /// Parts one behind the other, as the fields of a message.
    Tuple(&'static [Self]),
    /// `{offset u32, count u32}` of elements.
    List(&'static Self),
    /// A count; rows behind the text before them.
    Table(&'static Self),
    /// A count; `{offset u32, length u32}` an item behind the fixed part, then the items.
    Directory {
        /// What an item holds.
        item: &'static Self,
        /// The shortest text that an item may hold.
        min: usize,
        /// The longest.
        max: usize,
    },
    /// Another message's fixed part.
    Message(&'static Layout),
    /// The tag of an enum that carries data.
    Tag,
    /// A constant.
    Constant(u64),
    /// Zero bytes.
    Zero,
}

/// The values of an enum without data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Codes {
    /// The enum, as declared.
    pub name: &'static str,
    /// Whether values without a variant are handed on raw.
    pub open: bool,
    /// Names and values.
    pub values: &'static [(&'static str, i128)],
}

impl Codes {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, open: bool, values: &'static [(&'static str, i128)]) -> Self {
        Self { name, open, values }
    }
}

impl Variant {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, value: i128, fields: &'static [Field]) -> Self {
        Self { name, value, fields }
    }
}

impl Field {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, at: usize, size: usize, kind: Kind) -> Self {
        Self { name, at, size, kind, min: None, max: None }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn within(mut self, min: Option<&'static str>, max: Option<&'static str>) -> Self {
        self.min = min;
        self.max = max;
        self
    }
}

impl Layout {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str, size: usize, align: usize, fields: &'static [Field]) -> Self {
        Self { name, size, align, fields, tolerate: &[], require: &[], variants: &[] }
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn rules(mut self, tolerate: &'static [&'static str], require: &'static [&'static str]) -> Self {
        self.tolerate = tolerate;
        self.require = require;
        self
    }

    #[doc(hidden)]
    #[must_use]
    pub const fn variants(mut self, variants: &'static [Variant]) -> Self {
        self.variants = variants;
        self
    }

    /// Whether all other fields can still be set once the field `name` is. Behind a text, no list in front of it can be;
    /// behind a list, nothing that varies in length.
    #[doc(hidden)]
    #[must_use]
    pub const fn may_lead(&self, name: &str) -> bool {
        let (mut i, mut texts, mut lists) = (0, false, false);
        while i < self.fields.len() {
            let kind = &self.fields[i].kind;
            if is_same(self.fields[i].name, name) {
                return !kind.varies() || !lists && (kind.is_text() || !texts);
            }
            texts |= kind.is_text();
            lists |= kind.varies() && !kind.is_text();
            i += 1;
        }
        true
    }

    const fn varies(&self) -> bool {
        let mut i = 0;
        while i < self.variants.len() {
            if vary(self.variants[i].fields) {
                return true;
            }
            i += 1;
        }
        vary(self.fields)
    }

    /// The name of what stands at byte `at` of the fixed part.
    #[cold]
    pub(crate) fn field_at(&self, at: usize) -> &'static str {
        name_at(self.fields, at).unwrap_or("end")
    }

    /// The same, in the variant with the tag `tag`.
    #[doc(hidden)]
    #[cold]
    #[must_use]
    pub fn variant_field_at(&self, tag: i128, at: usize) -> &'static str {
        let variant = self.variants.iter().find(|variant| variant.value == tag);
        variant.and_then(|variant| name_at(variant.fields, at)).unwrap_or_else(|| self.field_at(at))
    }

    /// A number that differs, in all likelihood, wherever two layouts do: 64-bit FNV-1a over everything in here,
    /// the layouts of nested messages included.
    ///
    /// It is no proof against somebody who looks for two layouts with one fingerprint.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        Fold(0xcbf2_9ce4_8422_2325).layout(self).0
    }
}

impl Kind {
    const fn is_text(&self) -> bool {
        matches!(self, Self::Utf8 | Self::CStr | Self::Bytes | Self::NulBytes)
    }

    /// Whether it has more than its fixed part.
    const fn varies(&self) -> bool {
        match self {
            Self::Utf8
            | Self::CStr
            | Self::Bytes
            | Self::NulBytes
            | Self::List(_)
            | Self::Table(_)
            | Self::Directory { .. } => true,
            Self::Option(inner) => inner.varies(),
            Self::Tuple(parts) => {
                let mut i = 0;
                while i < parts.len() {
                    if parts[i].varies() {
                        return true;
                    }
                    i += 1;
                }
                false
            }
            Self::Message(layout) => layout.varies(),
            Self::Bool
            | Self::Unsigned
            | Self::Signed
            | Self::Float
            | Self::Array(..)
            | Self::Code(_)
            | Self::Tag
            | Self::Constant(_)
            | Self::Zero => false,
        }
    }
}

const fn vary(fields: &[Field]) -> bool {
    let mut i = 0;
    while i < fields.len() {
        if fields[i].kind.varies() {
            return true;
        }
        i += 1;
    }
    false
}

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other, mut i) = (one.as_bytes(), other.as_bytes(), 0);
    while i < one.len() && i < other.len() && one[i] == other[i] {
        i += 1;
    }
    i == one.len() && i == other.len()
}

/// The field that begins at byte `at`, or else the one that holds it.
fn name_at(fields: &[Field], at: usize) -> Option<&'static str> {
    let holds = |field: &&Field| field.at <= at && at < field.at + field.size;
    let begins = fields.iter().find(|field| field.at == at && field.size > 0);
    begins.or_else(|| fields.iter().find(holds)).map(|field| field.name)
}

/// FNV-1a in constants.
struct Fold(u64);

impl Fold {
    const fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3))
    }

    const fn number(mut self, number: u64) -> Self {
        let bytes = number.to_le_bytes();
        let mut i = 0;
        while i < bytes.len() {
            self = self.byte(bytes[i]);
            i += 1;
        }
        self
    }

    const fn text(mut self, text: &str) -> Self {
        let bytes = text.as_bytes();
        self = self.number(bytes.len() as u64);
        let mut i = 0;
        while i < bytes.len() {
            self = self.byte(bytes[i]);
            i += 1;
        }
        self
    }

    const fn texts(mut self, texts: &[&str]) -> Self {
        self = self.number(texts.len() as u64);
        let mut i = 0;
        while i < texts.len() {
            self = self.text(texts[i]);
            i += 1;
        }
        self
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "both halves are folded in")]
    const fn wide(self, number: i128) -> Self {
        self.number(number as u64).number((number >> 64) as u64)
    }

    const fn layout(self, layout: &Layout) -> Self {
        let mut fold = self.text(layout.name).number(layout.size as u64).number(layout.align as u64);
        fold = fold.fields(layout.fields).texts(layout.tolerate).texts(layout.require);
        fold = fold.number(layout.variants.len() as u64);
        let mut i = 0;
        while i < layout.variants.len() {
            let variant = &layout.variants[i];
            fold = fold.text(variant.name).wide(variant.value).fields(variant.fields);
            i += 1;
        }
        fold
    }

    const fn fields(mut self, fields: &[Field]) -> Self {
        self = self.number(fields.len() as u64);
        let mut i = 0;
        while i < fields.len() {
            let field = &fields[i];
            self = self.text(field.name).number(field.at as u64).number(field.size as u64).kind(&field.kind);
            self = self.bound(field.min).bound(field.max);
            i += 1;
        }
        self
    }

    const fn bound(self, bound: Option<&str>) -> Self {
        match bound {
            None => self.byte(0),
            Some(text) => self.byte(1).text(text),
        }
    }

    const fn kind(self, kind: &Kind) -> Self {
        match kind {
            Kind::Bool => self.byte(1),
            Kind::Unsigned => self.byte(2),
            Kind::Signed => self.byte(3),
            Kind::Float => self.byte(4),
            Kind::Array(element, len) => self.byte(5).kind(element).number(*len as u64),
            Kind::Code(codes) => self.byte(6).codes(codes),
            Kind::Utf8 => self.byte(7),
            Kind::CStr => self.byte(8),
            Kind::Bytes => self.byte(9),
            Kind::NulBytes => self.byte(10),
            Kind::Option(inner) => self.byte(11).kind(inner),
            Kind::Tuple(parts) => self.byte(12).kinds(parts),
            Kind::List(element) => self.byte(13).kind(element),
            Kind::Table(row) => self.byte(14).kind(row),
            Kind::Directory { item, min, max } => {
                // The same number where `usize` is narrower.
                let max = if *max == usize::MAX { u64::MAX } else { *max as u64 };
                self.byte(15).kind(item).number(*min as u64).number(max)
            }
            Kind::Message(layout) => self.byte(16).layout(layout),
            Kind::Tag => self.byte(17),
            Kind::Constant(value) => self.byte(18).number(*value),
            Kind::Zero => self.byte(19),
        }
    }

    const fn kinds(mut self, kinds: &[Kind]) -> Self {
        self = self.number(kinds.len() as u64);
        let mut i = 0;
        while i < kinds.len() {
            self = self.kind(&kinds[i]);
            i += 1;
        }
        self
    }

    const fn codes(self, codes: &Codes) -> Self {
        let mut fold = self.text(codes.name).byte(codes.open as u8).number(codes.values.len() as u64);
        let mut i = 0;
        while i < codes.values.len() {
            fold = fold.text(codes.values[i].0).wide(codes.values[i].1);
            i += 1;
        }
        fold
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Unsigned => f.write_str("unsigned"),
            Self::Signed => f.write_str("signed"),
            Self::Float => f.write_str("float"),
            Self::Array(element, len) => write!(f, "[{element}; {len}]"),
            Self::Code(codes) => write!(f, "{} {}", if codes.open { "open" } else { "one of" }, codes.name),
            Self::Utf8 => f.write_str("text, UTF-8, NUL"),
            Self::CStr => f.write_str("text, NUL"),
            Self::Bytes => f.write_str("bytes"),
            Self::NulBytes => f.write_str("bytes, NUL"),
            Self::Option(inner) => write!(f, "optional {inner}"),
            Self::Tuple(parts) => {
                f.write_str("(")?;
                for (i, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if i == 0 { "" } else { "; " })?;
                }
                f.write_str(")")
            }
            Self::List(element) => write!(f, "list of {element}"),
            Self::Table(row) => write!(f, "table of {row}"),
            Self::Directory { item, .. } => write!(f, "directory of {item}"),
            Self::Message(layout) => f.write_str(layout.name),
            Self::Tag => f.write_str("tag"),
            Self::Constant(value) => write!(f, "always {value}"),
            Self::Zero => f.write_str("zero"),
        }
    }
}

impl fmt::Display for Layout {
    /// A table: offset, bytes, name, kind, and the rules below it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, {} bytes fixed", self.name, self.size)?;
        let rows = |f: &mut fmt::Formatter<'_>, fields: &[Field]| {
            let mut fields: Vec<_> = fields.iter().filter(|field| field.size > 0).collect();
            fields.sort_by_key(|field| field.at);
            fields.into_iter().try_for_each(|field| {
                write!(f, "{:>6} {:>4}  {:<20} {}", field.at, field.size, field.name, field.kind)?;
                field.min.map_or(Ok(()), |min| write!(f, ", min {min}"))?;
                field.max.map_or(Ok(()), |max| write!(f, ", max {max}"))?;
                writeln!(f)
            })
        };
        rows(f, self.fields)?;
        for variant in self.variants {
            writeln!(f, "  {} = {}", variant.name, variant.value)?;
            rows(f, variant.fields)?;
        }
        if !self.tolerate.is_empty() {
            writeln!(f, "  tolerates {}", self.tolerate.join(", "))?;
        }
        self.require.iter().try_for_each(|condition| writeln!(f, "  requires {condition}"))
    }
}
