//! How the call ends, for each packet and each fault: docs/protocol.md, sections 1 and 2, read field by field.

use netipc::session::Fault;
use netipc::wire::Status;

use crate::call::{ANSWER_LEN, METHOD, PACKET_SIZE, PAYLOAD_LIMIT, REQUEST_LEN};

const HEADER: usize = 32;
const BODY: usize = PACKET_SIZE - HEADER;
const HELLO: usize = HEADER + 44;
const HELLO_ACK: usize = HEADER + 48;

/// The fields that are checked for one value, by their first byte, in the order of the page.
const HEADER_FIELDS: [usize; 10] = [0, 4, 6, 8, 10, 12, 14, 16, 20, 24];
const CHUNK_FIELDS: [usize; 8] = [0, 4, 6, 8, 16, 20, 24, 28];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    ToServer,
    ToClient,
}

/// Packet `nth` of `count` that go one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    pub way: Way,
    pub nth: usize,
    pub count: usize,
}

impl Packet {
    /// Its bytes.
    pub fn len(self) -> usize {
        let payload = match (self.way, self.nth) {
            (Way::ToServer, 0) => return HELLO,
            (Way::ToClient, 0) => return HELLO_ACK,
            (Way::ToServer, _) => REQUEST_LEN,
            (Way::ToClient, _) => ANSWER_LEN,
        };
        HEADER + (payload - (self.nth - 1) * BODY).min(BODY)
    }

    fn is_last(self) -> bool {
        self.nth + 1 == self.count
    }
}

/// A byte of the answer that is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    pub at: usize,
    pub flip: u8,
}

/// How the call ended for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtClient {
    /// With an answer, and whatever Level 1 can't know to be wrong in it.
    Answered {
        code: u16,
        status: u16,
        changed: Option<Changed>,
    },
    Refused(u16),
    Incompatible,
    /// At this byte of the packet.
    Violation(usize),
    Limit,
    Closed {
        mid_message: bool,
    },
    TimedOut,
}

/// How the session, or the attempt at one, ended for the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtServer {
    /// There was no connection.
    NobodyCame,
    Refused(u16),
    /// A violation at this byte instead of a hello.
    NoHello(usize),
    ClosedEarly,
    NoHelloInTime,
    /// At this byte of the packet.
    Violation(usize),
    Limit,
    Closed {
        mid_message: bool,
    },
}

/// How the call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    pub client: AtClient,
    pub server: AtServer,
}

const RIGHT: AtClient = AtClient::Answered { code: METHOD, status: 0, changed: None };
const CLIENT_CLOSED: AtClient = AtClient::Closed { mid_message: false };
/// The client is gone, whatever made it go.
const SERVER_CLOSED: AtServer = AtServer::Closed { mid_message: false };

/// A call that nothing happened to: the answer, and then the client leaves.
pub const UNHARMED: Ends = Ends { client: RIGHT, server: SERVER_CLOSED };

const fn at_client(client: AtClient) -> Ends {
    Ends { client, server: SERVER_CLOSED }
}

/// The server ends it; the client is told nothing more than that.
const fn at_server(server: AtServer) -> Ends {
    Ends { client: CLIENT_CLOSED, server }
}

const fn refused(status: Status) -> Ends {
    Ends { client: AtClient::Refused(status.raw()), server: AtServer::Refused(status.raw()) }
}

/// A violation by this packet, at this byte of what its receiver sees.
const fn violation(packet: Packet, offset: usize) -> Ends {
    match (packet.way, packet.nth) {
        (Way::ToServer, 0) => at_server(AtServer::NoHello(offset)),
        (Way::ToServer, _) => at_server(AtServer::Violation(offset)),
        (Way::ToClient, _) => at_client(AtClient::Violation(offset)),
    }
}

/// How the call ends when `packet` meets `fault`.
pub fn ends(packet: Packet, fault: Fault) -> Ends {
    match fault {
        Fault::Cut => cut(packet),
        Fault::Drop => lost(packet),
        Fault::Delay(_) => UNHARMED,
        Fault::Repeat => repeated(packet),
        Fault::Truncate(len) if len >= packet.len() => UNHARMED,
        // Whether it is the header that is cut off or what should be behind it, the first missing byte is named.
        Fault::Truncate(len) => violation(packet, len),
        Fault::Corrupt { offset, flip } => corrupt(packet, offset, flip),
        other => panic!("no rule for {other:?}"),
    }
}

