//! What a session travels over, and what it had to do without.

use crate::sys::SystemError;
use crate::transport::AttachError;
use crate::wire::Profiles;

/// What a session travels over (docs/protocol.md, sections 2 and 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionStatus {
    /// The profile that both sides agreed on: [`Profiles::BASELINE`] is the socket, [`Profiles::SHM_HYBRID`] shared memory.
    pub profile: Profiles,
    /// Why it is not shared memory, where both sides would have had it.
    pub fallback: Option<Fallback>,
}

/// Why a session is without shared memory that both sides would have had.
///
/// Each side knows its own reason only: where a server could not make a region, its client sees a server that offers
/// none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fallback {
    /// This server could not make the region, and offered the baseline instead.
    #[error("no region could be made: {0}")]
    NoRegion(SystemError),
    /// This client could not attach to the region, and connected anew without proposing shared memory.
    #[error("the region could not be attached: {0}")]
    NotAttached(AttachError),
}
