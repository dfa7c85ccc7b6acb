//! The services of this machine: `cgroups-snapshot`, `cgroups-lookup` and `apps-lookup`, in the layouts of Netdata.
//!
//! `cargo run -p netipc-examples --bin services -- DIR` serves in that directory until standard input ends (Ctrl-D on a
//! terminal); without one, in a temporary directory that is removed then. It prints which. `top DIR` asks them.

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;

use netipc_examples::services::serve_until_input_ends;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match words.as_slice() {
        [] => serve_until_input_ends(None),
        [run_dir] if !run_dir.as_encoded_bytes().starts_with(b"-") => serve_until_input_ends(Some(Path::new(run_dir))),
        _ => Err("usage: services [DIR]".into()),
    }
}
