//! Services of a real host: the messages of Netdata, filled with what the readers in [`host`](crate::host) find.
//!
//! Owns: what is told of cgroups and processes, how old it may be, and what its generations count. It refuses to read a
//! file itself, to start a thread, and to fail: what can't be read is not there, or not known.
//!
//! - [`HostCgroups`] is `cgroups-snapshot` and `cgroups-lookup`.
//! - [`HostProcesses`] is `apps-lookup`.
//! - [`serve`] runs all three in one directory, and [`serve_until_input_ends`] is a program of that, and
//!   [`ServiceProcess`] that program as a process of one's own.

use core::ffi::CStr;
use std::ffi::CString;
use std::time::{SystemTime, UNIX_EPOCH};

mod cgroups;
mod elsewhere;
mod processes;
mod program;
mod serve;

pub use cgroups::{HostCgroups, hash_of};
pub use elsewhere::{SERVE, ServiceProcess};
pub use processes::{HostProcesses, NAMELESS};
pub use program::{GREETING, serve_until_input_ends};
pub use serve::{INTERVAL, Serving, TIMEOUT, serve, serve_with};

/// What generations count from: the time, so that a service that starts counts more than the one before it did, and its
/// clients keep nothing of that one which might hold no longer.
///
/// In microseconds, of which there are more than changes.
fn first_generation() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or_default()
}

/// The readers give no text that holds a NUL; of one that does, nothing is told.
fn text(bytes: &[u8]) -> CString {
    CString::new(bytes).unwrap_or_default()
}

/// Whether a path names a cgroup below the root, as far as can be seen from here: `/` is the host itself, and `/..` lies
/// outside of what this process sees.
fn names_a_cgroup(path: &CStr) -> bool {
    let path = path.to_bytes();
    path.first() == Some(&b'/') && crate::host::components(path).next().is_some()
}
