//! rkyv 0.8 with byte strings: what is left of `rkyv` without the proof of UTF-8.

use crate::contender::Contender;
use crate::data::{self, checksum, digest, opaque};
use rkyv::rancor::{Error, Failure};
use rkyv::ser::allocator::Arena;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};
use std::hint::black_box;

#[derive(Archive, Serialize, Deserialize)]
pub struct Snapshot {
    systemd_enabled: u32,
    generation: u64,
    items: Vec<Cgroup>,
}

#[derive(Archive, Serialize, Deserialize)]
pub struct Cgroup {
    hash: u32,
    options: u32,
    enabled: u32,
    name: Vec<u8>,
    path: Vec<u8>,
}

/// See the module.
pub struct SnapshotCodec {
    value: Snapshot,
    bytes: AlignedVec,
    arena: Arena,
}

impl Contender<data::Snapshot> for SnapshotCodec {
    const NAME: &'static str = "rkyv, byte strings";
    type Owned = Snapshot;

    fn new(data: &data::Snapshot) -> Self {
        let items = data.items.iter().map(Cgroup::from).collect();
        let value = Snapshot { systemd_enabled: data.systemd_enabled, generation: data.generation, items };
        let mut new = Self { value, bytes: AlignedVec::new(), arena: Arena::new() };
        new.encode();
        new
    }

    fn encode(&mut self) -> usize {
        self.bytes.clear();
        let (value, arena) = (opaque(&self.value), self.arena.acquire());
        rkyv::api::low::to_bytes_in_with_alloc::<_, _, Failure>(value, &mut self.bytes, arena).unwrap();
        black_box(&self.bytes).len()
    }

    fn prove(&mut self) -> u64 {
        let archived = rkyv::api::low::access::<ArchivedSnapshot, Error>(black_box(&self.bytes)).unwrap();
        archived.items.len() as u64
    }

    fn touch(&mut self) -> u64 {
        let archived = rkyv::api::low::access::<ArchivedSnapshot, Error>(black_box(&self.bytes)).unwrap();
        let digests = archived
            .items
            .iter()
            .map(|item| digest(item.hash.into(), item.options.into(), item.enabled.into(), &item.name, &item.path));
        checksum(archived.systemd_enabled.into(), archived.generation.into(), digests)
    }

    fn owned(&mut self) -> Snapshot {
        self.encode();
        let archived = rkyv::api::low::access::<ArchivedSnapshot, Error>(black_box(&self.bytes)).unwrap();
        rkyv::api::low::deserialize::<_, Failure>(archived).unwrap()
    }

    fn checksum(owned: &Snapshot) -> u64 {
        let digests =
            owned.items.iter().map(|item| digest(item.hash, item.options, item.enabled, &item.name, &item.path));
        checksum(owned.systemd_enabled, owned.generation, digests)
    }
}

impl From<&data::Cgroup> for Cgroup {
    fn from(item: &data::Cgroup) -> Self {
        let (name, path) = (item.name.clone().into_bytes(), item.path.clone().into_bytes());
        Self { hash: item.hash, options: item.options, enabled: item.enabled, name, path }
    }
}
