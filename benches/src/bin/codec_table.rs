//! Prints how the codecs compare, as Markdown: medians of the rows timed in turn, and of the ratios within each round.
//!
//! `--quick` takes a tenth of the rounds; `--rows rkyv,netipc` keeps the rows whose names contain one of the words
//! (and `memcpy` and `rkyv`, which the ratios refer to); `--pool 4` sends four snapshots in turn, the same cgroups in four
//! orders (default 1: the same message again and again, whose lengths the branch predictor knows by heart).

use netipc_benches::codecs::table;
use netipc_benches::contenders::{REFERENCE, reading_rows, snapshot_rows};
use netipc_benches::data::{Reading, Snapshot};
use netipc_benches::measure::Row;

const ITEMS: usize = 1_000;

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
    let print = |title: &str, table: String| {
        println!("{title}, {rounds} rounds: us, times memcpy, times {REFERENCE}\n\n{table}");
    };
    print(&title, table(keep(snapshot_rows(&snapshots)), snapshots[0].checksum(), rounds));
    print("A message of six numbers", table(keep(reading_rows(&[reading])), reading.checksum(), rounds));
}
