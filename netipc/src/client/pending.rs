//! The calls of a pipeline, between their request and the moment at which their answer is taken.
//!
//! Owns: what is kept of each (the request, to send it again; an answer that came before it was asked for), within bounds,
//! in memory that is used again. It refuses to send or receive.

use std::collections::VecDeque;

use super::CallError;
use super::trouble::{Again, Tries};
use crate::service::MethodInfo;
use crate::session::{Deadline, Limit, LimitExceeded};
use crate::trace::Watch;

/// Calls that may be waiting at a time.
const MOST_CALLS: usize = 4096;
/// Bytes of requests and answers that are kept at a time.
const MOST_BYTES: usize = 64 << 20;
/// What is kept of places and their memory for the next pipeline.
const KEPT_CALLS: usize = 64;
const KEPT_BYTES: usize = 16 << 10;

/// How far a call has come.
#[derive(Debug, Default)]
pub(super) enum Phase {
    /// There is none in this place.
    #[default]
    Free,
    /// Its request is to be sent, for a second time where there is a reason.
    Waiting(Option<Again>),
    /// Its request was sent over the connection that there is.
    Sent,
    /// Its answer was kept.
    Answered,
    /// It has none.
    Failed(CallError),
}

/// A place for a call.
#[derive(Debug)]
pub(super) struct Slot {
    /// Which call it is, among all of the client's.
    serial: u64,
    pub(super) method: &'static MethodInfo,
    pub(super) deadline: Deadline,
    pub(super) tries: Tries,
    phase: Phase,
    request: Kept,
    answer: Kept,
    /// How long it takes, until that is told.
    watch: Option<Watch>,
}

/// Bytes that are kept, in memory that is used again.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    len: usize,
}

impl Kept {
    fn get(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn empty(&mut self) {
        self.len = 0;
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
    }
}

impl Slot {
    pub(super) const fn phase(&self) -> &Phase {
        &self.phase
    }

    pub(super) fn request(&self) -> &[u8] {
        self.request.get()
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Pending {
    /// Which client's they are.
    client: u64,
    next_serial: u64,
    slots: Vec<Slot>,
    /// The message id of each that is [`Phase::Sent`], else 0; apart, so that looking for one is quick.
    ids: Vec<u64>,
    /// In the order in which they came to be free: then answers mostly come to the next place.
    free: VecDeque<usize>,
    /// Where the next answer belongs if answers come in the order of requests.
    expected: usize,
    /// The message id of whatever was sent last over the connection that there is.
    last_id: u64,
    waiting: usize,
    sent: usize,
    bytes: usize,
}

/// Which call a ticket is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    client: u64,
    serial: u64,
    index: usize,
}

impl Pending {
    pub(super) const fn new(client: u64) -> Self {
        Self {
            client,
            next_serial: 1,
            slots: Vec::new(),
            ids: Vec::new(),
            free: VecDeque::new(),
            expected: 0,
            last_id: 0,
            waiting: 0,
            sent: 0,
            bytes: 0,
        }
    }

    /// Forgets all calls.
    pub(super) fn clear(&mut self) {
        self.slots.truncate(KEPT_CALLS);
        self.ids.truncate(KEPT_CALLS);
        self.ids.fill(0);
        self.free.clear();
        self.free.extend(0..self.slots.len());
        for slot in &mut self.slots {
            slot.phase = Phase::Free;
            slot.request.empty();
            slot.answer.empty();
        }
        (self.expected, self.waiting, self.sent, self.bytes) = (0, 0, 0, 0);
    }

    /// Takes a place for a call whose request `encode` writes; which one.
    ///
    /// # Errors
    /// Where there are as many calls or bytes as there may be, and what `encode` returns.
    pub(super) fn open<E: From<LimitExceeded>>(
        &mut self,
        method: &'static MethodInfo,
        deadline: Deadline,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let index = match self.free.pop_front() {
            Some(index) => index,
            None if self.slots.len() < MOST_CALLS => self.add(method, deadline),
            None => {
                let (asked, allowed) = (MOST_CALLS as u64 + 1, MOST_CALLS as u64);
                return Err(LimitExceeded { limit: Limit::InFlight, asked, allowed }.into());
            }
        };
        let (serial, kept) = (self.next_serial, self.bytes);
        let Some(slot) = self.slots.get_mut(index) else { return Ok(index) };
        slot.request.empty();
        slot.answer.empty();
        let opened = encode(&mut slot.request.bytes).and_then(|len| within(kept, len).map(|()| len).map_err(E::from));
        match opened {
            Ok(len) => {
                slot.request.len = len;
                (slot.serial, slot.method, slot.deadline, slot.tries) = (serial, method, deadline, Tries::default());
                self.next_serial += 1;
                self.bytes += len;
                self.set(index, Phase::Waiting(None));
                Ok(index)
            }
            Err(error) => {
                self.free.push_front(index);
                Err(error)
            }
        }
    }

    fn add(&mut self, method: &'static MethodInfo, deadline: Deadline) -> usize {
        let (tries, phase, request, answer) = (Tries::default(), Phase::Free, Kept::default(), Kept::default());
        self.slots.push(Slot { serial: 0, method, deadline, tries, phase, request, answer, watch: None });
        self.ids.push(0);
        self.slots.len() - 1
    }

    pub(super) fn key(&self, index: usize) -> Key {
        let serial = self.slots.get(index).map_or(0, |slot| slot.serial);
        Key { client: self.client, serial, index }
    }

