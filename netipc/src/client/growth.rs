//! Limits that grow with what is asked (docs/protocol.md, section 6).
//!
//! Owns the arithmetic: powers of two, within the ceilings, never below what there was.

use crate::session::{Limit, LimitExceeded, Terms};

/// What a deployed server is ready for, in bytes.
pub(super) const SMALLEST: u32 = 1024;
const CEILING: u32 = 1 << 20;
/// Items of a batch; their directory then takes half of the bytes.
const ITEMS_CEILING: u32 = 1 << 16;

/// One limit, in bytes or items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bounded {
    /// What is proposed; 0 for the default.
    now: u32,
    ceiling: u32,
    /// Whether it may grow.
    is_open: bool,
}

impl Bounded {
    const fn open(ceiling: u32) -> Self {
        Self { now: 0, ceiling, is_open: true }
    }

    /// What is set is the law; 0 sets nothing.
    const fn set(self, now: u32) -> Self {
        Self { now, is_open: now == 0, ..self }
    }

    /// The most that it can ever be.
    const fn most(self) -> u32 {
        if self.is_open { self.ceiling } else { self.now }
    }

    /// Has room for `needed` from now on, beyond what is `agreed`; whether it has.
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
    items: Bounded,
    /// The smallest request limit that was proposed for lookups and not agreed on; 0 where none was.
    refused_request: u32,
    /// The response limit that has not grown for lookups.
    last_answers: u32,
}

impl Growth {
    pub(super) const fn new() -> Self {
        let payload = Bounded::open(CEILING);
        let items = Bounded::open(ITEMS_CEILING);
        Self { request: payload, response: payload, items, refused_request: 0, last_answers: 0 }
    }

    pub(super) const fn with_request(self, bytes: u32) -> Self {
        Self { request: self.request.set(bytes), ..self }
    }

    pub(super) const fn with_response(self, bytes: u32) -> Self {
        Self { response: self.response.set(bytes), ..self }
    }

    pub(super) const fn with_items(self, items: u32) -> Self {
        Self { items: self.items.set(items), ..self }
    }

