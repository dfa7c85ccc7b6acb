//! Sleeping on a word of memory, and waking who sleeps there.
//!
//! Owns: futex(2) and `futex_waitv(2)` between processes: never with the flag that makes a word private to one. It refuses
//! to loop: that a sleep ended says nothing about why.

use core::time::Duration;

use rustix::io::Errno;
use rustix::thread::futex::{Flags, Wait, WaitFlags, WaitPtr, WaitvFlags, wait, waitv, wake};
use rustix::time::{ClockId, clock_gettime};

use super::SystemError;
use super::socket::timespec;
use crate::sync::OnceLock;
use crate::sync::mapped::AtomicU32;

/// Words that a thread can sleep on at a time.
pub(crate) const MOST_WORDS: usize = 128;

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

/// Sleeps while each of up to [`MOST_WORDS`] words holds what stands beside it: until somebody wakes who sleeps on one of
/// them, the time is up, or a signal comes. At once over where one holds something else. Which word somebody was woken on, as
/// far as that is known: it need not be the only one.
pub(crate) fn sleep_on_any<'a>(
    words: impl IntoIterator<Item = (&'a AtomicU32, u32)>,
    timeout: Option<Duration>,
) -> Result<Option<usize>, SystemError>
where
    // Always so. Compilers don't agree whether a lifetime that is named once could be left out.
    AtomicU32: 'a,
{
    let mut waits = [Wait::new(); MOST_WORDS];
    let mut count = 0;
    for (slot, (word, expected)) in waits.iter_mut().zip(words) {
        // An address that the kernel looks at: it is as safe as the borrow, which lasts until the call is over.
        slot.uaddr = WaitPtr::new(word.as_ptr().cast());
        slot.val = expected.into();
        slot.flags = WaitFlags::SIZE_U32;
        count += 1;
    }
    // A moment, and not a time, is what this call is told.
    let until = timeout.and_then(timespec).and_then(|left| clock_gettime(ClockId::Monotonic).checked_add(left));
    match waitv(waits.get(..count).unwrap_or_default(), WaitvFlags::empty(), until.as_ref(), ClockId::Monotonic) {
        Ok(woken) => Ok(Some(woken)),
        Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => Ok(None),
        Err(errno) => Err(SystemError::new("futex_waitv", errno)),
    }
}

/// Whether the kernel lets a thread [sleep on several words](sleep_on_any): Linux does since 5.16, unless a filter of system
/// calls is in the way.
pub(crate) fn can_sleep_on_any() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    // Nobody ever sleeps for this: the word holds something else.
    *CAN.get_or_init(|| sleep_on_any([(&AtomicU32::new(0), 1)], None).is_ok())
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{MOST_WORDS, can_sleep_on_any, sleep_on, sleep_on_any, wake_at};
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

    #[test]
    fn nobody_sleeps_on_several_words_of_which_one_holds_something_else_or_beyond_the_time() {
        if !can_sleep_on_any() {
            return;
        }
        let words: Vec<_> = (0..MOST_WORDS).map(|_| AtomicU32::new(7)).collect();
        for other in [0, 1, MOST_WORDS - 1] {
            let expected = |at| if at == other { 8 } else { 7 };
            let words = words.iter().enumerate().map(|(at, word)| (word, expected(at)));
            assert_eq!(sleep_on_any(words, None), Ok(None));
        }
        for timeout in [Duration::ZERO, Duration::from_micros(1)] {
            assert_eq!(sleep_on_any(words.iter().map(|word| (word, 7)), Some(timeout)), Ok(None));
        }
        assert_eq!(sleep_on_any([], None).map_err(|error| error.call()), Err("futex_waitv"));
    }

    #[test]
    fn who_sleeps_on_several_words_is_woken_at_each() {
        if !can_sleep_on_any() {
            return;
        }
        let words: Vec<_> = (0..MOST_WORDS).map(|_| AtomicU32::new(0)).collect();
        for woken in [0, 1, 64, MOST_WORDS - 1] {
            std::thread::scope(|scope| {
                let sleeper = scope.spawn(|| {
                    while words[woken].load(Ordering::Acquire) == 0 {
                        let at = sleep_on_any(words.iter().map(|word| (word, 0)), None).unwrap();
                        assert!(at.is_none_or(|at| at == woken));
                    }
                });
                words[woken].store(1, Ordering::Release);
                wake_at(&words[woken], 1);
                sleeper.join().unwrap();
            });
            words[woken].store(0, Ordering::Relaxed);
        }
    }
}
