//! A service of ours, generated from a trait: what users write, and nothing but a transport and a way to wait chosen.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use netipc::session::Wait;
use netipc::{Answers, CallError, HandlerResult, Keys, Reply, View};
use netipc_examples::{CgroupInfo, CgroupStatus, Orchestrator, Snapshot, SnapshotRequest};

use super::load::{CGROUPS, KEYS, Load, Method};
use super::threads::{Client, one_by_one, together};
use super::turn::Watch;
use super::{Contender, Group, client_is_done, level1, same, typed};
use crate::data::{self, checksum, digest};
use crate::driver::process::Ready;
use crate::driver::session::Over;
use crate::driver::stats::Figures;
use crate::paths;

/// Over a socket, asleep while nothing comes.
pub const BLOCKING: Generated =
    Generated { name: "service, block", wait: Wait::Block, over: Over::Socket, level1: "session, block" };
/// Over a socket, as clients and servers are unless something else is chosen.
pub const ADAPTIVE: Generated =
    Generated { name: "service, adaptive", wait: Wait::Adaptive, over: Over::Socket, level1: "session, adaptive" };
/// Over shared memory, asleep while nothing comes.
pub const SHM_BLOCKING: Generated =
    Generated { name: "service shm, block", over: Over::SharedMemory, level1: "session shm, block", ..BLOCKING };
/// Over shared memory.
pub const SHM_ADAPTIVE: Generated =
    Generated { name: "service shm, adaptive", over: Over::SharedMemory, level1: "session shm, adaptive", ..ADAPTIVE };

/// What keys travel in: more than the default, with which a lookup of so many would be several calls.
const LONGEST_REQUEST: u32 = 1 << 20;
const SHUTDOWN: Duration = Duration::from_secs(5);

/// The service.
#[netipc::service(name = "bench")]
pub trait Bench {
    /// The next number.
    fn increment(&self, value: u64) -> u64;
    /// All cgroups, written where the client reads them.
    fn snapshot(&self, request: View<'_, SnapshotRequest>, reply: Reply<'_, Snapshot>) -> HandlerResult;
    /// The same, for caches, and another generation each time.
    #[method(snapshot(items = items, key(hash, name), generation = generation))]
    fn cached(&self, reply: Reply<'_, Snapshot>) -> HandlerResult;
    /// What is known of these paths.
    #[method(lookup(keys = paths, items = items, echo = path, generation = generation,
        exceeded = CgroupStatus::PayloadExceeded, oversized = CgroupStatus::OversizedItem))]
    fn lookup(&self, paths: Keys<'_, CStr>, reply: Answers<'_, CgroupInfo>) -> HandlerResult;
}

struct Handler {
    data: data::Snapshot,
    generation: AtomicU64,
    names: HashMap<CString, CString>,
}

impl Handler {
    fn new() -> Self {
        let (data, names) = (data::Snapshot::sample(CGROUPS), paths::c_names(KEYS));
        Self { data, generation: AtomicU64::new(1), names }
    }

    fn answer(&self, generation: u64, mut reply: Reply<'_, Snapshot>) -> HandlerResult {
        let data = &self.data;
        reply.systemd_enabled(data.systemd_enabled).generation(generation);
        let mut items = reply.items(data.items.len());
        for item in &data.items {
            items.push(|to| {
                to.hash(item.hash)
                    .options(item.options)
                    .enabled(item.enabled)
                    .name(item.name.as_bytes())
                    .path(item.path.as_bytes())
            });
        }
        Ok(())
    }
}

impl Bench for Handler {
    fn increment(&self, value: u64) -> u64 {
        value + 1
    }

    fn snapshot(&self, _: View<'_, SnapshotRequest>, reply: Reply<'_, Snapshot>) -> HandlerResult {
        self.answer(self.data.generation, reply)
    }

    fn cached(&self, reply: Reply<'_, Snapshot>) -> HandlerResult {
        // Relaxed: the number itself is all that is asked.
        self.answer(self.generation.fetch_add(1, Ordering::Relaxed), reply)
    }

