//! Prints what a lookup of many keys costs, beside other ways to ask for as many, as Markdown.
//!
//! `--quick` runs 3 rounds; `--rounds N` runs N (default 7).

use std::error::Error;
use std::process::ExitCode;

use netipc_benches::driver::placement::Cpus;
use netipc_benches::driver::table::machine;
use netipc_benches::lookups::table;
use netipc_benches::rounds;

fn run(rounds: usize) -> Result<(), Box<dyn Error>> {
    println!("{}\n\n{}", machine(&Cpus::allowed()?)?, table(rounds)?);
    Ok(())
}

fn main() -> ExitCode {
    rounds::report(run)
}
