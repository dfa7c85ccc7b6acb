//! The two messages that every contender carries, made the same way each time, and the checksum that proves that all of
//! a message was read.

use serde::{Deserialize, Serialize};
use std::hint::black_box;

/// A list of cgroups with two strings each: the message that Netdata's plugins exchange most.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    pub systemd_enabled: u32,
    pub generation: u64,
    pub items: Vec<Cgroup>,
}

/// One entry of a [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cgroup {
    pub hash: u32,
    pub options: u32,
    pub enabled: u32,
    pub name: String,
    pub path: String,
}

/// A message of fixed size: what is left when there is no text and no list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    pub id: u64,
    pub at: u64,
    pub sensor: u32,
    pub sequence: u32,
    pub value: f64,
    pub valid: bool,
}

impl Snapshot {
    /// A snapshot of `count` cgroups, names of 20 to 40 bytes and paths of 55 to 85, all ASCII.
    pub fn sample(count: usize) -> Self {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let items = (0..count).map(|_| Cgroup::sample(&mut dice)).collect();
        Self { systemd_enabled: 1, generation: 0x0102_0304_0506_0708, items }
    }

    /// `pool` snapshots of the same `count` cgroups, each in another order: same size, same checksum, other lengths in a row.
    pub fn shuffles(count: usize, pool: usize) -> Vec<Self> {
        let mut dice = Dice(0x2545_f491_4f6c_dd1d);
        let mut next = Self::sample(count);
        let mut all = Vec::with_capacity(pool);
        for _ in 0..pool {
            all.push(next.clone());
            for last in (1..next.items.len()).rev() {
                next.items.swap(last, dice.between(0, last));
            }
        }
        all
    }

    /// What [`checksum`] gives for this snapshot.
    pub fn checksum(&self) -> u64 {
        checksum(self.systemd_enabled, self.generation, self.items.iter().map(|item| item.digest()))
    }
}

impl Cgroup {
    fn sample(dice: &mut Dice) -> Self {
        let name_len = dice.between(20, 40);
        let path_len = dice.between(55, 85);
        let (name, path) = (dice.text("cgroup_docker-", name_len), dice.text("/system.slice/docker-", path_len));
        Self { hash: dice.roll() as u32, options: dice.roll() as u32 & 7, enabled: dice.roll() as u32 & 1, name, path }
    }

    /// What [`digest`] gives for this item.
    #[inline]
    pub fn digest(&self) -> u64 {
        digest(self.hash, self.options, self.enabled, self.name.as_bytes(), self.path.as_bytes())
    }
}

impl Reading {
    /// A reading without a zero in it.
    pub fn sample() -> Self {
        Self { id: 0x0123_4567_89ab_cdef, at: 1_700_000_000_123, sensor: 17, sequence: 99, value: 21.5, valid: true }
    }

    /// The sum of all fields, floats by their bits.
    #[inline]
    pub fn checksum(&self) -> u64 {
        self.id
            .wrapping_add(self.at)
            .wrapping_add(u64::from(self.sensor))
            .wrapping_add(u64::from(self.sequence))
            .wrapping_add(self.value.to_bits())
            .wrapping_add(u64::from(self.valid))
    }
}

/// The sum of the header's scalars and of all items' digests.
#[inline]
pub fn checksum(systemd_enabled: u32, generation: u64, digests: impl Iterator<Item = u64>) -> u64 {
    let head = generation.wrapping_add(u64::from(systemd_enabled));
    digests.fold(head, u64::wrapping_add)
}

/// What reading every field of an item comes to: its scalars, the length of each string, and the first byte of each.
#[inline]
pub fn digest(hash: u32, options: u32, enabled: u32, name: &[u8], path: &[u8]) -> u64 {
    let text = |text: &[u8]| text.len() as u64 + u64::from(text.first().copied().unwrap_or(0));
    // Wide sums can't overflow: three times 32 bits and two lengths.
    u64::from(hash) + u64::from(options) + u64::from(enabled) + text(name) + text(path)
}

/// Hides a message from the optimiser, so that no encoder is specialised to its values.
#[inline]
pub fn opaque<T>(value: &T) -> &T {
    black_box(value)
}

/// xorshift64*: the same numbers on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn between(&mut self, least: usize, most: usize) -> usize {
        least + self.roll() as usize % (most - least + 1)
    }

    fn text(&mut self, prefix: &str, len: usize) -> String {
        let mut text = String::from(prefix);
        while text.len() < len {
            text.push(char::from(b"0123456789abcdef"[self.roll() as usize & 15]));
        }
        text
    }
}
