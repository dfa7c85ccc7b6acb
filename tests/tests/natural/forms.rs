//! One form for each value: whatever is changed in a payload is refused, or says something else that has this form.

use std::fmt::Debug;

use netipc::WireMessage;
use netipc_tests::natural::*;
use netipc_tests::random::Random;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::values::Value;

const MUTATIONS: usize = 200_000;

/// Payloads to start from, always the same.
fn samples<M: WireMessage + Value>(most: usize) -> Vec<Vec<u8>> {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut sample = || M::any().new_tree(&mut runner).expect("a value").current().to_vec().expect("within bounds");
    let mut samples: Vec<_> = (0..400).map(|_| sample()).collect();
    samples.sort_by_key(Vec::len);
    samples.truncate(most);
    samples
}

/// Damages `payload` in one of the ways that bring forth another form of the same value, where there is one.
pub fn damage(random: &mut Random, payload: &mut Vec<u8>) {
    let len = payload.len();
    let word = |at: usize, payload: &[u8]| u32::from_ne_bytes(payload[at..at + 4].try_into().expect("four bytes"));
    let words = len / 4;
    match random.below(if words == 0 { 3 } else { 8 }) {
        0 if len > 0 => payload[random.below(len)] = random.next() as u8,
        1 if len > 0 => payload[random.below(len)] ^= 1 << random.below(8),
        2 if random.one_in(4) => {
            random.append_junk(payload, 9);
        }
        2 => payload.truncate(random.below(len + 1)),
        // Offsets and counts stand at multiples of four: a little more or less, zero, or another one's.
        3 => {
            let at = 4 * random.below(words);
            let by = random.pick(&[1, 2, 4, 8, 12, 16, u32::MAX, u32::MAX - 3, u32::MAX - 7, 0x8000_0000]);
            let changed = word(at, payload).wrapping_add(by);
            payload[at..at + 4].copy_from_slice(&changed.to_ne_bytes());
        }
        4 => {
            let (from, at) = (4 * random.below(words), 4 * random.below(words));
            let copied = word(from, payload);
            payload[at..at + 4].copy_from_slice(&copied.to_ne_bytes());
        }
        5 => {
            let (from, at) = (4 * random.below(words), 4 * random.below(words));
            (0..4).for_each(|i| payload.swap(from + i, at + i));
        }
        // A gap: bytes come in, or go, anywhere.
        6 => {
            let at = random.below(len + 1);
            let gap = random.pick(&[1, 4, 8]);
            payload.splice(at..at, std::iter::repeat_n(0, gap));
        }
        7 => {
            let at = random.below(len);
            let end = len.min(at + random.pick(&[1, 4, 8]));
            payload.drain(at..end);
        }
        _ => payload.clear(),
    }
}

pub fn one_form<M: WireMessage + Debug>(samples: &[Vec<u8>]) {
    let mut random = Random::new(1);
    let (mut accepted, mut changed, mut refused) = (0, 0, 0);
    for _ in 0..MUTATIONS {
        let sample = &samples[random.below(samples.len())];
        let mut payload = sample.clone();
        for _ in 0..=random.below(3) {
            damage(&mut random, &mut payload);
        }
        match M::decode(&payload) {
            Ok(_) => {
                let owned = M::decode_owned(&payload).expect("what decodes");
                assert_eq!(owned.to_vec().as_deref(), Ok(&payload[..]), "{owned:?}");
                assert_eq!(owned.encoded_len(), payload.len());
                accepted += 1;
                changed += usize::from(payload != *sample);
            }
            Err(error) => {
                assert!(!error.field.is_empty() && !error.message.is_empty(), "{error:?}");
                assert!(error.offset <= payload.len(), "{error:?} in {} bytes", payload.len());
                refused += 1;
            }
        }
    }
    // Both sides were tried, or the test said nothing.
    assert!(refused > MUTATIONS / 10, "{refused} refused");
    let fixed = samples.iter().all(Vec::is_empty);
    assert!(fixed || changed > MUTATIONS / 1000, "{accepted} accepted, {changed} of them changed");
}

/// Every byte of small payloads, with every value.
fn every_byte<M: WireMessage + Debug>(samples: &[Vec<u8>]) {
    for sample in samples {
        let mut payload = sample.clone();
        for at in 0..sample.len() {
            for byte in 0..=255 {
                payload[at] = byte;
                if let Ok(owned) = M::decode_owned(&payload) {
                    assert_eq!(owned.to_vec().as_deref(), Ok(&payload[..]), "byte {at} of {sample:02x?}: {owned:?}");
                }
            }
            payload[at] = sample[at];
        }
    }
}

macro_rules! forms {
    ($($test:ident: $message:ident;)*) => {$(
        #[test]
        fn $test() {
            one_form::<$message>(&samples::<$message>(150));
            every_byte::<$message>(&samples::<$message>(6));
        }
    )*};
}

forms! {
    an_empty_message_has_one_form: Empty;
    scalars_have_one_form: Scalars;
    enums_without_data_have_one_form: Codes;
    messages_of_fixed_size_have_one_form: Point;
    messages_with_text_have_one_form: Label;
    text_has_one_form: Texts;
    lists_of_text_have_one_form: Names;
    nested_lists_have_one_form: Group;
    enums_with_data_have_one_form: Event;
    lists_have_one_form: Lists;
    options_have_one_form: Options;
    bounded_messages_have_one_form: Bounded;
    everything_has_one_form: Everything;
}
