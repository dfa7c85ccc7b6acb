//! netipc: the declared snapshot in Netdata's layout; the same data and the fixed message in the natural layout.

use crate::contender::Contender;
use crate::data::{self, checksum, digest, opaque};
use netipc::WireMessage;
use netipc_examples as wire;
use std::hint::black_box;

/// A buffer and the message in it.
pub struct Codec<M> {
    value: M,
    bytes: Vec<u8>,
    len: usize,
}

impl<M: WireMessage> Codec<M> {
    fn of(value: M) -> Self {
        let mut new = Self { bytes: vec![0; value.encoded_len()], value, len: 0 };
        new.encode();
        new
    }

    fn encode(&mut self) -> usize {
        self.len = opaque(&self.value).encode(&mut self.bytes).unwrap();
        black_box(&self.bytes[..self.len]).len()
    }

    fn payload(&self) -> &[u8] {
        black_box(&self.bytes[..self.len])
    }
}

/// The snapshot in Netdata's layout, strings as bytes.
pub struct Netdata(Codec<wire::Snapshot>);

impl Contender<data::Snapshot> for Netdata {
    const NAME: &'static str = "netipc (Netdata layout, bytes)";
    type Owned = wire::Snapshot;

    fn new(data: &data::Snapshot) -> Self {
        let items = data.items.iter().map(|item| wire::Cgroup {
            hash: item.hash,
            options: item.options,
            enabled: item.enabled,
            name: item.name.clone().into_bytes(),
            path: item.path.clone().into_bytes(),
        });
        Self(Codec::of(wire::Snapshot {
            systemd_enabled: data.systemd_enabled,
            generation: data.generation,
            items: items.collect(),
        }))
    }

    fn encode(&mut self) -> usize {
        self.0.encode()
    }

    fn prove(&mut self) -> u64 {
        wire::Snapshot::decode(self.0.payload()).unwrap().items().len() as u64
    }

    fn touch(&mut self) -> u64 {
        let view = wire::Snapshot::decode(self.0.payload()).unwrap();
        let digests = view.items().map(|item| {
            digest(item.hash(), item.options(), item.enabled(), item.name().as_bytes(), item.path().as_bytes())
        });
        checksum(view.systemd_enabled(), view.generation(), digests)
    }

    fn owned(&mut self) -> wire::Snapshot {
        self.0.encode();
        wire::Snapshot::decode_owned(self.0.payload()).unwrap()
    }

    fn checksum(owned: &wire::Snapshot) -> u64 {
        let digests =
            owned.items.iter().map(|item| digest(item.hash, item.options, item.enabled, &item.name, &item.path));
        checksum(owned.systemd_enabled, owned.generation, digests)
    }
}

/// The same bytes, written in place from borrowed parts, as a handler writes a reply.
pub struct Builder {
    data: data::Snapshot,
    codec: Codec<wire::Snapshot>,
}

impl Contender<data::Snapshot> for Builder {
    const NAME: &'static str = "netipc (Netdata layout, built in place)";
    type Owned = wire::Snapshot;

    fn new(data: &data::Snapshot) -> Self {
        Self { data: data.clone(), codec: Netdata::new(data).0 }
    }

    fn encode(&mut self) -> usize {
        let data = opaque(&self.data);
        let mut reply = wire::Snapshot::builder(&mut self.codec.bytes);
        reply.systemd_enabled(data.systemd_enabled).generation(data.generation);
        let mut items = reply.items(data.items.len());
        for item in &data.items {
            items.push(|to| {
                to.hash(item.hash)
                    .options(item.options)
                    .enabled(item.enabled)
                    .name(item.name.as_bytes())
                    .path(item.path.as_bytes())
            });
        }
        self.codec.len = reply.finish().unwrap();
        black_box(&self.codec.bytes[..self.codec.len]).len()
    }

    fn prove(&mut self) -> u64 {
        wire::Snapshot::decode(self.codec.payload()).unwrap().items().len() as u64
    }

    fn touch(&mut self) -> u64 {
        let view = wire::Snapshot::decode(self.codec.payload()).unwrap();
        let digests = view.items().map(|item| {
            digest(item.hash(), item.options(), item.enabled(), item.name().as_bytes(), item.path().as_bytes())
        });
        checksum(view.systemd_enabled(), view.generation(), digests)
    }

