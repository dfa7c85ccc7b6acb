//! Which item has a key.
//!
//! Owns: an open-addressing table of positions, at most half full, probed one by one. It refuses to hold keys: whoever asks
//! says whether the item at a position is the one.
//!
//! ```text
//! word:  0, or  high 32 bits of the hash | position + 1
//! ```

use super::hash::{Hash, Seed};

/// Words that a key may be away from where it belongs before another seed is tried. By chance that happens to less than
/// one table in 10^9.
const FAR: usize = 128;
/// Seeds that are tried. Keys that defeat all of these were not chosen without knowing them.
const SEEDS: u32 = 4;

/// A table of positions.
#[derive(Debug)]
pub(super) struct Index {
    seed: Seed,
    words: Vec<u64>,
    /// Positions that another item with an equal key stands before.
    duplicates: usize,
}

impl Index {
    /// The index of `len` items. Of items with equal keys the first counts.
    ///
    /// `words` is memory to use again, whatever is in it; `hash` adds the key of an item to a hash, and `same` tells
    /// whether two items have equal keys.
    pub(super) fn new(
        mut words: Vec<u64>,
        len: u32,
        mut hash: impl FnMut(u32, &mut Hash),
        mut same: impl FnMut(u32, u32) -> bool,
    ) -> Self {
        let size = (len as usize * 2).next_power_of_two().max(2);
        // What has become much too large is given back.
        if words.capacity() > size * 4 {
            words = Vec::new();
        }
        let mut left = SEEDS;
        loop {
            let seed = Seed::new();
            words.clear();
            words.resize(size, 0);
            left -= 1;
            if let Some(duplicates) = fill(&mut words, seed, len, left == 0, &mut hash, &mut same) {
                return Self { seed, words, duplicates };
            }
        }
    }

    /// Items that no key finds, because another has the same one.
    pub(super) const fn duplicates(&self) -> usize {
        self.duplicates
    }

    /// The position of the item with this key.
    #[inline]
    pub(super) fn find(&self, key: impl FnOnce(&mut Hash), mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut hash = Hash::new(self.seed);
        key(&mut hash);
        let hash = hash.finish();
        let mask = self.words.len().wrapping_sub(1);
        let mut at = low(hash);
        loop {
            // The mask is one less than the length, so this is always some word.
            let word = *self.words.get(at & mask)?;
            if word == 0 {
                return None;
            }
            if tag(word) == tag(hash) {
                let position = position(word);
                if is(position) {
                    return Some(position);
                }
            }
            at = at.wrapping_add(1);
        }
    }

    /// The memory, to use again.
    pub(super) fn into_words(self) -> Vec<u64> {
        self.words
    }
}

/// Puts all positions into `words`; how many were duplicates. Nothing if keys stand too close and `is_last` does not say
/// that they may.
fn fill(
    words: &mut [u64],
    seed: Seed,
    len: u32,
    is_last: bool,
    hash: &mut impl FnMut(u32, &mut Hash),
    same: &mut impl FnMut(u32, u32) -> bool,
) -> Option<usize> {
    let mask = words.len().wrapping_sub(1);
    let mut duplicates = 0;
    'items: for item in 0..len {
        let mut of_item = Hash::new(seed);
        hash(item, &mut of_item);
        let of_item = of_item.finish();
        let mut at = low(of_item);
        for away in 0.. {
            if away > FAR && !is_last {
                return None;
            }
            let word = words.get_mut(at & mask)?;
            if *word == 0 {
                *word = tag(of_item) << 32 | (u64::from(item) + 1);
                continue 'items;
            }
            if tag(*word) == tag(of_item) && same(position(*word), item) {
                duplicates += 1;
                continue 'items;
            }
            at = at.wrapping_add(1);
        }
    }
    Some(duplicates)
}

#[inline(always)]
const fn tag(word: u64) -> u64 {
    word >> 32
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the lower half")]
const fn position(word: u64) -> u32 {
    (word as u32).wrapping_sub(1)
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the low bits are what is wanted")]
const fn low(hash: u64) -> usize {
    hash as usize
}

#[cfg(test)]
mod tests {
    use super::Index;
    use crate::codec::private::Digest;
    use std::collections::HashMap;

    fn index(keys: &[String]) -> Index {
        Index::new(
            Vec::new(),
            u32::try_from(keys.len()).unwrap(),
            |item, hash| hash.bytes(keys[item as usize].as_bytes()),
            |one, other| keys[one as usize] == keys[other as usize],
        )
    }

    fn find(index: &Index, keys: &[String], key: &str) -> Option<u32> {
        index.find(|hash| hash.bytes(key.as_bytes()), |item| keys[item as usize] == key)
    }

    #[test]
    fn it_finds_what_a_map_finds() {
        for len in [0, 1, 2, 3, 7, 8, 9, 1000, 20_000] {
            // A third of the keys come twice or more.
            let keys: Vec<String> = (0..len).map(|item| format!("key {}", item - item % 3 * (item % 2))).collect();
            let mut map = HashMap::new();
            for (item, key) in (0..).zip(&keys) {
                map.entry(key.as_str()).or_insert(item);
            }
            let index = index(&keys);
            assert_eq!(index.duplicates(), keys.len() - map.len());
            for item in 0..len + 10 {
                let key = format!("key {item}");
                assert_eq!(find(&index, &keys, &key), map.get(key.as_str()).copied(), "{key} of {len}");
            }
        }
    }

    #[test]
    fn keys_with_one_hash_are_found_all_the_same() {
        // As if whoever chose them knew every seed.
        let index = Index::new(Vec::new(), 500, |_, hash| hash.word(1), |one, other| one == other);
        for item in 0..500 {
            assert_eq!(index.find(|hash| hash.word(1), |found| found == item), Some(item));
        }
        assert_eq!(index.find(|hash| hash.word(1), |_| false), None);
    }

    #[test]
    fn memory_is_used_again_and_given_back_where_it_is_too_much() {
        let keys: Vec<String> = (0..1000).map(|item| item.to_string()).collect();
        let words = index(&keys).into_words();
        let at = words.as_ptr();
        let again = Index::new(words, 900, |item, hash| hash.word(item.into()), |one, other| one == other);
        assert_eq!(again.words.as_ptr(), at);
        let small = Index::new(again.into_words(), 10, |item, hash| hash.word(item.into()), |one, other| one == other);
        assert!(small.words.capacity() <= 128);
    }
}
