//! Arithmetic over layouts, in constants.

pub use crate::buf::align_up;

/// The largest of `numbers`, and at least 1.
#[must_use]
pub const fn largest(numbers: &[usize]) -> usize {
    let mut largest = 1;
    let mut i = 0;
    while i < numbers.len() {
        if numbers[i] > largest {
            largest = numbers[i];
        }
        i += 1;
    }
    largest
}
