//! Messages in natural layout: what encodes decodes to the same, in one form and no other, whoever writes it.
//!
//! The declarations are `netipc_tests::natural`'s; here are values for them, what their views and builders must say, and
//! bytes that were worked out by hand.

mod builders;
mod bytes;
mod forms;
mod strict;
mod values;
mod views;

use std::fmt::Debug;

use netipc::{EncodeError, WireMessage};
use proptest::prelude::*;

use builders::Build;
use values::Value;
use views::Same;

/// Owned, encoded, decoded, looked at, owned again, and built in place: all of it says the same.
fn round_trip<M: WireMessage + Value + Same + Build + Debug>(value: &M) {
    let bytes = value.to_vec().expect("a value within bounds");
    assert_eq!(bytes.len(), value.encoded_len());
    let mut buffer = vec![0xa5; bytes.len()];
    assert_eq!(value.encode(&mut buffer), Ok(bytes.len()));
    assert_eq!(buffer, bytes);
    if let Some(short) = bytes.len().checked_sub(1) {
        assert_eq!(value.encode(&mut buffer[..short]), Err(EncodeError::Overflow { needed: bytes.len() }));
    }

    let view = M::decode(&bytes).expect("what was encoded");
    M::same(view, value);
    // As text, because a NaN is not equal to itself; the bytes are compared below.
    let owned = M::decode_owned(&bytes).expect("what was encoded");
    assert_eq!(format!("{owned:?}"), format!("{value:?}"));
    assert_eq!(owned.to_vec().as_deref(), Ok(&bytes[..]));
    assert_eq!(format!("{view:?}"), format!("{:?}", M::decode(&buffer).expect("the same bytes")));

    for (spare, reversed) in [(0, false), (0, true), (1, false), (3, true)] {
        let mut roomy = vec![0xa5; 8 * bytes.len() + 4096];
        let len = value.build(&mut roomy, spare, reversed).expect("a large buffer");
        assert_eq!(roomy[..len], bytes, "{spare} to spare, reversed: {reversed}, {value:?}");
        assert!(roomy[len + 4096..].iter().all(|&byte| byte == 0xa5));
        // What would have been enough is told exactly, text that was replaced and entries to spare included.
        let needed = match value.build(&mut [], spare, reversed) {
            Err(EncodeError::Overflow { needed }) => needed,
            other => {
                assert_eq!((other, bytes.len()), (Ok(0), 0));
                0
            }
        };
        assert!(needed >= len && (spare > 0 || reversed || needed == len), "{needed} {len}");
        let mut exact = vec![0xa5; needed];
        assert_eq!(value.build(&mut exact, spare, reversed), Ok(len), "{needed} {spare} {value:?}");
        assert_eq!(exact[..len], bytes);
        if let Some(short) = needed.checked_sub(1) {
            let refused = value.build(&mut exact[..short], spare, reversed);
            assert_eq!(refused, Err(EncodeError::Overflow { needed }), "{value:?}");
        }
    }
}

macro_rules! round_trips {
    ($($test:ident: $message:ident;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
            $(
                #[test]
                fn $test(value in netipc_tests::natural::$message::any()) {
                    round_trip(&value);
                }
            )*
        }
    };
}

round_trips! {
    an_empty_message_goes_round: Empty;
    scalars_go_round: Scalars;
    enums_without_data_go_round: Codes;
    messages_of_fixed_size_go_round: Point;
    messages_with_text_go_round: Label;
    text_of_every_kind_goes_round: Texts;
    lists_of_text_go_round: Names;
    lists_three_deep_go_round: Group;
    enums_with_data_go_round: Event;
    lists_of_every_element_go_round: Lists;
    what_may_be_absent_goes_round: Options;
    messages_with_bounds_go_round: Bounded;
    everything_at_once_goes_round: Everything;
}