    fn lookup(&self, paths: Keys<'_, CStr>, mut reply: Answers<'_, CgroupInfo>) -> HandlerResult {
        reply.generation(1);
        for path in paths {
            match self.names.get(path) {
                Some(name) => {
                    reply.answer(|item| item.status(CgroupStatus::Known).orchestrator(Orchestrator::Docker).name(name))
                }
                None => reply.answer(|item| item.status(CgroupStatus::UnknownPermanent)),
            };
        }
        Ok(())
    }
}

/// A service, and how it travels.
pub struct Generated {
    name: &'static str,
    wait: Wait,
    over: Over,
    level1: &'static str,
}

impl Contender for Generated {
    fn name(&self) -> &'static str {
        self.name
    }

    fn group(&self) -> Group {
        match self.over {
            Over::Socket => Group::Socket,
            Over::SharedMemory => Group::Shm,
        }
    }

    fn level1(&self, load: &Load) -> Option<&'static str> {
        match (load.items, self.wait, self.over) {
            (1, ..) => Some(self.level1),
            (_, Wait::Adaptive, Over::Socket) => Some(level1::BATCHES.name()),
            (_, Wait::Adaptive, Over::SharedMemory) => Some(level1::SHM_BATCHES.name()),
            _ => None,
        }
    }

    fn runs(&self, load: &Load) -> bool {
        load.is_one_by_one() || typed::caller(load).is_some()
    }

    fn serve(&self, run_dir: &Path, load: &Load, ready: Ready) -> io::Result<()> {
        let server = BenchServer::new(Handler::new()).profiles(self.over.profiles()).wait(self.wait);
        let server = match load.method {
            Method::Lookup => server.max_request_payload(LONGEST_REQUEST),
            _ => server,
        };
        let server = server.bind(run_dir).and_then(|bound| bound.spawn()).map_err(io::Error::other)?;
        ready.say()?;
        client_is_done()?;
        server.shutdown(SHUTDOWN).map_err(io::Error::other)
    }

    fn drive(&self, run_dir: &Path, load: &Load, watch: &Watch) -> io::Result<Figures> {
        let clients = (0..load.clients).map(|_| {
            let config = BenchClient::config().profiles(self.over.profiles()).wait(self.wait);
            let config = match load.method {
                Method::Lookup => config.max_request_payload(LONGEST_REQUEST),
                _ => config,
            };
            let client = config.connect(run_dir).map_err(failed)?;
            Ok(match typed::caller(load) {
                Some(caller) => caller(client, load),
                None => Box::new(Caller { client, next: 0 }),
            })
        });
        together(clients.collect::<io::Result<_>>()?, watch)
    }
}

/// What reading all of a snapshot comes to.
pub(super) fn expected() -> u64 {
    data::Snapshot::sample(CGROUPS).checksum()
}

pub(super) fn failed(error: CallError) -> io::Error {
    io::Error::other(error)
}

/// One number after the other.
struct Caller {
    client: BenchClient,
    next: u64,
}

impl Client for Caller {
    fn run(&mut self, until: Instant, samples: &mut [u32]) -> io::Result<usize> {
        one_by_one(until, samples, || {
            self.next += 1;
            same("answer", self.client.increment(self.next - 1).map_err(failed)?, self.next)
        })
    }
}

/// A client that reads snapshots.
pub(super) fn snapshots(client: BenchClient) -> Box<dyn Client + Send> {
    Box::new(Snapshots { client, expected: expected() })
}

struct Snapshots {
    client: BenchClient,
    expected: u64,
}

impl Client for Snapshots {
    fn run(&mut self, until: Instant, samples: &mut [u32]) -> io::Result<usize> {
        one_by_one(until, samples, || {
            let view = self.client.snapshot(&SnapshotRequest {}).map_err(failed)?;
            let digests = view.items().map(|item| {
                digest(item.hash(), item.options(), item.enabled(), item.name().as_bytes(), item.path().as_bytes())
            });
            same("snapshot", checksum(view.systemd_enabled(), view.generation(), digests), self.expected)
        })
    }
}
