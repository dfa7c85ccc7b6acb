//! The snapshot in Netdata's layout, encoded and decoded by code written for this one message: about the least that the
//! layout costs. Strings are bytes, as they are in that layout.

use crate::contender::Contender;
use crate::data::{self, checksum, digest, opaque};
use std::hint::black_box;

const HEADER: usize = 24;
const ENTRY: usize = 8;
const ITEM: usize = 32;

/// See the module.
pub struct ByHand {
    value: data::Snapshot,
    bytes: Vec<u8>,
    len: usize,
}

/// An item whose every offset is proven.
struct Item<'a> {
    hash: u32,
    options: u32,
    enabled: u32,
    name: &'a [u8],
    path: &'a [u8],
}

/// A snapshot whose header and directory are in bounds; its items are proven one by one.
struct Frame<'a> {
    systemd_enabled: u32,
    generation: u64,
    directory: &'a [[u8; ENTRY]],
    packed: &'a [u8],
}

/// What an owned decode gives.
pub struct Owned {
    systemd_enabled: u32,
    generation: u64,
    items: Vec<OwnedItem>,
}

struct OwnedItem {
    hash: u32,
    options: u32,
    enabled: u32,
    name: Vec<u8>,
    path: Vec<u8>,
}

impl Contender<data::Snapshot> for ByHand {
    const NAME: &'static str = "by hand (Netdata layout)";
    type Owned = Owned;

    fn new(data: &data::Snapshot) -> Self {
        let mut new = Self { value: data.clone(), bytes: vec![0; 1 << 18], len: 0 };
        new.len = new.encode();
        new
    }

    fn encode(&mut self) -> usize {
        let len = encode(opaque(&self.value), &mut self.bytes).unwrap();
        black_box(&self.bytes[..len]).len()
    }

    fn prove(&mut self) -> u64 {
        let frame = frame(black_box(&self.bytes[..self.len])).unwrap();
        for entry in frame.directory {
            item(entry, frame.packed).unwrap();
        }
        frame.directory.len() as u64
    }

    fn touch(&mut self) -> u64 {
        let frame = frame(black_box(&self.bytes[..self.len])).unwrap();
        let digests = frame.directory.iter().map(|entry| {
            let item = item(entry, frame.packed).unwrap();
            digest(item.hash, item.options, item.enabled, item.name, item.path)
        });
        checksum(frame.systemd_enabled, frame.generation, digests)
    }

    fn owned(&mut self) -> Owned {
        self.encode();
        let frame = frame(black_box(&self.bytes[..self.len])).unwrap();
        let own = |entry| {
            let Item { hash, options, enabled, name, path } = item(entry, frame.packed).unwrap();
            OwnedItem { hash, options, enabled, name: name.to_vec(), path: path.to_vec() }
        };
        let items = frame.directory.iter().map(own).collect();
        Owned { systemd_enabled: frame.systemd_enabled, generation: frame.generation, items }
    }

    fn checksum(owned: &Owned) -> u64 {
        let digests =
            owned.items.iter().map(|item| digest(item.hash, item.options, item.enabled, &item.name, &item.path));
        checksum(owned.systemd_enabled, owned.generation, digests)
    }
}

fn encode(value: &data::Snapshot, bytes: &mut [u8]) -> Option<usize> {
    let (header, rest) = bytes.split_first_chunk_mut::<HEADER>()?;
    header[..4].copy_from_slice(&prefix().to_ne_bytes());
    header[4..8].copy_from_slice(&(value.items.len() as u32).to_ne_bytes());
    header[8..12].copy_from_slice(&value.systemd_enabled.to_ne_bytes());
    header[12..16].copy_from_slice(&[0; 4]);
    header[16..24].copy_from_slice(&value.generation.to_ne_bytes());

    let (directory, packed) = rest.split_at_mut_checked(value.items.len() * ENTRY)?;
    let (directory, _) = directory.as_chunks_mut::<ENTRY>();
    let mut end = 0;
    for (item, entry) in value.items.iter().zip(directory) {
        // At most seven bytes, written as eight: the item that follows overwrites what is too much.
        let gap = packed.get_mut(end..)?.first_chunk_mut::<8>()?;
        *gap = [0; 8];
        let at = end.next_multiple_of(8);
        let len = encode_item(item, packed.get_mut(at..)?)?;
        entry[..4].copy_from_slice(&(at as u32).to_ne_bytes());
        entry[4..].copy_from_slice(&(len as u32).to_ne_bytes());
        end = at + len;
    }
    Some(HEADER + value.items.len() * ENTRY + end)
}

