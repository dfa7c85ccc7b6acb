//! What a server answers to a client's first packet.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netipc_fuzz::conversation("handshake_server", input));
