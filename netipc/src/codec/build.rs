//! Writing in place: what is written so far, and how far a message has come in it.
//!
//! The fixed part is put together beside the buffer and copied in when it is complete, so scalars may be set in any
//! order and as often as one likes, and rules over them never look at memory that a peer shares. Text goes straight
//! into the buffer. Text that is set before an earlier neighbour moves up when that one comes; behind a list nothing
//! moves any more, and setting such a field too late is an error that `finish` reports.

use super::cell::{load_u32, narrow, store, store_slot, widen};
use super::error::{EncodeError, Rule as Broken};
use super::message::Structure;
use super::rules::Rules;
use super::schema::Layout;
use crate::buf::{Writer, align_up};

/// The bit of a field with a tail.
const fn bit(index: u32) -> u64 {
    1 << index
}

/// The bits of all fields before `index`.
#[inline(always)]
pub(super) const fn below(index: u32) -> u64 {
    if index >= u64::BITS { u64::MAX } else { (1 << index) - 1 }
}

fn signed(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// The bytes written so far, and the first thing that went wrong.
#[derive(Debug)]
pub struct Output<'w> {
    pub(crate) writer: Writer<'w>,
    /// Where the slice begins that alignment and directories count from.
    pub(crate) origin: usize,
    pub(super) fault: Option<EncodeError>,
}

impl<'w> Output<'w> {
    #[inline(always)]
    pub(super) const fn new(writer: Writer<'w>, origin: usize) -> Self {
        Self { writer, origin, fault: None }
    }

    /// Hands the bytes on to a nested frame; until they are back, this side is broken.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> Self {
        let origin = self.origin;
        self.take_at(origin)
    }

    /// The same, for a slice that begins at `origin`.
    #[inline(always)]
    fn take_at(&mut self, origin: usize) -> Self {
        let writer = core::mem::replace(&mut self.writer, Writer::spent());
        Self { writer, origin, fault: None }
    }

    #[inline(always)]
    pub(super) fn put_back(&mut self, inner: Self) {
        self.writer = inner.writer;
        if self.fault.is_none() {
            self.fault = inner.fault;
        }
    }

    /// The length of the message that began at byte `start` and is complete, or what is wrong with it.
    #[inline(always)]
    pub(super) fn outcome(&self, start: usize) -> Result<usize, EncodeError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let needed = self.writer.needed() - start;
        if u32::try_from(needed).is_err() {
            return Err(EncodeError::TooLarge(needed));
        }
        if !self.writer.fits() {
            return Err(EncodeError::Overflow { needed });
        }
        Ok(self.writer.len() - start)
    }

    /// Remembers the first thing that goes wrong.
    #[inline(always)]
    pub(crate) fn fail(&mut self, message: &'static str, field: &'static str, rule: Broken) {
        if self.fault.is_none() {
            self.fault = Some(EncodeError::Invalid { message, field, rule });
        }
    }
}

/// How the entries of an open list stand in the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Rows of a natural list: offsets count from each row.
    List,
    /// Rows of a table: offsets count from the message that holds it.
    Table,
    /// `{offset, length}` entries, then the items.
    Directory,
}

/// Lowers the offsets of one entry, at a byte, by a number.
pub(super) type Lower = fn(&mut Writer<'_>, usize, u32);

/// A list that is being filled.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) form: Form,
    /// Where the fixed part has its slot or count.
    pub(super) cell_at: usize,
    /// Bytes of the count on the wire.
    pub(super) width: usize,
    /// The cursor before any padding.
    pub(super) before: usize,
    /// The first entry.
    pub(super) start: usize,
    pub(super) stride: usize,
    pub(super) reserved: usize,
    pub(super) pushed: usize,
    /// The shortest and the longest text that an item may hold.
    pub(super) each: (usize, usize),
    /// Lowers the offsets of one entry.
    pub(super) lower: Option<Lower>,
    /// The message that the list is in.
    pub(super) layout: &'static Layout,
}

impl Open {
    /// Where the items of a directory begin.
    #[inline(always)]
    pub(super) fn packed(&self) -> usize {
        self.start + self.reserved * self.stride
    }
}

/// The part of a frame that does not depend on the message.
#[derive(Debug)]
pub struct Core<'w> {
    pub(super) out: Output<'w>,
    /// Where the fixed part will stand.
    pub(super) at: usize,
    /// Where offsets count from.
    pub(super) base: usize,
    /// The fields with a tail that are set, by their indices.
    pub(super) set: u64,
    /// Fields below can't be set any more.
    pub(super) floor: u32,
    /// Whether a variant was set, where the message is an enum that carries data.
    pub(super) chosen: bool,
    pub(super) open: Option<Open>,
}

impl<'w> Core<'w> {
    #[inline(always)]
    pub(crate) fn new(out: Output<'w>, at: usize, base: usize) -> Self {
        Self { out, at, base, set: 0, floor: 0, chosen: false, open: None }
    }

    #[inline(always)]
    pub(super) const fn is_set(&self, index: u32) -> bool {
        self.set & bit(index) != 0
    }

    pub(super) const fn mark(&mut self, index: u32) {
        self.set |= bit(index);
    }

    /// Whether one more entry has room; counts it.
    #[inline(always)]
    pub(super) fn claim_entry(&mut self) -> bool {
        match &mut self.open {
            Some(open) if open.pushed < open.reserved => {
                open.pushed += 1;
                true
            }
            Some(open) => {
                self.out.fail(open.layout.name, open.layout.field_at(open.cell_at), Broken::TooMany(open.reserved));
                false
            }
            None => false,
        }
    }

