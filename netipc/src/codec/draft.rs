//! A message that is being written into something larger.
//!
//! Owns: where such a message begins, and that its writer moves on exactly when it is complete. It refuses to know what
//! stands before it and what will stand behind.

use core::fmt;
use core::ops::{Deref, DerefMut};

use super::build::Core;
use super::error::EncodeError;
use super::frame::Frame;
use super::message::{Builder, Structure};
use crate::buf::{Reach, Writer};

/// A message that is being written where a [`Writer`] stands, such as one that a session
/// hands out; made by `M::builder_in`. It is set as its builder is, to which it derefs.
///
/// Its offsets count from its own first byte, so it may begin anywhere. Until [`finish`](Self::finish) the writer does
/// not move: a message that is dropped before leaves it where it was.
pub struct Draft<'w, M: Structure> {
    builder: M::Builder<'w>,
    reach: Reach<'w>,
}

impl<'w, M: Structure> Draft<'w, M> {
    /// Begins a message where `writer` stands.
    #[inline]
    #[must_use]
    pub fn new(writer: &'w mut Writer<'_>) -> Self {
        let (part, reach) = writer.branch();
        Self { builder: M::builder(Frame::behind(part)), reach }
    }

    /// Completes the message and tells its length in bytes. The writer then stands behind it.
    ///
    /// # Errors
    /// [`EncodeError::Overflow`] with the bytes of this message that the writer should have had room for, and
    /// [`EncodeError::TooLarge`]: the writer has counted them, and does not fit. [`EncodeError::Invalid`] for a value or
    /// an order that the layout excludes: the writer stands where the message began.
    #[inline]
    pub fn finish(self) -> Result<usize, EncodeError> {
        close(&mut self.builder.into_frame(), self.reach)
    }

    /// The same for who can't give it away: nothing may be set any more then.
    pub(crate) fn close(&mut self) -> Result<usize, EncodeError> {
        close(self.builder.frame(), self.reach.again())
    }
}

/// Has `fill` set the fields of a message where `writer` stands: its length in bytes, or what is wrong. The writer stands behind
/// it, whatever came of it, so that it may be taken back once its length is known.
#[inline(always)]
pub(crate) fn attempt<'w, M: Structure>(
    writer: &mut Writer<'w>,
    fill: impl FnOnce(&mut M::Builder<'w>),
) -> Result<usize, EncodeError> {
    // It stays where it is made: it is some hundred bytes.
    let mut builder = M::builder(Frame::behind(core::mem::replace(writer, Writer::spent())));
    fill(&mut builder);
    let frame = builder.frame();
    frame.close();
    let Core { out, at, .. } = &mut frame.core;
    let outcome = out.outcome(*at);
    *writer = core::mem::replace(&mut out.writer, Writer::spent());
    outcome
}

/// Writes a whole message where `writer` stands.
pub(super) fn write<M: Structure>(message: &M, writer: &mut Writer<'_>) -> Result<usize, EncodeError> {
    let (part, reach) = writer.branch();
    let mut frame = Frame::behind(part);
    message.fill(&mut frame);
    close(&mut frame, reach)
}

#[inline(always)]
fn close<M: Structure>(frame: &mut Frame<'_, M>, reach: Reach<'_>) -> Result<usize, EncodeError> {
    frame.close();
    let Core { out, at, .. } = &frame.core;
    let outcome = out.outcome(*at);
    if !matches!(outcome, Err(EncodeError::Invalid { .. })) {
        reach.advance(&out.writer);
    }
    outcome
}

impl<'w, M: Structure> Deref for Draft<'w, M> {
    type Target = M::Builder<'w>;

    #[inline]
    fn deref(&self) -> &M::Builder<'w> {
        &self.builder
    }
}

impl<'w, M: Structure> DerefMut for Draft<'w, M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut M::Builder<'w> {
        &mut self.builder
    }
}

impl<M: Structure> fmt::Debug for Draft<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("message", &M::NAME).finish_non_exhaustive()
    }
}
