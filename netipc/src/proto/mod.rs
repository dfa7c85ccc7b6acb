//! The rules of a conversation, as machines without I/O: who says what first, what is agreed, how a message is cut into
//! packets and put together, which answers are awaited.
//!
//! Owns: every decision that sections 1, 2 and 7 of docs/protocol.md leave to more than one structure's bytes. A machine
//! is handed packets that arrived and says what they mean, what to send, or which rule the peer broke. It refuses to
//! read, wait or look at a clock: whoever moves the packets does that, and closes the connection at the first breach.
//!
//! ```text
//! client   greet ----> AwaitAck ------------------ on_packet --> Terms | HandshakeError
//!            | hello       ^ hello-ack
//!            v             |
//! server   AwaitHello -- on_packet --> Answer::Offer --- grant --> Terms
//!                                    | Answer::Refuse <- refuse, without
//!                                    | Answer::Close
//!
//! both     Header -> Splitter -> packets ~~~~> Assembler -> Header     (the payload's bytes pass by its side)
//! ```

mod control;
mod fragment;
mod handshake;
mod inflight;
mod negotiate;
mod refusal;
mod violation;

pub use fragment::{Assembler, Next, Packet, Splitter, Step, check_batch};
pub use handshake::{Answer, AwaitAck, AwaitHello, HandshakeError, Offer, greet};
pub use inflight::InFlight;
pub use negotiate::{ServerPolicy, Terms, negotiate};
pub use refusal::{Reason, Refusal};
pub use violation::{Breach, Limit, LimitExceeded, Violation};

/// The side of a connection that a machine stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a connection has two ends")]
pub enum Role {
    /// Sends requests, receives responses.
    Client,
    /// Receives requests, sends responses.
    Server,
}
