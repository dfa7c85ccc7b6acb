//! The envelope against bytes of deployed peers: golden ones both ways, odd ones taken or refused as they do.
//!
//! The vectors come from a little-endian machine, and the wire is in host byte order.
#![cfg(target_endian = "little")]

use std::num::NonZeroU32;

use netipc::buf::Writer;
use netipc::wire::{
    AuthToken, Batch, BatchBuilder, ChunkHeader, Control, Header, Hello, HelloAck, Kind, Profiles, Rule, Status,
    WireError,
};
use netipc_tests::vectors::{Entry, hex_list, item_count, load_kind, number, unhex};
use serde_json::Value;

fn header(value: &Value) -> Header {
    Header::new(Kind::from_raw(number(value, "kind")).expect("a known kind"), number(value, "code"))
        .with_flags(number(value, "flags"))
        .with_status(Status::from_raw(number(value, "transport_status")))
        .with_payload_len(number(value, "payload_len"))
        .with_item_count(number(value, "item_count"))
        .with_message_id(number(value, "message_id"))
}

/// By the getters, so that a mistake in the constructors can't hide one in the parser.
fn assert_header(header: &Header, value: &Value, name: &str) {
    assert_eq!(header.kind().raw(), value["kind"], "{name}");
    assert_eq!(header.flags(), value["flags"], "{name}");
    assert_eq!(header.code(), value["code"], "{name}");
    assert_eq!(header.status().raw(), value["transport_status"], "{name}");
    assert_eq!(header.payload_len(), value["payload_len"], "{name}");
    assert_eq!(header.item_count(), value["item_count"], "{name}");
    assert_eq!(header.message_id(), value["message_id"], "{name}");
}

fn chunk(value: &Value) -> ChunkHeader {
    ChunkHeader {
        message_id: number(value, "message_id"),
        total_message_len: number(value, "total_message_len"),
        chunk_index: number(value, "chunk_index"),
        chunk_count: number(value, "chunk_count"),
        chunk_payload_len: NonZeroU32::new(number(value, "chunk_payload_len")).expect("a payload"),
    }
}

fn hello(value: &Value) -> Hello {
    Hello {
        flags: number(value, "flags"),
        supported_profiles: Profiles::from_bits(number(value, "supported_profiles")),
        preferred_profiles: Profiles::from_bits(number(value, "preferred_profiles")),
        max_request_payload: number(value, "max_request_payload_bytes"),
        max_request_items: number(value, "max_request_batch_items"),
        max_response_payload: number(value, "max_response_payload_bytes"),
        max_response_items: number(value, "max_response_batch_items"),
        auth_token: AuthToken::new(number(value, "auth_token")),
        packet_size: number(value, "packet_size"),
    }
}

/// The padding is no field of the vectors.
fn ack(value: &Value, padding: u32) -> HelloAck {
    HelloAck {
        server_profiles: Profiles::from_bits(number(value, "server_supported_profiles")),
        intersection: Profiles::from_bits(number(value, "intersection_profiles")),
        selected_profile: Profiles::from_bits(number(value, "selected_profile")),
        request_payload: number(value, "agreed_max_request_payload_bytes"),
        request_items: number(value, "agreed_max_request_batch_items"),
        response_payload: number(value, "agreed_max_response_payload_bytes"),
        response_items: number(value, "agreed_max_response_batch_items"),
        packet_size: number(value, "agreed_packet_size"),
        padding,
        session_id: number(value, "session_id"),
    }
}

fn items(batch: Batch<'_>) -> Vec<Vec<u8>> {
    let items: Vec<Vec<u8>> = batch.iter().map(<[u8]>::to_vec).collect();
    assert_eq!(items.len(), batch.len());
    assert!((0..batch.len()).all(|index| batch.get(index) == Some(&items[index][..])));
    items
}

