//! `netipc bench`: calls between two processes of this program, and the bare loops that show what is possible.
//!
//! Owns: which rows run, in turns, and how they are printed. What a turn is belongs to the load driver.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;

use indicatif::{ProgressBar, ProgressStyle};
use netipc_benches::driver::placement::{Cpus, Placement};
pub(crate) use netipc_benches::driver::process::SERVE_AS;
use netipc_benches::driver::stats::{Figures, median_of, ratio_of};
use netipc_benches::services::load::{LOADS, Load};
use netipc_benches::services::turn::Course;
use netipc_benches::services::{CONTENDERS, Contender, Group};
use serde_json::{Value, json};

use crate::args::Bench;
use crate::failure::{Code, Failure};
use crate::text::{Cell, table};

/// One row, and the turns that it has had.
struct Row {
    load: &'static Load,
    placement: Placement,
    contender: &'static dyn Contender,
    turns: Vec<Figures>,
}

/// The server's side.
pub(crate) fn serve(words: &[OsString]) -> Result<(), Failure> {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    Ok(netipc_benches::services::serve(&words)?)
}

pub(crate) fn bench(args: &Bench, out: &mut impl Write) -> Result<(), Failure> {
    let cpus = Cpus::allowed()?;
    let mut rows = rows(&cpus, &args.only);
    if rows.is_empty() {
        return Err(Failure::new(Code::Usage, "no row has these words"));
    }
    let course = Course::new("/proc/self/exe".into(), cpus);
    run(&course, args, &mut rows)?;
    if args.json {
        return crate::json(out, &rows.iter().map(|row| row.json(&rows)).collect());
    }
    let cells: Vec<_> = rows.iter().map(|row| row.cells(&rows)).collect();
    let titles =
        ["LOAD", "PLACEMENT", "CONTENDER", "CALLS/S", "TIMES BARE", "P50 US", "P99 US", "CPU US, CLIENT", "SERVER"];
    Ok(table(out, &titles, &cells)?)
}

/// Ours, and the bare loops.
fn is_ours(contender: &dyn Contender) -> bool {
    matches!(contender.group(), Group::BareSocket | Group::BareShm | Group::Socket | Group::Shm)
}

fn rows(cpus: &Cpus, only: &[String]) -> Vec<Row> {
    let mut rows = Vec::new();
    for load in &LOADS {
        for placement in Placement::ALL.into_iter().filter(|&placement| cpus.allow(placement)) {
            let all: Vec<_> =
                CONTENDERS.iter().copied().filter(|contender| is_ours(*contender) && contender.runs(load)).collect();
            let is_asked = |contender: &dyn Contender| {
                let names = [load.name, placement.title(), contender.name()];
                only.iter().all(|words| names.iter().any(|name| name.contains(&**words)))
            };
            // What is possible stays with what was asked for.
            let limits: Vec<_> =
                all.iter().filter(|row| is_asked(**row)).filter_map(|row| row.group().limit()).collect();
            let chosen = all.into_iter().filter(|row| is_asked(*row) || limits.contains(&row.group()));
            rows.extend(chosen.map(|contender| Row { load, placement, contender, turns: Vec::new() }));
        }
    }
    rows
}

fn run(course: &Course, args: &Bench, rows: &mut [Row]) -> Result<(), Failure> {
    let turns = u64::from(args.rounds) * rows.len() as u64;
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} turns, {eta} left: {msg}");
    // Drawn on standard error, and only where that is a terminal.
    let bar = ProgressBar::new(turns).with_style(style.map_err(|error| Failure::new(Code::Failed, error))?);
    for _ in 0..args.rounds {
        for Row { load, placement, contender, turns } in &mut *rows {
            let place = format!("{}, {}, {}", load.name, contender.name(), placement.title());
            bar.set_message(place.clone());
            bar.tick();
            let figures = course.run(*contender, load, *placement, args.seconds);
            turns.push(figures.map_err(|error| Failure::new(Code::Failed, error).at(place))?);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(())
}

impl Row {
    /// How many times the rate of the fastest bare loop of the same round.
    fn times_bare(&self, rows: &[Self]) -> Option<f64> {
        let limit = self.contender.group().limit()?;
        let is_limit = |row: &&Self| {
            row.contender.group() == limit && row.load.name == self.load.name && row.placement == self.placement
        };
        let limits: Vec<_> = rows.iter().filter(is_limit).collect();
        let best = |round: usize| {
            let these = limits.iter().filter_map(|row| row.turns.get(round)).copied();
            these.max_by(|one, other| one.calls_per_second.total_cmp(&other.calls_per_second))
        };
        let best: Option<Vec<_>> = (0..self.turns.len()).map(best).collect();
        Some(ratio_of(&self.turns, &best?, |figures| figures.calls_per_second))
    }

    fn medians(&self) -> BTreeMap<&'static str, f64> {
        let median = |figure| median_of(&self.turns, figure);
        BTreeMap::from([
            ("calls_per_second", median(|figures| figures.calls_per_second)),
            ("p50_us", median(|figures| figures.p50) / 1e3),
            ("p99_us", median(|figures| figures.p99) / 1e3),
            ("client_cpu_us", median(|figures| figures.client.cpu) / 1e3),
            ("server_cpu_us", median(|figures| figures.server.cpu) / 1e3),
        ])
    }

    fn cells(&self, rows: &[Self]) -> Vec<Cell> {
        let medians = self.medians();
        let cell =
            |name: &str, digits| Cell::number_or_dash(medians.get(name).map(|value| format!("{value:.digits$}")));
        vec![
            Cell::text(self.load.name),
            Cell::text(self.placement.title()),
            Cell::text(self.contender.name()),
            cell("calls_per_second", 0),
            Cell::number_or_dash(self.times_bare(rows).map(|ratio| format!("{ratio:.3}"))),
            cell("p50_us", 2),
            cell("p99_us", 2),
            cell("client_cpu_us", 3),
            cell("server_cpu_us", 3),
        ]
    }

    fn json(&self, rows: &[Self]) -> Value {
        json!({
            "load": self.load.name,
            "placement": self.placement.title(),
            "contender": self.contender.name(),
            "rounds": self.turns.len(),
            "times_bare": self.times_bare(rows),
            "medians": self.medians(),
        })
    }
}
