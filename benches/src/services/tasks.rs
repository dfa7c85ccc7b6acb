//! Clients that are asynchronous: a task for each call that may be in flight, on one thread or on all.
//!
//! Owns: the runtime, the same for both sides of whoever needs one, and that all tasks begin together.

use std::io;
use std::iter::repeat_n;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::generated::expected;
use super::load::{KEYS, Load, Method};
use super::shelf::{Shelf, Table};
use super::threads::nanoseconds;
use super::turn::Watch;
use super::{client_is_done, same};
use crate::driver::stats::Figures;
use crate::paths;

/// The threads of a runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// The calling one.
    One,
    /// As many as the process may use CPUs.
    All,
}

impl Threads {
    /// A runtime on these threads.
    ///
    /// # Errors
    /// The kernel refuses what it takes.
    pub fn runtime(self) -> io::Result<Runtime> {
        match self {
            Self::One => Builder::new_current_thread(),
            Self::All => Builder::new_multi_thread(),
        }
        .enable_all()
        .build()
    }
}

/// A client, connected. Clones share its connection.
pub trait Calls: Clone + Send + 'static {
    /// What [`Method::Increment`] answers to `value`.
    fn increment(&mut self, value: u64) -> impl Future<Output = io::Result<u64>> + Send;

    /// The same for a list of values, in one call: what there is instead of batches.
    fn increments(&mut self, values: Vec<u64>) -> impl Future<Output = io::Result<Vec<u64>>> + Send;

    /// Calls [`Method::Snapshot`]; the checksum of what was read.
    fn snapshot(&mut self) -> impl Future<Output = io::Result<u64>> + Send;

    /// The same, as a table by key.
    fn table(&mut self) -> impl Future<Output = io::Result<Table>> + Send;

    /// Asks for these paths; the checksum of what was read.
    fn lookup(&mut self, paths: &Arc<Vec<String>>) -> impl Future<Output = io::Result<u64>> + Send;
}

/// Drives these connections, each with as many calls in flight as the load has.
///
/// # Errors
/// That of any call, or of `watch`.
pub async fn drive<C: Calls>(connections: Vec<C>, load: &Load, watch: &Watch) -> io::Result<Figures> {
    let callers = connections.len() * load.in_flight;
    let work = Arc::new(Work {
        method: load.method,
        items: load.items.into(),
        snapshot: expected(),
        shelf: Shelf::default(),
        paths: Arc::new(paths::paths(KEYS)),
        looked_up: paths::expected(KEYS),
    });
    let task =
        |calls: &C| Task { calls: calls.clone(), work: Arc::clone(&work), next: 0, samples: watch.samples(callers) };
    let mut tasks: Vec<_> =
        connections.iter().flat_map(|connection| repeat_n(connection, load.in_flight)).map(task).collect();
    run(&mut tasks, watch.warm_up()).await?;
    let mark = watch.begin()?;
    let calls = run(&mut tasks, mark.until()).await?;
    let spent = mark.end()?;
    Ok(spent.over(tasks.into_iter().zip(calls).map(|(mut task, calls)| {
        task.samples.truncate(calls);
        task.samples
    })))
}

/// Becomes ready when the client has nothing more to ask.
pub async fn done() -> io::Result<()> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || sender.send(client_is_done()));
    receiver.await.map_err(io::Error::other)?
}

/// Runs all tasks at the same time; how many calls each made.
async fn run<C: Calls>(tasks: &mut Vec<Task<C>>, until: Instant) -> io::Result<Vec<usize>> {
    let spawned: Vec<_> = tasks.drain(..).map(|task| tokio::spawn(task.run(until))).collect();
    let mut calls = Vec::with_capacity(spawned.len());
    for task in spawned {
        let (task, made) = task.await.map_err(io::Error::other)??;
        tasks.push(task);
        calls.push(made);
    }
    Ok(calls)
}

/// What all tasks call, and what comes of it.
struct Work {
    method: Method,
    /// Calls in one message.
    items: u64,
    /// What a snapshot comes to.
    snapshot: u64,
    shelf: Shelf,
    paths: Arc<Vec<String>>,
    /// What a lookup of these comes to.
    looked_up: u64,
}

struct Task<C> {
    calls: C,
    work: Arc<Work>,
    next: u64,
    samples: Vec<u32>,
}

impl<C: Calls> Task<C> {
    async fn run(mut self, until: Instant) -> io::Result<(Self, usize)> {
        for made in 0..self.samples.len() {
            let start = Instant::now();
            self.call().await?;
            let end = Instant::now();
            self.samples[made] = nanoseconds(start, end);
            if end >= until {
                return Ok((self, made + 1));
            }
        }
        let most = self.samples.len();
        Ok((self, most))
    }

    async fn call(&mut self) -> io::Result<()> {
        let work = &*self.work;
        match work.method {
            Method::Increment if work.items == 1 => {
                self.next += 1;
                same("answer", self.calls.increment(self.next - 1).await?, self.next)
            }
            Method::Increment => {
                let numbers = self.next..self.next + work.items;
                let answers = self.calls.increments(numbers.clone().collect()).await?;
                same("answers", answers.len() as u64, work.items)?;
                for (answer, number) in answers.into_iter().zip(numbers) {
                    same("answer", answer, number + 1)?;
                }
                self.next += work.items;
                Ok(())
            }
            Method::Snapshot => same("snapshot", self.calls.snapshot().await?, work.snapshot),
            Method::Refresh => work.shelf.put(self.calls.table().await?),
            Method::Lookup => same("lookup", self.calls.lookup(&work.paths).await?, work.looked_up),
        }
    }
}
