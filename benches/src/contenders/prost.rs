//! prost 0.14: Protocol Buffers. It has no borrowed form: every decode allocates each string.

use crate::contender::Contender;
use crate::data::{self, checksum, digest, opaque};
use prost::Message;
use std::hint::black_box;

#[derive(Clone, Message)]
pub struct Snapshot {
    #[prost(uint32, tag = "1")]
    systemd_enabled: u32,
    #[prost(uint64, tag = "2")]
    generation: u64,
    #[prost(message, repeated, tag = "3")]
    items: Vec<Cgroup>,
}

#[derive(Clone, Message)]
pub struct Cgroup {
    // Hashes and bit sets fill their 32 bits: fixed32 is what a .proto would say.
    #[prost(fixed32, tag = "1")]
    hash: u32,
    #[prost(uint32, tag = "2")]
    options: u32,
    #[prost(uint32, tag = "3")]
    enabled: u32,
    #[prost(string, tag = "4")]
    name: String,
    #[prost(string, tag = "5")]
    path: String,
}

#[derive(Message)]
pub struct Reading {
    #[prost(fixed64, tag = "1")]
    id: u64,
    #[prost(fixed64, tag = "2")]
    at: u64,
    #[prost(uint32, tag = "3")]
    sensor: u32,
    #[prost(uint32, tag = "4")]
    sequence: u32,
    #[prost(double, tag = "5")]
    value: f64,
    #[prost(bool, tag = "6")]
    valid: bool,
}

impl Snapshot {
    /// Its items, with the same strings.
    pub fn into_cgroups(self) -> impl Iterator<Item = data::Cgroup> {
        self.items.into_iter().map(|item| {
            let Cgroup { hash, options, enabled, name, path } = item;
            data::Cgroup { hash, options, enabled, name, path }
        })
    }
}

/// See the module.
pub struct SnapshotCodec {
    value: Snapshot,
    bytes: Vec<u8>,
}

impl Contender<data::Snapshot> for SnapshotCodec {
    const NAME: &'static str = "prost (decodes to owned)";
    type Owned = Snapshot;

    fn new(data: &data::Snapshot) -> Self {
        let items = data.items.iter().map(Cgroup::from).collect();
        let value = Snapshot { systemd_enabled: data.systemd_enabled, generation: data.generation, items };
        let bytes = value.encode_to_vec();
        Self { value, bytes }
    }

    fn encode(&mut self) -> usize {
        self.bytes.clear();
        opaque(&self.value).encode(&mut self.bytes).unwrap();
        black_box(&self.bytes).len()
    }

    fn prove(&mut self) -> u64 {
        black_box(Snapshot::decode(black_box(&self.bytes[..])).unwrap()).items.len() as u64
    }

    fn touch(&mut self) -> u64 {
        Self::checksum(&Snapshot::decode(black_box(&self.bytes[..])).unwrap())
    }

    fn owned(&mut self) -> Snapshot {
        self.encode();
        Snapshot::decode(black_box(&self.bytes[..])).unwrap()
    }

    fn checksum(owned: &Snapshot) -> u64 {
        let digests = owned
            .items
            .iter()
            .map(|item| digest(item.hash, item.options, item.enabled, item.name.as_bytes(), item.path.as_bytes()));
        checksum(owned.systemd_enabled, owned.generation, digests)
    }
}

impl SnapshotCodec {
    /// The message that it encodes.
    pub fn into_message(self) -> Snapshot {
        self.value
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
    bytes: Vec<u8>,
}

impl Contender<data::Reading> for ReadingCodec {
    const NAME: &'static str = "prost (decodes to owned)";
    type Owned = Reading;

    fn new(data: &data::Reading) -> Self {
        let data::Reading { id, at, sensor, sequence, value, valid } = *data;
        let value = Reading { id, at, sensor, sequence, value, valid };
        let bytes = value.encode_to_vec();
        Self { value, bytes }
    }

    fn encode(&mut self) -> usize {
        self.bytes.clear();
        opaque(&self.value).encode(&mut self.bytes).unwrap();
        black_box(&self.bytes).len()
    }

    fn prove(&mut self) -> u64 {
        black_box(Reading::decode(black_box(&self.bytes[..])).unwrap()).id
    }

    fn touch(&mut self) -> u64 {
        Self::checksum(&Reading::decode(black_box(&self.bytes[..])).unwrap())
    }

    fn owned(&mut self) -> Reading {
        self.encode();
        Reading::decode(black_box(&self.bytes[..])).unwrap()
    }

    fn checksum(owned: &Reading) -> u64 {
        let Reading { id, at, sensor, sequence, value, valid } = *owned;
        data::Reading { id, at, sensor, sequence, value, valid }.checksum()
    }
}
