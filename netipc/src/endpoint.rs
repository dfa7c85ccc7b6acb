//! Where a service is to be found.
//!
//! Owns: the names of services, and how a run directory and a name make a path. It refuses names that could leave the
//! directory, once, when an [`Endpoint`] is made.

use core::fmt;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Bytes of `sun_path` in a `sockaddr_un`, less the NUL behind the path (unix(7)).
const LONGEST_PATH: usize = 107;

const REGION_SUFFIX: &str = ".ipcshm";
/// Hexadecimal digits of a session id in the name of its region.
const SESSION_DIGITS: usize = 16;

/// Why there is no such endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Names are letters, digits, `.`, `_` and `-`, at least one of them, and neither `.` nor `..`.
    #[error(
        "{name:?} is no name of a service: those are letters, digits, '.', '_' and '-', and neither \".\" nor \"..\""
    )]
    Name {
        /// The name that was given.
        name: String,
    },
    /// The path does not fit into the address of a socket.
    #[error("{path:?} has {len} bytes, and the address of a socket holds {allowed}: use a shorter run directory")]
    PathTooLong {
        /// The path of the socket.
        path: PathBuf,
        /// Its length in bytes.
        len: usize,
        /// The longest possible.
        allowed: usize,
    },
    /// A path with a NUL in it is the path of nothing.
    #[error("{run_dir:?} has a NUL in it")]
    Nul {
        /// The directory that was given.
        run_dir: PathBuf,
    },
}

/// A service in a run directory (docs/protocol.md, section 3).
///
/// ```
/// use netipc::endpoint::Endpoint;
///
/// let endpoint = Endpoint::new("/run/lab", "thermometer")?;
/// assert_eq!(endpoint.socket_path().to_str(), Some("/run/lab/thermometer.sock"));
/// assert!(Endpoint::new("/run/lab", "../etc").is_err());
/// # Ok::<(), netipc::endpoint::EndpointError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    run_dir: PathBuf,
    service: String,
    socket: PathBuf,
}

impl Endpoint {
    /// The service of this name in the directory `run_dir`; nothing is looked up.
    ///
    /// # Errors
    /// A name that is none, or a path that no socket can have.
    pub fn new(run_dir: impl Into<PathBuf>, service: &str) -> Result<Self, EndpointError> {
        let mut run_dir = run_dir.into();
        if run_dir.as_os_str().is_empty() {
            // What an empty path means where it is joined to a name, but not where it is opened.
            run_dir.push(".");
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if service.is_empty() || [".", ".."].contains(&service) || !service.bytes().all(allowed) {
            return Err(EndpointError::Name { name: service.to_owned() });
        }
        let socket = run_dir.join(format!("{service}.sock"));
        let bytes = socket.as_os_str().as_encoded_bytes();
        if bytes.contains(&0) {
            return Err(EndpointError::Nul { run_dir });
        }
        let len = bytes.len();
        if len > LONGEST_PATH {
            return Err(EndpointError::PathTooLong { path: socket, len, allowed: LONGEST_PATH });
        }
        Ok(Self { run_dir, service: service.to_owned(), socket })
    }

    /// The directory.
    #[must_use]
    pub fn run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// The name of the service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The path of the region file of a session: `{run_dir}/{service}-{session_id:016x}.ipcshm` (docs/protocol.md,
    /// section 4).
    #[must_use]
    pub fn region_path(&self, session_id: u64) -> PathBuf {
        self.run_dir.join(format!("{}-{session_id:016x}{REGION_SUFFIX}", self.service))
    }

    /// Whether a region file of this service, and of no other, has this name.
    pub(crate) fn is_region(&self, name: &OsStr) -> bool {
        let behind = name.as_encoded_bytes().strip_prefix(self.service.as_bytes());
        let behind = behind.and_then(|behind| behind.strip_prefix(b"-"));
        // What is left of another service's name has a dash in it, or another length.
        behind.and_then(|behind| behind.strip_suffix(REGION_SUFFIX.as_bytes())).is_some_and(|digits| {
            digits.len() == SESSION_DIGITS && digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        })
    }

    /// The path of its socket: `{run_dir}/{service}.sock`, 107 bytes at most.
    #[must_use]
    pub fn socket_path(&self) -> &Path {
        &self.socket
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, EndpointError};

    #[test]
    fn a_name_is_letters_digits_dots_underscores_and_dashes() {
        for good in ["a", "cgroups-snapshot", "A.b_C-9", "...", "-", ".hidden", "a.."] {
            let path = format!("/run/x/{good}.sock");
            assert_eq!(Endpoint::new("/run/x", good).unwrap().socket_path().to_str(), Some(&path[..]));
        }
        for bad in ["", ".", "..", "a/b", "/", "../a", "a b", "a\0", "ü", "a\n", "a*"] {
            assert_eq!(Endpoint::new("/run/x", bad), Err(EndpointError::Name { name: bad.to_owned() }), "{bad:?}");
        }
    }

    fn is_region(service: &str, name: &str) -> bool {
        Endpoint::new("/run/x", service).unwrap().is_region(name.as_ref())
    }

    #[test]
    fn a_region_is_named_after_the_service_and_the_session() {
        let endpoint = Endpoint::new("/run/x", "vec").unwrap();
        assert_eq!(endpoint.region_path(31).to_str(), Some("/run/x/vec-000000000000001f.ipcshm"));
        for service in ["a", "a-b", "-", "...", "a-0123456789abcdef", "0123456789abcdef", "a.ipcshm"] {
            let endpoint = Endpoint::new("/run/x", service).unwrap();
            for id in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
                assert!(endpoint.is_region(endpoint.region_path(id).file_name().unwrap()), "{service} {id:x}");
            }
        }
    }

