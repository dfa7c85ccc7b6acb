//! Several calls before the first answer: whose each answer is, over either transport, and what is kept for growth.
#![cfg(target_os = "linux")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use netipc::client::State;
use netipc::session::Violation;
use netipc::wire::{Header, Method, Profiles, Status};
use netipc::{CallError, WireMessage};
use netipc_tests::raw::{Raw, RawServer, RunDir, whole};

#[derive(Debug, Clone, Copy, PartialEq, Eq, WireMessage)]
#[repr(u16)]
enum Fault {
    Unknown = 1,
}

#[netipc::service(name = "line")]
trait Line {
    fn next(&self, number: u64) -> u64;
    fn read(&self, sensor: &str) -> Result<String, Fault>;
    #[method(idempotent = false)]
    fn once(&self, number: u64) -> u64;
    fn ping(&self);
}

#[derive(Default)]
struct Lab {
    ran: AtomicU32,
}

impl Line for Lab {
    fn next(&self, number: u64) -> u64 {
        number + 1
    }

    fn read(&self, sensor: &str) -> Result<String, Fault> {
        if sensor.is_empty() { Err(Fault::Unknown) } else { Ok(sensor.to_owned()) }
    }

    fn once(&self, _number: u64) -> u64 {
        self.ran.fetch_add(1, Ordering::Relaxed).into()
    }

    fn ping(&self) {}
}

/// A server of `Lab`, and a client of it over either transport.
fn each_transport(mut test: impl FnMut(&mut LineClient)) {
    for profiles in [Profiles::BASELINE, Profiles::BASELINE | Profiles::SHM_HYBRID] {
        let run_dir = RunDir::new();
        let server = LineServer::new(Lab::default()).profiles(profiles).max_response_payload(1 << 20);
        let _server = server.bind(run_dir.path()).unwrap().spawn().unwrap();
        let mut client = LineClient::config().profiles(profiles).connect(run_dir.path()).unwrap();
        assert_eq!(client.status().session.unwrap().profile, profiles.highest());
        test(&mut client);
    }
}

#[test]
fn answers_are_taken_in_any_order() {
    each_transport(|client| {
        let mut line = client.pipeline();
        let one = line.next(1).unwrap();
        let roof = line.read("roof").unwrap();
        let nothing = line.read("").unwrap();
        let ping = line.ping().unwrap();
        let forty = line.next(40).unwrap();
        assert_eq!(line.take(forty).unwrap(), 41);
        assert_eq!(line.take(roof).unwrap(), "roof");
        assert_eq!(line.take(one).unwrap(), 2);
        assert_eq!(line.take(nothing), Err(CallError::Application(Fault::Unknown)));
        line.take(ping).unwrap();
        // It goes on, and so does the client.
        let more = line.next(7).unwrap();
        assert_eq!(line.take(more).unwrap(), 8);
        assert_eq!(client.next(8).unwrap(), 9);
        assert_eq!((client.status().answered, client.status().failed), (7, 0));
    });
}

#[test]
fn thousands_are_under_way_and_neither_side_waits_for_the_other_for_ever() {
    each_transport(|client| {
        let text = "x".repeat(5000);
        let mut line = client.pipeline();
        let mut tickets: Vec<_> = (0..3000).map(|_| line.read(&text).unwrap()).collect();
        let last = tickets.pop().unwrap();
        assert_eq!(line.take(last).unwrap(), text);
        for ticket in tickets.into_iter().rev() {
            assert_eq!(line.take(ticket).unwrap(), text);
        }
    });
}

#[test]
fn no_more_are_under_way_than_may_be() {
    each_transport(|client| {
        let mut line = client.pipeline();
        let mut tickets: Vec<_> = (0..4096).map(|number| line.next(number).unwrap()).collect();
        assert!(matches!(line.next(0), Err(CallError::Limit(limit)) if limit.allowed == 4096));
        assert_eq!(line.take(tickets.remove(100)).unwrap(), 101);
        let more = line.next(5).unwrap();
        assert_eq!(line.take(more).unwrap(), 6);
        assert_eq!(client.next(1).unwrap(), 2);
    });
}