    /// Where the entry stands that was claimed last.
    #[inline(always)]
    pub(super) fn last_entry(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.start + (open.pushed - 1) * open.stride)
    }

    /// The lengths that text items of the open directory may have.
    #[inline(always)]
    pub(super) fn bound_items(&mut self, each: (usize, usize)) {
        if let Some(open) = &mut self.open {
            open.each = each;
        }
    }

    /// Holds a text item of `len` bytes to them.
    #[inline(always)]
    pub(super) fn check_item(&mut self, len: usize) {
        if let Some(open) = &self.open {
            if len < open.each.0 || len > open.each.1 {
                self.out.fail(open.layout.name, open.layout.field_at(open.cell_at), Broken::ItemLength(len));
            }
        }
    }

    /// Begins an item of a directory: zeros up to its alignment. Tells where it begins.
    #[inline(always)]
    pub(super) fn begin_item(&mut self) -> usize {
        let packed = self.open.as_ref().map_or(0, Open::packed);
        let start = packed.saturating_add(align_up(self.out.writer.len() - packed, 8));
        self.out.writer.zero_word_to(start);
        start
    }

    /// Ends the item that began at `start`, the last one claimed.
    #[inline(always)]
    pub(super) fn end_item(&mut self, start: usize) {
        if let Some(open) = &self.open {
            let mut entry = [0; 8];
            store_slot(&mut entry, start - open.packed(), self.out.writer.len() - start);
            self.out.writer.put(open.start + (open.pushed - 1) * open.stride, &entry);
        }
    }

    /// A frame for a part of this message.
    #[inline(always)]
    pub(super) fn nested(&mut self, origin: usize, at: usize, base: usize) -> Self {
        Self::new(self.out.take_at(origin), at, base)
    }

    #[inline(always)]
    pub(super) fn put_back(&mut self, inner: Self) {
        self.out.put_back(inner.out);
    }

    /// Puts text where it belongs, moving up what stands behind it; text that was there before goes.
    pub(super) fn splice<M: Structure>(&mut self, fixed: &mut [u8], at: usize, index: u32, text: &[u8], nul: bool) {
        if self.is_set(index) {
            let start = self.base.saturating_add(widen(load_u32(fixed, at)));
            let room = widen(load_u32(fixed, at + 4)).saturating_add(usize::from(nul));
            self.out.writer.close_gap(start, start.saturating_add(room));
            M::Rules::raise_text(fixed, index, self.set, -signed(room));
        }
        let behind = self.set & M::Rules::TEXTS & !below(index + 1);
        let start = if behind == 0 {
            self.out.writer.len()
        } else {
            self.base.saturating_add(M::Rules::text_start(fixed, behind.trailing_zeros()))
        };
        self.out.writer.insert(start, text, nul);
        M::Rules::raise_text(fixed, index, self.set, signed(text.len().saturating_add(usize::from(nul))));
        self.mark(index);
        if let Some(cell) = fixed.get_mut(at..) {
            store_slot(cell, start - self.base, text.len());
        }
    }

    /// What stands in for a core that is being worked on elsewhere.
    #[inline(always)]
    pub(super) fn spent() -> Self {
        Self::new(Output::new(Writer::spent(), 0), 0, 0)
    }

    /// Closes the open list, and writes its count into the fixed part.
    #[inline(always)]
    pub(super) fn close_list(&mut self, fixed: &mut [u8]) {
        let Some(open) = self.open.take() else { return };
        if open.pushed != open.reserved {
            *self = core::mem::replace(self, Self::spent()).close_up(&open);
        }
        if open.form == Form::List {
            let offset = if open.pushed == 0 { 0 } else { open.start - self.base };
            if let Some(cell) = fixed.get_mut(open.cell_at..) {
                store_slot(cell, offset, open.pushed);
            }
            return;
        }
        match open.width {
            1 => store(fixed, open.cell_at, &[u8::try_from(open.pushed).unwrap_or(u8::MAX)]),
            2 => store(fixed, open.cell_at, &u16::try_from(open.pushed).unwrap_or(u16::MAX).to_ne_bytes()),
            _ => store(fixed, open.cell_at, &narrow(open.pushed).to_ne_bytes()),
        }
        let most = if open.width < 4 { (1 << (8 * open.width)) - 1 } else { widen(u32::MAX) };
        if open.pushed > most {
            self.out.fail(open.layout.name, open.layout.field_at(open.cell_at), Broken::TooMany(most));
        }
    }

    /// Closes a list up to the entries that were pushed.
    ///
    /// Taken and returned by value, as all that is rarely done to a core: so its fields can live in registers.
    #[cold]
    #[inline(never)]
    fn close_up(mut self, open: &Open) -> Self {
        let end = open.start + open.pushed * open.stride;
        if open.pushed == 0 && open.form != Form::Directory {
            self.out.writer.close_gap(open.before, open.packed());
            return self;
        }
        self.out.writer.close_gap(end, open.packed());
        if let Some(lower) = open.lower {
            let by = narrow(open.packed() - end);
            let mut at = open.start;
            while at < end {
                lower(&mut self.out.writer, at, by);
                at += open.stride;
            }
        }
        self
    }
}
