//! A service and its client: this machine's load, memory and processes, from /proc, asked for by another process.
//!
//! `cargo run -p netipc-examples --bin host` starts the server as a process of its own, asks it over a socket and
//! then over shared memory, and prints what it is told. `host serve DIR` and `host ask DIR` are the two halves.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use netipc::wire::Profiles;
use netipc::{CallError, HandlerResult, Reply, WireMessage};

/// The load averages of the last 1, 5 and 15 minutes.
#[derive(Debug, Clone, Copy, PartialEq, WireMessage)]
pub struct Load {
    /// Processes that run or wait to, on average.
    pub averages: [f64; 3],
}

/// The machine's memory, in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
pub struct Memory {
    /// All there is.
    pub total: u64,
    /// What a new program could have.
    pub available: u64,
}

/// One process.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The number of the process that started it.
    pub parent: u32,
    /// Its memory, in KiB.
    pub resident: u64,
    /// Its name.
    pub name: String,
}

/// The largest processes.
#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
pub struct Ranking {
    /// How many processes there are.
    pub total: u32,
    /// Those with the most memory, the largest first.
    pub largest: Vec<Process>,
}

/// Why there is nothing to tell of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage, thiserror::Error)]
#[repr(u16)]
pub enum HostError {
    /// No process has this number.
    #[error("no such process")]
    NoSuchProcess = 1,
    /// It belongs to somebody else.
    #[error("not yours to see")]
    NotYours = 2,
}

/// What this machine is doing.
#[netipc::service(name = "host")]
pub trait Host {
    /// How busy it is.
    fn load(&self) -> Load;

    /// How much memory it has left.
    fn memory(&self) -> Memory;

    /// One of its processes.
    fn process(&self, pid: u32) -> Result<Process, HostError>;

    /// The `count` processes with the most memory.
    fn ranking(&self, count: u32, reply: Reply<'_, Ranking>) -> HandlerResult;
}

struct Proc;

/// The numbers behind the names in a file like /proc/meminfo.
fn fields(text: &str) -> BTreeMap<&str, u64> {
    let numbers = text.lines().filter_map(|line| {
        let (name, rest) = line.split_once(':')?;
        Some((name, rest.split_whitespace().next()?.parse().ok()?))
    });
    numbers.collect()
}

fn read_process(pid: u32) -> io::Result<Process> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let name = text.lines().find_map(|line| line.strip_prefix("Name:")).unwrap_or_default().trim().to_owned();
    let numbers = fields(&text);
    let of = |key| numbers.get(key).copied().unwrap_or_default();
    Ok(Process { pid, parent: u32::try_from(of("PPid")).unwrap_or_default(), resident: of("VmRSS"), name })
}

impl Host for Proc {
    fn load(&self) -> Load {
        let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let mut averages = text.split_whitespace().map_while(|word| word.parse().ok());
        Load { averages: std::array::from_fn(|_| averages.next().unwrap_or_default()) }
    }

    fn memory(&self) -> Memory {
        let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let numbers = fields(&text);
        let of = |key| numbers.get(key).copied().unwrap_or_default();
        Memory { total: of("MemTotal"), available: of("MemAvailable") }
    }

    fn process(&self, pid: u32) -> Result<Process, HostError> {
        read_process(pid).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => HostError::NotYours,
            _ => HostError::NoSuchProcess,
        })
    }

    fn ranking(&self, count: u32, mut reply: Reply<'_, Ranking>) -> HandlerResult {
        // An error that `?` hands on is told to whoever runs the server; the client learns that there was one.
        let names = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let pids = names.filter_map(|name| name.parse().ok());
        let mut processes: Vec<Process> = pids.filter_map(|pid| read_process(pid).ok()).collect();
        processes.sort_by_key(|process| std::cmp::Reverse(process.resident));
        reply.total(u32::try_from(processes.len())?);
        processes.truncate(usize::try_from(count)?);
        let mut largest = reply.largest(processes.len());
        for process in &processes {
            largest.push_value(process);
        }
        Ok(())
    }
}

/// Serves until standard input ends.
fn serve(run_dir: &Path) -> Result<(), Box<dyn Error>> {
    let server = HostServer::new(Proc).profiles(Profiles::BASELINE | Profiles::SHM_HYBRID);
    let server = server.on_report(|report| eprintln!("{report}")).bind(run_dir)?.spawn()?;
    println!("serving {}", server.endpoint().socket_path().display());
    io::stdout().flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    server.shutdown(Duration::from_secs(5))?;
    Ok(())
}

/// Asks everything once.
fn ask(run_dir: &Path, profiles: Profiles) -> Result<(), Box<dyn Error>> {
    let mut host = HostClient::config().profiles(profiles).timeout(Duration::from_secs(5)).connect(run_dir)?;
    if let Some(session) = host.status().session {
        let way = if session.profile == Profiles::SHM_HYBRID { "shared memory" } else { "a socket" };
        println!("over {way}");
    }
    let [one, five, fifteen] = host.load()?.averages();
    println!("  load       {one:.2} {five:.2} {fifteen:.2}");
    let memory = host.memory()?;
    println!("  memory     {} of {} MiB left", memory.available() >> 10, memory.total() >> 10);
    // The answer stays where it was received: `process.name()` borrows it.
    let process = host.process(std::process::id())?;
    println!("  asked by   {} ({} KiB)", process.name(), process.resident());
    match host.process(u32::MAX) {
        Err(CallError::Application(error)) => println!("  asked for  {}: {error}", u32::MAX),
        other => drop(other?),
    }
    let ranking = host.ranking(3)?;
    println!("  processes  {}, of which the largest are", ranking.total());
    for process in ranking.largest() {
        println!("{:>12} {:>8} KiB  {}", process.pid(), process.resident(), process.name());
    }
    Ok(())
}

/// Both halves, in two processes.
fn both() -> Result<(), Box<dyn Error>> {
    let run_dir = std::env::temp_dir().join(format!("netipc-host-{}", std::process::id()));
    fs::create_dir(&run_dir)?;
    let mut command = Command::new(std::env::current_exe()?);
    let mut server = command.arg("serve").arg(&run_dir).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    if let Some(stdout) = server.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    print!("{line}");
    let asked = ask(&run_dir, Profiles::BASELINE).and_then(|()| ask(&run_dir, Profiles::SHM_HYBRID));
    // Its standard input ends with this.
    drop(server.stdin.take());
    let status = server.wait()?;
    fs::remove_dir(&run_dir)?;
    asked?;
    if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) }
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => both(),
        ["serve", run_dir] => serve(Path::new(run_dir)),
        ["ask", run_dir] => ask(Path::new(run_dir), Profiles::BASELINE | Profiles::SHM_HYBRID),
        _ => Err("usage: host [serve DIR | ask DIR]".into()),
    }
}
