//! Answers of limited size, written key by key.
//!
//! Owns: what goes into them. Each key has an item; the first one that does not fit and all behind it are marked as
//! exceeded, and asked for again by the client; one that would not fit alone is marked as oversized (docs/protocol.md,
//! section 6.1). Handlers never see any of this.

use core::fmt;

use super::{HandlerResult, Mark};
use crate::buf::{Checkpoint, Reach, Writer, align_up};
use crate::codec::private::Structure;
use crate::codec::{EncodeError, attempt};

/// Bytes of a request or an answer before its directory, which begin with `version u16`, `flags u16` and `count u32`; in an
/// answer `generation u64` follows.
pub(crate) const FIXED: usize = 16;
/// Bytes of an entry of the directory: `{offset u32, length u32}`.
pub(crate) const ENTRY: usize = 8;
/// Keys and items begin at multiples of this, counted from the first of them.
pub(crate) const ALIGN: usize = 8;

/// The bytes of an item that `write` fills, wherever it may stand.
pub(crate) fn counted<M: Structure>(write: impl FnOnce(&mut M::Builder<'_>)) -> usize {
    let mut nowhere = Writer::new(&mut []);
    let _ = attempt::<M>(&mut nowhere, |item| write(item));
    nowhere.needed()
}

/// A request, as whoever answers it needs it without knowing its keys.
pub(super) trait Asked<M: Structure> {
    fn begin(&self, index: usize, item: &mut M::Builder<'_>);
    /// The length of a key, if it tells how long an item is that is only marked.
    fn telling_len(&self, index: usize) -> Option<usize>;
    fn mark(&self, item: &mut M::Builder<'_>, mark: Mark);
    fn ceiling(&self) -> usize;
    fn wish(&self, bytes: usize);
}

/// The bytes of an item that is only marked.
pub(super) fn marked<M: Structure>(asked: &dyn Asked<M>, index: usize) -> usize {
    counted::<M>(|item| {
        asked.begin(index, item);
        asked.mark(item, Mark::Exceeded);
    })
}

/// How many times more than an answer an item may take in between.
const ASIDE: usize = 16;

/// Keys of fewer bytes than this are counted once for each length.
const SHORT: usize = 128;

/// What marked items take, by the lengths of their keys where these tell; 0 for what is not known yet, else one more.
#[derive(Debug)]
struct Marks([u32; SHORT]);

impl Marks {
    #[inline]
    fn of<M: Structure>(&mut self, asked: &dyn Asked<M>, index: usize) -> usize {
        let known = asked.telling_len(index).and_then(|len| self.0.get_mut(len));
        let Some(known) = known else { return marked(asked, index) };
        if *known == 0 {
            *known = u32::try_from(marked(asked, index).saturating_add(1)).unwrap_or(u32::MAX);
        }
        usize::try_from(*known - 1).unwrap_or(usize::MAX)
    }
}

/// Why an answer could not be completed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Unwritten(EncodeError),
    #[error("{asked} keys were asked for, and {answered} answered")]
    Miscounted { asked: usize, answered: usize },
    #[error("an item was never completed")]
    Interrupted,
}

/// How many answers fitted, and what they took.
#[derive(Debug, Clone, Copy)]
struct Cut {
    items: usize,
    bytes: usize,
    /// The first that did not fit.
    next: usize,
}

/// What the keys need that are not answered yet, should they only be marked.
#[derive(Debug, Clone, Copy)]
enum Bound {
    /// No more than that, each and all together.
    Most { each: usize, keys: usize },
    /// From `next` on exactly `sum`, each of them up to the next multiple of [`ALIGN`]; `last` of that behind the last one.
    Exact { next: usize, sum: usize, last: usize },
}

/// The answers to the keys of a lookup, one for each, in their order.
///
/// A handler says what it knows of each key, and nothing about room:
///
/// ```
/// # use std::ffi::{CStr, CString};
/// # use netipc::{Answers, HandlerResult, Keys, WireMessage};
/// # #[derive(Clone, Copy, PartialEq, Eq, WireMessage)]
/// # #[repr(u16)]
/// # pub enum Found { Yes = 0, No = 1, Exceeded = 2, Oversized = 3 }
/// # #[derive(WireMessage)]
/// # pub struct Age { status: Found, years: u16, name: CString }
/// # #[netipc::service(name = "ages")]
/// # pub trait Ages {
/// #     #[method(lookup(keys = names, items = ages, echo = name, generation = generation,
/// #         exceeded = Found::Exceeded, oversized = Found::Oversized))]
/// #     fn ages(&self, names: Keys<'_, CStr>, reply: Answers<'_, Age>) -> HandlerResult;
/// # }
/// # struct Register { generation: u64 }
/// # impl Register { fn age(&self, name: &CStr) -> Option<u16> { (name == c"Ada").then_some(36) } }
/// # impl Ages for Register {
/// fn ages(&self, names: Keys<'_, CStr>, mut reply: Answers<'_, Age>) -> HandlerResult {
///     reply.generation(self.generation);
///     for name in names {
///         match self.age(name) {
///             Some(years) => reply.answer(|item| item.status(Found::Yes).years(years)),
///             None => reply.answer(|item| item.status(Found::No)),
///         };
///     }
///     Ok(())
/// }
/// # }
/// ```
pub struct Answers<'w, M: Structure> {
    asked: &'w dyn Asked<M>,
    count: usize,
    answered: usize,
    generation: u64,
    /// Stands behind the last item.
    writer: Writer<'w>,
    reach: Reach<'w>,
    /// Where the answer begins.
    start: usize,
    bound: Bound,
    marks: Marks,
    /// Where one item may be written that takes more in between than there is.
    aside: Option<&'w mut Vec<u8>>,
    /// From here on nothing fits.
    cut: Option<Cut>,
    /// Whether the answer is complete.
    outcome: &'w mut Result<bool, Fault>,
}

impl<M: Structure> fmt::Debug for Answers<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers")
            .field("message", &M::NAME)
            .field("asked", &self.count)
            .field("answered", &self.answered)
            .finish_non_exhaustive()
    }
}

