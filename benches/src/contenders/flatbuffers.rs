//! flatbuffers 25, with its verifier: what flatc would generate for the two messages, written out by hand, since flatc
//! need not be installed to run the benches.

use crate::contender::Contender;
use crate::data::{self, checksum, digest, opaque};
use flatbuffers::{
    FlatBufferBuilder, Follow, ForwardsUOffset, InvalidFlatbuffer, Table, VOffsetT, Vector, Verifiable, Verifier,
    WIPOffset,
};
use std::hint::black_box;

/// A table type: the accessors below it look fields up in its vtable.
macro_rules! table {
    ($name:ident { $($field:ident = $slot:literal: $type:ty, $required:literal;)* }) => {
        #[derive(Clone, Copy)]
        pub struct $name<'a>(Table<'a>);

        impl<'a> Follow<'a> for $name<'a> {
            type Inner = Self;

            #[inline]
            unsafe fn follow(buf: &'a [u8], loc: usize) -> Self {
                // SAFETY: the caller vouches for a table at `loc`.
                Self(unsafe { Table::new(buf, loc) })
            }
        }

        impl Verifiable for $name<'_> {
            #[inline]
            fn run_verifier(verifier: &mut Verifier<'_, '_>, pos: usize) -> Result<(), InvalidFlatbuffer> {
                verifier
                    .visit_table(pos)?
                    $(.visit_field::<$type>(stringify!($field), slot($slot), $required)?)*
                    .finish();
                Ok(())
            }
        }
    };
}

const fn slot(index: VOffsetT) -> VOffsetT {
    4 + 2 * index
}

macro_rules! scalar {
    ($field:ident = $slot:literal: $type:ty) => {
        #[inline]
        fn $field(self) -> $type {
            // SAFETY: the verifier has seen a field of this type, or none, in this slot.
            unsafe { self.0.get::<$type>(slot($slot), Some(<$type>::default())) }.unwrap_or_default()
        }
    };
}

macro_rules! required {
    ($field:ident = $slot:literal: $type:ty => $inner:ty) => {
        #[inline]
        fn $field(self) -> $inner {
            // SAFETY: the verifier has seen a field of this type in this slot, and insists on it.
            unsafe { self.0.get::<ForwardsUOffset<$type>>(slot($slot), None) }.unwrap()
        }
    };
}

type Cgroups<'a> = Vector<'a, ForwardsUOffset<Cgroup<'a>>>;

table!(Snapshot {
    systemd_enabled = 0: u32, false;
    generation = 1: u64, false;
    items = 2: ForwardsUOffset<Vector<'_, ForwardsUOffset<Cgroup<'_>>>>, true;
});

impl<'a> Snapshot<'a> {
    scalar!(systemd_enabled = 0: u32);
    scalar!(generation = 1: u64);
    required!(items = 2: Cgroups<'a> => Cgroups<'a>);
}

table!(Cgroup {
    hash = 0: u32, false;
    options = 1: u32, false;
    enabled = 2: u32, false;
    name = 3: ForwardsUOffset<&str>, true;
    path = 4: ForwardsUOffset<&str>, true;
});

impl<'a> Cgroup<'a> {
    scalar!(hash = 0: u32);
    scalar!(options = 1: u32);
    scalar!(enabled = 2: u32);
    required!(name = 3: &'a str => &'a str);
    required!(path = 4: &'a str => &'a str);
}

table!(Reading {
    id = 0: u64, false;
    at = 1: u64, false;
    sensor = 2: u32, false;
    sequence = 3: u32, false;
    value = 4: f64, false;
    valid = 5: bool, false;
});

impl Reading<'_> {
    scalar!(id = 0: u64);
    scalar!(at = 1: u64);
    scalar!(sensor = 2: u32);
    scalar!(sequence = 3: u32);
    scalar!(value = 4: f64);
    scalar!(valid = 5: bool);
}

/// See the module.
pub struct SnapshotCodec {
    value: data::Snapshot,
    builder: FlatBufferBuilder<'static>,
    offsets: Vec<WIPOffset<Cgroup<'static>>>,
    bytes: Vec<u8>,
}

impl Contender<data::Snapshot> for SnapshotCodec {
    const NAME: &'static str = "flatbuffers";
    type Owned = data::Snapshot;

    fn new(data: &data::Snapshot) -> Self {
        let (value, builder) = (data.clone(), FlatBufferBuilder::with_capacity(1 << 20));
        let mut new = Self { value, builder, offsets: Vec::new(), bytes: Vec::new() };
        new.encode();
        new.bytes = new.builder.finished_data().to_vec();
        new
    }

