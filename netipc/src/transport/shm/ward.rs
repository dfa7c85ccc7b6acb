//! Sleeping on many lanes at once.
//!
//! Owns: who lies in a ward, waking whoever has something to do, and what noise costs. It refuses to know what lies there
//! beyond [`Dormant`], to receive, and to make threads: somebody [watches](Ward::watch) it on one of theirs.
//!
//! ```text
//!   whoever serves                       whoever watches
//!   lies down (says so to the peer)      marks the bell, takes in who has come
//!   admit: through the door, rings  -->  looks at each who stirs: wakes those with something to do
//!                                        sleeps on the bell and all words
//! ```
//!
//! A peer may write to its word whatever it likes, as often as it likes, and wake who sleeps there. That makes this thread
//! look for a message, and nothing else. Who is disturbed for nothing [time and again](NOISE) is looked at no more before a
//! [moment](GLANCE) has passed, and again after each noise from then on, until a message comes: so a peer has this thread
//! get up twenty times a second for nothing, and the others do not notice.

#[cfg(all(test, loom))]
mod model;
#[cfg(test)]
mod tests;

use core::iter::once;
use core::mem;
use core::time::Duration;
use std::time::Instant;

use super::lane::{awake, bump, doze};
use super::link::{Berth, GLANCE};
use crate::sync::mapped::AtomicU32;
use crate::sync::{ModelledMutex as Mutex, PoisonError, Word};
use crate::sys::{MOST_WORDS, sleep_on, sleep_on_any, wake_at};
use crate::transport::LinkError;

/// How many can lie in a ward: beside the bell.
pub(crate) const PLACES: usize = MOST_WORDS - 1;
/// Wake-ups in a row without a message that somebody has to its credit. One may come late, when its message has been found
/// already.
const NOISE: u32 = 16;
/// How long to sleep where the kernel lacks memory to watch all words.
const MOMENT: Duration = Duration::from_millis(1);

/// Something that receives, and sleeps without a thread of its own until there is something to.
pub(crate) trait Dormant<W> {
    /// Says that it sleeps from now on, also once more. False where there is no use in that, since there is something to
    /// receive: then it doesn't.
    ///
    /// # Errors
    /// Why there will never be.
    fn lie_down(&mut self) -> Result<bool, LinkError>;

    /// What it sleeps on, and what that holds meanwhile.
    fn word(&self) -> (&W, u32);

    /// Whether it may have been woken.
    fn stirs(&self) -> bool;

    /// Whether nobody has it stir when the peer is gone, so that it must [look](Self::glance) for that.
    fn looks_for_itself(&self) -> bool;

    /// Looks whether the peer is still there. It stirs if not.
    fn glance(&self);

    /// Says that it does not sleep any more.
    fn get_up(&mut self);
}

/// A word that a thread can sleep on beside others.
pub(crate) trait Pillow: Word<u32> {
    /// Sleeps while each word holds what stands beside it, for `timeout` at most; perhaps for less, for no reason at all.
    /// Which of them somebody was woken on, where that is known.
    fn sleep_on_any<'a>(
        words: impl Iterator<Item = (&'a Self, u32)> + Clone,
        timeout: Option<Duration>,
    ) -> Option<usize>
    where
        Self: 'a;

    /// Wakes one who sleeps there.
    fn wake(&self);
}

impl Pillow for AtomicU32 {
    fn sleep_on_any<'a>(
        words: impl Iterator<Item = (&'a Self, u32)> + Clone,
        timeout: Option<Duration>,
    ) -> Option<usize>
    where
        Self: 'a,
    {
        sleep_on_any(words.clone(), timeout).unwrap_or_else(|_| {
            // The call takes memory for each word, which may be wanting for a while. They are looked at after a moment then.
            if let Some((bell, silent)) = words.clone().next() {
                let _ = sleep_on(bell, silent, Some(MOMENT));
            }
            None
        })
    }

    fn wake(&self) {
        wake_at(self, 1);
    }
}

/// Where guests sleep in their berths, and one thread watches.
#[derive(Debug)]
pub(crate) struct Ward<T, D = Berth, W = AtomicU32> {
    /// Tells whoever watches that somebody is at the door, or that it is closed. It is used as a lane uses its signals.
    bell: W,
    door: Mutex<Door<T, D>>,
}

#[derive(Debug)]
struct Door<T, D> {
    arriving: Vec<Bed<T, D>>,
    is_closed: bool,
}

