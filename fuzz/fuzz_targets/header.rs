//! Outer headers, and the packets of their messages.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netipc_fuzz::conversation("header", input));
