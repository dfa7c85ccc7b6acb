//! Fields and messages with names that generated code might use itself.

#![allow(non_camel_case_types, non_snake_case, reason = "names that are chosen to collide")]
#![allow(clippy::non_minimal_cfg, clippy::len_without_is_empty, reason = "the same, and a `cfg` that is always there")]

use netipc::WireMessage;

macro_rules! fields {
    ($message:ident { $($field:ident)* }) => {
        #[derive(Debug, Clone, PartialEq, WireMessage)]
        pub struct $message {
            $(pub $field: u16,)*
            pub text: String,
        }
    };
}

fields!(Everyday {
    fixed frame value view place f __f core std alloc netipc private codec buffer payload bytes message builder at index
});

fields!(OfViews {
    fields head tail prover out writer is_empty len get next iter item items list table other cell part owned probe
});

fields!(OfMessages {
    check fill rules size align name layout fingerprint encode decode decode_owned encoded_len to_vec bounded build
});

fields!(OfTypes {
    set string vec option result self_ __frame __fixed __value __holds __SIZE M T K W a w u8 u16 str bool usize
});

/// Keywords.
#[derive(Debug, Clone, PartialEq, WireMessage)]
#[wire(require(r#type <= r#match))]
pub struct r#Raw {
    pub r#type: u8,
    pub r#match: u8,
    #[wire(max = 9)]
    pub r#fn: String,
    pub r#struct: Vec<u8>,
    pub r#async: Option<String>,
    pub r#loop: Vec<r#enum>,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct r#struct {
    pub r#impl: String,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
#[repr(u8)]
pub enum r#enum {
    r#while { r#in: String, r#ref: u8 } = 1,
    r#move(String) = 2,
    r#true = 3,
}

#[derive(Debug, Clone, Copy, PartialEq, WireMessage)]
#[repr(u8)]
pub enum r#const {
    r#let = 1,
    r#mut = 2,
}

/// Names that a condition, or a variant, shares with generated code.
#[derive(Debug, Clone, PartialEq, WireMessage)]
#[wire(require(fixed <= value), require(f <= view))]
pub struct Conditions {
    pub fixed: u8,
    pub value: u8,
    pub f: u8,
    pub view: u8,
    #[wire(min = 1)]
    pub __value: u8,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
#[repr(u8)]
pub enum Variants {
    View { fields: u8, variants: u8, place: String } = 1,
    Builder { f: u8, frame: u8 } = 2,
    Frame { value: u8, view: String } = 3,
    Option { fixed: u8 } = 4,
    Some(u8, String) = 5,
    None = 6,
    Ok(u8) = 7,
    Err(u8) = 8,
}

/// Fields that come and go with the configuration.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Configured {
    #[cfg(all())]
    pub here: u8,
    #[cfg(any())]
    pub gone: NoSuchType,
    #[cfg_attr(all(), wire(max = 3))]
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
#[wire(size = 4)]
pub struct Either {
    #[cfg(all())]
    #[wire(at = 0)]
    pub both: u32,
    #[cfg(any())]
    #[wire(at = 0)]
    pub both: i32,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
#[repr(u8)]
pub enum ConfiguredChoice {
    #[cfg(all())]
    Here(u8) = 1,
    #[cfg(any())]
    Gone(NoSuchType) = 2,
    Both {
        #[cfg(any())]
        gone: NoSuchType,
        here: String,
    } = 3,
}

/// Old fields.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Deprecated {
    /// Do not use it.
    #[deprecated = "use `recent`"]
    pub old: u8,
    #[deprecated]
    pub text: String,
    pub recent: u8,
}

/// Not documented at the getter but here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, WireMessage)]
#[non_exhaustive]
pub struct Others {
    pub number: u8,
}

/// With a derive that has attributes of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage, thiserror::Error)]
#[repr(u16)]
pub enum SensorError {
    #[error("no such sensor")]
    Unknown = 1,
    #[error("sensor is busy")]
    Busy = 2,
}

/// And around data.
#[derive(Debug, Clone, PartialEq, WireMessage, thiserror::Error)]
#[repr(u8)]
pub enum ReadError {
    #[error("sensor {name}: {source}")]
    Sensor {
        name: String,
        #[source]
        source: SensorError,
    } = 1,
    #[error("{0}")]
    Text(String) = 2,
}

/// A type that stands behind names of its own.
pub type Alias = Others;

#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Aliased {
    pub alias: Alias,
    pub path: self::Others,
    pub far: crate::hygiene::names::Others,
    pub all: ::std::vec::Vec<self::Alias>,
    pub prim: ::core::primitive::u8,
    pub len: [u8; LEN],
    pub sum: [u8; 1 + 2],
}

const LEN: usize = 4;
