//! Requests and batches of them, to a service with a method of every kind.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netipc_fuzz::dispatch(input));
