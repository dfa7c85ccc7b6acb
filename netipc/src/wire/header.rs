//! The header in front of every message.
//!
//! Owns: its 32 bytes. It refuses what they alone can show to be wrong; whether a length or a count is within the
//! negotiated limits, and whether a message is the one expected, is for the session to say.

use super::fields::{Fields, join};
use super::{Control, FLAG_BATCH, HEADER_LEN, Kind, MAGIC, Method, Rule, Status, Structure, VERSION, WireError};

/// `HEADER_LEN` as it stands in the header.
const STATED_LEN: u16 = 32;

/// A well-formed outer header (docs/protocol.md, section 1.1).
///
/// Holding one proves magic, version, length and kind, and nothing else: flags, code, status and counts are kept as they
/// came, and no limit has been looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    kind: Kind,
    flags: u16,
    code: u16,
    status: Status,
    payload_len: u32,
    item_count: u32,
    message_id: u64,
}

impl Header {
    /// A header of one item, without flags or payload, with status ok and message id 0.
    #[inline]
    #[must_use]
    pub const fn new(kind: Kind, code: u16) -> Self {
        Self { kind, flags: 0, code, status: Status::Ok, payload_len: 0, item_count: 1, message_id: 0 }
    }

    /// The header of a request of `payload_len` bytes.
    #[inline]
    #[must_use]
    pub const fn request(method: Method, message_id: u64, payload_len: u32) -> Self {
        Self { payload_len, message_id, ..Self::new(Kind::Request, method.code()) }
    }

    /// The header of an answer of `payload_len` bytes to the request of this method and id.
    #[inline]
    #[must_use]
    pub const fn response(method: Method, message_id: u64, payload_len: u32) -> Self {
        Self { payload_len, message_id, ..Self::new(Kind::Response, method.code()) }
    }

    /// The header of a control message of `payload_len` bytes (docs/protocol.md, section 2).
    #[inline]
    #[must_use]
    pub const fn control(control: Control, payload_len: u32) -> Self {
        Self { payload_len, ..Self::new(Kind::Control, control.raw()) }
    }

    /// The same header with this status.
    #[inline]
    #[must_use]
    pub const fn with_status(self, status: Status) -> Self {
        Self { status, ..self }
    }

    /// The same header for a batch of `item_count` items (docs/protocol.md, section 1.3).
    #[inline]
    #[must_use]
    pub const fn with_batch(self, item_count: u32) -> Self {
        Self { flags: self.flags | FLAG_BATCH, item_count, ..self }
    }

    /// The same header with these flags instead of its own.
    #[inline]
    #[must_use]
    pub const fn with_flags(self, flags: u16) -> Self {
        Self { flags, ..self }
    }

    /// The same header with this number of items; the flags stay.
    #[inline]
    #[must_use]
    pub const fn with_item_count(self, item_count: u32) -> Self {
        Self { item_count, ..self }
    }

    /// The same header in front of this many payload bytes.
    #[inline]
    #[must_use]
    pub const fn with_payload_len(self, payload_len: u32) -> Self {
        Self { payload_len, ..self }
    }

    /// The same header with this id.
    #[inline]
    #[must_use]
    pub const fn with_message_id(self, message_id: u64) -> Self {
        Self { message_id, ..self }
    }

    /// Reads a header from the start of `bytes`; what follows is not looked at.
    ///
    /// # Errors
    /// Fewer than 32 bytes, or a wrong magic, version, length or kind.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let mut fields = Fields::new(Structure::Header, HEADER_LEN, bytes);
        let magic = fields.u32("magic")?;
        let version = fields.u16("version")?;
        let header_len = fields.u16("header_len")?;
        let raw_kind = fields.u16("kind")?;
        let flags = fields.u16("flags")?.value;
        let code = fields.u16("code")?.value;
        let status = Status::from_raw(fields.u16("transport_status")?.value);
        let payload_len = fields.u32("payload_len")?.value;
        let item_count = fields.u32("item_count")?.value;
        let message_id = fields.u64("message_id")?.value;

