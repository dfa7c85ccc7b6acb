//! The header of a region file, as values.
//!
//! Owns: the words that stand still while a region lives (docs/protocol.md, section 4): where the areas are, and whose the
//! region is. It refuses areas that leave the file, the header behind or each other, and has no opinion of owners. The
//! words behind byte 32 change all the time and are read where the region is mapped.

/// Bytes of the header.
pub(super) const HEADER_LEN: usize = 64;

const MAGIC: u32 = 0x4e53_484d;
const VERSION: u16 = 3;
/// [`HEADER_LEN`], as the header states it.
const STATED_LEN: u16 = 64;
/// Every offset and capacity is a multiple of it, so that no two areas share a line of the cache.
const LINE: u32 = 64;
/// A capacity has to be less.
const TOO_LARGE: u32 = 1 << 29;
/// Bytes of an envelope's header, for which an area has room besides its payload.
const ENVELOPE: u32 = 32;

/// Why a file is no region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Flaw {
    /// The header, or an area that it names, reaches beyond the end of the file.
    #[error("the file has {len} bytes, {needed} are needed")]
    TooShort {
        /// The length of the file.
        len: u64,
        /// What would be enough.
        needed: u64,
    },
    /// A word of the header breaks a rule.
    #[error("{field} at byte {offset} {rule}, is {found:#x}")]
    Field {
        /// The word, by its name in docs/protocol.md; for people, the rule is for programs.
        field: &'static str,
        /// Its first byte.
        offset: usize,
        /// What stands there.
        found: u32,
        /// The rule.
        rule: Rule,
    },
}

impl Flaw {
    /// Whether that is how a region looks that is being made: longer, or with its first word, it may be one.
    #[must_use]
    pub const fn is_unready(&self) -> bool {
        match self {
            Self::TooShort { .. } => true,
            Self::Field { found, rule, .. } => matches!((*found, *rule), (0, Rule::Is(MAGIC))),
        }
    }
}

/// A rule that a word of a region's header must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Rule {
    /// It has one value.
    #[error("must be {0:#x}")]
    Is(u32),
    /// Areas begin and end at multiples of 64, behind the header, and are not empty.
    #[error("must be a multiple of 64 and not zero")]
    Aligned,
    /// A capacity has 29 bits: the others of a length are marks.
    #[error("must be less than 0x20000000")]
    Bounded,
    /// No byte is in two areas. The area that begins later is to blame.
    #[error("must not lie inside the other area")]
    Apart,
}

/// Bytes of the longest message with payloads of up to this length.
pub(super) const fn message_len(payload: u32) -> u64 {
    ENVELOPE as u64 + payload as u64
}

/// Where the messages of one direction stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) offset: u32,
    pub(super) capacity: u32,
}

impl Area {
    fn end(self) -> u64 {
        u64::from(self.offset) + u64::from(self.capacity)
    }
}

/// The process that made a region, by what its header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) pid: i32,
    /// Tells it from others that have the same id at other times; never 0.
    pub(super) generation: u32,
}

/// The words of a header that stand still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) owner: Owner,
    pub(super) request: Area,
    pub(super) response: Area,
}

impl Header {
    /// One area behind the other, for payloads of these lengths; `None` where an area would be too large.
    pub(super) fn new(owner: Owner, request_payload: u32, response_payload: u32) -> Option<Self> {
        let capacity = |payload: u32| {
            let capacity = payload.checked_add(ENVELOPE)?.checked_next_multiple_of(LINE)?;
            (capacity < TOO_LARGE).then_some(capacity)
        };
        let request = Area { offset: LINE, capacity: capacity(request_payload)? };
        let behind = request.offset.checked_add(request.capacity)?;
        let response = Area { offset: behind, capacity: capacity(response_payload)? };
        response.offset.checked_add(response.capacity)?;
        Some(Self { owner, request, response })
    }

    /// Bytes from the start of the file to the end of the later area.
    pub(super) fn region_len(&self) -> usize {
        // What `new` and `parse` let pass fits 32 bits, or a file, and what doesn't fit a `usize` can't be mapped.
        usize::try_from(self.end()).unwrap_or(usize::MAX)
    }

