//! What is told to `tracing`: nothing, without the feature of that name.
//!
//! Owns: standing in for `trace/on.rs`, item by item, at no cost: nothing here has a size, looks at a clock or branches. It
//! refuses to know a type of ours, as that does.

use core::fmt::Display;

/// How long a call takes.
#[derive(Debug)]
pub(crate) struct Watch;

impl Watch {
    #[inline]
    pub(crate) const fn of_client() -> Self {
        Self
    }

    #[inline]
    pub(crate) const fn of_server() -> Self {
        Self
    }

    #[inline]
    pub(crate) const fn called(self, _method: &str, _code: u16, _request: usize, _answer: Result<u32, &dyn Display>) {}

    #[inline]
    pub(crate) const fn served(
        self,
        _session_id: u64,
        _code: u16,
        _request: usize,
        _reply: usize,
        _failure: Option<&dyn Display>,
    ) {
    }
}

/// A client's connection, for as long as it is of use.
#[derive(Debug)]
pub(crate) struct Connection;

impl Connection {
    pub(crate) const fn begin(_is_another: bool, _place: &dyn Display, _session_id: u64, _profile: u32) -> Self {
        Self
    }
}

/// A server's session.
#[derive(Debug)]
pub(crate) struct Session;

impl Session {
    pub(crate) const fn begin(_session_id: u64, _pid: Option<u32>, _profile: u32) -> Self {
        Self
    }
}

/// A client could not connect.
pub(crate) const fn not_connected(_place: &dyn Display, _error: &dyn Display) {}

/// The server broke a rule.
pub(crate) const fn server_broke_a_rule(_error: &dyn Display) {}

/// A server let a client not in.
pub(crate) const fn not_let_in(_pid: Option<u32>, _cause: &dyn Display) {}

/// The client broke a rule.
pub(crate) const fn client_broke_a_rule(_session_id: u64, _error: &dyn Display) {}
