//! Aborts, deadlines and signals over shared memory, with each way to wait: whoever waits is freed at once and for good, or
//! when its time is up and no sooner.

use core::convert::Infallible;
use core::time::Duration;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use bytes::Bytes;
use netipc::session::{Abort, ClientSession, Deadline, Error, ServerSession, Wait};
use netipc::wire::Method;
use netipc_tests::processes::{interrupting, interruptions, this_thread};
use netipc_tests::regions::{WAITS, call_across, client, server, shared_pair, wait_until_waiting, within};

const METHOD: Method = Method::new(7);
const NEVER: Deadline = Deadline::NEVER;
const CLOSED: Error = Error::Closed { mid_message: false };

fn sessions(wait: Wait) -> (ClientSession, ServerSession) {
    shared_pair(&client(wait), &server(wait))
}

/// Aborts when `call` waits on a thread of its own; what it returned.
fn abort_waiting<R: Send>(abort: &Abort, wait: Wait, call: impl FnOnce() -> R + Send) -> R {
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let waiting = scope.spawn(move || {
            tell.send(this_thread()).unwrap();
            call()
        });
        wait_until_waiting(told.recv().unwrap(), wait);
        abort.abort();
        waiting.join().unwrap()
    })
}

#[test]
fn an_abort_frees_a_client_that_receives() {
    for wait in WAITS {
        // That of the session alone, and that of its configuration.
        for is_own in [true, false] {
            let of_all = Abort::new();
            let (mut client, mut server) = shared_pair(&client(wait).abort(&of_all), &server(wait));
            let abort = if is_own { client.abort_handle() } else { of_all };
            let ticket = client.send(METHOD, b"x", NEVER).unwrap();
            server.receive(NEVER).unwrap();
            assert_eq!(abort_waiting(&abort, wait, || client.receive(NEVER).map(drop)), Err(Error::Aborted));
            assert_eq!(client.receive(NEVER).map(drop), Err(Error::Aborted));
            assert_eq!(client.try_receive().map(drop), Err(Error::Aborted));
            assert_eq!(client.send(METHOD, b"x", NEVER), Err(Error::Aborted));
            assert_eq!(client.try_send(METHOD, Bytes::new()), Err(Error::Aborted));
            // The peer is not left waiting.
            assert_eq!(server.receive(within()).map(drop), Err(CLOSED));
            assert_eq!(server.respond(ticket, b"y", within()), Err(CLOSED));
        }
    }
}

#[test]
fn an_abort_frees_a_server_that_receives() {
    for wait in WAITS {
        for is_own in [true, false] {
            let of_all = Abort::new();
            let (mut client, mut server) = shared_pair(&client(wait), &server(wait).abort(&of_all));
            let abort = if is_own { server.abort_handle() } else { of_all };
            let ticket = client.send(METHOD, b"x", NEVER).unwrap();
            server.receive(NEVER).unwrap();
            assert_eq!(abort_waiting(&abort, wait, || server.receive(NEVER).map(drop)), Err(Error::Aborted));
            assert_eq!(server.respond(ticket, b"y", NEVER), Err(Error::Aborted));
            assert_eq!(server.try_receive().map(drop), Err(Error::Aborted));
            assert_eq!(client.receive(within()).map(drop), Err(CLOSED));
            assert_eq!(client.send(METHOD, b"x", within()), Err(CLOSED));
        }
    }
}

#[test]
fn an_abort_frees_a_client_that_finds_no_room() {
    for wait in WAITS {
        for (is_built, is_split) in [(false, false), (true, false), (false, true), (true, true)] {
            let (client, mut server) = sessions(wait);
            let abort = client.abort_handle();
            let send = |client: &mut ClientSession| {
                if is_built {
                    let built = client.send_with(METHOD, NEVER, |_| Ok::<_, Infallible>(()));
                    return built.map(drop).map_err(|error| error.to_string());
                }
                client.send(METHOD, b"more", NEVER).map(drop).map_err(|error| error.to_string())
            };
            let freed = if is_split {
                let (mut requests, mut responses) = client.split();
                requests.send(METHOD, b"first", NEVER).unwrap();
                let freed = abort_waiting(&abort, Wait::Block, || {
                    if is_built {
                        let built = requests.send_with(METHOD, NEVER, |_| Ok::<_, Infallible>(()));
                        return built.map(drop).map_err(|error| error.to_string());
                    }
                    requests.send(METHOD, b"more", NEVER).map(drop).map_err(|error| error.to_string())
                });
                assert_eq!(responses.receive(NEVER).map(drop), Err(Error::Aborted));
                freed
            } else {
                let mut client = client;
                client.send(METHOD, b"first", NEVER).unwrap();
                let freed = abort_waiting(&abort, Wait::Block, || send(&mut client));
                assert_eq!(client.receive(NEVER).map(drop), Err(Error::Aborted));
                freed
            };
            assert_eq!(freed, Err(Error::Aborted.to_string()));
            // What was sent before comes.
            assert_eq!(server.receive(within()).unwrap().payload(), b"first");
            assert_eq!(server.receive(within()).map(drop), Err(CLOSED));
        }
    }
}

#[test]
fn an_abort_frees_a_server_that_finds_no_room() {
    for wait in WAITS {
        let (mut client, mut server) = sessions(wait);
        let abort = server.abort_handle();
        let mut tickets = Vec::new();
        for _ in 0..2 {
            client.send(METHOD, b"x", NEVER).unwrap();
            tickets.push(server.receive(NEVER).unwrap().ticket());
        }
        server.respond(tickets[0], b"first", NEVER).unwrap();
        let freed = abort_waiting(&abort, Wait::Block, || server.respond(tickets[1], b"more", NEVER));
        assert_eq!(freed, Err(Error::Aborted));
        assert_eq!(server.receive(NEVER).map(drop), Err(Error::Aborted));
        assert_eq!(client.receive(within()).unwrap().payload(), b"first");
        assert_eq!(client.receive(within()).map(drop), Err(CLOSED));
    }
}

