//! A slow, obvious decoder and encoder of the declared services' payloads (docs/protocol.md, section 5), and beside them the
//! same for the conversation that carries them (sections 1 and 2).
//!
//! Written from that page alone, and sharing no line with the crates under test: what both say is right twice, where they
//! differ one of them is wrong. Owns: which payloads are accepted, and what they say. Refuses: to be clever or fast.

mod apps_lookup;
pub(crate) mod bytes;
mod cgroups_lookup;
pub mod handshake;
mod increment;
pub(crate) mod labels;
pub(crate) mod lookup;
pub mod packets;
mod snapshot;
mod string_reverse;

pub use apps_lookup::{AppsLookupItem, AppsLookupRequest, AppsLookupResponse};
pub use bytes::{Reason, Text};
pub use cgroups_lookup::{CgroupsLookupItem, CgroupsLookupRequest, CgroupsLookupResponse};
pub use increment::Increment;
pub use labels::Label;
pub use snapshot::{Snapshot, SnapshotItem, SnapshotRequest};
pub use string_reverse::StringReverse;

/// The eight kinds of payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Message {
    /// `increment`, both ways.
    Increment,
    /// `string-reverse`, both ways.
    StringReverse,
    /// What `cgroups-snapshot` is asked.
    SnapshotRequest,
    /// What it answers.
    Snapshot,
    /// What `cgroups-lookup` is asked.
    CgroupsLookupRequest,
    /// What it answers.
    CgroupsLookupResponse,
    /// What `apps-lookup` is asked.
    AppsLookupRequest,
    /// What it answers.
    AppsLookupResponse,
}

/// What a payload says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload<'a> {
    /// See [`Message::Increment`].
    Increment(Increment),
    /// See [`Message::StringReverse`].
    StringReverse(StringReverse<'a>),
    /// See [`Message::SnapshotRequest`].
    SnapshotRequest(SnapshotRequest),
    /// See [`Message::Snapshot`].
    Snapshot(Snapshot<'a>),
    /// See [`Message::CgroupsLookupRequest`].
    CgroupsLookupRequest(CgroupsLookupRequest<'a>),
    /// See [`Message::CgroupsLookupResponse`].
    CgroupsLookupResponse(CgroupsLookupResponse<'a>),
    /// See [`Message::AppsLookupRequest`].
    AppsLookupRequest(AppsLookupRequest),
    /// See [`Message::AppsLookupResponse`].
    AppsLookupResponse(AppsLookupResponse<'a>),
}

impl Message {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Increment,
        Self::StringReverse,
        Self::SnapshotRequest,
        Self::Snapshot,
        Self::CgroupsLookupRequest,
        Self::CgroupsLookupResponse,
        Self::AppsLookupRequest,
        Self::AppsLookupResponse,
    ];

    /// What the vectors call it.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Increment => "increment",
            Self::StringReverse => "string_reverse",
            Self::SnapshotRequest => "cgroups_snapshot_request",
            Self::Snapshot => "cgroups_snapshot_response",
            Self::CgroupsLookupRequest => "cgroups_lookup_request",
            Self::CgroupsLookupResponse => "cgroups_lookup_response",
            Self::AppsLookupRequest => "apps_lookup_request",
            Self::AppsLookupResponse => "apps_lookup_response",
        }
    }

    /// The message that the vectors call `kind`, if it is one of these.
    #[must_use]
    pub fn of_kind(kind: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|message| message.kind() == kind)
    }

    /// Decodes a payload of this kind.
    ///
    /// # Errors
    ///
    /// The first rule that the payload breaks.
    pub fn decode(self, payload: &[u8]) -> Result<Payload<'_>, Reason> {
        Ok(match self {
            Self::Increment => Payload::Increment(Increment::decode(payload)?),
            Self::StringReverse => Payload::StringReverse(StringReverse::decode(payload)?),
            Self::SnapshotRequest => Payload::SnapshotRequest(SnapshotRequest::decode(payload)?),
            Self::Snapshot => Payload::Snapshot(Snapshot::decode(payload)?),
            Self::CgroupsLookupRequest => Payload::CgroupsLookupRequest(CgroupsLookupRequest::decode(payload)?),
            Self::CgroupsLookupResponse => Payload::CgroupsLookupResponse(CgroupsLookupResponse::decode(payload)?),
            Self::AppsLookupRequest => Payload::AppsLookupRequest(AppsLookupRequest::decode(payload)?),
            Self::AppsLookupResponse => Payload::AppsLookupResponse(AppsLookupResponse::decode(payload)?),
        })
    }
}

impl Payload<'_> {
    /// The canonical payload that says this.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Increment(value) => value.encode(),
            Self::StringReverse(value) => value.encode(),
            Self::SnapshotRequest(value) => value.encode(),
            Self::Snapshot(value) => value.encode(),
            Self::CgroupsLookupRequest(value) => value.encode(),
            Self::CgroupsLookupResponse(value) => value.encode(),
            Self::AppsLookupRequest(value) => value.encode(),
            Self::AppsLookupResponse(value) => value.encode(),
        }
    }
}
