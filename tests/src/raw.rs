//! Peers that no library would be: sockets that send any bytes at all, in any order.
//!
//! Owns: raw sockets in a run directory of their own, and well-formed packets to spoil. It refuses to wait for ever: who
//! hears nothing for a minute panics.

use std::io::{IoSlice, Write};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use netipc::endpoint::Endpoint;
use netipc::session::Deadline;
use netipc::wire::{AuthToken, ChunkHeader, Control, Header, Hello, HelloAck, Profiles, Status};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, SocketAddrUnix,
    SocketFlags, SocketType, accept_with, bind, connect, listen, recv, send, sendmsg, shutdown, socket_with,
};

/// How long nothing may happen before a test has failed. Where all is well nobody waits.
const SOON: Duration = Duration::from_secs(60);

/// A deadline that passes only where something is wrong.
#[must_use]
pub fn soon() -> Deadline {
    Deadline::after(SOON)
}

/// Keeps other tests of the same program from opening descriptors meanwhile; take it first in every one of them.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many descriptors this process has open, and always the one that looks.
///
/// # Panics
/// Without `/proc`.
#[must_use]
pub fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("/proc is there").count()
}

/// A run directory, removed with all that is in it when it is dropped.
#[derive(Debug)]
pub struct RunDir(PathBuf);

impl Default for RunDir {
    fn default() -> Self {
        Self::new()
    }
}

impl RunDir {
    /// A directory that nobody else has.
    ///
    /// # Panics
    /// Where there can be none.
    #[must_use]
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("netipc-raw-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(path)
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// A service in it.
    ///
    /// # Panics
    /// Where its path is too long for a socket.
    #[must_use]
    pub fn endpoint(&self, service: &str) -> Endpoint {
        Endpoint::new(&self.0, service).expect("a short path")
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            // A second panic would hide the first.
            let _ = writeln!(std::io::stderr(), "{}: {error}", self.0.display());
        }
    }
}

fn socket(kind: SocketType) -> OwnedFd {
    socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).expect("a socket")
}

fn address(path: &Path) -> SocketAddrUnix {
    SocketAddrUnix::new(path).expect("a short path")
}

/// One end of a connection.
#[derive(Debug)]
pub struct Raw(OwnedFd);

impl AsFd for Raw {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Raw {
    fn new(socket: OwnedFd) -> Self {
        for direction in [Timeout::Recv, Timeout::Send] {
            set_socket_timeout(&socket, direction, Some(SOON)).expect("a socket takes a timeout");
        }
        Self(socket)
    }

    /// Connects to whoever listens at `endpoint`.
    ///
    /// # Panics
    /// Where nobody does.
    #[must_use]
    pub fn connect(endpoint: &Endpoint) -> Self {
        Self::connect_as(SocketType::SEQPACKET, endpoint).expect("somebody listens")
    }

    /// Connects with a socket of this type.
    ///
    /// # Errors
    /// What the kernel has against it.
    pub fn connect_as(kind: SocketType, endpoint: &Endpoint) -> Result<Self, Errno> {
        let raw = Self::new(socket(kind));
        connect(&raw.0, &address(endpoint.socket_path()))?;
        Ok(raw)
    }

    /// Sends a packet, be it empty.
    ///
    /// # Errors
    /// What the kernel says; `EPIPE` where the peer has hung up.
    pub fn send(&self, packet: &[u8]) -> Result<(), Errno> {
        send(&self.0, packet, SendFlags::NOSIGNAL).map(|sent| assert_eq!(sent, packet.len()))
    }

    /// Sends packets that find room.
    ///
    /// # Panics
    /// Where one can't be sent.
    pub fn send_all(&self, packets: &[Vec<u8>]) {
        for packet in packets {
            self.send(packet).expect("the peer is there");
        }
    }

    /// Sends a packet with a descriptor attached.
    ///
    /// # Panics
    /// Where it can't be sent.
    pub fn send_with(&self, packet: &[u8], descriptor: BorrowedFd<'_>) {
        let descriptors = [descriptor];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut attached = SendAncillaryBuffer::new(&mut space);
        assert!(attached.push(SendAncillaryMessage::ScmRights(&descriptors)));
        let sent = sendmsg(&self.0, &[IoSlice::new(packet)], &mut attached, SendFlags::NOSIGNAL);
        assert_eq!(sent.expect("the peer is there"), packet.len());
    }

    /// The next packet; `None` at the end of the connection.
    ///
    /// # Panics
    /// Where nothing comes, or something too long.
    #[must_use]
    pub fn receive(&self) -> Option<Vec<u8>> {
        let mut packet = vec![0; 1 << 16];
        let (_, len) = loop {
            match recv(&self.0, &mut packet[..], RecvFlags::TRUNC) {
                Ok(received) => break received,
                // The peer closed without having read everything: told once, before what it had sent.
                Err(Errno::INTR | Errno::CONNRESET) => {}
                Err(errno) => panic!("nothing came: {errno}"),
            }
        };
        assert!(len <= packet.len(), "{len} bytes");
        packet.truncate(len);
        Some(packet).filter(|_| len > 0)
    }

    /// Asserts that the peer has hung up and said nothing more.
    ///
    /// # Panics
    /// Where it has not.
    pub fn assert_closed(&self, name: &str) {
        assert_eq!(self.receive(), None, "{name}");
        assert_eq!(self.send(b"anybody there?"), Err(Errno::PIPE), "{name}");
    }

    /// Whether the peer has hung up.
    ///
    /// # Panics
    /// Never: it is a socket.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let mut fds = [PollFd::new(&self.0, PollFlags::empty())];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).expect("a socket");
        fds[0].revents().contains(PollFlags::HUP)
    }

