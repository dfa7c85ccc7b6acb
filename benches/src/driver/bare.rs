//! The least that a call over a socket costs: loops that send and receive the packets that a session would, and nothing
//! else.
//!
//! Owns: packets as docs/protocol.md, section 1, has them (one sendmsg for each, header and payload gathered; one recvmsg,
//! scattered to where the payload belongs), and two ways to wait. It has no deadline, no abort, no handshake, and checks
//! lengths alone: what a session adds to that is what the comparison shows.

use std::io::{self, IoSlice, IoSliceMut};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use netipc::wire::{ChunkHeader, HEADER_LEN, Header, Method};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, accept_with, bind, connect, listen, recvmsg, sendmsg, socket_with, sockopt,
};
use rustix::thread::sched_yield;

use super::process::Ready;
use super::workload::{Answers, Workload};
use super::{Caller, Contender, End, Meeting};

/// A loop that sleeps until a packet comes.
pub const BLOCKING: Bare = Bare { name: "bare, blocking", waiting: Waiting::Blocking, meeting: Meeting::Pair };
/// A loop that tries for a while before it sleeps.
pub const YIELDING: Bare = Bare { name: "bare, yielding", waiting: Waiting::Yielding, meeting: Meeting::Pair };
/// `BLOCKING` over a socket with a path: the control that a pair is no faster than what sessions have.
pub const BY_PATH: Bare = Bare { name: "bare, blocking, by path", meeting: Meeting::RunDir, ..BLOCKING };

/// How long [`Waiting::Yielding`] tries before it sleeps.
const TRYING: Duration = Duration::from_micros(50);
const METHOD: Method = Method::new(1);
// What Linux keeps for itself of a SEQPACKET socket's SO_SNDBUF (docs/protocol.md, section 2).
const SEND_BUFFER_OVERHEAD: usize = 32;

/// A bare loop.
#[derive(Debug)]
pub struct Bare {
    pub name: &'static str,
    pub waiting: Waiting,
    pub meeting: Meeting,
}

/// What a side does until a packet comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// It sleeps in recvmsg.
    Blocking,
    /// It tries without blocking, with sched_yield after each try, and sleeps after 50 us.
    Yielding,
}

impl Contender for Bare {
    fn name(&self) -> &'static str {
        self.name
    }

    fn meeting(&self) -> Meeting {
        self.meeting
    }

    fn is_control(&self) -> bool {
        self.meeting == Meeting::RunDir
    }

    fn serve(&self, end: End, workload: &Workload, ready: Ready) -> io::Result<()> {
        let socket = match end {
            End::Socket(socket) => {
                ready.say()?;
                socket
            }
            End::RunDir(directory) => {
                let listener = seqpacket()?;
                bind(&listener, &address(&directory)?)?;
                listen(&listener, 1)?;
                ready.say()?;
                accept_with(&listener, SocketFlags::CLOEXEC)?
            }
        };
        let packets = Packets::new(socket, self.waiting)?;
        let mut answers = Answers::new(workload);
        // Ones, because zeros would be mapped at the first touch.
        let mut request = vec![1; workload.request_len];
        while let Some(header) = packets.receive(&mut request)? {
            let len = length(&header);
            let answer = answers.to(&request[..len])?;
            packets.send(Header::response(METHOD, header.message_id(), stated(answer)), answer)?;
        }
        Ok(())
    }

    fn connect(&self, end: End, workload: &Workload) -> io::Result<Box<dyn Caller>> {
        let socket = match end {
            End::Socket(socket) => socket,
            End::RunDir(directory) => {
                let socket = seqpacket()?;
                connect(&socket, &address(&directory)?)?;
                socket
            }
        };
        let answer = vec![1; workload.response_len];
        Ok(Box::new(BareCaller { packets: Packets::new(socket, self.waiting)?, answer, message_id: 0 }))
    }
}

struct BareCaller {
    packets: Packets,
    answer: Vec<u8>,
    message_id: u64,
}

impl Caller for BareCaller {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.message_id += 1;
        self.packets.send(Header::request(METHOD, self.message_id, stated(request)), request)
    }

    fn receive(&mut self) -> io::Result<&[u8]> {
        let header = self.packets.receive(&mut self.answer)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(&self.answer[..length(&header)])
    }
}

