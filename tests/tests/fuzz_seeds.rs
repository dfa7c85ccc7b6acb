//! The fuzz targets' seeds, replayed: what a fuzzer once found stays found.

use std::fs;

use netipc_tests::oracle::Message;
use netipc_tests::seeds;

#[test]
fn each_payload_vector_is_a_seed_of_its_target() {
    for (path, payload) in seeds::from_vectors() {
        let seed = fs::read(&path).unwrap_or_else(|error| {
            panic!("{}: {error}; run `cargo run -p netipc-tests --example write_fuzz_seeds`", path.display())
        });
        assert!(seed == payload, "{} differs from the vector", path.display());
    }
}

#[test]
fn what_is_accepted_of_the_seeds_says_the_same_in_canonical_form() {
    for message in Message::ALL {
        let mut accepted = 0;
        for entry in fs::read_dir(seeds::directory(message)).expect("the target's seeds") {
            let path = entry.expect("a seed").path();
            let payload = fs::read(&path).expect("a seed");
            if let Ok(value) = message.decode(&payload) {
                accepted += 1;
                assert_eq!(message.decode(&value.encode()).as_ref(), Ok(&value), "{}", path.display());
            }
        }
        assert!(accepted > 0, "{message:?}: no seed is accepted");
    }
}
