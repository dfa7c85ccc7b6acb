//! Streams of packets, put together on either side.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netipc_fuzz::conversation("assemble", input));
