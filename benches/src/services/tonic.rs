//! tonic 0.14 over Unix stream sockets, with prost's messages: what its code generator would write, by hand, so that
//! nobody needs protoc; and without its router, which this service's few methods need none of.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Ready as Done, ready};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};

use prost::Message;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::{Grpc as ServerGrpc, NamedService, UnaryService};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::load::{CGROUPS, KEYS, Load};
use super::shelf::{Table, table};
use super::tasks::{Calls, Threads, done, drive};
use super::turn::Watch;
use super::{Contender, Group};
use crate::contender::Contender as Codec;
use crate::contenders::prost::{Snapshot, SnapshotCodec};
use crate::data;
use crate::driver::process::Ready;
use crate::driver::stats::Figures;
use crate::paths::{DOCKER, KNOWN, UNKNOWN, digest, names};

/// A current-thread runtime on both sides.
pub const ONE_THREAD: Tonic = Tonic { name: "tonic, one thread", threads: Threads::One };
/// A multi-thread runtime on both sides.
pub const ALL_THREADS: Tonic = Tonic { name: "tonic, all threads", threads: Threads::All };

const SOCKET: &str = "tonic.sock";
const INCREMENT: &str = "/netipc.Bench/Increment";
const SNAPSHOT: &str = "/netipc.Bench/Snapshot";
const INCREMENTS: &str = "/netipc.Bench/Increments";
const LOOKUP: &str = "/netipc.Bench/Lookup";

/// Both the number there and the next one back.
#[derive(Clone, Copy, Message)]
pub struct Number {
    #[prost(fixed64, tag = "1")]
    value: u64,
}

/// Several numbers there, and the next ones back.
#[derive(Clone, Message)]
pub struct Numbers {
    #[prost(fixed64, repeated, tag = "1")]
    values: Vec<u64>,
}

/// Asks for what is known of these paths.
#[derive(Clone, Message)]
pub struct Paths {
    #[prost(string, repeated, tag = "1")]
    paths: Vec<String>,
}

/// What is known of one path.
#[derive(Clone, Message)]
pub struct Found {
    #[prost(uint32, tag = "1")]
    status: u32,
    #[prost(uint32, tag = "2")]
    orchestrator: u32,
    #[prost(string, tag = "3")]
    name: String,
}

/// What is known, in the order of the paths, which it does not repeat.
#[derive(Clone, Message)]
pub struct AllFound {
    #[prost(message, repeated, tag = "1")]
    items: Vec<Found>,
}

/// Asks for a snapshot.
#[derive(Clone, Copy, Message)]
pub struct Nothing {}

#[derive(Clone)]
struct Handler(Arc<Snapshot>, Arc<HashMap<String, String>>);

struct Increment;

impl UnaryService<Number> for Increment {
    type Response = Number;
    type Future = Done<Result<Response<Number>, Status>>;

    fn call(&mut self, request: Request<Number>) -> Self::Future {
        ready(Ok(Response::new(Number { value: request.into_inner().value + 1 })))
    }
}

struct Increments;

impl UnaryService<Numbers> for Increments {
    type Response = Numbers;
    type Future = Done<Result<Response<Numbers>, Status>>;

    fn call(&mut self, request: Request<Numbers>) -> Self::Future {
        let values = request.into_inner().values.into_iter().map(|value| value + 1).collect();
        ready(Ok(Response::new(Numbers { values })))
    }
}

struct Lookup(Arc<HashMap<String, String>>);

impl UnaryService<Paths> for Lookup {
    type Response = AllFound;
    type Future = Done<Result<Response<AllFound>, Status>>;

    fn call(&mut self, request: Request<Paths>) -> Self::Future {
        let found = |path| match self.0.get(path) {
            Some(name) => Found { status: KNOWN.into(), orchestrator: DOCKER.into(), name: name.clone() },
            None => Found { status: UNKNOWN.into(), orchestrator: 0, name: String::new() },
        };
        ready(Ok(Response::new(AllFound { items: request.get_ref().paths.iter().map(found).collect() })))
    }
}

struct TakeSnapshot(Arc<Snapshot>);

impl UnaryService<Nothing> for TakeSnapshot {
    type Response = Snapshot;
    type Future = Done<Result<Response<Snapshot>, Status>>;

    fn call(&mut self, _: Request<Nothing>) -> Self::Future {
        ready(Ok(Response::new(Snapshot::clone(&self.0))))
    }
}

