//! What the two halves of a session share.

use super::asked::Asked;
use super::error::Error;
use super::status::{Fallback, SessionStatus};
use crate::proto::Terms;
use crate::sync::{Arc, AtomicUsize, OnceLock, Ordering};
use crate::transport::{Abort, Incoming, Link, Outgoing, Wire};

/// One of the sessions that a server may have.
#[derive(Debug)]
pub(super) struct Permit(Arc<AtomicUsize>);

impl Permit {
    /// One more than `taken`, if that is not more than `most`.
    pub(super) fn take(taken: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        // Relaxed: nothing but the number itself depends on it.
        let mut now = taken.load(Ordering::Relaxed);
        loop {
            let more = now.checked_add(1).filter(|&more| more <= most)?;
            match taken.compare_exchange_weak(now, more, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(Self(Arc::clone(taken))),
                Err(other) => now = other,
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a session begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grounds {
    pub(super) terms: Terms,
    pub(super) fallback: Option<Fallback>,
}

/// What the sending and the receiving half both need.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) wire: Arc<dyn Wire>,
    pub(super) terms: Terms,
    pub(super) abort: Abort,
    /// Bytes that a packet has at most.
    pub(super) packet_size: u32,
    fallback: Option<Fallback>,
    in_flight: Asked,
    /// Why the session ended, where it was more than a connection that closed.
    ended: OnceLock<Error>,
    /// Given back with the session.
    _permit: Option<Permit>,
}

impl Shared {
    /// What the halves of `link` share, and those halves.
    pub(super) fn of(
        link: Link,
        grounds: Grounds,
        max_in_flight: usize,
        permit: Option<Permit>,
    ) -> (Arc<Self>, Box<dyn Outgoing>, Box<dyn Incoming>) {
        let Link { outgoing, incoming, wire, abort, packet_size, is_whole } = link;
        let Grounds { terms, fallback } = grounds;
        let packet_size = if is_whole { packet_size } else { terms.packet_size };
        let in_flight = Asked::new(max_in_flight);
        let ended = OnceLock::new();
        let shared = Self { wire, terms, abort, packet_size, fallback, in_flight, ended, _permit: permit };
        (Arc::new(shared), outgoing, incoming)
    }

    /// The terms as they are for whoever puts packets together.
    pub(super) fn framing(&self) -> Terms {
        Terms { packet_size: self.packet_size, ..self.terms }
    }

    pub(super) const fn status(&self) -> SessionStatus {
        SessionStatus { profile: self.terms.profile, fallback: self.fallback }
    }

    pub(super) const fn in_flight(&self) -> &Asked {
        &self.in_flight
    }

    /// # Errors
    /// Why the session has ended.
    #[inline]
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.ended.get() {
            None => Ok(()),
            Some(error) => Err(error.clone()),
        }
    }

    /// Ends the session for both halves and the peer, for this reason or an earlier one.
    #[cold]
    pub(super) fn end(&self, reason: Error) -> Error {
        let reason = self.ended.get_or_init(|| reason).clone();
        self.wire.shut_down();
        reason
    }
}

/// Whether anybody is still at the other end, to be asked while both halves of a session are at work.
#[derive(Debug, Clone)]
pub(crate) struct Lifeline(Arc<Shared>);

impl Lifeline {
    pub(super) fn of(shared: &Arc<Shared>) -> Self {
        Self(Arc::clone(shared))
    }

    /// Whether the peer has closed its end, or the session has ended on this side. It asks the kernel.
    pub(crate) fn has_hung_up(&self) -> bool {
        self.0.ended.get().is_some() || self.0.wire.has_hung_up()
    }
}

/// Ends a session where code of the user's panics while a message of it is sent: the peer could make nothing of the rest, and
/// this side would not know what was sent.
pub(super) struct Sending(Arc<Shared>);

impl Sending {
    pub(super) fn begin(shared: &Arc<Shared>) -> Self {
        Self(Arc::clone(shared))
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end(Error::Unfinished);
        }
    }
}

/// What a session and its halves all tell: the part of each that they share.
macro_rules! common {
    ($($half:ty => $shared:expr;)*) => {$(
        impl $half {
            /// What was agreed on.
            #[must_use]
            pub fn terms(&self) -> &$crate::proto::Terms {
                let shared: fn(&Self) -> &$crate::sync::Arc<$crate::session::shared::Shared> = $shared;
                &shared(self).terms
            }

            /// What it travels over, and what it had to do without.
            #[must_use]
            pub fn status(&self) -> $crate::session::SessionStatus {
                let shared: fn(&Self) -> &$crate::sync::Arc<$crate::session::shared::Shared> = $shared;
                shared(self).status()
            }

            /// Who is at the other end.
            #[must_use]
            pub fn peer(&self) -> $crate::sys::Peer {
                let shared: fn(&Self) -> &$crate::sync::Arc<$crate::session::shared::Shared> = $shared;
                shared(self).wire.peer()
            }

            /// What ends this session, and no other, from another thread. That of its configuration ends it too.
            #[must_use]
            pub fn abort_handle(&self) -> $crate::transport::Abort {
                let shared: fn(&Self) -> &$crate::sync::Arc<$crate::session::shared::Shared> = $shared;
                shared(self).abort.clone()
            }

            /// How many requests wait for their answers.
            #[must_use]
            pub fn in_flight(&self) -> usize {
                let shared: fn(&Self) -> &$crate::sync::Arc<$crate::session::shared::Shared> = $shared;
                shared(self).in_flight().len()
            }
        }

        impl std::os::fd::AsFd for $half {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                let shared: fn(&Self) -> &$crate::sync::Arc<$crate::session::shared::Shared> = $shared;
                shared(self).wire.as_fd()
            }
        }
    )*};
}
pub(super) use common;
