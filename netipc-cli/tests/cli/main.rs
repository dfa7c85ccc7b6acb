//! Every command of `netipc`, as users and scripts run it: beside live servers, dead sockets, servers that say no, and servers
//! that talk nonsense.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::std_instead_of_core,
    clippy::cast_possible_truncation,
    reason = "tests fail where they stand, and do not run without std"
)]

mod bench;
mod call;
mod decode;
mod ground;
mod list;
mod ping;
mod serve;
mod terminal;
mod words;
