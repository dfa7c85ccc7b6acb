//! iceoryx2 0.10's request-response, whose messages are written and read in shared memory, in place and unproven.
//!
//! It has no way to wait for a message of this kind but to look again; users who would rather sleep have an event service
//! beside it, whose notifications travel through sockets. Both are here. All that it makes lies in the run directory, but
//! for shared memory, which is named after that and removed along with it. The names of its sockets are long, so a run
//! directory far below the root, which `TMPDIR` could ask for, leaves no room for them, and the run fails.
//!
//! Nothing but rustc and a linker is needed to build it on Linux: bindgen is among what its build scripts are made of, but
//! runs for QNX alone.

mod messages;

use std::collections::VecDeque;
use std::fmt::Display;
use std::hint::spin_loop;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use iceoryx2::node::{Node, NodeBuilder};
use iceoryx2::pending_response::PendingResponse;
use iceoryx2::port::client::Client as Port;
use iceoryx2::port::listener::Listener;
use iceoryx2::port::notifier::Notifier;
use iceoryx2::prelude::{Config, FileName, LogLevel, SemanticString, SignalHandlingMode, ipc, set_log_level};

use self::messages::{Cgroup, Found, Head, Text};
use super::generated::expected;
use super::load::{CGROUPS, KEYS, Load, Method};
use super::shelf::{Shelf, table};
use super::threads::{Client, alone, nanoseconds, one_by_one};
use super::turn::Watch;
use super::{Contender, Group, client_is_done, same};
use crate::data::{self, checksum};
use crate::driver::process::{Ready, shared_memory_prefix};
use crate::driver::stats::Figures;
use crate::paths::{self, digest};

/// Both sides look for messages all the time.
pub const LOOKING: Iceoryx2 = Iceoryx2 { name: "iceoryx2, looking", waiting: Waiting::Looking };
/// Both sides sleep until an event tells them to look.
pub const EVENTS: Iceoryx2 = Iceoryx2 { name: "iceoryx2, events", waiting: Waiting::Events };

/// How often a side looks before it gives its processor away.
const LOOKS: u32 = 64;
const CALLS: &str = "calls";
const REQUESTS: &str = "requests";
const ANSWERS: &str = "answers";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Looking,
    Events,
}

/// A service, and how both sides wait.
#[derive(Debug)]
pub struct Iceoryx2 {
    name: &'static str,
    waiting: Waiting,
}

