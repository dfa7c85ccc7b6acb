//! Every state of a direction with everything that can happen in it, and words that cannot be.

use core::cell::{Cell, RefCell};
use core::fmt::Write;
use core::time::Duration;
use std::rc::Rc;

use super::{
    AHEAD, ALL, ASLEEP, AWAITED, CONSUMED, Corrupt, Ground, LENGTH, Lane, MARKS, ONE_BY_ONE, PATIENCE, Place, Side,
    Words,
};
use crate::sync::mapped::{AtomicU32, AtomicU64};
use crate::sync::{Ordering, Word};

const CAPACITY: u32 = 64;
const LEN: u32 = 5;
const SIGNAL: u32 = 7;

/// A word that tells what was done at it. A sleep is over at once.
#[derive(Debug, Default)]
struct Word32 {
    word: AtomicU32,
    done: RefCell<String>,
    /// Whether it changes whenever somebody wants to.
    is_restless: Cell<bool>,
    tries: Cell<u32>,
}

#[derive(Debug, Default)]
struct Way {
    seq: AtomicU64,
    len: Word32,
    signal: Word32,
}

#[derive(Debug, Default)]
struct Region {
    request: Way,
    response: Way,
}

#[derive(Debug)]
struct View(Rc<Region>, Side);

impl Word<u32> for Word32 {
    fn load(&self, order: Ordering) -> u32 {
        self.word.load(order)
    }

    fn store(&self, value: u32, order: Ordering) {
        self.word.store(value, order);
    }

    fn swap(&self, value: u32, order: Ordering) -> u32 {
        self.word.swap(value, order)
    }

    fn fetch_or(&self, bits: u32, order: Ordering) -> u32 {
        self.word.fetch_or(bits, order)
    }

    fn exchange(&self, current: u32, new: u32, success: Ordering, failure: Ordering) -> Result<u32, u32> {
        self.tries.set(self.tries.get() + 1);
        if self.is_restless.get() {
            return Err(self.word.fetch_add(1, Ordering::Relaxed).wrapping_add(1));
        }
        self.word.compare_exchange(current, new, success, failure)
    }
}

impl Way {
    fn words(&self) -> Words<'_, Word32, AtomicU64> {
        Words { seq: &self.seq, len: &self.len, signal: &self.signal }
    }

    fn len(&self) -> u32 {
        self.len.load(Ordering::Relaxed)
    }
}

impl Ground for View {
    type U32 = Word32;
    type U64 = AtomicU64;

    fn outgoing(&self) -> Words<'_, Word32, AtomicU64> {
        if self.1 == Side::Client { self.0.request.words() } else { self.0.response.words() }
    }

    fn incoming(&self) -> Words<'_, Word32, AtomicU64> {
        if self.1 == Side::Client { self.0.response.words() } else { self.0.request.words() }
    }

    fn capacity(&self) -> u32 {
        CAPACITY
    }

    fn sleep(word: &Word32, expected: u32, _: Option<Duration>) {
        let slept = if word.load(Ordering::Relaxed) == expected { " sleeps" } else { " would sleep" };
        word.done.borrow_mut().push_str(slept);
    }

    fn wake(word: &Word32, most: u32) {
        word.done.borrow_mut().push_str(if most == ALL { " wakes-all" } else { " wakes-one" });
    }
}

fn receive(lane: &Lane<View>) {
    assert_eq!(lane.arrived(), Ok(Some(LEN)));
    lane.consume(LEN).unwrap();
}

struct Both {
    region: Rc<Region>,
    client: Lane<View>,
    server: Lane<View>,
}

impl Both {
    fn new(prepare: fn(&Region)) -> Self {
        let region = Rc::new(Region::default());
        prepare(&region);
        let lane = |side| Lane::new(View(Rc::clone(&region), side), side);
        Self { client: lane(Side::Client), server: lane(Side::Server), region }
    }

    /// A request, in a lane where both are yet to learn of each other.
    fn plain() -> Self {
        let both = Self::new(|_| ());
        assert!(both.client.has_room());
        both.client.publish(LEN);
        both
    }