impl<'w, M: Structure> Answers<'w, M> {
    /// Begins to answer `count` keys of `keys` bytes, if marks for all of them have room.
    pub(super) fn new(
        asked: &'w dyn Asked<M>,
        (count, keys): (usize, usize),
        writer: &'w mut Writer<'_>,
        aside: Option<&'w mut Vec<u8>>,
        outcome: &'w mut Result<bool, Fault>,
    ) -> Result<Self, EncodeError> {
        let (mut writer, reach) = writer.branch();
        let start = writer.len();
        writer.skip(FIXED.saturating_add(count.saturating_mul(ENTRY)));
        // Beside the length of the key, padding may differ: inside the item, and behind it.
        let each = if count > 0 { marked(asked, 0).saturating_add(2 * ALIGN) } else { 0 };
        let bound = Bound::Most { each, keys };
        let marks = Marks([0; SHORT]);
        let mut answers = Self {
            asked,
            count,
            answered: 0,
            generation: 0,
            writer,
            reach,
            start,
            bound,
            marks,
            aside,
            cut: None,
            outcome,
        };
        let end = answers.end_of_marks(0);
        if end <= answers.writer.capacity() {
            return Ok(answers);
        }
        let needed = end.saturating_sub(start);
        // What is known of a key takes more than the key.
        asked.wish(needed.saturating_mul(4));
        let error = EncodeError::Overflow { needed };
        *answers.outcome = Err(Fault::Unwritten(error));
        Err(error)
    }

    /// Counts changes of what the service knows. All answers of one lookup have to carry one number, however many requests
    /// it takes; 0 unless set.
    pub const fn generation(&mut self, generation: u64) -> &mut Self {
        self.generation = generation;
        self
    }

