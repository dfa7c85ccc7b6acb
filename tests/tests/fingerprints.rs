//! Layouts and fingerprints, pinned: who changes one of these changes what peers understand.
//!
//! The numbers and tables are what the library said once; that they are right is what the vectors show. They may change
//! with the declarations of `netipc-examples`, and with nothing else.

use netipc::WireMessage;
use netipc_examples as wire;

/// The message, its fingerprint and its layout.
macro_rules! pinned {
    ($($message:ident = $fingerprint:literal, $layout:literal;)*) => {$(
        assert_eq!(<wire::$message as WireMessage>::LAYOUT.to_string().trim_end(), $layout.trim());
        assert_eq!(<wire::$message as WireMessage>::FINGERPRINT, $fingerprint, stringify!($message));
    )*};
}

#[test]
fn the_layouts_and_fingerprints_of_the_declared_messages_stay() {
    pinned! {
        Increment = 0x61b7_b7fe_4d27_d9f9, "
Increment, 8 bytes fixed
     0    8  value                unsigned
  tolerates trailing";
        StringReverse = 0xc87b_105b_ec1d_8a56, "
StringReverse, 8 bytes fixed
     0    8  text                 bytes, NUL
  tolerates trailing";
        SnapshotRequest = 0xe9d6_c189_9df0_83f0, "
SnapshotRequest, 4 bytes fixed
     0    2  layout_version       always 1
     2    2  flags                zero
  tolerates trailing";
        Snapshot = 0x93f8_eea8_41f1_0ab3, "
Snapshot, 24 bytes fixed
     0    2  layout_version       always 1
     2    2  flags                zero
     4    4  items                directory of Cgroup
     8    4  systemd_enabled      unsigned
    12    4  reserved             zero
    16    8  generation           unsigned
  tolerates trailing, item_order, item_overlap";
        Cgroup = 0xfdb1_9302_c8b5_7df1, "
Cgroup, 32 bytes fixed
     0    2  layout_version       always 1
     2    2  flags                zero
     4    4  hash                 unsigned
     8    4  options              unsigned
    12    4  enabled              unsigned
    16    8  name                 bytes, NUL
    24    8  path                 bytes, NUL
  tolerates string_order, slack";
        CgroupsLookupRequest = 0xe654_37de_20c0_f05b, "
CgroupsLookupRequest, 16 bytes fixed
     0    2  layout_version       always 1
     2    2  flags                zero
     4    4  paths                directory of text, NUL
     8    8  reserved             zero
  tolerates trailing, dirty_gaps";
        CgroupsLookupResponse = 0xb521_7d13_4d42_a6f1, "
CgroupsLookupResponse, 16 bytes fixed
     0    2  layout_version       always 1
     2    2  flags                zero
     4    4  items                directory of CgroupInfo
     8    8  generation           unsigned
  tolerates trailing, dirty_gaps";
        CgroupInfo = 0xe0db_dd6f_9f3e_4d4b, "
CgroupInfo, 28 bytes fixed
     0    2  fixed                always 1
     2    2  status               one of CgroupStatus
     4    2  orchestrator         open Orchestrator
     6    2  reserved             zero
     8    8  path                 text, NUL, min 1
    16    8  name                 text, NUL
    24    2  labels               table of Label
    26    2  reserved             zero
  tolerates dirty_gaps, string_order
  requires status == CgroupStatus::Known || (orchestrator == Orchestrator::Unknown && name.is_empty() && labels.is_empty())";
        Orchestrator = 0x166f_95d4_2223_03e8, "
Orchestrator, 2 bytes fixed
     0    2  value                open Orchestrator";
        Label = 0x830c_29db_b7fb_39d5, "
Label, 16 bytes fixed
     0    8  key                  text, NUL, min 1
     8    8  value                text, NUL";
        AppsLookupRequest = 0x6ef2_fd8a_2196_0b58, "
AppsLookupRequest, 16 bytes fixed
     0    2  layout_version       always 1
     2    2  flags                zero
     4    4  pids                 directory of Pid
     8    8  reserved             zero
  tolerates trailing, dirty_gaps";
        Pid = 0xad0c_da38_5d57_d884, "
Pid, 8 bytes fixed
     0    4  pid                  unsigned
     4    4  reserved             zero";
        AppsLookupResponse = 0x4ff0_68d5_4f23_4882, "
AppsLookupResponse, 16 bytes fixed
     0    2  layout_version       always 1
     2    2  flags                zero
     4    4  items                directory of App
     8    8  generation           unsigned
  tolerates trailing, dirty_gaps";
        App = 0x88c3_e85f_5575_7556, "
App, 60 bytes fixed
     0    2  fixed                always 1
     2    2  status               one of AppStatus
     4    2  orchestrator         open Orchestrator
     6    2  cgroup_status        one of CgroupOfApp
     8    4  pid                  unsigned
    12    4  ppid                 unsigned
    16    4  uid                  unsigned
    20    4  reserved             zero
    24    8  starttime            unsigned
    32    8  comm                 text, NUL, max 15
    40    8  cgroup_path          text, NUL
    48    8  cgroup_name          text, NUL
    56    2  labels               table of Label
    58    2  reserved             zero
  tolerates dirty_gaps, string_order
  requires status == AppStatus::Known || (orchestrator == Orchestrator::Unknown && cgroup_status == CgroupOfApp::Known && ppid == 0 && starttime == 0 && uid == u32::MAX && comm.is_empty() && cgroup_path.is_empty() && cgroup_name.is_empty() && labels.is_empty())
  requires status != AppStatus::Known || !comm.is_empty()
  requires cgroup_status == CgroupOfApp::Known || (orchestrator == Orchestrator::Unknown && cgroup_name.is_empty() && labels.is_empty())
  requires status != AppStatus::Known || match cgroup_status { CgroupOfApp::Known | CgroupOfApp::UnknownPermanent => !cgroup_path.is_empty(), CgroupOfApp::HostRoot => cgroup_path.is_empty(), CgroupOfApp::UnknownRetryLater => true, }";
    }
}

