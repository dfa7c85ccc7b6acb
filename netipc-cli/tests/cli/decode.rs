//! `netipc decode`.

use std::fs;

use netipc::buf::Writer;
use netipc::wire::{AuthToken, BatchBuilder, ChunkHeader, Control, Header, Hello, HelloAck, Method, Profiles, Status};
use netipc_examples::{AppsLookupRequest, Increment, Pid, SnapshotRequest, StringReverse};
use serde_json::{Value, json};

use crate::ground::{Dir, Run, command, netipc, piped};

/// Payloads as Netdata's own encoders write them.
const SNAPSHOT: &str = "010000000300000001000000000000002a00000000000000000000004b0000005000000022000000780000002e000000\
     01000000e90300000000000001000000200000000d0000002e0000001c000000646f636b65722d616263313233002f73\
     79732f66732f6367726f75702f646f636b65722f61626331323300000000000001000000d20700000200000000000000\
     20000000000000002100000000000000000000000000000001000000ffffffffffffffffffffffff200000000c000000\
     2d0000000000000073797374656d642d757365720000";
const CGROUPS_LOOKUP: &str = "01000000010000006500000000000000000000007200000001000000030000001c000000150000003200000005000000\
     020000002f6b756265706f64732e736c6963652f706f642d6100706f642d610058000000090000006200000007000000\
     6a000000030000006e000000030000006e616d6573706163650064656661756c7400706f640077656200";
const APPS_LOOKUP: &str = "0100000001000000c90000000000000000000000a70000000100000002000000d204000001000000e803000000000000\
     40e20100000000003c0000000f0000004c0000000b000000580000000b00000002000000313233343536373839303132\
     333435002f646f636b65722f61626300636f6e7461696e65722d61000000000088000000050000008e0000000c000000\
     9b00000007000000a300000003000000696d616765006e67696e783a6c617465737400736572766963650077656200";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn packet(header: Header, payload: &[u8]) -> Vec<u8> {
    [&header.encode()[..], payload].concat()
}

fn decoded(words: &[&str], bytes: &[u8]) -> Run {
    netipc(&[&["decode"], words, &[&*hex(bytes)]].concat())
}

fn increment(value: u64) -> Vec<u8> {
    Increment { value }.to_vec().unwrap()
}

#[test]
fn payloads_of_all_methods_are_readable_and_json() {
    for (form, payload, readable, pointer, value) in [
        ("snapshot", SNAPSHOT, "docker-abc123", "/items/0/name", json!("docker-abc123")),
        ("cgroups-lookup", CGROUPS_LOOKUP, "namespace", "/items/0/labels/0/value", json!("default")),
        ("apps-lookup", APPS_LOOKUP, "nginx:latest", "/items/0/comm", json!("123456789012345")),
        ("increment", "2a00000000000000", "value: 42", "/value", json!(42)),
        ("snapshot-request", "01000000", "SnapshotRequest", "", json!({})),
        ("string-reverse", "080000000200000068690000", "hi", "/text", json!("hi")),
        (
            "cgroups-lookup-request",
            "01000000010000000000000000000000 00000000 03000000 2f61 00",
            "/a",
            "/paths/0",
            json!("/a"),
        ),
        ("apps-lookup-request", "", "7", "/pids/0", json!(7)),
    ] {
        let request = AppsLookupRequest { pids: vec![Pid { pid: 7 }] };
        let payload = if payload.is_empty() { hex(&request.to_vec().unwrap()) } else { payload.to_owned() };
        let out = netipc(&["decode", "--as", form, &payload]).good();
        assert!(out.contains(readable), "{form}: {out}");
        let json: Value = netipc(&["decode", "--as", form, "--json", &payload]).json();
        assert_eq!(json.pointer(pointer), Some(&value), "{form}: {json}");
    }
}

#[test]
fn json_loses_no_letter_and_moves_no_cursor() {
    let text = "a\x7fb\u{9b}2J\u{202e}c\u{e0001}d naïve 日本";
    let payload = StringReverse { text: text.into() }.to_vec().unwrap();
    let out = netipc(&["decode", "--as", "string-reverse", "--json", &hex(&payload)]).good();
    let escaped = "a\\u007fb\\u009b2J\\u202ec\\udb40\\udc01d naïve 日本";
    assert_eq!(out, format!("{{\n  \"text\": \"{escaped}\"\n}}\n"));
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["text"], text);
}

#[test]
fn a_layout_stands_before_the_fields_where_it_is_wanted() {
    let out = netipc(&["decode", "--as", "increment", "--layout", "2a00000000000000"]).good();
    assert!(out.starts_with("Increment, 8 bytes fixed") && out.ends_with("Increment {\n    value: 42,\n}\n"), "{out}");
    assert_eq!(netipc(&["decode", "--layout", "--json", "--as", "increment", "00"]).code, 2);
}

