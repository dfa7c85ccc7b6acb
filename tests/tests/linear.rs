//! Decoding is linear in the payload, even where many items share the same bytes (docs/protocol.md, section 5.1).
//!
//! Time is no proof, and nothing in the library counts its steps. The argument is one of types: a directory whose items may
//! overlap is refused at compile time unless the proof of an item looks at its fixed part and its NULs alone
//! (`tests/ui/sizes.rs`). Left to show here is that such a payload is taken, and that nobody is made to copy it.

use netipc::codec::Rule;
use netipc_examples::{Cgroup, Snapshot};

/// A payload of about a mebibyte: `entries` entries over one item of half of that.
fn amplified(entries: u32) -> Vec<u8> {
    let half = 512 * 1024;
    let item = Cgroup { hash: 1, options: 2, enabled: 3, name: vec![b'n'; half / 2], path: vec![b'p'; half / 2 - 64] };
    let one = Snapshot { systemd_enabled: 1, generation: 7, items: vec![item] }.to_vec().expect("a small message");
    let (fixed, rest) = one.split_at(24);
    let (entry, item) = rest.split_at(8);
    let mut payload = [fixed, &entry.repeat(entries as usize), item].concat();
    payload[4..8].copy_from_slice(&entries.to_ne_bytes());
    payload
}

#[test]
fn items_that_share_their_bytes_are_decoded_and_never_copied() {
    let entries = 60_000;
    let payload = amplified(entries);
    assert!(payload.len() <= 1 << 20, "{}", payload.len());
    let view = Snapshot::decode(&payload).expect("deployed decoders take it");
    assert_eq!(view.items().len(), entries as usize);
    // 30 GiB, if one were to copy them.
    assert!(view.items().all(|item| item.name().len() == 256 * 1024 && item.path().len() == 256 * 1024 - 64));
    let refused = view.to_owned().expect_err("more than four times the payload");
    assert!(refused.items > 60_000 * 512 * 1000, "{refused}");
    assert_eq!((refused.message, refused.payload), ("Snapshot", payload.len()));
    let refused = Snapshot::decode_owned(&payload).expect_err("more than four times the payload");
    assert_eq!((refused.message, refused.rule), ("Snapshot", Rule::Amplified(refused_items(&view))));
}

fn refused_items(view: &netipc_examples::SnapshotView<'_>) -> usize {
    view.items().map(|item| 32 + item.name().len() + 1 + item.path().len() + 1).sum()
}

#[test]
fn four_times_the_payload_is_the_limit() {
    // Each entry adds 8 bytes to the payload and one item to the copy.
    let accepted = (1..12).filter(|&entries| Snapshot::decode_owned(&amplified(entries)).is_ok()).max();
    assert_eq!(accepted, Some(4));
}

#[test]
fn a_count_that_the_payload_can_not_hold_is_refused_before_anything_is_looked_at() {
    let mut payload = amplified(1);
    for count in [u32::MAX, u32::MAX / 8, 1 << 29, (payload.len() as u32) / 8] {
        payload[4..8].copy_from_slice(&count.to_ne_bytes());
        let error = Snapshot::decode(&payload).expect_err("no room for the directory");
        assert!(
            matches!(error.rule, Rule::Truncated { .. } | Rule::OutOfBounds { .. } | Rule::Misaligned(_)),
            "{error}"
        );
        assert_eq!(error.field, "items");
    }
}
