//! Prints how the codecs compare, as Markdown: medians of the rows timed in turn, and of the ratios within each round.
//!
//! `--quick` takes a tenth of the rounds; `--rows rkyv,netipc` keeps the rows whose names contain one of the words
//! (and `memcpy` and `rkyv`, which the ratios refer to); `--pool 4` sends four snapshots in turn, the same cgroups in four
//! orders (default 1: the same message again and again, whose lengths the branch predictor knows by heart).

use netipc_benches::contender::Operation;
use netipc_benches::contenders::{REFERENCE, reading_rows, snapshot_rows};
use netipc_benches::data::{Reading, Snapshot};
use netipc_benches::measure::{Row, interleave};
use std::time::Duration;

const ITEMS: usize = 1_000;
const SAMPLE: Duration = Duration::from_micros(500);

fn main() {
    let mut rounds = 200;
    let mut pool = 1;
    let mut wanted: Option<Vec<String>> = None;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => rounds = 20,
            "--pool" => pool = args.next().and_then(|pool| pool.parse().ok()).unwrap_or(pool).max(1),
            "--rows" => wanted = args.next().map(|rows| rows.split(',').map(str::to_owned).collect()),
            other => {
                eprintln!("{other}: not known; --quick, --pool N, --rows A,B");
                std::process::exit(2);
            }
        }
    }
    let keep = |rows: Vec<Box<dyn Row>>| -> Vec<Box<dyn Row>> {
        let chosen = |name: &str| wanted.as_ref().is_none_or(|rows| rows.iter().any(|row| name.contains(&**row)));
        rows.into_iter().filter(|row| ["memcpy", REFERENCE].contains(&row.name()) || chosen(row.name())).collect()
    };
    let (snapshots, reading) = (Snapshot::shuffles(ITEMS, pool), Reading::sample());
    let title = format!("A snapshot of {ITEMS} cgroups, {pool} in turn");
    table(&title, keep(snapshot_rows(&snapshots)), snapshots[0].checksum(), rounds);
    table("A message of six numbers", keep(reading_rows(&[reading])), reading.checksum(), rounds);
}

/// Each cell: median in microseconds, times `memcpy`, times the reference row.
fn table(title: &str, mut rows: Vec<Box<dyn Row>>, checksum: u64, rounds: usize) {
    for row in &mut rows {
        let read = row.checksums().unwrap_or([checksum; 2]);
        assert_eq!(read, [checksum; 2], "{} does not read what the others read", row.name());
    }
    let reference = rows.iter().position(|row| row.name() == REFERENCE).unwrap_or(0);
    let samples = Operation::ALL.map(|operation| interleave(&mut rows, operation, rounds, SAMPLE));

    println!("{title}, {rounds} rounds: us, times memcpy, times {REFERENCE}\n");
    let titles = Operation::ALL.map(Operation::title).join(" | ");
    println!("| | bytes | {titles} |\n|---|---|---|---|---|---|");
    for (index, row) in rows.iter_mut().enumerate() {
        let cells = samples.each_ref().map(|samples| {
            let (copies, references) = (samples.ratio(index, 0), samples.ratio(index, reference));
            format!("{:.4}, {copies:.2}, {references:.2}", samples.median(index) / 1e3)
        });
        println!("| {} | {} | {} |", row.name(), row.encoded_len(), cells.join(" | "));
    }
    println!();
}
