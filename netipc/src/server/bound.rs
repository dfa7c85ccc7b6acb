//! A server at its socket: accepting, stopping.
//!
//! Owns: the thread that accepts, the threads that it starts, and the order in which all of them end. It refuses to serve.

use core::time::Duration;
use std::thread::{Builder, JoinHandle};

use super::error::ServeError;
use super::floor::{Floor, Halt, STOP};
use super::report::Report;
use super::seat::Seat;
use super::worker::{drain, sit, work};
use crate::endpoint::Endpoint;
use crate::session::{Arrival, Error, Listener, ServerSession};
use crate::sync::Arc;
use crate::sys::{Event, EventQueue, SystemError, can_sleep_on_any};

/// How long nobody is accepted after the machine lacked what that takes.
const PAUSE: Duration = Duration::from_millis(10);
const LISTENER: Event = 1;

/// A server at its socket, which does not serve yet.
#[derive(Debug)]
pub struct Bound {
    listener: Listener,
    floor: Arc<Floor>,
    /// Of clients, and of the word to stop.
    queue: EventQueue,
    /// Of the word to stop alone.
    pausing: EventQueue,
}

/// What stops a server, from any thread.
#[derive(Debug, Clone)]
pub struct Stop(Arc<Floor>);

impl Stop {
    /// Nobody is accepted any more; what was received is answered; then the server ends. This does not wait for it.
    pub fn stop(&self) {
        self.0.halt.stop();
    }
}

/// A server that serves on threads of its own. Dropping it stops it, and waits for its handlers to return.
#[derive(Debug)]
pub struct Running {
    stop: Stop,
    endpoint: Endpoint,
    thread: Option<JoinHandle<Result<(), ServeError>>>,
}

/// Tells when the server has ended, however.
struct Ending<'a>(&'a Halt);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Bound {
    pub(super) fn new(listener: Listener, floor: Floor) -> Result<Self, ServeError> {
        let (queue, pausing) = (EventQueue::new()?, EventQueue::new()?);
        queue.add(&listener, LISTENER)?;
        queue.add(&floor.halt.signal, STOP)?;
        pausing.add(&floor.halt.signal, STOP)?;
        Ok(Self { listener, floor: Arc::new(floor), queue, pausing })
    }

