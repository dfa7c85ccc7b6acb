//! Shared memory: a region file for each session (docs/protocol.md, section 4).
//!
//! Owns: what stands in the file and who it belongs to. It refuses to take a header's word for anything that it has not
//! checked against the length of the file, or a process id for a process that it has not looked for.

mod header;
mod owner;
mod reclaim;

pub(crate) use reclaim::reclaim;
