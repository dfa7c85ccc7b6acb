//! What the threads of a server share.
//!
//! Owns: which sessions are idle and which live, and the word that everything is to stop. It refuses to hold a lock
//! while code of the user's runs.

use core::fmt;
use core::panic::AssertUnwindSafe;
use core::time::Duration;
use std::collections::HashMap;
use std::panic::catch_unwind;
use std::thread::JoinHandle;
use std::time::Instant;

use super::crew::Crew;
use super::growth::Growth;
use super::line::Line;
use super::report::{Report, Reporter};
use super::seat::Seat;
use super::waiter::{Rest, Waiters};
use crate::service::Dispatch;
use crate::session::{Abort, Error};
use crate::sync::{Arc, AtomicBool, AtomicUsize, Condvar, Mutex, Ordering, PoisonError, lock};
use crate::sys::{Event, EventQueue, Signal, SystemError};

/// The event of the queue that is no session's, whose ids begin at 1.
pub(super) const STOP: Event = 0;
/// Somebody could do with help. The ids of sessions don't come that far.
pub(super) const HELP: Event = Event::MAX;
/// Somebody has joined the line.
const LINE: Event = Event::MAX - 1;
/// How long nobody looks who has come, while others stand in line. A look takes a call to the kernel.
const UNWATCHED: Duration = Duration::from_micros(20);

/// The word that a server is to stop, and whether it has.
#[derive(Debug)]
pub(super) struct Halt {
    is_stopping: AtomicBool,
    /// Raised for good.
    pub(super) signal: Signal,
    has_ended: Mutex<bool>,
    ended: Condvar,
}

impl Halt {
    fn new() -> Result<Self, SystemError> {
        let (is_stopping, has_ended) = (AtomicBool::new(false), Mutex::new(false));
        Ok(Self { is_stopping, signal: Signal::new()?, has_ended, ended: Condvar::new() })
    }

    pub(super) fn stop(&self) {
        // SeqCst: pairs with `is_stopping`, and with the words of `Sleeper` in between.
        self.is_stopping.store(true, Ordering::SeqCst);
        self.signal.raise();
    }

    pub(super) fn end(&self) {
        *lock(&self.has_ended) = true;
        self.ended.notify_all();
    }

