//! The path of a listening socket, and who may have it.
//!
//! Owns: finding out whether somebody serves at a path, taking it over from the dead, and giving it back. It refuses to
//! remove what another server made: all of it happens under a lock on the run directory, and a file is known by its
//! inode, which nobody else can have while the socket is open.

use core::time::Duration;
use std::path::PathBuf;

use super::abort::Attempt;
use super::{Abort, Deadline, LinkError};
use crate::endpoint::Endpoint;
use crate::sys::{Directory, FileId, Socket, SystemError, raise_file_mode, unlink};

/// Between two attempts to get the lock, which is held for as long as a bind(2) takes.
const PAUSE: Duration = Duration::from_millis(1);
/// How long a claim waits for the lock when it is given back.
const FAREWELL: Duration = Duration::from_millis(250);
/// How often a path is looked at anew that others take meanwhile.
const ATTEMPTS: usize = 8;

/// Why a path could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClaimError {
    /// Somebody serves there, or it could not be found out.
    #[error("the address is in use")]
    InUse {
        /// Why it could not be found out.
        doubt: Option<SystemError>,
    },
    #[error(transparent)]
    Link(#[from] LinkError),
}

impl From<SystemError> for ClaimError {
    fn from(error: SystemError) -> Self {
        Self::Link(error.into())
    }
}

/// A path that is this listener's until it is dropped, which must be before its socket is closed.
#[derive(Debug)]
pub(crate) struct Claim {
    directory: Directory,
    path: PathBuf,
    file: FileId,
    /// A child that was forked off has no say in it.
    owner: u32,
}

impl Claim {
    /// A socket that listens at the path of `endpoint`, which nobody serves at.
    pub(crate) fn take(
        endpoint: &Endpoint,
        backlog: u32,
        abort: &Abort,
        deadline: Deadline,
    ) -> Result<(Self, Socket), ClaimError> {
        let directory = lock(endpoint, abort.attempt().map_err(LinkError::from)?, deadline)?;
        let path = endpoint.socket_path();
        let mut attempts = 0;
        let socket = loop {
            clear(endpoint)?;
            match Socket::bind(path) {
                Ok(socket) => break socket,
                // A peer that does not know of the lock was quicker.
                Err(error) if error.is_taken() && attempts < ATTEMPTS => attempts += 1,
                Err(error) if error.is_taken() => return Err(ClaimError::InUse { doubt: Some(error) }),
                Err(error) => return Err(error.into()),
            }
        };
        // At once: until it listens, a peer that does not know of the lock takes the file for dead.
        let listens = socket.listen(backlog);
        let file = FileId::at(path)?.ok_or(ClaimError::InUse { doubt: None })?;
        let claim = Self { directory, path: path.to_owned(), file, owner: std::process::id() };
        listens?;
        if raise_file_mode(path)? != file {
            // Such a peer has put its own in our file's place.
            return Err(ClaimError::InUse { doubt: None });
        }
        claim.directory.unlock();
        Ok((claim, socket))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if std::process::id() != self.owner {
            return;
        }
        let abort = Abort::new();
        let Ok(attempt) = abort.attempt() else { return };
        // Without the lock, or where it can't be told whose file it is, it stays: the next server finds it dead.
        if wait_for(&self.directory, attempt, Deadline::after(FAREWELL)).is_ok() {
            if FileId::at(&self.path) == Ok(Some(self.file)) {
                let _ = unlink(&self.path);
            }
            self.directory.unlock();
        }
    }
}

fn lock(endpoint: &Endpoint, attempt: Attempt<'_>, deadline: Deadline) -> Result<Directory, ClaimError> {
    loop {
        let directory = match Directory::open(endpoint.run_dir()) {
            Ok(directory) => directory,
            Err(error) if error.is_exhaustion() => return Err(ClaimError::InUse { doubt: Some(error) }),
            Err(error) => return Err(error.into()),
        };
        wait_for(&directory, attempt, deadline)?;
        // It may have been moved away meanwhile, and others have the lock of what is there now.
        if directory.is_at(endpoint.run_dir())? {
            return Ok(directory);
        }
    }
}

fn wait_for(directory: &Directory, attempt: Attempt<'_>, deadline: Deadline) -> Result<(), LinkError> {
    while !directory.try_lock()? {
        if deadline.has_passed() {
            return Err(LinkError::TimedOut);
        }
        attempt.sleep(deadline.left().map_or(PAUSE, |left| left.min(PAUSE)))?;
    }
    Ok(())
}

/// Makes the path free, unless somebody serves there (docs/protocol.md, section 3).
fn clear(endpoint: &Endpoint) -> Result<(), ClaimError> {
    let path = endpoint.socket_path();
    match Socket::connect(path) {
        // Whether it has room for one more or not.
        Ok(_) => Err(ClaimError::InUse { doubt: None }),
        // Without a socket nothing was learned about the path.
        Err(error) if error.is_exhaustion() || error.call() != "connect" => {
            Err(ClaimError::InUse { doubt: Some(error) })
        }
        // A link to nothing is there all the same.
        Err(error) if error.is_nothing_there() && FileId::at(path)?.is_none() => Ok(()),
        Err(_) => unlink(path).map_err(ClaimError::from),
    }
}

#[cfg(test)]
mod tests;
