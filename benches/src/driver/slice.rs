//! One slice: one contender, one workload, one placement, a fraction of a second.
//!
//! Owns: what happens in which order. A server is started for each slice, so that no layout in memory and no neighbour on
//! a CPU lasts for a whole run; some of the slice goes untimed first.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::io::retry_on_intr;
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

use super::placement::{Cpus, Placement};
use super::process::Server;
use super::stats::Figures;
use super::usage::{self, Usage};
use super::workload::{Requests, Workload};
use super::{Caller, Contender};

/// Round trips that fit into one slice; a contender that is faster ends its slice early.
const SAMPLES: usize = 4_000_000;
/// What part of a slice goes untimed before it.
const WARM_UP: u32 = 10;
/// Calls that a connection has carried before nothing happens on it.
const BEFORE_IDLING: u32 = 1_000;

/// What all slices of a run share.
#[derive(Debug)]
pub struct Course {
    program: PathBuf,
    cpus: Cpus,
    /// Nanoseconds of each round trip.
    samples: Vec<u32>,
}

impl Course {
    /// `program` is started as the server; it must hand [`SERVE`](super::process::SERVE) to
    /// [`serve`](super::process::serve).
    pub fn new(program: PathBuf, cpus: Cpus) -> Self {
        // Ones, because zeros would be mapped at the first touch: within the measurement.
        Self { program, cpus, samples: vec![1; SAMPLES] }
    }

    /// The CPUs.
    pub fn cpus(&self) -> &Cpus {
        &self.cpus
    }

    /// Runs `contender` for `length` and about a tenth more.
    ///
    /// # Errors
    /// The server or the contender fails, or an answer is wrong.
    pub fn run(
        &mut self,
        contender: &dyn Contender,
        workload: &Workload,
        placement: Placement,
        length: Duration,
    ) -> io::Result<Figures> {
        self.cpus.place_client(placement)?;
        let cpu = self.cpus.server(placement)?;
        let (server, end) = Server::start(&self.program, contender, workload, cpu)?;
        let mut caller = contender.connect(end, workload)?;
        let mut requests = Requests::new(workload);
        drive(&mut *caller, &mut requests, workload, length / WARM_UP, &mut self.samples)?;

        let (served, begin) = (usage::of_other(server.pid(), contender.rests())?, usage::Own::begin()?);
        let (calls, elapsed) = drive(&mut *caller, &mut requests, workload, length, &mut self.samples)?;
        let called = begin.end()?;
        let served = usage::of_other(server.pid(), contender.rests())?.since(served)?;

        server.finish(caller)?;
        Ok(Figures::new(&mut self.samples[..calls], elapsed, called, served))
    }

    /// Connects, calls a few times, and does nothing for `length`, unpinned.
    ///
    /// # Errors
    /// As [`Course::run`].
    pub fn idle(&self, contender: &dyn Contender, workload: &Workload, length: Duration) -> io::Result<Idle> {
        self.cpus.place_client(Placement::Unpinned)?;
        let (server, end) = Server::start(&self.program, contender, workload, None)?;
        let mut caller = contender.connect(end, workload)?;
        let mut requests = Requests::new(workload);
        for _ in 0..BEFORE_IDLING {
            let answer = caller.call(requests.next_request())?;
            requests.check(answer)?;
        }
        let (served, begin) = (usage::of_other(server.pid(), contender.rests())?, usage::Own::begin()?);
        let until = clock_gettime(ClockId::Monotonic) + Timespec::try_from(length).map_err(io::Error::other)?;
        retry_on_intr(|| clock_nanosleep_absolute(ClockId::Monotonic, &until))?;
        let client = begin.end()?;
        let served = usage::of_other(server.pid(), contender.rests())?.since(served)?;
        server.finish(caller)?;
        Ok(Idle { client, server: served })
    }
}

/// What connections cost that nobody uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Idle {
    /// With one sleep that is the driver's own.
    pub client: Usage,
    pub server: Usage,
}

/// Calls for `length`; returns how many calls there were and how long they took, all answered.
pub(crate) fn drive(
    caller: &mut dyn Caller,
    requests: &mut Requests,
    workload: &Workload,
    length: Duration,
    samples: &mut [u32],
) -> io::Result<(usize, Duration)> {
    match workload.in_flight {
        1 => one_by_one(caller, requests, workload.pace, length, samples),
        in_flight => pipelined(caller, requests, in_flight, length, samples),
    }
}

/// With a pace, a call starts when it is due, or at once when the one before it was late; its round trip counts from then.
fn one_by_one(
    caller: &mut dyn Caller,
    requests: &mut Requests,
    pace: Option<Duration>,
    length: Duration,
    samples: &mut [u32],
) -> io::Result<(usize, Duration)> {
    let most = samples.len();
    let mut due = clock_gettime(ClockId::Monotonic);
    let begin = Instant::now();
    for (calls, sample) in (1..).zip(samples) {
        if let Some(pace) = pace {
            due += Timespec::try_from(pace).map_err(io::Error::other)?;
            retry_on_intr(|| clock_nanosleep_absolute(ClockId::Monotonic, &due))?;
        }
        let start = Instant::now();
        let answer = caller.call(requests.next_request())?;
        let end = Instant::now();
        requests.check(answer)?;
        *sample = nanoseconds(end - start);
        if end - begin >= length {
            return Ok((calls, end - begin));
        }
    }
    Ok((most, begin.elapsed()))
}

/// One reading of the clock per call: a request goes out as soon as an answer has come.
fn pipelined(
    caller: &mut dyn Caller,
    requests: &mut Requests,
    in_flight: usize,
    length: Duration,
    samples: &mut [u32],
) -> io::Result<(usize, Duration)> {
    let begin = Instant::now();
    let mut starts = vec![begin; in_flight];
    for start in &mut starts {
        *start = Instant::now();
        caller.send(requests.next_request())?;
    }
    let (mut sent, mut answered) = (in_flight, 0);
    loop {
        let answer = caller.receive()?;
        let end = Instant::now();
        requests.check(answer)?;
        let start = &mut starts[answered % in_flight];
        samples[answered] = nanoseconds(end - *start);
        answered += 1;
        if end - begin < length && sent < samples.len() {
            *start = end;
            caller.send(requests.next_request())?;
            sent += 1;
        } else if answered == sent {
            return Ok((answered, end - begin));
        }
    }
}

fn nanoseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_nanos()).unwrap_or(u32::MAX)
}