/// Somebody who lies in a ward.
#[derive(Debug)]
struct Bed<T, D> {
    guest: T,
    berth: D,
    /// Wake-ups for nothing so far.
    noise: u32,
    /// Whether its word is not watched for a while.
    is_ignored: bool,
    is_woken: bool,
}

impl<T> Ward<T> {
    /// One in which nobody lies yet.
    pub(crate) fn new() -> Self {
        Self::with_bell(AtomicU32::new(0))
    }
}

impl<T, D: Dormant<W>, W: Pillow> Ward<T, D, W> {
    fn with_bell(bell: W) -> Self {
        Self { bell, door: Mutex::new(Door { arriving: Vec::new(), is_closed: false }) }
    }

    /// Takes in somebody who has [lain down](Dormant::lie_down), or tried to in vain and is woken with the others then,
    /// and gives back whom it can't: it is closed. There must not be more than [`PLACES`] at a time.
    pub(crate) fn admit(&self, guest: T, berth: D) -> Option<(T, D)> {
        {
            let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
            if door.is_closed {
                return Some((guest, berth));
            }
            door.arriving.push(Bed { guest, berth, noise: 0, is_ignored: false, is_woken: false });
        }
        self.ring();
        None
    }

    /// Has everybody woken, and takes in nobody more.
    pub(crate) fn close(&self) {
        self.door.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
        self.ring();
    }

    fn ring(&self) {
        // It pairs with `doze` in `watch`: either that comes later, and then so does the look at the door, or the sleep
        // ends.
        if bump(&self.bell) {
            self.bell.wake();
        }
    }

    /// Sleeps until somebody has something to do, who is given to `wake`, and so on until the ward is closed: then it
    /// wakes all.
    pub(crate) fn watch(&self, mut wake: impl FnMut(T, D)) {
        let mut beds = Vec::new();
        let mut next_look = None;
        loop {
            let silent = doze(&self.bell);
            let is_closed = self.take_in(&mut beds);
            let is_due = next_look.is_some_and(|moment| Instant::now() >= moment);
            let mut at = 0;
            while let Some(bed) = beds.get_mut(at) {
                if !(is_closed || bed.has_something_to_do(is_due)) {
                    at += 1;
                    continue;
                }
                let Bed { guest, mut berth, .. } = beds.swap_remove(at);
                berth.get_up();
                wake(guest, berth);
            }
            if is_closed {
                return;
            }
            if !beds.iter().any(Bed::needs_a_look) {
                next_look = None;
            } else if is_due || next_look.is_none() {
                next_look = Some(Instant::now() + GLANCE);
            }
            let timeout = next_look.map(|moment| moment.saturating_duration_since(Instant::now()));
            let words = beds.iter().filter(|bed| !bed.is_ignored).map(|bed| bed.berth.word());
            let woken = W::sleep_on_any(once((&self.bell, silent)).chain(words), timeout);
            awake(&self.bell, silent);
            // Somebody may have been woken though its word is what it was.
            let woken = woken.and_then(|at| beds.iter_mut().filter(|bed| !bed.is_ignored).nth(at.checked_sub(1)?));
            if let Some(bed) = woken {
                bed.is_woken = true;
            }
        }
    }

    /// Takes in who is at the door; whether it is closed.
    fn take_in(&self, beds: &mut Vec<Bed<T, D>>) -> bool {
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        beds.append(&mut door.arriving);
        debug_assert!(beds.len() <= PLACES, "a place for each");
        door.is_closed
    }
}

impl<T, D> Bed<T, D> {
    fn needs_a_look<W>(&self) -> bool
    where
        D: Dormant<W>,
    {
        self.is_ignored || self.berth.looks_for_itself()
    }

    /// Whether there is no use in sleeping on. `is_due`: whether to look also at who is ignored or looks for itself.
    fn has_something_to_do<W>(&mut self, is_due: bool) -> bool
    where
        D: Dormant<W>,
    {
        if is_due && self.berth.looks_for_itself() {
            self.berth.glance();
        }
        let is_disturbed = mem::take(&mut self.is_woken) || self.berth.stirs();
        if self.is_ignored {
            if !is_due {
                return false;
            }
        } else if is_disturbed {
            self.noise = self.noise.saturating_add(1);
        } else {
            return false;
        }
        match self.berth.lie_down() {
            Ok(true) => {
                self.is_ignored = !self.is_ignored && self.noise > NOISE;
                false
            }
            // Whoever receives finds out what it is.
            Ok(false) | Err(_) => true,
        }
    }
}
