//! Threads that serve.
//!
//! Owns: which session a thread serves, for how long, and what it does when all is to stop. It refuses to look at requests.

use core::time::Duration;
use std::time::Instant;

use super::batch::{help, see_off};
use super::bound::start;
use super::floor::{Floor, Sleeper, Turn};
use super::report::Report;
use super::seat::{Patience, Seat, Served};
use crate::session::Deadline;
use crate::sync::{Arc, Mutex, lock};

/// How long a worker stays with a session that has just had an answer, where nobody else needs it.
const STAY: Duration = Duration::from_millis(1);
/// The same where each session can have a worker to itself. To be woken from a waiter or by the queue takes longer than from
/// within the session, and a client that is kept from running for a while is no idle one yet.
const LONG_STAY: Duration = Duration::from_millis(10);
/// Requests of a session over shared memory that are served while others may wait, if they take no longer than [`TURN`]. To
/// look for the next one costs nothing there, and to lie down and be woken for it the more. Over a socket it costs a call to
/// the kernel, which tells of it as soon.
const AT_A_TIME: u32 = 8;
const TURN: Duration = Duration::from_micros(20);
/// Requests that are served between two looks at the clock.
const UNTIMED: u32 = 64;
/// Requests that are answered of a session that is about to end. More than a socket holds: a client that goes on sending
/// is no reason to go on.
const LAST_ONES: u32 = 1024;

/// Serves whatever session has something to do, until all is to stop.
pub(super) fn work(floor: &Arc<Floor>) {
    let mut looked = Instant::now();
    loop {
        match floor.turn(&mut looked) {
            Turn::Serve(seat) => attend(floor, seat),
            Turn::Help => help(floor),
            Turn::Stop => {
                drain(floor);
                return see_off(floor);
            }
        }
    }
}

/// Ends all idle sessions, once what they sent before is answered.
pub(super) fn drain(floor: &Floor) {
    while let Some(seat) = floor.take_any() {
        finish(floor, seat);
    }
}

/// Serves a session for as long as it keeps a worker busy and nobody else needs that one.
fn attend(floor: &Arc<Floor>, mut seat: Seat) {
    let (begun, mut answered) = (Instant::now(), 0_u32);
    // Until when it stays, and whether that is to be said anew, because there was a request since.
    let (mut until, mut is_stale) = (None, false);
    while !floor.is_stopping() {
        let stays = floor.has_worker_to_spare();
        // What is left of an answer is looked after first.
        if has_had_its_turn(floor, &seat, (begun, answered), stays) && !seat.is_unsent() {
            return floor.put_back(seat);
        }
        let patience = if stays && answered > 0 {
            Patience::Until(*until.get_or_insert_with(|| Deadline::after(stay(floor))))
        } else {
            Patience::Now
        };
        match seat.serve(floor, patience) {
            Served::Request => {
                answered = answered.saturating_add(1);
                // While there are requests there is no need for the clock, if only no sleep is to end soon: to set the
                // processor's timer to a new moment takes longer than a call.
                is_stale = true;
                until = until.filter(|_| answered % UNTIMED != 0);
            }
            Served::Nothing if until.is_some() && (is_stale || floor.looks_always_for(&seat)) => {
                (until, is_stale) = (None, false);
            }
            Served::Nothing => return floor.put_back(seat),
            // Whoever asks ahead reads its answers soon.
            Served::Blocked => match seat.unblock_within(floor, STAY) {
                Served::End => return floor.close(seat),
                Served::Blocked => return set_aside(floor, seat),
                Served::Request | Served::Nothing => {}
            },
            Served::End => return floor.close(seat),
        }
    }
    finish(floor, seat);
}

/// Whether somebody else comes first now, if anybody does.
fn has_had_its_turn(floor: &Floor, seat: &Seat, (begun, answered): (Instant, u32), stays: bool) -> bool {
    if answered == 0 {
        return false;
    }
    if stays {
        // A worker that has nothing to do says little of those whom a waiter has to wake first.
        return !floor.has_workers_for_all() && seat.has_had_its_share(floor);
    }
    !seat.is_lodged() || answered >= AT_A_TIME || begun.elapsed() >= TURN
}

/// Has a thread wait for a client that does not read, so that no worker has to.
fn set_aside(floor: &Arc<Floor>, seat: Seat) {
    // A thread that can't be had hands nothing back.
    let place = Arc::new(Mutex::new(Some(seat)));
    let (waiting, at_work) = (Arc::clone(&place), Arc::clone(floor));
    let thread = start("netipc-blocked", move || {
        let seat = lock(&waiting).take();
        await_reader(&at_work, seat);
    });
    match thread {
        Ok(thread) => floor.remember(thread),
        Err(error) => {
            let seat = lock(&place).take();
            if let Some(seat) = &seat {
                let peer = seat.session().peer();
                floor.tell(Report::WorkerWaits { session_id: seat.id(), peer, error: error.into() });
            }
            await_reader(floor, seat);
        }
    }
}

fn await_reader(floor: &Floor, seat: Option<Seat>) {
    let Some(mut seat) = seat else { return };
    if !seat.unblock(floor) {
        return floor.close(seat);
    }
    if seat.is_pending() {
        floor.line.join(seat);
    } else {
        floor.put_back(seat);
    }
    // The workers may have had their last look.
    if floor.is_stopping() {
        drain(floor);
    }
}

fn stay(floor: &Floor) -> Duration {
    if floor.has_workers_for_all() { LONG_STAY } else { STAY }
}

fn finish(floor: &Floor, mut seat: Seat) {
    answer_the_last(floor, &mut seat);
    floor.close(seat);
}

/// Answers what has been sent already.
fn answer_the_last(floor: &Floor, seat: &mut Seat) {
    for _ in 0..LAST_ONES {
        match seat.serve(floor, Patience::Now) {
            Served::Request => {}
            Served::Blocked if seat.unblock(floor) => {}
            Served::Blocked | Served::Nothing | Served::End => return,
        }
    }
}

/// Serves one session over shared memory, until it is over or all is to stop.
pub(super) fn sit(floor: &Floor, mut seat: Seat, sleeper: &Sleeper) {
    let id = seat.id();
    while await_and_serve(floor, &mut seat, sleeper) == Served::Request {}
    drop(seat);
    floor.forget_sleeper(id);
}

fn await_and_serve(floor: &Floor, seat: &mut Seat, sleeper: &Sleeper) -> Served {
    sleeper.lie_down();
    if !floor.is_stopping() {
        return seat.serve_if(floor, || sleeper.get_up());
    }
    if sleeper.get_up() {
        answer_the_last(floor, seat);
    }
    Served::End
}
