//! What threads share: the one place that names atomics and locks.
//!
//! Owns: the choice of where they come from, so that a model can put its own in their stead. With `--cfg loom` the words
//! that threads of one process share are the model's; those in memory that processes share stay the machine's, and a
//! model stands its own in for them through [`Word`].

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{AtomicBool, AtomicUsize};
#[cfg(not(loom))]
pub(crate) use mapped::AtomicU64;
/// A lock that a model puts its own in the stead of.
#[cfg(not(loom))]
pub(crate) use std::sync::Mutex as ModelledMutex;
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
#[cfg(test)]
pub(crate) use std::sync::{Barrier, mpsc::channel};

#[cfg(not(loom))]
pub(crate) use core::hint::spin_loop;
pub(crate) use core::sync::atomic::Ordering;
#[cfg(loom)]
pub(crate) use loom::cell::UnsafeCell;
#[cfg(loom)]
pub(crate) use loom::hint::spin_loop;
#[cfg(loom)]
pub(crate) use loom::sync::Mutex as ModelledMutex;
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

/// Memory that is written behind shared references, by who may; a model's own tells on who may not.
#[cfg(not(loom))]
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(core::cell::UnsafeCell::new(value))
    }

    /// Hands out a pointer to look at the value by.
    #[inline(always)]
    pub(crate) fn with<R>(&self, look: impl FnOnce(*const T) -> R) -> R {
        look(self.0.get())
    }

    /// Hands out a pointer to change the value by.
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, change: impl FnOnce(*mut T) -> R) -> R {
        change(self.0.get())
    }
}

/// Processors hand lines of 64 bytes to each other, and some fetch them in pairs.
#[repr(align(128))]
#[derive(Debug)]
struct Line(AtomicUsize);

/// One count in parts, so that threads which change it at once don't slow each other down.
#[derive(Debug)]
pub(crate) struct Shards([Line; SHARDS]);

#[cfg(not(loom))]
const SHARDS: usize = 8;
#[cfg(loom)]
const SHARDS: usize = 1;

/// The part that a thread changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shard(usize);

impl Shard {
    /// Threads take the parts in turn.
    #[inline]
    pub(crate) fn of_this_thread() -> Self {
        // The machine's: which part a thread has is nothing that a model looks at.
        use core::sync::atomic::AtomicUsize as Count;
        static NEXT: Count = Count::new(1);
        thread_local! {
            static MINE: core::cell::Cell<usize> = const { core::cell::Cell::new(0) };
        }
        let mine = MINE.try_with(|mine| {
            if mine.get() == 0 {
                // Relaxed: any number will do.
                mine.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS + 1);
            }
            mine.get() - 1
        });
        // A thread that ends has none any more.
        Self(mine.unwrap_or_default())
    }
}

impl Shards {
    pub(crate) fn new() -> Self {
        Self(core::array::from_fn(|_| Line(AtomicUsize::new(0))))
    }

    #[inline]
    pub(crate) fn of(&self, Shard(shard): Shard) -> &AtomicUsize {
        let Line(count) = self.0.get(shard).unwrap_or(&self.0[0]);
        count
    }

    pub(crate) fn all(&self, is: impl Fn(&AtomicUsize) -> bool) -> bool {
        self.0.iter().all(|Line(count)| is(count))
    }
}

/// Words that lie in memory which other processes have too.
pub(crate) mod mapped {
    pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64};
}

/// The content of a lock, also where a thread panicked that held it.
///
/// Nothing here leaves a lock's content half changed, so there is nothing to fear in it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A number that nobody else in this process has got from here.
pub(crate) fn unique() -> u64 {
    // The machine's: no model counts so far.
    use mapped::AtomicU64 as Count;
    static NEXT: Count = Count::new(1);
    // Relaxed: nothing but the number itself depends on it.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An atomic word of the machine's or of a model's.
pub(crate) trait Word<T> {
    fn load(&self, order: Ordering) -> T;
    fn store(&self, value: T, order: Ordering);
    fn swap(&self, value: T, order: Ordering) -> T;
    fn fetch_or(&self, bits: T, order: Ordering) -> T;
    /// Puts `new` in the place of `current`.
    ///
    /// # Errors
    /// What stands there, where it is something else.
    fn exchange(&self, current: T, new: T, success: Ordering, failure: Ordering) -> Result<T, T>;
}

macro_rules! word {
    ($($atomic:ty: $value:ty;)*) => {$(
        impl Word<$value> for $atomic {
            #[inline]
            fn load(&self, order: Ordering) -> $value {
                self.load(order)
            }

            #[inline]
            fn store(&self, value: $value, order: Ordering) {
                self.store(value, order);
            }

            #[inline]
            fn swap(&self, value: $value, order: Ordering) -> $value {
                self.swap(value, order)
            }

            #[inline]
            fn fetch_or(&self, bits: $value, order: Ordering) -> $value {
                self.fetch_or(bits, order)
            }

            #[inline]
            fn exchange(&self, current: $value, new: $value, success: Ordering, failure: Ordering) -> Result<$value, $value> {
                self.compare_exchange(current, new, success, failure)
            }
        }
    )*};
}

mod words {
    use super::{Ordering, Word, mapped};

    word! {
        mapped::AtomicU32: u32;
        mapped::AtomicU64: u64;
    }

    #[cfg(loom)]
    word! {
        loom::sync::atomic::AtomicU32: u32;
        loom::sync::atomic::AtomicU64: u64;
    }
}
