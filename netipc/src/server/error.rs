//! Why a server does not serve.

use crate::endpoint::EndpointError;
use crate::session::Error;
use crate::sys::SystemError;

/// Why a server could not begin, go on, or end in time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The service can't be at this place.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// Its listener could not be made, or has ended.
    #[error(transparent)]
    Session(#[from] Error),
    /// The machine lacks a thread or a descriptor for it.
    #[error(transparent)]
    System(#[from] SystemError),
    /// The deadline of a shutdown passed. The sessions that were left were aborted; threads in the middle of a handler
    /// end when that returns.
    #[error("{sessions} sessions had not come to an end in time")]
    Unfinished {
        /// How many there were.
        sessions: usize,
    },
    /// A thread of the server panicked in code of the user's that runs there: what authorizes clients.
    #[error("the thread that accepts clients panicked")]
    Panicked,
}
