//! Recorded handshakes and sessions through the machines of the conversation (docs/protocol.md, sections 1, 2 and 7).
//!
//! What is expected of each entry follows from what deployed peers did, but for the rows of `STRICTER`; the page has the
//! same rows, and is read here.

use std::collections::BTreeMap;

use netipc::proto::{Breach, Role, Terms, Violation};
use netipc::wire::{HEADER_LEN, Header, Hello, HelloAck};
use netipc_tests::conversation::{self, Received, compare_client, compare_server, policy, terms};
use netipc_tests::oracle::handshake::{Outcome, Reply};
use netipc_tests::oracle::packets::{self, End, Message};
use netipc_tests::vectors::{Entry, described, hex_list, load, load_kind, number, text, unhex};
use serde_json::Value;

/// Entries of `accept.json` that ours refuses: with which answer (handshakes), or for which rule (sessions).
const STRICTER: [(&str, &str); 16] = [
    ("hs_flags_1", "bad envelope"),
    ("hs_outer_payload_len_wrong", "closed"),
    ("hs_trailing_bytes", "closed"),
    ("srv_batch_1_bad_dir_accepted", "batch directory"),
    ("srv_no_batch_flag_items_2", "item count"),
    ("srv_kind_response", "kind"),
    ("srv_kind_control", "kind"),
    ("srv_item_count_0", "item count"),
    ("srv_chunked_uneven_first", "packet length"),
    ("cli_kind_request_accepted", "kind"),
    ("ch_padding_nonzero", "ack"),
    ("ch_selected_0", "ack"),
    ("ch_selected_8", "ack"),
    ("ch_intersection_0", "ack"),
    ("ch_limits_above_proposal", "ack"),
    ("ch_payload_len_wrong", "payload length"),
];

fn stricter(name: &str) -> Option<&'static str> {
    STRICTER.iter().find(|(entry, _)| *entry == name).map(|(_, how)| *how)
}

/// The only packet of a handshake's entry; none where the peer closed.
fn packet(entry: &Entry) -> Option<Vec<u8>> {
    let mut packets = hex_list(&entry.all, "packets");
    assert!(packets.len() <= 1, "{}", entry.name);
    packets.pop()
}

fn upstream(entry: &Entry) -> Vec<&str> {
    let results = entry.all["upstream_result"].as_array().expect("what upstream did");
    results.iter().map(|line| line.as_str().expect("a line")).collect()
}

#[test]
fn the_page_has_a_row_for_each_entry_and_says_of_each_what_the_tables_here_say() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md")).expect("the page");
    let (_, section) = page.split_once("\n## 7.").expect("section 7");
    let mut rows: BTreeMap<&str, &str> = BTreeMap::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [entry, _, ours, why] = cells[..] else { panic!("{line}") };
        assert!(!why.is_empty());
        assert_eq!(rows.insert(entry.trim_matches('`'), ours), None, "{entry} twice");
    }
    let entries = load("accept");
    for Entry { name, .. } in &entries {
        let ours = rows.remove(name.as_str()).unwrap_or_else(|| panic!("no row for {name}"));
        let expected = match stricter(name) {
            None => "the same".to_owned(),
            Some("closed") => "closed".to_owned(),
            Some(how) => format!("refused: {how}"),
        };
        assert_eq!(ours, expected, "{name}");
    }
    assert!(rows.is_empty(), "no such entries: {rows:?}");
    for (name, _) in STRICTER {
        assert!(entries.iter().any(|entry| entry.name == name), "{name}");
    }
}

