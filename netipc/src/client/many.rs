//! Many calls of one method in one message.
//!
//! Owns: how a batch is made of them, and what is made of its answers. All of them are proven before the first is handed
//! out, so that looking at them can't fail.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::ops::Range;

use super::call::told;
use super::method::TypedMethod;
use super::requests::{Requests, Room, Unfit};
use super::{CallError, Client};
use crate::buf::Writer;
use crate::codec::{DecodeError, EncodeError, WireMessage};
use crate::service::MethodInfo;
use crate::session::ClientSession;
use crate::trace::Watch;
use crate::wire::{Batch, Header};

impl Client {
    /// Calls a method once for each of `items`, in one message; `fill` writes the request for one.
    ///
    /// # Errors
    /// See [`CallError`]. All of them fail then, and which of them ran is unknown; but an error that the method declares is
    /// that of one item.
    pub fn call_batch<M: TypedMethod, X: Copy>(
        &mut self,
        items: impl IntoIterator<Item = X>,
        fill: impl FnMut(&mut Writer<'_>, X) -> Result<(), EncodeError>,
    ) -> Result<Replies<'_, M>, CallError> {
        // The items are the caller's code: should it panic, there are no requests, and no more than that.
        let mut requests = core::mem::take(&mut self.requests);
        let (bytes, most) = self.growth.most_of_a_request(self.session.as_ref().map(ClientSession::terms));
        let encoded = requests.encode(items, Room { bytes, items: most }, fill);
        let asked = match encoded {
            Ok(()) => self.ask(M::INFO, &mut requests),
            Err(Unfit::Large(limit)) => Err(self.life.fail(CallError::Limit(limit))),
            Err(Unfit::Invalid(error)) => Err(self.life.fail(CallError::Request(error))),
        };
        self.requests = requests;
        let Some(header) = asked? else { return Ok(Replies::over(Source::None)) };
        let Self { session, life, .. } = self;
        let Some(session) = session else { return Err(life.fail(CallError::NotReady(life.state))) };
        life.answer(Replies::prove(&header, session.last(&header)))
    }

    /// The header of the answer to `requests`; none where there are none.
    fn ask(&mut self, method: &'static MethodInfo, requests: &mut Requests) -> Result<Option<Header>, CallError> {
        let count = requests.count();
        if count == 0 {
            return Ok(None);
        }
        if let Some(session) = self.session.as_ref().filter(|_| count > 1) {
            // Should both limits be in the way, one connection anew is enough.
            let terms = session.terms();
            if u64::from(count) > terms.request_items.into() {
                self.growth.grow_request(terms.request_payload, requests.len() as u64);
            }
        }
        let watch = Watch::of_client();
        let deadline = self.deadline();
        let exchanged = self.exchange(method, requests, deadline);
        told(watch, method, requests.len(), exchanged.as_ref().map(Header::payload_len));
        exchanged.map(Some)
    }
}

/// Where the answers stand.
#[derive(Clone, Copy)]
enum Source<'a> {
    None,
    One(&'a [u8]),
    Batch(Batch<'a>),
}

impl<'a> Source<'a> {
    const fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::One(_) => 1,
            Self::Batch(batch) => batch.len(),
        }
    }

    fn get(&self, index: usize) -> Option<&'a [u8]> {
        match self {
            Self::None => None,
            Self::One(payload) => Some(*payload).filter(|_| index == 0),
            Self::Batch(batch) => batch.get(index),
        }
    }
}

/// The answers to a batch of calls of the method `M`, in the order of the calls.
///
/// Each is what a single call returns in its `Ok`; for a method that declares an error, the `Result` of both.
pub struct Replies<'a, M> {
    source: Source<'a>,
    left: Range<usize>,
    method: PhantomData<fn() -> M>,
}

impl<'a, M: TypedMethod> Replies<'a, M> {
    const fn over(source: Source<'a>) -> Self {
        Self { left: 0..source.len(), source, method: PhantomData }
    }

    /// The answers in a message that has as many of them as it should.
    fn prove(header: &Header, payload: &'a [u8]) -> Result<Self, DecodeError> {
        // Its directory was proven when it was received.
        let batch = header.is_batch().then(|| Batch::parse(payload, header.item_count()).ok()).flatten();
        let source = batch.map_or(Source::One(payload), Source::Batch);
        (0..source.len()).filter_map(|index| source.get(index)).try_for_each(|answer| {
            let _proven = M::Reply::decode(answer)?;
            Ok(())
        })?;
        Ok(Self::over(source))
    }

    /// Answer `index` of those that are left, counted from 0.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<M::Item<'a>> {
        self.at(self.left.start.checked_add(index).filter(|index| self.left.contains(index))?)
    }

    /// How many are left.
    #[must_use]
    pub fn len(&self) -> usize {
        self.left.len()
    }

    /// Whether none is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    #[inline]
    fn at(&self, index: usize) -> Option<M::Item<'a>> {
        // All were proven, so this one is there.
        M::Reply::decode(self.source.get(index)?).ok().map(M::item)
    }
}

impl<'a, M: TypedMethod> Iterator for Replies<'a, M> {
    type Item = M::Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<M::Item<'a>> {
        self.left.next().and_then(|index| self.at(index))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }

    fn nth(&mut self, n: usize) -> Option<M::Item<'a>> {
        self.left.nth(n).and_then(|index| self.at(index))
    }
}

impl<M: TypedMethod> DoubleEndedIterator for Replies<'_, M> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.left.next_back().and_then(|index| self.at(index))
    }
}

impl<M: TypedMethod> ExactSizeIterator for Replies<'_, M> {}
impl<M: TypedMethod> FusedIterator for Replies<'_, M> {}

impl<M> Clone for Replies<'_, M> {
    fn clone(&self) -> Self {
        Self { source: self.source, left: self.left.clone(), method: PhantomData }
    }
}

impl<M: TypedMethod> fmt::Debug for Replies<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replies").field("method", &M::INFO.name).field("left", &self.left.len()).finish_non_exhaustive()
    }
}
