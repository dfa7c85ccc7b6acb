//! A message that is being written: its fixed part beside the buffer, and the state of what it has in the buffer.

use super::build::{Core, Form, Lower, Open, Output, below};
use super::cell::{Cell, store_slot};
use super::error::{EncodeError, Rule as Broken};
use super::message::{Breach, Image, Structure, imprint};
use super::rules::Rules;
use crate::buf::{Writer, align_up};

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

    /// A message that begins where `writer` stands.
    #[inline]
    pub(super) fn behind(mut writer: Writer<'w>) -> Self {
        // Beyond what any buffer has, positions could wrap: there they all are the last one, which holds no entries.
        let at = writer.len().min(usize::MAX >> 1);
        writer.skip(if at == writer.len() { M::SIZE } else { usize::MAX });
        Self::new(Core::new(Output::new(writer, at), at, at))
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
            self.core.out.fail(M::NAME, M::LAYOUT.field_at(0), Broken::SetTooLate);
        }
        self.image = M::BLANK;
        self.core.chosen = true;
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
            self.core.out.fail(M::NAME, M::LAYOUT.field_at(at), Broken::SetTooLate);
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
            self.core.out.fail(M::NAME, M::LAYOUT.field_at(at), Broken::SetTooLate);
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
        if self.core.set & Self::ALL != Self::ALL || (M::Rules::TAGGED && !self.core.chosen) {
            *self = self.spare().settle(u64::BITS);
        }
        let broken = match M::Rules::valid(self.image.bytes()) {
            Err((at, rule)) => Some(Breach { at, rule }),
            Ok(()) => M::check(self.image.bytes()).err(),
        };
        if let Some(breach) = broken {
            // A copy: the image itself had better stay in registers.
            let image = self.image;
            self.core.out.fail(M::NAME, M::field_at(image.bytes(), breach.at), breach.rule);
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
        self.core.out.outcome(0)
    }
}
