//! What generated clients carry a load with that is more than one number after the other.
//!
//! Owns: which loads those are, and two of the clients that carry them: batches, and a pipeline that is kept full.

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use super::generated::{BenchClient, failed, snapshots};
use super::load::{Load, Method};
use super::threads::{Client, nanoseconds, one_by_one};
use super::{keyed, same};

/// What carries such a load over this client, if something does.
type Make = fn(BenchClient, &Load) -> Box<dyn Client + Send>;

/// What carries this load, if it is not one number after the other.
pub fn caller(load: &Load) -> Option<Make> {
    match (load.method, load.in_flight, load.items) {
        (Method::Snapshot, 1, 1) => Some(|client, _| snapshots(client)),
        (Method::Refresh, 1, 1) => Some(|client, _| keyed::refresh(client)),
        (Method::Lookup, 1, 1) => Some(|client, _| keyed::lookup(client)),
        (Method::Increment, 1, 2..) => Some(batches),
        (Method::Increment, 2.., 1) => Some(pipeline),
        _ => None,
    }
}

fn batches(client: BenchClient, load: &Load) -> Box<dyn Client + Send> {
    Box::new(Batches { client, items: load.items.into(), next: 0 })
}

fn pipeline(client: BenchClient, load: &Load) -> Box<dyn Client + Send> {
    Box::new(Pipeline { client, in_flight: load.in_flight, next: 0 })
}

struct Batches {
    client: BenchClient,
    items: u64,
    next: u64,
}

impl Client for Batches {
    fn run(&mut self, until: Instant, samples: &mut [u32]) -> io::Result<usize> {
        one_by_one(until, samples, || {
            let numbers = self.next..self.next + self.items;
            let replies = self.client.increment_batch(numbers.clone()).map_err(failed)?;
            same("answers", replies.len() as u64, self.items)?;
            for (reply, number) in replies.zip(numbers) {
                same("answer", reply, number + 1)?;
            }
            self.next += self.items;
            Ok(())
        })
    }
}

struct Pipeline {
    client: BenchClient,
    in_flight: usize,
    next: u64,
}

impl Client for Pipeline {
    fn run(&mut self, until: Instant, samples: &mut [u32]) -> io::Result<usize> {
        let mut pipeline = self.client.pipeline();
        let mut asked = VecDeque::with_capacity(self.in_flight);
        let mut calls = 0;
        let mut is_late = false;
        while !is_late || !asked.is_empty() {
            while !is_late && asked.len() < self.in_flight && calls + asked.len() < samples.len() {
                let ticket = pipeline.increment(self.next).map_err(failed)?;
                asked.push_back((ticket, self.next, Instant::now()));
                self.next += 1;
            }
            let Some((ticket, number, start)) = asked.pop_front() else { break };
            same("answer", pipeline.take(ticket).map_err(failed)?, number + 1)?;
            let end = Instant::now();
            if let Some(sample) = samples.get_mut(calls) {
                *sample = nanoseconds(start, end);
            }
            calls += 1;
            is_late |= end >= until;
        }
        Ok(calls)
    }
}