        magic.magic(MAGIC)?;
        version.version(VERSION)?;
        if header_len.value != STATED_LEN {
            return Err(header_len.breaks(Rule::HeaderLen { expected: STATED_LEN, found: header_len.value }));
        }
        let kind = Kind::from_raw(raw_kind.value);
        let kind = kind.ok_or_else(|| raw_kind.breaks(Rule::Kind { found: raw_kind.value }))?;
        Ok(Self { kind, flags, code, status, payload_len, item_count, message_id })
    }

    /// The 32 bytes of this header.
    #[inline]
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        join(&[
            &MAGIC.to_ne_bytes(),
            &VERSION.to_ne_bytes(),
            &STATED_LEN.to_ne_bytes(),
            &self.kind.raw().to_ne_bytes(),
            &self.flags.to_ne_bytes(),
            &self.code.to_ne_bytes(),
            &self.status.raw().to_ne_bytes(),
            &self.payload_len.to_ne_bytes(),
            &self.item_count.to_ne_bytes(),
            &self.message_id.to_ne_bytes(),
        ])
    }

    /// What the message is.
    #[inline]
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// All flags, unknown ones too.
    #[inline]
    #[must_use]
    pub const fn flags(&self) -> u16 {
        self.flags
    }

    /// Whether the payload is a batch, be it of one item.
    #[inline]
    #[must_use]
    pub const fn is_batch(&self) -> bool {
        self.flags & FLAG_BATCH != 0
    }

    /// The code as it stands there: of a method, or of a control message.
    #[inline]
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// The method of a request or response; a control message has none.
    #[inline]
    #[must_use]
    pub const fn method(&self) -> Option<Method> {
        match self.kind {
            Kind::Request | Kind::Response => Some(Method::new(self.code)),
            Kind::Control => None,
        }
    }

    /// Which control message this is; `None` for requests, responses and unknown codes.
    #[inline]
    #[must_use]
    pub const fn control_code(&self) -> Option<Control> {
        match self.kind {
            Kind::Request | Kind::Response => None,
            Kind::Control => Control::from_raw(self.code),
        }
    }

    /// How the transport went.
    #[inline]
    #[must_use]
    pub const fn status(&self) -> Status {
        self.status
    }

    /// Bytes of the payload, by the sender's word alone.
    #[inline]
    #[must_use]
    pub const fn payload_len(&self) -> u32 {
        self.payload_len
    }

    /// Bytes of header and payload, by the sender's word alone; too wide to wrap.
    #[inline]
    #[must_use]
    pub const fn message_len(&self) -> u64 {
        HEADER_LEN as u64 + self.payload_len as u64
    }

    /// How many items there are, by the sender's word alone.
    #[inline]
    #[must_use]
    pub const fn item_count(&self) -> u32 {
        self.item_count
    }

    /// What ties a response to its request.
    #[inline]
    #[must_use]
    pub const fn message_id(&self) -> u64 {
        self.message_id
    }
}

#[cfg(test)]
mod tests {
    use super::Header;
    use crate::wire::{CHUNK_MAGIC, Control, Kind, MAGIC, Method, Rule, Status, Structure};

    fn full() -> Header {
        Header::response(Method::new(0x1112), 0x1314_1516_1718_191a, 0x1b1c_1d1e)
            .with_status(Status::LimitExceeded)
            .with_batch(0x2122_2324)
    }

    #[test]
    fn every_field_stands_at_its_offset() {
        let bytes = full().encode();
        assert_eq!(bytes[0..4], 0x4e49_5043_u32.to_ne_bytes());
        assert_eq!(bytes[4..6], 1_u16.to_ne_bytes());
        assert_eq!(bytes[6..8], 32_u16.to_ne_bytes());
        assert_eq!(bytes[8..10], 2_u16.to_ne_bytes());
        assert_eq!(bytes[10..12], 1_u16.to_ne_bytes());
        assert_eq!(bytes[12..14], 0x1112_u16.to_ne_bytes());
        assert_eq!(bytes[14..16], 5_u16.to_ne_bytes());
        assert_eq!(bytes[16..20], 0x1b1c_1d1e_u32.to_ne_bytes());
        assert_eq!(bytes[20..24], 0x2122_2324_u32.to_ne_bytes());
        assert_eq!(bytes[24..32], 0x1314_1516_1718_191a_u64.to_ne_bytes());
        assert_eq!(Header::parse(&bytes), Ok(full()));
    }

    #[test]
    fn constructors_say_what_they_are_named_for() {
        let request = Header::request(Method::new(3), 7, 14);
        assert_eq!(
            (request.kind(), request.method(), request.control_code()),
            (Kind::Request, Some(Method::new(3)), None)
        );
        assert_eq!((request.flags(), request.is_batch(), request.item_count()), (0, false, 1));
        assert_eq!((request.status(), request.payload_len(), request.message_id()), (Status::Ok, 14, 7));
        let hello = Header::control(Control::Hello, 44);
        assert_eq!((hello.kind(), hello.method(), hello.control_code()), (Kind::Control, None, Some(Control::Hello)));
        assert_eq!((hello.code(), hello.payload_len(), hello.message_id(), hello.item_count()), (1, 44, 0, 1));
        let unknown = Header::new(Kind::Control, 3);
        assert_eq!((unknown.method(), unknown.control_code()), (None, None));
        let odd = full().with_flags(0x8000).with_item_count(0).with_payload_len(1).with_message_id(2);
        assert_eq!((odd.flags(), odd.item_count(), odd.payload_len(), odd.message_id()), (0x8000, 0, 1, 2));
    }

