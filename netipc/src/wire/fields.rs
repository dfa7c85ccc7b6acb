//! The fixed structures, field by field.
//!
//! Owns: reading named fields front to back, so that an error knows name and byte, and joining fields into an array. It
//! refuses nothing but missing bytes; a parser reads all its fields first, which makes truncation the first rule.

use super::{Rule, Structure, WireError};
use crate::buf::{Reader, Writer};

/// Reads the fields of one structure.
pub(super) struct Fields<'a> {
    structure: Structure,
    size: usize,
    found: usize,
    reader: Reader<'a>,
}

/// A field that was read, with what an error must say about it.
#[derive(Clone, Copy)]
pub(super) struct Field<T> {
    pub(super) value: T,
    structure: Structure,
    name: &'static str,
    offset: usize,
}

impl<'a> Fields<'a> {
    /// Reads a structure of `size` bytes from the start of `bytes`.
    #[inline]
    pub(super) const fn new(structure: Structure, size: usize, bytes: &'a [u8]) -> Self {
        Self { structure, size, found: bytes.len(), reader: Reader::new(bytes) }
    }

    #[inline]
    pub(super) fn u16(&mut self, name: &'static str) -> Result<Field<u16>, WireError> {
        let offset = self.reader.position();
        let value = self.reader.u16().ok_or_else(|| self.truncated(name))?;
        Ok(Field { value, structure: self.structure, name, offset })
    }

    #[inline]
    pub(super) fn u32(&mut self, name: &'static str) -> Result<Field<u32>, WireError> {
        let offset = self.reader.position();
        let value = self.reader.u32().ok_or_else(|| self.truncated(name))?;
        Ok(Field { value, structure: self.structure, name, offset })
    }

    #[inline]
    pub(super) fn u64(&mut self, name: &'static str) -> Result<Field<u64>, WireError> {
        let offset = self.reader.position();
        let value = self.reader.u64().ok_or_else(|| self.truncated(name))?;
        Ok(Field { value, structure: self.structure, name, offset })
    }

    #[cold]
    const fn truncated(&self, name: &'static str) -> WireError {
        let rule = Rule::Truncated { needed: self.size as u64, found: self.found };
        WireError::new(self.structure, name, self.found, rule)
    }
}

impl<T> Field<T> {
    /// The error that this field breaks `rule`.
    #[cold]
    pub(super) const fn breaks(&self, rule: Rule) -> WireError {
        WireError::new(self.structure, self.name, self.offset, rule)
    }
}

impl Field<u16> {
    #[inline]
    pub(super) const fn version(&self, expected: u16) -> Result<(), WireError> {
        if self.value == expected { Ok(()) } else { Err(self.breaks(Rule::Version { expected, found: self.value })) }
    }

    #[inline]
    pub(super) const fn zero(&self) -> Result<(), WireError> {
        if self.value == 0 { Ok(()) } else { Err(self.breaks(Rule::Zero { found: self.value as u32 })) }
    }
}

impl Field<u32> {
    #[inline]
    pub(super) const fn magic(&self, expected: u32) -> Result<(), WireError> {
        if self.value == expected { Ok(()) } else { Err(self.breaks(Rule::Magic { expected, found: self.value })) }
    }

    #[inline]
    pub(super) const fn zero(&self) -> Result<(), WireError> {
        if self.value == 0 { Ok(()) } else { Err(self.breaks(Rule::Zero { found: self.value })) }
    }
}

/// The fields of a structure of `N` bytes, one after the other.
#[inline]
pub(super) fn join<const N: usize>(fields: &[&[u8]]) -> [u8; N] {
    let mut bytes = [0; N];
    let mut writer = Writer::new(&mut bytes);
    for field in fields {
        writer.append(field);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::{Fields, join};
    use crate::wire::{Rule, Structure};

    #[test]
    fn a_missing_byte_is_named_by_its_field() {
        let whole: [u8; 14] = join(&[&1_u16.to_ne_bytes(), &2_u32.to_ne_bytes(), &3_u64.to_ne_bytes()]);
        for len in 0..whole.len() {
            let mut fields = Fields::new(Structure::Hello, whole.len(), &whole[..len]);
            let read = fields.u16("a").and_then(|_| fields.u32("b")).and_then(|_| fields.u64("c"));
            let error = read.map(|field| field.value).unwrap_err();
            let name = ["a", "b", "c"][usize::from(len >= 2) + usize::from(len >= 6)];
            assert_eq!((error.field(), error.offset()), (name, len));
            assert_eq!(error.rule(), Rule::Truncated { needed: 14, found: len });
        }
    }

    #[test]
    fn a_broken_rule_points_at_the_first_byte_of_its_field() {
        let bytes: [u8; 6] = join(&[&2_u16.to_ne_bytes(), &9_u32.to_ne_bytes()]);
        let mut fields = Fields::new(Structure::Hello, bytes.len(), &bytes);
        let (first, second) = (fields.u16("first").unwrap(), fields.u32("second").unwrap());
        assert_eq!(first.version(1).unwrap_err().rule(), Rule::Version { expected: 1, found: 2 });
        assert_eq!((first.version(2), second.magic(9)), (Ok(()), Ok(())));
        assert_eq!(first.zero().unwrap_err().offset(), 0);
        let error = second.zero().unwrap_err();
        assert_eq!((error.field(), error.offset(), error.rule()), ("second", 2, Rule::Zero { found: 9 }));
    }
}
