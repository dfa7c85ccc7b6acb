//! The two messages of a handshake.
//!
//! Owns: the bytes of hello and hello-ack. It refuses what deployed codecs refuse; what they let pass although the
//! contract forbids it stays readable here, so that the handshake can refuse it with the right answer.

use core::{fmt, hint};

use super::fields::{Fields, join};
use super::{HELLO_ACK_LEN, HELLO_LEN, LAYOUT_VERSION, Profiles, Structure, WireError};

/// The secret that a client shows to a server; it is never printed.
///
/// Comparing two of them takes the same time wherever they differ.
#[derive(Clone, Copy, Eq, Default)]
pub struct AuthToken(u64);

impl AuthToken {
    /// The token of this value.
    #[inline]
    #[must_use]
    pub const fn new(token: u64) -> Self {
        Self(token)
    }

    /// The secret itself.
    #[inline]
    #[must_use]
    pub const fn reveal(self) -> u64 {
        self.0
    }
}

impl PartialEq for AuthToken {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        // All bits are folded before any is looked at; the black box keeps a 32-bit target from comparing by halves.
        hint::black_box(self.0 ^ other.0) == 0
    }
}

impl fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthToken(..)")
    }
}

/// What a client proposes (docs/protocol.md, section 2).
///
/// Every value of this type has the right shape, which is all that [`parse`](Self::parse) proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the layout is fixed for good by deployed peers")]
pub struct Hello {
    /// Zero. Deployed codecs take other values, the contract does not: whoever answers a hello must refuse them as a
    /// bad envelope.
    pub flags: u16,
    /// Profiles that the client can use.
    pub supported_profiles: Profiles,
    /// Those of them that it would rather use.
    pub preferred_profiles: Profiles,
    /// The largest request payload that it may send, in bytes.
    pub max_request_payload: u32,
    /// The most items of a request that it may send.
    pub max_request_items: u32,
    /// A hint: the largest response payload that it expects, in bytes.
    pub max_response_payload: u32,
    /// A hint: the most items of a response that it expects.
    pub max_response_items: u32,
    /// Must be the server's.
    pub auth_token: AuthToken,
    /// The largest packet that it can send and receive, in bytes.
    pub packet_size: u32,
}

impl Hello {
    /// Reads a hello from the start of `bytes`; what follows is not looked at, and neither are the flags.
    ///
    /// # Errors
    /// Fewer than 44 bytes; a layout version other than 1 ([`Rule::Version`](super::Rule::Version), to be answered with
    /// incompatible); padding that is not zero ([`Rule::Zero`](super::Rule::Zero), to be answered with bad envelope).
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut fields = Fields::new(Structure::Hello, HELLO_LEN, bytes);
        let layout_version = fields.u16("layout_version")?;
        let flags = fields.u16("flags")?.value;
        let supported_profiles = Profiles::from_bits(fields.u32("supported_profiles")?.value);
        let preferred_profiles = Profiles::from_bits(fields.u32("preferred_profiles")?.value);
        let max_request_payload = fields.u32("max_request_payload")?.value;
        let max_request_items = fields.u32("max_request_items")?.value;
        let max_response_payload = fields.u32("max_response_payload")?.value;
        let max_response_items = fields.u32("max_response_items")?.value;
        let padding = fields.u32("padding")?;
        let auth_token = AuthToken::new(fields.u64("auth_token")?.value);
        let packet_size = fields.u32("packet_size")?.value;

        // The version goes first: it decides what the other bytes mean.
        layout_version.version(LAYOUT_VERSION)?;
        padding.zero()?;
        Ok(Self {
            flags,
            supported_profiles,
            preferred_profiles,
            max_request_payload,
            max_request_items,
            max_response_payload,
            max_response_items,
            auth_token,
            packet_size,
        })
    }

    /// The 44 bytes of this hello.
    #[must_use]
    pub fn encode(&self) -> [u8; HELLO_LEN] {
        join(&[
            &LAYOUT_VERSION.to_ne_bytes(),
            &self.flags.to_ne_bytes(),
            &self.supported_profiles.bits().to_ne_bytes(),
            &self.preferred_profiles.bits().to_ne_bytes(),
            &self.max_request_payload.to_ne_bytes(),
            &self.max_request_items.to_ne_bytes(),
            &self.max_response_payload.to_ne_bytes(),
            &self.max_response_items.to_ne_bytes(),
            &0_u32.to_ne_bytes(),
            &self.auth_token.reveal().to_ne_bytes(),
            &self.packet_size.to_ne_bytes(),
        ])
    }
}

