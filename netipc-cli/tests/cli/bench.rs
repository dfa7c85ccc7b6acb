//! `netipc bench`: that it measures, and not what.

use crate::ground::{command, netipc};

const SHORT: [&str; 5] = ["bench", "--rounds", "2", "--seconds", "0.01"];

#[test]
fn rows_come_with_what_is_possible_and_with_ratios_to_it() {
    let only = ["--only", "u64 call, 1 client", "--only", "unpinned", "--only", "service shm, adaptive"];
    let rows = netipc(&[&SHORT[..], &only, &["--json"]].concat()).json();
    let rows = rows.as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["contender"].as_str().unwrap()).collect();
    assert_eq!(
        names.iter().filter(|name| !name.starts_with("bare shm")).collect::<Vec<_>>(),
        [&"service shm, adaptive"]
    );
    assert!(names.len() >= 2, "{names:?}");
    for row in rows {
        assert_eq!((&row["load"], &row["placement"], &row["rounds"]), (&only[1].into(), &"unpinned".into(), &2.into()));
        for figure in ["calls_per_second", "p50_us", "p99_us", "client_cpu_us", "server_cpu_us"] {
            assert!(row["medians"][figure].as_f64().unwrap() > 0.0, "{figure}: {row}");
        }
        let is_bare = row["contender"].as_str().unwrap().starts_with("bare");
        assert_eq!(row["times_bare"].is_null(), is_bare, "{row}");
    }
}

#[test]
fn the_table_has_a_line_for_each_row() {
    let out = netipc(&[&SHORT[..], &["--only", "batches", "--only", "one CPU"]].concat()).good();
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("LOAD ") && lines[0].ends_with(" SERVER"), "{out}");
    assert!(lines.len() > 2 && lines[1..].iter().all(|line| line.contains("one CPU")), "{out}");
    // Others' crates are measured elsewhere.
    assert!(!out.contains("tarpc") && !out.contains("tonic"), "{out}");
}

#[test]
fn words_that_no_row_has_and_numbers_that_are_none_are_refused() {
    assert_eq!(netipc(&["bench", "--only", "no such row"]).bad(2), "no row has these words");
    for words in [["--rounds", "0"], ["--rounds", "x"], ["--seconds", "0"], ["--seconds", "-1"]] {
        assert_eq!(netipc(&[&["bench"], &words[..]].concat()).code, 2);
    }
}

#[test]
fn what_starts_the_server_is_no_way_to_break_in() {
    for words in [
        &["--serve-as"][..],
        &["--serve-as", "x"],
        &["--serve-as", "a", "b", "c", "d"],
        &["--serve-as", "service, block"],
    ] {
        let run = crate::ground::ran(&mut command(words));
        assert!(run.code == 1 && run.out.is_empty() && !run.err.contains("panicked"), "{words:?}: {run:#?}");
    }
}
