//! Lookups of items and keys with any layout.
#![cfg(target_os = "linux")]

use std::ffi::{CStr, CString};

use netipc::server::InProcess;
use netipc::{Answers, HandlerResult, Keys, WireMessage};
use netipc_tests::random::Random;

#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(u8)]
pub enum State {
    Known = 0,
    Gone = 1,
    Long = 2,
    Other = 3,
}

/// A blank text in front of the echo, and one behind it.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Texts {
    pub status: State,
    pub before: String,
    pub word: CString,
    pub behind: String,
    pub list: Vec<u64>,
}

/// An echo that is no text, and what can't be set behind it.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Mixed {
    pub status: State,
    pub place: Option<String>,
    pub maybe: Option<String>,
    pub numbers: Vec<u32>,
    pub inner: Inner,
    pub shape: Shape,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Inner {
    pub words: Vec<String>,
    pub many: Vec<Name>,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Name {
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, WireMessage)]
#[repr(u8)]
pub enum Shape {
    Nothing = 0,
    Circle { radius: f64 } = 1,
    Named(String) = 2,
}

/// Keys with more than is echoed: text, a list, something that may not be there.
#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Key {
    pub place: Option<String>,
    pub hints: Vec<u16>,
    pub note: String,
}

#[netipc::service(name = "layouts")]
pub trait Layouts {
    #[method(lookup(keys = words, items = items, echo = word, generation = generation,
        exceeded = State::Gone, oversized = State::Long, blank(before = "before", behind = "a text that is longer")))]
    fn texts(&self, words: Keys<'_, CStr>, reply: Answers<'_, Texts>) -> HandlerResult;

    #[method(lookup(keys = keys, items = items, echo = place, generation = generation,
        exceeded = State::Gone, oversized = State::Long))]
    fn mixed(&self, keys: Keys<'_, Key>, reply: Answers<'_, Mixed>) -> HandlerResult;
}

struct Any;

impl Layouts for Any {
    fn texts(&self, words: Keys<'_, CStr>, mut reply: Answers<'_, Texts>) -> HandlerResult {
        for (index, _) in words.enumerate() {
            match index % 4 {
                0 => reply.answer(|item| item),
                1 => reply.answer(|item| item.behind("b")),
                2 => reply.answer(|item| item.before("a").behind("b")),
                _ => reply.answer(|item| {
                    let mut list = item.list(3);
                    list.push(5);
                    item
                }),
            };
        }
        Ok(())
    }

    fn mixed(&self, keys: Keys<'_, Key>, mut reply: Answers<'_, Mixed>) -> HandlerResult {
        for key in keys {
            if key.hints().is_empty() {
                reply.answer(|item| item.status(State::Other));
                continue;
            }
            let known = known(&key.to_owned());
            reply.answer(|item| {
                item.maybe(known.maybe.as_deref());
                let mut numbers = item.numbers(known.numbers.len());
                for number in &known.numbers {
                    numbers.push(*number);
                }
                item.inner(&known.inner).shape(&known.shape)
            });
        }
        Ok(())
    }
}

fn blank(key: &Key, status: State) -> Mixed {
    let inner = Inner { words: Vec::new(), many: Vec::new() };
    Mixed { status, place: key.place.clone(), maybe: None, numbers: Vec::new(), inner, shape: Shape::Nothing }
}

fn known(key: &Key) -> Mixed {
    let hints = key.hints.len();
    let names = || (0..hints % 5).map(|number| "name".repeat(number));
    Mixed {
        maybe: (hints % 2 == 1).then(|| key.note.clone()),
        numbers: key.hints.iter().map(|hint| u32::from(*hint)).collect(),
        inner: Inner { words: names().collect(), many: names().map(|name| Name { name }).collect() },
        shape: match hints % 3 {
            0 => Shape::Nothing,
            1 => Shape::Circle { radius: 2.0 },
            _ => Shape::Named(key.note.clone()),
        },
        ..blank(key, State::Known)
    }
}

#[test]
fn texts_may_be_blank_on_either_side_of_the_echo() {
    for limit in [200, 300, 1000, 100_000] {
        let server = LayoutsServer::new(Any).max_response_payload(limit);
        let mut client = InProcess::new(server).client();
        let words: Vec<CString> = (0..100).map(|number| CString::new(format!("w{number}")).unwrap()).collect();
        let answer = client.texts(&words).unwrap();
        for (item, word) in answer.iter().zip(&words) {
            assert_eq!(item.word(), word.as_c_str());
        }
    }
}

fn key(random: &mut Random, longest: usize) -> Key {
    let len = if random.one_in(10) { random.below(longest) } else { random.below(20) };
    Key {
        place: random.one_in(2).then(|| "p".repeat(random.below(len + 1))),
        hints: (0..random.below(len / 2 + 1)).map(|number| number as u16).collect(),
        note: "n".repeat(random.below(len + 1)),
    }
}

#[test]
fn keys_and_items_of_any_layout_are_answered_within_any_limit() {
    let mut statuses = [0; 4];
    for seed in 0..300 {
        let random = &mut Random::new(seed);
        let response = random.pick(&[100, 150, 300, 1024, 5000]) + random.below(64);
        let request = random.pick(&[100, 300, 1024, 5000]) + random.below(64);
        let server = InProcess::new(LayoutsServer::new(Any).max_response_payload(response as u32));
        let mut client = server.connect(LayoutsClient::config().max_request_payload(request as u32)).unwrap();
        let keys: Vec<Key> = (0..random.below(200)).map(|_| key(random, request.max(response))).collect();
        let answer = client.mixed(&keys).unwrap_or_else(|error| panic!("{seed}: {error}"));
        assert_eq!(answer.len(), keys.len());
        for (item, key) in answer.iter().zip(&keys) {
            let known = if key.hints.is_empty() { blank(key, State::Other) } else { known(key) };
            let marked = 16 + 8 + blank(key, State::Gone).encoded_len();
            let fits =
                16 + 8 + key.encoded_len() <= request && 16 + 8 + known.encoded_len() <= response && marked <= response;
            let expected = if fits { known } else { blank(key, State::Long) };
            assert_eq!(item.to_owned(), expected, "{seed}");
            statuses[expected.status as usize] += 1;
        }
        assert!(client.ready() && client.status().failed == 0);
    }
    let [known, gone, long, other] = statuses;
    assert!(known > 1000 && gone == 0 && long > 100 && other > 1000, "{statuses:?}");
}
