//! What is called, and by how many.

use std::time::Duration;

use crate::driver::workload::Workload;

/// What the calls of a load are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A number there, the next one back.
    Increment,
    /// Nothing there; [`Snapshot::sample`](crate::data::Snapshot::sample) with [`CGROUPS`] back, of which the client reads
    /// every scalar, every length and the first byte of every string.
    Snapshot,
}

/// How many cgroups a snapshot has.
pub const CGROUPS: usize = 1_000;

/// One kind of load.
#[derive(Debug)]
pub struct Load {
    /// The table's title, and what the child is told to serve.
    pub name: &'static str,
    pub method: Method,
    /// Connections, each with one caller.
    pub clients: usize,
    /// Calls of one client that wait for their answers at the same time.
    pub in_flight: usize,
    /// Calls that travel in one message.
    pub items: u32,
    /// How long one contender runs before the next has its turn.
    pub slice: Duration,
}

const U64_CALL: Load = Load {
    name: "u64 call, 1 client",
    method: Method::Increment,
    clients: 1,
    in_flight: 1,
    items: 1,
    slice: Duration::from_millis(300),
};

/// All of them, in the order of the tables.
pub const LOADS: [Load; 6] = [
    U64_CALL,
    Load { name: "u64 call, 8 clients", clients: 8, ..U64_CALL },
    Load { name: "u64 call, 64 clients", clients: 64, slice: Duration::from_millis(500), ..U64_CALL },
    Load { name: "u64 call, 16 in flight", in_flight: 16, ..U64_CALL },
    Load { name: "u64 call, batches of 100", items: 100, ..U64_CALL },
    Load { name: "snapshot of 1,000 cgroups", method: Method::Snapshot, ..U64_CALL },
];

impl Load {
    /// Whether nothing goes on at the same time as a call.
    pub fn is_one_by_one(&self) -> bool {
        self.in_flight == 1 && self.items == 1
    }

    /// The same in bytes that the driver makes up, for those who know nothing but bytes.
    pub fn in_bytes(&self) -> Workload {
        let [small, snapshot] = ["u64 round trip", "snapshot of 1,000 cgroups"].map(known);
        let like = match self.method {
            Method::Increment => small,
            Method::Snapshot => snapshot,
        };
        Workload { name: self.name, in_flight: self.in_flight, slice: self.slice, ..like }
    }
}

fn known(name: &str) -> Workload {
    use crate::driver::workload::WORKLOADS;
    WORKLOADS.into_iter().find(|workload| workload.name == name).expect("a workload of the driver")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_as_many_as_the_messages_have() {
        let lengths = |load: &Load| (load.in_bytes().request_len, load.in_bytes().response_len);
        let [call, .., snapshot] = &LOADS;
        assert_eq!(lengths(call), (8, 8));
        assert_eq!(lengths(snapshot), (8, 145_276));
        assert!(LOADS.iter().all(|load| load.in_bytes().in_flight == load.in_flight));
    }

    #[test]
    fn a_load_is_known_by_its_name() {
        for (index, load) in LOADS.iter().enumerate() {
            assert!(LOADS[..index].iter().all(|other| other.name != load.name), "{}", load.name);
        }
    }
}