/// What a server decided (docs/protocol.md, section 2).
///
/// Every value of this type has the right shape, which is all that [`parse`](Self::parse) proves. A refusal has the
/// same shape, see [`refusal`](Self::refusal); its reason is the status of the header in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the layout is fixed for good by deployed peers")]
pub struct HelloAck {
    /// Profiles that the server can use.
    pub server_profiles: Profiles,
    /// Profiles that both can use.
    pub intersection: Profiles,
    /// The one profile of the session; none in a refusal.
    pub selected_profile: Profiles,
    /// The largest request payload, in bytes.
    pub request_payload: u32,
    /// The most items of a request.
    pub request_items: u32,
    /// The largest response payload, in bytes.
    pub response_payload: u32,
    /// The most items of a response.
    pub response_items: u32,
    /// The largest packet in either direction, in bytes.
    pub packet_size: u32,
    /// Zero. Deployed codecs take other values, the contract does not: whoever reads an ack must refuse them.
    pub padding: u32,
    /// Counts up from 1 per listener.
    pub session_id: u64,
}

impl HelloAck {
    /// The payload of a refusal: a layout version, and zeros.
    #[must_use]
    pub const fn refusal() -> Self {
        Self {
            server_profiles: Profiles::NONE,
            intersection: Profiles::NONE,
            selected_profile: Profiles::NONE,
            request_payload: 0,
            request_items: 0,
            response_payload: 0,
            response_items: 0,
            packet_size: 0,
            padding: 0,
            session_id: 0,
        }
    }

    /// Reads a hello-ack from the start of `bytes`; what follows is not looked at, and neither is the padding.
    ///
    /// # Errors
    /// Fewer than 48 bytes; a layout version other than 1 ([`Rule::Version`](super::Rule::Version)); flags that are not
    /// zero ([`Rule::Zero`](super::Rule::Zero)).
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut fields = Fields::new(Structure::HelloAck, HELLO_ACK_LEN, bytes);
        let layout_version = fields.u16("layout_version")?;
        let flags = fields.u16("flags")?;
        let server_profiles = Profiles::from_bits(fields.u32("server_profiles")?.value);
        let intersection = Profiles::from_bits(fields.u32("intersection")?.value);
        let selected_profile = Profiles::from_bits(fields.u32("selected_profile")?.value);
        let request_payload = fields.u32("request_payload")?.value;
        let request_items = fields.u32("request_items")?.value;
        let response_payload = fields.u32("response_payload")?.value;
        let response_items = fields.u32("response_items")?.value;
        let packet_size = fields.u32("packet_size")?.value;
        let padding = fields.u32("padding")?.value;
        let session_id = fields.u64("session_id")?.value;

