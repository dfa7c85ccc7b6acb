//! A run, and its tables in Markdown.
//!
//! Owns: which slices follow each other (the contenders in turn, round by round, one placement after the other), and what
//! is printed: ratios first, each the median over the rounds of how a contender compares with a reference in the same
//! round.

use std::fmt::Write;
use std::fs;
use std::io;
use std::time::Duration;

use rustix::fs::statfs;

use super::placement::{Cpus, Placement};
use super::process::ground;
use super::slice::{Course, Idle};
use super::stats::{Figures, median_of, ratio_of};
use super::workload::{WORKLOADS, Workload};
use super::{CONTENDERS, Contender, REFERENCES};

/// `TMPFS_MAGIC` of linux/magic.h.
const TMPFS: i64 = 0x0102_1994;

/// What is to be run.
#[derive(Debug)]
pub struct Choice {
    /// How many turns each contender has.
    pub rounds: usize,
    /// All of these must be found in a row's workload, placement or contender.
    pub only: Vec<String>,
    /// Ratios refer to the contenders in whose names one of these is found; to [`REFERENCES`] when there is none.
    pub versus: Vec<String>,
    /// How long a slice takes, if not as long as the workload says.
    pub slice: Option<Duration>,
}

impl Choice {
    /// Whether ratios refer to `contender`. A control must be named in full.
    pub fn refers_to(&self, contender: &dyn Contender) -> bool {
        let name = contender.name();
        let named = |word: &String| word == name || (name.contains(&**word) && !contender.is_control());
        if self.versus.is_empty() { REFERENCES.contains(&name) } else { self.versus.iter().any(named) }
    }

    /// The contenders to run, those that ratios refer to among them; none when the words name none.
    fn contenders(&self, workload: &Workload, placement: Placement) -> Vec<&'static dyn Contender> {
        let all = CONTENDERS.iter().copied().filter(|contender| contender.runs(workload));
        if !all.clone().any(|contender| self.asks_for(contender, &[workload.name, placement.title()])) {
            return Vec::new();
        }
        all.filter(|&contender| {
            self.refers_to(contender) || self.asks_for(contender, &[workload.name, placement.title()])
        })
        .collect()
    }

    /// Whether all words are found in the contender's name or in one of these others.
    pub fn asks_for(&self, contender: &dyn Contender, others: &[&str]) -> bool {
        let name = contender.name();
        let found = |word: &String| name.contains(&**word) || others.iter().any(|other| other.contains(&**word));
        let by_name = self.only.iter().any(|word| name.contains(&**word));
        self.only.iter().all(found) && (by_name || !contender.is_control())
    }
}

/// Runs one workload; the table, or nothing when nothing of it was chosen.
///
/// # Errors
/// A slice fails.
pub fn table(course: &mut Course, workload: &Workload, choice: &Choice) -> io::Result<String> {
    let references: Vec<&str> = CONTENDERS
        .iter()
        .filter(|contender| choice.refers_to(**contender) && contender.runs(workload))
        .map(|contender| contender.name())
        .collect();
    let slice = choice.slice.unwrap_or(workload.slice);
    let mut rows = String::new();
    for placement in Placement::ALL {
        let contenders = choice.contenders(workload, placement);
        if !course.cpus().allow(placement) {
            continue;
        }
        let mut rounds = vec![Vec::with_capacity(choice.rounds); contenders.len()];
        for _ in 0..choice.rounds {
            for (&contender, rounds) in contenders.iter().zip(&mut rounds) {
                rounds.push(course.run(contender, workload, placement, slice)?);
            }
        }
        let those: Vec<&[Figures]> = contenders
            .iter()
            .zip(&rounds)
            .filter(|(contender, _)| references.contains(&contender.name()))
            .map(|(_, rounds)| &rounds[..])
            .collect();
        for (contender, these) in contenders.iter().zip(&rounds) {
            row(&mut rows, placement, contender.name(), &those, these);
        }
    }
    if rows.is_empty() {
        return Ok(rows);
    }
    let (rounds, slice) = (choice.rounds, slice.as_secs_f64());
    let titles: String = references.iter().map(|name| format!(" times {name}: mean, p50, CPU |")).collect();
    let lines = "---|".repeat(references.len() + 6);
    Ok(format!(
        "**{}**, {rounds} rounds of {slice} s\n\n\
         | placement | contender |{titles} calls per second | p50, p99, p99.9 in us \
         | CPU per call in us, client + server | sleeps per call, client + server |\n\
         |{lines}\n{rows}",
        workload.name
    ))
}

type Figure = fn(&Figures) -> f64;

const COMPARED: [Figure; 3] = [|figures| figures.mean, |figures| figures.p50, Figures::cpu];
const PERCENTILES: [Figure; 3] = [|figures| figures.p50, |figures| figures.p99, |figures| figures.p999];
const CPU: [Figure; 2] = [|figures| figures.client.cpu, |figures| figures.server.cpu];
const SLEEPS: [Figure; 2] = [|figures| figures.client.sleeps, |figures| figures.server.sleeps];

