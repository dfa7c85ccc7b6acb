//! What is behind what we lose.
//!
//! Owns: reasons, each for the cells that its first line names, `[rows] [columns] [placements]`, apart by `;`, all of them
//! by `*`; and that no lost cell goes without.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::summary::{Column, Lost, Summary, shown};

/// What is behind some cells.
#[derive(Debug, PartialEq, Eq)]
pub struct Reason {
    rows: Names,
    columns: Names,
    placements: Names,
    text: String,
}

/// Some names, or all.
#[derive(Debug, PartialEq, Eq)]
struct Names(Vec<String>);

impl Names {
    fn hold(&self, name: &str) -> bool {
        self.0.iter().any(|held| held == "*" || held == name)
    }
}

/// Why what is lost can't be explained.
#[derive(Debug, PartialEq, Eq)]
pub enum LossError {
    /// No reasons: this line should have begun one.
    NoReason(String),
    /// A reason is about a row, a column or a placement that is not in the table.
    Unknown(String),
}

impl std::fmt::Display for LossError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoReason(line) => write!(f, "no reason, which begins with [rows] [columns] [placements]: {line}"),
            Self::Unknown(name) => write!(f, "a reason is about {name}, which is not in the table"),
        }
    }
}

impl std::error::Error for LossError {}

/// Reads reasons, apart by empty lines.
///
/// # Errors
/// One does not begin with what it is about.
pub fn parse(text: &str) -> Result<Vec<Reason>, LossError> {
    let paragraphs = text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty());
    let reason = |paragraph: &str| {
        let wrong = || LossError::NoReason(paragraph.lines().next().unwrap_or_default().to_owned());
        let (head, text) = paragraph.split_once('\n').ok_or_else(wrong)?;
        let inner = head.strip_prefix('[').and_then(|head| head.strip_suffix(']')).ok_or_else(wrong)?;
        let lists: Vec<&str> = inner.split("] [").collect();
        let names = |list: &str| Names(list.split(';').map(|name| name.trim().to_owned()).collect());
        let [rows, columns, placements] = lists[..] else { return Err(wrong()) };
        Ok(Reason { rows: names(rows), columns: names(columns), placements: names(placements), text: text.to_owned() })
    };
    paragraphs.map(reason).collect()
}

/// What is lost, reason by reason, the first that fits each cell; and what no reason fits.
#[derive(Debug, PartialEq, Eq)]
pub struct Explained {
    /// In Markdown.
    pub text: String,
    /// Cells.
    pub unexplained: Vec<String>,
}

/// Explains all that is lost.
///
/// # Errors
/// A reason is about what is not there.
pub fn explain(summary: &Summary, reasons: &[Reason]) -> Result<Explained, LossError> {
    for reason in reasons {
        let known = |names: &Names, all: &BTreeSet<&str>| match names.0.iter().find(|name| !all.contains(name.as_str()))
        {
            Some(name) => Err(LossError::Unknown(name.clone())),
            None => Ok(()),
        };
        let all = |names: &mut dyn Iterator<Item = &'static str>| names.chain(["*"]).collect::<BTreeSet<&str>>();
        known(&reason.rows, &summary.0.iter().map(|row| &*row.name).chain(["*"]).collect())?;
        known(&reason.columns, &all(&mut Column::ALL.iter().map(|column| column.title())))?;
        known(&reason.placements, &all(&mut PLACEMENTS.into_iter()))?;
    }
    let mut cells: Vec<Vec<Lost<'_>>> = vec![Vec::new(); reasons.len()];
    let mut unexplained = Vec::new();
    for lost in summary.lost() {
        let fits = |reason: &Reason| {
            reason.rows.hold(&lost.row.name)
                && reason.columns.hold(lost.column.title())
                && reason.placements.hold(&lost.row.placement)
        };
        match reasons.iter().position(fits) {
            Some(at) => cells[at].push(lost),
            None => unexplained.push(format!(
                "{}, {}, beside {}: {}",
                lost.row.name,
                lost.row.placement,
                lost.column.title(),
                shown(lost.times)
            )),
        }
    }
    let mut text = String::new();
    for (reason, cells) in reasons.iter().zip(&cells).filter(|(_, cells)| !cells.is_empty()) {
        let write = writeln!(text, "- {}:\n{}\n", list(cells), indented(&reason.text));
        write.expect("a String takes what is written to it");
    }
    for cell in &unexplained {
        writeln!(text, "- **UNEXPLAINED**: {cell}").expect("a String takes what is written to it");
    }
    Ok(Explained { text, unexplained })
}

