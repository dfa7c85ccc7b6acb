//! The sending half: messages in, packets out.
//!
//! Owns: cutting a message into packets, each gathered from where its parts stand, and what is left of a message that
//! found no room. It refuses to begin a message while another is unfinished.

use core::fmt;
use core::mem;
use std::io::IoSlice;

use bytes::Bytes;

use super::buffer::look_for_memory;
use super::error::{BuildError, Error};
use super::receive::Receiver;
use super::shared::{Sending, Shared};
use super::sizes::{Pieces, write_directory};
use crate::buf::Writer;
use crate::proto::{Limit, LimitExceeded, Packet, Splitter};
use crate::sync::Arc;
use crate::transport::{Deadline, LinkError, Outgoing, Readiness};
use crate::wire::{BatchBuilder, HEADER_LEN, Header};

/// Parts that one packet can be gathered from: `IOV_MAX` of Linux, readv(2).
const MOST_PARTS: usize = 1024;

/// How large a payload may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// By which limit.
    pub(super) limit: Limit,
    pub(super) bytes: u32,
}

/// What is left of a message that a call which does not wait has begun.
struct Unfinished {
    splitter: Splitter,
    packet: Packet,
    rest: Rest,
}

/// Where the payload stands of a message that is not all sent.
enum Rest {
    /// It was handed over.
    Kept(Bytes),
    /// It is the sender's draft.
    Draft,
}

impl Rest {
    fn bytes<'a>(&'a self, draft: &'a [u8]) -> &'a [u8] {
        match self {
            Self::Kept(payload) => payload,
            Self::Draft => draft,
        }
    }
}

pub(super) struct Sender {
    outgoing: Box<dyn Outgoing>,
    shared: Arc<Shared>,
    unfinished: Option<Unfinished>,
    /// Where messages are built that can't be built where the peer will read them.
    draft: Vec<u8>,
    /// Directory of the last batch.
    directory: Vec<u8>,
    /// A packet of more parts than one call takes.
    scratch: Vec<u8>,
}

/// What is to be sent is for nobody's log, and may be large.
impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("shared", &self.shared)
            .field("is_unfinished", &self.is_unfinished())
            .finish_non_exhaustive()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // The other half may live on, and the peer would wait for the rest for ever.
        if self.is_unfinished() {
            self.shared.end(Error::Unfinished);
        }
    }
}

