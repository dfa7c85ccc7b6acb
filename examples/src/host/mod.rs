//! What a Linux host tells of its cgroups and processes: readers without a service around them.
//!
//! Owns: how the cgroup file system, the paths in it and the files of `/proc` are read. It refuses to know of messages and
//! clients, apart from the types that a cgroup's name and labels have on the wire. Whatever is absent, unreadable, too
//! large or malformed is an answer of its own here, never an error: hosts differ, and what is read vanishes meanwhile.
//!
//! - [`cgroups`]: which cgroups there are.
//! - [`containers`]: what a cgroup's path tells of it: who runs it, and its name.
//! - [`processes`]: which processes there are, and what is known of one.

pub mod cgroups;
pub mod containers;
mod directory;
mod kube;
mod mounted;
pub mod processes;
pub mod texts;
mod units;
mod walk;

/// The number that `digits` is, without a sign or anything else around it.
fn number<N: TryFrom<u64>>(digits: &[u8]) -> Option<N> {
    if digits.is_empty() {
        return None;
    }
    let mut sum: u64 = 0;
    for digit in digits {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        sum = sum.checked_mul(10)?.checked_add(digit)?;
    }
    N::try_from(sum).ok()
}

/// The names of the cgroups from the root to the last one of `path`. Where a process is in a cgroup outside of the
/// namespace that `/proc` was mounted in, the kernel begins its path with `/..`: that names no cgroup.
pub(crate) fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"." | b".."))
}
