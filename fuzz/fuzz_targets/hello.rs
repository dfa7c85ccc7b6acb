//! Hellos and hello-acks.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netipc_fuzz::conversation("hello", input));
