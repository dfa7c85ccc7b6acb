//! Strings of a message that may stand in any order, kept apart from each other at proof: a list as long as the strings
//! are many, in the type, so that it costs no memory.

/// Strings that must not share bytes with the next one.
pub trait Spans: Copy {
    /// Whether none of them touches `start..end`.
    fn clear_of(self, start: usize, end: usize) -> bool;
}

impl Spans for () {
    #[inline(always)]
    fn clear_of(self, _: usize, _: usize) -> bool {
        true
    }
}

/// A string's first byte and the one behind its NUL.
pub(super) type Span = (usize, usize);

impl<S: Spans> Spans for (Span, S) {
    #[inline(always)]
    fn clear_of(self, start: usize, end: usize) -> bool {
        let ((other_start, other_end), rest) = self;
        (end <= other_start || other_end <= start) && rest.clear_of(start, end)
    }
}
