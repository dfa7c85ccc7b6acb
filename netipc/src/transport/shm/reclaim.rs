//! Region files that servers left behind when they died.
//!
//! Owns: which of them may go (docs/protocol.md, section 4). It refuses to remove one whose owner lives, and one that it
//! could learn nothing about, for want of descriptors or for any other reason; and it removes the very file that it has
//! looked at, which is held meanwhile so that no other can have its number.
//!
//! A file without a first word, or too short for what it says, is no region, but may be one soon. Our own servers make
//! theirs while they hold the path of the socket, and so does whoever calls this; but deployed ones know of no lock. To
//! make a region takes them microseconds, so such a file is left alone for a few seconds after it last changed.

use core::time::Duration;
use std::path::Path;

use super::header::{HEADER_LEN, Header};
use crate::endpoint::Endpoint;
use crate::sys::{Directory, File, FileFacts, FileId, FileKind, SystemError, WallTime, unlink};

/// For how long a file may still become a region.
const MAKING: Duration = Duration::from_secs(5);

/// Removes what dead servers have left of the service at `endpoint`, whose socket's path the caller has claimed.
pub(crate) fn reclaim(endpoint: &Endpoint) {
    let names = Directory::open(endpoint.run_dir()).and_then(|run| run.names(|name| endpoint.is_region(name)));
    for name in names.unwrap_or_default() {
        reclaim_one(&endpoint.run_dir().join(name));
    }
}

/// Removes the file at `path` if that is a region without a living owner, or none at all; whether the name is free now.
pub(super) fn reclaim_one(path: &Path) -> bool {
    remove_stale(path).unwrap_or_else(|error| error.is_nothing_there())
}

fn remove_stale(path: &Path) -> Result<bool, SystemError> {
    let held = File::hold(path)?;
    let facts = held.facts()?;
    let is_stale = match facts.kind {
        FileKind::Regular => is_stale(path, &facts)?,
        FileKind::Directory => false,
        FileKind::Other => true,
    };
    if !is_stale {
        return Ok(false);
    }
    remove(path, facts.id)
}

/// Removes the name if it still is that of `file`, which is held open; whether it is free now.
fn remove(path: &Path, file: FileId) -> Result<bool, SystemError> {
    match FileId::at(path)? {
        Some(there) if there == file => unlink(path).map(|()| true),
        there => Ok(there.is_none()),
    }
}

/// Whether the regular file that `held` tells of can be nobody's region.
fn is_stale(path: &Path, held: &FileFacts) -> Result<bool, SystemError> {
    let file = File::look(path)?;
    let mut bytes = [0; HEADER_LEN];
    let read = file.read_start(&mut bytes)?;
    // After the bytes, so that a file that was written to since is not taken for an old one.
    let facts = file.facts()?;
    if facts.id != held.id {
        return Ok(false);
    }
    let len = if read < HEADER_LEN { read as u64 } else { facts.len };
    Ok(match Header::parse(&bytes, len) {
        Ok(header) => header.owner.is_dead(&facts),
        Err(flaw) => !flaw.is_unready() || facts.modified.later(MAKING) < WallTime::now(),
    })
}

#[cfg(test)]
mod tests;
