//! The readers of a host's cgroups and processes, on trees that look like those of a host, and on this machine's own.
#![forbid(unsafe_code)]

mod any_paths;
mod cgroups;
mod containers;
mod fields;
mod processes;
mod trees;
