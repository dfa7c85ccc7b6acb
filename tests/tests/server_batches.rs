//! Batches of a server of Level 2: whoever answers which item, the outcome is the one of answering them in order.
#![cfg(target_os = "linux")]

use core::hint::spin_loop;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use netipc::buf::Writer;
use netipc::codec::EncodeError;
use netipc::endpoint::Endpoint;
use netipc::server::{Report, Running, Server};
use netipc::service::{Dispatch, Failure, MethodInfo, Service};
use netipc::session::{ClientConfig, ClientSession, Deadline, Error};
use netipc::wire::{Method, Profiles, Status};
use netipc::{Call, WireMessage};
use netipc_tests::processes::RunDir;
use netipc_tests::random::Random;

/// Does what its items say.
const PLAY: Method = Method::new(1);
const MEET: Method = Method::new(2);
const SLOW: Method = Method::new(3);

const SERVICE: Service =
    Service::new("stage", &[MethodInfo::new("play", 1), MethodInfo::new("meet", 2), MethodInfo::new("slow", 3)]);

const SOCKET: Profiles = Profiles::BASELINE;
const LONG: Duration = Duration::from_secs(60);
const LIMIT: u32 = 64 << 10;

/// What the first byte of an item asks for; what follows is its number, and how long it takes.
const WORK: u8 = 0;
const PANIC: u8 = 1;
const FAIL: u8 = 2;
const ODD: u8 = 3;
const UNWRITTEN: u8 = 4;
const HUGE: u8 = 5;
const HOLD: u8 = 6;
const ABANDON: u8 = 7;
const NEST: u8 = 8;
const ENDLESS: u8 = 9;

/// A request that has the first byte of none.
#[derive(Debug, WireMessage)]
struct Odd {
    never: u64,
}

fn item(what: u8, number: u32, micros: u32) -> Vec<u8> {
    [&[what][..], &number.to_ne_bytes(), &micros.to_ne_bytes()].concat()
}

/// What an item of work is answered with: as long as its number says.
fn answer_to(number: u32) -> Vec<u8> {
    (0..number % 50).map(|at| (number.wrapping_mul(31).wrapping_add(at) % 251) as u8).collect()
}

struct Stage {
    endpoint: Endpoint,
    told: Mutex<Sender<&'static str>>,
    go_on: Mutex<Receiver<()>>,
    pair: Barrier,
    running: AtomicUsize,
    most: Arc<AtomicUsize>,
}

/// What a test has in hand of a stage.
struct Hands {
    told: Receiver<&'static str>,
    go_on: Sender<()>,
    most: Arc<AtomicUsize>,
}