/// A connected socket and the length that its packets may have.
struct Packets {
    socket: OwnedFd,
    packet_size: usize,
    waiting: Waiting,
}

impl Packets {
    fn new(socket: OwnedFd, waiting: Waiting) -> io::Result<Self> {
        let packet_size = sockopt::socket_send_buffer_size(&socket)? - SEND_BUFFER_OVERHEAD;
        Ok(Self { socket, packet_size, waiting })
    }

    /// Sends a message in as few packets as it takes.
    fn send(&self, header: Header, payload: &[u8]) -> io::Result<()> {
        let room = self.packet_size - HEADER_LEN;
        let (first, rest) = payload.split_at(payload.len().min(room));
        self.send_packet(&header.encode(), first)?;
        for (index, chunk) in (1..).zip(rest.chunks(room)) {
            let chunk_header = ChunkHeader {
                message_id: header.message_id(),
                total_message_len: header.payload_len() + HEADER_LEN as u32,
                chunk_index: index,
                chunk_count: payload.len().div_ceil(room) as u32,
                chunk_payload_len: NonZeroU32::new(stated(chunk)).ok_or(io::ErrorKind::InvalidInput)?,
            };
            self.send_packet(&chunk_header.encode(), chunk)?;
        }
        Ok(())
    }

    fn send_packet(&self, head: &[u8; HEADER_LEN], body: &[u8]) -> io::Result<()> {
        let parts = [IoSlice::new(head), IoSlice::new(body)];
        let parts = if body.is_empty() { &parts[..1] } else { &parts[..] };
        let send = || sendmsg(&self.socket, parts, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL);
        let sent = retry_on_intr(send)?;
        if sent == HEADER_LEN + body.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Receives a message, its payload at the start of `payload`; `None` when the other side has hung up.
    fn receive(&self, payload: &mut [u8]) -> io::Result<Option<Header>> {
        let mut head = [0; HEADER_LEN];
        let Some(mut received) = self.receive_packet(&mut head, payload)? else { return Ok(None) };
        let header = Header::parse(&head).map_err(io::Error::other)?;
        let payload = payload.get_mut(..length(&header)).ok_or(io::ErrorKind::InvalidData)?;
        while received < payload.len() {
            let chunk = self.receive_packet(&mut head, &mut payload[received..])?;
            received += chunk.filter(|&len| len > 0).ok_or(io::ErrorKind::UnexpectedEof)?;
        }
        if received == payload.len() { Ok(Some(header)) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// The number of bytes of the packet that went into `body`.
    fn receive_packet(&self, head: &mut [u8; HEADER_LEN], body: &mut [u8]) -> io::Result<Option<usize>> {
        let mut parts = [IoSliceMut::new(head), IoSliceMut::new(body)];
        let mut receive =
            |flags| retry_on_intr(|| recvmsg(&self.socket, &mut parts, &mut RecvAncillaryBuffer::default(), flags));
        let message = match self.waiting {
            Waiting::Blocking => receive(RecvFlags::empty())?,
            Waiting::Yielding => {
                let mut since = None;
                loop {
                    match receive(RecvFlags::DONTWAIT) {
                        Err(Errno::AGAIN) if since.get_or_insert_with(Instant::now).elapsed() < TRYING => sched_yield(),
                        Err(Errno::AGAIN) => break receive(RecvFlags::empty())?,
                        received => break received?,
                    }
                }
            }
        };
        match message.bytes {
            0 => Ok(None),
            HEADER_LEN.. if !message.flags.contains(ReturnFlags::TRUNC) => Ok(Some(message.bytes - HEADER_LEN)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

fn length(header: &Header) -> usize {
    header.payload_len() as usize
}

pub(super) fn stated(payload: &[u8]) -> u32 {
    payload.len() as u32
}

pub(super) fn seqpacket() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

pub(super) fn address(directory: &Path) -> io::Result<SocketAddrUnix> {
    let path: PathBuf = directory.join("bare.sock");
    Ok(SocketAddrUnix::new(path)?)
}
