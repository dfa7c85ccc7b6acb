//! A module into which nothing comes by itself.
#![no_implicit_prelude]

use ::core::clone::Clone;
use ::core::cmp::PartialEq;
use ::core::fmt::Debug;
use ::core::marker::Copy;
use ::core::option::Option;
use ::netipc::WireMessage;
use ::std::ffi::CString;
use ::std::string::String;
use ::std::vec::Vec;

#[derive(Debug, Clone, Copy, PartialEq, WireMessage)]
#[repr(u8)]
pub enum Code {
    A = 1,
}

#[derive(Debug, Clone, Copy, PartialEq, WireMessage)]
#[wire(open)]
#[repr(u32)]
pub enum Open {
    A = 1,
    Other(u32),
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
#[repr(i16)]
pub enum Choice {
    Nothing = 0,
    Text(String, Vec<Open>) = 1,
    Named { a: Option<CString>, b: Vec<Row> } = -2,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Row {
    pub key: CString,
    #[wire(nul, min = 0, max = 100)]
    pub value: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
#[wire(require(number > 0 && open == Open::A))]
pub struct Natural {
    pub number: u32,
    pub open: Open,
    pub choice: Choice,
    pub rows: Vec<Row>,
    pub numbers: Option<Vec<u64>>,
    pub texts: Vec<String>,
    pub array: [f32; 2],
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
#[wire(version = 1, size = 16, reserved(at = 12, len = 4), tolerate(string_order, slack))]
pub struct Item {
    #[wire(at = 4, nul)]
    pub text: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
#[wire(size = 8, tolerate(trailing, item_order, item_overlap))]
pub struct Overlapping {
    #[wire(at = 0)]
    pub number: u32,
    #[wire(directory, count_at = 4, count = u32)]
    pub items: Vec<Item>,
}

/// A client, its batches, its pipeline and a server.
#[::netipc::service(name = "no-prelude")]
pub trait Service {
    fn nothing(&self);
    fn number(&self, number: u64) -> u64;
    fn texts(
        &self,
        r#type: &::core::primitive::str,
        rows: Vec<Row>,
        code: Option<Code>,
    ) -> ::core::result::Result<Row, Code>;
}
