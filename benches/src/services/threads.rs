//! Clients that block: one on the calling thread, or several on a thread each.
//!
//! Owns: that all of them begin together, and that none has ended when it is read what they spent.

use std::io;
use std::sync::{Barrier, OnceLock};
use std::thread::{self, ScopedJoinHandle};
use std::time::Instant;

use super::turn::Watch;
use crate::driver::stats::Figures;

/// One client, connected.
pub trait Client {
    /// Calls until then; how many calls there were, each with the nanoseconds of its round trip in `samples`.
    ///
    /// # Errors
    /// A call failed, or had the wrong answer.
    fn run(&mut self, until: Instant, samples: &mut [u32]) -> io::Result<usize>;
}

/// Calls one after the other: what most clients' [`Client::run`] is.
///
/// # Errors
/// That of `call`.
pub fn one_by_one(until: Instant, samples: &mut [u32], mut call: impl FnMut() -> io::Result<()>) -> io::Result<usize> {
    let most = samples.len();
    for (calls, sample) in (1..).zip(samples) {
        let start = Instant::now();
        call()?;
        let end = Instant::now();
        *sample = nanoseconds(start, end);
        if end >= until {
            return Ok(calls);
        }
    }
    Ok(most)
}

/// What a sample is.
pub fn nanoseconds(start: Instant, end: Instant) -> u32 {
    u32::try_from((end - start).as_nanos()).unwrap_or(u32::MAX)
}

/// Drives one client on the calling thread.
///
/// # Errors
/// The client's, or that of `watch`.
pub fn alone(client: &mut dyn Client, watch: &Watch) -> io::Result<Figures> {
    let mut samples = watch.samples(1);
    client.run(watch.warm_up(), &mut samples)?;
    let mark = watch.begin()?;
    let calls = client.run(mark.until(), &mut samples)?;
    let spent = mark.end()?;
    samples.truncate(calls);
    Ok(spent.over([samples]))
}

/// Drives all of these at the same time.
///
/// # Errors
/// That of any client, or of `watch`.
pub fn together(mut clients: Vec<Box<dyn Client + Send>>, watch: &Watch) -> io::Result<Figures> {
    if let [client] = &mut clients[..] {
        return alone(&mut **client, watch);
    }
    let callers = clients.len();
    // Everybody passes it four times, whatever has failed.
    let gate = Barrier::new(callers + 1);
    let until = OnceLock::new();
    let run = |client: &mut Box<dyn Client + Send>| {
        let mut samples = watch.samples(callers);
        let warm = client.run(watch.warm_up(), &mut samples);
        gate.wait();
        gate.wait();
        let calls = warm.and_then(|_| until.get().map_or(Ok(0), |until| client.run(*until, &mut samples)));
        gate.wait();
        gate.wait();
        samples.truncate(calls?);
        Ok::<_, io::Error>(samples)
    };
    thread::scope(|scope| {
        let threads: Vec<_> = clients.iter_mut().map(|client| scope.spawn(|| run(client))).collect();
        gate.wait();
        let mark = watch.begin().inspect(|mark| _ = until.set(mark.until()));
        gate.wait();
        gate.wait();
        let spent = mark.and_then(|mark| mark.end());
        gate.wait();
        let join = |thread: ScopedJoinHandle<'_, _>| thread.join().expect("a client panicked");
        let samples = threads.into_iter().map(join).collect::<io::Result<Vec<_>>>()?;
        Ok(spent?.over(samples))
    })
}
