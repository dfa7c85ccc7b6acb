//! What threads share: the one place that names atomics and locks.
//!
//! Owns: the choice of where they come from, so that a model can put its own in their stead.

pub(crate) use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
#[cfg(test)]
pub(crate) use std::sync::Barrier;
pub(crate) use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

/// The content of a lock, also where a thread panicked that held it.
///
/// Nothing here leaves a lock's content half changed, so there is nothing to fear in it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
