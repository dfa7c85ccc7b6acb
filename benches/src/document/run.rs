//! One run of everything that the document has figures of.
//!
//! Owns: what runs in which order and for how long, and which rows of it make the summary. Progress goes to stderr.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use super::machine::described;
use super::summary::{Row, Summary};
use super::template::Values;
use super::{SUMMARY, builds, root};
use crate::contenders::{reading_rows, snapshot_rows};
use crate::data::{Reading, Snapshot};
use crate::driver::placement::{Cpus, Placement};
use crate::driver::workload::WORKLOADS;
use crate::driver::{slice, table as sessions};
use crate::services::Group;
use crate::services::load::LOADS;
use crate::services::table::{Choice, Measured, measure};
use crate::services::turn::Course;
use crate::{caches, codecs, lookups, round_trips};

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Of services.
    pub rounds: usize,
    /// How long each contender of services runs in a round.
    pub slice: Duration,
    /// Of sessions, whose slices are as long.
    pub session_rounds: usize,
    /// Of caches and lookups.
    pub cache_rounds: usize,
    /// Of codecs.
    pub codec_rounds: usize,
    /// Whether builds are timed.
    pub builds: bool,
}

impl Plan {
    /// What the document is written from.
    pub const FULL: Self = Self {
        rounds: 7,
        slice: Duration::from_millis(250),
        session_rounds: 3,
        cache_rounds: 7,
        codec_rounds: 200,
        builds: true,
    };
    /// To see that all of it works.
    pub const QUICK: Self = Self {
        rounds: 3,
        slice: Duration::from_millis(60),
        session_rounds: 1,
        cache_rounds: 1,
        codec_rounds: 20,
        builds: false,
    };
}

/// The loads of which the summary has rows, by their names, and the rows'.
const LINES: [(&str, &str); 6] = [
    ("u64 call, 1 client", "u64 call"),
    ("u64 call, 16 in flight", "16 in flight"),
    ("u64 call, batches of 100", "batch of 100"),
    ("snapshot of 1,000 cgroups", "snapshot of 1,000 cgroups"),
    ("lookup of 1,000 keys", "lookup of 1,000 keys"),
    ("refresh of a cache of 1,000 cgroups", "refresh of a cache"),
];
const TRANSPORTS: [(Group, Group, &str); 2] =
    [(Group::Socket, Group::BareSocket, "UDS"), (Group::Shm, Group::BareShm, "SHM")];
/// What sessions alone carry: the rest is what services stand on, and among their rows.
const SESSIONS: [&str; 3] = ["1 MiB answers", "1 MiB requests", "64-byte round trip, 1,000 calls a second"];
/// How long a slice on a schedule takes, as many times as one of the others.
const PACED: u32 = 4;
/// How many calls are watched by strace.
const WATCHED: [u32; 2] = [1_000, 11_000];
const ITEMS: usize = 1_000;

/// Runs all of it; `program` must serve everything that it starts itself for.
///
/// # Errors
/// Something fails; which is said.
pub fn run(plan: &Plan, program: &Path) -> Result<Values, Box<dyn Error>> {
    let begin = Instant::now();
    let told = |what: &str| eprintln!("{:5.0} s  {what}", begin.elapsed().as_secs_f64());
    let cpus = Cpus::allowed()?;
    let mut values = Values::new();
    let mut put = |name: &str, value: String| drop(values.insert(name.to_owned(), value));
    put("machine", described(&cpus)?);

    // First, because it is what may be missing; by its name, because strace's own is another.
    told("system calls");
    put("system calls", round_trips::table(&std::env::current_exe()?, WATCHED)?);
    told("codecs");
    for (name, table) in codec_tables(plan.codec_rounds) {
        put(name, table);
    }
    told("sessions");
    put("sessions", session_tables(plan, program, &cpus, told)?);

    let course = Course::new(program.to_owned(), cpus.clone());
    let choice = Choice { rounds: plan.rounds, only: Vec::new(), slice: Some(plan.slice) };
    let (mut rows, mut tables) = (Vec::new(), Vec::new());
    for load in &LOADS {
        let measured = measure(&course, load, &choice, told)?;
        if let Some((_, name)) = LINES.iter().find(|(known, _)| *known == load.name) {
            rows.extend(rows_of(name, &measured));
        }
        tables.push(measured.table());
    }
    cpus.place_client(Placement::Unpinned)?;
    put("services", tables.join("\n"));

    told("caches");
    let all = caches::SIZES.into_iter().map(|(items, readers)| caches::lookups(items, readers, plan.cache_rounds));
    let all = all.collect::<Result<Vec<_>, _>>()?;
    rows.extend(all.iter().filter(|lookups| lookups.items == ITEMS).map(hits));
    put("caches", caches::table(&all));
    put("refreshes", caches::refreshes(plan.cache_rounds)?);
    told("lookups");
    put("lookups", lookups::table(plan.cache_rounds)?);
    if plan.builds {
        told("builds");
        put("builds", builds::table(&root())?);
    } else {
        put("builds", "Not in a quick run.\n".to_owned());
    }
    put(SUMMARY, Summary(rows).table());
    put("extent", extent(plan));
    put("minutes", format!("{:.0}", (begin.elapsed().as_secs_f64() / 60.0).ceil()));
    told("done");
    Ok(values)
}

