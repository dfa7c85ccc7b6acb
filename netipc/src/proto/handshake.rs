//! The first packet of each side, and what it leads to.
//!
//! Owns: the states of a handshake on both sides. Each state is a value that its packet consumes, so that nothing can be
//! answered twice. It refuses to choose terms (see [`negotiate`](super::negotiate())), to set deadlines, and to make
//! anything of the item count, the id and the flags of a control message's header, which deployed peers do not check
//! either.

use super::negotiate::{ServerPolicy, Terms, decide};
use super::refusal::{Reason, Refusal};
use super::violation::Violation;
use crate::buf::Writer;
use crate::wire::{
    Control, HEADER_LEN, HELLO_ACK_LEN, HELLO_LEN, Header, Hello, HelloAck, Kind, Profiles, Rule, Status, VERSION,
    WireError,
};

/// [`HELLO_LEN`] as it stands in a header.
const HELLO: u32 = 44;
/// [`HELLO_ACK_LEN`] as it stands in a header.
pub(super) const HELLO_ACK: u32 = 48;

/// Starts a handshake as its client: the packet to send, and the state that awaits the answer to it (docs/protocol.md,
/// section 2).
pub fn greet(hello: Hello) -> ([u8; HEADER_LEN + HELLO_LEN], AwaitAck) {
    let packet = join(&Header::control(Control::Hello, HELLO), &hello.encode());
    let wait = AwaitAck {
        supported: hello.supported_profiles,
        request_payload: hello.max_request_payload,
        request_items: hello.max_request_items,
        packet_size: hello.packet_size,
    };
    (packet, wait)
}

/// A client that has sent its hello. It keeps what the answer must follow from, and not the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "the server's answer is to be checked"]
pub struct AwaitAck {
    supported: Profiles,
    request_payload: u32,
    request_items: u32,
    packet_size: u32,
}

/// Why a client has no session (docs/protocol.md, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The server said no.
    #[error("the server refused: {0}")]
    Refused(Status),
    /// The server speaks another version.
    #[error("the server speaks another version: {0}")]
    Incompatible(#[source] WireError),
    /// The server broke a rule.
    #[error(transparent)]
    Violation(#[from] Violation),
}

impl AwaitAck {
    /// The terms of the session, from the server's only packet.
    ///
    /// Deployed clients take almost any ack. This one takes what follows from its hello: docs/protocol.md, section 7,
    /// lists the differences.
    ///
    /// # Errors
    /// A version other than 1, a message that is no hello-ack, a status other than ok (whatever payload comes with it),
    /// or an ack that the hello does not allow; the first of them.
    pub fn on_packet(self, packet: &[u8]) -> Result<Terms, HandshakeError> {
        if packet.is_empty() {
            return Err(Violation::EmptyPacket.into());
        }
        let header = Header::parse(packet).map_err(envelope)?;
        check_control(&header, Control::HelloAck)?;
        if header.status() != Status::Ok {
            return Err(HandshakeError::Refused(header.status()));
        }
        let payload = payload(&header, packet, HELLO_ACK)?;
        let ack = HelloAck::parse(payload).map_err(envelope)?;
        self.check(&ack)?;
        Ok(Terms::of(&ack))
    }

    /// The fields in the order in which they stand.
    fn check(&self, ack: &HelloAck) -> Result<(), Violation> {
        let rules = [
            (ack.intersection == ack.server_profiles & self.supported, "intersection", 8, ack.intersection.bits()),
            (
                ack.selected_profile.bits().is_power_of_two() && ack.intersection.contains(ack.selected_profile),
                "selected_profile",
                12,
                ack.selected_profile.bits(),
            ),
            (ack.request_payload == self.request_payload, "request_payload", 16, ack.request_payload),
            (ack.request_items == self.request_items, "request_items", 20, ack.request_items),
            (ack.response_items == ack.request_items, "response_items", 28, ack.response_items),
            (
                ack.packet_size as usize > HEADER_LEN && ack.packet_size <= self.packet_size,
                "packet_size",
                32,
                ack.packet_size,
            ),
            (ack.padding == 0, "padding", 36, ack.padding),
        ];
        match rules.into_iter().find(|(kept, ..)| !kept) {
            Some((_, field, offset, found)) => {
                Err(Violation::Ack { field, offset: HEADER_LEN + offset, found: u64::from(found) })
            }
            None => Ok(()),
        }
    }
}

/// A server that has accepted a connection and waits for the hello.
#[derive(Debug, Clone, Copy)]
pub struct AwaitHello<'p> {
    policy: &'p ServerPolicy,
}

/// What a server makes of a client's first packet.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_enums, reason = "a client is served, told no, or not answered")]
#[must_use = "the client waits for it"]
pub enum Answer<'p> {
    /// The proposal is acceptable.
    Offer(Offer<'p>),
    /// It is not: send the refusal, then close.
    Refuse(Refusal),
    /// The packet is no hello: close without a word.
    Close(Violation),
}

impl<'p> AwaitHello<'p> {
    /// A server with this policy.
    #[must_use]
    pub const fn new(policy: &'p ServerPolicy) -> Self {
        Self { policy }
    }

