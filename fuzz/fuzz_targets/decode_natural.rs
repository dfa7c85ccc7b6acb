//! Payloads of a message with a field of every kind, in natural layout.
#![no_main]

libfuzzer_sys::fuzz_target!(|payload: &[u8]| netipc_fuzz::decode_natural(payload));
