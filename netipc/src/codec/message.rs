//! What the derive says of a message, and the proof of a whole one.

use core::fmt;

use super::WireMessage;
use super::build::{Core, Output};
use super::cell::{Cell, store};
use super::error::{Amplified, DecodeError, EncodeError, Rule};
use super::frame::Frame;
use super::prove::Prover;
use super::proven::Place;
use super::rules::Rules;
use super::schema::{Kind, Layout};
use crate::buf::Writer;

/// What a decoder takes although no encoder writes it (docs/protocol.md, section 5.1).
///
/// Each message asks for itself; nothing is inherited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "six words of one vocabulary, each on or off")]
pub struct Tolerate {
    /// Bytes behind the message.
    pub trailing: bool,
    /// Any bytes between strings, or between the items of a directory.
    pub dirty_gaps: bool,
    /// Items of a directory in any order; goes with `item_overlap`.
    pub item_order: bool,
    /// Items of a directory that share bytes.
    pub item_overlap: bool,
    /// Strings in any order.
    pub string_order: bool,
    /// Bytes of the variable part that belong to nothing.
    pub slack: bool,
}

impl Tolerate {
    /// The strict form, and nothing else.
    pub const NOTHING: Self = Self {
        trailing: false,
        dirty_gaps: false,
        item_order: false,
        item_overlap: false,
        string_order: false,
        slack: false,
    };

    /// Tolerance for what a word of `tolerate(..)` says, added to `self`.
    #[doc(hidden)]
    #[must_use]
    pub const fn and(mut self, word: &str) -> Self {
        match word.as_bytes() {
            b"trailing" => self.trailing = true,
            b"dirty_gaps" => self.dirty_gaps = true,
            b"item_order" => self.item_order = true,
            b"item_overlap" => self.item_overlap = true,
            b"string_order" => self.string_order = true,
            _ => self.slack = true,
        }
        self
    }

    /// Whether strings need not stand directly behind each other.
    pub(super) const fn loose_text(self) -> bool {
        self.dirty_gaps || self.string_order || self.slack
    }

    /// Whether proof needs a slice of the message's own.
    const fn any(self) -> bool {
        self.loose_text() || self.trailing || self.item_order || self.item_overlap
    }
}

/// A rule over values that the fixed part of a message breaks.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "generated code makes it")]
pub struct Breach {
    /// The first byte of the field.
    pub at: usize,
    /// The rule.
    pub rule: Rule,
}

/// The bytes of a fixed part while a builder puts it together.
pub trait Image: Copy {
    /// All of them.
    fn bytes(&self) -> &[u8];
    /// All of them, to be changed.
    fn bytes_mut(&mut self) -> &mut [u8];
}

impl<const N: usize> Image for [u8; N] {
    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        self
    }

    #[inline(always)]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self
    }
}

/// What stands over the frame of an `M`.
pub trait Builder<'w, M: Structure> {
    /// The frame.
    fn into_frame(self) -> Frame<'w, M>;
    /// The frame, where it stands.
    fn frame(&mut self) -> &mut Frame<'w, M>;
}

