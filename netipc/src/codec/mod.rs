//! Typed values and payload bytes: what `#[derive(WireMessage)]` is made of.
//!
//! A message is declared once. From the declaration come an owned value, a `Copy` view that is made only by proving a
//! whole payload, a builder that writes in place, and a description of the layout (docs/protocol.md, section 5).
//!
//! This module refuses everything that a layout does not allow, at decode and at `finish` alike. It knows nothing of
//! packets, sessions or services.

mod build;
mod cell;
mod code;
mod code_cell;
mod directory;
mod draft;
mod error;
mod frame;
mod layout;
mod list;
mod message;
mod named;
mod option;
mod prove;
mod proven;
mod rule;
mod rules;
mod scalar;
pub mod schema;
mod spans;
mod table;
mod tagged;
mod text;
mod tuple;

pub use cell::Extent;
pub use code_cell::CodeView;
pub use directory::{Items, KeysBuilder};
pub use draft::Draft;
pub(crate) use draft::attempt;
pub use error::{Amplified, DecodeError, EncodeError, Rule};
pub use list::{List, RecordsBuilder, Table, ValuesBuilder};
pub use message::Tolerate;
pub(crate) use proven::Kept;
pub use text::ByteStr;

use crate::buf::Writer;
use schema::Layout;

/// What [`crate::private`] shows of this module.
#[doc(hidden)]
pub(crate) mod private {
    pub use super::build::{Core, Output};
    pub use super::cell::{Cell, Class, Shown, probe, shown};
    pub use super::code::Code;
    pub use super::code_cell::{
        append_code, code_layout, decode_code, digest_code, encode_code, fmt_code, get_code, keys, prove_code,
        read_code, records, same_code, valid_code, values, write_code,
    };
    pub use super::directory::{Item, Rule as Directory};
    pub use super::frame::Frame;
    pub use super::layout::{align_up, largest, lay};
    pub use super::list::{Element, OpenList, Pushed};
    pub use super::message::{Breach, Builder, Image, Payload, Structure, Tolerate, blank, spreads};
    pub use super::named::{Count, Digest, DirectoryOf, FieldOf, Key, KeyOf, Made, Name, Named, Records, TableOf};
    pub use super::prove::Prover;
    pub use super::proven::{Fields, OneOf, Place, Whole};
    pub use super::rule::{Constant, Field, Rule, Text, Version, Zero};
    pub use super::rules::{Group, Rules};
    pub use super::scalar::Scalar;
    pub use super::spans::Spans;
    pub use super::table::{Rule as Table, probe_count};
    pub use super::tagged::{Tag, Tagged, Variant, Variants, no_variant};
    pub use super::text::{Bytes, NulBytes, TextCell};
}

/// What a getter hands out of a derived type, and a client returns: the view of a message, an enum without data itself.
pub type ViewOf<'a, M> = <M as cell::Cell>::View<'a>;

/// What a builder takes of a derived type, and a client: a reference to a message, an enum without data itself.
pub type PartOf<'a, M> = <M as cell::Cell>::Part<'a>;

/// A type with a layout on the wire; made by `#[derive(WireMessage)]`.
///
/// The derive also gives each message these functions as its own, so that they work without this trait in scope.
pub trait WireMessage: Sized + 'static {
    /// The layout, field by field.
    const LAYOUT: Layout;
    /// One number for the layout, nested messages included: it changes when the bytes on the wire do.
    const FINGERPRINT: u64 = Self::LAYOUT.fingerprint();
    /// A message inside a payload: a proof, and the bytes behind it.
    type View<'a>: Copy + core::fmt::Debug;

    /// Proves that `payload` is one such message.
    ///
    /// One pass over the payload, no allocation. The getters of the view can't fail.
    ///
    /// # Errors
    /// Which field breaks which rule of the layout, at which byte.
    fn decode(payload: &[u8]) -> Result<Self::View<'_>, DecodeError>;

    /// Proves the payload and copies it into an owned value.
    ///
    /// # Errors
    /// As [`decode`](Self::decode), and [`Rule::Amplified`] where overlapping items would multiply in memory.
    fn decode_owned(payload: &[u8]) -> Result<Self, DecodeError>;

    /// Writes the message at the start of `buffer` and tells its length in bytes.
    ///
    /// # Errors
    /// [`EncodeError::Overflow`] with the size that would have been enough, [`EncodeError::Invalid`] where a value
    /// breaks a rule of the layout, [`EncodeError::TooLarge`] beyond 32-bit offsets. The buffer's content is
    /// unspecified then.
    fn encode(&self, buffer: &mut [u8]) -> Result<usize, EncodeError>;

    /// Writes the message where `writer` stands and tells its length in bytes; offsets count from its own first byte.
    ///
    /// # Errors
    /// As [`encode`](Self::encode). A writer without room for it counts on, and does not fit then.
    fn encode_in(&self, writer: &mut Writer<'_>) -> Result<usize, EncodeError>;

    /// How many bytes [`encode`](Self::encode) writes.
    fn encoded_len(&self) -> usize;

    /// The message in a buffer of its own.
    ///
    /// # Errors
    /// As [`encode`](Self::encode), but for `Overflow`.
    fn to_vec(&self) -> Result<Vec<u8>, EncodeError> {
        let len = self.encoded_len();
        if u32::try_from(len).is_err() {
            return Err(EncodeError::TooLarge(len));
        }
        let mut buffer = vec![0; len];
        let written = self.encode(&mut buffer)?;
        buffer.truncate(written);
        Ok(buffer)
    }
}