#[test]
fn a_server_answers_recorded_hellos_byte_for_byte() {
    let mut answered = 0;
    for file in ["accept", "reject"] {
        for entry in load_kind(file, "handshake_server") {
            let name = &entry.name;
            let reply = compare_server(&policy(), true, &packet(&entry).expect("a hello"));
            let recorded = entry.all["reply_hex"].as_str().map(unhex);
            match (stricter(name), reply) {
                (None, Reply::Accept(packet)) => {
                    assert_eq!((file, Some(packet)), ("accept", recorded), "{name}");
                    answered += 1;
                }
                (None, Reply::Refuse(packet)) => {
                    // They close without an answer, which their own page forbids.
                    let recorded = if name == "hs_padding_nonzero" { Some(bad_envelope()) } else { recorded };
                    assert_eq!((file, Some(packet)), ("reject", recorded), "{name}");
                    answered += 1;
                }
                (None, Reply::Close) => assert_eq!((file, recorded), ("reject", None), "{name}"),
                (Some("bad envelope"), reply) => assert_eq!(reply, Reply::Refuse(bad_envelope()), "{name}"),
                (Some("closed"), reply) => assert_eq!(reply, Reply::Close, "{name}"),
                (Some(how), _) => panic!("{name}: {how} is no answer"),
            }
        }
    }
    assert_eq!(answered, 9 + 14);
}

fn bad_envelope() -> Vec<u8> {
    let header = load_kind("golden", "outer_header").into_iter().find(|entry| entry.name.ends_with("ack_auth_failed"));
    let mut packet = header.expect("a refusal's header").bytes;
    packet[14..16].copy_from_slice(&1_u16.to_ne_bytes());
    packet.extend(HelloAck::refusal().encode());
    packet
}

#[test]
fn a_recorded_hello_is_what_a_client_greets_with() {
    let recorded = packet(&load_kind("accept", "handshake_server")[0]).expect("a hello");
    let (packet, _) = netipc::proto::greet(Hello::parse(&recorded[HEADER_LEN..]).expect("a hello"));
    assert_eq!(packet[..], recorded);
    assert_eq!(Hello::parse(&recorded[HEADER_LEN..]), Ok(conversation::hello()));
}

#[test]
fn a_client_reads_recorded_acks_as_deployed_ones_do_or_more_strictly() {
    for file in ["accept", "reject"] {
        for entry in load_kind(file, "handshake_client") {
            let name = &entry.name;
            let Some(packet) = packet(&entry) else {
                assert_eq!((name.as_str(), upstream(&entry)), ("ch_close", vec!["connect Recv"]));
                continue;
            };
            let outcome = compare_client(conversation::hello(), &packet);
            let expected = match (stricter(name), upstream(&entry)[0]) {
                (Some(_), _) => Outcome::Violation,
                (None, "connect OK") => Outcome::Session,
                (None, "connect Incompatible") if name != "ch_status_3" => Outcome::Incompatible,
                (None, "connect Protocol") => Outcome::Violation,
                (None, _) => Outcome::Refused(Header::parse(&packet).expect("a header").status().raw()),
            };
            assert_eq!(outcome, expected, "{name}");
        }
    }
}

#[test]
fn a_stricter_client_names_the_field() {
    let entries = load_kind("accept", "handshake_client");
    let violation = |name: &str| {
        let entry = entries.iter().find(|entry| entry.name == name).expect("an entry");
        let (_, state) = netipc::proto::greet(conversation::hello());
        match state.on_packet(&packet(entry).expect("an ack")) {
            Err(netipc::proto::HandshakeError::Violation(violation)) => violation,
            other => panic!("{name}: {other:?}"),
        }
    };
    let ack = |field, offset, found| Violation::Ack { field, offset, found };
    assert_eq!(violation("ch_padding_nonzero"), ack("padding", 68, 1));
    assert_eq!(violation("ch_selected_0"), ack("selected_profile", 44, 0));
    assert_eq!(violation("ch_selected_8"), ack("selected_profile", 44, 8));
    assert_eq!(violation("ch_intersection_0"), ack("intersection", 40, 0));
    assert_eq!(violation("ch_limits_above_proposal"), ack("request_payload", 48, 0x4000_0000));
    assert_eq!(violation("ch_payload_len_wrong"), Violation::PayloadLength { expected: 48, found: 1 });
}

/// What upstream made of a session: one line, without those of the client's own request.
fn verdict(entry: &Entry) -> String {
    let lines = upstream(entry);
    let line = lines.iter().find_map(|line| line.strip_prefix("recv ")).expect("a result");
    line.split_whitespace().next().expect("a word").to_owned()
}

