//! Directories, and which directories are in one.
//!
//! Owns: the calls, by the descriptor of a directory and the name in it, so that what is replaced meanwhile leads nowhere
//! else. It refuses to follow symbolic links, except in a path that the user gives.

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, openat, statat};
use rustix::io::{Errno, Result};

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Opens the directory that a user named.
pub(super) fn open(path: &[u8]) -> Result<OwnedFd> {
    openat(CWD, path, DIRECTORY, Mode::empty())
}

/// Opens the directory `name` in `parent`, unless that is a symbolic link.
pub(super) fn open_below(parent: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    openat(parent, name, DIRECTORY.union(OFlags::NOFOLLOW), Mode::empty())
}

/// What `name` in `parent` is.
pub(super) fn type_of(parent: BorrowedFd<'_>, name: &CStr) -> Result<FileType> {
    statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| FileType::from_raw_mode(stat.st_mode))
}

/// Whether an error says that something is no longer there, or is no directory any more.
pub(super) const fn is_gone(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NODEV | Errno::SRCH)
}

/// What directories are listed into, one after another.
#[derive(Debug)]
pub(super) struct Listing(Vec<u8>);

impl Listing {
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(32 << 10))
    }

    /// Tells `each` the names of all directories in `dir`, in no order, for as long as it wants to hear more.
    pub(super) fn directories(&mut self, dir: BorrowedFd<'_>, mut each: impl FnMut(&CStr) -> bool) -> Result<()> {
        let mut entries = RawDir::new(dir, self.0.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = match entry {
                Ok(entry) => entry,
                // It was removed meanwhile, so there is nothing left in it.
                Err(error) if is_gone(error) => return Ok(()),
                Err(error) => return Err(error),
            };
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let is_directory = match entry.file_type() {
                FileType::Directory => true,
                // Not every file system says it right away.
                FileType::Unknown => type_of(dir, name).is_ok_and(|kind| kind == FileType::Directory),
                _ => false,
            };
            if is_directory && !each(name) {
                return Ok(());
            }
        }
        Ok(())
    }
}
