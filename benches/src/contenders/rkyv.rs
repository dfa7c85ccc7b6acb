//! rkyv 0.8: archived structs, validated by bytecheck and then read in place.
//!
//! Serialises without pointer sharing (there is none in the messages), into a kept buffer with a kept arena.

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
    name: String,
    path: String,
}

#[derive(Archive, Serialize, Deserialize)]
pub struct Reading {
    id: u64,
    at: u64,
    sensor: u32,
    sequence: u32,
    value: f64,
    valid: bool,
}

/// See the module.
pub struct SnapshotCodec {
    value: Snapshot,
    bytes: AlignedVec,
    arena: Arena,
}

impl Contender<data::Snapshot> for SnapshotCodec {
    const NAME: &'static str = "rkyv";
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
        let digests = archived.items.iter().map(|item| {
            let (name, path) = (item.name.as_bytes(), item.path.as_bytes());
            digest(item.hash.into(), item.options.into(), item.enabled.into(), name, path)
        });
        checksum(archived.systemd_enabled.into(), archived.generation.into(), digests)
    }

    fn owned(&mut self) -> Snapshot {
        self.encode();
        let archived = rkyv::api::low::access::<ArchivedSnapshot, Error>(black_box(&self.bytes)).unwrap();
        rkyv::api::low::deserialize::<_, Failure>(archived).unwrap()
    }

    fn checksum(owned: &Snapshot) -> u64 {
        let digests = owned
            .items
            .iter()
            .map(|item| digest(item.hash, item.options, item.enabled, item.name.as_bytes(), item.path.as_bytes()));
        checksum(owned.systemd_enabled, owned.generation, digests)
    }
}

impl From<&data::Cgroup> for Cgroup {
    fn from(item: &data::Cgroup) -> Self {
        let (name, path) = (item.name.clone(), item.path.clone());
        Self { hash: item.hash, options: item.options, enabled: item.enabled, name, path }
    }
}

/// See the module.
pub struct ReadingCodec {
    value: Reading,
    bytes: AlignedVec,
    arena: Arena,
}

impl Contender<data::Reading> for ReadingCodec {
    const NAME: &'static str = "rkyv";
    type Owned = Reading;

    fn new(data: &data::Reading) -> Self {
        let data::Reading { id, at, sensor, sequence, value, valid } = *data;
        let value = Reading { id, at, sensor, sequence, value, valid };
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
        rkyv::api::low::access::<ArchivedReading, Error>(black_box(&self.bytes)).unwrap().id.into()
    }

    fn touch(&mut self) -> u64 {
        let archived = rkyv::api::low::access::<ArchivedReading, Error>(black_box(&self.bytes)).unwrap();
        data::Reading {
            id: archived.id.into(),
            at: archived.at.into(),
            sensor: archived.sensor.into(),
            sequence: archived.sequence.into(),
            value: archived.value.into(),
            valid: archived.valid,
        }
        .checksum()
    }

    fn owned(&mut self) -> Reading {
        self.encode();
        let archived = rkyv::api::low::access::<ArchivedReading, Error>(black_box(&self.bytes)).unwrap();
        rkyv::api::low::deserialize::<_, Failure>(archived).unwrap()
    }

    fn checksum(owned: &Reading) -> u64 {
        let Reading { id, at, sensor, sequence, value, valid } = *owned;
        data::Reading { id, at, sensor, sequence, value, valid }.checksum()
    }
}
