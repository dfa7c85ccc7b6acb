//! System calls, and nothing above them: sockets, event queues, timers, files, memory that processes share and words to
//! sleep on there, processes, and how to give the processor away.
//!
//! Owns: every call into the kernel, with its `errno` and its name kept as one error. It refuses to decide anything:
//! what to do about an interrupted or refused call is said by whoever made it.

mod clock;
mod event;
mod file;
mod futex;
#[cfg(test)]
pub(crate) mod ground;
mod map;
mod peer;
pub(crate) mod process;
mod socket;

pub(crate) use clock::WallTime;
pub(crate) use event::{Event, EventQueue, Signal, Timer};
pub(crate) use file::{Directory, File, FileFacts, FileId, FileKind, raise_file_mode, unlink};
pub(crate) use futex::{MOST_WORDS, can_sleep_on_any, sleep_on, sleep_on_any, wake_at};
pub(crate) use map::Mapping;
pub use peer::Peer;
#[cfg(test)]
pub(crate) use socket::pair;
pub(crate) use socket::{Accepted, Connected, Patience, Readiness, Sent, Socket};

use core::fmt;

use rustix::io::Errno;

/// A system call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SystemError {
    call: &'static str,
    errno: i32,
}

impl SystemError {
    pub(crate) const fn new(call: &'static str, errno: Errno) -> Self {
        Self { call, errno: errno.raw_os_error() }
    }

    /// What the kernel answers who sends a packet that is longer than it takes.
    pub(crate) const fn packet_too_long() -> Self {
        Self::new("sendmsg", Errno::MSGSIZE)
    }

    /// What the kernel answers who asks for more memory than there is.
    pub(crate) const fn out_of_memory() -> Self {
        Self::new("mmap", Errno::NOMEM)
    }

    /// Why a thread could not be started.
    pub(crate) fn of_thread(error: &std::io::Error) -> Self {
        Self { call: "clone", errno: error.raw_os_error().unwrap_or(Errno::AGAIN.raw_os_error()) }
    }

    /// A region that no process could have: its areas are too large.
    pub(crate) const fn region_too_large() -> Self {
        Self::new("fallocate", Errno::FBIG)
    }

    /// The call, by the name of its page in section 2 of the manual.
    #[must_use]
    pub const fn call(&self) -> &'static str {
        self.call
    }

    /// What the kernel answered: errno(3).
    #[must_use]
    pub const fn errno(&self) -> i32 {
        self.errno
    }

    /// Whether this process, or the machine, has no file descriptor left.
    #[must_use]
    pub const fn is_out_of_descriptors(&self) -> bool {
        self.errno == Errno::MFILE.raw_os_error() || self.errno == Errno::NFILE.raw_os_error()
    }

    /// Whether there is nothing at the path that was named.
    pub(crate) const fn is_nothing_there(&self) -> bool {
        self.errno == Errno::NOENT.raw_os_error()
    }

    /// Whether the file system, or the kernel, has no such files as were asked for.
    pub(crate) const fn is_not_to_be_had(&self) -> bool {
        self.errno == Errno::OPNOTSUPP.raw_os_error()
            || self.errno == Errno::INVAL.raw_os_error()
            || self.errno == Errno::ISDIR.raw_os_error()
            || self.errno == Errno::NOENT.raw_os_error()
    }

    /// What the kernel answers who makes a file where another stands.
    pub(crate) const fn name_is_taken() -> Self {
        Self::new("linkat", Errno::EXIST)
    }

    /// Whether something stands at the path of what was to be made.
    pub(crate) const fn is_there_already(&self) -> bool {
        self.errno == Errno::EXIST.raw_os_error()
    }

    /// Whether nobody listens at the socket that was named.
    pub(crate) const fn is_unheard(&self) -> bool {
        self.errno == Errno::CONNREFUSED.raw_os_error()
    }

    /// Whether this user has no right to it.
    pub(crate) const fn is_refusal(&self) -> bool {
        self.errno == Errno::ACCESS.raw_os_error() || self.errno == Errno::PERM.raw_os_error()
    }

    /// Whether the path that was named is taken.
    pub(crate) const fn is_taken(&self) -> bool {
        self.errno == Errno::ADDRINUSE.raw_os_error()
    }

    /// Whether the machine lacks what the call needed, whoever made it and whatever for.
    pub(crate) const fn is_exhaustion(&self) -> bool {
        self.is_out_of_descriptors()
            || self.errno == Errno::NOMEM.raw_os_error()
            || self.errno == Errno::NOBUFS.raw_os_error()
    }
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, std::io::Error::from_raw_os_error(self.errno))
    }
}

impl core::error::Error for SystemError {}

impl From<SystemError> for std::io::Error {
    fn from(error: SystemError) -> Self {
        Self::from_raw_os_error(error.errno)
    }
}

/// Names the call that an `errno` came from.
pub(crate) trait During<T> {
    /// # Errors
    /// The same failure, with its call's name.
    fn during(self, call: &'static str) -> Result<T, SystemError>;
}

impl<T> During<T> for Result<T, Errno> {
    fn during(self, call: &'static str) -> Result<T, SystemError> {
        self.map_err(|errno| SystemError::new(call, errno))
    }
}

/// Lets any other thread that is ready run first on this processor (`sched_yield(2)`).
#[inline]
pub(crate) fn yield_processor() {
    rustix::thread::sched_yield();
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::SystemError;

    #[test]
    fn a_failed_call_is_printed_with_its_name() {
        let error = SystemError::new("accept", Errno::MFILE);
        assert!(error.to_string().starts_with("accept: "), "{error}");
        assert!(error.is_out_of_descriptors() && error.is_exhaustion());
        assert_eq!(std::io::Error::from(error).raw_os_error(), Some(error.errno()));
    }
}
