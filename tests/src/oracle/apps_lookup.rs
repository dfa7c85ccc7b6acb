//! The payloads of `apps-lookup` (docs/protocol.md, section 5.2).
//!
//! Refuses, besides what every lookup does: keys other than `{pid, 0}`; items with an unknown status, a command of no or
//! more than 15 bytes, or a finding where one of the two statuses says that there is none. Hands on orchestrators that it
//! does not know.

use super::bytes::{
    Reason, Text, append_items, append_text, c_text, disjoint, put_u16, put_u32, put_u64, slice, u16_at, u32_at, u64_at,
};
use super::labels::{self, Label};
use super::lookup;

const ITEM: u64 = 60;
const UID_UNSET: u32 = 0xffff_ffff;

/// Asks what is known of some processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppsLookupRequest {
    /// In the order in which they are to be answered.
    pub pids: Vec<u32>,
}

/// What is known of the processes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppsLookupResponse<'a> {
    /// At 8.
    pub generation: u64,
    /// One for each process.
    pub items: Vec<AppsLookupItem<'a>>,
}

/// What is known of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppsLookupItem<'a> {
    /// At 2; 0 to 3.
    pub status: u16,
    /// At 4.
    pub orchestrator: u16,
    /// At 6; 0 to 3.
    pub cgroup_status: u16,
    /// At 8.
    pub pid: u32,
    /// At 12.
    pub ppid: u32,
    /// At 16.
    pub uid: u32,
    /// At 24.
    pub starttime: u64,
    /// Its field is at 32.
    pub comm: Text<'a>,
    /// Its field is at 40.
    pub cgroup_path: Text<'a>,
    /// Its field is at 48.
    pub cgroup_name: Text<'a>,
    /// Their count is at 56.
    pub labels: Vec<Label<'a>>,
}

impl AppsLookupRequest {
    /// Decodes a payload.
    ///
    /// # Errors
    ///
    /// The first rule that the payload breaks.
    pub fn decode(payload: &[u8]) -> Result<Self, Reason> {
        let mut pids = Vec::new();
        for key in lookup::keys(payload)? {
            if key.len() != 8 {
                return Err("a key of other than 8 bytes");
            }
            if u32_at(key, 4)? != 0 {
                return Err("the reserved word of a key is not 0");
            }
            pids.push(u32_at(key, 0)?);
        }
        Ok(Self { pids })
    }

    /// The canonical payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = lookup::head(self.pids.len(), 0);
        append_items(&mut payload, self.pids.iter().map(|pid| [pid.to_ne_bytes(), [0; 4]].concat()));
        payload
    }
}

impl<'a> AppsLookupResponse<'a> {
    /// Decodes a payload.
    ///
    /// # Errors
    ///
    /// The first rule that the payload breaks.
    pub fn decode(payload: &'a [u8]) -> Result<Self, Reason> {
        let (generation, answers) = lookup::answers(payload)?;
        let mut items = Vec::new();
        for answer in answers {
            let item = AppsLookupItem::decode(answer)?;
            item.check()?;
            items.push(item);
        }
        Ok(Self { generation, items })
    }

    /// The canonical payload.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = lookup::head(self.items.len(), self.generation);
        append_items(&mut payload, self.items.iter().map(AppsLookupItem::encode));
        payload
    }
}

impl<'a> AppsLookupItem<'a> {
    fn decode(item: &'a [u8]) -> Result<Self, Reason> {
        slice(item, 0, ITEM)?;
        if u16_at(item, 0)? != 1 {
            return Err("an item's layout version is not 1");
        }
        if u32_at(item, 20)? != 0 || u16_at(item, 58)? != 0 {
            return Err("a reserved word of an item is not 0");
        }
        let (comm, comm_place) = c_text(item, 32, ITEM)?;
        let (cgroup_path, path_place) = c_text(item, 40, ITEM)?;
        let (cgroup_name, name_place) = c_text(item, 48, ITEM)?;
        let places = [comm_place, path_place, name_place];
        disjoint(&places)?;
        Ok(Self {
            status: u16_at(item, 2)?,
            orchestrator: u16_at(item, 4)?,
            cgroup_status: u16_at(item, 6)?,
            pid: u32_at(item, 8)?,
            ppid: u32_at(item, 12)?,
            uid: u32_at(item, 16)?,
            starttime: u64_at(item, 24)?,
            comm: Text::Borrowed(comm),
            cgroup_path: Text::Borrowed(cgroup_path),
            cgroup_name: Text::Borrowed(cgroup_name),
            labels: labels::decode(item, u16_at(item, 56)?, &places)?,
        })
    }

    fn check(&self) -> Result<(), Reason> {
        match self.status {
            0 => self.check_known(),
            1..=3 => {
                let unset = self.orchestrator == 0
                    && self.cgroup_status == 0
                    && self.ppid == 0
                    && self.uid == UID_UNSET
                    && self.starttime == 0
                    && self.comm.is_empty()
                    && self.cgroup_path.is_empty()
                    && self.cgroup_name.is_empty()
                    && self.labels.is_empty();
                if unset { Ok(()) } else { Err("a finding without status known") }
            }
            _ => Err("an unknown status"),
        }
    }

    fn check_known(&self) -> Result<(), Reason> {
        if self.comm.is_empty() || self.comm.len() > 15 {
            return Err("a command of no or more than 15 bytes");
        }
        let has_path = !self.cgroup_path.is_empty();
        let nothing_else = self.orchestrator == 0 && self.cgroup_name.is_empty() && self.labels.is_empty();
        match self.cgroup_status {
            // Known.
            0 if !has_path => Err("a known cgroup without path"),
            0 => Ok(()),
            // To be asked for again later.
            1 if !nothing_else => Err("a finding about a cgroup that is not known yet"),
            1 => Ok(()),
            // Unknown for good.
            2 if !has_path => Err("an unknown cgroup without path"),
            2 if !nothing_else => Err("a finding about a cgroup that is unknown"),
            2 => Ok(()),
            // The host's root.
            3 if has_path || !nothing_else => Err("a finding about the host's root"),
            3 => Ok(()),
            _ => Err("an unknown cgroup status"),
        }
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
        put_u16(&mut head, 6, self.cgroup_status);
        put_u32(&mut head, 8, self.pid);
        put_u32(&mut head, 12, self.ppid);
        put_u32(&mut head, 16, self.uid);
        put_u64(&mut head, 24, self.starttime);
        put_u16(&mut head, 56, u16::try_from(self.labels.len()).unwrap_or(u16::MAX));
        head
    }

    /// Where each string's field is, and the string.
    pub(crate) fn texts(&self) -> [(usize, &[u8]); 3] {
        [(32, &self.comm), (40, &self.cgroup_path), (48, &self.cgroup_name)]
    }
}
