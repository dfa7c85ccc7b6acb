//! Many claims at once.

use std::io::{Read, Write};
use std::process::{Child, Stdio};

use super::{Claimed, IN_USE, dead_socket, endpoint, file_at, is_served, take};
use crate::sync::{AtomicUsize, Barrier, Ordering};
use crate::sys::ground::{RunDir, again, finish, told};

const ROUNDS: usize = 200;

fn has_won(claimed: &Claimed) -> bool {
    match claimed {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(*error, IN_USE);
            false
        }
    }
}

#[test]
fn of_many_threads_that_want_a_dead_path_at_once_exactly_one_has_it() {
    const THREADS: usize = 16;
    let room = RunDir::new();
    let endpoint = endpoint(room.path());
    let (start, end) = (Barrier::new(THREADS), Barrier::new(THREADS));
    let winners = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for round in 1..=ROUNDS {
                    if start.wait().is_leader() {
                        dead_socket(endpoint.socket_path());
                    }
                    start.wait();
                    let claimed = take(&endpoint);
                    if has_won(&claimed) {
                        winners.fetch_add(1, Ordering::Relaxed);
                    }
                    // Nobody gives it back before all have tried.
                    end.wait();
                    assert_eq!(winners.load(Ordering::Relaxed), round);
                    assert!(is_served(endpoint.socket_path()));
                    end.wait();
                    drop(claimed);
                }
            });
        }
    });
    assert_eq!(file_at(endpoint.socket_path()), None);
}

#[test]
fn the_file_of_who_has_the_path_is_removed_by_nobody_else() {
    const THREADS: usize = 8;
    let room = RunDir::new();
    let endpoint = endpoint(room.path());
    let (holders, wins) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for round in 0..ROUNDS {
                    let claimed = take(&endpoint);
                    if !has_won(&claimed) {
                        continue;
                    }
                    let (claim, socket) = claimed.unwrap();
                    assert_eq!(holders.fetch_add(1, Ordering::Relaxed), 0);
                    for _ in 0..round % 8 {
                        assert_eq!(file_at(endpoint.socket_path()), Some(claim.file));
                        std::thread::yield_now();
                    }
                    assert!(is_served(endpoint.socket_path()));
                    wins.fetch_add(1, Ordering::Relaxed);
                    assert_eq!(holders.fetch_sub(1, Ordering::Relaxed), 1);
                    if round % 3 == 0 {
                        // As after an abort: others may have the path before this one's claim is dropped.
                        socket.shut_down();
                    }
                    drop((claim, socket));
                }
            });
        }
    });
    assert!(wins.into_inner() > 0);
    assert_eq!(file_at(endpoint.socket_path()), None);
}

/// Has every child do its next step; the sum of their answers.
fn step(children: &mut [Child]) -> u8 {
    for child in children.iter_mut() {
        child.stdin.as_mut().unwrap().write_all(&[0]).unwrap();
    }
    let answers = children.iter_mut().map(|child| {
        let mut answer = [0];
        child.stderr.as_mut().unwrap().read_exact(&mut answer).unwrap();
        answer[0]
    });
    answers.sum()
}

#[test]
fn of_several_processes_that_want_a_dead_path_at_once_exactly_one_has_it() {
    if let Some(run_dir) = told() {
        let endpoint = endpoint(&run_dir);
        // The harness writes to the other output.
        let (mut asked, mut answers) = (std::io::stdin().lock().bytes(), std::io::stderr());
        while asked.next().is_some() {
            let claimed = take(&endpoint);
            answers.write_all(&[u8::from(has_won(&claimed))]).unwrap();
            asked.next().unwrap().unwrap();
            drop(claimed);
            answers.write_all(&[0]).unwrap();
        }
        return;
    }
    let room = RunDir::new();
    let endpoint = endpoint(room.path());
    let name = "of_several_processes_that_want_a_dead_path_at_once_exactly_one_has_it";
    let again = || again(module_path!(), name, room.path()).stdin(Stdio::piped()).spawn().unwrap();
    let mut children: Vec<_> = core::iter::repeat_with(again).take(4).collect();
    for _ in 0..ROUNDS {
        dead_socket(endpoint.socket_path());
        assert_eq!(step(&mut children), 1);
        assert!(is_served(endpoint.socket_path()));
        step(&mut children);
        assert_eq!(file_at(endpoint.socket_path()), None);
    }
    // The end of its input is the end of a child.
    children.into_iter().for_each(finish);
}
