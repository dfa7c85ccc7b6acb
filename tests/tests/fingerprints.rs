//! The layouts of the declared messages are pinned: a change of bytes is a change of a number here.

use netipc::WireMessage;
use netipc_examples::{
    App, AppsLookupRequest, AppsLookupResponse, Cgroup, CgroupInfo, CgroupsLookupRequest, CgroupsLookupResponse,
    Increment, Label, Pid, Snapshot, SnapshotRequest, StringReverse,
};

#[test]
fn declared_messages_have_the_fingerprints_they_had() {
    let found = [
        ("Increment", Increment::FINGERPRINT),
        ("SnapshotRequest", SnapshotRequest::FINGERPRINT),
        ("Cgroup", Cgroup::FINGERPRINT),
        ("Snapshot", Snapshot::FINGERPRINT),
        ("StringReverse", StringReverse::FINGERPRINT),
        ("CgroupsLookupRequest", CgroupsLookupRequest::FINGERPRINT),
        ("Label", Label::FINGERPRINT),
        ("CgroupInfo", CgroupInfo::FINGERPRINT),
        ("CgroupsLookupResponse", CgroupsLookupResponse::FINGERPRINT),
        ("Pid", Pid::FINGERPRINT),
        ("AppsLookupRequest", AppsLookupRequest::FINGERPRINT),
        ("App", App::FINGERPRINT),
        ("AppsLookupResponse", AppsLookupResponse::FINGERPRINT),
    ];
    let pinned = [
        "Increment 61b7b7fe4d27d9f9",
        "SnapshotRequest e9d6c1899df083f0",
        "Cgroup fdb19302c8b57df1",
        "Snapshot 93f8eea841f10ab3",
        "StringReverse c87b105bec1d8a56",
        "CgroupsLookupRequest e65437de20c0f05b",
        "Label 830c29dbb7fb39d5",
        "CgroupInfo e0dbdd6f9f3e4d4b",
        "CgroupsLookupResponse b5217d134d42a6f1",
        "Pid ad0cda385d57d884",
        "AppsLookupRequest 6ef2fd8a21960b58",
        "App 88c3e85f55757556",
        "AppsLookupResponse 4ff068d54f234882",
    ];
    assert_eq!(found.map(|(name, number)| format!("{name} {number:016x}")), pinned);
}

mod one {
    use netipc::WireMessage;

    #[derive(WireMessage)]
    pub struct Reading {
        pub sensor: u32,
        pub celsius: f32,
    }
}

mod other {
    use netipc::WireMessage;

    #[derive(WireMessage)]
    pub struct Reading {
        pub sensor: u32,
        #[wire(min = 0.5)]
        pub celsius: f32,
    }
}

#[derive(WireMessage)]
struct OfOne {
    reading: one::Reading,
}

mod nested {
    use netipc::WireMessage;

    #[derive(WireMessage)]
    pub struct OfOne {
        pub reading: super::other::Reading,
    }
}

#[test]
fn a_rule_changes_the_fingerprint_and_those_of_all_that_hold_the_message() {
    assert_ne!(one::Reading::FINGERPRINT, other::Reading::FINGERPRINT);
    assert_ne!(OfOne::FINGERPRINT, nested::OfOne::FINGERPRINT);
    assert_eq!(one::Reading::FINGERPRINT, one::Reading::LAYOUT.fingerprint());
}

#[test]
fn a_layout_prints_as_a_table() {
    let expected = "\
Cgroup, 32 bytes fixed
     0    2  layout_version       always 1
     2    2  flags                zero
     4    4  hash                 unsigned
     8    4  options              unsigned
    12    4  enabled              unsigned
    16    8  name                 bytes, NUL
    24    8  path                 bytes, NUL
  tolerates string_order, slack
";
    assert_eq!(Cgroup::LAYOUT.to_string(), expected);
}