/// A session entry, received; the terms are those that were agreed on.
fn session(entry: &Entry, role: Role) -> Received {
    let terms = match role {
        Role::Server => terms(number(&entry.all, "agreed_packet_size")),
        Role::Client => granted(&unhex(text(&entry.all, "ack"))),
    };
    let mut received = conversation::compare(role, &terms, &hex_list(&entry.all, "packets"));
    if role == Role::Client {
        // The one request that these clients had sent.
        let mut in_flight = netipc::proto::InFlight::new(1);
        in_flight.insert(1).expect("room for one");
        for message in &received.messages {
            let id = Header::parse(&message.head).expect("a header").message_id();
            if !in_flight.remove(id) {
                received.breach = Some(Violation::UnknownId { id }.into());
            }
        }
    }
    received
}

fn granted(ack: &[u8]) -> Terms {
    let (_, state) = netipc::proto::greet(conversation::hello());
    state.on_packet(ack).expect("an ack")
}

/// The table of the page, word by word.
fn in_words(rule: &str) -> String {
    if rule.starts_with("batch") { "batch directory".to_owned() } else { rule.replace('_', " ") }
}

#[test]
fn sessions_receive_what_deployed_ones_do_or_refuse_it_for_the_rule_in_the_table() {
    for (kind, role) in [("session_server", Role::Server), ("session_client", Role::Client)] {
        for entry in load_kind("accept", kind) {
            let name = &entry.name;
            let received = session(&entry, role);
            match (stricter(name), received.end) {
                (Some(how), End::Refused { packet: 0, rule }) => assert_eq!(in_words(rule), how, "{name}"),
                (None, End::Idle) => {
                    let [message] = &received.messages[..] else { panic!("{name}: {received:?}") };
                    assert_eq!((received.breach, verdict(&entry).as_str()), (None, "OK"));
                    let header = Header::parse(&message.head).expect("a header");
                    let described = described(&header, &message.payload);
                    assert_eq!(described, upstream(&entry).last().unwrap().strip_prefix("recv OK ").unwrap());
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}

/// The entries of `reject.json`: at which packet ours refuses, and for which rule.
const REFUSED: [(&str, usize, &str); 39] = [
    ("srv_payload_over_limit", 0, "payload limit"),
    ("srv_declared_over_limit", 0, "payload limit"),
    // Without the batch flag, so it is wrong before it is too much.
    ("srv_item_count_over_limit", 0, "item_count"),
    ("srv_item_count_max", 0, "item limit"),
    ("srv_short_packet", 0, "truncated"),
    ("srv_one_byte", 0, "truncated"),
    ("srv_bad_magic", 0, "magic"),
    ("srv_chunk_magic_first", 0, "magic"),
    ("srv_version_2", 0, "version"),
    ("srv_header_len_64", 0, "header_len"),
    ("srv_kind_0", 0, "kind number"),
    ("srv_kind_4", 0, "kind number"),
    ("srv_packet_longer_than_declared", 0, "packet length"),
    ("srv_batch_dir_misaligned", 0, "batch entry"),
    ("srv_batch_dir_oob", 0, "batch entry"),
    ("srv_batch_dir_truncated", 0, "batch directory"),
    ("srv_batch_dir_overflow", 0, "batch entry"),
    ("srv_chunk_wrong_message_id", 1, "message_id"),
    ("srv_chunk_index_repeat", 2, "chunk_index"),
    ("srv_chunk_index_skipped", 1, "chunk_index"),
    ("srv_chunk_index_0", 1, "chunk_index"),
    ("srv_chunk_count_wrong", 1, "chunk_count"),
    ("srv_chunk_count_0", 1, "chunk_count"),
    ("srv_chunk_total_wrong", 1, "total_message_len"),
    ("srv_chunk_total_0", 1, "total_message_len"),
    ("srv_chunk_payload_len_wrong", 1, "chunk_payload_len"),
    ("srv_chunk_payload_len_0", 1, "no body"),
    ("srv_chunk_flags", 1, "flags"),
    ("srv_chunk_version", 1, "version"),
    ("srv_chunk_interleaved_message", 1, "magic"),
    ("srv_chunk_short", 1, "truncated"),
    ("srv_chunk_header_only", 1, "no body"),
    ("srv_chunk_beyond_payload", 4, "chunk_payload_len"),
    ("cli_payload_over_limit", 0, "payload limit"),
    ("cli_bad_magic", 0, "magic"),
    ("cli_trailing", 0, "packet length"),
    ("cli_items_over_limit", 0, "item_count"),
    ("cli_batch_bad_dir", 0, "batch entry"),
    ("cli_chunk_id_mismatch", 1, "message_id"),
];

#[test]
fn sessions_refuse_what_deployed_ones_refuse_at_the_same_packet() {
    let mut rows: BTreeMap<&str, (usize, &str)> =
        REFUSED.into_iter().map(|(name, packet, rule)| (name, (packet, rule))).collect();
    for (kind, role) in [("session_server", Role::Server), ("session_client", Role::Client)] {
        for entry in load_kind("reject", kind) {
            let name = entry.name.as_str();
            let received = session(&entry, role);
            match (verdict(&entry).as_str(), name) {
                // The connection ended: that is for whoever reads from it, who may ask whether it was in the middle.
                ("Recv", "srv_chunk_eof") => assert_eq!(received.end, End::Partial),
                ("Recv", _) => assert_eq!((received.end, received.messages.len()), (End::Idle, 0), "{name}"),
                ("UnknownMsgId", _) => {
                    assert_eq!(received.breach, Some(Violation::UnknownId { id: 2 }.into()));
                    assert_eq!(received.end, End::Idle);
                }
                (verdict, _) => {
                    let (packet, rule) = rows.remove(name).unwrap_or_else(|| panic!("no row for {name}"));
                    assert_eq!(received.end, End::Refused { packet, rule }, "{name}");
                    let is_limit = matches!(received.breach, Some(Breach::Limit(_)));
                    assert_eq!(is_limit, verdict == "LimitExceeded" && rule != "item_count", "{name}");
                }
            }
        }
    }
    assert!(rows.is_empty(), "no such entries: {rows:?}");
}

#[test]
fn golden_messages_are_cut_into_the_recorded_packets_and_put_together_again() {
    let entries = load_kind("golden", "chunked_message");
    for entry in &entries {
        let Entry { name, input, .. } = entry;
        let packet_size: u32 = number(input, "agreed_packet_size");
        let len: u32 = number(input, "payload_len");
        let payload: Vec<u8> = (0..len).map(|i| (i * 7 + (i >> 8)) as u8).collect();
        let recorded = hex_list(&entry.all, "packets");
        let header = header(&input["header"]).with_payload_len(len);

        let message = Message { head: header.encode().to_vec(), payload };
        assert_eq!(conversation::cut(&message, packet_size), recorded, "{name}");
        assert_eq!(packets::split(&message.head, &message.payload, packet_size as usize), recorded, "{name}");
        let role = if header.kind().raw() == 1 { Role::Server } else { Role::Client };
        let received = conversation::compare(role, &terms(packet_size), &recorded);
        assert_eq!((received.messages, received.end), (vec![message], End::Idle), "{name}");
    }
    assert_eq!(entries.len(), 7);
}

fn header(value: &Value) -> Header {
    let method = netipc::wire::Method::new(number(value, "code"));
    let header = match number(value, "kind") {
        1_u16 => Header::request(method, number(value, "message_id"), 0),
        _ => Header::response(method, number(value, "message_id"), 0),
    };
    assert_eq!((number::<u16>(value, "flags"), number::<u16>(value, "transport_status")), (0, 0));
    header.with_item_count(number(value, "item_count"))
}

#[test]
fn no_entry_about_handshakes_or_sessions_is_of_a_kind_unknown_here() {
    let known = ["handshake_server", "handshake_client", "session_server", "session_client", "chunked_message"];
    for entry in ["golden", "accept", "reject"].into_iter().flat_map(load) {
        let about = ["handshake", "session", "chunked"].iter().any(|word| entry.kind.contains(word));
        assert!(!about || known.contains(&entry.kind.as_str()), "{} is {}", entry.name, entry.kind);
    }
}
