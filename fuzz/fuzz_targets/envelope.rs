//! Headers, hellos, acks and batches.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netipc_fuzz::envelope(input));