    #[test]
    fn the_length_of_a_message_does_not_wrap() {
        assert_eq!(full().with_payload_len(u32::MAX).message_len(), 0x1_0000_001f);
    }

    #[test]
    fn each_broken_rule_is_named_with_its_field() {
        let cases: [(usize, &[u8], &str, Rule); 4] = [
            (0, &CHUNK_MAGIC.to_ne_bytes(), "magic", Rule::Magic { expected: MAGIC, found: CHUNK_MAGIC }),
            (4, &2_u16.to_ne_bytes(), "version", Rule::Version { expected: 1, found: 2 }),
            (6, &33_u16.to_ne_bytes(), "header_len", Rule::HeaderLen { expected: 32, found: 33 }),
            (8, &4_u16.to_ne_bytes(), "kind", Rule::Kind { found: 4 }),
        ];
        for (offset, patch, field, rule) in cases {
            let mut bytes = full().encode();
            bytes[offset..offset + patch.len()].copy_from_slice(patch);
            let error = Header::parse(&bytes).unwrap_err();
            assert_eq!((error.structure(), error.field()), (Structure::Header, field));
            assert_eq!((error.offset(), error.rule()), (offset, rule));
        }
    }

    #[test]
    fn every_shorter_length_is_truncated() {
        let bytes = full().encode();
        for len in 0..bytes.len() {
            let error = Header::parse(&bytes[..len]).unwrap_err();
            assert_eq!((error.offset(), error.rule()), (len, Rule::Truncated { needed: 32, found: len }));
        }
    }

    /// Xorshift, so that a failure repeats.
    struct Random(u64);

    impl Random {
        fn next(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        fn one_in(&mut self, n: u64) -> bool {
            self.next() % n == 0
        }

        fn bytes(&mut self) -> [u8; 32] {
            let mut bytes = [0; 32];
            for word in bytes.chunks_exact_mut(8) {
                word.copy_from_slice(&self.next().to_ne_bytes());
            }
            bytes
        }
    }

    /// The rules read off the page: the offset of the first field that is wrong.
    fn first_wrong_field(bytes: &[u8; 32]) -> Option<usize> {
        let half = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        let word = |at: usize| u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        if word(0) != 0x4e49_5043 {
            Some(0)
        } else if half(4) != 1 {
            Some(4)
        } else if half(6) != 32 {
            Some(6)
        } else if half(8) < 1 || half(8) > 3 {
            Some(8)
        } else {
            None
        }
    }

    #[test]
    fn random_headers_agree_with_the_page() {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut seen = std::collections::BTreeMap::<Option<usize>, u32>::new();
        for _ in 0..100_000 {
            let mut bytes = random.bytes();
            // Noise alone would never get past the magic: each guarded field is put right most of the time.
            for (at, right) in [(0, &MAGIC.to_ne_bytes()[..]), (4, &1_u16.to_ne_bytes()), (6, &32_u16.to_ne_bytes())] {
                if !random.one_in(8) {
                    bytes[at..at + right.len()].copy_from_slice(right);
                }
            }
            let kind = u16::try_from(random.next() % 5).unwrap();
            bytes[8..10].copy_from_slice(&kind.to_ne_bytes());

            let wrong = first_wrong_field(&bytes);
            *seen.entry(wrong).or_default() += 1;
            match Header::parse(&bytes) {
                Ok(header) => {
                    assert_eq!(wrong, None, "{bytes:02x?}");
                    assert_eq!(header.encode(), bytes, "{header:?}");
                    assert_eq!(header.kind().raw(), kind);
                    assert_eq!(header.flags().to_ne_bytes(), bytes[10..12]);
                    assert_eq!(header.code().to_ne_bytes(), bytes[12..14]);
                    assert_eq!(header.status().raw().to_ne_bytes(), bytes[14..16]);
                    assert_eq!(header.payload_len().to_ne_bytes(), bytes[16..20]);
                    assert_eq!(header.item_count().to_ne_bytes(), bytes[20..24]);
                    assert_eq!(header.message_id().to_ne_bytes(), bytes[24..32]);
                }
                Err(error) => assert_eq!(wrong, Some(error.offset()), "{bytes:02x?}"),
            }
        }
        assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [None, Some(0), Some(4), Some(6), Some(8)]);
        assert!(seen.values().all(|&times| times > 1000), "{seen:?}");
    }
}
