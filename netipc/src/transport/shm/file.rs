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
    /// A new file at `path` that is as `fill` makes it, and the way to what is in it. What a dead server left there is
    /// removed.
    ///
    /// It has its name when it is complete, so that whoever is killed meanwhile leaves nothing behind; where the file
    /// system has no files without names, before that.
    ///
    /// # Errors
    /// Where something stands there that is not dead, and whatever else keeps a file from being made.
    pub(super) fn create(
        path: PathBuf,
        fill: impl Fn(&File) -> Result<(), SystemError>,
    ) -> Result<(Self, File), SystemError> {
        if FileId::at(&path)?.is_some() && !reclaim_one(&path) {
            return Err(SystemError::name_is_taken());
        }
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let nameless = match File::create_nameless(directory) {
            Err(error) if error.is_not_to_be_had() => None,
            created => Some(created?),
        };
        if let Some(file) = nameless {
            let id = file.facts()?.id;
            fill(&file)?;
            match file.name(&path) {
                Ok(()) => {
                    // A mapping has the name by which its file was opened, for whoever looks into /proc.
                    let by_name = File::open(&path).ok();
                    let is_same = |named: &File| named.facts().is_ok_and(|facts| facts.id == id);
                    return Ok((Self::of(path, id), by_name.filter(is_same).unwrap_or(file)));
                }
                // Without /proc there is no way to name it.
                Err(error) if error.is_not_to_be_had() => {}
                Err(error) => return Err(error),
            }
        }
        let file = File::create(&path)?;
        let id = match file.facts() {
            Ok(facts) => facts.id,
            Err(error) => {
                let _ = unlink(&path);
                return Err(error);
            }
        };
        // From here on it goes where anything fails.
        let named = Self::of(path, id);
        fill(&file)?;
        Ok((named, file))
    }

    fn of(path: PathBuf, id: FileId) -> Self {
        Self { path, id, owner: std::process::id() }
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
