//! The declared services of Netdata (docs/protocol.md, section 5.2), each message by declaration alone, readers of what
//! a Linux host knows of itself, and the services that tell it.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod apps_lookup;
mod cgroups_lookup;
mod cgroups_snapshot;
pub mod host;
mod increment;
pub mod services;
mod string_reverse;

pub use apps_lookup::*;
pub use cgroups_lookup::*;
pub use cgroups_snapshot::*;
pub use increment::*;
pub use string_reverse::*;
