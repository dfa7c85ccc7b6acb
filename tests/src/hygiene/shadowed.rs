//! Names of the prelude and of the language that mean something else here.
#![allow(dead_code, reason = "they only stand in the way")]

pub struct Box;
pub struct Copy;
pub struct Default;
pub struct Eq;
pub struct Err;
pub struct From;
pub struct Into;
pub struct Iterator;
pub struct Ok;
pub struct Ord;
pub struct None;
pub struct Result;
pub struct Self_;
pub struct Send;
pub struct Some;
pub struct Sized;
pub struct ToOwned;
pub struct ToString;
pub struct TryFrom;

#[allow(non_camel_case_types)]
pub struct usize;
#[allow(non_camel_case_types)]
pub struct str;

/// Crates and modules of these names.
pub mod core {}
pub mod std {}
pub mod alloc {}
pub mod netipc {}
pub mod private {}
pub mod codec {}

pub mod messages {
    #[allow(unused_imports, reason = "they only stand in the way")]
    use super::*;
    #[allow(unused_imports, reason = "they only stand in the way")]
    use super::{alloc, core, netipc, std};

    macro_rules! assert {
        () => {};
    }
    macro_rules! concat {
        () => {};
    }
    macro_rules! panic {
        () => {};
    }
    assert!();
    concat!();
    panic!();

    #[derive(Debug, Clone, ::core::marker::Copy, PartialEq, ::netipc::WireMessage)]
    #[repr(u8)]
    pub enum Code {
        Ok = 1,
        Err = 2,
        None = 3,
        Some = 4,
    }

    #[derive(Debug, Clone, PartialEq, ::netipc::WireMessage)]
    #[repr(u8)]
    pub enum Choice {
        Ok(u8) = 1,
        Err { message: String } = 2,
        None = 3,
        Some(Code) = 4,
    }

    #[derive(Debug, Clone, PartialEq, ::netipc::WireMessage)]
    #[wire(require(number < 5))]
    pub struct Message {
        #[wire(max = 7)]
        pub number: u32,
        pub code: Code,
        pub choices: Vec<Choice>,
        pub text: Option<String>,
    }
}

/// Messages that have the names themselves.
pub mod themselves {
    #[derive(Debug, Clone, PartialEq, netipc_of_ours::WireMessage)]
    pub struct Vec {
        pub number: u32,
        pub bytes: ::std::vec::Vec<u8>,
        pub list: ::std::vec::Vec<u32>,
    }

    #[derive(Debug, Clone, PartialEq, netipc_of_ours::WireMessage)]
    pub struct String {
        pub text: ::std::string::String,
        pub vec: self::Vec,
    }

    #[derive(Debug, Clone, PartialEq, netipc_of_ours::WireMessage)]
    pub struct Result {
        pub a: u8,
    }

    #[derive(Debug, Clone, PartialEq, netipc_of_ours::WireMessage)]
    pub struct Option {
        pub results: ::std::vec::Vec<Result>,
        pub maybe: ::std::option::Option<Result>,
    }

    use ::netipc as netipc_of_ours;
}
