//! The file of a region that this process made.
//!
//! Owns: that it goes with the session, and that nothing else goes with it: not what somebody else put in its place, and
//! not the file of a process that was forked off.

use std::path::{Path, PathBuf};

use super::reclaim::reclaim_one;
use crate::sys::{File, FileId, SystemError, unlink};

/// A file that is removed when this is dropped.
#[derive(Debug)]
pub(super) struct RegionFile {
    path: PathBuf,
    id: FileId,
    /// A child that was forked off has no say in it.
    owner: u32,
}

impl RegionFile {
    /// A new file at `path`, and the way to what is in it. What a dead server left there is removed.
    ///
    /// # Errors
    /// Where something stands there that is not dead, and whatever else keeps a file from being made.
    pub(super) fn create(path: PathBuf) -> Result<(Self, File), SystemError> {
        let file = match File::create(&path) {
            Err(error) if error.is_there_already() && reclaim_one(&path) => File::create(&path)?,
            created => created?,
        };
        match file.facts() {
            Ok(facts) => Ok((Self { path, id: facts.id, owner: std::process::id() }, file)),
            Err(error) => {
                let _ = unlink(&path);
                Err(error)
            }
        }
    }
}

impl Drop for RegionFile {
    fn drop(&mut self) {
        if std::process::id() == self.owner {
            remove(&self.path, self.id);
        }
    }
}

/// Removes the name `path` where it still is that of this file.
fn remove(path: &Path, id: FileId) {
    // What can't be removed is found dead by the next server.
    if FileId::at(path) == Ok(Some(id)) {
        let _ = unlink(path);
    }
}