    /// What to answer to the client's first packet; see [`negotiate`](super::negotiate()) for `authorize`.
    pub fn on_packet(self, packet: &[u8], authorize: impl FnOnce() -> bool) -> Answer<'p> {
        if packet.is_empty() {
            return Answer::Close(Violation::EmptyPacket);
        }
        let payload = match Header::parse(packet) {
            Ok(header) => check_control(&header, Control::Hello).and_then(|()| payload(&header, packet, HELLO)),
            Err(error) if would_be_hello(packet) => return Answer::Refuse(Refusal::new(Reason::Envelope(error))),
            Err(error) => Err(Violation::Envelope(error)),
        };
        let payload = match payload {
            Ok(payload) => payload,
            Err(violation) => return Answer::Close(violation),
        };
        let hello = match Hello::parse(payload) {
            Ok(hello) => hello,
            Err(error) => return Answer::Refuse(Refusal::new(Reason::Envelope(error))),
        };
        match decide(&hello, self.policy, authorize) {
            Ok(ack) => Answer::Offer(Offer { policy: self.policy, hello, struck: Profiles::NONE, ack }),
            Err(reason) => Answer::Refuse(Refusal::new(reason)),
        }
    }
}

/// A proposal that a server can accept, while it gets ready what the terms ask for.
#[derive(Debug, Clone, Copy)]
#[must_use = "the client waits for it"]
pub struct Offer<'p> {
    policy: &'p ServerPolicy,
    hello: Hello,
    struck: Profiles,
    ack: HelloAck,
}

impl Offer<'_> {
    /// The terms as they would be; the session has no number yet.
    #[must_use]
    pub const fn terms(&self) -> Terms {
        Terms::of(&self.ack)
    }

    /// The offer of a server that can't use `profiles` after all, such as shared memory that there is no room for.
    ///
    /// # Errors
    /// The refusal, where no common profile is left.
    pub fn without(self, profiles: Profiles) -> Result<Self, Refusal> {
        let struck = self.struck | profiles;
        let policy = ServerPolicy { profiles: self.policy.profiles.without(struck), ..*self.policy };
        // The client has been authorized already.
        match decide(&self.hello, &policy, || true) {
            Ok(ack) => Ok(Self { struck, ack, ..self }),
            Err(reason) => Err(Refusal::new(reason)),
        }
    }

    /// Refuses after all, such as with [`Status::LimitExceeded`] where all sessions are taken.
    pub const fn refuse(self, status: Status) -> Refusal {
        Refusal::new(Reason::Server(status))
    }

    /// Accepts: the terms, and the packet that tells the client, which is final.
    #[must_use]
    pub fn grant(self, session_id: u64) -> (Terms, [u8; HEADER_LEN + HELLO_ACK_LEN]) {
        let ack = HelloAck { session_id, ..self.ack };
        (Terms::of(&ack), join(&Header::control(Control::HelloAck, HELLO_ACK), &ack.encode()))
    }
}

/// A packet of one header and its payload.
pub(super) fn join<const N: usize>(header: &Header, payload: &[u8]) -> [u8; N] {
    let mut packet = [0; N];
    let mut writer = Writer::new(&mut packet);
    writer.append(&header.encode());
    writer.append(payload);
    packet
}

/// A client tells a server of another version from one that is broken.
fn envelope(error: WireError) -> HandshakeError {
    match error.rule() {
        Rule::Version { .. } => HandshakeError::Incompatible(error),
        _ => HandshakeError::Violation(Violation::Envelope(error)),
    }
}

fn check_control(header: &Header, expected: Control) -> Result<(), Violation> {
    if header.kind() != Kind::Control {
        return Err(Violation::UnexpectedKind { expected: Kind::Control, found: header.kind() });
    }
    if header.code() != expected.raw() {
        return Err(Violation::UnexpectedControl { expected, found: header.code() });
    }
    Ok(())
}

/// The payload of a control message, which has `len` bytes by its header and in truth.
fn payload<'a>(header: &Header, packet: &'a [u8], len: u32) -> Result<&'a [u8], Violation> {
    if header.payload_len() != len {
        return Err(Violation::PayloadLength { expected: len, found: header.payload_len() });
    }
    match packet.get(HEADER_LEN..) {
        Some(payload) if payload.len() == len as usize => Ok(payload),
        _ => Err(Violation::PacketLength { stated: header.message_len(), found: packet.len() }),
    }
}

/// Whether a packet would be a hello, if only the version of its envelope were ours.
fn would_be_hello(packet: &[u8]) -> bool {
    let Some((mut head, _)) = packet.split_first_chunk::<HEADER_LEN>().map(|(head, rest)| (*head, rest)) else {
        return false;
    };
    let [_, _, _, _, low, high, ..] = &mut head;
    [*low, *high] = VERSION.to_ne_bytes();
    Header::parse(&head)
        .is_ok_and(|header| check_control(&header, Control::Hello).is_ok() && payload(&header, packet, HELLO).is_ok())
}
