//! Places that generated code must get on with: lints that are errors, no prelude, names that mean something else.
//!
//! Part of the library, because only what a library exports is held to `missing_docs`.

pub mod lints;
pub mod names;
pub mod no_prelude;
pub mod renamed;
pub mod services;
pub mod shadowed;
