//! How long it takes to build what users build, from nothing, with what is downloaded already.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Where it is built: within the workspace's own target directory, removed when dropped.
struct Target(PathBuf);

impl Drop for Target {
    fn drop(&mut self) {
        // Whoever cleans the target directory may have it.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The table of build times of the workspace at `root`.
///
/// # Errors
/// A build fails: something may not be downloaded.
pub fn table(root: &Path) -> io::Result<String> {
    let target = Target(root.join("target").join(format!("build-times-{}", std::process::id())));
    let netipc = build(root, &target.0, &["-p", "netipc"])?;
    let examples = build(root, &target.0, &["-p", "netipc-examples", "--lib"])?;
    build(root, &target.0, &["-p", "netipc-examples", "--lib", "--release"])?;
    cargo(root, &target.0, &["clean", "-p", "netipc-examples", "--release"])?;
    let again = build(root, &target.0, &["-p", "netipc-examples", "--lib", "--release"])?;
    let mut table = "| what | crates | time, s |\n|---|---|---|\n".to_owned();
    let rows = [
        ("`cargo build -p netipc`, from nothing", netipc),
        (
            "`cargo build -p netipc-examples --lib` behind it: the messages of Netdata and what else stands there",
            examples,
        ),
        ("the same crate again in release, its dependencies there", again),
    ];
    for (what, (crates, seconds)) in rows {
        writeln!(table, "| {what} | {crates} | {seconds:.1} |").map_err(io::Error::other)?;
    }
    Ok(table)
}

/// How many crates were compiled, and how long that took.
fn build(root: &Path, target: &Path, arguments: &[&str]) -> io::Result<(usize, f64)> {
    let begin = Instant::now();
    let told = cargo(root, target, &[&["build"], arguments].concat())?;
    let crates = told.lines().filter(|line| line.trim_start().starts_with("Compiling ")).count();
    Ok((crates, begin.elapsed().as_secs_f64()))
}

fn cargo(root: &Path, target: &Path, arguments: &[&str]) -> io::Result<String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments).args(["--offline", "--target-dir"]).arg(target).current_dir(root);
    // What else is set changes what is built, and how long that takes.
    for variable in ["CARGO_INCREMENTAL", "CARGO_PROFILE_DEV_DEBUG", "RUSTFLAGS"] {
        cargo.env_remove(variable);
    }
    let output = cargo.env("CARGO_TERM_COLOR", "never").output()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(told) } else { Err(io::Error::other(format!("cargo {arguments:?}: {told}"))) }
}
