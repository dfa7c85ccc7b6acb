//! Sockets of type `SOCK_SEQPACKET` in the `AF_UNIX` domain.
//!
//! Owns: one system call a function, all with close-on-exec and `MSG_NOSIGNAL`. It refuses to wait on its own account:
//! a call that is interrupted or would have to wait says so, and the caller, who knows the deadline, goes on.

use core::time::Duration;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, SocketAddrUnix,
    SocketFlags, SocketType, accept_with, bind, connect, listen, recv, recvmsg, sendmsg, shutdown, socket_with,
};

use super::{During, Peer, SystemError};
use crate::sync::{AtomicBool, Ordering};

/// Whether a call may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// As long as the timeout of the socket says.
    Wait,
    /// Not at all.
    Try,
}

/// What became of a packet that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is in the peer's queue, whole.
    Whole,
    /// There was no room in time, or a signal came; nothing was sent.
    NotYet,
    /// The peer is gone.
    Closed,
}

/// What became of an attempt to connect.
#[derive(Debug)]
pub(crate) enum Connected {
    /// There is a connection.
    Yes(Socket),
    /// Somebody listens, and has no room for more at the moment.
    Busy,
}

/// What became of an attempt to accept.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// There is a connection.
    Yes(Socket),
    /// Nobody waits, or whoever did has gone.
    Nobody,
}

/// What may be done without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Readiness {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

/// A socket of packets.
#[derive(Debug)]
pub(crate) struct Socket {
    fd: OwnedFd,
    /// Whether the kernel has said that the peer closed its end with packets of ours unread. It says so once.
    left_unread: AtomicBool,
}

impl From<OwnedFd> for Socket {
    fn from(fd: OwnedFd) -> Self {
        Self { fd, left_unread: AtomicBool::new(false) }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Socket {
    fn new(flags: SocketFlags) -> Result<Self, SystemError> {
        let flags = flags | SocketFlags::CLOEXEC;
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).during("socket").map(Self::from)
    }

    /// Connects to whoever listens at `path`, without waiting for room.
    pub(crate) fn connect(path: &Path) -> Result<Connected, SystemError> {
        let address = SocketAddrUnix::new(path).during("connect")?;
        let socket = Self::new(SocketFlags::NONBLOCK)?;
        loop {
            match connect(&socket.fd, &address) {
                Ok(()) => break,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(Connected::Busy),
                Err(errno) => return Err(SystemError::new("connect", errno)),
            }
        }
        rustix::io::ioctl_fionbio(&socket.fd, false).during("ioctl")?;
        Ok(Connected::Yes(socket))
    }

    /// A socket whose file at `path` nobody else may open. It does not listen yet.
    ///
    /// The file takes its mode from the socket, less the umask: only an umask that takes away what the owner needs is
    /// left for [`raise_file_mode`](super::raise_file_mode).
    pub(crate) fn bind(path: &Path) -> Result<Self, SystemError> {
        let address = SocketAddrUnix::new(path).during("bind")?;
        let socket = Self::new(SocketFlags::NONBLOCK)?;
        rustix::fs::fchmod(&socket.fd, Mode::RUSR | Mode::WUSR).during("fchmod")?;
        bind(&socket.fd, &address).during("bind")?;
        Ok(socket)
    }

    /// Lets clients connect, `backlog` of them before the first is accepted.
    pub(crate) fn listen(&self, backlog: u32) -> Result<(), SystemError> {
        listen(&self.fd, i32::try_from(backlog).unwrap_or(i32::MAX)).during("listen")
    }

    /// The next client in the queue.
    pub(crate) fn accept(&self) -> Result<Accepted, SystemError> {
        loop {
            match accept_with(&self.fd, SocketFlags::CLOEXEC) {
                Ok(socket) => return Ok(Accepted::Yes(socket.into())),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN | Errno::CONNABORTED) => return Ok(Accepted::Nobody),
                Err(errno) => return Err(SystemError::new("accept", errno)),
            }
        }
    }

