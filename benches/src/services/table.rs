//! A run of services, and its tables in Markdown.
//!
//! Owns: which turns follow each other (the contenders in turn, round by round, one placement after the other), what each
//! is compared with, and what is printed: ratios first, each the median over the rounds of ratios within a round.

use std::fmt::{self, Debug, Formatter, Write};
use std::io;
use std::time::Duration;

use super::load::Load;
use super::turn::Course;
use super::{CONTENDERS, Contender, Group};
use crate::driver::placement::Placement;
use crate::driver::stats::{Figures, median_of, ratio_of};
use crate::driver::table::three_digits;

/// What is to be run.
#[derive(Debug)]
pub struct Choice {
    /// How many turns each contender has.
    pub rounds: usize,
    /// All of these must be found in a row's load, placement or contender.
    pub only: Vec<String>,
    /// How long a turn takes, if not as long as the load says.
    pub slice: Option<Duration>,
}

impl Choice {
    fn asks_for(&self, contender: &dyn Contender, load: &Load, placement: Placement) -> bool {
        let names = [contender.name(), load.name, placement.title()];
        self.only.iter().all(|word| names.iter().any(|name| name.contains(&**word)))
    }

    /// The contenders to run: those that were asked for, and what of ours is below them.
    fn contenders(&self, load: &Load, placement: Placement) -> Vec<&'static dyn Contender> {
        let all = CONTENDERS.iter().copied().filter(|contender| contender.runs(load));
        let chosen: Vec<_> = all.clone().filter(|&contender| self.asks_for(contender, load, placement)).collect();
        let is_below = |contender: &dyn Contender| {
            chosen.iter().any(|above| {
                above.level1(load) == Some(contender.name()) || above.group().limit() == Some(contender.group())
            })
        };
        all.filter(|&contender| self.asks_for(contender, load, placement) || is_below(contender)).collect()
    }
}

/// A column of ratios.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reference {
    /// The same transport and waiting, without types.
    Level1,
    /// The fastest bare loop of the round over the same transport.
    Limit,
    /// The fastest of the round in this group.
    Group(Group),
}

const REFERENCES: [(Reference, &str); 5] = [
    (Reference::Level1, "Level 1"),
    (Reference::Limit, "bare"),
    (Reference::Group(Group::Tarpc), "tarpc"),
    (Reference::Group(Group::Tonic), "tonic"),
    (Reference::Group(Group::Iceoryx2), "iceoryx2"),
];

/// One contender's turns.
pub struct Row {
    contender: &'static dyn Contender,
    rounds: Vec<Figures>,
}

impl Debug for Row {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("contender", &self.contender.name()).field("rounds", &self.rounds).finish()
    }
}

impl Reference {
    /// What `row` is compared with, round by round; `None` where that is nothing, or the row itself.
    fn of(self, row: &Row, rows: &[Row], load: &Load) -> Option<Vec<Figures>> {
        match self {
            Self::Level1 => {
                let name = row.contender.level1(load)?;
                Some(rows.iter().find(|row| row.contender.name() == name)?.rounds.clone())
            }
            Self::Limit => fastest(row.contender.group().limit()?, rows),
            Self::Group(group) if row.contender.group() != group => fastest(group, rows),
            Self::Group(_) => None,
        }
    }
}

/// The fastest of each round in a group. Which that is depends on where both sides run.
fn fastest(group: Group, rows: &[Row]) -> Option<Vec<Figures>> {
    fastest_of(rows.iter(), group)
}

fn fastest_of<'a>(rows: impl Iterator<Item = &'a Row>, group: Group) -> Option<Vec<Figures>> {
    let all: Vec<_> = rows.filter(|row| row.contender.group() == group).collect();
    let best = |round: usize| {
        let these = all.iter().map(|row| row.rounds[round]);
        these.max_by(|one, other| one.calls_per_second.total_cmp(&other.calls_per_second))
    };
    (0..all.first()?.rounds.len()).map(best).collect()
}

/// A load, measured.
#[derive(Debug)]
pub struct Measured {
    load: &'static Load,
    rounds: usize,
    slice: Duration,
    placements: Vec<(Placement, Vec<Row>)>,
}

