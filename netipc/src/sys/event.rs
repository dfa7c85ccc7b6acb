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

    /// Watches `source` no more.
    pub(crate) fn remove(&self, source: impl AsFd) -> Result<(), SystemError> {
        epoll::delete(&self.0, source).during("epoll_ctl")
    }

    /// What is ready, 16 at a time; nothing where the time ran out or a signal came. `None` waits for ever.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Result<impl Iterator<Item = Event> + use<>, SystemError> {
        let mut events = [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }; 16];
        let timeout = timeout.and_then(timespec);
        let found = match epoll::wait(&self.0, &mut events[..], timeout.as_ref()) {
            Ok(found) => found,
            Err(Errno::INTR) => 0,
            Err(errno) => return Err(SystemError::new("epoll_wait", errno)),
        };
        Ok(events.into_iter().take(found).map(|event| {
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

    use super::{EventQueue, Signal, Timer};

    fn ready(queue: &EventQueue) -> Vec<u64> {
        queue.wait(Some(Duration::ZERO)).unwrap().collect()
    }

    #[test]
    fn a_raised_flag_is_seen_until_it_is_lowered() {
        let (queue, signal) = (EventQueue::new().unwrap(), Signal::new().unwrap());
        queue.add(&signal, 7).unwrap();
        assert_eq!(ready(&queue), []);
        signal.raise();
        signal.raise();
        assert_eq!(ready(&queue), [7]);
        signal.lower();
        assert_eq!(ready(&queue), []);
        signal.lower();
        signal.raise();
        queue.remove(&signal).unwrap();
        assert_eq!(ready(&queue), []);
    }

    #[test]
    fn a_timer_goes_off_once_it_is_set_and_is_silent_when_it_is_stopped() {
        let (queue, timer) = (EventQueue::new().unwrap(), Timer::new().unwrap());
        queue.add(&timer, 1).unwrap();
        assert_eq!(ready(&queue), []);
        timer.set(Some(Duration::ZERO)).unwrap();
        assert_eq!(queue.wait(None).unwrap().collect::<Vec<_>>(), [1]);
        timer.set(None).unwrap();
        assert_eq!(ready(&queue), []);
        timer.set(Some(Duration::from_secs(3600))).unwrap();
        assert_eq!(ready(&queue), []);
    }

    #[test]
    fn a_queue_can_be_watched_by_another() {
        let (outer, inner, signal) = (EventQueue::new().unwrap(), EventQueue::new().unwrap(), Signal::new().unwrap());
        outer.add(&inner, 2).unwrap();
        inner.add(&signal, 3).unwrap();
        assert_eq!(ready(&outer), []);
        signal.raise();
        assert_eq!((ready(&outer), ready(&inner)), (vec![2], vec![3]));
    }
}
