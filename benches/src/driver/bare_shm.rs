//! The least that a call over shared memory costs: loops that publish and receive as docs/protocol.md, section 4, has it,
//! and nothing else.
//!
//! Owns: how a side publishes (it wakes the other always, asleep or not) and how it waits. A message is copied in once,
//! header and payload, and copied out once before anything of it is looked at, so that loops over large messages are the
//! reference for copying in and copying out. Lengths alone are checked. There is no deadline and no abort; the socket
//! beside the region carries nothing, and tells a side that the other has hung up.

use std::fs;
use std::hint::spin_loop;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use netipc::wire::{HEADER_LEN, Header, Method};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketFlags, accept_with, bind, connect, listen, recv};
use rustix::thread::futex;
use rustix::time::Timespec;

use super::bare::{address, seqpacket, stated};
use super::process::Ready;
use super::region::{Region, Way};
use super::workload::{Answers, Workload};
use super::{Caller, Contender, End, Meeting};

/// A loop that tries for as long as a woken CPU needs several times over.
pub const SPINS_8192: BareShm = BareShm { name: "bare shm, 8192 spins", spins: 8192 };
/// A loop that tries as often as deployed peers do.
pub const SPINS_128: BareShm = BareShm { name: "bare shm, 128 spins", spins: 128 };
/// A loop that sleeps until a message comes.
pub const FUTEX: BareShm = BareShm { name: "bare shm, futex", spins: 0 };

/// How long a side sleeps before it looks whether the other still lives.
const SLICE: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
const METHOD: Method = Method::new(1);
const REGION: &str = "bench.ipcshm";

/// A bare loop.
#[derive(Debug)]
pub struct BareShm {
    pub name: &'static str,
    /// How often a side looks for a message, with a pause in between, before it sleeps.
    pub spins: u32,
}

impl Contender for BareShm {
    fn name(&self) -> &'static str {
        self.name
    }

    fn meeting(&self) -> Meeting {
        Meeting::RunDir
    }

    /// An area holds one message.
    fn runs(&self, workload: &Workload) -> bool {
        workload.in_flight == 1
    }

    fn serve(&self, end: End, workload: &Workload, ready: Ready) -> io::Result<()> {
        let End::RunDir(directory) = end else { return Err(io::ErrorKind::InvalidInput.into()) };
        let path = directory.join(REGION);
        let region = Region::create(&path, messages(workload))?;
        let message = fault_in(&region, Way::Response);
        let listener = seqpacket()?;
        bind(&listener, &address(&directory)?)?;
        listen(&listener, 1)?;
        ready.say()?;
        let lifeline = accept_with(&listener, SocketFlags::CLOEXEC)?;
        // The client has mapped it. Without a name, it is gone with both processes, however they end.
        fs::remove_file(&path)?;
        let mut link = Link { region, lifeline, sends: Way::Response, spins: self.spins, received: 0, message };
        let mut answers = Answers::new(workload);
        while let Some((header, request)) = link.receive()? {
            let answer = answers.to(request)?;
            link.send(Header::response(METHOD, header.message_id(), stated(answer)), answer)?;
        }
        Ok(())
    }

    fn connect(&self, end: End, workload: &Workload) -> io::Result<Box<dyn Caller>> {
        let End::RunDir(directory) = end else { return Err(io::ErrorKind::InvalidInput.into()) };
        let region = Region::open(&directory.join(REGION), messages(workload))?;
        let message = fault_in(&region, Way::Request);
        let lifeline = seqpacket()?;
        connect(&lifeline, &address(&directory)?)?;
        let link = Link { region, lifeline, sends: Way::Request, spins: self.spins, received: 0, message };
        Ok(Box::new(BareShmCaller { link, message_id: 0 }))
    }
}

struct BareShmCaller {
    link: Link,
    message_id: u64,
}

