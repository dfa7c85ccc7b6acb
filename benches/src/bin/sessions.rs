//! Prints what calls between two processes cost, as Markdown: bare loops over a socket and over shared memory, and what is
//! built on top.
//!
//! `--quick` runs 3 rounds; `--rounds N` runs N (default 7); `--only WORDS` keeps the rows in whose workload, placement or
//! contender the words are found, and may be given more than once. Ratios refer to bare loops, which therefore stay;
//! `--vs WORDS` makes them refer to the contenders in whose names the words are found instead, and may be given more than
//! once. `--idle [SECONDS]` prints what connections cost that nobody uses (for 10 s each, 20 at most), unpinned; `--only` is then about
//! contenders alone.

use netipc_benches::driver::CONTENDERS;
use netipc_benches::driver::placement::Cpus;
use netipc_benches::driver::process::{SERVE, serve};
use netipc_benches::driver::slice::Course;
use netipc_benches::driver::table::{Choice, idle_table, machine, table};
use netipc_benches::driver::workload::WORKLOADS;
use std::io;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::time::Duration;

/// Seconds. Servers wait for longer than that until they give up.
const IDLE: RangeInclusive<u64> = 1..=20;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.split_first() {
        Some((first, rest)) if first == SERVE => serve(rest),
        _ => match parse(args) {
            Some((choice, idle)) => run(&choice, idle),
            None => {
                eprintln!("what there is: --quick, --rounds N, --only WORDS, --vs WORDS, --idle [SECONDS]");
                return ExitCode::from(2);
            }
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What to run; how long to be idle instead, if so asked.
fn parse(args: Vec<String>) -> Option<(Choice, Option<Duration>)> {
    let mut choice = Choice { rounds: 7, only: Vec::new(), versus: Vec::new(), slice: None };
    let mut idle = None;
    let mut args = args.into_iter().peekable();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => choice.rounds = 3,
            "--rounds" => choice.rounds = args.next()?.parse().ok().filter(|&rounds| rounds > 0)?,
            "--only" => choice.only.push(args.next()?),
            "--vs" => choice.versus.push(args.next()?),
            "--idle" => {
                let seconds = args.next_if(|arg| !arg.starts_with('-'));
                let seconds = seconds
                    .map_or(Some(10), |seconds| seconds.parse().ok())
                    .filter(|seconds| IDLE.contains(seconds))?;
                idle = Some(Duration::from_secs(seconds));
            }
            _ => return None,
        }
    }
    CONTENDERS.iter().any(|contender| choice.refers_to(*contender)).then_some((choice, idle))
}

fn run(choice: &Choice, idle: Option<Duration>) -> io::Result<()> {
    let cpus = Cpus::allowed()?;
    println!("{}\n", machine(&cpus)?);
    let mut course = Course::new("/proc/self/exe".into(), cpus);
    if let Some(length) = idle {
        println!("{}", idle_table(&course, choice, length)?);
        return Ok(());
    }
    for workload in &WORKLOADS {
        let table = table(&mut course, workload, choice)?;
        if !table.is_empty() {
            println!("{table}");
        }
    }
    Ok(())
}
