//! The half of a link that packets come in by.
//!
//! Owns: how long to look for a message before sleeping, and copying it out once. It refuses to look at it.

use core::hint::spin_loop;
use core::time::Duration;
use std::time::Instant;

use super::{Berth, GLANCE, Hold, LOOKS, Shared, shorter};
use crate::sync::{Arc, Ordering};
use crate::sys::yield_processor;
use crate::transport::shm::region::Inbox;
use crate::transport::wait::Adaptive;
use crate::transport::{Deadline, Expected, Incoming, LinkError, Wait};

/// Looks without a look at the clock.
const QUICK_LOOKS: u32 = 96;
/// Bytes that a peer copies in a nanosecond, at the least: while it copies, waiting for it is worth while.
const BYTES_A_NANOSECOND: usize = 4;

/// What to do while nothing has come.
#[derive(Debug)]
enum Pace {
    Sleep,
    Adapt(Adaptive),
    Spin,
}

/// The half that packets come in by.
#[derive(Debug)]
pub(in crate::transport::shm) struct Receiver {
    shared: Arc<Shared>,
    inbox: Inbox,
    pace: Pace,
    /// The length of the message that was found and not taken yet.
    found: Option<u32>,
    /// Bytes of the last message that was received: the peer may be building another.
    last: usize,
    _file: Hold,
}

impl Receiver {
    pub(in crate::transport::shm) const fn new(shared: Arc<Shared>, inbox: Inbox, wait: Wait, file: Hold) -> Self {
        let pace = match wait {
            Wait::Block => Pace::Sleep,
            Wait::Adaptive => Pace::Adapt(Adaptive::new()),
            Wait::Always => Pace::Spin,
        };
        Self { shared, inbox, pace, found: None, last: 0, _file: file }
    }

    /// Looks for a message.
    #[inline]
    fn look(&mut self) -> Result<Option<u32>, LinkError> {
        if self.found.is_none() {
            self.found = self.shared.lane.arrived()?;
        }
        Ok(self.found)
    }

    /// Looks for a message, and for the peer where there is none.
    fn look_well(&mut self) -> Result<Option<u32>, LinkError> {
        self.shared.check()?;
        if let Some(len) = self.look()? {
            return Ok(Some(len));
        }
        self.shared.lane.settle()?;
        if !self.shared.is_over() {
            self.shared.glance();
        }
        self.last_look()
    }

    /// Looks for a message, which may have come before the peer went.
    fn last_look(&mut self) -> Result<Option<u32>, LinkError> {
        let is_over = self.shared.is_over();
        self.shared.check()?;
        match self.look()? {
            None if is_over => Err(LinkError::Closed),
            found => Ok(found),
        }
    }

    /// How long the peer may be busy copying.
    fn copying(&self) -> Duration {
        let bytes = self.last.saturating_add(self.shared.last_sent.load(Ordering::Relaxed));
        Duration::from_nanos((bytes / BYTES_A_NANOSECOND) as u64)
    }

    /// Waits for a message; its length.
    #[inline]
    fn wait(&mut self, deadline: Deadline) -> Result<u32, LinkError> {
        self.shared.check()?;
        if let Some(len) = self.look()? {
            return Ok(len);
        }
        self.shared.lane.settle()?;
        match &mut self.pace {
            Pace::Sleep => self.sleep(deadline),
            Pace::Spin => self.spin(deadline),
            Pace::Adapt(adaptive) if adaptive.is_trying() => {
                // Without the clock, at first: that would take longer than many an answer.
                for _ in 0..QUICK_LOOKS {
                    spin_loop();
                    self.found = self.shared.lane.arrived()?;
                    if let Some(len) = self.found {
                        adaptive.found(Duration::ZERO);
                        return Ok(len);
                    }
                }
                self.try_for_a_while(deadline)
            }
            Pace::Adapt(_) => {
                let (start, copying) = (Instant::now(), self.copying());
                let slept = self.sleep(deadline);
                if let Pace::Adapt(adaptive) = &mut self.pace {
                    adaptive.blocked(start.elapsed().saturating_sub(copying));
                }
                slept
            }
        }
    }