#[test]
fn bytes_come_from_digits_files_and_pipes() {
    let dir = Dir::new();
    fs::write(dir.join("payload"), increment(42)).unwrap();
    fs::write(dir.join("abcd"), increment(42)).unwrap();
    let file = dir.join("payload");
    let expected = "Increment {\n    value: 42,\n}\n";
    let read = |source: &str| netipc(&["decode", "--as", "increment", source]);
    assert_eq!(read("2A00 0000\n0000 0000").good(), expected);
    assert_eq!(read(file.to_str().unwrap()).good(), expected);
    let in_dir = |source| crate::ground::ran(command(&["decode", "--as", "increment", source]).current_dir(dir.path()));
    assert_eq!(in_dir("payload").good(), expected);
    assert_eq!(in_dir("./abcd").good(), expected);
    in_dir("abcd").bad(1);
    assert_eq!(piped(&["decode", "--as", "increment", "-"], &increment(42)).good(), expected);
    assert_eq!(piped(&["decode", "--as", "increment", "-"], b"2a 00 00 00 00 00 00 00\n").good(), expected);
    let why = read("./nothing").bad(2);
    assert_eq!(
        why,
        "./nothing: neither hexadecimal digits nor a file that can be read: No such file or directory (os error 2)"
    );
    let why = read("/dev/zero").bad(2);
    assert!(why.ends_with(": too long for a message"), "{why}");
    let mut endless = command(&["decode", "-"]);
    let why = crate::ground::ran(endless.stdin(fs::File::open("/dev/zero").unwrap())).bad(1);
    assert_eq!(why, "too long for a message");
}

#[test]
fn packets_say_themselves_what_they_are() {
    let request = packet(Header::request(Method::new(1), 9, 8), &increment(41));
    assert_eq!(decoded(&[], &request).good(), "request 1, message 9, ok, 8 bytes\nIncrement {\n    value: 41,\n}\n");
    let json = decoded(&["--json"], &request).json();
    assert_eq!(
        json,
        json!({ "kind": "request", "code": 1, "message": 9, "status": "ok", "bytes": 8, "payload": { "value": 41 } })
    );
    let text = StringReverse { text: b"\x1b".to_vec() }.to_vec().unwrap();
    let response = packet(Header::response(Method::new(3), 9, text.len() as u32), &text);
    let out = decoded(&[], &response).good();
    assert!(out.starts_with("response 3, message 9, ok, ") && !out.contains('\x1b'), "{out:?}");
    let ask = SnapshotRequest {}.to_vec().unwrap();
    let json = decoded(&["--json"], &packet(Header::request(Method::new(2), 1, 4), &ask)).json();
    assert_eq!(json["payload"], json!({}));
    let failed = Header::response(Method::new(2), 5, 0).with_status(Status::InternalError);
    assert_eq!(decoded(&[], &packet(failed, &[])).good(), "response 2, message 5, internal error, 0 bytes\n");
    assert_eq!(decoded(&["--json"], &packet(failed, &[])).json()["status"], "internal error");
}

#[test]
fn what_no_method_of_netdata_has_is_bytes_unless_somebody_says_what_it_is() {
    let other = packet(Header::request(Method::new(700), 1, 8), &increment(0x4142));
    let out = decoded(&[], &other).good();
    assert_eq!(
        out,
        "request 700, message 1, ok, 8 bytes\n00000000  42 41 00 00 00 00 00 00                          BA......\n"
    );
    assert_eq!(decoded(&["--json"], &other).json()["payload"]["hex"], "4241000000000000");
    assert!(decoded(&["--as", "increment"], &other).good().contains("value: 16706"));
    assert_eq!(decoded(&["--as", "increment", "--json"], &other).json()["payload"]["value"], 16706);
}

#[test]
fn batches_are_shown_item_by_item() {
    let mut buffer = [0; 256];
    let mut writer = Writer::new(&mut buffer);
    let mut batch = BatchBuilder::new(&mut writer, 3);
    for value in [1, 2, 3] {
        batch.push(&increment(value)).unwrap();
    }
    let items = batch.finish().unwrap();
    let len = writer.len();
    let header = Header::request(Method::new(1), 4, len as u32).with_batch(items);
    let bytes = packet(header, &buffer[..len]);
    let out = decoded(&[], &bytes).good();
    assert!(out.starts_with(&format!("request 1, message 4, ok, {len} bytes, batch of 3\nitem 0, 8 bytes\n")), "{out}");
    assert_eq!(decoded(&["--json"], &bytes).json()["items"], json!([{ "value": 1 }, { "value": 2 }, { "value": 3 }]));
}

