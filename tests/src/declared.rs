//! The declared messages, by the derive, as the oracle's plain structures: so that the two can be compared.
//!
//! Owns the translation, which goes through the views, the builders and the owned values alike.

use std::ffi::CStr;

use netipc::{DecodeError, EncodeError, WireMessage};
use netipc_examples as wire;

use crate::oracle::{self, Message, Payload, Text};

/// What the derived decoder reads out of `payload`, through its views.
///
/// # Errors
///
/// What it refuses.
pub fn decode(message: Message, payload: &[u8]) -> Result<Payload<'_>, DecodeError> {
    Ok(match message {
        Message::Increment => {
            Payload::Increment(oracle::Increment { value: wire::Increment::decode(payload)?.value() })
        }
        Message::StringReverse => Payload::StringReverse(oracle::StringReverse {
            text: Text::Borrowed(wire::StringReverse::decode(payload)?.text().as_bytes()),
        }),
        Message::SnapshotRequest => {
            wire::SnapshotRequest::decode(payload)?;
            Payload::SnapshotRequest(oracle::SnapshotRequest)
        }
        Message::Snapshot => Payload::Snapshot(snapshot(wire::Snapshot::decode(payload)?)),
        Message::CgroupsLookupRequest => Payload::CgroupsLookupRequest(oracle::CgroupsLookupRequest {
            paths: wire::CgroupsLookupRequest::decode(payload)?.paths().map(text).collect(),
        }),
        Message::CgroupsLookupResponse => {
            let view = wire::CgroupsLookupResponse::decode(payload)?;
            Payload::CgroupsLookupResponse(oracle::CgroupsLookupResponse {
                generation: view.generation(),
                items: view.items().map(cgroup).collect(),
            })
        }
        Message::AppsLookupRequest => Payload::AppsLookupRequest(oracle::AppsLookupRequest {
            pids: wire::AppsLookupRequest::decode(payload)?.pids().map(|pid| pid.pid()).collect(),
        }),
        Message::AppsLookupResponse => {
            let view = wire::AppsLookupResponse::decode(payload)?;
            Payload::AppsLookupResponse(oracle::AppsLookupResponse {
                generation: view.generation(),
                items: view.items().map(app).collect(),
            })
        }
    })
}

fn text(text: &CStr) -> Text<'_> {
    Text::Borrowed(text.to_bytes())
}

fn snapshot(view: wire::SnapshotView<'_>) -> oracle::Snapshot<'_> {
    oracle::Snapshot {
        systemd_enabled: view.systemd_enabled(),
        generation: view.generation(),
        items: view
            .items()
            .map(|item| oracle::SnapshotItem {
                hash: item.hash(),
                options: item.options(),
                enabled: item.enabled(),
                name: Text::Borrowed(item.name().as_bytes()),
                path: Text::Borrowed(item.path().as_bytes()),
            })
            .collect(),
    }
}

fn labels<'a>(labels: netipc::codec::Table<'a, wire::Label>) -> Vec<oracle::Label<'a>> {
    labels.map(|label| oracle::Label { key: text(label.key()), value: text(label.value()) }).collect()
}

fn orchestrator(orchestrator: wire::Orchestrator) -> u16 {
    let mut bytes = [0; 2];
    orchestrator.encode(&mut bytes).expect("room for a u16");
    u16::from_ne_bytes(bytes)
}

