//! The machines of the conversation beside slow twins, on streams and hellos made at random.

use std::collections::{BTreeMap, BTreeSet};

use netipc::buf::Writer;
use netipc::proto::{Breach, InFlight, Limit, LimitExceeded, Role, Splitter, Violation};
use netipc::wire::{AuthToken, BatchBuilder, Header, Hello, Kind, Method, Profiles, Status};
use netipc_tests::conversation::{self, bounds, compare, compare_client, compare_server, cut, hello, policy, terms};
use netipc_tests::oracle::handshake::{Outcome, Reply};
use netipc_tests::oracle::packets::{self, End, Message, RULES};
use netipc_tests::random::Random;
use proptest::prelude::*;

const TRIES: usize = 100_000;

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + (i >> 8)) as u8).collect()
}

fn message(header: Header, payload: Vec<u8>) -> Message {
    let header = header.with_payload_len(payload.len() as u32);
    Message { head: header.encode().to_vec(), payload }
}

/// Cuts as the twin does, and puts together what was cut, byte for byte.
fn round_trip(role: Role, packet_size: u32, messages: Vec<Message>) {
    let mut stream = Vec::new();
    for message in &messages {
        let packets = cut(message, packet_size);
        assert_eq!(packets, packets::split(&message.head, &message.payload, packet_size as usize));
        stream.extend(packets);
    }
    let received = compare(role, &terms(packet_size), &stream);
    assert_eq!((received.messages, received.end), (messages, End::Idle));
}

#[test]
fn what_is_cut_is_put_together_again_at_every_length_around_the_edge_of_a_packet() {
    for packet_size in [33, 34, 40, 63, 64, 65, 100, 1000, 4096] {
        let budget = packet_size as usize - 32;
        for full in 0..5 {
            for len in [(full * budget).saturating_sub(1), full * budget, full * budget + 1] {
                if len <= 4096 {
                    let header = Header::request(Method::new(3), 9, 0);
                    round_trip(Role::Server, packet_size, vec![message(header, payload(len))]);
                }
            }
        }
    }
}

#[test]
fn a_splitter_knows_how_many_packets_are_left() {
    for (packet_size, len, count) in [(33, 5, 5), (33, 0, 1), (33, 1, 1), (100, 68, 1), (100, 69, 2), (100, 136, 2)] {
        let mut packets = Splitter::new(Header::request(Method::new(1), 1, len), packet_size).expect("a message");
        for left in (0..count).rev() {
            assert!(packets.next().is_some());
            assert_eq!((packets.len(), packets.size_hint()), (left, (left, Some(left))));
        }
        assert_eq!((packets.next(), packets.next()), (None, None));
    }
}

/// A payload of a batch, and its number of items.
fn batch(items: &[Vec<u8>]) -> Vec<u8> {
    let mut buffer = vec![0; items.iter().map(|item| item.len() + 16).sum()];
    let mut writer = Writer::new(&mut buffer);
    let mut builder = BatchBuilder::new(&mut writer, items.len() as u32);
    for item in items {
        builder.push(item).expect("room");
    }
    builder.finish().expect("room");
    let len = writer.len();
    buffer.truncate(len);
    buffer
}

fn any_message(kind: Kind) -> impl Strategy<Value = Message> {
    let items = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..=4);
    let status = prop_oneof![3 => Just(0_u16), 1 => any::<u16>()];
    (any::<u16>(), any::<u64>(), prop::collection::vec(any::<u8>(), 0..400), items, any::<bool>(), status).prop_map(
        move |(code, id, plain, items, is_batch, status)| {
            let method = Method::new(code);
            let header = match kind {
                Kind::Response => Header::response(method, id, 0).with_status(Status::from_raw(status)),
                _ => Header::request(method, id, 0),
            };
            match is_batch {
                true => message(header.with_batch(items.len() as u32), batch(&items)),
                false => message(header, plain),
            }
        },
    )
}