    fn encode(&mut self) -> usize {
        let (value, builder) = (opaque(&self.value), &mut self.builder);
        builder.reset();
        self.offsets.clear();
        for item in &value.items {
            let name = builder.create_string(&item.name);
            let path = builder.create_string(&item.path);
            let table = builder.start_table();
            builder.push_slot_always(slot(4), path);
            builder.push_slot_always(slot(3), name);
            builder.push_slot(slot(2), item.enabled, 0);
            builder.push_slot(slot(1), item.options, 0);
            builder.push_slot(slot(0), item.hash, 0);
            self.offsets.push(WIPOffset::new(builder.end_table(table).value()));
        }
        let items = builder.create_vector(&self.offsets);
        let table = builder.start_table();
        builder.push_slot(slot(1), value.generation, 0);
        builder.push_slot_always(slot(2), items);
        builder.push_slot(slot(0), value.systemd_enabled, 0);
        let root = builder.end_table(table);
        builder.finish_minimal(root);
        black_box(builder.finished_data()).len()
    }

    fn prove(&mut self) -> u64 {
        flatbuffers::root::<Snapshot<'_>>(black_box(&self.bytes)).unwrap().items().len() as u64
    }

    fn touch(&mut self) -> u64 {
        let root = flatbuffers::root::<Snapshot<'_>>(black_box(&self.bytes)).unwrap();
        let digests = root.items().iter().map(|item| {
            digest(item.hash(), item.options(), item.enabled(), item.name().as_bytes(), item.path().as_bytes())
        });
        checksum(root.systemd_enabled(), root.generation(), digests)
    }

    fn owned(&mut self) -> data::Snapshot {
        self.encode();
        let root = flatbuffers::root::<Snapshot<'_>>(black_box(self.builder.finished_data())).unwrap();
        let item = |item: Cgroup<'_>| data::Cgroup {
            hash: item.hash(),
            options: item.options(),
            enabled: item.enabled(),
            name: item.name().to_owned(),
            path: item.path().to_owned(),
        };
        data::Snapshot {
            systemd_enabled: root.systemd_enabled(),
            generation: root.generation(),
            items: root.items().iter().map(item).collect(),
        }
    }

    fn checksum(owned: &data::Snapshot) -> u64 {
        owned.checksum()
    }
}

/// See the module.
pub struct ReadingCodec {
    value: data::Reading,
    builder: FlatBufferBuilder<'static>,
    bytes: Vec<u8>,
}

impl ReadingCodec {
    fn read(root: Reading<'_>) -> data::Reading {
        data::Reading {
            id: root.id(),
            at: root.at(),
            sensor: root.sensor(),
            sequence: root.sequence(),
            value: root.value(),
            valid: root.valid(),
        }
    }
}

impl Contender<data::Reading> for ReadingCodec {
    const NAME: &'static str = "flatbuffers";
    type Owned = data::Reading;

    fn new(data: &data::Reading) -> Self {
        let mut new = Self { value: *data, builder: FlatBufferBuilder::with_capacity(1 << 10), bytes: Vec::new() };
        new.encode();
        new.bytes = new.builder.finished_data().to_vec();
        new
    }

    fn encode(&mut self) -> usize {
        let (value, builder) = (opaque(&self.value), &mut self.builder);
        builder.reset();
        let table = builder.start_table();
        builder.push_slot(slot(0), value.id, 0);
        builder.push_slot(slot(1), value.at, 0);
        builder.push_slot(slot(4), value.value, 0.0);
        builder.push_slot(slot(2), value.sensor, 0);
        builder.push_slot(slot(3), value.sequence, 0);
        builder.push_slot(slot(5), value.valid, false);
        let root = builder.end_table(table);
        builder.finish_minimal(root);
        black_box(builder.finished_data()).len()
    }

    fn prove(&mut self) -> u64 {
        flatbuffers::root::<Reading<'_>>(black_box(&self.bytes)).unwrap().id()
    }

    fn touch(&mut self) -> u64 {
        Self::read(flatbuffers::root::<Reading<'_>>(black_box(&self.bytes)).unwrap()).checksum()
    }

    fn owned(&mut self) -> data::Reading {
        self.encode();
        Self::read(flatbuffers::root::<Reading<'_>>(black_box(self.builder.finished_data())).unwrap())
    }

    fn checksum(owned: &data::Reading) -> u64 {
        owned.checksum()
    }
}