#[test]
fn the_fingerprints_of_the_declared_enums_stay() {
    assert_eq!(<wire::CgroupStatus as WireMessage>::FINGERPRINT, 0x4d55_56b4_b34d_60f3);
    assert_eq!(<wire::AppStatus as WireMessage>::FINGERPRINT, 0x4f3e_9fe8_7705_a6c4);
    assert_eq!(<wire::CgroupOfApp as WireMessage>::FINGERPRINT, 0xe844_a22b_b22c_8535);
}

/// Messages of one name, each a little different.
mod variants {
    use netipc::WireMessage;

    macro_rules! variants {
        ($($module:ident { $($item:item)* })*) => {$(
            pub mod $module {
                use super::*;
                $(
                    #[derive(Debug, WireMessage)]
                    $item
                )*
            }
        )*};
    }

    variants! {
        first { pub struct M { pub a: u32, pub b: String } }
        renamed_field { pub struct M { pub a: u32, pub c: String } }
        reordered { pub struct M { pub b: String, pub a: u32 } }
        of_another_width { pub struct M { pub a: u64, pub b: String } }
        signed { pub struct M { pub a: i32, pub b: String } }
        float { pub struct M { pub a: f32, pub b: String } }
        of_another_text { pub struct M { pub a: u32, pub b: std::ffi::CString } }
        bytes { pub struct M { pub a: u32, pub b: Vec<u8> } }
        bytes_with_nul { pub struct M { pub a: u32, #[wire(nul)] pub b: Vec<u8> } }
        list { pub struct M { pub a: u32, pub b: Vec<u32> } }
        list_of_text { pub struct M { pub a: u32, pub b: Vec<String> } }
        optional { pub struct M { pub a: Option<u32>, pub b: String } }
        longer { pub struct M { pub a: u32, pub b: String, pub c: u8 } }
        shorter { pub struct M { pub a: u32 } }
        bounded { pub struct M { pub a: u32, #[wire(max = 9)] pub b: String } }
        bounded_otherwise { pub struct M { pub a: u32, #[wire(max = 8)] pub b: String } }
        bounded_below { pub struct M { pub a: u32, #[wire(min = 9)] pub b: String } }
        conditional { #[wire(require(a > 0))] pub struct M { pub a: u32, pub b: String } }
        tolerant { #[wire(tolerate(trailing))] pub struct M { pub a: u32, pub b: String } }
        reserved {
            #[wire(size = 16, reserved(at = 12, len = 4))]
            pub struct M { #[wire(at = 0)] pub a: u32, #[wire(at = 4)] pub b: String }
        }
        versioned {
            #[wire(size = 16, version = 1)]
            pub struct M { #[wire(at = 12)] pub a: u32, #[wire(at = 4)] pub b: String }
        }
        of_another_version {
            #[wire(size = 16, version = 2)]
            pub struct M { #[wire(at = 12)] pub a: u32, #[wire(at = 4)] pub b: String }
        }
        nested { pub struct M { pub a: Inner } pub struct Inner { pub x: u8 } }
        nested_otherwise { pub struct M { pub a: Inner } pub struct Inner { pub x: i8 } }
        coded { pub struct M { pub a: Inner } #[derive(Clone, Copy)] #[repr(u8)] pub enum Inner { A = 1, B = 2 } }
        coded_otherwise { pub struct M { pub a: Inner } #[derive(Clone, Copy)] #[repr(u8)] pub enum Inner { A = 1, B = 3 } }
        of_other_names { pub struct M { pub a: Inner } #[derive(Clone, Copy)] #[repr(u8)] pub enum Inner { A = 1, C = 2 } }
        wider { pub struct M { pub a: Inner } #[derive(Clone, Copy)] #[repr(u16)] pub enum Inner { A = 1, B = 2 } }
        choice { #[repr(u8)] pub enum M { A(u32) = 1, B(String) = 2 } }
        choice_of_other_tags { #[repr(u8)] pub enum M { A(u32) = 1, B(String) = 3 } }
        choice_of_other_data { #[repr(u8)] pub enum M { A(u32) = 1, B(std::ffi::CString) = 2 } }
    }
}

#[test]
fn whatever_changes_a_layout_changes_its_fingerprint() {
    macro_rules! fingerprints {
        ($($module:ident)*) => { [$((stringify!($module), variants::$module::M::FINGERPRINT),)*] };
    }
    let fingerprints = fingerprints! {
        first renamed_field reordered of_another_width signed float of_another_text bytes bytes_with_nul list list_of_text
        optional longer shorter bounded bounded_otherwise bounded_below conditional tolerant reserved versioned
        of_another_version nested nested_otherwise coded coded_otherwise of_other_names wider choice choice_of_other_tags
        choice_of_other_data
    };
    for (number, (name, fingerprint)) in fingerprints.iter().enumerate() {
        for (other, same) in &fingerprints[..number] {
            assert_ne!(fingerprint, same, "{name} and {other}");
        }
    }
}
