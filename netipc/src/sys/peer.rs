//! Who is at the other end of a socket, by the kernel's word.
//!
//! Owns: the one getsockopt(2) that a safe wrapper can't make: the process id of a peer from a namespace that this
//! process cannot see into is 0, which the wrapper's type has no room for.
#![expect(unsafe_code, reason = "a peer outside this pid namespace has the id 0, which rustix's type cannot hold")]

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use super::SystemError;

/// The process at the other end, as the kernel knew it when the connection was made.
///
/// On a server's side that is whoever called connect(2); on a client's, whoever called listen(2). The process may have
/// ended or changed its user since, and its id may have been given to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Peer {
    /// Its process id; `None` if this process cannot see it, as across containers.
    pub pid: Option<u32>,
    /// Its effective user id.
    pub uid: u32,
    /// Its effective group id.
    pub gid: u32,
}

impl Peer {
    pub(crate) fn new(pid: i32, uid: u32, gid: u32) -> Self {
        Self { pid: u32::try_from(pid).ok().filter(|&pid| pid != 0), uid, gid }
    }

    /// This process itself.
    pub(crate) fn this_process() -> Self {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Self { pid: Some(std::process::id()), uid, gid }
    }

    pub(super) fn of(socket: BorrowedFd<'_>) -> Result<Self, SystemError> {
        let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
        let mut len = libc::socklen_t::try_from(size_of::<libc::ucred>()).unwrap_or_default();
        let into = (&raw mut found).cast::<libc::c_void>();
        // SAFETY: `into` points to a `ucred` of this frame and `len` to its size, so the kernel writes nothing beyond
        // it; a `ucred` is three integers, for which any bytes are a value.
        let done =
            unsafe { libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERCRED, into, &raw mut len) };
        if done != 0 {
            let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or_default();
            return Err(SystemError::new("getsockopt", Errno::from_raw_os_error(errno)));
        }
        Ok(Self::new(found.pid, found.uid, found.gid))
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::Peer;

    #[test]
    fn both_ends_of_a_pair_are_this_process() {
        let (one, other) = UnixStream::pair().unwrap();
        for end in [&one, &other] {
            assert_eq!(Peer::of(end.as_fd()).unwrap(), Peer::this_process());
        }
    }

    #[test]
    fn what_is_no_socket_has_no_peer() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(Peer::of(file.as_fd()).unwrap_err().errno(), libc::ENOTSOCK);
    }

    #[test]
    fn a_process_that_cannot_be_seen_has_no_id() {
        assert_eq!(Peer::new(0, 1, 2), Peer { pid: None, uid: 1, gid: 2 });
        assert_eq!(Peer::new(-1, 1, 2).pid, None);
    }
}
