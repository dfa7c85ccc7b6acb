//! Packets: a header, and what it says that follows (docs/protocol.md, section 1).
//!
//! Owns: what is printed of headers, handshakes, batches and the rest of long messages. A packet that ends before its message
//! does is shown as far as it goes; what breaks a rule is an error.

use std::io::Write;

use netipc::wire::{
    Batch, CHUNK_MAGIC, ChunkHeader, Control, HEADER_LEN, Header, Hello, HelloAck, Kind, MAGIC, Profiles, WireError,
};
use serde_json::{Value, json};

use super::Wishes;
use super::payload::Form;
use crate::failure::{Code, Failure};
use crate::text::{BOLD, DIM, DOUBTFUL};

/// Whether these bytes begin like a packet.
pub(super) fn begins(bytes: &[u8]) -> bool {
    first_word(bytes).is_some_and(|word| [MAGIC, CHUNK_MAGIC].contains(&word))
}

fn first_word(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().copied().map(u32::from_ne_bytes)
}

/// What stands in a packet.
enum Packet<'a> {
    First(Header, Content<'a>),
    Rest(ChunkHeader, &'a [u8]),
}

enum Content<'a> {
    Hello(Hello),
    HelloAck(HelloAck),
    /// A request or an answer.
    Payload(&'a [u8]),
    Batch(Batch<'a>),
    /// More is to come, in packets of their own.
    Beginning(&'a [u8]),
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Self {
        Self::new(Code::Failed, error)
    }
}

fn parse(bytes: &[u8]) -> Result<Packet<'_>, Failure> {
    let body = bytes.get(HEADER_LEN..).unwrap_or_default();
    if first_word(bytes) == Some(CHUNK_MAGIC) {
        let chunk = ChunkHeader::parse(bytes.get(..HEADER_LEN).unwrap_or(bytes))?;
        let expected = usize::try_from(chunk.chunk_payload_len.get()).unwrap_or(usize::MAX);
        if body.len() != expected {
            return Err(differs(expected, body.len()));
        }
        return Ok(Packet::Rest(chunk, body));
    }
    let header = Header::parse(bytes.get(..HEADER_LEN).unwrap_or(bytes))?;
    let expected = usize::try_from(header.payload_len()).unwrap_or(usize::MAX);
    let content = match header.control_code() {
        Some(_) if body.len() != expected => return Err(differs(expected, body.len())),
        Some(Control::Hello) => Content::Hello(Hello::parse(body)?),
        Some(Control::HelloAck) => Content::HelloAck(HelloAck::parse(body)?),
        Some(_) | None if body.len() > expected => return Err(differs(expected, body.len())),
        Some(_) | None if body.len() < expected => Content::Beginning(body),
        Some(_) | None if header.is_batch() => Content::Batch(Batch::parse(body, header.item_count())?),
        Some(_) | None => Content::Payload(body),
    };
    Ok(Packet::First(header, content))
}

fn differs(expected: usize, found: usize) -> Failure {
    Failure::new(Code::Failed, format!("the header says that {expected} bytes follow, and {found} do"))
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Request => "request",
        Kind::Response => "response",
        Kind::Control => "control",
        _ => "of another kind",
    }
}

/// The form of an item or of the payload: as was wished, or as the method has it.
fn form(header: &Header, wishes: Wishes) -> Option<Form> {
    wishes.form.or_else(|| Form::of(header.kind(), header.code()))
}

pub(super) fn show(bytes: &[u8], wishes: Wishes, out: &mut impl Write) -> Result<(), Failure> {
    match parse(bytes)? {
        Packet::Rest(chunk, body) => {
            let ChunkHeader { message_id, total_message_len, chunk_index, chunk_count, .. } = chunk;
            writeln!(
                out,
                "{BOLD}chunk{BOLD:#} {chunk_index} of {chunk_count}, message {message_id} of {total_message_len} bytes"
            )?;
            hex(body, out)
        }
        Packet::First(header, content) => {
            head(&header, out)?;
            match content {
                Content::Hello(hello) => Ok(writeln!(out, "{hello:#?}")?),
                Content::HelloAck(ack) => Ok(writeln!(out, "{ack:#?}")?),
                Content::Payload(payload) => part(&header, payload, wishes, out),
                Content::Batch(batch) => {
                    for (number, item) in batch.iter().enumerate() {
                        writeln!(out, "{BOLD}item {number}{BOLD:#}, {} bytes", item.len())?;
                        part(&header, item, wishes, out)?;
                    }
                    Ok(())
                }
                Content::Beginning(body) => {
                    let left = header.payload_len() as usize - body.len();
                    writeln!(out, "{DOUBTFUL}{left} bytes more are in other packets{DOUBTFUL:#}")?;
                    hex(body, out)
                }
            }
        }
    }
}

fn head(header: &Header, out: &mut impl Write) -> Result<(), Failure> {
    write!(out, "{BOLD}{}{BOLD:#} {}", kind(header.kind()), header.code())?;
    write!(out, ", message {}, {}, {} bytes", header.message_id(), header.status(), header.payload_len())?;
    if header.is_batch() {
        write!(out, ", batch of {}", header.item_count())?;
    }
    Ok(writeln!(out)?)
}

fn part(header: &Header, payload: &[u8], wishes: Wishes, out: &mut impl Write) -> Result<(), Failure> {
    match form(header, wishes) {
        // Answers that are nothing but a status have no payload.
        Some(form) if !payload.is_empty() => form.show(payload, wishes.has_layout, out),
        _ => hex(payload, out),
    }
}

fn hex(bytes: &[u8], out: &mut impl Write) -> Result<(), Failure> {
    for (line, bytes) in bytes.chunks(16).enumerate() {
        let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let text: String = bytes.iter().map(|&byte| if byte.is_ascii_graphic() { byte.into() } else { '.' }).collect();
        writeln!(out, "{DIM}{:08x}{DIM:#}  {:<47}  {text}", line * 16, digits.join(" "))?;
    }
    Ok(())
}

pub(super) fn json(bytes: &[u8], wishes: Wishes) -> Result<Value, Failure> {
    let part = |header: &Header, payload: &[u8]| match form(header, wishes) {
        Some(form) if !payload.is_empty() => form.json(payload),
        _ => Ok(json!({ "hex": digits(payload) })),
    };
    match parse(bytes)? {
        Packet::Rest(chunk, body) => Ok(json!({
            "kind": "chunk",
            "message": chunk.message_id,
            "index": chunk.chunk_index,
            "count": chunk.chunk_count,
            "message_bytes": chunk.total_message_len,
            "hex": digits(body),
        })),
        Packet::First(header, content) => {
            let (name, value) = match content {
                Content::Hello(hello) => ("hello", of_hello(&hello)),
                Content::HelloAck(ack) => ("hello_ack", of_ack(&ack)),
                Content::Payload(payload) => ("payload", part(&header, payload)?),
                Content::Batch(batch) => {
                    ("items", batch.iter().map(|item| part(&header, item)).collect::<Result<Value, _>>()?)
                }
                Content::Beginning(body) => ("beginning", json!({ "hex": digits(body) })),
            };
            Ok(json!({
                "kind": kind(header.kind()),
                "code": header.code(),
                "message": header.message_id(),
                "status": header.status().to_string(),
                "bytes": header.payload_len(),
                name: value,
            }))
        }
    }
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn of_hello(hello: &Hello) -> Value {
    json!({
        "flags": hello.flags,
        "supported_profiles": hello.supported_profiles.bits(),
        "preferred_profiles": hello.preferred_profiles.bits(),
        "max_request_payload": hello.max_request_payload,
        "max_request_items": hello.max_request_items,
        "max_response_payload": hello.max_response_payload,
        "max_response_items": hello.max_response_items,
        "packet_size": hello.packet_size,
    })
}

fn of_ack(ack: &HelloAck) -> Value {
    json!({
        "server_profiles": ack.server_profiles.bits(),
        "intersection": ack.intersection.bits(),
        "selected_profile": ack.selected_profile.bits(),
        "transport": (ack.selected_profile != Profiles::NONE).then(|| crate::ping::profile(ack.selected_profile)),
        "request_payload": ack.request_payload,
        "request_items": ack.request_items,
        "response_payload": ack.response_payload,
        "response_items": ack.response_items,
        "packet_size": ack.packet_size,
        "session_id": ack.session_id,
    })
}
