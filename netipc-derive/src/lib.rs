//! The derive macros of netipc.
