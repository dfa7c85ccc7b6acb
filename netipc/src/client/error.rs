//! What can go wrong with a call.

use core::convert::Infallible;

use super::state::State;
use crate::codec::{DecodeError, EncodeError};
use crate::endpoint::EndpointError;
use crate::session::{Error, LimitExceeded};
use crate::wire::Status;

/// Why a call has no answer. `E` is the error that the method itself declares, if it does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError<E = Infallible> {
    /// The method ran and says no.
    #[error("{0}")]
    Application(E),
    /// The client was not ready, so nothing was tried: see `refresh`.
    #[error("the client is not ready: {0}")]
    NotReady(State),
    /// There can be no such service.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// There is no connection, and none could be made.
    #[error("no connection: {0}")]
    Connect(Error),
    /// The connection was lost, also the one that was made anew.
    #[error("the connection was lost: {0}")]
    Lost(Error),
    /// The connection was lost after the request was sent, and the method must not run twice: it may have run or not.
    #[error("the connection was lost, and whether the method ran is unknown: {0}")]
    OutcomeUnknown(Error),
    /// The call took longer than it may.
    #[error("timed out")]
    TimedOut,
    /// Somebody used the client's abort handle.
    #[error("aborted")]
    Aborted,
    /// The request, or the answer, is larger than this client's ceiling or than what the server agrees to.
    #[error(transparent)]
    Limit(LimitExceeded),
    /// The server has an answer that it may not send, for its size, and agrees to no more.
    #[error("the answer is larger than the {allowed} bytes that the server may send")]
    AnswerTooLarge {
        /// What was agreed on, in bytes.
        allowed: u32,
    },
    /// The server has no such method.
    #[error("the server has no such method")]
    Unsupported,
    /// The request holds what its layout excludes; it was not sent.
    #[error("the request was not sent: {0}")]
    Request(EncodeError),
    /// The server could make nothing of the request.
    #[error("the server found the request malformed")]
    Malformed,
    /// The server failed.
    #[error("the server failed")]
    Internal,
    /// The server answered with a status that has no meaning here.
    #[error("the server answered with the status {0}")]
    Status(Status),
    /// The server answered another method than the one that was asked, or one call with a batch.
    #[error("method {asked} was asked, and {answered} answered")]
    Mismatch {
        /// The method asked.
        asked: u16,
        /// The method that the answer is of.
        answered: u16,
    },
    /// The server answered a batch with another number of answers, or with one that is no batch.
    #[error("{asked} calls were made in one batch, and {answered} answered")]
    Miscounted {
        /// The calls of the batch.
        asked: u32,
        /// The answers in it.
        answered: u32,
    },
    /// The ticket is of another pipeline, or of one that is no more.
    #[error("the ticket is not of this pipeline")]
    ForeignTicket,
    /// The answer breaks a rule of its layout.
    #[error("the answer is malformed: {0}")]
    Answer(DecodeError),
    /// A logical lookup could not be completed.
    #[error("the lookup has failed: {0}")]
    Lookup(LookupError),
    /// The server broke a rule of the protocol, or the machine lacked what the session needed.
    #[error(transparent)]
    Session(Error),
}

impl CallError {
    /// The same for a method that declares an error.
    #[must_use]
    pub fn widen<E>(self) -> CallError<E> {
        match self {
            Self::Application(never) => match never {},
            Self::NotReady(state) => CallError::NotReady(state),
            Self::Endpoint(error) => CallError::Endpoint(error),
            Self::Connect(error) => CallError::Connect(error),
            Self::Lost(error) => CallError::Lost(error),
            Self::OutcomeUnknown(error) => CallError::OutcomeUnknown(error),
            Self::TimedOut => CallError::TimedOut,
            Self::Aborted => CallError::Aborted,
            Self::Limit(limit) => CallError::Limit(limit),
            Self::AnswerTooLarge { allowed } => CallError::AnswerTooLarge { allowed },
            Self::Unsupported => CallError::Unsupported,
            Self::Request(error) => CallError::Request(error),
            Self::Malformed => CallError::Malformed,
            Self::Internal => CallError::Internal,
            Self::Status(status) => CallError::Status(status),
            Self::Mismatch { asked, answered } => CallError::Mismatch { asked, answered },
            Self::Miscounted { asked, answered } => CallError::Miscounted { asked, answered },
            Self::ForeignTicket => CallError::ForeignTicket,
            Self::Answer(error) => CallError::Answer(error),
            Self::Lookup(error) => CallError::Lookup(error),
            Self::Session(error) => CallError::Session(error),
        }
    }
}

/// Why a logical lookup could not be completed although each of its calls was answered (docs/protocol.md, section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// There are more keys than one lookup may have; nothing was sent.
    #[error("{keys} keys or more are too many: one lookup may have {most}")]
    TooManyKeys {
        /// The keys, as far as they were counted.
        keys: usize,
        /// As many as there may be.
        most: usize,
    },
    /// It would take more calls than one lookup may make.
    #[error("it takes more than {most} calls")]
    TooManyCalls {
        /// As many as there may be.
        most: usize,
    },
    /// All answers together are larger than they may be.
    #[error("the answers are larger than {most} bytes")]
    TooLarge {
        /// The bytes that they may have.
        most: usize,
    },
    /// An item has another key than the one that it answers.
    #[error("the item for key {index} is that of another key")]
    WrongKey {
        /// The key, counted from 0.
        index: usize,
    },
    /// An answer has more or fewer items than there were keys.
    #[error("{asked} keys were asked for, and {answered} answered")]
    Miscounted {
        /// The keys of one request.
        asked: usize,
        /// The items of its answer.
        answered: usize,
    },
    /// What the server knows has changed between two calls.
    #[error("the generation was {before} and is {now}, in the midst of the lookup")]
    GenerationChanged {
        /// That of the first answer.
        before: u64,
        /// That of a later one.
        now: u64,
    },
    /// An answer that had no room left for one key has an item for a later one.
    #[error("key {index} is answered, although there was no room left before it")]
    OutOfOrder {
        /// The later key, counted from 0.
        index: usize,
    },
    /// The keys are gone through several times, and were not as many the next time: their iterator does not begin anew
    /// when it is cloned.
    #[error("there were {counted} keys, and no key {index} the next time")]
    KeysChanged {
        /// The keys at first.
        counted: usize,
        /// The first one that was sought in vain, counted from 0.
        index: usize,
    },
    /// The server says that there is no room left, and was asked for nothing else.
    #[error("key {index} is not answered, however few keys are asked for")]
    NoProgress {
        /// The key, counted from 0.
        index: usize,
    },
}

impl LookupError {
    /// Whether the server broke a rule.
    pub(super) const fn is_breach(&self) -> bool {
        match self {
            Self::WrongKey { .. } | Self::Miscounted { .. } | Self::OutOfOrder { .. } | Self::NoProgress { .. } => true,
            Self::TooManyKeys { .. }
            | Self::TooManyCalls { .. }
            | Self::TooLarge { .. }
            | Self::KeysChanged { .. }
            | Self::GenerationChanged { .. } => false,
        }
    }
}