impl Caller for BareShmCaller {
    fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.message_id += 1;
        self.link.send(Header::request(METHOD, self.message_id, stated(request)), request)
    }

    fn receive(&mut self) -> io::Result<&[u8]> {
        let (_, answer) = self.link.receive()?.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(answer)
    }
}

/// One side of a region.
struct Link {
    region: Region,
    lifeline: OwnedFd,
    sends: Way,
    spins: u32,
    /// How many messages were received.
    received: u64,
    /// The latest of them, as it was copied out.
    message: Vec<u8>,
}

impl Link {
    fn send(&self, header: Header, payload: &[u8]) -> io::Result<()> {
        let (region, way) = (&self.region, self.sends);
        region.write(way, 0, &header.encode());
        region.write(way, HEADER_LEN, payload);
        let len = header.payload_len() + HEADER_LEN as u32;
        // Release, all three: with the loads of the same word in `wait` and `receive`. Whoever sees the signal sees the
        // number, and whoever sees the number sees length and message.
        region.len(way).store(len, Ordering::Release);
        region.seq(way).fetch_add(1, Ordering::Release);
        region.signal(way).fetch_add(1, Ordering::Release);
        futex::wake(region.signal(way), futex::Flags::empty(), 1)?;
        Ok(())
    }

    /// Header and payload of the next message; `None` when the other side has hung up.
    fn receive(&mut self) -> io::Result<Option<(Header, &[u8])>> {
        if !self.wait()? {
            return Ok(None);
        }
        self.received += 1;
        let way = self.sends.back();
        // Acquire: with the store in `send`.
        let len = self.region.len(way).load(Ordering::Acquire) as usize;
        let message = self.message.get_mut(..len).ok_or(io::ErrorKind::InvalidData)?;
        self.region.read(way, message);
        let (head, payload) = message.split_first_chunk::<HEADER_LEN>().ok_or(io::ErrorKind::InvalidData)?;
        let header = Header::parse(head).map_err(io::Error::other)?;
        if header.payload_len() as usize == payload.len() {
            Ok(Some((header, payload)))
        } else {
            Err(io::ErrorKind::InvalidData.into())
        }
    }

    /// Whether there is a message; if not, then the other side has hung up.
    fn wait(&self) -> io::Result<bool> {
        let way = self.sends.back();
        let (seq, signal) = (self.region.seq(way), self.region.signal(way));
        // Acquire: with the addition in `send`.
        let there = || seq.load(Ordering::Acquire) != self.received;
        for _ in 0..self.spins {
            if there() {
                return Ok(true);
            }
            spin_loop();
        }
        loop {
            // Before the number, and acquire with the addition in `send`: when the number is old, this value is too, and
            // the kernel refuses to sleep on it once the message is there.
            let seen = signal.load(Ordering::Acquire);
            if there() {
                return Ok(true);
            }
            match futex::wait(signal, futex::Flags::empty(), seen, Some(&SLICE)) {
                Ok(()) | Err(Errno::AGAIN | Errno::INTR) => {}
                Err(Errno::TIMEDOUT) if !self.hung_up()? => {}
                Err(Errno::TIMEDOUT) => return Ok(there()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn hung_up(&self) -> io::Result<bool> {
        let mut byte = [0];
        match recv(&self.lifeline, &mut byte[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) | Err(Errno::CONNRESET) => Ok(true),
            Ok(_) => Err(io::ErrorKind::InvalidData.into()),
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Touches all memory that the messages of a side will need, before the other side begins: both areas, and where messages
/// are copied to, which it returns.
fn fault_in(region: &Region, sends: Way) -> Vec<u8> {
    let mut message = vec![0; region.capacity(sends.back())];
    region.read(sends.back(), &mut message);
    region.write(sends, 0, &vec![0; region.capacity(sends)]);
    message
}

/// The longest request and the longest response, headers included.
fn messages(workload: &Workload) -> [usize; 2] {
    [workload.request_len, workload.response_len].map(|len| HEADER_LEN + len)
}