    fn end(&self) -> u64 {
        self.request.end().max(self.response.end())
    }

    /// The header of a region in which nothing has been sent.
    pub(super) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        store(&mut bytes, 0, MAGIC.to_ne_bytes());
        store(&mut bytes, 4, VERSION.to_ne_bytes());
        store(&mut bytes, 6, STATED_LEN.to_ne_bytes());
        store(&mut bytes, 8, self.owner.pid.to_ne_bytes());
        store(&mut bytes, 12, self.owner.generation.to_ne_bytes());
        for (at, area) in [(16, self.request), (24, self.response)] {
            store(&mut bytes, at, area.offset.to_ne_bytes());
            store(&mut bytes, at + 4, area.capacity.to_ne_bytes());
        }
        bytes
    }

    /// What the first bytes of a file of `file_len` bytes say. Nothing is said of the owner.
    pub(super) fn parse(bytes: &[u8; HEADER_LEN], file_len: u64) -> Result<Self, Flaw> {
        let header_len = HEADER_LEN as u64;
        if file_len < header_len {
            return Err(Flaw::TooShort { len: file_len, needed: header_len });
        }
        fixed("magic", 0, u32::from_ne_bytes(load(bytes, 0)), MAGIC)?;
        fixed("version", 4, u16::from_ne_bytes(load(bytes, 4)).into(), VERSION.into())?;
        fixed("header_len", 6, u16::from_ne_bytes(load(bytes, 6)).into(), STATED_LEN.into())?;
        let owner = Owner { pid: i32::from_ne_bytes(load(bytes, 8)), generation: u32::from_ne_bytes(load(bytes, 12)) };
        let request = area(bytes, ["request_offset", "request_capacity"], 16)?;
        let response = area(bytes, ["response_offset", "response_capacity"], 24)?;
        let header = Self { owner, request, response };
        if request.offset <= response.offset {
            apart(request, response, "response_offset", 24)?;
        } else {
            apart(response, request, "request_offset", 16)?;
        }
        if file_len < header.end() {
            return Err(Flaw::TooShort { len: file_len, needed: header.end() });
        }
        Ok(header)
    }
}

fn load<const N: usize>(bytes: &[u8; HEADER_LEN], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

fn store<const N: usize>(bytes: &mut [u8; HEADER_LEN], at: usize, value: [u8; N]) {
    if let Some(place) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *place = value;
    }
}

fn fixed(field: &'static str, offset: usize, found: u32, value: u32) -> Result<(), Flaw> {
    if found == value { Ok(()) } else { Err(Flaw::Field { field, offset, found, rule: Rule::Is(value) }) }
}

