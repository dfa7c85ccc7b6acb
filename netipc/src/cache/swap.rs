//! One value that is replaced now and then, and read all the time.
//!
//! Owns: which of its slots is the one to read, and when another may be written. Readers never wait: they pin the slot
//! that they read, by a count of their own cache line, and whoever replaces the value writes a slot that nobody pins. It
//! refuses to make the writer wait for readers either: where all slots are pinned there are more.
#![expect(unsafe_code, reason = "a slot that nobody pins is the writer's alone")]

use core::fmt;
use core::mem;
use core::ops::Deref;

use crate::sync::{AtomicUsize, ModelledMutex as Mutex, OnceLock, Ordering, PoisonError, Shard, Shards, UnsafeCell};

#[cfg(all(test, loom))]
mod model;

/// Slots that are made at a time. Two are enough unless readers hold on to old values.
const AT_A_TIME: usize = 4;

/// The slots, and which of them is current.
///
/// # Invariants
/// 1. The value of a slot is written only by who holds `writing`, while the slot is not `current` and has no pins.
/// 2. A reader looks at the value of a slot only between pinning it and unpinning it, and only if the slot was `current`
///    after it was pinned.
///
/// These two exclude each other. Pinning is a read-modify-write of a count, and so is looking at it: one of the two comes
/// first, and the other sees it. Whoever would write a slot has published another before and looks at the pins after that.
/// If a pin comes first, the slot is not free. If the look comes first, the pin acquires what that released, so its reader
/// then finds another slot `current`, or the same one published anew with what was written into it meanwhile.
pub(super) struct Swap<T> {
    current: AtomicUsize,
    slots: Segment<T>,
    writing: Mutex<()>,
}

struct Segment<T> {
    slots: [Pinned<T>; AT_A_TIME],
    more: OnceLock<Box<Self>>,
}

struct Pinned<T> {
    /// Readers that look at the value, or are about to find out that they may not.
    pins: Shards,
    value: UnsafeCell<Option<T>>,
}

impl<T> Pinned<T> {
    fn new(value: Option<T>) -> Self {
        Self { pins: Shards::new(), value: UnsafeCell::new(value) }
    }

    /// Nobody has it pinned.
    fn is_free(&self) -> bool {
        // A read-modify-write, so that no pin can come between the newest count and this look. Acquire: pairs with the
        // Release in `Pin::drop`, so that readers have done with the value. Release: pairs with the Acquire in `read`,
        // which then finds what was published before this.
        self.pins.all(|pins| pins.fetch_add(0, Ordering::AcqRel) == 0)
    }

    /// Puts `value` in the place of what there is.
    ///
    /// # Safety
    /// The caller holds `writing`, and the slot was found free while it was not current.
    unsafe fn put(&self, value: Option<T>) -> Option<T> {
        // SAFETY: nobody else looks at the value, by invariants 1 and 2 of `Swap` and what the caller promises.
        self.value.with_mut(|place| mem::replace(unsafe { &mut *place }, value))
    }
}

impl<T> Segment<T> {
    fn new() -> Self {
        Self { slots: core::array::from_fn(|_| Pinned::new(None)), more: OnceLock::new() }
    }
}

impl<T> fmt::Debug for Swap<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Swap").finish_non_exhaustive()
    }
}

impl<T> Swap<T> {
    /// Without a value.
    pub(super) fn new() -> Self {
        Self { current: AtomicUsize::new(0), slots: Segment::new(), writing: Mutex::new(()) }
    }

    /// The value, which stays as long as the pin does.
    #[inline]
    pub(super) fn read(&self) -> Pin<'_, T> {
        let shard = Shard::of_this_thread();
        loop {
            // Acquire: pairs with the Release in `replace`, for a slot that is new. It is looked at once more below.
            let at = self.current.load(Ordering::Acquire);
            let slot = self.slot(at);
            let pins = slot.pins.of(shard);
            // Acquire: pairs with the Release in `is_free`, if that came first.
            pins.fetch_add(1, Ordering::Acquire);
            // Acquire: pairs with the Release in `replace`, for the value.
            if self.current.load(Ordering::Acquire) == at {
                return Pin { slot, pins };
            }
            // Relaxed: nothing was looked at.
            pins.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Puts `value` in the place of what there is, for those who read from now on. What was there before comes back if
    /// nobody reads it any more; otherwise it goes with the next replacement that finds it so.
    pub(super) fn replace(&self, value: T) -> Option<T> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // Relaxed: only who holds `writing` stores it.
        let old = self.current.load(Ordering::Relaxed);
        let (new, slot) = self.free_slot(old);
        // SAFETY: it was found free, and is not current.
        drop(unsafe { slot.put(Some(value)) });
        // Release: pairs with the Acquire in `read`, for the value.
        self.current.store(new, Ordering::Release);
        self.retire(old)
    }

