//! The file descriptor of an end in memory.
//!
//! Owns: being readable whenever there is something to see at the end, also when that is a matter of time alone. It
//! refuses to decide what there is to see.

use std::os::fd::{AsFd, BorrowedFd};

use crate::sync::Arc;
use crate::sys::{EventQueue, Signal, SystemError, Timer};
use crate::transport::Deadline;

/// A descriptor that is readable or not.
#[derive(Debug)]
pub(super) struct Bell {
    signal: Signal,
    /// Where packets are delayed, a timer for the next of them, and a queue that watches both.
    later: Option<(Timer, EventQueue)>,
}

impl Bell {
    pub(super) fn new(has_delays: bool) -> Result<Self, SystemError> {
        let signal = Signal::new()?;
        if !has_delays {
            return Ok(Self { signal, later: None });
        }
        let (timer, queue) = (Timer::new()?, EventQueue::new()?);
        queue.add(&signal, 0)?;
        queue.add(&timer, 1)?;
        Ok(Self { signal, later: Some((timer, queue)) })
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.later {
            None => self.signal.as_fd(),
            Some((_, queue)) => queue.as_fd(),
        }
    }
}

/// What a bell shows. Kept under the lock of what it tells of, so that it never shows what was.
#[derive(Debug)]
pub(super) struct Level {
    bell: Arc<Bell>,
    is_up: bool,
    due: Option<Deadline>,
}

impl Level {
    pub(super) const fn of(bell: Arc<Bell>) -> Self {
        Self { bell, is_up: false, due: None }
    }

    /// Readable from now on, or from `due` on, or not.
    pub(super) fn show(&mut self, is_up: bool, due: Option<Deadline>) {
        if is_up != self.is_up {
            self.is_up = is_up;
            if is_up { self.bell.signal.raise() } else { self.bell.signal.lower() }
        }
        if due != self.due {
            self.due = due;
            if let Some((timer, _)) = &self.bell.later {
                // It fails for a time that is none, and what is left is always one.
                let _ = timer.set(due.and_then(Deadline::left));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{Bell, Level};
    use crate::sync::Arc;
    use crate::sys::EventQueue;
    use crate::transport::Deadline;

    fn watched(has_delays: bool) -> (EventQueue, Level) {
        let (queue, bell) = (EventQueue::new().unwrap(), Arc::new(Bell::new(has_delays).unwrap()));
        queue.add(&*bell, 5).unwrap();
        (queue, Level::of(bell))
    }

    fn is_readable(queue: &EventQueue) -> bool {
        queue.wait(Some(Duration::ZERO)).unwrap().is_some()
    }

    #[test]
    fn it_shows_what_it_was_told_last() {
        for has_delays in [false, true] {
            let (queue, mut level) = watched(has_delays);
            for is_up in [false, true, true, false, true, false] {
                level.show(is_up, None);
                assert_eq!(is_readable(&queue), is_up);
            }
        }
    }

    #[test]
    fn it_becomes_readable_when_the_time_has_come_and_forgets_it_when_it_is_told_to() {
        let (queue, mut level) = watched(true);
        level.show(false, Some(Deadline::after(Duration::from_secs(3600))));
        assert!(!is_readable(&queue));
        level.show(false, Some(Deadline::after(Duration::from_millis(1))));
        assert_eq!(queue.wait(None).unwrap(), Some(5));
        assert!(is_readable(&queue));
        level.show(false, None);
        assert!(!is_readable(&queue));
    }

    #[test]
    fn a_time_beyond_the_clock_never_comes() {
        let (queue, mut level) = watched(true);
        level.show(false, Some(Deadline::NEVER));
        assert!(!is_readable(&queue));
    }
}
