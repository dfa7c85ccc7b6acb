//! How the codecs compare: medians of the rows timed in turn, and of the ratios within each round.

use std::fmt::Write;
use std::time::Duration;

use crate::contender::Operation;
use crate::contenders::REFERENCE;
use crate::measure::{Row, interleave};

const SAMPLE: Duration = Duration::from_micros(500);

/// Each cell: median in microseconds, times `memcpy`, times the reference row.
///
/// # Panics
/// A row does not read what the others read.
#[must_use]
pub fn table(mut rows: Vec<Box<dyn Row>>, checksum: u64, rounds: usize) -> String {
    for row in &mut rows {
        let read = row.checksums().unwrap_or([checksum; 2]);
        assert_eq!(read, [checksum; 2], "{} does not read what the others read", row.name());
    }
    let reference = rows.iter().position(|row| row.name() == REFERENCE).unwrap_or(0);
    let samples = Operation::ALL.map(|operation| interleave(&mut rows, operation, rounds, SAMPLE));

    let titles = Operation::ALL.map(Operation::title).join(" | ");
    let mut table = format!("| | bytes | {titles} |\n|---|---|---|---|---|---|\n");
    for (index, row) in rows.iter_mut().enumerate() {
        let cells = samples.each_ref().map(|samples| {
            let (copies, references) = (samples.ratio(index, 0), samples.ratio(index, reference));
            format!("{:.4}, {copies:.2}, {references:.2}", samples.median(index) / 1e3)
        });
        let (name, bytes, cells) = (row.name(), row.encoded_len(), cells.join(" | "));
        writeln!(table, "| {name} | {bytes} | {cells} |").expect("a String takes what is written to it");
    }
    table
}
