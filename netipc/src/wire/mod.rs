//! Envelope bytes.
