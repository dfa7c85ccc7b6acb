//! The document as it stands in the repository: it is what its template and a run of it give, and no hand has changed it.

use std::fs;
use std::path::Path;
use std::process::Command;

use netipc_benches::document::losses::{explain, parse};
use netipc_benches::document::summary::Summary;
use netipc_benches::document::template::stranger;
use netipc_benches::document::{BARE_MACHINE, LOSSES, Sources, mark, place};

const BEGIN: &str = "| | placement | times the bare limit |";

fn document() -> String {
    fs::read_to_string(place()).unwrap()
}

/// The summary, as it is printed there.
fn summary(document: &str) -> Summary {
    let table: Vec<&str> = document.lines().skip_while(|line| !line.starts_with(BEGIN)).collect();
    let table: Vec<&str> = table.into_iter().take_while(|line| line.starts_with('|')).collect();
    Summary::parse(&table.join("\n")).unwrap()
}

#[test]
fn its_mark_is_that_of_its_text() {
    let document = document();
    let at = document.rfind("\n<!--").unwrap();
    let (text, found) = document.split_at(at);
    assert_eq!(found, mark(text), "edited by hand: run `document`, or with --again after a change of its template");
}

#[test]
fn its_headings_and_its_prose_are_those_of_the_template() {
    let (document, sources) = (document(), Sources::read().unwrap());
    let text = document.rsplit_once("\n<!--").unwrap().0;
    let reasons = explain(&summary(text), &parse(&sources.losses).unwrap()).unwrap();
    let also = |place: &str, line: &str| match place {
        LOSSES => reasons.text.lines().any(|known| known == line),
        BARE_MACHINE => sources.bare_machine.lines().any(|known| known == line),
        "machine" => line.starts_with("- "),
        "builds" => line == "Not in a quick run.",
        _ => false,
    };
    let stranger = stranger(&sources.template, text, also).unwrap();
    assert_eq!(stranger, None, "not the template's: run `document`, or with --again after a change of the template");
}

#[test]
fn what_is_lost_there_has_a_reason_and_stands_there_with_it() {
    let (document, sources) = (document(), Sources::read().unwrap());
    let explained = explain(&summary(&document), &parse(&sources.losses).unwrap()).unwrap();
    assert_eq!(explained.unexplained, [""; 0]);
    assert!(!explained.text.is_empty() && document.contains(explained.text.trim_end()));
}

#[test]
fn no_reason_stands_in_the_template_with_a_figure_of_some_run() {
    let sources = Sources::read().unwrap();
    for line in sources.losses.lines().filter(|line| !line.starts_with('[')) {
        let is_figure =
            |word: &str| word.contains('.') && word.trim_end_matches(['.', ',', ';', ')']).parse::<f64>().is_ok();
        let figure = line
            .split_whitespace()
            .find(|word| is_figure(word.trim_start_matches('(')) && word.trim_end_matches('.').contains('.'));
        assert_eq!(figure, None, "{line}");
    }
}

#[test]
fn what_is_no_option_is_refused() {
    for args in [&["--fast"][..], &["--rounds"], &["--rounds", "0"], &["--out"]] {
        let program = Command::new(Path::new(env!("CARGO_BIN_EXE_document"))).args(args).output().unwrap();
        assert_eq!((program.status.code(), program.stdout.len()), (Some(2), 0), "{args:?}");
    }
}
