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
//! On Linux, a trait is declared once, as a service, and `#[netipc::service]` makes its client and its server; the guide
//! shows what a method may take and give. Of a method that answers with a list of everything, `cache` keeps the last
//! answer, to be looked up by key; `lookup` asks for any number of keys in one logical call.
//!
//! Layouts that exist already, such as those of Netdata's plugins, are declared byte for byte with `#[wire(..)]`: the
//! guide shows every attribute.
//!
//! Below services, `session` carries payloads between processes, whatever they mean; `proto` has the rules of that
//! conversation as machines without I/O, for transports of one's own, and [`wire`] the envelope that payloads travel in.

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
pub mod cache;
#[cfg(target_os = "linux")]
pub mod client;
pub mod codec;
#[cfg(target_os = "linux")]
pub mod endpoint;
#[cfg(target_os = "linux")]
pub mod lookup;
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
/// Makes a trait a service: its client, its server and its messages.
///
/// The trait stays as it is written. Beside a trait `T` there are then
///
/// | | |
/// |---|---|
/// | `TServer` | `TServer::new(handler)` is a [`Server`](server::Server), to be set up and bound |
/// | `TClient` | a function for each method, and a client's life: `connect`, `refresh`, `status` and so on |
/// | `TMRequest`, `TMReply` | the messages of the method `m` |
///
/// ```
/// #[netipc::service(name = "sums")]
/// pub trait Sums {
///     /// The mean of some numbers.
///     fn mean(&self, of: Vec<f64>) -> f64;
/// }
///
/// struct Exact;
///
/// impl Sums for Exact {
///     fn mean(&self, of: Vec<f64>) -> f64 {
///         of.iter().sum::<f64>() / of.len() as f64
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let run_dir = std::env::temp_dir().join(format!("netipc-doc-service-{}", std::process::id()));
/// # std::fs::create_dir_all(&run_dir)?;
/// let server = SumsServer::new(Exact).bind(&run_dir)?.spawn()?;
/// let mut client = SumsClient::connect(&run_dir)?;
/// assert_eq!(client.mean(&[1.0, 2.5])?, 1.75);
/// # server.shutdown(std::time::Duration::from_secs(60))?;
/// # std::fs::remove_dir(&run_dir)?;
/// # Ok(())
/// # }
/// ```
///
/// On the trait: `name = ".."`, which makes the path of the socket, and `crate = path`, where this crate is to be found if not
/// at `::netipc`. On a method: `#[method(code = 7)]`, its code on the wire, counted from 1 in the order of the methods unless
/// given, and `#[method(idempotent = false)]`, so that a client never sends it twice. A method's `cfg` attributes go
/// along to all that is made for it, and its documentation to the client's function.
///
/// The guide (docs/guide.md) says what a method may take and return.
#[cfg(target_os = "linux")]
pub use netipc_derive::service;
#[cfg(target_os = "linux")]
pub use service::{Answers, Call, HandlerError, HandlerResult, Keys, Reply, View};

// Its sessions are for Linux.
#[cfg(all(doctest, target_os = "linux"))]
#[doc = include_str!("../../README.md")]
pub struct Readme;

#[cfg(all(doctest, target_os = "linux"))]
#[doc = include_str!("../../docs/guide.md")]
pub struct Guide;

#[cfg(all(doctest, target_os = "linux"))]
#[doc = include_str!("../../docs/migration.md")]
pub struct Migration;
