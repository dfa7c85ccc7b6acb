//! So many calls between two processes and nothing else, and the system calls of both, counted by strace(1).
//!
//! Every call has a deadline, and both sides hold an abort handle.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use netipc::endpoint::Endpoint;
use netipc::session::{Abort, ClientConfig, Deadline, Error as SessionError, ServerConfig};
use netipc::wire::Method;

use crate::rounds::RunDir;

/// The first argument of the server's process.
pub const SERVE: &str = "--serve-calls";
/// The first argument of the client's, when it is watched.
pub const CALL: &str = "--round-trips";

const TIMEOUT: Duration = Duration::from_secs(30);

/// The server's part: answers one client until it hangs up.
///
/// # Errors
/// Whatever keeps it from that.
pub fn serve(run_dir: &Path) -> Result<(), Box<dyn Error>> {
    let abort = Abort::new();
    let mut listener = ServerConfig::new().abort(&abort).listen(&Endpoint::new(run_dir, "calls")?)?;
    println!("listening");
    let mut session = listener.accept(Deadline::after(TIMEOUT))?;
    let (requests, responses) = session.halves();
    loop {
        let deadline = Deadline::after(TIMEOUT);
        match requests.receive(deadline) {
            Ok(request) => responses.respond(request.ticket(), request.payload(), deadline)?,
            Err(SessionError::Closed { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn call(run_dir: &Path, calls: u32) -> Result<(), Box<dyn Error>> {
    let abort = Abort::new();
    let config = ClientConfig::new().abort(&abort);
    let mut session = config.connect(&Endpoint::new(run_dir, "calls")?, Deadline::after(TIMEOUT))?;
    for _ in 0..calls {
        let deadline = Deadline::after(TIMEOUT);
        let ticket = session.send(Method::new(1), &[7; 32], deadline)?;
        if session.receive(deadline)?.ticket() != ticket {
            return Err("an answer to something else".into());
        }
    }
    Ok(())
}

/// Starts this program again as the server, and makes so many calls.
///
/// # Errors
/// Whatever keeps either side from it.
pub fn run(calls: u32) -> Result<(), Box<dyn Error>> {
    let run_dir = RunDir::new("round-trips")?;
    let mut server = Command::new("/proc/self/exe");
    let mut server = server.arg(SERVE).arg(run_dir.path()).stdout(Stdio::piped()).spawn()?;
    if let Some(told) = server.stdout.as_mut() {
        told.read_exact(&mut [0; 9])?;
    }
    let called = call(run_dir.path(), calls);
    if called.is_err() {
        server.kill()?;
    }
    server.wait()?;
    called
}

/// Columns, and the system calls that are counted in each.
const COLUMNS: [&[&str]; 4] =
    [&["sendmsg"], &["recvfrom"], &["setsockopt"], &["poll", "ppoll", "epoll_wait", "epoll_pwait"]];

/// What both processes ask of the kernel, for so many calls and for so many; `program` must hand [`CALL`] to [`run`]
/// and [`SERVE`] to [`serve`].
///
/// # Errors
/// There is no strace, or it may not, or the calls fail.
pub fn table(program: &Path, calls: [u32; 2]) -> io::Result<String> {
    let titles = COLUMNS.map(|names| names.join(", ")).join(" | ");
    let mut table = format!("| calls | {titles} |\n|---|---|---|---|---|\n");
    for calls in calls {
        let output = Command::new("strace").args(["-f", "-c"]).arg(program).args([CALL, &calls.to_string()]).output();
        let output = output.map_err(|error| io::Error::new(error.kind(), format!("strace: {error}")))?;
        let told = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(io::Error::other(format!("strace: {told}")));
        }
        let counts = counts(&told);
        let of = |names: &[&str]| names.iter().filter_map(|name| counts.get(*name)).sum::<u64>().to_string();
        let cells = COLUMNS.map(of).join(" | ");
        writeln!(table, "| {calls} | {cells} |").map_err(io::Error::other)?;
    }
    Ok(table)
}

/// How often each system call was made, as `strace -c` says: `% time, seconds, usecs/call, calls[, errors], name`.
fn counts(told: &str) -> BTreeMap<&str, u64> {
    let line = |line| {
        let words: Vec<&str> = str::split_whitespace(line).collect();
        match words[..] {
            [_, _, _, calls, name] | [_, _, _, calls, _, name] => Some((name, calls.parse().ok()?)),
            _ => None,
        }
    };
    told.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_those_of_the_summary() {
        let told = "strace: Process 7 attached\n% time     seconds  usecs/call     calls    errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n \
            52.38    0.063254          31      2000           sendmsg\n \
            47.62    0.057500          28      2004         4 recvfrom\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            100.00    0.120754          30      4004         4 total\n";
        let counts = counts(told);
        assert_eq!((counts["sendmsg"], counts["recvfrom"], counts["total"]), (2000, 2004, 4004));
        assert_eq!(counts.len(), 3);
    }
}
