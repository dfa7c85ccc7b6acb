//! A service of ours, generated from a trait: what users write, and nothing but a transport and a way to wait chosen.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use netipc::session::Wait;
use netipc::{CallError, HandlerResult, Reply, View};
use netipc_examples::{Snapshot, SnapshotRequest};

use super::load::{CGROUPS, Load, Method};
use super::threads::{Client, one_by_one, together};
use super::turn::Watch;
use super::{Contender, Group, client_is_done, level1, same, typed};
use crate::data::{self, checksum, digest};
use crate::driver::process::Ready;
use crate::driver::session::Over;
use crate::driver::stats::Figures;

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

const SHUTDOWN: Duration = Duration::from_secs(5);

/// The service.
#[netipc::service(name = "bench")]
pub trait Bench {
    /// The next number.
    fn increment(&self, value: u64) -> u64;
    /// All cgroups, written where the client reads them.
    fn snapshot(&self, request: View<'_, SnapshotRequest>, reply: Reply<'_, Snapshot>) -> HandlerResult;
}

struct Handler(data::Snapshot);

impl Bench for Handler {
    fn increment(&self, value: u64) -> u64 {
        value + 1
    }

    fn snapshot(&self, _: View<'_, SnapshotRequest>, mut reply: Reply<'_, Snapshot>) -> HandlerResult {
        let data = &self.0;
        reply.systemd_enabled(data.systemd_enabled).generation(data.generation);
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

    fn serve(&self, run_dir: &Path, _: &Load, ready: Ready) -> io::Result<()> {
        let server = BenchServer::new(Handler(data::Snapshot::sample(CGROUPS)))
            .profiles(self.over.profiles())
            .wait(self.wait)
            .bind(run_dir)
            .and_then(|bound| bound.spawn())
            .map_err(io::Error::other)?;
        ready.say()?;
        client_is_done()?;
        server.shutdown(SHUTDOWN).map_err(io::Error::other)
    }

    fn drive(&self, run_dir: &Path, load: &Load, watch: &Watch) -> io::Result<Figures> {
        let clients = (0..load.clients).map(|_| {
            let config = BenchClient::config().profiles(self.over.profiles()).wait(self.wait);
            let client = config.connect(run_dir).map_err(failed)?;
            Ok(match typed::caller(load) {
                Some(caller) => caller(client, load),
                None => Box::new(Caller { client, method: load.method, next: 0, expected: expected() }),
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

struct Caller {
    client: BenchClient,
    method: Method,
    next: u64,
    /// Of a snapshot.
    expected: u64,
}

impl Client for Caller {
    fn run(&mut self, until: Instant, samples: &mut [u32]) -> io::Result<usize> {
        match self.method {
            Method::Increment => one_by_one(until, samples, || {
                self.next += 1;
                same("answer", self.client.increment(self.next - 1).map_err(failed)?, self.next)
            }),
            Method::Snapshot => one_by_one(until, samples, || {
                let view = self.client.snapshot(&SnapshotRequest {}).map_err(failed)?;
                let digests = view.items().map(|item| {
                    digest(item.hash(), item.options(), item.enabled(), item.name().as_bytes(), item.path().as_bytes())
                });
                same("snapshot", checksum(view.systemd_enabled(), view.generation(), digests), self.expected)
            }),
        }
    }
}
