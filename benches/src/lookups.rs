//! What a lookup of many keys costs, beside other ways to ask the same service for as many.
//!
//! Owns: the contenders, and their table in Markdown. The server is a thread of this process, so a call takes two CPUs.

use std::collections::HashMap;
use std::error::Error;
use std::ffi::{CStr, CString};
use std::fmt::Write;
use std::time::{Duration, Instant};

use netipc::lookup::Keep;
use netipc::wire::Profiles;
use netipc::{Answers, HandlerResult, Keys, Reply, View};
use netipc_examples::{
    CgroupInfo, CgroupInfoView, CgroupStatus, CgroupsLookupRequest, CgroupsLookupResponse, Orchestrator,
};

use crate::measure::median;
use crate::paths;
use crate::rounds::RunDir;

/// How long one contender runs at a time.
const SAMPLE: Duration = Duration::from_millis(50);
const LIMIT: u32 = 4 << 20;

#[netipc::service(name = "lookups")]
pub trait Paths {
    /// By keys.
    #[method(lookup(keys = paths, items = items, echo = path, generation = generation,
        exceeded = CgroupStatus::PayloadExceeded, oversized = CgroupStatus::OversizedItem, keep = keep))]
    fn lookup(&self, paths: Keys<'_, CStr>, reply: Answers<'_, CgroupInfo>) -> HandlerResult;

    /// The same in one call of messages that somebody has put together.
    fn all(&self, request: View<'_, CgroupsLookupRequest>, reply: Reply<'_, CgroupsLookupResponse>) -> HandlerResult;

    /// One of them.
    fn one(&self, path: &CStr, reply: Reply<'_, CgroupInfo>) -> HandlerResult;
}

fn keep(_: &CgroupInfoView<'_>) -> Keep {
    Keep::WhileUnchanged
}

struct Host(HashMap<CString, CString>);

impl Paths for Host {
    fn lookup(&self, paths: Keys<'_, CStr>, mut reply: Answers<'_, CgroupInfo>) -> HandlerResult {
        reply.generation(1);
        for path in paths {
            match self.0.get(path) {
                Some(name) => {
                    reply.answer(|item| item.status(CgroupStatus::Known).orchestrator(Orchestrator::Docker).name(name))
                }
                None => reply.answer(|item| item.status(CgroupStatus::UnknownPermanent)),
            };
        }
        Ok(())
    }

    fn all(
        &self,
        request: View<'_, CgroupsLookupRequest>,
        mut reply: Reply<'_, CgroupsLookupResponse>,
    ) -> HandlerResult {
        reply.generation(1);
        let mut items = reply.items(request.paths().len());
        for path in request.paths() {
            match self.0.get(path) {
                Some(name) => items.push(|item| {
                    item.status(CgroupStatus::Known).orchestrator(Orchestrator::Docker).path(path).name(name)
                }),
                None => items.push(|item| item.status(CgroupStatus::UnknownPermanent).path(path)),
            };
        }
        Ok(())
    }

    fn one(&self, path: &CStr, mut reply: Reply<'_, CgroupInfo>) -> HandlerResult {
        match self.0.get(path) {
            Some(name) => {
                reply.status(CgroupStatus::Known).orchestrator(Orchestrator::Docker).path(path).name(name);
            }
            None => {
                reply.status(CgroupStatus::UnknownPermanent).path(path);
            }
        }
        Ok(())
    }
}

/// Nanoseconds a key of what asks for `keys` keys.
fn time(keys: usize, mut ask: impl FnMut() -> Result<usize, Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let (begin, mut asked) = (Instant::now(), 0_u64);
    let expected = ask()?;
    while begin.elapsed() < SAMPLE {
        assert_eq!(ask()?, expected);
        asked += keys as u64;
    }
    asked += keys as u64;
    Ok(begin.elapsed().as_secs_f64() * 1e9 / asked as f64)
}

/// The table.
///
/// # Errors
/// A server or a call fails.
pub fn table(rounds: usize) -> Result<String, Box<dyn Error>> {
    let mut table = String::from(
        "| keys | over | limits, KiB | contender | calls | a key, ns | lookups are faster |\n|---|---|---|---|---|---|---|\n",
    );
    for profiles in [Profiles::BASELINE, Profiles::BASELINE.union(Profiles::SHM_HYBRID)] {
        for (count, limit) in [(16, LIMIT), (1000, LIMIT), (8192, LIMIT), (8192, 64 << 10), (8192, 4 << 10)] {
            table += &rows(count, profiles, limit, rounds)?;
        }
    }
    Ok(table)
}

fn rows(count: usize, profiles: Profiles, limit: u32, rounds: usize) -> Result<String, Box<dyn Error>> {
    let run_dir = RunDir::new("lookups")?;
    let paths = paths::c_paths(count);
    let host = Host(paths::c_names(count));
    let server = PathsServer::new(host).profiles(profiles).max_response_payload(limit).max_request_payload(limit);
    let _server = server.bind(run_dir.path())?.spawn()?;
    let config = PathsClient::config().profiles(profiles).max_request_payload(limit).max_batch_items(1 << 16);
    let mut client = config.clone().connect(run_dir.path())?;
    let mut kept = PathsLookupCache::over(config.build(run_dir.path()));
    let request = CgroupsLookupRequest { paths: paths.clone() };
    let fits = limit == LIMIT;
    let mut samples = [const { Vec::new() }; 5];
    let mut parts = 0;
    for _ in 0..rounds {
        samples[0].push(time(count, || {
            let answer = client.lookup(&paths)?;
            parts = answer.parts();
            Ok(answer.iter().map(|item| item.name().count_bytes()).sum())
        })?);
        samples[1].push(time(count, || {
            let looked = kept.look_up(&paths)?;
            Ok(looked.iter().map(|item| item.name().count_bytes()).sum())
        })?);
        if fits {
            samples[2].push(time(count, || {
                let answer = client.all(&request)?;
                Ok(answer.items().map(|item| item.name().count_bytes()).sum())
            })?);
            samples[3].push(time(count, || {
                let answers = client.one_batch(paths.iter().map(CString::as_c_str))?;
                Ok(answers.map(|item| item.name().count_bytes()).sum())
            })?);
            samples[4].push(time(count, || {
                let mut sum = 0;
                for path in &paths {
                    sum += client.one(path)?.name().count_bytes();
                }
                Ok(sum)
            })?);
        }
    }
    let over = if profiles == Profiles::BASELINE { "sockets" } else { "shared memory" };
    let names = ["lookup", "its cache, all kept", "one call of messages by hand", "a batch of calls", "a call each"];
    let [lookup, ..] = samples.clone().map(median);
    let mut lines = String::new();
    for (name, samples) in names.into_iter().zip(samples) {
        if !samples.is_empty() {
            let each = median(samples);
            let calls = if name == "lookup" { parts.to_string() } else { String::new() };
            let (kib, faster) = (limit >> 10, each / lookup);
            writeln!(lines, "| {count} | {over} | {kib} | {name} | {calls} | {each:.0} | {faster:.2} |")?;
        }
    }
    Ok(lines)
}
