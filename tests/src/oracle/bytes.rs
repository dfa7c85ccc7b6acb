//! The few checked steps that the oracles are made of (docs/protocol.md, section 5.1).
//!
//! Owns: reading a number or a range at a place, a text field, a directory; and the opposite of each for the encoders.
//! Refuses: whatever does not lie inside the bytes it was told to look at. Nothing here panics, and every sum is made in
//! `u64` or wider, where sums of `u32` cannot wrap.

use std::borrow::Cow;

/// Why a payload was refused: the rule that it broke, in words.
pub type Reason = &'static str;

/// The bytes of a string, without its NUL; borrowed from the payload where they were decoded.
pub type Text<'a> = Cow<'a, [u8]>;

/// A place in some bytes: first byte, and the byte after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

pub(crate) fn align8(n: u64) -> u64 {
    n.div_ceil(8) * 8
}

pub(crate) fn slice(bytes: &[u8], start: u64, length: u64) -> Result<&[u8], Reason> {
    let end = u128::from(start) + u128::from(length);
    if end > bytes.len() as u128 {
        return Err("out of bounds");
    }
    Ok(&bytes[start as usize..end as usize])
}

pub(crate) fn u16_at(bytes: &[u8], at: u64) -> Result<u16, Reason> {
    let b = slice(bytes, at, 2)?;
    Ok(u16::from_ne_bytes([b[0], b[1]]))
}

pub(crate) fn u32_at(bytes: &[u8], at: u64) -> Result<u32, Reason> {
    let b = slice(bytes, at, 4)?;
    Ok(u32::from_ne_bytes([b[0], b[1], b[2], b[3]]))
}

pub(crate) fn u64_at(bytes: &[u8], at: u64) -> Result<u64, Reason> {
    let b = slice(bytes, at, 8)?;
    Ok(u64::from_ne_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]))
}

/// `layout_version u16 = 1, flags u16 = 0` in front of the bytes.
pub(crate) fn prefix(bytes: &[u8]) -> Result<(), Reason> {
    if u16_at(bytes, 0)? != 1 {
        return Err("layout version is not 1");
    }
    if u16_at(bytes, 2)? != 0 {
        return Err("flags are not 0");
    }
    Ok(())
}

pub(crate) fn all_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// The text whose `{offset, length}` is at `field`, and the room that it takes with its NUL.
///
/// It may not begin before `first`, where the variable part of the structure does.
pub(crate) fn text(bytes: &[u8], field: u64, first: u64) -> Result<(&[u8], Range), Reason> {
    let offset = u64::from(u32_at(bytes, field)?);
    let length = u64::from(u32_at(bytes, field + 4)?);
    if offset < first {
        return Err("a string begins inside the fixed part");
    }
    let with_nul = slice(bytes, offset, length + 1)?;
    let (nul, text) = with_nul.split_last().ok_or("a string without room for its NUL")?;
    if *nul != 0 {
        return Err("a string without NUL behind it");
    }
    Ok((text, Range { start: offset, end: offset + length + 1 }))
}

/// A text as [`text`] finds it, which has no NUL inside.
pub(crate) fn c_text(bytes: &[u8], field: u64, first: u64) -> Result<(&[u8], Range), Reason> {
    let found = text(bytes, field, first)?;
    if found.0.contains(&0) {
        return Err("a NUL inside a string");
    }
    Ok(found)
}

/// Compares each range with each other one.
pub(crate) fn disjoint(ranges: &[Range]) -> Result<(), Reason> {
    for (i, a) in ranges.iter().enumerate() {
        for b in &ranges[i + 1..] {
            if a.start < b.end && b.start < a.end {
                return Err("strings overlap");
            }
        }
    }
    Ok(())
}

/// The places of `count` items in the packed area, and that area, which begins behind the directory at `directory`.
pub(crate) fn directory(payload: &[u8], directory: u64, count: u32) -> Result<(Vec<Range>, &[u8]), Reason> {
    let entries = slice(payload, directory, u64::from(count) * 8)?;
    let area = &payload[directory as usize + entries.len()..];
    let mut places = Vec::new();
    for i in 0..u64::from(count) {
        let offset = u64::from(u32_at(entries, i * 8)?);
        let length = u64::from(u32_at(entries, i * 8 + 4)?);
        if offset % 8 != 0 {
            return Err("an item's offset is not a multiple of 8");
        }
        slice(area, offset, length)?;
        places.push(Range { start: offset, end: offset + length });
    }
    Ok((places, area))
}

/// Lookups want their items one behind the other.
pub(crate) fn ascending(places: &[Range]) -> Result<(), Reason> {
    for pair in places.windows(2) {
        if pair[1].start < pair[0].end {
            return Err("items overlap or descend");
        }
    }
    Ok(())
}

pub(crate) fn put_u16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_ne_bytes());
}

pub(crate) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
}

pub(crate) fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes());
}

/// A length as the wire says it; one that it cannot say becomes one that no decoder believes.
pub(crate) fn length(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

pub(crate) fn pad_to_8(bytes: &mut Vec<u8>) {
    while !bytes.len().is_multiple_of(8) {
        bytes.push(0);
    }
}

/// Puts the text and its NUL behind what is there, and says at `field` where.
pub(crate) fn append_text(structure: &mut Vec<u8>, field: usize, text: &[u8]) {
    let offset = length(structure.len());
    structure.extend_from_slice(text);
    structure.push(0);
    put_u32(structure, field, offset);
    put_u32(structure, field + 4, length(text.len()));
}

/// Puts the directory and the packed area of `items` behind a header.
pub(crate) fn append_items(header: &mut Vec<u8>, items: impl Iterator<Item = Vec<u8>>) {
    let mut area = Vec::new();
    for item in items {
        pad_to_8(&mut area);
        header.extend_from_slice(&length(area.len()).to_ne_bytes());
        header.extend_from_slice(&length(item.len()).to_ne_bytes());
        area.extend_from_slice(&item);
    }
    header.extend_from_slice(&area);
}