#[test]
fn golden_headers_encode_and_parse_exactly() {
    for Entry { name, bytes, input, .. } in load_kind("golden", "outer_header") {
        assert_eq!(header(&input).encode()[..], bytes, "{name}");
        let parsed = Header::parse(&bytes).expect(&name);
        assert_eq!(parsed, header(&input), "{name}");
        assert_header(&parsed, &input, &name);
    }
}

#[test]
fn golden_chunk_headers_encode_and_parse_exactly() {
    for Entry { name, bytes, input, .. } in load_kind("golden", "chunk_header") {
        assert_eq!(chunk(&input).encode()[..], bytes, "{name}");
        assert_eq!(ChunkHeader::parse(&bytes), Ok(chunk(&input)), "{name}");
    }
}

#[test]
fn golden_hellos_encode_and_parse_exactly() {
    for Entry { name, bytes, input, .. } in load_kind("golden", "hello") {
        assert_eq!(hello(&input).encode()[..], bytes, "{name}");
        assert_eq!(Hello::parse(&bytes), Ok(hello(&input)), "{name}");
    }
}

#[test]
fn golden_hello_acks_encode_and_parse_exactly() {
    let mut refusals = 0;
    for Entry { name, bytes, input, .. } in load_kind("golden", "hello_ack") {
        assert_eq!(ack(&input, 0).encode()[..], bytes, "{name}");
        assert_eq!(HelloAck::parse(&bytes), Ok(ack(&input, 0)), "{name}");
        refusals += usize::from(HelloAck::refusal().encode()[..] == bytes);
    }
    assert_eq!(refusals, 1);
}

#[test]
fn golden_batches_are_built_and_parse_exactly() {
    for entry in load_kind("golden", "batch_payload") {
        let name = &entry.name;
        let given = hex_list(&entry.input, "items");
        let max_items = entry.input["max_items"].as_u64().map_or(given.len() as u64, |max| max);
        let room = entry.input["buf_len"].as_u64().unwrap_or(1024);

        let mut buffer = vec![0xaa; usize::try_from(room).expect("a length")];
        let mut writer = Writer::new(&mut buffer);
        let mut batch = BatchBuilder::new(&mut writer, u32::try_from(max_items).expect("few items"));
        for item in &given {
            batch.push(item).expect(name);
        }
        assert_eq!(batch.finish().expect(name), item_count(&entry), "{name}");
        let end = writer.len();
        assert_eq!(buffer[..end], entry.bytes, "{name}");
        assert_eq!(items(Batch::parse(&entry.bytes, item_count(&entry)).expect(name)), given, "{name}");
    }
}

#[test]
fn golden_messages_have_exact_headers() {
    let (mut hellos, mut acks, mut refusals, mut batches) = (0, 0, 0, 0);
    for Entry { name, bytes, input, .. } in load_kind("golden", "message") {
        let parsed = Header::parse(&bytes).expect(&name);
        let payload = &bytes[32..];
        assert_eq!(parsed.encode()[..], bytes[..32], "{name}");
        assert_eq!(parsed.message_len(), bytes.len() as u64, "{name}");
        if input["captured_from"].is_null() {
            let values = &input["header"];
            assert_eq!(header(values).encode()[..], bytes[..32], "{name}");
            assert_header(&parsed, values, &name);
            assert_eq!(payload, unhex(input["payload_hex"].as_str().expect(&name)), "{name}");
        } else {
            // A server's refusal, as it came off the socket.
            let refusal = Header::control(Control::HelloAck, 48).with_status(parsed.status());
            assert_eq!((parsed, payload), (refusal, &HelloAck::refusal().encode()[..]), "{name}");
            refusals += 1;
        }
        if !input["hello"].is_null() {
            assert_eq!(parsed, Header::control(Control::Hello, 44), "{name}");
            assert_eq!(Hello::parse(payload), Ok(hello(&input["hello"])), "{name}");
            hellos += 1;
        }
        if !input["hello_ack"].is_null() {
            assert_eq!(parsed, Header::control(Control::HelloAck, 48), "{name}");
            assert_eq!(HelloAck::parse(payload), Ok(ack(&input["hello_ack"], 0)), "{name}");
            acks += 1;
        }
        if parsed.is_batch() {
            assert!(items(Batch::parse(payload, parsed.item_count()).expect(&name)).iter().all(|item| item.len() == 8));
            batches += 1;
        }
    }
    assert_eq!((hellos, acks, refusals, batches), (1, 1, 4, 2));
}

