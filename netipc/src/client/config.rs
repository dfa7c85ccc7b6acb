//! How a client connects and calls.

use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;
use std::path::PathBuf;

use super::error::CallError;
use super::growth::Growth;
use super::lookup::Ceilings;
use super::{Client, Place, Stub};
use crate::endpoint::Endpoint;
use crate::session::{ClientConfig, Nearby, Wait};
use crate::sync::Arc;
use crate::wire::{AuthToken, Profiles};

/// How long a call may take unless it is said (docs/protocol.md, section 6).
const TIMEOUT: Duration = Duration::from_secs(30);

/// How a client of the stub `S` connects and calls; made by `config()` of the stub.
///
/// Payload limits that are not set grow with what is asked, up to the ceilings; those that are set are the law
/// (docs/protocol.md, sections 2 and 6).
pub struct Config<S> {
    pub(super) session: ClientConfig,
    pub(super) timeout: Duration,
    pub(super) growth: Growth,
    pub(super) ceilings: Ceilings,
    stub: PhantomData<fn() -> S>,
}

impl<S> Clone for Config<S> {
    fn clone(&self) -> Self {
        Self { session: self.session.clone(), stub: PhantomData, ..*self }
    }
}

impl<S> fmt::Debug for Config<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("session", &self.session)
            .field("timeout", &self.timeout)
            .field("growth", &self.growth)
            .field("ceilings", &self.ceilings)
            .finish()
    }
}

impl<S: Stub> Default for Config<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Stub> Config<S> {
    /// Sockets alone, no token, 30 seconds a call, requests that may grow to 1 MiB, [`Wait::Adaptive`].
    #[must_use]
    pub fn new() -> Self {
        let session = ClientConfig::new().wait(Wait::Adaptive);
        Self { session, timeout: TIMEOUT, growth: Growth::new(), ceilings: Ceilings::new(), stub: PhantomData }
    }

    /// What the server asks to be shown.
    #[must_use]
    pub fn auth_token(self, token: AuthToken) -> Self {
        Self { session: self.session.auth_token(token), ..self }
    }

    /// What messages may travel over: see [`ClientConfig::profiles`].
    #[must_use]
    pub fn profiles(self, profiles: Profiles) -> Self {
        Self { session: self.session.profiles(profiles), ..self }
    }

    /// Which of these profiles the client would rather use; all of them unless set.
    #[must_use]
    pub fn preferred_profiles(self, preferred: Profiles) -> Self {
        Self { session: self.session.preferred_profiles(preferred), ..self }
    }

    /// What to do while an answer has not come.
    #[must_use]
    pub fn wait(self, wait: Wait) -> Self {
        Self { session: self.session.wait(wait), ..self }
    }

    /// How long a call may take, whatever it takes: connecting anew, every packet and every repetition. 30 seconds unless set;
    /// `within` of a client sets another time for its next call.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The largest request payload, in bytes. It does not grow.
    #[must_use]
    pub fn max_request_payload(self, bytes: u32) -> Self {
        Self { growth: self.growth.with_request(bytes), ..self }
    }

    /// The largest response payload that the server is asked for, in bytes. It does not grow.
    #[must_use]
    pub fn max_response_payload(self, bytes: u32) -> Self {
        Self { growth: self.growth.with_response(bytes), ..self }
    }

    /// The most items of a batch. They do not grow.
    #[must_use]
    pub fn max_batch_items(self, items: u32) -> Self {
        Self { growth: self.growth.with_items(items), ..self }
    }

    /// How far the most items of a batch may grow; 65,536 by default, and 1,024 to begin with.
    #[must_use]
    pub fn batch_items_ceiling(self, items: u32) -> Self {
        Self { growth: self.growth.with_items_ceiling(items), ..self }
    }

    /// How far the limit of request payloads may grow, in bytes; 1 MiB by default.
    #[must_use]
    pub fn request_ceiling(self, bytes: u32) -> Self {
        Self { growth: self.growth.with_request_ceiling(bytes), ..self }
    }

    /// The largest response payload that is taken, and how far its limit may grow, in bytes; 64 MiB and 1 MiB by default.
    #[must_use]
    pub fn response_ceiling(self, bytes: u32) -> Self {
        Self { session: self.session.response_ceiling(bytes), growth: self.growth.with_response_ceiling(bytes), ..self }
    }

    /// The most keys that one lookup may have; 65,536 by default (docs/protocol.md, section 6.1).
    #[must_use]
    pub fn max_lookup_keys(self, keys: usize) -> Self {
        Self { ceilings: Ceilings { keys, ..self.ceilings }, ..self }
    }

    /// The most calls that one lookup may take; 4,096 by default.
    #[must_use]
    pub fn max_lookup_calls(self, calls: usize) -> Self {
        Self { ceilings: Ceilings { calls, ..self.ceilings }, ..self }
    }

    /// The most bytes that the answers of one lookup may have, all together; 64 MiB by default.
    #[must_use]
    pub fn max_lookup_bytes(self, bytes: usize) -> Self {
        Self { ceilings: Ceilings { bytes, ..self.ceilings }, ..self }
    }

    /// A client of the service in the directory `run_dir`, not connected. A name or a path that can't be is told by
    /// `refresh`.
    #[must_use]
    pub fn build(self, run_dir: impl Into<PathBuf>) -> S {
        S::over(self.client_of(Place::Endpoint(Endpoint::new(run_dir, S::SERVICE.name))))
    }

    /// The same, connected.
    ///
    /// # Errors
    /// [`CallError::Endpoint`], [`CallError::Connect`], [`CallError::TimedOut`].
    pub fn connect(self, run_dir: impl Into<PathBuf>) -> Result<S, CallError> {
        let mut client = self.client_of(Place::Endpoint(Endpoint::new(run_dir, S::SERVICE.name)));
        client.refresh()?;
        Ok(S::over(client))
    }

    /// A client of a server in this process, which has tried to connect; and what came of it.
    pub(crate) fn connect_nearby(self, server: Arc<dyn Nearby>) -> (S, Result<(), CallError>) {
        let mut client = self.client_of(Place::Nearby(server));
        let refreshed = client.refresh().map(drop);
        (S::over(client), refreshed)
    }

    fn client_of(self, place: Place) -> Client {
        Client::new(place, self.session, self.timeout, (self.growth, self.ceilings))
    }
}
