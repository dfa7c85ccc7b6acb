//! The line of those that wait for a worker.
//!
//! Owns: whose turn it is, and waking a worker when there is one for it. It refuses to know who is idle.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};

use crate::sync::{AtomicUsize, Mutex, Ordering, lock};
use crate::sys::{Signal, SystemError};

/// Whoever has something to do and no worker yet, in order.
///
/// Its descriptor tells one thread each time that somebody has come while a worker rested.
#[derive(Debug)]
pub(super) struct Line<T> {
    waiting: Mutex<VecDeque<T>>,
    /// Raised for each of whom a worker at rest is to be told.
    signal: Signal,
    /// Workers at rest, or about to be. It counts up under the lock.
    resting: AtomicUsize,
}

impl<T> AsFd for Line<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.signal.as_fd()
    }
}

impl<T> Line<T> {
    pub(super) fn new() -> Result<Self, SystemError> {
        Ok(Self { waiting: Mutex::default(), signal: Signal::new()?, resting: AtomicUsize::new(0) })
    }

    /// Somebody comes to the end of the line. A worker that rests is told; the others look for themselves.
    pub(super) fn join(&self, somebody: T) {
        let is_resting = {
            let mut waiting = lock(&self.waiting);
            waiting.push_back(somebody);
            self.has_resting()
        };
        if is_resting {
            self.signal.raise();
        }
    }

    /// Whose turn it is. If others are left, one more worker at rest is told: it may have been told once of many.
    pub(super) fn next(&self) -> Option<T> {
        let (next, is_resting) = {
            let mut waiting = lock(&self.waiting);
            (waiting.pop_front()?, !waiting.is_empty() && self.has_resting())
        };
        if is_resting {
            self.signal.raise();
        }
        Some(next)
    }

    /// Lets a worker rest, unless somebody waits; whether it may.
    pub(super) fn begin_rest(&self) -> bool {
        // Under the lock: whoever comes later finds it resting.
        let waiting = lock(&self.waiting);
        if waiting.is_empty() {
            // Relaxed: the lock has seen to the order.
            self.resting.fetch_add(1, Ordering::Relaxed);
        }
        waiting.is_empty()
    }

    /// It has been told of something.
    pub(super) fn end_rest(&self) {
        // Relaxed: who finds it resting too long tells somebody for nothing.
        self.resting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether a worker has nothing to do.
    pub(super) fn has_resting(&self) -> bool {
        self.resting.load(Ordering::Relaxed) > 0
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::Line;
    use crate::sys::EventQueue;

    #[test]
    fn who_rests_is_told_once_for_each_who_waits_and_nobody_is_where_nobody_rests() {
        let (queue, line) = (EventQueue::new().unwrap(), Line::new().unwrap());
        queue.add_edge(&line, 1).unwrap();
        let told = || queue.wait(Some(Duration::ZERO)).unwrap();
        line.join('a');
        assert_eq!((told(), line.begin_rest(), line.next(), line.next()), (None, false, Some('a'), None));
        assert!(line.begin_rest() && line.begin_rest());
        line.join('b');
        line.join('c');
        // As if nobody had had the time to look.
        assert_eq!((told(), told()), (Some(1), None));
        line.end_rest();
        assert_eq!((line.next(), told(), told()), (Some('b'), Some(1), None));
        line.end_rest();
        assert_eq!((line.next(), line.next(), told(), line.has_resting()), (Some('c'), None, None, false));
    }
}