#[test]
fn golden_chunked_messages_start_every_packet_with_the_right_header() {
    for Entry { name, bytes, input, all, .. } in load_kind("golden", "chunked_message") {
        let packets = hex_list(&all, "packets");
        let (first, rest) = packets.split_first().expect(&name);
        let parsed = Header::parse(first).expect(&name);
        let mut values = input["header"].clone();
        values["payload_len"] = input["payload_len"].clone();
        assert_eq!(parsed.encode()[..], first[..32], "{name}");
        assert_header(&parsed, &values, &name);
        for (packet, index) in rest.iter().zip(1..) {
            let expected = ChunkHeader {
                message_id: parsed.message_id(),
                total_message_len: u32::try_from(parsed.message_len()).expect("a short message"),
                chunk_index: index,
                chunk_count: u32::try_from(packets.len()).expect("few packets"),
                chunk_payload_len: NonZeroU32::new(u32::try_from(packet.len() - 32).expect("short")).expect(&name),
            };
            assert_eq!(ChunkHeader::parse(packet), Ok(expected), "{name}");
            assert_eq!(expected.encode()[..], packet[..32], "{name}");
        }
        assert_eq!(packets.concat(), bytes, "{name}");
    }
}

/// The deployed codecs' name for a broken rule.
fn deployed_name(error: WireError) -> &'static str {
    match error.rule() {
        Rule::Truncated { .. } => "Truncated",
        Rule::Magic { .. } => "BadMagic",
        Rule::HeaderLen { .. } => "BadHeaderLen",
        Rule::Kind { .. } => "BadKind",
        Rule::Aligned { .. } => "BadAlignment",
        Rule::InBounds { .. } => "OutOfBounds",
        Rule::Zero { .. } | Rule::NotZero => "BadLayout",
        Rule::Version { .. } if error.field() == "layout_version" => "BadLayout",
        Rule::Version { .. } => "BadVersion",
        rule => panic!("a rule that deployed codecs do not have: {rule}"),
    }
}

/// Every vector of `reject.json` of this kind is refused for the reason that deployed codecs give; the fields guilty.
fn refused<T>(kind: &str, parse: impl Fn(&Entry) -> Result<T, WireError>) -> Vec<(String, usize)> {
    let entries = load_kind("reject", kind);
    let guilty = entries.iter().map(|entry| {
        let Err(error) = parse(entry) else { panic!("{} was taken: {}", entry.name, entry.why) };
        assert_eq!(deployed_name(error), entry.all["rust_error"], "{}: {error}", entry.name);
        assert!(!error.field().is_empty(), "{}", entry.name);
        match error.rule() {
            Rule::Truncated { needed, found } => {
                assert_eq!((error.offset(), found), (entry.bytes.len(), entry.bytes.len()), "{}", entry.name);
                assert!(needed > found as u64, "{}: {error}", entry.name);
            }
            _ => assert!(error.offset() + 2 <= entry.bytes.len(), "{}: {error}", entry.name),
        }
        (error.field().to_owned(), error.offset())
    });
    guilty.collect()
}

fn expect_fields(found: Vec<(String, usize)>, expected: &[(&str, usize)]) {
    let found: Vec<(&str, usize)> = found.iter().map(|(field, offset)| (&field[..], *offset)).collect();
    assert_eq!(found, expected);
}

