//! docs/benchmarks.md, from one run of everything.
//!
//! ```text
//!   run        all programs' tables, and the summary   ->  Values
//!   template   benches/document/benchmarks.md          ->  prose, with places for these
//!   losses     benches/document/losses.md              ->  what is behind each lost cell
//!   render                                             ->  the document, and its mark
//! ```
//!
//! Owns: what the document is put together from, and that it can be told whether a hand has changed it. It measures nothing.

pub mod builds;
pub mod losses;
pub mod machine;
pub mod run;
pub mod summary;
pub mod template;

use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use self::summary::Summary;
use self::template::{Values, fill};

/// What the document is made of but for the run.
#[derive(Debug)]
pub struct Sources {
    /// Headings and prose.
    pub template: String,
    /// What is behind what is lost.
    pub losses: String,
    /// About the machine without a system below it, where there is such a section.
    pub bare_machine: String,
}

/// The workspace.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where the document belongs.
#[must_use]
pub fn place() -> PathBuf {
    root().join("docs/benchmarks.md")
}

impl Sources {
    /// As they stand in the workspace.
    ///
    /// # Errors
    /// One can't be read. A section about the bare machine may be missing.
    pub fn read() -> io::Result<Self> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("document");
        let bare_machine = match fs::read_to_string(directory.join("bare-machine.md")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            read => read?,
        };
        let [template, losses] = ["benchmarks.md", "losses.md"].map(|name| fs::read_to_string(directory.join(name)));
        Ok(Self { template: template?, losses: losses?, bare_machine })
    }
}

/// The name of the value that the summary is.
pub const SUMMARY: &str = "summary";
/// The name of the value that says what is behind losses.
pub const LOSSES: &str = "losses";
/// The name of the value that is the section about the bare machine.
pub const BARE_MACHINE: &str = "bare machine";

/// A document, and which lost cells nothing is behind.
#[derive(Debug)]
pub struct Rendered {
    /// All of it.
    pub text: String,
    /// Cells.
    pub unexplained: Vec<String>,
}

/// Puts the document together from what a run gave.
///
/// # Errors
/// The sources are wrong, or don't fit the run.
pub fn render(sources: &Sources, run: &Values) -> Result<Rendered, Box<dyn Error>> {
    let summary = run.get(SUMMARY).and_then(|table| Summary::parse(table)).ok_or("the run has no summary")?;
    let explained = losses::explain(&summary, &losses::parse(&sources.losses)?)?;
    let mut values = run.clone();
    values.insert(LOSSES.to_owned(), explained.text);
    values.insert(BARE_MACHINE.to_owned(), sources.bare_machine.clone());
    let text = fill(&sources.template, &values)?;
    let mark = mark(&text);
    Ok(Rendered { text: text + &mark, unexplained: explained.unexplained })
}

/// The last line of a document that begins like this: it changes with every letter.
#[must_use]
pub fn mark(text: &str) -> String {
    // FNV-1a: nobody is kept from making the mark again, only from forgetting to.
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("\n<!-- written by `document`; {hash:016x} -->\n")
}

const BEGIN: &str = "@@@ ";

/// A run, as it is kept beside the document: what was measured can be put into other prose.
#[must_use]
pub fn keep(run: &Values) -> String {
    run.iter().map(|(name, value)| format!("{BEGIN}{name}\n{}\n", value.trim_end())).collect()
}

/// A run that was kept.
#[must_use]
pub fn kept(text: &str) -> Values {
    let mut run = Values::new();
    let mut name = None;
    for line in text.lines() {
        if let Some(next) = line.strip_prefix(BEGIN) {
            name = Some(next);
            run.insert(next.to_owned(), String::new());
        } else if let Some(value) = name.and_then(|name| run.get_mut(name)) {
            value.push_str(line);
            value.push('\n');
        }
    }
    run
}

#[cfg(test)]
mod tests {
    use super::summary::{Row, Summary};
    use super::*;

    fn sources() -> Sources {
        Sources {
            template: "# T\n\n{{summary}}\n\n{{losses}}\n\n{{bare machine}}\n\nin {{rounds}} rounds\n".to_owned(),
            losses: "[u64] [tarpc] [*]\nIt is small.\n".to_owned(),
            bare_machine: String::new(),
        }
    }

    fn run(tarpc: f64) -> Values {
        let row =
            Row { name: "u64".to_owned(), placement: "one CPU".to_owned(), times: [None, Some(tarpc), None, None] };
        let values = [(SUMMARY, Summary(vec![row]).table()), ("rounds", "5".to_owned())];
        values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    #[test]
    fn a_document_has_its_reasons_and_its_mark() {
        let rendered = render(&sources(), &run(0.5)).unwrap();
        assert_eq!(rendered.unexplained, [""; 0]);
        let (text, end) = rendered.text.split_once("\n<!--").unwrap();
        assert!(text.ends_with("- **u64, beside tarpc** (one CPU 0.50):\n  It is small.\n\nin 5 rounds\n"), "{text}");
        assert_eq!(format!("\n<!--{end}"), mark(text));
        assert_ne!(mark(&text.replace("0.50", "0.51")), mark(text));
    }

    #[test]
    fn a_loss_without_a_reason_is_told_and_a_run_without_a_summary_is_refused() {
        let mut sources = sources();
        sources.losses = "[u64] [tonic] [*]\nIt is large.\n".to_owned();
        assert_eq!(render(&sources, &run(0.5)).unwrap().unexplained.len(), 1);
        assert_eq!(render(&sources, &run(1.5)).unwrap().unexplained.len(), 0);
        assert!(render(&sources, &Values::new()).is_err());
    }

    #[test]
    fn a_run_that_was_kept_is_the_same() {
        let run = run(0.5);
        let again = kept(&keep(&run));
        assert_eq!(keep(&again), keep(&run));
        assert_eq!(render(&sources(), &again).unwrap().text, render(&sources(), &run).unwrap().text);
    }
}
