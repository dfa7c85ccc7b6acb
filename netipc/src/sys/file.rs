//! The files that sockets leave in a directory.
//!
//! Owns: telling one file from another, their mode, and a lock on the directory that stands for all of its names.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::{During, SystemError};

/// A file, whatever its name. While somebody holds it open, no other file has the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    #[expect(clippy::useless_conversion, reason = "the types of these fields differ between architectures")]
    fn new(stat: &rustix::fs::Stat) -> Self {
        Self { device: stat.st_dev.into(), inode: stat.st_ino.into() }
    }

    /// What stands at `path` itself, a link not followed; `None` for nothing.
    pub(crate) fn at(path: &Path) -> Result<Option<Self>, SystemError> {
        match rustix::fs::lstat(path) {
            Ok(stat) => Ok(Some(Self::new(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(SystemError::new("lstat", errno)),
        }
    }
}

/// Gives the file at `path` the mode 0600, should it have another, and tells which file that is.
pub(crate) fn raise_file_mode(path: &Path) -> Result<FileId, SystemError> {
    // The file is opened first, so that what is looked at and what is changed are one.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, path, flags, Mode::empty()).during("open")?;
    let stat = rustix::fs::fstat(&file).during("fstat")?;
    if Mode::from_raw_mode(stat.st_mode) != Mode::RUSR | Mode::WUSR {
        let by_descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
        rustix::fs::chmod(by_descriptor, Mode::RUSR | Mode::WUSR).during("chmod")?;
    }
    Ok(FileId::new(&stat))
}

/// Removes the name `path`; nothing to do where it is gone.
pub(crate) fn unlink(path: &Path) -> Result<(), SystemError> {
    match rustix::fs::unlink(path) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(SystemError::new("unlink", errno)),
    }
}

/// An open directory.
#[derive(Debug)]
pub(crate) struct Directory(OwnedFd);

impl Directory {
    pub(crate) fn open(path: &Path) -> Result<Self, SystemError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(CWD, path, flags, Mode::empty()).during("open").map(Self)
    }

    /// Gives the lock back.
    pub(crate) fn unlock(&self) {
        // It can fail for a descriptor that is none, which this is not.
        let _ = rustix::fs::flock(&self.0, FlockOperation::NonBlockingUnlock);
    }

    /// Takes the directory's lock, if nobody has it; it is given back when the directory is closed, at the latest.
    pub(crate) fn try_lock(&self) -> Result<bool, SystemError> {
        loop {
            match rustix::fs::flock(&self.0, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(true),
                Err(Errno::AGAIN) => return Ok(false),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(SystemError::new("flock", errno)),
            }
        }
    }
}
