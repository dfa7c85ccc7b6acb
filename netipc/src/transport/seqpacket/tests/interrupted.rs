//! Calls that the kernel interrupts again and again.
//!
//! A process that is stopped and goes on has its waiting calls on sockets with a timeout, and its `epoll_wait(2)`, fail with
//! `EINTR`, without a handler of any signal (signal(7)). So one process does that to another.

use std::io::IoSlice;
use std::process::Child;

use rustix::process::{Pid, Signal, kill_process};

use super::{HOUR, SHORT, WAYS, endpoint, fill, full_listener, link_to_socket, receive};
use crate::sys::ground::{RunDir, again, finish, told};
use crate::sys::{EventQueue, Patience, Sent};
use crate::transport::seqpacket::{Listening, connect};
use crate::transport::{Abort, Deadline, LinkError, Wait};

const PACKETS: u32 = 3000;
/// Turns of its threads between two interruptions.
const PROGRESS: u64 = 4;

fn packets_arrive_once_and_in_order(wait: Wait) {
    let (one, other) = crate::sys::pair();
    let sender = super::link(one, wait, &Abort::new()).unwrap();
    let receiver = super::link(other, wait, &Abort::new()).unwrap();
    // Each side has its end for itself: should one fail, the other sees it close.
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut sender = sender;
            for number in 0..PACKETS {
                // Larger than the queue all together, so that both sides have to wait now and then.
                let body = vec![0; 4096];
                let number = number.to_ne_bytes();
                let parts = [IoSlice::new(&number), IoSlice::new(&body)];
                assert_eq!(sender.outgoing.send(&parts, Deadline::after(HOUR)), Ok(()));
            }
        });
        scope.spawn(move || {
            let mut receiver = receiver;
            for number in 0..PACKETS {
                let packet = receive(&mut receiver, Deadline::after(HOUR)).unwrap();
                assert_eq!((&packet[..4], packet.len()), (&number.to_ne_bytes()[..], 4100));
            }
            assert_eq!(receive(&mut receiver, Deadline::after(HOUR)), Err(LinkError::Closed));
        });
    });
}

fn deadlines_are_kept(wait: Wait) {
    let (mut link, peer) = link_to_socket(wait, &Abort::new());
    let soon = || Deadline::after(10 * SHORT);
    for _ in 0..5 {
        assert_eq!(receive(&mut link, soon()), Err(LinkError::TimedOut));
    }
    let queue = EventQueue::new().unwrap();
    queue.add(&*link.wire, 1).unwrap();
    for _ in 0..20 {
        // It may be over too early, and is then waited on again by whoever knows the deadline.
        assert_eq!(queue.wait(Some(10 * SHORT)).unwrap(), None);
    }
    let sent = fill(&mut link);
    for _ in 0..5 {
        assert_eq!(link.outgoing.send(&[IoSlice::new(b"x")], soon()), Err(LinkError::TimedOut));
    }
    for _ in 0..sent {
        assert_eq!(peer.receive(&mut [0; 8], &mut [], Patience::Try), Ok(Some(4096)));
    }
    assert_eq!(peer.receive(&mut [0; 8], &mut [], Patience::Try), Ok(None));
    assert_eq!(peer.send(&[IoSlice::new(b"y")], Patience::Try), Ok(Sent::Whole));
    assert_eq!(receive(&mut link, soon()).unwrap(), b"y");
}

fn clients_are_accepted(run_dir: &std::path::Path) {
    const CLIENTS: usize = 200;
    let endpoint = endpoint(run_dir);
    let (socket, clients) = full_listener(&endpoint);
    for wait in WAYS {
        assert!(connect(&endpoint, wait, &Abort::new(), Deadline::after(10 * SHORT)).unwrap().is_none());
    }
    let listening = Listening::new(socket, &Abort::new());
    let queue = EventQueue::new().unwrap();
    queue.add(&*listening, 1).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..CLIENTS {
                let link = connect(&endpoint, Wait::Block, &Abort::new(), Deadline::after(HOUR)).unwrap();
                assert!(link.is_some());
            }
        });
        scope.spawn(move || {
            let mut accepted = 0;
            while accepted < clients.len() + CLIENTS {
                queue.wait(Some(HOUR)).unwrap();
                while listening.accept().unwrap().is_some() {
                    accepted += 1;
                }
            }
        });
    });
}

#[test]
fn interruptions_neither_lose_anything_nor_move_a_deadline() {
    if let Some(run_dir) = told() {
        for wait in WAYS {
            packets_arrive_once_and_in_order(wait);
            deadlines_are_kept(wait);
        }
        clients_are_accepted(&run_dir);
        return;
    }
    let room = RunDir::new();
    let name = "interruptions_neither_lose_anything_nor_move_a_deadline";
    let mut child = again(module_path!(), name, room.path()).spawn().unwrap();
    let pid = Pid::from_child(&child);
    // It is not waited for before this ends, so that its id stays its own.
    while child.try_wait().unwrap().is_none() {
        kill_process(pid, Signal::STOP).unwrap();
        let Some(stopped) = switches(&child) else { continue };
        kill_process(pid, Signal::CONT).unwrap();
        // It has to get somewhere in between: each of its threads to its next call that waits, or to the next turn.
        while switches(&child).is_some_and(|now| now < stopped + PROGRESS) && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
    }
    finish(child);
}

/// How often its threads were taken off a processor so far; nothing once it has ended.
fn switches(child: &Child) -> Option<u64> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).ok()?;
    let statuses = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok());
    let counts = statuses.map(|status| -> u64 {
        let lines = status.lines().filter(|line| line.contains("ctxt_switches:"));
        lines.filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok()).sum()
    });
    Some(counts.sum())
}
