//! What is told to `tracing`.
//!
//! Owns: the events, their fields and levels, as the front page lists them. It refuses to know a type of ours, and to look at
//! the clock where nobody asked for the event.

use core::fmt::Display;
use std::time::Instant;

use tracing::field::display;
use tracing::{Level, debug, enabled, trace, warn};

const CLIENT: &str = "netipc::client";
const SERVER: &str = "netipc::server";

/// How long a call takes.
#[derive(Debug)]
pub(crate) struct Watch(Option<Instant>);

impl Watch {
    pub(crate) fn of_client() -> Self {
        Self(enabled!(target: CLIENT, Level::TRACE).then(Instant::now))
    }

    pub(crate) fn of_server() -> Self {
        Self(enabled!(target: SERVER, Level::TRACE).then(Instant::now))
    }

    fn micros(&self) -> Option<u64> {
        Some(u64::try_from(self.0?.elapsed().as_micros()).unwrap_or(u64::MAX))
    }

    /// A client's call has ended, with an answer of so many bytes.
    pub(crate) fn called(self, method: &str, code: u16, request_bytes: usize, answer: Result<u32, &dyn Display>) {
        let Some(duration_us) = self.micros() else { return };
        let answer_bytes = answer.ok();
        let error = answer.err().map(display);
        trace!(target: CLIENT, method, code, duration_us, request_bytes, answer_bytes, error, "call");
    }

    /// A handler has returned.
    pub(crate) fn served(
        self,
        session_id: u64,
        code: u16,
        request_bytes: usize,
        reply_bytes: usize,
        failure: Option<&dyn Display>,
    ) {
        let Some(duration_us) = self.micros() else { return };
        let error = failure.map(display);
        trace!(target: SERVER, session_id, code, duration_us, request_bytes, reply_bytes, error, "call");
    }
}

/// A client's connection, for as long as it is of use.
#[derive(Debug)]
pub(crate) struct Connection(u64);

impl Connection {
    pub(crate) fn begin(is_another: bool, place: &dyn Display, session_id: u64, profile: u32) -> Self {
        let place = display(place);
        if is_another {
            debug!(target: CLIENT, place, session_id, profile, "reconnect");
        } else {
            debug!(target: CLIENT, place, session_id, profile, "connect");
        }
        Self(session_id)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        debug!(target: CLIENT, session_id = self.0, "close");
    }
}

/// A server's session.
#[derive(Debug)]
pub(crate) struct Session(u64);

impl Session {
    pub(crate) fn begin(session_id: u64, pid: Option<u32>, profile: u32) -> Self {
        debug!(target: SERVER, session_id, pid, profile, "connect");
        Self(session_id)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        debug!(target: SERVER, session_id = self.0, "close");
    }
}

/// A client could not connect.
pub(crate) fn not_connected(place: &dyn Display, error: &dyn Display) {
    warn!(target: CLIENT, place = display(place), error = display(error), "refuse");
}

/// The server broke a rule.
pub(crate) fn server_broke_a_rule(error: &dyn Display) {
    warn!(target: CLIENT, error = display(error), "violation");
}

/// A server let a client not in.
pub(crate) fn not_let_in(pid: Option<u32>, cause: &dyn Display) {
    warn!(target: SERVER, pid, error = display(cause), "refuse");
}

/// The client broke a rule.
pub(crate) fn client_broke_a_rule(session_id: u64, error: &dyn Display) {
    warn!(target: SERVER, session_id, error = display(error), "violation");
}
