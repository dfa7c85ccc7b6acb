use std::thread::scope;

use super::{Bed, Dormant, NOISE, PLACES, Ward, wake_at};
use crate::sync::mapped::AtomicU32;
use crate::sync::{Arc, Ordering, channel};
use crate::transport::LinkError;

/// Somebody whose word and messages belong to a test.
#[derive(Debug, Clone, Default)]
struct Fake(Arc<State>);

#[derive(Debug, Default)]
struct State {
    word: AtomicU32,
    /// What the word held when it lay down.
    asleep: AtomicU32,
    has_message: AtomicU32,
    times_lain_down: AtomicU32,
    times_glanced: AtomicU32,
    looks_for_itself: AtomicU32,
}

impl Dormant<AtomicU32> for Fake {
    fn lie_down(&mut self) -> Result<bool, LinkError> {
        self.0.times_lain_down.fetch_add(1, Ordering::SeqCst);
        self.0.asleep.store(self.0.word.load(Ordering::SeqCst), Ordering::SeqCst);
        Ok(self.0.has_message.load(Ordering::SeqCst) == 0)
    }

    fn word(&self) -> (&AtomicU32, u32) {
        (&self.0.word, self.0.asleep.load(Ordering::SeqCst))
    }

    fn stirs(&self) -> bool {
        self.0.word.load(Ordering::SeqCst) != self.0.asleep.load(Ordering::SeqCst)
    }

    fn looks_for_itself(&self) -> bool {
        self.0.looks_for_itself.load(Ordering::SeqCst) > 0
    }

    fn glance(&self) {
        self.0.times_glanced.fetch_add(1, Ordering::SeqCst);
    }

    fn get_up(&mut self) {}
}

impl Fake {
    /// What any peer can do.
    fn disturb(&self) {
        self.0.word.fetch_add(1, Ordering::SeqCst);
        wake_at(&self.0.word, 1);
    }

    /// What a good one does.
    fn send(&self) {
        self.0.has_message.store(1, Ordering::SeqCst);
        self.disturb();
    }

    fn times_lain_down(&self) -> u32 {
        self.0.times_lain_down.load(Ordering::SeqCst)
    }
}

fn bed() -> (Fake, Bed<(), Fake>) {
    let fake = Fake::default();
    let bed = Bed { guest: (), berth: fake.clone(), noise: 0, is_ignored: false, is_woken: false };
    (fake, bed)
}

#[test]
fn who_is_disturbed_for_nothing_time_and_again_is_looked_at_only_now_and_then() {
    let (fake, mut bed) = bed();
    assert!(!bed.has_something_to_do(false) && !bed.has_something_to_do(true));
    assert_eq!(fake.times_lain_down(), 0);
    for times in 1..=NOISE + 1 {
        assert!(!bed.is_ignored);
        // Also who is woken without a change.
        if times % 2 == 0 {
            fake.disturb();
        } else {
            bed.is_woken = true;
        }
        assert!(!bed.has_something_to_do(false));
        assert_eq!(fake.times_lain_down(), times);
    }
    for moment in 0..3 {
        for _ in 0..1000 {
            fake.disturb();
            assert!(bed.is_ignored && bed.needs_a_look() && !bed.has_something_to_do(false));
        }
        assert_eq!(fake.times_lain_down(), NOISE + 1 + 2 * moment);
        // It gets another chance when the moment has passed, and has no credit any more.
        assert!(!bed.has_something_to_do(true) && !bed.is_ignored && !bed.needs_a_look());
        fake.disturb();
        assert!(!bed.has_something_to_do(false));
    }
    // A message is found all the same, but not sooner.
    fake.send();
    assert!(!bed.has_something_to_do(false));
    assert!(bed.has_something_to_do(true));
}

#[test]
fn who_is_not_watched_is_looked_at_when_the_moment_has_passed() {
    let (fake, mut bed) = bed();
    assert!(!bed.needs_a_look());
    fake.0.looks_for_itself.store(1, Ordering::SeqCst);
    assert!(bed.needs_a_look() && !bed.has_something_to_do(false));
    assert_eq!(fake.0.times_glanced.load(Ordering::SeqCst), 0);
    assert!(!bed.has_something_to_do(true));
    assert_eq!(fake.0.times_glanced.load(Ordering::SeqCst), 1);
}

#[test]
fn each_of_many_is_woken_by_its_own_message_whatever_others_do() {
    let ward: Ward<usize, Fake> = Ward::with_bell(AtomicU32::new(0));
    let fakes: Vec<_> = (0..PLACES).map(|_| Fake::default()).collect();
    let (wake, woken) = channel();
    scope(|scope| {
        scope.spawn(|| ward.watch(|number, _| wake.send(number).unwrap()));
        for (number, fake) in fakes.iter().enumerate() {
            assert!(fake.clone().lie_down().unwrap());
            assert!(ward.admit(number, fake.clone()).is_none());
        }
        let (noisy, good) = fakes.split_first().unwrap();
        for (number, fake) in good.iter().enumerate().rev() {
            for _ in 0..10 {
                noisy.disturb();
            }
            fake.send();
            assert_eq!(woken.recv(), Ok(number + 1));
        }
        // It was noisy from the beginning, and is heard in the end.
        noisy.send();
        assert_eq!(woken.recv(), Ok(0));
        ward.close();
    });
}

#[test]
fn a_ward_that_is_closed_wakes_all_and_takes_in_nobody() {
    for is_watched_before in [true, false] {
        let ward: Ward<usize, Fake> = Ward::with_bell(AtomicU32::new(0));
        let (wake, woken) = channel();
        scope(|scope| {
            let watch = || ward.watch(|number, _| wake.send(number).unwrap());
            if is_watched_before {
                scope.spawn(watch);
            }
            for number in 0..5 {
                assert!(ward.admit(number, Fake::default()).is_none());
            }
            ward.close();
            if !is_watched_before {
                scope.spawn(watch);
            }
            let mut numbers: Vec<_> = woken.iter().take(5).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, [0, 1, 2, 3, 4]);
        });
        assert_eq!(ward.admit(9, Fake::default()).map(|(number, _)| number), Some(9));
        assert!(woken.try_recv().is_err());
    }
}