/// Runs one load, calling `progress` with what is run next.
///
/// # Errors
/// A turn fails; which is said.
pub fn measure(
    course: &Course,
    load: &'static Load,
    choice: &Choice,
    mut progress: impl FnMut(&str),
) -> io::Result<Measured> {
    let slice = choice.slice.unwrap_or(load.slice);
    let mut placements = Vec::new();
    for placement in Placement::ALL {
        if !course.cpus().allow(placement) {
            continue;
        }
        let row = |contender| Row { contender, rounds: Vec::with_capacity(choice.rounds) };
        let mut rows: Vec<_> = choice.contenders(load, placement).into_iter().map(row).collect();
        progress(&format!("{}, {}: {} contenders", load.name, placement.title(), rows.len()));
        for _ in 0..choice.rounds {
            for Row { contender, rounds } in &mut rows {
                let run = course.run(*contender, load, placement, slice);
                let place = format!("{}, {}, {}", load.name, contender.name(), placement.title());
                rounds.push(run.map_err(|error| io::Error::other(format!("{place}: {error}")))?);
            }
        }
        placements.push((placement, rows));
    }
    Ok(Measured { load, rounds: choice.rounds, slice, placements })
}

impl Measured {
    /// The table, or nothing when nothing was chosen.
    #[must_use]
    pub fn table(&self) -> String {
        let mut lines = String::new();
        for (placement, rows) in &self.placements {
            for row in rows {
                line(&mut lines, *placement, row, rows, self.load);
            }
        }
        if lines.is_empty() {
            return lines;
        }
        let (rounds, slice, name) = (self.rounds, self.slice.as_secs_f64(), self.load.name);
        let titles: String =
            REFERENCES.iter().map(|(_, name)| format!(" times {name}: rate, p50, p99, CPU |")).collect();
        let rule = "---|".repeat(REFERENCES.len() + 5);
        format!(
            "**{name}**, {rounds} rounds of {slice} s\n\n\
             | placement | contender |{titles} calls per second | p50, p99, p99.9 in us | CPU per call in us, client + server |\n\
             |{rule}\n{lines}",
        )
    }

    /// The rate of the fastest row of a group in each round, placement by placement; of none, where nothing of it ran. Of ours
    /// services alone count, not the sessions below them.
    pub fn rates(&self, group: Group) -> impl Iterator<Item = (Placement, Vec<f64>)> {
        self.placements.iter().map(move |(placement, rows)| {
            let counts = |row: &&Row| group.limit().is_none() || row.contender.is_service();
            let fastest = fastest_of(rows.iter().filter(counts), group).unwrap_or_default();
            (*placement, fastest.iter().map(|figures| figures.calls_per_second).collect())
        })
    }
}

type Figure = fn(&Figures) -> f64;

const COMPARED: [Figure; 4] =
    [|figures| figures.calls_per_second, |figures| figures.p50, |figures| figures.p99, Figures::cpu];
const MICROS: [Figure; 5] = [
    |figures| figures.p50,
    |figures| figures.p99,
    |figures| figures.p999,
    |figures| figures.client.cpu,
    |figures| figures.server.cpu,
];

