//! Items of lookups begin with their echo, and can't be written in another order than some.

use std::ffi::{CStr, CString};

use netipc::{Answers, HandlerResult, Keys, WireMessage};

#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(u8)]
pub enum State {
    Known = 0,
    Gone = 1,
    Long = 2,
}

#[derive(WireMessage)]
struct Behind {
    status: State,
    numbers: Vec<u32>,
    word: CString,
}

#[derive(WireMessage)]
struct Between {
    status: State,
    before: String,
    word: CString,
    numbers: Vec<u32>,
}

#[netipc::service(name = "orders")]
trait Orders {
    #[method(lookup(keys = words, items = items, echo = word, generation = generation,
        exceeded = State::Gone, oversized = State::Long))]
    fn behind(&self, words: Keys<'_, CStr>, reply: Answers<'_, Behind>) -> HandlerResult;

    #[method(lookup(keys = words, items = items, echo = word, generation = generation,
        exceeded = State::Gone, oversized = State::Long))]
    fn between(&self, words: Keys<'_, CStr>, reply: Answers<'_, Between>) -> HandlerResult;
}

fn main() {}