    /// Takes away whatever nobody reads and nobody will; the value of slot `old` is handed back.
    fn retire(&self, old: usize) -> Option<T> {
        // Relaxed: only who holds `writing` stores it.
        let current = self.current.load(Ordering::Relaxed);
        let mut retired = None;
        let (mut at, mut segment) = (0, Some(&self.slots));
        while let Some(here) = segment {
            for slot in &here.slots {
                if at != current && slot.is_free() {
                    // SAFETY: as its caller, this holds `writing`; the slot was found free, and is not current.
                    let value = unsafe { slot.put(None) };
                    if at == old {
                        retired = value;
                    }
                }
                at += 1;
            }
            segment = here.more.get().map(|more| &**more);
        }
        retired
    }

    /// A slot that is free and not `current`, and its number.
    fn free_slot(&self, current: usize) -> (usize, &Pinned<T>) {
        let (mut first, mut segment) = (0, &self.slots);
        loop {
            for (at, slot) in (first..).zip(&segment.slots) {
                if at != current && slot.is_free() {
                    return (at, slot);
                }
            }
            first += AT_A_TIME;
            segment = segment.more.get_or_init(|| Box::new(Segment::new()));
        }
    }

    /// The slot with this number, which there is: numbers are only ever made by `free_slot`.
    #[inline]
    fn slot(&self, at: usize) -> &Pinned<T> {
        let (mut at, mut segment) = (at, &self.slots);
        loop {
            match segment.slots.get(at) {
                Some(slot) => return slot,
                None => {
                    at -= AT_A_TIME;
                    segment = segment.more.get_or_init(|| Box::new(Segment::new()));
                }
            }
        }
    }
}

/// A value that stays as it is while this lives.
pub(super) struct Pin<'a, T> {
    slot: &'a Pinned<T>,
    pins: &'a AtomicUsize,
}

impl<T> Deref for Pin<'_, T> {
    type Target = Option<T>;

    #[inline]
    fn deref(&self) -> &Option<T> {
        // SAFETY: the slot was current after it was pinned, and still is pinned: invariants 1 and 2 of `Swap`.
        self.slot.value.with(|place| unsafe { &*place })
    }
}

impl<T> Drop for Pin<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `is_free`; what was read was read before.
        self.pins.fetch_sub(1, Ordering::Release);
    }
}

// SAFETY: values are handed from thread to thread, and looked at by several at once; who may do what to one, and when, is
// what invariants 1 and 2 of `Swap` say.
unsafe impl<T: Send + Sync> Sync for Pinned<T> {}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{AT_A_TIME, Swap};
    use crate::sync::Arc;

    #[test]
    fn a_pin_keeps_the_value_that_it_was_made_of() {
        let swap = Swap::new();
        assert!(swap.read().is_none());
        assert_eq!(swap.replace(1), None);
        let first = swap.read();
        assert_eq!((*first, swap.replace(2)), (Some(1), None), "somebody reads it");
        assert_eq!((*first, *swap.read()), (Some(1), Some(2)));
        drop(first);
        assert_eq!(swap.replace(3), Some(2));
        assert_eq!(*swap.read(), Some(3));
    }

    #[test]
    fn any_number_of_values_can_be_pinned() {
        let swap = Swap::new();
        let pins: Vec<_> = (0..5 * AT_A_TIME)
            .map(|value| {
                swap.replace(value);
                swap.read()
            })
            .collect();
        for (value, pin) in pins.iter().enumerate() {
            assert_eq!(**pin, Some(value));
        }
    }

    #[test]
    fn old_values_are_dropped_with_the_next_replacement_and_all_in_the_end() {
        let (swap, value) = (Swap::new(), Arc::new(()));
        swap.replace(Arc::clone(&value));
        let pin = swap.read();
        drop(swap.replace(Arc::clone(&value)));
        assert_eq!(Arc::strong_count(&value), 3);
        drop(pin);
        drop(swap.replace(Arc::clone(&value)));
        assert_eq!(Arc::strong_count(&value), 2, "the pinned one and the last one went");
        drop(swap);
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn readers_see_whole_values_however_often_they_change() {
        let swap = Swap::new();
        swap.replace([0_u64; 64]);
        let done = crate::sync::AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut last = 0;
                    while !done.load(crate::sync::Ordering::Relaxed) {
                        let pin = swap.read();
                        let values = pin.unwrap();
                        assert!(values.iter().all(|value| *value == values[0]) && values[0] >= last);
                        last = values[0];
                    }
                });
            }
            for value in 1..100_000 {
                swap.replace([value; 64]);
            }
            done.store(true, crate::sync::Ordering::Relaxed);
        });
    }
}
