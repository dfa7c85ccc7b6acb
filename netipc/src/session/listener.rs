//! Accepting clients.
//!
//! Owns: the clients that have connected and not said hello yet. It refuses to wait for any one of them: each has its
//! own deadline, and all are watched together, with the listening socket, the timer that ends the silent ones, and
//! through one descriptor that a loop of the user's own can watch in turn.
//!
//! ```text
//! listening socket -- a client --> hello there? -- yes --> Arrival
//!                                      | no                  ^
//!                                      v                     | hello, hang-up, or out of time
//!                                  arriving -----------------'
//! ```

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};

use super::config::ServerConfig;
use super::error::Error;
use super::handshake::{Door, Heard, hear};
use super::receive::Patience;
use super::rejected::{Cause, Rejected};
use super::server::ServerSession;
use crate::endpoint::Endpoint;
use crate::sync::Arc;
use crate::sys::{Event, EventQueue, Peer, Signal, SystemError, Timer};
use crate::transport::{Abort, Claim, Deadline, Link, LinkError, Listening, link, reclaim};

/// How long [`ServerConfig::listen`] waits for the lock of the run directory.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// Clients that are accepted before others are seen to.
const AT_A_TIME: usize = 16;
/// What is seen to of what is there when a deadline has passed. Who always has one more client ready gains next to no
/// time by it.
const LATE_EVENTS: usize = 512;

/// The events of the queue that are no client's.
const LISTENING: Event = 0;
const TIMER: Event = 1;
const FIRST_CLIENT: Event = 2;

/// What comes of a client.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a client is let in, or it is not")]
pub enum Arrival {
    /// There is a session.
    Session(Box<ServerSession>),
    /// There is none. The listener goes on.
    Rejected(Rejected),
}

#[derive(Debug)]
struct Silent {
    link: Link,
    until: Deadline,
}

/// A server's socket (docs/protocol.md, sections 2 and 3).
///
/// Its descriptor is readable as long as [`try_next`](Self::try_next) has something to do. Dropping it removes its socket
/// file; its sessions go on.
#[derive(Debug)]
pub struct Listener {
    /// Given back while the socket is open, so before it.
    _claim: Claim,
    listening: Arc<Listening>,
    endpoint: Endpoint,
    queue: EventQueue,
    timer: Timer,
    door: Door,
    /// By their events, which count up: the first is the oldest.
    silent: BTreeMap<Event, Silent>,
    next_event: Event,
    /// What the timer was last set for.
    alarm: Deadline,
    /// Nothing is seen to before they were asked for, so that the descriptor tells of whatever else there is.
    arrivals: VecDeque<Arrival>,
    /// Given up for a moment to accept, and turn away, a client for whom there is no descriptor.
    spare: Option<Signal>,
}

impl ServerConfig {
    /// Listens at `endpoint`, whose run directory must exist. A socket of a dead server is taken over, and
    /// region files that dead servers left are removed.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::System`], [`Error::Aborted`]; [`Error::TimedOut`] where somebody holds the lock of the
    /// run directory for more than five seconds.
    pub fn listen(&self, endpoint: &Endpoint) -> Result<Listener, Error> {
        Listener::bind(endpoint, self)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

impl Listener {
    pub(super) fn bind(endpoint: &Endpoint, config: &ServerConfig) -> Result<Self, Error> {
        // Everything that can fail for want of descriptors comes before the socket can be seen.
        let (queue, timer, spare) = (EventQueue::new()?, Timer::new()?, Signal::new()?);
        let deadline = Deadline::after(LOCK_TIMEOUT);
        let (claim, socket) = Claim::take(endpoint, config.queue, &config.abort, deadline)
            .map_err(|error| Error::claim(error, endpoint))?;
        // Nobody else serves here, and no session of this listener's has begun: what is left is of servers before it.
        reclaim(endpoint);
        let listener = Self {
            _claim: claim,
            listening: Listening::new(socket, &config.abort),
            endpoint: endpoint.clone(),
            queue,
            timer,
            door: Door::new(config, Some(endpoint)),
            silent: BTreeMap::new(),
            next_event: FIRST_CLIENT,
            alarm: Deadline::NEVER,
            arrivals: VecDeque::new(),
            spare: Some(spare),
        };
        // Whatever fails from here on, the claim is given back before the socket is closed.
        listener.listening.check()?;
        listener.queue.add(&*listener.listening, LISTENING)?;
        listener.queue.add(&listener.timer, TIMER)?;
        Ok(listener)
    }

    /// Where it listens.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What ends it, and all sessions made with the same configuration, from another thread.
    #[must_use]
    pub fn abort_handle(&self) -> Abort {
        self.door.config().abort.clone()
    }

    /// The next session. Clients that are not let in are passed over in silence: see [`next`](Self::next).
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn accept(&mut self, deadline: Deadline) -> Result<ServerSession, Error> {
        let mut late = 0;
        loop {
            if let Arrival::Session(session) = self.next(deadline)? {
                return Ok(*session);
            }
            if deadline.has_passed() {
                late += 1;
                if late > LATE_EVENTS {
                    return Err(Error::TimedOut);
                }
            }
        }
    }

    /// The next session, if there is one.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn try_accept(&mut self) -> Result<Option<ServerSession>, Error> {
        in_time(self.accept(Deadline::after(Duration::ZERO)))
    }

    /// What comes of the next client, be it a session or not.
    ///
    /// # Errors
    /// [`Error::TimedOut`], [`Error::Aborted`]; [`Error::System`] where the machine lacks what a connection needs: the
    /// listener goes on, but a client may be waiting, so do not call it again at once.
    pub fn next(&mut self, deadline: Deadline) -> Result<Arrival, Error> {
        let mut late = 0;
        loop {
            self.listening.check()?;
            if let Some(arrival) = self.arrivals.pop_front() {
                return Ok(arrival);
            }
            let left = deadline.left();
            let has_happened = self.see_to(left)?;
            if left == Some(Duration::ZERO) {
                late += 1;
                if self.arrivals.is_empty() && (!has_happened || late > LATE_EVENTS) {
                    return Err(Error::TimedOut);
                }
            }
        }
    }

    /// What came of the next client, if anything has.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn try_next(&mut self) -> Result<Option<Arrival>, Error> {
        in_time(self.next(Deadline::after(Duration::ZERO)))
    }

