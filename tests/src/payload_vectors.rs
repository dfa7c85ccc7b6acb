//! The payload entries of the vector files, with what they say as the oracle's plain structures.
//!
//! Owns: the files' vocabulary for payloads. Refuses, by panicking, a file that is not what the tests were written for: an
//! entry passed over in silence would be a test that cannot fail.

use serde_json::Value;

use crate::oracle::{
    AppsLookupItem, AppsLookupRequest, AppsLookupResponse, CgroupsLookupItem, CgroupsLookupRequest,
    CgroupsLookupResponse, Increment, Label, Message, Payload, Snapshot, SnapshotItem, SnapshotRequest, StringReverse,
    Text,
};

/// What is to become of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the canonical form of this.
    Golden(Payload<'static>),
    /// It is odd, and says this.
    Accept(Payload<'static>),
    /// It is refused, for this reason.
    Reject(String),
}

/// One payload of the vector files.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What the file calls it.
    pub name: String,
    /// Which kind of payload it is.
    pub message: Message,
    /// The payload.
    pub bytes: Vec<u8>,
    /// What is to become of it.
    pub verdict: Verdict,
}

/// All payload entries of the three files, golden ones first.
///
/// # Panics
///
/// Where a file is not of the shape that is known here.
#[must_use]
pub fn load() -> Vec<Entry> {
    let golden = file(include_str!("../vectors/golden.json"), |entry, message| {
        Verdict::Golden(payload(message, &entry["input"], Spelling::Plain))
    });
    let accept = file(include_str!("../vectors/accept.json"), |entry, message| {
        Verdict::Accept(payload(message, &entry["decoded"], Spelling::Hex))
    });
    let reject = file(include_str!("../vectors/reject.json"), |entry, _| Verdict::Reject(string(&entry["why"]).into()));
    [golden, accept, reject].concat()
}

fn file(text: &str, verdict: impl Fn(&Value, Message) -> Verdict) -> Vec<Entry> {
    let entries: Vec<Value> = serde_json::from_str(text).expect("a list of entries");
    entries
        .iter()
        .filter_map(|entry| Some((entry, Message::of_kind(string(&entry["kind"]))?)))
        .map(|(entry, message)| Entry {
            name: string(&entry["name"]).into(),
            message,
            bytes: unhex(string(&entry["hex"])),
            verdict: verdict(entry, message),
        })
        .collect()
}

/// How the text of a value is spelled: golden inputs are readable, odd ones may hold any byte.
#[derive(Clone, Copy)]
enum Spelling {
    Plain,
    Hex,
}

fn payload(message: Message, value: &Value, spelling: Spelling) -> Payload<'static> {
    let text = |value: &Value| -> Text<'static> {
        match spelling {
            Spelling::Plain => Text::Owned(string(value).as_bytes().to_vec()),
            Spelling::Hex => Text::Owned(unhex(string(value))),
        }
    };
    let labels = |value: &Value| list(value, |pair| Label { key: text(&pair[0]), value: text(&pair[1]) });
    match message {
        Message::Increment => Payload::Increment(Increment { value: u64_of(&value["value"]) }),
        Message::StringReverse => Payload::StringReverse(StringReverse { text: text(&value["str"]) }),
        Message::SnapshotRequest => {
            assert_eq!((u64_of(&value["layout_version"]), u64_of(&value["flags"])), (1, 0));
            Payload::SnapshotRequest(SnapshotRequest)
        }
        Message::Snapshot => Payload::Snapshot(Snapshot {
            systemd_enabled: u32_of(&value["systemd_enabled"]),
            generation: u64_of(&value["generation"]),
            items: list(&value["items"], |item| SnapshotItem {
                hash: u32_of(&item["hash"]),
                options: u32_of(&item["options"]),
                enabled: u32_of(&item["enabled"]),
                name: text(&item["name"]),
                path: text(&item["path"]),
            }),
        }),
        Message::CgroupsLookupRequest => {
            Payload::CgroupsLookupRequest(CgroupsLookupRequest { paths: list(&value["paths"], text) })
        }
        Message::CgroupsLookupResponse => Payload::CgroupsLookupResponse(CgroupsLookupResponse {
            generation: u64_of(&value["generation"]),
            items: list(&value["items"], |item| CgroupsLookupItem {
                status: u16_of(&item["status"]),
                orchestrator: u16_of(&item["orchestrator"]),
                path: text(&item["path"]),
                name: text(&item["name"]),
                labels: labels(&item["labels"]),
            }),
        }),
        Message::AppsLookupRequest => {
            Payload::AppsLookupRequest(AppsLookupRequest { pids: list(&value["pids"], u32_of) })
        }
        Message::AppsLookupResponse => Payload::AppsLookupResponse(AppsLookupResponse {
            generation: u64_of(&value["generation"]),
            items: list(&value["items"], |item| AppsLookupItem {
                status: u16_of(&item["status"]),
                orchestrator: u16_of(&item["orchestrator"]),
                cgroup_status: u16_of(&item["cgroup_status"]),
                pid: u32_of(&item["pid"]),
                ppid: u32_of(&item["ppid"]),
                uid: u32_of(&item["uid"]),
                starttime: u64_of(&item["starttime"]),
                comm: text(&item["comm"]),
                cgroup_path: text(&item["cgroup_path"]),
                cgroup_name: text(&item["cgroup_name"]),
                labels: labels(&item["labels"]),
            }),
        }),
    }
}

fn list<T>(value: &Value, element: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().unwrap_or_else(|| panic!("a list, not {value}")).iter().map(element).collect()
}

fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a string, not {value}"))
}

fn u64_of(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("a number, not {value}"))
}

fn u32_of(value: &Value) -> u32 {
    u32::try_from(u64_of(value)).expect("a number of 32 bits")
}

fn u16_of(value: &Value) -> u16 {
    u16::try_from(u64_of(value)).expect("a number of 16 bits")
}

fn unhex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "an even number of digits");
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hexadecimal digit") as u8;
    digits.as_bytes().chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
