//! What a service is, to both of its ends: names and codes of methods, and what serves a request.
//!
//! Owns: the contract between generated code and the library. It refuses to know how requests travel, and what becomes of
//! a session after one has failed.

mod lookup;

use core::fmt;
use core::ops::{Deref, DerefMut};

use crate::buf::Writer;
use crate::codec::private::Structure;
use crate::codec::{DecodeError, Draft, EncodeError, WireMessage};
use crate::session::{Peer, Ticket};
use crate::wire::{Method, Status};

pub(crate) use lookup::{ALIGN, ENTRY, FIXED, counted, own_answer};
pub use lookup::{Answers, KeyView, Keyed, Keys, Lookup, Mark, Push, Sought};

/// A message inside a request: `View<'_, M>` as a parameter of a method is proven and not copied.
pub type View<'a, M> = <M as WireMessage>::View<'a>;

/// One method of a service, as declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MethodInfo {
    /// Its name in the trait.
    pub name: &'static str,
    /// Its code on the wire (docs/protocol.md, section 1.1).
    pub method: Method,
    /// Whether a request may be sent again when nobody knows what became of it.
    pub idempotent: bool,
}

impl MethodInfo {
    /// A method, which may be sent again.
    #[must_use]
    pub const fn new(name: &'static str, code: u16) -> Self {
        Self { name, method: Method::new(code), idempotent: true }
    }

    /// The same, never sent twice.
    #[must_use]
    pub const fn at_most_once(self) -> Self {
        Self { idempotent: false, ..self }
    }
}

/// A service, as declared: made by `#[netipc::service]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Service {
    /// Its name, which makes the path of its socket (docs/protocol.md, section 3).
    pub name: &'static str,
    /// Its methods, in the order of their declaration.
    pub methods: &'static [MethodInfo],
}

impl Service {
    /// A service.
    #[must_use]
    pub const fn new(name: &'static str, methods: &'static [MethodInfo]) -> Self {
        Self { name, methods }
    }

    /// The method with this code.
    #[must_use]
    pub fn method(&self, method: Method) -> Option<&'static MethodInfo> {
        self.methods.iter().find(|known| known.method == method)
    }
}

/// What a call can ask of the server behind it, and tell it.
pub(crate) trait ServerSide: Sync {
    /// Nobody waits for the answer any more, or the server is stopping.
    fn is_cancelled(&self) -> bool;

    /// The largest answer that a later session may be agreed on, in bytes, if that can be larger than what is now.
    fn ceiling(&self) -> usize;

    /// An answer was made to fit, of which all would have had so many bytes.
    fn wish(&self, bytes: usize);
}

/// A call from the server's side: who asks, and whether the answer is still wanted.
///
/// A method that wants to know takes `cx: &netipc::Call<'_>` as its first parameter.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    peer: Peer,
    session_id: u64,
    message_id: u64,
    method: Method,
    server: Option<&'a dyn ServerSide>,
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("peer", &self.peer)
            .field("session_id", &self.session_id)
            .field("message_id", &self.message_id)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl<'a> Call<'a> {
    pub(crate) const fn new(peer: Peer, session_id: u64, ticket: Ticket, server: &'a dyn ServerSide) -> Self {
        let (message_id, method) = (ticket.id(), ticket.method());
        Self { peer, session_id, message_id, method, server: Some(server) }
    }

    /// A call of this process to itself, without a session: for handlers that are called as ordinary methods, as in tests.
    #[must_use]
    pub fn local() -> Self {
        let (session_id, message_id, method) = (0, 0, Method::new(0));
        Self { peer: Peer::this_process(), session_id, message_id, method, server: None }
    }

    /// The same call, of that method: for whoever has a [`Dispatch`] serve requests that came by other ways than a session.
    #[must_use]
    pub const fn of(self, method: Method) -> Self {
        Self { method, ..self }
    }

    /// The process that asks, by the kernel's word.
    #[must_use]
    pub const fn peer(&self) -> Peer {
        self.peer
    }

    /// The session, counted from 1 by its listener; 0 for a local call.
    #[must_use]
    pub const fn session_id(&self) -> u64 {
        self.session_id
    }

    /// The request, by the id that its client gave it; 0 for a local call.
    #[must_use]
    pub const fn message_id(&self) -> u64 {
        self.message_id
    }

    /// The method asked for.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// Whether nobody wants the answer any more: the peer hung up, or the server is stopping. It asks the kernel.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.server.is_some_and(ServerSide::is_cancelled)
    }

    fn ceiling(&self) -> usize {
        self.server.map_or(0, ServerSide::ceiling)
    }

    fn wish(&self, bytes: usize) {
        if let Some(server) = self.server {
            server.wish(bytes);
        }
    }
}