    /// The number of keys.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether nothing was asked.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Answers the next key: `fill` sets what is known of it. The key itself is there already.
    ///
    /// `fill` is not called where the answer has no room left, since the client will ask again; it is called twice where it
    /// reserves room for more entries of a list than it pushes, and only the rest has room.
    #[inline]
    pub fn answer<F>(&mut self, mut fill: F) -> &mut Self
    where
        F: for<'b> FnMut(&'b mut M::Builder<'w>) -> &'b mut M::Builder<'w>,
    {
        let index = self.answered;
        self.answered = index.saturating_add(1);
        if index >= self.count || self.outcome.is_err() {
            return self;
        }
        if self.cut.is_some() {
            self.mark(index, Mark::Exceeded);
            return self;
        }
        let before = self.writer.checkpoint();
        let (at, written) = self.write(index, |item| {
            fill(item);
        });
        // Where the item ends, also if it took more in between and found no room for that.
        let (end, fits) = (self.writer.len(), self.end_of_marks(index + 1) <= self.writer.capacity());
        let len = end.saturating_sub(at);
        match written {
            Ok(_) if fits => self.enter(index, at, len),
            Ok(_) => self.take_back(index, before, (at, len)),
            Err(EncodeError::Overflow { needed }) if needed > self.writer.capacity().saturating_mul(ASIDE) => {
                self.take_back(index, before, (at, needed));
            }
            Err(EncodeError::Overflow { needed }) => match if fits { self.aside.take() } else { None } {
                Some(memory) => {
                    self.writer.rewind(before);
                    memory.resize(needed, 0);
                    self.write_aside(index, memory, |item| {
                        fill(item);
                    });
                }
                None => self.take_back(index, before, (at, len)),
            },
            Err(error) => *self.outcome = Err(Fault::Unwritten(error)),
        }
        self
    }

    /// Goes back to before an item that began at a byte and has a length, and says of it why it is not there.
    fn take_back(&mut self, index: usize, before: Checkpoint, (at, len): (usize, usize)) {
        self.writer.rewind(before);
        let alone = (FIXED + ENTRY).saturating_add(len);
        if alone <= self.writer.capacity() {
            self.cut = Some(Cut { items: index, bytes: at.saturating_sub(self.first()), next: len });
            self.mark(index, Mark::Exceeded);
        } else if alone <= self.asked.ceiling() {
            *self.outcome = Err(Fault::Unwritten(EncodeError::Overflow { needed: alone }));
        } else {
            self.mark(index, Mark::Oversized);
        }
    }

