//! The time of day, as file systems tell it.
//!
//! Owns: one number for it. It may be set forward and back while the machine runs, so nothing here waits by it.

use core::time::Duration;

use rustix::time::{ClockId, Timespec};

const NANOS: i64 = 1_000_000_000;

/// Nanoseconds since 1970 began; what is further away than three centuries is that far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WallTime(i64);

impl WallTime {
    #[cfg(test)]
    pub(crate) const EPOCH: Self = Self(0);

    pub(super) const fn new(seconds: i64, nanos: i64) -> Self {
        Self(seconds.saturating_mul(NANOS).saturating_add(nanos))
    }

    pub(crate) fn now() -> Self {
        let now = rustix::time::clock_gettime(ClockId::Realtime);
        Self(nanos(now))
    }

    /// When the machine began, suspended times and all, if the clock had always gone as it goes now.
    pub(super) fn of_boot() -> Self {
        let up = rustix::time::clock_gettime(ClockId::Boottime);
        Self(Self::now().0.saturating_sub(nanos(up)))
    }

    pub(crate) fn later(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }

    #[cfg(test)]
    pub(crate) fn earlier(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX)))
    }
}

const fn nanos(time: Timespec) -> i64 {
    WallTime::new(time.tv_sec, time.tv_nsec).0
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::WallTime;

    #[test]
    fn times_far_away_are_as_far_as_can_be_and_stay_in_order() {
        let (first, last) = (WallTime::new(i64::MIN, 0), WallTime::new(i64::MAX, 999_999_999));
        assert!(first < WallTime::of_boot() && WallTime::of_boot() < WallTime::now() && WallTime::now() < last);
        assert_eq!(last.later(Duration::MAX), last);
        assert_eq!(WallTime::new(3, 999_999_999).later(Duration::from_nanos(1)), WallTime::new(4, 0));
    }
}
