//! Moving packets: bytes out, bytes in, and who is at the other end.
//!
//! Owns: what a link is, the two kinds there are, and how to wait. It refuses to know what is in a packet, but for its
//! length: the header in front of each is the session's.
//!
//! A link is two halves and what both share, so that each half can be a thread's own:
//!
//! ```text
//!   Outgoing ---- packets ---->  peer
//!   Incoming <--- packets -----  peer
//!   Wire: waits for either, ends both, knows the peer
//! ```

mod abort;
mod claim;
mod memory;
mod seqpacket;
mod shm;
mod wait;

use core::fmt::Debug;
use core::num::NonZeroU32;
use std::io::IoSlice;
use std::os::fd::AsFd;

pub use abort::Abort;
pub(crate) use abort::Interrupt;
pub(crate) use claim::{Claim, ClaimError};
pub(crate) use memory::{Counterpart, pair, pair_on_one_thread};
pub use memory::{Fault, Script};
pub(crate) use seqpacket::{Listening, connect, link};
pub use shm::{AttachError, Flaw, FlawRule};
pub(crate) use shm::{Berth, Corrupt, Dormant, PLACES, Region, Room, Ward, Watcher, reclaim};
pub use wait::{Deadline, Wait};

use crate::buf::Writer;
use crate::sync::Arc;
pub(crate) use crate::sys::Readiness;
use crate::sys::{Peer, SystemError};

/// Why a link did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkError {
    /// The peer closed its end. What it had sent before was received.
    #[error("the peer closed the connection")]
    Closed,
    /// A packet without a byte came.
    #[error("the peer sent an empty packet")]
    EmptyPacket,
    /// The deadline passed.
    #[error("timed out")]
    TimedOut,
    /// Somebody used the link's [`Abort`].
    #[error("aborted")]
    Aborted,
    /// A word in shared memory cannot be.
    #[error("shared memory: {0}")]
    Corrupt(Corrupt),
    /// A call into the kernel failed.
    #[error(transparent)]
    System(#[from] SystemError),
}

/// The half of a link that packets go out by.
pub(crate) trait Outgoing: Debug + Send {
    /// Sends one packet, gathered from at most 1,024 parts, and waits for room until the deadline.
    ///
    /// # Errors
    /// Nothing of the packet was sent then.
    fn send(&mut self, packet: &[IoSlice<'_>], deadline: Deadline) -> Result<(), LinkError>;

    /// Sends one packet if there is room; whether it was.
    ///
    /// # Errors
    /// Nothing of the packet was sent then.
    fn try_send(&mut self, packet: &[IoSlice<'_>]) -> Result<bool, LinkError>;

    /// The way to build packets where the peer will read them, if this link has one.
    fn in_place(&mut self) -> Option<&mut dyn InPlace> {
        None
    }
}

/// Building a packet where the peer will read it. It begins once there is room, which stays until something is sent.
pub(crate) trait InPlace {
    /// Whether there is room.
    fn has_room(&mut self) -> Result<bool, LinkError>;

    /// Whether there is none, and the peer will say when there is. One that says nothing shows it by its next message.
    fn is_unread(&mut self) -> bool;

    /// Waits for room until the deadline.
    fn wait_for_room(&mut self, deadline: Deadline) -> Result<(), LinkError>;

    /// Writes up to `most` bytes behind a head of `head` bytes.
    fn body(&mut self, head: usize, most: usize) -> Writer<'_>;

    /// Sends this head, and `len` bytes of what stands behind it.
    fn send(&mut self, head: &[u8], len: usize) -> Result<(), LinkError>;
}

/// How long a packet is that is there to be received, in bytes, where that can be told.
///
/// One word: it is asked for with every message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected(Option<NonZeroU32>);

impl Expected {
    /// It can't be told, not even whether there is one.
    pub(crate) const UNKNOWN: Self = Self(None);

    /// So many bytes, more than 0.
    pub(crate) const fn bytes(bytes: u32) -> Self {
        Self(NonZeroU32::new(bytes))
    }

    /// How many bytes.
    pub(crate) fn len(self) -> Option<usize> {
        self.0.map(|bytes| bytes.get() as usize)
    }
}

/// The half of a link that packets come in by.
pub(crate) trait Incoming: Debug + Send {
    /// How long the next packet is. Waits for it where that can be told before it is received.
    fn expect(&mut self, _deadline: Deadline) -> Result<Expected, LinkError> {
        Ok(Expected::UNKNOWN)
    }

    /// The same without waiting; `None` where there is no packet for certain.
    fn try_expect(&mut self) -> Result<Option<Expected>, LinkError> {
        Ok(Some(Expected::UNKNOWN))
    }

    /// Receives one packet into `head`, and what that has no room for into `body`. Its length, which is larger than
    /// both where its end was cut off.
    fn receive(&mut self, head: &mut [u8], body: &mut [u8], deadline: Deadline) -> Result<usize, LinkError>;

    /// Receives one packet if there is one.
    fn try_receive(&mut self, head: &mut [u8], body: &mut [u8]) -> Result<Option<usize>, LinkError>;

    /// The way to wait for a packet without a thread that does nothing else, if this link has one.
    fn berth(&self) -> Option<Berth> {
        None
    }
}

/// What both halves of a link share.
pub(crate) trait Wire: Debug + Send + Sync + AsFd + Interrupt {
    /// Waits until one of the directions asked for is ready.
    fn wait(&self, asked: Readiness, deadline: Deadline) -> Result<Readiness, LinkError>;

    /// Ends both directions, for the peer and for every thread that waits.
    fn shut_down(&self);

    /// Whether the peer has closed its end, or this one was shut down.
    fn has_hung_up(&self) -> bool;

    /// Whether it is known that the peer never read the last packet that was sent to it, and has closed its end.
    fn was_left_unread(&self) -> bool {
        false
    }

    /// Who is at the other end.
    fn peer(&self) -> Peer;
}

/// A connection that packets travel over.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) outgoing: Box<dyn Outgoing>,
    pub(crate) incoming: Box<dyn Incoming>,
    pub(crate) wire: Arc<dyn Wire>,
    /// Ends this link and nothing else.
    pub(crate) abort: Abort,
    /// The longest packet that can be sent, in bytes.
    pub(crate) packet_size: u32,
    /// Whether messages go as one packet each, whatever packet size was agreed on.
    pub(crate) is_whole: bool,
}
