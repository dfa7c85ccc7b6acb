//! The payloads of `cgroups-lookup` (docs/protocol.md, section 5.2).
//!
//! Refuses, besides what every lookup does: keys that are no C string of at least one byte; items with an unknown status,
//! an empty path, or a finding where the status says that there is none. Hands on orchestrators that it does not know.

use super::bytes::{Reason, Text, append_items, append_text, c_text, disjoint, put_u16, slice, u16_at};
use super::labels::{self, Label};
use super::lookup;

const ITEM: u64 = 28;
const KNOWN: u16 = 0;
const OVERSIZED: u16 = 4;

/// Asks what is known of some paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupsLookupRequest<'a> {
    /// In the order in which they are to be answered, without their NULs.
    pub paths: Vec<Text<'a>>,
}

/// What is known of the paths of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupsLookupResponse<'a> {
    /// At 8.
    pub generation: u64,
    /// One for each path.
    pub items: Vec<CgroupsLookupItem<'a>>,
}

/// What is known of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupsLookupItem<'a> {
    /// At 2; 0 to 4.
    pub status: u16,
    /// At 4.
    pub orchestrator: u16,
    /// Its field is at 8.
    pub path: Text<'a>,
    /// Its field is at 16.
    pub name: Text<'a>,
    /// Their count is at 24.
    pub labels: Vec<Label<'a>>,
}

impl<'a> CgroupsLookupRequest<'a> {
    /// Decodes a payload.
    ///
    /// # Errors
    ///
    /// The first rule that the payload breaks.
    pub fn decode(payload: &'a [u8]) -> Result<Self, Reason> {
        let mut paths = Vec::new();
        for key in lookup::keys(payload)? {
            let (nul, path) = key.split_last().ok_or("a key of no bytes")?;
            if path.is_empty() {
                return Err("a key shorter than 2 bytes");
            }
            if *nul != 0 {
                return Err("a key without NUL at its end");
            }
            if path.contains(&0) {
                return Err("a NUL inside a key");
            }
            paths.push(Text::Borrowed(path));
        }
        Ok(Self { paths })
    }

    /// The canonical payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = lookup::head(self.paths.len(), 0);
        append_items(&mut payload, self.paths.iter().map(|path| [path, &[0][..]].concat()));
        payload
    }
}

impl<'a> CgroupsLookupResponse<'a> {
    /// Decodes a payload.
    ///
    /// # Errors
    ///
    /// The first rule that the payload breaks.
    pub fn decode(payload: &'a [u8]) -> Result<Self, Reason> {
        let (generation, answers) = lookup::answers(payload)?;
        let mut items = Vec::new();
        for answer in answers {
            items.push(CgroupsLookupItem::decode(answer)?);
        }
        Ok(Self { generation, items })
    }

    /// The canonical payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = lookup::head(self.items.len(), self.generation);
        append_items(&mut payload, self.items.iter().map(CgroupsLookupItem::encode));
        payload
    }
}

impl<'a> CgroupsLookupItem<'a> {
    fn decode(item: &'a [u8]) -> Result<Self, Reason> {
        slice(item, 0, ITEM)?;
        if u16_at(item, 0)? != 1 {
            return Err("an item's layout version is not 1");
        }
        if u16_at(item, 6)? != 0 || u16_at(item, 26)? != 0 {
            return Err("a reserved word of an item is not 0");
        }
        let status = u16_at(item, 2)?;
        let orchestrator = u16_at(item, 4)?;
        let (path, path_place) = c_text(item, 8, ITEM)?;
        let (name, name_place) = c_text(item, 16, ITEM)?;
        let places = [path_place, name_place];
        disjoint(&places)?;
        let labels = labels::decode(item, u16_at(item, 24)?, &places)?;

        if status > OVERSIZED {
            return Err("an unknown status");
        }
        if path.is_empty() {
            return Err("an empty path");
        }
        if status != KNOWN && (orchestrator != 0 || !name.is_empty() || !labels.is_empty()) {
            return Err("a finding without status known");
        }
        Ok(Self { status, orchestrator, path: Text::Borrowed(path), name: Text::Borrowed(name), labels })
    }

    fn encode(&self) -> Vec<u8> {
        let mut item = self.head();
        for (field, text) in self.texts() {
            append_text(&mut item, field, text);
        }
        labels::append(&mut item, &self.labels);
        item
    }

    /// The fixed part, without strings.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = vec![0; ITEM as usize];
        put_u16(&mut head, 0, 1);
        put_u16(&mut head, 2, self.status);
        put_u16(&mut head, 4, self.orchestrator);
        put_u16(&mut head, 24, u16::try_from(self.labels.len()).unwrap_or(u16::MAX));
        head
    }

    /// Where each string's field is, and the string.
    pub(crate) fn texts(&self) -> [(usize, &[u8]); 2] {
        [(8, &self.path), (16, &self.name)]
    }
}
