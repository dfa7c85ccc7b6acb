//! The codec comparison under criterion, one group per message and operation; the rows run one after the other here,
//! so compare them with the `codec_table` program, and use this for history.

use criterion::{Criterion, criterion_group, criterion_main};
use netipc_benches::contender::Operation;
use netipc_benches::contenders::{reading_rows, snapshot_rows};
use netipc_benches::data::{Reading, Snapshot};
use netipc_benches::measure::Row;

fn codec(criterion: &mut Criterion) {
    group(criterion, "snapshot", &mut snapshot_rows(&Snapshot::shuffles(1_000, 4)));
    group(criterion, "reading", &mut reading_rows(&[Reading::sample()]));
}

fn group(criterion: &mut Criterion, message: &str, rows: &mut [Box<dyn Row>]) {
    for operation in Operation::ALL {
        let mut group = criterion.benchmark_group(format!("{message}/{}", operation.title()));
        for row in rows.iter_mut() {
            group.bench_function(row.name(), |bencher| {
                bencher.iter_custom(|iterations| row.time(operation, iterations));
            });
        }
    }
}

criterion_group!(benches, codec);
criterion_main!(benches);
