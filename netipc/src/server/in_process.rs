//! A server in the process of its clients, for tests: no socket, no thread.
//!
//! Owns: who sits at the server's end of each connection, and acts when its client waits. All else is as over a socket:
//! handshake, limits, packets, batches, failures, reports. It refuses to hold a lock while code of the user's runs, so a
//! handler may call its own service through another client.

#[cfg(test)]
mod tests;

use core::fmt;
use core::marker::PhantomData;
use std::collections::VecDeque;

use super::Server;
use super::floor::Floor;
use super::report::Report;
use super::seat::{Patience, Seat, Served};
use crate::client::{CallError, Config, Stub};
use crate::session::{Arriving, ClientConfig, ClientSession, Counterpart, Deadline, Error, Gate, Met, Nearby, Script};
use crate::sync::{Arc, Mutex, Weak, lock};
use crate::sys::SystemError;

/// A server in the process of its clients, for tests: no socket, no thread.
///
/// Its handlers run on the thread of whoever calls, while the call waits for its answer. Calls are encoded, cut into
/// packets, limited, refused and failed as they are over a socket, and what was set for the server applies: limits, token,
/// `authorize`, `max_sessions`, `on_report`. Workers are not needed, and there is no shared memory: a server or a client that
/// has nothing but that among its profiles has nothing in common with the other.
///
/// A handler that is at work can't be interrupted by a deadline: the call ends when the handler does, and has timed out
/// then, or was aborted, where it would have been over a socket.
///
/// ```
/// # use netipc::server::InProcess;
/// # use netipc::wire::AuthToken;
/// #[netipc::service(name = "adder")]
/// pub trait Adder {
///     fn add(&self, one: u32, other: u32) -> u32;
/// }
///
/// struct Sum;
///
/// impl Adder for Sum {
///     fn add(&self, one: u32, other: u32) -> u32 {
///         one + other
///     }
/// }
///
/// # fn main() -> Result<(), netipc::CallError> {
/// let mut client = AdderServer::new(Sum).in_process();
/// assert_eq!(client.add(2, 3)?, 5);
///
/// // More than one client, with configurations of their own.
/// let token = AuthToken::new(7);
/// let server = InProcess::new(AdderServer::new(Sum).auth_token(token));
/// let mut known = server.connect(AdderClient::config().auth_token(token))?;
/// assert_eq!(known.add(2, 3)?, 5);
/// assert!(server.connect(AdderClient::config()).is_err());
/// # Ok(())
/// # }
/// ```
pub struct InProcess<S> {
    host: Arc<Host>,
    stub: PhantomData<fn() -> S>,
}

impl<S> Clone for InProcess<S> {
    fn clone(&self) -> Self {
        Self { host: Arc::clone(&self.host), stub: PhantomData }
    }
}

impl<S> fmt::Debug for InProcess<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InProcess").field(&self.host).finish()
    }
}

impl<S: Stub> InProcess<S> {
    /// Has `server` serve clients of this process for as long as this, a clone of it or a client of it lives. A handler
    /// that keeps one of these keeps itself alive, until it lets go.
    #[must_use]
    pub fn new(server: Server<S>) -> Self {
        let (config, floor) = server.set_up();
        let (gate, floor) = (Gate::new(config), floor.map(Arc::new));
        let host = Host { gate, floor, scripts: Mutex::default(), chairs: Mutex::default() };
        Self { host: Arc::new(host), stub: PhantomData }
    }

    /// A client as [`Config::new`] has it. It has tried to connect; its state tells what came of that.
    #[must_use]
    pub fn client(&self) -> S {
        Config::new().connect_nearby(self.nearby()).0
    }

    /// A client of this configuration.
    ///
    /// # Errors
    /// Why it could not connect.
    pub fn connect(&self, config: Config<S>) -> Result<S, CallError> {
        let (client, connected) = config.connect_nearby(self.nearby());
        connected.map(|()| client)
    }

    /// Has the next connection that a client makes meet the faults of `script`; called more than once, the ones after it, one
    /// each. All others meet none.
    pub fn fault(&self, script: Script) {
        lock(&self.host.scripts).push_back(script);
    }

    fn nearby(&self) -> Arc<dyn Nearby> {
        Arc::<Host>::clone(&self.host)
    }
}

struct Host {
    gate: Gate,
    /// Without one, for want of a descriptor, nobody is served.
    floor: Result<Arc<Floor>, SystemError>,
    scripts: Mutex<VecDeque<Script>>,
    /// Those of the connections that there are, and of some that there were.
    chairs: Mutex<Vec<Weak<Chair>>>,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("floor", &self.floor).finish_non_exhaustive()
    }
}

impl Nearby for Host {
    fn connect(&self, config: &ClientConfig, deadline: Deadline) -> Result<ClientSession, Error> {
        let floor = self.floor.as_ref().map_err(|&error| error)?;
        self.end_what_is_left();
        let script = lock(&self.scripts).pop_front().unwrap_or_default();
        self.gate.connect(config, &script, deadline, |arriving| {
            let sitter = Mutex::new(Some(Sitter::Arriving(arriving)));
            let chair = Arc::new(Chair { floor: Arc::clone(floor), sitter });
            lock(&self.chairs).push(Arc::downgrade(&chair));
            chair
        })
    }
}

impl Host {
    /// Ends the sessions that their clients have ended without being dropped: a server with a thread would have noticed.
    fn end_what_is_left(&self) {
        let chairs: Vec<_> = {
            let mut chairs = lock(&self.chairs);
            chairs.retain(|chair| chair.strong_count() > 0);
            chairs.iter().filter_map(Weak::upgrade).collect()
        };
        for chair in chairs {
            while chair.is_left() && chair.act() {}
        }
    }
}

/// The server's end of a connection.
#[derive(Debug)]
struct Chair {
    floor: Arc<Floor>,
    /// Nobody while it acts, and once it is over.
    sitter: Mutex<Option<Sitter>>,
}

/// Who sits there.
#[derive(Debug)]
enum Sitter {
    /// Has not said hello.
    Arriving(Arriving),
    Seated(Box<Seat>),
}

impl Chair {
    fn is_left(&self) -> bool {
        match &*lock(&self.sitter) {
            Some(Sitter::Seated(seat)) => seat.is_left(),
            // Such a one holds nothing that others could want.
            Some(Sitter::Arriving(_)) | None => false,
        }
    }

    /// Does one thing; whether there was one, and who sits there now.
    fn served(&self, sitter: Sitter) -> (bool, Option<Sitter>) {
        match sitter {
            Sitter::Arriving(arriving) => match arriving.try_meet() {
                Met::Session(session) => (true, Some(Sitter::Seated(Box::new(Seat::new(*session))))),
                Met::Waiting(arriving) => (false, Some(Sitter::Arriving(arriving))),
                Met::Rejected(rejected) => {
                    self.floor.tell(Report::Rejected(rejected));
                    (true, None)
                }
            },
            Sitter::Seated(mut seat) => match seat.serve(&self.floor, Patience::Now) {
                Served::Request => (true, Some(Sitter::Seated(seat))),
                Served::Nothing | Served::Blocked => (false, Some(Sitter::Seated(seat))),
                Served::End => (true, None),
            },
        }
    }
}

impl Counterpart for Chair {
    fn act(&self) -> bool {
        // It stands up, so that no lock is held while code of the user's runs.
        let Some(sitter) = lock(&self.sitter).take() else { return false };
        let (has_acted, sitter) = self.served(sitter);
        *lock(&self.sitter) = sitter;
        has_acted
    }
}