impl Contender for Iceoryx2 {
    fn name(&self) -> &'static str {
        self.name
    }

    fn group(&self) -> Group {
        Group::Iceoryx2
    }

    fn rests(&self) -> bool {
        self.waiting != Waiting::Looking
    }

    fn runs(&self, load: &Load) -> bool {
        // Its ports belong to the thread that made them, and a notification wakes whoever listens.
        load.clients == 1
    }

    fn serve(&self, run_dir: &Path, load: &Load, ready: Ready) -> io::Result<()> {
        let node = node(run_dir)?;
        let side = Side::new(&node, self.waiting, REQUESTS, ANSWERS)?;
        let done = Done::watch(run_dir, self.waiting);
        match (load.method, load.items) {
            (Method::Increment, 1) => {
                let service = builder(&node)?.request_response::<u64, u64>();
                let service = service.max_active_requests_per_client(load.in_flight).create().map_err(failed)?;
                let server = service.server_builder().create().map_err(failed)?;
                ready.say()?;
                side.serve(&done, || {
                    let Some(request) = server.receive().map_err(failed)? else { return Ok(false) };
                    let answer = request.loan_uninit().map_err(failed)?;
                    answer.write_payload(*request + 1).send().map_err(failed)?;
                    Ok(true)
                })
            }
            (Method::Increment, items) => {
                let service = builder(&node)?.request_response::<[u64], [u64]>().create().map_err(failed)?;
                let server = service.server_builder().initial_max_slice_len(items as usize).create().map_err(failed)?;
                ready.say()?;
                side.serve(&done, || {
                    let Some(request) = server.receive().map_err(failed)? else { return Ok(false) };
                    let values = request.payload();
                    let answer = request.loan_slice_uninit(values.len()).map_err(failed)?;
                    answer.write_from_fn(|at| values[at] + 1).send().map_err(failed)?;
                    Ok(true)
                })
            }
            (Method::Snapshot | Method::Refresh, _) => {
                let snapshot = data::Snapshot::sample(CGROUPS);
                let service = builder(&node)?.request_response::<u64, [Cgroup]>().response_user_header::<Head>();
                let service = service.create().map_err(failed)?;
                let server = service.server_builder().initial_max_slice_len(CGROUPS).create().map_err(failed)?;
                ready.say()?;
                side.serve(&done, || {
                    let Some(request) = server.receive().map_err(failed)? else { return Ok(false) };
                    let mut answer = request.loan_slice_uninit(snapshot.items.len()).map_err(failed)?;
                    *answer.user_header_mut() = Head::of(&snapshot);
                    answer.write_from_fn(|at| Cgroup::of(&snapshot.items[at])).send().map_err(failed)?;
                    Ok(true)
                })
            }
            (Method::Lookup, _) => {
                let names = paths::names(KEYS);
                let service = builder(&node)?.request_response::<[Text<64>], [Found]>().create().map_err(failed)?;
                let server = service.server_builder().initial_max_slice_len(KEYS).create().map_err(failed)?;
                ready.say()?;
                side.serve(&done, || {
                    let Some(request) = server.receive().map_err(failed)? else { return Ok(false) };
                    let paths = request.payload();
                    let answer = request.loan_slice_uninit(paths.len()).map_err(failed)?;
                    let found = |at: usize| Found::of(paths[at].as_str().and_then(|path| names.get(path)));
                    answer.write_from_fn(found).send().map_err(failed)?;
                    Ok(true)
                })
            }
        }
    }

    fn drive(&self, run_dir: &Path, load: &Load, watch: &Watch) -> io::Result<Figures> {
        let node = node(run_dir)?;
        let side = Side::new(&node, self.waiting, ANSWERS, REQUESTS)?;
        match (load.method, load.items) {
            (Method::Increment, 1) => {
                let service = builder(&node)?.request_response::<u64, u64>().open().map_err(failed)?;
                let port = service.client_builder().create().map_err(failed)?;
                alone(&mut Numbers { port, side, in_flight: load.in_flight, next: 0 }, watch)
            }
            (Method::Increment, items) => {
                let service = builder(&node)?.request_response::<[u64], [u64]>().open().map_err(failed)?;
                let items = items as usize;
                let port = service.client_builder().initial_max_slice_len(items).create().map_err(failed)?;
                let mut next = 0;
                alone(
                    &mut OneByOne(|| {
                        let request = port.loan_slice_uninit(items).map_err(failed)?;
                        let pending = request.write_from_fn(|at| next + at as u64).send().map_err(failed)?;
                        let answer = side.answer(|| pending.receive())?;
                        same("answers", answer.payload().len() as u64, items as u64)?;
                        for &found in answer.payload() {
                            next += 1;
                            same("answer", found, next)?;
                        }
                        Ok(())
                    }),
                    watch,
                )
            }
            (method @ (Method::Snapshot | Method::Refresh), _) => {
                let service = builder(&node)?.request_response::<u64, [Cgroup]>().response_user_header::<Head>();
                let service = service.open().map_err(failed)?;
                let port = service.client_builder().create().map_err(failed)?;
                let (expected, shelf) = (expected(), Shelf::default());
                alone(
                    &mut OneByOne(|| {
                        let pending = port.send_copy(0).map_err(failed)?;
                        let answer = side.answer(|| pending.receive())?;
                        if method == Method::Refresh {
                            return shelf.put(table(answer.payload().iter().map(Cgroup::as_owned)));
                        }
                        let (head, digests) = (answer.user_header(), answer.payload().iter().map(Cgroup::digest));
                        same("snapshot", checksum(head.systemd_enabled, head.generation, digests), expected)
                    }),
                    watch,
                )
            }
            (Method::Lookup, _) => {
                let service = builder(&node)?.request_response::<[Text<64>], [Found]>().open().map_err(failed)?;
                let port = service.client_builder().initial_max_slice_len(KEYS).create().map_err(failed)?;
                let (keys, expected) = (paths::paths(KEYS), paths::expected(KEYS));
                alone(
                    &mut OneByOne(|| {
                        let request = port.loan_slice_uninit(keys.len()).map_err(failed)?;
                        let pending = request.write_from_fn(|at| Text::of(&keys[at])).send().map_err(failed)?;
                        let answer = side.answer(|| pending.receive())?;
                        let digests = answer.payload().iter();
                        let digests = digests.map(|item| digest(item.status, item.orchestrator, item.name.as_bytes()));
                        same("lookup", digests.sum(), expected)
                    }),
                    watch,
                )
            }
        }
    }
}

/// A node of an iceoryx2 of this run directory's own.
fn node(run_dir: &Path) -> io::Result<Node<ipc::Service>> {
    // It would write to stdout what it is not content with; errors are returned all the same.
    set_log_level(LogLevel::Fatal);
    let prefix = shared_memory_prefix(run_dir).ok_or(io::ErrorKind::InvalidInput)?;
    let root = run_dir.to_str().ok_or(io::ErrorKind::InvalidInput)?;
    let mut config = Config::default();
    config.global.set_root_path(&iceoryx2::prelude::Path::new(root.as_bytes()).map_err(failed)?);
    config.global.prefix = FileName::new(prefix.as_bytes()).map_err(failed)?;
    let builder = NodeBuilder::new().config(&config).signal_handling_mode(SignalHandlingMode::Disabled);
    builder.create::<ipc::Service>().map_err(failed)
}

fn builder(node: &Node<ipc::Service>) -> io::Result<iceoryx2::service::builder::Builder<ipc::Service>> {
    Ok(node.service_builder(&CALLS.try_into().map_err(failed)?))
}

fn failed(error: impl Display) -> io::Error {
    io::Error::other(error.to_string())
}

