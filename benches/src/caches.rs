//! What looking into a cache costs, beside maps with and without a lock, and what refreshing it costs.
//!
//! Owns: the contenders, and their tables in Markdown. The server is a thread of this process, so a refresh takes two CPUs;
//! what is allocated is counted on the thread that refreshes, if the program has [`Counting`] for its allocator.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use netipc::server::InProcess;
use netipc::wire::Profiles;
use netipc::{HandlerResult, Reply};
use netipc_examples as wire;

use crate::counting::{Counting, counted};
use crate::data::Snapshot;
use crate::measure::{median, median_of_ratios};
use crate::rounds::RunDir;

const CEILING: u32 = 64 << 20;
/// How many items there are, and how many readers, table by table.
pub const SIZES: [(usize, usize); 6] = [(16, 1), (16, 2), (1000, 1), (1000, 2), (100_000, 1), (100_000, 2)];
/// How long one contender runs at a time.
const SAMPLE: Duration = Duration::from_millis(50);

#[netipc::service(name = "cgroups-snapshot")]
pub trait Cgroups {
    /// Whether it is the same as before is told by its generation.
    #[method(code = 2, snapshot(items = items, key(hash, name), generation = generation))]
    fn snapshot(&self, reply: Reply<'_, wire::Snapshot>) -> HandlerResult;
}

/// The same items each time, and another generation.
struct Host {
    data: Snapshot,
    generation: AtomicU64,
}

impl Cgroups for Host {
    fn snapshot(&self, mut reply: Reply<'_, wire::Snapshot>) -> HandlerResult {
        // Relaxed: the number itself is all that is asked.
        reply.systemd_enabled(1).generation(self.generation.fetch_add(1, Ordering::Relaxed));
        let mut items = reply.items(self.data.items.len());
        for cgroup in &self.data.items {
            let (name, path) = (cgroup.name.as_bytes(), cgroup.path.as_bytes());
            items.push(|item| {
                item.hash(cgroup.hash).options(cgroup.options).enabled(cgroup.enabled).name(name).path(path)
            });
        }
        Ok(())
    }
}

fn host(count: usize) -> Host {
    Host { data: Snapshot::sample(count), generation: AtomicU64::new(1) }
}

/// Nanoseconds that a lookup takes where each of `readers` makes them all the time; what they found is `found` each.
fn time(readers: usize, keys: usize, found: bool, lookup: impl Fn(usize) -> bool + Sync) -> f64 {
    let barrier = Barrier::new(readers);
    let slices: Vec<f64> = thread::scope(|scope| {
        let readers = (0..readers).map(|reader| {
            let (barrier, lookup) = (&barrier, &lookup);
            scope.spawn(move || {
                barrier.wait();
                let (begin, mut lookups, mut at) = (Instant::now(), 0_u64, reader * keys / 2);
                while begin.elapsed() < SAMPLE {
                    for _ in 0..1000 {
                        at = if at + 1 < keys { at + 1 } else { 0 };
                        assert_eq!(lookup(black_box(at)), found);
                    }
                    lookups += 1000;
                }
                begin.elapsed().as_secs_f64() * 1e9 / lookups as f64
            })
        });
        let readers: Vec<_> = readers.collect();
        readers.into_iter().map(|reader| reader.join().unwrap_or(f64::NAN)).collect()
    });
    slices.iter().sum::<f64>() / slices.len() as f64
}

type Key = (u32, String);

/// The contenders, in the order of the tables.
const NAMES: [&str; 4] =
    ["cache, one `read()` for all", "cache, a `read()` each", "`HashMap`, no lock", "`RwLock<HashMap>`"];

/// What looking into a cache of so many items came to, round by round.
#[derive(Debug)]
pub struct Lookups {
    /// How many there are.
    pub items: usize,
    /// How many look at once.
    pub readers: usize,
    /// Nanoseconds of hits and of misses, contender by contender.
    samples: [[Vec<f64>; 4]; 2],
}

impl Lookups {
    /// Hits of the cache with a `read()` for each, as many times as fast as those of this contender, round by round.
    fn times(&self, contender: usize) -> f64 {
        let [hits, _] = &self.samples;
        median_of_ratios(&hits[contender], &hits[1])
    }

    /// Beside the map that nobody may change.
    #[must_use]
    pub fn times_unlocked(&self) -> f64 {
        self.times(2)
    }