fn cgroup(item: wire::CgroupInfoView<'_>) -> oracle::CgroupsLookupItem<'_> {
    oracle::CgroupsLookupItem {
        status: item.status() as u16,
        orchestrator: orchestrator(item.orchestrator()),
        path: text(item.path()),
        name: text(item.name()),
        labels: labels(item.labels()),
    }
}

fn app(item: wire::AppView<'_>) -> oracle::AppsLookupItem<'_> {
    oracle::AppsLookupItem {
        status: item.status() as u16,
        orchestrator: orchestrator(item.orchestrator()),
        cgroup_status: item.cgroup_status() as u16,
        pid: item.pid(),
        ppid: item.ppid(),
        uid: item.uid(),
        starttime: item.starttime(),
        comm: text(item.comm()),
        cgroup_path: text(item.cgroup_path()),
        cgroup_name: text(item.cgroup_name()),
        labels: labels(item.labels()),
    }
}

/// Decodes into an owned value and encodes that.
///
/// # Errors
///
/// What decoding refuses.
///
/// # Panics
///
/// Where a decoded value can't be encoded, or by another length than it says.
pub fn round_trip(message: Message, payload: &[u8]) -> Result<Vec<u8>, DecodeError> {
    fn of<M: WireMessage>(payload: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let value = M::decode_owned(payload)?;
        let bytes = value.to_vec().expect("what was decoded can be encoded");
        assert_eq!(bytes.len(), value.encoded_len());
        Ok(bytes)
    }
    match message {
        Message::Increment => of::<wire::Increment>(payload),
        Message::StringReverse => of::<wire::StringReverse>(payload),
        Message::SnapshotRequest => of::<wire::SnapshotRequest>(payload),
        Message::Snapshot => of::<wire::Snapshot>(payload),
        Message::CgroupsLookupRequest => of::<wire::CgroupsLookupRequest>(payload),
        Message::CgroupsLookupResponse => of::<wire::CgroupsLookupResponse>(payload),
        Message::AppsLookupRequest => of::<wire::AppsLookupRequest>(payload),
        Message::AppsLookupResponse => of::<wire::AppsLookupResponse>(payload),
    }
}

/// Where items are reserved beyond what is pushed, and where fields are set out of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As the layout has it.
    Straight,
    /// Text in reverse order, three entries too many in every list, some fields set twice.
    Crooked,
}

/// Builds `value` in place, in `buffer`.
///
/// # Errors
///
/// What the builder reports.
pub fn build(value: &Payload<'_>, manner: Manner, buffer: &mut [u8]) -> Result<usize, EncodeError> {
    let spare = if manner == Manner::Crooked { 3 } else { 0 };
    match value {
        Payload::Increment(value) => {
            let mut message = wire::Increment::builder(buffer);
            message.value(value.value);
            message.finish()
        }
        Payload::StringReverse(value) => {
            let mut message = wire::StringReverse::builder(buffer);
            if manner == Manner::Crooked {
                message.text(b"to be replaced");
            }
            message.text(&value.text);
            message.finish()
        }
        Payload::SnapshotRequest(_) => wire::SnapshotRequest::builder(buffer).finish(),
        Payload::Snapshot(value) => {
            let mut message = wire::Snapshot::builder(buffer);
            let mut items = message.items(value.items.len() + spare);
            for item in &value.items {
                items.push(|to| match manner {
                    Manner::Straight => {
                        to.hash(item.hash).options(item.options).enabled(item.enabled).name(&item.name).path(&item.path)
                    }
                    Manner::Crooked => to
                        .path(&item.path)
                        .name(b"old")
                        .name(&item.name)
                        .enabled(item.enabled)
                        .hash(7)
                        .hash(item.hash)
                        .options(item.options),
                });
            }
            message.generation(value.generation).systemd_enabled(value.systemd_enabled);
            message.finish()
        }
        Payload::CgroupsLookupRequest(value) => {
            let mut message = wire::CgroupsLookupRequest::builder(buffer);
            let mut paths = message.paths(value.paths.len() + spare);
            for path in &value.paths {
                paths.push(&c_string(path));
            }
            message.finish()
        }
        Payload::CgroupsLookupResponse(value) => {
            let mut message = wire::CgroupsLookupResponse::builder(buffer);
            message.generation(value.generation);
            let mut items = message.items(value.items.len() + spare);
            for item in &value.items {
                items.push(|to| {
                    to.status(cgroup_status(item.status)).orchestrator(orchestrator_of(item.orchestrator));
                    let (path, name) = (c_string(&item.path), c_string(&item.name));
                    match manner {
                        Manner::Straight => to.path(&path).name(&name),
                        Manner::Crooked => to.name(&name).path(&path),
                    };
                    push_labels(&mut to.labels(item.labels.len() + spare), &item.labels);
                    to
                });
            }
            message.finish()
        }
        Payload::AppsLookupRequest(value) => {
            let mut message = wire::AppsLookupRequest::builder(buffer);
            let mut pids = message.pids(value.pids.len() + spare);
            for &pid in &value.pids {
                pids.push(|to| to.pid(pid));
            }
            message.finish()
        }
        Payload::AppsLookupResponse(value) => {
            let mut message = wire::AppsLookupResponse::builder(buffer);
            message.generation(value.generation);
            let mut items = message.items(value.items.len() + spare);
            for item in &value.items {
                items.push(|to| push_app(to, item, manner, spare));
            }
            message.finish()
        }
    }
}

fn push_app<'b, 'w>(
    to: &'b mut wire::AppBuilder<'w>,
    item: &oracle::AppsLookupItem<'_>,
    manner: Manner,
    spare: usize,
) -> &'b mut wire::AppBuilder<'w> {
    let (comm, path, name) = (c_string(&item.comm), c_string(&item.cgroup_path), c_string(&item.cgroup_name));
    match manner {
        Manner::Straight => to.comm(&comm).cgroup_path(&path).cgroup_name(&name),
        Manner::Crooked => to.cgroup_name(&name).comm(&comm).cgroup_path(&path),
    };
    push_labels(&mut to.labels(item.labels.len() + spare), &item.labels);
    let cgroup_status = match item.cgroup_status {
        0 => wire::CgroupOfApp::Known,
        1 => wire::CgroupOfApp::UnknownRetryLater,
        2 => wire::CgroupOfApp::UnknownPermanent,
        _ => wire::CgroupOfApp::HostRoot,
    };
    let status = match item.status {
        0 => wire::AppStatus::Known,
        1 => wire::AppStatus::Unknown,
        2 => wire::AppStatus::PayloadExceeded,
        _ => wire::AppStatus::OversizedItem,
    };
    to.status(status)
        .cgroup_status(cgroup_status)
        .orchestrator(orchestrator_of(item.orchestrator))
        .pid(item.pid)
        .ppid(item.ppid)
        .uid(item.uid)
        .starttime(item.starttime)
}

fn push_labels(to: &mut netipc::codec::RecordsBuilder<'_, '_, wire::Label>, labels: &[oracle::Label<'_>]) {
    for label in labels {
        to.push(|to| to.key(&c_string(&label.key)).value(&c_string(&label.value)));
    }
}

fn c_string(text: &[u8]) -> std::ffi::CString {
    std::ffi::CString::new(text).expect("no NUL inside")
}

fn cgroup_status(status: u16) -> wire::CgroupStatus {
    match status {
        0 => wire::CgroupStatus::Known,
        1 => wire::CgroupStatus::UnknownRetryLater,
        2 => wire::CgroupStatus::UnknownPermanent,
        3 => wire::CgroupStatus::PayloadExceeded,
        _ => wire::CgroupStatus::OversizedItem,
    }
}

fn orchestrator_of(raw: u16) -> wire::Orchestrator {
    wire::Orchestrator::decode_owned(&raw.to_ne_bytes()).expect("open to all values")
}

/// Everything that holds for any bytes at all, between the derived codec and the oracle's.
///
/// # Panics
///
/// Where it does not.
pub fn compare(message: Message, payload: &[u8]) {
    let (derived, slow) = (decode(message, payload), message.decode(payload));
    match (&derived, &slow) {
        (Ok(derived), Ok(slow)) => assert_eq!(derived, slow, "{message:?} {payload:02x?}"),
        (Err(error), Err(_)) => {
            assert!(!error.field.is_empty() && !error.message.is_empty(), "{error:?}");
            assert!(error.offset <= payload.len(), "{error:?} in {} bytes", payload.len());
        }
        _ => panic!("{message:?}: derived {derived:?}, slow {slow:?}, payload {payload:02x?}"),
    }
}

/// The costlier half: what is accepted is written again, straight and crooked, and comes out as the oracle writes it.
///
/// # Panics
///
/// Where it does not.
pub fn compare_writers(message: Message, payload: &[u8]) {
    let Ok(value) = message.decode(payload) else { return };
    let canonical = value.encode();
    for manner in [Manner::Straight, Manner::Crooked] {
        let mut buffer = vec![0xa5; canonical.len() + 4096];
        let len = build(&value, manner, &mut buffer).expect("a valid message in a large buffer");
        assert_eq!(buffer[..len], canonical, "{manner:?} {value:?}");
    }
    match round_trip(message, payload) {
        Ok(bytes) => assert_eq!(bytes, canonical, "{value:?}"),
        Err(error) => assert!(matches!(error.rule, netipc::codec::Rule::Amplified(_)), "{error} {value:?}"),
    }
}