#[test]
fn a_limit_grows_once_those_that_are_under_way_are_answered() {
    each_transport(|client| {
        let text = "y".repeat(5000);
        let mut line = client.pipeline();
        let once = line.once(0).unwrap();
        let one = line.next(1).unwrap();
        let large = line.read(&text).unwrap();
        let again = line.once(0).unwrap();
        assert_eq!(line.take(large).unwrap(), text);
        // It ran before, and once.
        assert_eq!((line.take(once).unwrap(), line.take(again).unwrap(), line.take(one).unwrap()), (0, 1, 2));
        let status = client.status();
        assert_eq!((status.connections, status.grown, status.repeated), (2, 1, 0));
    });
}

#[test]
fn a_request_beyond_the_ceiling_fails_alone() {
    each_transport(|client| {
        let text = "z".repeat(1 << 20);
        let mut line = client.pipeline();
        let one = line.next(1).unwrap();
        assert!(matches!(line.read(&text), Err(CallError::Limit(limit)) if limit.allowed == 1 << 20));
        assert_eq!(line.take(one).unwrap(), 2);
    });
}

#[test]
fn what_is_dropped_leaves_the_client_usable() {
    each_transport(|client| {
        let mut line = client.pipeline();
        let _ = line.next(1).unwrap();
        let ticket = line.next(2).unwrap();
        assert_eq!(line.take(ticket).unwrap(), 3);
        let foreign = line.next(3).unwrap();
        assert_eq!(client.next(4).unwrap(), 5);
        let mut line = client.pipeline();
        let fifth = line.next(5).unwrap();
        assert_eq!(line.take(foreign), Err(CallError::ForeignTicket));
        assert_eq!(line.take(fifth).unwrap(), 6);
    });
    each_transport(|one| {
        each_transport(|other| {
            let mut line = one.pipeline();
            let ticket = line.next(1).unwrap();
            let mut another = other.pipeline();
            let own = another.next(2).unwrap();
            assert_eq!(another.take(ticket), Err(CallError::ForeignTicket));
            assert_eq!(another.take(own).unwrap(), 3);
        });
    });
}

#[test]
fn who_is_not_connected_calls_nothing() {
    let mut client = LineClient::new("/nonexistent");
    let mut line = client.pipeline();
    assert!(matches!(line.next(1), Err(CallError::NotReady(State::Disconnected))));
}

/// A raw server that does as `script` says, and a client of it.
fn scripted<R: Send>(script: impl FnOnce(&RawServer) -> R + Send, calls: impl FnOnce(&mut LineClient)) -> R {
    let run_dir = RunDir::new();
    let server = RawServer::listen(&run_dir.endpoint("line"));
    thread::scope(|scope| {
        let server = scope.spawn(|| script(&server));
        calls(&mut LineClient::connect(run_dir.path()).unwrap());
        server.join().unwrap()
    })
}

/// So many requests; their codes and ids.
fn requests(raw: &Raw, count: usize) -> Vec<(u16, u64)> {
    let one = |_| Header::parse(&raw.receive().unwrap()).map(|header| (header.code(), header.message_id())).unwrap();
    (0..count).map(one).collect()
}

/// The answer to a request for a number.
fn number(code: u16, id: u64, number: u64) -> Vec<u8> {
    whole(Header::response(Method::new(code), id, 8), &number.to_ne_bytes())
}

#[test]
fn answers_in_any_order_find_their_calls() {
    scripted(
        |server| {
            let raw = server.admit(1024);
            for (code, id) in requests(&raw, 5).into_iter().rev() {
                raw.send(&number(code, id, id)).unwrap();
            }
            raw.receive()
        },
        |client| {
            let mut line = client.pipeline();
            let tickets: Vec<_> = (0..5).map(|number| line.next(number).unwrap()).collect();
            for (id, ticket) in (1..).zip(tickets) {
                assert_eq!(line.take(ticket).unwrap(), id);
            }
        },
    );
}

#[test]
fn a_loss_in_the_middle_repeats_what_may_be_and_nothing_else() {
    let repeated = scripted(
        |server| {
            let raw = server.admit(1024);
            let first = requests(&raw, 4);
            raw.send(&number(1, first[0].1, 10)).unwrap();
            drop(raw);
            let raw = server.admit(1024);
            let second = requests(&raw, 2);
            for (code, id) in &second {
                raw.send(&number(*code, *id, 20 + id)).unwrap();
            }
            assert_eq!(raw.receive(), None);
            second
        },
        |client| {
            let mut line = client.pipeline();
            let (one, once) = (line.next(1).unwrap(), line.once(2).unwrap());
            let (three, four) = (line.next(3).unwrap(), line.next(4).unwrap());
            assert_eq!(line.take(four).unwrap(), 22);
            assert!(matches!(line.take(once), Err(CallError::OutcomeUnknown(_))));
            assert_eq!((line.take(three).unwrap(), line.take(one).unwrap()), (21, 10));
            let status = client.status();
            assert_eq!((status.repeated, status.connections, status.failed), (2, 2, 1));
        },
    );
    assert_eq!(repeated, [(1, 1), (1, 2)]);
}

