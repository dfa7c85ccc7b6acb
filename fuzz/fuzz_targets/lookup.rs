//! Requests for a lookup with budgets for their answers, and answers to one.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netipc_fuzz::lookup(input));
