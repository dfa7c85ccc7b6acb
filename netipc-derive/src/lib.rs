//! The derive macros of netipc.

mod message;
