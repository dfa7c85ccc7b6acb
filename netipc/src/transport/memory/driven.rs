//! The client's end of a connection in memory whose server has no thread.
//!
//! Owns: having the server act whenever the client would wait for it otherwise, on the client's thread. It refuses to know
//! what the server does.
//!
//! One thread at a time may use an end: what a server sends while another thread has it act wakes nobody here.

use core::fmt::Debug;
use core::time::Duration;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};

use super::{End, Receiver, Sender};
use crate::sync::Arc;
use crate::sys::Peer;
use crate::transport::{Abort, Deadline, Incoming, Interrupt, Link, LinkError, Outgoing, Readiness, Wire};

const TO_SEND: Readiness = Readiness { readable: false, writable: true };
const TO_RECEIVE: Readiness = Readiness { readable: true, writable: false };

/// Who is at the other end, and acts when it is told to.
pub(crate) trait Counterpart: Debug + Send + Sync {
    /// Does one thing that can be done without waiting; whether there was one.
    fn act(&self) -> bool;
}

/// A client's end without a counterpart yet.
#[derive(Debug)]
pub(crate) struct Undriven {
    end: Arc<End>,
    abort: Abort,
}

impl Undriven {
    pub(super) const fn new(end: Arc<End>, abort: Abort) -> Self {
        Self { end, abort }
    }

    /// The link at whose other end is `counterpart`.
    pub(crate) fn driving(self, counterpart: Arc<dyn Counterpart>) -> Link {
        let Self { end, abort } = self;
        let packet_size = end.line.packet_size;
        let half = Driving { end, counterpart };
        Link {
            outgoing: Box::new(half.clone()),
            incoming: Box::new(half.clone()),
            wire: Arc::new(half),
            abort,
            packet_size,
            is_whole: false,
        }
    }
}

/// A half of such a link, or what both share.
#[derive(Debug, Clone)]
struct Driving {
    end: Arc<End>,
    counterpart: Arc<dyn Counterpart>,
}

impl Driving {
    /// Has the other end act, or waits until it has something to do, or this one what it asked for.
    ///
    /// # Errors
    /// [`LinkError::TimedOut`] also for what comes of it too late, as it would from another process.
    fn have_it_act(&self, asked: Readiness, deadline: Deadline) -> Result<(), LinkError> {
        let has_acted = self.counterpart.act();
        if deadline.has_passed() {
            return Err(LinkError::TimedOut);
        }
        if has_acted {
            return Ok(());
        }
        let state = self.end.state()?;
        let theirs = &state.seats.of(self.end.side.other()).incoming;
        let found = state.ready(self.end.side);
        // It may have taken some packets of a long message, or all that there were of it so far.
        if theirs.has_packet() || found.readable && asked.readable || found.writable && asked.writable {
            return Ok(());
        }
        let ours = &state.seats.of(self.end.side).incoming;
        let arrivals = [ours.arrival(), theirs.arrival()].into_iter().flatten();
        let until = arrivals.fold(deadline, Deadline::or_earlier);
        self.end.wait_for_change(state, until).map(drop)
    }
}

impl Outgoing for Driving {
    fn send(&mut self, packet: &[IoSlice<'_>], deadline: Deadline) -> Result<(), LinkError> {
        let mut sender = Sender(Arc::clone(&self.end));
        while !sender.try_send(packet)? {
            self.have_it_act(TO_SEND, deadline)?;
        }
        Ok(())
    }

    fn try_send(&mut self, packet: &[IoSlice<'_>]) -> Result<bool, LinkError> {
        // Who finds no room puts answers by while it waits, and the server acts then; or looks for answers itself.
        Sender(Arc::clone(&self.end)).try_send(packet)
    }
}

impl Incoming for Driving {
    fn receive(&mut self, head: &mut [u8], body: &mut [u8], deadline: Deadline) -> Result<usize, LinkError> {
        let mut receiver = Receiver(Arc::clone(&self.end));
        loop {
            if let Some(len) = receiver.try_receive(head, body)? {
                return Ok(len);
            }
            self.have_it_act(TO_RECEIVE, deadline)?;
        }
    }

    fn try_receive(&mut self, head: &mut [u8], body: &mut [u8]) -> Result<Option<usize>, LinkError> {
        let mut receiver = Receiver(Arc::clone(&self.end));
        match receiver.try_receive(head, body)? {
            None => {
                self.counterpart.act();
                receiver.try_receive(head, body)
            }
            received => Ok(received),
        }
    }
}

impl AsFd for Driving {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

impl Interrupt for Driving {
    fn interrupt(&self) {
        self.end.interrupt();
    }
}

impl Wire for Driving {
    fn wait(&self, asked: Readiness, deadline: Deadline) -> Result<Readiness, LinkError> {
        loop {
            match self.end.wait(asked, Deadline::after(Duration::ZERO)) {
                Err(LinkError::TimedOut) => self.have_it_act(asked, deadline)?,
                found => return found,
            }
        }
    }

    fn shut_down(&self) {
        self.end.shut_down();
    }

    fn has_hung_up(&self) -> bool {
        self.end.has_hung_up()
    }

    fn peer(&self) -> Peer {
        self.end.peer()
    }
}
