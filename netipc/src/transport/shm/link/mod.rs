//! A link over a region, with the socket that the session began on as its lifeline.
//!
//! Owns: how long to look for a message before sleeping, and how the end of the peer, an abort and a deadline reach who
//! waits. It refuses to trust the region for any of that: the kernel says through the socket when the peer is gone.
//!
//! A server has somebody [watch](super::watch) the lifeline and sleeps for as long as there is nothing to do. A client has
//! no threads: it looks at the lifeline itself, between two sleeps of at most [`GLANCE`].

mod dormant;
mod receive;
mod send;

use core::time::Duration;
use std::os::fd::{AsFd, BorrowedFd};

use super::file::RegionFile;
use super::lane::{Corrupt, Lane};
use super::region::Region;
use super::watch::{Watch, Watcher};
use crate::sync::{Arc, AtomicBool, AtomicUsize, OnceLock, Ordering};
use crate::sys::Peer;
use crate::transport::{Deadline, Interrupt, LinkError, Readiness, Wire};
pub(crate) use dormant::Berth;
pub(super) use receive::Receiver;
pub(super) use send::Sender;

/// The longest sleep of somebody who has nobody to watch the lifeline.
pub(super) const GLANCE: Duration = Duration::from_millis(50);
/// The first of the sleeps for room that a peer does not know of; each is twice as long as the one before.
const FIRST_SLEEP: Duration = Duration::from_millis(1);
/// Looks between two looks at the clock.
const LOOKS: u32 = 32;

/// The file of a server's region, which each half of the link has a hold on. What both [share](Shared) has none: whoever
/// watches, or aborts, may be the last to let go of that, and the file is to be gone with the session.
type Hold = Option<Arc<RegionFile>>;

/// What both halves share.
#[derive(Debug)]
pub(super) struct Shared {
    lane: Lane<Arc<Region>>,
    lifeline: Arc<dyn Wire>,
    is_aborted: AtomicBool,
    /// The peer is gone, or this end was shut down.
    has_ended: AtomicBool,
    /// Bytes of the last message that was sent: the peer may be copying them.
    last_sent: AtomicUsize,
    /// Who sleeps in the region, or is about to: threads, and this side itself while it lies in a ward.
    sleepers: AtomicUsize,
    /// Whoever sees to it that the end of the peer is noticed.
    watch: OnceLock<Watch>,
    /// Whose session it is. For a child that was forked off it does not end.
    owner: u32,
}

impl Shared {
    pub(super) fn new(lane: Lane<Arc<Region>>, lifeline: Arc<dyn Wire>) -> Self {
        Self {
            lane,
            lifeline,
            is_aborted: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            last_sent: AtomicUsize::new(0),
            sleepers: AtomicUsize::new(0),
            watch: OnceLock::new(),
            owner: std::process::id(),
        }
    }

    /// Has `watcher` tell of the end of the peer from now on, if it can.
    pub(super) fn watched_by(self: &Arc<Self>, watcher: &Arc<Watcher>) {
        if let Ok(watch) = watcher.watch(self, &*self.lifeline) {
            // Nobody else has set it.
            let _ = self.watch.set(watch);
        }
    }

    pub(super) fn is_watched(&self) -> bool {
        self.watch.get().is_some()
    }

    #[inline]
    fn check(&self) -> Result<(), LinkError> {
        // Acquire: pairs with the Release in `interrupt`.
        if self.is_aborted.load(Ordering::Acquire) { Err(LinkError::Aborted) } else { Ok(()) }
    }

    /// Whether there is no use in waiting.
    fn is_over(&self) -> bool {
        // SeqCst: pairs with the same in `interrupt`, `end` and `asleep`, see there; and what was published before the end
        // is seen.
        self.is_aborted.load(Ordering::SeqCst) || self.has_ended.load(Ordering::SeqCst)
    }

    /// Ends it from this end's point of view.
    pub(super) fn end(&self) {
        // SeqCst: pairs with the same in `is_over`.
        self.has_ended.store(true, Ordering::SeqCst);
        self.lane.rouse();
    }

    /// Has whoever still sleeps look up once more; whether anybody does.
    ///
    /// Once is enough among friends. But a peer can write to a signal what it held before, just when somebody who has
    /// looked for the end goes to sleep on it, and so undo the wake-up.
    pub(super) fn rouse_again(&self) -> bool {
        // SeqCst: pairs with the same in `asleep`.
        let are_asleep = self.sleepers.load(Ordering::SeqCst) > 0;
        if are_asleep {
            self.lane.rouse();
        }
        are_asleep
    }