fn stage(run_dir: &RunDir) -> (Stage, Hands) {
    let ((tell, told), (go_on, wait)) = (channel(), channel());
    let most = Arc::new(AtomicUsize::new(0));
    let stage = Stage {
        endpoint: run_dir.endpoint(SERVICE.name),
        told: Mutex::new(tell),
        go_on: Mutex::new(wait),
        pair: Barrier::new(2),
        running: AtomicUsize::new(0),
        most: Arc::clone(&most),
    };
    (stage, Hands { told, go_on, most })
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stage {
    fn play(&self, call: &Call<'_>, request: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure> {
        let word = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
        let (number, micros) = (word(1), word(5));
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_micros(micros.into()) {
            spin_loop();
        }
        match request[0] {
            WORK => reply.append(&answer_to(number)),
            PANIC => panic!("as it should"),
            FAIL => return Err(Failure::Handler(format!("number {number}").into())),
            ODD => drop(Odd::decode(request)?),
            UNWRITTEN => return Err(EncodeError::Overflow { needed: 1 << 30 }.into()),
            HUGE => (0..LIMIT).for_each(|_| reply.append(b"!")),
            HOLD => {
                held(&self.told).send("held").unwrap();
                // Nobody says so any more where the test is over.
                let _ = held(&self.go_on).recv();
            }
            ABANDON => {
                held(&self.told).send("waits").unwrap();
                while !call.is_cancelled() {
                    thread::yield_now();
                }
                held(&self.told).send("cancelled").unwrap();
            }
            NEST => {
                let mut client = connect(&self.endpoint, SOCKET);
                let items: Vec<_> = (0..number).map(|number| item(WORK, number, 20)).collect();
                reply.append(&ask(&mut client, PLAY, &items).unwrap().concat());
            }
            ENDLESS => reply.skip(usize::MAX),
            other => panic!("{other} is nothing"),
        }
        Ok(())
    }
}

impl Dispatch for Stage {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn dispatch(&self, call: &Call<'_>, request: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure> {
        self.most.fetch_max(self.running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let _left = OnDrop(&self.running);
        assert_eq!(call.peer().pid, Some(std::process::id()));
        match call.method() {
            MEET => {
                self.pair.wait();
                reply.append(request);
                Ok(())
            }
            SLOW => {
                thread::yield_now();
                self.play(call, request, reply)
            }
            _ => self.play(call, request, reply),
        }
    }
}

struct OnDrop<'a>(&'a AtomicUsize);

impl Drop for OnDrop<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn both() -> [Profiles; 2] {
    [SOCKET, Profiles::BASELINE | Profiles::SHM_HYBRID]
}

fn connect(endpoint: &Endpoint, profiles: Profiles) -> ClientSession {
    let config = ClientConfig::new().profiles(profiles).max_request_payload(1 << 20).max_request_items(1 << 20);
    let client = config.connect(endpoint, Deadline::NEVER).unwrap();
    assert_eq!(client.status().profile == Profiles::SHM_HYBRID, profiles != SOCKET);
    client
}

fn receive(client: &mut ClientSession) -> Result<Vec<Vec<u8>>, Status> {
    let answer = client.receive(Deadline::NEVER).unwrap();
    match answer.status() {
        Status::Ok => Ok(answer.batch().unwrap().iter().map(<[u8]>::to_vec).collect()),
        status => {
            assert!(answer.payload().is_empty() && !answer.header().is_batch());
            Err(status)
        }
    }
}

fn ask(client: &mut ClientSession, method: Method, items: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, Status> {
    client.send_batch(method, items, Deadline::NEVER).unwrap();
    receive(client)
}

fn assert_ended(client: &mut ClientSession) {
    let outcome = client.receive(Deadline::NEVER).map(|message| message.status());
    assert!(matches!(outcome, Err(Error::Closed { mid_message: false })), "{outcome:?}");
}

fn serve(run_dir: &RunDir, workers: usize, profiles: Profiles) -> (Running, Hands) {
    let (stage, hands) = stage(run_dir);
    let server = Server::new(stage).workers(workers).profiles(profiles).max_response_payload(LIMIT);
    (server.bind(run_dir.path()).unwrap().spawn().unwrap(), hands)
}

/// Items that take any time from none to so many microseconds, and what they are answered with.
fn some_work(random: &mut Random, most: usize, micros: usize) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let numbers: Vec<_> = (0..=random.below(most)).map(|_| random.below(1 << 20) as u32).collect();
    let micros = random.below(micros) as u32;
    let items = numbers.iter().map(|&number| item(WORK, number, number % (micros + 1))).collect();
    (items, numbers.into_iter().map(answer_to).collect())
}

#[test]
fn answers_are_in_order_however_long_each_takes_and_whoever_gives_it() {
    for (workers, rounds) in [(1, 500), (2, 3000), (5, 1500)] {
        for profiles in both() {
            let run_dir = RunDir::new();
            let (running, hands) = serve(&run_dir, workers, profiles);
            let mut client = connect(running.endpoint(), profiles);
            let mut random = Random::new(workers as u64);
            for round in 0..rounds {
                // Long calm and long trouble, so that what is known of the cost goes up and down.
                let micros = if round / 100 % 2 == 0 { 2 } else { 30 };
                let (items, answers) = some_work(&mut random, 40, micros);
                assert_eq!(ask(&mut client, PLAY, &items), Ok(answers), "{round}");
            }
            // Sessions over shared memory may have threads of their own.
            assert!(hands.most.load(Ordering::SeqCst) <= workers + usize::from(profiles != SOCKET));
        }
    }
}

#[test]
fn several_sessions_have_their_batches_answered_at_once_and_no_more_workers_than_there_are() {
    let run_dir = RunDir::new();
    let (running, hands) = serve(&run_dir, 3, both()[1]);
    thread::scope(|scope| {
        for seed in 0..6 {
            let endpoint = running.endpoint();
            scope.spawn(move || {
                let mut client = connect(endpoint, both()[seed % 2]);
                let mut random = Random::new(seed as u64);
                for round in 0..200 {
                    let method = if round % 2 == 0 { PLAY } else { SLOW };
                    let (items, answers) = some_work(&mut random, 60, 20);
                    assert_eq!(ask(&mut client, method, &items), Ok(answers));
                }
            });
        }
    });
    assert!(hands.most.load(Ordering::SeqCst) <= 3 + 3);
    running.shutdown(LONG).unwrap();
}

#[test]
fn two_items_that_wait_for_each_other_meet_where_there_are_two_workers() {
    for workers in [2, 3, 4] {
        for profiles in both() {
            let run_dir = RunDir::new();
            let (running, _hands) = serve(&run_dir, workers, profiles);
            let mut client = connect(running.endpoint(), profiles);
            for round in 0..300 {
                let items: Vec<_> = (0..2 * (1 + round % 5)).map(|number| item(WORK, number, 0)).collect();
                assert_eq!(ask(&mut client, MEET, &items).as_ref(), Ok(&items));
            }
        }
    }
}

#[test]
fn a_worker_that_becomes_idle_later_is_told_of_a_batch_that_waits_for_it() {
    let run_dir = RunDir::new();
    let (running, hands) = serve(&run_dir, 2, SOCKET);
    let (mut busy, mut pair) = (connect(running.endpoint(), SOCKET), connect(running.endpoint(), SOCKET));
    busy.send_batch(PLAY, &[item(HOLD, 0, 0)], Deadline::NEVER).unwrap();
    assert_eq!(hands.told.recv(), Ok("held"));
    let items = [item(WORK, 1, 0), item(WORK, 2, 0)];
    pair.send_batch(MEET, &items, Deadline::NEVER).unwrap();
    while hands.most.load(Ordering::SeqCst) < 2 {
        thread::yield_now();
    }
    hands.go_on.send(()).unwrap();
    assert_eq!(receive(&mut pair).as_deref(), Ok(&items[..]));
    assert_eq!(receive(&mut busy), Ok(vec![Vec::new()]));
}

#[test]
fn a_handler_may_send_a_batch_to_its_own_service() {
    let run_dir = RunDir::new();
    let (running, _hands) = serve(&run_dir, 3, both()[1]);
    for profiles in both() {
        let mut client = connect(running.endpoint(), profiles);
        for number in 1..20 {
            let expected = (0..number).flat_map(answer_to).collect();
            assert_eq!(ask(&mut client, PLAY, &[item(NEST, number, 0)]), Ok(vec![expected]));
            // Two of them, and a worker more.
            let twice = [item(NEST, number, 0), item(NEST, number, 0)];
            assert_eq!(ask(&mut client, PLAY, &twice).map(|answers| answers.len()), Ok(2));
        }
    }
}

/// The status that a batch fails with, and what is reported, each in words.
fn failing(run_dir: &RunDir, workers: usize, profiles: Profiles, items: &[Vec<u8>]) -> (Status, Vec<String>) {
    let (stage, _hands) = stage(run_dir);
    let reports = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&reports);
    let tell = move |report: &Report| {
        held(&told).push(match report {
            Report::Failed { failure, .. } => failure.to_string(),
            Report::SessionEnded { error, .. } => error.to_string(),
            other => panic!("{other:?}"),
        });
    };
    let server = Server::new(stage).workers(workers).profiles(profiles).max_response_payload(LIMIT).on_report(tell);
    let running = server.bind(run_dir.path()).unwrap().spawn().unwrap();
    let mut client = connect(running.endpoint(), profiles);
    let status = ask(&mut client, PLAY, items).unwrap_err();
    assert_ended(&mut client);
    let mut other = connect(running.endpoint(), profiles);
    assert_eq!(ask(&mut other, PLAY, &[item(WORK, 7, 0)]), Ok(vec![answer_to(7)]));
    drop((client, other));
    running.shutdown(LONG).unwrap();
    let reports = core::mem::take(&mut *held(&reports));
    (status, reports)
}

