//! Payloads that are nearly right: the vectors and random values, damaged where it may hurt.
//!
//! Owns: the pool of payloads to start from, and the kinds of damage. The same seed gives the same payloads. A sizeable
//! share of them is still accepted, so that what is decoded gets compared and not just whether it is.

use crate::generate;
use crate::oracle::Message;
use crate::payload_vectors::{self, Verdict};
use crate::random::Random;

/// Longer payloads say nothing new and cost time.
const LONGEST: usize = 8192;
const GENERATED: usize = 64;

/// Makes payloads of one kind without end.
#[derive(Debug)]
pub struct Mutator {
    random: Random,
    message: Message,
    /// From the vector files, those to be accepted before those to be refused.
    vectors: Vec<Vec<u8>>,
    accepted: usize,
    /// Made at random, and one after the other made anew.
    generated: Vec<Vec<u8>>,
    payload: Vec<u8>,
}

impl Mutator {
    /// Payloads of `message`, always the same for the same `seed`.
    ///
    /// # Panics
    ///
    /// Where the vector files are not as [`payload_vectors::load`] knows them.
    #[must_use]
    pub fn new(message: Message, seed: u64) -> Self {
        let (refused, accepted): (Vec<_>, Vec<_>) = payload_vectors::load()
            .into_iter()
            .filter(|entry| entry.message == message)
            .partition(|entry| matches!(entry.verdict, Verdict::Reject(_)));
        let mut mutator = Self {
            random: Random::new(seed),
            message,
            accepted: accepted.len(),
            vectors: accepted.into_iter().chain(refused).map(|entry| entry.bytes).collect(),
            generated: Vec::new(),
            payload: Vec::new(),
        };
        mutator.generated = (0..GENERATED).map(|_| mutator.generate()).collect();
        mutator
    }

    /// The next payload.
    #[expect(clippy::should_implement_trait, reason = "an iterator could not lend its buffer")]
    pub fn next(&mut self) -> &[u8] {
        if self.random.one_in(8) {
            let slot = self.random.below(GENERATED);
            self.generated[slot] = self.generate();
        }
        let base = match self.random.below(16) {
            0 => &self.vectors[self.random.below(self.vectors.len())],
            1..4 => &self.vectors[self.random.below(self.accepted)],
            _ => &self.generated[self.random.below(GENERATED)],
        };
        self.payload.clear();
        self.payload.extend_from_slice(base);
        for _ in 0..self.random.pick(&[0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4]) {
            self.mutate();
        }
        self.payload.truncate(LONGEST);
        &self.payload
    }

    fn generate(&mut self) -> Vec<u8> {
        let mut value = generate::value(self.message, &mut self.random);
        if self.random.one_in(8) {
            generate::spoil(&mut value, &mut self.random);
        }
        if self.random.one_in(2) { value.encode() } else { generate::odd(&value, &mut self.random) }
    }

    fn mutate(&mut self) {
        match self.random.below(32) {
            0..6 => self.set_byte(),
            6..12 => self.set_letter(),
            12..15 => self.set_u16(),
            15..20 => self.set_u32(),
            20..22 => self.truncate(),
            22..26 => self.random.append_junk(&mut self.payload, 40),
            26 => self.duplicate(),
            27 => self.entries(|payload, from, to| payload.copy_within(from..from + 8, to)),
            28..30 => self.entries(|payload, from, to| {
                for i in 0..8 {
                    payload.swap(from + i, to + i);
                }
            }),
            30 => self.insert_eight(),
            _ => self.splice(),
        }
    }

    /// Mostly changes what a string says, and no more.
    fn set_letter(&mut self) {
        let from = self.random.below(self.payload.len());
        let letter = self.random.pick(b"abcdefghijklmnopqrstuvwxyz/\x80\xff");
        if let Some(byte) = self.payload[from..].iter_mut().find(|byte| byte.is_ascii_lowercase()) {
            *byte = letter;
        }
    }

    fn set_byte(&mut self) {
        let at = self.random.below(self.payload.len());
        let value = match self.random.below(4) {
            0 => self.random.pick(&[0, 1, 7, 8, 0x7f, 0x80, 0xff]),
            _ => self.payload.get(at).unwrap_or(&0) ^ 1 << self.random.below(8),
        };
        if let Some(byte) = self.payload.get_mut(at) {
            *byte = value;
        }
    }

