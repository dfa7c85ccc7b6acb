//! Who could help whom: the batches that are open to workers with nothing to do, and what is known of the cost of items.
//!
//! Owns: the offers, the waking of who may take them up, and the buffers that helpers write in. It refuses to look at
//! items, and to wake anybody for what is done before they are awake.

use core::fmt;
use core::time::Duration;

use super::batch::Job;
use crate::service::Service;
use crate::session::look_for_memory;
use crate::sync::{Arc, AtomicUsize, Condvar, Mutex, Ordering, PoisonError, lock};
use crate::sys::{EventQueue, Signal, SystemError};
use crate::wire::Method;

/// What it takes to wake a thread on a processor that sleeps.
const WAKING: Duration = Duration::from_micros(25);
/// An item that takes no longer has not waited for anything, such as another item.
const QUICK: Duration = Duration::from_micros(5);
/// Items that are answered between two looks at the clock, at most.
const UNWATCHED: usize = 64;

/// The workers of a server, as far as they help each other.
pub(super) struct Crew {
    /// Raised once for each worker that is to wake, by the edge.
    signal: Signal,
    /// Batches with items that nobody has begun.
    offers: Mutex<Vec<Arc<Job>>>,
    /// Something about them has changed, or about what is left to stop.
    changed: Condvar,
    /// How many offers there are.
    open: AtomicUsize,
    /// Workers with nothing to do.
    idle: AtomicUsize,
    workers: usize,
    methods: Box<[(Method, Cost)]>,
    /// Zeroed once, and written to ever since.
    spares: Mutex<Vec<Vec<u8>>>,
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("open", &self.open).field("idle", &self.idle).finish_non_exhaustive()
    }
}

impl Crew {
    pub(super) fn new(service: &Service, workers: usize) -> Result<Self, SystemError> {
        Ok(Self {
            signal: Signal::new()?,
            offers: Mutex::default(),
            changed: Condvar::new(),
            open: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
            workers,
            methods: service.methods.iter().map(|known| (known.method, Cost::default())).collect(),
            spares: Mutex::default(),
        })
    }

    /// Has `queue` tell one worker of each call for help.
    pub(super) fn watch(&self, queue: &EventQueue, event: u64) -> Result<(), SystemError> {
        queue.add_edge(&self.signal, event)
    }

    /// A worker has nothing to do: it waits by `wait`, which is told for how long.
    pub(super) fn rest<R>(&self, wait: impl FnOnce(Option<Duration>) -> R) -> R {
        // SeqCst: pairs with `offer`. Either that sees somebody idle, or this sees the offer.
        self.idle.fetch_add(1, Ordering::SeqCst);
        let woken = wait(if self.open.load(Ordering::SeqCst) == 0 { None } else { Some(Duration::ZERO) });
        self.idle.fetch_sub(1, Ordering::SeqCst);
        woken
    }

    /// Opens a batch to whoever has nothing to do, be it because all `is_stopping`.
    pub(super) fn offer(&self, job: &Arc<Job>, is_stopping: impl FnOnce() -> bool) {
        {
            let mut offers = lock(&self.offers);
            offers.push(Arc::clone(job));
            self.open.store(offers.len(), Ordering::SeqCst);
        }
        // Asked behind the push: who does not see that looks again once it is told to stop.
        if is_stopping() {
            self.changed.notify_all();
        }
        self.wake();
    }

    /// Has one more worker look what there is, if one has nothing to do.
    pub(super) fn wake(&self) {
        // SeqCst: pairs with `rest`.
        if self.idle.load(Ordering::SeqCst) > 0 {
            self.signal.raise();
        }
    }

    /// Nothing of this batch is left to begin.
    pub(super) fn withdraw(&self, job: &Job) {
        let mut offers = lock(&self.offers);
        offers.retain(|offer| !core::ptr::eq(Arc::as_ptr(offer), job));
        // SeqCst: as in `offer`, so that nobody looks in vain for ever.
        self.open.store(offers.len(), Ordering::SeqCst);
    }