        // The version goes first: it decides what the other bytes mean.
        layout_version.version(LAYOUT_VERSION)?;
        flags.zero()?;
        Ok(Self {
            server_profiles,
            intersection,
            selected_profile,
            request_payload,
            request_items,
            response_payload,
            response_items,
            packet_size,
            padding,
            session_id,
        })
    }

    /// The 48 bytes of this hello-ack.
    #[must_use]
    pub fn encode(&self) -> [u8; HELLO_ACK_LEN] {
        join(&[
            &LAYOUT_VERSION.to_ne_bytes(),
            &0_u16.to_ne_bytes(),
            &self.server_profiles.bits().to_ne_bytes(),
            &self.intersection.bits().to_ne_bytes(),
            &self.selected_profile.bits().to_ne_bytes(),
            &self.request_payload.to_ne_bytes(),
            &self.request_items.to_ne_bytes(),
            &self.response_payload.to_ne_bytes(),
            &self.response_items.to_ne_bytes(),
            &self.packet_size.to_ne_bytes(),
            &self.padding.to_ne_bytes(),
            &self.session_id.to_ne_bytes(),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::{AuthToken, Hello, HelloAck};
    use crate::wire::{Profiles, Rule};

    fn hello() -> Hello {
        Hello {
            flags: 0,
            supported_profiles: Profiles::from_bits(0x11),
            preferred_profiles: Profiles::from_bits(0x12),
            max_request_payload: 0x13,
            max_request_items: 0x14,
            max_response_payload: 0x15,
            max_response_items: 0x16,
            auth_token: AuthToken::new(0x1718_191a_1b1c_1d1e),
            packet_size: 0x1f,
        }
    }

    fn ack() -> HelloAck {
        HelloAck {
            server_profiles: Profiles::from_bits(0x21),
            intersection: Profiles::from_bits(0x22),
            selected_profile: Profiles::from_bits(0x23),
            request_payload: 0x24,
            request_items: 0x25,
            response_payload: 0x26,
            response_items: 0x27,
            packet_size: 0x28,
            padding: 0,
            session_id: 0x292a_2b2c_2d2e_2f30,
        }
    }

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    #[test]
    fn every_field_of_a_hello_stands_at_its_offset() {
        let bytes = hello().encode();
        assert_eq!(bytes[0..2], 1_u16.to_ne_bytes());
        assert_eq!(bytes[2..4], [0; 2]);
        for (at, value) in [(4, 0x11), (8, 0x12), (12, 0x13), (16, 0x14), (20, 0x15), (24, 0x16), (28, 0), (40, 0x1f)] {
            assert_eq!(word(&bytes, at), value, "offset {at}");
        }
        assert_eq!(bytes[32..40], 0x1718_191a_1b1c_1d1e_u64.to_ne_bytes());
        assert_eq!(Hello::parse(&bytes), Ok(hello()));
    }

    #[test]
    fn every_field_of_an_ack_stands_at_its_offset() {
        let bytes = ack().encode();
        assert_eq!(bytes[0..2], 1_u16.to_ne_bytes());
        assert_eq!(bytes[2..4], [0; 2]);
        for (at, value) in
            [(4, 0x21), (8, 0x22), (12, 0x23), (16, 0x24), (20, 0x25), (24, 0x26), (28, 0x27), (32, 0x28), (36, 0)]
        {
            assert_eq!(word(&bytes, at), value, "offset {at}");
        }
        assert_eq!(bytes[40..48], 0x292a_2b2c_2d2e_2f30_u64.to_ne_bytes());
        assert_eq!(HelloAck::parse(&bytes), Ok(ack()));
    }

    #[test]
    fn a_refusal_is_a_layout_version_and_zeros() {
        let bytes = HelloAck::refusal().encode();
        assert_eq!(bytes[..2], 1_u16.to_ne_bytes());
        assert_eq!(bytes[2..], [0; 46]);
    }

    #[test]
    fn what_deployed_codecs_let_pass_stays_readable() {
        let flagged = Hello { flags: 0x8001, ..hello() };
        assert_eq!(Hello::parse(&flagged.encode()), Ok(flagged));
        let padded = HelloAck { padding: 7, ..ack() };
        assert_eq!(HelloAck::parse(&padded.encode()), Ok(padded));
    }

    #[test]
    fn a_wrong_layout_version_is_told_before_wrong_padding() {
        let mut bytes = hello().encode();
        bytes[28] = 1;
        let error = Hello::parse(&bytes).unwrap_err();
        assert_eq!((error.field(), error.offset()), ("padding", 28));
        assert!(matches!(error.rule(), Rule::Zero { found: 1.. }));
        bytes[..2].copy_from_slice(&2_u16.to_ne_bytes());
        let error = Hello::parse(&bytes).unwrap_err();
        assert_eq!((error.field(), error.offset()), ("layout_version", 0));
        assert_eq!(error.rule(), Rule::Version { expected: 1, found: 2 });
    }

    #[test]
    fn flags_of_an_ack_are_refused_after_its_layout_version() {
        let mut bytes = ack().encode();
        bytes[2..4].copy_from_slice(&1_u16.to_ne_bytes());
        let error = HelloAck::parse(&bytes).unwrap_err();
        assert_eq!((error.field(), error.offset(), error.rule()), ("flags", 2, Rule::Zero { found: 1 }));
        bytes[..2].copy_from_slice(&0_u16.to_ne_bytes());
        assert_eq!(HelloAck::parse(&bytes).unwrap_err().rule(), Rule::Version { expected: 1, found: 0 });
    }

    #[test]
    fn every_shorter_length_is_truncated() {
        for len in 0..44 {
            let error = Hello::parse(&hello().encode()[..len]).unwrap_err();
            assert_eq!((error.offset(), error.rule()), (len, Rule::Truncated { needed: 44, found: len }));
        }
        for len in 0..48 {
            let error = HelloAck::parse(&ack().encode()[..len]).unwrap_err();
            assert_eq!((error.offset(), error.rule()), (len, Rule::Truncated { needed: 48, found: len }));
        }
    }

    #[test]
    fn a_token_is_compared_by_all_its_bits_and_never_printed() {
        let token = AuthToken::new(0x1718_191a_1b1c_1d1e);
        assert_eq!(token, AuthToken::new(token.reveal()));
        for bit in 0..64 {
            assert!(token != AuthToken::new(token.reveal() ^ (1 << bit)), "bit {bit}");
        }
        assert_eq!(format!("{token:?}"), "AuthToken(..)");
        let printed = format!("{:?} {:#?}", hello(), hello());
        assert!(!printed.contains("1718") && !printed.contains(&token.reveal().to_string()), "{printed}");
    }
}