#[test]
fn the_first_item_that_fails_decides_whoever_answers_it_and_is_reported_once() {
    const COUNT: u32 = 8;
    let run_dir = RunDir::new();
    let cases = [
        (PANIC, Status::InternalError),
        (FAIL, Status::InternalError),
        (ODD, Status::BadEnvelope),
        (UNWRITTEN, Status::LimitExceeded),
    ];
    for profiles in both() {
        for (what, status) in cases {
            for failing_item in 0..COUNT {
                let items: Vec<_> = (0..COUNT)
                    .map(|at| match at {
                        at if at < failing_item => item(WORK, at, 20),
                        // It fails later than those behind it, of which each fails otherwise.
                        at if at == failing_item => item(what, at, 40),
                        at => item(if what == PANIC { ODD } else { PANIC }, at, 10),
                    })
                    .collect();
                let (told, reports) = failing(&run_dir, 3, profiles, &items);
                assert_eq!((told, reports.len()), (status, 1), "{what} {failing_item} {reports:?}");
                if what == FAIL {
                    assert!(reports[0].contains(&format!("number {failing_item}")), "{reports:?}");
                }
            }
        }
    }
}

#[test]
fn an_answer_that_is_too_large_is_found_out_as_by_one_worker_alone() {
    let run_dir = RunDir::new();
    let work = |number| item(WORK, number, 10);
    let huge = item(HUGE, 0, 10);
    let mut cases: Vec<Vec<_>> = (0..6)
        .map(|at| {
            let mut items: Vec<_> = (0..5).map(work).collect();
            items.insert(at, huge.clone());
            items
        })
        .collect();
    // None is too large, and all of them are; a failure counts for more, as it would at the end of it.
    cases.push((0..4000).map(|_| item(WORK, 49, 1)).collect());
    cases.push(vec![huge.clone(), huge.clone(), work(1), item(FAIL, 0, 20), huge]);
    cases.push(vec![work(1), item(ENDLESS, 0, 10), work(2), work(3)]);
    for items in cases {
        let alone = failing(&run_dir, 1, SOCKET, &items);
        assert_eq!(alone.1.len(), 1);
        for profiles in both() {
            assert_eq!(failing(&run_dir, 3, profiles, &items), alone);
        }
    }
}

