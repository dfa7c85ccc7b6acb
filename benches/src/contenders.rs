//! The codecs under comparison, one module each. A new one is a module, and a line in `snapshot_rows` or `reading_rows`.

pub mod bitcode;
pub mod by_hand;
pub mod flatbuffers;
pub mod netipc;
pub mod prost;
pub mod rkyv;
pub mod rkyv_bytes;

use crate::data::{Reading, Snapshot};
use crate::measure::{Row, copy_row, row};
use crate::netdata;

/// The row that the table's second ratio refers to, after `memcpy`, which is always the first.
pub const REFERENCE: &str = "rkyv";

/// All that carry snapshots, those of the pool in turn.
pub fn snapshot_rows(pool: &[Snapshot]) -> Vec<Box<dyn Row>> {
    vec![
        copy_row(pool.first().map(netdata::encoded).unwrap_or_default()),
        row::<_, by_hand::ByHand>(pool),
        row::<_, netipc::Netdata>(pool),
        row::<_, netipc::Builder>(pool),
        row::<_, netipc::Natural>(pool),
        row::<_, rkyv::SnapshotCodec>(pool),
        row::<_, rkyv_bytes::SnapshotCodec>(pool),
        row::<_, bitcode::SnapshotCodec>(pool),
        row::<_, flatbuffers::SnapshotCodec>(pool),
        row::<_, prost::SnapshotCodec>(pool),
    ]
}

/// All that carry readings, those of the pool in turn.
pub fn reading_rows(pool: &[Reading]) -> Vec<Box<dyn Row>> {
    vec![
        copy_row(pool.iter().take(1).flat_map(netdata::encoded_reading).collect()),
        row::<_, netipc::ReadingCodec>(pool),
        row::<_, rkyv::ReadingCodec>(pool),
        row::<_, bitcode::ReadingCodec>(pool),
        row::<_, flatbuffers::ReadingCodec>(pool),
        row::<_, prost::ReadingCodec>(pool),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_reads_the_same_out_of_a_snapshot() {
        let pool = Snapshot::shuffles(100, 3);
        for mut row in snapshot_rows(&pool) {
            for _ in &pool {
                let read = row.checksums().unwrap_or([pool[0].checksum(); 2]);
                assert_eq!(read, [pool[0].checksum(); 2], "{}", row.name());
            }
        }
    }

    #[test]
    fn every_row_reads_the_same_out_of_a_reading() {
        let data = Reading::sample();
        for mut row in reading_rows(&[data]) {
            let read = row.checksums().unwrap_or([data.checksum(); 2]);
            assert_eq!(read, [data.checksum(); 2], "{}", row.name());
        }
    }

    #[test]
    fn the_snapshot_of_the_table_has_the_size_of_the_real_one() {
        let len = netdata::encoded(&Snapshot::sample(1_000)).len();
        assert!((140_000..150_000).contains(&len), "{len}");
    }
}
