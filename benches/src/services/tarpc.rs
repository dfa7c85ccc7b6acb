//! tarpc 0.38 over Unix stream sockets, with bincode, set up as its own examples do: a task for each request.
//!
//! A snapshot travels as an `Arc`, so that the server copies none of it before it is encoded.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context, serde_transport::unix};

use super::load::{CGROUPS, KEYS, Load};
use super::shelf::{Table, table};
use super::tasks::{Calls, Threads, done, drive};
use super::turn::Watch;
use super::{Contender, Group};
use crate::data::Snapshot;
use crate::driver::process::Ready;
use crate::driver::stats::Figures;
use crate::paths::{DOCKER, KNOWN, UNKNOWN, digest, names};

/// A current-thread runtime on both sides.
pub const ONE_THREAD: Tarpc = Tarpc { name: "tarpc, one thread", threads: Threads::One };
/// A multi-thread runtime on both sides.
pub const ALL_THREADS: Tarpc = Tarpc { name: "tarpc, all threads", threads: Threads::All };

const SOCKET: &str = "tarpc.sock";

#[tarpc::service]
trait Bench {
    async fn increment(value: u64) -> u64;
    async fn increments(values: Vec<u64>) -> Vec<u64>;
    async fn snapshot() -> Arc<Snapshot>;
    async fn lookup(paths: Arc<Vec<String>>) -> Vec<Found>;
}

/// What is known of one path. Answers stand in the order of the keys, which they don't repeat.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Found {
    status: u16,
    orchestrator: u16,
    name: String,
}

#[derive(Clone)]
struct Handler(Arc<Snapshot>, Arc<HashMap<String, String>>);

impl Bench for Handler {
    async fn increment(self, _: context::Context, value: u64) -> u64 {
        value + 1
    }

    async fn snapshot(self, _: context::Context) -> Arc<Snapshot> {
        self.0
    }

    async fn increments(self, _: context::Context, values: Vec<u64>) -> Vec<u64> {
        values.into_iter().map(|value| value + 1).collect()
    }

    async fn lookup(self, _: context::Context, paths: Arc<Vec<String>>) -> Vec<Found> {
        let found = |path| match self.1.get(path) {
            Some(name) => Found { status: KNOWN, orchestrator: DOCKER, name: name.clone() },
            None => Found { status: UNKNOWN, orchestrator: 0, name: String::new() },
        };
        paths.iter().map(found).collect()
    }
}

/// A service, and the threads of its runtimes.
#[derive(Debug)]
pub struct Tarpc {
    name: &'static str,
    threads: Threads,
}

impl Contender for Tarpc {
    fn name(&self) -> &'static str {
        self.name
    }

    fn group(&self) -> Group {
        Group::Tarpc
    }

    fn runs(&self, _: &Load) -> bool {
        true
    }

    fn serve(&self, run_dir: &Path, _: &Load, ready: Ready) -> io::Result<()> {
        let handler = Handler(Arc::new(Snapshot::sample(CGROUPS)), Arc::new(names(KEYS)));
        self.threads.runtime()?.block_on(async {
            let mut clients = unix::listen(run_dir.join(SOCKET), Bincode::default).await?;
            tokio::spawn(async move {
                while let Some(client) = clients.next().await {
                    let Ok(transport) = client else { continue };
                    let requests = BaseChannel::with_defaults(transport).execute(handler.clone().serve());
                    tokio::spawn(requests.for_each(|answered| async {
                        tokio::spawn(answered);
                    }));
                }
            });
            ready.say()?;
            done().await
        })
    }

    fn drive(&self, run_dir: &Path, load: &Load, watch: &Watch) -> io::Result<Figures> {
        self.threads.runtime()?.block_on(async {
            let mut clients = Vec::with_capacity(load.clients);
            for _ in 0..load.clients {
                let transport = unix::connect(run_dir.join(SOCKET), Bincode::default).await?;
                clients.push(BenchClient::new(client::Config::default(), transport).spawn());
            }
            drive(clients, load, watch).await
        })
    }
}

impl Calls for BenchClient {
    async fn increment(&mut self, value: u64) -> io::Result<u64> {
        BenchClient::increment(self, context::current(), value).await.map_err(io::Error::other)
    }

    async fn snapshot(&mut self) -> io::Result<u64> {
        let snapshot = BenchClient::snapshot(self, context::current()).await.map_err(io::Error::other)?;
        Ok(snapshot.checksum())
    }

    async fn increments(&mut self, values: Vec<u64>) -> io::Result<Vec<u64>> {
        BenchClient::increments(self, context::current(), values).await.map_err(io::Error::other)
    }

    async fn table(&mut self) -> io::Result<Table> {
        let snapshot = BenchClient::snapshot(self, context::current()).await.map_err(io::Error::other)?;
        // Nobody else has it, so the items are moved.
        Ok(table(Arc::unwrap_or_clone(snapshot).items))
    }

    async fn lookup(&mut self, paths: &Arc<Vec<String>>) -> io::Result<u64> {
        let answer = BenchClient::lookup(self, context::current(), Arc::clone(paths)).await;
        let digests = answer.map_err(io::Error::other)?;
        Ok(digests.iter().map(|item| digest(item.status, item.orchestrator, item.name.as_bytes())).sum())
    }
}