    /// Sees to one thing that happens within `timeout`; whether there was one.
    fn see_to(&mut self, timeout: Option<Duration>) -> Result<bool, Error> {
        let Some(event) = self.queue.wait(timeout)? else { return Ok(false) };
        let seen_to = match event {
            LISTENING => self.let_in(),
            TIMER => self.turn_out_the_silent(),
            client => {
                if let Some(silent) = self.silent.remove(&client) {
                    self.forget(&silent.link);
                    self.meet(silent.link, silent.until, client);
                }
                Ok(())
            }
        };
        // Whatever else went wrong, the silent have their time and no more.
        self.set_alarm()?;
        seen_to.map(|()| true)
    }

    fn let_in(&mut self) -> Result<(), Error> {
        if self.spare.is_none() {
            // Somebody else was quicker to take the descriptor the last time; there may be one again.
            self.spare = Signal::new().ok();
        }
        for _ in 0..AT_A_TIME {
            let socket = match self.listening.accept() {
                Ok(Some(socket)) => socket,
                Ok(None) => break,
                Err(LinkError::System(error)) if error.is_out_of_descriptors() => return self.turn_away(error),
                Err(error) => return Err(error.into()),
            };
            let config = self.door.config();
            let until = Deadline::after(config.handshake_timeout);
            match link(socket, config.wait, &config.abort) {
                Ok(link) => {
                    self.next_event += 1;
                    self.meet(link, until, self.next_event - 1);
                }
                Err(error) => self.reject(None, error.into()),
            }
            if !self.arrivals.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Hears a client who may have said something, and watches it if it has not.
    fn meet(&mut self, link: Link, until: Deadline, event: Event) {
        let peer = Some(link.wire.peer());
        let link = match hear(link, &mut self.door, Patience::Try) {
            Heard::Session(session) => return self.arrivals.push_back(Arrival::Session(session)),
            Heard::Rejected(rejected) => return self.arrivals.push_back(Arrival::Rejected(rejected)),
            Heard::Nothing(link) => link,
        };
        if let Err(error) = self.queue.add(&*link.wire, event) {
            return self.reject(peer, Cause::System(error));
        }
        self.silent.insert(event, Silent { link, until });
        while self.silent.len() > self.door.config().max_handshakes {
            self.turn_out(Cause::Crowded);
        }
    }

    fn turn_out_the_silent(&mut self) -> Result<(), Error> {
        // Should others be out of time too, it goes off again at once.
        if self.silent.first_key_value().is_some_and(|(_, silent)| silent.until.has_passed()) {
            self.turn_out(Cause::TimedOut);
        }
        // It says that it went off until it is set.
        self.timer.set(None)?;
        self.alarm = Deadline::NEVER;
        Ok(())
    }

    /// Watches a client no more. Closing its socket would do, were there no copies of the descriptor: a process that was
    /// forked off has some.
    fn forget(&self, link: &Link) {
        // It fails for a socket that is not watched.
        let _ = self.queue.remove(&*link.wire);
    }

    /// Disconnects whoever has been silent for the longest time.
    fn turn_out(&mut self, cause: Cause) {
        if let Some((_, silent)) = self.silent.pop_first() {
            self.forget(&silent.link);
            self.reject(Some(silent.link.wire.peer()), cause);
        }
    }

    /// Accepts a client and closes the connection, for want of a descriptor to serve it with: it learns so at once.
    fn turn_away(&mut self, error: SystemError) -> Result<(), Error> {
        if self.spare.take().is_none() {
            return Err(error.into());
        }
        let accepted = self.listening.accept();
        let was_there = accepted.as_ref().map(Option::is_some).map_err(|_| error);
        drop(accepted);
        self.spare = Signal::new().ok();
        if !was_there? {
            // It fails for want of a descriptor before anybody looks whether there is somebody.
            return Ok(());
        }
        self.reject(None, Cause::System(error));
        Ok(())
    }

    fn reject(&mut self, peer: Option<Peer>, cause: Cause) {
        self.arrivals.push_back(Arrival::Rejected(Rejected::new(peer, cause)));
    }

    /// Sets the timer for the client who has been silent for the longest time.
    fn set_alarm(&mut self) -> Result<(), Error> {
        let wanted = self.silent.first_key_value().map_or(Deadline::NEVER, |(_, silent)| silent.until);
        if wanted != self.alarm {
            self.timer.set(wanted.left())?;
            self.alarm = wanted;
        }
        Ok(())
    }
}

/// What came in time, if anything did.
fn in_time<T>(outcome: Result<T, Error>) -> Result<Option<T>, Error> {
    match outcome {
        Ok(came) => Ok(Some(came)),
        Err(Error::TimedOut) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::os::fd::AsFd;

    use super::{Arrival, Cause, ServerConfig};
    use crate::endpoint::Endpoint;
    use crate::sys::ground::RunDir;
    use crate::sys::{Connected, EventQueue, Socket};
    use crate::transport::Deadline;

    #[test]
    fn when_the_last_silent_client_has_been_turned_out_there_is_nothing_more_to_do() {
        let room = RunDir::new();
        let endpoint = Endpoint::new(room.path(), "s").unwrap();
        let config = ServerConfig::new().handshake_timeout(Duration::from_millis(1));
        let mut listener = config.listen(&endpoint).unwrap();
        let outer = EventQueue::new().unwrap();
        outer.add(&listener, 7).unwrap();
        for _ in 0..2 {
            let Connected::Yes(_silent) = Socket::connect(endpoint.socket_path()).unwrap() else { panic!("no room") };
            let Arrival::Rejected(rejected) = listener.next(Deadline::NEVER).unwrap() else { panic!("let in") };
            assert_eq!(*rejected.cause(), Cause::TimedOut);
            assert!(listener.try_next().unwrap().is_none());
            assert_eq!(outer.wait(Some(Duration::ZERO)).unwrap(), None);
        }
    }

    #[test]
    fn the_regions_of_dead_servers_go_before_the_first_client_comes_and_those_of_living_ones_stay() {
        let room = RunDir::new();
        let endpoint = Endpoint::new(room.path(), "s").unwrap();
        let region = |pid: u32| [0x4e53_484d, 0x0040_0003, pid, 1, 64, 64, 128, 64].map(u32::to_ne_bytes).concat();
        for (id, pid) in [(1, 0), (2, std::process::id())] {
            let mut bytes = region(pid);
            bytes.resize(192, 0);
            std::fs::write(endpoint.region_path(id), bytes).unwrap();
        }
        let _listener = ServerConfig::new().listen(&endpoint).unwrap();
        assert!(!endpoint.region_path(1).exists() && endpoint.region_path(2).exists());
        // Who is refused the path removes nothing.
        std::fs::write(endpoint.region_path(1), "no region").unwrap();
        assert!(ServerConfig::new().listen(&endpoint).is_err());
        assert!(endpoint.region_path(1).exists());
    }

    #[test]
    fn a_copy_of_a_clients_descriptor_does_not_keep_the_listener_busy() {
        let room = RunDir::new();
        let endpoint = Endpoint::new(room.path(), "s").unwrap();
        for handshake_timeout in [Duration::from_millis(1), Duration::MAX] {
            let mut listener = ServerConfig::new().handshake_timeout(handshake_timeout).listen(&endpoint).unwrap();
            let outer = EventQueue::new().unwrap();
            outer.add(&listener, 7).unwrap();
            let Connected::Yes(silent) = Socket::connect(endpoint.socket_path()).unwrap() else { panic!("no room") };
            assert!(listener.see_to(None).unwrap());
            // As a process has that was forked off.
            let (_, watched) = listener.silent.first_key_value().unwrap();
            let _copy = watched.link.wire.as_fd().try_clone_to_owned().unwrap();
            let cause = if handshake_timeout == Duration::MAX { Cause::Closed } else { Cause::TimedOut };
            let kept = (cause == Cause::TimedOut).then_some(silent);
            let Arrival::Rejected(rejected) = listener.next(Deadline::NEVER).unwrap() else { panic!("let in") };
            assert_eq!(*rejected.cause(), cause);
            drop(kept);
            assert_eq!(outer.wait(Some(Duration::ZERO)).unwrap(), None);
        }
    }
}
