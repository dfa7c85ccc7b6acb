//! How many keys go into the next request.
//!
//! Owns the arithmetic: what keys take in a request, what their items take at least in an answer, and what they took so far.
//! It refuses to send anything: where wider limits would spare many calls, it says so.

use crate::buf::align_up;
use crate::client::Budget;
use crate::service::{ALIGN, ENTRY, FIXED};

/// Limits are widened where that many calls would be left otherwise: another connection takes as long as a few of them.
const WORTH_WIDENING: usize = 8;
/// How often limits grow for one lookup (docs/protocol.md, section 6).
const GROWTHS: u32 = 8;

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// Ask for as many keys; none where not even one fits a request.
    Ask(usize),
    /// Have requests of as many bytes.
    WidenRequests(usize),
    /// Have longer answers, which the server knows of.
    WidenAnswers,
}

/// Keys that fit, and the bytes of their request and of their items if these are only marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Fit {
    keys: usize,
    request: usize,
    marks: usize,
}

/// What is known of the answers.
#[derive(Debug)]
pub(super) struct Planner {
    /// An item without its key.
    base: usize,
    /// What an item took in the last answer.
    each: usize,
    /// What it would have taken if it were marked.
    mark: usize,
    /// Fewer than were asked for without any progress.
    most: usize,
    was_cut: bool,
    growths: u32,
    keeps_requests: bool,
    keeps_answers: bool,
    budget: Option<Budget>,
}

impl Planner {
    /// For items that take `base` bytes and the length of their key if they are only marked.
    pub(super) const fn new(base: usize) -> Self {
        let (keeps_requests, keeps_answers) = (false, false);
        Self {
            base,
            each: 0,
            mark: 0,
            most: usize::MAX,
            was_cut: false,
            growths: 0,
            keeps_requests,
            keeps_answers,
            budget: None,
        }
    }

    /// Requests get no wider.
    pub(super) const fn keep_requests(&mut self) {
        self.keeps_requests = true;
    }

    /// Answers get no longer.
    pub(super) const fn keep_answers(&mut self) {
        self.keeps_answers = true;
    }

    /// The server had no answer for so many keys that it could send: then fewer are asked for, as many as should fit at first.
    pub(super) const fn refuse(&mut self, keys: usize) {
        if self.keeps_answers {
            self.most = if keys > 1 { keys / 2 } else { 1 };
        }
        self.keeps_answers = true;
    }

    /// Whether these are other limits than those of the last plan.
    pub(super) fn would_change(&self, budget: &Budget) -> bool {
        self.budget.is_some_and(|planned| planned.request != budget.request || planned.response != budget.response)
    }

    /// An answer of `bytes` had final items for `answered` of `keys` keys.
    pub(super) fn learn(&mut self, keys: usize, answered: usize, bytes: usize) {
        self.was_cut = answered < keys;
        if answered == 0 {
            self.most = (keys / 2).max(1);
            return;
        }
        self.most = usize::MAX;
        let marks = (keys - answered).saturating_mul(self.mark);
        self.each = bytes.saturating_sub(FIXED).saturating_sub(marks).div_ceil(answered);
    }

    /// What to do about the `left` keys of these lengths.
    pub(super) fn plan(&mut self, lens: impl Iterator<Item = usize> + Clone, left: usize, budget: &Budget) -> Plan {
        self.budget = Some(*budget);
        let now = self.fit(lens.clone(), budget.request, budget.response);
        let may_grow = self.growths < GROWTHS;
        let wider = may_grow && !self.keeps_requests && budget.most_of_request > budget.request;
        let longer = may_grow && !self.keeps_answers && budget.most_of_response > budget.response;
        let request = if wider { budget.most_of_request } else { budget.request };
        let response = if longer { budget.most_of_response } else { budget.response };
        if left == 0 {
            return Plan::Ask(0);
        }
        if now.keys == 0 {
            // Whatever is refused for it will not be proposed again, so that this ends.
            let hoped = self.fit(lens.take(1), budget.most_of_one_key, response);
            if hoped.keys > 0 && hoped.request > budget.request {
                return Plan::WidenRequests(hoped.request);
            }
            return Plan::Ask(0);
        }
        self.mark = now.marks.saturating_sub(FIXED).div_ceil(now.keys);
        if (wider || longer) && self.most == usize::MAX && left / now.keys > WORTH_WIDENING {
            let hoped = self.fit(lens, request, response);
            if hoped.keys / 2 > now.keys {
                if hoped.request > budget.request {
                    self.growths += 1;
                    return Plan::WidenRequests(hoped.request);
                }
                if longer && self.was_cut {
                    self.growths += 1;
                    self.was_cut = false;
                    return Plan::WidenAnswers;
                }
                if hoped.marks > budget.response {
                    // The server will say that this is too long, and has longer answers for whoever connects anew.
                    return Plan::Ask(hoped.keys);
                }
            }
        }
        Plan::Ask(now.keys)
    }

    /// How many of the keys fit such a request, with items that fit such an answer as far as is known. One always fits the
    /// answer: the server will say that it doesn't.
    fn fit(&self, lens: impl Iterator<Item = usize>, request: usize, response: usize) -> Fit {
        let mut fit = Fit { keys: 0, request: FIXED, marks: FIXED };
        let (mut packed, mut expected) = (0, FIXED);
        for len in lens.take(self.most) {
            let entries = FIXED.saturating_add((fit.keys + 1).saturating_mul(ENTRY));
            let end = align_up(packed, ALIGN).saturating_add(len);
            let mark = ENTRY.saturating_add(align_up(self.base.saturating_add(len), ALIGN));
            let expects = expected.saturating_add(self.each.max(mark));
            if entries.saturating_add(end) > request || (fit.keys > 0 && expects > response) {
                break;
            }
            packed = end;
            expected = expects;
            fit =
                Fit { keys: fit.keys + 1, request: entries.saturating_add(end), marks: fit.marks.saturating_add(mark) };
        }
        fit
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Plan, Planner};

