//! Watching the lifelines of a server's sessions.
//!
//! Owns: one thread for all sessions of a listener, which sleeps in epoll(7) until a client is gone, and then has whoever
//! waits in its session look up. It refuses to do anything else, and ends with the last session that it watches.

use core::fmt;
use core::mem;
use core::time::Duration;
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::thread::{Builder, JoinHandle, current};
use std::time::Instant;

use super::link::Shared;
use crate::sync::{Arc, Mutex, Weak, lock};
use crate::sys::{Event, EventQueue, Signal, SystemError};

/// It makes a few system calls, and no deep ones.
const STACK: usize = 128 << 10;
/// How soon a session is told once more.
const AGAIN: Duration = Duration::from_millis(10);
/// The event that ends the thread; those of sessions count up from the next.
const END: Event = 0;

/// One session's place among those that are watched.
#[derive(Debug)]
pub(super) struct Watch {
    watcher: Arc<Watcher>,
    event: Event,
}

/// The thread, and what it watches.
pub(crate) struct Watcher {
    list: Arc<List>,
    thread: Option<JoinHandle<()>>,
    /// A child that was forked off has the descriptors, and no thread.
    owner: u32,
}

#[derive(Debug)]
struct List {
    queue: EventQueue,
    end: Signal,
    sessions: Mutex<Sessions>,
}

#[derive(Debug)]
struct Sessions {
    next: Event,
    by_event: BTreeMap<Event, Weak<Shared>>,
    /// Why nobody watches any more.
    failed: Option<SystemError>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { next: END + 1, by_event: BTreeMap::new(), failed: None }
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").finish_non_exhaustive()
    }
}

impl Watcher {
    /// A thread that watches nothing yet.
    ///
    /// # Errors
    /// Where the machine lacks a descriptor or a thread for it.
    pub(crate) fn start() -> Result<Arc<Self>, SystemError> {
        let list = Arc::new(List { queue: EventQueue::new()?, end: Signal::new()?, sessions: Mutex::default() });
        list.queue.add(&list.end, END)?;
        let watched = Arc::clone(&list);
        let thread = Builder::new().name("netipc-watch".to_owned()).stack_size(STACK).spawn(move || watched.watch());
        let thread = thread.map_err(|error| SystemError::of_thread(&error))?;
        Ok(Arc::new(Self { list, thread: Some(thread), owner: std::process::id() }))
    }

