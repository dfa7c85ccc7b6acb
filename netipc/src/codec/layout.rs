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

/// First bytes of fields, and the bytes behind them, one field behind the other from byte `start` on: each of its `(size,
/// alignment)`.
#[must_use]
pub const fn lay<const N: usize>(start: usize, fields: [(usize, usize); N]) -> [(usize, usize); N] {
    let mut laid = [(start, start); N];
    let mut end = start;
    let mut i = 0;
    while i < N {
        let (size, align) = fields[i];
        let at = align_up(end, align);
        end = at + size;
        laid[i] = (at, end);
        i += 1;
    }
    laid
}

#[cfg(test)]
mod tests {
    use super::{largest, lay};

    #[test]
    fn fields_stand_at_their_alignment() {
        assert_eq!(lay(2, [(1, 1), (4, 4), (8, 8), (3, 1)]), [(2, 3), (4, 8), (8, 16), (16, 19)]);
        assert_eq!(lay(7, []), []);
    }

    #[test]
    fn the_largest_of_nothing_is_one() {
        assert_eq!((largest(&[]), largest(&[4, 8, 2])), (1, 8));
    }
}