    /// Does what may sleep, and is counted meanwhile. Either it sees the end, in `is_over`, or whoever told of the end
    /// finds it here.
    fn asleep<R>(&self, sleep: impl FnOnce() -> R) -> R {
        // SeqCst: of this and the look at the end, and the end and the look at this, one comes first.
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let slept = sleep();
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        slept
    }

    /// Looks whether the peer is still there.
    fn glance(&self) {
        if self.lifeline.has_hung_up() {
            self.has_ended.store(true, Ordering::SeqCst);
        }
    }

    /// Whether something can be sent.
    ///
    /// # Errors
    /// Why nothing ever can any more.
    #[inline]
    fn has_room(&self) -> Result<bool, LinkError> {
        self.check_open()?;
        Ok(self.lane.has_room())
    }

    /// # Errors
    /// Why nothing can be sent any more.
    #[inline]
    fn check_open(&self) -> Result<(), LinkError> {
        // Acquire: pairs with the Release in `end` and `glance`. Before the check: who sees the end that an abort brought
        // sees the abort.
        let has_ended = self.has_ended.load(Ordering::Acquire);
        self.check()?;
        if has_ended { Err(LinkError::Closed) } else { Ok(()) }
    }

    /// What can be done without waiting; after the end anything, since it fails at once.
    fn ready(&self, asked: Readiness) -> Result<Readiness, LinkError> {
        self.check()?;
        let has_ended = self.has_ended.load(Ordering::Acquire);
        Ok(Readiness {
            readable: asked.readable && self.lane.has_arrived() || has_ended,
            writable: asked.writable && self.lane.has_room() || has_ended,
        })
    }

    /// Sleeps until there is room, or if so asked a message, for a while; `sleep` is how long a peer is waited for that
    /// does not know of it.
    fn wait_for_room(&self, or_message: bool, deadline: Deadline, sleep: &mut Duration) -> Result<(), LinkError> {
        let left = deadline.left();
        if left == Some(Duration::ZERO) {
            return Err(LinkError::TimedOut);
        }
        let longest = if !self.lane.peer_marks() {
            let now = *sleep;
            *sleep = GLANCE.min(now * 2);
            Some(now)
        } else if self.is_watched() {
            None
        } else {
            Some(GLANCE)
        };
        self.asleep(|| self.lane.wait_for_room(or_message, shorter(left, longest), || self.is_over()));
        if !self.is_watched() && !self.is_over() {
            self.glance();
        }
        Ok(())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if std::process::id() == self.owner {
            self.lane.say_farewell();
        }
        if let Some(watch) = self.watch.get() {
            watch.forget(&*self.lifeline);
        }
    }
}

#[cfg(test)]
impl Shared {
    pub(super) fn has_been_told(&self) -> bool {
        self.has_ended.load(Ordering::SeqCst)
    }

    /// Sleeps on the signal of what comes in, as it is after `prepare`, whatever was said meanwhile.
    pub(super) fn sleep_deaf(&self, prepare: impl FnOnce()) {
        use super::lane::Ground;

        self.asleep(|| {
            prepare();
            let signal = self.lane.ground().incoming().signal;
            // Whoever tells has changed it before, and wakes after that: only the next time is heard.
            for _ in 0..2 {
                Arc::<Region>::sleep(signal, signal.load(Ordering::SeqCst), None);
            }
        });
    }
}

fn shorter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

impl From<Corrupt> for LinkError {
    fn from(corrupt: Corrupt) -> Self {
        Self::Corrupt(corrupt)
    }
}

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lifeline.as_fd()
    }
}

impl Interrupt for Shared {
    fn interrupt(&self) {
        // SeqCst: pairs with the same in `is_over`, and with the Acquire in `check`.
        self.is_aborted.store(true, Ordering::SeqCst);
        self.lifeline.shut_down();
        self.lane.rouse();
    }
}

impl Wire for Shared {
    fn wait(&self, asked: Readiness, deadline: Deadline) -> Result<Readiness, LinkError> {
        let mut sleep = FIRST_SLEEP;
        loop {
            let ready = self.ready(asked)?;
            if ready != Readiness::default() {
                return Ok(ready);
            }
            self.wait_for_room(asked.readable, deadline, &mut sleep)?;
        }
    }

    fn shut_down(&self) {
        self.lifeline.shut_down();
        self.end();
    }

    fn has_hung_up(&self) -> bool {
        self.has_ended.load(Ordering::Acquire) || self.lifeline.has_hung_up()
    }

    fn peer(&self) -> Peer {
        self.lifeline.peer()
    }
}
