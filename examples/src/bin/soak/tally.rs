//! What is counted while the clients ask.

use core::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// As many as are shown of what went wrong.
const SHOWN: usize = 20;

/// Sums, of all clients.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Requests that were answered.
    pub(crate) calls: AtomicU64,
    /// Processes and cgroups that were asked for, whether a cache had them or not.
    pub(crate) keys: AtomicU64,
    /// Of these, what was compared with what is known.
    pub(crate) compared: AtomicU64,
    /// Lookups of cgroups that were made again, because cgroups came or went between two of their requests.
    pub(crate) again: AtomicU64,
    /// Sessions that were ended on purpose, to be made anew.
    pub(crate) sessions: AtomicU64,
    /// Calls that failed.
    pub(crate) errors: AtomicU64,
    /// Answers that were not right.
    pub(crate) wrong: AtomicU64,
    shown: Mutex<usize>,
}

pub(crate) fn add(sum: &AtomicU64, more: usize) {
    // Relaxed, here and where they are read: sums, of which nothing else hangs.
    sum.fetch_add(more as u64, Ordering::Relaxed);
}

pub(crate) fn of(sum: &AtomicU64) -> u64 {
    sum.load(Ordering::Relaxed)
}

impl Tally {
    fn show(&self, what: &str, detail: impl Display) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        *shown += 1;
        if *shown <= SHOWN {
            eprintln!("{what}: {detail}");
        }
    }

    pub(crate) fn failed(&self, what: &str, error: impl Display) {
        add(&self.errors, 1);
        self.show(&format!("error of {what}"), error);
    }

    /// Counts one comparison.
    pub(crate) fn compare(&self, verdict: Result<(), String>) {
        add(&self.compared, 1);
        if let Err(wrong) = verdict {
            add(&self.wrong, 1);
            self.show("wrong", wrong);
        }
    }
}
