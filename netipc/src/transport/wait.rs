//! How long to wait, and how.
//!
//! Owns: deadlines, and the judgement whether trying again and again is worth while with this peer. It refuses to look
//! at the clock on its own account: it is told how long things took.
//!
//! ```text
//!                 an answer came quickly
//!               .------------------------.
//!               v                        |
//!   resting --> trying -- too many late answers --> resting, longer each time
//!      ^          a blocking wait was short, and the rest is over
//! ```

use core::time::Duration;
use std::time::Instant;

/// When a call gives up.
///
/// One deadline may stand for many calls: what one of them used up the next has no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// Waits as long as it takes.
    pub const NEVER: Self = Self(None);

    /// Gives up at this moment.
    #[must_use]
    pub const fn at(moment: Instant) -> Self {
        Self(Some(moment))
    }

    /// Gives up when this time has passed from now on; beyond what the clock can say, never.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now().checked_add(duration))
    }

    /// The time that is left: `None` for ever, zero when it is over.
    #[must_use]
    pub fn left(self) -> Option<Duration> {
        self.0.map(|moment| moment.saturating_duration_since(Instant::now()))
    }

    /// The time that is left from `now` on, for whoever has just looked at the clock.
    pub(super) fn left_at(self, now: Instant) -> Option<Duration> {
        self.0.map(|moment| moment.saturating_duration_since(now))
    }

    /// Whether it is over.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.left() == Some(Duration::ZERO)
    }

    /// The earlier of both.
    #[must_use]
    pub fn or_earlier(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(one), Some(another)) => Self(Some(one.min(another))),
            (one, another) => Self(one.or(another)),
        }
    }
}

impl From<Duration> for Deadline {
    fn from(duration: Duration) -> Self {
        Self::after(duration)
    }
}

/// What a thread does while a message has not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Wait {
    /// Sleeps in the kernel until it comes. Costs no processor time; being woken takes 20 to 60 microseconds where the
    /// peer runs on another core.
    #[default]
    Block,
    /// Looks for it again and again, giving the processor away in between, as long as this peer's recent answers have
    /// come soon enough for that to be worth while; then sleeps.
    Adaptive,
    /// Looks for it all the time in shared memory, and gives the processor away to whoever else can use it; costs one
    /// whole processor while a call waits. Over a socket the same as [`Adaptive`](Self::Adaptive).
    Always,
}

/// How long to go on trying for a message before sleeping.
const TRYING: Duration = Duration::from_micros(50);
/// The same, for the rest of a message: the peer may have to be woken, and has to copy a packet.
const TRYING_FOR_THE_REST: Duration = Duration::from_micros(100);
/// A message that comes sooner was worth the trying: being woken takes longer.
const QUICK: Duration = Duration::from_micros(20);
/// A blocking wait shorter than this may have been nothing but two wake-ups, of the peer and of this thread.
const TWO_WAKES: Duration = Duration::from_micros(120);
/// Late answers in a row that end the trying, when it has been worth while before.
const PATIENCE: u32 = 8;
/// The same, when it is only being tried out. The peer needs some of them to find out itself.
const TRIAL: u32 = 4;
/// Waits between two trials that failed, at first and at most.
const REST: u32 = 16;
const LONGEST_REST: u32 = 4096;

/// Whether it is worth while to try again and again.
#[derive(Debug)]
pub(super) struct Adaptive {
    /// How long to go on trying.
    trying: Duration,
    /// What comes sooner was worth the trying.
    quick: Duration,
    /// Late answers that are still put up with.
    credit: u32,
    /// Waits until the next trial.
    rest: u32,
    /// How long the rest after the next failed trial is.
    next_rest: u32,
}

impl Adaptive {
    /// For messages.
    pub(super) const fn new() -> Self {
        Self { trying: TRYING, quick: QUICK, credit: TRIAL, rest: 0, next_rest: REST }
    }

    /// For the rest of a message, which the peer is busy sending.
    pub(super) const fn for_the_rest() -> Self {
        Self { trying: TRYING_FOR_THE_REST, quick: TRYING_FOR_THE_REST, ..Self::new() }
    }

    /// How long to go on trying before sleeping.
    pub(super) const fn trying(&self) -> Duration {
        self.trying
    }

    pub(super) const fn is_trying(&self) -> bool {
        self.credit > 0
    }

    /// Trying found a message after this time.
    pub(super) const fn found(&mut self, after: Duration) {
        if after.as_nanos() <= self.quick.as_nanos() {
            self.credit = PATIENCE;
            self.next_rest = REST;
        } else {
            self.missed();
        }
    }