/// A message with fields: what the derive writes of it. Not meant to be implemented by hand.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no message with fields",
    note = "derive `WireMessage` for a struct or an enum that carries data"
)]
pub trait Structure: Sized + 'static {
    /// The message, as declared.
    const NAME: &'static str;
    /// Bytes of the fixed part.
    const SIZE: usize;
    /// Alignment inside lists and other messages.
    const ALIGN: usize;
    /// What is tolerated.
    const TOLERATE: Tolerate;
    /// The description.
    const LAYOUT: &'static Layout;
    /// The fixed part before any field is set: constants in place, zero elsewhere.
    const BLANK: Self::Image;
    /// `[u8; SIZE]`.
    type Image: Image;
    /// The layout's rules, in order.
    type Rules: Rules;
    /// The view.
    type View<'a>: Copy + fmt::Debug;
    /// The builder.
    type Builder<'w>: Builder<'w, Self>;

    /// The view of a proven place.
    fn view(place: Place<'_, Self>) -> Self::View<'_>;
    /// An owned copy.
    fn to_owned(view: Self::View<'_>) -> Self;
    /// What an owned copy would hold, where items may overlap.
    ///
    /// # Errors
    /// The sum of the items' lengths, if a copy would multiply in memory.
    fn bounded(view: Self::View<'_>) -> Result<(), Amplified> {
        let _ = view;
        Ok(())
    }
    /// Holds the fixed part to `min`, `max` and `require`.
    ///
    /// # Errors
    /// The first rule that does not hold.
    fn check(fixed: &[u8]) -> Result<(), Breach>;
    /// The name of what stands at byte `at` of a fixed part, whose other bytes may say which variant it is.
    #[must_use]
    fn field_at(fixed: &[u8], at: usize) -> &'static str {
        let _ = fixed;
        Self::LAYOUT.field_at(at)
    }
    /// Sets every field.
    fn fill(&self, frame: &mut Frame<'_, Self>);
    /// A builder over a frame.
    fn builder(frame: Frame<'_, Self>) -> Self::Builder<'_>;
}

/// Whether `M` can stand inside another message: its proof needs no slice of its own.
#[must_use]
pub const fn spreads<M: Structure>() -> bool {
    !M::TOLERATE.any() && M::Rules::SPREADS
}

/// Proves that `bytes` are one `M` from the first to the last.
#[inline]
pub(crate) fn prove_whole<M: Structure>(bytes: &[u8], exact: bool) -> Result<(), DecodeError> {
    const {
        assert!(
            !(M::TOLERATE.any() || !M::Rules::SPREADS) || !M::Rules::OTHER_TAIL,
            "beside a directory, a table or a tolerance, only text can vary in length: put the rest into a message of its own"
        );
    }
    let Some(fixed) = bytes.get(..M::SIZE) else {
        return Err(too_short::<M>(bytes.len()));
    };
    let mut prover = Prover::new(bytes, M::SIZE, exact);
    M::Rules::prove::<M, ()>(fixed, 0, 0, &mut prover, ())?;
    check::<M>(fixed, 0)?;
    prover.sweep()?;
    let tolerate = M::TOLERATE;
    if tolerate.string_order && !tolerate.dirty_gaps && !tolerate.slack && prover.claimed != prover.cursor - M::SIZE {
        return Err(unclaimed::<M>(M::SIZE, prover.cursor - M::SIZE - prover.claimed));
    }
    if !tolerate.trailing && !tolerate.slack && prover.cursor != bytes.len() {
        return Err(unclaimed::<M>(prover.cursor, bytes.len() - prover.cursor));
    }
    Ok(())
}

/// Proves the fixed part `fixed` of an `M` at byte `at`, and its tail at the cursor; offsets count from byte `base`.
#[inline(always)]
pub(crate) fn prove_spread<M: Structure>(
    fixed: &[u8],
    at: usize,
    base: usize,
    prover: &mut Prover<'_>,
) -> Result<(), DecodeError> {
    const { assert!(spreads::<M>(), "a message with a directory, a table or tolerances stands alone, or in a directory") };
    M::Rules::prove::<M, ()>(fixed, at, base, prover, ())?;
    check::<M>(fixed, at)
}

#[inline(always)]
fn check<M: Structure>(fixed: &[u8], at: usize) -> Result<(), DecodeError> {
    M::check(fixed).map_err(|breach| breached::<M>(breach, fixed, at))
}

#[cold]
fn breached<M: Structure>(breach: Breach, fixed: &[u8], at: usize) -> DecodeError {
    DecodeError::new(at + breach.at, breach.rule).within(M::NAME, M::field_at(fixed, breach.at))
}

#[cold]
fn too_short<M: Structure>(len: usize) -> DecodeError {
    DecodeError::new(len, Rule::Truncated { needed: M::SIZE, len }).within(M::NAME, M::LAYOUT.field_at(len))
}

#[cold]
fn unclaimed<M: Structure>(at: usize, bytes: usize) -> DecodeError {
    DecodeError::new(at, Rule::Unclaimed(bytes)).within(M::NAME, "end")
}

/// Says which text is not UTF-8, by a second walk that looks at each text by itself; other errors know already.
#[cold]
pub(crate) fn name<M: Structure>(bytes: &[u8], error: DecodeError) -> Result<(), DecodeError> {
    if error.rule == Rule::NotUtf8 { prove_whole::<M>(bytes, true).and(Err(error)) } else { Err(error) }
}

impl<M: Structure> Cell for M {
    const SIZE: usize = M::SIZE;
    const ALIGN: usize = M::ALIGN;
    const PLAIN: bool = false;
    const TAIL: bool = M::Rules::TEXTS != 0 || M::Rules::OTHER_TAIL;
    const KIND: Kind = Kind::Message(M::LAYOUT);
    const ORIGIN: bool = true;
    const SPREADS: bool = spreads::<M>();

    type Owned = M;
    type View<'a> = M::View<'a>;
    type Part<'p> = &'p M;
    type Probe = ();

    #[inline(always)]
    fn prove(cell: &[u8], at: usize, _: usize, prover: &mut Prover<'_>) -> Result<(), DecodeError> {
        prove_spread::<M>(cell, at, at, prover)
    }

    #[inline(always)]
    fn view(place: Place<'_, M>) -> M::View<'_> {
        M::view(place)
    }

    fn probe(_: &[u8]) {}

    fn valid(cell: &[u8]) -> Result<(), Rule> {
        M::Rules::valid(cell).map_err(|(_, rule)| rule)?;
        M::check(cell).map_err(|breach| breach.rule)
    }

    fn to_owned(view: M::View<'_>) -> M {
        M::to_owned(view)
    }

    fn part(owned: &M) -> &M {
        owned
    }

    #[inline]
    fn write(part: &M, cell: &mut [u8], at: usize, _: usize, out: &mut Output<'_>) {
        let mut frame = Frame::<M>::new(Core::new(out.take(), at, at));
        part.fill(&mut frame);
        frame.close_into(cell, out);
    }

    fn write_unset(cell: &mut [u8], at: usize, _: usize, out: &mut Output<'_>) {
        Frame::<M>::new(Core::new(out.take(), at, at)).close_into(cell, out);
    }

    fn lower(writer: &mut Writer<'_>, at: usize, by: u32) {
        M::Rules::lower(writer, at, by);
    }

    fn fmt(view: &M::View<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(view, f)
    }
}

/// A derived type that is a payload of its own, and can be a field as well: what both forms of it have to do with each
/// other.
pub trait Payload: Cell + WireMessage {
    /// What a getter would hand out.
    fn bare<'a>(view: <Self as WireMessage>::View<'a>) -> <Self as Cell>::View<'a>;

    /// Writes the whole payload where `writer` stands.
    ///
    /// # Errors
    /// As [`WireMessage::encode_in`].
    fn write_part(part: Self::Part<'_>, writer: &mut Writer<'_>) -> Result<usize, EncodeError>;
}

impl<M: Structure> Payload for M {
    #[inline(always)]
    fn bare<'a>(view: M::View<'a>) -> M::View<'a> {
        view
    }

    #[inline]
    fn write_part(part: &M, writer: &mut Writer<'_>) -> Result<usize, EncodeError> {
        part.encode_in(writer)
    }
}

