//! The declared messages against the vectors of deployed peers and against the oracle.

use netipc_tests::declared::{self, Manner};
use netipc_tests::mutate::Mutator;
use netipc_tests::oracle::Message;
use netipc_tests::payload_vectors::{Verdict, load};

#[test]
fn every_golden_payload_decodes_to_its_values_and_encodes_to_its_bytes() {
    let mut count = 0;
    for entry in load() {
        let Verdict::Golden(value) = &entry.verdict else { continue };
        assert_eq!(declared::decode(entry.message, &entry.bytes).as_ref(), Ok(value), "{}", entry.name);
        assert_eq!(declared::round_trip(entry.message, &entry.bytes).as_ref(), Ok(&entry.bytes), "{}", entry.name);
        for manner in [Manner::Straight, Manner::Crooked] {
            let mut buffer = vec![0xff; entry.bytes.len() + 1024];
            let len = declared::build(value, manner, &mut buffer).expect("room enough");
            assert_eq!(buffer[..len], entry.bytes, "{} {manner:?}", entry.name);
        }
        count += 1;
    }
    assert_eq!(count, 60);
}

#[test]
fn every_odd_payload_that_deployed_peers_take_decodes_to_the_same_values() {
    let mut count = 0;
    for entry in load() {
        let Verdict::Accept(value) = &entry.verdict else { continue };
        assert_eq!(declared::decode(entry.message, &entry.bytes).as_ref(), Ok(value), "{}", entry.name);
        count += 1;
    }
    assert_eq!(count, 20);
}

#[test]
fn every_payload_to_be_refused_is_refused_by_field_offset_and_rule() {
    let mut count = 0;
    for entry in load() {
        let Verdict::Reject(why) = &entry.verdict else { continue };
        let error = declared::decode(entry.message, &entry.bytes).expect_err(&entry.name);
        println!("{}: {why}: {error}", entry.name);
        assert!(!error.message.is_empty() && !error.field.is_empty(), "{}: {error:?}", entry.name);
        assert!(error.offset <= entry.bytes.len(), "{}: {error:?}", entry.name);
        count += 1;
    }
    assert_eq!(count, 248);
}

/// A million payloads each, nearly right: both accept the same ones, and read the same values out of them.
fn agree(message: Message) {
    let mut mutator = Mutator::new(message, 0x6e65_7469_7063);
    for _ in 0..1_000_000 {
        declared::compare(message, mutator.next());
    }
    let mut mutator = Mutator::new(message, 0x6e69_7063);
    for _ in 0..20_000 {
        declared::compare_writers(message, mutator.next());
    }
}

macro_rules! agree {
    ($($name:ident: $message:ident;)*) => {$(
        #[test]
        fn $name() {
            agree(Message::$message);
        }
    )*};
}

agree! {
    increments_agree_with_the_oracle: Increment;
    string_reversals_agree_with_the_oracle: StringReverse;
    snapshot_requests_agree_with_the_oracle: SnapshotRequest;
    snapshots_agree_with_the_oracle: Snapshot;
    cgroups_lookup_requests_agree_with_the_oracle: CgroupsLookupRequest;
    cgroups_lookup_responses_agree_with_the_oracle: CgroupsLookupResponse;
    apps_lookup_requests_agree_with_the_oracle: AppsLookupRequest;
    apps_lookup_responses_agree_with_the_oracle: AppsLookupResponse;
}
