//! The oracle against payloads made at random, and the payloads themselves: are they worth comparing decoders on?

use std::collections::HashSet;

use netipc_tests::generate;
use netipc_tests::mutate::Mutator;
use netipc_tests::oracle::{Message, Snapshot, Text};
use netipc_tests::random::Random;

const TRIES: usize = 50_000;

/// All but the two that only a mistake in the oracle itself could give.
const REASONS: [&str; 36] = [
    "a NUL inside a key",
    "a NUL inside a string",
    "a command of no or more than 15 bytes",
    "a finding about a cgroup that is not known yet",
    "a finding about a cgroup that is unknown",
    "a finding about the host's root",
    "a finding without status known",
    "a key of no bytes",
    "a key of other than 8 bytes",
    "a key shorter than 2 bytes",
    "a key without NUL at its end",
    "a known cgroup without path",
    "a label's key is empty",
    "a label's key is not where the string before it ends",
    "a label's value is not where its key ends",
    "a reserved word of an item is not 0",
    "a reserved word of the header is not 0",
    "a string begins inside the fixed part",
    "a string without NUL behind it",
    "an empty path",
    "an item's layout version is not 1",
    "an item's offset is not a multiple of 8",
    "an unknown cgroup status",
    "an unknown cgroup without path",
    "an unknown status",
    "flags are not 0",
    "items overlap or descend",
    "layout version is not 1",
    "out of bounds",
    "padding before the label table is not zero",
    "strings overlap",
    "the item does not end with its last label",
    "the item does not end with its last string",
    "the reserved word of a key is not 0",
    "the reserved word of the header is not 0",
    "the string's offset is not 8",
];

#[test]
fn what_the_oracle_encodes_it_decodes_to_the_same_value() {
    for message in Message::ALL {
        let mut random = Random::new(1);
        for i in 0..TRIES / 10 {
            let value = generate::value(message, &mut random);
            assert_eq!(message.decode(&value.encode()), Ok(value), "{message:?} {i}");
        }
    }
}

#[test]
fn whatever_freedom_the_layout_leaves_the_value_stays_the_same() {
    for message in Message::ALL {
        let mut random = Random::new(2);
        let mut unlike_canonical = 0;
        for i in 0..TRIES / 10 {
            let value = generate::value(message, &mut random);
            let payload = generate::odd(&value, &mut random);
            unlike_canonical += usize::from(payload != value.encode());
            assert_eq!(message.decode(&payload), Ok(value), "{message:?} {i}");
        }
        assert!(unlike_canonical > TRIES / 10 / 3, "{message:?}: only {unlike_canonical} odd payloads");
    }
}

#[test]
fn mutated_payloads_are_often_accepted_and_refused_for_every_reason_that_there_is() {
    let mut reasons = HashSet::new();
    for message in Message::ALL {
        let mut mutator = Mutator::new(message, 3);
        let (mut accepted, mut odd) = (0, 0);
        for _ in 0..TRIES {
            let payload = mutator.next();
            match message.decode(payload) {
                Ok(value) => {
                    accepted += 1;
                    odd += usize::from(value.encode() != payload);
                }
                Err(reason) => {
                    reasons.insert(reason);
                }
            }
        }
        let percent = |part: usize| part * 100 / TRIES;
        println!("{message:?}: {}% accepted, {}% in a form that nobody writes", percent(accepted), percent(odd));
        assert!((35..=95).contains(&percent(accepted)), "{message:?}: {}% accepted", percent(accepted));
        assert!(percent(odd) >= 15, "{message:?}: {}% accepted in a form that nobody writes", percent(odd));
    }
    for reason in REASONS {
        assert!(reasons.contains(reason), "nothing was refused for \"{reason}\"");
    }
    assert_eq!(reasons.len(), REASONS.len(), "a reason that is not listed: {reasons:?}");
}

#[test]
fn accepted_payloads_say_the_same_in_canonical_form() {
    for message in Message::ALL {
        let mut mutator = Mutator::new(message, 4);
        for i in 0..TRIES / 10 {
            if let Ok(value) = message.decode(mutator.next()) {
                assert_eq!(message.decode(&value.encode()).as_ref(), Ok(&value), "{message:?} {i}");
            }
        }
    }
}

#[test]
fn items_that_all_lie_over_one_large_string_borrow_it() {
    let mut item = vec![0; 32];
    item[0] = 1;
    for (at, value) in [(16, 33_u32), (20, 100_000), (24, 32), (28, 0)] {
        item[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    }
    item.push(0);
    item.resize(33 + 100_000, b'n');
    item.push(0);
    let count = 100_000_u32;
    let mut payload = vec![0; 24];
    payload[0] = 1;
    payload[4..8].copy_from_slice(&count.to_ne_bytes());
    for _ in 0..count {
        payload.extend_from_slice(&0_u32.to_ne_bytes());
        payload.extend_from_slice(&(item.len() as u32).to_ne_bytes());
    }
    payload.extend_from_slice(&item);

    // Copies of it would take 10 GB.
    let snapshot = Snapshot::decode(&payload).expect("a tolerated overlap");
    assert_eq!(snapshot.items.len(), count as usize);
    assert!(snapshot.items.iter().all(|item| matches!(item.name, Text::Borrowed(name) if name.len() == 100_000)));
}

#[test]
fn the_same_seed_gives_the_same_payloads_and_another_seed_others() {
    for message in Message::ALL {
        let take = |seed| -> Vec<Vec<u8>> {
            let mut mutator = Mutator::new(message, seed);
            (0..200).map(|_| mutator.next().to_vec()).collect()
        };
        assert_eq!(take(5), take(5), "{message:?}");
        assert_ne!(take(5), take(6), "{message:?}");
    }
}
