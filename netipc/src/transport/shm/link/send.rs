//! The half of a link that packets go out by.
//!
//! Owns: writing a packet into the area, once that is free, and waiting until it is. It refuses to read there.

use core::hint::spin_loop;
use core::time::Duration;
use std::io::IoSlice;
use std::time::Instant;

use super::{FIRST_SLEEP, Hold, LOOKS, Shared};
use crate::buf::Writer;
use crate::sync::{Arc, Ordering};
use crate::sys::SystemError;
use crate::transport::shm::region::Outbox;
use crate::transport::{Deadline, InPlace, LinkError, Outgoing};

/// How long to look for room before sleeping: the peer has to copy one message.
const LOOKING_FOR_ROOM: Duration = Duration::from_micros(20);

/// The half that packets go out by.
#[derive(Debug)]
pub(in crate::transport::shm) struct Sender {
    shared: Arc<Shared>,
    outbox: Outbox,
    _file: Hold,
}

impl Sender {
    pub(in crate::transport::shm) const fn new(shared: Arc<Shared>, outbox: Outbox, file: Hold) -> Self {
        Self { shared, outbox, _file: file }
    }

    /// Publishes the first `len` bytes of the area.
    #[inline]
    fn publish(&self, len: usize) {
        self.shared.last_sent.store(len, Ordering::Relaxed);
        // No area has room for more than 29 bits can say.
        self.shared.lane.publish(u32::try_from(len).unwrap_or(u32::MAX));
    }

    /// Publishes the packet in an area that is free.
    #[inline]
    fn put(&mut self, packet: &[IoSlice<'_>]) -> Result<(), LinkError> {
        let mut writer = self.outbox.writer(0, usize::MAX);
        for part in packet {
            writer.append(part);
        }
        if !writer.fits() {
            return Err(SystemError::packet_too_long().into());
        }
        let len = writer.len();
        self.publish(len);
        Ok(())
    }
}

impl Outgoing for Sender {
    fn send(&mut self, packet: &[IoSlice<'_>], deadline: Deadline) -> Result<(), LinkError> {
        self.wait_for_room(deadline)?;
        self.put(packet)
    }

    fn try_send(&mut self, packet: &[IoSlice<'_>]) -> Result<bool, LinkError> {
        let has_room = self.shared.has_room()?;
        if has_room {
            self.put(packet)?;
        }
        Ok(has_room)
    }

    fn in_place(&mut self) -> Option<&mut dyn InPlace> {
        Some(self)
    }
}

impl InPlace for Sender {
    fn has_room(&mut self) -> Result<bool, LinkError> {
        self.shared.has_room()
    }

    fn is_unread(&mut self) -> bool {
        self.shared.lane.peer_marks() && !self.shared.lane.has_room()
    }

    fn wait_for_room(&mut self, deadline: Deadline) -> Result<(), LinkError> {
        // There nearly always is room, and then nothing has to be known about the time.
        if self.shared.has_room()? {
            return Ok(());
        }
        let start = Instant::now();
        let mut sleep = FIRST_SLEEP;
        loop {
            for _ in 0..LOOKS {
                if self.shared.has_room()? {
                    return Ok(());
                }
                spin_loop();
            }
            if start.elapsed() >= LOOKING_FOR_ROOM || deadline.has_passed() {
                self.shared.wait_for_room(false, deadline, &mut sleep)?;
            }
        }
    }

    fn body(&mut self, head: usize, most: usize) -> Writer<'_> {
        self.outbox.writer(head, most)
    }

    fn send(&mut self, head: &[u8], len: usize) -> Result<(), LinkError> {
        self.shared.check_open()?;
        if head.len().saturating_add(len) > self.outbox.capacity() {
            return Err(SystemError::packet_too_long().into());
        }
        self.outbox.writer(0, head.len()).append(head);
        self.publish(head.len() + len);
        Ok(())
    }
}
