//! Links between two sessions of one process, with faults by script.
//!
//! Owns: two ends that behave from outside like those of a socket: who is woken by what, what is received before a close
//! is told, what an abort does. It refuses to be random: a fault strikes the packet that the script names, so a test that
//! failed fails again.
//!
//! ```text
//!   End (client) --- lane to the server, at most CAPACITY bytes --> End (server)
//!                <-- lane to the client ---------------------------
//!   one lock over both lanes; for each end a condition for threads that wait and a bell for descriptors
//! ```
//!
//! An end's descriptor is readable exactly while a packet is there to receive, while the connection has ended and all of
//! it was received, or from when there is room for a packet that `try_send` refused until the next attempt to send. It is
//! set under the lock, so it is never late. Who gives up a packet that was refused finds it readable without reason.

mod bell;
mod driven;
mod lane;
mod script;
#[cfg(test)]
mod tests;

use core::fmt::{self, Debug};
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};

use bell::{Bell, Level};
pub(crate) use driven::{Counterpart, Undriven};
use lane::{CAPACITY, Lane, Passage};
use script::Route;
pub use script::{Fault, Script};

use super::{Abort, Deadline, Incoming, Interrupt, Link, LinkError, Outgoing, Readiness, Wire};
use crate::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak, lock};
use crate::sys::{Peer, SystemError};

/// `IOV_MAX`: sendmsg(2) refuses more.
const MOST_PARTS: usize = 1024;

/// A connection inside this process: the client's end and the server's. Packets have at most `packet_size` bytes.
///
/// # Errors
/// [`LinkError::Aborted`] where one of the aborts was used; [`LinkError::System`] where there is no descriptor left.
pub(crate) fn pair(
    script: &Script,
    packet_size: u32,
    abort_client: &Abort,
    abort_server: &Abort,
) -> Result<(Link, Link), LinkError> {
    let Both { client, server } = ends(script, packet_size, CAPACITY)?;
    Ok((link(client, abort_client)?, link(server, abort_server)?))
}

/// The same for a server that acts on its client's thread: what it sends always has room, since nobody would make some.
///
/// # Errors
/// As [`pair`].
pub(crate) fn pair_on_one_thread(
    script: &Script,
    packet_size: u32,
    abort_client: &Abort,
    abort_server: &Abort,
) -> Result<(Undriven, Link), LinkError> {
    let Both { client, server } = ends(script, packet_size, usize::MAX)?;
    let abort = watched(&client, abort_client)?;
    Ok((Undriven::new(client, abort), link(server, abort_server)?))
}

/// Both ends; the client may have `to_client` bytes under way to it.
fn ends(script: &Script, packet_size: u32, to_client: usize) -> Result<Both<Arc<End>>, LinkError> {
    let (client_bell, client) = Seat::new(&script.to_client, to_client)?;
    let (server_bell, server) = Seat::new(&script.to_server, CAPACITY)?;
    let line = Arc::new(Line {
        state: Mutex::new(State { seats: Both { client, server }, is_ended: false }),
        changed: Both::default(),
        packet_size,
    });
    let client = Arc::new(End { line: Arc::clone(&line), side: Side::Client, bell: client_bell });
    Ok(Both { client, server: Arc::new(End { line, side: Side::Server, bell: server_bell }) })
}

/// A handle for this end alone, which `abort` ends too.
fn watched(end: &Arc<End>, abort: &Abort) -> Result<Abort, LinkError> {
    let as_target: Weak<dyn Interrupt> = Arc::downgrade(end) as _;
    Ok(abort.watch_alone(&as_target)?)
}

