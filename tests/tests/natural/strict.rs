//! Layouts by hand without tolerance: they, too, have one form.

use std::ffi::CString;

use netipc::WireMessage;
use netipc_tests::natural::Label as Named;
use netipc_tests::random::Random;

use crate::forms::one_form;

#[derive(Debug, Clone, PartialEq, WireMessage)]
pub struct Pair {
    pub key: CString,
    #[wire(nul)]
    pub value: Vec<u8>,
}

/// Text, a constant, reserved bytes, and a table.
#[derive(Debug, Clone, PartialEq, WireMessage)]
#[wire(version = 3, size = 40, fixed(at = 4, u16 = 77), reserved(at = 36, len = 4))]
pub struct Tabled {
    #[wire(at = 6)]
    pub small: i16,
    #[wire(at = 8)]
    pub name: String,
    #[wire(at = 16, max = 9)]
    pub raw: Vec<u8>,
    #[wire(at = 24, nul)]
    pub nul: Vec<u8>,
    #[wire(table, count_at = 32, count = u32)]
    pub pairs: Vec<Pair>,
}

/// A directory of messages that hold a table.
#[derive(Debug, Clone, PartialEq, WireMessage)]
#[wire(size = 8)]
pub struct Filed {
    #[wire(at = 0)]
    pub first: u32,
    #[wire(directory, count_at = 4, count = u16)]
    pub items: Vec<Tabled>,
    #[wire(at = 6)]
    pub last: u16,
}

/// A directory of text.
#[derive(Debug, Clone, PartialEq, WireMessage)]
#[wire(size = 4, reserved(at = 1, len = 3))]
pub struct Keys {
    #[wire(directory, count_at = 0, count = u8, each(min = 1, max = 9))]
    pub keys: Vec<CString>,
}

/// Natural lists at places by hand.
#[derive(Debug, Clone, PartialEq, WireMessage)]
#[wire(version = 1, size = 32)]
pub struct Placed {
    #[wire(at = 8)]
    pub numbers: Vec<u64>,
    #[wire(at = 16)]
    pub labels: Vec<Named>,
    #[wire(at = 24)]
    pub text: String,
    #[wire(at = 4)]
    pub flags: [bool; 4],
}

fn tabled(random: &mut Random) -> Tabled {
    let mut text = |most| (0..random.below(most)).map(|_| 1 + random.below(126) as u8).collect::<Vec<u8>>();
    let (name, raw, nul) = (String::from_utf8(text(6)).expect("ASCII"), text(9), text(7));
    let pairs =
        (0..text(4).len()).map(|_| Pair { key: CString::new(text(4)).expect("no NUL"), value: text(5) }).collect();
    Tabled { small: random.next() as i16, name, raw, nul, pairs }
}

fn filed(random: &mut Random) -> Filed {
    let items = (0..random.below(4)).map(|_| tabled(random)).collect();
    Filed { first: random.next() as u32, items, last: random.next() as u16 }
}

fn keys(random: &mut Random) -> Keys {
    let key = |random: &mut Random| CString::new(vec![b'a'; 1 + random.below(9)]).expect("no NUL");
    Keys { keys: (0..random.below(5)).map(|_| key(random)).collect() }
}

fn placed(random: &mut Random) -> Placed {
    let label = |random: &mut Random| Named { key: "k".repeat(random.below(3)), value: c"v".into(), weight: 1 };
    Placed {
        numbers: (0..random.below(3)).map(|_| random.next()).collect(),
        labels: (0..random.below(3)).map(|_| label(random)).collect(),
        text: "t".repeat(random.below(5)),
        flags: [random.one_in(2), true, false, true],
    }
}

fn forms_of<M: WireMessage + std::fmt::Debug + PartialEq>(value: impl Fn(&mut Random) -> M) {
    let mut random = Random::new(7);
    let mut samples = Vec::new();
    for _ in 0..100 {
        let value = value(&mut random);
        let bytes = value.to_vec().expect("within bounds");
        assert_eq!(value.encoded_len(), bytes.len());
        assert_eq!(M::decode_owned(&bytes), Ok(value));
        samples.push(bytes);
    }
    one_form::<M>(&samples);
}

#[test]
fn a_table_has_one_form() {
    forms_of(tabled);
}

#[test]
fn a_directory_of_messages_has_one_form() {
    forms_of(filed);
}

#[test]
fn a_directory_of_text_has_one_form() {
    forms_of(keys);
}

#[test]
fn lists_at_places_by_hand_have_one_form() {
    forms_of(placed);
}
