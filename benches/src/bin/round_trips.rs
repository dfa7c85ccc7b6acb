//! So many calls between two processes and nothing else, for strace(1) to count the system calls of:
//!
//! ```sh
//! cargo build --release -p netipc-benches --bin round_trips
//! strace -f -c target/release/round_trips 1000
//! ```

use std::error::Error;
use std::path::Path;

use netipc_benches::round_trips::{SERVE, run, serve};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [serving, run_dir] if serving == SERVE => serve(Path::new(run_dir)),
        [calls] => run(calls.parse()?),
        _ => Err("usage: round_trips CALLS".into()),
    }
}
