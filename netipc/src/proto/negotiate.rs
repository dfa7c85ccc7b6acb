//! What comes of a proposal.
//!
//! Owns: the table of docs/protocol.md, section 2: who decides which term, in which order a proposal is checked, and with
//! which status it is refused. It refuses to see packets: a hello has been read, an ack is yet to be written.

use super::refusal::Reason;
use super::{Limit, LimitExceeded};
use crate::wire::{AuthToken, HEADER_LEN, Hello, HelloAck, Profiles, Status};

/// What a server is ready to agree to (docs/protocol.md, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerPolicy {
    /// Profiles that the server can use.
    pub profiles: Profiles,
    /// Those of them that it would rather use.
    pub preferred: Profiles,
    /// What a client must show.
    pub auth_token: AuthToken,
    /// The largest request payload that a client may propose, in bytes.
    pub request_payload: u32,
    /// The largest response payload, in bytes, whatever a client proposes.
    pub response_payload: u32,
    /// The largest packet that the server can send and receive, in bytes.
    pub packet_size: u32,
}

impl ServerPolicy {
    /// The baseline profile, no token (zero), payloads of 1,024 bytes either way, packets of 65,536 bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            profiles: Profiles::BASELINE,
            preferred: Profiles::BASELINE,
            auth_token: AuthToken::new(0),
            request_payload: 1024,
            response_payload: 1024,
            packet_size: 65_536,
        }
    }
}

impl Default for ServerPolicy {
    fn default() -> Self {
        Self::new()
    }
}

/// What both sides agreed on; it holds for the whole session (docs/protocol.md, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "these are the terms of a hello-ack, which is fixed for good")]
pub struct Terms {
    /// The one profile of the session.
    pub profile: Profiles,
    /// The largest request payload, in bytes.
    pub request_payload: u32,
    /// The most items of a request.
    pub request_items: u32,
    /// The largest response payload, in bytes.
    pub response_payload: u32,
    /// The most items of a response.
    pub response_items: u32,
    /// The largest packet in either direction, in bytes, its header included.
    pub packet_size: u32,
    /// The server's number for the session; 0 while it is only offered.
    pub session_id: u64,
}

impl Terms {
    pub(super) const fn of(ack: &HelloAck) -> Self {
        Self {
            profile: ack.selected_profile,
            request_payload: ack.request_payload,
            request_items: ack.request_items,
            response_payload: ack.response_payload,
            response_items: ack.response_items,
            packet_size: ack.packet_size,
            session_id: ack.session_id,
        }
    }
}

/// Answers a proposal: the ack, its `session_id` still 0, or the status of the refusal (docs/protocol.md, section 2).
///
/// `authorize` is what the server asks besides the token, such as who the client is. It is called once the token is
/// right, and not otherwise.
///
/// # Errors
/// In this order: [`Status::BadEnvelope`] for flags, [`Status::Unsupported`] where no profile is common to both,
/// [`Status::AuthFailed`] for the token or by `authorize`, [`Status::LimitExceeded`] for a request limit above the
/// server's, [`Status::Incompatible`] for a packet size that has no room behind a header.
pub fn negotiate(hello: &Hello, policy: &ServerPolicy, authorize: impl FnOnce() -> bool) -> Result<HelloAck, Status> {
    decide(hello, policy, authorize).map_err(|reason| reason.status())
}

/// [`negotiate`], with the reason of a refusal.
pub(super) fn decide(
    hello: &Hello,
    policy: &ServerPolicy,
    authorize: impl FnOnce() -> bool,
) -> Result<HelloAck, Reason> {
    if hello.flags != 0 {
        return Err(Reason::Flags { found: hello.flags });
    }

    // Bits that only one side knows fall out here.
    let common = hello.supported_profiles & policy.profiles;
    if common.is_empty() {
        return Err(Reason::Profiles { offered: hello.supported_profiles, supported: policy.profiles });
    }
    let preferred = common & hello.preferred_profiles & policy.preferred;
    let selected_profile = if preferred.is_empty() { common.highest() } else { preferred.highest() };

    if hello.auth_token != policy.auth_token {
        return Err(Reason::Token);
    }
    if !authorize() {
        return Err(Reason::NotAuthorized);
    }

    let asked = hello.max_request_payload;
    if asked > policy.request_payload {
        let (asked, allowed) = (u64::from(asked), u64::from(policy.request_payload));
        return Err(Reason::Limit(LimitExceeded { limit: Limit::RequestPayload, asked, allowed }));
    }

    let packet_size = hello.packet_size.min(policy.packet_size);
    if packet_size as usize <= HEADER_LEN {
        return Err(Reason::PacketSize { offered: hello.packet_size, supported: policy.packet_size });
    }

    Ok(HelloAck {
        server_profiles: policy.profiles,
        intersection: common,
        selected_profile,
        request_payload: asked,
        request_items: hello.max_request_items,
        response_payload: policy.response_payload,
        response_items: hello.max_request_items,
        packet_size,
        padding: 0,
        session_id: 0,
    })
}
