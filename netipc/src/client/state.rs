//! What a client is, and what happens to it.
//!
//! Owns the transitions, as one table: a pure function, without a connection in sight.
//!
//! ```text
//!                    Begin                Connected
//! Disconnected --------------> Connecting ---------> Ready
//! NotFound, AuthFailed,           |                    |
//! Incompatible, Broken  <---------'  Lost: Broken <----'
//!                    each by its own event
//! ```

use core::fmt;

/// What a client is (docs/protocol.md, section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a contract with users: all there are")]
pub enum State {
    /// It has not tried to connect, gave up in the middle of it, or was told that the server is full.
    Disconnected,
    /// It is about to.
    Connecting,
    /// Calls can be made.
    Ready,
    /// Nobody serves there.
    NotFound,
    /// The server does not take its token, or its user.
    AuthFailed,
    /// The server and it have no version, profile or packet size in common.
    Incompatible,
    /// The connection was lost, or the server broke a rule.
    Broken,
}

/// What happens to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// It begins to connect.
    Begin,
    /// There is a session.
    Connected,
    /// Nobody listens.
    Absent,
    /// It was refused for its token.
    Unauthorized,
    /// It was refused for want of anything in common.
    NothingInCommon,
    /// It gave up, or was told to come back later.
    GaveUp,
    /// The connection was lost.
    Lost,
    /// The server broke a rule.
    Breached,
}

impl State {
    /// What it is after `event`. An event that can't be in this state changes nothing.
    pub(super) const fn on(self, event: Event) -> Self {
        match (self, event) {
            (Self::Ready, Event::Lost | Event::Breached) | (Self::Connecting, Event::Breached) => Self::Broken,
            (Self::Ready, _) => Self::Ready,
            (Self::Connecting, Event::Connected) => Self::Ready,
            (Self::Connecting, Event::Absent) => Self::NotFound,
            (Self::Connecting, Event::Unauthorized) => Self::AuthFailed,
            (Self::Connecting, Event::NothingInCommon) => Self::Incompatible,
            (Self::Connecting, Event::GaveUp | Event::Lost) => Self::Disconnected,
            (_, Event::Begin) => Self::Connecting,
            (
                Self::Disconnected | Self::NotFound | Self::AuthFailed | Self::Incompatible | Self::Broken,
                Event::Connected
                | Event::Absent
                | Event::Unauthorized
                | Event::NothingInCommon
                | Event::GaveUp
                | Event::Lost
                | Event::Breached,
            ) => self,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disconnected => "disconnected",
            Self::Connecting => "connecting",
            Self::Ready => "ready",
            Self::NotFound => "not found",
            Self::AuthFailed => "not authorized",
            Self::Incompatible => "incompatible",
            Self::Broken => "broken",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Event::{Absent, Begin, Breached, Connected, GaveUp, Lost, NothingInCommon, Unauthorized};
    use super::State::{AuthFailed, Broken, Connecting, Disconnected, Incompatible, NotFound, Ready};
    use super::{Event, State};

    const EVENTS: [Event; 8] = [Begin, Connected, Absent, Unauthorized, NothingInCommon, GaveUp, Lost, Breached];

    #[test]
    fn every_event_in_every_state_has_its_outcome() {
        let table: [(State, [State; 8]); 7] = [
            (Ready, [Ready, Ready, Ready, Ready, Ready, Ready, Broken, Broken]),
            (Connecting, [Connecting, Ready, NotFound, AuthFailed, Incompatible, Disconnected, Disconnected, Broken]),
            (Disconnected, idle(Disconnected)),
            (NotFound, idle(NotFound)),
            (AuthFailed, idle(AuthFailed)),
            (Incompatible, idle(Incompatible)),
            (Broken, idle(Broken)),
        ];
        for (state, outcomes) in table {
            for (event, outcome) in EVENTS.into_iter().zip(outcomes) {
                assert_eq!(state.on(event), outcome, "{state} {event:?}");
            }
        }
    }

    /// Whoever has no connection does nothing but begin one.
    fn idle(state: State) -> [State; 8] {
        [Connecting, state, state, state, state, state, state, state]
    }
}
