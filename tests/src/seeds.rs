//! Where the fuzz targets' seeds are, and which seeds the vectors give.
//!
//! Owns: the names of the targets' directories and of the files in them. Refuses to write: that is up to its callers.

use std::path::{Path, PathBuf};

use netipc::proto::Role;
use netipc::wire::{HEADER_LEN, HelloAck};

use crate::oracle::Message;
use crate::payload_vectors::{Verdict, load};
use crate::{conversation, envelope, lookups, natural, vectors, workbench};

/// The fuzz target for payloads of `message`.
#[must_use]
pub const fn target(message: Message) -> &'static str {
    match message {
        Message::Increment => "decode_increment",
        Message::StringReverse => "decode_string_reverse",
        Message::SnapshotRequest => "decode_snapshot_request",
        Message::Snapshot => "decode_snapshot",
        Message::CgroupsLookupRequest => "decode_cgroups_lookup_request",
        Message::CgroupsLookupResponse => "decode_cgroups_lookup_response",
        Message::AppsLookupRequest => "decode_apps_lookup_request",
        Message::AppsLookupResponse => "decode_apps_lookup_response",
    }
}

/// The fuzz target for messages in natural layout.
pub const NATURAL: &str = "decode_natural";

/// The fuzz target for the envelope.
pub const ENVELOPE: &str = "envelope";

/// The fuzz targets for one structure of the envelope each, and for the machines of the conversation.
pub const CONVERSATION: [&str; 6] = ["header", "chunk", "hello", "handshake_server", "handshake_client", "assemble"];

/// The fuzz target for whole requests to a service.
pub const DISPATCH: &str = "dispatch";

/// The fuzz target for both ends of a lookup.
pub const LOOKUP: &str = "lookup";

/// Gives `input` to one of the targets of [`CONVERSATION`].
///
/// # Panics
/// Where that target would abort, and where there is no such target.
pub fn check_conversation(target: &str, input: &[u8]) {
    match target {
        "header" => envelope::check_header(input),
        "chunk" => envelope::check_chunk(input),
        "hello" => envelope::check_hello(input),
        "handshake_server" => conversation::check_server(input),
        "handshake_client" => conversation::check_client(input),
        "assemble" => conversation::check_assemble(input),
        other => panic!("no target {other}"),
    }
}

/// The directory of that target's seeds.
#[must_use]
pub fn directory(message: Message) -> PathBuf {
    directory_of(target(message))
}

/// The directory of the seeds of the target of this name.
#[must_use]
pub fn directory_of(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target)
}

/// Each payload vector and the seed file that holds it.
#[must_use]
pub fn from_vectors() -> Vec<(PathBuf, Vec<u8>)> {
    load()
        .into_iter()
        .map(|entry| {
            // Some names are used in two of the files.
            let file = match entry.verdict {
                Verdict::Golden(_) => "golden",
                Verdict::Accept(_) => "accept",
                Verdict::Reject(_) => "reject",
            };
            (directory(entry.message).join(format!("{file}-{}", entry.name)), entry.bytes)
        })
        .collect()
}

/// Each seed of the target for natural layouts, and its file.
///
/// # Panics
/// Where a message can't be encoded.
#[must_use]
pub fn natural() -> Vec<(PathBuf, Vec<u8>)> {
    let mut few = natural::full();
    few.lists = natural::bare().lists;
    few.groups.clear();
    let mut absent = natural::full();
    absent.options = natural::bare().options;
    [("bare", natural::bare()), ("full", natural::full()), ("no-lists", few), ("no-options", absent)]
        .into_iter()
        .map(|(name, value)| (directory_of(NATURAL).join(name), value.to_vec().expect("a value within bounds")))
        .collect()
}

/// Each envelope vector and the seed file that holds it.
#[must_use]
pub fn envelope() -> Vec<(PathBuf, Vec<u8>)> {
    let files = ["golden", "accept", "reject"].map(|file| (file, vectors::load(file)));
    let mut seeds = Vec::new();
    for (file, entry) in
        files.into_iter().flat_map(|(file, entries)| entries.into_iter().map(move |entry| (file, entry)))
    {
        let Some(kind) = envelope::KINDS.into_iter().position(|kind| kind == entry.kind) else { continue };
        let mut seed = vec![kind as u8];
        if kind == envelope::KINDS.len() - 1 {
            seed.extend(vectors::item_count(&entry).to_ne_bytes());
        }
        seed.extend(&entry.bytes);
        seeds.push((directory_of(ENVELOPE).join(format!("{file}-{}", entry.name)), seed));
    }
    seeds
}

/// Each vector of a conversation, its structures or its packets, and the seed file that holds it.
///
/// # Panics
/// Where a packet is missing.
#[must_use]
pub fn conversation() -> Vec<(PathBuf, Vec<u8>)> {
    let mut seeds = Vec::new();
    for file in ["golden", "accept", "reject"] {
        for entry in vectors::load(file) {
            let packets = || vectors::hex_list(&entry.all, "packets");
            // The first choice of a server's policy, or of a client's hello, is the recorded one.
            let handshake = || [vec![0], packets().concat()].concat();
            let stream = |role, packet_size| conversation::stream(role, &conversation::terms(packet_size), &packets());
            let (target, seed) = match entry.kind.as_str() {
                // A packet size at which most of them are cut.
                "outer_header" => ("header", [&entry.bytes[..], &36_u32.to_ne_bytes()].concat()),
                "chunk_header" => ("chunk", entry.bytes),
                "hello" => ("hello", [&[0], &entry.bytes[..]].concat()),
                "hello_ack" => ("hello", [&[1], &entry.bytes[..]].concat()),
                "handshake_server" => ("handshake_server", handshake()),
                "handshake_client" => ("handshake_client", handshake()),
                "session_server" => {
                    ("assemble", stream(Role::Server, vectors::number(&entry.all, "agreed_packet_size")))
                }
                "session_client" => {
                    let ack = HelloAck::parse(&vectors::unhex(vectors::text(&entry.all, "ack"))[HEADER_LEN..]);
                    ("assemble", stream(Role::Client, ack.expect("an ack").packet_size))
                }
                "chunked_message" => {
                    let kind: u16 = vectors::number(&entry.input["header"], "kind");
                    let role = if kind == 1 { Role::Server } else { Role::Client };
                    ("assemble", stream(role, vectors::number(&entry.input, "agreed_packet_size")))
                }
                _ => continue,
            };
            seeds.push((directory_of(target).join(format!("{file}-{}", entry.name)), seed));
        }
    }
    seeds
}

/// A request of each kind to a service, and the seed file that holds it.
#[must_use]
pub fn dispatch() -> Vec<(PathBuf, Vec<u8>)> {
    workbench::requests().into_iter().map(|(name, seed)| (directory_of(DISPATCH).join(name), seed)).collect()
}

/// Requests to a lookup and answers of one, and their files.
#[must_use]
pub fn lookup() -> Vec<(PathBuf, Vec<u8>)> {
    lookups::inputs().into_iter().map(|(name, seed)| (directory_of(LOOKUP).join(name), seed)).collect()
}

/// All seeds that are made, and their files.
#[must_use]
pub fn all() -> Vec<(PathBuf, Vec<u8>)> {
    [from_vectors(), natural(), envelope(), conversation(), dispatch(), lookup()].concat()
}
