//! Several calls before the first answer.
//!
//! Owns: which call is sent when, over which connection, and whose an answer is. What a failure means is for `trouble` to
//! say, for one call as for many; what is kept meanwhile is `pending`'s.
//!
//! ```text
//!          send                        the answer came, and another was asked for
//! Waiting -----> Sent ------------------------------------------------------------> Answered
//!    ^            |                                                                     |
//!    |            |  the connection was lost, or a limit is to grow: `recover`          |  take
//!    '------------+                                                                     v
//!                 '---> Failed ------------------------------------------------------> Free
//! ```

use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

use super::call::told;
use super::method::TypedMethod;
use super::pending::{Key, Phase};
use super::requests::encode;
use super::state::Event;
use super::trouble::{self, Again, Shape, Trouble, judge, recover};
use super::{CallError, Client, State};
use crate::buf::Writer;
use crate::codec::{EncodeError, WireMessage};
use crate::service::MethodInfo;
use crate::session::{BuildError, Deadline, Error, Limit, LimitExceeded};
use crate::trace::Watch;
use crate::wire::Header;

/// Several calls under way at once: what the pipeline of a stub is made of.
///
/// 4,096 calls at most wait for their answers, or to be taken. A ticket that is dropped holds its place until the client's
/// next pipeline. A pipeline that is dropped leaves the client as usable as before: answers that come later are passed over.
#[derive(Debug)]
pub struct Pipeline<'c> {
    client: &'c mut Client,
}

/// What the answer to a call of the method `M` is taken with.
#[must_use = "without it nobody can take the answer"]
pub struct Ticket<M> {
    key: Key,
    method: PhantomData<fn() -> M>,
}

impl<M: TypedMethod> fmt::Debug for Ticket<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("method", &M::INFO.name).finish_non_exhaustive()
    }
}

impl Client {
    /// Several calls before the first answer; see [`Pipeline`].
    #[must_use]
    pub fn pipeline(&mut self) -> Pipeline<'_> {
        // What the one before left: nothing has to happen at its end, so that it need not be dropped by hand.
        self.pending.clear();
        Pipeline { client: self }
    }
}

/// Where an answer stands.
enum Place {
    /// Where it was received.
    Last(Header),
    /// Where it was kept.
    Kept(usize),
}

/// A request that is beyond a limit, or excluded by its layout.
struct Unfit(CallError);

impl From<LimitExceeded> for Unfit {
    fn from(limit: LimitExceeded) -> Self {
        Self(CallError::Limit(limit))
    }
}

const fn closed() -> Error {
    Error::Closed { mid_message: false }
}

