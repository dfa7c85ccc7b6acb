//! Generated clients that have something to do with keys: a lookup of many, and a cache that is refreshed.

use std::ffi::CString;
use std::io;
use std::time::Instant;

use netipc_examples::Orchestrator;

use super::generated::{BenchCache, BenchClient, failed};
use super::load::{CGROUPS, KEYS};
use super::same;
use super::threads::{Client, one_by_one};
use crate::data::{self, digest};
use crate::paths;

/// A client that looks up all keys in one logical call.
pub fn lookup(client: BenchClient) -> Box<dyn Client + Send> {
    Box::new(Lookup { client, paths: paths::c_paths(KEYS), expected: paths::expected(KEYS) })
}

/// A client that refreshes its cache.
pub fn refresh(client: BenchClient) -> Box<dyn Client + Send> {
    Box::new(Refresh { cache: BenchCache::over(client), sample: data::Snapshot::sample(CGROUPS) })
}

struct Lookup {
    client: BenchClient,
    paths: Vec<CString>,
    expected: u64,
}

impl Client for Lookup {
    fn run(&mut self, until: Instant, samples: &mut [u32]) -> io::Result<usize> {
        one_by_one(until, samples, || {
            let answer = self.client.lookup(&self.paths).map_err(failed)?;
            let digests = answer
                .iter()
                .map(|item| paths::digest(item.status() as u16, number(item.orchestrator()), item.name().to_bytes()));
            same("lookup", digests.sum(), self.expected)
        })
    }
}

/// Its number, which an enum that is open has no cast for.
fn number(orchestrator: Orchestrator) -> u16 {
    match orchestrator {
        Orchestrator::Docker => paths::DOCKER,
        Orchestrator::Unknown => 0,
        _ => u16::MAX,
    }
}

struct Refresh {
    cache: BenchCache,
    sample: data::Snapshot,
}

impl Client for Refresh {
    fn run(&mut self, until: Instant, samples: &mut [u32]) -> io::Result<usize> {
        let Some(last) = self.sample.items.last() else { return Ok(0) };
        one_by_one(until, samples, || {
            let refreshed = self.cache.refresh().map_err(io::Error::other)?;
            same("changed", refreshed.changed.into(), 1)?;
            let cgroups = self.cache.read();
            same("cgroups", cgroups.len() as u64, self.sample.items.len() as u64)?;
            let found = cgroups.get((last.hash, last.name.as_bytes())).map_or(0, |item| {
                digest(item.hash(), item.options(), item.enabled(), item.name().as_bytes(), item.path().as_bytes())
            });
            same("cgroup", found, last.digest())
        })
    }
}
