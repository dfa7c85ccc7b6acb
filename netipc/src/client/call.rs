//! One message: a request, or a batch of them, its answer, and another connection where there is none.
//!
//! Owns the loop that a message goes round until it is answered or given up; it refuses to judge why, which `trouble` does.

use core::fmt::Display;

use super::state::Event;
use super::trouble::{Again, Shape, Tries, Trouble, judge, recover, unanswered, unsent};
use super::{CallError, Client, State};
use crate::buf::Writer;
use crate::codec::private::Structure;
use crate::codec::{EncodeError, Kept, WireMessage};
use crate::service::MethodInfo;
use crate::session::{BuildError, ClientSession, Deadline, Ticket};
use crate::trace::Watch;
use crate::wire::Header;

/// What goes out as one message, as often as that takes.
pub(super) trait Ask {
    /// Sends it.
    fn send(
        &mut self,
        session: &mut ClientSession,
        method: &MethodInfo,
        deadline: Deadline,
    ) -> Result<Ticket, BuildError<EncodeError>>;

    /// What its answer is.
    fn shape(&self) -> Shape;
}

/// A request that is written where it is sent from, each time.
struct InPlace<F>(F);

impl<F: FnMut(&mut Writer<'_>) -> Result<(), EncodeError>> Ask for InPlace<F> {
    #[inline]
    fn send(
        &mut self,
        session: &mut ClientSession,
        method: &MethodInfo,
        deadline: Deadline,
    ) -> Result<Ticket, BuildError<EncodeError>> {
        session.send_with(method.method, deadline, |writer| (self.0)(writer))
    }

    #[inline]
    fn shape(&self) -> Shape {
        Shape::One
    }
}

impl Client {
    /// Calls a method: `fill` writes the request, once for each time that it is sent.
    ///
    /// # Errors
    /// See [`CallError`].
    #[inline]
    pub fn call<R: WireMessage>(
        &mut self,
        method: &'static MethodInfo,
        mut fill: impl FnMut(&mut Writer<'_>) -> Result<(), EncodeError>,
    ) -> Result<R::View<'_>, CallError> {
        let deadline = self.deadline();
        let header = self.ask_one(method, &mut fill, deadline)?;
        let Self { session, life, .. } = self;
        let Some(session) = session else { return Err(life.fail(CallError::NotReady(life.state))) };
        life.answer(R::decode(session.last(&header)))
    }

    /// The same with an answer that is kept, whatever becomes of the client, which connects first if it has to.
    pub(crate) fn fetch<R: Structure>(
        &mut self,
        method: &'static MethodInfo,
        fill: impl FnMut(&mut Writer<'_>) -> Result<(), EncodeError>,
    ) -> Result<Kept<R>, CallError> {
        let deadline = self.deadline();
        self.connected(deadline)?;
        self.fetch_by(method, fill, deadline)
    }

    /// Has one request answered, and tells of it; the answer's header.
    #[inline]
    pub(super) fn ask_one(
        &mut self,
        method: &'static MethodInfo,
        fill: &mut impl FnMut(&mut Writer<'_>) -> Result<(), EncodeError>,
        deadline: Deadline,
    ) -> Result<Header, CallError> {
        let (watch, mut sent) = (Watch::of_client(), 0);
        let exchanged = self.exchange(
            method,
            &mut InPlace(|writer: &mut Writer<'_>| {
                let filled = fill(writer);
                sent = writer.len();
                filled
            }),
            deadline,
        );
        told(watch, method, sent, exchanged.as_ref().map(Header::payload_len));
        exchanged
    }

    /// Has a message answered, over as many connections as that takes; the answer's header. One deadline is for all of it:
    /// connecting anew, each packet, each repetition.
    pub(super) fn exchange(
        &mut self,
        method: &'static MethodInfo,
        ask: &mut impl Ask,
        deadline: Deadline,
    ) -> Result<Header, CallError> {
        let mut tries = Tries::default();
        loop {
            let Some(session) = self.session.as_mut().filter(|_| self.life.state == State::Ready) else {
                return Err(self.life.fail(CallError::NotReady(self.life.state)));
            };
            let trouble = match attempt(session, method, deadline, ask) {
                Ok(header) => return Ok(header),
                Err(trouble) => trouble,
            };
            let terms = *session.terms();
            let again = recover(trouble, method, &terms, &mut tries, &mut self.life, &mut self.growth);
            let again = again.map_err(|error| self.life.fail(error))?;
            self.life.on(Event::Lost);
            self.connect_again(again, deadline).map_err(|error| self.life.fail(error))?;
        }
    }

    /// Connects anew for one message.
    #[cold]
    fn connect_again(&mut self, again: Again, deadline: Deadline) -> Result<(), CallError> {
        if let Again::Later(pause, error) = &again {
            self.pause(*pause, deadline, error)?;
        }
        self.connect(deadline)?;
        if let Some(session) = &self.session {
            again.check(session.terms())?;
        }
        if again.is_growth() {
            self.life.grown += 1;
        } else {
            self.life.repeated += 1;
        }
        Ok(())
    }
}

/// Tells of a call whose request and answer had so many bytes.
#[inline]
pub(super) fn told(watch: Watch, method: &MethodInfo, sent: usize, answer: Result<u32, &CallError>) {
    watch.called(method.name, method.method.code(), sent, answer.map_err(|error| error as &dyn Display));
}

/// Sends a message and receives its answer, once.
#[inline]
fn attempt(
    session: &mut ClientSession,
    method: &MethodInfo,
    deadline: Deadline,
    ask: &mut impl Ask,
) -> Result<Header, Trouble> {
    let ticket = match ask.send(session, method, deadline) {
        Ok(ticket) => ticket,
        Err(error) => return Err(unsent(error, session)),
    };
    loop {
        let header = match session.receive(deadline) {
            Ok(message) => *message.header(),
            Err(error) => return Err(unanswered(error, session, true)),
        };
        // An answer to a call that has timed out comes late.
        if header.message_id() == ticket.id() {
            judge(&header, method, ask.shape())?;
            return Ok(header);
        }
    }
}
