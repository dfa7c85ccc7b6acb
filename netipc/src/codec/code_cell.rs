//! What the cells of enums without data have in common; the macro in `code` ties each enum to it.

use core::fmt;

use super::cell::{Cell, store};
use super::code::Code;
use super::directory::KeysBuilder;
use super::error::{DecodeError, EncodeError, Rule};
use super::list::{Element, OpenList, RecordsBuilder, ValuesBuilder};
use super::message::Image;
use super::named::Digest;
use super::proven::Place;
use super::scalar::Scalar;
use super::schema::{Field, Kind, Layout};
use super::tagged::Tag;
use crate::buf::Writer;

/// An enum without data that was a payload of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CodeView<E>(E);

impl<E> CodeView<E> {
    /// The value.
    #[must_use]
    pub fn get(self) -> E {
        self.0
    }
}

impl<E: Code> fmt::Debug for CodeView<E>
where
    E::Repr: Tag,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_code(self.0, f)
    }
}

/// Proves that `cell`, at byte `at`, holds the value of a variant.
///
/// # Errors
/// [`Rule::UnknownValue`].
#[inline(always)]
pub fn prove_code<E: Code>(cell: &[u8], at: usize) -> Result<(), DecodeError>
where
    E::Repr: Tag,
{
    valid_code::<E>(cell).map_err(|rule| DecodeError::new(at, rule))
}

/// Whether `cell` holds the value of a variant.
///
/// # Errors
/// [`Rule::UnknownValue`].
#[inline(always)]
pub fn valid_code<E: Code>(cell: &[u8]) -> Result<(), Rule>
where
    E::Repr: Tag,
{
    match E::from_wire(<E::Repr as Scalar>::get(cell)) {
        Some(_) => Ok(()),
        None => Err(Rule::UnknownValue(<E::Repr as Tag>::tag(cell))),
    }
}

/// The variant at a proven place.
#[inline(always)]
#[must_use]
pub fn get_code<E: Code + Cell>(place: Place<'_, E>) -> E {
    read_code(place.cell())
}

/// The variant in a cell that is proven, or was written by us.
#[inline(always)]
#[must_use]
pub fn read_code<E: Code>(cell: &[u8]) -> E {
    E::from_wire(<E::Repr as Scalar>::get(cell)).unwrap_or(E::FIRST)
}

/// Writes the value of a variant.
#[inline(always)]
pub fn write_code<E: Code>(code: E, cell: &mut [u8]) {
    store(cell, 0, code.to_wire().bytes().bytes());
}

/// Whether both are the same integer on the wire.
#[inline(always)]
#[must_use]
pub fn same_code<E: Code>(one: E, other: E) -> bool {
    one.to_wire().bytes().bytes() == other.to_wire().bytes().bytes()
}

/// Has a digest take the integer in.
#[inline(always)]
pub fn digest_code<E: Code>(code: E, digest: &mut impl Digest) {
    digest.bytes(code.to_wire().bytes().bytes());
}

/// Prints the name of a variant.
///
/// # Errors
/// Those of the formatter.
pub fn fmt_code<E: Code>(code: E, f: &mut fmt::Formatter<'_>) -> fmt::Result
where
    E::Repr: Tag,
{
    let name = code.name();
    let value = <E::Repr as Tag>::tag(code.to_wire().bytes().bytes());
    if E::CODES.values.iter().any(|&(known, of)| known == name && of == value) {
        f.write_str(name)
    } else {
        write!(f, "{name}({value})")
    }
}

/// A builder for an open list of values.
#[must_use]
pub fn values<'p, 'w, E: Element>(list: OpenList<'p, 'w>) -> ValuesBuilder<'p, 'w, E> {
    ValuesBuilder::new(list)
}

/// A builder for an open directory of texts.
#[must_use]
pub const fn keys<'p, 'w>(list: OpenList<'p, 'w>) -> KeysBuilder<'p, 'w> {
    KeysBuilder::new(list)
}

/// A builder for an open list or directory of messages.
#[must_use]
pub const fn records<'p, 'w, E: super::message::Structure>(list: OpenList<'p, 'w>) -> RecordsBuilder<'p, 'w, E> {
    RecordsBuilder::new(list)
}

/// The one field of such a payload.
struct Only<E>(core::marker::PhantomData<E>);

impl<E: Code + Cell> Only<E> {
    const FIELDS: &'static [Field] = &[Field::new("value", 0, E::SIZE, Kind::Code(E::CODES))];
}

/// The layout of an enum that is a payload of its own.
#[must_use]
pub const fn code_layout<E: Code + Cell>() -> Layout {
    Layout::new(E::CODES.name, E::SIZE, E::ALIGN, Only::<E>::FIELDS)
}

/// Proves that a payload is one such integer.
///
/// # Errors
/// A payload of another length, or a value without a variant.
pub fn decode_code<E: Code + Cell>(payload: &[u8]) -> Result<CodeView<E>, DecodeError>
where
    E::Repr: Tag,
{
    let name = E::CODES.name;
    if payload.len() < E::SIZE {
        let rule = Rule::Truncated { needed: E::SIZE, len: payload.len() };
        return Err(DecodeError::new(payload.len(), rule).within(name, "value"));
    }
    if payload.len() > E::SIZE {
        return Err(DecodeError::new(E::SIZE, Rule::Unclaimed(payload.len() - E::SIZE)).within(name, "end"));
    }
    prove_code::<E>(payload, 0).map_err(|error| error.within(name, "value"))?;
    Ok(CodeView(read_code(payload)))
}

/// Writes the integer at the start of `buffer`.
///
/// # Errors
/// A buffer shorter than the integer.
pub fn encode_code<E: Code + Cell>(code: E, buffer: &mut [u8]) -> Result<usize, EncodeError> {
    if buffer.len() < E::SIZE {
        return Err(EncodeError::Overflow { needed: E::SIZE });
    }
    write_code(code, buffer);
    Ok(E::SIZE)
}

/// Writes a code, alone, where `writer` stands.
///
/// # Errors
/// [`EncodeError::Overflow`] where it has no room.
pub fn append_code<E: Code + Cell>(code: E, writer: &mut Writer<'_>) -> Result<usize, EncodeError> {
    writer.append(code.to_wire().bytes().bytes());
    if writer.fits() { Ok(E::SIZE) } else { Err(EncodeError::Overflow { needed: E::SIZE }) }
}
