//! Prints what looking into a cache costs, beside maps with and without a lock, and what refreshing it costs, as Markdown.
//!
//! `--quick` runs 3 rounds; `--rounds N` runs N (default 7).

use std::error::Error;
use std::process::ExitCode;

use netipc_benches::caches::{SIZES, lookups, refreshes, table};
use netipc_benches::counting::Counting;
use netipc_benches::driver::placement::Cpus;
use netipc_benches::driver::table::machine;
use netipc_benches::rounds;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn run(rounds: usize) -> Result<(), Box<dyn Error>> {
    println!("{}\n", machine(&Cpus::allowed()?)?);
    let all = SIZES.into_iter().map(|(items, readers)| lookups(items, readers, rounds));
    println!("{}\n{}", table(&all.collect::<Result<Vec<_>, _>>()?), refreshes(rounds)?);
    Ok(())
}

fn main() -> ExitCode {
    rounds::report(run)
}
