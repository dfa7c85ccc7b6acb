//! Words that a peer must not write.

/// A word of the region that cannot be. The peer broke a rule, or is not what it seems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} at byte {} is {found:#x}", .place.field(), .place.offset())]
pub(crate) struct Corrupt {
    pub(crate) place: Place,
    pub(crate) found: u64,
}

/// A word that the peer writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    ReqSeq,
    RespSeq,
    ReqLen,
    RespLen,
}

impl Place {
    /// Its name in docs/protocol.md.
    pub(crate) const fn field(self) -> &'static str {
        match self {
            Self::ReqSeq => "req_seq",
            Self::RespSeq => "resp_seq",
            Self::ReqLen => "req_len",
            Self::RespLen => "resp_len",
        }
    }

    /// Its first byte in the region.
    pub(crate) const fn offset(self) -> usize {
        match self {
            Self::ReqSeq => 32,
            Self::RespSeq => 40,
            Self::ReqLen => 48,
            Self::RespLen => 52,
        }
    }
}
