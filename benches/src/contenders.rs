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

/// All that carry a snapshot.
pub fn snapshot_rows(data: &Snapshot) -> Vec<Box<dyn Row>> {
    vec![
        copy_row(netdata::encoded(data)),
        row::<_, by_hand::ByHand>(data),
        row::<_, netipc::Netdata>(data),
        row::<_, netipc::Natural>(data),
        row::<_, rkyv::SnapshotCodec>(data),
        row::<_, rkyv_bytes::SnapshotCodec>(data),
        row::<_, bitcode::SnapshotCodec>(data),
        row::<_, flatbuffers::SnapshotCodec>(data),
        row::<_, prost::SnapshotCodec>(data),
    ]
}

/// All that carry a reading.
pub fn reading_rows(data: &Reading) -> Vec<Box<dyn Row>> {
    vec![
        copy_row(netdata::encoded_reading(data).to_vec()),
        row::<_, netipc::ReadingCodec>(data),
        row::<_, rkyv::ReadingCodec>(data),
        row::<_, bitcode::ReadingCodec>(data),
        row::<_, flatbuffers::ReadingCodec>(data),
        row::<_, prost::ReadingCodec>(data),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_reads_the_same_out_of_a_snapshot() {
        let data = Snapshot::sample(100);
        for mut row in snapshot_rows(&data) {
            let expected = row.checksums().map(|_| [data.checksum(); 2]);
            assert_eq!(row.checksums(), expected, "{}", row.name());
        }
    }

    #[test]
    fn every_row_reads_the_same_out_of_a_reading() {
        let data = Reading::sample();
        for mut row in reading_rows(&data) {
            let expected = row.checksums().map(|_| [data.checksum(); 2]);
            assert_eq!(row.checksums(), expected, "{}", row.name());
        }
    }

    #[test]
    fn the_snapshot_of_the_table_has_the_size_of_the_real_one() {
        let len = netdata::encoded(&Snapshot::sample(1_000)).len();
        assert!((140_000..150_000).contains(&len), "{len}");
    }
}
