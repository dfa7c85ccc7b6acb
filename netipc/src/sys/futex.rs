//! Sleeping on a word of memory, and waking who sleeps there.
//!
//! Owns: futex(2) between processes: never with the flag that makes it private to one. It refuses to loop: that a sleep
//! ended says nothing about why.

use core::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex::{Flags, wait, wake};

use super::SystemError;
use super::socket::timespec;
use crate::sync::mapped::AtomicU32;

/// Sleeps while `word` holds `expected`: until somebody wakes who sleeps there, the time is up, or a signal comes. At once
/// over where it holds something else.
pub(crate) fn sleep_on(word: &AtomicU32, expected: u32, timeout: Option<Duration>) -> Result<(), SystemError> {
    match wait(word, Flags::empty(), expected, timeout.and_then(timespec).as_ref()) {
        Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(()),
        Err(errno) => Err(SystemError::new("futex", errno)),
    }
}

/// Wakes up to `most` of those that sleep on `word`.
pub(crate) fn wake_at(word: &AtomicU32, most: u32) {
    // It fails for a word outside of memory, which a reference is not.
    let _ = wake(word, Flags::empty(), most);
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{sleep_on, wake_at};
    use crate::sync::Ordering;
    use crate::sync::mapped::AtomicU32;

    #[test]
    fn nobody_sleeps_on_another_value_or_beyond_the_time() {
        let word = AtomicU32::new(7);
        assert_eq!(sleep_on(&word, 8, None), Ok(()));
        assert_eq!(sleep_on(&word, 7, Some(Duration::ZERO)), Ok(()));
        assert_eq!(sleep_on(&word, 7, Some(Duration::from_micros(1))), Ok(()));
    }

    #[test]
    fn who_sleeps_is_woken() {
        let word = AtomicU32::new(0);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                while word.load(Ordering::Acquire) == 0 {
                    sleep_on(&word, 0, None).unwrap();
                }
            });
            word.store(1, Ordering::Release);
            wake_at(&word, 1);
            sleeper.join().unwrap();
        });
    }
}
