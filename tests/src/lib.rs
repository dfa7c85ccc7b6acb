//! The tests of netipc.