fn cut(packet: Packet) -> Ends {
    let mid_message = packet.nth > 1;
    match (packet.way, packet.nth) {
        (Way::ToServer, 0) => at_server(AtServer::NobodyCame),
        (Way::ToServer, _) => at_server(AtServer::Closed { mid_message }),
        (Way::ToClient, 0) => at_server(AtServer::ClosedEarly),
        (Way::ToClient, _) => at_client(AtClient::Closed { mid_message }),
    }
}

fn lost(packet: Packet) -> Ends {
    match (packet.way, packet.nth) {
        // Nobody says anything any more: somebody's time runs out, and the other one is told by the hang-up.
        (Way::ToServer, 0) => at_server(AtServer::NoHelloInTime),
        (Way::ToClient, 0) => at_client(AtClient::TimedOut),
        (Way::ToServer, _) if packet.is_last() => {
            Ends { client: AtClient::TimedOut, server: AtServer::Closed { mid_message: true } }
        }
        (Way::ToClient, _) if packet.is_last() => at_client(AtClient::TimedOut),
        // A continuation where a header should be: its magic.
        (_, 1) => violation(packet, 0),
        // The one behind it: its index.
        (Way::ToServer | Way::ToClient, _) => violation(packet, 20),
    }
}

fn repeated(packet: Packet) -> Ends {
    match (packet.way, packet.nth) {
        // A control message where a request, or a response, should be: its kind.
        (Way::ToServer, 0) => at_server(AtServer::Violation(8)),
        (Way::ToClient, 0) => at_client(AtClient::Violation(8)),
        // By then the request is complete, and answered before the next packet is looked at.
        (Way::ToServer, _) if packet.is_last() => Ends { client: RIGHT, server: AtServer::Violation(0) },
        (Way::ToClient, _) if packet.is_last() => violation(packet, 0),
        // A header where a continuation should be, and its magic; or a continuation with an index that has been.
        (_, 1) => violation(packet, 0),
        (Way::ToServer | Way::ToClient, _) => violation(packet, 20),
    }
}

/// The field among `fields` that byte `offset` belongs to.
fn field(fields: &[usize], offset: usize) -> usize {
    fields.iter().copied().take_while(|&start| start <= offset).last().expect("a first field")
}

/// A number whose byte `at` is changed.
fn flipped(number: u32, at: usize, flip: u8) -> u32 {
    let mut bytes = number.to_ne_bytes();
    bytes[at] ^= flip;
    u32::from_ne_bytes(bytes)
}

fn flipped_short(number: u16, at: usize, flip: u8) -> u16 {
    let mut bytes = number.to_ne_bytes();
    bytes[at] ^= flip;
    u16::from_ne_bytes(bytes)
}

fn corrupt(packet: Packet, offset: usize, flip: u8) -> Ends {
    match (packet.way, packet.nth) {
        (Way::ToServer, 0) => hello(packet, offset, flip),
        (Way::ToClient, 0) => ack(packet, offset, flip),
        (_, nth) if offset >= HEADER => {
            let changed = Some(Changed { at: (nth - 1) * BODY + offset - HEADER, flip });
            at_client(AtClient::Answered { code: METHOD, status: 0, changed })
        }
        (_, 1) => first(packet, offset, flip),
        // Every field of a continuation follows from what came before it.
        (Way::ToServer | Way::ToClient, _) => violation(packet, field(&CHUNK_FIELDS, offset)),
    }
}

