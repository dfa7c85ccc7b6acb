//! The program that has the services of a host under load, for a few seconds: processes, cgroups and clients come and go.
#![forbid(unsafe_code)]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

const SOAK: &str = env!("CARGO_BIN_EXE_soak");

/// A directory of its own for one test.
struct Temporary(std::path::PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("netipc-soak-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn is_empty(&self) -> bool {
        std::fs::read_dir(&self.0).unwrap().next().is_none()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Whether the cgroups of the process `pid` are left, in any hierarchy.
fn leaves_cgroups(pid: u32) -> bool {
    let name = format!("netipc-soak-{pid}");
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = std::fs::read_dir(root).into_iter().flatten().map(|entry| entry.unwrap().path());
    hierarchies.chain([root.to_owned()]).any(|hierarchy| hierarchy.join(&name).exists())
}

#[test]
fn services_keep_right_while_processes_cgroups_and_clients_come_and_go() {
    let temporary = Temporary::new("short");
    let mut command = Command::new(SOAK);
    command.args(["--seconds", "4", "--clients", "1"]).env("TMPDIR", &temporary.0);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    let (told, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success() && errors.is_empty(), "{told}\n{errors}");
    let last = told.lines().rfind(|line| line.starts_with(' ')).unwrap();
    let numbers: Vec<u64> = last.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [_, alive, came, calls, keys, compared, _, _, errors, wrong, ..] = numbers[..] else { panic!("{told}") };
    assert!(alive >= 300 && came > alive && calls >= 20 && keys > 10 * calls && compared > 10 * calls, "{told}");
    assert_eq!((errors, wrong), (0, 0), "{told}");
    assert!(temporary.is_empty() && !leaves_cgroups(pid));
}

#[test]
fn nothing_is_left_of_it_where_it_is_killed() {
    let temporary = Temporary::new("killed");
    let mut command = Command::new(SOAK);
    command.args(["--processes", "20", "--clients", "1"]).env("TMPDIR", &temporary.0);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (pid, stdout) = (child.id(), child.stdout.take().unwrap());
    let begun = BufReader::new(stdout).lines().map_while(Result::ok).any(|line| line.contains("20 processes, "));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(begun);
    // All processes that it started have the same standard error: that ends with the last of them.
    child.stderr.take().unwrap().read_to_string(&mut String::new()).unwrap();
    assert!(temporary.is_empty() && !leaves_cgroups(pid));
}

#[test]
fn words_that_mean_nothing_are_refused() {
    for words in [&["--minutes"][..], &["--minutes", "x"], &["--minutes", "-1"], &["--hours", "1"], &["10"]] {
        let output = Command::new(SOAK).args(words).output().unwrap();
        assert!(!output.status.success() && output.stdout.is_empty());
        assert!(output.stderr.starts_with(b"usage: soak"), "{output:?}");
    }
}
