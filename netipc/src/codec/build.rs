//! Writing in place: the state under every builder.
//!
//! The fixed part is put together beside the buffer and copied in when it is complete, so scalars may be set in any
//! order and as often as one likes, and rules over them never look at memory that a peer shares. Text goes straight
//! into the buffer. Text that is set before an earlier neighbour moves up when that one comes; behind a list nothing
//! moves any more, and setting such a field too late is an error that `finish` reports.

use super::cell::{Cell, load_u32, narrow, store, store_slot, widen};
use super::error::{EncodeError, Rule as Broken};
use super::message::{Image, Structure, imprint};
use super::rule::Rules;
use super::schema::Layout;
use crate::buf::{Writer, align_up};

/// The bit of a field with a tail.
const fn bit(index: u32) -> u64 {
    1 << index
}

/// The bits of all fields before `index`.
#[inline(always)]
const fn below(index: u32) -> u64 {
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
    fault: Option<EncodeError>,
}

impl<'w> Output<'w> {
    #[inline(always)]
    const fn new(writer: Writer<'w>, origin: usize) -> Self {
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
    fn put_back(&mut self, inner: Self) {
        self.writer = inner.writer;
        if self.fault.is_none() {
            self.fault = inner.fault;
        }
    }

    /// Remembers the first thing that goes wrong.
    #[inline(always)]
    pub(crate) fn fail(&mut self, layout: &Layout, at: usize, rule: Broken) {
        if self.fault.is_none() {
            self.fault = Some(invalid(layout, at, rule));
        }
    }
}

#[cold]
#[inline(never)]
fn invalid(layout: &Layout, at: usize, rule: Broken) -> EncodeError {
    EncodeError::Invalid { message: layout.name, field: layout.field_at(at), rule }
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
type Lower = fn(&mut Writer<'_>, usize, u32);

/// A list that is being filled.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) form: Form,
    /// Where the fixed part has its slot or count.
    cell_at: usize,
    /// Bytes of the count on the wire.
    width: usize,
    /// The cursor before any padding.
    before: usize,
    /// The first entry.
    pub(super) start: usize,
    pub(super) stride: usize,
    reserved: usize,
    pub(super) pushed: usize,
    /// The shortest and the longest text that an item may hold.
    each: (usize, usize),
    /// Lowers the offsets of one entry.
    lower: Option<Lower>,
    /// The message that the list is in.
    layout: &'static Layout,
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
    set: u64,
    /// Fields below can't be set any more.
    floor: u32,
    pub(super) open: Option<Open>,
}

impl<'w> Core<'w> {
    #[inline(always)]
    pub(crate) fn new(out: Output<'w>, at: usize, base: usize) -> Self {
        Self { out, at, base, set: 0, floor: 0, open: None }
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
                self.out.fail(open.layout, open.cell_at, Broken::TooMany(open.reserved));
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
                self.out.fail(open.layout, open.cell_at, Broken::ItemLength(len));
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
    fn spent() -> Self {
        Self::new(Output::new(Writer::spent(), 0), 0, 0)
    }

    /// Closes the open list, and writes its count into the fixed part.
    #[inline(always)]
    fn close_list(&mut self, fixed: &mut [u8]) {
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
            self.out.fail(open.layout, open.cell_at, Broken::TooMany(most));
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

/// A message that is being written.
#[derive(Debug)]
pub struct Frame<'w, M: Structure> {
    pub(super) core: Core<'w>,
    image: M::Image,
}

impl<'w, M: Structure> Frame<'w, M> {
    const ALL: u64 = M::Rules::TEXTS | M::Rules::TAILS;

    /// A message that fills `buffer` from its first byte on.
    #[inline]
    #[must_use]
    pub fn root(buffer: &'w mut [u8]) -> Self {
        let mut writer = Writer::new(buffer);
        writer.skip(M::SIZE);
        Self::new(Core::new(Output::new(writer, 0), 0, 0))
    }

    #[inline(always)]
    pub(super) const fn new(core: Core<'w>) -> Self {
        Self { core, image: M::BLANK }
    }

    /// Sets the cell at byte `AT`, the field `INDEX` among those with a tail.
    #[inline(always)]
    pub fn set<K: Cell, const AT: usize, const INDEX: u32>(&mut self, part: K::Part<'_>) {
        if K::TAIL {
            self.begin_tail(INDEX, AT);
        }
        let (at, base) = (self.core.at + AT, self.core.base);
        if let Some(cell) = self.image.bytes_mut().get_mut(AT..AT + K::SIZE) {
            K::write(part, cell, at, base, &mut self.core.out);
        }
    }

    /// Begins a variant of an enum that carries data: clears what another one left, and writes the tag.
    #[inline(always)]
    pub fn variant<R: Cell>(&mut self, tag: R::Part<'_>) {
        if self.core.set != 0 {
            self.core.out.fail(M::LAYOUT, 0, Broken::SetTooLate);
        }
        self.image = M::BLANK;
        self.set::<R, 0, 0>(tag);
    }

    /// Sets the text whose slot is at byte `AT`, the field `INDEX` among those with a tail.
    #[inline(always)]
    pub(super) fn set_text<const AT: usize, const INDEX: u32>(&mut self, text: &[u8], nul: bool) {
        let core = &mut self.core;
        let in_order = core.set >> INDEX == 0 && core.floor <= INDEX && core.open.is_none();
        if in_order && (M::Rules::TAILS & !core.set & below(INDEX)) == 0 {
            let start = core.out.writer.len();
            if nul {
                core.out.writer.append_with_nul(text);
            } else {
                core.out.writer.append(text);
            }
            core.mark(INDEX);
            if let Some(cell) = self.image.bytes_mut().get_mut(AT..) {
                store_slot(cell, start - core.base, text.len());
            }
        } else {
            *self = self.spare().set_text_late(AT, INDEX, text, nul);
        }
    }

    /// Text that does not come in order: what stands behind it moves up.
    #[cold]
    #[inline(never)]
    fn set_text_late(mut self, at: usize, index: u32, text: &[u8], nul: bool) -> Self {
        self.core.close_list(self.image.bytes_mut());
        let tails = M::Rules::TAILS & !self.core.set & below(index);
        if tails != 0 {
            self = self.settle(u64::BITS - tails.leading_zeros());
        }
        if index < self.core.floor || M::Rules::TAILS & self.core.set & !below(index) != 0 {
            self.core.out.fail(M::LAYOUT, at, Broken::SetTooLate);
        } else {
            self.core.splice::<M>(self.image.bytes_mut(), at, index, text, nul);
        }
        self
    }

    /// Makes sure that a field with a tail of its own can begin now.
    #[inline(always)]
    fn begin_tail(&mut self, index: u32, at: usize) {
        self.core.close_list(self.image.bytes_mut());
        if Self::ALL & !self.core.set & below(index) != 0 {
            *self = self.spare().settle(index);
        }
        if self.core.set >> index != 0 || index < self.core.floor {
            self.core.out.fail(M::LAYOUT, at, Broken::SetTooLate);
        }
        self.core.mark(index);
        self.core.floor = index + 1;
    }

    /// Gives every field below `limit` that nobody set what stands in its tail.
    #[cold]
    #[inline(never)]
    fn settle(mut self, limit: u32) -> Self {
        M::Rules::settle::<M>(self.image.bytes_mut(), &mut self.core, limit);
        self.core.floor = self.core.floor.max(limit);
        self
    }

    /// The frame, to be worked on elsewhere and put back.
    #[inline(always)]
    fn spare(&mut self) -> Self {
        core::mem::replace(self, Self::new(Core::spent()))
    }

    /// Opens the list whose slot or count is at byte `cell_at`, with room for `reserved` entries.
    #[inline(always)]
    pub(super) fn open<E: Cell>(
        &mut self,
        form: Form,
        index: u32,
        cell_at: usize,
        width: usize,
        reserved: usize,
    ) -> &mut Core<'w> {
        self.begin_tail(index, cell_at);
        let before = self.core.out.writer.len();
        let origin = self.core.out.origin;
        let (align, stride, lower): (_, _, Option<Lower>) = match form {
            Form::Directory => (1, 8, None),
            Form::Table => (8, E::SIZE, if E::TAIL { Some(E::lower) } else { None }),
            Form::List => (E::ALIGN, E::SIZE, if E::TAIL { Some(E::lower) } else { None }),
        };
        let start = if reserved == 0 { before } else { origin.saturating_add(align_up(before - origin, align)) };
        self.core.out.writer.zero_to(start);
        self.core.out.writer.skip(reserved.saturating_mul(stride));
        // What would not even fit the address space is refused as too large at the end; no entry is written.
        let reserved = if self.core.out.writer.len() == usize::MAX { 0 } else { reserved };
        self.core.open = Some(Open {
            form,
            cell_at,
            width,
            before,
            start,
            stride,
            reserved,
            pushed: 0,
            each: (0, usize::MAX),
            lower,
            layout: M::LAYOUT,
        });
        &mut self.core
    }

    /// Completes the fixed part and writes it.
    #[inline(always)]
    pub(super) fn close(&mut self) {
        self.complete();
        self.core.out.writer.put(self.core.at, self.image.bytes());
    }

    #[inline(always)]
    fn complete(&mut self) {
        self.core.close_list(self.image.bytes_mut());
        if self.core.set & Self::ALL != Self::ALL {
            *self = self.spare().settle(u64::BITS);
        }
        if let Err((at, rule)) = M::Rules::valid(self.image.bytes()) {
            self.core.out.fail(M::LAYOUT, at, rule);
        } else if let Err(breach) = M::check(self.image.bytes()) {
            self.core.out.fail(M::LAYOUT, breach.at, breach.rule);
        }
    }

    /// Completes the fixed part, which is a cell of another one.
    #[inline(always)]
    pub(super) fn close_into(mut self, cell: &mut [u8], out: &mut Output<'w>) {
        self.complete();
        imprint(self.image.bytes(), cell);
        out.put_back(self.core.out);
    }

    /// The bytes that the message needs, complete or not.
    pub(super) fn needed(&mut self) -> usize {
        self.complete();
        self.core.out.writer.needed()
    }

    /// Completes the message.
    ///
    /// # Errors
    /// [`EncodeError::Invalid`] where a rule does not hold, [`EncodeError::Overflow`] where the buffer is too small,
    /// [`EncodeError::TooLarge`] beyond 32-bit offsets.
    #[inline]
    pub fn finish(&mut self) -> Result<usize, EncodeError> {
        self.close();
        if let Some(fault) = self.core.out.fault {
            return Err(fault);
        }
        let writer = &self.core.out.writer;
        if u32::try_from(writer.needed()).is_err() {
            return Err(EncodeError::TooLarge(writer.needed()));
        }
        if !writer.fits() {
            return Err(EncodeError::Overflow { needed: writer.needed() });
        }
        Ok(writer.len())
    }
}
