//! Paths of cgroups, and what a host knows of them: what lookups of many keys ask for.
//!
//! Owns: which of them are known (seven of eight), and the sum that proves that an answer was read.

use std::collections::HashMap;
use std::ffi::CString;

/// The number that a known path's item has for its status, as in `CgroupStatus`.
pub const KNOWN: u16 = 0;
/// The number that an unknown path's item has for its status.
pub const UNKNOWN: u16 = 2;
/// The number of who runs the cgroups, as in `Orchestrator`.
pub const DOCKER: u16 = 2;

/// So many paths, all different and as long as each other.
#[must_use]
pub fn paths(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("/system.slice/docker-{number:012x}.scope")).collect()
}

/// The known ones of [`paths`], with their names.
#[must_use]
pub fn names(count: usize) -> HashMap<String, String> {
    let known = paths(count).into_iter().enumerate().filter(|(number, _)| number % 8 != 7);
    known.map(|(number, path)| (path, format!("container-{number}"))).collect()
}

/// The same as a program has them that speaks Netdata's messages.
///
/// # Panics
/// Never: no path has a zero in it.
#[must_use]
pub fn c_paths(count: usize) -> Vec<CString> {
    paths(count).into_iter().map(c_string).collect()
}

/// [`names`], likewise.
///
/// # Panics
/// As [`c_paths`].
#[must_use]
pub fn c_names(count: usize) -> HashMap<CString, CString> {
    names(count).into_iter().map(|(path, name)| (c_string(path), c_string(name))).collect()
}

fn c_string(text: String) -> CString {
    CString::new(text).expect("a text without a zero")
}

/// What reading one item comes to: its numbers, and length and first byte of its name.
#[inline]
#[must_use]
pub fn digest(status: u16, orchestrator: u16, name: &[u8]) -> u64 {
    let first = name.first().copied().unwrap_or(0);
    u64::from(status) + u64::from(orchestrator) + name.len() as u64 + u64::from(first)
}

/// What reading the answer for so many paths comes to.
#[must_use]
pub fn expected(count: usize) -> u64 {
    let names = names(count);
    let item = |path: &String| match names.get(path) {
        Some(name) => digest(KNOWN, DOCKER, name.as_bytes()),
        None => digest(UNKNOWN, 0, &[]),
    };
    paths(count).iter().map(item).sum()
}

#[cfg(test)]
mod tests {
    use netipc_examples::{CgroupStatus, Orchestrator};

    use super::*;

    #[test]
    fn seven_of_eight_are_known_and_numbers_are_those_of_the_messages() {
        assert_eq!((paths(1000).len(), names(1000).len()), (1000, 875));
        assert_eq!([KNOWN, UNKNOWN], [CgroupStatus::Known as u16, CgroupStatus::UnknownPermanent as u16]);
        let mut encoded = [0; 2];
        Orchestrator::Docker.encode(&mut encoded).unwrap();
        assert_eq!(DOCKER.to_ne_bytes(), encoded);
    }

    #[test]
    fn an_item_that_is_missing_or_changed_changes_the_sum() {
        assert_eq!(expected(8), expected(7) + 2);
        assert_ne!(digest(KNOWN, DOCKER, b"a"), digest(KNOWN, DOCKER, b"b"));
        assert_ne!(digest(KNOWN, DOCKER, b"a"), digest(KNOWN, DOCKER, b"aa"));
    }
}
