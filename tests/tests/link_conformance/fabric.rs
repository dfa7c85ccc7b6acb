//! What packets can travel over, and two sessions joined by it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use netipc::endpoint::Endpoint;
use netipc::session::{
    Arrival, Cause, ClientConfig, ClientSession, Deadline, Error, Script, ServerConfig, ServerSession, Ticket, Wait,
    in_process,
};
use netipc::wire::{Method, Profiles};

pub const METHOD: Method = Method::new(7);

/// Larger than what any link of packets takes without a receiver.
pub const LARGE: usize = 1 << 20;

/// Long enough for everything that does not hang.
pub fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

/// Over before it begins.
pub fn now() -> Deadline {
    Deadline::after(Duration::ZERO)
}

/// Bytes that tell where they stand.
pub fn payload(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from((at * 7 + seed * 31) % 251).expect("a byte")).collect()
}

/// A kind of link.
#[derive(Debug, Clone, Copy)]
pub enum Fabric {
    Sockets { wait: Wait },
    SharedMemory { wait: Wait },
    InProcess,
}

impl Fabric {
    /// What both sides agree on.
    pub const fn profile(self) -> Profiles {
        match self {
            Self::Sockets { .. } | Self::InProcess => Profiles::BASELINE,
            Self::SharedMemory { .. } => Profiles::SHM_HYBRID,
        }
    }

    /// How many short messages that nobody has received yet it takes each way, at the least. Where that is one, it takes
    /// no more, however short.
    pub const fn holds(self) -> usize {
        match self {
            Self::Sockets { .. } | Self::InProcess => 64,
            Self::SharedMemory { .. } => 1,
        }
    }

    /// Whether it takes more than one message that nobody has received yet.
    pub const fn holds_many(self) -> bool {
        self.holds() > 1
    }

    /// Whether it takes a [`LARGE`] message in parts only, and each when there is room for it.
    pub const fn cuts(self) -> bool {
        !matches!(self, Self::SharedMemory { .. })
    }

    /// Lets a client meet a server: what comes of it for each.
    pub fn handshake(
        self,
        client: &ClientConfig,
        server: &ServerConfig,
    ) -> (Result<ClientSession, Error>, Result<ServerSession, Cause>) {
        match self {
            Self::Sockets { wait } | Self::SharedMemory { wait } => {
                let dir = RunDir::new();
                let endpoint = Endpoint::new(dir.path(), "conformance").expect("a short path");
                let profile = self.profile();
                let (client, server) = (client.clone().profiles(profile), server.clone().profiles(profile));
                let mut listener = server.wait(wait).listen(&endpoint).expect("a free endpoint");
                let connecting = client.wait(wait).try_connect(&endpoint).expect("a server");
                let connecting = connecting.expect("room in the queue");
                let arrived = match listener.next(soon()).expect("a client") {
                    Arrival::Session(session) => Ok(*session),
                    Arrival::Rejected(rejected) => Err(*rejected.cause()),
                };
                (connecting.finish(soon()), arrived)
            }
            Self::InProcess => {
                let (connecting, arriving) = in_process(client, server, &Script::new()).expect("a pair");
                let arrived = arriving.meet(soon()).map_err(|rejected| *rejected.cause());
                (connecting.finish(soon()), arrived)
            }
        }
    }

    /// A client that says nothing and leaves: what the server makes of it.
    pub fn silence(self) -> Cause {
        match self {
            Self::Sockets { wait } | Self::SharedMemory { wait } => {
                let dir = RunDir::new();
                let endpoint = Endpoint::new(dir.path(), "conformance").expect("a short path");
                let mut listener = ServerConfig::new().wait(wait).listen(&endpoint).expect("a free endpoint");
                let address = rustix::net::SocketAddrUnix::new(endpoint.socket_path()).expect("a short path");
                let (family, kind) = (rustix::net::AddressFamily::UNIX, rustix::net::SocketType::SEQPACKET);
                let socket = rustix::net::socket(family, kind, None).expect("a socket");
                rustix::net::connect(&socket, &address).expect("a server");
                drop(socket);
                match listener.next(soon()).expect("a client") {
                    Arrival::Session(session) => panic!("{session:?}"),
                    Arrival::Rejected(rejected) => *rejected.cause(),
                }
            }
            Self::InProcess => {
                let lost = Script::new().to_server(0, netipc::session::Fault::Drop);
                let (connecting, arriving) =
                    in_process(&ClientConfig::new(), &ServerConfig::new(), &lost).expect("a pair");
                drop(connecting);
                *arriving.meet(soon()).expect_err("a client that said nothing").cause()
            }
        }
    }

    /// Two sessions that these configurations lead to.
    pub fn pair_of(self, client: &ClientConfig, server: &ServerConfig) -> (ClientSession, ServerSession) {
        let (client, server) = self.handshake(client, server);
        (client.expect("a server that lets in"), server.expect("a client that is let in"))
    }

    /// Two sessions with payloads of up to [`LARGE`] bytes.
    pub fn pair(self) -> (ClientSession, ServerSession) {
        self.pair_of(&roomy_client(), &roomy_server())
    }

    /// Makes `calls` of a server that treats every request with `answer`, until the client is gone.
    pub fn serving<R>(
        self,
        (client, server): (&ClientConfig, &ServerConfig),
        mut answer: impl FnMut(&mut ServerSession, Ticket, &[u8]) -> Result<(), Error> + Send,
        calls: impl FnOnce(&mut ClientSession) -> R,
    ) -> R {
        let (mut client, mut server) = self.pair_of(client, server);
        thread::scope(|scope| {
            let serving = scope.spawn(move || {
                loop {
                    let request = match server.receive(soon()) {
                        Ok(request) => request,
                        Err(error) => return error,
                    };
                    let (ticket, payload) = (request.ticket(), request.keep().into_payload());
                    answer(&mut server, ticket, &payload).expect("an answer that can be sent");
                }
            });
            let made = calls(&mut client);
            drop(client);
            assert_eq!(serving.join().expect("a server that ends"), Error::Closed { mid_message: false });
            made
        })
    }
}

pub fn roomy_client() -> ClientConfig {
    let most = u32::try_from(LARGE).expect("32 bits");
    ClientConfig::new().max_request_payload(most).max_response_payload(most)
}

pub fn roomy_server() -> ServerConfig {
    let most = u32::try_from(LARGE).expect("32 bits");
    ServerConfig::new().max_request_payload(most).max_response_payload(most)
}

/// A run directory of one test, which goes with it.
struct RunDir(PathBuf);

impl RunDir {
    fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("netipc-conformance-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a directory for temporary files");
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