    /// Says that nothing more will be sent, and goes on listening.
    ///
    /// # Panics
    /// Where there is no connection.
    pub fn stop_sending(&self) {
        shutdown(&self.0, Shutdown::Write).expect("a connection");
    }
}

/// A socket that listens.
#[derive(Debug)]
pub struct RawServer(OwnedFd);

impl RawServer {
    /// Listens at `endpoint`.
    ///
    /// # Panics
    /// Where that is taken.
    #[must_use]
    pub fn listen(endpoint: &Endpoint) -> Self {
        let server = Self::bind_as(SocketType::SEQPACKET, endpoint);
        listen(&server.0, 16).expect("a bound socket");
        server
    }

    /// Takes the path with a socket of this type, and listens where such a socket can.
    ///
    /// # Panics
    /// Where it is taken.
    #[must_use]
    pub fn bind_as(kind: SocketType, endpoint: &Endpoint) -> Self {
        let socket = socket(kind);
        bind(&socket, &address(endpoint.socket_path())).expect("a free path");
        if kind == SocketType::STREAM {
            listen(&socket, 16).expect("a bound socket");
        }
        Self(socket)
    }

    /// The next client, who has connected already.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn accept(&self) -> Raw {
        set_socket_timeout(&self.0, Timeout::Recv, Some(SOON)).expect("a socket takes a timeout");
        Raw::new(accept_with(&self.0, SocketFlags::CLOEXEC).expect("a client"))
    }

    /// The next client, who is granted what it proposes but for the largest response payload.
    ///
    /// # Panics
    /// Where there is none, or it says no hello.
    #[must_use]
    pub fn admit(&self, response_payload: u32) -> Raw {
        let raw = self.accept();
        let packet = raw.receive().expect("a hello");
        let hello = Hello::parse(&packet[32..]).expect("a hello");
        let ack = HelloAck {
            request_payload: hello.max_request_payload,
            request_items: hello.max_request_items,
            response_items: hello.max_request_items,
            packet_size: hello.packet_size,
            response_payload,
            ..good_ack()
        };
        raw.send(&ack_packet(&ack)).expect("the client is there");
        raw
    }

    /// Whether a client has connected that was not accepted yet.
    ///
    /// # Panics
    /// Never: it listens.
    #[must_use]
    pub fn has_client(&self) -> bool {
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).expect("a socket that listens") > 0
    }
}

/// The terms of [`good_hello`] and [`good_ack`]: bytes of a packet, ..
pub const PACKET_SIZE: u32 = 100;
/// .. bytes of a payload, either way, ..
pub const PAYLOAD: u32 = 1024;
/// .. and items of a batch.
pub const ITEMS: u32 = 4;
/// What servers ask to be shown.
pub const TOKEN: u64 = 0xa5;

/// A hello that a server of these terms takes.
#[must_use]
pub fn good_hello() -> Hello {
    Hello {
        flags: 0,
        supported_profiles: Profiles::BASELINE,
        preferred_profiles: Profiles::BASELINE,
        max_request_payload: PAYLOAD,
        max_request_items: ITEMS,
        max_response_payload: PAYLOAD,
        max_response_items: ITEMS,
        auth_token: AuthToken::new(TOKEN),
        packet_size: PACKET_SIZE,
    }
}

/// The answer to it.
#[must_use]
pub fn good_ack() -> HelloAck {
    HelloAck {
        server_profiles: Profiles::BASELINE,
        intersection: Profiles::BASELINE,
        selected_profile: Profiles::BASELINE,
        request_payload: PAYLOAD,
        request_items: ITEMS,
        response_payload: PAYLOAD,
        response_items: ITEMS,
        packet_size: PACKET_SIZE,
        padding: 0,
        session_id: 3,
    }
}

/// The packet of a hello.
#[must_use]
pub fn hello_packet(hello: &Hello) -> Vec<u8> {
    [&Header::control(Control::Hello, 44).encode()[..], &hello.encode()].concat()
}

/// The packet of a hello-ack.
#[must_use]
pub fn ack_packet(ack: &HelloAck) -> Vec<u8> {
    [&Header::control(Control::HelloAck, 48).encode()[..], &ack.encode()].concat()
}

/// The packet of a refusal.
#[must_use]
pub fn refusal_packet(status: Status) -> Vec<u8> {
    let header = Header::control(Control::HelloAck, 48).with_status(status);
    [&header.encode()[..], &HelloAck::refusal().encode()].concat()
}

/// A message in one packet, whatever it is long.
#[must_use]
pub fn whole(header: Header, payload: &[u8]) -> Vec<u8> {
    [&header.encode()[..], payload].concat()
}

/// A message in packets of at most `packet_size` bytes (docs/protocol.md, section 1.4).
///
/// # Panics
/// Where a packet has no room.
#[must_use]
pub fn chunked(header: Header, payload: &[u8], packet_size: u32) -> Vec<Vec<u8>> {
    let narrow = |len: usize| u32::try_from(len).expect("a short message");
    let bodies: Vec<&[u8]> = payload.chunks(packet_size as usize - 32).collect();
    let packet = |(index, body): (usize, &&[u8])| {
        let head = match NonZeroU32::new(narrow(index)) {
            None => header.encode(),
            Some(_) => ChunkHeader {
                message_id: header.message_id(),
                total_message_len: narrow(payload.len()) + 32,
                chunk_index: narrow(index),
                chunk_count: narrow(bodies.len()),
                chunk_payload_len: NonZeroU32::new(narrow(body.len())).expect("no body is empty"),
            }
            .encode(),
        };
        [&head[..], body].concat()
    };
    bodies.iter().enumerate().map(packet).collect()
}

/// The same packet with other bytes at `at`.
#[must_use]
pub fn patched(packet: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[at..at + bytes.len()].copy_from_slice(bytes);
    packet
}
