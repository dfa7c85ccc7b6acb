//! Level 1: messages of opaque bytes between two processes, complete in itself.
//!
//! Owns: the session as its users see it: the handshake's outcome, requests and responses matched by their ids, chunking,
//! batches, and what ends a session. It refuses to look into payloads: that is for the codec, one level up.
//!
//! A server [listens](ServerConfig::listen) at an [`Endpoint`](crate::endpoint::Endpoint), a client
//! [connects](ClientConfig::connect) to it, and from then on the client sends requests and the server responses, as many
//! at a time as they like, in any order. All calls come in three forms: with a [`Deadline`] that has been set, with
//! [`Deadline::NEVER`], and as `try_..`, which never waits. Every listener and session is [`AsFd`](std::os::fd::AsFd):
//! its descriptor is readable when `try_accept` or `try_receive` has something to do; over shared memory, when the session
//! has ended.
//!
//! Messages travel over the socket, or through shared memory where both sides have it among their
//! [profiles](ClientConfig::profiles): [`SessionStatus`] tells which.
//!
//! ```
//! use netipc::endpoint::Endpoint;
//! use netipc::session::{ClientConfig, Deadline, ServerConfig};
//! use netipc::wire::Method;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let run_dir = std::env::temp_dir().join(format!("netipc-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&run_dir)?;
//! let endpoint = Endpoint::new(&run_dir, "echo")?;
//! let mut listener = ServerConfig::new().listen(&endpoint)?;
//!
//! let server = std::thread::spawn(move || -> Result<(), netipc::session::Error> {
//!     let mut session = listener.accept(Deadline::NEVER)?;
//!     let request = session.receive(Deadline::NEVER)?;
//!     let (ticket, payload) = (request.ticket(), request.keep().into_payload());
//!     session.respond(ticket, &payload, Deadline::NEVER)
//! });
//!
//! let mut session = ClientConfig::new().connect(&endpoint, Deadline::NEVER)?;
//! let ticket = session.send(Method::new(1), b"hello", Deadline::NEVER)?;
//! let response = session.receive(Deadline::NEVER)?;
//! assert_eq!((response.ticket(), response.payload()), (ticket, &b"hello"[..]));
//! # server.join().unwrap()?;
//! # std::fs::remove_dir_all(&run_dir)?;
//! # Ok(())
//! # }
//! ```
//!
//! # How a session ends
//!
//! | error | and then |
//! |---|---|
//! | [`Error::Closed`] | what the peer had sent before was received; nothing more can be sent |
//! | [`Error::Violation`], [`Error::Limit`] by a message of the peer | the connection is shut down; every later call gives the same error, and so do calls of the other half that wait |
//! | [`Error::Aborted`] | likewise |
//! | [`Error::Limit`], [`Error::NotInFlight`], [`Error::EmptyBatch`], [`Error::Malformed`] on sending | nothing was sent, and the session goes on |
//! | [`Error::System`] for a large message that there is no memory for | on receiving the session ends; on sending it goes on |
//! | [`Error::TimedOut`] on receiving | the session goes on, also in the middle of a message |
//! | [`Error::TimedOut`], [`Limit::Backlog`] on sending | it goes on if nothing of the message had been sent; else it ends: [`Error::Unfinished`] |

mod asked;
mod buffer;
mod client;
mod config;
mod error;
mod handshake;
mod listener;
mod message;
mod nearby;
mod receive;
mod rejected;
mod send;
mod server;
mod shared;
mod sizes;
mod status;

pub(crate) use buffer::look_for_memory;
pub use client::{ClientSession, RequestSender, ResponseReceiver};
pub use config::{ClientConfig, ServerConfig};
pub use error::{BuildError, Error};
pub use handshake::{Arriving, Connecting, Met, Progress, in_process};
pub use listener::{Arrival, Listener};
pub use message::{Message, OwnedMessage, Ticket};
pub(crate) use nearby::{Gate, Nearby};
pub use rejected::{Cause, Rejected};
pub use server::{RequestReceiver, ResponseSender, ServerSession};
pub(crate) use shared::Lifeline;
pub use status::{Fallback, SessionStatus};

pub use bytes::Bytes;

pub use crate::proto::{Limit, LimitExceeded, Reason, Refusal, Terms, Violation};
pub use crate::sys::{Peer, SystemError};
pub(crate) use crate::transport::Counterpart;
pub use crate::transport::{Abort, AttachError, Deadline, Fault, Flaw, FlawRule, Script, Wait};
pub(crate) use crate::transport::{Berth, Dormant, PLACES, Ward};
