//! A listener in a loop of its user's: its descriptor tells of all there is, and nothing holds it up.
#![cfg(target_os = "linux")]

use core::time::Duration;
use std::os::fd::AsFd;

use netipc::session::{ClientConfig, Connecting, Deadline, Error, ServerConfig};
use netipc_tests::processes::RunDir;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

fn past() -> Deadline {
    Deadline::after(Duration::ZERO)
}

fn is_readable(source: impl AsFd) -> bool {
    let mut fds = [PollFd::new(&source, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
}

#[test]
fn a_listener_is_readable_as_long_as_a_client_waits() {
    const CLIENTS: usize = 40;
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("crowd");
    let mut listener = ServerConfig::new().queue(100).listen(&endpoint).unwrap();
    let connecting: Vec<Connecting> =
        (0..CLIENTS).map(|_| ClientConfig::new().try_connect(&endpoint).unwrap().unwrap()).collect();
    let mut sessions = Vec::new();
    // As a loop does that accepts one client each time that it is told of some.
    while is_readable(&listener) {
        sessions.extend(listener.try_accept().unwrap());
    }
    assert_eq!(sessions.len(), CLIENTS);
    for connecting in connecting {
        connecting.finish(Deadline::NEVER).unwrap();
    }
    assert!(listener.try_accept().unwrap().is_none());
}

#[test]
fn a_client_may_take_for_ever_to_say_hello_if_it_is_given_that_long() {
    for timeout in [Duration::MAX, Duration::from_secs(u64::MAX >> 1)] {
        let run_dir = RunDir::new();
        let endpoint = run_dir.endpoint("patient");
        let mut listener = ServerConfig::new().handshake_timeout(timeout).listen(&endpoint).unwrap();
        let silent = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        connect(&silent, &SocketAddrUnix::new(endpoint.socket_path()).unwrap()).unwrap();
        assert!(listener.try_next().unwrap().is_none());
        let connecting = ClientConfig::new().try_connect(&endpoint).unwrap().unwrap();
        listener.accept(Deadline::NEVER).unwrap();
        connecting.finish(Deadline::NEVER).unwrap();
        assert!(!is_readable(&listener));
    }
}

#[test]
fn clients_that_leave_at_once_do_not_hold_a_call_beyond_its_deadline() {
    const CLIENTS: u32 = 1200;
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("gone");
    let mut listener = ServerConfig::new().queue(2 * CLIENTS).listen(&endpoint).unwrap();
    let leave = || (0..CLIENTS).for_each(|_| drop(ClientConfig::new().try_connect(&endpoint).unwrap().unwrap()));
    leave();
    assert_eq!(listener.accept(past()).map(drop), Err(Error::TimedOut));
    assert!(is_readable(&listener), "there are more of them");
    let connecting = ClientConfig::new().try_connect(&endpoint).unwrap().unwrap();
    assert!(listener.try_accept().unwrap().is_none());
    listener.accept(Deadline::NEVER).unwrap();
    connecting.finish(Deadline::NEVER).unwrap();
}