fn codec_tables(rounds: usize) -> [(&'static str, String); 3] {
    let tables = [1, 4].map(|pool| {
        let snapshots = Snapshot::shuffles(ITEMS, pool);
        codecs::table(snapshot_rows(&snapshots), snapshots[0].checksum(), rounds)
    });
    let reading = Reading::sample();
    let small = codecs::table(reading_rows(&[reading]), reading.checksum(), rounds);
    let [same, four] = tables;
    [("codecs, same message", same), ("codecs, four orders", four), ("codecs, small", small)]
}

fn session_tables(plan: &Plan, program: &Path, cpus: &Cpus, told: impl Fn(&str)) -> Result<String, Box<dyn Error>> {
    let mut course = slice::Course::new(program.to_owned(), cpus.clone());
    let mut tables = Vec::new();
    for name in SESSIONS {
        told(name);
        let workload = WORKLOADS.iter().find(|workload| workload.name == name).ok_or("no such workload")?;
        let slice = if workload.pace.is_some() { plan.slice * PACED } else { plan.slice };
        let choice =
            sessions::Choice { rounds: plan.session_rounds, only: Vec::new(), versus: Vec::new(), slice: Some(slice) };
        tables.push(sessions::table(&mut course, workload, &choice)?);
    }
    cpus.place_client(Placement::Unpinned)?;
    Ok(tables.join("\n"))
}

/// A row for each transport and placement.
fn rows_of(name: &str, measured: &Measured) -> Vec<Row> {
    let mut rows = Vec::new();
    for (ours, bare, transport) in TRANSPORTS {
        let columns = [bare, Group::Tarpc, Group::Tonic, Group::Iceoryx2];
        for (placement, rates) in measured.rates(ours) {
            let of = |group| {
                let found = measured.rates(group).find(|(known, _)| *known == placement);
                found.map_or_else(Vec::new, |(_, rates)| rates)
            };
            rows.push(Row::new(&format!("{name} over {transport}"), placement.title(), &rates, &columns.map(of)));
        }
    }
    rows
}

/// Nobody else has a cache: what their users write is the same map behind the same lock.
fn hits(lookups: &caches::Lookups) -> Row {
    let name = if lookups.readers == 1 { "cache hit, 1 reader" } else { "cache hit, 2 readers" };
    let locked = Some(lookups.times_locked());
    let times = [Some(lookups.times_unlocked()), locked, locked, locked];
    Row { name: name.to_owned(), placement: Placement::Unpinned.title().to_owned(), times }
}

fn extent(plan: &Plan) -> String {
    let (rounds, slice) = (plan.rounds, plan.slice.as_secs_f64());
    let (sessions, caches, codecs) = (plan.session_rounds, plan.cache_rounds, plan.codec_rounds);
    format!(
        "services {rounds} rounds of {slice} s, sessions {sessions}, caches and lookups {caches} rounds, codecs {codecs}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_summary_has_a_load_and_every_session_a_workload() {
        assert!(LINES.iter().all(|(name, _)| LOADS.iter().any(|load| load.name == *name)));
        assert!(SESSIONS.iter().all(|name| WORKLOADS.iter().any(|workload| workload.name == *name)));
    }
}
