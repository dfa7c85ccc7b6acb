//! The limit of responses, which grows with what did not fit (docs/protocol.md, section 6).
//!
//! Owns the arithmetic: powers of two, never beyond the ceiling, never back. It refuses to change the terms of a session
//! that there is.

use crate::sync::{Arc, AtomicUsize, Ordering};

/// What later sessions are offered for their responses.
#[derive(Debug)]
pub(super) struct Growth {
    now: Arc<AtomicUsize>,
    ceiling: u32,
}

impl Growth {
    /// It begins with `bytes`, and stays there where the ceiling is not above.
    pub(super) fn new(bytes: u32, ceiling: u32) -> Self {
        let now = usize::try_from(bytes).unwrap_or(usize::MAX);
        Self { now: Arc::new(AtomicUsize::new(now)), ceiling }
    }

    /// The number itself, for whoever offers it.
    pub(super) const fn offered(&self) -> &Arc<AtomicUsize> {
        &self.now
    }

    /// How far it may grow, in bytes.
    pub(super) fn ceiling(&self) -> usize {
        usize::try_from(self.ceiling).unwrap_or(usize::MAX)
    }

    /// An answer of `needed` bytes did not fit: later ones of that size do, if the ceiling allows it.
    pub(super) fn remember(&self, needed: u64) {
        let wanted = needed.checked_next_power_of_two().unwrap_or(u64::MAX).min(self.ceiling.into());
        if wanted >= needed {
            // Relaxed: a client that was told before it connects anew has been told by a system call; for others it is
            // a matter of luck which limit they get.
            self.now.fetch_max(usize::try_from(wanted).unwrap_or(usize::MAX), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Growth;
    use crate::sync::Ordering;

    #[test]
    fn it_grows_to_the_power_of_two_that_is_enough_and_not_beyond_its_ceiling() {
        let growth = Growth::new(1000, 10_000);
        for (needed, offered) in [
            (0, 1000),
            (1000, 1024),
            (1025, 2048),
            (100, 2048),
            (10_001, 2048),
            (u64::MAX, 2048),
            (1 << 63, 2048),
            (8193, 10_000),
            (10_000, 10_000),
        ] {
            growth.remember(needed);
            assert_eq!(growth.offered().load(Ordering::Relaxed), offered, "{needed}");
        }
        for ceiling in [0, 1000] {
            let law = Growth::new(1000, ceiling);
            law.remember(1001);
            assert_eq!(law.offered().load(Ordering::Relaxed), 1000);
        }
    }
}