    /// Where it listens.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        self.listener.endpoint()
    }

    /// What stops it, also before it serves.
    #[must_use]
    pub fn stop_handle(&self) -> Stop {
        Stop(Arc::clone(&self.floor))
    }

    /// Serves until it is [stopped](Stop::stop): accepts on this thread, and answers on others. It returns when every
    /// request that was received has its answer.
    ///
    /// # Errors
    /// [`ServeError::System`] where there is no thread to serve on; [`ServeError::Session`] for a listener that has ended.
    pub fn run(self) -> Result<(), ServeError> {
        let Self { mut listener, floor, queue, pausing } = self;
        let _ending = Ending(&floor.halt);
        let mut threads = Vec::new();
        let mut outcome = Ok(());
        for _ in 0..floor.workers {
            let at_work = Arc::clone(&floor);
            match start("netipc-worker", move || work(&at_work)) {
                Ok(thread) => threads.push(thread),
                Err(error) => outcome = Err(error.into()),
            }
        }
        if outcome.is_ok() {
            outcome = accept(&floor, &mut listener, &queue, &pausing, &mut threads);
        }
        drop(listener);
        floor.shut();
        floor.halt.stop();
        floor.free_sleepers();
        floor.waiters.close();
        // A worker may be at a request for long, and the last session may have come behind the last look of one.
        drain(&floor);
        for thread in threads {
            // What of the user's runs there is caught where it panics.
            let _ = thread.join();
        }
        floor.join_blocked();
        outcome
    }

    /// Serves on threads of its own.
    ///
    /// # Errors
    /// There is no thread to serve on.
    pub fn spawn(self) -> Result<Running, ServeError> {
        let (stop, endpoint) = (self.stop_handle(), self.endpoint().clone());
        let thread = start("netipc-accept", move || self.run())?;
        Ok(Running { stop, endpoint, thread: Some(thread) })
    }
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What stops it, from any thread.
    #[must_use]
    pub fn stop_handle(&self) -> Stop {
        self.stop.clone()
    }

    /// Nobody is accepted any more, and what was received is answered. This does not wait for it.
    pub fn stop(&self) {
        self.stop.stop();
    }

    /// Stops it and waits until it has ended: its socket file is gone, every request that was received has its answer,
    /// all sessions are closed and all threads have ended. A request over shared memory that comes in at this very
    /// moment may be left without an answer, as one that comes later.
    ///
    /// # Errors
    /// [`ServeError::Unfinished`] where that takes longer than `timeout`: the sessions that were left have been aborted.
    /// Otherwise whatever made the server end earlier.
    pub fn shutdown(mut self, timeout: Duration) -> Result<(), ServeError> {
        self.stop();
        let floor = &self.stop.0;
        if floor.halt.wait(timeout) {
            return self.join();
        }
        let sessions = floor.abort();
        // It ends when the handlers do, and nobody waits for it.
        drop(self.thread.take());
        Err(ServeError::Unfinished { sessions })
    }

    fn join(&mut self) -> Result<(), ServeError> {
        self.thread.take().map_or(Ok(()), |thread| thread.join().unwrap_or(Err(ServeError::Panicked)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        let _ = self.join();
    }
}

/// Lets clients in until all is to stop.
fn accept(
    floor: &Arc<Floor>,
    listener: &mut Listener,
    queue: &EventQueue,
    pausing: &EventQueue,
    threads: &mut Vec<JoinHandle<()>>,
) -> Result<(), ServeError> {
    while !floor.is_stopping() {
        queue.wait(None)?;
        while !floor.is_stopping() {
            match listener.try_next() {
                Ok(Some(Arrival::Session(session))) => let_in(floor, *session, threads),
                Ok(Some(Arrival::Rejected(rejected))) => floor.tell(Report::Rejected(rejected)),
                Ok(None) => break,
                // Its sessions have ended too.
                Err(Error::Aborted) => return Err(Error::Aborted.into()),
                Err(error) => {
                    floor.tell(Report::Accept(error));
                    pausing.wait(Some(PAUSE))?;
                    break;
                }
            }
        }
    }
    Ok(())
}

fn let_in(floor: &Arc<Floor>, session: ServerSession, threads: &mut Vec<JoinHandle<()>>) {
    let mut seat = Seat::new(session);
    // A socket tells of its messages, and a berth does not.
    let Some(berth) = seat.session().berth() else { return floor.admit(seat) };
    if !can_sleep_on_any() {
        return seat_alone(floor, seat, threads);
    }
    match floor.waiters.lodge(floor, berth) {
        Ok(lodging) => {
            seat.lodge(lodging);
            floor.admit(seat);
        }
        Err(error) => seat.ended(floor, error.into()),
    }
}

/// Gives a session a thread of its own.
fn seat_alone(floor: &Arc<Floor>, seat: Seat, threads: &mut Vec<JoinHandle<()>>) {
    threads.retain(|thread| !thread.is_finished());
    let (peer, sleeper) = (seat.session().peer(), floor.admit_sleeper(&seat));
    let id = seat.id();
    let at_work = Arc::clone(floor);
    // A thread that is not made drops the session.
    match start("netipc-session", move || sit(&at_work, seat, &sleeper)) {
        Ok(thread) => threads.push(thread),
        Err(error) => {
            floor.forget_sleeper(id);
            floor.tell(Report::SessionEnded { session_id: id, peer, error: error.into() });
        }
    }
}

pub(super) fn start<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, SystemError> {
    Builder::new().name(name.to_owned()).spawn(work).map_err(|error| SystemError::of_thread(&error))
}