impl<M: Structure> WireMessage for M {
    const LAYOUT: Layout = *M::LAYOUT;
    type View<'a> = M::View<'a>;

    #[inline]
    fn decode(payload: &[u8]) -> Result<M::View<'_>, DecodeError> {
        super::proven::decode::<M>(payload).map(M::view)
    }

    fn decode_owned(payload: &[u8]) -> Result<M, DecodeError> {
        let view = <M as WireMessage>::decode(payload)?;
        M::bounded(view).map_err(|amplified| {
            DecodeError::new(M::SIZE, Rule::Amplified(amplified.items)).within(M::NAME, M::LAYOUT.field_at(M::SIZE))
        })?;
        Ok(M::to_owned(view))
    }

    #[inline]
    fn encode(&self, buffer: &mut [u8]) -> Result<usize, EncodeError> {
        let mut frame = Frame::root(buffer);
        self.fill(&mut frame);
        frame.finish()
    }

    #[inline]
    fn encode_in(&self, writer: &mut Writer<'_>) -> Result<usize, EncodeError> {
        super::draft::write(self, writer)
    }

    fn encoded_len(&self) -> usize {
        let mut frame = Frame::root(&mut []);
        self.fill(&mut frame);
        frame.needed()
    }
}

/// The fixed part before any field is set: each `(at, width, value)` in place, zeros elsewhere.
#[must_use]
pub const fn blank<const SIZE: usize>(constants: &[(usize, usize, u64)]) -> [u8; SIZE] {
    let mut image = [0; SIZE];
    let mut i = 0;
    while i < constants.len() {
        let (at, width, value) = constants[i];
        let bytes = value.to_ne_bytes();
        let skip = if cfg!(target_endian = "big") { bytes.len() - width } else { 0 };
        let mut j = 0;
        while j < width {
            image[at + j] = bytes[skip + j];
            j += 1;
        }
        i += 1;
    }
    image
}

/// Writes `image` into `cell`.
#[inline(always)]
pub(super) fn imprint(image: &[u8], cell: &mut [u8]) {
    store(cell, 0, image);
}