fn line(lines: &mut String, placement: Placement, row: &Row, rows: &[Row], load: &Load) {
    let ratios: String = REFERENCES
        .iter()
        .map(|(reference, _)| match reference.of(row, rows, load) {
            Some(those) => {
                let ratios = COMPARED.map(|figure| three_digits(ratio_of(&row.rounds, &those, figure)));
                format!(" {} |", ratios.join(", "))
            }
            None => " |".to_owned(),
        })
        .collect();
    let calls = median_of(&row.rounds, |figures| figures.calls_per_second);
    let [p50, p99, p999, client, server] = MICROS.map(|figure| three_digits(median_of(&row.rounds, figure) / 1e3));
    let (placement, name) = (placement.title(), row.contender.name());
    writeln!(lines, "| {placement} | {name} |{ratios} {calls:.0} | {p50}, {p99}, {p999} | {client} + {server} |")
        .expect("a String takes what is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::usage::Usage;
    use crate::services::load::LOADS;

    fn chosen(only: &[&str], load: &Load) -> Vec<&'static str> {
        let choice = Choice { rounds: 1, only: only.iter().map(|&word| word.to_owned()).collect(), slice: None };
        choice.contenders(load, Placement::OneCpu).iter().map(|contender| contender.name()).collect()
    }

    /// A row whose round trips took so many microseconds, round by round.
    fn row(name: &str, rounds: &[u32]) -> Row {
        let contender = *CONTENDERS.iter().find(|contender| contender.name() == name).unwrap();
        let usage = Usage { cpu: Duration::from_micros(1), sleeps: 0 };
        let round = |&micros: &u32| {
            let elapsed = Duration::from_micros(micros.into());
            Figures::new(&mut [micros * 1_000], elapsed, usage, usage)
        };
        Row { contender, rounds: rounds.iter().map(round).collect() }
    }

    fn p50(figures: Option<Vec<Figures>>) -> Option<Vec<f64>> {
        Some(figures?.iter().map(|figures| figures.p50 / 1e3).collect())
    }

    #[test]
    fn what_is_below_a_row_runs_with_it_and_what_others_make_does_not() {
        let [call, eight, ..] = &LOADS;
        let all = |load: &Load| CONTENDERS.iter().filter(|contender| contender.runs(load)).count();
        assert_eq!(chosen(&[], call).len(), all(call));
        assert_eq!(chosen(&["u64", "one CPU"], call).len(), all(call));
        assert_eq!(chosen(&["two CPUs"], call), [""; 0]);
        let bare = ["bare, blocking", "bare, yielding"];
        assert_eq!(
            chosen(&["service, adaptive"], call),
            [&bare[..], &["session, adaptive", "service, adaptive"]].concat()
        );
        assert_eq!(chosen(&["tarpc, one"], call), ["tarpc, one thread"]);
        assert_eq!(chosen(&["service, adaptive"], eight), ["service, adaptive"]);
    }

    #[test]
    fn every_row_of_ours_finds_what_is_below_it() {
        for load in LOADS.iter().filter(|load| load.clients == 1) {
            let names = chosen(&[], load);
            for contender in CONTENDERS.iter().filter(|contender| contender.runs(load)) {
                let level1 = contender.level1(load);
                assert!(level1.is_none_or(|name| names.contains(&name)), "{}: {level1:?}", contender.name());
            }
        }
    }

    #[test]
    fn a_row_is_compared_with_the_fastest_of_each_round() {
        let call = &LOADS[0];
        let rows = [
            row("bare, blocking", &[9, 2, 5]),
            row("bare, yielding", &[4, 3, 6]),
            row("session, adaptive", &[6, 7, 8]),
            row("service, adaptive", &[8, 8, 8]),
            row("tonic, one thread", &[50, 60, 70]),
        ];
        let [bare, _, _, service, tonic] = &rows;
        let of = |reference: Reference, row: &Row| p50(reference.of(row, &rows, call));
        assert_eq!(of(Reference::Limit, service), Some(vec![4.0, 2.0, 5.0]));
        assert_eq!(of(Reference::Level1, service), Some(vec![6.0, 7.0, 8.0]));
        assert_eq!(of(Reference::Group(Group::Tonic), service), Some(vec![50.0, 60.0, 70.0]));
        assert_eq!(of(Reference::Group(Group::Tarpc), service), None);
        assert_eq!(of(Reference::Group(Group::Tonic), tonic), None);
        assert_eq!(
            [of(Reference::Level1, bare), of(Reference::Limit, bare), of(Reference::Limit, tonic)],
            [None, None, None]
        );
    }

    #[test]
    fn our_rate_is_that_of_a_service_and_not_of_what_it_stands_on() {
        let rows = vec![
            row("bare, yielding", &[1, 1]),
            row("session, block", &[2, 2]),
            row("service, block", &[5, 4]),
            row("service, adaptive", &[4, 8]),
            row("tarpc, one thread", &[10, 20]),
        ];
        let measured = Measured {
            load: &LOADS[0],
            rounds: 2,
            slice: Duration::from_millis(1),
            placements: vec![(Placement::OneCpu, rows)],
        };
        let rates = |group: Group| {
            let rounded = |(_, rates): (_, Vec<f64>)| rates.into_iter().map(f64::round).collect::<Vec<_>>();
            measured.rates(group).map(rounded).collect::<Vec<_>>()
        };
        assert_eq!(rates(Group::Socket), [[250_000.0, 250_000.0]]);
        assert_eq!(rates(Group::BareSocket), [[1e6, 1e6]]);
        assert_eq!(rates(Group::Tarpc), [[100_000.0, 50_000.0]]);
        assert_eq!(rates(Group::Tonic), [[0.0; 0]]);
    }

    #[test]
    fn ratios_stand_where_there_is_something_to_compare_with() {
        let rows = [row("bare, blocking", &[2]), row("service, block", &[4])];
        let mut lines = String::new();
        line(&mut lines, Placement::OneCpu, &rows[1], &rows, &LOADS[0]);
        assert_eq!(
            lines,
            "| one CPU | service, block | | 0.500, 2.00, 2.00, 1.00 | | | | 250000 | 4.00, 4.00, 4.00 | 1.00 + 1.00 |\n"
        );
    }
}
