use std::ffi::CStr;

use netipc::lookup::Keep;
use netipc::{Answers, HandlerResult, Keys, Reply, WireMessage};

#[derive(Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(u8)]
enum State {
    Known = 0,
    NoRoom = 1,
    TooLong = 2,
}

#[derive(WireMessage)]
struct Item {
    status: State,
    id: u32,
}

#[derive(WireMessage)]
struct Id {
    id: u32,
}

#[netipc::service(name = "words")]
trait Words {
    #[method(lookup)]
    fn bare(&self, keys: Keys<'_, Id>, reply: Answers<'_, Item>) -> HandlerResult;
    #[method(lookup())]
    fn empty(&self, keys: Keys<'_, Id>, reply: Answers<'_, Item>) -> HandlerResult;
    #[method(lookup(keys = ids, items = items, echo = id, generation = generation, exceeded = State::NoRoom))]
    fn no_oversized(&self, keys: Keys<'_, Id>, reply: Answers<'_, Item>) -> HandlerResult;
    #[method(lookup(keys = "ids", items = items, echo(id), generation = 7, exceeded = 1, oversized = State::TooLong,
        keep = 2, blank = 3, unheard = of))]
    fn forms(&self, keys: Keys<'_, Id>, reply: Answers<'_, Item>) -> HandlerResult;
    #[method(lookup(keys = ids, keys = ids, items = items, echo = id, generation = generation,
        exceeded = State::NoRoom, oversized = State::TooLong, blank(id = 1, id = 2, status)))]
    fn repeated(&self, keys: Keys<'_, Id>, reply: Answers<'_, Item>) -> HandlerResult;
}

#[netipc::service(name = "names")]
trait Names {
    #[method(idempotent = false, lookup(keys = finish, items = to_owned, echo = id, generation = to_owned,
        exceeded = State::NoRoom, oversized = State::NoRoom))]
    fn names(&self, keys: Keys<'_, Id>, reply: Answers<'_, Item>) -> HandlerResult;
}

#[netipc::service(name = "signatures")]
trait Signatures {
    #[method(lookup(keys = ids, items = items, echo = id, generation = generation,
        exceeded = State::NoRoom, oversized = State::TooLong))]
    fn no_result(&self, keys: Keys<'_, Id>, reply: Answers<'_, Item>);
    #[method(lookup(keys = ids, items = items, echo = id, generation = generation,
        exceeded = State::NoRoom, oversized = State::TooLong))]
    fn another_result(&self, keys: Keys<'_, Id>, reply: Answers<'_, Item>) -> u32;
    #[method(lookup(keys = ids, items = items, echo = id, generation = generation,
        exceeded = State::NoRoom, oversized = State::TooLong))]
    fn one_parameter(&self, keys: Keys<'_, Id>) -> HandlerResult;
    #[method(lookup(keys = ids, items = items, echo = id, generation = generation,
        exceeded = State::NoRoom, oversized = State::TooLong))]
    fn other_parameters(&self, keys: Vec<Id>, reply: Reply<'_, Item>) -> HandlerResult;
    #[method(lookup(keys = ids, items = items, echo = id, generation = generation,
        exceeded = State::NoRoom, oversized = State::TooLong))]
    fn other_keys(&self, keys: Keys<'_, u32>, reply: Answers<'_, u32>) -> HandlerResult;
    fn not_declared(&self, keys: Keys<'_, CStr>, reply: Answers<'_, Item>) -> HandlerResult;
}

#[derive(WireMessage)]
struct TakenFindLookup {
    id: u32,
}

#[netipc::service(name = "taken")]
trait Taken {
    #[method(lookup(keys = ids, items = items, echo = id, generation = generation,
        exceeded = State::NoRoom, oversized = State::TooLong, keep = keep))]
    fn find(&self, keys: Keys<'_, TakenFindLookup>, reply: Answers<'_, Item>) -> HandlerResult;
}

fn keep(_: &ItemView<'_>) -> Keep {
    Keep::Never
}

fn main() {
    let mut client = WordsClient::connect("/run/words").unwrap();
    let _ = client.bare([Id { id: 1 }]);
}