#[test]
fn an_answer_may_be_as_large_as_was_agreed_and_no_byte_larger() {
    let run_dir = RunDir::new();
    let (running, _hands) = serve(&run_dir, 3, both()[1]);
    for profiles in both() {
        let mut client = connect(running.endpoint(), profiles);
        // An entry of 8 bytes and an answer of 40.
        let count = LIMIT / 48;
        let items: Vec<_> = (0..count).map(|_| item(WORK, 40, 6)).collect();
        assert_eq!(ask(&mut client, PLAY, &items).map(|answers| answers.len()), Ok(items.len()));
        let more: Vec<_> = (0..=count).map(|_| item(WORK, 40, 6)).collect();
        assert_eq!(ask(&mut client, PLAY, &more), Err(Status::LimitExceeded));
        assert_ended(&mut client);
    }
}

#[test]
fn all_who_answer_a_batch_learn_that_nobody_wants_it_any_more() {
    for (profiles, stops) in both().into_iter().flat_map(|profiles| [(profiles, false), (profiles, true)]) {
        let run_dir = RunDir::new();
        let (running, hands) = serve(&run_dir, 2, profiles);
        let mut client = connect(running.endpoint(), profiles);
        let items = [item(ABANDON, 0, 0), item(ABANDON, 1, 0)];
        client.send_batch(PLAY, &items, Deadline::NEVER).unwrap();
        assert_eq!([hands.told.recv(), hands.told.recv()], [Ok("waits"); 2]);
        if stops {
            running.stop();
            assert_eq!(receive(&mut client).map(|answers| answers.len()), Ok(2));
        } else {
            drop(client);
        }
        assert_eq!([hands.told.recv(), hands.told.recv()], [Ok("cancelled"); 2]);
        running.shutdown(LONG).unwrap();
    }
}

