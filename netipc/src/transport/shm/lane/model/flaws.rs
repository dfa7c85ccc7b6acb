//! The same models over words that are spoilt on purpose: each must fail, or it would show nothing.

use super::{Flaw, Start, abort, check, one_way};

fn spoilt(flaw: Flaw) {
    check(3, move || one_way(Start { flaw, ..Start::KNOWN }, 2));
}

macro_rules! fails {
    ($($name:ident: $flaw:ident, $how:literal;)*) => {$(
        #[test]
        #[should_panic(expected = $how)]
        fn $name() {
            spoilt(Flaw::$flaw);
        }
    )*};
}

fails! {
    model_fails_where_seq_is_published_relaxed: Publication, "Corrupt";
    model_fails_where_seq_is_looked_at_relaxed: Arrival, "Corrupt";
    model_fails_where_a_message_is_received_relaxed: Consumption, "Causality violation";
    model_fails_where_room_is_looked_for_relaxed: Room, "Causality violation";
    model_fails_where_a_signal_is_marked_relaxed: Doze, "deadlock";
    model_fails_where_a_signal_is_counted_relaxed: Bump, "deadlock";
    model_fails_where_a_signal_is_counted_in_two_steps: TornBump, "deadlock";
    model_fails_where_a_signal_is_marked_in_two_steps: TornDoze, "deadlock";
    model_fails_where_nothing_is_looked_at_again: Blindness, "deadlock";
    model_fails_where_a_wait_for_room_is_said_in_two_steps: TornRequest, "deadlock";
    model_fails_where_a_message_is_received_in_two_steps: TornConsumption, "deadlock";
    model_fails_where_a_sleep_does_not_look: DeepSleep, "deadlock";
}

/// An abort that a wait for room must not miss.
fn spoilt_abort(flaw: Flaw) {
    check(3, move || {
        abort(Start { flaw, ..Start::KNOWN }, true, |lane, is_over| lane.wait_for_room(false, None, is_over));
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn model_fails_where_a_signal_is_looked_at_relaxed_before_a_wait_for_room() {
    spoilt_abort(Flaw::Glance);
}

#[test]
#[should_panic(expected = "deadlock")]
fn model_fails_where_a_signal_is_counted_relaxed_in_an_abort() {
    spoilt_abort(Flaw::Bump);
}

#[test]
fn model_needs_no_order_of_the_length_itself() {
    // The store of `seq` sees to it. Release is for peers that look at the length first.
    spoilt(Flaw::Length);
}

#[test]
fn model_needs_no_order_where_a_wait_for_room_is_said() {
    // The signal was looked at (Acquire) before, and is counted up (Release) after the wait was seen.
    spoilt(Flaw::Request);
    spoilt_abort(Flaw::Request);
}
