//! The fuzz targets' seeds, replayed: what a fuzzer once found stays found.

use std::fs;

use netipc_tests::oracle::Message;
use netipc_tests::{declared, envelope, lookups, natural, seeds, workbench};

#[test]
fn each_vector_is_a_seed_of_its_target() {
    for (path, payload) in seeds::all() {
        let seed = fs::read(&path).unwrap_or_else(|error| {
            panic!("{}: {error}; run `cargo run -p netipc-tests --example write_fuzz_seeds`", path.display())
        });
        assert!(seed == payload, "{} is not what it is made from", path.display());
    }
}

#[test]
fn both_decoders_agree_on_the_seeds_and_write_what_they_accept_in_canonical_form() {
    for message in Message::ALL {
        let mut accepted = 0;
        for entry in fs::read_dir(seeds::directory(message)).expect("the target's seeds") {
            let path = entry.expect("a seed").path();
            let payload = fs::read(&path).expect("a seed");
            declared::compare(message, &payload);
            declared::compare_writers(message, &payload);
            if let Ok(value) = message.decode(&payload) {
                accepted += 1;
                assert_eq!(message.decode(&value.encode()).as_ref(), Ok(&value), "{}", path.display());
            }
        }
        assert!(accepted > 0, "{message:?}: no seed is accepted");
    }
}

/// The inputs of a target, those that a fuzzer found included.
fn inputs(target: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(seeds::directory_of(target)).expect("the target's seeds");
    entries.map(|entry| fs::read(entry.expect("a seed").path()).expect("a seed")).collect()
}

#[test]
fn the_seeds_of_a_natural_layout_have_one_form_each() {
    let inputs = inputs(seeds::NATURAL);
    let accepted = inputs.iter().filter(|input| natural::check_any::<natural::Everything>(input)).count();
    assert!(accepted >= 4, "{accepted} of {}", inputs.len());
}

#[test]
fn the_seeds_of_the_envelope_encode_to_what_they_were() {
    inputs(seeds::ENVELOPE).iter().for_each(|input| envelope::check_any(input));
}

#[test]
fn the_seeds_of_the_conversation_hold_what_their_targets_hold_of_any_input() {
    for target in seeds::CONVERSATION {
        let inputs = inputs(target);
        assert!(inputs.len() >= 8, "{target}: {}", inputs.len());
        inputs.iter().for_each(|input| seeds::check_conversation(target, input));
    }
}

#[test]
fn the_seeds_of_a_service_are_served_twice_alike_and_their_answers_decode() {
    inputs(seeds::DISPATCH).iter().for_each(|input| workbench::check_any(input));
    // Those that are made are taken, but for one that nobody knows.
    for (name, input) in workbench::requests() {
        assert_eq!(workbench::is_served(&input), !["refuse", "unknown", "batch-of-refusals"].contains(&name), "{name}");
    }
}

#[test]
fn the_seeds_of_a_lookup_are_answered_as_the_slow_twin_does_and_taken_for_no_more_than_they_are() {
    inputs(seeds::LOOKUP).iter().for_each(|input| lookups::check_any(input));
}
