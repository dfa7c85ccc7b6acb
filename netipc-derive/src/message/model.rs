//! What a message is, once its syntax is understood: the types that [`parse`](super::parse) builds, that
//! [`check`](super::check) proves and that emission reads.
//!
//! Owns no rule. A model that came out of `parse` may still be wrong; one that went through `check` without an error is
//! right as far as a macro can know: the size of a named type is seen by the compiler alone.

use proc_macro2::Span;
use syn::{Attribute, Expr, Ident, Path, Type, Visibility};

/// One `#[derive(WireMessage)]`.
pub(crate) struct Message {
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    /// `#[doc]` attributes only.
    pub(crate) docs: Vec<Attribute>,
    /// Where generated code finds the library: `::netipc`, or what `crate = path` says.
    pub(crate) krate: Path,
    /// Whether it was made of a method, whose parameters and results may be tuples.
    pub(crate) tuples: bool,
    pub(crate) body: Body,
}

pub(crate) enum Body {
    Struct(Struct),
    Code(Code),
    Union(Union),
}

/// A struct with named fields.
pub(crate) struct Struct {
    /// Laid out by hand: there is an `at`, `count_at`, `size`, `version`, `fixed` or `reserved` somewhere.
    pub(crate) placed: bool,
    /// `version = N`: u16 N and u16 zero in bytes 0..4.
    pub(crate) version: Option<u16>,
    pub(crate) version_span: Span,
    /// `size = N`: the bytes of the fixed part.
    pub(crate) size: Option<usize>,
    pub(crate) size_span: Span,
    pub(crate) fixed: Vec<Fixed>,
    pub(crate) reserved: Vec<Reserved>,
    pub(crate) tolerate: Tolerate,
    pub(crate) require: Vec<Require>,
    pub(crate) fields: Vec<Field>,
}

/// `fixed(at = 0, u16 = 1)`: a constant in the fixed part.
pub(crate) struct Fixed {
    pub(crate) at: usize,
    pub(crate) repr: Scalar,
    pub(crate) value: u64,
    pub(crate) span: Span,
}

/// `reserved(at = 12, len = 4)`: bytes that are zero.
pub(crate) struct Reserved {
    pub(crate) at: usize,
    pub(crate) len: usize,
    pub(crate) span: Span,
}

/// What a decoder takes although an encoder never writes it; the span is that of the word.
#[derive(Default)]
pub(crate) struct Tolerate {
    pub(crate) trailing: Option<Span>,
    pub(crate) dirty_gaps: Option<Span>,
    pub(crate) item_order: Option<Span>,
    pub(crate) item_overlap: Option<Span>,
    pub(crate) string_order: Option<Span>,
    pub(crate) slack: Option<Span>,
}

/// `require(expr)`: what must hold between the fields.
pub(crate) struct Require {
    pub(crate) expr: Expr,
    /// The source, spaced as a person would.
    pub(crate) text: String,
    /// The fields it mentions, each once, in field order.
    pub(crate) names: Vec<Ident>,
}

pub(crate) struct Field {
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    /// `#[doc]` attributes only.
    pub(crate) docs: Vec<Attribute>,
    pub(crate) ty: Type,
    pub(crate) kind: Kind,
    pub(crate) at: Option<usize>,
    /// The value of `at` or `count_at`, or the name of the field where neither is given.
    pub(crate) at_span: Span,
    /// A literal, negated or not.
    pub(crate) min: Option<Expr>,
    /// A literal, negated or not.
    pub(crate) max: Option<Expr>,
    /// The name of the field.
    pub(crate) span: Span,
}

/// What a type is on the wire, as far as its syntax says.
#[derive(Clone)]
pub(crate) enum Kind {
    Scalar(Scalar),
    /// `[T; N]` of scalars.
    Array {
        element: Scalar,
        len: Expr,
    },
    /// `String`
    Utf8,
    /// `CString`
    CStr,
    /// `Vec<u8>`
    Bytes {
        nul: bool,
    },
    /// Any other path: a derived enum or message, of a size that only the compiler knows.
    Named,
    /// `Option<T>`, with the inner type.
    Option(Box<Self>, Type),
    /// `Vec<T>` without `table` or `directory`, with the type of an element.
    List(Box<Self>, Type),
    /// `Vec<T>` of fixed parts at a canonical offset, their strings after.
    Table {
        count_at: usize,
        count: Scalar,
        element: Type,
    },
    /// `Vec<T>` behind `{offset u32, length u32}` entries.
    Directory {
        count_at: usize,
        count: Scalar,
        element: Box<Self>,
        element_ty: Type,
        each_min: Option<usize>,
        each_max: Option<usize>,
    },
    Tuple(Vec<(Self, Type)>),
}