/// The header of a message of several packets.
fn first(packet: Packet, offset: usize, flip: u8) -> Ends {
    let start = field(&HEADER_FIELDS, offset);
    let at = offset - start;
    match (start, packet.way) {
        // As a batch, the payload has a directory whose first offset is out of line. Other flags mean nothing.
        (10, _) if flipped_short(0, at, flip) & 1 != 0 => violation(packet, HEADER),
        (10, _) => UNHARMED,
        // Which methods there are is for Level 2 to know. A server answers with the code that it was asked with.
        (12, _) => at_client(AtClient::Answered { code: flipped_short(METHOD, at, flip), status: 0, changed: None }),
        // Nobody asks for the status of a request.
        (14, Way::ToServer) => UNHARMED,
        (14, Way::ToClient) => {
            at_client(AtClient::Answered { code: METHOD, status: flipped_short(0, at, flip), changed: None })
        }
        (16, way) => {
            let len = if way == Way::ToServer { REQUEST_LEN } else { ANSWER_LEN };
            let stated = flipped(u32::try_from(len).expect("a short message"), at, flip);
            match usize::try_from(stated).expect("a 64-bit machine") {
                _ if stated > PAYLOAD_LIMIT && way == Way::ToServer => at_server(AtServer::Limit),
                _ if stated > PAYLOAD_LIMIT => at_client(AtClient::Limit),
                // A whole message, and bytes behind it.
                stated if stated <= BODY => violation(packet, HEADER + stated),
                // Of several packets, the first of which is full either way; the second one has the true total.
                _ => violation(packet, 16),
            }
        }
        // A server takes any id, but then the next packet has another one. A client knows which one it waits for.
        (24, Way::ToServer) => violation(packet, 8),
        (start, _) => violation(packet, start),
    }
}

/// A hello: the table of docs/protocol.md, section 2.
fn hello(packet: Packet, offset: usize, flip: u8) -> Ends {
    let Some(offset) = offset.checked_sub(HEADER) else {
        return match field(&HEADER_FIELDS, offset) {
            4 => refused(Status::Incompatible),
            // Of a control message, flags, status, items and id are not looked at.
            10 | 14 | 20 | 24 => UNHARMED,
            start => violation(packet, start),
        };
    };
    match offset {
        0..2 => refused(Status::Incompatible),
        // Flags, and padding.
        2..4 | 28..32 => refused(Status::BadEnvelope),
        // Without the one profile that both have there is none; others change nothing, and neither do preferences.
        4..8 if flipped(1, offset - 4, flip) & 1 == 0 => refused(Status::Unsupported),
        4..12 => UNHARMED,
        12..16 if flipped(PAYLOAD_LIMIT, offset - 12, flip) > PAYLOAD_LIMIT => refused(Status::LimitExceeded),
        // Echoed, and not what the client has said.
        12..16 => at_client(AtClient::Violation(HEADER + 16)),
        16..20 => at_client(AtClient::Violation(HEADER + 20)),
        // Hints.
        20..28 => UNHARMED,
        32..40 => refused(Status::AuthFailed),
        _ => match flipped(PACKET_SIZE as u32, offset - 40, flip) {
            0..=32 => refused(Status::Incompatible),
            // The smaller of both it is, for both sides.
            _ => UNHARMED,
        },
    }
}

/// An ack: what does not follow from the hello is refused.
fn ack(packet: Packet, offset: usize, flip: u8) -> Ends {
    let Some(offset) = offset.checked_sub(HEADER) else {
        return match field(&HEADER_FIELDS, offset) {
            4 => at_client(AtClient::Incompatible),
            10 | 20 | 24 => UNHARMED,
            14 => at_client(AtClient::Refused(flipped_short(0, offset - 14, flip))),
            start => violation(packet, start),
        };
    };
    let inconsistent = |start: usize| violation(packet, HEADER + start);
    match offset {
        0..2 => at_client(AtClient::Incompatible),
        2..4 => inconsistent(2),
        // What the server can use besides is its own affair; but the intersection follows from it.
        4..8 if flipped(1, offset - 4, flip) & 1 == 0 => inconsistent(8),
        4..8 => UNHARMED,
        8..12 => inconsistent(8),
        12..16 => inconsistent(12),
        16..20 => inconsistent(16),
        20..24 => inconsistent(20),
        // The server's own figure, which the client holds it to.
        24..28 => match usize::try_from(flipped(PAYLOAD_LIMIT, offset - 24, flip)).expect("a 64-bit machine") {
            0..ANSWER_LEN => at_client(AtClient::Limit),
            _ => UNHARMED,
        },
        28..32 => inconsistent(28),
        32..36 => match usize::try_from(flipped(PACKET_SIZE as u32, offset - 32, flip)).expect("a 64-bit machine") {
            // A size that could have been agreed on, so the client sends such packets, and the server misses bytes.
            size @ 33..PACKET_SIZE => at_server(AtServer::Violation(size)),
            _ => inconsistent(32),
        },
        36..40 => inconsistent(36),
        // The number of the session is whatever the server says.
        _ => UNHARMED,
    }
}
