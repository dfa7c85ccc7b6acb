//! Links over `SOCK_SEQPACKET` sockets.
//!
//! Owns: sending and receiving one packet with one system call, with a deadline or without. It refuses to poll first: a
//! receiver that sleeps in the call itself is woken on the sender's processor, and a poll before it costs more than the
//! call.
//!
//! A deadline is a timeout of the socket, which the kernel keeps. It is set a little shorter than asked for, so that it
//! serves the next call too; should it go off, what is left is set. An abort shuts the connection down.

use core::fmt::Debug;
use core::time::Duration;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::wait::Adaptive;
use super::{Abort, Deadline, Incoming, Interrupt, Link, LinkError, Outgoing, Wait, Wire};
use crate::endpoint::Endpoint;
use crate::sync::{Arc, AtomicBool, Ordering, Weak};
use crate::sys::{Accepted, Connected, Patience, Peer, Readiness, Sent, Socket, SystemError, yield_processor};

/// What the kernel keeps of a packet's room for itself: a packet of more than `SO_SNDBUF` less this is refused.
const KERNELS_SHARE: usize = 32;

/// Waits between two attempts to reach a listener whose queue is full; the kernel tells nobody when it has room.
const FIRST_PAUSE: Duration = Duration::from_micros(250);
const LONGEST_PAUSE: Duration = Duration::from_millis(16);

