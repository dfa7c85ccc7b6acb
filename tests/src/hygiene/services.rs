//! Traits that are services, in the places where generated code has to get on with what is around it.

pub mod elsewhere;
pub mod lints;
pub mod names;