/// What one side waits with.
#[derive(Debug)]
enum Side {
    Looking,
    Events(Box<(Listener<ipc::Service>, Notifier<ipc::Service>)>),
}

impl Side {
    fn new(node: &Node<ipc::Service>, waiting: Waiting, hears: &str, tells: &str) -> io::Result<Self> {
        if waiting == Waiting::Looking {
            return Ok(Self::Looking);
        }
        let event = |name: &str| {
            let service = node.service_builder(&name.try_into().map_err(failed)?).event();
            service.open_or_create().map_err(failed)
        };
        let listener = event(hears)?.listener_builder().create().map_err(failed)?;
        let notifier = event(tells)?.notifier_builder().create().map_err(failed)?;
        Ok(Self::Events(Box::new((listener, notifier))))
    }

    /// Tells the other side to look.
    fn tell(&self) -> io::Result<()> {
        match self {
            Self::Looking => Ok(()),
            Self::Events(ports) => ports.1.notify().map(drop).map_err(failed),
        }
    }

    /// Looks until there is something.
    fn until<T>(&self, mut look: impl FnMut() -> io::Result<Option<T>>) -> io::Result<T> {
        let mut looks = 0;
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            match self {
                Self::Looking => {
                    looks += 1;
                    if looks % LOOKS == 0 { thread::yield_now() } else { spin_loop() }
                }
                Self::Events(ports) => drop(ports.0.blocking_wait(|_| {}).map_err(failed)?),
            }
        }
    }

    /// The answer to a request that was sent just now.
    fn answer<T, E: Display>(&self, mut receive: impl FnMut() -> Result<Option<T>, E>) -> io::Result<T> {
        self.tell()?;
        self.until(|| receive().map_err(failed))
    }

    /// Answers until the client is done; `answer` says whether there was a request.
    fn serve(&self, done: &Done, mut answer: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
        loop {
            let is_done = self.until(|| {
                if answer()? {
                    return Ok(Some(false));
                }
                // Acquire: with the store in `Done::watch`.
                Ok(done.0.load(Ordering::Acquire).then_some(true))
            })?;
            if is_done {
                return Ok(());
            }
            self.tell()?;
        }
    }
}

/// Whether the client has nothing more to ask.
#[derive(Debug)]
struct Done(Arc<AtomicBool>);

impl Done {
    /// Finds out on a thread of its own, and wakes the server then.
    fn watch(run_dir: &Path, waiting: Waiting) -> Self {
        let (done, run_dir) = (Arc::new(AtomicBool::new(false)), run_dir.to_owned());
        let told = Arc::clone(&done);
        thread::spawn(move || {
            let ended = client_is_done();
            // Release: with the load in `Side::serve`.
            told.store(true, Ordering::Release);
            ended?;
            // Ports are a thread's own: this one has a node and a notifier for this alone.
            let node = node(&run_dir)?;
            if let Side::Events(ports) = Side::new(&node, waiting, ANSWERS, REQUESTS)? {
                ports.1.notify().map_err(failed)?;
            }
            Ok::<_, io::Error>(())
        });
        Self(done)
    }
}

/// A client that makes its calls one after the other.
struct OneByOne<F>(F);

impl<F: FnMut() -> io::Result<()>> Client for OneByOne<F> {
    fn run(&mut self, until: Instant, samples: &mut [u32]) -> io::Result<usize> {
        one_by_one(until, samples, &mut self.0)
    }
}

struct Numbers {
    port: Port<ipc::Service, u64, (), u64, ()>,
    side: Side,
    in_flight: usize,
    next: u64,
}

impl Client for Numbers {
    fn run(&mut self, until: Instant, samples: &mut [u32]) -> io::Result<usize> {
        if self.in_flight == 1 {
            return one_by_one(until, samples, || {
                self.next += 1;
                let pending = self.send(self.next - 1)?;
                let answer = self.side.answer(|| pending.receive())?;
                same("answer", *answer, self.next)
            });
        }
        let mut asked = VecDeque::with_capacity(self.in_flight);
        let (mut calls, mut is_late) = (0, false);
        while !is_late || !asked.is_empty() {
            while !is_late && asked.len() < self.in_flight && calls + asked.len() < samples.len() {
                asked.push_back((self.send(self.next)?, self.next, Instant::now()));
                self.side.tell()?;
                self.next += 1;
            }
            let Some((pending, number, start)) = asked.pop_front() else { break };
            same("answer", *self.side.until(|| pending.receive().map_err(failed))?, number + 1)?;
            let end = Instant::now();
            if let Some(sample) = samples.get_mut(calls) {
                *sample = nanoseconds(start, end);
            }
            calls += 1;
            is_late |= end >= until;
        }
        Ok(calls)
    }
}

impl Numbers {
    fn send(&self, value: u64) -> io::Result<PendingResponse<ipc::Service, u64, (), u64, ()>> {
        let request = self.port.loan_uninit().map_err(failed)?;
        request.write_payload(value).send().map_err(failed)
    }
}