    fn owned(&mut self) -> wire::Snapshot {
        self.encode();
        wire::Snapshot::decode_owned(self.codec.payload()).unwrap()
    }

    fn checksum(owned: &wire::Snapshot) -> u64 {
        Netdata::checksum(owned)
    }
}

/// The snapshot as somebody writes it who does not think about layout.
#[derive(Clone, Debug, WireMessage)]
pub struct Snapshot {
    pub systemd_enabled: u32,
    pub generation: u64,
    pub items: Vec<Cgroup>,
}

/// One of its items.
#[derive(Clone, Debug, WireMessage)]
pub struct Cgroup {
    pub hash: u32,
    pub options: u32,
    pub enabled: u32,
    pub name: String,
    pub path: String,
}

/// The snapshot in the natural layout, strings as UTF-8.
pub struct Natural(Codec<Snapshot>);

impl Contender<data::Snapshot> for Natural {
    const NAME: &'static str = "netipc (natural layout, UTF-8)";
    type Owned = Snapshot;

    fn new(data: &data::Snapshot) -> Self {
        let items = data.items.iter().map(|item| Cgroup {
            hash: item.hash,
            options: item.options,
            enabled: item.enabled,
            name: item.name.clone(),
            path: item.path.clone(),
        });
        Self(Codec::of(Snapshot {
            systemd_enabled: data.systemd_enabled,
            generation: data.generation,
            items: items.collect(),
        }))
    }

    fn encode(&mut self) -> usize {
        self.0.encode()
    }

    fn prove(&mut self) -> u64 {
        Snapshot::decode(self.0.payload()).unwrap().items().len() as u64
    }

    fn touch(&mut self) -> u64 {
        let view = Snapshot::decode(self.0.payload()).unwrap();
        let digests = view.items().map(|item| {
            digest(item.hash(), item.options(), item.enabled(), item.name().as_bytes(), item.path().as_bytes())
        });
        checksum(view.systemd_enabled(), view.generation(), digests)
    }

    fn owned(&mut self) -> Snapshot {
        self.0.encode();
        Snapshot::decode_owned(self.0.payload()).unwrap()
    }

    fn checksum(owned: &Snapshot) -> u64 {
        let digests = owned
            .items
            .iter()
            .map(|item| digest(item.hash, item.options, item.enabled, item.name.as_bytes(), item.path.as_bytes()));
        checksum(owned.systemd_enabled, owned.generation, digests)
    }
}

/// The fixed message.
#[derive(Clone, Copy, Debug, WireMessage)]
pub struct Reading {
    pub id: u64,
    pub at: u64,
    pub sensor: u32,
    pub sequence: u32,
    pub value: f64,
    pub valid: bool,
}

/// The fixed message in the natural layout.
pub struct ReadingCodec(Codec<Reading>);

impl ReadingCodec {
    fn sum(reading: &Reading) -> u64 {
        let Reading { id, at, sensor, sequence, value, valid } = *reading;
        data::Reading { id, at, sensor, sequence, value, valid }.checksum()
    }
}

impl Contender<data::Reading> for ReadingCodec {
    const NAME: &'static str = "netipc (natural layout)";
    type Owned = Reading;

    fn new(data: &data::Reading) -> Self {
        let data::Reading { id, at, sensor, sequence, value, valid } = *data;
        Self(Codec::of(Reading { id, at, sensor, sequence, value, valid }))
    }

    fn encode(&mut self) -> usize {
        self.0.encode()
    }

    fn prove(&mut self) -> u64 {
        Reading::decode(self.0.payload()).unwrap().id()
    }

    fn touch(&mut self) -> u64 {
        let view = Reading::decode(self.0.payload()).unwrap();
        data::Reading {
            id: view.id(),
            at: view.at(),
            sensor: view.sensor(),
            sequence: view.sequence(),
            value: view.value(),
            valid: view.valid(),
        }
        .checksum()
    }

    fn owned(&mut self) -> Reading {
        self.0.encode();
        Reading::decode_owned(self.0.payload()).unwrap()
    }

    fn checksum(owned: &Reading) -> u64 {
        Self::sum(owned)
    }
}
