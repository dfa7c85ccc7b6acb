//! The one table that says how we stand: ratios, a row for each workload and placement.
//!
//! Owns: what a cell is, when it is lost, and how the table is written and read again.

use std::fmt::Write;

use crate::measure::median_of_ratios;

/// What we are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The least that the transport takes.
    Bare,
    Tarpc,
    Tonic,
    Iceoryx2,
}

impl Column {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 4] = [Self::Bare, Self::Tarpc, Self::Tonic, Self::Iceoryx2];

    /// What the table calls it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Bare => "the bare limit",
            Self::Tarpc => "tarpc",
            Self::Tonic => "tonic",
            Self::Iceoryx2 => "iceoryx2",
        }
    }
}

/// One workload in one placement.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub name: String,
    pub placement: String,
    /// Our rate, as many times as that of each column; nothing where there is nothing to compare with.
    pub times: [Option<f64>; 4],
}

impl Row {
    /// The row of these rates, round by round: ours, and those of each column.
    #[must_use]
    pub fn new(name: &str, placement: &str, ours: &[f64], columns: &[Vec<f64>; 4]) -> Self {
        let times = columns.each_ref().map(|theirs| {
            let is_complete = !ours.is_empty() && theirs.len() == ours.len();
            is_complete.then(|| median_of_ratios(ours, theirs))
        });
        Self { name: name.to_owned(), placement: placement.to_owned(), times }
    }
}

/// The table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary(pub Vec<Row>);

/// A cell that others win.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lost<'a> {
    pub row: &'a Row,
    pub column: Column,
    pub times: f64,
}

/// Three digits that mean something, or as many as there are.
#[must_use]
pub fn shown(times: f64) -> String {
    if times < 9.995 {
        format!("{times:.2}")
    } else if times < 99.95 {
        format!("{times:.1}")
    } else {
        format!("{times:.0}")
    }
}

/// Whether it is below one as it is shown: what is lost in the noise is not lost.
fn is_lost(times: f64) -> bool {
    shown(times).parse().is_ok_and(|shown: f64| shown < 1.0)
}

impl Summary {
    /// In Markdown; what is lost stands out.
    #[must_use]
    pub fn table(&self) -> String {
        let titles: String = Column::ALL.iter().map(|column| format!(" times {} |", column.title())).collect();
        let mut table = format!("| | placement |{titles}\n|---|---|---|---|---|---|\n");
        for Row { name, placement, times } in &self.0 {
            let cell = |times: Option<f64>| match times {
                Some(times) if is_lost(times) => format!(" **{}** |", shown(times)),
                Some(times) => format!(" {} |", shown(times)),
                None => " |".to_owned(),
            };
            let cells: String = times.map(cell).concat();
            writeln!(table, "| {name} | {placement} |{cells}").expect("a String takes what is written to it");
        }
        table
    }

    /// Reads what [`Summary::table`] has written; nothing, where something else was.
    #[must_use]
    pub fn parse(table: &str) -> Option<Self> {
        let mut lines = table.lines();
        let written = Self::default().table();
        if !lines.by_ref().take(2).eq(written.lines()) {
            return None;
        }
        let row = |line: &str| {
            let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
            let [name, placement, times @ ..] = &cells[..] else { return None };
            let times: [&str; 4] = times.try_into().ok()?;
            let times = times.map(|cell| (!cell.is_empty()).then(|| cell.trim_matches('*').parse().ok()));
            // A cell that is no number is no cell.
            if times.contains(&Some(None)) {
                return None;
            }
            Some(Row {
                name: (*name).to_owned(),
                placement: (*placement).to_owned(),
                times: times.map(Option::flatten),
            })
        };
        lines.map(row).collect::<Option<_>>().map(Self)
    }

    /// All that is lost, row by row.
    pub fn lost(&self) -> impl Iterator<Item = Lost<'_>> {
        self.0.iter().flat_map(|row| {
            let cells = Column::ALL.into_iter().zip(row.times);
            cells.filter_map(move |(column, times)| {
                times.filter(|times| is_lost(*times)).map(|times| Lost { row, column, times })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The median of the ratios, by looking for the one that as many are below as above.
    fn slow_median_of_ratios(ours: &[f64], theirs: &[f64]) -> f64 {
        let mut ratios: Vec<f64> = (0..ours.len()).map(|round| ours[round] / theirs[round]).collect();
        while ratios.len() > 2 {
            for pick in [f64::max, f64::min] {
                let extreme = ratios.iter().copied().reduce(pick).unwrap();
                let at = ratios.iter().position(|ratio| *ratio == extreme).unwrap();
                ratios.remove(at);
            }
        }
        ratios.into_iter().reduce(f64::max).unwrap()
    }

    #[test]
    fn cells_are_what_a_slow_twin_finds() {
        let mut dice = 7_u64;
        let mut roll = || {
            dice = dice.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (dice >> 40) as f64 + 1.0
        };
        for rounds in 1..9 {
            let mut rates = || (0..rounds).map(|_| roll()).collect::<Vec<f64>>();
            let (ours, columns) = (rates(), [rates(), rates(), rates(), Vec::new()]);
            let row = Row::new("a", "b", &ours, &columns);
            for (times, theirs) in row.times.iter().zip(&columns).take(3) {
                assert_eq!(*times, Some(slow_median_of_ratios(&ours, theirs)));
            }
            assert_eq!(row.times[3], None);
            assert_eq!(Row::new("a", "b", &[], &[const { Vec::new() }; 4]).times, [None; 4]);
        }
    }

    fn summary() -> Summary {
        let row = |name: &str, times| Row { name: name.to_owned(), placement: "one CPU".to_owned(), times };
        Summary(vec![
            row("u64", [Some(0.5), Some(12.25), None, Some(0.99)]),
            row("batch", [Some(0.996), Some(100.0), Some(9.999), Some(1.0)]),
        ])
    }

    #[test]
    fn what_is_lost_is_below_one_as_it_is_shown() {
        let summary = summary();
        let lost: Vec<_> = summary.lost().map(|lost| (&*lost.row.name, lost.column, lost.times)).collect();
        assert_eq!(lost, [("u64", Column::Bare, 0.5), ("u64", Column::Iceoryx2, 0.99)]);
        let table = summary.table();
        assert!(table.contains("| u64 | one CPU | **0.50** | 12.2 | | **0.99** |\n"), "{table}");
        assert!(table.contains("| batch | one CPU | 1.00 | 100 | 10.0 | 1.00 |\n"), "{table}");
    }

    #[test]
    fn a_table_is_read_as_it_was_written_and_nothing_else_is() {
        let table = summary().table();
        let read = Summary::parse(&table).unwrap();
        assert_eq!(read.table(), table);
        assert_eq!(Summary::parse(&table.replace("12.2", "x")), None);
        assert_eq!(Summary::parse(&table.replace("times tarpc", "times")), None);
        assert_eq!(Summary::parse(&table.replace(" **0.99** |", "")), None);
    }
}