#[test]
fn handshakes_are_readable_without_their_token() {
    let hello = Hello {
        flags: 0,
        supported_profiles: Profiles::BASELINE | Profiles::SHM_HYBRID,
        preferred_profiles: Profiles::SHM_HYBRID,
        max_request_payload: 1024,
        max_request_items: 16,
        max_response_payload: 4096,
        max_response_items: 16,
        auth_token: AuthToken::new(0x0123_4567_89ab_cdef),
        packet_size: 212_960,
    };
    let bytes = packet(Header::control(Control::Hello, 44), &hello.encode());
    let out = decoded(&[], &bytes).good();
    assert!(
        out.starts_with("control 1, message 0, ok, 44 bytes\nHello {") && out.contains("packet_size: 212960"),
        "{out}"
    );
    assert!(!out.contains("81985529216486895") && !out.contains("123456789abcdef"), "{out}");
    let json = decoded(&["--json"], &bytes).json();
    assert_eq!(
        (&json["hello"]["supported_profiles"], &json["hello"]["max_response_payload"]),
        (&3.into(), &4096.into())
    );
    assert!(!json.to_string().contains("81985529216486895"));
    let ack = HelloAck { selected_profile: Profiles::BASELINE, session_id: 77, ..HelloAck::refusal() };
    let header = Header::control(Control::HelloAck, 48);
    let json = decoded(&["--json"], &packet(header, &ack.encode())).json();
    assert_eq!((&json["hello_ack"]["session_id"], &json["hello_ack"]["transport"]), (&77.into(), &"socket".into()));
    let refused = packet(header.with_status(Status::AuthFailed), &HelloAck::refusal().encode());
    assert!(decoded(&[], &refused).good().starts_with("control 2, message 0, auth failed, 48 bytes\nHelloAck {"));
    assert_eq!(decoded(&["--json"], &refused).json()["hello_ack"]["transport"], Value::Null);
}

#[test]
fn parts_of_long_messages_are_told_from_whole_ones() {
    let first = packet(Header::response(Method::new(2), 3, 100), &[0xab; 20]);
    let out = decoded(&[], &first).good();
    assert!(out.contains("\n80 bytes more are in other packets\n00000000  ab ab"), "{out}");
    assert_eq!(decoded(&["--json"], &first).json()["beginning"]["hex"], "ab".repeat(20));
    let chunk = ChunkHeader {
        message_id: 3,
        total_message_len: 132,
        chunk_index: 1,
        chunk_count: 2,
        chunk_payload_len: 4.try_into().unwrap(),
    };
    let rest = [&chunk.encode()[..], b"rest"].concat();
    assert_eq!(
        decoded(&[], &rest).good(),
        "chunk 1 of 2, message 3 of 132 bytes\n00000000  72 65 73 74                                      rest\n"
    );
    assert_eq!(decoded(&["--json"], &rest).json()["hex"], "72657374");
    let why = decoded(&[], &[&rest[..], b"!"].concat()).bad(1);
    assert_eq!(why, "the header says that 4 bytes follow, and 5 do");
}

#[test]
fn what_breaks_a_rule_is_named_and_what_begins_like_nothing_is_asked_for() {
    let why = netipc(&["decode", "--as", "snapshot", "ff"]).bad(1);
    assert!(why.contains("Snapshot") && why.contains("byte"), "{why}");
    netipc(&["decode", "--as", "snapshot", "--json", "ff"]).bad(1);
    let why = netipc(&["decode", "2a00000000000000"]).bad(2);
    assert_eq!(why, "8 bytes that begin like no packet: say with --as which payload they are");
    netipc(&["decode", ""]).bad(2);
    netipc(&["decode", "zz"]).bad(2);
    netipc(&["decode", "/"]).bad(2);
    for words in [&["decode"][..], &["decode", "--as", "nothing", "00"], &["decode", "00", "00"]] {
        assert_eq!(netipc(words).code, 2);
    }
    let whole = packet(Header::request(Method::new(1), 9, 8), &increment(41));
    let longer = [&whole[..], &[0]].concat();
    assert_eq!(decoded(&[], &longer).bad(1), "the header says that 8 bytes follow, and 9 do");
    for len in 4..32 {
        decoded(&[], &whole[..len]).bad(1);
    }
    let bad_item = packet(Header::request(Method::new(1), 9, 4), &[0; 4]);
    assert!(decoded(&[], &bad_item).code == 1 && decoded(&["--json"], &bad_item).code == 1);
}

/// Any change of one byte leads to an answer or to an error with a reason, and never to a panic.
#[test]
fn packets_with_a_byte_changed_are_shown_or_refused() {
    let whole = packet(Header::request(Method::new(1), 9, 8), &increment(41));
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x81;
        let run = decoded(&["--json"], &bytes);
        assert!([0, 1, 2].contains(&run.code) && !run.err.contains("panicked"), "{at}: {run:#?}");
        assert_eq!(run.code == 0, run.err.is_empty(), "{at}");
    }
}
