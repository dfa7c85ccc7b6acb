//! One call, and everything that can happen to each of its packets: cut off, lost, late, changed, cut short, sent twice.
//!
//! The rule for each fault stands in `scripted_faults/rule.rs`: it says, by the page, how the call ends at both sides. The
//! call is made between two threads, with deadlines so long that a side which should end by itself is not ended by them.
#![cfg(target_os = "linux")]

#[path = "scripted_faults/call.rs"]
mod call;
#[path = "scripted_faults/rule.rs"]
mod rule;

use std::collections::BTreeMap;
use std::time::Duration;

use call::{ANSWER_LEN, PACKET_SIZE, REQUEST_LEN, call};
use netipc::session::{Fault, Script};
use rule::{AtClient, AtServer, Ends, Packet, Way};

/// The packets of the call in the order of each way, as the call without faults has them.
fn packets() -> Vec<Packet> {
    let quiet = Script::new();
    assert_eq!(call(&quiet, &rule::UNHARMED), rule::UNHARMED);
    let (to_server, to_client) = quiet.counts();
    let packets: Vec<_> = [(Way::ToServer, to_server), (Way::ToClient, to_client)]
        .into_iter()
        .flat_map(|(way, count)| (0..count).map(move |nth| Packet { way, nth, count }))
        .collect();
    // A handshake, and several packets each way.
    let body = PACKET_SIZE - 32;
    assert_eq!((to_server, to_client), (1 + REQUEST_LEN.div_ceil(body), 1 + ANSWER_LEN.div_ceil(body)));
    assert!(to_server > 3 && to_client > 3 && to_server != to_client);
    packets
}

/// Makes the call with this fault, then another one without.
fn strike(packet: Packet, fault: Fault, seen: &mut BTreeMap<String, usize>) {
    let expected = rule::ends(packet, fault);
    let script = match packet.way {
        Way::ToServer => Script::new().to_server(packet.nth, fault),
        Way::ToClient => Script::new().to_client(packet.nth, fault),
    };
    let Ends { client, server } = call(&script, &expected);
    assert_eq!(Ends { client, server }, expected, "{packet:?} meets {fault:?}");
    let quiet = Script::new();
    assert_eq!(call(&quiet, &rule::UNHARMED), rule::UNHARMED, "after {packet:?} met {fault:?}");
    *seen.entry(class(&expected)).or_default() += 1;
}

/// How a call ended, without the numbers.
fn class(ends: &Ends) -> String {
    let client = match ends.client {
        AtClient::Answered { .. } if ends.client == rule::UNHARMED.client => "right answer",
        AtClient::Answered { status: 1.., .. } => "another status",
        AtClient::Answered { changed: Some(_), .. } => "changed payload",
        AtClient::Answered { .. } => "another method",
        AtClient::Refused(_) => "refused",
        AtClient::Incompatible => "incompatible",
        AtClient::Violation(_) => "violation",
        AtClient::Limit => "limit",
        AtClient::Closed { mid_message: true } => "closed in the middle",
        AtClient::Closed { mid_message: false } => "closed",
        AtClient::TimedOut => "timed out",
    };
    let server = match ends.server {
        AtServer::NobodyCame => "nobody came",
        AtServer::Refused(_) => "refused",
        AtServer::NoHello(_) => "no hello",
        AtServer::ClosedEarly => "closed early",
        AtServer::NoHelloInTime => "no hello in time",
        AtServer::Violation(_) => "violation",
        AtServer::Limit => "limit",
        AtServer::Closed { mid_message: true } => "closed in the middle",
        AtServer::Closed { mid_message: false } => "closed",
    };
    format!("{client} | {server}")
}

/// Strikes each packet with each of the faults that `faults` has for it.
fn walk<I: IntoIterator<Item = Fault>>(faults: impl Fn(Packet) -> I) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for packet in packets() {
        for fault in faults(packet) {
            strike(packet, fault, &mut seen);
        }
    }
    seen
}

fn classes(seen: &BTreeMap<String, usize>) -> Vec<&str> {
    seen.keys().map(String::as_str).collect()
}

#[test]
fn a_connection_that_is_cut_at_any_packet_ends_at_both_sides() {
    let seen = walk(|_| [Fault::Cut]);
    let expected = [
        "closed in the middle | closed",
        "closed | closed",
        "closed | closed early",
        "closed | closed in the middle",
        "closed | nobody came",
    ];
    assert_eq!(classes(&seen), expected);
}

#[test]
fn a_packet_that_is_lost_is_noticed_by_the_next_one_or_by_the_deadline() {
    let seen = walk(|_| [Fault::Drop]);
    let expected = [
        "closed | no hello in time",
        "closed | violation",
        "timed out | closed",
        "timed out | closed in the middle",
        "violation | closed",
    ];
    assert_eq!(classes(&seen), expected);
}

#[test]
fn a_packet_that_is_late_changes_nothing() {
    let seen = walk(|_| [Fault::Delay(Duration::ZERO), Fault::Delay(Duration::from_millis(2))]);
    assert_eq!(classes(&seen), ["right answer | closed"]);
}

#[test]
fn a_packet_that_comes_twice_is_a_violation() {
    let seen = walk(|_| [Fault::Repeat]);
    // The last packet of the request comes again when the answer is on its way.
    assert_eq!(classes(&seen), ["closed | violation", "right answer | violation", "violation | closed"]);
}

#[test]
fn a_packet_that_is_cut_short_is_a_violation_at_the_first_byte_that_is_missing() {
    let seen = walk(|packet| {
        let len = packet.len();
        [0, 1, 2, 4, 8, 16, 24, 31, 32, 33, 40, len / 2, len - 1, len, len + 1].map(Fault::Truncate)
    });
    assert_eq!(
        classes(&seen),
        ["closed | no hello", "closed | violation", "right answer | closed", "violation | closed"]
    );
    // Only the two lengths that leave everything there, of each packet.
    assert_eq!(seen["right answer | closed"], 2 * packets().len());
}

#[test]
fn a_byte_of_a_handshake_that_is_changed_ends_as_the_page_has_it() {
    let seen = walk(|packet| {
        let offsets = if packet.nth == 0 { 0..packet.len() } else { 0..0 };
        offsets.flat_map(|offset| FLIPS.map(|flip| Fault::Corrupt { offset, flip }))
    });
    let expected = [
        "closed | no hello",
        "closed | violation",
        "incompatible | closed",
        "limit | closed",
        "refused | closed",
        "refused | refused",
        "right answer | closed",
        "violation | closed",
    ];
    assert_eq!(classes(&seen), expected);
}

#[test]
fn a_byte_of_a_message_that_is_changed_is_a_violation_or_opaque() {
    let seen = walk(|packet| {
        let last = packet.len() - 1;
        let offsets = if packet.nth > 0 { (0..32).chain([32, 33, 40, last]).collect() } else { Vec::new() };
        offsets.into_iter().flat_map(|offset| FLIPS.map(|flip| Fault::Corrupt { offset, flip }))
    });
    let expected = [
        "another method | closed",
        "another status | closed",
        "changed payload | closed",
        "closed | limit",
        "closed | violation",
        "limit | closed",
        "right answer | closed",
        "violation | closed",
    ];
    assert_eq!(classes(&seen), expected);
}

/// Each bit alone, and all of them.
const FLIPS: [u8; 9] = [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff];
