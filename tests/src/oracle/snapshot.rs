//! The payloads of `cgroups-snapshot` (docs/protocol.md, section 5.2).
//!
//! Refuses: a bad prefix or reserved word, a directory, item or string out of bounds, items under 32 bytes, strings
//! without NUL behind them or in each other's way. Tolerates items in any order and over one another, strings in any
//! order, NULs inside them, and bytes that nobody claims, inside the items and behind them.

use super::bytes::{
    Reason, Text, append_items, append_text, directory, disjoint, prefix, put_u16, put_u32, put_u64, slice, text,
    u32_at, u64_at,
};

const HEADER: u64 = 24;
const ITEM: u64 = 32;

/// Asks for a snapshot, and says nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotRequest;

impl SnapshotRequest {
    /// Decodes a payload.
    ///
    /// # Errors
    ///
    /// The rule that the payload breaks.
    pub fn decode(payload: &[u8]) -> Result<Self, Reason> {
        prefix(payload)?;
        Ok(Self)
    }

    /// The canonical payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = vec![0; 4];
        put_u16(&mut payload, 0, 1);
        payload
    }
}

/// All cgroups of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot<'a> {
    /// At 8.
    pub systemd_enabled: u32,
    /// At 16.
    pub generation: u64,
    /// As the directory lists them; overlapping ones borrow the same bytes.
    pub items: Vec<SnapshotItem<'a>>,
}

/// One cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotItem<'a> {
    /// At 4.
    pub hash: u32,
    /// At 8.
    pub options: u32,
    /// At 12.
    pub enabled: u32,
    /// Its field is at 16.
    pub name: Text<'a>,
    /// Its field is at 24.
    pub path: Text<'a>,
}

impl<'a> Snapshot<'a> {
    /// Decodes a payload.
    ///
    /// # Errors
    ///
    /// The first rule that the payload breaks.
    pub fn decode(payload: &'a [u8]) -> Result<Self, Reason> {
        slice(payload, 0, HEADER)?;
        prefix(payload)?;
        if u32_at(payload, 12)? != 0 {
            return Err("the reserved word of the header is not 0");
        }
        let (places, area) = directory(payload, HEADER, u32_at(payload, 4)?)?;
        let mut items = Vec::new();
        for place in places {
            items.push(SnapshotItem::decode(slice(area, place.start, place.end - place.start)?)?);
        }
        Ok(Self { systemd_enabled: u32_at(payload, 8)?, generation: u64_at(payload, 16)?, items })
    }

    /// The canonical payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = self.head();
        append_items(&mut payload, self.items.iter().map(SnapshotItem::encode));
        payload
    }

    /// The header alone.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = vec![0; HEADER as usize];
        put_u16(&mut head, 0, 1);
        put_u32(&mut head, 4, super::bytes::length(self.items.len()));
        put_u32(&mut head, 8, self.systemd_enabled);
        put_u64(&mut head, 16, self.generation);
        head
    }
}

impl<'a> SnapshotItem<'a> {
    fn decode(item: &'a [u8]) -> Result<Self, Reason> {
        slice(item, 0, ITEM)?;
        prefix(item)?;
        let (name, name_place) = text(item, 16, ITEM)?;
        let (path, path_place) = text(item, 24, ITEM)?;
        disjoint(&[name_place, path_place])?;
        Ok(Self {
            hash: u32_at(item, 4)?,
            options: u32_at(item, 8)?,
            enabled: u32_at(item, 12)?,
            name: Text::Borrowed(name),
            path: Text::Borrowed(path),
        })
    }

    fn encode(&self) -> Vec<u8> {
        let mut item = self.head();
        for (field, text) in self.texts() {
            append_text(&mut item, field, text);
        }
        item
    }

    /// The fixed part, without strings.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = vec![0; ITEM as usize];
        put_u16(&mut head, 0, 1);
        put_u32(&mut head, 4, self.hash);
        put_u32(&mut head, 8, self.options);
        put_u32(&mut head, 12, self.enabled);
        head
    }

    /// Where each string's field is, and the string.
    pub(crate) fn texts(&self) -> [(usize, &[u8]); 2] {
        [(16, &self.name), (24, &self.path)]
    }
}
