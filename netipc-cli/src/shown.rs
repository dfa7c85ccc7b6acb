//! What the messages of Netdata say, as rows for people and as JSON for programs.
//!
//! Owns: the names of columns and keys. Bytes that are no UTF-8 become U+FFFD.

use core::ffi::CStr;
use core::fmt::Debug;

use netipc_examples::{AppStatus, AppView, CgroupInfoView, CgroupView, LabelView, SnapshotView};
use serde_json::{Value, json};

use crate::text::{Cell, DIM, DOUBTFUL};

/// The name of an enum's value in words: `UnknownRetryLater` is `unknown-retry-later`, `Other(9)` is `other-9`.
pub(crate) fn word(value: impl Debug) -> String {
    let mut word = String::new();
    for letter in format!("{value:?}").chars() {
        if letter == '(' || (letter.is_ascii_uppercase() && !word.is_empty()) {
            word.push('-');
        }
        if letter.is_ascii_alphanumeric() {
            word.push(letter.to_ascii_lowercase());
        }
    }
    word
}

fn text(bytes: &[u8]) -> Value {
    String::from_utf8_lossy(bytes).into()
}

fn c_text(bytes: &CStr) -> Value {
    text(bytes.to_bytes())
}

fn labels(labels: Vec<LabelView<'_>>) -> Value {
    // A list, since a key may come twice.
    labels.into_iter().map(|label| json!({ "key": c_text(label.key()), "value": c_text(label.value()) })).collect()
}

fn labels_cell(labels: Vec<LabelView<'_>>) -> Cell {
    let mut all = Vec::new();
    for label in labels {
        if !all.is_empty() {
            all.push(b' ');
        }
        all.extend_from_slice(label.key().to_bytes());
        all.push(b'=');
        all.extend_from_slice(label.value().to_bytes());
    }
    Cell::foreign(&all).styled(DIM)
}

/// The columns of a snapshot.
pub(crate) const CGROUPS: [&str; 5] = ["NAME", "HASH", "ENABLED", "OPTIONS", "PATH"];

pub(crate) fn cgroup_row(cgroup: &CgroupView<'_>) -> Vec<Cell> {
    vec![
        Cell::foreign(&cgroup.name()),
        Cell::number(format!("{:08x}", cgroup.hash())),
        Cell::number(cgroup.enabled()),
        Cell::number(format!("{:#x}", cgroup.options())),
        Cell::foreign(&cgroup.path()),
    ]
}

pub(crate) fn snapshot(snapshot: &SnapshotView<'_>) -> Value {
    let item = |cgroup: CgroupView<'_>| {
        json!({
            "hash": cgroup.hash(),
            "options": cgroup.options(),
            "enabled": cgroup.enabled(),
            "name": text(&cgroup.name()),
            "path": text(&cgroup.path()),
        })
    };
    json!({
        "generation": snapshot.generation(),
        "systemd_enabled": snapshot.systemd_enabled(),
        "items": snapshot.items().map(item).collect::<Value>(),
    })
}

/// The columns of what is known of cgroups.
pub(crate) const CGROUP_INFOS: [&str; 5] = ["PATH", "STATUS", "ORCHESTRATOR", "NAME", "LABELS"];

pub(crate) fn cgroup_info_row(info: &CgroupInfoView<'_>) -> Vec<Cell> {
    let is_known = info.status() == netipc_examples::CgroupStatus::Known;
    vec![
        Cell::foreign(info.path().to_bytes()),
        status(&word(info.status()), is_known),
        Cell::text(word(info.orchestrator())),
        Cell::foreign(info.name().to_bytes()),
        labels_cell(info.labels().collect()),
    ]
}

pub(crate) fn cgroup_info(info: &CgroupInfoView<'_>) -> Value {
    json!({
        "path": c_text(info.path()),
        "status": word(info.status()),
        "orchestrator": word(info.orchestrator()),
        "name": c_text(info.name()),
        "labels": labels(info.labels().collect()),
    })
}

/// The columns of what is known of processes.
pub(crate) const APPS: [&str; 8] = ["PID", "STATUS", "PPID", "UID", "STARTTIME", "COMMAND", "CGROUP", "LABELS"];

pub(crate) fn app_row(app: &AppView<'_>) -> Vec<Cell> {
    let is_known = app.status() == AppStatus::Known;
    let cgroup = if app.cgroup_name().is_empty() { app.cgroup_path() } else { app.cgroup_name() };
    vec![
        Cell::number(app.pid()),
        status(&word(app.status()), is_known),
        Cell::number_or_dash(is_known.then(|| app.ppid())),
        Cell::number_or_dash(Some(app.uid()).filter(|&uid| uid != u32::MAX)),
        Cell::number_or_dash(is_known.then(|| app.starttime())),
        Cell::foreign(app.comm().to_bytes()),
        Cell::foreign(cgroup.to_bytes()),
        labels_cell(app.labels().collect()),
    ]
}

pub(crate) fn app(app: &AppView<'_>) -> Value {
    json!({
        "pid": app.pid(),
        "status": word(app.status()),
        "ppid": app.ppid(),
        "uid": Some(app.uid()).filter(|&uid| uid != u32::MAX),
        "starttime": app.starttime(),
        "comm": c_text(app.comm()),
        "orchestrator": word(app.orchestrator()),
        "cgroup_status": word(app.cgroup_status()),
        "cgroup_path": c_text(app.cgroup_path()),
        "cgroup_name": c_text(app.cgroup_name()),
        "labels": labels(app.labels().collect()),
    })
}

fn status(word: &str, is_known: bool) -> Cell {
    let cell = Cell::text(word.to_owned());
    if is_known { cell } else { cell.styled(DOUBTFUL) }
}

#[cfg(test)]
mod tests {
    use netipc_examples::{CgroupOfApp, CgroupStatus, Orchestrator};

    use super::word;

    #[test]
    fn values_of_enums_are_words() {
        assert_eq!(word(CgroupStatus::Known), "known");
        assert_eq!(word(CgroupStatus::UnknownRetryLater), "unknown-retry-later");
        assert_eq!(word(CgroupOfApp::HostRoot), "host-root");
        assert_eq!(word(Orchestrator::K8s), "k8s");
        assert_eq!(word(Orchestrator::Other(900)), "other-900");
    }
}