    /// Trying took too long, or found a message late.
    pub(super) const fn missed(&mut self) {
        self.credit = self.credit.saturating_sub(1);
        if self.credit == 0 {
            self.rest = self.next_rest;
            let longer = self.next_rest.saturating_mul(4);
            self.next_rest = if longer < LONGEST_REST { longer } else { LONGEST_REST };
        }
    }

    /// A wait without trying took this long.
    pub(super) const fn blocked(&mut self, took: Duration) {
        if self.rest > 0 {
            self.rest -= 1;
        } else if took.as_nanos() < TWO_WAKES.as_nanos() {
            self.credit = TRIAL;
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::time::Instant;

    use super::{Adaptive, Deadline, LONGEST_REST, PATIENCE, REST, TRIAL};

    const SOON: Duration = Duration::from_micros(3);
    const LATE: Duration = Duration::from_micros(30);
    const LONG: Duration = Duration::from_millis(1);

    #[test]
    fn a_deadline_beyond_the_clock_is_never() {
        assert_eq!(Deadline::after(Duration::MAX), Deadline::NEVER);
        assert_eq!((Deadline::NEVER.left(), Deadline::NEVER.has_passed()), (None, false));
        assert!(Deadline::after(Duration::ZERO).has_passed());
        assert!(!Deadline::from(Duration::from_secs(3600)).has_passed());
    }

    #[test]
    fn the_earlier_deadline_counts() {
        let now = Instant::now();
        let (early, late) = (Deadline::at(now), Deadline::at(now + LONG));
        for (one, other, earlier) in [
            (early, late, early),
            (late, early, early),
            (Deadline::NEVER, late, late),
            (late, Deadline::NEVER, late),
            (Deadline::NEVER, Deadline::NEVER, Deadline::NEVER),
        ] {
            assert_eq!(one.or_earlier(other), earlier);
        }
    }

    #[test]
    fn quick_answers_keep_it_trying_and_late_ones_end_it() {
        let mut adaptive = Adaptive::new();
        for _ in 0..1000 {
            assert!(adaptive.is_trying());
            adaptive.found(SOON);
        }
        for missed in 0..PATIENCE {
            assert!(adaptive.is_trying(), "{missed}");
            if missed % 2 == 0 { adaptive.missed() } else { adaptive.found(LATE) }
        }
        assert!(!adaptive.is_trying());
    }

    #[test]
    fn trials_that_fail_grow_rare() {
        let mut adaptive = Adaptive::new();
        let (mut tried, mut waits) = (0, 0_u32);
        for _ in 0..100_000 {
            waits += 1;
            if adaptive.is_trying() {
                tried += 1;
                adaptive.found(LATE);
            } else {
                adaptive.blocked(LATE);
            }
        }
        let most = TRIAL * (2 + 4 + waits / LONGEST_REST);
        assert!(tried > TRIAL && tried <= most, "{tried} of {waits}");
    }

    #[test]
    fn a_peer_that_always_takes_long_is_never_tried_after_the_first_time() {
        let mut adaptive = Adaptive::new();
        for _ in 0..TRIAL {
            assert!(adaptive.is_trying());
            adaptive.missed();
        }
        for _ in 0..100_000 {
            adaptive.blocked(LONG);
            assert!(!adaptive.is_trying());
        }
        adaptive.blocked(LATE);
        assert!(adaptive.is_trying());
    }

    #[test]
    fn the_rest_of_a_message_may_take_longer_than_its_beginning() {
        let (mut first, mut rest) = (Adaptive::new(), Adaptive::for_the_rest());
        for _ in 0..100 {
            first.found(LATE);
            rest.found(LATE);
        }
        assert_eq!((first.is_trying(), rest.is_trying()), (false, true));
    }

    #[test]
    fn after_a_success_the_next_rest_is_short_again() {
        let mut adaptive = Adaptive::new();
        for _ in 0..3 {
            while adaptive.is_trying() {
                adaptive.missed();
            }
            while !adaptive.is_trying() {
                adaptive.blocked(LATE);
            }
        }
        adaptive.found(SOON);
        while adaptive.is_trying() {
            adaptive.missed();
        }
        let mut rest = 0;
        while !adaptive.is_trying() {
            adaptive.blocked(LATE);
            rest += 1;
        }
        assert_eq!(rest, REST + 1);
    }
}
