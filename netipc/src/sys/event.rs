//! Waiting for many things at once.
//!
//! Owns: epoll(7), eventfd(2) and `timerfd_create(2)`, each a file descriptor that another queue can watch in turn.

use core::time::Duration;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::io::Errno;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use super::socket::timespec;
use super::{During, SystemError};

/// Something that became readable, by the number it was added with.
pub(crate) type Event = u64;

/// Events that are told of at once, at most.
const AT_ONCE: usize = 16;

/// Something to read, told once.
const ONCE: epoll::EventFlags = epoll::EventFlags::IN.union(epoll::EventFlags::RDHUP).union(epoll::EventFlags::ONESHOT);

/// A set of descriptors, of which the ready ones are told.
#[derive(Debug)]
pub(crate) struct EventQueue(OwnedFd);

impl AsFd for EventQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl EventQueue {
    pub(crate) fn new() -> Result<Self, SystemError> {
        epoll::create(epoll::CreateFlags::CLOEXEC).during("epoll_create").map(Self)
    }

    /// Watches `source` for something to read, for as long as it is open.
    pub(crate) fn add(&self, source: impl AsFd, event: Event) -> Result<(), SystemError> {
        let interest = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
        epoll::add(&self.0, source, epoll::EventData::new_u64(event), interest).during("epoll_ctl")
    }

    /// Watches `source` for something to read, and tells of it once: one thread of those that wait is told, and nobody
    /// is again before it is [armed anew](Self::rearm).
    pub(crate) fn add_once(&self, source: impl AsFd, event: Event) -> Result<(), SystemError> {
        epoll::add(&self.0, source, epoll::EventData::new_u64(event), ONCE).during("epoll_ctl")
    }

    /// Tells once more of a source that was [added](Self::add_once) to be told of once; at once, if it is ready.
    pub(crate) fn rearm(&self, source: impl AsFd, event: Event) -> Result<(), SystemError> {
        epoll::modify(&self.0, source, epoll::EventData::new_u64(event), ONCE).during("epoll_ctl")
    }

    /// Watches `source` for more to read: each time that there is, one thread of those that wait is told, once.
    pub(crate) fn add_edge(&self, source: impl AsFd, event: Event) -> Result<(), SystemError> {
        let interest = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&self.0, source, epoll::EventData::new_u64(event), interest).during("epoll_ctl")
    }

    /// Watches `source` for the end of the other side, and for nothing else.
    pub(crate) fn add_for_hang_up(&self, source: impl AsFd, event: Event) -> Result<(), SystemError> {
        epoll::add(&self.0, source, epoll::EventData::new_u64(event), epoll::EventFlags::RDHUP).during("epoll_ctl")
    }

    /// Watches `source` no more.
    pub(crate) fn remove(&self, source: impl AsFd) -> Result<(), SystemError> {
        epoll::delete(&self.0, source).during("epoll_ctl")
    }

    /// One that is ready, each in turn; `None` where the time ran out, part of it did, or a signal came. Without a
    /// timeout it waits for ever.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Result<Option<Event>, SystemError> {
        self.told::<1>(timeout).map(|mut told| told.next())
    }

    /// The same, and others that are ready at that moment.
    pub(crate) fn wait_for_some(&self, timeout: Option<Duration>) -> Result<impl Iterator<Item = Event>, SystemError> {
        self.told::<AT_ONCE>(timeout)
    }

    fn told<const MOST: usize>(
        &self,
        timeout: Option<Duration>,
    ) -> Result<impl Iterator<Item = Event> + use<MOST>, SystemError> {
        // What epoll_wait(2) can be told: the call that takes more is not in every kernel.
        const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);
        let mut events = [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }; MOST];
        let timeout = timeout.map(|timeout| timeout.min(LONGEST)).and_then(timespec);
        let ready = match epoll::wait(&self.0, &mut events[..], timeout.as_ref()) {
            Ok(ready) => ready,
            Err(Errno::INTR) => 0,
            Err(errno) => return Err(SystemError::new("epoll_wait", errno)),
        };
        Ok(events.into_iter().take(ready).map(|event| {
            // The fields are packed.
            let data = event.data;
            data.u64()
        }))
    }
}

/// A flag that can be waited for.
#[derive(Debug)]
pub(crate) struct Signal(OwnedFd);

