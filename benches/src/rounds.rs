//! Programs that take turns among their contenders: how many rounds, and where their servers are.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::driver::process::ground;

/// Has `run` make as many rounds as the arguments say: 7, 3 with `--quick`, N with `--rounds N`.
pub fn report(run: impl FnOnce(usize) -> Result<(), Box<dyn Error>>) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let rounds = match args[..] {
        [] => Some(7),
        ["--quick"] => Some(3),
        ["--rounds", rounds] => rounds.parse().ok().filter(|&rounds| rounds > 0),
        _ => None,
    };
    let Some(rounds) = rounds else {
        eprintln!("what there is: --quick, --rounds N");
        return ExitCode::from(2);
    };
    match run(rounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// A directory of the program's own, which goes with it.
#[derive(Debug)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// One in memory, where there is room there.
    ///
    /// # Errors
    /// Why it can't be made.
    pub fn new(program: &str) -> io::Result<Self> {
        let path = ground().join(format!("netipc-{program}-{}", std::process::id()));
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        // Whoever finds it later may have it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
