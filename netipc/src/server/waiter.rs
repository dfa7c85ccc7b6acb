//! Threads that sleep in the stead of idle sessions over shared memory.
//!
//! Owns: how many there are, and a place with one of them for each session, where it lies down as often as it has nothing to
//! do; who does so often moves to one with few. It refuses to serve: whoever has something to do goes to the workers.

use core::mem;
use std::thread::JoinHandle;

use super::bound::start;
use super::floor::Floor;
use super::seat::Seat;
use crate::session::{Berth, Dormant, Error, PLACES, Ward};
use crate::sync::{Arc, Mutex, lock};
use crate::sys::SystemError;

/// Words that a waiter watches without being slow.
const CROWD: usize = 32;

/// The waiters of a server.
#[derive(Debug, Default)]
pub(super) struct Waiters(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    waiters: Vec<Waiter>,
    /// Threads that have nobody left, and end.
    leaving: Vec<JoinHandle<()>>,
}

/// One thread, and where it watches.
#[derive(Debug)]
struct Waiter {
    ward: Arc<Ward<Guest>>,
    thread: JoinHandle<()>,
    /// Places that sessions have, wherever they are.
    taken: usize,
}

/// A session that lies in a ward.
#[derive(Debug)]
struct Guest {
    seat: Seat,
    place: Place,
}

/// One session's place with a waiter, until it is dropped.
#[derive(Debug)]
struct Place {
    waiters: Arc<Waiters>,
    ward: Arc<Ward<Guest>>,
}

/// Where a session lies down.
#[derive(Debug)]
pub(super) struct Lodging {
    berth: Berth,
    place: Place,
}

/// What comes of lying down.
#[derive(Debug)]
pub(super) enum Rest {
    /// It sleeps.
    Begun,
    /// There is something to do.
    Useless(Seat),
    /// There never will be.
    Over(Seat, Error),
}

impl Waiters {
    /// A place for the session that sleeps in `berth`; with a new waiter, if need be.
    pub(super) fn lodge(self: &Arc<Self>, floor: &Arc<Floor>, berth: Berth) -> Result<Lodging, SystemError> {
        let mut list = lock(&self.0);
        list.leaving.retain(|thread| !thread.is_finished());
        let free = list.waiters.iter_mut().find(|waiter| waiter.taken < PLACES);
        let ward = if let Some(waiter) = free {
            waiter.taken += 1;
            Arc::clone(&waiter.ward)
        } else {
            let ward: Arc<Ward<Guest>> = Arc::new(Ward::new());
            let (watched, floor) = (Arc::clone(&ward), Arc::clone(floor));
            let thread = start("netipc-wait", move || watched.watch(|guest, berth| guest.wake(berth, &floor)))?;
            list.waiters.push(Waiter { ward: Arc::clone(&ward), thread, taken: 1 });
            ward
        };
        Ok(Lodging { berth, place: Place { waiters: Arc::clone(self), ward } })
    }

    /// Has all waiters send whoever lies there to the workers, and end.
    pub(super) fn close(&self) {
        let List { waiters, leaving } = mem::take(&mut *lock(&self.0));
        waiters.iter().for_each(|waiter| waiter.ward.close());
        // No code of the user's runs there.
        for thread in waiters.into_iter().map(|waiter| waiter.thread).chain(leaving) {
            let _ = thread.join();
        }
    }

    /// A ward with much more room than the one in which somebody has a place, which moves there.
    fn roomier_than(&self, ward: &Arc<Ward<Guest>>) -> Option<Arc<Ward<Guest>>> {
        let mut list = lock(&self.0);
        let at = |list: &List, ward| list.waiters.iter().position(|waiter| Arc::ptr_eq(&waiter.ward, ward));
        let taken = list.waiters.get(at(&list, ward)?)?.taken;
        let roomy = list.waiters.iter_mut().min_by_key(|waiter| waiter.taken)?;
        if taken <= CROWD || roomy.taken > taken / 2 {
            return None;
        }
        roomy.taken += 1;
        let roomy = Arc::clone(&roomy.ward);
        let left = at(&list, ward)?;
        list.waiters.get_mut(left)?.taken -= 1;
        Some(roomy)
    }

    /// A session does not need its place any more.
    fn give_back(&self, ward: &Arc<Ward<Guest>>) {
        let mut list = lock(&self.0);
        // It is not there any more once they are closed.
        let Some(at) = list.waiters.iter().position(|waiter| Arc::ptr_eq(&waiter.ward, ward)) else { return };
        let Some(waiter) = list.waiters.get_mut(at) else { return };
        waiter.taken -= 1;
        if waiter.taken == 0 {
            let waiter = list.waiters.swap_remove(at);
            waiter.ward.close();
            list.leaving.push(waiter.thread);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.waiters.give_back(&self.ward);
    }
}

impl Place {
    /// Goes where fewer sleep, if that makes a difference: to go to sleep takes a waiter the longer, the more words it
    /// watches, and those who have it get up all the time wait for that. So they come to be among themselves.
    fn improve(&mut self) {
        if let Some(ward) = self.waiters.roomier_than(&self.ward) {
            self.ward = ward;
        }
    }
}

impl Guest {
    fn wake(self, berth: Berth, floor: &Floor) {
        let Self { mut seat, place } = self;
        seat.lodge(Lodging { berth, place });
        seat.begin_stint(floor);
        floor.line.join(seat);
    }
}

impl Lodging {
    /// Lays `seat` down, whose lodging this is and which has just found nothing to do, or had its turn. If it `gives_way`
    /// it lies down in any case, and is woken with all who have something to do.
    pub(super) fn lay_down(mut self, mut seat: Seat, gives_way: bool) -> Rest {
        match self.berth.lie_down() {
            Ok(true) => {}
            Ok(false) if gives_way => {}
            Ok(false) => {
                seat.lodge(self);
                return Rest::Useless(seat);
            }
            Err(error) => return Rest::Over(seat, error.into()),
        }
        let Self { berth, mut place } = self;
        place.improve();
        let ward = Arc::clone(&place.ward);
        match ward.admit(Guest { seat, place }, berth) {
            None => Rest::Begun,
            // All is to stop: what it has received already is to be answered.
            Some((Guest { mut seat, place }, mut berth)) => {
                berth.get_up();
                seat.lodge(Self { berth, place });
                Rest::Useless(seat)
            }
        }
    }
}
