//! Servers that can't make a region, because something that they must not remove has its name.

use std::fs;
use std::path::Path;

use netipc::endpoint::Endpoint;
use netipc::session::{Cause, ClientConfig, Error, Fallback, ServerConfig, SystemError};
use netipc::wire::Status;
use netipc_tests::processes::RunDir;

use crate::not_attached::{region, with_word};
use crate::{BOTH, MEMORY, SOCKET, call, joined, meet, regions};

/// Names that a server tries for one session.
const NAMES: u64 = 16;

/// What stands in the way of the first sessions' regions.
#[derive(Debug, Clone, Copy)]
enum Obstacle {
    Directory,
    /// Its owner is this process.
    LivingRegion,
}

const OBSTACLES: [Obstacle; 2] = [Obstacle::Directory, Obstacle::LivingRegion];

impl Obstacle {
    fn put(self, path: &Path) {
        match self {
            Self::Directory => fs::create_dir(path).unwrap(),
            Self::LivingRegion => fs::write(path, Self::bytes()).unwrap(),
        }
    }

    fn bytes() -> Vec<u8> {
        with_word(&region(), 8, std::process::id())
    }

    fn is_unharmed(self, path: &Path) -> bool {
        match self {
            Self::Directory => path.is_dir(),
            Self::LivingRegion => fs::read(path).unwrap() == Self::bytes(),
        }
    }
}

fn is_taken(error: SystemError) -> bool {
    (error.call(), error.errno()) == ("linkat", libc::EEXIST)
}

/// A run directory in which the names of the first regions are taken.
fn obstructed(obstacle: Obstacle, names: u64) -> (RunDir, Endpoint) {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("obstructed");
    for id in 1..=names {
        obstacle.put(&run_dir.path().join(format!("obstructed-{id:016x}.ipcshm")));
    }
    (run_dir, endpoint)
}

#[test]
fn a_name_that_is_taken_is_passed_over() {
    for obstacle in OBSTACLES {
        let (run_dir, endpoint) = obstructed(obstacle, 3);
        let mut listener = ServerConfig::new().profiles(MEMORY).listen(&endpoint).unwrap();
        for id in [4, 5] {
            let (mut client, mut server) = joined(&mut listener, &ClientConfig::new().profiles(MEMORY), &endpoint);
            assert_eq!((client.terms().session_id, server.status().fallback), (id, None));
            call(&mut client, &mut server);
        }
        drop(listener);
        assert!((1..=3).all(|id| obstacle.is_unharmed(&endpoint.region_path(id))));
        assert_eq!(regions(&run_dir).len(), 3);
    }
}

#[test]
fn a_server_that_can_make_no_region_offers_the_socket() {
    for obstacle in OBSTACLES {
        let (run_dir, endpoint) = obstructed(obstacle, NAMES);
        let mut listener = ServerConfig::new().profiles(BOTH).listen(&endpoint).unwrap();
        let config = ClientConfig::new().profiles(BOTH);
        let (mut client, mut server) = joined(&mut listener, &config, &endpoint);
        assert_eq!((client.terms().session_id, *client.terms()), (NAMES + 1, *server.terms()));
        let (asked, answered) = (client.status(), server.status());
        // The client sees a server that offers none.
        assert_eq!((asked.profile, asked.fallback, answered.profile), (SOCKET, None, SOCKET));
        assert!(
            matches!(answered.fallback, Some(Fallback::NoRegion(error)) if is_taken(error)),
            "{obstacle:?}: {answered:?}"
        );
        call(&mut client, &mut server);
        // The name of the next session's is free.
        let (mut next, mut at_server) = joined(&mut listener, &config, &endpoint);
        for status in [next.status(), at_server.status()] {
            assert_eq!((status.profile, status.fallback), (MEMORY, None));
        }
        assert_eq!((next.terms().session_id, regions(&run_dir).len() as u64), (NAMES + 2, NAMES + 1));
        call(&mut next, &mut at_server);
        call(&mut client, &mut server);
        drop((next, at_server, client, server, listener));
        assert!((1..=NAMES).all(|id| obstacle.is_unharmed(&endpoint.region_path(id))));
        assert_eq!(regions(&run_dir).len() as u64, NAMES);
    }
}

#[test]
fn a_server_that_can_make_no_region_refuses_who_can_use_nothing_else() {
    for (obstacle, (of_client, of_server)) in OBSTACLES
        .into_iter()
        .flat_map(|obstacle| [(MEMORY, BOTH), (BOTH, MEMORY), (MEMORY, MEMORY)].map(|of| (obstacle, of)))
    {
        let (run_dir, endpoint) = obstructed(obstacle, 2 * NAMES);
        let mut listener = ServerConfig::new().profiles(of_server).max_sessions(1).listen(&endpoint).unwrap();
        let config = ClientConfig::new().profiles(of_client);
        for _ in 0..2 {
            let (asked, answered) = meet(&mut listener, &config, &endpoint);
            assert_eq!(asked.err(), Some(Error::Refused(Status::Unsupported)));
            assert!(matches!(answered, Err(Cause::NoRegion(error)) if is_taken(error)), "{obstacle:?}: {answered:?}");
        }
        assert!((1..=2 * NAMES).all(|id| obstacle.is_unharmed(&endpoint.region_path(id))));
        // Who was refused has used up neither the place of a session nor a number with a free name.
        let (mut client, mut server) = joined(&mut listener, &config, &endpoint);
        for status in [client.status(), server.status()] {
            assert_eq!((status.profile, status.fallback), (MEMORY, None));
        }
        assert_eq!(client.terms().session_id, 2 * NAMES + 1);
        call(&mut client, &mut server);
        drop((client, server));
        assert_eq!(regions(&run_dir).len() as u64, 2 * NAMES);
    }
}

#[test]
fn what_the_dead_left_is_no_obstacle() {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("haunted");
    let mut listener = ServerConfig::new().profiles(MEMORY).listen(&endpoint).unwrap();
    // Since the listener has looked. Nobody has this id.
    let left =
        [with_word(&region(), 8, 0), b"not at all a region, and long enough for one: its first word is wrong".to_vec()];
    for (id, bytes) in (1..).zip(left) {
        fs::write(endpoint.region_path(id), bytes).unwrap();
        let (mut client, mut server) = joined(&mut listener, &ClientConfig::new().profiles(MEMORY), &endpoint);
        assert_eq!((server.status().profile, server.terms().session_id), (MEMORY, id));
        call(&mut client, &mut server);
    }
    assert!(regions(&run_dir).is_empty());
}
