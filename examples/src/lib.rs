//! The examples of netipc.