fn any_hello() -> impl Strategy<Value = Hello> {
    let edge =
        prop_oneof![Just(0), Just(32), Just(33), Just(1000), Just(4096), Just(4097), Just(u32::MAX), any::<u32>()];
    let profiles = || prop_oneof![3 => 0_u32..32, 1 => any::<u32>()].prop_map(Profiles::from_bits);
    let flags = prop_oneof![9 => Just(0_u16), 1 => any::<u16>()];
    let token = prop_oneof![9 => Just(0xa5_u64), 1 => any::<u64>()];
    (flags, profiles(), profiles(), [edge.clone(), edge.clone(), edge.clone(), edge.clone(), edge], token).prop_map(
        |(flags, supported_profiles, preferred_profiles, numbers, token)| Hello {
            flags,
            supported_profiles,
            preferred_profiles,
            max_request_payload: numbers[0],
            max_request_items: numbers[1],
            max_response_payload: numbers[2],
            max_response_items: numbers[3],
            auth_token: AuthToken::new(token),
            packet_size: numbers[4],
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn streams_of_requests_survive_any_packet_size(
        packet_size in prop_oneof![33_u32..140, 33_u32..1000],
        messages in prop::collection::vec(any_message(Kind::Request), 0..6),
    ) {
        round_trip(Role::Server, packet_size, messages);
    }

    #[test]
    fn streams_of_responses_survive_any_packet_size(
        packet_size in prop_oneof![33_u32..140, 33_u32..1000],
        messages in prop::collection::vec(any_message(Kind::Response), 0..6),
    ) {
        round_trip(Role::Client, packet_size, messages);
    }

    #[test]
    fn a_server_answers_any_hello_as_its_twin_does(
        hello in any_hello(), profiles in 0_u32..32, preferred in 0_u32..32, packet_size in 0_u32..2000, authorized: bool,
    ) {
        let mut policy = policy();
        policy.profiles = Profiles::from_bits(profiles);
        policy.preferred = Profiles::from_bits(preferred);
        policy.packet_size = packet_size;
        let sent = netipc::proto::greet(hello).0;
        let reply = compare_server(&policy, authorized, &sent);
        if let Reply::Accept(packet) = reply {
            prop_assert_eq!(compare_client(hello, &packet), Outcome::Session);
        }
    }

    #[test]
    fn ids_in_flight_are_a_set(limit in 0_usize..80, ids in prop::collection::vec((any::<bool>(), 0_u64..90), 0..400)) {
        let mut in_flight = InFlight::new(limit);
        let mut twin = BTreeSet::new();
        for (comes, id) in ids {
            prop_assert_eq!(in_flight.contains(id), twin.contains(&id));
            if comes {
                let expected = match (twin.contains(&id), twin.len() < limit) {
                    (true, _) => Err(Breach::Violation(Violation::DuplicateId { id })),
                    (false, false) => {
                        let (asked, allowed) = (limit as u64 + 1, limit as u64);
                        Err(Breach::Limit(LimitExceeded { limit: Limit::InFlight, asked, allowed }))
                    }
                    (false, true) => { twin.insert(id); Ok(()) }
                };
                prop_assert_eq!(in_flight.insert(id), expected);
            } else {
                prop_assert_eq!(in_flight.remove(id), twin.remove(&id));
            }
            prop_assert_eq!((in_flight.len(), in_flight.is_empty()), (twin.len(), twin.is_empty()));
        }
    }
}

/// A stream of a few messages, cut right.
fn right(random: &mut Random, role: Role, packet_size: u32) -> Vec<Vec<u8>> {
    let mut stream = Vec::new();
    for id in 0..1 + random.below(3) as u64 {
        let method = Method::new(random.below(9) as u16);
        let header = match role {
            Role::Server => Header::request(method, id, 0),
            Role::Client => {
                Header::response(method, id, 0).with_status(Status::from_raw(random.pick(&[0, 0, 0, 1, 5])))
            }
        };
        let len = random.below(300);
        let message = match random.below(3) {
            0 => {
                let items: Vec<Vec<u8>> = (0..1 + random.below(4)).map(|_| payload(random.below(40))).collect();
                message(header.with_batch(items.len() as u32), batch(&items))
            }
            _ => message(header, payload(len)),
        };
        stream.extend(packets::split(&message.head, &message.payload, packet_size as usize));
    }
    stream
}

fn damage(random: &mut Random, stream: &mut Vec<Vec<u8>>) {
    let at = random.below(stream.len());
    match random.below(12) {
        0 => drop(stream.remove(at)),
        1 => stream.insert(at, stream[at].clone()),
        2 => {
            let other = random.below(stream.len());
            stream.swap(at, other);
        }
        3 => stream[at].truncate(random.below(40)),
        4 => drop(stream[at].pop()),
        5 => random.append_junk(&mut stream[at], 3),
        6 => stream.truncate(at + 1),
        7 => {
            let byte = random.below(stream[at].len());
            stream[at][byte..].iter_mut().take(1).for_each(|value| *value ^= 1 << random.below(8));
        }
        _ => {
            // A field of the header, from a list of values that mean something somewhere.
            let (from, width) =
                random.pick(&[(4, 2), (6, 2), (8, 2), (10, 2), (14, 2), (16, 4), (20, 4), (24, 4), (28, 4), (32, 4)]);
            let Some(field) = stream[at].get_mut(from..from + width) else { return };
            let present = field.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
            let near = present.wrapping_add(random.below(5) as u64).wrapping_sub(2);
            let value = random.pick(&[near, near, 0, 1, 2, 5, 4096, 4097, 0xffff_ffff, 0xffff_ffe0]);
            field.copy_from_slice(&value.to_ne_bytes()[..width]);
        }
    }
}

#[test]
fn damaged_streams_are_received_as_by_the_twin_and_every_rule_stops_some() {
    let mut random = Random::new(1);
    let mut ends: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..TRIES {
        let role = random.pick(&[Role::Server, Role::Client]);
        let packet_size = random.pick(&[33, 40, 64, 100, 100, 1000]);
        let mut stream = right(&mut random, role, packet_size);
        for _ in 0..random.pick(&[0, 1, 1, 1, 1, 2, 3]) {
            if !stream.is_empty() {
                damage(&mut random, &mut stream);
            }
        }
        let mut terms = terms(packet_size);
        if random.one_in(8) {
            (terms.request_payload, terms.response_payload) = (u32::MAX, u32::MAX);
        }
        let end = match compare(role, &terms, &stream).end {
            End::Refused { rule, .. } => rule.to_owned(),
            end => format!("{end:?}"),
        };
        *ends.entry(end).or_default() += 1;
    }
    for rule in RULES {
        assert!(ends.contains_key(rule), "{rule}: {ends:?}");
    }
    assert!(ends["Idle"] > TRIES / 8 && ends["Partial"] > TRIES / 100, "{ends:?}");
    assert_eq!(ends.len(), RULES.len() + 2);
}

#[test]
fn a_total_that_wraps_matches_no_header_that_was_made_for_it() {
    // 32 more than 2^32 - 16 is 16 in 32 bits.
    let header = Header::request(Method::new(1), 5, 0xffff_fff0);
    let terms = netipc::proto::Terms { request_payload: u32::MAX, ..terms(100) };
    let mut first = header.encode().to_vec();
    first.resize(100, 0);
    let received = compare(Role::Server, &terms, &[first]);
    let (asked, allowed) = (0x1_0000_0010, 0xffff_ffff);
    assert_eq!(received.breach, Some(LimitExceeded { limit: Limit::MessageLen, asked, allowed }.into()));
    assert_eq!(Splitter::new(header, 100).err(), Some(LimitExceeded { limit: Limit::MessageLen, asked, allowed }));
    assert_eq!(bounds(Role::Server, &terms).payload, u64::from(u32::MAX));
}

#[test]
fn damaged_hellos_and_acks_are_read_as_by_the_twin() {
    let mut random = Random::new(2);
    let (sent, _) = netipc::proto::greet(hello());
    let Reply::Accept(ack) = compare_server(&policy(), true, &sent) else { panic!("a good hello") };
    let (mut served, mut sessions) = (0, 0);
    for _ in 0..TRIES {
        for (good, is_ack) in [(&sent[..], false), (&ack[..], true)] {
            let mut packet = vec![random.next() as u8 & 0x10];
            packet.extend(good);
            for _ in 0..random.below(3) {
                let at = 1 + random.below(packet.len() - 1);
                packet[at] = random.pick(&[0, 1, 2, 3, 0x10, 0x80, 0xff]);
            }
            if random.one_in(16) {
                packet.truncate(random.below(packet.len() + 1));
            }
            if random.one_in(16) {
                random.append_junk(&mut packet, 3);
            }
            match is_ack {
                false => conversation::check_server(&packet),
                true => conversation::check_client(&packet),
            }
            let Some((_, packet)) = packet.split_first() else { continue };
            match is_ack {
                false => served += usize::from(matches!(compare_server(&policy(), true, packet), Reply::Accept(_))),
                true => sessions += usize::from(compare_client(hello(), packet) == Outcome::Session),
            }
        }
    }
    assert!(served > TRIES / 4 && sessions > TRIES / 4, "{served} {sessions}");
}
