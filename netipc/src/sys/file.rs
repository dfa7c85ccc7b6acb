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
    let stat = rustix::fs::lstat(path).during("lstat")?;
    if has_right_mode(&stat) {
        // No descriptor is needed then, of which there may be none left.
        return Ok(FileId::new(&stat));
    }
    // The file is opened first, so that what is looked at and what is changed are one.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, path, flags, Mode::empty()).during("open")?;
    let stat = rustix::fs::fstat(&file).during("fstat")?;
    if !has_right_mode(&stat) {
        let by_descriptor = format!("/proc/self/fd/{}", file.as_raw_fd());
        rustix::fs::chmod(by_descriptor, Mode::RUSR | Mode::WUSR).during("chmod")?;
    }
    Ok(FileId::new(&stat))
}

fn has_right_mode(stat: &rustix::fs::Stat) -> bool {
    Mode::from_raw_mode(stat.st_mode) == Mode::RUSR | Mode::WUSR
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

    /// Whether `path` still leads to this directory.
    pub(crate) fn is_at(&self, path: &Path) -> Result<bool, SystemError> {
        let this = rustix::fs::fstat(&self.0).during("fstat")?;
        match rustix::fs::stat(path) {
            Ok(there) => Ok(FileId::new(&this) == FileId::new(&there)),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(SystemError::new("stat", errno)),
        }
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::{Directory, FileId, raise_file_mode, unlink};
    use crate::sys::ground::RunDir;

    #[test]
    fn a_lock_is_one_holders_until_it_gives_it_back_or_closes_the_directory() {
        let room = RunDir::new();
        let (one, other) = (Directory::open(room.path()).unwrap(), Directory::open(room.path()).unwrap());
        assert_eq!((one.try_lock(), one.try_lock(), other.try_lock()), (Ok(true), Ok(true), Ok(false)));
        one.unlock();
        assert_eq!((other.try_lock(), one.try_lock()), (Ok(true), Ok(false)));
        drop(other);
        assert_eq!(one.try_lock(), Ok(true));
    }

    #[test]
    fn a_directory_knows_when_another_stands_in_its_place() {
        let room = RunDir::new();
        let (path, elsewhere) = (room.path().join("run"), room.path().join("elsewhere"));
        fs::create_dir(&path).unwrap();
        let directory = Directory::open(&path).unwrap();
        assert_eq!(directory.is_at(&path), Ok(true));
        fs::rename(&path, &elsewhere).unwrap();
        assert_eq!((directory.is_at(&path), directory.is_at(&elsewhere)), (Ok(false), Ok(true)));
        fs::create_dir(&path).unwrap();
        assert_eq!(directory.is_at(&path), Ok(false));
        fs::remove_dir(&path).unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert_eq!(directory.is_at(&path), Ok(true));
    }

    #[test]
    fn a_file_gets_its_mode_and_keeps_its_identity_and_a_link_is_not_followed() {
        let room = RunDir::new();
        let (file, link) = (room.path().join("file"), room.path().join("link"));
        fs::write(&file, "").unwrap();
        for mode in [0o600, 0o000, 0o777, 0o400, 0o4600] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Some(raise_file_mode(&file).unwrap()), FileId::at(&file).unwrap(), "{mode:o}");
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600, "{mode:o}");
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        // A link has no mode of its own that could be changed.
        assert_eq!(raise_file_mode(&link).unwrap_err().errno(), libc::EOPNOTSUPP);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o640);
        assert_ne!(FileId::at(&link).unwrap(), FileId::at(&file).unwrap());
    }

    #[test]
    fn what_is_not_there_is_nothing_and_need_not_be_removed() {
        let room = RunDir::new();
        let path = room.path().join("nothing");
        assert_eq!((FileId::at(&path), unlink(&path)), (Ok(None), Ok(())));
        let error = raise_file_mode(&path).unwrap_err();
        assert_eq!((error.call(), error.errno()), ("lstat", libc::ENOENT));
    }
}