    fn set_u16(&mut self) {
        let at = self.random.below(self.payload.len() / 2) * 2;
        if let Some(field) = self.payload.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<2>()) {
            let present = u16::from_ne_bytes(*field);
            let near = present.wrapping_add(self.random.below(5) as u16).wrapping_sub(2);
            *field = self.random.pick(&[0, 1, 2, 3, 4, 5, 0xffff, near, near]).to_ne_bytes();
        }
    }

    fn set_u32(&mut self) {
        let whole = self.payload.len() as u32;
        let at = self.random.below(self.payload.len() / 4) * 4;
        if let Some(field) = self.payload.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>()) {
            let present = u32::from_ne_bytes(*field);
            let value = match self.random.below(3) {
                0 => self.random.pick(&[0, 1, 7, 8, 9, 16, 24, 28, 32, 60, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]),
                1 => {
                    let wraps_to_present = present.wrapping_add(1 << 29);
                    let left = whole.wrapping_sub(at as u32);
                    self.random.pick(&[whole, whole.wrapping_sub(1), whole + 1, left, 1 << 29, wraps_to_present])
                }
                _ => {
                    let step = self.random.pick(&[1, 2, 4, 7, 8, 16]);
                    if self.random.one_in(2) { present.wrapping_add(step) } else { present.wrapping_sub(step) }
                }
            };
            *field = value.to_ne_bytes();
        }
    }

    fn truncate(&mut self) {
        // Half of them lose only what may not matter.
        let lost = if self.random.one_in(2) { self.random.below(9) } else { self.random.below(self.payload.len()) };
        self.payload.truncate(self.payload.len().saturating_sub(lost));
    }

    /// Puts a piece of the payload over another, or in front of it.
    fn duplicate(&mut self) {
        let from = self.random.below(self.payload.len());
        let length = self.random.below((self.payload.len() - from).min(64) + 1);
        let to = self.random.below(self.payload.len());
        if self.random.one_in(2) {
            let length = length.min(self.payload.len() - to);
            self.payload.copy_within(from..from + length, to);
        } else {
            let piece = self.payload[from..from + length].to_vec();
            self.payload.splice(to..to, piece);
        }
    }

    /// Does something to two pieces of 8 bytes: directory entries where there are some, else any string fields.
    fn entries(&mut self, change: impl FnOnce(&mut [u8], usize, usize)) {
        let first = match self.message {
            Message::Increment | Message::StringReverse | Message::SnapshotRequest => 0,
            Message::Snapshot => 24,
            _ => 16,
        };
        let count =
            self.payload.get(4..).and_then(|rest| rest.first_chunk()).map_or(0, |&count| u32::from_ne_bytes(count));
        let whole = self.payload.len().saturating_sub(first) / 8;
        let listed = whole.min(count as usize);
        let (start, pieces) =
            if first > 0 && listed > 1 && self.random.one_in(2) { (first, listed) } else { (first % 8, whole) };
        if pieces < 2 {
            return;
        }
        let from = self.random.below(pieces);
        // Neighbours: the fields of one item lie side by side.
        let to = if self.random.one_in(2) { (from + 1) % pieces } else { self.random.below(pieces) };
        change(&mut self.payload, start + from * 8, start + to * 8);
    }

    /// Makes room that no offset knows of.
    fn insert_eight(&mut self) {
        let at = self.random.below(self.payload.len() / 8 + 1) * 8;
        let piece = if self.random.one_in(2) { [0; 8] } else { self.random.next().to_ne_bytes() };
        self.payload.splice(at..at, piece);
    }

    /// Goes on with another payload, from the same place or any other.
    fn splice(&mut self) {
        let other = &self.generated[self.random.below(GENERATED)];
        let cut = self.random.below(self.payload.len() + 1);
        let from = if self.random.one_in(2) { cut.min(other.len()) } else { self.random.below(other.len() + 1) };
        self.payload.truncate(cut);
        self.payload.extend_from_slice(&other[from..]);
    }
}
