//! The three services of a host, by their clients.

use core::time::Duration;
use std::ffi::{CString, OsStr, OsString};
use std::io::{self, BufRead, Write};
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use netipc::CallError;
use netipc::client::{Config, Stub};
use netipc_examples::host::cgroups::Cgroups;
use netipc_examples::host::processes::Processes;
use netipc_examples::{AppsLookupClient, CgroupsLookupClient, CgroupsSnapshotClient, Pid, SnapshotRequest};
use serde_json::{Value, json};

use crate::args::Whom;
use crate::failure::{Code, Failure};
use crate::shown;
use crate::text::table;

/// How far answers may grow.
const CEILING: u32 = 64 << 20;

/// A client, and how long its call may take yet.
fn connect<S: Stub>(whom: &Whom) -> Result<(S, Duration), Failure> {
    let (start, connection) = (Instant::now(), &whom.connection);
    let config = Config::new().auth_token(connection.token).profiles(connection.transport.profiles());
    let config = config.timeout(connection.timeout).response_ceiling(CEILING);
    // Whoever asks has all keys at hand already, as many as there are.
    let config = config.max_lookup_keys(usize::MAX);
    let client = config.connect(&whom.dir).map_err(at::<S>(whom))?;
    Ok((client, connection.timeout.saturating_sub(start.elapsed())))
}

/// What an error of this service is.
fn at<S: Stub>(whom: &Whom) -> impl Fn(CallError) -> Failure {
    let socket = whom.dir.join(format!("{}.sock", S::SERVICE.name));
    move |error| Failure::from(error).at_path(&socket)
}

pub(crate) fn snapshot(whom: &Whom, out: &mut impl Write) -> Result<(), Failure> {
    let (mut client, left): (CgroupsSnapshotClient, _) = connect(whom)?;
    let snapshot = client.within(left).snapshot(&SnapshotRequest {}).map_err(at::<CgroupsSnapshotClient>(whom))?;
    if whom.json {
        return crate::json(out, &shown::snapshot(&snapshot));
    }
    let rows: Vec<_> = snapshot.items().map(|cgroup| shown::cgroup_row(&cgroup)).collect();
    table(out, &shown::CGROUPS, &rows)?;
    Ok(writeln!(out, "{} cgroups, generation {}", rows.len(), snapshot.generation())?)
}

pub(crate) fn cgroups(whom: &Whom, paths: &[OsString], all: bool, out: &mut impl Write) -> Result<(), Failure> {
    let mut keys = Vec::new();
    if all {
        let mut cgroups = Cgroups::default();
        cgroups.refresh();
        keys.extend(cgroups.paths().filter_map(|path| CString::new(path).ok()));
    }
    for word in words(paths)? {
        keys.push(
            CString::new(word)
                .ok()
                .filter(|path| !path.is_empty())
                .ok_or_else(|| Failure::new(Code::Usage, "a path is empty, or has a NUL in it"))?,
        );
    }
    let (mut client, left): (CgroupsLookupClient, _) = connect(whom)?;
    let answer =
        client.within(left).lookup(keys.iter().map(CString::as_c_str)).map_err(at::<CgroupsLookupClient>(whom))?;
    if whom.json {
        let items: Value = answer.iter().map(|info| shown::cgroup_info(&info)).collect();
        return crate::json(out, &json!({ "generation": answer.generation(), "items": items }));
    }
    let rows: Vec<_> = answer.iter().map(|info| shown::cgroup_info_row(&info)).collect();
    Ok(table(out, &shown::CGROUP_INFOS, &rows)?)
}

pub(crate) fn apps(whom: &Whom, pids: &[OsString], all: bool, out: &mut impl Write) -> Result<(), Failure> {
    let mut keys = Vec::new();
    if all {
        Processes::default().list(&mut keys);
    }
    for word in words(pids)? {
        let pid = str::from_utf8(&word).ok().and_then(|word| word.trim().parse().ok());
        keys.push(pid.ok_or_else(|| {
            Failure::new(Code::Usage, format!("{} is no number of a process", crate::text::printable(&word)))
        })?);
    }
    let (mut client, left): (AppsLookupClient, _) = connect(whom)?;
    let keys: Vec<_> = keys.into_iter().map(|pid| Pid { pid }).collect();
    let answer = client.within(left).lookup(&keys).map_err(at::<AppsLookupClient>(whom))?;
    if whom.json {
        let items: Value = answer.iter().map(|app| shown::app(&app)).collect();
        return crate::json(out, &json!({ "generation": answer.generation(), "items": items }));
    }
    let rows: Vec<_> = answer.iter().map(|app| shown::app_row(&app)).collect();
    Ok(table(out, &shown::APPS, &rows)?)
}

/// What was said; where that is `-`, the lines of standard input, but for empty ones.
fn words(said: &[OsString]) -> Result<Vec<Vec<u8>>, Failure> {
    let mut words = Vec::new();
    for word in said {
        if word == OsStr::new("-") {
            for line in io::stdin().lock().split(b'\n') {
                let line = line?;
                // Lines of other systems end so.
                words.push(line.strip_suffix(b"\r").unwrap_or(&line).to_vec());
            }
            words.retain(|word| !word.is_empty());
        } else {
            words.push(word.as_bytes().to_vec());
        }
    }
    Ok(words)
}
