//! All services of a host in one directory.
//!
//! Owns: which limits they have, and that they start and stop together. It refuses to decide when.

use std::path::Path;
use std::time::Duration;

use netipc::server::{Running, ServeError, Server};
use netipc::wire::Profiles;

use super::{HostCgroups, HostProcesses};
use crate::host::cgroups::Cgroups;
use crate::{AppsLookupServer, CgroupsLookupServer, CgroupsSnapshotServer};

/// How old what is told of cgroups may be.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// How long requests that were received may take to be answered when the services stop.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// How far answers may grow: as many cgroups as are ever read, with names and paths longer than most.
const CEILING: u32 = 64 << 20;

/// The three services of a host. Dropping this stops them, and waits for their handlers to return.
#[derive(Debug)]
pub struct Serving(Vec<Running>);

/// Serves `cgroups-snapshot`, `cgroups-lookup` and `apps-lookup` in `run_dir`, over sockets and shared memory. What goes
/// wrong is told on standard error.
///
/// # Errors
/// Why one of them can't be served there. Then none of them is.
pub fn serve(run_dir: &Path) -> Result<Serving, ServeError> {
    serve_with(run_dir, |server| server)
}

/// As [`serve`], where `set_up` has had a hand in each server: a token, say.
///
/// # Errors
/// As [`serve`].
pub fn serve_with(run_dir: &Path, set_up: impl Fn(Server) -> Server) -> Result<Serving, ServeError> {
    let cgroups = HostCgroups::new(Cgroups::default(), INTERVAL);
    let servers = [
        CgroupsSnapshotServer::new(cgroups.clone()).erased(),
        CgroupsLookupServer::new(cgroups.clone()).erased(),
        AppsLookupServer::new(HostProcesses::new(cgroups)).erased(),
    ];
    servers.into_iter().map(|server| start(set_up(server), run_dir)).collect::<Result<_, _>>().map(Serving)
}

fn start(server: Server, run_dir: &Path) -> Result<Running, ServeError> {
    let server = server.profiles(Profiles::BASELINE | Profiles::SHM_HYBRID).response_ceiling(CEILING);
    server.on_report(|report| eprintln!("{report}")).bind(run_dir)?.spawn()
}

impl Serving {
    /// Stops all of them, and waits until requests that were received are answered and the sockets are gone.
    ///
    /// # Errors
    /// The first one that did not end well, or in [`TIMEOUT`].
    pub fn shutdown(self) -> Result<(), ServeError> {
        for server in &self.0 {
            server.stop();
        }
        // All of them, whatever becomes of the first.
        let ends: Vec<_> = self.0.into_iter().map(|server| server.shutdown(TIMEOUT)).collect();
        ends.into_iter().collect()
    }
}
