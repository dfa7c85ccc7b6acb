//! Where sessions of ours meet peers by hand, and what must be left when those are gone.

use std::fs;

use bytes::Bytes;
use netipc::endpoint::Endpoint;
use netipc::proto::Role;
use netipc::session::{ClientConfig, ClientSession, Deadline, Error, Listener, ServerSession, Ticket, Wait};
use netipc::wire::Status;
use netipc_tests::memory::{Peer, ack, admit, client, echo, enter, hello, meet, server};
use netipc_tests::raw::{RawServer, RunDir, soon};
use netipc_tests::region::Layout;

use super::{METHOD, PAYLOAD};

/// A session of ours with a peer by hand.
pub(crate) enum Ours {
    Client(ClientSession),
    /// With a request that waits for its answer.
    Server(ServerSession, Ticket),
}

impl Ours {
    pub(crate) fn receive(&mut self, deadline: Deadline) -> Result<Vec<u8>, Error> {
        let message = match self {
            Self::Client(session) => session.receive(deadline),
            Self::Server(session, _) => session.receive(deadline),
        };
        message.map(|message| message.payload().to_vec())
    }

    /// Every call fails, and none of them waits.
    pub(crate) fn assert_over(self, why: &Error, name: &str) {
        let mut errors = Vec::new();
        match self {
            Self::Client(session) => {
                let (mut requests, mut responses) = session.split();
                errors.push(responses.receive(soon()).map(drop).unwrap_err());
                errors.push(responses.try_receive().map(drop).unwrap_err());
                errors.push(requests.send(METHOD, b"late", soon()).unwrap_err());
                errors.push(requests.send_batch(METHOD, &[b"late"], soon()).unwrap_err());
                errors.push(requests.try_send(METHOD, Bytes::from_static(b"late")).unwrap_err());
                errors.push(requests.try_flush().unwrap_err());
            }
            Self::Server(session, ticket) => {
                let (mut requests, mut responses) = session.split();
                errors.push(requests.receive(soon()).map(drop).unwrap_err());
                errors.push(requests.try_receive().map(drop).unwrap_err());
                errors.push(responses.respond(ticket, b"late", soon()).unwrap_err());
                errors.push(responses.respond_status(ticket, Status::InternalError, soon()).unwrap_err());
                errors.push(responses.try_respond(ticket, Bytes::from_static(b"late")).unwrap_err());
                errors.push(responses.try_flush().unwrap_err());
            }
        }
        for error in errors {
            assert_eq!(error, *why, "{name}");
        }
    }
}

/// A place where ours and others meet, with a session between ours that all the others must leave alone.
pub(crate) struct Ground {
    role: Role,
    payload: u32,
    listener: Listener,
    ours: Endpoint,
    by_hand: RawServer,
    theirs: Endpoint,
    config: ClientConfig,
    bystanders: (ClientSession, ServerSession),
    next_session: u64,
    run_dir: RunDir,
}

impl Ground {
    pub(crate) fn new(role: Role) -> Self {
        Self::with(role, PAYLOAD, Wait::Block)
    }

    pub(crate) fn with(role: Role, payload: u32, wait: Wait) -> Self {
        let run_dir = RunDir::new();
        let (ours, theirs) = (run_dir.endpoint("ours"), run_dir.endpoint("theirs"));
        let mut listener = server(payload, payload).max_in_flight(4).wait(wait).listen(&ours).unwrap();
        let by_hand = RawServer::listen(&theirs);
        let config = client(payload, payload).wait(wait);
        let bystanders = meet(&mut listener, &config, &ours);
        Self { role, payload, listener, ours, by_hand, theirs, config, bystanders, next_session: 1, run_dir }
    }

    /// A session with one request under way, whose id is 1 and which the peer has received if it is the server. The peer
    /// may publish what it likes.
    pub(crate) fn session(&mut self) -> (Ours, Peer) {
        match self.role {
            Role::Client => {
                let ack = ack(self.payload, self.payload, self.next_session);
                self.next_session += 1;
                let layout = Layout::of(self.payload, self.payload);
                let (mut session, mut peer) = admit(&self.config, &self.theirs, &self.by_hand, &ack, layout, |_| {});
                session.send(METHOD, b"question", soon()).unwrap();
                assert_eq!(peer.receive().1, b"question");
                (Ours::Client(session), peer)
            }
            Role::Server => {
                let (peer, mut session) = enter(&mut self.listener, &self.ours, &hello(self.payload, self.payload));
                peer.ask(1, b"question");
                let ticket = session.receive(soon()).unwrap().ticket();
                (Ours::Server(session, ticket), peer)
            }
        }
    }

    /// A good session can be had, and the one that was there before goes on.
    pub(crate) fn goes_on(&mut self) {
        let (mut client, mut server) = meet(&mut self.listener, &self.config, &self.ours);
        echo(&mut client, &mut server);
        echo(&mut self.bystanders.0, &mut self.bystanders.1);
    }

    /// Mappings of regions, files of regions that are ours to remove, and open descriptors.
    pub(crate) fn leavings(&self) -> (usize, usize, usize) {
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let mapped = maps.lines().filter(|line| line.contains(".ipcshm")).count();
        let names = fs::read_dir(self.run_dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let files = names.filter(|name| name.to_str().unwrap().starts_with("ours-")).count();
        (mapped, files, fs::read_dir("/proc/self/fd").unwrap().count())
    }
}
