//! A run, and its tables in Markdown.
//!
//! Owns: which slices follow each other (the contenders in turn, round by round, one placement after the other), and what
//! is printed: ratios first, each the median over the rounds of how a contender compares with a bare loop in the same
//! round.

use std::fmt::Write;
use std::fs;
use std::io;

use super::placement::{Cpus, Placement};
use super::slice::Course;
use super::stats::{Figures, median_of, ratio_of};
use super::workload::Workload;
use super::{CONTENDERS, Contender, REFERENCES};

/// What is to be run.
#[derive(Debug)]
pub struct Choice {
    /// How many turns each contender has.
    pub rounds: usize,
    /// All of these must be found in a row's workload, placement or contender.
    pub only: Vec<String>,
}

impl Choice {
    /// The contenders to run, those that ratios refer to among them; none when the words name none.
    fn contenders(&self, workload: &Workload, placement: Placement) -> Vec<&'static dyn Contender> {
        let named = |contender: &dyn Contender, word: &String| {
            [workload.name, placement.title(), contender.name()].iter().any(|name| name.contains(&**word))
        };
        let asked_for = |contender: &dyn Contender| {
            let by_name = self.only.iter().any(|word| contender.name().contains(&**word));
            self.only.iter().all(|word| named(contender, word)) && (by_name || !contender.is_control())
        };
        let all = CONTENDERS.iter().copied();
        if !all.clone().any(asked_for) {
            return Vec::new();
        }
        all.filter(|&contender| REFERENCES.contains(&contender.name()) || asked_for(contender)).collect()
    }
}

/// Runs one workload; the table, or nothing when nothing of it was chosen.
///
/// # Errors
/// A slice fails.
pub fn table(course: &mut Course, workload: &Workload, choice: &Choice) -> io::Result<String> {
    let mut rows = String::new();
    for placement in Placement::ALL {
        let contenders = choice.contenders(workload, placement);
        if !course.cpus().allow(placement) {
            continue;
        }
        let mut rounds = vec![Vec::with_capacity(choice.rounds); contenders.len()];
        for _ in 0..choice.rounds {
            for (&contender, rounds) in contenders.iter().zip(&mut rounds) {
                rounds.push(course.run(contender, workload, placement, workload.slice)?);
            }
        }
        let references = REFERENCES.map(|name| contenders.iter().position(|contender| contender.name() == name));
        for (contender, these) in contenders.iter().zip(&rounds) {
            let ratios =
                references.map(|reference| reference.map_or_else(String::new, |at| ratios(these, &rounds[at])));
            row(&mut rows, placement, contender.name(), &ratios, these);
        }
    }
    if rows.is_empty() {
        return Ok(rows);
    }
    let (rounds, slice) = (choice.rounds, workload.slice.as_secs_f64());
    let [blocking, yielding] = REFERENCES;
    Ok(format!(
        "**{}**, {rounds} rounds of {slice} s\n\n\
         | placement | contender | times {blocking}: mean, p50, CPU | times {yielding}: mean, p50, CPU | calls per second \
         | p50, p99, p99.9 in us | CPU per call in us, client + server | sleeps per call, client + server |\n\
         |---|---|---|---|---|---|---|---|\n{rows}",
        workload.name
    ))
}

type Figure = fn(&Figures) -> f64;

const COMPARED: [Figure; 3] = [|figures| figures.mean, |figures| figures.p50, Figures::cpu];
const PERCENTILES: [Figure; 3] = [|figures| figures.p50, |figures| figures.p99, |figures| figures.p999];
const CPU: [Figure; 2] = [|figures| figures.client.cpu, |figures| figures.server.cpu];
const SLEEPS: [Figure; 2] = [|figures| figures.client.sleeps, |figures| figures.server.sleeps];

fn ratios(these: &[Figures], those: &[Figures]) -> String {
    let [mean, p50, cpu] = COMPARED.map(|figure| ratio_of(these, those, figure));
    format!("{mean:.2}, {p50:.2}, {cpu:.2}")
}

fn row(rows: &mut String, placement: Placement, name: &str, [blocking, yielding]: &[String; 2], rounds: &[Figures]) {
    let micros = |figure| median_of(rounds, figure) / 1e3;
    let calls = median_of(rounds, |figures| figures.calls_per_second);
    let [p50, p99, p999] = PERCENTILES.map(micros);
    let [client, server] = CPU.map(micros);
    let [client_sleeps, server_sleeps] = SLEEPS.map(|figure| median_of(rounds, figure));
    writeln!(
        rows,
        "| {} | {name} | {blocking} | {yielding} | {calls:.0} | {p50:.2}, {p99:.2}, {p999:.2} | {client:.2} + {server:.2} \
         | {client_sleeps:.2} + {server_sleeps:.2} |",
        placement.title()
    )
    .expect("a String takes what is written to it");
}

/// What the figures come from, in a line.
///
/// # Errors
/// /proc could not be read.
pub fn machine(cpus: &Cpus) -> io::Result<String> {
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("a CPU that /proc/cpuinfo does not name", |(_, model)| model.trim());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(format!("{model}, {} CPUs, Linux {}", cpus.count(), kernel.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::bare;
    use crate::driver::workload::WORKLOADS;

    fn chosen(only: &[&str]) -> Vec<&'static str> {
        let choice = Choice { rounds: 1, only: only.iter().map(|&word| word.to_owned()).collect() };
        choice.contenders(&WORKLOADS[0], Placement::OneCpu).iter().map(|contender| contender.name()).collect()
    }

    #[test]
    fn rows_are_chosen_by_any_of_their_names_and_never_without_the_references() {
        let without_controls: Vec<_> =
            CONTENDERS.iter().filter(|contender| !contender.is_control()).map(|contender| contender.name()).collect();
        assert_eq!(chosen(&[]), without_controls);
        assert_eq!(chosen(&["one CPU", "round trip"]), without_controls);
        assert_eq!(chosen(&["two CPUs"]), [""; 0]);
        assert_eq!(chosen(&["one CPU", "yielding"]), REFERENCES);
        assert_eq!(chosen(&["by path"]), [REFERENCES[0], REFERENCES[1], bare::BY_PATH.name]);
    }
}
