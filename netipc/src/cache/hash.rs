//! Hashing keys with a seed of this process's own.
//!
//! Owns: how bytes become 64 bits. The multiplication of two words, both ends of the product folded into one, mixes in a
//! few cycles what takes a cryptographic hash dozens. Whoever chooses keys does not know the seed, and an
//! [index](super::index) that finds its keys too close together chooses another.

use core::hash::BuildHasher;
use std::collections::hash_map::RandomState;

use crate::codec::private::Digest;

/// What a hash begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seed([u64; 2]);

impl Seed {
    /// Another one each time, from the randomness of the standard library's maps.
    pub(super) fn new() -> Self {
        let source = RandomState::new();
        // Odd numbers lose nothing in a multiplication.
        Self([source.hash_one(0_u8) | 1, source.hash_one(1_u8) | 1])
    }

    #[cfg(test)]
    pub(super) const fn fixed(first: u64, second: u64) -> Self {
        Self([first, second])
    }
}

/// A hash in the making.
///
/// ```text
/// word:  state = fold(state ^ word, seed 1)
/// bytes: each 16 of them: state = fold(state ^ first 8, seed 1 ^ last 8); the rest likewise, and how many there were
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Hash {
    state: u64,
    seed: u64,
}

/// Both halves of the product.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the lower half, and then the upper one")]
const fn fold(left: u64, right: u64) -> u64 {
    let product = (left as u128) * (right as u128);
    (product as u64) ^ ((product >> 64) as u64)
}

impl Digest for Hash {
    #[inline(always)]
    fn word(&mut self, word: u64) {
        self.state = fold(self.state ^ word, self.seed);
    }

    #[inline(always)]
    fn bytes(&mut self, bytes: &[u8]) {
        let len = bytes.len();
        let mut rest = bytes;
        while let Some((block, behind)) = rest.split_first_chunk::<16>() {
            if behind.is_empty() {
                break;
            }
            let (first, last) = (block.first_chunk(), block.last_chunk());
            self.pair(number(first), number(last));
            rest = behind;
        }
        // At most 16 are left; what overlaps does no harm.
        let (first, last) = match (rest.first_chunk::<8>(), rest.last_chunk::<8>()) {
            (Some(first), Some(last)) => (u64::from_ne_bytes(*first), u64::from_ne_bytes(*last)),
            _ => match (rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
                (Some(first), Some(last)) => (u32::from_ne_bytes(*first).into(), u32::from_ne_bytes(*last).into()),
                _ => match *rest {
                    [] => (0, 0),
                    [one] => (one.into(), 0),
                    [one, two] => (one.into(), two.into()),
                    [one, two, three, ..] => (one.into(), u64::from(two) << 8 | u64::from(three)),
                },
            },
        };
        self.pair(first, last);
        self.word(len as u64);
    }
}

impl Hash {
    #[inline(always)]
    pub(super) const fn new(Seed([first, second]): Seed) -> Self {
        Self { state: first, seed: second }
    }

    #[inline(always)]
    const fn pair(&mut self, first: u64, last: u64) {
        self.state = fold(self.state ^ first, self.seed ^ last);
    }

    #[inline(always)]
    pub(super) const fn finish(self) -> u64 {
        fold(self.state, self.seed)
    }
}

#[inline(always)]
fn number(bytes: Option<&[u8; 8]>) -> u64 {
    bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::{Hash, Seed};
    use crate::codec::private::Digest;
    use std::collections::HashSet;

    fn hash(seed: Seed, number: u32, text: &[u8]) -> u64 {
        let mut hash = Hash::new(seed);
        hash.word(number.into());
        hash.bytes(text);
        hash.finish()
    }

    #[test]
    fn keys_that_differ_in_any_bit_have_other_hashes() {
        let seed = Seed::fixed(0x1234_5678_9abc_def1, 0x0fed_cba9_8765_4321);
        for len in 0..70_usize {
            let text: Vec<u8> = (0..).take(len).collect();
            let mut seen = HashSet::from([hash(seed, 7, &text)]);
            assert!(seen.insert(hash(seed, 8, &text)), "the number counts");
            for bit in 0..len * 8 {
                let mut other = text.clone();
                other[bit / 8] ^= 1 << (bit % 8);
                assert!(seen.insert(hash(seed, 7, &other)), "bit {bit} of {len} bytes counts");
            }
            for shorter in 0..len {
                assert!(seen.insert(hash(seed, 7, &text[..shorter])), "{shorter} bytes are not {len}");
            }
        }
    }

    #[test]
    fn zeros_of_any_length_have_hashes_of_their_own() {
        let seed = Seed::new();
        let zeros = [0; 300];
        let all: HashSet<u64> = (0..=300).map(|len| hash(seed, 0, &zeros[..len])).collect();
        assert_eq!(all.len(), 301);
    }

    #[test]
    fn low_and_high_bits_of_like_keys_spread() {
        let seed = Seed::new();
        for shift in [0, 54] {
            let mut buckets = [0_u32; 1024];
            for number in 0..65_536_u32 {
                let name = format!("/system.slice/docker-{number:06}.scope");
                let hash = hash(seed, number, name.as_bytes());
                buckets[usize::try_from(hash >> shift & 1023).unwrap()] += 1;
            }
            // 64 each on average, with a deviation of 8.
            let (least, most) = (buckets.iter().min().unwrap(), buckets.iter().max().unwrap());
            assert!(*least > 20 && *most < 120, "{least} to {most}, bits from {shift} on");
        }
    }

    #[test]
    fn another_seed_is_another_hash() {
        assert_ne!(hash(Seed::new(), 1, b"name"), hash(Seed::new(), 1, b"name"));
    }
}
