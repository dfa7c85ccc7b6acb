//! Threads that serve.
//!
//! Owns: which session a thread serves, for how long, and what it does when all is to stop. It refuses to look at requests.

use core::time::Duration;

use super::batch::{help, see_off};
use super::floor::{Floor, HELP, STOP, Sleeper};
use super::seat::{Patience, Seat, Served};
use crate::session::Deadline;

/// How long a worker stays with a session that has just had an answer, where there are workers enough.
const STAY: Duration = Duration::from_millis(1);
/// Requests of one session that are served while others may wait. Whoever asks one by one may have its next request here as
/// soon as it has its answer, where the kernel happens to let it run at once; by luck it would get so many times what others do.
const AT_A_TIME: u32 = 2;
/// Requests that are answered of a session that is about to end. More than a socket holds: a client that goes on sending
/// is no reason to go on.
const LAST_ONES: u32 = 1024;

/// Serves whatever session has something to do, until all is to stop.
pub(super) fn work(floor: &Floor) {
    loop {
        match floor.crew.rest(|timeout| floor.queue.wait(timeout)) {
            Ok(Some(STOP)) => {
                drain(floor);
                return see_off(floor);
            }
            // The call was made, or a signal came, or a batch is on offer and nobody else needs this worker.
            Ok(Some(HELP) | None) => help(floor),
            Ok(Some(event)) => {
                if let Some(seat) = floor.take(event) {
                    attend(floor, seat);
                }
            }
            // It fails for a queue that is none.
            Err(_) => return,
        }
    }
}

/// Ends all idle sessions, once what they sent before is answered.
pub(super) fn drain(floor: &Floor) {
    while let Some(seat) = floor.take_any() {
        finish(floor, seat);
    }
}

/// Serves a session for as long as it keeps a worker busy and nobody else needs one.
fn attend(floor: &Floor, mut seat: Seat) {
    let mut answered = 0;
    while !floor.is_stopping() {
        let stays = floor.has_workers_for_all();
        if !stays && answered >= AT_A_TIME {
            return floor.put_back(seat);
        }
        let patience = if stays && answered > 0 { Patience::Until(Deadline::after(STAY)) } else { Patience::Now };
        match seat.serve(floor, patience) {
            Served::Request => answered += 1,
            Served::Nothing => return floor.put_back(seat),
            Served::End => return floor.close(seat),
        }
    }
    finish(floor, seat);
}

fn finish(floor: &Floor, mut seat: Seat) {
    answer_the_last(floor, &mut seat);
    floor.close(seat);
}

/// Answers what has been sent already.
fn answer_the_last(floor: &Floor, seat: &mut Seat) {
    for _ in 0..LAST_ONES {
        if seat.serve(floor, Patience::Now) != Served::Request {
            return;
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
        return seat.serve_if(floor, Patience::Until(Deadline::NEVER), || sleeper.get_up());
    }
    if sleeper.get_up() {
        answer_the_last(floor, seat);
    }
    Served::End
}