    /// The place of a call that is not over.
    pub(super) fn find(&self, key: Key) -> Option<usize> {
        let slot = self.slots.get(key.index).filter(|_| key.client == self.client)?;
        (slot.serial == key.serial && !matches!(slot.phase, Phase::Free)).then_some(key.index)
    }

    /// How long the call takes.
    pub(super) fn watch(&mut self, index: usize, watch: Watch) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.watch = Some(watch);
        }
    }

    /// The same, and the length of its request; once.
    pub(super) fn unwatch(&mut self, key: Key) -> Option<(Watch, usize)> {
        let index = self.find(key)?;
        let slot = self.slots.get_mut(index)?;
        slot.watch.take().map(|watch| (watch, slot.request.len))
    }

    pub(super) fn get(&self, index: usize) -> Option<&Slot> {
        self.slots.get(index)
    }

    pub(super) fn tries(&mut self, index: usize) -> Option<&mut Tries> {
        self.slots.get_mut(index).map(|slot| &mut slot.tries)
    }

    /// An answer that was kept, also when its call is over, until the next begins.
    pub(super) fn answer(&self, index: usize) -> &[u8] {
        self.slots.get(index).map(|slot| slot.answer.get()).unwrap_or_default()
    }

    /// Goes on to a phase, and leaves the one before.
    pub(super) fn set(&mut self, index: usize, phase: Phase) -> Phase {
        let (Some(slot), Some(id)) = (self.slots.get_mut(index), self.ids.get_mut(index)) else { return Phase::Free };
        *id = 0;
        match &phase {
            Phase::Waiting(_) => self.waiting += 1,
            Phase::Sent => self.sent += 1,
            Phase::Free | Phase::Answered | Phase::Failed(_) => {}
        }
        let before = core::mem::replace(&mut slot.phase, phase);
        match &before {
            Phase::Waiting(_) => self.waiting -= 1,
            Phase::Sent => self.sent -= 1,
            Phase::Free | Phase::Answered | Phase::Failed(_) => {}
        }
        before
    }

    /// Its request was sent under this message id.
    pub(super) fn sent(&mut self, index: usize, id: u64) {
        self.set(index, Phase::Sent);
        if let Some(known) = self.ids.get_mut(index) {
            *known = id;
        }
        self.last_id = id;
    }

    /// Gives the place back; how far the call had come.
    pub(super) fn close(&mut self, index: usize) -> Phase {
        if let Some(slot) = self.slots.get(index).filter(|slot| !matches!(slot.phase, Phase::Free)) {
            self.bytes -= slot.request.len + slot.answer.len;
            self.free.push_back(index);
        }
        self.set(index, Phase::Free)
    }

    /// Keeps the answer that came, if there is room for it.
    pub(super) fn keep(&mut self, index: usize, answer: &[u8]) {
        let phase = match within(self.bytes, answer.len()) {
            Ok(()) => {
                if let Some(slot) = self.slots.get_mut(index) {
                    slot.answer.bytes.clear();
                    slot.answer.bytes.extend_from_slice(answer);
                    slot.answer.len = answer.len();
                    self.bytes += answer.len();
                }
                Phase::Answered
            }
            Err(limit) => Phase::Failed(CallError::Limit(limit)),
        };
        self.set(index, phase);
    }

    /// The call that waits for the answer with this message id.
    #[inline]
    pub(super) fn awaiting(&mut self, id: u64) -> Option<usize> {
        let is_it = |index: &usize| id != 0 && self.ids.get(*index) == Some(&id);
        let expected = Some(self.expected).filter(is_it);
        let found = expected.or_else(|| self.ids.iter().position(|known| id != 0 && *known == id))?;
        self.expected = if found + 1 < self.ids.len() { found + 1 } else { 0 };
        Some(found)
    }

    /// Whether it is the request that was sent last.
    pub(super) fn is_last(&self, index: usize) -> bool {
        self.ids.get(index).is_some_and(|id| *id == self.last_id)
    }

    pub(super) const fn has_waiting(&self) -> bool {
        self.waiting > 0
    }

    pub(super) const fn has_sent(&self) -> bool {
        self.sent > 0
    }

    /// The call that was made first of those that are to be sent; `hint` where it is the only one.
    pub(super) fn next_to_send(&self, hint: Option<usize>) -> Option<usize> {
        match (self.waiting, hint.filter(|index| self.is_waiting(*index))) {
            (0, _) => None,
            (1, Some(index)) => Some(index),
            _ => self.those(|phase| matches!(phase, Phase::Waiting(_))).min_by_key(|index| self.key(*index).serial),
        }
    }

    fn is_waiting(&self, index: usize) -> bool {
        self.slots.get(index).is_some_and(|slot| matches!(slot.phase, Phase::Waiting(_)))
    }

    /// The places of calls in such a phase.
    pub(super) fn those(&self, is_it: impl Fn(&Phase) -> bool) -> impl Iterator<Item = usize> {
        self.slots.iter().enumerate().filter(move |(_, slot)| is_it(&slot.phase)).map(|(index, _)| index)
    }

    /// The next place from `from` on of a call in such a phase.
    pub(super) fn next(&self, from: usize, is_it: impl Fn(&Phase) -> bool) -> Option<usize> {
        self.those(is_it).find(|index| *index >= from)
    }
}

/// Whether so many bytes more may be kept.
fn within(kept: usize, more: usize) -> Result<(), LimitExceeded> {
    let asked = kept.saturating_add(more);
    if asked <= MOST_BYTES {
        return Ok(());
    }
    Err(LimitExceeded { limit: Limit::Backlog, asked: asked as u64, allowed: MOST_BYTES as u64 })
}
