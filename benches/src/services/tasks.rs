//! Clients that are asynchronous: a task for each call that may be in flight, on one thread or on all.
//!
//! Owns: the runtime, the same for both sides of whoever needs one, and that all tasks begin together.

use std::io;
use std::iter::repeat_n;
use std::time::Instant;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::generated::expected;
use super::load::{Load, Method};
use super::threads::nanoseconds;
use super::turn::Watch;
use super::{client_is_done, same};
use crate::driver::stats::Figures;

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

    /// Calls [`Method::Snapshot`]; the checksum of what was read.
    fn snapshot(&mut self) -> impl Future<Output = io::Result<u64>> + Send;
}

/// Drives these connections, each with as many calls in flight as the load has.
///
/// # Errors
/// That of any call, or of `watch`.
pub async fn drive<C: Calls>(connections: Vec<C>, load: &Load, watch: &Watch) -> io::Result<Figures> {
    let callers = connections.len() * load.in_flight;
    let (method, expected) = (load.method, expected());
    let task = |calls: &C| Task { calls: calls.clone(), method, next: 0, expected, samples: watch.samples(callers) };
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

struct Task<C> {
    calls: C,
    method: Method,
    next: u64,
    /// Of a snapshot.
    expected: u64,
    samples: Vec<u32>,
}

impl<C: Calls> Task<C> {
    async fn run(mut self, until: Instant) -> io::Result<(Self, usize)> {
        for made in 0..self.samples.len() {
            let start = Instant::now();
            match self.method {
                Method::Increment => {
                    self.next += 1;
                    same("answer", self.calls.increment(self.next - 1).await?, self.next)?;
                }
                Method::Snapshot => same("snapshot", self.calls.snapshot().await?, self.expected)?,
            }
            let end = Instant::now();
            self.samples[made] = nanoseconds(start, end);
            if end >= until {
                return Ok((self, made + 1));
            }
        }
        let most = self.samples.len();
        Ok((self, most))
    }
}