/// Connects to whoever serves `endpoint`.
///
/// # Errors
/// `Ok(None)` where the listener has no room at the moment and the deadline has passed.
pub(crate) fn connect(
    endpoint: &Endpoint,
    wait: Wait,
    abort: &Abort,
    deadline: Deadline,
) -> Result<Option<Link>, LinkError> {
    let attempt = abort.attempt()?;
    let mut pause = FIRST_PAUSE;
    loop {
        attempt.check()?;
        match Socket::connect(endpoint.socket_path())? {
            Connected::Yes(socket) => {
                let link = link(socket, wait, abort)?;
                // It may have been used and reset before it watched over the link.
                attempt.check()?;
                return Ok(Some(link));
            }
            Connected::Busy if deadline.has_passed() => return Ok(None),
            Connected::Busy => {
                let pause_now = deadline.left().map_or(pause, |left| left.min(pause));
                attempt.sleep(pause_now)?;
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        }
    }
}

/// A link over a connected socket.
pub(crate) fn link(socket: Socket, wait: Wait, abort: &Abort) -> Result<Link, LinkError> {
    let peer = socket.peer()?;
    let most = socket.send_buffer()?.saturating_sub(KERNELS_SHARE);
    let shared = Arc::new(Shared { socket, peer, is_aborted: AtomicBool::new(false) });
    let as_target: Weak<dyn Interrupt> = Arc::downgrade(&shared) as _;
    let abort = abort.watch_alone(&as_target)?;
    let adaptive = match wait {
        Wait::Block => None,
        // Trying all the time costs a system call each time here, and more than it gains.
        Wait::Adaptive | Wait::Always => Some([Adaptive::new(), Adaptive::for_the_rest()]),
    };
    Ok(Link {
        outgoing: Box::new(Sender { shared: Arc::clone(&shared), timeout: None }),
        incoming: Box::new(Receiver { shared: Arc::clone(&shared), timeout: None, adaptive }),
        wire: shared,
        abort,
        packet_size: u32::try_from(most).unwrap_or(u32::MAX),
        is_whole: false,
    })
}

/// A socket that clients connect to.
#[derive(Debug)]
pub(crate) struct Listening {
    socket: Socket,
    is_aborted: AtomicBool,
}

impl Listening {
    /// Over a socket that listens. Should `abort` have been used, it tells so when it is asked.
    pub(crate) fn new(socket: Socket, abort: &Abort) -> Arc<Self> {
        let listening = Arc::new(Self { socket, is_aborted: AtomicBool::new(false) });
        let as_target: Weak<dyn Interrupt> = Arc::downgrade(&listening) as _;
        // Whoever comes too late to be watched is interrupted at once.
        let _ = abort.watch(as_target);
        listening
    }

    /// The next client, if one waits.
    pub(crate) fn accept(&self) -> Result<Option<Socket>, LinkError> {
        self.check()?;
        match self.socket.accept() {
            Ok(Accepted::Yes(socket)) => Ok(Some(socket)),
            Ok(Accepted::Nobody) => Ok(None),
            Err(error) => self.check().and(Err(error.into())),
        }
    }

    pub(crate) fn check(&self) -> Result<(), LinkError> {
        // Acquire: pairs with the Release in `interrupt`, so that who saw the shutdown sees why.
        if self.is_aborted.load(Ordering::Acquire) { Err(LinkError::Aborted) } else { Ok(()) }
    }
}

impl AsFd for Listening {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Interrupt for Listening {
    fn interrupt(&self) {
        // Release: pairs with the Acquire in `check`.
        self.is_aborted.store(true, Ordering::Release);
        self.socket.shut_down();
    }
}

#[derive(Debug)]
struct Shared {
    socket: Socket,
    peer: Peer,
    is_aborted: AtomicBool,
}

impl Shared {
    fn check(&self) -> Result<(), LinkError> {
        // Acquire: pairs with the Release in `interrupt`, so that who saw the shutdown sees why.
        if self.is_aborted.load(Ordering::Acquire) { Err(LinkError::Aborted) } else { Ok(()) }
    }

    /// Why there is nothing more to receive, or nobody to send to.
    fn closed(&self) -> LinkError {
        self.check().err().unwrap_or(LinkError::Closed)
    }
}

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Interrupt for Shared {
    fn interrupt(&self) {
        // Release: pairs with the Acquire in `check`.
        self.is_aborted.store(true, Ordering::Release);
        self.socket.shut_down();
    }
}

impl Wire for Shared {
    fn wait(&self, asked: Readiness, deadline: Deadline) -> Result<Readiness, LinkError> {
        loop {
            self.check()?;
            let left = deadline.left();
            let ready = self.socket.wait(asked, left)?;
            if ready != Readiness::default() {
                return Ok(ready);
            }
            if left == Some(Duration::ZERO) {
                return Err(LinkError::TimedOut);
            }
        }
    }

    fn shut_down(&self) {
        self.socket.shut_down();
    }

    fn has_hung_up(&self) -> bool {
        self.socket.is_hung_up()
    }

    fn was_left_unread(&self) -> bool {
        self.socket.was_left_unread()
    }

    fn peer(&self) -> Peer {
        self.peer
    }
}

/// The timeout that a direction of a socket has, and when to set it anew.
///
/// # Errors
/// [`LinkError::TimedOut`] where the deadline has passed.
fn arm(
    set: &mut Option<Duration>,
    deadline: Deadline,
    went_off: bool,
    apply: impl FnOnce(Option<Duration>) -> Result<(), SystemError>,
) -> Result<(), LinkError> {
    let wanted = match deadline.left() {
        // A timeout that is left over from another call wakes this one once.
        None if went_off && set.is_some() => None,
        None => return Ok(()),
        Some(Duration::ZERO) => return Err(LinkError::TimedOut),
        Some(left) if went_off => Some(left),
        Some(left) if set.is_some_and(|set| set <= left) => return Ok(()),
        Some(left) => Some(left - left / 8),
    };
    apply(wanted)?;
    *set = wanted;
    Ok(())
}

#[derive(Debug)]
struct Sender {
    shared: Arc<Shared>,
    /// `SO_SNDTIMEO`.
    timeout: Option<Duration>,
}

impl Sender {
    fn attempt(&self, packet: &[IoSlice<'_>], patience: Patience) -> Result<bool, LinkError> {
        match self.shared.socket.send(packet, patience)? {
            Sent::Whole => Ok(true),
            Sent::NotYet => Ok(false),
            Sent::Closed => Err(self.shared.closed()),
        }
    }
}

impl Outgoing for Sender {
    fn send(&mut self, packet: &[IoSlice<'_>], deadline: Deadline) -> Result<(), LinkError> {
        self.shared.check()?;
        // There nearly always is room, and then nothing has to be known about the time.
        if self.attempt(packet, Patience::Try)? {
            return Ok(());
        }
        let mut went_off = false;
        loop {
            let shared = &self.shared;
            arm(&mut self.timeout, deadline, went_off, |timeout| shared.socket.set_send_timeout(timeout))?;
            if self.attempt(packet, Patience::Wait)? {
                return Ok(());
            }
            went_off = true;
        }
    }

    fn try_send(&mut self, packet: &[IoSlice<'_>]) -> Result<bool, LinkError> {
        self.shared.check()?;
        self.attempt(packet, Patience::Try)
    }
}

#[derive(Debug)]
struct Receiver {
    shared: Arc<Shared>,
    /// `SO_RCVTIMEO`.
    timeout: Option<Duration>,
    /// For the first packets of messages, and for the others.
    adaptive: Option<[Adaptive; 2]>,
}

impl Receiver {
    #[inline]
    fn attempt(&self, head: &mut [u8], body: &mut [u8], patience: Patience) -> Result<Option<usize>, LinkError> {
        match self.shared.socket.receive(head, body, patience)? {
            Some(0) => Err(self.nothing()),
            other => Ok(other),
        }
    }

    #[cold]
    fn nothing(&self) -> LinkError {
        let socket = &self.shared.socket;
        if socket.is_hung_up() && !socket.has_more() { self.shared.closed() } else { LinkError::EmptyPacket }
    }

    /// Tries for a while.
    fn keep_trying(
        &self,
        head: &mut [u8],
        body: &mut [u8],
        start: Instant,
        trying: Duration,
    ) -> Result<Option<usize>, LinkError> {
        loop {
            if let Some(len) = self.attempt(head, body, Patience::Try)? {
                return Ok(Some(len));
            }
            if start.elapsed() >= trying {
                return Ok(None);
            }
            yield_processor();
        }
    }

    fn block(&mut self, head: &mut [u8], body: &mut [u8], deadline: Deadline) -> Result<usize, LinkError> {
        let mut went_off = false;
        loop {
            let shared = &self.shared;
            match arm(&mut self.timeout, deadline, went_off, |timeout| shared.socket.set_receive_timeout(timeout)) {
                Ok(()) => {}
                // Also who is late may take what is there.
                Err(LinkError::TimedOut) if !went_off => {
                    return self.attempt(head, body, Patience::Try)?.ok_or(LinkError::TimedOut);
                }
                Err(error) => return Err(error),
            }
            if let Some(len) = self.attempt(head, body, Patience::Wait)? {
                return Ok(len);
            }
            went_off = true;
        }
    }
}

impl Incoming for Receiver {
    fn receive(&mut self, head: &mut [u8], body: &mut [u8], deadline: Deadline) -> Result<usize, LinkError> {
        self.shared.check()?;
        // A body apart from its head is the rest of a message.
        let slot = usize::from(!body.is_empty());
        let Some(mut adaptive) = self.adaptive.take() else { return self.block(head, body, deadline) };
        let start = Instant::now();
        let received = if adaptive[slot].is_trying() {
            match self.keep_trying(head, body, start, adaptive[slot].trying()) {
                Ok(Some(len)) => {
                    adaptive[slot].found(start.elapsed());
                    Ok(len)
                }
                Ok(None) => {
                    adaptive[slot].missed();
                    self.block(head, body, deadline)
                }
                Err(error) => Err(error),
            }
        } else {
            let received = self.block(head, body, deadline);
            adaptive[slot].blocked(start.elapsed());
            received
        };
        self.adaptive = Some(adaptive);
        received
    }

    fn try_receive(&mut self, head: &mut [u8], body: &mut [u8]) -> Result<Option<usize>, LinkError> {
        self.shared.check()?;
        self.attempt(head, body, Patience::Try)
    }
}

#[cfg(test)]
mod tests;
