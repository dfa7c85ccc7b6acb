//! What a logical lookup needs of a client.
//!
//! Owns: how limits are widened for one, which ordinary calls do only once they have failed. It refuses to know keys.

use super::state::Event;
use super::{CallError, Client, LookupError};
use crate::buf::Writer;
use crate::codec::private::Structure;
use crate::codec::{EncodeError, Kept};
use crate::service::MethodInfo;
use crate::session::Deadline;

/// How far logical lookups may go (docs/protocol.md, section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ceilings {
    pub(super) keys: usize,
    pub(super) calls: usize,
    pub(super) bytes: usize,
}

/// How far one of them may go, all its calls together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LookupLimits {
    pub(crate) deadline: Deadline,
    pub(crate) keys: usize,
    pub(crate) calls: usize,
    pub(crate) bytes: usize,
}

impl Ceilings {
    pub(super) const fn new() -> Self {
        Self { keys: 65_536, calls: 4096, bytes: 64 << 20 }
    }
}

/// How large requests and their answers may be, in bytes: now, and at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) request: usize,
    pub(crate) response: usize,
    pub(crate) most_of_request: usize,
    /// Where that is all for one key.
    pub(crate) most_of_one_key: usize,
    pub(crate) most_of_response: usize,
}

/// What has gone wrong with a client so far.
#[derive(Debug)]
pub(crate) struct Mishaps {
    failed: u64,
    last_error: Option<CallError>,
}

fn bytes(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

impl Client {
    /// The limits of a logical lookup that is made now.
    pub(crate) fn begin_lookup(&mut self) -> LookupLimits {
        let Ceilings { keys, calls, bytes } = self.ceilings;
        LookupLimits { deadline: self.deadline(), keys, calls, bytes }
    }

    /// Connects if there is no connection.
    pub(crate) fn connected(&mut self, deadline: Deadline) -> Result<(), CallError> {
        if self.ready() { Ok(()) } else { self.renew(deadline) }
    }

    /// The limits, where there is a connection.
    pub(crate) fn budget(&mut self) -> Result<Budget, CallError> {
        let Some(session) = self.session.as_ref().filter(|_| self.ready()) else {
            return Err(self.life.fail(CallError::NotReady(self.life.state)));
        };
        let terms = session.terms();
        let (most_of_request, most_of_response) = self.growth.most_of_lookups(terms);
        Ok(Budget {
            request: bytes(terms.request_payload),
            response: bytes(terms.response_payload),
            most_of_request: bytes(most_of_request),
            most_of_one_key: bytes(self.growth.most_of_one_key(terms)),
            most_of_response: bytes(most_of_response),
        })
    }

    /// One request and its answer, which is kept.
    pub(crate) fn fetch_by<R: Structure>(
        &mut self,
        method: &'static MethodInfo,
        mut fill: impl FnMut(&mut Writer<'_>) -> Result<(), EncodeError>,
        deadline: Deadline,
    ) -> Result<Kept<R>, CallError> {
        let header = self.ask_one(method, &mut fill, deadline)?;
        let Self { session, life, .. } = self;
        let Some(session) = session else { return Err(life.fail(CallError::NotReady(life.state))) };
        life.answer(Kept::new(session.keep_last(&header)))
    }

    /// Connects anew for requests of `needed` bytes, or of as many as there can be; whether they may be larger then.
    pub(crate) fn widen_requests(&mut self, needed: usize, deadline: Deadline) -> Result<bool, CallError> {
        let Some(agreed) = self.session.as_ref().map(|session| session.terms().request_payload) else {
            return Ok(false);
        };
        if !self.growth.stretch_request(agreed, needed as u64) {
            return Ok(false);
        }
        let proposed = self.growth.proposed().0;
        self.connect_for_lookup(deadline)?;
        let now = self.session.as_ref().map_or(0, |session| session.terms().request_payload);
        self.growth.requests_are_settled(proposed, now <= agreed);
        Ok(now > agreed)
    }

    /// Connects anew after the server has had more to say than it could; whether answers may be larger then.
    pub(crate) fn widen_answers(&mut self, deadline: Deadline) -> Result<bool, CallError> {
        let agreed = self.session.as_ref().map_or(0, |session| session.terms().response_payload);
        self.connect_for_lookup(deadline)?;
        let now = self.session.as_ref().map_or(0, |session| session.terms().response_payload);
        if now <= agreed {
            self.growth.answers_are_settled(agreed);
        }
        Ok(now > agreed)
    }

    /// Connects anew after the server has said that it may not send what it has, of `allowed` bytes at most, or has sent
    /// more than is taken here.
    pub(crate) fn settle_answers(&mut self, allowed: Option<u32>, deadline: Deadline) -> Result<(), CallError> {
        if let Some(allowed) = allowed {
            self.growth.answers_are_settled(allowed);
        }
        if self.ready() {
            return Ok(());
        }
        self.life.on(Event::Lost);
        self.connect(deadline).map_err(|error| self.life.fail(error))
    }

    /// Calls that failed, and how the last one did.
    pub(crate) fn mishaps(&self) -> Mishaps {
        Mishaps { failed: self.life.failed, last_error: self.life.last_error.clone() }
    }

    /// What has failed since was a question of a lookup's, and no call of anybody's.
    pub(crate) fn forgive(&mut self, before: Mishaps) {
        let Mishaps { failed, last_error } = before;
        (self.life.failed, self.life.last_error) = (failed, last_error);
    }

    fn connect_for_lookup(&mut self, deadline: Deadline) -> Result<(), CallError> {
        self.life.on(Event::Lost);
        self.connect(deadline).map_err(|error| self.life.fail(error))?;
        self.life.grown += 1;
        Ok(())
    }

    /// The lookup has failed: a key can't be answered here.
    #[cold]
    pub(crate) fn give_up_key(&mut self, error: CallError) -> CallError {
        self.life.fail(error)
    }

    /// The lookup has failed: for a reason of its own, or by what the server answered.
    #[cold]
    pub(crate) fn give_up(&mut self, error: LookupError) -> CallError {
        if error.is_breach() {
            self.life.on(Event::Breached);
        }
        self.life.fail(CallError::Lookup(error))
    }
}