    /// Beside the map behind a lock.
    #[must_use]
    pub fn times_locked(&self) -> f64 {
        self.times(3)
    }
}

/// Hits and misses, with one reader and with two.
///
/// # Errors
/// A cache can't be filled.
pub fn lookups(items: usize, readers: usize, rounds: usize) -> Result<Lookups, Box<dyn Error>> {
    let server = CgroupsServer::new(host(items)).response_ceiling(CEILING).max_response_payload(CEILING);
    let config = CgroupsClient::config().response_ceiling(CEILING).max_response_payload(CEILING);
    let cache = CgroupsCache::over(InProcess::new(server).connect(config)?);
    cache.refresh()?;
    let mut data = Snapshot::sample(items);
    let plain: HashMap<Key, u32> =
        data.items.iter().map(|item| ((item.hash, item.name.clone()), item.options)).collect();
    let map = RwLock::new(plain.clone());
    // Not in the order of the memory.
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    for last in (1..data.items.len()).rev() {
        dice = dice.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        data.items.swap(last, (dice >> 33) as usize % (last + 1));
    }
    let hits: Vec<Key> = data.items.iter().map(|item| (item.hash, item.name.clone())).collect();
    let misses: Vec<Key> = hits.iter().map(|(hash, name)| (!hash, name.clone())).collect();
    let held = cache.read();
    let mut samples = [const { [const { Vec::new() }; 4] }; 2];
    for _ in 0..rounds {
        for ((keys, found), samples) in [(&hits, true), (&misses, false)].into_iter().zip(&mut samples) {
            let pinned = |at: usize| {
                let (hash, name) = &keys[at];
                held.get((*hash, name.as_bytes())).map(|item| black_box(item.options())).is_some()
            };
            let pinning = |at: usize| {
                let (hash, name) = &keys[at];
                cache.read().get((*hash, name.as_bytes())).map(|item| black_box(item.options())).is_some()
            };
            let unlocked = |at: usize| plain.get(&keys[at]).map(|options| black_box(*options)).is_some();
            let locking = |at: usize| {
                let map = map.read().unwrap_or_else(PoisonError::into_inner);
                map.get(&keys[at]).map(|options| black_box(*options)).is_some()
            };
            samples[0].push(time(readers, items, found, pinned));
            samples[1].push(time(readers, items, found, pinning));
            samples[2].push(time(readers, items, found, unlocked));
            samples[3].push(time(readers, items, found, locking));
        }
    }
    Ok(Lookups { items, readers, samples })
}

/// A row for each contender: its medians, and how much faster it is than the map behind a lock.
#[must_use]
pub fn table(all: &[Lookups]) -> String {
    let mut table = String::from(
        "| items | readers | contender | hit, ns | million hits/s each | times faster | miss, ns | times faster |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for Lookups { items, readers, samples: [hits, misses] } in all {
        for (row, name) in NAMES.iter().enumerate() {
            let [hit, miss] = [hits, misses].map(|samples| median(samples[row].clone()));
            let [faster, faster_misses] = [hits, misses].map(|samples| median_of_ratios(&samples[3], &samples[row]));
            writeln!(
                table,
                "| {items} | {readers} | {name} | {hit:.1} | {:.1} | {faster:.1} | {miss:.1} | {faster_misses:.1} |",
                1e3 / hit
            )
            .expect("a String takes what is written to it");
        }
    }
    table
}

/// A row for each of two ways to have the next snapshot, at sizes and over transports of this function's choice.
///
/// # Errors
/// A server or a call fails.
pub fn refreshes(rounds: usize) -> Result<String, Box<dyn Error>> {
    let mut table =
        String::from("| items | over | refresh | us | allocations | KiB allocated |\n|---|---|---|---|---|---|\n");
    Counting::begin();
    for count in [1000, 100_000] {
        for profiles in [Profiles::BASELINE, Profiles::BASELINE.union(Profiles::SHM_HYBRID)] {
            table += &refreshed(count, profiles, rounds)?;
        }
    }
    Counting::end();
    Ok(table)
}

fn refreshed(count: usize, profiles: Profiles, rounds: usize) -> Result<String, Box<dyn Error>> {
    let run_dir = RunDir::new("caches")?;
    let server = CgroupsServer::new(host(count)).response_ceiling(CEILING).profiles(profiles);
    let _server = server.bind(run_dir.path())?.spawn()?;
    let config = || CgroupsClient::config().response_ceiling(CEILING).profiles(profiles);
    let cache = CgroupsCache::over(config().build(run_dir.path()));
    let mut client = config().connect(run_dir.path())?;
    let mut map = RwLock::new(HashMap::<Key, wire::Cgroup>::new());
    let mut samples = [const { Vec::new() }; 2];
    let mut allocated = [(0, 0); 2];
    // The first grow limits and buffers.
    for round in 0..rounds * 4 + 3 {
        let mut refresh = |row: usize, work: &mut dyn FnMut() -> Result<(), Box<dyn Error>>| {
            let (before, begin) = (counted(), Instant::now());
            work()?;
            let elapsed = begin.elapsed().as_secs_f64() * 1e6;
            if round >= 3 {
                samples[row].push(elapsed);
            }
            let after = counted();
            allocated[row] = (after.0 - before.0, after.1 - before.1);
            Ok::<(), Box<dyn Error>>(())
        };
        refresh(0, &mut || {
            assert!(cache.refresh()?.changed);
            Ok(())
        })?;
        refresh(1, &mut || {
            let snapshot = client.snapshot()?;
            let items = snapshot.items().map(|item| {
                let item = item.to_owned();
                ((item.hash, String::from_utf8_lossy(&item.name).into_owned()), item)
            });
            let next = items.collect();
            *map.get_mut().unwrap_or_else(PoisonError::into_inner) = next;
            Ok(())
        })?;
    }
    let over = if profiles == Profiles::BASELINE { "sockets" } else { "shared memory" };
    let names = ["cache", "call, and a `HashMap` of owned items"];
    let mut lines = String::new();
    for ((name, samples), (count_of, bytes)) in names.iter().zip(samples).zip(allocated) {
        let (micros, kib) = (median(samples), bytes as f64 / 1024.0);
        writeln!(lines, "| {count} | {over} | {name} | {micros:.0} | {count_of} | {kib:.1} |")?;
    }
    Ok(lines)
}