    pub(super) const fn with_items_ceiling(self, items: u32) -> Self {
        Self { items: Bounded { ceiling: items, ..self.items }, ..self }
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

    /// The items of a batch to propose; 0 for the default.
    pub(super) const fn proposed_items(&self) -> u32 {
        self.items.now
    }

    /// The largest request payload that can ever be agreed on, in bytes, and the most items, where these are agreed on now.
    pub(super) fn most_of_a_request(&self, agreed: Option<&Terms>) -> (u32, u32) {
        let (bytes, items) = agreed.map_or((0, 0), |terms| (terms.request_payload, terms.request_items));
        (self.request.most().max(bytes), self.items.most().max(items))
    }

    /// Makes room for a request of `needed` bytes; whether there will be.
    pub(super) fn grow_request(&mut self, agreed: u32, needed: u64) -> bool {
        self.request.grow(agreed, needed)
    }

    /// Makes room for a batch of `needed` items; whether there will be.
    pub(super) fn grow_items(&mut self, agreed: u32, needed: u64) -> bool {
        self.items.grow(agreed, needed)
    }

    /// Makes room for a request that was beyond `limit`; whether there will be.
    pub(super) fn make_room(&mut self, agreed: &Terms, limit: &LimitExceeded) -> bool {
        match limit.limit {
            Limit::RequestPayload => self.grow_request(agreed.request_payload, limit.asked),
            Limit::RequestItems => self.grow_items(agreed.request_items, limit.asked),
            Limit::ResponsePayload | Limit::ResponseItems | Limit::InFlight | Limit::Backlog | Limit::MessageLen => {
                false
            }
        }
    }

    /// Makes room for an answer that is larger than the `agreed` bytes, nobody knows by how much; whether there will be.
    pub(super) fn grow_response(&mut self, agreed: u32) -> bool {
        self.response.grow(agreed, (u64::from(agreed) + 1).max(u64::from(SMALLEST)))
    }

    /// The largest request and response payloads that a lookup may hope for, in bytes, where these are agreed on now.
    pub(super) fn most_of_lookups(&self, agreed: &Terms) -> (u32, u32) {
        let request = if self.refused_request > 0 { 0 } else { self.request.most() };
        let may_grow = self.response.is_open && agreed.response_payload > self.last_answers;
        let response = if may_grow { self.response.most() } else { 0 };
        (request.max(agreed.request_payload), response.max(agreed.response_payload))
    }

    /// The largest request payload that one key may be worth, in bytes: what is less than was refused may be agreed on.
    pub(super) fn most_of_one_key(&self, agreed: &Terms) -> u32 {
        let most = match self.refused_request.checked_sub(1).and_then(u32::checked_ilog2) {
            Some(power) => self.request.most().min(1 << power),
            None => self.request.most(),
        };
        most.max(agreed.request_payload)
    }

    /// Makes room for requests of `needed` bytes, or of as many as there can be; whether that is more than `agreed`.
    pub(super) fn stretch_request(&mut self, agreed: u32, needed: u64) -> bool {
        self.request.grow(agreed, needed.min(self.request.ceiling.into()))
    }

    /// Requests of `proposed` bytes were refused, or agreed on.
    pub(super) fn requests_are_settled(&mut self, proposed: u32, refused: bool) {
        if refused && (self.refused_request == 0 || proposed < self.refused_request) {
            self.refused_request = proposed;
        } else if !refused && proposed >= self.refused_request {
            self.refused_request = 0;
        }
    }

    /// The response limit did not grow beyond `agreed`.
    pub(super) fn answers_are_settled(&mut self, agreed: u32) {
        self.last_answers = self.last_answers.max(agreed);
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
    use super::{CEILING, Growth, ITEMS_CEILING, SMALLEST, Terms};

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
    fn items_grow_by_powers_of_two_up_to_their_ceiling() {
        let mut growth = Growth::new();
        assert!(growth.grow_items(1024, 1025) && growth.proposed_items() == 2048);
        assert!(growth.grow_items(2048, 1 << 16) && growth.proposed_items() == ITEMS_CEILING);
        assert!(!growth.grow_items(ITEMS_CEILING, (1 << 16) + 1));
        assert!(!Growth::new().with_items(10).grow_items(10, 11));
        assert!(Growth::new().with_items_ceiling(1500).grow_items(1024, 1500));
        assert_eq!(Growth::new().with_items(10).with_request(20).most_of_a_request(None), (20, 10));
        assert_eq!(growth.most_of_a_request(None), (CEILING, ITEMS_CEILING));
    }

    #[test]
    fn what_is_set_is_the_law() {
        let mut growth = Growth::new().with_request(4000).with_response(5000);
        assert!(!growth.grow_request(4000, 4001) && !growth.grow_response(5000) && !growth.retreat());
        assert_eq!(growth.proposed(), (4000, 5000));
    }

    #[test]
    fn lookups_hope_for_the_ceilings_until_they_have_tried() {
        let terms = |request, response| {
            let profile = crate::wire::Profiles::BASELINE;
            let (items, packet) = (1024, 1 << 16);
            Terms {
                profile,
                request_payload: request,
                request_items: items,
                response_payload: response,
                response_items: items,
                packet_size: packet,
                session_id: 1,
            }
        };
        let mut growth = Growth::new();
        assert_eq!(growth.most_of_lookups(&terms(1024, 1024)), (CEILING, CEILING));
        assert!(growth.stretch_request(1024, u64::MAX) && growth.proposed().0 == CEILING);
        assert_eq!(growth.most_of_one_key(&terms(1024, 1024)), CEILING);
        growth.requests_are_settled(CEILING, true);
        assert_eq!(growth.most_of_one_key(&terms(1024, 1024)), CEILING / 2);
        growth.requests_are_settled(5000, true);
        growth.requests_are_settled(2048, false);
        assert_eq!(growth.most_of_one_key(&terms(2048, 1024)), 4096);
        assert_eq!(growth.most_of_one_key(&terms(8192, 1024)), 8192);
        growth.answers_are_settled(2048);
        assert_eq!(growth.most_of_lookups(&terms(1024, 2048)), (1024, 2048));
        assert_eq!(growth.most_of_lookups(&terms(4096, 4096)), (4096, CEILING));
        growth.requests_are_settled(5000, false);
        assert_eq!(growth.most_of_one_key(&terms(1024, 1024)), CEILING);
        let mut law = Growth::new().with_request(2000).with_response(3000);
        assert_eq!(law.most_of_one_key(&terms(2000, 3000)), 2000);
        assert_eq!(law.most_of_lookups(&terms(2000, 3000)), (2000, 3000));
        assert!(!law.stretch_request(2000, 2001));
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
