//! The first packet of each side, and what it leads to.
//!
//! Owns: the states of a handshake on both sides. Each state is a value that its packet consumes, so that nothing can be
//! answered twice. It refuses to choose terms (see [`negotiate`](super::negotiate())), to set deadlines, and to make
//! anything of the item count, the id and the flags of a control message's header, which deployed peers do not check
//! either.

use super::control::{self, HELLO, HELLO_ACK};
use super::negotiate::{ServerPolicy, Terms, decide};
use super::refusal::{Reason, Refusal};
use super::violation::Violation;
use crate::wire::{
    Control, HEADER_LEN, HELLO_ACK_LEN, HELLO_LEN, Header, Hello, HelloAck, Kind, Profiles, Rule, Status, VERSION,
    WireError,
};

/// Starts a handshake as its client: the packet to send, and the state that awaits the answer to it (docs/protocol.md,
/// section 2).
pub fn greet(hello: Hello) -> ([u8; HEADER_LEN + HELLO_LEN], AwaitAck) {
    let packet = control::hello(&hello);
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
        (Terms::of(&ack), control::hello_ack(Status::Ok, &ack))
    }
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

#[cfg(test)]
mod tests {
    use super::{Answer, AwaitHello, HELLO, HELLO_ACK, HandshakeError, greet};
    use crate::proto::{ServerPolicy, Terms, Violation};
    use crate::wire::{
        AuthToken, Control, HEADER_LEN, HELLO_ACK_LEN, HELLO_LEN, Header, Hello, HelloAck, Kind, Profiles, Status,
    };

    fn policy() -> ServerPolicy {
        ServerPolicy { profiles: Profiles::from_bits(3), preferred: Profiles::from_bits(3), ..ServerPolicy::new() }
    }

    fn hello() -> Hello {
        Hello {
            flags: 0,
            supported_profiles: Profiles::from_bits(7),
            preferred_profiles: Profiles::from_bits(7),
            max_request_payload: 512,
            max_request_items: 3,
            max_response_payload: 0,
            max_response_items: 0,
            auth_token: AuthToken::new(0),
            packet_size: 4096,
        }
    }

    fn ack(policy: &ServerPolicy) -> (Terms, [u8; 80]) {
        match AwaitHello::new(policy).on_packet(&greet(hello()).0, || true) {
            Answer::Offer(offer) => offer.grant(5),
            other => panic!("{other:?}"),
        }
    }

    /// A packet with these bytes instead of its own.
    fn patched<const N: usize>(mut packet: [u8; N], at: usize, bytes: &[u8]) -> [u8; N] {
        packet[at..at + bytes.len()].copy_from_slice(bytes);
        packet
    }

    #[test]
    fn stated_lengths_are_those_of_the_structures() {
        assert_eq!((HELLO as usize, HELLO_ACK as usize), (HELLO_LEN, HELLO_ACK_LEN));
    }

    #[test]
    fn both_sides_come_to_the_same_terms() {
        let (packet, client) = greet(hello());
        assert_eq!(Header::parse(&packet), Ok(Header::control(Control::Hello, 44)));
        assert_eq!(Hello::parse(&packet[HEADER_LEN..]), Ok(hello()));
        let (terms, answer) = ack(&policy());
        let expected = Terms {
            profile: Profiles::SHM_HYBRID,
            request_payload: 512,
            request_items: 3,
            response_payload: 1024,
            response_items: 3,
            packet_size: 4096,
            session_id: 5,
        };
        assert_eq!((terms, client.on_packet(&answer)), (expected, Ok(expected)));
    }

    /// What a client makes of each packet that can reach it.
    #[test]
    fn a_client_takes_every_packet_to_its_outcome() {
        let (sent, client) = greet(hello());
        let (terms, good) = ack(&policy());
        let header = |header: Header| patched(good, 0, &header.encode());
        let status = |raw: u16| Header::control(Control::HelloAck, 48).with_status(Status::from_raw(raw));
        let violation = |violation| Err(HandshakeError::Violation(violation));
        assert_eq!(client.on_packet(&good), Ok(terms));
        assert_eq!(client.on_packet(&[]), violation(Violation::EmptyPacket));
        for raw in [1, 2, 3, 4, 5, 6, 99, 0xffff] {
            let refused = Err(HandshakeError::Refused(Status::from_raw(raw)));
            assert_eq!(client.on_packet(&header(status(raw))), refused);
            assert_eq!(client.on_packet(&header(status(raw))[..HEADER_LEN]), refused);
            assert_eq!(client.on_packet(&header(status(raw).with_payload_len(7))), refused);
            assert_eq!(client.on_packet(&[&header(status(raw))[..], b"more"].concat()), refused);
            // Even of a refusal the envelope has to be right.
            let kind = Header::new(Kind::Response, 2).with_status(Status::from_raw(raw));
            let unexpected = Violation::UnexpectedKind { expected: Kind::Control, found: Kind::Response };
            assert_eq!(client.on_packet(&header(kind)), violation(unexpected));
        }
        let own = Violation::UnexpectedControl { expected: Control::HelloAck, found: 1 };
        assert_eq!(client.on_packet(&sent), violation(own));
        for at in [4, HEADER_LEN] {
            let other = patched(good, at, &2_u16.to_ne_bytes());
            let outcome = client.on_packet(&other);
            assert!(matches!(outcome, Err(HandshakeError::Incompatible(_))), "{outcome:?}");
        }
        for len in HEADER_LEN..good.len() {
            let cut = Violation::PacketLength { stated: 80, found: len };
            assert_eq!(client.on_packet(&good[..len]), violation(cut));
        }
        let long = [&good[..], &[0]].concat();
        assert_eq!(client.on_packet(&long), violation(Violation::PacketLength { stated: 80, found: 81 }));
        for found in [0, 47, 49] {
            let length = Violation::PayloadLength { expected: 48, found };
            assert_eq!(client.on_packet(&header(status(0).with_payload_len(found))), violation(length));
        }
        let ignored = status(0).with_flags(0xffff).with_item_count(0).with_message_id(9);
        assert_eq!(client.on_packet(&header(ignored)), Ok(terms));
    }

