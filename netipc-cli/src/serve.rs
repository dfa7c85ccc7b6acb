//! `netipc serve`: the services of this machine, until somebody wants no more of them.

use std::fs;
use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use netipc::server::{Bound, Running, ServeError};
use netipc::wire::Profiles;
use netipc_examples::services::{GREETING, TIMEOUT, serve_with};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::args::Serve;
use crate::echo::{CountServer, Echo, MirrorServer};
use crate::failure::{Code, Failure};

pub(crate) fn serve(args: &Serve, out: &mut impl Write) -> Result<(), Failure> {
    // Before anything is there that a signal could leave behind.
    let end = Signals::caught()?;
    let at = |error: ServeError| Failure::from(error).at_path(&args.dir);
    let host = serve_with(&args.dir, |server| server.auth_token(args.token)).map_err(at)?;
    let echo = [CountServer::new(Echo).erased(), MirrorServer::new(Echo).erased()].into_iter().filter(|_| args.echo);
    let echo = echo.map(|server| {
        let server = server.auth_token(args.token).profiles(Profiles::BASELINE | Profiles::SHM_HYBRID);
        let server = server.on_report(|report| {
            // Nobody is left to be told if this can't be written.
            let _ = writeln!(io::stderr(), "{report}");
        });
        server.bind(&args.dir).and_then(Bound::spawn).map_err(at)
    });
    let echo: Vec<_> = echo.collect::<Result<_, _>>()?;
    match greet(out, &args.dir) {
        // Clients come whether or not somebody reads this.
        Err(failure) if failure.is_silent() => {}
        greeted => greeted?,
    }
    let waited = end.wait(args.until_input_ends);
    // All of them at once, whatever becomes of the first.
    let until = Instant::now() + TIMEOUT;
    echo.iter().for_each(Running::stop);
    let mut ends = vec![host.shutdown()];
    ends.extend(echo.into_iter().map(|echo| echo.shutdown(until.saturating_duration_since(Instant::now()))));
    waited?;
    ends.into_iter().try_for_each(|end| end.map_err(at))
}

fn greet(out: &mut impl Write, dir: &Path) -> Result<(), Failure> {
    out.write_all(&[GREETING, crate::text::printable(dir.as_os_str().as_encoded_bytes()).as_bytes(), b"\n"].concat())?;
    Ok(out.flush()?)
}

/// The end that readable signals have come to.
struct Signals(UnixStream);

impl Signals {
    /// From now on SIGHUP, SIGINT and SIGTERM end nothing, and write a byte; the first not where `nohup` has it ignored.
    fn caught() -> Result<Self, Failure> {
        let (read, write) = UnixStream::pair()?;
        let outlives_terminal = ignores_hangup();
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            if signal == SIGHUP && outlives_terminal {
                continue;
            }
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        Ok(Self(read))
    }

    /// Waits for one of them, or for standard input to end.
    fn wait(&self, until_input_ends: bool) -> Result<(), Failure> {
        let stdin = io::stdin();
        loop {
            let mut fds = vec![PollFd::new(&self.0, PollFlags::IN)];
            if until_input_ends {
                fds.push(PollFd::new(&stdin, PollFlags::IN));
            }
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
            let is_ready = |fd: Option<&PollFd<'_>>| fd.is_some_and(|fd| !fd.revents().is_empty());
            if is_ready(fds.first()) || (is_ready(fds.get(1)) && has_ended(&stdin)?) {
                return Ok(());
            }
        }
    }
}

/// Whether whoever started this program had it ignore SIGHUP, as far as the kernel tells.
fn ignores_hangup() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & (1 << (SIGHUP - 1)) != 0)
}

/// Reads what there is.
fn has_ended(stdin: &io::Stdin) -> Result<bool, Failure> {
    let mut bytes = [0; 4096];
    match rustix::io::read(stdin, &mut bytes) {
        Ok(len) => Ok(len == 0),
        Err(Errno::INTR | Errno::AGAIN) => Ok(false),
        Err(error) => Err(io::Error::from(error).into()),
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        let code = match &error {
            ServeError::Endpoint(_) => Code::Usage,
            ServeError::Session(error) => Self::from(error.clone()).code,
            _ => Code::Failed,
        };
        // That nobody serves there is what was to change.
        Self::new(if code == Code::Absent { Code::Failed } else { code }, error)
    }
}