fn row(rows: &mut String, placement: Placement, name: &str, references: &[&[Figures]], rounds: &[Figures]) {
    let ratios: String = references
        .iter()
        .map(|those| COMPARED.map(|figure| ratio_of(rounds, those, figure)))
        .map(|compared| format!(" {} |", compared.map(three_digits).join(", ")))
        .collect();
    let calls = median_of(rounds, |figures| figures.calls_per_second);
    let micros = |figure| three_digits(median_of(rounds, figure) / 1e3);
    let [p50, p99, p999] = PERCENTILES.map(micros);
    let [client, server] = CPU.map(micros);
    let [client_sleeps, server_sleeps] = SLEEPS.map(|figure| median_of(rounds, figure));
    writeln!(
        rows,
        "| {} | {name} |{ratios} {calls:.0} | {p50}, {p99}, {p999} | {client} + {server} \
         | {client_sleeps:.2} + {server_sleeps:.2} |",
        placement.title()
    )
    .expect("a String takes what is written to it");
}

/// Two decimals, and one more of what is small: shared memory is a hundred times as fast as what wakes a CPU.
pub(crate) fn three_digits(value: f64) -> String {
    if value < 1.0 { format!("{value:.3}") } else { format!("{value:.2}") }
}

/// What connections cost that nobody uses for `length`, contender by contender.
///
/// # Errors
/// A server or a contender fails.
pub fn idle_table(course: &Course, choice: &Choice, length: Duration) -> io::Result<String> {
    let [workload, ..] = &WORKLOADS;
    let mut table = format!(
        "**Nothing for {} s**, unpinned; one sleep of each client is the driver's\n\n\
         | contender | CPU in us, client + server | sleeps, client + server |\n|---|---|---|\n",
        length.as_secs()
    );
    for &contender in CONTENDERS.iter().filter(|contender| choice.asks_for(**contender, &[])) {
        let Idle { client, server } = course.idle(contender, workload, length)?;
        let [client_cpu, server_cpu] = [client, server].map(|usage| usage.cpu.as_micros());
        let (name, client, server) = (contender.name(), client.sleeps, server.sleeps);
        writeln!(table, "| {name} | {client_cpu} + {server_cpu} | {client} + {server} |")
            .expect("a String takes what is written to it");
    }
    Ok(table)
}

/// What the figures come from, in a line.
///
/// # Errors
/// /proc could not be read, or there is no place for run directories.
pub fn machine(cpus: &Cpus) -> io::Result<String> {
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("a CPU that /proc/cpuinfo does not name", |(_, model)| model.trim());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let (ground, in_memory) = (ground(), statfs(ground())?.f_type == TMPFS);
    let medium = if in_memory { "in memory" } else { "on a disk, which shared memory pays for with write-back" };
    let (cpus, kernel, ground) = (cpus.count(), kernel.trim(), ground.display());
    Ok(format!("{model}, {cpus} CPUs, Linux {kernel}, run directories in {ground}, {medium}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::bare;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn chosen(only: &[&str], versus: &[&str], workload: &Workload) -> Vec<&'static str> {
        let choice = Choice { rounds: 1, only: words(only), versus: words(versus), slice: None };
        choice.contenders(workload, Placement::OneCpu).iter().map(|contender| contender.name()).collect()
    }

    fn without_controls(runs: &Workload) -> Vec<&'static str> {
        let chosen = |contender: &&&dyn Contender| !contender.is_control() && contender.runs(runs);
        CONTENDERS.iter().filter(chosen).map(|contender| contender.name()).collect()
    }

    #[test]
    fn rows_are_chosen_by_any_of_their_names_and_never_without_the_references() {
        let round_trip = &WORKLOADS[0];
        assert_eq!(chosen(&[], &[], round_trip), without_controls(round_trip));
        assert_eq!(chosen(&["one CPU", "round trip"], &[], round_trip), without_controls(round_trip));
        assert_eq!(chosen(&["two CPUs"], &[], round_trip), [""; 0]);
        assert_eq!(chosen(&["one CPU", "yielding"], &[], round_trip), REFERENCES);
        assert_eq!(chosen(&["by path"], &[], round_trip), [&REFERENCES[..], &[bare::BY_PATH.name]].concat());
    }

    #[test]
    fn references_can_be_chosen_and_then_replace_the_others() {
        let round_trip = &WORKLOADS[0];
        let [blocking, yielding, spinning, _] = REFERENCES;
        assert_eq!(chosen(&["yielding"], &["8192"], round_trip), [yielding, spinning]);
        assert_eq!(chosen(&["8192"], &["bare, "], round_trip), [blocking, yielding, spinning]);
        assert_eq!(chosen(&["8192"], &[bare::BY_PATH.name], round_trip), [spinning, bare::BY_PATH.name]);
    }

    #[test]
    fn who_cannot_carry_a_load_is_left_out() {
        let deep = WORKLOADS.iter().find(|workload| workload.in_flight > 1).unwrap();
        assert_eq!(chosen(&[], &[], deep), without_controls(deep));
        assert!(without_controls(deep).len() < without_controls(&WORKLOADS[0]).len());
        assert_eq!(chosen(&["bare shm"], &[], deep), [""; 0]);
        assert_eq!(chosen(&["yielding"], &["bare shm"], deep), [bare::YIELDING.name]);
    }

    #[test]
    fn fractions_keep_their_digits() {
        assert_eq!([0.0074, 0.9989, 1.0, 85.114].map(three_digits), ["0.007", "0.999", "1.00", "85.11"]);
    }
}