    #[test]
    fn no_name_is_a_region_of_two_services() {
        const ID: &str = "0123456789abcdef";
        let services = ["a", "a-b", "a-", "a--", "-a", "b", "a-b-c", "A", "a.ipcshm"].map(str::to_owned);
        let grown = [format!("a-{ID}"), format!("a-{ID}-{ID}"), format!("a-{ID}.ipcshm"), format!("{ID}-{ID}")];
        let services = [&services[..], &grown[..]].concat();
        for (one, other) in services.iter().flat_map(|one| services.iter().map(move |other| (one, other))) {
            assert_eq!(is_region(one, &format!("{other}-{ID}.ipcshm")), one == other, "{one} {other}");
        }
    }

    #[test]
    fn a_name_that_is_nearly_a_regions_is_none() {
        assert!(is_region("a", "a-0123456789abcdef.ipcshm"));
        for name in [
            "a-0123456789abcde.ipcshm",
            "a-00123456789abcdef.ipcshm",
            "a-0123456789ABCDEF.ipcshm",
            "a-0123456789abcdeg.ipcshm",
            "a-0123456789abcde-.ipcshm",
            "a-+123456789abcdef.ipcshm",
            "a-0x23456789abcdef.ipcshm",
            "a_0123456789abcdef.ipcshm",
            "a0123456789abcdef.ipcshm",
            "a-0123456789abcdef.ipcshm ",
            "a-0123456789abcdef.ipcshm.ipcshm",
            "a-0123456789abcdef.IPCSHM",
            "a-0123456789abcdef",
            "a-.ipcshm",
            "a.ipcshm",
            "a.sock",
            "a",
            "",
        ] {
            assert!(!is_region("a", name), "{name}");
        }
    }

    #[test]
    fn an_empty_run_dir_is_the_working_directory() {
        let endpoint = Endpoint::new("", "s").unwrap();
        assert_eq!((endpoint.run_dir().to_str(), endpoint.socket_path().to_str()), (Some("."), Some("./s.sock")));
    }

    #[test]
    fn a_path_must_fit_the_address_of_a_socket() {
        for len in 1..200 {
            let run_dir = format!("/{}", "d".repeat(len));
            let path_len = run_dir.len() + "/s.sock".len();
            match Endpoint::new(&run_dir, "s") {
                Ok(endpoint) => assert!(path_len <= 107 && endpoint.socket_path().as_os_str().len() == path_len),
                Err(EndpointError::PathTooLong { len, allowed: 107, .. }) => assert_eq!(len, path_len.max(108)),
                Err(other) => panic!("{other}"),
            }
        }
        assert!(matches!(Endpoint::new("/run/\0", "s"), Err(EndpointError::Nul { .. })));
    }
}