    /// A batch that can do with help, each in turn.
    pub(super) fn offered(&self) -> Option<Arc<Job>> {
        if self.open.load(Ordering::SeqCst) == 0 {
            return None;
        }
        let mut offers = lock(&self.offers);
        let job = offers.first().cloned()?;
        offers.rotate_left(1);
        Some(job)
    }

    pub(super) fn has_other_offers(&self, job: &Job) -> bool {
        lock(&self.offers).iter().any(|offer| !core::ptr::eq(Arc::as_ptr(offer), job))
    }

    /// Waits for an offer; false where there will be none because everything `is_over`.
    pub(super) fn await_offer(&self, is_over: impl Fn() -> bool) -> bool {
        let mut offers = lock(&self.offers);
        while offers.is_empty() {
            if is_over() {
                return false;
            }
            offers = self.changed.wait(offers).unwrap_or_else(PoisonError::into_inner);
        }
        true
    }

    /// What `is_over` in [`await_offer`](Self::await_offer) depends on has changed.
    pub(super) fn tell_of_end(&self) {
        // Whoever has just looked is asleep when this has the lock.
        drop(lock(&self.offers));
        self.changed.notify_all();
    }

    /// What the items of a method cost, as far as is known.
    pub(super) fn cost(&self, method: Method) -> Option<&Cost> {
        self.methods.iter().find(|(known, _)| *known == method).map(|(_, cost)| cost)
    }

    /// Whether help with items of this cost could come.
    pub(super) fn can_help(&self, cost: Duration) -> bool {
        let has_idle = self.idle.load(Ordering::Relaxed) > 0;
        // Who waits for another item waits for a worker that is busy now, too.
        has_idle || (self.workers > 1 && !is_quick(cost))
    }

    /// A buffer of at least `len` bytes; none where there is no memory for it.
    pub(super) fn buffer(&self, len: usize) -> Option<Vec<u8>> {
        let spare = {
            let mut spares = lock(&self.spares);
            spares.iter().position(|spare| spare.len() >= len).map(|at| spares.swap_remove(at))
        };
        if spare.is_some() {
            return spare;
        }
        look_for_memory(len).ok()?;
        // Zeroed memory takes no room in the machine before it is written.
        Some(vec![0; len])
    }

    /// Has a buffer back. As many are kept as can be in use while each worker has a batch that one more helps with.
    pub(super) fn put_back(&self, buffer: Vec<u8>) {
        let mut spares = lock(&self.spares);
        spares.push(buffer);
        if spares.len() > self.workers.saturating_mul(2).saturating_add(1) {
            // The smallest is the one that is the least likely to do.
            let smallest = spares.iter().enumerate().min_by_key(|(_, spare)| spare.len()).map(|(at, _)| at);
            smallest.map(|at| spares.swap_remove(at));
        }
    }
}

/// Whether an item of this cost can't have waited for anything; of none of unknown cost that is known.
fn is_quick(cost: Duration) -> bool {
    cost > Duration::ZERO && cost < QUICK
}

/// Whether it is worth while to wake somebody for `items` of this cost each.
pub(super) fn is_worth_waking(cost: Duration, items: usize) -> bool {
    items > 0 && (!is_quick(cost) || cost.saturating_mul(u32::try_from(items).unwrap_or(u32::MAX)) > 2 * WAKING)
}

/// Items of this cost that are begun at once, so that beginning costs little beside them.
pub(super) fn grain(cost: Duration) -> usize {
    if !is_quick(cost) {
        return 1;
    }
    let items = QUICK.as_nanos() / cost.as_nanos().max(1);
    usize::try_from(items).unwrap_or(UNWATCHED).clamp(1, UNWATCHED)
}

/// Whether somebody who answers alone has done so for longer than it takes to wake another.
pub(super) fn is_long(taken: Duration) -> bool {
    taken > WAKING
}

