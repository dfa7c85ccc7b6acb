//! Shared memory: a region for each session, and the link over it (docs/protocol.md, section 4).
//!
//! Owns: making regions, attaching to them, removing what the dead left behind, and moving packets through them. It
//! refuses to know what is in a packet, and to trust anything that it finds in a region before it is bounded.
//!
//! ```text
//!   link      how long to look before sleeping, deadlines, aborts, the end of the peer
//!   lane      the words: publish, receive, who is woken              (no unsafe code; modelled)
//!   region    the mapping: words and areas                           (all the unsafe code)
//!   header    where the areas are, whose the region is               (values)
//!   ward      sleeping on many lanes at once                           (modelled)
//!   file, owner, reclaim, watch   the file, who lives, what is left of the dead, who is gone
//! ```

mod file;
mod header;
mod lane;
mod link;
mod owner;
mod reclaim;
mod region;
mod ward;
mod watch;

use super::{Abort, Interrupt, Link, LinkError, Wait};
use crate::endpoint::Endpoint;
use crate::sync::{Arc, Weak};
use crate::sys::{File, Mapping, SystemError};
use file::RegionFile;
pub use header::{Flaw, Rule as FlawRule};
use header::{HEADER_LEN, Header, Owner};
pub(crate) use lane::Corrupt;
use lane::{Lane, Side};
pub(crate) use link::Berth;
use link::{Receiver, Sender, Shared};
pub(crate) use reclaim::reclaim;
use region::{Inbox, Outbox};
pub(crate) use ward::{Dormant, PLACES, Ward};
pub(crate) use watch::Watcher;

/// Why a client could not use the region of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// The file could not be opened or mapped.
    #[error(transparent)]
    System(#[from] SystemError),
    /// It is no region.
    #[error("no region: {0}")]
    Flaw(#[from] Flaw),
    /// An area has no room for the largest message that was agreed on.
    #[error("{field} is {capacity}, and messages have up to {needed} bytes")]
    Small {
        /// The word of the header, by its name in docs/protocol.md.
        field: &'static str,
        /// What it says, in bytes.
        capacity: u32,
        /// What was agreed on, in bytes.
        needed: u64,
    },
}

impl AttachError {
    /// Whether the region may only not be complete yet.
    pub(crate) const fn is_unready(&self) -> bool {
        matches!(self, Self::Flaw(flaw) if flaw.is_unready())
    }

    /// Whether there is none.
    pub(crate) const fn is_absent(&self) -> bool {
        matches!(self, Self::System(error) if error.is_nothing_there())
    }
}

/// The payloads that a region has room for, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) request: u32,
    pub(crate) response: u32,
}

/// One side's hold on a region, for the link that is to be.
#[derive(Debug)]
pub(crate) struct Region {
    /// Begins here, so that it misses nothing that the peer publishes before there is a link.
    lane: Lane<Arc<region::Region>>,
    outbox: Outbox,
    inbox: Inbox,
    file: Option<RegionFile>,
}

impl Region {
    /// Makes the region of a session, complete.
    ///
    /// # Errors
    /// What the machine lacks for it, or who is in the way; nothing is left behind.
    pub(crate) fn create(endpoint: &Endpoint, session_id: u64, room: Room) -> Result<Self, SystemError> {
        let header = Header::new(Owner::this_process(), room.request, room.response);
        let header = header.ok_or(SystemError::region_too_large())?;
        let (file, opened) = RegionFile::create(endpoint.region_path(session_id), |file| {
            // A write to a page that has no room in the file system would raise SIGBUS.
            file.allocate(header.region_len() as u64)?;
            file.write_start(&header.encode())
        })?;
        let mapping = Mapping::new(&opened, header.region_len())?;
        Self::new(mapping, &header, Side::Server, Some(file)).ok_or(SystemError::region_too_large())
    }

    /// Attaches to the region of a session.
    ///
    /// # Errors
    /// Why it can't be used.
    pub(crate) fn attach(endpoint: &Endpoint, session_id: u64, room: Room) -> Result<Self, AttachError> {
        let file = File::open(&endpoint.region_path(session_id))?;
        let len = file.facts()?.len;
        let mut bytes = [0; HEADER_LEN];
        let read = file.read_start(&mut bytes)?;
        // A file that was cut off meanwhile.
        let len = if read < HEADER_LEN { read as u64 } else { len };
        let header = Header::parse(&bytes, len)?;
        for (field, capacity, payload) in [
            ("request_capacity", header.request.capacity, room.request),
            ("response_capacity", header.response.capacity, room.response),
        ] {
            let needed = header::message_len(payload);
            if u64::from(capacity) < needed {
                return Err(AttachError::Small { field, capacity, needed });
            }
        }
        let mapping = Mapping::new(&file, header.region_len())?;
        Self::new(mapping, &header, Side::Client, None).ok_or_else(|| SystemError::region_too_large().into())
    }

    fn new(mapping: Mapping, header: &Header, side: Side, file: Option<RegionFile>) -> Option<Self> {
        let (region, outbox, inbox) = region::Region::new(mapping, header, side)?;
        Some(Self { lane: Lane::new(region, side), outbox, inbox, file })
    }

    /// The link over this region whose lifeline is `link`. A server has `watcher` watch it.
    ///
    /// # Errors
    /// [`LinkError::Aborted`] where `abort` was used.
    pub(crate) fn join(
        self,
        link: Link,
        wait: Wait,
        abort: &Abort,
        watcher: Option<&Arc<Watcher>>,
    ) -> Result<Link, LinkError> {
        let Self { lane, outbox, inbox, file } = self;
        let file = file.map(Arc::new);
        let shared = Arc::new(Shared::new(lane, link.wire));
        let as_target: Weak<dyn Interrupt> = Arc::downgrade(&shared) as _;
        link.abort.watch(Weak::clone(&as_target))?;
        abort.watch(as_target)?;
        if let Some(watcher) = watcher {
            shared.watched_by(watcher);
        }
        Ok(Link {
            outgoing: Box::new(Sender::new(Arc::clone(&shared), outbox, file.clone())),
            incoming: Box::new(Receiver::new(Arc::clone(&shared), inbox, wait, file)),
            wire: shared,
            abort: link.abort,
            packet_size: u32::MAX,
            is_whole: true,
        })
    }
}
