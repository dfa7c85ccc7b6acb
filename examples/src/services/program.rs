//! The services as a program, which whoever starts it ends by closing its standard input.
//!
//! Owns: its directory, if it was given none, and the line that tells when clients can connect. It refuses to handle
//! signals. One that ends it leaves the sockets, which the next program in the same directory takes over.

use std::error::Error;
use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::serve;

/// What the line begins with that tells the directory.
pub const GREETING: &[u8] = b"serving ";

/// How many names are tried for a directory.
const NAMES: u32 = 64;

/// A directory for one run, which nobody else may look into.
struct Temporary(PathBuf);

impl Temporary {
    fn new() -> io::Result<Self> {
        let mut taken = io::ErrorKind::AlreadyExists.into();
        for number in 0..NAMES {
            let path = std::env::temp_dir().join(format!("netipc-services-{}-{number}", std::process::id()));
            // What is there already belongs to somebody else.
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = error,
                Err(error) => return Err(error),
            }
        }
        Err(taken)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Serves in `run_dir` until standard input ends; without one, in a temporary directory that is removed then.
///
/// Once clients can connect, it prints a line: [`GREETING`] and the directory.
///
/// # Errors
/// What the services can't be started for, or did not end well for.
pub fn serve_until_input_ends(run_dir: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let own = if run_dir.is_none() { Some(Temporary::new()?) } else { None };
    let Some(run_dir) = run_dir.or_else(|| own.as_ref().map(|own| own.0.as_path())) else { return Ok(()) };
    let serving = serve(run_dir).map_err(|error| format!("{}: {error}", run_dir.display()))?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(&[GREETING, run_dir.as_os_str().as_bytes(), b"\n"].concat())?;
    stdout.flush()?;
    io::copy(&mut io::stdin().lock(), &mut io::sink())?;
    serving.shutdown()?;
    Ok(())
}