impl Kind {
    /// Whether the payload's length depends on the value, as far as the macro can know.
    pub(crate) fn is_variable(&self) -> bool {
        match self {
            Self::Scalar(_) | Self::Array { .. } | Self::Named => false,
            Self::Option(inner, _) => inner.is_variable(),
            Self::Tuple(parts) => parts.iter().any(|(kind, _)| kind.is_variable()),
            Self::Utf8
            | Self::CStr
            | Self::Bytes { .. }
            | Self::List(..)
            | Self::Table { .. }
            | Self::Directory { .. } => true,
        }
    }

    /// Whether it is one run of text or bytes behind one `{offset, length}` slot.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self, Self::Utf8 | Self::CStr | Self::Bytes { .. })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scalar {
    U8,
    U16,
    U32,
    U64,
    U128,
    I8,
    I16,
    I32,
    I64,
    I128,
    F32,
    F64,
    Bool,
}

impl Scalar {
    const ALL: [(Self, &'static str, usize); 13] = [
        (Self::U8, "u8", 1),
        (Self::U16, "u16", 2),
        (Self::U32, "u32", 4),
        (Self::U64, "u64", 8),
        (Self::U128, "u128", 16),
        (Self::I8, "i8", 1),
        (Self::I16, "i16", 2),
        (Self::I32, "i32", 4),
        (Self::I64, "i64", 8),
        (Self::I128, "i128", 16),
        (Self::F32, "f32", 4),
        (Self::F64, "f64", 8),
        (Self::Bool, "bool", 1),
    ];

    /// The scalar of that name.
    pub(crate) fn from_ident(ident: &Ident) -> Option<Self> {
        Self::ALL.iter().find(|(_, name, _)| ident == name).map(|&(scalar, _, _)| scalar)
    }

    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|&&(scalar, _, _)| scalar == self).map_or("", |&(_, name, _)| name)
    }

    pub(crate) fn ident(self) -> Ident {
        Ident::new(self.name(), Span::call_site())
    }

    /// Bytes on the wire.
    pub(crate) fn size(self) -> usize {
        Self::ALL.iter().find(|&&(scalar, _, _)| scalar == self).map_or(0, |&(_, _, size)| size)
    }

    /// What its offset is a multiple of: its size, 8 at most.
    pub(crate) fn align(self) -> usize {
        self.size().min(8)
    }

    /// The smallest and the largest value of an integer; `None` for floats, bool, and where i128 is too small.
    pub(crate) fn range(self) -> Option<(i128, i128)> {
        match self {
            Self::U8 => Some((0, u8::MAX.into())),
            Self::U16 => Some((0, u16::MAX.into())),
            Self::U32 => Some((0, u32::MAX.into())),
            Self::U64 => Some((0, u64::MAX.into())),
            Self::I8 => Some((i8::MIN.into(), i8::MAX.into())),
            Self::I16 => Some((i16::MIN.into(), i16::MAX.into())),
            Self::I32 => Some((i32::MIN.into(), i32::MAX.into())),
            Self::I64 => Some((i64::MIN.into(), i64::MAX.into())),
            Self::I128 => Some((i128::MIN, i128::MAX)),
            Self::U128 => Some((0, i128::MAX)),
            Self::F32 | Self::F64 | Self::Bool => None,
        }
    }
}

/// A fieldless enum, but for `Other(repr)` when it is open.
pub(crate) struct Code {
    pub(crate) repr: Scalar,
    /// The variant that holds every other value.
    pub(crate) open: Option<Ident>,
    /// Without the open one.
    pub(crate) variants: Vec<CodeVariant>,
}

pub(crate) struct CodeVariant {
    pub(crate) ident: Ident,
    pub(crate) value: i128,
    /// The discriminant as written, or the name of the variant.
    pub(crate) value_span: Span,
}

/// An enum with data, always at natural layout.
pub(crate) struct Union {
    pub(crate) repr: Scalar,
    pub(crate) variants: Vec<UnionVariant>,
}

pub(crate) struct UnionVariant {
    pub(crate) ident: Ident,
    pub(crate) value: i128,
    /// The discriminant as written, or the name of the variant.
    pub(crate) value_span: Span,
    pub(crate) docs: Vec<Attribute>,
    pub(crate) style: Style,
    /// Those of a tuple variant are called `field_0`, `field_1`, ...
    pub(crate) fields: Vec<Field>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Style {
    Named,
    Tuple,
    Unit,
}