impl NamedService for Handler {
    const NAME: &'static str = "netipc.Bench";
}

impl Service<http::Request<Body>> for Handler {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match request.uri().path() {
            INCREMENT => Box::pin(async { Ok(ServerGrpc::new(ProstCodec::default()).unary(Increment, request).await) }),
            SNAPSHOT => {
                let method = TakeSnapshot(Arc::clone(&self.0));
                Box::pin(async { Ok(ServerGrpc::new(ProstCodec::default()).unary(method, request).await) })
            }
            INCREMENTS => {
                Box::pin(async { Ok(ServerGrpc::new(ProstCodec::default()).unary(Increments, request).await) })
            }
            LOOKUP => {
                let method = Lookup(Arc::clone(&self.1));
                Box::pin(async { Ok(ServerGrpc::new(ProstCodec::default()).unary(method, request).await) })
            }
            _ => Box::pin(ready(Ok(Status::unimplemented("no such method").into_http()))),
        }
    }
}

/// A service, and the threads of its runtimes.
#[derive(Debug)]
pub struct Tonic {
    name: &'static str,
    threads: Threads,
}

impl Contender for Tonic {
    fn name(&self) -> &'static str {
        self.name
    }

    fn group(&self) -> Group {
        Group::Tonic
    }

    fn runs(&self, _: &Load) -> bool {
        true
    }

    fn serve(&self, run_dir: &Path, _: &Load, ready: Ready) -> io::Result<()> {
        let snapshot = SnapshotCodec::new(&data::Snapshot::sample(CGROUPS)).into_message();
        let handler = Handler(Arc::new(snapshot), Arc::new(names(KEYS)));
        self.threads.runtime()?.block_on(async {
            let clients = UnixListenerStream::new(UnixListener::bind(run_dir.join(SOCKET))?);
            tokio::spawn(Server::builder().serve_with_incoming(handler, clients));
            ready.say()?;
            done().await
        })
    }

    fn drive(&self, run_dir: &Path, load: &Load, watch: &Watch) -> io::Result<Figures> {
        let address = format!("unix://{}", run_dir.join(SOCKET).display());
        self.threads.runtime()?.block_on(async {
            let mut clients = Vec::with_capacity(load.clients);
            for _ in 0..load.clients {
                let endpoint = Endpoint::from_shared(address.clone()).map_err(io::Error::other)?;
                clients.push(Client(Grpc::new(endpoint.connect().await.map_err(io::Error::other)?)));
            }
            drive(clients, load, watch).await
        })
    }
}

#[derive(Clone)]
struct Client(Grpc<Channel>);

impl Client {
    async fn call<Q, A>(&mut self, path: &'static str, request: Q) -> io::Result<A>
    where
        Q: Message + Send + Sync + 'static,
        A: Message + Default + Send + Sync + 'static,
    {
        self.0.ready().await.map_err(io::Error::other)?;
        let path = PathAndQuery::from_static(path);
        let answer = self.0.unary(Request::new(request), path, ProstCodec::default()).await;
        Ok(answer.map_err(io::Error::other)?.into_inner())
    }
}

impl Calls for Client {
    async fn increment(&mut self, value: u64) -> io::Result<u64> {
        let Number { value } = self.call(INCREMENT, Number { value }).await?;
        Ok(value)
    }

    async fn snapshot(&mut self) -> io::Result<u64> {
        Ok(SnapshotCodec::checksum(&self.call(SNAPSHOT, Nothing {}).await?))
    }

    async fn increments(&mut self, values: Vec<u64>) -> io::Result<Vec<u64>> {
        let Numbers { values } = self.call(INCREMENTS, Numbers { values }).await?;
        Ok(values)
    }

    async fn table(&mut self) -> io::Result<Table> {
        let snapshot: Snapshot = self.call(SNAPSHOT, Nothing {}).await?;
        Ok(table(snapshot.into_cgroups()))
    }

    async fn lookup(&mut self, paths: &Arc<Vec<String>>) -> io::Result<u64> {
        // A message owns what is in it.
        let request = Paths { paths: Vec::clone(paths) };
        let AllFound { items } = self.call(LOOKUP, request).await?;
        let digests = items.iter().map(|item| {
            // Numbers that no u16 holds would be no answer of ours.
            let [status, orchestrator] = [item.status, item.orchestrator].map(|number| number as u16);
            digest(status, orchestrator, item.name.as_bytes())
        });
        Ok(digests.sum())
    }
}
