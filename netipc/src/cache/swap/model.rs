//! Models of a swap: readers and writers of one value, in every order that the memory model allows.
//!
//! A value that somebody looks at while it is written, or before what was written is known to be, is told by the model's
//! own cells, at each look and for good: so each reader looks twice, with something between for the others to come in.

use loom::thread::{JoinHandle, spawn, yield_now};

use super::{AT_A_TIME, Swap};
use crate::sync::Arc;

/// Both halves are always equal.
type Pair = Box<(u32, u32)>;

fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}

fn join(thread: JoinHandle<()>) {
    thread.join().unwrap();
}

fn put(swap: &Swap<Pair>, value: u32) {
    if let Some(retired) = swap.replace(Box::new((value, value))) {
        assert!(retired.0 == retired.1 && retired.0 != value);
    }
}

/// Looks at what there is, for a while; which one it was.
fn look(swap: &Swap<Pair>) -> u32 {
    let pin = swap.read();
    let first = (*pin).as_deref().copied();
    yield_now();
    assert_eq!((*pin).as_deref().copied(), first, "it stays as it is while it is pinned");
    let (one, other) = first.unwrap_or_default();
    assert_eq!(one, other);
    one
}

#[test]
fn model_a_reader_sees_whole_values_in_their_order() {
    check(4, || {
        let swap = Arc::new(Swap::new());
        let writer = spawn({
            let swap = Arc::clone(&swap);
            move || (1..=3).for_each(|value| put(&swap, value))
        });
        let first = look(&swap);
        assert!(look(&swap) >= first);
        join(writer);
        assert_eq!(look(&swap), 3);
    });
}

#[test]
fn model_a_slot_is_written_again_only_when_its_reader_has_gone() {
    // Each replacement takes the first slot that is free, so the first is written again and again.
    check(3, || {
        let swap = Arc::new(Swap::new());
        put(&swap, 1);
        let reader = spawn({
            let swap = Arc::clone(&swap);
            move || assert!((1..=5).contains(&look(&swap)))
        });
        (2..=5).for_each(|value| put(&swap, value));
        join(reader);
    });
}

#[test]
fn model_two_readers_and_a_writer() {
    check(3, || {
        let swap = Arc::new(Swap::new());
        let readers = [0; 2].map(|_| {
            let swap = Arc::clone(&swap);
            spawn(move || drop(look(&swap)))
        });
        (1..=2).for_each(|value| put(&swap, value));
        readers.into_iter().for_each(join);
    });
}

#[test]
fn model_two_writers_and_a_reader() {
    check(3, || {
        let swap = Arc::new(Swap::new());
        let writer = spawn({
            let swap = Arc::clone(&swap);
            move || put(&swap, 1)
        });
        let reader = spawn({
            let swap = Arc::clone(&swap);
            move || drop(look(&swap))
        });
        put(&swap, 2);
        join(writer);
        join(reader);
        assert!([1, 2].contains(&look(&swap)));
    });
}

#[test]
fn model_more_slots_are_made_while_somebody_reads() {
    check(3, || {
        let swap = Arc::new(Swap::new());
        let mut pins = Vec::new();
        for value in (1..).take(AT_A_TIME - 1) {
            put(&swap, value);
            pins.push(swap.read());
        }
        let reader = spawn({
            let swap = Arc::clone(&swap);
            move || drop(look(&swap))
        });
        // The first slot, which nobody reads any more, and then one that is yet to be made.
        put(&swap, 10);
        let pin = swap.read();
        put(&swap, 11);
        join(reader);
        assert_eq!(pin.as_deref(), Some(&(10, 10)));
        for (value, pin) in (1..).zip(&pins) {
            assert_eq!(pin.as_deref(), Some(&(value, value)));
        }
        drop(pin);
        drop(pins);
    });
}