#[test]
fn what_was_never_read_is_sent_again_even_if_it_must_not_run_twice() {
    scripted(
        |server| {
            let raw = server.admit(1024);
            // Both are there, one is read, and then the server ends.
            assert_eq!(requests(&raw, 1), [(1, 1)]);
            netipc_tests::processes::wait_until_readable(&raw);
            drop(raw);
            let raw = server.admit(1024);
            for (code, id) in requests(&raw, 2) {
                raw.send(&number(code, id, code.into())).unwrap();
            }
            raw.receive()
        },
        |client| {
            let mut line = client.pipeline();
            let (one, once) = (line.next(1).unwrap(), line.once(2).unwrap());
            assert_eq!((line.take(once).unwrap(), line.take(one).unwrap()), (3, 1));
        },
    );
}

#[test]
fn a_second_loss_is_final() {
    scripted(
        |server| {
            for _ in 0..2 {
                requests(&server.admit(1024), 2);
            }
        },
        |client| {
            let mut line = client.pipeline();
            let (one, two) = (line.next(1).unwrap(), line.next(2).unwrap());
            assert!(matches!(line.take(two), Err(CallError::Lost(_))));
            assert!(matches!(line.take(one), Err(CallError::Lost(_))));
            assert!(matches!(line.next(3), Err(CallError::NotReady(State::Broken))));
        },
    );
}

#[test]
fn one_failure_of_the_server_is_that_of_one_call() {
    for (status, expected) in
        [(Status::InternalError, CallError::Internal), (Status::BadEnvelope, CallError::Malformed)]
    {
        scripted(
            |server| {
                // The others outlive one failure after the other, though each ends the connection.
                for left in [4, 3, 2] {
                    let raw = server.admit(1024);
                    let (code, id) = requests(&raw, left)[0];
                    let answer = Header::response(Method::new(code), id, 0).with_status(status);
                    raw.send(&answer.encode()).unwrap();
                    assert_eq!(raw.receive(), None);
                }
                let raw = server.admit(1024);
                let (code, id) = requests(&raw, 1)[0];
                raw.send(&number(code, id, 9)).unwrap();
                raw.receive()
            },
            |client| {
                let mut line = client.pipeline();
                let mut tickets: Vec<_> = (0..4).map(|number| line.next(number).unwrap()).collect();
                let last = tickets.pop().unwrap();
                assert_eq!(line.take(last).unwrap(), 9);
                for ticket in tickets {
                    assert_eq!(line.take(ticket), Err(expected.clone()));
                }
            },
        );
    }
}

#[test]
fn an_answer_that_the_server_may_not_send_is_asked_for_again_with_all_that_it_cut_off() {
    scripted(
        |server| {
            let raw = server.admit(1024);
            let (code, id) = requests(&raw, 2)[0];
            raw.send(&Header::response(Method::new(code), id, 0).with_status(Status::LimitExceeded).encode()).unwrap();
            drop(raw);
            let raw = server.admit(2048);
            for (code, id) in requests(&raw, 2) {
                raw.send(&number(code, id, id)).unwrap();
            }
            raw.receive()
        },
        |client| {
            let mut line = client.pipeline();
            let (one, two) = (line.next(1).unwrap(), line.next(2).unwrap());
            assert_eq!((line.take(one).unwrap(), line.take(two).unwrap()), (1, 2));
            let status = client.status();
            assert_eq!((status.grown, status.repeated, status.connections), (1, 1, 2));
        },
    );
}

