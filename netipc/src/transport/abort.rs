//! Freeing threads that wait.
//!
//! Owns: which links, listeners and attempts to connect an [`Abort`] ends. It keeps none of them alive, so it can't end
//! one that has got the file descriptor of another.

use core::fmt::{self, Debug};
use core::time::Duration;

use super::LinkError;
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
    /// How often it was used.
    uses: u64,
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
            state.uses += 1;
            state.living = 0;
            self.0.aborted.notify_all();
            core::mem::take(&mut state.watched)
        };
        // The latest first: what stands on a link has to know of the abort before that link's end shows.
        for target in watched.into_iter().rev() {
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

    /// A handle of its own for `target`, which this ends too; at once if it was used.
    pub(crate) fn watch_alone(&self, target: &Weak<dyn Interrupt>) -> Result<Self, Aborted> {
        let alone = Self::new();
        alone.watch(Weak::clone(target))?;
        self.watch(Weak::clone(target))?;
        Ok(alone)
    }

    /// Begins something that it ends too when it is used, though there is nothing to interrupt yet.
    pub(crate) fn attempt(&self) -> Result<Attempt<'_>, Aborted> {
        let state = lock(&self.0.state);
        if state.is_aborted { Err(Aborted) } else { Ok(Attempt { abort: self, uses: state.uses }) }
    }
}

/// Something that was begun. It ends with the next use of its [`Abort`], though that be reset before anyone looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt<'a> {
    abort: &'a Abort,
    uses: u64,
}

impl Attempt<'_> {
    /// Whether it may go on.
    pub(crate) fn check(&self) -> Result<(), Aborted> {
        self.sleep(Duration::ZERO)
    }

    /// Waits for as long, or until the end.
    pub(crate) fn sleep(&self, duration: Duration) -> Result<(), Aborted> {
        let shared = &self.abort.0;
        let is_going_on = |state: &mut State| state.uses == self.uses;
        let waited = shared.aborted.wait_timeout_while(lock(&shared.state), duration, is_going_on);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if is_going_on(&mut state) { Ok(()) } else { Err(Aborted) }
    }
}

impl From<Aborted> for LinkError {
    fn from(_: Aborted) -> Self {
        Self::Aborted
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
    use crate::sync::{Arc, AtomicUsize, Mutex, Ordering, Weak, lock};

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

    #[derive(Debug)]
    struct Named(&'static str, Arc<Mutex<Vec<&'static str>>>);

    impl Interrupt for Named {
        fn interrupt(&self) {
            lock(&self.1).push(self.0);
        }
    }

    #[test]
    fn what_stands_on_something_else_is_ended_before_it() {
        let (abort, ended) = (Abort::new(), Arc::default());
        let targets: Vec<Arc<dyn Interrupt>> =
            ["socket", "region"].map(|name| Arc::new(Named(name, Arc::clone(&ended))) as _).into();
        for target in &targets {
            abort.watch(Arc::downgrade(target)).unwrap();
        }
        abort.abort();
        assert_eq!(*lock(&ended), ["region", "socket"]);
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
        assert_eq!(abort.attempt().unwrap().sleep(Duration::ZERO), Ok(()));
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| abort.attempt().and_then(|attempt| attempt.sleep(Duration::from_secs(3600))));
            abort.abort();
            assert_eq!(sleeper.join().unwrap(), Err(Aborted));
        });
    }

    #[test]
    fn what_was_begun_before_ends_though_the_abort_is_reset_before_it_looks() {
        let abort = Abort::new();
        let early = abort.attempt().unwrap();
        assert_eq!(early.check(), Ok(()));
        abort.abort();
        assert!(abort.attempt().is_err());
        abort.reset();
        assert_eq!((early.check(), early.sleep(Duration::from_secs(3600))), (Err(Aborted), Err(Aborted)));
        let late = abort.attempt().unwrap();
        assert_eq!((late.check(), late.sleep(Duration::from_nanos(1))), (Ok(()), Ok(())));
    }

    #[test]
    fn whoever_sleeps_is_woken_though_the_abort_is_reset_at_once() {
        let abort = Abort::new();
        for _ in 0..100 {
            let attempt = abort.attempt().unwrap();
            std::thread::scope(|scope| {
                let sleeper = scope.spawn(|| attempt.sleep(Duration::from_secs(3600)));
                abort.abort();
                abort.reset();
                assert_eq!(sleeper.join().unwrap(), Err(Aborted));
            });
        }
    }
}
