//! What the fuzz targets do with their input; each target is one call of this.
//!
//! Owns: the properties that hold for any bytes at all. A target aborts where one does not.

use netipc_tests::oracle::Message;
use netipc_tests::{declared, envelope, lookups, natural, seeds, workbench};

/// Decodes `payload` as the derive does and as the slow decoder does, and writes what is accepted again in every way there is.
///
/// # Panics
///
/// Where two of them differ: that is the finding.
pub fn decode(message: Message, payload: &[u8]) {
    declared::compare(message, payload);
    declared::compare_writers(message, payload);
}

/// Decodes `payload` as a message that has a field of every kind; what is accepted encodes to the same bytes.
///
/// # Panics
///
/// Where it does not.
pub fn decode_natural(payload: &[u8]) {
    natural::check_any::<natural::Everything>(payload);
}

/// Parses the bytes behind the first one, which tells as what, as a part of the envelope.
///
/// # Panics
///
/// Where what is accepted does not encode to the same bytes.
pub fn envelope(input: &[u8]) {
    envelope::check_any(input);
}

/// Gives `input` to the machine or the parser that the target is named for, and to its twin where it has one.
///
/// # Panics
///
/// Where they differ, or where what was accepted does not become the same bytes again.
pub fn conversation(target: &str, input: &[u8]) {
    seeds::check_conversation(target, input);
}

/// Has a service answer `input`: the code of a method, the number of items, 0 where it is no batch, and the payload.
///
/// # Panics
///
/// Where it answers differently a second time, or where its answer does not decode.
pub fn dispatch(input: &[u8]) {
    workbench::check_any(input);
}

/// Gives `input` to one end of a lookup: to a server as a request with a budget, or to a client as answers.
///
/// # Panics
///
/// Where the server answers other than its slow twin, or the client takes what is no answer.
pub fn lookup(input: &[u8]) {
    lookups::check_any(input);
}
