//! bitcode 0.6: columns, packed; decodes to structs whose text borrows from the message, all UTF-8 proven at once.

use crate::contender::Contender;
use crate::data::{self, checksum, digest, opaque};
use bitcode::{Buffer, Decode, Encode};
use std::hint::black_box;

#[derive(Encode, Decode)]
pub struct Snapshot<S> {
    systemd_enabled: u32,
    generation: u64,
    items: Vec<Cgroup<S>>,
}

#[derive(Encode, Decode)]
pub struct Cgroup<S> {
    hash: u32,
    options: u32,
    enabled: u32,
    name: S,
    path: S,
}

#[derive(Encode, Decode)]
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
    value: Snapshot<String>,
    encoder: Buffer,
    decoder: Buffer,
    bytes: Vec<u8>,
}

impl Contender<data::Snapshot> for SnapshotCodec {
    const NAME: &'static str = "bitcode";
    type Owned = Snapshot<String>;

    fn new(data: &data::Snapshot) -> Self {
        let items = data.items.iter().map(Cgroup::from).collect();
        let value = Snapshot { systemd_enabled: data.systemd_enabled, generation: data.generation, items };
        let mut encoder = Buffer::new();
        let bytes = encoder.encode(&value).to_vec();
        Self { value, encoder, decoder: Buffer::new(), bytes }
    }

    fn encode(&mut self) -> usize {
        black_box(self.encoder.encode(opaque(&self.value))).len()
    }

    fn prove(&mut self) -> u64 {
        let value: Snapshot<&str> = self.decoder.decode(black_box(&self.bytes)).unwrap();
        black_box(&value.items).len() as u64
    }

    fn touch(&mut self) -> u64 {
        let value: Snapshot<&str> = self.decoder.decode(black_box(&self.bytes)).unwrap();
        read(&value)
    }

    fn owned(&mut self) -> Snapshot<String> {
        let bytes = black_box(self.encoder.encode(opaque(&self.value)));
        self.decoder.decode(bytes).unwrap()
    }

    fn checksum(owned: &Snapshot<String>) -> u64 {
        read(owned)
    }
}

fn read<S: AsRef<str>>(value: &Snapshot<S>) -> u64 {
    let digests = value.items.iter().map(|item| {
        let (name, path) = (item.name.as_ref().as_bytes(), item.path.as_ref().as_bytes());
        digest(item.hash, item.options, item.enabled, name, path)
    });
    checksum(value.systemd_enabled, value.generation, digests)
}

impl From<&data::Cgroup> for Cgroup<String> {
    fn from(item: &data::Cgroup) -> Self {
        let (name, path) = (item.name.clone(), item.path.clone());
        Self { hash: item.hash, options: item.options, enabled: item.enabled, name, path }
    }
}

/// See the module.
pub struct ReadingCodec {
    value: Reading,
    encoder: Buffer,
    decoder: Buffer,
    bytes: Vec<u8>,
}

impl Contender<data::Reading> for ReadingCodec {
    const NAME: &'static str = "bitcode";
    type Owned = Reading;

    fn new(data: &data::Reading) -> Self {
        let data::Reading { id, at, sensor, sequence, value, valid } = *data;
        let value = Reading { id, at, sensor, sequence, value, valid };
        let mut encoder = Buffer::new();
        let bytes = encoder.encode(&value).to_vec();
        Self { value, encoder, decoder: Buffer::new(), bytes }
    }

    fn encode(&mut self) -> usize {
        black_box(self.encoder.encode(opaque(&self.value))).len()
    }

    fn prove(&mut self) -> u64 {
        let value: Reading = self.decoder.decode(black_box(&self.bytes)).unwrap();
        black_box(&value).id
    }

    fn touch(&mut self) -> u64 {
        let value: Reading = self.decoder.decode(black_box(&self.bytes)).unwrap();
        Self::checksum(&value)
    }

    fn owned(&mut self) -> Reading {
        let bytes = black_box(self.encoder.encode(opaque(&self.value)));
        self.decoder.decode(bytes).unwrap()
    }

    fn checksum(owned: &Reading) -> u64 {
        let Reading { id, at, sensor, sequence, value, valid } = *owned;
        data::Reading { id, at, sensor, sequence, value, valid }.checksum()
    }
}
