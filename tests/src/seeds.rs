//! Where the fuzz targets' seeds are, and which seeds the vectors give.
//!
//! Owns: the names of the targets' directories and of the files in them. Refuses to write: that is up to its callers.

use std::path::{Path, PathBuf};

use crate::oracle::Message;
use crate::payload_vectors::{Verdict, load};

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

/// The directory of that target's seeds.
#[must_use]
pub fn directory(message: Message) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target(message))
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