#[test]
fn a_server_that_lies_about_the_method_or_the_layout_breaks_the_connection_and_one_call() {
    for (code, len) in [(3, 8), (1, 7)] {
        scripted(
            |server| {
                let raw = server.admit(1024);
                let (_, id) = requests(&raw, 2)[0];
                raw.send(&whole(Header::response(Method::new(code), id, len), &[0; 8][..len as usize])).unwrap();
                assert_eq!(raw.receive(), None);
                let raw = server.admit(1024);
                let (code, id) = requests(&raw, 1)[0];
                raw.send(&number(code, id, 5)).unwrap();
                raw.receive()
            },
            |client| {
                let mut line = client.pipeline();
                let (one, two) = (line.next(1).unwrap(), line.next(2).unwrap());
                let failed = line.take(one).unwrap_err();
                assert!(
                    matches!(failed, CallError::Mismatch { asked: 1, answered: 3 } | CallError::Answer(_)),
                    "{failed}"
                );
                assert_eq!(line.take(two).unwrap(), 5);
            },
        );
    }
}

#[test]
fn an_answer_to_nothing_and_one_answer_too_many_end_all_that_are_under_way() {
    for ids in [[9, 1], [1, 1]] {
        scripted(
            |server| {
                let raw = server.admit(1024);
                requests(&raw, 2);
                for id in ids {
                    // The client may have gone after the first.
                    let _ = raw.send(&number(1, id, id));
                }
                assert_eq!(raw.receive(), None);
            },
            |client| {
                let mut line = client.pipeline();
                let (one, two) = (line.next(1).unwrap(), line.next(2).unwrap());
                let expected = CallError::Session(Violation::UnknownId { id: ids[0] }.into());
                assert_eq!(line.take(two), Err(expected.clone()));
                // It came before the server broke the rule, or it did not.
                assert_eq!(line.take(one), if ids[0] == 1 { Ok(1) } else { Err(expected) });
                assert_eq!(client.status().state, State::Broken);
            },
        );
    }
}

#[test]
fn each_call_has_its_own_time_and_what_comes_later_is_passed_over() {
    scripted(
        |server| {
            let raw = server.admit(1024);
            let first = requests(&raw, 2);
            // The second is answered, the first when its time is over and there is a third.
            raw.send(&number(1, first[1].1, 2)).unwrap();
            let third = requests(&raw, 1)[0].1;
            raw.send(&number(1, first[0].1, 1)).unwrap();
            raw.send(&number(1, third, 3)).unwrap();
            let fourth = requests(&raw, 1)[0].1;
            raw.send(&number(1, fourth, 4)).unwrap();
            raw.receive()
        },
        |client| {
            let mut line = client.pipeline();
            let one = line.within(Duration::from_millis(20)).next(1).unwrap();
            let two = line.next(2).unwrap();
            assert_eq!(line.take(one), Err(CallError::TimedOut));
            assert_eq!(line.take(two).unwrap(), 2);
            let three = line.next(3).unwrap();
            assert_eq!(line.take(three).unwrap(), 3);
            assert_eq!(client.next(4).unwrap(), 4);
            assert_eq!(client.status().connections, 1);
        },
    );
}

#[test]
fn late_answers_to_a_dropped_pipeline_are_passed_over() {
    scripted(
        |server| {
            let raw = server.admit(1024);
            for (code, id) in requests(&raw, 4) {
                raw.send(&number(code, id, id)).unwrap();
            }
            raw.receive()
        },
        |client| {
            let mut line = client.pipeline();
            for number in 0..3 {
                let _ = line.next(number).unwrap();
            }
            assert_eq!(client.next(4).unwrap(), 4);
        },
    );
}

#[test]
fn a_busy_server_that_lets_in_and_closes_is_tried_again_and_an_abort_frees_who_waits() {
    scripted(
        |server| {
            for _ in 0..4 {
                drop(server.admit(1024));
            }
            let raw = server.admit(1024);
            let (code, id) = requests(&raw, 1)[0];
            raw.send(&number(code, id, 8)).unwrap();
            assert_eq!(raw.receive(), None);
        },
        // Nobody has read it, so even what must not run twice is sent again.
        |client| {
            assert_eq!(client.once(7).unwrap(), 8);
            assert_eq!(client.status().repeated, 4);
        },
    );
    let run_dir = RunDir::new();
    let server = RawServer::listen(&run_dir.endpoint("line"));
    let mut client = thread::scope(|scope| {
        let met = scope.spawn(|| drop(server.admit(1024)));
        let client = LineClient::connect(run_dir.path()).unwrap();
        met.join().unwrap();
        client
    });
    let abort = client.abort_handle();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..3 {
                drop(server.admit(1024));
            }
            abort.abort();
        });
        assert_eq!(client.once(1), Err(CallError::Aborted));
    });
}
