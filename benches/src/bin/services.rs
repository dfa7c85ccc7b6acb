//! Prints what calls of services between two processes cost, as Markdown: generated clients and servers, beside the
//! sessions and bare loops that they stand on, tarpc, tonic and iceoryx2.
//!
//! `--quick` runs 3 rounds; `--rounds N` runs N (default 7); `--only WORDS` keeps the rows in whose load, placement or
//! contender the words are found, and may be given more than once. What of ours is below a row stays with it.

use netipc_benches::driver::placement::Cpus;
use netipc_benches::driver::process::SERVE_AS;
use netipc_benches::driver::table::machine;
use netipc_benches::services::load::LOADS;
use netipc_benches::services::serve;
use netipc_benches::services::table::{Choice, measure};
use netipc_benches::services::turn::Course;
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.split_first() {
        Some((first, rest)) if first == SERVE_AS => serve(rest),
        _ => match parse(args) {
            Some(choice) => run(&choice),
            None => {
                eprintln!("what there is: --quick, --rounds N, --only WORDS");
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

fn parse(args: Vec<String>) -> Option<Choice> {
    let mut choice = Choice { rounds: 7, only: Vec::new(), slice: None };
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => choice.rounds = 3,
            "--rounds" => choice.rounds = args.next()?.parse().ok().filter(|&rounds| rounds > 0)?,
            "--only" => choice.only.push(args.next()?),
            _ => return None,
        }
    }
    Some(choice)
}

fn run(choice: &Choice) -> io::Result<()> {
    let cpus = Cpus::allowed()?;
    println!("{}\n", machine(&cpus)?);
    let course = Course::new("/proc/self/exe".into(), cpus);
    for load in &LOADS {
        let table = measure(&course, load, choice, |_| {})?.table();
        if !table.is_empty() {
            println!("{table}");
        }
    }
    Ok(())
}
