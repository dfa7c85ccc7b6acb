//! Limits that grow with what is asked (docs/protocol.md, section 6.2).
//!
//! Owns the arithmetic: powers of two, within the ceilings, never below what there was.

/// What a deployed server is ready for, in bytes.
pub(super) const SMALLEST: u32 = 1024;
const CEILING: u32 = 1 << 20;

/// One limit, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounded {
    /// What is proposed; 0 for the default.
    now: u32,
    ceiling: u32,
    /// Whether it may grow.
    is_open: bool,
}

impl Bounded {
    const OPEN: Self = Self { now: 0, ceiling: CEILING, is_open: true };

    /// Has room for `needed` bytes from now on, beyond the `agreed` ones; whether it has.
    fn grow(&mut self, agreed: u32, needed: u64) -> bool {
        let wanted = u32::try_from(needed).ok().and_then(u32::checked_next_power_of_two).unwrap_or(u32::MAX);
        let wanted = wanted.min(self.ceiling);
        let grows = self.is_open && wanted > agreed && u64::from(wanted) >= needed;
        if grows {
            self.now = self.now.max(wanted);
        }
        grows
    }
}

/// What is proposed to servers, and how far it may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Growth {
    request: Bounded,
    response: Bounded,
}

impl Growth {
    pub(super) const fn new() -> Self {
        Self { request: Bounded::OPEN, response: Bounded::OPEN }
    }

    pub(super) const fn with_request(self, bytes: u32) -> Self {
        Self { request: Bounded { is_open: bytes == 0, ..Bounded { now: bytes, ..self.request } }, ..self }
    }

    pub(super) const fn with_response(self, bytes: u32) -> Self {
        Self { response: Bounded { is_open: bytes == 0, ..Bounded { now: bytes, ..self.response } }, ..self }
    }

    pub(super) const fn with_request_ceiling(self, bytes: u32) -> Self {
        Self { request: Bounded { ceiling: bytes, ..self.request }, ..self }
    }

    pub(super) const fn with_response_ceiling(self, bytes: u32) -> Self {
        Self { response: Bounded { ceiling: bytes, ..self.response }, ..self }
    }

    /// The request and response payloads to propose, in bytes; 0 for the default.
    pub(super) const fn proposed(&self) -> (u32, u32) {
        (self.request.now, self.response.now)
    }

    /// Makes room for a request of `needed` bytes; whether there will be.
    pub(super) fn grow_request(&mut self, agreed: u32, needed: u64) -> bool {
        self.request.grow(agreed, needed)
    }

    /// Makes room for an answer that is larger than the `agreed` bytes, nobody knows by how much; whether there will be.
    pub(super) fn grow_response(&mut self, agreed: u32) -> bool {
        self.response.grow(agreed, (u64::from(agreed) + 1).max(u64::from(SMALLEST)))
    }

    /// Proposes no more than every server takes; whether that is less.
    pub(super) fn retreat(&mut self) -> bool {
        let retreats = self.request.is_open && self.request.now > SMALLEST;
        if retreats {
            self.request.now = SMALLEST;
        }
        retreats
    }
}

#[cfg(test)]
mod tests {
    use super::{CEILING, Growth, SMALLEST};

    #[test]
    fn what_is_not_set_grows_by_powers_of_two_up_to_its_ceiling() {
        let mut growth = Growth::new();
        assert_eq!(growth.proposed(), (0, 0));
        for (needed, proposed) in [(1025, Some(2048)), (2048, None), (3000, Some(4096)), (1 << 20, Some(CEILING))] {
            let agreed = growth.proposed().0.max(SMALLEST);
            assert_eq!(growth.grow_request(agreed, needed), proposed.is_some(), "{needed}");
            assert_eq!(proposed.unwrap_or(agreed), growth.proposed().0, "{needed}");
        }
        for needed in [(1 << 20) + 1, u64::from(u32::MAX), u64::MAX] {
            assert!(!growth.grow_request(CEILING, needed));
        }
        assert!(growth.grow_response(1024) && growth.proposed().1 == 2048);
        assert!(!growth.grow_response(CEILING));
    }

    #[test]
    fn what_is_set_is_the_law() {
        let mut growth = Growth::new().with_request(4000).with_response(5000);
        assert!(!growth.grow_request(4000, 4001) && !growth.grow_response(5000) && !growth.retreat());
        assert_eq!(growth.proposed(), (4000, 5000));
    }

    #[test]
    fn a_ceiling_that_is_no_power_of_two_is_reached() {
        let mut growth = Growth::new().with_request_ceiling(3000).with_response_ceiling(1500);
        assert!(growth.grow_request(1024, 2500) && growth.proposed().0 == 3000);
        assert!(!growth.grow_request(3000, 3001));
        assert!(growth.grow_response(1024) && growth.proposed().1 == 1500);
        assert!(!growth.grow_response(1500));
    }

    #[test]
    fn who_is_refused_for_its_request_limit_retreats_once() {
        let mut growth = Growth::new();
        assert!(!growth.retreat());
        assert!(growth.grow_request(1024, 9000));
        assert!(growth.retreat() && growth.proposed().0 == SMALLEST);
        assert!(!growth.retreat());
    }
}