const PLACEMENTS: [&str; 3] = ["unpinned", "one CPU", "two CPUs"];

/// The cells of one reason: each row and column once, with its placements.
fn list(cells: &[Lost<'_>]) -> String {
    let mut heads: Vec<(String, Vec<String>)> = Vec::new();
    for cell in cells {
        let head = format!("**{}, beside {}**", cell.row.name, cell.column.title());
        let value = format!("{} {}", cell.row.placement, shown(cell.times));
        match heads.iter_mut().find(|(known, _)| *known == head) {
            Some((_, values)) => values.push(value),
            None => heads.push((head, vec![value])),
        }
    }
    let heads: Vec<String> =
        heads.into_iter().map(|(head, values)| format!("{head} ({})", values.join(", "))).collect();
    heads.join("; ")
}

fn indented(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::summary::Row;
    use super::*;

    const REASONS: &str =
        "[u64] [the bare limit] [*]\nIt checks.\nAnd encodes.\n\n[*] [iceoryx2] [one CPU; two CPUs]\nNo copy.\n";

    fn summary() -> Summary {
        let row = |name: &str, placement: &str, bare, iceoryx2| Row {
            name: name.to_owned(),
            placement: placement.to_owned(),
            times: [Some(bare), Some(10.0), None, Some(iceoryx2)],
        };
        Summary(vec![
            row("u64", "one CPU", 0.5, 2.0),
            row("u64", "two CPUs", 0.75, 0.25),
            row("batch", "one CPU", 1.5, 0.5),
        ])
    }

    #[test]
    fn each_lost_cell_stands_with_its_reason_and_no_other_does() {
        let explained = explain(&summary(), &parse(REASONS).unwrap()).unwrap();
        assert_eq!(
            explained.text,
            "- **u64, beside the bare limit** (one CPU 0.50, two CPUs 0.75):\n  It checks.\n  And encodes.\n\n\
             - **u64, beside iceoryx2** (two CPUs 0.25); **batch, beside iceoryx2** (one CPU 0.50):\n  No copy.\n\n"
        );
        assert_eq!(explained.unexplained, [""; 0]);
    }

    #[test]
    fn a_loss_without_a_reason_is_told() {
        let mut summary = summary();
        summary.0[2].placement = "unpinned".to_owned();
        summary.0[0].times[1] = Some(0.9);
        let explained = explain(&summary, &parse(REASONS).unwrap()).unwrap();
        assert_eq!(
            explained.unexplained,
            ["u64, one CPU, beside tarpc: 0.90", "batch, unpinned, beside iceoryx2: 0.50"]
        );
        assert!(explained.text.contains("UNEXPLAINED"));
    }

    #[test]
    fn a_reason_for_what_is_not_there_and_one_without_a_head_are_refused() {
        for (wrong, name) in [("u64]", "u46"), ("the bare limit]", "bare"), ("one CPU;", "on CPU")] {
            let right = wrong.trim_end_matches([']', ';']);
            let reasons = REASONS.replace(wrong, &wrong.replace(right, name));
            let refused = explain(&summary(), &parse(&reasons).unwrap());
            assert_eq!(refused, Err(LossError::Unknown(name.to_owned())));
        }
        for wrong in ["It checks.\nAlways.", "[u64] [tarpc]\nIt checks.", "[u64] [tarpc] [*]"] {
            assert!(matches!(parse(wrong), Err(LossError::NoReason(_))), "{wrong}");
        }
    }
}
