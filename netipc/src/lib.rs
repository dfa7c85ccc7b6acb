//! Typed IPC between the programs of one machine.
//!
//! A message is declared once, as a struct. The derive makes of it:
//!
//! - a codec whose every byte is fixed by the declaration and checked by the compiler,
//! - a view (`ReadingView`): `Copy`, zero-copy, made only by proving a whole payload, with getters that can't fail,
//! - a builder (`ReadingBuilder`): writes in place, without heap and without offsets,
//! - a description (`Reading::LAYOUT`) and one number for it (`Reading::FINGERPRINT`).
//!
//! ```
//! use netipc::WireMessage;
//!
//! #[derive(Debug, Clone, PartialEq, WireMessage)]
//! pub struct Reading {
//!     pub sensor: String,
//!     pub celsius: f64,
//!     pub tags: Vec<String>,
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let reading = Reading { sensor: "roof".into(), celsius: 21.5, tags: vec!["outdoor".into()] };
//! let payload = reading.to_vec()?;
//!
//! let view = Reading::decode(&payload)?;
//! assert_eq!(view.sensor(), "roof");
//! assert_eq!(view.tags().get(0), Some("outdoor"));
//! assert_eq!(view.to_owned(), reading);
//!
//! let mut buffer = [0; 256];
//! let mut reply = Reading::builder(&mut buffer);
//! reply.sensor("roof").celsius(21.5);
//! reply.tags(1).push("outdoor");
//! let len = reply.finish()?;
//! assert_eq!(buffer[..len], payload);
//! # Ok(())
//! # }
//! ```
//!
//! Layouts that exist already, such as those of Netdata's plugins, are declared byte for byte with `#[wire(..)]`: the
//! guide shows every attribute.
//!
//! On Linux, `server` serves a declared service, and `session` carries payloads between processes, whatever they mean;
//! `proto` has the rules of that conversation as machines without I/O, for transports of one's own, and [`wire`] the
//! envelope that payloads travel in.

//! # Features
//!
//! `tracing`, off by default, tells what happens to connections and calls as events of the `tracing` crate, of the targets
//! `netipc::client` and `netipc::server`:
//!
//! | event | level | of a client | of a server |
//! |---|---|---|---|
//! | `connect` | debug | `place`, `session_id`, `profile` | `session_id`, `pid`, `profile` |
//! | `reconnect` | debug | the same, where it had been connected before | |
//! | `refuse` | warn | `place`, `error`: it could not connect | `pid`, `error`: a client was not let in |
//! | `call` | trace | `method`, `code`, `duration_us`, `request_bytes`; `answer_bytes` or `error` | `session_id`, `code`, `duration_us`, `request_bytes`, `reply_bytes`; `error`: its handler has returned |
//! | `violation` | warn | `error`: the server broke a rule | `session_id`, `error`: the client did |
//! | `close` | debug | `session_id` | `session_id` |
//!
//! Without it, there is no trace of this in what the compiler makes.

// Generated code names the crate; inside it, this is how.
extern crate self as netipc;

pub mod buf;
#[cfg(target_os = "linux")]
pub mod client;
pub mod codec;
#[cfg(target_os = "linux")]
pub mod endpoint;
#[doc(hidden)]
pub mod private;
pub mod proto;
#[cfg(target_os = "linux")]
pub mod server;
#[cfg(target_os = "linux")]
pub mod service;
/// Generated code has nothing to serve here.
#[cfg(not(target_os = "linux"))]
mod service {
    pub(crate) mod private {}
}
#[cfg(target_os = "linux")]
pub mod session;
#[cfg(target_os = "linux")]
mod sync;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
#[cfg_attr(feature = "tracing", path = "trace/on.rs")]
mod trace;
#[cfg(target_os = "linux")]
mod transport;
pub mod wire;

#[cfg(target_os = "linux")]
pub use client::CallError;
pub use codec::{DecodeError, EncodeError, WireMessage};
/// Makes a struct or an enum a message: its codec, its view and its builder.
///
/// The guide (docs/guide.md) shows every attribute; docs/protocol.md, section 5, the layouts.
pub use netipc_derive::WireMessage;
/// Makes a trait a service: for a trait `T`, the client `TClient`, the server `TServer`, and of each method `m` the messages
/// `TMRequest` and `TMReply`.
///
/// `name = ".."` is the name that makes the path of the socket, and `crate = path` where this crate is to be found.
#[cfg(target_os = "linux")]
pub use netipc_derive::service;
#[cfg(target_os = "linux")]
pub use service::{Call, HandlerError, HandlerResult, Reply, View};

// Its sessions are for Linux.
#[cfg(all(doctest, target_os = "linux"))]
#[doc = include_str!("../../README.md")]
pub struct Readme;

#[cfg(all(doctest, target_os = "linux"))]
#[doc = include_str!("../../docs/guide.md")]
pub struct Guide;
