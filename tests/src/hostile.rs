//! What a peer may send in a session that it must not, as a table for both roles.
//!
//! Owns: the packets of each breach of docs/protocol.md, sections 1.1 to 1.5, under the terms of
//! [`good_hello`](crate::raw::good_hello), and the error that each ends the session with. It refuses to know sockets.

mod chunks;
mod messages;

use netipc::proto::Role;
use netipc::session::{Error, Limit, LimitExceeded, Violation};
use netipc::wire::{Header, Kind, Rule, Structure, WireError};

use crate::raw::{PACKET_SIZE, chunked, whole};

/// What a peer sends, and how the session ends.
#[derive(Debug)]
pub struct Case {
    /// What is wrong.
    pub name: String,
    /// The packets, in order.
    pub packets: Vec<Vec<u8>>,
    /// Messages among them that are as they should be, at the start.
    pub good: usize,
    /// Whether the peer closes the connection behind them.
    pub hangs_up: bool,
    /// How the session ends.
    pub end: End,
}

impl Case {
    fn new(name: impl Into<String>, packets: Vec<Vec<u8>>, end: End) -> Self {
        Self { name: name.into(), packets, good: 0, hangs_up: false, end }
    }

    fn after(self, good: usize) -> Self {
        Self { good, ..self }
    }

    fn hangs_up(self) -> Self {
        Self { hangs_up: true, ..self }
    }
}

/// How a session, or an attempt to have one, ends.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// The bytes alone are wrong: in this field, at this byte of the structure, by this rule.
    Bytes(Structure, &'static str, usize, Rule),
    /// A structure of so many bytes has only so many.
    CutOff(Structure, u64, usize),
    /// The peer broke this rule.
    Breaks(Violation),
    /// The peer asked too much.
    Beyond(Limit, u64, u64),
    /// The peer hung up, in the middle of a message or not.
    Closed(bool),
}

impl End {
    /// Whether the error is this end.
    ///
    /// # Panics
    /// Where it is not.
    pub fn assert_is(self, error: &Error, name: &str) {
        match (self, error) {
            (Self::Bytes(..) | Self::CutOff(..), Error::Violation(Violation::Envelope(found))) => {
                self.assert_names(found, name);
                let Error::Violation(violation) = error else { unreachable!() };
                let before =
                    if matches!(found.structure(), Structure::Header | Structure::ChunkHeader) { 0 } else { 32 };
                assert_eq!(violation.offset(), before + found.offset(), "{name}");
            }
            (Self::Breaks(violation), Error::Violation(found)) => assert_eq!(violation, *found, "{name}"),
            (Self::Beyond(limit, asked, allowed), Error::Limit(found)) => {
                assert_eq!(LimitExceeded { limit, asked, allowed }, *found, "{name}");
            }
            (Self::Closed(expected), Error::Closed { mid_message }) => assert_eq!(expected, *mid_message, "{name}"),
            _ => panic!("{name}: {error}, and not {self:?}"),
        }
    }

    /// Whether it is these bytes that are wrong.
    ///
    /// # Panics
    /// Where it is not.
    pub fn assert_names(self, found: &WireError, name: &str) {
        match self {
            Self::Bytes(structure, field, offset, rule) => {
                let found = (found.structure(), found.field(), found.offset(), found.rule());
                assert_eq!((structure, field, offset, rule), found, "{name}");
            }
            Self::CutOff(structure, needed, len) => {
                let found = (found.structure(), found.offset(), found.rule());
                assert_eq!((structure, len, Rule::Truncated { needed, found: len }), found, "{name}");
            }
            _ => panic!("{name}: {found}, and not {self:?}"),
        }
    }
}

/// A field of a header that is wrong.
#[must_use]
pub fn header_field(field: &'static str, offset: usize, rule: Rule) -> End {
    End::Bytes(Structure::Header, field, offset, rule)
}

/// A packet of another length than its header says.
#[must_use]
pub fn packet_length(stated: u64, found: usize) -> End {
    End::Breaks(Violation::PacketLength { stated, found })
}

/// Who is sent what: the tables differ by kind and limits only.
#[derive(Debug, Clone, Copy)]
struct Victim {
    role: Role,
    kind: Kind,
    payload: Limit,
    items: Limit,
}

impl Victim {
    fn of(role: Role) -> Self {
        match role {
            Role::Server => {
                Self { role, kind: Kind::Request, payload: Limit::RequestPayload, items: Limit::RequestItems }
            }
            Role::Client => {
                Self { role, kind: Kind::Response, payload: Limit::ResponsePayload, items: Limit::ResponseItems }
            }
        }
    }

    /// The header of a message to it, under the id 1, which a client waits for.
    fn header(self, payload: usize) -> Header {
        let len = u32::try_from(payload).expect("a short payload");
        Header::new(self.kind, 1).with_message_id(1).with_payload_len(len)
    }

    /// A message of 8 bytes.
    fn message(self) -> Vec<u8> {
        whole(self.header(8), &[7; 8])
    }

    /// A message of five packets: 100, 100, 100, 100 and 60 bytes.
    fn five(self) -> Vec<Vec<u8>> {
        chunked(self.header(300), &[9; 300], PACKET_SIZE)
    }
}

/// Everything that ends a session of whoever stands on the side of `role`.
#[must_use]
pub fn cases(role: Role) -> Vec<Case> {
    let victim = Victim::of(role);
    let tables = [
        messages::headers(victim),
        messages::lengths(victim),
        messages::items(victim),
        messages::ids(victim),
        messages::endings(victim),
        chunks::headers(victim),
        chunks::fields(victim),
        chunks::lengths(victim),
        chunks::others(victim),
    ];
    tables.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use netipc::proto::Role;

    use super::cases;

    #[test]
    fn every_case_has_a_name_of_its_own() {
        for role in [Role::Client, Role::Server] {
            let cases = cases(role);
            let names: HashSet<&str> = cases.iter().map(|case| &case.name[..]).collect();
            assert_eq!(names.len(), cases.len());
        }
    }
}