#[test]
fn odd_headers_are_refused_at_the_guilty_field() {
    let (magic, version, header_len, kind) = (("magic", 0), ("version", 4), ("header_len", 6), ("kind", 8));
    expect_fields(
        refused("outer_header", |entry| Header::parse(&entry.bytes)),
        &[
            magic,
            ("message_id", 31),
            magic,
            magic,
            magic,
            version,
            version,
            version,
            header_len,
            header_len,
            header_len,
            header_len,
            kind,
            kind,
            kind,
        ],
    );
}

#[test]
fn odd_chunk_headers_are_refused_at_the_guilty_field() {
    let (magic, version) = (("magic", 0), ("version", 4));
    expect_fields(
        refused("chunk_header", |entry| ChunkHeader::parse(&entry.bytes)),
        &[magic, ("chunk_payload_len", 31), magic, magic, version, version, ("flags", 6), ("chunk_payload_len", 28)],
    );
}

#[test]
fn odd_hellos_are_refused_at_the_guilty_field() {
    let layout = ("layout_version", 0);
    expect_fields(
        refused("hello", |entry| Hello::parse(&entry.bytes)),
        &[layout, ("packet_size", 43), layout, layout, ("padding", 28)],
    );
}

#[test]
fn odd_hello_acks_are_refused_at_the_guilty_field() {
    let layout = ("layout_version", 0);
    expect_fields(
        refused("hello_ack", |entry| HelloAck::parse(&entry.bytes)),
        &[layout, ("session_id", 47), layout, layout, ("flags", 2)],
    );
}

#[test]
fn odd_batches_are_refused_at_the_guilty_entry() {
    expect_fields(
        refused("batch_payload", |entry| Batch::parse(&entry.bytes, item_count(entry)).map(|batch| batch.len())),
        &[
            ("directory", 15),
            ("directory", 0),
            ("directory", 32),
            ("entry offset", 8),
            ("entry length", 12),
            ("entry offset", 8),
            ("entry offset", 8),
            ("entry length", 4),
            ("entry length", 12),
        ],
    );
}

#[test]
fn odd_headers_that_deployed_codecs_take_are_taken() {
    for Entry { name, bytes, decoded, .. } in load_kind("accept", "outer_header") {
        let parsed = Header::parse(&bytes).expect(&name);
        assert_header(&parsed, &decoded, &name);
        assert_eq!(parsed.encode()[..], bytes[..32], "{name}");
    }
}

#[test]
fn odd_chunk_headers_that_deployed_codecs_take_are_taken() {
    for Entry { name, bytes, decoded, .. } in load_kind("accept", "chunk_header") {
        assert_eq!(ChunkHeader::parse(&bytes), Ok(chunk(&decoded)), "{name}");
    }
}

#[test]
fn odd_hellos_that_deployed_codecs_take_are_taken_with_what_is_odd_about_them() {
    let mut flagged = 0;
    for Entry { name, bytes, decoded, .. } in load_kind("accept", "hello") {
        let parsed = Hello::parse(&bytes).expect(&name);
        assert_eq!(parsed, hello(&decoded), "{name}");
        flagged += usize::from(parsed.flags != 0);
    }
    assert_eq!(flagged, 1);
}

#[test]
fn odd_hello_acks_that_deployed_codecs_take_are_taken_with_what_is_odd_about_them() {
    for Entry { name, bytes, decoded, .. } in load_kind("accept", "hello_ack") {
        let padding = u32::from_le_bytes(bytes[36..40].try_into().expect("four bytes"));
        assert_ne!(padding, 0, "{name}");
        assert_eq!(HelloAck::parse(&bytes), Ok(ack(&decoded, padding)), "{name}");
    }
}

#[test]
fn odd_batches_that_deployed_codecs_take_are_taken() {
    for entry in load_kind("accept", "batch_payload") {
        let batch = Batch::parse(&entry.bytes, item_count(&entry)).expect(&entry.name);
        assert_eq!(items(batch), hex_list(&entry.decoded, "items"), "{}", entry.name);
    }
}