    /// Writes an item that fits in the end into memory with room for what it takes in between, and copies it from there.
    #[cold]
    fn write_aside(&mut self, index: usize, memory: &'w mut [u8], fill: impl FnOnce(&mut M::Builder<'w>)) {
        let mut aside = Writer::new(memory);
        let asked = self.asked;
        *self.outcome = Err(Fault::Interrupted);
        let written = attempt::<M>(&mut aside, |item| {
            asked.begin(index, item);
            fill(item);
        });
        let len = match written {
            Ok(len) => len,
            // It holds something else the second time.
            Err(error) => return *self.outcome = Err(Fault::Unwritten(error)),
        };
        *self.outcome = Ok(false);
        let at = self.begin_item();
        let mut from = 0;
        while from < len {
            let piece: [u8; ALIGN] = aside.peek(from);
            self.writer.append(piece.get(..len - from).unwrap_or(&piece));
            from += ALIGN;
        }
        self.enter(index, at, len);
    }

    /// Answers the next key with the mark for what fits no answer.
    pub(super) fn leave_out(&mut self) {
        let index = self.answered;
        self.answered = index.saturating_add(1);
        self.mark(index, Mark::Oversized);
    }

    /// Completes the answers.
    ///
    /// # Errors
    /// Keys without an answer, answers without a key, and what the layout of an item excludes. The call then fails, whatever
    /// the handler makes of it.
    pub fn finish(mut self) -> HandlerResult {
        self.close();
        match self.outcome {
            Ok(_) => Ok(()),
            Err(fault) => Err(fault.clone().into()),
        }
    }

    /// Where items begin.
    const fn first(&self) -> usize {
        self.start + FIXED + self.count * ENTRY
    }

    /// Goes to the next place for an item.
    #[inline(always)]
    fn begin_item(&mut self) -> usize {
        let first = self.first();
        let at = first.saturating_add(align_up(self.writer.len().saturating_sub(first), ALIGN));
        self.writer.zero_to(at);
        at
    }

    /// Writes an item at the next place for one: where that is, and how long the item.
    #[inline(always)]
    fn write(&mut self, index: usize, fill: impl FnOnce(&mut M::Builder<'w>)) -> (usize, Result<usize, EncodeError>) {
        let at = self.begin_item();
        let asked = self.asked;
        // Should what follows panic, there is no writer any more, also for a handler that goes on.
        *self.outcome = Err(Fault::Interrupted);
        let written = attempt::<M>(&mut self.writer, |item| {
            asked.begin(index, item);
            fill(item);
        });
        *self.outcome = Ok(false);
        (at, written)
    }

    /// Writes its entry in the directory.
    fn enter(&mut self, index: usize, at: usize, len: usize) {
        let place = self.start + FIXED + index * ENTRY;
        let bytes = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).to_ne_bytes();
        self.writer.put(place, &bytes(at - self.first()));
        self.writer.put(place + 4, &bytes(len));
    }

    /// Writes an item that says why it holds nothing.
    fn mark(&mut self, index: usize, mark: Mark) {
        let asked = self.asked;
        let (at, written) = self.write(index, |item| asked.mark(item, mark));
        match written {
            Ok(len) => self.enter(index, at, len),
            Err(error) => *self.outcome = Err(Fault::Unwritten(error)),
        }
    }

    /// Where the answer ends, should all keys from `next` on only be marked: exactly, or no further than that where there is
    /// much room.
    fn end_of_marks(&mut self, next: usize) -> usize {
        let (end, left) = (self.writer.len(), self.count - next);
        if let Bound::Most { each, keys } = self.bound {
            let most = end.saturating_add(left.saturating_mul(each)).saturating_add(keys);
            if most <= self.writer.capacity() {
                return most;
            }
            self.bound = self.exact(next);
        }
        let first = self.first();
        let Bound::Exact { next: from, sum, last } = &mut self.bound else { return end };
        while *from < next {
            *sum = sum.saturating_sub(align_up(self.marks.of(self.asked, *from), ALIGN));
            *from += 1;
        }
        if left == 0 {
            return end;
        }
        first.saturating_add(align_up(end - first, ALIGN)).saturating_add(*sum) - *last
    }

    /// Counts what the keys from `next` on need.
    fn exact(&mut self, next: usize) -> Bound {
        let (mut sum, mut last) = (0_usize, 0);
        for index in next..self.count {
            let len = self.marks.of(self.asked, index);
            let aligned = align_up(len, ALIGN);
            sum = sum.saturating_add(aligned);
            last = aligned - len;
        }
        Bound::Exact { next, sum, last }
    }

    /// Completes the answers, once.
    fn close(&mut self) {
        if !matches!(self.outcome, Ok(false)) {
            return;
        }
        if self.answered != self.count {
            *self.outcome = Err(Fault::Miscounted { asked: self.count, answered: self.answered });
            return;
        }
        let count = u32::try_from(self.count).unwrap_or(u32::MAX);
        self.writer.put(self.start, &1_u16.to_ne_bytes());
        self.writer.put(self.start + 2, &0_u16.to_ne_bytes());
        self.writer.put(self.start + 4, &count.to_ne_bytes());
        self.writer.put(self.start + 8, &self.generation.to_ne_bytes());
        self.reach.again().advance(&self.writer);
        *self.outcome = Ok(true);
        if let Some(Cut { items, bytes, next }) = self.cut {
            let each = bytes.checked_div(items).unwrap_or(0).max(next).saturating_add(ENTRY);
            self.asked.wish(FIXED.saturating_add(each.saturating_mul(self.count)));
        }
    }
}

impl<M: Structure> Drop for Answers<'_, M> {
    fn drop(&mut self) {
        self.close();
    }
}
