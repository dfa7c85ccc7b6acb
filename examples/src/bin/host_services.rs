//! The services of this machine: `cgroups-snapshot`, `cgroups-lookup` and `apps-lookup`, in the layouts of Netdata.
//!
//! `cargo run -p netipc-examples --bin host_services -- DIR` serves in that directory until standard input ends (Ctrl-D on a
//! terminal), and answers what it has received before it does. A signal ends it too: then it leaves its sockets, which the
//! next one takes over. `top DIR` asks it.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use netipc_examples::services::serve_until_input_ends;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let done = match words.as_slice() {
        [run_dir] if !run_dir.as_encoded_bytes().starts_with(b"-") => serve_until_input_ends(Some(Path::new(run_dir))),
        _ => Err("usage: host_services DIR".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