    const fn law(request: usize, response: usize) -> Budget {
        Budget { request, response, most_of_request: request, most_of_one_key: request, most_of_response: response }
    }

    fn plan(planner: &mut Planner, lens: &[usize], budget: &Budget) -> Plan {
        planner.plan(lens.iter().copied(), lens.len(), budget)
    }

    #[test]
    fn keys_fill_a_request_to_the_last_byte() {
        // Of five keys of 9 bytes the last one needs no padding: 16 + 5 * 8 + 4 * 16 + 9.
        let needed = 16 + 40 + 64 + 9;
        for (request, keys) in [(0, 0), (16, 0), (32, 0), (33, 1), (needed - 1, 4), (needed, 5), (usize::MAX, 5)] {
            let mut planner = Planner::new(30);
            assert_eq!(plan(&mut planner, &[9; 5], &law(request, usize::MAX)), Plan::Ask(keys), "{request}");
        }
    }

    #[test]
    fn no_more_keys_are_asked_for_than_an_answer_has_marks_for() {
        // Marked, each takes an entry and 40 bytes.
        for (response, keys) in [(0, 1), (16 + 48, 1), (16 + 95, 1), (16 + 96, 2), (16 + 240, 5)] {
            let mut planner = Planner::new(30);
            assert_eq!(plan(&mut planner, &[9; 5], &law(usize::MAX, response)), Plan::Ask(keys), "{response}");
        }
    }

    #[test]
    fn an_answer_that_was_cut_is_a_measure_for_the_next() {
        let (mut planner, budget) = (Planner::new(30), law(usize::MAX, 1024));
        assert_eq!(plan(&mut planner, &[9; 100], &budget), Plan::Ask(21));
        // Five took what 16 marks left of 1,000 bytes: 44 each, which is less than a mark.
        planner.learn(21, 5, 1000);
        assert_eq!(plan(&mut planner, &[9; 95], &budget), Plan::Ask(21));
        planner.learn(21, 1, 16 + 20 * 48 + 200);
        assert_eq!(plan(&mut planner, &[9; 94], &budget), Plan::Ask(5));
        planner.learn(5, 5, 16 + 5 * 60);
        assert_eq!(plan(&mut planner, &[9; 89], &budget), Plan::Ask(16));
    }

    #[test]
    fn without_progress_half_as_many_are_asked_for_until_it_is_one() {
        let (mut planner, budget) = (Planner::new(30), law(usize::MAX, 1024));
        for keys in [21, 10, 5, 2, 1, 1] {
            assert_eq!(plan(&mut planner, &[9; 100], &budget), Plan::Ask(keys));
            planner.learn(keys, 0, 500);
        }
        planner.learn(1, 1, 500);
        assert_eq!(plan(&mut planner, &[9; 100], &budget), Plan::Ask(2));
    }

    #[test]
    fn limits_are_widened_where_that_spares_many_calls_and_no_longer_than_it_helps() {
        let budget = Budget { most_of_request: 1 << 20, most_of_response: 1 << 20, ..law(1024, 1024) };
        let few = [9; 8 * 17];
        let mut planner = Planner::new(30);
        assert_eq!(plan(&mut planner, &few, &budget), Plan::Ask(21));
        let many = vec![9; 100_000];
        assert!(matches!(plan(&mut planner, &many, &budget), Plan::WidenRequests(bytes) if bytes > 500_000));
        // More than the answer can have marks for: the server will grow.
        let wide = Budget { request: 1 << 20, ..budget };
        assert_eq!(plan(&mut planner, &many, &wide), Plan::Ask(((1 << 20) - 16) / 48));
        planner.learn(21_000, 5_000, 1 << 20);
        assert_eq!(plan(&mut planner, &many, &wide), Plan::WidenAnswers);
        // An item took 57 bytes.
        planner.keep_answers();
        assert_eq!(plan(&mut planner, &many, &wide), Plan::Ask(1008 / 57));
        let mut planner = Planner::new(30);
        planner.keep_requests();
        assert_eq!(plan(&mut planner, &many, &budget), Plan::Ask(21));
        // However often it grows, it ends.
        let mut planner = Planner::new(30);
        let widened = (0..20).filter(|_| matches!(plan(&mut planner, &many, &budget), Plan::WidenRequests(_))).count();
        assert_eq!(widened, 8);
    }

    #[test]
    fn a_server_that_refuses_is_asked_for_what_should_fit_and_then_for_half() {
        let (mut planner, budget) = (Planner::new(30), law(usize::MAX, 1024));
        planner.refuse(100_000);
        for keys in [21, 10, 5, 2, 1, 1] {
            assert_eq!(plan(&mut planner, &[9; 100], &budget), Plan::Ask(keys));
            planner.refuse(keys);
        }
    }

    #[test]
    fn a_key_that_fits_no_request_is_a_reason_to_widen_them() {
        let budget = Budget { most_of_one_key: 1000, ..law(100, 1024) };
        let mut planner = Planner::new(30);
        assert_eq!(plan(&mut planner, &[900, 9], &budget), Plan::WidenRequests(16 + 8 + 900));
        assert_eq!(plan(&mut planner, &[900, 9], &law(100, 1024)), Plan::Ask(0));
        assert_eq!(plan(&mut Planner::new(30), &[977], &budget), Plan::Ask(0));
        assert_eq!(plan(&mut Planner::new(30), &[], &budget), Plan::Ask(0));
        assert_eq!(plan(&mut Planner::new(30), &[70, 9], &budget), Plan::Ask(1));
    }
}
