//! Requests that are encoded before they are sent.
//!
//! Owns: memory that is used again, and grows as far as a request may. It refuses to keep what it can't send.

use super::call::Ask;
use super::trouble::Shape;
use crate::buf::{Writer, align_up};
use crate::codec::EncodeError;
use crate::service::MethodInfo;
use crate::session::{BuildError, ClientSession, Deadline, Limit, LimitExceeded, Ticket};
use crate::wire::{BATCH_ALIGN, BATCH_ENTRY_LEN, BatchError};

/// Why a request was not encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It needs more room than it may.
    Large(LimitExceeded),
    /// Its layout excludes it.
    Invalid(EncodeError),
}

/// How large requests may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) bytes: u32,
    pub(super) items: u32,
}

impl Room {
    fn exceeded(self, needed: usize) -> Unfit {
        let (asked, allowed) = (needed as u64, self.bytes.into());
        Unfit::Large(LimitExceeded { limit: Limit::RequestPayload, asked, allowed })
    }
}

/// Has `fill` write a request at byte `at` of `buffer`, which grows to `most` bytes at most; where the request ends.
///
/// # Errors
/// Where it would end, or why there is none.
pub(super) fn encode(
    buffer: &mut Vec<u8>,
    at: usize,
    most: usize,
    mut fill: impl FnMut(&mut Writer<'_>) -> Result<(), EncodeError>,
) -> Result<Result<usize, usize>, EncodeError> {
    loop {
        let mut writer = Writer::new(buffer.get_mut(at..).unwrap_or_default());
        let needed = match fill(&mut writer) {
            Ok(()) if writer.fits() => return Ok(Ok(at.saturating_add(writer.len()))),
            Ok(()) => writer.needed(),
            Err(EncodeError::Overflow { needed }) => needed,
            Err(error) => return Err(error),
        };
        let end = at.saturating_add(needed);
        // Who needs more than there is once more after it was given that would never have enough.
        if end > most || end <= buffer.len() {
            return Ok(Err(end));
        }
        let len = end.checked_next_power_of_two().unwrap_or(end).min(most);
        buffer.resize(len, 0);
    }
}

/// The requests of a batch.
#[derive(Debug, Default)]
pub(super) struct Requests {
    bytes: Vec<u8>,
    /// Where each ends, the next begins.
    ends: Vec<usize>,
    /// Bytes of the batch as it is sent.
    len: usize,
}

impl Requests {
    /// Encodes a request for each of `items` in the place of what was there.
    pub(super) fn encode<X: Copy>(
        &mut self,
        items: impl IntoIterator<Item = X>,
        room: Room,
        mut fill: impl FnMut(&mut Writer<'_>, X) -> Result<(), EncodeError>,
    ) -> Result<(), Unfit> {
        self.ends.clear();
        self.len = 0;
        let most = usize::try_from(room.bytes).unwrap_or(usize::MAX);
        let mut at = 0;
        for item in items {
            let count = self.ends.len() as u64 + 1;
            if count > room.items.into() {
                let (asked, allowed) = (count, room.items.into());
                return Err(Unfit::Large(LimitExceeded { limit: Limit::RequestItems, asked, allowed }));
            }
            let encoded = encode(&mut self.bytes, at, most, |writer| fill(writer, item)).map_err(Unfit::Invalid)?;
            let end = encoded.map_err(|end| room.exceeded(end.saturating_add(self.len.saturating_sub(at))))?;
            self.len = align_up(self.len, BATCH_ALIGN).saturating_add(BATCH_ENTRY_LEN).saturating_add(end - at);
            if self.len > most {
                return Err(room.exceeded(self.len));
            }
            self.ends.push(end);
            at = end;
        }
        Ok(())
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.ends.len()).unwrap_or(u32::MAX)
    }

    /// Bytes of the batch as it is sent.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    fn items(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let item = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            item
        })
    }
}

impl Ask for Requests {
    fn send(
        &mut self,
        session: &mut ClientSession,
        method: &MethodInfo,
        deadline: Deadline,
    ) -> Result<Ticket, BuildError<EncodeError>> {
        // Deployed servers don't agree on what a batch of one is, and all take a request.
        if let [end] = *self.ends.as_slice() {
            let payload = self.bytes.get(..end).unwrap_or_default();
            return session.send(method.method, payload, deadline).map_err(BuildError::Session);
        }
        session.send_batch_with(method.method, self.count(), deadline, |batch| {
            for item in self.items() {
                batch.push(item).map_err(|error| match error {
                    BatchError::TooLong { end } => EncodeError::TooLarge(end),
                    BatchError::Full { .. } | BatchError::Overflow { .. } => EncodeError::TooLarge(self.len),
                })?;
            }
            Ok(())
        })
    }

    fn shape(&self) -> Shape {
        match self.count() {
            1 => Shape::One,
            count => Shape::Batch(count),
        }
    }
}