    /// A request of a client that has seen a mark.
    fn marked() -> Self {
        let both = Self::new(|region| region.request.len.store(CONSUMED, Ordering::Relaxed));
        assert!(both.client.has_room());
        both.client.publish(LEN);
        both
    }

    fn received(self) -> Self {
        receive(&self.server);
        self
    }

    /// The same after many requests one by one.
    fn owed(self) -> Self {
        self.server.one_by_one.store(ONE_BY_ONE, Ordering::Relaxed);
        self.received()
    }

    /// Two requests, of which the second was sent before the first was answered.
    fn ahead() -> Self {
        let both = Self::marked().received();
        assert!(both.client.has_room());
        both.client.publish(LEN);
        both
    }

    fn awaited(self) -> Self {
        self.client.wait_for_room(false, None, || false);
        self
    }

    /// Answered by a peer that leaves no marks.
    fn answered(self) -> Self {
        self.region.response.len.store(LEN, Ordering::Relaxed);
        self.region.response.seq.fetch_add(1, Ordering::Relaxed);
        receive(&self.client);
        self
    }
}

fn state(name: &str) -> Both {
    match name {
        "fresh" => Both::new(|_| ()),
        "plain" => Both::plain(),
        "marked" => Both::marked(),
        "awaited" => Both::marked().awaited(),
        "consumed" => Both::plain().received(),
        "consumed-marked" => Both::marked().received(),
        "ahead" => Both::ahead(),
        "owed" => Both::marked().owed(),
        "owed-awaited" => Both::marked().owed().awaited(),
        "answered" => Both::plain().answered(),
        _ => unreachable!("{name}"),
    }
}

fn happen(event: &str, both: &Both) -> String {
    let Both { client, server, .. } = both;
    match event {
        "has_room" => format!("{}", client.has_room()),
        "publish" => {
            client.publish(LEN + 1);
            "done".to_owned()
        }
        "arrived" => told(server.arrived()),
        "settle" => told(server.settle().map(|()| None)),
        "consume" => match server.arrived() {
            Ok(Some(len)) => server.consume(len).map_or_else(|corrupt| told(Err(corrupt)), |()| "took".to_owned()),
            other => told(other),
        },
        "wait" => told(server.wait_for_message(None, || false)),
        "wait-over" => told(server.wait_for_message(None, || true)),
        "room" => {
            client.wait_for_room(false, None, || false);
            "done".to_owned()
        }
        "room-or-message" => {
            client.wait_for_room(true, None, || false);
            "done".to_owned()
        }
        "rouse-sender" => {
            client.rouse();
            "done".to_owned()
        }
        "rouse-receiver" => {
            server.rouse();
            "done".to_owned()
        }
        _ => unreachable!("{event}"),
    }
}

fn told(found: Result<Option<u32>, Corrupt>) -> String {
    match found {
        Ok(None) => "none".to_owned(),
        Ok(Some(len)) => format!("{len}"),
        Err(corrupt) => format!("corrupt:{}", corrupt.place.field()),
    }
}

fn length(word: u32) -> String {
    let mut marks = String::new();
    for (mark, letter) in [(MARKS, 'M'), (AWAITED, 'A'), (AHEAD, 'H')] {
        if word & mark != 0 {
            marks.push(letter);
        }
    }
    format!("{marks}{}", word & LENGTH)
}

fn signal(way: &Way) -> String {
    let word = way.signal.load(Ordering::Relaxed);
    let asleep = if word & ASLEEP != 0 { "z" } else { "" };
    format!("{asleep}{}{}", word & !ASLEEP, way.signal.done.take())
}