impl AsFd for Signal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Signal {
    pub(crate) fn new() -> Result<Self, SystemError> {
        eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).during("eventfd").map(Self)
    }

    pub(crate) fn raise(&self) {
        // It fails where the counter is full, and the flag is up then.
        let _ = rustix::io::write(&self.0, &1_u64.to_ne_bytes());
    }

    pub(crate) fn lower(&self) {
        // It fails where the flag is down.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}

/// A moment that can be waited for.
#[derive(Debug)]
pub(crate) struct Timer(OwnedFd);

impl AsFd for Timer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Timer {
    pub(crate) fn new() -> Result<Self, SystemError> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags).during("timerfd_create").map(Self)
    }

    /// Goes off in `after` from now, at once for zero; `None` stops it. Whatever it said before is forgotten.
    pub(crate) fn set(&self, after: Option<Duration>) -> Result<(), SystemError> {
        // Zero would stop it.
        let after = after.map(|after| after.max(Duration::from_nanos(1))).and_then(timespec);
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let times = Itimerspec { it_interval: never, it_value: after.unwrap_or(never) };
        rustix::time::timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &times).during("timerfd_settime").map(drop)
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{AT_ONCE, EventQueue, Signal, Timer};

    fn ready(queue: &EventQueue) -> Option<u64> {
        queue.wait(Some(Duration::ZERO)).unwrap()
    }

    #[test]
    fn a_raised_flag_is_seen_until_it_is_lowered() {
        let (queue, signal) = (EventQueue::new().unwrap(), Signal::new().unwrap());
        queue.add(&signal, 7).unwrap();
        assert_eq!(ready(&queue), None);
        signal.raise();
        signal.raise();
        assert_eq!(ready(&queue), Some(7));
        signal.lower();
        assert_eq!(ready(&queue), None);
        signal.lower();
        signal.raise();
        queue.remove(&signal).unwrap();
        assert_eq!(ready(&queue), None);
    }

    #[test]
    fn all_that_is_ready_is_told_of_at_once_up_to_a_number_and_each_in_turn() {
        let queue = EventQueue::new().unwrap();
        let told = || queue.wait_for_some(Some(Duration::ZERO)).unwrap().collect::<Vec<_>>();
        assert_eq!(told(), []);
        let signals: Vec<_> = (0..AT_ONCE + 3).map(|_| Signal::new().unwrap()).collect();
        for (event, signal) in (0..).zip(&signals) {
            queue.add_once(signal, event).unwrap();
            signal.raise();
        }
        let (first, second) = (told(), told());
        assert_eq!((first.len(), second.len(), told().len()), (AT_ONCE, 3, 0));
        let mut all = [first, second].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..signals.len() as u64));
    }

    #[test]
    fn a_timer_goes_off_once_it_is_set_and_is_silent_when_it_is_stopped() {
        let (queue, timer) = (EventQueue::new().unwrap(), Timer::new().unwrap());
        queue.add(&timer, 1).unwrap();
        assert_eq!(ready(&queue), None);
        timer.set(Some(Duration::ZERO)).unwrap();
        assert_eq!(queue.wait(None).unwrap(), Some(1));
        timer.set(None).unwrap();
        assert_eq!(ready(&queue), None);
        timer.set(Some(Duration::from_secs(3600))).unwrap();
        assert_eq!(ready(&queue), None);
    }

    #[test]
    fn a_queue_can_be_watched_by_another() {
        let (outer, inner, signal) = (EventQueue::new().unwrap(), EventQueue::new().unwrap(), Signal::new().unwrap());
        outer.add(&inner, 2).unwrap();
        inner.add(&signal, 3).unwrap();
        assert_eq!(ready(&outer), None);
        signal.raise();
        assert_eq!((ready(&outer), ready(&inner)), (Some(2), Some(3)));
    }

    #[test]
    fn what_is_told_once_is_told_again_when_it_is_armed_anew() {
        let (queue, signal) = (EventQueue::new().unwrap(), Signal::new().unwrap());
        queue.add_once(&signal, 5).unwrap();
        signal.raise();
        assert_eq!((ready(&queue), ready(&queue)), (Some(5), None));
        signal.raise();
        assert_eq!(ready(&queue), None);
        queue.rearm(&signal, 6).unwrap();
        assert_eq!((ready(&queue), ready(&queue)), (Some(6), None));
    }

    #[test]
    fn what_is_told_by_the_edge_is_told_once_each_time_it_is_raised() {
        let (queue, signal) = (EventQueue::new().unwrap(), Signal::new().unwrap());
        queue.add_edge(&signal, 5).unwrap();
        assert_eq!(ready(&queue), None);
        for _ in 0..3 {
            signal.raise();
            assert_eq!((ready(&queue), ready(&queue)), (Some(5), None));
        }
    }

    #[test]
    fn each_that_is_ready_has_its_turn() {
        let (queue, one, other) = (EventQueue::new().unwrap(), Signal::new().unwrap(), Signal::new().unwrap());
        for (signal, event) in [(&one, 1), (&other, 2)] {
            queue.add(signal, event).unwrap();
            signal.raise();
        }
        let mut found: Vec<_> = (0..4).filter_map(|_| ready(&queue)).collect();
        assert_eq!(found[..2], found[2..]);
        found.sort_unstable();
        assert_eq!(found, [1, 1, 2, 2]);
    }
}
