//! The oracle against the vectors, which say what deployed peers write, take and refuse (docs/protocol.md, section 5).

use netipc_tests::oracle::Message;
use netipc_tests::payload_vectors::{Entry, Verdict, load};

#[test]
fn all_328_payload_vectors_are_there_and_each_message_has_some_of_each_kind_that_it_can_have() {
    let entries = load();
    assert_eq!(entries.len(), 328);
    for message in Message::ALL {
        let count = |wanted: fn(&Verdict) -> bool| {
            entries.iter().filter(|entry| entry.message == message && wanted(&entry.verdict)).count()
        };
        assert!(count(|verdict| matches!(verdict, Verdict::Golden(_))) > 0, "{message:?}");
        assert!(count(|verdict| matches!(verdict, Verdict::Accept(_))) > 0, "{message:?}");
        assert!(count(|verdict| matches!(verdict, Verdict::Reject(_))) > 0, "{message:?}");
    }
}

#[test]
fn golden_payloads_decode_to_their_input_and_encode_to_the_same_bytes() {
    for Entry { name, message, bytes, verdict } in load() {
        if let Verdict::Golden(value) = verdict {
            assert_eq!(message.decode(&bytes).as_ref(), Ok(&value), "{name}");
            assert_eq!(value.encode(), bytes, "{name}");
        }
    }
}

#[test]
fn odd_payloads_that_deployed_decoders_take_decode_to_the_same_values() {
    for Entry { name, message, bytes, verdict } in load() {
        if let Verdict::Accept(value) = verdict {
            assert_eq!(message.decode(&bytes), Ok(value), "{name}");
        }
    }
}

#[test]
fn payloads_that_deployed_decoders_refuse_are_refused() {
    for Entry { name, message, bytes, verdict } in load() {
        if let Verdict::Reject(why) = verdict {
            assert!(message.decode(&bytes).is_err(), "{name}: {why}");
        }
    }
}

#[test]
fn every_strict_prefix_of_a_golden_payload_is_refused() {
    for Entry { name, message, bytes, verdict } in load() {
        if let Verdict::Golden(_) = verdict {
            for end in 0..bytes.len() {
                assert!(message.decode(&bytes[..end]).is_err(), "{name} cut to {end} bytes");
            }
        }
    }
}
