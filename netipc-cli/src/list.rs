//! `netipc list`: who serves in a directory.
//!
//! Owns: what the names in a run directory mean, and what a connection tells of who listens. It refuses to remove anything.

use core::fmt;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use netipc::endpoint::Endpoint;
use netipc::session::{ClientConfig, Error};
use rustix::io::Errno;
use serde_json::{Value, json};

use crate::args::List;
use crate::failure::Failure;
use crate::text::{BAD, Cell, DOUBTFUL, GOOD, printable, table};

/// What is found under one name.
#[derive(Debug, Default)]
struct Traces {
    entry: Option<Entry>,
    regions: usize,
}

#[derive(Debug, Clone, Copy)]
enum Entry {
    Socket,
    Other,
}

/// What became of connecting.
#[derive(Debug, PartialEq, Eq)]
enum State {
    /// Somebody listens.
    Live,
    /// Somebody listens, and so many wait already that it can't be told who.
    Busy,
    /// Nobody listens any more.
    Stale,
    /// There are regions, and no socket.
    Gone,
    /// Why it can't be told.
    Unknown(String),
}

impl State {
    const fn name(&self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Busy => "busy",
            Self::Stale => "stale",
            Self::Gone => "gone",
            Self::Unknown(_) => "unknown",
        }
    }

    const fn style(&self) -> anstyle::Style {
        match self {
            Self::Live => GOOD,
            Self::Busy | Self::Unknown(_) => DOUBTFUL,
            Self::Stale | Self::Gone => BAD,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(why) => write!(f, "unknown: {why}"),
            state => f.write_str(state.name()),
        }
    }
}

/// A service, as far as it can be seen.
#[derive(Debug)]
struct Service {
    name: String,
    state: State,
    pid: Option<u32>,
    command: Option<String>,
    regions: usize,
}

pub(crate) fn list(args: &List, out: &mut impl Write) -> Result<(), Failure> {
    let services: Vec<Service> =
        traces(&args.dir)?.into_iter().map(|(name, traces)| look(&args.dir, name, &traces)).collect();
    if args.json {
        return crate::json(out, &services.iter().map(|service| service.json(&args.dir)).collect());
    }
    let rows: Vec<_> = services.into_iter().map(Service::row).collect();
    Ok(table(out, &["SERVICE", "STATE", "PID", "COMMAND", "REGIONS"], &rows)?)
}

fn traces(dir: &Path) -> Result<BTreeMap<String, Traces>, Failure> {
    let mut found = BTreeMap::<_, Traces>::new();
    for entry in fs::read_dir(dir).map_err(|error| Failure::from(error).at_path(dir))? {
        let entry = entry.map_err(|error| Failure::from(error).at_path(dir))?;
        // No service has another name.
        let Ok(name) = entry.file_name().into_string() else { continue };
        if let Some(service) = name.strip_suffix(".sock") {
            // One that has just gone is gone.
            let Ok(kind) = entry.file_type() else { continue };
            let entry = if kind.is_socket() { Entry::Socket } else { Entry::Other };
            found.entry(service.to_owned()).or_default().entry = Some(entry);
        } else if let Some(service) = of_region(dir, &name) {
            found.entry(service.to_owned()).or_default().regions += 1;
        }
    }
    Ok(found)
}

/// Whose region has this name, if it is one.
fn of_region<'a>(dir: &Path, name: &'a str) -> Option<&'a str> {
    let (service, id) = name.strip_suffix(".ipcshm")?.rsplit_once('-')?;
    let id = u64::from_str_radix(id, 16).ok()?;
    let region = Endpoint::new(dir, service).ok()?.region_path(id);
    (region.file_name()? == name).then_some(service)
}

fn look(dir: &Path, name: String, traces: &Traces) -> Service {
    let (state, pid) = match traces.entry {
        Some(Entry::Socket) => connect(dir, &name),
        Some(Entry::Other) => (State::Unknown("not a socket".to_owned()), None),
        None => (State::Gone, None),
    };
    let command = pid.and_then(|pid| fs::read(format!("/proc/{pid}/comm")).ok());
    let command = command.map(|comm| String::from_utf8_lossy(comm.trim_ascii_end()).into_owned());
    Service { name, state, pid, command, regions: traces.regions }
}

fn connect(dir: &Path, name: &str) -> (State, Option<u32>) {
    let endpoint = match Endpoint::new(dir, name) {
        Ok(endpoint) => endpoint,
        Err(error) => return (State::Unknown(error.to_string()), None),
    };
    match ClientConfig::new().try_connect(&endpoint) {
        Ok(Some(connecting)) => (State::Live, connecting.peer().pid),
        Ok(None) => (State::Busy, None),
        Err(Error::System(error)) if error.errno() == Errno::CONNREFUSED.raw_os_error() => (State::Stale, None),
        // It has hung up before anything could be said; it was there.
        Err(Error::Closed { .. }) => (State::Live, None),
        Err(error) => (State::Unknown(error.to_string()), None),
    }
}

impl Service {
    fn row(self) -> Vec<Cell> {
        let style = self.state.style();
        vec![
            Cell::foreign(self.name.as_bytes()),
            Cell::text(printable(self.state.to_string().as_bytes())).styled(style),
            Cell::number_or_dash(self.pid),
            self.command.map_or_else(|| Cell::text("-"), |command| Cell::foreign(command.as_bytes())),
            Cell::number(self.regions),
        ]
    }

    fn json(&self, dir: &Path) -> Value {
        let why = if let State::Unknown(why) = &self.state { Some(why) } else { None };
        json!({
            "service": self.name,
            "socket": dir.join(format!("{}.sock", self.name)).to_string_lossy(),
            "state": self.state.name(),
            "why": why,
            "pid": self.pid,
            "command": self.command,
            "regions": self.regions,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_tells_whose_it_is() {
        let of = |name| of_region(Path::new("/run/x"), name);
        assert_eq!(of("a-0123456789abcdef.ipcshm"), Some("a"));
        assert_eq!(of("a-b-0123456789abcdef.ipcshm"), Some("a-b"));
        for other in [
            "a-0123456789ABCDEF.ipcshm",
            "a-1.ipcshm",
            "-0123456789abcdef.ipcshm",
            "a.ipcshm",
            "a",
            "a b-0123456789abcdef.ipcshm",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
