//! Payloads of `Message::CgroupsLookupResponse`.
#![no_main]

use netipc_tests::oracle::Message;

libfuzzer_sys::fuzz_target!(|payload: &[u8]| netipc_fuzz::decode(Message::CgroupsLookupResponse, payload));
