//! The services of this machine under load for as long as one wants, with every answer compared with what is true.
//!
//! `cargo run --release -p netipc-examples --bin soak -- --minutes 10` keeps 300 processes of its own, of which it ends and
//! starts dozens a second, makes and removes cgroups where it may, and starts the services as a process of its own. Clients
//! over sockets and over shared memory ask them all the time, and others are killed while they do. It prints a row a minute, and fails if a call did, if an
//! answer was wrong, or if the services or the clients have more descriptors, threads or memory than at the start.
//!
//! `soak [--minutes N | --seconds N] [--processes N] [--clients N]`: the clients are so many over each transport.

mod asking;
mod figures;
mod groups;
mod herd;
mod pause;
mod tally;
mod truth;
mod victims;

use std::error::Error;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use netipc::wire::Profiles;
use netipc_examples::services::{SERVE, ServiceProcess, serve_until_input_ends};

use asking::Asker;
use figures::{Figures, room};
use groups::{Groups, SWEEP, Tree, sweep, walk};
use herd::{CHILD, Census, Herd, be_a_child};
use pause::{Stop, pause};
use tally::{Tally, of};
use victims::{ASK, Victims, ask};

const USAGE: &str = "usage: soak [--minutes N | --seconds N] [--processes N] [--clients N]";
const MINUTE: Duration = Duration::from_secs(60);
/// How often a child is ended, and another one started.
const BEAT: Duration = Duration::from_millis(5);
/// After how many beats a cgroup comes and another one goes, and a client is killed.
const BEATS: u32 = 32;
/// Before figures are compared, at most: each thread has its memory by then.
const WARMTH: Duration = Duration::from_secs(90);

/// What the program is to do.
struct Wishes {
    length: Duration,
    processes: usize,
    clients: usize,
}

impl Wishes {
    fn parse(words: &[OsString]) -> Result<Self, &'static str> {
        let mut wishes = Self { length: 10 * MINUTE, processes: 300, clients: 2 };
        for pair in words.chunks(2) {
            let [name, number] = pair else { return Err(USAGE) };
            let number: u32 = number.to_str().and_then(|number| number.parse().ok()).ok_or(USAGE)?;
            match name.to_str() {
                Some("--minutes") => wishes.length = number * MINUTE,
                Some("--seconds") => wishes.length = Duration::from_secs(number.into()),
                Some("--processes") => wishes.processes = number as usize,
                Some("--clients") => wishes.clients = number as usize,
                _ => return Err(USAGE),
            }
        }
        Ok(wishes)
    }
}

/// What all threads have to do with.
#[derive(Default)]
struct Field {
    census: Census,
    groups: Groups,
    tally: Tally,
    /// Held by whoever works; alone, by who reads the figures.
    work: RwLock<()>,
    /// How many processes have been started.
    turnover: AtomicU64,
}