fn area(bytes: &[u8; HEADER_LEN], [offset, capacity]: [&'static str; 2], at: usize) -> Result<Area, Flaw> {
    let word = |field, at| match u32::from_ne_bytes(load(bytes, at)) {
        found if found == 0 || found % LINE != 0 => Err(Flaw::Field { field, offset: at, found, rule: Rule::Aligned }),
        found => Ok(found),
    };
    let area = Area { offset: word(offset, at)?, capacity: word(capacity, at + 4)? };
    if area.capacity >= TOO_LARGE {
        return Err(Flaw::Field { field: capacity, offset: at + 4, found: area.capacity, rule: Rule::Bounded });
    }
    Ok(area)
}

fn apart(first: Area, second: Area, field: &'static str, offset: usize) -> Result<(), Flaw> {
    if first.end() <= second.offset.into() {
        return Ok(());
    }
    Err(Flaw::Field { field, offset, found: second.offset, rule: Rule::Apart })
}

#[cfg(test)]
mod tests {
    use super::{Area, Flaw, HEADER_LEN, Header, Owner, Rule};

    /// The golden vector `shm_region_header_fresh`, whose owner is blotted out.
    const FRESH: [u32; 16] =
        [0x4e53_484d, 0x0040_0003, u32::MAX, u32::MAX, 0x40, 0x440, 0x480, 0x1_0040, 0, 0, 0, 0, 0, 0, 0, 0];
    const FRESH_LEN: u64 = 66_752;

    fn bytes(words: [u32; 16]) -> [u8; HEADER_LEN] {
        words.map(u32::to_le_bytes).concat().try_into().unwrap()
    }

    fn fresh() -> Header {
        Header::new(Owner { pid: -1, generation: u32::MAX }, 1_024, 65_536).unwrap()
    }

    /// What is wrong with the fresh header once the word at byte `at` is another.
    fn flaw(at: usize, word: u32) -> Flaw {
        let mut words = FRESH;
        words[at / 4] = word;
        Header::parse(&bytes(words), FRESH_LEN).unwrap_err()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn a_fresh_header_has_the_bytes_of_a_deployed_servers() {
        let header = fresh();
        assert_eq!(header.encode(), bytes(FRESH));
        assert_eq!(header.region_len() as u64, FRESH_LEN);
        assert_eq!(Header::parse(&bytes(FRESH), FRESH_LEN), Ok(header));
    }

    #[test]
    fn what_has_been_sent_in_a_region_and_what_stands_behind_it_is_not_looked_at() {
        let mut used = bytes(FRESH);
        used[32..].fill(0xee);
        assert_eq!(Header::parse(&used, FRESH_LEN), Ok(fresh()));
        assert_eq!(Header::parse(&used, u64::MAX), Ok(fresh()));
    }

    #[test]
    fn an_area_has_room_for_a_message_of_the_limit_and_for_less_than_a_line_more() {
        for payload in [0, 1, 31, 32, 33, 95, 96, 97, 1_024, 16 << 20, (1 << 29) - 97, (1 << 29) - 96] {
            let header = Header::new(Owner { pid: 1, generation: 1 }, payload, 5).unwrap();
            let capacity = u64::from(header.request.capacity);
            assert!(capacity % 64 == 0 && (32..96).contains(&(capacity - u64::from(payload))), "{payload}");
            assert_eq!(header.response, Area { offset: header.request.capacity + 64, capacity: 64 });
            assert_eq!(Header::parse(&header.encode(), header.region_len() as u64), Ok(header));
        }
    }

    #[test]
    fn an_area_of_30_bits_is_refused_and_two_of_29_are_not() {
        let owner = Owner { pid: 1, generation: 1 };
        let most = (1 << 29) - 96;
        for payload in [most + 1, 1 << 29, u32::MAX - 32, u32::MAX - 31, u32::MAX] {
            assert_eq!(Header::new(owner, payload, 0), None);
            assert_eq!(Header::new(owner, 0, payload), None);
        }
        let largest = Header::new(owner, most, most).unwrap();
        assert_eq!(largest.region_len(), 0x3fff_ffc0);
        assert_eq!(Header::parse(&largest.encode(), 0x3fff_ffc0), Ok(largest));
    }

    #[test]
    fn the_response_may_stand_in_front_of_the_request_and_there_may_be_room_between_them() {
        let mut words = FRESH;
        words[4..8].copy_from_slice(&[0x800, 0x40, 0x40, 0x80]);
        let header = Header::parse(&bytes(words), 0x840).unwrap();
        assert_eq!((header.request.offset, header.response.offset, header.region_len()), (0x800, 0x40, 0x840));
    }

    #[test]
    fn a_word_that_is_wrong_is_named_with_its_place_and_its_value() {
        for (at, field, word, found, rule) in [
            (0, "magic", 0, 0, Rule::Is(0x4e53_484d)),
            (0, "magic", 0x4d48_534e, 0x4d48_534e, Rule::Is(0x4e53_484d)),
            (4, "version", 0x0040_0002, 2, Rule::Is(3)),
            (4, "version", 0x0040_0004, 4, Rule::Is(3)),
            (6, "header_len", 0x0041_0003, 0x41, Rule::Is(64)),
            (6, "header_len", 0x0000_0003, 0, Rule::Is(64)),
            (16, "request_offset", 0, 0, Rule::Aligned),
            (16, "request_offset", 32, 32, Rule::Aligned),
            (16, "request_offset", 65, 65, Rule::Aligned),
            (20, "request_capacity", 0, 0, Rule::Aligned),
            (20, "request_capacity", 0x441, 0x441, Rule::Aligned),
            (20, "request_capacity", 1 << 29, 1 << 29, Rule::Bounded),
            (20, "request_capacity", u32::MAX - 63, u32::MAX - 63, Rule::Bounded),
            (24, "response_offset", 0, 0, Rule::Aligned),
            (24, "response_offset", 0x4bf, 0x4bf, Rule::Aligned),
            (28, "response_capacity", 0, 0, Rule::Aligned),
            (28, "response_capacity", 63, 63, Rule::Aligned),
            (28, "response_capacity", 1 << 29, 1 << 29, Rule::Bounded),
            // One inside the other, from either side.
            (16, "response_offset", 0x80, 0x480, Rule::Apart),
            (20, "response_offset", 0x480, 0x480, Rule::Apart),
            (24, "response_offset", 0x40, 0x40, Rule::Apart),
            (24, "response_offset", 0x440, 0x440, Rule::Apart),
            (16, "request_offset", 0x4c0, 0x4c0, Rule::Apart),
        ] {
            let offset = match field {
                "response_offset" => 24,
                "request_offset" => 16,
                _ => at,
            };
            let expected = Flaw::Field { field, offset, found, rule };
            assert_eq!(flaw(at / 4 * 4, word), expected);
            assert_eq!(expected.is_unready(), (field, found) == ("magic", 0), "{expected}");
        }
    }

    #[test]
    fn a_file_that_ends_inside_its_header_or_an_area_is_too_short_and_may_be_growing() {
        for (len, needed) in [(0, 64), (63, 64), (64, FRESH_LEN), (FRESH_LEN - 1, FRESH_LEN)] {
            let flaw = Header::parse(&bytes(FRESH), len).unwrap_err();
            assert_eq!(flaw, Flaw::TooShort { len, needed });
            assert!(flaw.is_unready());
        }
        // Sums that don't fit 32 bits.
        let mut words = FRESH;
        words[6..8].copy_from_slice(&[u32::MAX - 63, 0x1fff_ffc0]);
        let needed = 0x1_1fff_ff80;
        let flaw = Header::parse(&bytes(words), needed - 1).unwrap_err();
        assert_eq!(flaw, Flaw::TooShort { len: needed - 1, needed });
        assert!(Header::parse(&bytes(words), needed).is_ok());
    }

    #[test]
    fn a_flaw_says_what_is_wrong() {
        assert_eq!(
            flaw(16, 65).to_string(),
            "request_offset at byte 16 must be a multiple of 64 and not zero, is 0x41"
        );
        assert_eq!(flaw(4, 9).to_string(), "version at byte 4 must be 0x3, is 0x9");
    }

    #[test]
    fn whatever_is_taken_keeps_its_areas_apart_and_inside_the_file() {
        // Words that are near each other and near every bound, put together at random.
        const WORDS: [u32; 12] = [0, 1, 63, 64, 65, 128, 192, 256, 0x3fff_ffc0, 0x8000_0000, 0x3fff_ffc0, u32::MAX];
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut pick = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            WORDS[usize::try_from(state >> 33).unwrap() % WORDS.len()]
        };
        let mut taken = 0;
        for _ in 0..200_000 {
            let mut words = FRESH;
            words[4..8].fill_with(&mut pick);
            let len = u64::from(pick()) + u64::from(pick());
            let Ok(Header { request, response, .. }) = Header::parse(&bytes(words), len) else { continue };
            taken += 1;
            for area in [request, response] {
                assert!(area.offset >= 64 && area.capacity >= 64 && area.capacity < 1 << 29);
                assert!((area.offset | area.capacity).trailing_zeros() >= 6 && area.end() <= len);
            }
            assert!(request.end() <= response.offset.into() || response.end() <= request.offset.into());
        }
        assert!(taken > 1_000, "{taken}");
    }
}
