//! The services of a host, on trees that look like those of a host, on this machine's own, and as programs.
#![forbid(unsafe_code)]

mod cgroups;
mod ground;
mod processes;
mod programs;
mod terminal;
