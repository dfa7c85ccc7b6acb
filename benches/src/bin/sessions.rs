//! Prints what calls between two processes cost, as Markdown: bare loops over a socket, and what is built on top.
//!
//! `--quick` runs 3 rounds; `--rounds N` runs N (default 7); `--only WORDS` keeps the rows in whose workload, placement or
//! contender the words are found (and the bare loops, which the ratios refer to), and may be given more than once.

use netipc_benches::driver::placement::Cpus;
use netipc_benches::driver::process::{SERVE, serve};
use netipc_benches::driver::slice::Course;
use netipc_benches::driver::table::{Choice, machine, table};
use netipc_benches::driver::workload::WORKLOADS;
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match args.split_first() {
        Some((first, rest)) if first == SERVE => serve(rest),
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
    let mut choice = Choice { rounds: 7, only: Vec::new() };
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
    let mut course = Course::new("/proc/self/exe".into(), cpus);
    for workload in &WORKLOADS {
        let table = table(&mut course, workload, choice)?;
        if !table.is_empty() {
            println!("{table}");
        }
    }
    Ok(())
}