    /// Has `session` look up when the peer at the other end of `lifeline` is gone, at once if it is.
    ///
    /// # Errors
    /// Where the machine lacks what is needed for it, or nobody watches any more.
    pub(super) fn watch(self: &Arc<Self>, session: &Arc<Shared>, lifeline: impl AsFd) -> Result<Watch, SystemError> {
        let event = {
            let mut sessions = lock(&self.list.sessions);
            if let Some(error) = sessions.failed {
                return Err(error);
            }
            let event = sessions.next;
            sessions.next += 1;
            sessions.by_event.insert(event, Arc::downgrade(session));
            event
        };
        let watch = Watch { watcher: Arc::clone(self), event };
        match self.list.queue.add_for_hang_up(lifeline, event) {
            Ok(()) => Ok(watch),
            Err(error) => {
                lock(&self.list.sessions).by_event.remove(&event);
                Err(error)
            }
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if std::process::id() != self.owner {
            return;
        }
        self.list.end.raise();
        if let Some(thread) = self.thread.take() {
            // It may be this thread that lets go of the last session.
            if thread.thread().id() != current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Watch {
    /// Watches `lifeline` no more. To close it is not enough where there are copies of the descriptor: a process that was
    /// forked off has some.
    pub(super) fn forget(&self, lifeline: impl AsFd) {
        // What a child takes out of the queue is out of it for its parent, too.
        if std::process::id() != self.watcher.owner {
            return;
        }
        let list = &self.watcher.list;
        // It fails for one that has told its end.
        let _ = list.queue.remove(lifeline);
        lock(&list.sessions).by_event.remove(&self.event);
    }
}

impl List {
    fn watch(&self) {
        // Sessions that have been told and may have been kept from hearing it.
        let mut told: Vec<Weak<Shared>> = Vec::new();
        let mut told_again = Instant::now();
        loop {
            // Also while others end all the time.
            if told_again.elapsed() >= AGAIN {
                told.retain(|session| session.upgrade().is_some_and(|session| session.rouse_again()));
                told_again = Instant::now();
            }
            match self.queue.wait((!told.is_empty()).then_some(AGAIN)) {
                Ok(Some(END)) => return,
                Ok(Some(event)) => {
                    let session = lock(&self.sessions).by_event.remove(&event);
                    if let Some(session) = session.and_then(|session| session.upgrade()) {
                        // It would be told for ever.
                        let _ = self.queue.remove(&*session);
                        session.end();
                        told.push(Arc::downgrade(&session));
                    }
                }
                // The time is up, or a signal came.
                Ok(None) => {}
                Err(error) => return self.fail(error),
            }
        }
    }

    /// Ends whoever is watched: better an end too many than a wait for an end that nobody tells of. Whoever comes later looks
    /// for itself. No descriptor that is a queue makes it come to this.
    fn fail(&self, error: SystemError) {
        let watched = {
            let mut sessions = lock(&self.sessions);
            sessions.failed = Some(error);
            mem::take(&mut sessions.by_event)
        };
        for session in watched.values().filter_map(Weak::upgrade) {
            session.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::thread::{scope, yield_now};
    use std::time::Instant;

    use super::{END, Event, Shared, Signal, SystemError, Watch, Watcher, lock};
    use crate::endpoint::Endpoint;
    use crate::sync::{Arc, Barrier};
    use crate::sys::ground::RunDir;
    use crate::sys::{Socket, pair};
    use crate::transport::shm::{Region, Room};
    use crate::transport::{Abort, Wait, link};

    fn session(room: &RunDir, id: u64) -> (Arc<Shared>, Socket) {
        let endpoint = Endpoint::new(room.path(), "s").unwrap();
        let region = Region::create(&endpoint, id, Room { request: 8, response: 8 }).unwrap();
        let (ours, theirs) = pair();
        let lifeline = link(ours, Wait::Block, &Abort::new()).unwrap().wire;
        (Arc::new(Shared::new(region.lane, lifeline)), theirs)
    }

    /// A session that is watched.
    fn watched(room: &RunDir) -> (Arc<Watcher>, Arc<Shared>, Socket) {
        let (shared, theirs) = session(room, 1);
        let watcher = Watcher::start().unwrap();
        shared.watched_by(&watcher);
        (watcher, shared, theirs)
    }

    fn wait_until(is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < Duration::from_secs(60), "it never is");
            yield_now();
        }
    }

    #[test]
    fn a_process_that_was_forked_off_and_lets_go_of_its_copy_ends_no_watching() {
        let room = RunDir::new();
        let (watcher, shared, theirs) = watched(&room);
        // What a child has: the same descriptors, and no thread.
        let copy = Watcher { list: Arc::clone(&watcher.list), thread: None, owner: watcher.owner.wrapping_add(1) };
        let copy = Watch { watcher: Arc::new(copy), event: END + 1 };
        copy.forget(&*shared);
        drop(copy);
        drop(theirs);
        wait_until(|| shared.has_been_told());
    }

    #[test]
    fn a_queue_that_fails_ends_whom_it_watched_and_watches_nobody_more() {
        let room = RunDir::new();
        let (watcher, first, _theirs) = watched(&room);
        let error = SystemError::out_of_memory();
        watcher.list.fail(error);
        assert!(first.has_been_told() && lock(&watcher.list.sessions).by_event.is_empty());
        let (second, _others) = session(&room, 2);
        assert_eq!(watcher.watch(&second, &*second).err(), Some(error));
        // It looks for itself.
        second.watched_by(&watcher);
        assert!(!second.is_watched() && !second.has_been_told());
    }

    #[test]
    fn what_is_kept_of_the_ended_is_let_go_of_however_fast_others_end() {
        let room = RunDir::new();
        let (watcher, first, theirs) = watched(&room);
        // As if somebody ended all the time.
        let always = Signal::new().unwrap();
        always.raise();
        watcher.list.queue.add(&always, Event::MAX).unwrap();
        drop(theirs);
        // The thread has its own hold on it until it has put it by.
        wait_until(|| first.has_been_told() && Arc::strong_count(&first) == 1);
        wait_until(|| Arc::weak_count(&first) == 0);
    }

    #[test]
    fn whoever_was_kept_from_hearing_of_the_end_is_told_again() {
        let room = RunDir::new();
        let (_watcher, shared, theirs) = watched(&room);
        let about = Barrier::new(2);
        scope(|scope| {
            let sleeper = scope.spawn(|| {
                // What is left to somebody whose peer undoes the first wake-up.
                shared.sleep_deaf(|| {
                    about.wait();
                    while !shared.has_been_told() {
                        yield_now();
                    }
                });
            });
            about.wait();
            drop(theirs);
            sleeper.join().unwrap();
        });
    }
}
