//! What a server has to tell whoever runs it.

use core::fmt;

use crate::service::Failure;
use crate::session::{Error, Peer, Rejected};
use crate::trace;
use crate::wire::Method;

/// Something that went wrong, which a server lives through: see [`Server::on_report`](super::Server::on_report).
#[derive(Debug)]
#[non_exhaustive]
pub enum Report {
    /// A client was not let in.
    Rejected(Rejected),
    /// A session was ended, and not by its client hanging up.
    SessionEnded {
        /// Which one.
        session_id: u64,
        /// Who was at its other end.
        peer: Peer,
        /// Why.
        error: Error,
    },
    /// A request was answered with a failure.
    Failed {
        /// Whose request it was.
        session_id: u64,
        /// What was asked for.
        method: Method,
        /// Why there was no other answer. [`Failure::ends_session`] tells what became of the session.
        failure: Failure,
    },
    /// A client could not be accepted for the time being. It is tried again.
    Accept(Error),
    /// A client does not read, and there was no thread to wait for it: one worker does, and serves nobody else meanwhile, for
    /// as long as [an answer may wait](super::Server::response_timeout).
    WorkerWaits {
        /// Whose session it is.
        session_id: u64,
        /// Who is at its other end.
        peer: Peer,
        /// Why there was none.
        error: Error,
    },
}

/// One line, for a log.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => rejected.fmt(f),
            Self::SessionEnded { session_id, peer, error } => {
                write!(f, "session {session_id} with {} was ended: {error}", Who(peer))
            }
            Self::Failed { session_id, method, failure } => {
                write!(f, "{method}, asked in session {session_id}, has failed: {failure}")
            }
            Self::Accept(error) => write!(f, "no client can be accepted for now: {error}"),
            Self::WorkerWaits { session_id, peer, error } => {
                write!(f, "a worker waits for session {session_id} with {}: {error}", Who(peer))
            }
        }
    }
}

struct Who<'p>(&'p Peer);

impl fmt::Display for Who<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.pid {
            Some(pid) => write!(f, "pid {pid}"),
            None => f.write_str("an unknown process"),
        }
    }
}

impl Report {
    /// Tells whoever watches the process what is a matter of clients.
    pub(super) fn trace(&self) {
        match self {
            Self::Rejected(rejected) => {
                trace::not_let_in(rejected.peer().and_then(|peer| peer.pid), rejected.cause());
            }
            Self::SessionEnded { session_id, error: error @ Error::Violation(_), .. } => {
                trace::client_broke_a_rule(*session_id, error);
            }
            // That it ended is told anyhow, and the call of a handler too.
            Self::SessionEnded { .. } | Self::Failed { .. } | Self::Accept(_) | Self::WorkerWaits { .. } => {}
        }
    }
}

/// What reports go to.
pub(super) type Reporter = dyn Fn(&Report) + Send + Sync;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_one_line_that_tells_who_and_why() {
        let peer = |pid| Peer { pid, uid: 1, gid: 2 };
        let error = || Error::Closed { mid_message: true };
        let reports = [
            Report::SessionEnded { session_id: 4, peer: peer(Some(7)), error: error() },
            Report::SessionEnded { session_id: 4, peer: peer(None), error: error() },
            Report::Accept(Error::TimedOut),
            Report::WorkerWaits { session_id: 5, peer: peer(Some(7)), error: Error::TimedOut },
        ];
        assert_eq!(
            reports.map(|report| report.to_string()),
            [
                "session 4 with pid 7 was ended: the peer closed the connection in the middle of a message",
                "session 4 with an unknown process was ended: the peer closed the connection in the middle of a message",
                "no client can be accepted for now: timed out",
                "a worker waits for session 5 with pid 7: timed out",
            ]
        );
    }
}
