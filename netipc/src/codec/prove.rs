//! The walk that proves a payload: front to back, each byte of the fixed part and of the text looked at once.
//!
//! A strict layout has one form: text, lists and rows stand one behind the other in the order of the fields. So the
//! walk is a cursor, and a part stands right when it stands at the cursor. UTF-8 is not proven string by string:
//! texts that follow each other make one run, NULs included, and a run is swept once, when something else begins.
//! A run is UTF-8 if and only if each of its texts is, because NUL is a character of its own.

use super::cell::{Cell, Class, slot, widen};
use super::error::{DecodeError, Rule};
use crate::buf::align_up;

/// Marks that no text waits for its sweep.
const NO_RUN: usize = usize::MAX;

/// Where the walk stands.
#[derive(Debug)]
pub struct Prover<'a> {
    bytes: &'a [u8],
    /// The first byte that nothing proven so far has claimed.
    pub(crate) cursor: usize,
    /// The bytes of text in a layout where text need not stand at the cursor.
    pub(crate) claimed: usize,
    /// Where the run of text that waits for its sweep begins.
    run: usize,
    /// Text is checked string by string, to name the one that is wrong.
    exact: bool,
}

impl<'a> Prover<'a> {
    #[inline]
    pub(crate) const fn new(bytes: &'a [u8], cursor: usize, exact: bool) -> Self {
        Self { bytes, cursor, claimed: 0, run: NO_RUN, exact }
    }

    #[inline]
    pub(crate) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    #[inline]
    pub(crate) const fn exact(&self) -> bool {
        self.exact
    }

    /// Proves the text whose `{offset, length}` is `cell`, right at the cursor.
    #[inline]
    pub(crate) fn text(&mut self, class: Class, cell: &[u8], at: usize, base: usize) -> Result<(), DecodeError> {
        let (offset, length) = slot(cell);
        let start = base.wrapping_add(widen(offset));
        if start != self.cursor {
            return Err(self.misplaced(at, base, offset));
        }
        let end = start.saturating_add(widen(length));
        if class == Class::Bytes {
            if end > self.bytes.len() {
                return Err(DecodeError::new(at, Rule::OutOfBounds { offset, length }));
            }
        } else {
            check_nul(self.bytes, at, offset, length, end)?;
        }
        match class {
            Class::Utf8 => {
                if self.exact {
                    check_utf8(self.bytes, start, end)?;
                } else if self.run == NO_RUN {
                    self.run = start;
                }
            }
            Class::CStr => {
                self.sweep()?;
                check_no_nul(self.bytes, start, end)?;
            }
            Class::NulBytes | Class::Bytes => self.sweep()?,
        }
        self.cursor = end + class.terminator();
        Ok(())
    }

    #[cold]
    fn misplaced(&self, at: usize, base: usize, offset: u32) -> DecodeError {
        DecodeError::new(at, Rule::Misplaced { expected: self.cursor.saturating_sub(base), found: widen(offset) })
    }

    /// Proves that `count` elements stand at the cursor, `offset` being what the wire says of it.
    pub(crate) fn list<E: Cell>(&mut self, cell: &[u8], at: usize, base: usize) -> Result<(), DecodeError> {
        const { assert!(E::SIZE > 0, "a list of elements without size has no length in bytes") };
        let (offset, count) = slot(cell);
        if count == 0 {
            return if offset == 0 {
                Ok(())
            } else {
                Err(DecodeError::new(at, Rule::Misplaced { expected: 0, found: widen(offset) }))
            };
        }
        self.sweep()?;
        let start = align_up(self.cursor, E::ALIGN);
        if base.wrapping_add(widen(offset)) != start {
            return Err(DecodeError::new(
                at,
                Rule::Misplaced { expected: start.saturating_sub(base), found: widen(offset) },
            ));
        }
        let end = start.saturating_add(widen(count).saturating_mul(E::SIZE));
        if end > self.bytes.len() {
            return Err(DecodeError::new(at, Rule::OutOfBounds { offset, length: count }));
        }
        self.padding(start)?;
        self.cursor = end;
        if E::PLAIN {
            return Ok(());
        }
        let elements = self.bytes.get(start..end).unwrap_or_default();
        let mut at = start;
        for element in elements.chunks_exact(E::SIZE) {
            E::prove(element, at, at, self)?;
            at += E::SIZE;
        }
        Ok(())
    }

    /// Proves that nothing but zeros stands between the cursor and `end`.
    #[inline]
    pub(crate) fn padding(&self, end: usize) -> Result<(), DecodeError> {
        let gap = self.bytes.get(self.cursor..end).unwrap_or_default();
        check_zero(gap, self.cursor).map_err(|error| error.within("", "padding"))
    }

    /// Ends a run of text.
    #[inline]
    pub(crate) fn sweep(&mut self) -> Result<(), DecodeError> {
        if self.run == NO_RUN {
            return Ok(());
        }
        let start = core::mem::replace(&mut self.run, NO_RUN);
        check_utf8(self.bytes, start, self.cursor)
    }
}

