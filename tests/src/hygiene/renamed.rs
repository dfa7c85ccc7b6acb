//! The library under another name; `::netipc` is not what generated code may say then.

/// What another crate might call it.
pub mod re_exported {
    pub use ::netipc as inner;
}

use re_exported::inner::WireMessage;

#[derive(Debug, Clone, Copy, PartialEq, WireMessage)]
#[wire(crate = re_exported::inner)]
#[repr(u8)]
pub enum Code {
    A = 1,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
#[wire(crate = crate::hygiene::renamed::re_exported::inner)]
#[repr(u8)]
pub enum Choice {
    A(String) = 1,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
#[wire(crate = self::re_exported::inner, require(number < 5))]
pub struct Message {
    #[wire(max = 7)]
    pub number: u32,
    pub codes: Vec<u16>,
    pub choice: Choice,
}