#[inline]
fn encode_item(item: &data::Cgroup, target: &mut [u8]) -> Option<usize> {
    let (name, path) = (item.name.as_bytes(), item.path.as_bytes());
    let len = ITEM + name.len() + path.len() + 2;
    let target = target.get_mut(..len)?;
    let (fixed, text) = target.split_first_chunk_mut::<ITEM>()?;
    fixed[..4].copy_from_slice(&prefix().to_ne_bytes());
    fixed[4..8].copy_from_slice(&item.hash.to_ne_bytes());
    fixed[8..12].copy_from_slice(&item.options.to_ne_bytes());
    fixed[12..16].copy_from_slice(&item.enabled.to_ne_bytes());
    fixed[16..20].copy_from_slice(&(ITEM as u32).to_ne_bytes());
    fixed[20..24].copy_from_slice(&(name.len() as u32).to_ne_bytes());
    fixed[24..28].copy_from_slice(&((ITEM + name.len() + 1) as u32).to_ne_bytes());
    fixed[28..32].copy_from_slice(&(path.len() as u32).to_ne_bytes());
    let (first, second) = text.split_at_mut_checked(name.len() + 1)?;
    terminated(first, name)?;
    terminated(second, path)?;
    Some(len)
}

#[inline]
fn terminated(target: &mut [u8], text: &[u8]) -> Option<()> {
    let (nul, target) = target.split_last_mut()?;
    *nul = 0;
    copy(target, text);
    Some(())
}

/// Copies in three overlapping blocks of 16 or 32 bytes: few classes of length, so that the branch is rarely missed
/// where lengths vary, which the library call pays for each string.
#[inline]
fn copy(target: &mut [u8], text: &[u8]) {
    match text.len() {
        16..=48 => thrice::<16>(target, text),
        49..=96 => thrice::<32>(target, text),
        _ => target.copy_from_slice(text),
    }
}

#[inline]
fn thrice<const N: usize>(target: &mut [u8], text: &[u8]) {
    let last = text.len() - N;
    for at in [0, last.min(N), last] {
        target[at..at + N].copy_from_slice(&text[at..at + N]);
    }
}

fn frame(bytes: &[u8]) -> Option<Frame<'_>> {
    let (header, rest) = bytes.split_first_chunk::<HEADER>()?;
    let sound = word(header, 0) == prefix() && word(header, 12) == 0;
    let (directory, packed) = rest.split_at_checked((word(header, 4) as usize).checked_mul(ENTRY)?)?;
    let (directory, _) = directory.as_chunks::<ENTRY>();
    let generation = u64::from_ne_bytes(*header.last_chunk()?);
    sound.then_some(Frame { systemd_enabled: word(header, 8), generation, directory, packed })
}

#[inline]
fn item<'a>(entry: &[u8; ENTRY], packed: &'a [u8]) -> Option<Item<'a>> {
    let (at, len) = (word(entry, 0) as usize, word(entry, 4) as usize);
    let bytes = packed.get(at..at.checked_add(len)?)?;
    let fixed = bytes.first_chunk::<ITEM>()?;
    let (name_at, name_len) = (word(fixed, 16) as usize, word(fixed, 20) as usize);
    let (path_at, path_len) = (word(fixed, 24) as usize, word(fixed, 28) as usize);
    let (name_end, path_end) = (name_at.checked_add(name_len)?, path_at.checked_add(path_len)?);
    // One sum per string, then plain comparisons: shorter than cutting the slice twice for each.
    let apart = name_end < path_at || path_end < name_at;
    if at % 8 != 0 || word(fixed, 0) != prefix() || name_at < ITEM || path_at < ITEM || !apart {
        return None;
    }
    if bytes.get(name_end)? | bytes.get(path_end)? != 0 {
        return None;
    }
    let (name, path) = (&bytes[name_at..name_end], &bytes[path_at..path_end]);
    Some(Item { hash: word(fixed, 4), options: word(fixed, 8), enabled: word(fixed, 12), name, path })
}

#[inline]
fn prefix() -> u32 {
    const { u32::from_ne_bytes([1u16.to_ne_bytes()[0], 1u16.to_ne_bytes()[1], 0, 0]) }
}

#[inline]
fn word<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_writes_the_bytes_that_the_slow_encoder_writes() {
        let data = data::Snapshot::sample(300);
        let codec = ByHand::new(&data);
        assert!(codec.bytes[..codec.len] == crate::netdata::encoded(&data)[..]);
    }

    #[test]
    fn it_refuses_an_item_out_of_bounds_and_a_missing_nul() {
        let data = data::Snapshot::sample(1);
        let good = crate::netdata::encoded(&data);
        let prove =
            |bytes: &[u8]| frame(bytes).is_some_and(|f| f.directory.iter().all(|e| item(e, f.packed).is_some()));
        assert!(prove(&good));
        assert!(!prove(&good[..good.len() - 1]));
        let mut bad = good.clone();
        *bad.last_mut().unwrap() = b'x';
        assert!(!prove(&bad));
    }
}
