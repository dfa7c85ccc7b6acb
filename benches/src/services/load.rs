//! What is called, and by how many.

use std::time::Duration;

use crate::driver::workload::{WORKLOADS, Workload};

/// What the calls of a load are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// A number there, the next one back.
    Increment,
    /// Nothing there; [`Snapshot::sample`](crate::data::Snapshot::sample) with [`CGROUPS`] back, of which the client reads
    /// every scalar, every length and the first byte of every string.
    Snapshot,
    /// The same snapshot, put where it is looked up by hash and name while the next one is fetched.
    Refresh,
    /// [`KEYS`] of [`paths`](crate::paths) there, an item for each back, of which the client reads every scalar, and the
    /// length and first byte of every name.
    Lookup,
}

/// How many keys a lookup has.
pub const KEYS: usize = 1_000;
/// Bytes of their request and of its answer, in Netdata's layouts.
const LOOKUP: [usize; 2] = [48_016, 93_941];

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
pub const LOADS: [Load; 8] = [
    U64_CALL,
    Load { name: "u64 call, 8 clients", clients: 8, ..U64_CALL },
    Load { name: "u64 call, 64 clients", clients: 64, slice: Duration::from_millis(500), ..U64_CALL },
    Load { name: "u64 call, 16 in flight", in_flight: 16, ..U64_CALL },
    Load { name: "u64 call, batches of 100", items: 100, ..U64_CALL },
    Load { name: "snapshot of 1,000 cgroups", method: Method::Snapshot, ..U64_CALL },
    Load { name: "lookup of 1,000 keys", method: Method::Lookup, ..U64_CALL },
    Load { name: "refresh of a cache of 1,000 cgroups", method: Method::Refresh, ..U64_CALL },
];

impl Load {
    /// Whether nothing goes on at the same time as a call.
    pub fn is_one_by_one(&self) -> bool {
        self.in_flight == 1 && self.items == 1
    }

    /// The same in bytes that the driver makes up, for those who know nothing but bytes. An item of a batch has sixteen:
    /// eight of directory, and eight of number.
    pub fn in_bytes(&self) -> Workload {
        let snapshot =
            WORKLOADS.iter().find(|workload| workload.name == SNAPSHOT).map_or(0, |found| found.response_len);
        let [request_len, response_len] = match self.method {
            Method::Increment if self.items > 1 => [2 * NUMBER * self.items as usize; 2],
            Method::Increment => [NUMBER; 2],
            Method::Snapshot | Method::Refresh => [NUMBER, snapshot],
            Method::Lookup => LOOKUP,
        };
        let (name, in_flight, slice) = (self.name, self.in_flight, self.slice);
        Workload { name, request_len, response_len, in_flight, pace: None, slice }
    }
}

const NUMBER: usize = size_of::<u64>();
/// The driver's workload that is as long as a snapshot.
const SNAPSHOT: &str = "snapshot of 1,000 cgroups";

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use netipc_examples::{CgroupInfo, CgroupStatus, CgroupsLookupRequest, CgroupsLookupResponse, Orchestrator};

    use super::*;
    use crate::paths;

    fn encode<M: netipc::WireMessage>(message: &M) -> usize {
        message.encoded_len()
    }

    #[test]
    fn bytes_are_as_many_as_the_messages_have() {
        let lengths = |load: &Load| (load.in_bytes().request_len, load.in_bytes().response_len);
        let named = |name: &str| LOADS.iter().find(|load| load.name.contains(name)).unwrap();
        assert_eq!(lengths(named("1 client")), (8, 8));
        assert_eq!(lengths(named("16 in flight")), (8, 8));
        assert_eq!(lengths(named("batches")), (1600, 1600));
        assert_eq!(lengths(named("snapshot")), (8, 145_276));
        assert_eq!(lengths(named("refresh")), (8, 145_276));
        let request = CgroupsLookupRequest { paths: paths::c_paths(KEYS) };
        let names = paths::c_names(KEYS);
        let item = |path: CString| match names.get(&path) {
            Some(name) => CgroupInfo {
                status: CgroupStatus::Known,
                orchestrator: Orchestrator::Docker,
                path,
                name: name.clone(),
                labels: Vec::new(),
            },
            None => CgroupInfo {
                status: CgroupStatus::UnknownPermanent,
                orchestrator: Orchestrator::Unknown,
                path,
                name: CString::default(),
                labels: Vec::new(),
            },
        };
        let items = request.paths.iter().cloned().map(item).collect();
        let answer = CgroupsLookupResponse { generation: 1, items };
        let encoded = [encode(&request), encode(&answer)];
        assert_eq!(encoded, LOOKUP);
        assert_eq!(lengths(named("lookup")), (LOOKUP[0], LOOKUP[1]));
        assert!(LOADS.iter().all(|load| load.in_bytes().in_flight == load.in_flight));
    }

    #[test]
    fn a_load_is_known_by_its_name() {
        for (index, load) in LOADS.iter().enumerate() {
            assert!(LOADS[..index].iter().all(|other| other.name != load.name), "{}", load.name);
        }
    }
}