#[test]
fn a_batch_in_many_hands_is_answered_before_a_server_ends() {
    for profiles in both() {
        let run_dir = RunDir::new();
        let (running, hands) = serve(&run_dir, 2, profiles);
        let mut client = connect(running.endpoint(), profiles);
        let items = [item(HOLD, 0, 0), item(HOLD, 1, 0), item(WORK, 2, 0)];
        client.send_batch(PLAY, &items, Deadline::NEVER).unwrap();
        assert_eq!(hands.told.recv(), Ok("held"));
        // One of the two waits for its turn to wait.
        while hands.most.load(Ordering::SeqCst) < 2 {
            thread::yield_now();
        }
        let ending = thread::spawn(move || running.shutdown(LONG));
        for _ in 0..2 {
            hands.go_on.send(()).unwrap();
        }
        assert_eq!(receive(&mut client), Ok(vec![Vec::new(), Vec::new(), answer_to(2)]));
        ending.join().unwrap().unwrap();
    }
}

#[test]
fn items_that_wait_for_each_other_meet_also_when_all_is_to_stop() {
    for _ in 0..50 {
        let run_dir = RunDir::new();
        let (running, hands) = serve(&run_dir, 2, SOCKET);
        let mut holders = [connect(running.endpoint(), SOCKET), connect(running.endpoint(), SOCKET)];
        let mut pair = connect(running.endpoint(), SOCKET);
        for holder in &mut holders {
            holder.send_batch(PLAY, &[item(HOLD, 0, 0)], Deadline::NEVER).unwrap();
        }
        while hands.most.load(Ordering::SeqCst) < 2 {
            thread::yield_now();
        }
        let items = [item(WORK, 1, 0), item(WORK, 2, 0)];
        pair.send_batch(MEET, &items, Deadline::NEVER).unwrap();
        running.stop();
        for _ in 0..2 {
            hands.go_on.send(()).unwrap();
        }
        assert_eq!(receive(&mut pair).as_deref(), Ok(&items[..]));
        running.shutdown(LONG).unwrap();
    }
}

#[test]
fn one_item_or_as_many_as_a_request_can_hold_or_empty_ones_are_a_batch() {
    let run_dir = RunDir::new();
    let (running, _hands) = serve(&run_dir, 2, both()[1]);
    for profiles in both() {
        let mut client = connect(running.endpoint(), profiles);
        assert_eq!(ask(&mut client, PLAY, &[item(WORK, 9, 0)]), Ok(vec![answer_to(9)]));
        // Each answer is an entry of the directory at least.
        let many: Vec<_> = (0..LIMIT / 8).map(|_| item(WORK, 0, 0)).collect();
        let answers = ask(&mut client, PLAY, &many).unwrap();
        assert!(answers.len() == many.len() && answers.iter().all(Vec::is_empty));
        // The handler finds nothing in it, and panics.
        assert_eq!(ask(&mut client, PLAY, &[vec![], vec![]]), Err(Status::InternalError));
        assert_ended(&mut client);
        let mut client = connect(running.endpoint(), profiles);
        let empty = vec![Vec::new(); (1 << 20) / 8];
        assert_eq!(ask(&mut client, PLAY, &empty), Err(Status::InternalError));
        assert_ended(&mut client);
    }
}