fn link(end: Arc<End>, abort: &Abort) -> Result<Link, LinkError> {
    let abort = watched(&end, abort)?;
    let packet_size = end.line.packet_size;
    Ok(Link {
        outgoing: Box::new(Sender(Arc::clone(&end))),
        incoming: Box::new(Receiver(Arc::clone(&end))),
        wire: end,
        abort,
        packet_size,
        is_whole: false,
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// The same for each end.
#[derive(Debug, Default)]
struct Both<T> {
    client: T,
    server: T,
}

impl<T> Both<T> {
    const fn of(&self, side: Side) -> &T {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    const fn of_mut(&mut self, side: Side) -> &mut T {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

/// What an end has of its own.
#[derive(Debug)]
struct Seat {
    /// The lane that leads here.
    incoming: Lane,
    is_aborted: bool,
    /// A `try_send` from here was refused, and none has been made since.
    awaits_room: bool,
    /// `None` once the end is dropped.
    level: Option<Level>,
}

impl Seat {
    fn new(route: &Route, capacity: usize) -> Result<(Arc<Bell>, Self), SystemError> {
        let bell = Arc::new(Bell::new(route.has_delays())?);
        let level = Some(Level::of(Arc::clone(&bell)));
        Ok((bell, Self { incoming: Lane::new(route.clone(), capacity), is_aborted: false, awaits_room: false, level }))
    }
}

#[derive(Debug)]
struct State {
    seats: Both<Seat>,
    /// Nothing more is sent, in either direction.
    is_ended: bool,
}

impl State {
    /// What can be done at an end without waiting. After the end of the connection a call fails or ends at once.
    fn ready(&self, side: Side) -> Readiness {
        let (incoming, outgoing) = (&self.seats.of(side).incoming, &self.seats.of(side.other()).incoming);
        Readiness {
            readable: incoming.has_packet() || self.is_ended && incoming.is_empty(),
            writable: outgoing.has_room() || self.is_ended,
        }
    }

    /// Has both ends' descriptors show what there is now.
    fn show(&mut self) {
        for side in [Side::Client, Side::Server] {
            let ready = self.ready(side);
            let seat = self.seats.of_mut(side);
            if let Some(level) = &mut seat.level {
                let is_up = ready.readable || ready.writable && seat.awaits_room;
                level.show(is_up, seat.incoming.arrival());
            }
        }
    }
}

/// What both ends share.
struct Line {
    state: Mutex<State>,
    /// Something came, there is room, or it is all over: for the threads that wait at an end.
    changed: Both<Condvar>,
    packet_size: u32,
}

impl Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("packet_size", &self.packet_size).finish_non_exhaustive()
    }
}

/// One end. It is closed when the last that holds it goes: a half, or the wire.
#[derive(Debug)]
struct End {
    line: Arc<Line>,
    side: Side,
    bell: Arc<Bell>,
}

impl End {
    fn state(&self) -> Result<MutexGuard<'_, State>, LinkError> {
        let state = lock(&self.line.state);
        self.check(&state)?;
        Ok(state)
    }

    fn check(&self, state: &State) -> Result<(), LinkError> {
        if state.seats.of(self.side).is_aborted { Err(LinkError::Aborted) } else { Ok(()) }
    }

    /// Waits for a change until the deadline.
    fn wait_for_change<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        deadline: Deadline,
    ) -> Result<MutexGuard<'a, State>, LinkError> {
        let changed = self.line.changed.of(self.side);
        let state = match deadline.left() {
            None => changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(left) => changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
        };
        self.check(&state)?;
        Ok(state)
    }

    /// How long the packet is, if the kernel would take it.
    fn measure(&self, packet: &[IoSlice<'_>]) -> Result<usize, LinkError> {
        let len = packet.iter().map(|part| part.len()).fold(0, usize::saturating_add);
        let is_short = u32::try_from(len).is_ok_and(|len| len <= self.line.packet_size);
        if is_short && packet.len() <= MOST_PARTS { Ok(len) } else { Err(SystemError::packet_too_long().into()) }
    }

    /// Sends the packet if there is room.
    fn put(&self, state: &mut State, packet: &[IoSlice<'_>]) -> Result<bool, LinkError> {
        let len = self.measure(packet)?;
        if state.is_ended {
            return Err(LinkError::Closed);
        }
        let passage = state.seats.of_mut(self.side.other()).incoming.put(packet, len);
        state.seats.of_mut(self.side).awaits_room = false;
        if passage == Some(Passage::Cut) {
            self.end(state);
            return Err(LinkError::Closed);
        }
        state.show();
        self.line.changed.of(self.side.other()).notify_all();
        Ok(passage.is_some())
    }

    /// Receives a packet if there is one.
    fn take(&self, state: &mut State, head: &mut [u8], body: &mut [u8]) -> Result<Option<usize>, LinkError> {
        let lane = &mut state.seats.of_mut(self.side).incoming;
        let Some(len) = lane.take(head, body) else {
            return if state.is_ended && lane.is_empty() { Err(LinkError::Closed) } else { Ok(None) };
        };
        state.show();
        self.line.changed.of(self.side.other()).notify_all();
        if len == 0 { Err(LinkError::EmptyPacket) } else { Ok(Some(len)) }
    }

    /// Ends the connection. What was sent before is still received.
    fn end(&self, state: &mut State) {
        state.is_ended = true;
        state.show();
        self.line.changed.client.notify_all();
        self.line.changed.server.notify_all();
    }

    /// Ends the connection from here: what is under way to this end does not arrive any more.
    fn close(&self, state: &mut State) {
        state.seats.of_mut(self.side).incoming.lose_what_is_under_way();
        self.end(state);
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut state = lock(&self.line.state);
        let seat = state.seats.of_mut(self.side);
        // The descriptor closes with this end, though the other may live on.
        seat.level = None;
        seat.incoming.clear();
        self.end(&mut state);
    }
}

impl AsFd for End {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Interrupt for End {
    fn interrupt(&self) {
        let mut state = lock(&self.line.state);
        state.seats.of_mut(self.side).is_aborted = true;
        self.close(&mut state);
    }
}

impl Wire for End {
    fn wait(&self, asked: Readiness, deadline: Deadline) -> Result<Readiness, LinkError> {
        let mut state = self.state()?;
        loop {
            let found = state.ready(self.side);
            // As poll(2) has it, the end of a connection is told to whoever asks for anything.
            let is_over = state.is_ended && found.readable;
            let ready = Readiness {
                readable: found.readable && asked.readable || is_over,
                writable: found.writable && asked.writable || is_over,
            };
            if ready != Readiness::default() {
                return Ok(ready);
            }
            if deadline.has_passed() {
                return Err(LinkError::TimedOut);
            }
            let arrival = state.seats.of(self.side).incoming.arrival().filter(|_| asked.readable);
            state = self.wait_for_change(state, deadline.or_earlier(arrival.unwrap_or(Deadline::NEVER)))?;
        }
    }

    fn shut_down(&self) {
        self.close(&mut lock(&self.line.state));
    }

    fn has_hung_up(&self) -> bool {
        lock(&self.line.state).is_ended
    }

    fn peer(&self) -> Peer {
        Peer::this_process()
    }
}

#[derive(Debug)]
struct Sender(Arc<End>);

impl Outgoing for Sender {
    fn send(&mut self, packet: &[IoSlice<'_>], deadline: Deadline) -> Result<(), LinkError> {
        let mut state = self.0.state()?;
        // Also who is late may send what finds room.
        while !self.0.put(&mut state, packet)? {
            if deadline.has_passed() {
                return Err(LinkError::TimedOut);
            }
            state = self.0.wait_for_change(state, deadline)?;
        }
        Ok(())
    }

    fn try_send(&mut self, packet: &[IoSlice<'_>]) -> Result<bool, LinkError> {
        let mut state = self.0.state()?;
        let was_sent = self.0.put(&mut state, packet)?;
        state.seats.of_mut(self.0.side).awaits_room = !was_sent;
        Ok(was_sent)
    }
}

#[derive(Debug)]
struct Receiver(Arc<End>);

impl Incoming for Receiver {
    fn receive(&mut self, head: &mut [u8], body: &mut [u8], deadline: Deadline) -> Result<usize, LinkError> {
        let mut state = self.0.state()?;
        loop {
            // Also who is late may take what is there.
            if let Some(len) = self.0.take(&mut state, head, body)? {
                return Ok(len);
            }
            if deadline.has_passed() {
                return Err(LinkError::TimedOut);
            }
            let arrival = state.seats.of(self.0.side).incoming.arrival();
            state = self.0.wait_for_change(state, deadline.or_earlier(arrival.unwrap_or(Deadline::NEVER)))?;
        }
    }

    fn try_receive(&mut self, head: &mut [u8], body: &mut [u8]) -> Result<Option<usize>, LinkError> {
        self.0.take(&mut *self.0.state()?, head, body)
    }
}
