//! tarpc 0.38 over Unix stream sockets, with bincode, set up as its own examples do: a task for each request.
//!
//! A snapshot travels as an `Arc`, so that the server copies none of it before it is encoded.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures::StreamExt;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context, serde_transport::unix};

use super::load::{CGROUPS, Load};
use super::tasks::{Calls, Threads, done, drive};
use super::turn::Watch;
use super::{Contender, Group};
use crate::data::Snapshot;
use crate::driver::process::Ready;
use crate::driver::stats::Figures;

/// A current-thread runtime on both sides.
pub const ONE_THREAD: Tarpc = Tarpc { name: "tarpc, one thread", threads: Threads::One };
/// A multi-thread runtime on both sides.
pub const ALL_THREADS: Tarpc = Tarpc { name: "tarpc, all threads", threads: Threads::All };

const SOCKET: &str = "tarpc.sock";

#[tarpc::service]
trait Bench {
    async fn increment(value: u64) -> u64;
    async fn snapshot() -> Arc<Snapshot>;
}

#[derive(Clone)]
struct Handler(Arc<Snapshot>);

impl Bench for Handler {
    async fn increment(self, _: context::Context, value: u64) -> u64 {
        value + 1
    }

    async fn snapshot(self, _: context::Context) -> Arc<Snapshot> {
        self.0
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

    fn runs(&self, load: &Load) -> bool {
        load.items == 1
    }

    fn serve(&self, run_dir: &Path, _: &Load, ready: Ready) -> io::Result<()> {
        let handler = Handler(Arc::new(Snapshot::sample(CGROUPS)));
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
}
