//! One turn of a contender: a server for it alone, clients, and what both spent between two points in time.
//!
//! Owns: what is read, and in which order. A server is started for each turn.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::Contender;
use super::load::Load;
use crate::driver::placement::{Cpus, Placement};
use crate::driver::process::Server;
use crate::driver::stats::Figures;
use crate::driver::usage::{self, Own, Usage};
use crate::driver::{End, Meeting};

/// Round trips that fit into one turn, of all clients; a contender that is faster ends its turn early.
const SAMPLES: usize = 1_000_000;
/// What part of a turn goes untimed before it.
const WARM_UP: u32 = 10;

/// What all turns of a run share.
#[derive(Debug)]
pub struct Course {
    program: PathBuf,
    cpus: Cpus,
}

impl Course {
    /// `program` is started as the server; it must hand [`SERVE_AS`](crate::driver::process::SERVE_AS) to
    /// [`serve`](super::serve).
    pub fn new(program: PathBuf, cpus: Cpus) -> Self {
        Self { program, cpus }
    }

    /// The CPUs.
    pub fn cpus(&self) -> &Cpus {
        &self.cpus
    }

    /// Runs `contender` for `length` and about a tenth more. With several items in a message, rate and CPU time are of an
    /// item, and percentiles of a message.
    ///
    /// # Errors
    /// The server or the contender fails, or an answer is wrong.
    pub fn run(
        &self,
        contender: &dyn Contender,
        load: &Load,
        placement: Placement,
        length: Duration,
    ) -> io::Result<Figures> {
        self.cpus.place_client(placement)?;
        let cpu = self.cpus.server(placement)?;
        let (server, end) = Server::start_as(&self.program, contender.name(), load.name, Meeting::RunDir, cpu)?;
        let End::RunDir(run_dir) = end else { return Err(io::ErrorKind::InvalidInput.into()) };
        let figures =
            contender.drive(&run_dir, load, &Watch { server: server.pid(), rests: contender.rests(), length })?;
        server.end()?;
        Ok(of_items(figures, load.items))
    }
}

fn of_items(figures: Figures, items: u32) -> Figures {
    let items = f64::from(items);
    let mut per_item = Figures { calls_per_second: figures.calls_per_second * items, ..figures };
    for side in [&mut per_item.client, &mut per_item.server] {
        side.cpu /= items;
        side.sleeps /= items;
    }
    per_item
}

/// What tells clients how long to call, and reads what that cost.
#[derive(Debug)]
pub struct Watch {
    /// The server's process.
    pub server: u32,
    /// Whether it goes to sleep when nobody calls, which is waited for then.
    pub rests: bool,
    /// How long clients call.
    pub length: Duration,
}

/// Where a measurement began.
#[derive(Debug)]
pub struct Mark {
    server: u32,
    rests: bool,
    served: Usage,
    own: Own,
    begin: Instant,
    until: Instant,
}

/// What was spent since a mark.
#[derive(Debug)]
pub struct Spent {
    elapsed: Duration,
    client: Usage,
    server: Usage,
}

impl Watch {
    /// Until when clients call untimed, from now on.
    pub fn warm_up(&self) -> Instant {
        Instant::now() + self.length / WARM_UP
    }

    /// Memory for the round trips of one of so many callers, faulted in.
    pub fn samples(&self, callers: usize) -> Vec<u32> {
        // Ones, because zeros would be mapped at the first touch: within the measurement.
        vec![1; SAMPLES / callers]
    }

    /// The measurement begins; all clients are connected, and none calls.
    ///
    /// # Errors
    /// /proc could not be read, or the server does not go to sleep.
    pub fn begin(&self) -> io::Result<Mark> {
        let (served, own) = (usage::of_other(self.server, self.rests)?, Own::begin()?);
        let begin = Instant::now();
        Ok(Mark { server: self.server, rests: self.rests, served, own, begin, until: begin + self.length })
    }
}

impl Mark {
    /// When clients begin no more calls.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// The measurement ends; no client calls any more, and all are still connected.
    ///
    /// # Errors
    /// As [`Watch::begin`]; a thread of one of both processes has ended meanwhile.
    pub fn end(&self) -> io::Result<Spent> {
        let elapsed = self.begin.elapsed();
        let client = self.own.end()?;
        let server = usage::of_other(self.server, self.rests)?.since(self.served)?;
        Ok(Spent { elapsed, client, server })
    }
}

impl Spent {
    /// The figures of the calls that took so many nanoseconds each.
    pub fn over(&self, samples: impl IntoIterator<Item = Vec<u32>>) -> Figures {
        let mut all: Vec<u32> = samples.into_iter().flatten().collect();
        Figures::new(&mut all, self.elapsed, self.client, self.server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_cost_are_of_an_item_and_percentiles_of_a_message() {
        let usage = |nanos| Usage { cpu: Duration::from_nanos(nanos), sleeps: 10 };
        let spent = Spent { elapsed: Duration::from_micros(2), client: usage(4_000), server: usage(8_000) };
        let figures = spent.over([vec![300, 100], vec![200, 400]]);
        assert_eq!((figures.p50, figures.p99, figures.calls_per_second), (200.0, 400.0, 2e6));
        let items = of_items(figures, 10);
        assert_eq!((items.p50, items.p99, items.calls_per_second), (200.0, 400.0, 2e7));
        assert_eq!((items.client.cpu, items.server.cpu, items.cpu()), (100.0, 200.0, 300.0));
        assert_eq!((items.client.sleeps, items.server.sleeps), (0.25, 0.25));
        assert_eq!(of_items(figures, 1), figures);
    }
}
