//! An allocator that counts what is allocated on a thread, for as long as it is told to.
//!
//! Owns: the counts. A program that wants them makes it its global allocator.

#![expect(unsafe_code, reason = "an allocator is made of nothing else")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    /// Allocations, and bytes in them.
    static COUNT: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

static IS_COUNTING: AtomicBool = AtomicBool::new(false);

/// The system's allocator, and the counts.
#[derive(Debug)]
pub struct Counting;

impl Counting {
    /// Counts from now on: programs that never ask pay for one look at a flag.
    pub fn begin() {
        // Relaxed: each thread reads its own counts alone.
        IS_COUNTING.store(true, Ordering::Relaxed);
    }

    /// Stops counting.
    pub fn end() {
        IS_COUNTING.store(false, Ordering::Relaxed);
    }
}

/// How many allocations this thread has made, and how many bytes they had.
#[must_use]
pub fn counted() -> (u64, u64) {
    COUNT.get()
}

// SAFETY: all is handed on to the system's allocator; the counts are plain numbers of this thread.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as the caller says.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[inline]
fn count(bytes: usize) {
    if IS_COUNTING.load(Ordering::Relaxed) {
        // A thread that ends has no counts any more.
        let _ = COUNT.try_with(|count| count.set((count.get().0 + 1, count.get().1 + bytes as u64)));
    }
}
