//! `netipc call`: the methods of Netdata.
//!
//! Owns: what is asked, and whom; [`shown`](crate::shown) has how answers look. Methods that any service may have are asked
//! over a session of their own, and those of one service by its client.

mod bytes;
mod host;

use std::io::Write;

use crate::args::Call;
use crate::failure::Failure;

pub(crate) fn call(call: Call, out: &mut impl Write) -> Result<(), Failure> {
    match call {
        Call::Increment { to, numbers } => bytes::increment(&to, &numbers, out),
        Call::Reverse { to, text } => bytes::reverse(&to, text, out),
        Call::Snapshot(whom) => host::snapshot(&whom, out),
        Call::Cgroups { whom, paths, all } => host::cgroups(&whom, &paths, all, out),
        Call::Apps { whom, pids, all } => host::apps(&whom, &pids, all, out),
    }
}