    /// Waits until the server has ended; whether it has.
    pub(super) fn wait(&self, timeout: Duration) -> bool {
        let waited = self.ended.wait_timeout_while(lock(&self.has_ended), timeout, |has_ended| !*has_ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// A thread's waiting in a session whose descriptor tells nothing, and who may end it.
#[derive(Debug, Default)]
pub(super) struct Sleeper(AtomicUsize);

impl Sleeper {
    const BUSY: usize = 0;
    const ASLEEP: usize = 1;
    const FREED: usize = 2;

    /// The session has nothing to do from here on: it may be ended.
    pub(super) fn lie_down(&self) {
        // SeqCst: pairs with `free`. Either that sees this, or whoever calls this sees that all is to stop.
        self.0.store(Self::ASLEEP, Ordering::SeqCst);
    }

    /// It has something to do, and may not be ended; false where it was.
    pub(super) fn get_up(&self) -> bool {
        self.0.swap(Self::BUSY, Ordering::SeqCst) != Self::FREED
    }

    /// Whether it may be ended now: it has nothing to do, and won't have.
    fn free(&self) -> bool {
        self.0.compare_exchange(Self::ASLEEP, Self::FREED, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

/// What a worker is to do.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is handed from one function to the next")]
pub(super) enum Turn {
    Serve(Seat),
    /// Nobody needs it, unless somebody's batch does.
    Help,
    Stop,
}

pub(super) struct Floor {
    pub(super) dispatch: Box<dyn Dispatch>,
    pub(super) response_timeout: Duration,
    pub(super) workers: usize,
    pub(super) halt: Halt,
    pub(super) crew: Crew,
    pub(super) growth: Growth,
    /// Whether a session over shared memory never sleeps where it has a worker to itself.
    pub(super) looks_always: bool,
    /// Where idle sessions over sockets wait, the line, and the word to stop.
    queue: EventQueue,
    pub(super) line: Line<Seat>,
    pub(super) waiters: Arc<Waiters>,
    report: Option<Box<Reporter>>,
    idle: Mutex<HashMap<u64, Seat>>,
    sleepers: Mutex<HashMap<u64, (Arc<Sleeper>, Abort)>>,
    /// Threads that wait for clients which don't read.
    blocked: Mutex<Vec<JoinHandle<()>>>,
    /// Turns of all sessions so far.
    turns: AtomicUsize,
    /// Sessions that workers serve.
    shared: AtomicUsize,
    /// All sessions.
    living: AtomicUsize,
    /// Whether somebody may still be let in: 1, and 0 from then on when nobody is.
    open: AtomicUsize,
    /// What ends them all.
    abort: Abort,
}

impl fmt::Debug for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Floor")
            .field("service", &self.dispatch.service().name)
            .field("workers", &self.workers)
            .field("living", &self.living)
            .finish_non_exhaustive()
    }
}

impl Floor {
    pub(super) fn new(
        dispatch: Box<dyn Dispatch>,
        report: Option<Box<Reporter>>,
        (workers, response_timeout, looks_always): (usize, Duration, bool),
        growth: Growth,
        abort: Abort,
    ) -> Result<Self, SystemError> {
        let (halt, queue, line) = (Halt::new()?, EventQueue::new()?, Line::new()?);
        queue.add(&halt.signal, STOP)?;
        let crew = Crew::new(dispatch.service(), workers)?;
        crew.watch(&queue, HELP)?;
        queue.add_edge(&line, LINE)?;
        let (idle, sleepers) = (Mutex::default(), Mutex::default());
        let (turns, shared, living) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let open = AtomicUsize::new(1);
        Ok(Self {
            dispatch,
            response_timeout,
            workers,
            halt,
            crew,
            growth,
            looks_always,
            queue,
            line,
            waiters: Arc::default(),
            report,
            idle,
            sleepers,
            blocked: Mutex::default(),
            turns,
            shared,
            living,
            open,
            abort,
        })
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.halt.is_stopping.load(Ordering::SeqCst)
    }

    pub(super) fn tell(&self, report: Report) {
        report.trace();
        if let Some(tell) = &self.report {
            // Whoever listens is the user, and no reason to end a thread.
            let _ = catch_unwind(AssertUnwindSafe(|| tell(&report)));
        }
    }

    /// A session begins, which workers serve.
    pub(super) fn admit(&self, seat: Seat) {
        // Relaxed, also where it is taken back: this number is a matter of speed alone.
        self.living.fetch_add(1, Ordering::SeqCst);
        self.shared.fetch_add(1, Ordering::Relaxed);
        if seat.is_lodged() {
            return self.put_back(seat);
        }
        self.lay_down(seat, |queue, seat, event| queue.add_once(seat, event));
    }

    /// A session has nothing to do, or has had its turn.
    pub(super) fn put_back(&self, mut seat: Seat) {
        let Some(lodging) = seat.take_lodging() else {
            seat.begin_stint(self);
            return self.lay_down(seat, |queue, seat, event| queue.rearm(seat, event));
        };
        // A waiter finds those who sleep later than a worker finds whoever has not: it looks for them before this one then.
        let gives_way = seat.has_had_its_share(self);
        match lodging.lay_down(seat, gives_way) {
            Rest::Begun => {}
            Rest::Useless(seat) => self.line.join(seat),
            Rest::Over(seat, error) => {
                seat.ended(self, error);
                self.close(seat);
            }
        }
    }

    fn lay_down(&self, seat: Seat, watch: impl FnOnce(&EventQueue, &Seat, Event) -> Result<(), SystemError>) {
        let watched = {
            // Whoever is told of it finds it there, because it waits for the lock.
            let mut idle = lock(&self.idle);
            match watch(&self.queue, &seat, seat.id()) {
                Ok(()) => {
                    idle.insert(seat.id(), seat);
                    return;
                }
                Err(error) => error,
            }
        };
        seat.ended(self, Error::System(watched));
        self.close(seat);
    }

    /// Waits until a worker has something to do, which remembers when it last looked who has come.
    pub(super) fn turn(&self, looked: &mut Instant) -> Turn {
        let rests = self.line.begin_rest();
        let told = if rests {
            let told = self.crew.rest(|timeout| self.queue.wait_for_some(timeout));
            self.line.end_rest();
            Some(told)
        } else {
            // Who comes over a socket stands in the same line as the others, if there is one.
            let now = Instant::now();
            (now.saturating_duration_since(*looked) >= UNWATCHED).then(|| {
                *looked = now;
                self.queue.wait_for_some(Some(Duration::ZERO))
            })
        };
        let (mut mine, mut is_called) = (None, false);
        if let Some(told) = told {
            // It fails for a queue that is none.
            let Ok(told) = told else { return Turn::Stop };
            let mut is_to_stop = false;
            for event in told {
                match event {
                    STOP => is_to_stop = true,
                    // Somebody has joined the line.
                    LINE => {}
                    HELP => is_called = true,
                    event => match self.take(event) {
                        Some(seat) if rests && mine.is_none() => mine = Some(seat),
                        Some(seat) => self.line.join(seat),
                        None => {}
                    },
                }
            }
            if is_to_stop {
                if let Some(seat) = mine {
                    self.line.join(seat);
                }
                return Turn::Stop;
            }
        }
        let Some(mut seat) = mine.or_else(|| self.line.next()) else { return Turn::Help };
        if is_called {
            // It was this worker that was called, and it has no time.
            self.crew.wake();
        }
        self.turns.fetch_add(1, Ordering::Relaxed);
        seat.begin_turn();
        Turn::Serve(seat)
    }

    /// Turns of all sessions so far.
    pub(super) fn turns(&self) -> usize {
        // Relaxed: it is a matter of fairness alone.
        self.turns.load(Ordering::Relaxed)
    }

    /// The idle session that there was an event of.
    fn take(&self, event: Event) -> Option<Seat> {
        lock(&self.idle).remove(&event)
    }

    /// A session that no worker has, whichever.
    pub(super) fn take_any(&self) -> Option<Seat> {
        if let Some(seat) = self.line.next() {
            return Some(seat);
        }
        let mut idle = lock(&self.idle);
        let id = idle.keys().next().copied()?;
        idle.remove(&id)
    }

    /// Whether each session can have a worker to itself.
    pub(super) fn has_workers_for_all(&self) -> bool {
        self.shared.load(Ordering::Relaxed) <= self.workers
    }

    /// Whether nobody waits for a worker that is busy with somebody else.
    pub(super) fn has_worker_to_spare(&self) -> bool {
        self.has_workers_for_all() || self.line.has_resting()
    }

    /// Whether a worker looks for the next request of this session all the time.
    pub(super) fn looks_always_for(&self, seat: &Seat) -> bool {
        self.looks_always && seat.is_lodged() && self.has_workers_for_all()
    }

    /// A thread waits for a client that does not read.
    pub(super) fn remember(&self, thread: JoinHandle<()>) {
        let mut blocked = lock(&self.blocked);
        blocked.retain(|thread| !thread.is_finished());
        blocked.push(thread);
    }

    /// Waits for the threads that waited for clients, once there are no sessions any more.
    pub(super) fn join_blocked(&self) {
        let blocked = core::mem::take(&mut *lock(&self.blocked));
        for thread in blocked {
            // No code of the user's runs there but reports, which are caught where they panic.
            let _ = thread.join();
        }
    }

    /// A session that workers served is over.
    pub(super) fn close(&self, seat: Seat) {
        drop(seat);
        self.shared.fetch_sub(1, Ordering::Relaxed);
        self.depart();
    }

    /// A session begins that has a thread of its own.
    pub(super) fn admit_sleeper(&self, seat: &Seat) -> Arc<Sleeper> {
        let sleeper = Arc::new(Sleeper::default());
        let abort = seat.session().abort_handle();
        self.living.fetch_add(1, Ordering::SeqCst);
        lock(&self.sleepers).insert(seat.id(), (Arc::clone(&sleeper), abort));
        sleeper
    }

    /// It is over.
    pub(super) fn forget_sleeper(&self, id: u64) {
        lock(&self.sleepers).remove(&id);
        self.depart();
    }

    fn depart(&self) {
        // SeqCst, as wherever this number changes: pairs with `is_deserted`. Whoever is to stop and looks there either
        // sees this session gone, or is told here.
        self.living.fetch_sub(1, Ordering::SeqCst);
        if self.is_stopping() {
            self.crew.tell_of_end();
        }
    }

    /// Nobody is let in any more.
    pub(super) fn shut(&self) {
        // SeqCst, like the number of those who are there, which has counted the last one before.
        self.open.store(0, Ordering::SeqCst);
        self.crew.tell_of_end();
    }

    /// Whether there is no session, and there will be none. A client knows that it is let in before it is counted here, and
    /// may need all workers for its first request, even if all is to stop by then.
    pub(super) fn is_deserted(&self) -> bool {
        self.open.load(Ordering::SeqCst) == 0 && self.living.load(Ordering::SeqCst) == 0
    }

    /// Ends the sessions that have threads of their own and nothing to do.
    pub(super) fn free_sleepers(&self) {
        let freed: Vec<Abort> = {
            let sleepers = lock(&self.sleepers);
            sleepers.values().filter(|(sleeper, _)| sleeper.free()).map(|(_, abort)| abort.clone()).collect()
        };
        freed.iter().for_each(Abort::abort);
    }

    /// Ends whatever sessions there are, whatever they are at; how many there were.
    pub(super) fn abort(&self) -> usize {
        let living = self.living.load(Ordering::SeqCst);
        self.abort.abort();
        living
    }
}

#[cfg(test)]
mod tests {
    use super::{Floor, Growth, Halt, Sleeper};
    use crate::buf::Writer;
    use crate::service::{Call, Dispatch, Failure, Service};
    use crate::session::Abort;
    use core::time::Duration;

    struct Nothing;

    impl Dispatch for Nothing {
        fn service(&self) -> &'static Service {
            const NOTHING: Service = Service::new("nothing", &[]);
            &NOTHING
        }

        fn dispatch(&self, call: &Call<'_>, _: &[u8], _: &mut Writer<'_>) -> Result<(), Failure> {
            Err(Failure::Unsupported(call.method()))
        }
    }

    /// The client that is let in last may send a batch whose items wait for each other: workers that had gone because they
    /// saw nobody would never help with it.
    #[test]
    fn no_worker_goes_while_somebody_may_still_be_let_in() {
        let set_up = (2, Duration::ZERO, false);
        let floor = Floor::new(Box::new(Nothing), None, set_up, Growth::new(0, 0), Abort::new()).unwrap();
        floor.halt.stop();
        assert!(!floor.is_deserted());
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| super::super::batch::see_off(&floor));
            assert!(!worker.is_finished());
            floor.shut();
            worker.join().unwrap();
        });
        assert!(floor.is_deserted());
    }

    #[test]
    fn a_sleeper_is_freed_once_and_only_where_it_has_nothing_to_do() {
        let sleeper = Sleeper::default();
        assert!(!sleeper.free());
        sleeper.lie_down();
        assert!(sleeper.get_up() && !sleeper.free());
        sleeper.lie_down();
        assert!(sleeper.free() && !sleeper.free());
        assert!(!sleeper.get_up() && sleeper.get_up());
    }

    #[test]
    fn whoever_waits_for_the_end_is_told_whether_it_came() {
        let halt = Halt::new().unwrap();
        assert!(!halt.wait(Duration::ZERO));
        std::thread::scope(|scope| {
            scope.spawn(|| halt.end());
            assert!(halt.wait(Duration::from_secs(3600)) && halt.wait(Duration::ZERO));
        });
    }
}
