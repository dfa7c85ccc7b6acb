//! Payloads of Netdata's methods.
//!
//! Owns: which messages there are, and which of them a method has.

use std::io::Write;

use clap::ValueEnum;
use netipc::WireMessage;
use netipc::wire::Kind;
use netipc_examples::{
    AppsLookupRequest, AppsLookupResponse, CgroupsLookupRequest, CgroupsLookupResponse, Increment, Snapshot,
    SnapshotRequest, StringReverse,
};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::shown;
use crate::text::printable;

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    Increment,
    SnapshotRequest,
    Snapshot,
    StringReverse,
    CgroupsLookupRequest,
    CgroupsLookup,
    AppsLookupRequest,
    AppsLookup,
}

impl Form {
    /// What a method of Netdata has in its requests and in its answers.
    pub(super) const fn of(kind: Kind, code: u16) -> Option<Self> {
        match (code, kind) {
            (1, Kind::Request | Kind::Response) => Some(Self::Increment),
            (2, Kind::Request) => Some(Self::SnapshotRequest),
            (2, Kind::Response) => Some(Self::Snapshot),
            (3, Kind::Request | Kind::Response) => Some(Self::StringReverse),
            (4, Kind::Request) => Some(Self::CgroupsLookupRequest),
            (4, Kind::Response) => Some(Self::CgroupsLookup),
            (5, Kind::Request) => Some(Self::AppsLookupRequest),
            (5, Kind::Response) => Some(Self::AppsLookup),
            _ => None,
        }
    }

    /// Prints the fields of `payload`.
    pub(super) fn show(self, payload: &[u8], has_layout: bool, out: &mut impl Write) -> Result<(), Failure> {
        match self {
            Self::Increment => show::<Increment>(payload, has_layout, out),
            Self::SnapshotRequest => show::<SnapshotRequest>(payload, has_layout, out),
            Self::Snapshot => show::<Snapshot>(payload, has_layout, out),
            Self::StringReverse => show::<StringReverse>(payload, has_layout, out),
            Self::CgroupsLookupRequest => show::<CgroupsLookupRequest>(payload, has_layout, out),
            Self::CgroupsLookup => show::<CgroupsLookupResponse>(payload, has_layout, out),
            Self::AppsLookupRequest => show::<AppsLookupRequest>(payload, has_layout, out),
            Self::AppsLookup => show::<AppsLookupResponse>(payload, has_layout, out),
        }
    }

    /// The same as JSON.
    pub(super) fn json(self, payload: &[u8]) -> Result<Value, Failure> {
        Ok(match self {
            Self::Increment => json!({ "value": Increment::decode(payload)?.value() }),
            Self::SnapshotRequest => {
                SnapshotRequest::decode(payload)?;
                json!({})
            }
            Self::Snapshot => shown::snapshot(&Snapshot::decode(payload)?),
            Self::StringReverse => {
                json!({ "text": String::from_utf8_lossy(&StringReverse::decode(payload)?.text()) })
            }
            Self::CgroupsLookupRequest => {
                let paths = CgroupsLookupRequest::decode(payload)?.paths();
                json!({ "paths": paths.map(|path| path.to_string_lossy()).collect::<Vec<_>>() })
            }
            Self::CgroupsLookup => {
                let answer = CgroupsLookupResponse::decode(payload)?;
                let items: Value = answer.items().map(|info| shown::cgroup_info(&info)).collect();
                json!({ "generation": answer.generation(), "items": items })
            }
            Self::AppsLookupRequest => {
                let pids = AppsLookupRequest::decode(payload)?.pids();
                json!({ "pids": pids.map(|pid| pid.pid()).collect::<Vec<_>>() })
            }
            Self::AppsLookup => {
                let answer = AppsLookupResponse::decode(payload)?;
                let items: Value = answer.items().map(|app| shown::app(&app)).collect();
                json!({ "generation": answer.generation(), "items": items })
            }
        })
    }
}

fn show<M: WireMessage>(payload: &[u8], has_layout: bool, out: &mut impl Write) -> Result<(), Failure> {
    if has_layout {
        writeln!(out, "{}", M::LAYOUT)?;
    }
    let view = M::decode(payload)?;
    // Views print texts of peers escaped, but for what is beyond ASCII.
    for line in format!("{view:#?}").lines() {
        writeln!(out, "{}", printable(line.as_bytes()))?;
    }
    Ok(())
}