impl Pipeline<'_> {
    /// Calls a method, whose request `fill` writes. It waits for room alone, and receives answers meanwhile.
    ///
    /// # Errors
    /// See [`CallError`]: that of this call; those of others come when their answers are taken.
    #[inline]
    pub fn send<M: TypedMethod>(
        &mut self,
        fill: impl FnMut(&mut Writer<'_>) -> Result<(), EncodeError>,
    ) -> Result<Ticket<M>, CallError> {
        let watch = Watch::of_client();
        match self.begin(M::INFO, fill) {
            Ok(index) => {
                let pending = &mut self.client.pending;
                pending.watch(index, watch);
                Ok(Ticket { key: pending.key(index), method: PhantomData })
            }
            Err(error) => {
                told(watch, M::INFO, 0, Err(&error));
                Err(error)
            }
        }
    }

    /// Sends a request, if that can be done by now; the place of its call.
    #[inline]
    fn begin(
        &mut self,
        method: &'static MethodInfo,
        fill: impl FnMut(&mut Writer<'_>) -> Result<(), EncodeError>,
    ) -> Result<usize, CallError> {
        let deadline = self.client.deadline();
        self.notice();
        let Client { session, life, growth, pending, .. } = &mut *self.client;
        if life.state != State::Ready && !pending.has_waiting() {
            return Err(life.fail(CallError::NotReady(life.state)));
        }
        let (most, _) = growth.most_of_a_request(session.as_ref().map(|session| session.terms()));
        let opened = pending.open(method, deadline, |buffer| {
            let encoded = encode(buffer, 0, usize::try_from(most).unwrap_or(usize::MAX), fill);
            encoded.map_err(|error| Unfit(CallError::Request(error)))?.map_err(|needed| {
                let (asked, allowed) = (needed as u64, most.into());
                LimitExceeded { limit: Limit::RequestPayload, asked, allowed }.into()
            })
        });
        let index = opened.map_err(|Unfit(error)| life.fail(error))?;
        let flushed = self.flush(Some(index), deadline);
        let Client { life, pending, .. } = &mut *self.client;
        let failed = pending.get(index).is_some_and(|slot| matches!(slot.phase(), Phase::Failed(_)));
        match flushed {
            Ok(()) if !failed => Ok(index),
            flushed => {
                let error = match pending.close(index) {
                    Phase::Failed(error) => error,
                    _ => flushed.err().unwrap_or(CallError::ForeignTicket),
                };
                Err(life.fail(error))
            }
        }
    }

    /// The answer to the call that `ticket` is of, which is waited for. Answers to others that come first are kept for them.
    ///
    /// # Errors
    /// See [`CallError`]: that of this call alone.
    #[inline]
    pub fn take<M: TypedMethod>(&mut self, ticket: Ticket<M>) -> Result<M::Value<'_>, CallError<M::Error>> {
        let watched = self.client.pending.unwatch(ticket.key);
        let place = self.place_of(ticket.key);
        let Client { session, life, pending, .. } = &mut *self.client;
        if let Some((watch, sent)) = watched {
            let len = |place: &Place| match place {
                Place::Last(header) => header.payload_len(),
                Place::Kept(index) => u32::try_from(pending.answer(*index).len()).unwrap_or(u32::MAX),
            };
            told(watch, M::INFO, sent, place.as_ref().map(len));
        }
        let place = place.map_err(|error| life.fail(error).widen())?;
        let payload = match (place, session) {
            (Place::Kept(index), _) => pending.answer(index),
            (Place::Last(header), Some(session)) => session.last(&header),
            (Place::Last(_), None) => return Err(life.fail(CallError::NotReady(life.state)).widen()),
        };
        match life.answer(M::Reply::decode(payload)) {
            Ok(view) => M::value(M::item(view)),
            Err(error) => Err(error.widen()),
        }
    }

    /// Gives the next call this time instead of the one that was configured; see [`Client::within`].
    pub fn within(&mut self, timeout: Duration) -> &mut Self {
        self.client.within(timeout);
        self
    }

    /// Waits for an answer, and gives the place of its call back.
    fn place_of(&mut self, key: Key) -> Result<Place, CallError> {
        let pending = &self.client.pending;
        let index = pending.find(key).ok_or(CallError::ForeignTicket)?;
        let deadline = pending.get(index).ok_or(CallError::ForeignTicket)?.deadline;
        loop {
            self.notice();
            let pending = &mut self.client.pending;
            let went = match pending.get(index).map_or(&Phase::Free, |slot| slot.phase()) {
                Phase::Waiting(_) => self.flush(None, deadline),
                Phase::Sent => match self.receive(Some(index), deadline) {
                    Ok(Some(header)) => {
                        self.client.pending.close(index);
                        return Ok(Place::Last(header));
                    }
                    Ok(None) => Ok(()),
                    Err(error) => Err(error),
                },
                Phase::Answered | Phase::Failed(_) | Phase::Free => {
                    return match pending.close(index) {
                        Phase::Answered => Ok(Place::Kept(index)),
                        Phase::Failed(error) => Err(error),
                        Phase::Free | Phase::Waiting(_) | Phase::Sent => Err(CallError::ForeignTicket),
                    };
                }
            };
            if let Err(error) = went {
                // Its time is over, or the client's. Should its answer come, nobody waits for it.
                return Err(match self.client.pending.close(index) {
                    Phase::Failed(failed) => failed,
                    _ => error,
                });
            }
        }
    }

    /// Receives a message; its header if it answers the call that is `wanted`. What it means for others is kept.
    ///
    /// # Errors
    /// [`CallError::TimedOut`], and nothing else.
    fn receive(&mut self, wanted: Option<usize>, deadline: Deadline) -> Result<Option<Header>, CallError> {
        let Client { session, pending, .. } = &mut *self.client;
        let Some(session) = session else { return Ok(None) };
        let header = match session.receive(deadline) {
            Ok(message) => *message.header(),
            Err(Error::TimedOut) => return Err(CallError::TimedOut),
            Err(error) => {
                self.lost(&error, true);
                return Ok(None);
            }
        };
        // Else it is the late answer to a call that was given up.
        let Some(index) = pending.awaiting(header.message_id()) else { return Ok(None) };
        let Some(slot) = pending.get(index) else { return Ok(None) };
        match judge(&header, slot.method, Shape::One) {
            Ok(()) if wanted == Some(index) => return Ok(Some(header)),
            Ok(()) => pending.keep(index, session.last(&header)),
            Err(trouble) => self.misfit(index, trouble),
        }
        Ok(None)
    }

    /// Sends what is to be sent, the oldest first, over a new connection where there is none.
    ///
    /// # Errors
    /// Why no more can be done before `deadline`. What is wrong with a call is kept with it.
    fn flush(&mut self, hint: Option<usize>, deadline: Deadline) -> Result<(), CallError> {
        let mut hint = hint;
        loop {
            self.notice();
            let Client { session, life, pending, .. } = &mut *self.client;
            let Some(index) = pending.next_to_send(hint.take()) else { return Ok(()) };
            let Some(session) = session.as_mut().filter(|_| life.state == State::Ready) else {
                self.connect(deadline)?;
                continue;
            };
            let Some(slot) = pending.get(index) else { return Ok(()) };
            match session.send(slot.method.method, slot.request(), deadline.or_earlier(slot.deadline)) {
                Ok(ticket) => pending.sent(index, ticket.id()),
                Err(error) => self.unsent(index, error, deadline)?,
            }
        }
    }

    /// A request could not be sent.
    #[cold]
    fn unsent(&mut self, index: usize, error: Error, deadline: Deadline) -> Result<(), CallError> {
        let Client { session, life, pending, .. } = &mut *self.client;
        let Some(session) = session else { return Ok(()) };
        match trouble::unsent(BuildError::Session(error.clone()), session) {
            Trouble::Final(CallError::TimedOut, _) => {
                // Its own time, or that of whoever waits for another.
                if pending.get(index).is_some_and(|slot| slot.deadline.has_passed()) {
                    pending.set(index, Phase::Failed(CallError::TimedOut));
                }
                if deadline.has_passed() { Err(CallError::TimedOut) } else { Ok(()) }
            }
            trouble @ Trouble::LargeRequest(_) => {
                if self.mark(index, trouble) {
                    // The connection is given up, but not those who wait for its answers.
                    self.drain(deadline)?;
                    self.client.life.on(Event::Lost);
                }
                Ok(())
            }
            trouble => {
                life.on(Event::Lost);
                self.mark(index, trouble);
                // What was left unread may be a part of this one.
                self.lost(&error, false);
                Ok(())
            }
        }
    }

    /// Receives until no answer is awaited any more.
    fn drain(&mut self, deadline: Deadline) -> Result<(), CallError> {
        while self.client.life.state == State::Ready && self.client.pending.has_sent() {
            let pending = &self.client.pending;
            let sent = pending.those(|phase| matches!(phase, Phase::Sent)).filter_map(|index| pending.get(index));
            let until = sent.fold(deadline, |until, slot| until.or_earlier(slot.deadline));
            match self.receive(None, until) {
                Ok(_) => {}
                Err(error) if deadline.has_passed() => return Err(error),
                Err(_) => self.expire(),
            }
        }
        Ok(())
    }

    /// Gives up the calls whose time is over.
    fn expire(&mut self) {
        let pending = &mut self.client.pending;
        let mut from = 0;
        while let Some(index) = pending.next(from, |phase| matches!(phase, Phase::Sent | Phase::Waiting(_))) {
            if pending.get(index).is_some_and(|slot| slot.deadline.has_passed()) {
                pending.set(index, Phase::Failed(CallError::TimedOut));
            }
            from = index + 1;
        }
    }

    /// Connects anew for those that are to be sent. None has been sent over the connection that there is.
    #[cold]
    fn connect(&mut self, deadline: Deadline) -> Result<(), CallError> {
        let pending = &self.client.pending;
        let waiting = pending.those(|phase| matches!(phase, Phase::Waiting(_))).filter_map(|index| pending.get(index));
        let pauses = waiting.filter_map(|slot| match slot.phase() {
            Phase::Waiting(Some(Again::Later(pause, error))) => Some((*pause, error.clone())),
            _ => None,
        });
        if let Some((pause, error)) = pauses.max_by_key(|(pause, _)| *pause) {
            self.client.pause(pause, deadline, &error)?;
        }
        let connected = match self.client.connect(deadline) {
            // The others may have more time.
            Err(CallError::TimedOut) => return Err(CallError::TimedOut),
            connected => connected,
        };
        self.expire();
        let Client { session, life, pending, .. } = &mut *self.client;
        let (mut from, mut has_grown) = (0, false);
        while let Some(index) = pending.next(from, |phase| matches!(phase, Phase::Waiting(_))) {
            from = index + 1;
            let Phase::Waiting(again) = pending.set(index, Phase::Free) else { continue };
            let checked = connected.clone().and_then(|()| match (&again, &*session) {
                (Some(again), Some(session)) => again.check(session.terms()),
                _ => Ok(()),
            });
            if let (Some(again), Ok(())) = (again, &checked) {
                has_grown |= again.is_growth();
                life.repeated += u64::from(!again.is_growth());
            }
            pending.set(index, checked.map_or_else(Phase::Failed, |()| Phase::Waiting(None)));
        }
        life.grown += u64::from(has_grown);
        Ok(())
    }

    /// Sees to those whose connection has ended since.
    #[inline]
    fn notice(&mut self) {
        if self.client.life.state != State::Ready && self.client.pending.has_sent() {
            self.lost(&closed(), false);
        }
    }

    /// The connection ended for this reason, while an answer was awaited if `is_receiving`.
    #[cold]
    fn lost(&mut self, error: &Error, is_receiving: bool) {
        let mut from = 0;
        while let Some(index) = self.client.pending.next(from, |phase| matches!(phase, Phase::Sent)) {
            from = index + 1;
            let Client { session, pending, .. } = &*self.client;
            let Some(session) = session else { break };
            let trouble = trouble::unanswered(error.clone(), session, is_receiving && pending.is_last(index));
            self.mark(index, trouble);
        }
        self.client.life.on(Event::Lost);
    }

    /// An answer came that is none.
    #[cold]
    fn misfit(&mut self, index: usize, trouble: Trouble) {
        // Where it ends the connection, the others have to know why.
        let others = match &trouble {
            Trouble::Final(_, Some(Event::Breached)) => Trouble::Unanswered(closed()),
            _ => Trouble::Cut,
        };
        self.mark(index, trouble);
        let mut from = 0;
        while self.client.life.state != State::Ready {
            let Some(index) = self.client.pending.next(from, |phase| matches!(phase, Phase::Sent)) else { break };
            from = index + 1;
            self.mark(index, others.clone());
        }
    }

    /// What becomes of a call after such trouble; whether it is sent again.
    #[cold]
    fn mark(&mut self, index: usize, trouble: Trouble) -> bool {
        let Client { session, life, growth, pending, .. } = &mut *self.client;
        let (Some(session), Some(method)) = (session, pending.get(index).map(|slot| slot.method)) else { return false };
        let Some(tries) = pending.tries(index) else { return false };
        let recovered = recover(trouble, method, session.terms(), tries, life, growth);
        let is_again = recovered.is_ok();
        pending.set(index, recovered.map_or_else(Phase::Failed, |again| Phase::Waiting(Some(again))));
        is_again
    }
}