#[test]
fn every_event_in_every_state_does_what_the_table_says() {
    let mut seen = 0;
    for row in include_str!("states.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (given, expected) = row.split_once("->").unwrap();
        let [name, asleep, event] = given.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{row}") };
        let both = state(name);
        let Region { request, response } = &*both.region;
        for way in [request, response] {
            way.signal.done.take();
            way.signal.store(SIGNAL, Ordering::Relaxed);
        }
        request.signal.store(if asleep == "asleep" { SIGNAL | ASLEEP } else { SIGNAL }, Ordering::Relaxed);
        let answer = happen(event, &both);
        let mut found = format!("{answer} len {}", length(request.len()));
        write!(found, " | {} | {}", signal(request), signal(response)).unwrap();
        assert_eq!(found, expected.trim(), "{given}");
        seen += 1;
    }
    assert_eq!(seen, 10 * 2 * 11, "10 states, asleep or not, 11 events");
}

#[test]
fn a_length_is_bounded_whatever_marks_it_has() {
    let good = [1, CAPACITY, MARKS | 1, MARKS | CAPACITY, AWAITED | 1, MARKS | AWAITED | AHEAD | CAPACITY];
    let bad = [0, CAPACITY + 1, LENGTH, MARKS, AWAITED, MARKS | AWAITED, MARKS | (CAPACITY + 1), u32::MAX];
    for (words, is_good) in [(&good[..], true), (&bad[..], false)] {
        for &word in words {
            let both = Both::new(|_| ());
            for (lane, way, place) in [
                (&both.server, &both.region.request, Place::ReqLen),
                (&both.client, &both.region.response, Place::RespLen),
            ] {
                way.len.store(word, Ordering::Relaxed);
                way.seq.store(1, Ordering::Relaxed);
                let expected = Corrupt { place, found: word.into() };
                let expected = if is_good { Ok(Some(word & LENGTH)) } else { Err(expected) };
                assert_eq!(lane.arrived(), expected, "{word:#x}");
                assert!(lane.has_arrived());
                assert_eq!(lane.wait_for_message(None, || false), expected);
                assert!(way.signal.done.take().is_empty(), "nobody sleeps over {word:#x}");
            }
        }
    }
}

#[test]
fn a_number_that_jumps_is_refused_from_wherever_it_starts() {
    for start in [0, 1, u64::MAX - 1, u64::MAX] {
        for jump in [2, 3, u64::MAX, u64::MAX - 1, 1 << 63] {
            let both = Both::new(|_| ());
            let region = Rc::clone(&both.region);
            for (side, way, place) in
                [(Side::Server, &region.request, Place::ReqSeq), (Side::Client, &region.response, Place::RespSeq)]
            {
                way.seq.store(start, Ordering::Relaxed);
                way.len.store(1, Ordering::Relaxed);
                let lane = Lane::new(View(Rc::clone(&region), side), side);
                assert_eq!(lane.arrived(), Ok(None));
                let found = start.wrapping_add(jump);
                way.seq.store(found, Ordering::Relaxed);
                assert_eq!(lane.arrived(), Err(Corrupt { place, found }));
                way.seq.store(start.wrapping_add(1), Ordering::Relaxed);
                assert_eq!(lane.arrived(), Ok(Some(1)));
            }
        }
    }
}

#[test]
fn a_length_that_changes_while_the_message_is_copied_is_refused() {
    for other in [0, LEN - 1, LEN + 1, CONSUMED, u32::MAX] {
        let both = Both::plain();
        assert_eq!(both.server.arrived(), Ok(Some(LEN)));
        both.region.request.len.store(other, Ordering::Relaxed);
        let corrupt = Corrupt { place: Place::ReqLen, found: other.into() };
        assert_eq!(both.server.consume(LEN), Err(corrupt));
    }
}

