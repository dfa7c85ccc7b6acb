//! What a server has to tell whoever runs it.

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