/// Why a handler gave up, which is for the server's reports: a client is told that there was an internal error and no more.
///
/// It is made of any error by `?`. What a client should know goes into the method's own `Result`.
pub struct HandlerError(Box<dyn core::error::Error + Send + Sync>);

/// What a method returns whose reply is built in place.
pub type HandlerResult = Result<(), HandlerError>;

impl HandlerError {
    /// The error that it was made of.
    #[must_use]
    pub fn into_inner(self) -> Box<dyn core::error::Error + Send + Sync> {
        self.0
    }
}

impl<E: Into<Box<dyn core::error::Error + Send + Sync>>> From<E> for HandlerError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Debug for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why there is no answer to a request (docs/protocol.md, section 6.1).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The service has no such method.
    #[error("there is no method {0}")]
    Unsupported(Method),
    /// The request breaks a rule of its layout.
    #[error("the request is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// The answer could not be written.
    #[error("the answer could not be written: {0}")]
    Unwritten(#[from] EncodeError),
    /// The handler gave up.
    #[error("the handler failed: {0}")]
    Handler(HandlerError),
    /// The handler panicked.
    #[error("the handler panicked")]
    Panicked,
}

impl Failure {
    /// What the client is told.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Unsupported(_) => Status::Unsupported,
            Self::Malformed(_) => Status::BadEnvelope,
            Self::Unwritten(EncodeError::Overflow { .. } | EncodeError::TooLarge(_)) => Status::LimitExceeded,
            Self::Unwritten(_) | Self::Handler(_) | Self::Panicked => Status::InternalError,
        }
    }

    /// Whether the session ends with it.
    #[must_use]
    pub const fn ends_session(&self) -> bool {
        match self {
            Self::Unsupported(_) => false,
            Self::Malformed(_) | Self::Unwritten(_) | Self::Handler(_) | Self::Panicked => true,
        }
    }
}

/// Serves the requests of a service: bytes in, bytes out. `#[netipc::service]` implements it.
pub trait Dispatch: Send + Sync + 'static {
    /// The service.
    fn service(&self) -> &'static Service;

    /// Answers one request, by writing where `reply` stands.
    ///
    /// # Errors
    /// Why there is no answer. What was written then means nothing.
    fn dispatch(&self, call: &Call<'_>, request: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure>;
}

/// A reply that a handler builds in place. It is set as the builder of `M` is, to which it derefs.
///
/// It is complete when the handler returns, or with [`finish`](Self::finish), which tells what is wrong with it.
pub struct Reply<'w, M: Structure> {
    draft: Draft<'w, M>,
    outcome: &'w mut Option<Result<usize, EncodeError>>,
}

impl<M: Structure> Reply<'_, M> {
    /// Completes the reply.
    ///
    /// # Errors
    /// What its layout excludes, or that it is longer than the session allows. The call then fails, whatever the handler
    /// makes of it.
    pub fn finish(mut self) -> HandlerResult {
        Ok(self.close().map(drop)?)
    }

    fn close(&mut self) -> Result<usize, EncodeError> {
        *self.outcome.get_or_insert_with(|| self.draft.close())
    }
}

impl<M: Structure> Drop for Reply<'_, M> {
    fn drop(&mut self) {
        let _ = self.close();
    }
}

impl<'w, M: Structure> Deref for Reply<'w, M> {
    type Target = M::Builder<'w>;

    fn deref(&self) -> &M::Builder<'w> {
        &self.draft
    }
}

impl<'w, M: Structure> DerefMut for Reply<'w, M> {
    fn deref_mut(&mut self) -> &mut M::Builder<'w> {
        &mut self.draft
    }
}

impl<M: Structure> fmt::Debug for Reply<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("message", &M::NAME).finish_non_exhaustive()
    }
}

/// What generated code calls.
pub(crate) mod private {
    pub use super::lookup::answer;
    use super::{Draft, Failure, HandlerResult, Reply, Structure, Writer};

    /// Has `fill` build a reply where `writer` stands.
    ///
    /// # Errors
    /// What is wrong with the reply, or why the handler gave up.
    pub fn reply<M: Structure>(
        writer: &mut Writer<'_>,
        fill: impl FnOnce(Reply<'_, M>) -> HandlerResult,
    ) -> Result<(), Failure> {
        let mut outcome = None;
        let filled = fill(Reply { draft: Draft::new(writer), outcome: &mut outcome });
        match (filled, outcome) {
            // What `finish` told the handler: a reply that is too long is one to a client that may take a longer one.
            (Err(handler), Some(Err(error))) if handler.0.downcast_ref() == Some(&error) => Err(error.into()),
            (Err(handler), _) => Err(Failure::Handler(handler)),
            (Ok(()), Some(Ok(_))) => Ok(()),
            (Ok(()), Some(Err(error))) => Err(error.into()),
            // It was forgotten, and not dropped.
            (Ok(()), None) => Err(Failure::Handler("the reply was never completed".into())),
        }
    }
}
