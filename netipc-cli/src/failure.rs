//! Why a command failed, and the exit code that says so to scripts.
//!
//! Owns: which error is which code. It refuses to print.

use core::fmt;
use std::io;
use std::path::Path;

use netipc::session::Error;
use netipc::wire::Status;
use netipc::{CallError, DecodeError};
use rustix::io::Errno;

/// Exit codes, as the long help tells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// The server failed, broke a rule or hung up; input means nothing; the machine lacks something.
    Failed = 1,
    /// The arguments mean nothing; clap's own is the same.
    Usage = 2,
    /// Nobody serves there.
    Absent = 3,
    /// The token is wrong, or the file system says no.
    Denied = 4,
    /// Nothing in common: version, profile, packet size, or the method.
    Incompatible = 5,
    /// There was no answer in time.
    TimedOut = 6,
}

/// Why a command failed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    /// For people; `None` where there is nobody left to read it.
    pub(crate) message: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl fmt::Display) -> Self {
        Self { code, message: Some(message.to_string()) }
    }

    /// What failed.
    pub(crate) fn at(mut self, place: impl fmt::Display) -> Self {
        self.message = self.message.map(|message| format!("{place}: {message}"));
        self
    }

    /// What failed, where that is a path.
    pub(crate) fn at_path(self, path: &Path) -> Self {
        self.at(crate::text::printable(path.as_os_str().as_encoded_bytes()))
    }

    /// Whoever read the output has seen enough, which is no failure.
    pub(crate) const fn is_silent(&self) -> bool {
        self.message.is_none()
    }
}

/// The code of a status that a server answered a call with.
pub(crate) fn of_status(status: Status) -> Failure {
    match status {
        Status::Unsupported => CallError::Unsupported.into(),
        Status::BadEnvelope => CallError::Malformed.into(),
        Status::InternalError => CallError::Internal.into(),
        other => CallError::Status(other).into(),
    }
}

const fn code_of(error: &Error) -> Code {
    match error {
        Error::TimedOut => Code::TimedOut,
        Error::Refused(Status::AuthFailed) => Code::Denied,
        Error::Refused(Status::Unsupported | Status::Incompatible) | Error::Incompatible(_) => Code::Incompatible,
        Error::System(error) => of_errno(error.errno()),
        _ => Code::Failed,
    }
}

const fn of_errno(errno: i32) -> Code {
    const ABSENT: [i32; 3] =
        [Errno::NOENT.raw_os_error(), Errno::CONNREFUSED.raw_os_error(), Errno::NOTDIR.raw_os_error()];
    const DENIED: [i32; 2] = [Errno::ACCESS.raw_os_error(), Errno::PERM.raw_os_error()];
    if errno == ABSENT[0] || errno == ABSENT[1] || errno == ABSENT[2] {
        Code::Absent
    } else if errno == DENIED[0] || errno == DENIED[1] {
        Code::Denied
    } else if errno == Errno::PROTOTYPE.raw_os_error() {
        // A socket of another type.
        Code::Incompatible
    } else {
        Code::Failed
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(code_of(&error), error)
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        let code = match &error {
            CallError::TimedOut => Code::TimedOut,
            CallError::Unsupported => Code::Incompatible,
            CallError::Endpoint(_) => Code::Usage,
            CallError::Connect(error)
            | CallError::Lost(error)
            | CallError::OutcomeUnknown(error)
            | CallError::Session(error) => code_of(error),
            _ => Code::Failed,
        };
        Self::new(code, error)
    }
}

impl From<netipc::endpoint::EndpointError> for Failure {
    fn from(error: netipc::endpoint::EndpointError) -> Self {
        Self::new(Code::Usage, error)
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::new(Code::Failed, error)
    }
}

/// What is read and written: files, and standard input and output.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self { code: Code::Failed, message: None };
        }
        let code = error.raw_os_error().map_or(Code::Failed, of_errno);
        Self::new(code, error)
    }
}

#[cfg(test)]
mod tests {
    use netipc::client::State;
    use netipc::endpoint::Endpoint;

    use super::*;

    fn code(error: impl Into<Failure>) -> Code {
        error.into().code
    }

    #[test]
    fn every_error_has_the_code_that_the_help_tells() {
        for (error, expected) in [
            (Error::TimedOut, Code::TimedOut),
            (Error::Refused(Status::AuthFailed), Code::Denied),
            (Error::Refused(Status::Unsupported), Code::Incompatible),
            (Error::Refused(Status::Incompatible), Code::Incompatible),
            (Error::Refused(Status::LimitExceeded), Code::Failed),
            (Error::Closed { mid_message: false }, Code::Failed),
            (Error::Aborted, Code::Failed),
        ] {
            assert_eq!(code(error.clone()), expected, "{error}");
            for around in [CallError::Connect, CallError::Lost, CallError::OutcomeUnknown, CallError::Session] {
                assert_eq!(code(around(error.clone())), expected, "{error}");
            }
        }
        assert_eq!(code(CallError::TimedOut), Code::TimedOut);
        assert_eq!(code(CallError::NotReady(State::Broken)), Code::Failed);
        assert_eq!(code(Endpoint::new("/", "a/b").unwrap_err()), Code::Usage);
        assert_eq!(code(CallError::Endpoint(Endpoint::new("/", "").unwrap_err())), Code::Usage);
        let statuses = [
            (Status::Unsupported, Code::Incompatible),
            (Status::BadEnvelope, Code::Failed),
            (Status::InternalError, Code::Failed),
            (Status::LimitExceeded, Code::Failed),
            (Status::Other(99), Code::Failed),
        ];
        for (status, expected) in statuses {
            assert_eq!(of_status(status).code, expected, "{status}");
        }
    }

    #[test]
    fn errors_of_the_machine_say_whether_nobody_is_there_or_nobody_may() {
        for (errno, expected) in [
            (Errno::NOENT, Code::Absent),
            (Errno::CONNREFUSED, Code::Absent),
            (Errno::NOTDIR, Code::Absent),
            (Errno::ACCESS, Code::Denied),
            (Errno::PERM, Code::Denied),
            (Errno::PROTOTYPE, Code::Incompatible),
            (Errno::MFILE, Code::Failed),
        ] {
            assert_eq!(code(io::Error::from(errno)), expected, "{errno}");
        }
        let enough = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(enough.is_silent() && enough.at("there").is_silent());
    }

    #[test]
    fn a_failure_says_where_it_was() {
        let failure = Failure::new(Code::Failed, "no").at("there").at_path(Path::new("/run/\x1b[2J"));
        assert_eq!(failure.message.as_deref(), Some("/run/\\u{1b}[2J: there: no"));
    }
}
