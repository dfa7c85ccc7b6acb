//! What a client makes of a server's answer.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netipc_fuzz::conversation("handshake_client", input));