/// What an item of a method has cost of late, in nanoseconds; 0 where nobody knows. It is quick to learn that items take
/// long, and slow to forget: who is taken for quick is left alone with a batch.
#[derive(Debug, Default)]
pub(super) struct Cost(AtomicUsize);

impl Cost {
    pub(super) fn known(&self) -> Duration {
        // Relaxed, here and below: it is a matter of speed alone.
        Duration::from_nanos(self.0.load(Ordering::Relaxed) as u64)
    }

    /// So many items have taken so long; `was_helped` where others had some of them. Items that wait for each other are
    /// never taken for quick, however soon they meet: nobody alone can have answered them.
    pub(super) fn learn(&self, taken: Duration, items: usize, was_helped: bool) {
        let Some(mean) = u32::try_from(items).ok().and_then(|items| taken.checked_div(items)) else { return };
        let least = if was_helped { QUICK } else { Duration::from_nanos(1) };
        let mean = usize::try_from(mean.max(least).as_nanos()).unwrap_or(usize::MAX);
        let known = self.0.load(Ordering::Relaxed);
        let learnt = match known {
            0 => mean,
            known if mean > known => known / 2 + mean / 2 + 1,
            known => known - (known - mean) / 8,
        };
        self.0.store(learnt, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::{Cost, Crew, UNWATCHED, grain, is_worth_waking};
    use crate::service::{MethodInfo, Service};
    use crate::wire::Method;

    const fn nanos(nanos: u64) -> Duration {
        Duration::from_nanos(nanos)
    }

    #[test]
    fn somebody_is_woken_for_what_is_unknown_or_slow_or_much_and_for_nothing_else() {
        for (cost, items, is_worth) in [
            (0, 0, false),
            (0, 1, true),
            (10_000, 1, true),
            (10_000, 0, false),
            (100, 99, false),
            (100, 600, true),
            (4_000, 2, false),
            (4_000, 20, true),
            (1, usize::MAX, true),
        ] {
            assert_eq!(is_worth_waking(nanos(cost), items), is_worth, "{cost} {items}");
        }
        assert_eq!([0, 1, 1000, 4999, 5000, 1_000_000].map(|cost| grain(nanos(cost))), [1, UNWATCHED, 5, 1, 1, 1]);
    }

    #[test]
    fn what_takes_long_is_learnt_at_once_and_forgotten_slowly() {
        let cost = Cost::default();
        assert_eq!(cost.known(), nanos(0));
        cost.learn(nanos(1000), 0, false);
        assert_eq!(cost.known(), nanos(0));
        cost.learn(nanos(0), 1, false);
        assert_eq!(cost.known(), nanos(1));
        cost.learn(nanos(1_000_000), 10, false);
        assert!(cost.known() >= nanos(50_000), "{cost:?}");
        cost.learn(nanos(10), 10, false);
        assert!(cost.known() >= nanos(40_000), "{cost:?}");
        for _ in 0..100 {
            cost.learn(nanos(1000), 10, true);
        }
        assert!(!super::is_quick(cost.known()), "{cost:?}");
        for _ in 0..100 {
            cost.learn(nanos(1000), 10, false);
        }
        assert!(cost.known() <= nanos(110), "{cost:?}");
    }

    #[test]
    fn buffers_are_used_again_and_not_hoarded() {
        const METHODS: &[MethodInfo] = &[MethodInfo::new("one", 1)];
        let crew = Crew::new(&Service::new("s", METHODS), 1).unwrap();
        assert!(crew.cost(Method::new(1)).is_some() && crew.cost(Method::new(2)).is_none());
        let large = crew.buffer(9000).unwrap();
        let place = large.as_ptr();
        crew.put_back(large);
        assert_eq!(crew.buffer(100).map(|buffer| buffer.as_ptr()), Some(place));
        for len in [1, 2, 3, 4] {
            crew.put_back(vec![0; len]);
        }
        assert_eq!(crew.buffer(1).map(|buffer| buffer.len() > 1), Some(true));
        assert!(crew.buffer(isize::MAX as usize).is_none());
    }
}
