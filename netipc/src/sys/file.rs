//! Files, and the names that they have in a directory.
//!
//! Owns: telling one file from another, their mode, the few calls that make a file and look at one, and a lock on the
//! directory that stands for all of its names. No call here follows a link at the end of a path, or waits for whoever is
//! at the other end of a FIFO.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FallocateFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Resource;

use super::clock::WallTime;
use super::{During, SystemError};

/// What its owner alone may read and write.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

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

    pub(super) const fn inode(self) -> u64 {
        self.inode
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
        rustix::fs::chmod(by_descriptor, PRIVATE).during("chmod")?;
    }
    Ok(FileId::new(&stat))
}

fn has_right_mode(stat: &rustix::fs::Stat) -> bool {
    Mode::from_raw_mode(stat.st_mode) == PRIVATE
}

/// Removes the name `path`; nothing to do where it is gone.
pub(crate) fn unlink(path: &Path) -> Result<(), SystemError> {
    match rustix::fs::unlink(path) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(SystemError::new("unlink", errno)),
    }
}

/// What kind of thing has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Regular,
    Directory,
    /// A link, a FIFO, a socket or a device.
    Other,
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileFacts {
    pub(crate) id: FileId,
    pub(crate) kind: FileKind,
    pub(crate) len: u64,
    /// When it was last written to or changed its length, through a mapping not counted.
    pub(crate) modified: WallTime,
}

impl FileFacts {
    #[expect(clippy::useless_conversion, reason = "the types of these fields differ between architectures")]
    fn new(stat: &rustix::fs::Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => FileKind::Regular,
            FileType::Directory => FileKind::Directory,
            _ => FileKind::Other,
        };
        let nanos = i64::try_from(stat.st_mtime_nsec).unwrap_or(0);
        let modified = WallTime::new(stat.st_mtime.into(), nanos);
        Self { id: FileId::new(stat), kind, len: u64::try_from(stat.st_size).unwrap_or(0), modified }
    }
}

/// An open file.
#[derive(Debug)]
pub(crate) struct File(OwnedFd);

impl File {
    fn open_with(path: &Path, flags: OFlags) -> Result<Self, SystemError> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        loop {
            match rustix::fs::openat(CWD, path, flags, PRIVATE) {
                Ok(file) => return Ok(Self(file)),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(SystemError::new("open", errno)),
            }
        }
    }

    /// Whatever stands at `path`, to read from.
    pub(crate) fn look(path: &Path) -> Result<Self, SystemError> {
        Self::open_with(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)
    }

    /// Whatever stands at `path`, a link too, only to tell it from others: while it is held, no other file has its
    /// [`FileId`]. Nothing is done to it.
    pub(crate) fn hold(path: &Path) -> Result<Self, SystemError> {
        Self::open_with(path, OFlags::PATH)
    }

    pub(crate) fn facts(&self) -> Result<FileFacts, SystemError> {
        rustix::fs::fstat(&self.0).during("fstat").map(|stat| FileFacts::new(&stat))
    }

    /// Writes the first bytes of the file.
    pub(crate) fn write_start(&self, bytes: &[u8]) -> Result<(), SystemError> {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match rustix::io::pwrite(&self.0, rest, written as u64) {
                Ok(more) => written += more,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(SystemError::new("pwrite", errno)),
            }
        }
        Ok(())
    }

    /// Reads the first bytes of the file, as many as it has, into `bytes`; how many that were.
    pub(crate) fn read_start(&self, bytes: &mut [u8]) -> Result<usize, SystemError> {
        let mut len = 0;
        while let Some(rest) = bytes.get_mut(len..).filter(|rest| !rest.is_empty()) {
            match rustix::io::pread(&self.0, rest, len as u64) {
                Ok(0) => break,
                Ok(more) => len += more,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(SystemError::new("pread", errno)),
            }
        }
        Ok(len)
    }
}

/// To make regions, and to use them.
impl File {
    /// A new file for this user alone, whatever the umask, where nothing stands yet; nothing is left behind by a failure.
    pub(crate) fn create(path: &Path) -> Result<Self, SystemError> {
        let file = Self::open_with(path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?;
        match file.make_private() {
            Ok(()) => Ok(file),
            Err(error) => {
                let _ = unlink(path);
                Err(error)
            }
        }
    }

    /// A new file for this user alone that has no name yet, in the file system of `directory`.
    pub(crate) fn create_nameless(directory: &Path) -> Result<Self, SystemError> {
        let file = Self::open_with(directory, OFlags::RDWR | OFlags::TMPFILE)?;
        file.make_private()?;
        Ok(file)
    }

    /// Gives a nameless file its name, where nothing stands yet.
    pub(crate) fn name(&self, path: &Path) -> Result<(), SystemError> {
        let by_descriptor = format!("/proc/self/fd/{}", self.0.as_raw_fd());
        rustix::fs::linkat(CWD, by_descriptor, CWD, path, AtFlags::SYMLINK_FOLLOW).during("linkat")
    }

    fn make_private(&self) -> Result<(), SystemError> {
        if has_right_mode(&rustix::fs::fstat(&self.0).during("fstat")?) {
            return Ok(());
        }
        rustix::fs::fchmod(&self.0, PRIVATE).during("fchmod")
    }

    /// A file to read and write in, of the kind that can be mapped.
    pub(crate) fn open(path: &Path) -> Result<Self, SystemError> {
        let file = Self::open_with(path, OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        if file.facts()?.kind == FileKind::Regular {
            return Ok(file);
        }
        // What the kernel answers who maps something that has no pages.
        Err(SystemError::new("mmap", Errno::NODEV))
    }

    /// Gives the file `len` bytes and takes the room for them, so that no write to them can fail for want of it.
    pub(crate) fn allocate(&self, len: u64) -> Result<(), SystemError> {
        // Beyond the process's own limit the kernel would send SIGXFSZ, which ends it: setrlimit(2).
        if rustix::process::getrlimit(Resource::Fsize).current.is_some_and(|most| len > most) {
            return Err(SystemError::new("fallocate", Errno::FBIG));
        }
        loop {
            match rustix::fs::fallocate(&self.0, FallocateFlags::empty(), 0, len) {
                Ok(()) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(SystemError::new("fallocate", errno)),
            }
        }
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
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

    /// The names in it that are `wanted`.
    pub(crate) fn names(&self, wanted: impl Fn(&OsStr) -> bool) -> Result<Vec<OsString>, SystemError> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0).during("open")? {
            let entry = entry.during("getdents")?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if wanted(name) {
                names.push(name.to_owned());
            }
        }
        Ok(names)
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
mod tests;
