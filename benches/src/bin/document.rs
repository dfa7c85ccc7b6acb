//! Writes docs/benchmarks.md, all of it, from one run of everything.
//!
//! `--quick` runs little, to see that it works; `--rounds N` sets the rounds of services; `--no-builds` times no builds;
//! `--out PATH` writes elsewhere. What was measured is kept in target/benchmarks.run, and `--again` puts it into the prose as
//! that stands now, without another run. Ends with an error when something is lost for which no reason is given.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use netipc_benches::counting::Counting;
use netipc_benches::document::run::{Plan, run};
use netipc_benches::document::{Sources, keep, kept, place, render, root};
use netipc_benches::driver::process::{SERVE, SERVE_AS, serve};
use netipc_benches::{round_trips, services};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.split_first() {
        Some((first, rest)) if first == SERVE => serve(rest).map_err(Into::into),
        Some((first, rest)) if first == SERVE_AS => services::serve(rest).map_err(Into::into),
        Some((first, [run_dir])) if first == round_trips::SERVE => round_trips::serve(Path::new(run_dir)),
        Some((first, [calls])) if first == round_trips::CALL => {
            calls.parse().map_err(Into::into).and_then(round_trips::run)
        }
        _ => match parse(args) {
            Some(choice) => write(&choice),
            None => {
                eprintln!("what there is: --quick, --rounds N, --no-builds, --out PATH, --again");
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

struct Choice {
    plan: Plan,
    out: PathBuf,
    again: bool,
}

fn parse(args: Vec<String>) -> Option<Choice> {
    let mut choice = Choice { plan: Plan::FULL, out: place(), again: false };
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => choice.plan = Plan::QUICK,
            "--rounds" => choice.plan.rounds = args.next()?.parse().ok().filter(|&rounds| rounds > 0)?,
            "--no-builds" => choice.plan.builds = false,
            "--out" => choice.out = args.next()?.into(),
            "--again" => choice.again = true,
            _ => return None,
        }
    }
    Some(choice)
}

fn write(choice: &Choice) -> Result<(), Box<dyn Error>> {
    // Before all that takes time: a template that can't be read is known now.
    let sources = Sources::read()?;
    let kept_at = root().join("target/benchmarks.run");
    let measured = if choice.again {
        kept(&fs::read_to_string(&kept_at)?)
    } else {
        let measured = run(&choice.plan, Path::new("/proc/self/exe"))?;
        fs::create_dir_all(root().join("target"))?;
        fs::write(&kept_at, keep(&measured))?;
        measured
    };
    let rendered = render(&sources, &measured)?;
    fs::write(&choice.out, rendered.text)?;
    if rendered.unexplained.is_empty() {
        return Ok(());
    }
    let cells = rendered.unexplained.join("\n  ");
    Err(format!("UNEXPLAINED, benches/document/losses.md has no reason for what is lost:\n  {cells}").into())
}
