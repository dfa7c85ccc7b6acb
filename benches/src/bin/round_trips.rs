//! So many calls between two processes and nothing else, for strace(1) to count the system calls of:
//!
//! ```sh
//! cargo build --release -p netipc-benches --bin round_trips
//! strace -f -c target/release/round_trips 1000
//! ```
//!
//! Every call has a deadline, and both sides hold an abort handle.

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use netipc::endpoint::Endpoint;
use netipc::session::{Abort, ClientConfig, Deadline, Error as SessionError, ServerConfig};
use netipc::wire::Method;

const TIMEOUT: Duration = Duration::from_secs(30);

fn serve(run_dir: &Path) -> Result<(), Box<dyn Error>> {
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

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments[..] {
        [serving, run_dir] if serving == "--serve" => serve(Path::new(run_dir)),
        [calls] => {
            let calls = calls.parse()?;
            let run_dir = env::temp_dir().join(format!("netipc-round-trips-{}", std::process::id()));
            fs::create_dir(&run_dir)?;
            let mut server = Command::new(env::current_exe()?);
            let mut server = server.arg("--serve").arg(&run_dir).stdout(Stdio::piped()).spawn()?;
            if let Some(told) = server.stdout.as_mut() {
                std::io::Read::read_exact(told, &mut [0; 9])?;
            }
            let called = call(&run_dir, calls);
            if called.is_err() {
                server.kill()?;
            }
            server.wait()?;
            fs::remove_dir_all(&run_dir)?;
            called
        }
        _ => Err("usage: round_trips CALLS".into()),
    }
}
