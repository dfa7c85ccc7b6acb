//! Signals that interrupt system calls all the time: nothing is lost or sent twice, and deadlines are kept.

use core::time::Duration;
use std::sync::mpsc;
use std::thread;

use netipc::session::{ClientConfig, Deadline, Error, ServerConfig};
use netipc::wire::Method;
use netipc_tests::processes::{RunDir, interrupting, interruptions, this_thread};

const METHOD: Method = Method::new(7);
const MIB: usize = 1 << 20;
const CALLS: usize = 50;

fn payload(number: usize) -> Vec<u8> {
    (0..MIB + number).map(|at| (at.wrapping_mul(31) >> 3) as u8 ^ number as u8).collect()
}

/// One thread that connects and asks, one that accepts and answers, both interrupted from the first call to the last.
fn exchange(deadline: impl Fn() -> Deadline + Sync, packet_size: u32) {
    let run_dir = RunDir::new();
    let endpoint = run_dir.endpoint("storm");
    let most = 2 * MIB as u32;
    let client = ClientConfig::new().max_request_payload(most).packet_size(packet_size);
    let server = ServerConfig::new().max_request_payload(most).max_response_payload(most);
    let (tell, told) = mpsc::channel();
    let (begin_asking, may_ask) = mpsc::channel();
    let (begin_answering, may_answer) = mpsc::channel();
    let (deadline, endpoint, server, tell_too) = (&deadline, &endpoint, &server, tell.clone());
    thread::scope(|scope| {
        let answering = scope.spawn(move || {
            tell_too.send(this_thread()).unwrap();
            may_answer.recv().unwrap();
            let mut listener = server.listen(endpoint).unwrap();
            begin_asking.send(()).unwrap();
            let mut session = listener.accept(deadline()).unwrap();
            for number in 0..CALLS {
                let request = session.receive(deadline()).unwrap().keep();
                assert!(*request.payload() == payload(number), "request {number}");
                session.respond(request.ticket(), &payload(number + 1), deadline()).unwrap();
            }
            assert_eq!(session.receive(deadline()).map(drop), Err(Error::Closed { mid_message: false }));
        });
        let asking = scope.spawn(move || {
            tell.send(this_thread()).unwrap();
            may_ask.recv().unwrap();
            let mut session = client.connect(endpoint, deadline()).unwrap();
            for number in 0..CALLS {
                let ticket = session.send(METHOD, &payload(number), deadline()).unwrap();
                let response = session.receive(deadline()).unwrap();
                assert!(response.ticket() == ticket && response.payload() == payload(number + 1), "answer {number}");
            }
            // A deadline is kept, though no call of the kernel lasts as long.
            let soon = Deadline::after(Duration::from_millis(20));
            assert_eq!(session.receive(soon).map(drop), Err(Error::TimedOut));
            assert_eq!(session.received(), CALLS as u64);
        });
        let threads = [told.recv().unwrap(), told.recv().unwrap()];
        let before = interruptions();
        interrupting(&threads, || {
            begin_answering.send(()).unwrap();
            while !(answering.is_finished() && asking.is_finished()) {
                thread::yield_now();
            }
        });
        answering.join().unwrap();
        asking.join().unwrap();
        assert!(interruptions() - before > 100, "hardly a storm");
    });
}

#[test]
fn calls_without_a_deadline_survive_a_storm_of_signals() {
    exchange(|| Deadline::NEVER, 0);
    exchange(|| Deadline::NEVER, 5000);
}

#[test]
fn calls_with_a_deadline_survive_a_storm_of_signals() {
    exchange(|| Deadline::after(Duration::from_secs(600)), 0);
    exchange(|| Deadline::after(Duration::from_secs(600)), 5000);
}
