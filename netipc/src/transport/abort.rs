//! Freeing threads that wait.
//!
//! Owns: which links, listeners and attempts to connect an [`Abort`] ends. It keeps none of them alive, so it can't end
//! one that has got the file descriptor of another.

use core::fmt::{self, Debug};
use core::time::Duration;

use crate::sync::{Arc, Condvar, Mutex, PoisonError, Weak, lock};

/// Something that can be made to end at once, whatever thread waits in it.
pub(crate) trait Interrupt: Debug + Send + Sync {
    /// Ends it. Every call that waits in it, and every later one, reports that it was aborted.
    fn interrupt(&self);
}

/// Ends what it watches over, from any thread.
///
/// It is given to sessions and listeners with their configuration, and may watch over many of them. A call that waits in
/// one returns at once, without having looked for this in between: the connection itself is shut down.
///
/// An abort is final for the sessions and listeners that exist: they end. It stays, so that whatever is made with it
/// later ends too, until [`reset`](Self::reset).
#[derive(Clone, Default)]
pub struct Abort(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    aborted: Condvar,
}

#[derive(Default)]
struct State {
    is_aborted: bool,
    watched: Vec<Weak<dyn Interrupt>>,
    /// How many there were when the dead among them were last dropped.
    living: usize,
}

/// Somebody used the [`Abort`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Aborted;

impl Abort {
    /// One that watches over nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends all that this and its clones watch over.
    pub fn abort(&self) {
        let watched = {
            let mut state = lock(&self.0.state);
            state.is_aborted = true;
            self.0.aborted.notify_all();
            core::mem::take(&mut state.watched)
        };
        for target in watched {
            // Holding it open keeps its descriptor from being given to another file meanwhile.
            if let Some(target) = target.upgrade() {
                target.interrupt();
            }
        }
    }

    /// Whether it was used since it was made or reset.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        lock(&self.0.state).is_aborted
    }

    /// Lets what is made from now on live. What was ended stays so.
    pub fn reset(&self) {
        lock(&self.0.state).is_aborted = false;
    }

    /// Ends `target` too when it is used; at once if it was.
    pub(crate) fn watch(&self, target: Weak<dyn Interrupt>) -> Result<(), Aborted> {
        let mut state = lock(&self.0.state);
        if state.is_aborted {
            drop(state);
            if let Some(target) = target.upgrade() {
                target.interrupt();
            }
            return Err(Aborted);
        }
        // The dead are dropped each time that their number could have doubled: a constant cost each.
        if state.watched.len() > 2 * state.living + 8 {
            state.watched.retain(|target| target.strong_count() > 0);
            state.living = state.watched.len();
        }
        state.watched.push(target);
        Ok(())
    }

    /// Waits for as long, or until it is used.
    pub(crate) fn sleep(&self, duration: Duration) -> Result<(), Aborted> {
        let state = lock(&self.0.state);
        let waited = self.0.aborted.wait_timeout_while(state, duration, |state| !state.is_aborted);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.is_aborted { Err(Aborted) } else { Ok(()) }
    }
}

impl Debug for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Abort").field("is_aborted", &self.is_aborted()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{Abort, Aborted, Interrupt};
    use crate::sync::{Arc, AtomicUsize, Ordering, Weak, lock};

    #[derive(Debug, Default)]
    struct Target(AtomicUsize);

    impl Interrupt for Target {
        fn interrupt(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn weak(target: &Arc<Target>) -> Weak<dyn Interrupt> {
        let target: Arc<dyn Interrupt> = Arc::clone(target) as _;
        Arc::downgrade(&target)
    }

    #[test]
    fn all_that_lives_is_ended_once_and_what_comes_later_at_once() {
        let (abort, early, late, spared) = (Abort::new(), Arc::default(), Arc::default(), Arc::default());
        abort.watch(weak(&early)).unwrap();
        abort.watch(weak(&Arc::default())).unwrap();
        abort.clone().abort();
        abort.abort();
        assert_eq!((early.0.load(Ordering::Relaxed), abort.is_aborted()), (1, true));
        assert_eq!(abort.watch(weak(&late)), Err(Aborted));
        assert_eq!(late.0.load(Ordering::Relaxed), 1);
        abort.reset();
        assert_eq!((abort.watch(weak(&spared)), abort.is_aborted()), (Ok(()), false));
        assert_eq!(spared.0.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_dead_take_no_room() {
        let (abort, living) = (Abort::new(), Arc::default());
        abort.watch(weak(&living)).unwrap();
        for _ in 0..10_000 {
            abort.watch(weak(&Arc::default())).unwrap();
        }
        assert!(lock(&abort.0.state).watched.len() < 32);
        abort.abort();
        assert_eq!(living.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn whoever_sleeps_is_woken() {
        let abort = Abort::new();
        assert_eq!(abort.sleep(Duration::ZERO), Ok(()));
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| abort.sleep(Duration::from_secs(3600)));
            abort.abort();
            assert_eq!(sleeper.join().unwrap(), Err(Aborted));
        });
    }
}