#[test]
fn a_server_answers_who_has_not_asked_ahead_at_once_and_others_when_they_have_read() {
    let both = Both::plain().received();
    assert!(both.server.has_room());
    both.server.publish(LEN);
    assert_eq!(both.region.response.len(), LEN, "no mark for who is not known to read it");
    assert!(!both.server.has_room(), "nobody is known to have read this");

    // The second request is asked ahead: the first answer was not read.
    assert!(both.client.has_room());
    both.client.publish(LEN);
    assert_eq!(both.region.request.len(), MARKS | AHEAD | LEN);
    receive(&both.server);
    assert!(both.server.peer_marks() && !both.server.has_room());
    receive(&both.client);
    assert_eq!(both.region.response.len(), CONSUMED, "another answer is to come");
    assert!(both.server.has_room());
    both.server.publish(LEN);

    // Now all is answered, and the next request says so by itself.
    receive(&both.client);
    assert_eq!(both.region.response.len(), MARKS | LEN);
    assert!(!both.server.has_room() && both.client.has_room());
    both.client.publish(LEN);
    assert_eq!(both.region.request.len(), MARKS | LEN);
    receive(&both.server);
    assert!(both.server.has_room());
}

#[test]
fn the_mark_of_a_request_is_left_for_later_after_many_one_by_one() {
    let both = Both::new(|_| ());
    let mut marks = Vec::new();
    for nth in 0..2 * ONE_BY_ONE {
        assert!(both.client.has_room());
        both.client.publish(LEN);
        receive(&both.server);
        marks.push(both.region.request.len() == CONSUMED);
        if nth == 2 * ONE_BY_ONE - 1 {
            break;
        }
        assert!(both.server.has_room());
        both.server.publish(LEN);
        receive(&both.client);
    }
    assert!((0..).zip(&marks).all(|(nth, &marked)| marked == (nth < ONE_BY_ONE)));
    // The last one was not answered: who receives again has room for more, once.
    assert!(!both.client.has_room());
    both.server.settle().unwrap();
    assert!(both.client.has_room());
    both.client.publish(LEN);
    both.server.settle().unwrap();
    assert_eq!(both.region.request.len(), MARKS | AHEAD | LEN);
    // A client that has asked ahead is marked at once again.
    receive(&both.server);
    assert_eq!(both.region.request.len(), CONSUMED);
}

#[test]
fn an_answer_that_nobody_has_read_yet_makes_room_for_the_next_request_and_for_no_more() {
    let both = Both::marked().owed();
    assert!(!both.client.has_room());
    assert!(both.server.has_room());
    both.server.publish(LEN);
    // The server owes no mark any more: the answer is all that it says.
    both.server.settle().unwrap();
    assert!(both.client.has_room());
    both.client.publish(LEN);
    assert_eq!(both.region.request.len(), MARKS | AHEAD | LEN);
    assert!(!both.client.has_room(), "that answer was not to this request");
    receive(&both.server);
    assert!(both.client.has_room() && !both.server.has_room());
    receive(&both.client);
    assert!(both.server.has_room());
}

#[test]
fn an_answer_of_a_peer_that_leaves_no_marks_makes_room_once_it_was_read() {
    let both = Both::plain();
    both.region.response.len.store(LEN, Ordering::Relaxed);
    both.region.response.seq.fetch_add(1, Ordering::Relaxed);
    // It would be overwritten by the next one.
    assert!(!both.client.has_room());
    receive(&both.client);
    assert!(both.client.has_room());
}

#[test]
fn a_signal_that_never_stands_still_holds_nobody_up() {
    let both = Both::plain().received();
    both.region.request.signal.done.take();
    assert!(both.client.has_room());
    both.region.request.signal.is_restless.set(true);
    both.region.request.signal.tries.set(0);
    both.client.publish(LEN);
    assert_eq!(both.region.request.signal.tries.get(), PATIENCE);
    assert_eq!(both.region.request.signal.done.take(), " wakes-one", "for want of knowing better");
    assert_eq!(both.server.wait_for_message(None, || false), Ok(Some(LEN)));
}

#[test]
fn signals_count_around_without_the_mark() {
    for (before, after) in
        [(0, 1), (0x7fff_ffff, 0), (0x7fff_fffe, 0x7fff_ffff), (u32::MAX, 0), (ASLEEP, 1), (ASLEEP | 8, 9)]
    {
        let both = Both::new(|_| ());
        both.region.request.signal.store(before, Ordering::Relaxed);
        both.client.publish(LEN);
        assert_eq!(both.region.request.signal.load(Ordering::Relaxed), after, "{before:#x}");
    }
}
