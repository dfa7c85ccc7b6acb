//! What a service is, once its syntax is understood. Owns no rule.

use proc_macro2::Span;
use quote::format_ident;
use syn::ext::IdentExt;
use syn::{Attribute, Expr, Ident, LitStr, Path, Type, Visibility};

use crate::message::model::Kind;

/// One `#[netipc::service]`.
pub(super) struct Service {
    pub(super) vis: Visibility,
    pub(super) ident: Ident,
    /// Where generated code finds the library.
    pub(super) krate: Path,
    /// `None` where it is missing or unreadable, which was reported.
    pub(super) name: Option<LitStr>,
    pub(super) methods: Vec<Method>,
}

impl Service {
    /// The name of something made of the trait's: `ThermometerClient`.
    pub(super) fn named(&self, what: &str) -> Ident {
        format_ident!("{}{what}", self.ident.unraw(), span = self.ident.span())
    }

    /// The name of something made of a method's: `ThermometerReadRequest`.
    pub(super) fn message(&self, method: &Method, what: &str) -> Ident {
        format_ident!("{}{}{what}", self.ident.unraw(), method.camel(), span = method.ident.span())
    }
}

pub(super) struct Method {
    pub(super) ident: Ident,
    pub(super) docs: Vec<Attribute>,
    pub(super) deprecated: Vec<Attribute>,
    pub(super) cfgs: Vec<Attribute>,
    /// `None` where it was given and refused.
    pub(super) code: Option<u16>,
    /// The code as written, or the name of the method.
    pub(super) code_span: Span,
    pub(super) idempotent: bool,
    /// Whether it asks for the call.
    pub(super) call: bool,
    pub(super) params: Vec<Param>,
    pub(super) returns: Returns,
    pub(super) snapshot: Option<Snapshot>,
    /// Then it has neither parameters nor a result.
    pub(super) lookup: Option<Lookup>,
}

/// What is declared of a lookup.
pub(super) struct LookupWords {
    pub(super) span: Span,
    /// The field of the request.
    pub(super) keys: Ident,
    /// Fields of the reply.
    pub(super) items: Ident,
    pub(super) generation: Ident,
    /// Fields of an item.
    pub(super) echo: Ident,
    pub(super) status: Ident,
    /// What the status says.
    pub(super) exceeded: Path,
    pub(super) oversized: Path,
    /// What fields of an item hold unless somebody sets them.
    pub(super) blank: Vec<(Ident, Expr)>,
    /// Says how long an item may be kept.
    pub(super) keep: Option<Path>,
}

/// What is looked for.
pub(super) enum KeyType {
    Text,
    Message(Box<Type>),
}

/// A lookup.
pub(super) struct Lookup {
    pub(super) words: LookupWords,
    pub(super) key: KeyType,
    pub(super) item: Type,
}

/// What a cache has to know of the reply: names of its fields.
pub(super) struct Snapshot {
    pub(super) span: Span,
    pub(super) items: Ident,
    /// Fields of an item.
    pub(super) key: Vec<Ident>,
    pub(super) generation: Ident,
}

impl Method {
    /// `read_all` as `ReadAll`.
    pub(super) fn camel(&self) -> String {
        let mut camel = String::new();
        for word in self.ident.unraw().to_string().split('_') {
            let mut letters = word.chars();
            camel.extend(letters.next().into_iter().flat_map(char::to_uppercase));
            camel.push_str(letters.as_str());
        }
        camel
    }

    /// Whether both can't be there at once, as far as a macro can hope.
    pub(super) fn may_exclude(&self, other: &Self) -> bool {
        !self.cfgs.is_empty() && !other.cfgs.is_empty()
    }
}

pub(super) struct Param {
    pub(super) ident: Ident,
    /// The type of the field that it is in the request.
    pub(super) ty: Type,
    pub(super) kind: Kind,
    pub(super) form: Form,
}

/// How a handler is given a parameter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As the getter has it.
    Borrowed,
    /// As a value of its own.
    Owned,
}

/// A type that stands in a reply.
pub(super) struct Part {
    pub(super) ty: Type,
    pub(super) kind: Kind,
}

pub(super) enum Returns {
    Nothing,
    Value(Part),
    /// `Result<T, E>`; no `T` for `()`.
    Outcome(Option<Part>, Box<Part>),
    /// `Reply<'_, M>` as the last parameter.
    InPlace(Type),
}

/// What a payload is made of.
pub(super) enum Payload<'m> {
    Empty,
    /// The message itself.
    Itself(&'m Type),
    /// A message that is generated.
    Generated,
}

impl Method {
    pub(super) fn request(&self) -> Payload<'_> {
        match self.params.as_slice() {
            [] if self.lookup.is_some() => Payload::Generated,
            [] => Payload::Empty,
            [Param { ty, kind: Kind::Named, .. }] => Payload::Itself(ty),
            _ => Payload::Generated,
        }
    }

    pub(super) fn reply(&self) -> Payload<'_> {
        match &self.returns {
            Returns::Nothing if self.lookup.is_some() => Payload::Generated,
            Returns::Nothing => Payload::Empty,
            Returns::InPlace(ty) | Returns::Value(Part { ty, kind: Kind::Named }) => Payload::Itself(ty),
            Returns::Value(_) | Returns::Outcome(..) => Payload::Generated,
        }
    }
}