/// The NUL behind a text that ends at `end`, which is also the proof that the text lies inside `bytes`.
#[inline]
pub(crate) fn check_nul(bytes: &[u8], at: usize, offset: u32, length: u32, end: usize) -> Result<(), DecodeError> {
    match bytes.get(end) {
        Some(0) => Ok(()),
        Some(_) => Err(DecodeError::new(end, Rule::MissingNul)),
        None => Err(DecodeError::new(at, Rule::OutOfBounds { offset, length })),
    }
}

#[inline]
pub(crate) fn check_no_nul(bytes: &[u8], start: usize, end: usize) -> Result<(), DecodeError> {
    let text = bytes.get(start..end).unwrap_or_default();
    if has_nul(text) { Err(nul_inside(text, start)) } else { Ok(()) }
}

#[cold]
fn nul_inside(text: &[u8], start: usize) -> DecodeError {
    let inside = text.iter().position(|&byte| byte == 0).unwrap_or_default();
    DecodeError::new(start + inside, Rule::InteriorNul)
}

/// Whether a short text holds a NUL: word by word, the tail as one overlapping word.
#[inline]
fn has_nul(text: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero = |word: &[u8; 8]| {
        let word = u64::from_ne_bytes(*word);
        word.wrapping_sub(ONES) & !word & HIGHS
    };
    let Some(last) = text.last_chunk::<8>() else {
        return text.contains(&0);
    };
    let mut found = zero(last);
    for word in text.chunks_exact(8) {
        if let Some(word) = word.first_chunk::<8>() {
            found |= zero(word);
        }
    }
    found != 0
}

#[inline]
pub(crate) fn check_utf8(bytes: &[u8], start: usize, end: usize) -> Result<(), DecodeError> {
    let run = bytes.get(start..end).unwrap_or_default();
    let ascii = ascii_prefix(run);
    let Some(rest) = run.get(ascii..).filter(|rest| !rest.is_empty()) else {
        return Ok(());
    };
    match core::str::from_utf8(rest) {
        Ok(_) => Ok(()),
        Err(error) => Err(DecodeError::new(start + ascii + error.valid_up_to(), Rule::NotUtf8)),
    }
}

/// How many bytes at the front are certainly ASCII, in whole blocks; all of them when all are.
///
/// Blocks are folded with OR, which the compiler turns into wide vector code on every target.
#[inline]
fn ascii_prefix(run: &[u8]) -> usize {
    const BLOCK: usize = 64;
    let mut blocks = run.chunks_exact(BLOCK);
    let mut prefix = 0;
    for block in &mut blocks {
        if block.iter().fold(0, |all, byte| all | byte) >= 0x80 {
            return prefix;
        }
        prefix += BLOCK;
    }
    if blocks.remainder().is_ascii() { run.len() } else { prefix }
}

#[inline]
pub(crate) fn check_zero(bytes: &[u8], at: usize) -> Result<(), DecodeError> {
    if bytes.iter().fold(0, |all, byte| all | byte) == 0 { Ok(()) } else { Err(not_zero(bytes, at)) }
}

#[cold]
fn not_zero(bytes: &[u8], at: usize) -> DecodeError {
    DecodeError::new(at + bytes.iter().position(|&byte| byte != 0).unwrap_or_default(), Rule::NotZero)
}

#[cfg(test)]
mod tests {
    use super::{ascii_prefix, check_utf8, has_nul};

    #[test]
    fn has_nul_agrees_with_a_search_byte_by_byte() {
        for len in 0..40 {
            let mut text: Vec<u8> = (0..len).map(|i| [1, 0x80, 0x7f, 0xff, 0x01][i % 5]).collect();
            assert!(!has_nul(&text), "{len}");
            for at in 0..len {
                let byte = core::mem::replace(&mut text[at], 0);
                assert!(has_nul(&text), "{len} {at}");
                text[at] = byte;
            }
        }
    }

    #[test]
    fn the_ascii_prefix_ends_before_the_first_byte_that_is_not() {
        for len in 0..300 {
            let mut run = vec![b'x'; len];
            assert_eq!(ascii_prefix(&run), len);
            for at in (0..len).step_by(7) {
                run[at] = 0xc3;
                assert!(ascii_prefix(&run) <= at, "{len} {at}");
                run[at] = b'x';
            }
        }
    }

    #[test]
    fn utf8_agrees_with_the_standard_library() {
        let pieces: [&[u8]; 8] =
            [b"a", b"\xc3\xbc", b"\xe2\x82\xac", b"\xf0\x9f\x99\x82", b"\x80", b"\xc3", b"\0", b"\xff"];
        let mut seed = 1_u64;
        for _ in 0..20_000 {
            let mut run = Vec::new();
            for _ in 0..(seed >> 33) % 90 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let pick = (seed >> 40) as usize;
                run.extend_from_slice(if pick % 16 < 13 { b"plain" } else { pieces[pick / 16 % pieces.len()] });
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let expected = core::str::from_utf8(&run).map(|_| ()).map_err(|error| error.valid_up_to());
            let found = check_utf8(&run, 0, run.len()).map_err(|error| error.offset);
            assert_eq!(found, expected, "{run:?}");
        }
    }
}