    /// Sends one packet, gathered from `parts`; at most 1,024 of them (`IOV_MAX`).
    #[inline]
    pub(crate) fn send(&self, parts: &[IoSlice<'_>], patience: Patience) -> Result<Sent, SystemError> {
        let mut flags = SendFlags::NOSIGNAL;
        if patience == Patience::Try {
            flags |= SendFlags::DONTWAIT;
        }
        let sent = match parts {
            [packet] => rustix::net::send(&self.fd, packet, flags),
            _ => sendmsg(&self.fd, parts, &mut SendAncillaryBuffer::default(), flags),
        };
        match sent {
            // A packet goes out whole or not at all.
            Ok(_) => Ok(Sent::Whole),
            Err(Errno::AGAIN | Errno::INTR) => Ok(Sent::NotYet),
            // Refused or not connected: older kernels say so to whoever sends while the peer closes.
            Err(errno @ (Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN | Errno::CONNREFUSED)) => {
                self.note(errno);
                Ok(Sent::Closed)
            }
            Err(errno) => Err(SystemError::new("sendmsg", errno)),
        }
    }

    /// Receives one packet, into `head` and what it has no room for into `body`. The length of the packet, which is
    /// larger than both where its end was cut off; `None` where none came in time, or a signal did.
    ///
    /// A length of 0 is an empty packet or the end of the connection: [`is_hung_up`](Self::is_hung_up) tells.
    /// File descriptors in the packet are closed by the kernel: no room is given to it for them.
    #[inline]
    pub(crate) fn receive(
        &self,
        head: &mut [u8],
        body: &mut [u8],
        patience: Patience,
    ) -> Result<Option<usize>, SystemError> {
        // With TRUNC the kernel tells the true length.
        let mut flags = RecvFlags::TRUNC;
        if patience == Patience::Try {
            flags |= RecvFlags::DONTWAIT;
        }
        match self.receive_once(head, body, flags) {
            Ok(len) => Ok(Some(len)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            // Older kernels say so after a send that met the peer closing.
            Err(Errno::NOTCONN) => Ok(Some(0)),
            // The peer closed without having read everything. That is told once, before what it had sent is received.
            Err(Errno::CONNRESET) => {
                self.note(Errno::CONNRESET);
                let again = self.receive_once(head, body, flags | RecvFlags::DONTWAIT);
                again.map(Some).map_err(|errno| SystemError::new("recvmsg", errno))
            }
            Err(errno) => Err(SystemError::new("recvmsg", errno)),
        }
    }

    /// Keeps what the kernel tells once.
    #[cold]
    fn note(&self, errno: Errno) {
        if errno == Errno::CONNRESET {
            // Relaxed, here and below: nothing else is looked at on the strength of it.
            self.left_unread.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the peer closed its end and left packets unread, as far as a call has met with it: the last one that was sent
    /// to it at least, since packets are read in order.
    pub(crate) fn was_left_unread(&self) -> bool {
        self.left_unread.load(Ordering::Relaxed)
    }

    #[inline]
    fn receive_once(&self, head: &mut [u8], body: &mut [u8], flags: RecvFlags) -> Result<usize, Errno> {
        if body.is_empty() {
            return recv(&self.fd, head, flags).map(|(_, len)| len);
        }
        let mut parts = [IoSliceMut::new(head), IoSliceMut::new(body)];
        let flags = flags | RecvFlags::CMSG_CLOEXEC;
        recvmsg(&self.fd, &mut parts, &mut RecvAncillaryBuffer::default(), flags).map(|received| received.bytes)
    }

    /// How long a call that waits may wait for a packet; `None` for ever. At least a microsecond.
    pub(crate) fn set_receive_timeout(&self, timeout: Option<Duration>) -> Result<(), SystemError> {
        self.set_timeout(Timeout::Recv, timeout)
    }

    /// How long a call that waits may wait for room; `None` for ever. At least a microsecond.
    pub(crate) fn set_send_timeout(&self, timeout: Option<Duration>) -> Result<(), SystemError> {
        self.set_timeout(Timeout::Send, timeout)
    }

    fn set_timeout(&self, which: Timeout, timeout: Option<Duration>) -> Result<(), SystemError> {
        // A year is for ever, and within what the kernel takes.
        const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
        let timeout = timeout.map(|timeout| timeout.clamp(Duration::from_micros(1), LONGEST));
        sockopt::set_socket_timeout(&self.fd, which, timeout).during("setsockopt")
    }

    /// Ends both directions, for the peer and for every thread that waits in this socket.
    pub(crate) fn shut_down(&self) {
        // It fails where there is no connection any more, which is what was asked for.
        let _ = shutdown(&self.fd, Shutdown::Both);
    }

    /// Whether the peer has closed its end or this one was shut down.
    pub(crate) fn is_hung_up(&self) -> bool {
        let mut fds = [PollFd::new(&self.fd, PollFlags::RDHUP)];
        loop {
            match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
                Err(Errno::INTR) => {}
                // Who can't be asked is not waited for.
                Err(_) => return true,
                Ok(_) => return fds[0].revents().intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR),
            }
        }
    }

    /// Whether a packet with something in it can be received.
    pub(crate) fn has_more(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT | RecvFlags::TRUNC;
        recv(&self.fd, &mut [0; 1], flags).is_ok_and(|(_, len)| len > 0)
    }

    /// Waits until one of the directions asked for is ready; neither where the time ran out or a signal came.
    pub(crate) fn wait(&self, asked: Readiness, timeout: Option<Duration>) -> Result<Readiness, SystemError> {
        let mut interest = PollFlags::empty();
        interest.set(PollFlags::IN, asked.readable);
        interest.set(PollFlags::OUT, asked.writable);
        let mut fds = [PollFd::new(&self.fd, interest)];
        match poll(&mut fds, timeout.and_then(timespec).as_ref()) {
            Ok(_) => {
                // After a hang-up a call fails or ends at once, which is what whoever waits should see.
                let found = fds[0].revents();
                let ended = found.intersects(PollFlags::HUP | PollFlags::ERR);
                Ok(Readiness {
                    readable: found.contains(PollFlags::IN) || ended,
                    writable: found.contains(PollFlags::OUT) || ended,
                })
            }
            Err(Errno::INTR) => Ok(Readiness::default()),
            Err(errno) => Err(SystemError::new("poll", errno)),
        }
    }

    /// Who is at the other end.
    pub(crate) fn peer(&self) -> Result<Peer, SystemError> {
        Peer::of(self.fd.as_fd())
    }

    /// Bytes of `SO_SNDBUF`: what may be under way before a sender has to wait.
    pub(crate) fn send_buffer(&self) -> Result<usize, SystemError> {
        sockopt::socket_send_buffer_size(&self.fd).during("getsockopt")
    }
}

/// As the kernel wants it; rounded up, so that nobody wakes too early and spins. `None`, for ever, beyond its range.
pub(super) fn timespec(duration: Duration) -> Option<Timespec> {
    let tv_sec = i64::try_from(duration.as_secs()).ok()?;
    Some(Timespec { tv_sec, tv_nsec: duration.subsec_nanos().into() })
}

/// A connected pair, for tests.
#[cfg(test)]
pub(crate) fn pair() -> (Socket, Socket) {
    let flags = SocketFlags::CLOEXEC;
    let pair = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
    (pair.0.into(), pair.1.into())
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::io::IoSlice;

    use super::{Patience, Readiness, Sent, pair};

    #[test]
    fn a_packet_is_gathered_and_scattered_and_its_true_length_told() {
        let (one, other) = pair();
        let parts = [IoSlice::new(b"head"), IoSlice::new(b""), IoSlice::new(b"body")];
        for (body_room, cut) in [(4, b"body".as_slice()), (2, b"bo"), (9, b"body\0\0\0\0\0")] {
            assert_eq!(one.send(&parts, Patience::Wait).unwrap(), Sent::Whole);
            let (mut head, mut body) = ([0; 4], vec![0; body_room]);
            assert_eq!(other.receive(&mut head, &mut body, Patience::Wait).unwrap(), Some(8));
            assert_eq!((&head, body.as_slice()), (b"head", cut));
        }
        assert_eq!(one.send(&[IoSlice::new(b"packet")], Patience::Wait).unwrap(), Sent::Whole);
        let mut head = [0; 3];
        assert_eq!(other.receive(&mut head, &mut [], Patience::Try).unwrap(), Some(6));
        assert_eq!(&head, b"pac");
    }

    #[test]
    fn an_empty_packet_is_no_hang_up() {
        let (one, other) = pair();
        one.send(&[IoSlice::new(b"")], Patience::Wait).unwrap();
        assert_eq!(other.receive(&mut [0; 8], &mut [], Patience::Wait).unwrap(), Some(0));
        assert!(!other.is_hung_up());
        drop(one);
        assert_eq!(other.receive(&mut [0; 8], &mut [], Patience::Wait).unwrap(), Some(0));
        assert!(other.is_hung_up());
        assert_eq!(other.send(&[IoSlice::new(b"late")], Patience::Wait).unwrap(), Sent::Closed);
    }

    #[test]
    fn what_a_peer_sent_before_it_closed_is_received_though_it_left_things_unread() {
        let (one, other) = pair();
        one.send(&[IoSlice::new(b"unread")], Patience::Wait).unwrap();
        other.send(&[IoSlice::new(b"answer")], Patience::Wait).unwrap();
        drop(other);
        let mut head = [0; 6];
        assert!(!one.was_left_unread());
        assert_eq!(one.receive(&mut head, &mut [], Patience::Wait).unwrap(), Some(6));
        assert_eq!(&head, b"answer");
        assert!(one.was_left_unread());
        assert_eq!(one.receive(&mut head, &mut [], Patience::Wait).unwrap(), Some(0));
    }

    #[test]
    fn a_full_queue_and_an_empty_one_are_told_without_waiting() {
        let (one, other) = pair();
        let mut sent = 0;
        while one.send(&[IoSlice::new(&[7; 4096])], Patience::Try).unwrap() == Sent::Whole {
            sent += 1;
        }
        assert!(sent > 0);
        let asked = Readiness { readable: true, writable: true };
        assert_eq!(one.wait(asked, Some(Duration::ZERO)).unwrap(), Readiness::default());
        one.set_send_timeout(Some(Duration::ZERO)).unwrap();
        assert_eq!(one.send(&[IoSlice::new(b"x")], Patience::Wait).unwrap(), Sent::NotYet);
        for _ in 0..sent {
            assert_eq!(other.receive(&mut [0; 16], &mut [], Patience::Try).unwrap(), Some(4096));
        }
        assert_eq!(other.receive(&mut [0; 16], &mut [], Patience::Try).unwrap(), None);
        other.set_receive_timeout(Some(Duration::ZERO)).unwrap();
        assert_eq!(other.receive(&mut [0; 16], &mut [], Patience::Wait).unwrap(), None);
        assert_eq!(one.wait(asked, None).unwrap(), Readiness { readable: false, writable: true });
    }

    #[test]
    fn shutting_down_wakes_a_thread_that_waits() {
        let (one, other) = pair();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| one.receive(&mut [0; 8], &mut [], Patience::Wait).unwrap());
            one.shut_down();
            assert_eq!(waiting.join().unwrap(), Some(0));
        });
        assert!(one.is_hung_up() && other.is_hung_up());
    }
}