    /// Looks for a message for as long as recent ones were worth it, then sleeps.
    fn try_for_a_while(&mut self, deadline: Deadline) -> Result<u32, LinkError> {
        let (start, copying) = (Instant::now(), self.copying());
        let Pace::Adapt(adaptive) = &self.pace else { return self.sleep(deadline) };
        let trying = adaptive.trying() + copying;
        let trying = deadline.left_at(start).map_or(trying, |left| left.min(trying));
        let found = loop {
            if let Some(len) = self.look_often(LOOKS)? {
                break Some(len);
            }
            if start.elapsed() >= trying || self.shared.is_over() {
                break None;
            }
        };
        if let Pace::Adapt(adaptive) = &mut self.pace {
            match found {
                Some(_) => adaptive.found(start.elapsed().saturating_sub(copying)),
                None => adaptive.missed(),
            }
        }
        found.map_or_else(|| self.sleep(deadline), Ok)
    }

    #[inline]
    fn look_often(&mut self, looks: u32) -> Result<Option<u32>, LinkError> {
        for _ in 0..looks {
            spin_loop();
            if let Some(len) = self.look()? {
                return Ok(Some(len));
            }
        }
        Ok(None)
    }

    /// Looks for a message all the time, and gives the processor to whoever else can use it in between.
    fn spin(&mut self, deadline: Deadline) -> Result<u32, LinkError> {
        if let Some(len) = self.look_often(QUICK_LOOKS)? {
            return Ok(len);
        }
        let mut glanced = Instant::now();
        loop {
            for _ in 0..LOOKS {
                yield_processor();
                if let Some(len) = self.look()? {
                    return Ok(len);
                }
            }
            if let Some(len) = self.last_look()? {
                return Ok(len);
            }
            if deadline.has_passed() {
                return Err(LinkError::TimedOut);
            }
            if glanced.elapsed() >= GLANCE {
                self.shared.glance();
                glanced = Instant::now();
            }
        }
    }

    /// Sleeps until there is a message.
    fn sleep(&mut self, deadline: Deadline) -> Result<u32, LinkError> {
        let glance = if self.shared.is_watched() { None } else { Some(GLANCE) };
        loop {
            let left = deadline.left();
            if left == Some(Duration::ZERO) {
                // Also who is late may take what is there.
                return self.look_well()?.ok_or(LinkError::TimedOut);
            }
            let shared = &self.shared;
            let timeout = shorter(left, glance);
            self.found = shared.asleep(|| shared.lane.wait_for_message(timeout, || shared.is_over()))?;
            let found = if glance.is_some() { self.look_well()? } else { self.last_look()? };
            if let Some(len) = found {
                return Ok(len);
            }
        }
    }

    /// Takes the message of `len` bytes that was found.
    #[inline]
    fn take(&mut self, len: u32, head: &mut [u8], body: &mut [u8]) -> Result<usize, LinkError> {
        let all = len as usize;
        let in_head = all.min(head.len());
        self.inbox.copy(0, head.get_mut(..in_head).unwrap_or_default());
        let in_body = (all - in_head).min(body.len());
        self.inbox.copy(in_head, body.get_mut(..in_body).unwrap_or_default());
        self.found = None;
        self.last = all;
        self.shared.lane.consume(len)?;
        Ok(all)
    }
}

impl Incoming for Receiver {
    fn expect(&mut self, deadline: Deadline) -> Result<Expected, LinkError> {
        Ok(Expected::bytes(self.wait(deadline)?))
    }

    fn try_expect(&mut self) -> Result<Option<Expected>, LinkError> {
        Ok(self.look_well()?.map(Expected::bytes))
    }

    fn receive(&mut self, head: &mut [u8], body: &mut [u8], deadline: Deadline) -> Result<usize, LinkError> {
        let len = self.wait(deadline)?;
        self.take(len, head, body)
    }

    fn try_receive(&mut self, head: &mut [u8], body: &mut [u8]) -> Result<Option<usize>, LinkError> {
        self.look_well()?.map(|len| self.take(len, head, body)).transpose()
    }

    fn berth(&self) -> Option<Berth> {
        Some(Berth::new(Arc::clone(&self.shared)))
    }
}