impl Sender {
    pub(super) fn new(outgoing: Box<dyn Outgoing>, shared: Arc<Shared>) -> Self {
        let (draft, directory, scratch) = (Vec::new(), Vec::new(), Vec::new());
        Self { outgoing, shared, unfinished: None, draft, directory, scratch }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Whether part of a message still has to go out.
    pub(super) const fn is_unfinished(&self) -> bool {
        self.unfinished.is_some()
    }

    /// Sends a message. While it finds no room, what comes in is put by in `absorb`.
    pub(super) fn send(
        &mut self,
        header: Header,
        payload: &[u8],
        deadline: Deadline,
        mut absorb: Option<&mut Receiver>,
    ) -> Result<(), Error> {
        self.begin(deadline, absorb.as_deref_mut())?;
        if header.message_len() <= self.shared.packet_size.into() {
            // Most messages go in one packet, and there is nothing to split.
            let all = 0..payload_size(&header);
            let sent = self.packet(&Packet { head: header.encode(), body: all }, payload, deadline, absorb);
            return sent.map_err(|error| self.unsent(error, false));
        }
        let mut is_begun = false;
        for packet in self.split(header)? {
            let sent = self.packet(&packet, payload, deadline, absorb.as_deref_mut());
            sent.map_err(|error| self.unsent(error, is_begun))?;
            is_begun = true;
        }
        Ok(())
    }

    /// Sends what was [built](Self::build). Only where that may have to wait is the deadline asked for: that would take longer
    /// than all else that is done here.
    pub(super) fn send_draft(
        &mut self,
        header: Header,
        deadline: impl FnOnce() -> Deadline,
        absorb: Option<&mut Receiver>,
    ) -> Result<(), Error> {
        if let Some(in_place) = self.outgoing.in_place() {
            let sent = in_place.send(&header.encode(), payload_size(&header));
            return sent.map_err(|error| self.unsent(error.into(), false));
        }
        let draft = mem::take(&mut self.draft);
        let sent = match self.try_whole(header, &draft) {
            Ok(true) => Ok(()),
            Ok(false) => self.send(header, &draft, deadline(), absorb),
            Err(error) => Err(error),
        };
        self.draft = draft;
        sent
    }

    /// Sends as much of what was [built](Self::build) as finds room, and keeps the rest; whether there is none.
    pub(super) fn send_draft_now(&mut self, header: Header) -> Result<bool, Error> {
        if self.outgoing.in_place().is_some() {
            return self.send_draft(header, || Deadline::NEVER, None).map(|()| true);
        }
        let mut splitter = self.split(header)?;
        while let Some(packet) = splitter.next() {
            let parts = [IoSlice::new(&packet.head), body(&packet, &self.draft)];
            match self.outgoing.try_send(&parts) {
                Ok(true) => {}
                Ok(false) => {
                    self.unfinished = Some(Unfinished { splitter, packet, rest: Rest::Draft });
                    return Ok(false);
                }
                // Whatever was sent, the peer waits for an answer that there won't be.
                Err(error) => return Err(self.unsent(error.into(), true)),
            }
        }
        Ok(true)
    }

    /// Whether the peer has to read the last message first, and says when it has.
    pub(super) fn is_unread(&mut self) -> bool {
        self.outgoing.in_place().is_some_and(|in_place| in_place.is_unread())
    }

    /// Waits until another message can be sent, and nothing is left of the last one.
    pub(super) fn unblock(&mut self, deadline: Deadline) -> Result<(), Error> {
        self.shared.check()?;
        self.begin(deadline, None)?;
        self.make_room(|| deadline, None)
    }

    /// Sends a message of one packet if that finds room at once.
    #[inline]
    fn try_whole(&mut self, header: Header, payload: &[u8]) -> Result<bool, Error> {
        if self.is_unfinished() || header.message_len() > self.shared.packet_size.into() {
            return Ok(false);
        }
        let packet = Packet { head: header.encode(), body: 0..payload_size(&header) };
        self.try_packet(&packet, payload).map_err(|error| self.unsent(error, false))
    }

    /// Builds a payload of at most `bounds.bytes`; its length. Where that is done in shared memory, there must be room for
    /// the message first: it is waited for as if to send, and only then is the deadline asked for.
    pub(super) fn build<E>(
        &mut self,
        bounds: Bounds,
        deadline: impl FnOnce() -> Deadline,
        absorb: Option<&mut Receiver>,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
    ) -> Result<u32, BuildError<E>> {
        if self.is_unfinished() {
            // It may be what stands in the draft.
            self.begin(deadline(), absorb)?;
        } else {
            self.make_room(deadline, absorb)?;
        }
        self.build_here(bounds, fill)
    }

    /// The same where there is room already.
    ///
    /// # Errors
    /// Also [`Error::TimedOut`] where there is none any more, which is the peer's doing.
    pub(super) fn build_now<E>(
        &mut self,
        bounds: Bounds,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
    ) -> Result<u32, BuildError<E>> {
        let is_unfinished = self.is_unfinished();
        let has_room = match self.outgoing.in_place() {
            _ if is_unfinished => false,
            Some(in_place) => in_place.has_room().map_err(|error| self.unsent(error.into(), false))?,
            None => true,
        };
        if !has_room {
            return Err(Error::TimedOut.into());
        }
        self.build_here(bounds, fill)
    }

    fn build_here<E>(
        &mut self,
        bounds: Bounds,
        fill: impl FnOnce(&mut Writer<'_>) -> Result<(), E>,
    ) -> Result<u32, BuildError<E>> {
        let Bounds { limit, bytes: allowed } = bounds;
        let room = usize::try_from(allowed).unwrap_or(usize::MAX);
        let mut writer = match self.outgoing.in_place() {
            Some(in_place) => in_place.body(HEADER_LEN, room),
            None => {
                if self.draft.len() < room {
                    look_for_memory(room).map_err(Error::from)?;
                    // Zeroed memory takes no room in the machine before it is written.
                    self.draft = vec![0; room];
                }
                Writer::new(self.draft.get_mut(..room).unwrap_or_default())
            }
        };
        fill(&mut writer).map_err(BuildError::Build)?;
        if !writer.fits() {
            let asked = writer.needed() as u64;
            return Err(Error::from(LimitExceeded { limit, asked, allowed: allowed.into() }).into());
        }
        Ok(u32::try_from(writer.len()).unwrap_or(allowed))
    }

    /// Builds the payload of a batch of at most `max_items`; its length, and how many items it has.
    pub(super) fn build_batch<E>(
        &mut self,
        bounds: Bounds,
        max_items: u32,
        deadline: impl FnOnce() -> Deadline,
        absorb: Option<&mut Receiver>,
        fill: impl FnOnce(&mut BatchBuilder<'_, '_>) -> Result<(), E>,
    ) -> Result<(u32, u32), BuildError<E>> {
        let mut count = 0;
        let len = self.build(bounds, deadline, absorb, |writer| batch(writer, max_items, &mut count, fill))?;
        if count == 0 { Err(Error::EmptyBatch.into()) } else { Ok((len, count)) }
    }

    /// The same where there is room already.
    pub(super) fn build_batch_now<E>(
        &mut self,
        bounds: Bounds,
        max_items: u32,
        fill: impl FnOnce(&mut BatchBuilder<'_, '_>) -> Result<(), E>,
    ) -> Result<(u32, u32), BuildError<E>> {
        let mut count = 0;
        let len = self.build_now(bounds, |writer| batch(writer, max_items, &mut count, fill))?;
        if count == 0 { Err(Error::EmptyBatch.into()) } else { Ok((len, count)) }
    }

    /// Sends a batch whose items stay where they are.
    pub(super) fn send_batch<T: AsRef<[u8]>>(
        &mut self,
        header: Header,
        items: &[T],
        deadline: Deadline,
        mut absorb: Option<&mut Receiver>,
    ) -> Result<(), Error> {
        self.begin(deadline, absorb.as_deref_mut())?;
        // From here on the items are asked for their bytes, which is the caller's code.
        let _sending = Sending::begin(&self.shared);
        let mut directory = mem::take(&mut self.directory);
        write_directory(&mut directory, items);
        let mut pieces = Pieces { rest: &directory, items: items.iter(), padding: 0 };
        let mut sent = Ok(());
        let mut is_begun = false;
        for packet in self.split(header)? {
            let mut parts = Vec::with_capacity(MOST_PARTS.min(2 * items.len() + 2));
            parts.push(IoSlice::new(&packet.head));
            pieces.take(packet.body.len(), &mut parts);
            sent = if parts.len() > MOST_PARTS {
                let mut scratch = mem::take(&mut self.scratch);
                scratch.clear();
                parts.iter().for_each(|part| scratch.extend_from_slice(part));
                let sent = self.parts(&[IoSlice::new(&scratch)], deadline, absorb.as_deref_mut());
                self.scratch = scratch;
                sent
            } else {
                self.parts(&parts, deadline, absorb.as_deref_mut())
            };
            if sent.is_err() {
                break;
            }
            is_begun = true;
        }
        self.directory = directory;
        sent.map_err(|error| self.unsent(error, is_begun))
    }

    /// Begins a message, and sends as much of it as finds room; whether it was begun.
    pub(super) fn try_send(&mut self, header: Header, payload: Bytes) -> Result<bool, Error> {
        if !self.try_finish()? {
            return Ok(false);
        }
        let mut splitter = self.split(header)?;
        let mut is_begun = false;
        while let Some(packet) = splitter.next() {
            match self.try_packet(&packet, &payload) {
                Ok(true) => is_begun = true,
                Ok(false) => {
                    if is_begun {
                        self.unfinished = Some(Unfinished { splitter, packet, rest: Rest::Kept(payload) });
                    }
                    return Ok(is_begun);
                }
                Err(error) => return Err(self.unsent(error, is_begun)),
            }
        }
        Ok(true)
    }

    /// Sends as much as finds room of what is left of a message; whether nothing is.
    pub(super) fn try_finish(&mut self) -> Result<bool, Error> {
        self.shared.check()?;
        while let Some(unfinished) = &mut self.unfinished {
            let payload = unfinished.rest.bytes(&self.draft);
            let parts = [IoSlice::new(&unfinished.packet.head), body(&unfinished.packet, payload)];
            match self.outgoing.try_send(&parts) {
                Ok(true) => match unfinished.splitter.next() {
                    Some(packet) => unfinished.packet = packet,
                    None => self.unfinished = None,
                },
                Ok(false) => return Ok(false),
                Err(error) => return Err(self.unsent(error.into(), true)),
            }
        }
        Ok(true)
    }

    /// Waits until a message can be built, which is at once where it is built in this process's own memory. Whether the
    /// session has ended was looked at before an id was taken.
    fn make_room(&mut self, deadline: impl FnOnce() -> Deadline, absorb: Option<&mut Receiver>) -> Result<(), Error> {
        let Some(in_place) = self.outgoing.in_place() else { return Ok(()) };
        let made = match (in_place.has_room(), absorb) {
            (Ok(true), _) => return Ok(()),
            (Ok(false), None) => in_place.wait_for_room(deadline()).map_err(Error::from),
            (Ok(false), Some(receiver)) => wait_for_room(&self.shared, receiver, deadline(), || in_place.has_room()),
            (Err(error), _) => Err(error.into()),
        };
        made.map_err(|error| self.unsent(error, false))
    }

    /// Sees to it that a message may begin. Whether the session has ended was looked at before an id was taken.
    fn begin(&mut self, deadline: Deadline, mut absorb: Option<&mut Receiver>) -> Result<(), Error> {
        while let Some(mut unfinished) = self.unfinished.take() {
            let draft = mem::take(&mut self.draft);
            let payload = unfinished.rest.bytes(&draft);
            let sent = self.packet(&unfinished.packet, payload, deadline, absorb.as_deref_mut());
            self.draft = draft;
            match sent {
                Ok(()) => {
                    if let Some(packet) = unfinished.splitter.next() {
                        unfinished.packet = packet;
                        self.unfinished = Some(unfinished);
                    }
                }
                // It can still go on: its rest is ours.
                Err(Error::TimedOut) => {
                    self.unfinished = Some(unfinished);
                    return Err(Error::TimedOut);
                }
                Err(error) => return Err(self.unsent(error, true)),
            }
        }
        Ok(())
    }

    fn split(&self, header: Header) -> Result<Splitter, Error> {
        Splitter::new(header, self.shared.packet_size).map_err(Error::from)
    }

    fn packet(
        &mut self,
        packet: &Packet,
        payload: &[u8],
        deadline: Deadline,
        absorb: Option<&mut Receiver>,
    ) -> Result<(), Error> {
        let parts = [IoSlice::new(&packet.head), body(packet, payload)];
        self.parts(if packet.body.is_empty() { &parts[..1] } else { &parts }, deadline, absorb)
    }

    fn try_packet(&mut self, packet: &Packet, payload: &[u8]) -> Result<bool, Error> {
        let parts = [IoSlice::new(&packet.head), body(packet, payload)];
        self.outgoing.try_send(&parts).map_err(Error::from)
    }

    fn parts(&mut self, parts: &[IoSlice<'_>], deadline: Deadline, absorb: Option<&mut Receiver>) -> Result<(), Error> {
        let Some(receiver) = absorb else { return self.outgoing.send(parts, deadline).map_err(Error::from) };
        let outgoing = &mut self.outgoing;
        wait_for_room(&self.shared, receiver, deadline, || outgoing.try_send(parts))
    }

    /// What an error means for a message of which something, or nothing, has been sent.
    #[cold]
    fn unsent(&self, error: Error, is_begun: bool) -> Error {
        match error {
            Error::Aborted => self.shared.end(error),
            // There is nobody to be confused. The other half may have ended the session while this one waited.
            Error::Closed { .. } => self.shared.check().err().unwrap_or(error),
            _ => {
                if is_begun {
                    self.shared.end(Error::Unfinished);
                }
                error
            }
        }
    }
}

/// Waits until what `attempt` tries is done, and puts by what comes in meanwhile.
fn wait_for_room(
    shared: &Shared,
    receiver: &mut Receiver,
    deadline: Deadline,
    mut attempt: impl FnMut() -> Result<bool, LinkError>,
) -> Result<(), Error> {
    let mut is_late = false;
    // Should the peer wait for room for its answers meanwhile, it waits for us.
    while !attempt()? {
        // Once more than the deadline: a peer that only says that there is room gains no time by it.
        if is_late {
            return Err(Error::TimedOut);
        }
        let ready = shared.wire.wait(Readiness { readable: true, writable: true }, deadline)?;
        if ready.readable {
            receiver.absorb()?;
        }
        // Nor does one that always has one more answer ready.
        is_late = deadline.has_passed();
        if is_late && !ready.writable {
            return Err(Error::TimedOut);
        }
    }
    Ok(())
}

/// Builds a batch where `writer` stands, and counts its items.
fn batch<E>(
    writer: &mut Writer<'_>,
    max_items: u32,
    count: &mut u32,
    fill: impl FnOnce(&mut BatchBuilder<'_, '_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut batch = BatchBuilder::new(writer, max_items);
    fill(&mut batch)?;
    // Where it finds no room, the writer tells.
    *count = batch.finish().unwrap_or_default();
    Ok(())
}

/// The length of a message's payload where it stands in memory.
fn payload_size(header: &Header) -> usize {
    usize::try_from(header.payload_len()).unwrap_or(usize::MAX)
}

fn body<'a>(packet: &Packet, payload: &'a [u8]) -> IoSlice<'a> {
    IoSlice::new(payload.get(packet.body.clone()).unwrap_or_default())
}
