//! What the fuzz targets do with their input; each target is one call of this.
//!
//! Owns: the properties that hold for any bytes at all. A target aborts where one does not.

use netipc_tests::oracle::Message;

/// Decodes `payload`; what is accepted says the same once it is written in canonical form.
///
/// # Panics
///
/// Where it does not: that is the finding.
pub fn decode(message: Message, payload: &[u8]) {
    if let Ok(value) = message.decode(payload) {
        let canonical = value.encode();
        assert_eq!(message.decode(&canonical).as_ref(), Ok(&value));
    }
}