    /// What a server makes of each packet that can reach it.
    #[test]
    fn a_server_takes_every_packet_to_its_answer() {
        let policy = policy();
        let (good, _) = greet(hello());
        let close = |packet: &[u8]| match AwaitHello::new(&policy).on_packet(packet, || true) {
            Answer::Close(violation) => violation,
            other => panic!("{other:?}"),
        };
        let refuse = |packet: &[u8]| match AwaitHello::new(&policy).on_packet(packet, || true) {
            Answer::Refuse(refusal) => refusal.status(),
            other => panic!("{other:?}"),
        };
        let header = |header: Header| patched(good, 0, &header.encode());
        assert_eq!(close(&[]), Violation::EmptyPacket);
        assert_eq!(close(&good[..31]).offset(), 31);
        assert_eq!(close(&good[..75]), Violation::PacketLength { stated: 76, found: 75 });
        let unexpected = Violation::UnexpectedKind { expected: Kind::Control, found: Kind::Request };
        assert_eq!(close(&header(Header::new(Kind::Request, 1).with_payload_len(44))), unexpected);
        let unexpected = Violation::UnexpectedControl { expected: Control::Hello, found: 2 };
        assert_eq!(close(&ack(&policy).1), unexpected);
        let length = Violation::PayloadLength { expected: 44, found: 45 };
        assert_eq!(close(&header(Header::control(Control::Hello, 45))), length);
        let ignored = Header::control(Control::Hello, 44).with_flags(1).with_status(Status::Other(9));
        let answer =
            AwaitHello::new(&policy).on_packet(&header(ignored.with_message_id(4).with_item_count(0)), || true);
        assert!(matches!(answer, Answer::Offer(_)), "{answer:?}");

        for version in [0_u16, 2, 0xffff] {
            let bytes = version.to_ne_bytes();
            assert_eq!(refuse(&patched(good, 4, &bytes)), Status::Incompatible);
            assert_eq!(refuse(&patched(good, HEADER_LEN, &bytes)), Status::Incompatible);
            for len in [31, 32, 75] {
                assert_eq!(close(&patched(good, 4, &bytes)[..len]).offset(), if len < 32 { len } else { 4 });
            }
            let kind = patched(good, 8, &1_u16.to_ne_bytes());
            assert_eq!(close(&patched(kind, 4, &bytes)).offset(), 4);
        }
        assert_eq!(refuse(&patched(good, HEADER_LEN + 2, &[1, 0])), Status::BadEnvelope);
        assert_eq!(refuse(&patched(good, HEADER_LEN + 28, &[0, 0, 0, 1])), Status::BadEnvelope);
    }

    #[test]
    fn an_offer_is_granted_or_refused_or_made_again_with_fewer_profiles() {
        let policy = policy();
        let offer = match AwaitHello::new(&policy).on_packet(&greet(hello()).0, || true) {
            Answer::Offer(offer) => offer,
            other => panic!("{other:?}"),
        };
        let terms = offer.terms();
        assert_eq!((terms.profile, terms.session_id), (Profiles::SHM_HYBRID, 0));
        assert_eq!(offer.grant(9).0, Terms { session_id: 9, ..terms });

        let refusal = offer.refuse(Status::LimitExceeded);
        assert_eq!(
            (refusal.status(), refusal.to_string().as_str()),
            (Status::LimitExceeded, "refused with limit exceeded")
        );
        let packet = refusal.packet();
        let header = Header::control(Control::HelloAck, 48).with_status(Status::LimitExceeded);
        assert_eq!(Header::parse(&packet), Ok(header));
        assert_eq!(HelloAck::parse(&packet[HEADER_LEN..]), Ok(HelloAck::refusal()));
        assert_eq!(greet(hello()).1.on_packet(&packet), Err(HandshakeError::Refused(Status::LimitExceeded)));

        let less = offer.without(Profiles::SHM_HYBRID).unwrap();
        let (terms, packet) = less.grant(9);
        assert_eq!(terms.profile, Profiles::BASELINE);
        let ack = HelloAck::parse(&packet[HEADER_LEN..]).unwrap();
        assert_eq!((ack.server_profiles, ack.intersection), (Profiles::BASELINE, Profiles::BASELINE));
        assert_eq!(greet(hello()).1.on_packet(&packet), Ok(terms));
        // What was struck once stays away.
        assert_eq!(less.without(Profiles::SHM_FUTEX).unwrap().terms().profile, Profiles::BASELINE);
        assert_eq!(less.without(Profiles::BASELINE).unwrap_err().status(), Status::Unsupported);
    }
}