impl Field {
    fn working(&self) -> impl Drop {
        // It guards nothing.
        self.work.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has processes, and cgroups if there may be any, come and go.
    fn churn(
        &self,
        herd: &mut Herd<'_>,
        mut tree: Option<&mut Tree>,
        victims: &mut Victims,
        stop: &Stop,
    ) -> io::Result<()> {
        let processes = herd.len();
        let mut chance: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut beats = 0_u32;
        while stop.goes_on(BEAT) {
            let working = self.working();
            beats += 1;
            if beats.is_multiple_of(BEATS) {
                if let Some(tree) = &mut tree {
                    herd.start(Some(&*tree.grow(&self.groups)?))?;
                    tree.shrink(&self.groups, |group| herd.end_those_in(group))?;
                }
                self.groups.look();
                victims.next()?;
            }
            while herd.len() <= processes {
                herd.start(None)?;
            }
            // Marsaglia's: any one of them, the same ones each time.
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            herd.end(usize::try_from(chance).unwrap_or_default() % herd.len())?;
            // Relaxed: a number to show.
            self.turnover.store(herd.started().into(), Ordering::Relaxed);
            drop(working);
        }
        Ok(())
    }

    fn row(&self, time: Duration, server: Figures, clients: Figures) -> String {
        let Tally { calls, keys, compared, again, sessions, errors, wrong, .. } = &self.tally;
        format!(
            "{:>6} {:>6} {:>7} {:>9} {:>11} {:>11} {:>6} {:>6} {:>6} {:>6}   {server}   {clients}",
            time.as_secs(),
            self.census.len(),
            of(&self.turnover),
            of(calls),
            of(keys),
            of(compared),
            of(again),
            of(sessions),
            of(errors),
            of(wrong),
        )
    }
}

const HEADINGS: &str = "                                                                                       \
                        the server:                     the clients:\n\
                        seconds alive    came     calls        keys    compared  again   anew errors  wrong   \
                          RSS KiB  own KiB   fds threads    RSS KiB  own KiB   fds threads";

/// Watches until the time is up, and says what must not be.
fn watch(field: &Field, service: &mut ServiceProcess, length: Duration) -> Result<Vec<String>, Box<dyn Error>> {
    let (begin, room) = (Instant::now(), room(length));
    pause(WARMTH.min(length / 2));
    println!("{HEADINGS}");
    let mut start: Option<(Figures, Figures)> = None;
    let mut found = Vec::new();
    let mut due = Instant::now();
    let end = due + length;
    loop {
        let figures = {
            let _alone = field.work.write().unwrap_or_else(PoisonError::into_inner);
            service.check()?;
            let server = Figures::settled(service.pid(), start.map(|start| start.0))?;
            (server, Figures::settled(std::process::id(), start.map(|start| start.1))?)
        };
        println!("{}", field.row(begin.elapsed(), figures.0, figures.1));
        let start = start.get_or_insert(figures);
        found.extend(figures.0.growth(&start.0, room, "server"));
        found.extend(figures.1.growth(&start.1, room, "process of the clients"));
        if due >= end {
            return Ok(found);
        }
        due = (Instant::now() + MINUTE.min(length / 4)).min(end);
        pause(due.saturating_duration_since(Instant::now()));
    }
}

fn run(wishes: &Wishes) -> Result<(), Box<dyn Error>> {
    let mut service = ServiceProcess::start()?;
    let field = Field::default();
    // Before the children, so that it goes after them.
    let mut tree = match Tree::new() {
        Ok(tree) => Some(tree),
        Err(error) => {
            println!("no cgroups are made, because none can be: {error}");
            None
        }
    };
    let mut herd = Herd::new(&field.census)?;
    while herd.len() < wishes.processes {
        herd.start(None)?;
    }
    let mut victims = Victims::new(service.run_dir().to_owned());
    field.groups.look();
    println!(
        "{} processes, {} cgroups, {} clients over sockets, as many over shared memory",
        herd.len(),
        walk().len(),
        wishes.clients
    );

    let rounds: Vec<AtomicU64> = (0..2 * wishes.clients).map(|_| AtomicU64::new(0)).collect();
    let (stop, going) = Stop::new()?;
    let (found, churned) = thread::scope(|scope| {
        let stop = &stop;
        let (field, herd, tree, victims) = (&field, &mut herd, tree.as_mut(), &mut victims);
        for (at, rounds) in rounds.iter().enumerate() {
            let profile = if at % 2 == 0 { Profiles::BASELINE } else { Profiles::SHM_HYBRID };
            let mut asker = Asker::new(service.run_dir(), profile, &field.census, &field.groups, &field.tally);
            scope.spawn(move || {
                while stop.goes_on(Duration::ZERO) {
                    let _working = field.working();
                    asker.round();
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let churn = scope.spawn(move || field.churn(herd, tree, victims, stop));
        let found = watch(field, &mut service, wishes.length);
        drop(going);
        let churned = churn.join().map_err(|_| "whoever starts processes panicked")?;
        Ok::<_, Box<dyn Error>>((found?, churned))
    })?;
    churned.map_err(|error| format!("processes or cgroups could not be started or ended: {error}"))?;
    drop((victims, herd, tree));
    service.stop()?;

    let mut found = found;
    let Tally { errors, wrong, .. } = &field.tally;
    if of(errors) > 0 || of(wrong) > 0 {
        found.push(format!("{} errors, {} wrong answers", of(errors), of(wrong)));
    }
    if rounds.iter().any(|rounds| rounds.load(Ordering::Relaxed) == 0) {
        found.push("a client has asked for nothing: the time is too short".to_owned());
    }
    if !found.is_empty() {
        return Err(found.join("\n").into());
    }
    println!(
        "no error, no wrong answer; no more descriptors and threads than at the start, nor {} KiB more memory of their own",
        room(wishes.length)
    );
    Ok(())
}

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let known: Vec<&str> = words.iter().map(|word| word.to_str().unwrap_or_default()).collect();
    // All other processes are this program as well.
    let done = match known.as_slice() {
        [SERVE] => serve_until_input_ends(None),
        [CHILD, comm] => be_a_child(comm).map_err(Into::into),
        [ASK, transport, run_dir] => ask(transport, Path::new(run_dir)).map_err(Into::into),
        [SWEEP, base] => sweep(Path::new(base)).map_err(Into::into),
        _ => Wishes::parse(&words).map_err(Into::into).and_then(|wishes| run(&wishes)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