#[test]
fn an_abort_frees_both_halves_while_both_wait() {
    for wait in WAITS {
        let (client, _server) = sessions(wait);
        let abort = client.abort_handle();
        let (mut requests, mut responses) = client.split();
        requests.send(METHOD, b"first", NEVER).unwrap();
        let (tell, told) = mpsc::channel();
        thread::scope(|scope| {
            let receiving = scope.spawn(move || {
                tell.send(this_thread()).unwrap();
                responses.receive(NEVER).map(drop)
            });
            wait_until_waiting(told.recv().unwrap(), wait);
            let sending = abort_waiting(&abort, Wait::Block, || requests.send(METHOD, b"more", NEVER));
            assert_eq!((sending, receiving.join().unwrap()), (Err(Error::Aborted), Err(Error::Aborted)));
        });
    }
}

#[test]
fn what_came_before_an_abort_is_not_received_after_it() {
    for wait in WAITS {
        let (mut client, mut server) = sessions(wait);
        client.send(METHOD, b"x", NEVER).unwrap();
        server.abort_handle().abort();
        assert_eq!(server.receive(NEVER).map(drop), Err(Error::Aborted));
    }
}

/// Holds a call to its deadline: it fails for that reason, and no sooner.
fn times_out<R>(call: impl FnOnce(Deadline) -> Result<R, Error>) {
    const WHILE: Duration = Duration::from_millis(7);
    let begin = Instant::now();
    assert_eq!(call(Deadline::after(WHILE)).map(drop), Err(Error::TimedOut));
    assert!(begin.elapsed() >= WHILE, "{:?}", begin.elapsed());
}

/// Every call that can wait, past its deadline.
fn time_all_out(wait: Wait) {
    let (mut client, mut server) = sessions(wait);
    for _ in 0..3 {
        times_out(|deadline| client.receive(deadline).map(drop));
        times_out(|deadline| server.receive(deadline).map(drop));
        client.send(METHOD, b"first", NEVER).unwrap();
        times_out(|deadline| client.send(METHOD, b"more", deadline));
        times_out(|deadline| client.receive(deadline).map(drop));
        let first = server.receive(NEVER).unwrap().ticket();
        client.send(METHOD, b"second", NEVER).unwrap();
        let second = server.receive(NEVER).unwrap().ticket();
        server.respond(first, b"answer", NEVER).unwrap();
        times_out(|deadline| server.respond(second, b"answer", deadline));
        times_out(|deadline| server.receive(deadline).map(drop));
        assert_eq!(client.receive(NEVER).unwrap().ticket(), first);
        server.respond(second, b"answer", NEVER).unwrap();
        assert_eq!(client.receive(NEVER).unwrap().ticket(), second);
        call_across(&mut client, &mut server);
    }
    // A deadline that has passed is no reason not to take what is there.
    let past = || Deadline::after(Duration::ZERO);
    assert_eq!(client.receive(past()).map(drop), Err(Error::TimedOut));
    let ticket = client.send(METHOD, b"x", past()).unwrap();
    assert_eq!(client.send(METHOD, b"x", past()), Err(Error::TimedOut));
    assert_eq!(server.receive(past()).unwrap().ticket(), ticket);
    server.respond(ticket, b"y", past()).unwrap();
    assert_eq!(client.receive(past()).unwrap().ticket(), ticket);
}

#[test]
fn no_call_gives_up_before_its_deadline_and_the_session_goes_on_after_it() {
    WAITS.into_iter().for_each(time_all_out);
}

#[test]
fn a_storm_of_signals_ends_no_wait_before_its_deadline() {
    for wait in WAITS {
        let before = interruptions();
        interrupting(&[this_thread()], || time_all_out(wait));
        assert!(interruptions() - before > 100, "hardly a storm");
    }
}

#[test]
fn a_storm_of_signals_loses_no_message_and_hides_no_end() {
    const CALLS: u32 = 2_000;
    for wait in WAITS {
        let (mut client, mut server) = sessions(wait);
        let (tell, told) = mpsc::channel();
        let (begin, may_begin) = mpsc::channel();
        thread::scope(|scope| {
            let tell_too = tell.clone();
            let asking = scope.spawn(move || {
                tell.send(this_thread()).unwrap();
                may_begin.recv().unwrap();
                for number in 0..CALLS {
                    let ticket = client.send(METHOD, &number.to_ne_bytes(), NEVER).unwrap();
                    let answer = client.receive(NEVER).unwrap();
                    assert_eq!((answer.ticket(), answer.payload()), (ticket, &number.to_ne_bytes()[..]));
                }
            });
            let answering = scope.spawn(move || {
                tell_too.send(this_thread()).unwrap();
                loop {
                    let (requests, responses) = server.halves();
                    match requests.receive(NEVER) {
                        Ok(message) => responses.respond(message.ticket(), message.payload(), NEVER).unwrap(),
                        Err(error) => return error,
                    }
                }
            });
            let threads = [told.recv().unwrap(), told.recv().unwrap()];
            interrupting(&threads, || {
                begin.send(()).unwrap();
                asking.join().unwrap();
                assert_eq!(answering.join().unwrap(), CLOSED);
            });
        });
    }
}
