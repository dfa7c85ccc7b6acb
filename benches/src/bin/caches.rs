//! Prints what looking into a cache costs, beside a map behind a lock, and what refreshing it costs, as Markdown.
//!
//! `--quick` runs 3 rounds; `--rounds N` runs N (default 7). The server is a thread of this process, so a refresh takes two
//! CPUs; what is allocated is counted on the thread that refreshes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Barrier, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use netipc::server::InProcess;
use netipc::wire::Profiles;
use netipc::{HandlerResult, Reply};
use netipc_benches::data::Snapshot;
use netipc_benches::driver::placement::Cpus;
use netipc_benches::driver::table::machine;
use netipc_benches::measure::median;
use netipc_benches::rounds::{self, RunDir};
use netipc_examples as wire;

thread_local! {
    /// Allocations, and bytes in them.
    static COUNT: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

struct Counting;

// SAFETY: all is handed on to the system's allocator; the counts are plain numbers of this thread.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        counted(layout.size());
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        counted(layout.size());
        // SAFETY: as the caller says.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn counted(bytes: usize) {
    // A thread that ends has no counts any more.
    let _ = COUNT.try_with(|count| count.set((count.get().0 + 1, count.get().1 + bytes as u64)));
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CEILING: u32 = 64 << 20;
/// How long one contender runs at a time.
const SAMPLE: Duration = Duration::from_millis(50);

#[netipc::service(name = "cgroups-snapshot")]
trait Cgroups {
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

/// One row for each contender: hits and misses.
fn lookups(count: usize, readers: usize, rounds: usize) -> Result<(), Box<dyn Error>> {
    let server = CgroupsServer::new(host(count)).response_ceiling(CEILING).max_response_payload(CEILING);
    let config = CgroupsClient::config().response_ceiling(CEILING).max_response_payload(CEILING);
    let cache = CgroupsCache::over(InProcess::new(server).connect(config)?);
    cache.refresh()?;
    let mut data = Snapshot::sample(count);
    let map: HashMap<Key, u32> = data.items.iter().map(|item| ((item.hash, item.name.clone()), item.options)).collect();
    let map = RwLock::new(map);
    // Not in the order of the memory.
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    for last in (1..data.items.len()).rev() {
        dice = dice.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        data.items.swap(last, (dice >> 33) as usize % (last + 1));
    }
    let hits: Vec<Key> = data.items.iter().map(|item| (item.hash, item.name.clone())).collect();
    let misses: Vec<Key> = hits.iter().map(|(hash, name)| (!hash, name.clone())).collect();
    let held = cache.read();
    let mut samples = [const { [const { Vec::new() }; 3] }; 2];
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
            let locking = |at: usize| {
                let map = map.read().unwrap_or_else(PoisonError::into_inner);
                map.get(&keys[at]).map(|options| black_box(*options)).is_some()
            };
            samples[0].push(time(readers, count, found, pinned));
            samples[1].push(time(readers, count, found, pinning));
            samples[2].push(time(readers, count, found, locking));
        }
    }
    let [hits, misses] = samples.map(|of| of.map(median));
    for (row, name) in ["cache, one `read()` for all", "cache, a `read()` each", "`RwLock<HashMap>`"].iter().enumerate()
    {
        println!(
            "| {count} | {readers} | {name} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
            hits[row],
            1e3 / hits[row],
            hits[2] / hits[row],
            misses[row],
            misses[2] / misses[row]
        );
    }
    Ok(())
}

fn refreshes(count: usize, profiles: Profiles, rounds: usize) -> Result<(), Box<dyn Error>> {
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
            let (before, begin) = (COUNT.get(), Instant::now());
            work()?;
            let elapsed = begin.elapsed().as_secs_f64() * 1e6;
            if round >= 3 {
                samples[row].push(elapsed);
            }
            let after = COUNT.get();
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
    for ((name, samples), (count_of, bytes)) in names.iter().zip(samples).zip(allocated) {
        println!("| {count} | {over} | {name} | {:.0} | {count_of} | {:.1} |", median(samples), bytes as f64 / 1024.0);
    }
    Ok(())
}

fn run(rounds: usize) -> Result<(), Box<dyn Error>> {
    println!("{}\n", machine(&Cpus::allowed()?)?);
    println!(
        "| items | readers | contender | hit, ns | million hits/s each | times faster | miss, ns | times faster |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for count in [16, 1000, 100_000] {
        for readers in [1, 2] {
            lookups(count, readers, rounds)?;
        }
    }
    println!("\n| items | over | refresh | us | allocations | KiB allocated |");
    println!("|---|---|---|---|---|---|");
    for count in [1000, 100_000] {
        for profiles in [Profiles::BASELINE, Profiles::BASELINE.union(Profiles::SHM_HYBRID)] {
            refreshes(count, profiles, rounds)?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    rounds::report(run)
}
